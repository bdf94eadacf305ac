"""Reschedules a Prefect run until the permitted hours of its messages."""

from datetime import datetime
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Scheduled


def wait_for_hours(until: str | None) -> None:
    """
    End a run of a deployment here, to be restarted at that time; do nothing for any other run, because nothing would
    restart it.
    """
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if until is None or run is None or run.deployment_id is None:
        return
    state: State[Any] = Scheduled(
        scheduled_time=datetime.fromisoformat(until), name="AwaitingHours", message="the rest waits for its hours"
    )
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, state, force=True)
    raise Pause(state=state)
