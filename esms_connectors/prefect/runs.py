"""The root run of a task, which stays the same across retries, and its scheduled time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import Token
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import pendulum
from pendulum import DateTime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError, foreign_errors
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.recipients.keys import read_key
from esms_connectors.sending.once_per_run import Try

# A subflow starts when its parent calls it; one scheduled for another time differs by more.
_AT_ONCE_SECONDS = 60

T = TypeVar("T")
C = TypeVar("C", FlowRunContext, TaskRunContext)


class RunNotReadError(EsmsError):
    """The Prefect server did not answer what it knows about this run; a retry may succeed."""

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
    this = this_try()
    return None if this is None else this.run


def this_try() -> Try | None:
    """
    The root run, and the numbers of the tries of all runs from there to here.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    tasks = list(_enclosing(TaskRunContext.get()))
    flows = [flow.flow_run for flow in _enclosing(FlowRunContext.get()) if flow.flow_run is not None]
    numbers = {str(run.id): run.run_count for run in flows}
    numbers |= {str(task.task_run.id): task.task_run.run_count for task in tasks}
    if tasks:
        # A flow called in a task without a flow has no parent on the server; only the contexts lead to the task.
        outermost = tasks[-1].task_run
        if outermost.flow_run_id is None:
            return _try_of(_root_of_task(outermost), numbers)
        flow_run_id = outermost.flow_run_id
    elif flows:
        flow_run_id = flows[0].id
    else:
        return None
    root, further = _root_of_flow(flow_run_id, numbers.get(str(flow_run_id), 0))
    return _try_of(root, {**dict(further), **numbers})


def _try_of(root: str, numbers: Mapping[str, int]) -> Try:
    return Try(root, numbers, lambda: _was_started_again(numbers))


def _was_started_again(numbers: Mapping[str, int]) -> bool:
    """
    Whether one of these flow runs has a later try, which the server starts beside this one if it takes it for dead.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    ids = [UUID(run) for run in numbers]
    runs = ask_server(lambda api: api.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids))))
    return any(run.run_count > numbers[str(run.id)] for run in runs)


def run_key_or_try(key: str | None, name: str, prefix: str) -> str | Try:
    """
    What identifies a message or a call: the run key of a given key, or without one the try of this run.

    Raises:
        InvalidRequestError: it is not a key, or there is neither a key nor a run.
        RunNotReadError: the server could not be asked.
    """
    if key is not None:
        return f"{prefix}/{read_key(key, name)}"
    this = this_try()
    if this is None:
        raise InvalidRequestError(f"Outside of a run, a {name} is needed.", field=name)
    return this


def _enclosing(context: C | None) -> Iterator[C]:
    """The context and those around it in this process, from the inside out."""
    while context is not None:
        yield context
        token: Token[Any] | None = context._token
        context = None if token is None or token.old_value is Token.MISSING else token.old_value


def times_begun(root: str) -> int:
    """
    How often a `root_run` was started; 0 for a task run.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    kind, _, name = root.partition(" ")
    return _flow_run(UUID(name)).run_count if kind == "flow" else 0


@lru_cache(maxsize=1024)
def _root_of_flow(flow_run_id: UUID, _number: int) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The root of a try of a flow run, and the numbers of the tries of it and the flow runs around it."""
    run = _flow_run(flow_run_id)
    parent = _parent(run)
    tries = ((str(run.id), run.run_count),)
    if parent is None:
        return f"flow {flow_run_id}", tries
    if parent.flow_run_id is None:
        return _root_of_task(parent), tries
    around = _flow_run(parent.flow_run_id)
    root, further = _root_of_flow(around.id, around.run_count)
    return root, (*tries, *further)


def _root_of_task(run: TaskRun) -> str:
    parents = [one.id for one in run.task_inputs.get("__parents__", ()) if hasattr(one, "id")]
    return _root_of_task(ask_server(lambda api: api.read_task_run(parents[0]))) if parents else f"task {run.id}"


def scheduled_time() -> DateTime:
    """
    The time that this run was scheduled for, even if it starts late or is retried. A subflow that was not scheduled for
    later has the time of its parent. Outside a run it is now.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    run, task = _own_flow_run(), TaskRunContext.get()
    if run is None:
        if task is None:
            return machine_clock.now()
        outermost = list(_enclosing(task))[-1].task_run
        return time_or_now(outermost.expected_start_time or outermost.start_time)
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
    run = _own_flow_run()
    if run is None:
        return True
    while not (by_server := _by_server(run)) and (parent := _parent(run)) is not None and parent.flow_run_id:
        run = _flow_run(parent.flow_run_id)
    return not by_server


def _own_flow_run() -> FlowRun | None:
    """The flow run of this code; None outside of any, as in a task without a flow."""
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run
    if task is not None and task.task_run.flow_run_id is not None:
        return _flow_run(task.task_run.flow_run_id)
    return None


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
    return ask_server(lambda api: api.read_flow_run(flow_run_id))


def _parent(run: FlowRun) -> TaskRun | None:
    """The task that stands for a subflow in the run that called it."""
    parent = run.parent_task_run_id
    return None if parent is None else ask_server(lambda api: api.read_task_run(parent))


def ask_server(question: Callable[[SyncPrefectClient], T]) -> T:
    """
    The answer of the Prefect server.

    Raises:
        RunNotReadError: it could not be asked.
    """
    with (
        foreign_errors(_not_read),
        get_client(sync_client=True) as api,
    ):
        return question(api)


def _not_read(error: Exception) -> RunNotReadError:
    if isinstance(error, ObjectNotFound):
        return RunNotReadError(
            "The Prefect server does not know this run: it was deleted, or is not stored yet. Nothing was sent; a "
            "new run with the same key continues."
        )
    return RunNotReadError(
        f"The Prefect server did not answer about this run ({type(error).__name__}); nothing was sent."
    )
