"""The rules of a send that all front ends share: one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.arguments import MAX_CAMPAIGN_LENGTH, check_campaign, check_share
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError, NotSentError
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.runs import EMULATOR, accounts_of

OnEmpty = Literal["skip", "fail"]

# Every row of the source must be sendable and accepted, unless the caller asks for less.
DEFAULT_AT_LEAST = 1.0
# Shares of whole rows are not exact in floating point: 0.98 of 50 may be slightly more than 49.
_ROUNDING = 1e-9
# A time of sending that has just passed means "now": it took a while to read and type.
SEND_AT_TOLERANCE = timedelta(minutes=5)


_SANDBOX = "sandbox/"


def sandbox_run_key(run_key: str) -> str:
    """The key of a sandbox run in the ledger, which keeps it apart: its messages were never sent."""
    return run_key if run_key.startswith(_SANDBOX) else f"{_SANDBOX}{run_key}"


def check_not_sandbox(run_key: str) -> None:
    """
    Raises:
        InvalidRequestError: the key is that of a sandbox run, but the account sends.
    """
    if run_key.startswith(_SANDBOX):
        raise InvalidRequestError(
            f"Run key {run_key!r} is of a sandbox run, and this account sends for real: what it sends would not count "
            f"as sent under {run_key.removeprefix(_SANDBOX)!r}. Use that one; nothing was sent.",
            field="run_key",
        )


def account_of(client: EsmsClient) -> str:
    """The account that sends a run, as the ledger notes it; all emulators count as one."""
    return EMULATOR if client.of_emulator else client.account


def sent_by_others(about: Mapping[str, str], client: EsmsClient) -> bool:
    """
    Whether messages of a run may have been sent by another account than the client's, or through another address. This
    account's request ids then hold none of them back, and its sent data proves nothing about them.
    """
    return any(account != account_of(client) for account in accounts_of(about))


OTHERS_DOUBT = (
    "The run was sent with other keys or through another address as well, whose messages this account cannot see: its "
    "rows in doubt are neither repeated nor counted as not sent. Settle them with the earlier keys and address, or "
    "check the portal and use `esms resend`."
)


def check_at_least(at_least: float | None) -> None:
    """
    `at_least` is the share of all rows of the source that must be accepted: rows that our own check refuses count, rows
    that repeat another row do not. None only reports.
    """
    if at_least is not None:
        check_share(at_least, "at_least")


def is_enough(accepted: int, rows: int, at_least: float | None) -> bool:
    """Whether `accepted` of all `rows` satisfy `at_least`."""
    return at_least is None or accepted >= at_least * rows - _ROUNDING


def read_price(value: Decimal | float | str | None, field: str = "price_vnd") -> Decimal | None:
    """A price in VND; more than a thousand million is taken for a typing error."""
    if value is None:
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= 10**9:
        raise InvalidRequestError(f"{field} {value!r} is not an amount of VND.", field="price_vnd")
    return price


def read_budget(value: object) -> Decimal | None:
    """
    Raises:
        InvalidRequestError: not a positive amount of VND.
    """
    if value is None:
        return None
    # 5.000 means five thousand to some people, and five to others.
    unclear = isinstance(value, bool) or (isinstance(value, str) and not value.strip().isdecimal())
    try:
        amount = Decimal("NaN") if unclear else Decimal(str(value).strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 < amount <= 10**15:
        raise InvalidRequestError(
            f"The budget of a report is a positive amount of VND in digits, such as 5000000, not {value!r}.",
            field="budget",
        )
    return amount


def check_on_empty(on_empty: str) -> None:
    if on_empty not in ("skip", "fail"):
        raise InvalidRequestError(f"on_empty is skip or fail, not {on_empty!r}.", field="on_empty")


def on_empty_of(on_empty: OnEmpty | None, *, scheduled: bool) -> OnEmpty:
    """
    What a source without rows means if the caller did not say: nothing to do in a scheduled run, where a day may be
    quiet, and an error in a run that a person started.
    """
    if on_empty is not None:
        check_on_empty(on_empty)
        return on_empty
    return "skip" if scheduled else "fail"


def refuse_empty(on_empty: OnEmpty) -> None:
    """
    Called if there are no rows, a case to which the share `at_least` does not apply.

    Raises:
        InvalidRequestError: `on_empty` is fail: a list that is empty by mistake must not count as a success.
    """
    if on_empty == "fail":
        raise InvalidRequestError(
            "No row of the source can be sent to: it is empty. If a day without rows is normal, use on_empty=skip.",
            field="source",
        )


class SilenceBreaker:
    """
    Stops a run when call after call gets no answer: continuing would put the whole list in doubt.

    Args:
        at_a_time: calls or shards in progress at a time; they may all be lost together.
        what: calls or shards, for the message; again: what to repeat later.
    """

    def __init__(self, at_a_time: int, what: str = "calls", again: str = "command") -> None:
        self._patience, self._what, self._again = at_a_time + 2, what, again
        self._silent = 0

    def note(self, *, answered: bool) -> NotSentError | None:
        """Record the outcome of one; return the error to stop with when too many in a row had no answer."""
        self._silent = 0 if answered else self._silent + 1
        if self._silent <= self._patience:
            return None
        return NotSentError(
            f"{self._silent} {self._what} in a row got no answer; the gateway seems to be down. Run the same "
            f"{self._again} again later: it resumes."
        )


def time_to_send(
    send_at: datetime | None, ledger: Ledger, run_key: str, *, now: Callable[[], DateTime] = machine_clock.now
) -> datetime | None:
    """
    The time of sending; None if it has passed and the rest of a run that has begun is to be sent at once.

    Raises:
        InvalidRequestError: it has no zone, or it has passed and nothing of the run was sent yet: most likely the day
            or the year is wrong.
    """
    if send_at is None:
        return None
    if send_at.tzinfo is None:
        raise InvalidRequestError("send_at needs a time with a zone, such as 2026-12-24T08:00+07:00.", field="send_at")
    if pendulum.instance(send_at) >= now() - SEND_AT_TOLERANCE:
        return send_at
    if ledger.has_begun_to_send(run_key):
        return None
    raise InvalidRequestError(
        f"send_at {send_at.isoformat()} lies in the past, and nothing of run {run_key!r} was sent before. Leave it out "
        "to send now.",
        field="send_at",
    )


def campaign_of(run_key: str, campaign: str | None) -> str:
    """A campaign unique to the run: lost answers are resolved by campaign and phone, so no other run may share it."""
    mark = f" #{make_request_id('campaign', run_key)[:12]}"
    words = campaign if campaign is not None else run_key
    return check_campaign(words[: MAX_CAMPAIGN_LENGTH - len(mark)].strip() + mark)
