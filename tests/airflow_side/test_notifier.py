"""EsmsNotifier against the emulator: one message per event, quiet at night, on an event loop too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from contract.alerts import SPELLINGS

from esms_connectors import ConfigurationError
from esms_connectors.airflow.notifications import EsmsNotifier, event_of
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code, refuse_before
from esms_connectors.gateway.errors import EsmsError

PHONES = ["0901000001", "0901000002"]


def failed(
    task_id: str = "load", run_id: str = "scheduled__1", map_index: int = -1, try_number: int = 1, cleared: int = 0
) -> Any:
    """The context of a failing task's callback."""
    ti = SimpleNamespace(
        dag_id="nightly", task_id=task_id, run_id=run_id, map_index=map_index, try_number=try_number, state="running"
    )
    run = SimpleNamespace(dag_id="nightly", run_id=run_id, state="running", clear_number=cleared)
    return {"ti": ti, "dag_run": run, "dag": DAG("nightly", schedule=None)}


@pytest.fixture
def notifier(connect: Callable[..., None]) -> Callable[..., EsmsNotifier]:
    def make(**arguments: Any) -> EsmsNotifier:
        return EsmsNotifier(**{"phones": PHONES, "brandname": DEMO_BRANDNAME, **arguments})

    return make


def test_failures_of_one_run_send_one_message_to_each_phone(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """Three retries, fifty mapped tasks and another task of the run that fails because of it: one message."""
    for index in range(5):
        notifier()(failed(map_index=index))
    for attempt in range(3):
        notifier()(failed("report", try_number=attempt))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert {message.content for message in gateway.messages()} == {"Airflow: nightly failed (load), run scheduled__1"}


def test_different_runs_events_and_tasks_are_alerted_separately(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """And so is what happened by name, or each task where that was asked for."""
    notifier()(failed())
    notifier()(failed(run_id="scheduled__2"))
    notifier(event="late")(failed())
    notifier(once_per="task")(failed())
    notifier(once_per="task")(failed("report"))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 5)


def test_missed_deadline_is_alerted_once_per_run(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """In the triggerer, where the context holds plain values and the notifier is target."""
    context = {"dag_run": {"dag_id": "nightly", "dag_run_id": "scheduled__1"}, "deadline": {"id": "1"}}

    async def tell() -> None:
        await notifier(context=context)

    for _ in range(2):
        asyncio.run(tell())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert {message.content for message in gateway.messages()} == {
        "Airflow: nightly missed its deadline, run scheduled__1"
    }


def test_text_is_rendered_with_the_callback_context(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """Of the callback's context."""
    notifier(text="{{ ti.dag_id }}: {{ ti.task_id }} hong roi")(failed())
    assert {message.content for message in gateway.messages()} == {"nightly: load hong roi"}


def test_phones_and_brandname_may_come_from_the_connection(connect: Callable[..., None], gateway: Emulator) -> None:
    """So that no number stands in a DAG."""
    connect({"alert_phones": ", ".join(PHONES), "brandname": DEMO_BRANDNAME})
    EsmsNotifier()(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_rejected_phone_does_not_prevent_alerts_to_the_others(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """The refusal is still told to Airflow's log."""
    gateway.faults.add("send_customer_care_sms", code("99"), calls=[1])
    with pytest.raises(EsmsError, match="99"):
        notifier()(failed())
    assert gateway.deliveries_by_phone() == {PHONES[1]: 1}


def test_missing_brandname_phones_or_run_gives_error_and_sends_nothing(
    connect: Callable[..., None], gateway: Emulator
) -> None:
    """In one line."""
    with pytest.raises(ConfigurationError, match="brandname"):
        EsmsNotifier(phones=PHONES)(failed())
    with pytest.raises(EsmsError, match="phones"):
        EsmsNotifier(brandname=DEMO_BRANDNAME)(failed())
    with pytest.raises(ConfigurationError, match="no run"):
        EsmsNotifier(phones=PHONES, brandname=DEMO_BRANDNAME)({})
    assert list(gateway.messages()) == []


@pytest.mark.parametrize("arguments", [{"once_per": "try"}, {"quiet_hours": (22, 24)}, {"quiet_hours": (22,)}])
def test_invalid_arguments_are_rejected_at_parse_time(arguments: dict[str, Any]) -> None:
    """Not on the night of the failure."""
    with pytest.raises(EsmsError):
        EsmsNotifier(phones=PHONES, **arguments)


PLAIN = "Airflow: nightly failed (load), run scheduled__1"


@pytest.mark.parametrize(
    "text", ["{{ ds }} hong", "{{ ti.nothing.more }}", "{% if hong", "{{ 1 / 0 }}", "{{ none }}", "", "{{ ti.state }"]
)
def test_failing_text_template_is_replaced_by_the_default_text(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator, text: str
) -> None:
    """A run that somebody triggered has no `ds`; its failure is told all the same."""
    notifier(text=text)(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert {message.content for message in gateway.messages()} == {PLAIN}


def test_failing_phone_and_brandname_templates_fall_back_to_the_connection(
    connect: Callable[..., None], gateway: Emulator
) -> None:
    """Somebody is told."""
    connect({"alert_phones": PHONES, "brandname": DEMO_BRANDNAME})
    EsmsNotifier(phones="{{ var.value.nobody }}", brandname="{{ no.brand }}", esms_conn_id="{{ no.conn }}")(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_reused_notifier_renders_its_text_for_each_event(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """And what an error says is no template of the next one's."""
    one = notifier(text="{{ ti.task_id }}: {{ exception }}")
    one(failed("load", "scheduled__1") | {"exception": "{{ 7*7 }} rows"})
    one(failed("report", "scheduled__2") | {"exception": "other"})
    assert {message.content for message in gateway.messages()} == {"load: {{ 7*7 }} rows", "report: other"}


def test_cleared_run_that_fails_again_is_alerted_again(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """Once, however many of its tasks fail then."""
    for cleared in (0, 1, 2):
        notifier()(failed(cleared=cleared))
        notifier()(failed("report", cleared=cleared))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 3)


@pytest.mark.parametrize("reason", ["task_failure", "timed_out", "all_tasks_deadlocked"])
def test_dag_level_callback_alerts_once_with_or_without_a_task(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator, reason: str
) -> None:
    """Airflow hands over no more than this when the last task is gone from the DAG; and a last task in any state."""
    dag = DAG("nightly", schedule=None)
    notifier()({"dag": dag, "run_id": "scheduled__1", "reason": reason})
    assert {message.content for message in gateway.messages()} == {"Airflow: nightly failed, run scheduled__1"}
    last = failed() | {"reason": reason}
    last["ti"].state = "success"
    notifier()(last)
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert event_of({"dag": dag, "run_id": "scheduled__1", "reason": "success"}).what == "success"


@pytest.mark.in_turn
@pytest.mark.parametrize("spelling", [*SPELLINGS, ["0901000001", "+84 901 000 002"]])
@pytest.mark.parametrize("where", ["argument", "connection", "template"])
def test_phones_are_accepted_in_any_spelling(
    connect: Callable[..., None], gateway: Emulator, spelling: Any, where: str
) -> None:
    """In the DAG, in the connection, in what a template gives."""
    connect({"brandname": DEMO_BRANDNAME, **({"alert_phones": spelling} if where == "connection" else {})})
    arguments = {"argument": {"phones": spelling}, "template": {"phones": "{{ found }}"}}.get(where, {})
    EsmsNotifier(**arguments)(failed() | {"found": spelling})
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_invalid_phone_does_not_prevent_alerts_to_the_others(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator
) -> None:
    """And is told of in the log, masked."""
    with pytest.raises(EsmsError, match="phone 1") as error:
        notifier(phones=["02838123456", *PHONES])(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert "02838123456" not in str(error.value)


def test_alert_is_sent_after_a_short_gateway_outage(
    notifier: Callable[..., EsmsNotifier], gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tries of one call are long over."""
    monkeypatch.setattr("esms_connectors.sending.alerts._PAUSES", (0.05,))
    gateway.faults.add("send_customer_care_sms", refuse_before(), next_calls=17)
    notifier()(failed())
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_sandbox_alert_sends_nothing_and_is_logged(
    connect: Callable[..., None], gateway: Emulator, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody takes a checked message for a sent one."""
    connect({"alert_phones": PHONES, "brandname": DEMO_BRANDNAME, "sandbox": True})
    EsmsNotifier()(failed())
    assert list(gateway.messages()) == []
    assert "2 checked in the sandbox, not sent" in caplog.text + capfd.readouterr().out


def test_long_text_is_truncated(notifier: Callable[..., EsmsNotifier], gateway: Emulator) -> None:
    """Five thousand characters of a traceback would cost forty messages."""
    notifier(text="x" * 5_000)(failed())
    assert {len(message.content) for message in gateway.messages()} <= set(range(250, 321))
