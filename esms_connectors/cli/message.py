"""`esms message`: the outcome of single messages, by id or by phone."""

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
from esms_connectors.cli.output import json_option
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.models import DeliveryReport
from esms_connectors.gateway.operations import answer_of
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.states import state_of_row, state_of_totals
from esms_connectors.gateway.times import read_time
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, messages_between

_PHONE = re.compile(r"\+?[\d .()-]{9,20}")


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
    show_answer(answer_of(found, show_phones=show_phones), as_json=as_json)


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
    if since > until:
        raise InvalidRequestError("start is later than end.", field="start")
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
        for sms_type in ALL_SMS_TYPES
        for row in messages_between(client, since, until, (sms_type,))
        if row.phone is not None and row.phone[-9:] == phone[-9:]
    ]
