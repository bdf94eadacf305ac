"""`esms send CHANNEL SOURCE`: a campaign on any channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from esms_connectors.cli.sending import campaign_options, run_campaign, send_zns
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.recipients import Columns
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel


@click.group("send")
def send() -> None:
    """Send to each row of a list, once: `esms send CHANNEL SOURCE`."""


send.add_command(send_zns, "zns")


def _sms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--plain", is_flag=True, help="Without diacritics, which make most texts dearer."),
        click.option("--brandname", required=True, help="The registered sender ID."),
        click.option("--text", required=True, help="The message."),
        click.argument("source"),
    ):
        command = option(command)
    return command


@send.command("sms")
@click.option("--params", help="Other columns for placeholders: name=column,…; default: the columns of their names.")
@_sms_options
@campaign_options
def send_care_sms(source: str, text: str, brandname: str, plain: bool, params: str | None, **options: Any) -> None:
    """
    Send a customer-care SMS to each row of SOURCE, once. `{column}` in the text stands for the row's value, in any
    case, with blanks and accents; `{{` and `}}` are braces.

    \b
    Example:
      esms send sms customers.xlsx --brandname MyBrand --run-key march --phone-column "Số điện thoại" \\
          --text "Chào {Tên khách hàng}, lịch hẹn của bạn lúc {giờ hẹn}." --plan
    """
    phone, key = options["phone_column"], options["key_column"]
    given = Columns.parse(params, phone=phone, key_column=key) if params else Columns(phone, (), key)

    def channel(client: EsmsClient, **more: Any) -> Channel:
        return CareSmsChannel(client, text, brandname, plain=plain, **more)

    run_campaign(source, given, channel, **options)


@send.command("advertising")
@_sms_options
@campaign_options
def send_advertising(source: str, text: str, brandname: str, plain: bool, **options: Any) -> None:
    """
    Send an advertising SMS, one text, to each row of SOURCE, once: 30 numbers and more, reviewed by eSMS before it goes
    out. Its messages come back without a campaign, so rows in doubt cannot be looked up.
    """
    columns = Columns(options["phone_column"], (), options["key_column"])

    def channel(client: EsmsClient, **more: Any) -> Channel:
        return AdvertisingChannel(client, text, brandname, plain=plain, **more)

    run_campaign(source, columns, channel, **options)


class SmsCommand(click.Command):
    """`esms send-sms SOURCE` is `esms send sms SOURCE`; with --to it is one SMS."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and not args[0].startswith("-"):
            return send_care_sms.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)
