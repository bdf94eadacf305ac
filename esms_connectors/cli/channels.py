"""`esms send CHANNEL SOURCE`: a campaign on any channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from esms_connectors.cli.channel_options import CHANNEL_OPTIONS, COLUMN_OPTIONS, columns_from, read_options
from esms_connectors.cli.output import ListingGroup
from esms_connectors.cli.sending import campaign_options, run_campaign, send_zns
from esms_connectors.cli.settings import complete_files
from esms_connectors.cli.steps import CampaignCommand
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.channels.factory import make_channel

_PLACEHOLDERS = (
    "`{column}` in the text is replaced by the row's value; column names may have any case, spaces and accents; `{{` "
    "and `}}` are braces."
)
_NOT_LOOKED_UP = "Its messages are listed without a campaign, so rows in doubt cannot be looked up."


@click.group("send", cls=ListingGroup)
def send() -> None:
    """
    Send to each row of a list, once: `esms send CHANNEL SOURCE`.

    \b
    Example:
      esms send sms customers.csv --brandname MyBrand --text "Chao {customer_name}" --run-key spring --plan
    """


send.add_command(send_zns, "zns")


def _channel_command(kind: str, names: tuple[str, ...], about: str, example: str) -> click.Command:
    own = [name.replace("script_id", "template_id") for name in names if name not in COLUMN_OPTIONS]

    def command(source: str | None = None, params: str | None = None, **options: Any) -> None:
        given = read_options({name: options.pop(name) for name in own})
        columns = columns_from(params, options["phone_column"], options["key_column"])

        def channel(client: EsmsClient, **more: Any) -> Channel:
            return make_channel(kind, client, {**given, **more})

        run_campaign(source, columns, channel, **options)

    command.__doc__ = f"{about}\n\n\b\nExample:\n  {example}"
    made: Callable[..., Any] = campaign_options(command)
    for name in reversed(names):
        made = CHANNEL_OPTIONS[name](made)
    return send.command(kind, cls=CampaignCommand)(
        click.argument("source", required=False, shell_complete=complete_files)(made)
    )


_ZNS = ("template_id", "oa_id", "values", "template_file")
_BUTTON = ("image_url", "button_url", "button_label")

send_care_sms = _channel_command(
    "sms",
    ("text", "brandname", "plain", "named"),
    f"Send a customer-care SMS to each row of SOURCE, once. {_PLACEHOLDERS}",
    'esms send sms customers.xlsx --brandname MyBrand --run-key march --phone-column "Số điện thoại" \\\n'
    '      --text "Chào {Tên khách hàng}, lịch hẹn của bạn lúc {giờ hẹn}." --plan',
)
_channel_command(
    "advertising",
    ("text", "brandname", "plain"),
    "Send an advertising SMS, one text, to each row of SOURCE, once: 30 numbers and more, reviewed by eSMS before it "
    f"goes out. {_NOT_LOOKED_UP}",
    'esms send advertising customers.csv --brandname MyBrand --text "Giam gia 10%" --run-key march',
)
_channel_command(
    "zns-name",
    (*_ZNS, "sending_mode"),
    "Send a ZNS to each row of SOURCE, once, one request per row: its request id is documented to be honoured, unlike "
    "that of bulk ZNS.",
    "esms send zns-name customers.csv --template 267247 --oa 4097311281936189049 \\\n"
    "      --params customer_name,service,code,date --run-key march",
)
_channel_command(
    "zns-journey",
    _ZNS,
    f"Send a ZNS of a journey to each row of SOURCE, once; --key-column contains the order id. {_NOT_LOOKED_UP}",
    "esms send zns-journey orders.csv --template 311808 --oa 4097311281936189049 --key-column order_id \\\n"
    "      --params customer_name,order_id,status --run-key march-shipped",
)
_channel_command(
    "fixed-number",
    ("text", "plain", "named"),
    f"Send an SMS from a shared number to each row of SOURCE, once. {_PLACEHOLDERS}",
    'esms send fixed-number customers.csv --text "Chao {customer_name}" --run-key march',
)
_channel_command(
    "viber",
    ("text", "brandname", "plain", *_BUTTON, "named"),
    f"Send a Viber message to each row of SOURCE, once. {_PLACEHOLDERS} {_NOT_LOOKED_UP}",
    'esms send viber customers.csv --brandname MyBrand --text "Chao {customer_name}" --run-key march',
)
_channel_command(
    "multi-channel",
    (*_ZNS, "text", "brandname", "plain", "sending_mode"),
    "Send a ZNS to each row of SOURCE, once, and let the gateway send an SMS where Zalo cannot be reached. `{name}` in "
    f"the text is replaced by that variable of the template. {_NOT_LOOKED_UP}",
    "esms send multi-channel customers.csv --template 267247 --oa 4097311281936189049 \\\n"
    "      --params customer_name,service,code,date --brandname MyBrand \\\n"
    '      --text "Chao {customer_name}, lich hen {date}" --run-key march',
)
_channel_command(
    "zalo-text",
    ("text", "oa_id", "plain", "image_url", "buttons", "named"),
    "Send a consulting message to each Zalo user of SOURCE, once; --phone-column contains the Zalo user id. "
    f"{_PLACEHOLDERS} {_NOT_LOOKED_UP}",
    "esms send zalo-text followers.csv --oa 4097311281936189049 --phone-column user_id \\\n"
    '      --text "Chao {name}" --run-key march',
)
_channel_command(
    "zalo-transaction",
    ("oa_id", "template_type", "elements", "buttons", "language", "named"),
    "Send a card about a transaction to each Zalo user of SOURCE, once; --phone-column contains the Zalo user id. "
    f"{_NOT_LOOKED_UP}",
    "esms send zalo-transaction followers.csv --oa 4097311281936189049 --phone-column user_id \\\n"
    "      --template-type transaction_order --run-key march \\\n"
    """      --elements '[{"type": "header", "content": "Don {order}"}]'""",
)
_channel_command(
    "voice-otp",
    ("text", "plain", "named"),
    "Call each number of SOURCE, once, and read out a text with a code. A call is never repeated for a lost answer. "
    "The request is that of the fixed number: try it with a number of your own first.",
    'esms send voice-otp codes.csv --text "Ma cua ban la {code}" --run-key login-codes',
)
_channel_command(
    "call",
    ("script_id", "columns", "voice", "speed"),
    "Call each number of SOURCE, once, and speak a registered script. A call is never repeated for a lost answer. "
    f"{_NOT_LOOKED_UP}",
    "esms send call debtors.csv --template 20458 --params name,sum --run-key march-reminder",
)
