"""
One SMS to one phone or a few, once each, through the ledger: used by operators, tasks, and alerts that must not be sent
twice. For a list of recipients with their own values, use `Campaign`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger, RunSummary
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.bulk import BulkIncompleteError, Counters, RunResult, send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.guard.preflight import check_message
from esms_connectors.sending.once_per_run import OtherContentError, Try, once_per_run
from esms_connectors.sending.plan import price_for_budget
from esms_connectors.sending.policy import DEFAULT_AT_LEAST, time_to_send
from esms_connectors.sending.sms_message import SmsMessage
from esms_connectors.sending.texts import describe_as_sent

LISTED_IDS = 1_000


@dataclass(frozen=True, slots=True)
class SmsResult:
    """
    The outcome of `send_sms`.

    Attributes:
        message_ids: of the phones that it was accepted for, a thousand at most; the run key identifies all of them.
        checked: messages that were checked in the sandbox, which sends nothing.
    """

    result: RunResult
    message_ids: tuple[str, ...] = ()
    duplicates: int = 0
    checked: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: `RunResult.as_dict`, the ids, and how many were only checked."""
        more = {"message_ids": list(self.message_ids), "duplicates": self.duplicates, "checked": self.checked}
        return {**self.result.as_dict(), **more}

    def __str__(self) -> str:
        """How many were sent now, and how many before."""
        if self.result.sandbox:
            return f"sandbox: {counted(self.checked, 'message')} checked, none sent"
        counters = self.result.counters
        words = f"{counters.accepted} accepted now"
        return words + (f", {counters.accepted_before} before, by an earlier try" if counters.accepted_before else "")


def send_sms(
    client: EsmsClient,
    message: SmsMessage,
    *,
    ledger: Ledger | None,
    run_key: str,
    at_least: float | None = DEFAULT_AT_LEAST,
    guard: GuardSettings | None = None,
    price_vnd: Decimal | None = None,
) -> SmsResult:
    """
    Send `message` at most once to each phone under one run key; in the sandbox, which stores nothing, only check it.

    Args:
        ledger: None only for a sandbox client.
        guard: the rules in force, see `esms_connectors.sending.guard`; None for the defaults.
        price_vnd: of a segment; needed if a budget is in force.

    Raises:
        GuardRefusalError: a rule refuses it.
        BulkIncompleteError: a phone was not sent to, or its outcome is unknown; `retryable` says whether a repeat may
            settle it.
        InvalidRequestError: it cannot be sent as it is, or a phone was sent another text under this key before.
    """
    run_key = check_run_key(run_key)
    numbers, rules = message.numbers(), guard or GuardSettings()
    check_message(rules, message.channel(client, message.send_at), describe_as_sent(message.text).segments)
    if client.sandbox:
        return _check_only(client, message, numbers, run_key)
    if ledger is None:
        raise InvalidRequestError("Sending a message needs a ledger, which records it.", field="ledger")
    keys = message.row_keys(numbers)
    rows = [Recipient(phone, (), key, place) for place, (phone, key) in enumerate(zip(numbers, keys, strict=True))]
    channel = message.channel(client, time_to_send(message.send_at, ledger, run_key))
    try:
        result = send_bulk(
            channel,
            Recipients(rows, "message_key"),
            ledger=ledger,
            run_key=run_key,
            campaign=message.campaign,
            threads=min(8, len(rows)),
            at_least=at_least,
            guard=replace(rules, canary=None),
            price_vnd=price_for_budget(channel, rules, price_vnd),
        )
    except BulkIncompleteError as error:
        if len(keys) == 1:
            # For a single message, the gateway's own reason is the useful part.
            said = [row["reason"] for row in ledger.rows_of(run_key, keys) if row["reason"]]
            error.args = tuple(f"{error} {reason}" if reason not in str(error) else str(error) for reason in said) or (
                str(error),
            )
        raise
    except InvalidRequestError as error:
        if error.field != "row_key":
            raise
    else:
        return _sent(result, [row for row in ledger.rows_of(run_key, keys) if row["state"] == "accepted"])
    raise other_text()


def send_sms_once(
    client: EsmsClient,
    message: SmsMessage,
    *,
    ledger: Ledger | None,
    named: str | Try,
    guard: GuardSettings | None = None,
) -> SmsResult:
    """
    Send `message`, which has one phone, at most once under a run key or in an orchestrator's run.

    Args:
        named: the run key, or the try of the run.
        The rest as in `send_sms`.

    Raises:
        OtherContentError: an earlier try of the run sent the phone another text; see `in_run`.
        The rest as `send_sms`.
    """

    def send(run_key: str) -> SmsResult:
        return send_sms(client, message, ledger=ledger, run_key=run_key, guard=guard)

    if isinstance(named, str) or ledger is None:
        return send(named if isinstance(named, str) else "sms/sandbox")
    (number,) = message.numbers()
    content = json.dumps([message.text, message.brandname])
    return once_per_run(named, "sms", number, content, send, ledger=ledger, refusal=other_text)


def other_text() -> OtherContentError:
    return OtherContentError(
        "A person was sent another text before in the same run. It was not sent again. If these are two messages, "
        "distinguish them by message_key, such as an order number; if they are one, remove what changes between "
        "tries, such as the time, from the text.",
        field="text",
    )


def _sent(result: RunResult, accepted: list[dict[str, Any]]) -> SmsResult:
    ids = dict.fromkeys(row["message_id"] for row in accepted if row["message_id"])
    return SmsResult(result, tuple(ids)[:LISTED_IDS], sum(bool(row["duplicate"]) for row in accepted))


def _check_only(client: EsmsClient, message: SmsMessage, numbers: tuple[str, ...], run_key: str) -> SmsResult:
    if message.advertising:
        client.send_advertising_sms(numbers, message.text, message.brandname, send_at=message.send_at)
        ids: tuple[str, ...] = ()
    else:
        ids = tuple(
            sent.message_id
            for phone in numbers
            if (
                sent := client.send_customer_care_sms(
                    phone,
                    message.text,
                    message.brandname,
                    send_at=message.send_at,
                    campaign=message.campaign,
                    callback_url=message.callback_url,
                )
            ).message_id
        )
    kind = (AdvertisingChannel if message.advertising else CareSmsChannel).kind
    result = RunResult(
        RunSummary(run_key), Counters(read=len(numbers)), message.campaign or "", channel=kind, sandbox=True
    )
    return SmsResult(result, ids, checked=len(numbers))
