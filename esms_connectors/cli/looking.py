"""Look-ups: brandnames, templates, Zalo accounts, single messages, runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
import pendulum
from click.core import ParameterSource

from esms_connectors.cli.call import show_answer
from esms_connectors.cli.output import json_option, print_json
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.cli.terminal import say
from esms_connectors.delivery.chains import poller_of_run
from esms_connectors.delivery.polling import DeliveryGoal, PollBackoff, wait_for_delivery
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.models import DeliveryReport, SmsType
from esms_connectors.gateway.operations import answer_of
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.states import state_of_row, state_of_totals
from esms_connectors.gateway.times import read_time
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sending.template_lock import TemplateLock

_PHONE = re.compile(r"\+?[\d .()-]{9,20}")
_LISTED = [kind for kind in SmsType if kind is not SmsType.ZNS_JOURNEY]
oa_option = click.option("--oa", "oa_id", required=True, help="Id of the Zalo Official Account.")


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        show_answer(answer)


@click.command()
@connection_options
@json_option
def brandnames(base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The registered sender IDs, each with the kind of message it is for: 1 advertising, 2 customer care, 23 Viber.

    \b
    Example:
      esms brandnames
    """
    with open_client(base_url, sandbox) as client:
        _show(answer_of(client.list_brandnames()), as_json)


