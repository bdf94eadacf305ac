"""What a run tells by SMS: a hook for every kind of flow, quiet hours, one message a run."""

from __future__ import annotations

import asyncio
import pickle
import uuid
from collections.abc import Callable

import cloudpickle
import pendulum
import pytest
from conftest import name_of
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.states import Crashed

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.gateway import machine_clock
from esms_connectors.prefect import EsmsCredentials, EsmsNotification, alert_hook

PHONE = "0901234567"


@pytest.fixture
def saved(credentials: EsmsCredentials) -> Callable[..., EsmsNotification]:
    def save(**fields: object) -> EsmsNotification:
        block = EsmsNotification(credentials=credentials, phones=PHONE, brandname=DEMO_BRANDNAME, **fields)
        block.save(f"hook-{uuid.uuid4().hex[:8]}")
        return block

    return save


def told(gateway: Emulator) -> list[str]:
    return [message.content.partition(", run ")[0] for message in gateway.messages()]


@pytest.mark.in_turn
def test_alert_hook_works_on_sync_and_async_flows_and_tasks(
    gateway: Emulator, saved: Callable[..., EsmsNotification]
) -> None:
    """Sync, async, and tasks of one run: one message for each run that fails."""
    alert = alert_hook(name_of(saved()))

    @flow(on_failure=[alert])
    def books() -> None:
        raise RuntimeError

    @flow(on_failure=[alert])
    async def waiting() -> None:
        raise RuntimeError

    @task(on_failure=[alert])
    def part(_number: int) -> None:
        raise RuntimeError

    @flow
    def many() -> None:
        part.map(range(3)).wait()

    books(return_state=True)
    asyncio.run(waiting(return_state=True))
    many(return_state=True)
    assert told(gateway) == ["Prefect: books failed", "Prefect: waiting failed", "Prefect: part failed"]


def test_alert_hook_works_when_a_runner_calls_it_for_a_served_flow(
    gateway: Emulator, saved: Callable[..., EsmsNotification]
) -> None:
    """The process that serves it calls the hooks of a run that died: by keywords, with the flow by value."""
    alert = alert_hook(name_of(saved()), "{flow} {state}, attempt {attempt}: {message}")

    @flow(on_crashed=[alert])
    def books() -> None: ...

    served = pickle.loads(cloudpickle.dumps(books))
    with get_client(sync_client=True) as api:
        run = api.create_flow_run(books)

    async def as_a_runner_does() -> None:
        for hook in served.on_crashed_hooks:
            await asyncio.to_thread(hook, flow=served, flow_run=run, state=Crashed())

    asyncio.run(as_a_runner_does())
    assert [message.content for message in gateway.messages()] == ["Prefect: books crashed, attempt 1: {message}"]


def test_alert_hook_without_its_block_logs_one_line_and_flow_completes(
    prefect_server: str, gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The flow ends as it did."""

    @flow(on_completion=[alert_hook("nobody")])
    def books() -> None: ...

    books()
    assert "SMS alert: There is no block esms-notification/nobody. Save one" in caplog.text
    assert "Traceback" not in caplog.text


def test_quiet_hours_delay_alerts_until_they_end(
    gateway: Emulator, saved: Callable[..., EsmsNotification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens in quiet hours is told when they end."""
    night = pendulum.datetime(2024, 5, 15, 23, tz="Asia/Ho_Chi_Minh")
    monkeypatch.setattr(machine_clock, "source", lambda: night)
    saved(quiet_hours=[22, 7]).notify("x")
    saved(quiet_hours=[1, 7]).notify("y")
    due = {one.content: one.send_at_ms for one in gateway.messages()}
    assert pendulum.from_timestamp(due["x"] / 1000) == night.add(hours=8)
    assert due["y"] != due["x"]


@pytest.mark.in_turn
def test_once_per_run_sends_one_message_per_flow_run(gateway: Emulator, saved: Callable[..., EsmsNotification]) -> None:
    """Whatever its text, from tasks and subflows too; the next run is told of."""
    block = saved(once_per_run=True)
    part = task(lambda: block.notify("part"), name="part")
    inner = flow(lambda: block.notify("inner"), name="inner")

    @flow
    def books() -> None:
        part()
        inner()
        block.notify("end")

    books()
    books()
    assert told(gateway) == ["part", "part"]


@pytest.mark.in_turn
def test_retried_run_with_subflows_sends_one_message(gateway: Emulator, saved: Callable[..., EsmsNotification]) -> None:
    """A subflow of the second attempt is begun for the first time."""
    block = saved(once_per_run=True)
    inner = flow(lambda: block.notify("inner"), name="inner")
    attempts: list[int] = []

    @flow(retries=1)
    def books() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError
        block.notify("end")
        inner()

    books()
    assert told(gateway) == ["end"]
