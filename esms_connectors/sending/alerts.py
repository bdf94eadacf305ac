"""
Alerts by SMS: recipients, text, duplicates and retries. Used by Airflow and Prefect.

An alert is sent when something is already broken, so it tolerates its own problems: an invalid number does not keep the
others from being alerted, a text that cannot be used is replaced by a plain one, a long text is cut, and an unreachable
gateway is retried for minutes.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, repeat

from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import (
    ConfigurationError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    OutcomeUnknownError,
)
from esms_connectors.gateway.redaction import get_logger, mask_phone
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.retry import inside_duplicate_window
from esms_connectors.gateway.sms_text import describe, without_diacritics
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.recipients.phone_lists import PhoneList, read_phone_list

__all__ = ["AlertEvent", "AlertFailedError", "AlertResult", "send_alert"]

logger = get_logger(__name__)

PATIENCE_SECONDS = 300.0
MAX_SEGMENTS = 2
_PAUSES = (5.0, 10.0, 20.0)  # the last one repeats
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class AlertFailedError(EsmsError):
    """
    Not every phone was alerted. Repeating the alert for the same event alerts no phone twice.

    Attributes:
        retryable: whether trying again later may reach the phones that were not alerted.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """
    Identifies an alert: alerts of the same event carry the same request id, and the gateway delivers only the first.

    Attributes:
        subject: what it is about, such as namespace, DAG, run and perhaps task; never a try number, a map index or the
            text, because retries and mapped tasks are one event.
        what: what happened: failed, late.
        occurrence: what is new when the same thing happens again. A run that was cleared and fails again is a new
            event: pass when the run (or the task, if each task is alerted on) was last started or cleared.
    """

    subject: Sequence[str | int | None]
    what: str
    occurrence: str | int | None = None

    def request_id(self, phone: str) -> str:
        """The request id of the event's message to this phone: the same on every try and in every process."""
        return make_request_id("alert", *self.subject, self.what, self.occurrence, phone)


@dataclass(frozen=True, slots=True)
class AlertResult:
    """
    Which phones were alerted.

    Attributes:
        sent: phones whose message was accepted now.
        told_before: phones for which the gateway already had this event's message.
        problems: one line for each phone that was not alerted, phones masked.
        retryable: another attempt may succeed for some of them.
        sandbox: nothing was sent: the account checks messages and sends none.
    """

    sent: int = 0
    told_before: int = 0
    problems: tuple[str, ...] = ()
    retryable: bool = False
    sandbox: bool = False

    def __str__(self) -> str:
        words = f"{self.sent} {'checked in the sandbox, not sent' if self.sandbox else 'sent'}"
        if self.told_before:
            words += f", {self.told_before} alerted before"
        return words + (f", {len(self.problems)} not told" if self.problems else "")

    @property
    def failure(self) -> AlertFailedError | None:
        """The error for callers that raise one: None if every phone was alerted."""
        if not self.problems:
            return None
        return AlertFailedError(f"SMS alert: {self}: {'; '.join(self.problems)}", retryable=self.retryable)


def send_alert(
    client: EsmsClient,
    phones: object,
    text: object,
    brandname: str | None,
    *,
    event: AlertEvent,
    fallback: str,
    send_at: datetime | None = None,
    campaign: str | None = None,
    max_segments: int = MAX_SEGMENTS,
    plain_text: bool = True,
    patience_seconds: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    now: Callable[[], DateTime] = machine_clock.now,
) -> AlertResult:
    """
    Alert each phone of `event` once.

    Args:
        phones: in any spelling of `read_phone_list`.
        text: the message; `fallback` replaces a text that is empty or not a string, as after a template that failed.
        send_at: see `end_of_quiet_hours`.
        patience_seconds: how long phones whose message the gateway did not accept for the moment are retried, all
            phones together. 0 tries once.

    Raises:
        InvalidRequestError: no phone is given.
        ConfigurationError: no brandname is given. Every other problem is in the result.
    """
    listed = check_alert(phones, brandname)
    message = alert_text(text, fallback, max_segments=max_segments, plain_text=plain_text)

    def send(phone: str) -> bool:
        return client.send_customer_care_sms(
            phone,
            message,
            brandname or "",
            send_at=send_at,
            campaign=campaign,
            request_id=event.request_id(phone),
        ).duplicate

    began, deadline = now(), monotonic() + patience_seconds
    outcome = _Outcome(send, list(listed.problems))
    waiting = outcome.try_each(listed.numbers)
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        if not waiting or monotonic() + pause > deadline:
            break
        if not inside_duplicate_window(began, now().add(seconds=pause)):
            break
        logger.warning(
            "%s not accepted; trying again in %.0f s", counted(len(waiting), "alert was", "alerts were"), pause
        )
        sleep(pause)
        waiting = outcome.try_each(waiting)
    problems = (*outcome.problems, *(f"{mask_phone(phone)}: {outcome.open[phone]}" for phone in waiting))
    return AlertResult(outcome.sent, outcome.told_before, problems, bool(waiting), client.sandbox)


