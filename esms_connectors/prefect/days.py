"""Which days a run is about."""

from __future__ import annotations

from datetime import date

import pendulum
from pendulum import DateTime
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM


def first_day(day: date | None, days: int) -> DateTime:
    """
    Midnight in Vietnam, at which the first of `days` days begins: `day`, or so that the last of them ended before the
    run began. A retry is about the same days, also when it takes place behind a midnight.

    Raises:
        InvalidRequestError: no days.
    """
    if days < 1:
        raise InvalidRequestError("days is at least 1.", field="days")
    if day is not None:
        return pendulum.datetime(day.year, day.month, day.day, tz=VIETNAM)
    return _began().in_timezone(VIETNAM).start_of("day").subtract(days=days)


def _began() -> DateTime:
    """When this run began for the first time, which the server knows."""
    context = FlowRunContext.get()
    began = None
    if context is not None and context.flow_run is not None:
        with get_client(sync_client=True) as api:
            began = api.read_flow_run(context.flow_run.id).start_time
    return pendulum.now("UTC") if began is None else pendulum.instance(began)
