"""`fallback` of the operators: deferred until somebody is due, one step after the other, each once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from airflow.sdk.exceptions import TaskDeferralError
from task_runs import Runs

from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.retry import EsmsTaskError
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.triggers import LookAgainTrigger
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import http_status
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError

VALUES = {"customer_name": "Lan", "service": "Goi dau", "code": "M1", "date": "15/05/2024"}
ROWS = [{"phone": f"090100000{number}", **VALUES} for number in range(3)]
SMS = {"channel": "sms", "text": "Chao {customer_name}", "after": "15m"}


@pytest.fixture
def task(connect: Callable[..., None], ledger_url: str) -> Callable[..., Any]:
    """Makes the operator anew, as another process does."""
    connect({"brandname": DEMO_BRANDNAME, "oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID})

    def make(**more: Any) -> Any:
        given = {"source": ROWS, "template_params": list(VALUES), "ledger_url": ledger_url, "deferrable": True}
        return ZnsBulkOperator(task_id="send", **{**given, "fallback": [SMS], **more})

    return make


def chain_is_sent(task: Callable[..., Any], gateway: Emulator, runs: Runs) -> Any:
    """The first of three is delivered to, the others got the SMS; what the operator returned."""
    with pytest.raises(TaskDeferred):
        runs(task())
    for message in list(gateway.messages())[1:]:
        gateway.set_status(message.message_id, 7, 2)
    gateway.advance(minutes=16)
    told = runs(task())
    for message in list(gateway.messages())[3:]:
        gateway.set_status(message.message_id, 7, 2)
    return told


def carried_by(deferral: TaskDeferred) -> dict[str, Any]:
    """
    What the task is told when it goes on: in the event, for it gets nothing else in `airflow dags test` and `airflow
    tasks test`.
    """
    assert not deferral.kwargs
    return dict(deferral.trigger.serialize()[1]["carried"])


def test_undelivered_recipients_get_the_fallback_sms_once(
    task: Callable[..., Any], gateway: Emulator, runs: Runs
) -> None:
    """Deferred while nobody is due; behind the deadline the fallback; the result has the chain, nobody's number."""
    with pytest.raises(TaskDeferred) as defer:
        runs(task())
    path, kwargs = defer.value.trigger.serialize()
    assert path.endswith(LookAgainTrigger.__name__)
    assert LookAgainTrigger(**kwargs).moment == kwargs["moment"]
    first = [message.message_id for message in gateway.messages()]
    for message_id in first[1:]:
        gateway.set_status(message_id, 7, 2)
    gateway.advance(minutes=16)
    operator = task()
    operator.render_template_fields(runs.context())
    told = operator.execute_again(runs.context(), {"moment": ""})
    assert [step["accepted"] for step in told["steps"]] == [3, 2]
    assert told["steps"][1]["reasons"] == {"not delivered within 15 minutes": 2}
    assert (told["people"]["delivered"], told["people"]["sent"]) == (1, 2)
    assert "0901000" not in str(told)
    assert sorted(gateway.deliveries_by_phone().values()) == [1, 2, 2]
    # Another try of a task that is done.
    assert runs(task())["steps"][1]["accepted"] == 2
    assert gateway.message_count == 5


def test_fallback_step_is_deferred_until_its_sending_hours(
    task: Callable[..., Any], gateway: Emulator, runs: Runs
) -> None:
    """The first step at once, the SMS from one o'clock on: the try gives its worker back until then, and goes on."""
    given = {"hours": "defer", "guard": {"care_open": "13:00-14:00", "transaction_open": "08:00-13:00"}}
    with pytest.raises(TaskDeferred) as looking:
        runs(task(**given))
    assert looking.value.method_name == "execute_again"
    for message in list(gateway.messages()):
        gateway.set_status(message.message_id, 7, 2)
    gateway.advance(minutes=16)
    for deferrable in (True, False):
        with pytest.raises(TaskDeferred) as waiting:
            runs(task(**given, deferrable=deferrable))
        assert waiting.value.method_name == "resume"
        moment = pendulum.parse(waiting.value.trigger.serialize()[1]["moment"])
        assert moment == gateway.clock.now.at(13)
    assert gateway.message_count == 3
    gateway.advance(minutes=60)
    operator = task(**given)
    operator.render_template_fields(runs.context())
    told = operator.resume(runs.context(), {"moment": ""})
    assert [step["accepted"] for step in told["steps"]] == [3, 3]
    assert gateway.message_count == 6


def test_first_step_is_deferred_until_its_sending_hours(
    task: Callable[..., Any], gateway: Emulator, runs: Runs
) -> None:
    """Nothing leaves before they begin."""
    with pytest.raises(TaskDeferred) as waiting:
        runs(task(hours="defer", guard={"transaction_open": "13:00-14:00"}))
    assert (waiting.value.method_name, gateway.message_count) == ("resume", 0)


