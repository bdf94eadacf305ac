"""The days that a run covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import pendulum
from pendulum import DateTime
from prefect.context import FlowRunContext

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.times import read_time
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.prefect.runs import scheduled_day, scheduled_time

DAY = "{day}"


def point_in_time(given: datetime | str, name: str, *, whole_days: bool = True) -> DateTime:
    """
    A time with a zone, or words such as `yesterday`; words are relative to the run's scheduled time, so they mean the
    same in a late run and a retry.

    Raises:
        InvalidRequestError: not a time, or one without a zone.
    """
    now = None if isinstance(given, datetime) else scheduled_time()
    return read_time(given, name, now=now, whole_days=whole_days, needs_zone=True)


def first_day(day: date | str | None, days: int) -> DateTime:
    """
    Midnight in Vietnam at the start of the first of `days` days. That is `day`, also in words, or by default the day
    from which the last one is the day before the run's scheduled day. A late run and a retry cover the same days.

    Raises:
        InvalidRequestError: `days` is below 1, or a day that cannot be parsed.
    """
    if days < 1:
        raise InvalidRequestError("days is at least 1.", field="days")
    if isinstance(day, str):
        return read_time(day, "day", now=scheduled_time()).in_timezone(VIETNAM).start_of("day")
    first = day or scheduled_day()
    midnight = pendulum.datetime(first.year, first.month, first.day, tz=VIETNAM)
    return midnight if day is not None else midnight.subtract(days=days)


def with_day(text: str, day: Callable[[], date] = scheduled_day) -> str:
    """`text` with the day that the run was scheduled for in place of `{day}`, such as 2026-12-24."""
    return text.replace(DAY, day().isoformat()) if DAY in text else text


def named_by_day(name: str, parameter: str | None = None) -> Callable[[], str]:
    """
    For `flow_run_name`: the name of a flow with the value of a parameter, or with the day in Vietnam that the run was
    scheduled for.
    """

    def run_name() -> str:
        context = FlowRunContext.get()
        given = None if context is None or parameter is None else (context.parameters or {}).get(parameter)
        try:
            if given is None:
                return f"{name} {scheduled_day().isoformat()}"
            return f"{name} {_day_of(given) if parameter == 'day' else _key_of(given)}"
        except EsmsError:
            return name  # no run, least of all an alert, may fail because of its name

    return run_name


def named_by_run(name: str, parameter: str) -> Callable[[Mapping[str, Any]], str]:
    """For `task_run_name`: the name of a task with its run key, from the parameter that is one or has one."""

    def run_name(parameters: Mapping[str, Any]) -> str:
        try:
            return f"{name} {_key_of(parameters[parameter])}".strip()
        except EsmsError:
            return name

    return run_name


def _day_of(given: date | str) -> str:
    try:
        return first_day(given, 1).to_date_string()
    except InvalidRequestError:
        return str(given)  # the flow reports the error


def _key_of(given: Any) -> str:
    """The run key given or held by `given`. Prefect does not validate task arguments, so other values may hold rows."""
    key = given.get("run_key") if isinstance(given, Mapping) else getattr(given, "run_key", given)
    return redact(with_day(key)) if isinstance(key, str) else ""


def dated_run_key(run_key: str, day: Callable[[], date] = scheduled_day) -> str:
    """
    A run key for a schedule: `evening-{day}` identifies a different campaign every day.

    Raises:
        InvalidRequestError: another placeholder, which would not change from day to day; or as in `check_run_key`.
    """
    text = check_run_key(with_day(run_key, day))
    if "{" in text or "}" in text:
        raise InvalidRequestError(f"run_key takes {DAY} and no other braces.", field="run_key")
    return text
