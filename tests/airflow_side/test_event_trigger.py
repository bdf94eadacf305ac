"""DeliveryReportsTrigger against the emulator: one event a settled span, with a cursor that survives a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from airflow.sdk.serde import deserialize, serialize
from airflow.triggers.base import BaseTrigger

from esms_connectors.airflow import triggers
from esms_connectors.airflow.triggers import DeliveryReportsTrigger, DeliveryStatusTrigger, LookAgainTrigger
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import http_status


class AssetStore:
    """The state store of the watched asset; asynchronous as in Airflow 3.3.2."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = json.dumps(value)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, connect: Callable[..., None]) -> None:
    monkeypatch.setattr(triggers, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(triggers, "SHORTEST_POLL_SECONDS", 0.02)
    monkeypatch.setattr(triggers, "HANDED_OVER_SECONDS", 0.02)


@pytest.fixture
def hour() -> pendulum.DateTime:
    """The beginning of the last hour but one: its spans are closed."""
    return pendulum.now("UTC").subtract(hours=2).start_of("hour")


def arrive(
    gateway: Emulator, moment: pendulum.DateTime, count: int, status: int = 5, result: int = 1, **more: Any
) -> None:
    for number in range(count):
        details: dict[str, Any] = {"sms_type": 25, "campaign": "march", "send_status": status, "send_result": result}
        gateway.insert_message(created_at=moment.isoformat(), phone=f"0901{number:06d}", **{**details, **more})


def events(
    trigger: DeliveryReportsTrigger, count: int = 0, until: Callable[[], bool] = lambda: True
) -> list[dict[str, Any]]:
    """What it fires until that are `count`, and in the second after that; at least as long as `until` says no."""
    found: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def listen() -> None:
        async for event in trigger.run():
            found.append(event.payload)
            if len(found) >= count:
                enough.set()

    async def for_a_while() -> None:
        listening = asyncio.ensure_future(listen())
        if count:
            await asyncio.wait_for(enough.wait(), 60)
        for _ in range(1200):
            if until():
                break
            await asyncio.sleep(0.05)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listening, 1.0)

    asyncio.run(for_a_while())
    return found


def watching(store: AssetStore | None, hour: pendulum.DateTime, **arguments: Any) -> DeliveryReportsTrigger:
    lookback = (pendulum.now("UTC") - hour).total_seconds() / 3600
    trigger = DeliveryReportsTrigger(poll_seconds=0.02, lookback_hours=lookback, **arguments)
    trigger.asset_state_store = store
    return trigger