@pytest.mark.parametrize("hours", [{}, {"hours": "defer", "guard": {"transaction_open": "13:00-14:00"}}])
def test_trigger_timeout_resumes_the_task_but_trigger_failure_fails_it(
    task: Callable[..., Any], gateway: Emulator, runs: Runs, hours: dict[str, Any]
) -> None:
    """The task is resumed by the scheduler then, to fail; other failures of the trigger still fail it."""
    with pytest.raises(TaskDeferred) as waiting:
        runs(task(**hours))
    assert waiting.value.timeout is not None
    moment = pendulum.parse(waiting.value.trigger.serialize()[1]["moment"])
    assert timedelta() < moment - gateway.clock.now + timedelta(minutes=10) < waiting.value.timeout
    gateway.advance(minutes=80)
    operator = task(**hours)
    operator.render_template_fields(runs.context())
    with pytest.raises(TaskDeferralError):
        operator.resume_execution("__fail__", {"error": "Trigger failure"}, runs.context())
    with suppress(TaskDeferred):
        operator.resume_execution("__fail__", {"error": "Trigger timeout"}, runs.context())
    assert gateway.deliveries_by_phone() == dict.fromkeys(gateway.deliveries_by_phone(), 1)
    assert gateway.message_count == 3


def test_source_is_not_read_while_no_recipient_is_due(
    task: Callable[..., Any], gateway: Emulator, runs: Runs, tmp_path: Path
) -> None:
    """Deferred and again: the list is read when it began, and when somebody is due."""
    path = tmp_path / "customers.csv"
    lines = [",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(TaskDeferred) as defer:
        runs(task(source=str(path)))
    for message in gateway.messages():
        gateway.set_status(message.message_id, 7, 2)
    away = path.rename(tmp_path / "away.csv")

    def again() -> Any:
        made = task(source=str(path))
        made.render_template_fields(runs.context())
        return made.execute_again(runs.context(), carried)

    carried = carried_by(defer.value)
    for _ in range(2):
        gateway.advance(minutes=5)
        with pytest.raises(TaskDeferred) as deferred:
            again()
        assert carried_by(deferred.value) == carried
    gateway.advance(minutes=6)
    with pytest.raises(InvalidRequestError, match=r"customers\.csv"):
        again()
    away.rename(path)
    assert [step["accepted"] for step in again()["steps"]] == [3, 3]
    assert set(gateway.deliveries_by_phone().values()) == {2}


@pytest.mark.parametrize("function", ["send_zns_bulk", "send_customer_care_sms"])
def test_retry_after_kill_during_a_step_sends_each_step_once(
    task: Callable[..., Any], ledger_url: str, gateway: Emulator, runs: Runs, function: str
) -> None:
    """`kill -9` while a call of the step is under way, in a fork as Airflow runs tasks; another try: each step once."""
    pids: list[int] = []
    known = threading.Event()

    def strike(call: Any) -> None:
        if pids:
            known.wait(30)
            os.kill(pids.pop(), signal.SIGKILL)

    def killed(name: str) -> None:
        pids.append(0)
        known.clear()
        gateway.on_call(name, strike, when="after")
        child = multiprocessing.get_context("fork").Process(target=runs, args=(task(threads=1),))
        child.start()
        assert child.pid is not None
        pids[:] = [child.pid]
        known.set()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
        # The time until its claims are over has passed.
        with closing(sqlite3.connect(ledger_url.removeprefix("sqlite:///"))) as books, books:
            books.execute("UPDATE esms_sends SET lease_until_ms = 1 WHERE state = 'claimed'")

    if function == "send_zns_bulk":
        killed(function)
    with pytest.raises(TaskDeferred):
        runs(task())
    for message in gateway.messages():
        gateway.set_status(message.message_id, 7, 2)
    gateway.advance(minutes=16)
    if function != "send_zns_bulk":
        killed(function)
    told = runs(task())
    assert ([step["accepted"] for step in told["steps"]], told["chain_complete"]) == ([3, 3], True)
    assert sorted((one.phone, one.function) for one in gateway.messages()) == sorted(
        (row["phone"], name) for row in ROWS for name in ("send_zns_bulk", "send_customer_care_sms")
    )


@pytest.mark.in_turn
@pytest.mark.parametrize("by", ["sent", "run_key"])
def test_sensor_counts_recipients_of_a_chain_once_across_steps(
    task: Callable[..., Any], ledger_url: str, gateway: Emulator, runs: Runs, by: str
) -> None:
    """Each once, whichever step reaches them; deferred it keeps no address of the ledger; late ones are told."""
    told = chain_is_sent(task, gateway, runs)
    asked = {"sent": told} if by == "sent" else {"run_key": told["run_key"]}
    sensor = DeliveryStatusSensor(task_id="wait", ledger_url=ledger_url, deferrable=True, poke_interval=60, **asked)
    with pytest.raises(TaskDeferred) as defer:
        runs(sensor)
    assert (defer.value.method_name, type(defer.value.trigger)) == ("look_again", LookAgainTrigger)
    assert ledger_url not in str(defer.value.trigger.serialize())
    for message in gateway.messages():
        gateway.set_status(message.message_id, 5, 1)
    again = DeliveryStatusSensor(task_id="wait", ledger_url=ledger_url, deferrable=True, poke_interval=60, **asked)
    again.render_template_fields(runs.context())
    found = again.look_again(runs.context(), carried_by(defer.value))
    assert found is not None
    assert (found["expected"], found["delivered"], found["people"]["delivered"]) == (3, 3, 3)
    assert [(step["handed_on"], step["delivered"], step["late"]) for step in found["steps"]] == [(3, 3, 2), (2, 2, 0)]


def test_deferred_chain_wait_keeps_its_deadline_and_failure_count(
    task: Callable[..., Any], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """Over deferrals: a look that fails counts, and the time that was set when the wait began ends it."""
    told = chain_is_sent(task, gateway, runs)

    def sensor(**more: Any) -> DeliveryStatusSensor:
        made = DeliveryStatusSensor(
            task_id="wait", sent=told, ledger_url=ledger_url, deferrable=True, poke_interval=60, max_failures=3, **more
        )
        made.render_template_fields(runs.context())
        return made

    gateway.faults.add("*", http_status(500))
    event: dict[str, Any] = {"ends": pendulum.now("UTC").add(minutes=60).isoformat(), "failures": 0}
    for failures in (1, 2):
        with pytest.raises(TaskDeferred) as defer:
            sensor().look_again(runs.context(), event)
        assert carried_by(defer.value) == {**event, "failures": failures}
        event = carried_by(defer.value)
    with pytest.raises((EsmsError, EsmsTaskError), match="HTTP 500"):
        sensor(soft_fail=True).resume_execution("look_again", {"event": event}, runs.context())
    gateway.faults.clear()
    over = {"event": {"ends": pendulum.now("UTC").isoformat(), "failures": 0}}
    with pytest.raises(AirflowSensorTimeout, match=r"2\. sms: 2 people"):
        sensor().resume_execution("look_again", over, runs.context())
    with pytest.raises(AirflowSkipException):
        sensor(soft_fail=True).resume_execution("look_again", over, runs.context())


def test_alert_ladder_stops_at_the_first_delivered_recipient(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """In their order; whose message fails is not waited for; another try tells nobody."""
    connect({"brandname": DEMO_BRANDNAME})
    told = 0

    def report(call: Any) -> None:
        nonlocal told
        for message in list(gateway.messages())[told:]:
            told += 1
            gateway.set_status(message.message_id, 5, int(told == 2))

    gateway.on_call("get_balance", report)
    for _ in range(2):
        task = AlertLadderOperator(
            task_id="alert", phones=["0901 000 001", "0901000002", "0901000003"], text="Het cho", ledger_url=ledger_url
        )
        steps = runs(task)["steps"]
        assert [step["accepted"] for step in steps] == [1, 1, 0]
    assert [message.phone for message in gateway.messages()] == ["0901000001", "0901000002"]


def test_alert_ladder_applies_guard_rules_and_callback_url(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """As any operator that sends; its messages are reported where the connection says."""
    connect({"brandname": DEMO_BRANDNAME, "callback_url": "https://example.com/reports"})
    about = {"task_id": "alert", "phones": "0901000001", "text": "Het cho", "ledger_url": ledger_url}
    with pytest.raises(EsmsError, match="08:00"):
        runs(AlertLadderOperator(**about, guard={"care_hours": "refuse", "care_open": "08:00-09:00"}))
    assert list(gateway.messages()) == []
    gateway.on_call("get_balance", lambda _: [gateway.set_status(one.message_id, 5, 1) for one in gateway.messages()])
    runs(AlertLadderOperator(**about))
    assert [one.callback_url for one in gateway.messages()] == ["https://example.com/reports"]


def test_unknown_fallback_channel_is_rejected_at_parse_time(task: Callable[..., Any]) -> None:
    """By the name of its channel."""
    with pytest.raises(InvalidRequestError, match="channel of a fallback"):
        task(fallback=[{"channel": "fax", "after": "15m"}])


def test_fallback_texts_are_hidden_from_template_fields_and_repr(task: Callable[..., Any]) -> None:
    """As the text of an SMS is not."""
    operator = task()
    assert "fallback" not in type(operator).template_fields
    assert "Chao" not in repr(operator)
