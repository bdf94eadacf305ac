"""DeliveryStatusSensor and its trigger against the emulator; nothing is patched but the first wait of the trigger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.sdk.serde import deserialize, serialize
from task_runs import Runs

from esms_connectors.airflow import triggers
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.triggers import DeliveryStatusTrigger
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    VirtualClock,
)
from esms_connectors.emulator.faults import code, http_status, slow
from esms_connectors.gateway.errors import EsmsError


@pytest.fixture(autouse=True)
def no_first_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for a race in the scheduler, and there is none here."""
    monkeypatch.setattr(triggers, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(triggers, "SHORTEST_POLL_SECONDS", 0.05)


@pytest.fixture
def progress() -> Progress:
    return Progress(failed_share=0.0, rejected_share=0.0)


@pytest.fixture
def gateway(progress: Progress) -> Emulator:
    return Emulator(EmulatorConfig(progress=progress), VirtualClock(pendulum.now().isoformat()))


@pytest.fixture
def sent(connect: Callable[..., None], ledger_url: str) -> Callable[..., dict[str, Any]]:
    """Sends ZNS to so many, and gives what the operator returned."""
    connect({"ledger_url": ledger_url})

    def send(count: int = 300, run_key: str | None = None) -> dict[str, Any]:
        rows = [
            {"phone": f"0901{n:06d}", "a": "Chị Hương", "b": "Gội đầu", "c": "KH", "d": "19/03/2025"}
            for n in range(count)
        ]
        operator = ZnsBulkOperator(
            task_id="send",
            source=rows,
            template_params="a,b,c,d",
            template_id=DEMO_TEMPLATE_ID,
            oa_id=DEMO_OA_ID,
            run_key=run_key,
        )
        return dict(Runs()(operator))

    return send


def sensor(**arguments: Any) -> DeliveryStatusSensor:
    return DeliveryStatusSensor(**{"task_id": "wait", "poke_interval": 0.05, "timeout": 60, **arguments})


def deferred(runs: Runs, operator: DeliveryStatusSensor) -> tuple[DeliveryStatusTrigger, TaskDeferred]:
    """What the triggerer gets: the trigger made anew from what Airflow stores of it."""
    with pytest.raises(TaskDeferred) as defer:
        runs(operator)
    path, kwargs = defer.value.trigger.serialize()
    assert path == f"{DeliveryStatusTrigger.__module__}.{DeliveryStatusTrigger.__name__}"
    return DeliveryStatusTrigger(**deserialize(json.loads(json.dumps(serialize(kwargs))))), defer.value


def fired(trigger: DeliveryStatusTrigger) -> Any:
    async def first() -> Any:
        return (await anext(trigger.run())).payload

    return asyncio.run(asyncio.wait_for(first(), 30))


def test_already_final_messages_complete_without_deferral(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """It looks once in the worker first; the result is counts, nobody's number."""
    result = sent()
    gateway.advance(60)
    found = runs(sensor(sent=result, deferrable=True))
    assert (found["expected"], found["delivered"], found["final"]) == (300, 300, 300)
    assert "0901" not in json.dumps(found)


def test_deferred_trigger_waits_without_access_to_the_ledger(
    sent: Callable[..., dict[str, Any]],
    gateway: Emulator,
    runs: Runs,
    connect: Callable[..., None],
) -> None:
    """A triggerer may stand on another machine: what it has to know travels with it."""
    operator = sensor(sent=sent(), deferrable=True)
    trigger, defer = deferred(runs, operator)
    # The supervisor's protocol knows this type and none that inherits from it.
    assert type(defer.timeout) is timedelta
    connect({"ledger_url": "sqlite:////nowhere/at/all"})
    gateway.advance(60)
    event = fired(trigger)
    assert event["status"] == "reached"
    assert operator.execute_complete(runs.context(), event)["delivered"] == 300


def test_restarted_trigger_keeps_its_deadline_and_gives_the_same_event(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """A restart begins anew, with the same deadline, and sends nothing."""
    trigger, _ = deferred(runs, sensor(sent=sent(30), deferrable=True))
    again = DeliveryStatusTrigger(**trigger.serialize()[1])
    gateway.advance(60)
    assert fired(trigger) == fired(again)
    assert again.deadline == trigger.deadline
    assert sum(gateway.deliveries_by_phone().values()) == 30


def test_trigger_cancelled_during_a_call_completes_after_restart(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """As when a triggerer is shut down while an answer is under way."""
    trigger, _ = deferred(runs, sensor(sent=sent(), deferrable=True))
    gateway.faults.add("get_sms_sent_data", slow(0.3), probability=1.0)

    async def killed() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(trigger.run()), 0.2)

    asyncio.run(killed())
    gateway.faults.clear()
    gateway.advance(60)
    again = DeliveryStatusTrigger(**trigger.serialize()[1])
    event = fired(again)
    assert (event["status"], event["counts"]["delivered"]) == ("reached", 300)


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
@pytest.mark.parametrize("progress", [Progress(failed_share=1.0, rejected_share=0.0)])
def test_unattainable_delivered_share_fails_the_task_without_retry(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, mode: str
) -> None:
    """Waiting longer would not help, so no retry either."""
    result = sent(30)
    gateway.advance(60)
    with pytest.raises(AirflowFailException, match="95%"):
        runs(sensor(sent=result, delivered_share=0.95, deferrable=mode == "deferrable"))


@pytest.mark.parametrize("progress", [Progress(failed_share=0.1, rejected_share=0.0)])
def test_met_delivered_share_succeeds_and_lists_failed_ids(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """And the failed ones are named, by id."""
    result = sent()
    gateway.advance(60)
    found = runs(sensor(sent=result, delivered_share=0.8))
    assert 0.8 * 300 <= found["delivered"] < 300
    assert len(found["failed_ids"]) == found["failed"] <= 100


@pytest.mark.in_turn
@pytest.mark.parametrize("progress", [Progress(never_final_share=1.0, failed_share=0.0, rejected_share=0.0)])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_passed_deadline_raises_sensor_timeout_with_progress(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, mode: str
) -> None:
    """Which Airflow does not retry; it says how far it came."""
    result = sent(30)
    gateway.advance(60)
    deadline = pendulum.now("UTC").add(seconds=1).isoformat()
    operator = sensor(sent=result, deadline=deadline, deferrable=mode == "deferrable")
    if mode == "poke":
        with pytest.raises(AirflowSensorTimeout, match="0 of 30 final"):
            runs(operator)
    else:
        trigger, _ = deferred(runs, operator)
        with pytest.raises(AirflowSensorTimeout, match="0 of 30 final"):
            operator.execute_complete(runs.context(), fired(trigger))


@pytest.mark.in_turn
@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
@pytest.mark.parametrize("progress", [Progress(failed_share=1.0, rejected_share=0.0)])
@pytest.mark.parametrize("why", ["deadline over", "too few delivered"])
@pytest.mark.parametrize("switch", ["soft_fail", "never_fail"])
def test_soft_fail_and_never_fail_skip_at_the_first_check(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, mode: str, why: str, switch: str
) -> None:
    """Whether the sensor is deferrable or not makes no difference to what its outcome means."""
    result = sent(30)
    if why == "too few delivered":
        gateway.advance(60)
        arguments: dict[str, Any] = {"delivered_share": 0.95}
    else:
        arguments = {"deadline": "2026-01-02T00:00:00+07:00"}
    how = {"deferrable": True} if mode == "deferrable" else {"mode": mode}
    with pytest.raises(AirflowSkipException):
        runs(sensor(sent=result, **arguments, **how, **{switch: True}))


@pytest.mark.in_turn
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
@pytest.mark.parametrize(("fault", "kind"), [(code("101"), "101"), (http_status(503), "503")])
def test_soft_fail_does_not_hide_gateway_errors(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, mode: str, fault: Any, kind: str
) -> None:
    """Refused keys and a gateway that is down are no outcome of a wait."""
    operator = sensor(sent=sent(30), soft_fail=True, max_failures=2, deferrable=mode == "deferrable")
    if mode == "poke":
        gateway.faults.add("get_sms_sent_data", fault)
        with pytest.raises(EsmsError, match=kind):
            runs(operator)
    else:
        trigger, _ = deferred(runs, operator)
        gateway.faults.add("get_sms_sent_data", fault)
        event = fired(trigger)
        with pytest.raises(AirflowException, match=kind) as error:
            operator.resume_execution("execute_complete", {"event": event}, runs.context())
        assert not isinstance(error.value, AirflowSkipException)


def test_reschedule_mode_counts_failures_across_processes(
    connect: Callable[..., None], gateway: Emulator, runs: Runs
) -> None:
    """A gateway that is down ends the task as it does in the other modes; an answer, and another try, begin anew."""
    gateway.faults.add("get_send_status", http_status(503))

    def look() -> type[BaseException]:
        context = runs.context()
        operator = sensor(message_ids=["nope"], mode="reschedule", max_failures=3)  # another process has another one
        operator.render_template_fields(context)
        with pytest.raises(BaseException) as end:
            operator.execute(context)
        return end.type

    assert [look() for _ in range(2)] == [AirflowRescheduleException] * 2
    gateway.faults.clear()
    assert look() is AirflowRescheduleException
    gateway.faults.add("get_send_status", http_status(503))
    assert [issubclass(look(), EsmsError) for _ in range(3)] == [False, False, True]
    runs.instance.try_number += 1
    assert look() is AirflowRescheduleException


@pytest.mark.in_turn
@pytest.mark.parametrize("progress", [Progress(never_final_share=1.0, failed_share=0.0, rejected_share=0.0)])
def test_soft_fail_skips_when_a_deferred_wait_passes_its_deadline(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """Airflow turns only its own exceptions into a skip."""
    found = sent(30)
    # Time enough for the first look on a busy machine.
    deadline = pendulum.now("UTC").add(seconds=3).isoformat()
    operator = sensor(sent=found, deadline=deadline, deferrable=True, soft_fail=True)
    trigger, _ = deferred(runs, operator)
    with pytest.raises(AirflowSkipException):
        operator.resume_execution("execute_complete", {"event": fired(trigger)}, runs.context())


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_short_outage_does_not_fail_the_wait(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, mode: str
) -> None:
    """One blip must fail no task that waits for hours."""
    result = sent(30)
    gateway.advance(60)
    gateway.faults.add("get_sms_sent_data", http_status(503), next_calls=9)
    operator = sensor(sent=result, deferrable=mode == "deferrable")
    if mode == "poke":
        assert runs(operator)["delivered"] == 30
    else:
        trigger, _ = deferred(runs, operator)
        assert fired(trigger)["status"] == "reached"


@pytest.mark.parametrize(("gateway_code", "kind"), [("101", AirflowFailException), ("140", AirflowFailException)])
def test_permanent_gateway_code_fails_the_deferred_wait_without_retry(
    sent: Callable[..., dict[str, Any]],
    gateway: Emulator,
    runs: Runs,
    gateway_code: str,
    kind: type[Exception],
) -> None:
    """In the trigger too: not after ten tries."""
    operator = sensor(sent=sent(30), deferrable=True)
    trigger, _ = deferred(runs, operator)
    gateway.faults.add("get_sms_sent_data", code(gateway_code))
    event = fired(trigger)
    assert event["status"] == "error"
    with pytest.raises(kind, match=gateway_code):
        operator.execute_complete(runs.context(), event)


def test_exhausted_failure_budget_ends_the_wait_but_allows_a_retry(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """A gateway that is down for long is reported, not waited for without end."""
    operator = sensor(sent=sent(30), deferrable=True, max_failures=3)
    trigger, _ = deferred(runs, operator)
    gateway.faults.add("get_sms_sent_data", http_status(503))
    event = fired(trigger)
    with pytest.raises(AirflowException) as error:
        operator.execute_complete(runs.context(), event)
    assert not isinstance(error.value, AirflowFailException)


def test_small_sms_sends_are_awaited_by_message_id(connect: Callable[..., None], gateway: Emulator, runs: Runs) -> None:
    """`sent=send.output` says all that is needed."""
    phones = ["0901000001", "0901000002"]
    result = runs(SendSmsOperator(task_id="send", phones=phones, text="xin chao", brandname=DEMO_BRANDNAME))
    gateway.advance(60)
    assert runs(sensor(sent=result))["delivered"] == 2
    assert gateway.call_count("get_send_status") == 2
    assert runs(sensor(message_ids=" ".join(result["message_ids"])))["delivered"] == 2


@pytest.mark.parametrize("how", [{}, {"deferrable": True}])
def test_results_of_several_senders_are_awaited_together(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs, how: dict[str, bool]
) -> None:
    """Of two runs and of a few SMS; two shards of one run are that run, once."""
    sms = SendSmsOperator(task_id="tell", phones="0901000009", text="xin chao", brandname=DEMO_BRANDNAME)
    results = [sent(30, "north"), sent(20, "south"), sent(20, "south"), runs(sms)]
    operator = sensor(sent=[iter(results[:3]), results[3]], **how)
    if how:
        trigger, _ = deferred(runs, operator)
        gateway.advance(60)
        found = operator.execute_complete(runs.context(), fired(trigger))
    else:
        gateway.advance(60)
        found = runs(operator)
    assert (found["expected"], found["delivered"]) == (51, 51)


def test_message_accepted_without_an_id_is_awaited_too(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    connect({"ledger_url": ledger_url, "brandname": DEMO_BRANDNAME})
    told = runs(SendSmsOperator(task_id="tell", phones=["0901000008", "0901000009"], text="xin chao"))
    gateway.advance(60)
    found = runs(sensor(sent={**told, "message_ids": told["message_ids"][:1]}))
    assert (found["expected"], found["delivered"]) == (2, 2)


@pytest.mark.parametrize("run_key", [None, "visits-{{ ds }}"])
@pytest.mark.parametrize("mapped", [False, True])
def test_sender_marked_as_success_is_awaited_from_the_ledger(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs, run_key: str | None, mapped: bool
) -> None:
    """There is no result then. Where nothing was sent there is nothing to wait for, and the wait is skipped."""
    connect({"ledger_url": ledger_url, "brandname": DEMO_BRANDNAME})
    about: dict[str, Any] = {"task_id": "send", "text": "xin chao", "run_key": run_key}
    with DAG("campaigns", schedule=None) as dag:
        if mapped:
            sender = SendSmsOperator.partial(**about).expand(phones=["0901000001", "0901000002"])
        else:
            sender = SendSmsOperator(**about, phones=["0901000001", "0901000002"])
        wait = sensor(sent=sender.output)
    runs.instance.pushed["send"] = None

    def waited() -> Any:
        if mapped:
            # What Airflow gives of mapped tasks without any result.
            wait.sent = iter(())
        return Runs(instance=replace(runs.instance, task_id="wait"))(wait)

    with pytest.raises(AirflowSkipException, match="nothing to wait for"):
        waited()
    if mapped:
        runs.mapped(dag.task_dict["send"], {}, 2)
    else:
        runs(sender)
    gateway.advance(60)
    assert waited()["delivered"] == 2


@pytest.mark.parametrize("mapped", [False, True])
def test_sender_with_its_own_ledger_requires_ledger_url_on_the_sensor(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs, mapped: bool
) -> None:
    """It returned nothing, and the ledger of the connection knows nothing of it."""
    connect({"ledger_url": f"{ledger_url}.other", "brandname": DEMO_BRANDNAME})
    about: dict[str, Any] = {"task_id": "send", "text": "xin chao", "ledger_url": ledger_url}
    ledgers: list[dict[str, str]] = [{}, {"ledger_url": ledger_url}]
    with DAG("campaigns", schedule=None) as dag:
        if mapped:
            sender = SendSmsOperator.partial(**about).expand(phones=["0901000001", "0901000002"])
        else:
            sender = SendSmsOperator(**about, phones=["0901000001", "0901000002"])
        waits = [sensor(task_id=f"wait{number}", sent=sender.output, **more) for number, more in enumerate(ledgers)]
    runs.mapped(dag.task_dict["send"], {}, 2) if mapped else runs(sender)
    gateway.advance(60)
    runs.instance.pushed["send"] = None
    for wait in waits if mapped else ():
        wait.sent = iter(())
    with pytest.raises(EsmsError, match="send has its own ledger"):
        Runs(instance=replace(runs.instance, task_id="wait0"))(waits[0])
    assert Runs(instance=replace(runs.instance, task_id="wait1"))(waits[1])["delivered"] == 2


@pytest.mark.parametrize("mapped", [False, True])
def test_sender_without_a_result_is_awaited_with_the_other_senders(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs, mapped: bool
) -> None:
    """Of mapped ones Airflow gives the results that are there, and not who has none."""
    connect({"ledger_url": ledger_url, "brandname": DEMO_BRANDNAME})
    phones = ["0901000001", "0901000002"]
    with DAG("campaigns", schedule=None):
        if mapped:
            senders = [SendSmsOperator.partial(task_id="send", text="xin chao").expand(phones=phones)]
            told = runs.mapped(senders[0], {}, 2)
            wait = sensor(sent=senders[0].output)
        else:
            senders = [SendSmsOperator(task_id=f"send{one[-1]}", text="xin chao", phones=one) for one in phones]
            told = [Runs(instance=replace(runs.instance, task_id=one.task_id))(one) for one in senders]
            wait = sensor(sent=[one.output for one in senders])
    gateway.advance(60)
    instance = replace(runs.instance, task_id="wait", map_index=-1)
    instance.get_ti_count = lambda **_: 2
    instance.pushed = {one.task_id: result for one, result in zip(senders, (told[0], None), strict=False)}
    if mapped:
        wait.sent = [told[0]]
    assert Runs(instance=instance)(wait)["delivered"] == 2


def test_both_sends_of_a_task_cleared_with_resend_are_awaited(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """And marked as success then: it returned nothing."""
    connect({"ledger_url": ledger_url, "brandname": DEMO_BRANDNAME})
    with DAG("campaigns", schedule=None):
        sender = SendSmsOperator(task_id="send", text="xin chao", phones="0901000001", resend_on_clear=True)
        wait = sensor(sent=sender.output)
    keys = [runs(sender)["run_key"] for _ in range(2)]
    assert keys[1] == f"{keys[0]}#again2"
    gateway.advance(60)
    runs.instance.pushed["send"] = None
    assert Runs(instance=replace(runs.instance, task_id="wait"))(wait)["delivered"] == 2


def test_deadline_ends_the_wait_while_the_gateway_is_down(
    sent: Callable[..., dict[str, Any]], gateway: Emulator, runs: Runs
) -> None:
    """Not ten failures later."""
    operator = sensor(sent=sent(30), deadline="2024-05-15T08:00:00+07:00")
    gateway.faults.add("get_sms_sent_data", http_status(503))
    with pytest.raises(AirflowSensorTimeout, match="0 of 30 final"):
        runs(operator)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({}, "one of"),
        ({"run_key": "a", "message_ids": ["b"]}, "one of"),
        ({"message_ids": []}, "no message id"),
        ({"run_key": "never-begun"}, "There is no ledger at"),
        ({"sent": {"accepted": 1}}, "send.output"),
        ({"message_ids": ["x"], "delivered_share": 95}, "0.95"),
        ({"message_ids": ["x"], "deadline": "someday"}, "deadline"),
        ({"message_ids": ["x"], "deadline": "2026-01-01T00:00:00"}, "zone"),
    ],
)
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_invalid_arguments_give_one_line_error_without_retry(
    connect: Callable[..., None], ledger_url: str, runs: Runs, arguments: dict[str, Any], fragment: str, mode: str
) -> None:
    """Waiting does not cure it."""
    connect({"ledger_url": ledger_url})
    with pytest.raises(EsmsError, match=fragment) as error:
        runs(sensor(deferrable=mode == "deferrable", **arguments))
    assert not error.value.retryable
    assert "\n" not in str(error.value)
