"""Deployments on a real server: runs for given times, waits for states, a person who approves."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from pendulum import DateTime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from waiting import wait_until

T = TypeVar("T")


def wait_for(look: Callable[[], T], seconds: float = 180) -> T:
    return wait_until(look, seconds, every=0.3)


def deployment_id(name: str) -> uuid.UUID:
    """Of `flow/deployment`, once it is there."""

    def look() -> uuid.UUID | None:
        with get_client(sync_client=True) as api, suppress(ObjectNotFound):
            return api.read_deployment_by_name(name).id
        return None

    found: uuid.UUID = wait_for(look)
    return found


def run_scheduled_for(name: str, moment: DateTime, **parameters: Any) -> FlowRun:
    """A run of `flow/deployment` as the scheduler makes it for that time; one in the past is late and begins now."""
    with get_client(sync_client=True) as api:
        return api.create_flow_run_from_deployment(
            deployment_id(name), parameters=parameters, state=Scheduled(scheduled_time=moment)
        )


def state_of(run: FlowRun) -> State[Any]:
    with get_client(sync_client=True) as api:
        state = api.read_flow_run(run.id).state
    assert state is not None
    return state


def approve(run: FlowRun, told_by: Callable[[], str]) -> None:
    """Wait for the question, and say yes to it."""
    wait_for(lambda: state_of(run).name == "Suspended" or state_of(run).is_final())
    assert state_of(run).name == "Suspended", f"{state_of(run).message}\n{told_by()}"
    with get_client(sync_client=True) as api:
        api.resume_flow_run(run.id, run_input={"approve": True})


def completed(run: FlowRun, told_by: Callable[[], str]) -> None:
    """Wait for its end; `told_by` gives the last words of the process that runs it."""
    wait_for(lambda: state_of(run).is_final())
    assert state_of(run).is_completed(), f"{state_of(run).name}: {state_of(run).message}\n{told_by()}"


def stop(process: subprocess.Popen[bytes]) -> None:
    """As a person stops a program that serves; without mercy when it does not end."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)


def forget(*names: str) -> None:
    """Take deployments off the server: another test has some of the same name."""
    for name in names:
        with get_client(sync_client=True) as api, suppress(ObjectNotFound):
            api.delete_deployment(api.read_deployment_by_name(name).id)
