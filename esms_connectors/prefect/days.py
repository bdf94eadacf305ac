"""Which days a run is about."""

from __future__ import annotations

from datetime import date

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.prefect.runs import scheduled_day


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