@dataclass(slots=True)
class _Outcome:
    """
    The outcome for each phone so far; `open` has the errors of those that may be tried again, `refused` those of them
    that were refused before.
    """

    send: Callable[[str], bool]
    problems: list[str]
    sent: int = 0
    told_before: int = 0
    open: dict[str, EsmsError] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def try_each(self, phones: Sequence[str]) -> list[str]:
        """Try each phone, and return those that may be tried again."""
        return [phone for phone in phones if not self._settle(phone)]

    def _settle(self, phone: str) -> bool:
        try:
            duplicate = self.send(phone)
        except EsmsError as error:
            before = self.open.get(phone)
            # A later attempt says nothing about an earlier one whose answer was lost: that may have been accepted.
            shown = before if isinstance(before, OutcomeUnknownError) else error
            lost = isinstance(error, OutcomeUnknownError) and not isinstance(error, GatewayError)
            if isinstance(error, GatewayError) or getattr(error, "refusal_code", None):
                self.refused.add(phone)
            if error.retryable or lost:
                self.open[phone] = shown
                return False
            self.problems.append(f"{mask_phone(phone)}: {shown}")
            return True
        if duplicate and phone in self.refused:
            # The refusal may have used up the request id.
            self.problems.append(f"{mask_phone(phone)}: it may not have been sent (124 after: {self.open[phone]})")
            return True
        # If the phone was in doubt a moment ago, a duplicate means that this very call sent the message.
        if duplicate and phone not in self.open:
            self.told_before += 1
        else:
            self.sent += 1
        return True


def check_alert(phones: object, brandname: str | None) -> PhoneList:
    """
    Check that an alert has a recipient and a brandname; for test buttons and blocks that are saved.

    Returns:
        The valid numbers, and what is wrong with the others.

    Raises:
        InvalidRequestError: no phone is given.
        ConfigurationError: no brandname is given.
    """
    listed = read_phone_list(phones)
    if not listed.numbers and not listed.problems:
        raise InvalidRequestError("An alert needs phones, and none are given.", field="phones")
    if not isinstance(brandname, str) or not brandname.strip():
        raise ConfigurationError("An alert needs a brandname, and none is given.")
    return listed


def alert_text(text: object, fallback: str, *, max_segments: int = MAX_SEGMENTS, plain_text: bool = True) -> str:
    """
    The text to send: `text`, or `fallback` if that is empty, not a string or the word None; on one line, cut to
    `max_segments`, without diacritics unless `plain_text` is False.
    """
    chosen = text if isinstance(text, str) and text.strip() not in ("", "None") else fallback
    found = unicodedata.normalize("NFC", " ".join(_NOT_TEXT.sub(" ", chosen).split()))
    if plain_text:
        found = without_diacritics(found)
    cut = found[: 160 * max_segments]
    # Text that is not ASCII is sent as Unicode, and the gateway counts its segments as such.
    while describe(cut, is_unicode=not cut.isascii()).segments > max_segments:
        cut = cut[:-1]
    return found if cut == found else cut[:-3].rstrip() + "..."


def end_of_quiet_hours(quiet_hours: Sequence[int] | None, now: DateTime) -> DateTime | None:
    """
    When an event of `now` may be reported; None for at once.

    Args:
        quiet_hours: first and last hour in Vietnam, such as (22, 7); None for no quiet hours.
    """
    if quiet_hours is None:
        return None
    first, last = quiet_hours
    now = now.in_timezone(VIETNAM)
    quiet = first <= now.hour < last if first <= last else now.hour >= first or now.hour < last
    if not quiet:
        return None
    end = now.start_of("day").add(hours=last)
    return end if end > now else end.add(days=1)
