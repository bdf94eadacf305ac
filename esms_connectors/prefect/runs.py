"""The root run of a task, which stays the same across retries, and its scheduled time."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from datetime import date, datetime
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

import pendulum
from pendulum import DateTime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import FlowRunContext, TaskRunContext

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError, foreign_errors
from esms_connectors.gateway.wire import VIETNAM

# A subflow starts when its parent calls it; one scheduled for another time differs by more.
_AT_ONCE_SECONDS = 60

T = TypeVar("T")


class RunNotReadError(EsmsError):
    """The Prefect server did not answer which run this one belongs to; a retry may succeed."""

    retryable = True


def root_run() -> str | None:
    """
    The outermost flow run, or the outermost task run if no flow encloses it. It keeps its id across retries, while the
    subflows and tasks of a retried run are created again.

    Returns:
        None outside of any run.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    task = TaskRunContext.get()
    if task is None:
        flow = FlowRunContext.get()
        return None if flow is None or flow.flow_run is None else _root_of_flow(flow.flow_run.id)
    # A flow called in a task without a flow has no parent on the server; only the contexts lead to the task.
    while (around := _enclosing(task)) is not None:
        task = around
    run = task.task_run
    return _root_of_task(run) if run.flow_run_id is None else _root_of_flow(run.flow_run_id)


def _enclosing(context: TaskRunContext) -> TaskRunContext | None:
    token = context._token
    return None if token is None or token.old_value is Token.MISSING else token.old_value


def times_begun(root: str) -> int:
    """
    How often a `root_run` was started; 0 for a task run.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    kind, _, name = root.partition(" ")
    return _flow_run(UUID(name)).run_count if kind == "flow" else 0


@lru_cache(maxsize=1024)
def _root_of_flow(flow_run_id: UUID) -> str:
    parent = _parent(_flow_run(flow_run_id))
    if parent is None:
        return f"flow {flow_run_id}"
    return _root_of_task(parent) if parent.flow_run_id is None else _root_of_flow(parent.flow_run_id)


def _root_of_task(run: TaskRun) -> str:
    parents = [one.id for one in run.task_inputs.get("__parents__", ()) if hasattr(one, "id")]
    return _root_of_task(_asked(lambda api: api.read_task_run(parents[0]))) if parents else f"task {run.id}"


def scheduled_time() -> DateTime:
    """
    The time that this run was scheduled for, even if it starts late or is retried. A subflow that was not scheduled for
    later has the time of its parent. Outside a flow it is now.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        run = flow.flow_run
    elif task is not None and task.task_run.flow_run_id is not None:
        run = _flow_run(task.task_run.flow_run_id)
    else:
        return machine_clock.now()
    while _began_at_once(run) and (parent := _parent(run)) is not None and parent.flow_run_id is not None:
        run = _flow_run(parent.flow_run_id)
    moment = run.expected_start_time or run.created
    return time_or_now(moment)


def time_or_now(moment: datetime | None) -> DateTime:
    """
    Convert a time from Prefect, because those of Prefect 3.9 warn on pendulum methods that the standard library lacks.
    """
    return machine_clock.now() if moment is None else pendulum.from_timestamp(moment.timestamp())


def scheduled_day() -> date:
    """The day in Vietnam that this run was scheduled for."""
    return scheduled_time().in_timezone(VIETNAM).date()


def began_by_hand() -> bool:
    """
    Whether the outermost run was started by a person or a program, not by a schedule or an automation of the server.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        run = flow.flow_run
    elif task is not None and task.task_run.flow_run_id is not None:
        run = _flow_run(task.task_run.flow_run_id)
    else:
        return True
    while not (by_server := _by_server(run)) and (parent := _parent(run)) is not None and parent.flow_run_id:
        run = _flow_run(parent.flow_run_id)
    return not by_server


def _by_server(run: FlowRun) -> bool:
    return run.auto_scheduled or (run.created_by is not None and run.created_by.type == "AUTOMATION")


def _began_at_once(run: FlowRun) -> bool:
    if run.expected_start_time is None or run.created is None:
        return True
    apart: float = abs((run.expected_start_time - run.created).total_seconds())
    return apart < _AT_ONCE_SECONDS


def _flow_run(flow_run_id: UUID) -> FlowRun:
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None and context.flow_run.id == flow_run_id:
        return context.flow_run
    return _asked(lambda api: api.read_flow_run(flow_run_id))


def _parent(run: FlowRun) -> TaskRun | None:
    """The task that stands for a subflow in the run that called it."""
    parent = run.parent_task_run_id
    return None if parent is None else _asked(lambda api: api.read_task_run(parent))


def _asked(question: Callable[[SyncPrefectClient], T]) -> T:
    with (
        foreign_errors(
            lambda error: RunNotReadError(
                f"The Prefect server did not report which run this one belongs to ({type(error).__name__})."
            )
        ),
        get_client(sync_client=True) as api,
    ):
        return question(api)