@click.command()
@click.option("--oa", "oa_id", help="ZNS templates of this Zalo Official Account.")
@click.option("--priority", is_flag=True, help="The priority (OTP) templates of the OA.")
@click.option("--brandname", help="Texts that are registered for this sender ID.")
@connection_options
@json_option
def templates(
    oa_id: str | None,
    priority: bool,
    brandname: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    The templates of a Zalo Official Account, or the SMS texts of a brandname.

    \b
    Examples:
      esms templates --oa 4097311281936189049
      esms templates --brandname MyBrand --json
    """
    if (oa_id is None) == (brandname is None):
        raise InvalidRequestError("Give --oa for ZNS templates, or --brandname for SMS texts.", field="oa")
    with open_client(base_url, sandbox) as client:
        if oa_id is not None:
            kind = SmsType.ZNS_PRIORITY if priority else SmsType.ZNS
            _show(answer_of(client.list_zns_templates(oa_id, sms_type=kind)), as_json)
        else:
            _show(answer_of(client.list_customer_care_templates(brandname or "")), as_json)


@click.command()
@click.argument("template_id")
@oa_option
@click.option("--save", metavar="FILE", help="Also save it as JSON, for --template-file of a send.")
@connection_options
@json_option
def template(
    template_id: str, oa_id: str, save: str | None, base_url: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """
    One ZNS template: its variables and their limits, status, quality and quota.

    \b
    Examples:
      esms template 267247 --oa 4097311281936189049
      esms template 267247 --oa 4097311281936189049 --save template-267247.json
    """
    with open_client(base_url, sandbox) as client:
        found = client.get_zns_template(template_id, oa_id)
    if save is not None:
        TemplateLock(found, oa_id).write(save)
    _show(answer_of(found), as_json)


@click.group("oa", invoke_without_command=True)
@connection_options
@json_option
@click.pass_context
def official_accounts(context: click.Context, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The Zalo Official Accounts that are connected; quota, quality and ratings of one.

    \b
    Examples:
      esms oa
      esms oa quota --oa 4097311281936189049
    """
    if context.invoked_subcommand is None:
        with open_client(base_url, sandbox) as client:
            _show(answer_of(client.list_oas()), as_json)


@official_accounts.command("quota")
@oa_option
@connection_options
@json_option
def oa_quota(oa_id: str, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    ZNS that it may send per day, and how many are left today.

    \b
    Example:
      esms oa quota --oa 4097311281936189049
    """
    with open_client(base_url, sandbox) as client:
        _show(answer_of(client.get_oa_quota(oa_id)), as_json)


@official_accounts.command("quality")
@oa_option
@connection_options
@json_option
def oa_quality(oa_id: str, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    HIGH, MEDIUM, LOW or UNDEFINED, which affects its quota.

    \b
    Example:
      esms oa quality --oa 4097311281936189049
    """
    with open_client(base_url, sandbox) as client:
        _show(answer_of(client.get_oa_quality(oa_id)), as_json)


@official_accounts.command("ratings")
@oa_option
@click.option("--template", "template_id", required=True, help="Id of the template.")
@click.option("--from", "start", default="-7d", show_default=True, metavar="TIME", help="First day, in Vietnam.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="Until then.")
@connection_options
@json_option
def oa_ratings(
    oa_id: str, template_id: str, start: str, end: str, base_url: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """
    Customer ratings of a template; the first 50.

    \b
    Example:
      esms oa ratings --oa 4097311281936189049 --template 267247 --from -30d
    """
    since, until = read_time(start, "--from"), read_time(end, "--to")
    with open_client(base_url, sandbox) as client:
        _show(answer_of(client.list_zns_ratings(oa_id, template_id, since, until)), as_json)


@dataclass(frozen=True, slots=True)
class MessageStory:
    """
    What one source reports about a message.

    Attributes:
        source: the gateway function that was called, or the ledger and its run.
        state: in words; see docs/gateway.md.
        price_vnd: None if the source has no price.
    """

    source: str
    message_id: str | None
    phone: str | None
    sms_type: int | str | None
    state: str
    price_vnd: Any
    sent_at: datetime | None
    campaign: str | None


@click.command()
@click.argument("id_or_phone")
@click.option("--from", "start", default="-2d", show_default=True, metavar="TIME", help="For a phone: created since.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="For a phone: created until.")
@click.option("--oa", "oa_id", help="For an id of a ZNS: its delivery report too, with Zalo's own reason.")
@click.option("--show-phones", is_flag=True, help="Phones in full.")
@ledger_option
@connection_options
@json_option
def message(
    id_or_phone: str,
    start: str,
    end: str,
    oa_id: str | None,
    show_phones: bool,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    The outcome of a message, by its id, or of the messages to a phone: state, time, price. It is looked up in the
    ledger, if there is one, then at the gateway: by id in its status calls, by phone in its sent data.

    \b
    Examples:
      esms message 0aac72e0-ba9b-4348-8530-d18d105778db18
      esms message 0901888484 --from -7d
    """
    since, until = read_time(start, "--from"), read_time(end, "--to")
    wanted = id_or_phone.strip()
    phone = normalise_phone(wanted) if _PHONE.fullmatch(wanted) else None
    found = _in_ledger(ledger_url, wanted, phone)
    ids = list(dict.fromkeys(one.message_id for one in found if one.message_id)) or [wanted]
    with open_client(base_url, sandbox) as client:
        if phone is not None:
            found += _to_phone(client, phone, since, until)
        elif found and not any(one.message_id for one in found):
            pass  # the gateway finds messages only by its own ids, and this one has none
        else:
            found += [story for message_id in ids for story in _by_id(client, message_id, oa_id)]
    _show(answer_of(found, show_phones=show_phones), as_json)


def _in_ledger(url: str | None, wanted: str, phone: str | None) -> list[MessageStory]:
    """Rows in the ledger; none if there is no ledger, unless one was named."""
    try:
        with open_ledger(url) as ledger:
            rows = ledger.find(phone=phone) if phone is not None else ledger.find(message_id=wanted)
    except ConfigurationError:
        told = click.get_current_context().get_parameter_source("ledger_url")
        if told is ParameterSource.COMMANDLINE:
            raise
        return []
    return [
        MessageStory(
            source=f"ledger, run {row['run_key']}",
            message_id=row["message_id"],
            phone=phone or (row["phone"] if _PHONE.fullmatch(row["phone"]) else None),
            sms_type=None,
            state=row["state"] if row["state"] == "accepted" else _with_reason(row),
            price_vnd=None,
            sent_at=pendulum.from_timestamp(row["first_attempt_ms"] / 1000, tz=VIETNAM),
            campaign=None,
        )
        for row in rows
    ]


def _with_reason(row: Mapping[str, Any]) -> str:
    why = " ".join(str(row[name]) for name in ("code", "reason") if row[name])
    return f"{row['state']} ({why})" if why else str(row["state"])


def _of_report(message_id: str, report: DeliveryReport) -> MessageStory:
    totals = report.totals
    state = state_of_totals(totals.send_status, totals.receivers, totals.succeeded, totals.failed).value
    why = f" ({report.error_number} {report.error_text})" if report.error_number else ""
    return MessageStory(
        "get_callback_data", message_id, report.phone, report.sms_type, state + why, totals.price_vnd, None, None
    )


def _by_id(client: EsmsClient, message_id: str, oa_id: str | None) -> list[MessageStory]:
    totals = client.get_send_status(message_id)
    state = state_of_totals(totals.send_status, totals.receivers, totals.succeeded, totals.failed)
    stories = [
        MessageStory("get_send_status", message_id, None, None, state.value, totals.price_vnd, None, None),
    ]
    if oa_id is not None:
        stories += [
            _of_report(message_id, report) for report in client.get_callback_data([message_id], oa_id).reports.values()
        ]
    try:
        receivers = client.get_sms_receiver_status(message_id)
    except MessageNotFoundError:
        return stories
    for one in receivers:
        # A receiver has only two states: until the totals are final, a failure may be a pending message.
        told = state.value if not state.is_final else "delivered" if one.sent_result else "failed"
        story = MessageStory("get_sms_receiver_status", message_id, one.phone, None, told, None, None, None)
        stories.append(story)
    return stories


def _to_phone(client: EsmsClient, phone: str, since: datetime, until: datetime) -> list[MessageStory]:
    return [
        MessageStory(
            source="get_sms_sent_data",
            message_id=row.message_id,
            phone=row.phone,
            sms_type=row.sms_type,
            state=state_of_row(row.send_status, row.send_result).value,
            price_vnd=row.price_vnd,
            sent_at=row.sent_at,
            campaign=row.campaign,
        )
        for kind in _LISTED
        for row in client.get_sms_sent_data(since, until, kind)
        if row.phone is not None and row.phone[-9:] == phone[-9:]
    ]


@click.command()
@click.argument("run_key")
@ledger_option
@connection_options
@json_option
def status(run_key: str, ledger_url: str | None, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    How many messages of a run have arrived by now; for a campaign with `--else`, how many people were reached, each
    counted once, and the result of each step.

    \b
    Example:
      esms status march-campaign
    """
    with open_ledger(ledger_url) as ledger, open_client(base_url, sandbox) as client:
        counts = poller_of_run(ledger, run_key).look(client, now=machine_clock.now())
    if as_json:
        print_json(counts.as_dict())
    else:
        say(counts)


@click.command()
@click.argument("run_key")
@click.option("--delivered", type=click.FloatRange(0, 1), help="Share that must have arrived; default: any outcome.")
@click.option(
    "--final",
    "final_share",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share that must be final.",
)
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Maximum time to wait.")
@click.option(
    "--poll-seconds", type=click.FloatRange(min=0.05), default=30.0, show_default=True, help="Time between two checks."
)
@ledger_option
@connection_options
@json_option
def wait(
    run_key: str,
    delivered: float | None,
    final_share: float,
    minutes: float,
    poll_seconds: float,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Wait until the messages of a run are final, or enough have arrived; fails when the time is over, or when enough can
    no longer arrive. For a campaign with `--else`, people are counted, each once, whichever step reaches them.

    \b
    Example:
      esms wait march-campaign --delivered 0.9 --minutes 120
    """
    goal = DeliveryGoal(final_share=final_share, delivered_share=delivered)
    with open_ledger(ledger_url) as ledger, open_client(base_url, sandbox) as client:
        counts = wait_for_delivery(
            client,
            poller_of_run(ledger, run_key),
            goal,
            deadline=machine_clock.now().add(seconds=round(minutes * 60)),
            backoff=PollBackoff(poll_seconds=poll_seconds),
            progress=None if as_json else lambda now: say(now, err=True),
            now=machine_clock.now,
        )
    if as_json:
        print_json(counts.as_dict())
    else:
        say(counts)
