"""EsmsNotifier against the emulator: one message per event, quiet at night, on an event loop too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from esms_connectors import ConfigurationError
from esms_connectors.airflow.notifications import EsmsNotifier, end_of_quiet
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator, code
from esms_connectors.gateway.errors import EsmsError

PHONES = ["0901000001", "0901000002"]


def failed(task_id: str = "load", run_id: str = "scheduled__1", map_index: int = -1, try_number: int = 1) -> Any:
    """The context of a failing task's callback."""
    ti = SimpleNamespace(
        dag_id="nightly", task_id=task_id, run_id=run_id, map_index=map_index, try_number=try_number, state="running"
    )
    return {"ti": ti, "dag_run": SimpleNamespace(dag_id="nightly", run_id=run_id, state="running")}


@pytest.fixture
def notifier(connect: Callable[..., None]) -> Callable[..., EsmsNotifier]:
    def make(**arguments: Any) -> EsmsNotifier:
        return EsmsNotifier(**{"phones": PHONES, "brandname": DEMO_BRANDNAME, **arguments})

    return make


def test_an_event_is_one_message_to_each_phone(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """Three retries, fifty mapped tasks and another task of the run that fails because of it: one message."""
    for index in range(5):
        notifier()(failed(map_index=index))
    for attempt in range(3):
        notifier()(failed("report", try_number=attempt))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert {message.content for message in gateway.messages()} == {"Airflow: nightly failed (load), run scheduled__1"}


def test_another_run_is_another_event(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """And so is what happened by name, or each task where that was asked for."""
    notifier()(failed())
    notifier()(failed(run_id="scheduled__2"))
    notifier(event="late")(failed())
    notifier(once_per="task")(failed())
    notifier(once_per="task")(failed("report"))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 5)


def test_a_deadline_has_only_its_run(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """In the triggerer, where the context holds plain values and the notifier is awaited."""
    context = {"dag_run": {"dag_id": "nightly", "dag_run_id": "scheduled__1"}, "deadline": {"id": "1"}}

    async def tell() -> None:
        await notifier(context=context)

    for _ in range(2):
        asyncio.run(tell())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert {message.content for message in gateway.messages()} == {
        "Airflow: nightly missed its deadline, run scheduled__1"
    }


def test_the_text_is_a_template(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """Of the callback's context."""
    notifier(text="{{ ti.dag_id }}: {{ ti.task_id }} hong roi")(failed())
    assert {message.content for message in gateway.messages()} == {"nightly: load hong roi"}


def test_phones_and_sender_may_stand_in_the_connection(connect: Callable[..., None], gateway: Emulator) -> None:
    """So that no number stands in a DAG."""
    connect({"alert_phones": ", ".join(PHONES), "brandname": DEMO_BRANDNAME})
    EsmsNotifier()(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_one_refused_phone_does_not_keep_the_others_from_being_told(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """The refusal is still told to Airflow's log."""
    gateway.faults.add("send_customer_care_sms", code("99"), calls=[1])
    with pytest.raises(EsmsError, match="99"):
        notifier()(failed())
    assert gateway.deliveries_by_phone() == {PHONES[1]: 1}


@pytest.mark.parametrize(
    ("now", "hours", "told"),
    [
        ("2026-11-21T23:30", (22, 7), "2026-11-22T07:00"),
        ("2026-11-21T03:30", (22, 7), "2026-11-21T07:00"),
        ("2026-11-21T07:00", (22, 7), None),
        ("2026-11-21T21:59", (22, 7), None),
        ("2026-11-21T12:30", (12, 14), "2026-11-21T14:00"),
        ("2026-11-21T03:30", None, None),
    ],
)
def test_what_happens_at_night_is_told_in_the_morning(
    now: str, hours: tuple[int, int] | None, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Vietnam's hours, across midnight."""
    moment = pendulum.parse(now, tz="Asia/Ho_Chi_Minh")
    monkeypatch.setattr(pendulum, "now", lambda tz=None: moment)
    end = end_of_quiet(hours)
    assert (end and end.strftime("%Y-%m-%dT%H:%M")) == told


def test_without_anybody_to_tell_it_says_so(connect: Callable[..., None], gateway: Emulator) -> None:
    """In one line."""
    with pytest.raises(ConfigurationError, match="phones and brandname"):
        EsmsNotifier()(failed())
    with pytest.raises(ConfigurationError, match="no run"):
        EsmsNotifier(phones=PHONES, brandname=DEMO_BRANDNAME)({})
    assert list(gateway.messages()) == []


@pytest.mark.parametrize("arguments", [{"once_per": "try"}, {"quiet_hours": (22, 24)}, {"quiet_hours": (22,)}])
def test_bad_arguments_are_told_when_the_dag_is_read(arguments: dict[str, Any]) -> None:
    """Not on the night of the failure."""
    with pytest.raises(EsmsError):
        EsmsNotifier(phones=PHONES, **arguments)
