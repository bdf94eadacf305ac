"""Which days a run is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import check_run_key
from esms_connectors.prefect.runs import scheduled_day

DAY = "{day}"


def first_day(day: date | None, days: int) -> DateTime:
    """
    Midnight in Vietnam, at which the first of `days` days begins: `day`, or so that the last of them is the one before
    the run was scheduled. A run that begins late and one that is retried are about the same days.

    Raises:
        InvalidRequestError: no days.
    """
    if days < 1:
        raise InvalidRequestError("days is at least 1.", field="days")
    first = day or scheduled_day()
    midnight = pendulum.datetime(first.year, first.month, first.day, tz=VIETNAM)
    return midnight if day is not None else midnight.subtract(days=days)


def with_day(text: str, day: Callable[[], date] = scheduled_day) -> str:
    """`text` with the day that the run was scheduled for in place of `{day}`, such as 2026-12-24."""
    return text.replace(DAY, day().isoformat()) if DAY in text else text


def dated_run_key(run_key: str, day: Callable[[], date] = scheduled_day) -> str:
    """
    A run key that is a schedule's: `evening-{day}` names another campaign every day.

    Raises:
        InvalidRequestError: another placeholder, which would be the same every day; or as in `check_run_key`.
    """
    text = check_run_key(with_day(run_key, day))
    if "{" in text or "}" in text:
        raise InvalidRequestError(f"run_key takes {DAY} and no other braces.", field="run_key")
    return text