def test_each_settled_window_fires_one_event(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """Two spans with messages, the empty ones between them fire nothing; no phone is in the payload."""
    arrive(gateway, hour.add(minutes=3), 4)
    arrive(gateway, hour.add(minutes=33), 2, result=0)
    found = events(watching(AssetStore(), hour), 2)
    assert [(one["expected"], one["delivered"], one["failed"]) for one in found] == [(4, 4, 0), (2, 0, 2)]
    assert "0901" not in json.dumps(found)


@pytest.mark.in_turn
def test_restarted_trigger_resumes_after_the_last_event(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """The cursor stands with the asset."""
    store = AssetStore()
    arrive(gateway, hour.add(minutes=3), 4)
    assert len(events(watching(store, hour), 1)) == 1
    [cursor] = store.values.values()
    assert pendulum.parse(json.loads(cursor)["cursor"]) >= hour.add(minutes=60)
    assert events(watching(store, hour)) == []


@pytest.mark.in_turn
def test_event_lost_before_being_stored_is_fired_again(
    gateway: Emulator, hour: pendulum.DateTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after it had taken the event and before that was in Airflow's database: nobody has heard of it."""
    monkeypatch.setattr(triggers, "HANDED_OVER_SECONDS", 30.0)
    store = AssetStore()
    arrive(gateway, hour.add(minutes=3), 4)
    assert len(events(watching(store, hour), 1)) == 1
    assert len(events(watching(store, hour), 1)) == 1


@pytest.mark.in_turn
def test_unsettled_window_does_not_delay_later_ones_and_fires_after_restart(
    gateway: Emulator, hour: pendulum.DateTime
) -> None:
    """What comes after it does not wait; a triggerer that is restarted knows of it."""
    store = AssetStore()
    arrive(gateway, hour.add(minutes=3), 1, status=7, result=2)
    arrive(gateway, hour.add(minutes=33), 1)

    def kept() -> bool:
        """Where it stands behind the second one."""
        behind = hour.add(minutes=45)
        return any(pendulum.parse(json.loads(one)["cursor"]) >= behind for one in store.values.values())

    [second] = events(watching(store, hour), 1, kept)
    assert pendulum.parse(second["start"]) == hour.add(minutes=30)
    [late] = [message for message in gateway.messages() if message.send_status == 7]
    gateway.set_status(late.message_id, 5, 1)
    [first] = events(watching(store, hour), 1)
    assert pendulum.parse(first["start"]) == hour


def test_scheduled_message_does_not_delay_other_windows(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """It belongs to the span in which it was handed in, and waits in the queue of the gateway."""
    arrive(gateway, hour.add(minutes=3), 1, status=2, result=2)
    for minutes in (18, 33, 48):
        arrive(gateway, hour.add(minutes=minutes), 2)
    found = events(watching(AssetStore(), hour), 3)
    assert [pendulum.parse(one["start"]) for one in found] == [hour.add(minutes=one) for one in (15, 30, 45)]


def test_window_that_never_settles_fires_after_give_up_hours(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """With what is still open."""
    arrive(gateway, hour.add(minutes=3), 1, status=7, result=2)
    [event] = events(watching(AssetStore(), hour, give_up_hours=0.5), 1)
    assert (event["expected"], event["sent"], event["final"]) == (1, 1, 0)


def test_events_are_filtered_by_campaign_prefix(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """By the beginning of its words."""
    arrive(gateway, hour.add(minutes=3), 3, campaign="march #1")
    arrive(gateway, hour.add(minutes=3), 5, campaign="april #1")
    [event] = events(watching(AssetStore(), hour, campaign="april"), 1)
    assert event["expected"] == 5


def test_short_outage_does_not_end_the_trigger(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """It is logged, and the next look finds everything."""
    arrive(gateway, hour.add(minutes=3), 4)
    gateway.faults.add("get_sms_sent_data", http_status(503), next_calls=9)
    assert len(events(watching(AssetStore(), hour), 1)) == 1


@pytest.mark.in_turn
def test_trigger_without_asset_store_starts_over(gateway: Emulator, hour: pendulum.DateTime) -> None:
    """As before Airflow 3.3: at least once."""
    arrive(gateway, hour.add(minutes=3), 4)
    assert len(events(watching(None, hour), 1)) == len(events(watching(None, hour), 1)) == 1


@pytest.mark.parametrize(
    ("trigger", "wait"),
    [
        (LookAgainTrigger("2024-05-15T12:00:00+07:00"), 30),
        (DeliveryStatusTrigger({}, "2024-05-15T12:00:00+07:00"), 30),
        (DeliveryStatusTrigger({}, "2024-05-15T12:00:00+07:00", poll_seconds=1), 5),
    ],
)
def test_deferred_task_does_not_resume_before_the_scheduler_knows_of_the_deferral(
    trigger: BaseTrigger, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy one took 13 seconds, and failed the task that had resumed after five."""
    monkeypatch.undo()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(anext(trigger.run()))
    assert slept == [wait]


def test_equal_arguments_give_the_same_trigger_hash() -> None:
    """Its row in the database is found by them, and they survive Airflow's own serialization."""
    path, kwargs = DeliveryReportsTrigger(campaign="march").serialize()
    again = DeliveryReportsTrigger(**deserialize(json.loads(json.dumps(serialize(kwargs)))))
    assert again.serialize() == (path, kwargs)
    one = DeliveryReportsTrigger.hash(path, kwargs)
    assert one == DeliveryReportsTrigger.hash(*DeliveryReportsTrigger(campaign="march").serialize())
    assert one != DeliveryReportsTrigger.hash(*DeliveryReportsTrigger(campaign="april").serialize())
