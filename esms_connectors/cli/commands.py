"""The commands. Each is a thin wrapper: what it does lives in the package, how it is shown lives here."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from esms_connectors import __version__
from esms_connectors.cli import output
from esms_connectors.cli.alerting import alert
from esms_connectors.cli.call import call
from esms_connectors.cli.channels import SmsCommand, send
from esms_connectors.cli.check import ProbeTarget, lift_account_stop
from esms_connectors.cli.examples import examples
from esms_connectors.cli.guard import guard, guard_of, ledger_there, resume, rule_options, stop, suppress
from esms_connectors.cli.ledger import ledger_commands, reconcile_run, resend
from esms_connectors.cli.looking import LOOKING
from esms_connectors.cli.outcomes import outcomes
from esms_connectors.cli.output import EXIT_CODES, EsmsGroup, json_option, print_json, print_table
from esms_connectors.cli.people import erase, find, forget, person
from esms_connectors.cli.pulling import pull, sql
from esms_connectors.cli.reporting import report
from esms_connectors.cli.sending import send_zns
from esms_connectors.cli.settings import (
    connection_options,
    ledger_option,
    need,
    open_client,
    open_ledger,
    read_send_time,
)
from esms_connectors.cli.terminal import echo
from esms_connectors.cli.warehouse import coverage, marts, snapshot, statement
from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.models import Submission
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.request_ids import random_request_id
from esms_connectors.gateway.retry import RetryPolicy
from esms_connectors.gateway.wire import vnd
from esms_connectors.sending.account_check import check_account, check_senders
from esms_connectors.sending.guard.single import guarded_message
from esms_connectors.sending.one_sms import SmsMessage
from esms_connectors.sending.texts import describe_as_sent, sms_text


@click.group(cls=EsmsGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="esms")
def esms() -> None:
    """
    Send SMS and Zalo ZNS through eSMS.vn, and read what became of them.

    Keys come from ESMS_API_KEY and ESMS_SECRET_KEY, never from an option: options stand in the process list.
    ESMS_BASE_URL points elsewhere (an emulator), ESMS_SANDBOX=1 checks messages without sending them.

    \b
    Examples:
      esms check
      esms send-sms --to 0901888484 --brandname MyBrand --text "Xin chao"
      eval "$(_ESMS_COMPLETE=bash_source esms)"    # commands and options by Tab; zsh_source, fish_source
    """


@esms.command()
@click.argument("code")
@json_option
def explain(code: str, as_json: bool) -> None:
    """
    What a result CODE of the gateway means, in English and Vietnamese.

    \b
    Example:
      esms explain 124
    """
    known = CODES.get(code.strip())
    if known is None:
        raise InvalidRequestError(
            f"{code} is in no table of the gateway's. Known: {', '.join(sorted(CODES, key=int))}.", field="code"
        )
    if as_json:
        print_json(
            {
                "code": known.code,
                "english": known.english,
                "vietnamese": known.vietnamese,
                "applies_to": known.applies_to,
                "recovery": known.recovery.value,
                "error": known.error.__name__ if known.error else None,
            }
        )
        return
    echo(f"{known.code}  {known.english}", bold=True)
    echo(f"     {known.vietnamese}")
    echo(f"  applies to   {known.applies_to}")
    echo(f"  what to do   {known.recovery.value}")
    echo(f"  raised as    {known.error.__name__ if known.error else 'nothing: this is success'}")


@esms.command()
@connection_options
@json_option
def balance(base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The money left on the account.

    \b
    Example:
      esms balance --json
    """
    with open_client(base_url, sandbox) as client:
        account = client.get_balance()
    if as_json:
        print_json({"balance_vnd": account.balance_vnd, "user_id": account.user_id})
    else:
        echo(vnd(account.balance_vnd))


