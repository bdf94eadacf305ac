"""`esms send-sms`: one message, or advertising to many, without a list."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from esms_connectors.cli.guard_options import guard_of, ledger_there, rule_options
from esms_connectors.cli.output import json_option, print_json
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, read_send_time
from esms_connectors.cli.terminal import say
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import Submission
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.request_ids import random_request_id
from esms_connectors.sending.guard.single import guarded_message
from esms_connectors.sending.sms_message import SmsMessage
from esms_connectors.sending.texts import describe_as_sent, sms_text


class SmsCommand(click.Command):
    """`esms send-sms SOURCE` is `esms send sms SOURCE`; with --to it is one SMS."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and not args[0].startswith("-"):
            from esms_connectors.cli.channels import send_care_sms  # imports that only a list needs

            return send_care_sms.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("send-sms", cls=SmsCommand)
@click.option("--to", "phones", multiple=True, required=True, metavar="PHONE", help="Recipient; repeatable.")
@click.option("--text", required=True, help="The message; - reads it from standard input.")
@click.option("--brandname", required=True, help="The registered sender ID.")
@click.option("--advertising", is_flag=True, help="Advertising: 30 to 5000 numbers, reviewed before it goes out.")
@click.option(
    "--at", "send_at", metavar="TIME", help="When to send: '2026-11-21 08:30', 'tomorrow 08:30', +2h, in Vietnam."
)
@click.option("--campaign", help="Returned in the sent data; customer care only.")
@click.option("--callback-url", metavar="URL", help="URL that receives the delivery report.")
@click.option("--request-id", help="At most 50 characters; the same id is never sent twice on one day.")
@rule_options
@ledger_option
@connection_options
@json_option
def send_sms(
    phones: tuple[str, ...],
    text: str,
    brandname: str,
    advertising: bool,
    send_at: str | None,
    campaign: str | None,
    callback_url: str | None,
    request_id: str | None,
    hours: str | None,
    overridden: tuple[str, ...],
    override_reason: str | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Send one SMS: customer care to one number, or advertising to many. With a SOURCE first it is `esms send sms SOURCE`:
    a message to each row of a list.

    The guard's rules apply, with the suppression list, caps and stop marks of the ledger if there is one.

    \b
    Examples:
      esms send-sms --to 0901888484 --brandname MyBrand --text "Pipeline failed"
      esms send-sms --sandbox --to 0901888484 --brandname MyBrand --text - < text.txt
    """
    if not advertising and len(phones) > 1:
        raise InvalidRequestError(
            "A customer-care SMS goes to one number. Call once for each, or use --advertising.", field="to"
        )
    if advertising and campaign is not None:
        raise InvalidRequestError("--campaign is for customer care: advertising has none.", field="campaign")
    text = sms_text(_standard_input() if text == "-" else text)
    # Created here so that it can be reported even if the answer is lost.
    request_id = request_id if request_id is not None else random_request_id()
    when = None if send_at is None else read_send_time(send_at)
    numbers = [normalise_phone(phone) for phone in phones]
    rules = guard_of(hours=hours, overridden=overridden, override_reason=override_reason)
    with contextlib.ExitStack() as opened:
        client = opened.enter_context(open_client(base_url, sandbox))
        ledger = ledger_there(opened, ledger_url, needed=bool(overridden))
        channel = opened.enter_context(
            guarded_message(
                rules,
                SmsMessage(numbers, text, brandname, advertising=advertising).channel(client, when),
                numbers,
                request_id,
                ledger,
                segments=describe_as_sent(text).segments,
            )
        )
        common: dict[str, Any] = {"send_at": channel.send_at, "callback_url": callback_url, "request_id": request_id}
        sent = (
            client.send_advertising_sms(numbers, text, brandname, **common)
            if advertising
            else client.send_customer_care_sms(numbers[0], text, brandname, campaign=campaign, **common)
        )
    if as_json:
        print_json({name: getattr(sent, name) for name in Submission.__slots__})
        return
    what = "checked in the sandbox, not sent" if sent.sandbox else "accepted (which does not mean delivered)"
    if sent.duplicate:
        what = "already accepted earlier under this request id; not sent again"
    say(what, fg="green")
    say(f"  message id  {sent.message_id or 'none given'}\n  request id  {sent.request_id}")


def _standard_input() -> str:
    """Read all of standard input as UTF-8 regardless of the locale: Vietnamese text must survive a cron job."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidRequestError("The text on standard input is not UTF-8.", field="text") from None