@esms.command()
@click.option("--probe-ids", is_flag=True, help="Also send one message twice under one request id, to --to.")
@click.option("--to", "phone", metavar="PHONE", help="A number of your own: it gets the message once, or twice.")
@click.option("--template", "template_id", help="A ZNS template to look at, and to probe with; needs its --oa.")
@click.option("--oa", "oa_id", help="A Zalo Official Account to look at: quota and quality too.")
@click.option("--param", "params", multiple=True, metavar="VALUE", help="Probe bulk ZNS: a value; repeat it in order.")
@click.option("--brandname", help="A sender ID to look at, and to probe customer-care SMS with.")
@click.option("--text", help="Probe customer-care SMS: the message.")
@ledger_option
@connection_options
@json_option
def check(
    probe_ids: bool,
    phone: str | None,
    template_id: str | None,
    oa_id: str | None,
    params: tuple[str, ...],
    brandname: str | None,
    text: str | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Try keys, connection, address list, balance and clock, and the brandname, OA and template that are named; say what
    is wrong and what to do. Sends nothing.

    With --probe-ids it sends one message twice under one request id, to a number of your own, and the ledger remembers
    whether the second was held back. Do this once for each account: only then are lost answers of a bulk ZNS repeated.

    \b
    Examples:
      esms check
      esms check --brandname MyBrand --oa 4097311281936189049 --template 267247
      esms check --probe-ids --to 0901888484 --template 267247 --oa 4097311281936189049 \\
          --param "Ms A" --param Haircut --param KH001 --param 19/03/2025
    """
    target = ProbeTarget(phone, template_id, oa_id, params, brandname, text)
    target.check(wanted=probe_ids)
    # No patience: somebody is looking at the screen.
    client = open_client(base_url, sandbox, retries=RetryPolicy(attempts=2, budget_seconds=20))
    with client:
        findings, error = check_account(client)
        if error is None:
            findings += check_senders(client, brandname=brandname, oa_id=oa_id, template_id=template_id)
        if probe_ids and error is None:
            with open_ledger(ledger_url) as ledger:
                findings.append(target.probe(client, ledger))
    wrong = any(finding.ok is False for finding in findings)
    if not wrong:
        lift_account_stop(client.account, ledger_url)
    if as_json:
        print_json({"ok": not wrong, "checks": [finding.as_dict() for finding in findings]})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            sign = {True: "[green]ok[/]", False: "[red]wrong[/]", None: "[dim]-[/]"}[finding.ok]
            table.add_row(sign, finding.name, escape(finding.text))
        print_table(table)
    if error is not None:
        raise SystemExit(output.exit_code_of(error))
    if wrong:
        raise SystemExit(1)


@esms.command("send-sms", cls=SmsCommand)
@click.option("--to", "phones", multiple=True, required=True, metavar="PHONE", help="Recipient; repeat it for more.")
@click.option("--text", required=True, help="The message; - reads it from standard input.")
@click.option("--brandname", required=True, help="The registered sender ID.")
@click.option("--advertising", is_flag=True, help="Advertising: 30 to 5000 numbers, reviewed before it goes out.")
@click.option(
    "--at", "send_at", metavar="TIME", help="When to send: '2026-11-21 08:30', 'tomorrow 08:30', +2h, in Vietnam."
)
@click.option("--campaign", help="Comes back in the sent data; customer care only.")
@click.option("--callback-url", metavar="URL", help="Gets the delivery report.")
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

    The rules of the guard hold, with the suppression list, caps and stop marks of the ledger where there is one.

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
    # Made here, so that it can be told even when the answer is lost.
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
    what = "checked in the sandbox, not sent" if sent.sandbox else "accepted (which is not yet delivered)"
    if sent.duplicate:
        what = "already accepted earlier under this request id; not sent again"
    echo(what, fg="green")
    echo(f"  message id  {sent.message_id or 'none given'}\n  request id  {sent.request_id}")


def _standard_input() -> str:
    """All of it, as UTF-8 whatever the locale says: Vietnamese text must survive a cron job."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidRequestError("The text on standard input is not UTF-8.", field="text") from None


@esms.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 takes any free one.")
@click.option("--seed", default=2024, show_default=True, help="Decides ids, fates and delays.")
@click.option(
    "--latency", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Seconds added to every answer."
)
@click.option(
    "--populate",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Finished messages of yesterday to begin with.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; it asks for no password.")
@click.option(
    "--virtual-clock",
    metavar="TIME",
    help="Stand still at this Vietnamese time until POST /_emulator/clock moves it.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="How it behaves; --list-settings shows all names."
)
@click.option("--list-settings", is_flag=True, help="Show every setting with its default, and stop.")
def emulator(
    port: int,
    seed: int,
    latency: float,
    populate: int,
    host: str,
    virtual_clock: str | None,
    settings: tuple[str, ...],
    list_settings: bool,
) -> None:
    """
    Run a stand-in gateway on this machine until Ctrl-C. Open its address in a browser to watch it.

    \b
    Examples:
      esms emulator --port 8089
      esms emulator --set failed_share=0.2 --set night_zns=refused --virtual-clock "2026-03-01 21:59:00"
    """
    need("msgspec", "emulator")
    from esms_connectors.emulator import VirtualClock
    from esms_connectors.emulator.server import PortInUseError, run_server
    from esms_connectors.emulator.settings import SettingError, configured, listed_settings

    if list_settings:
        echo("\n".join(listed_settings()))
        return
    try:
        configured(settings)
    except SettingError as error:
        raise ConfigurationError(f"--set: {error}") from None
    if virtual_clock is not None:
        try:
            VirtualClock(virtual_clock)
        except ValueError:
            wrong = f"--virtual-clock {virtual_clock!r} is no time. Write it like '2026-03-01 09:00:00'."
            raise ConfigurationError(wrong) from None
    try:
        run_server(
            port,
            host,
            seed=seed,
            latency_seconds=latency,
            populate=populate,
            virtual_clock=virtual_clock,
            settings=settings,
        )
    except PortInUseError:
        taken = f"Port {port} is taken. Stop what listens there, or choose another with --port."
        raise ConfigurationError(taken) from None
    except OSError as error:
        raise ConfigurationError(f"Nothing can listen on {host}: {error.strerror}.") from None


@esms.command()
@click.option(
    "--output",
    "folder",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for whatever it makes.",
)
@json_option
def demo(folder: str, as_json: bool) -> None:
    """
    A whole campaign on this machine: a CSV of customers, sent to an emulator, waited for, loaded into DuckDB.

    \b
    Example:
      esms demo --output /tmp/esms-demo
    """
    need("msgspec", "emulator")
    need("duckdb", "duckdb")
    from esms_connectors.cli.demo import show_demo

    show_demo(folder, as_json=as_json)


_GUARD = (stop, resume, suppress, guard)
_SENDING = (send, send_zns, alert, ledger_commands, reconcile_run, resend, outcomes)
_SENT_DATA = (pull, report, sql, coverage, marts, statement, snapshot)
_PEOPLE = (find, person, erase, forget)
for command in (call, examples, *LOOKING, *_SENDING, *_GUARD, *_SENT_DATA, *_PEOPLE):
    esms.add_command(command)
