"""SendSmsOperator against the emulator: one message however often it is tried, with a ledger named and without."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from task_runs import Runs, StateStore

from esms_connectors import AuthenticationError, ConfigurationError, InvalidRequestError
from esms_connectors.airflow.operators import SendSmsOperator
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code, drop_after, refuse_before, refuse_taken
from esms_connectors.emulator.world import DEMO_TEMPLATED_BRANDNAME
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError

OFFER = "[QC] Giam gia 20%. Tu choi: soan TC gui 1234"
PHONES = ["0901000001", "0901000002", "0901000003"]


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ledger is that nobody named."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(params=["in Airflow's home", "named"])
def send(
    request: pytest.FixtureRequest, connect: Callable[..., None], runs: Runs, ledger_url: str
) -> Callable[..., Any]:
    """Runs a fresh operator, as another try does; with either ledger."""
    if request.param == "named":
        connect({"ledger_url": ledger_url})

    def run(**arguments: Any) -> Any:
        given = {"phones": PHONES, "text": "Don hang da giao", "brandname": DEMO_BRANDNAME, **arguments}
        return runs(SendSmsOperator(task_id="send", **given))

    return run


def test_each_phone_gets_one_message(send: Callable[..., Any], gateway: Emulator) -> None:
    """And the result has the ids to wait for."""
    result = send()
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert sorted(result["message_ids"]) == sorted(message.message_id for message in gateway.messages())
    assert (result["accepted"], result["duplicates"], result["sandbox"]) == (3, 0, False)


def test_rerun_after_success_sends_nothing_and_returns_the_same_ids(
    send: Callable[..., Any], gateway: Emulator
) -> None:
    """As when somebody clears the task; the result says that nothing left now, and still has the ids."""
    first, again = send(), send()
    assert first["message_ids"] == again["message_ids"]
    assert [(one["accepted"], one["sent_by_this_try"]) for one in (first, again)] == [(3, 3), (3, 0)]
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    assert gateway.call_count("send_customer_care_sms") == 3


def test_resend_on_clear_sends_once_more(send: Callable[..., Any], gateway: Emulator) -> None:
    """Only because the operator was told to; and an ordinary clear after it sends nothing."""
    send(resend_on_clear=True)
    send(resend_on_clear=True)
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 2)


def test_lost_response_is_resumed_without_a_duplicate(send: Callable[..., Any], gateway: Emulator) -> None:
    """All answers to the second message are lost; the next try goes on with it and sends nobody two."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=list(range(2, 40)))
    with pytest.raises(EsmsError) as error:
        send()
    assert error.value.retryable
    gateway.faults.clear()
    result = send()
    assert result["accepted"] == 3
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_messages_with_refused_connections_are_sent_by_the_retry(send: Callable[..., Any], gateway: Emulator) -> None:
    """Refused connections put nothing in doubt."""
    gateway.faults.add("send_customer_care_sms", refuse_before(), next_calls=40)
    with pytest.raises(EsmsError) as error:
        send()
    assert error.value.retryable
    gateway.faults.clear()
    assert send()["accepted"] == 3
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_message_refused_with_code_103_is_sent_by_the_next_try(send: Callable[..., Any], gateway: Emulator) -> None:
    """103 may burn the request id: after the money has come the same id would bring 124 and no message."""
    gateway.faults.add("send_customer_care_sms", code("103"), calls=[1])
    with pytest.raises(EsmsError, match="103") as error:
        send()
    assert not error.value.retryable
    gateway.faults.clear()
    assert send()["accepted"] == 3
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["103", "99"])
def test_refusal_with_a_message_id_is_reconciled_without_duplicates(
    send: Callable[..., Any], gateway: Emulator, refusal: str
) -> None:
    """The id beside the code may be that of a message: it is looked up, and nobody gets two."""
    gateway.faults.add("send_customer_care_sms", refuse_taken(refusal, with_id=True), calls=[1])
    if refusal == "103":
        # It stops the task before anything is looked up.
        with pytest.raises(EsmsError, match="103"):
            send()
    assert [send()["accepted"] for _ in range(2)] == [3, 3]
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_refused_repeat_after_a_lost_response_stays_in_doubt_until_found(
    send: Callable[..., Any], gateway: Emulator
) -> None:
    """Taken, answer lost, refused in the next try: in doubt, and never one of the refused that may be sent again."""
    gateway.faults.add(
        "send_customer_care_sms", drop_after(), predicate=lambda call: b"0901000001" in call.request.body
    )
    with pytest.raises(EsmsError):
        send()
    gateway.faults.clear()
    gateway.faults.add("send_customer_care_sms", code("99"), predicate=lambda call: b"0901000001" in call.request.body)
    with pytest.raises(EsmsError) as error:
        send()
    assert not isinstance(error.value, InvalidRequestError)
    gateway.faults.clear()
    # What was in doubt is looked up, and found.
    assert [send()["accepted"] for _ in range(2)] == [3, 3]
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


@pytest.mark.parametrize("refusal", ["103", "99", "160"])
def test_partly_accepted_batch_is_not_sent_twice(send: Callable[..., Any], gateway: Emulator, refusal: str) -> None:
    """Advertising to forty, of whom twenty were taken before the refusal: nobody gets two."""
    phones = [f"0901{number:06d}" for number in range(40)]
    gateway.faults.add("send_advertising_sms", refuse_taken(refusal))
    for _ in range(3):
        with pytest.raises(EsmsError):
            send(phones=phones, text=OFFER, sms_type="advertising")
        gateway.faults.clear()
    assert gateway.deliveries_by_phone() == dict.fromkeys(phones[:20], 1)


def test_batch_refused_for_wrong_keys_is_sent_once_by_the_next_try(send: Callable[..., Any], gateway: Emulator) -> None:
    """Once they are right, the batch goes out under the same id."""
    phones = [f"0901{number:06d}" for number in range(40)]
    gateway.faults.add("send_advertising_sms", code("101"))
    with pytest.raises(EsmsError):
        send(phones=phones, text=OFFER, sms_type="advertising")
    gateway.faults.clear()
    assert send(phones=phones, text=OFFER, sms_type="advertising")["accepted"] == 40
    assert gateway.deliveries_by_phone() == dict.fromkeys(phones, 1)


def test_changed_text_between_tries_is_rejected(send: Callable[..., Any], gateway: Emulator) -> None:
    """The clock in a template would otherwise be a second message."""
    send()
    with pytest.raises(InvalidRequestError):
        send(text="Don hang da giao luc 12:01")
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_braces_in_text_are_sent_literally(send: Callable[..., Any], gateway: Emulator) -> None:
    """They name a recipient's values only in bulk."""
    send(phones="0901000001", text="ma {{ '{' }}1{{ '}' }} {% raw %}{x}{% endraw %}")
    assert [message.content for message in gateway.messages()] == ["ma {1} {x}"]


def test_rejected_phone_fails_the_task_but_the_others_are_sent(send: Callable[..., Any], gateway: Emulator) -> None:
    """Never a green task with failed rows."""
    gateway.faults.add("send_customer_care_sms", code("99"), calls=[2])
    with pytest.raises(EsmsError):
        send()
    assert sum(gateway.deliveries_by_phone().values()) == 2


def test_advertising_is_sent_once_as_one_batch(send: Callable[..., Any], gateway: Emulator) -> None:
    """Forty phones, one call, one id; again sends nothing."""
    phones = [f"0901{number:06d}" for number in range(40)]
    for _ in range(2):
        result = send(phones=phones, text=OFFER, sms_type="advertising")
        assert (result["accepted"], len(result["message_ids"])) == (40, 1)
    assert gateway.deliveries_by_phone() == dict.fromkeys(phones, 1)


def test_sends_are_identified_by_task_and_run_not_by_map_index(connect: Callable[..., None], gateway: Emulator) -> None:
    """Which task of which run it is makes the id, not what it sends, nor its map index."""
    for changes in ({}, {"task_id": "other"}, {"run_id": "manual__2"}, {"map_index": 0}, {"map_index": 1}):
        runs = Runs(store=StateStore())
        for name, value in changes.items():
            setattr(runs.instance, name, value)
        runs(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
    assert gateway.deliveries_by_phone() == {PHONES[0]: 3}


def test_tasks_test_sends_once_per_logical_date(connect: Callable[..., None], gateway: Emulator) -> None:
    """`airflow tasks test` makes a run for each time that it is called, and deletes it."""
    for day, second in ((None, 1), (None, 2), (15, 3), (15, 4), (16, 5)):
        runs = Runs(store=StateStore(), logical_date=day and datetime(2024, 5, day, tzinfo=UTC))
        runs.instance.run_id = f"__airflow_temporary_run_2024-05-15T05:00:0{second}.123456+00:00__"
        runs(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
    assert gateway.deliveries_by_phone() == {PHONES[0]: 3}


@pytest.mark.parametrize("of_trigger", [True, False])
@pytest.mark.parametrize("kind", ["backfill", "tasks test", "dags test"])
def test_scheduled_run_is_shared_by_backfills_and_by_tests_without_an_interval(
    connect: Callable[..., None], gateway: Emulator, kind: str, of_trigger: bool
) -> None:
    """
    The scheduled run was deleted, or is created behind a test; with a data interval a test is about another day's rows.
    """
    day = datetime(2024, 5, 15, tzinfo=UTC)
    interval = (day if of_trigger else datetime(2024, 5, 14, tzinfo=UTC), day)
    about = {
        "scheduled": ("scheduled__2024-05-15T00:00:00+00:00", None),
        "backfill": ("backfill__2024-05-15T00:00:00+00:00", "somebody"),
        "tasks test": ("__airflow_temporary_run_2024-05-15T05:00:01.123456+00:00__", None),
        "dags test": ("manual__2024-05-15T05:00:01.123456+00:00", "dag_test"),
        "dags test again": ("manual__2024-05-15T05:00:02.123456+00:00", "dag_test"),
    }
    for name in ("scheduled", kind, f"{kind} again"):
        if name in about:
            runs = Runs(store=StateStore(), logical_date=day, interval=interval)
            runs.instance.run_id, runs.triggered_by = about[name]
            runs(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
    one_run = of_trigger or kind == "backfill"
    assert gateway.deliveries_by_phone() == {PHONES[0]: 1 if one_run else 2}


def test_namespaces_separate_two_deployments(
    connect: Callable[..., None], gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staging and production share an account, a dag and a run id; both messages go out."""
    for namespace in ("staging", "production"):
        monkeypatch.setenv("AIRFLOW__ESMS__NAMESPACE", namespace)
        Runs()(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
    assert gateway.deliveries_by_phone() == {PHONES[0]: 2}


def test_message_in_doubt_since_yesterday_is_held(send: Callable[..., Any], gateway: Emulator) -> None:
    """Yesterday's lost answer is not resent today: the gateway may not hold a second one back any more."""
    gateway.faults.add("send_customer_care_sms", drop_after(), next_calls=40)
    with pytest.raises(EsmsError):
        send(phones=PHONES[0])
    gateway.faults.clear()
    gateway.advance(days=1)
    with pytest.raises(EsmsError, match="1 held") as error:
        send(phones=PHONES[0])
    assert not error.value.retryable
    assert gateway.deliveries_by_phone() == {PHONES[0]: 1}


def test_rerun_without_task_state_store_sends_no_duplicate(
    send: Callable[..., Any], gateway: Emulator, airflow_home: Path
) -> None:
    """The task state store of Airflow has no part in it: before 3.3 there is none."""
    runs = Runs(store=None)
    for _ in range(2):
        runs(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
    assert gateway.deliveries_by_phone() == {PHONES[0]: 1}


@pytest.mark.parametrize(
    "executor",
    [
        "CeleryExecutor",
        "LocalExecutor,KubernetesExecutor",
        "airflow.providers.celery.executors.celery_executor.CeleryExecutor:queue",
        "LocalExecutor;team_a=CeleryExecutor",
        "my.LocalExecutorPlus",
    ],
)
def test_distributed_executor_requires_a_named_ledger(
    connect: Callable[..., None], gateway: Emulator, monkeypatch: pytest.MonkeyPatch, executor: str, airflow_home: Path
) -> None:
    """Another try may run on a machine that does not have the file, and send twice: refused in one line."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(ConfigurationError, match="ledger_conn_id"):
        Runs()(SendSmsOperator(task_id="send", phones=PHONES, text="xin chao", brandname=DEMO_BRANDNAME))
    assert list(gateway.messages()) == []
    assert not airflow_home.exists()


@pytest.mark.parametrize("executor", ["LocalExecutor", "airflow.executors.local_executor.LocalExecutor:here"])
def test_local_executor_uses_a_private_ledger_file_in_airflow_home(
    connect: Callable[..., None], gateway: Emulator, monkeypatch: pytest.MonkeyPatch, executor: str, airflow_home: Path
) -> None:
    """For its owner only, because phones stand in it; another deployment on the machine has another one."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    for home in (airflow_home, airflow_home / "other"):
        monkeypatch.setenv("AIRFLOW_HOME", str(home))
        Runs()(SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME))
        assert (home / "esms-ledger.sqlite").stat().st_mode & 0o077 == 0
    # The gateway takes both for one: a namespace tells two deployments of one account apart.
    assert gateway.call_count("send_customer_care_sms") == 2


def test_sandbox_run_sends_nothing_and_leaves_no_ledger(
    connect: Callable[..., None],
    gateway: Emulator,
    runs: Runs,
    airflow_home: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Afterwards the same task sends for real."""
    connect({"sandbox": True})
    operator: dict[str, Any] = {"phones": PHONES, "text": "xin chao", "brandname": DEMO_BRANDNAME}
    checked = runs(SendSmsOperator(task_id="send", **operator))
    assert (checked["sandbox"], checked["accepted"], checked["checked"]) == (True, 0, 3)
    assert "3 messages checked, none sent" in caplog.text + capfd.readouterr().out
    assert (list(gateway.messages()), airflow_home.exists()) == ([], False)
    connect()
    runs(SendSmsOperator(task_id="send", **operator))
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


def test_relative_send_at_is_the_same_for_every_try(
    connect: Callable[..., None], gateway: Emulator, runs: Runs
) -> None:
    """It goes by the time that the run was due: half past eight in the evening, on that day in Vietnam."""
    gateway.set_balance(0)
    operator: dict[str, Any] = {"phones": PHONES, "text": "xin chao", "brandname": DEMO_BRANDNAME}
    runs.due = pendulum.datetime(2024, 5, 15, 23, 30, tz="UTC")
    with pytest.raises(EsmsError):
        runs(SendSmsOperator(task_id="send", send_at="today 20:30", **operator))
    gateway.set_balance(1_000_000)
    gateway.advance(hours=20)
    runs(SendSmsOperator(task_id="send", send_at="today 20:30", **operator))
    times = {pendulum.from_timestamp(message.send_at_ms / 1000, "UTC") for message in gateway.messages()}
    assert times == {pendulum.datetime(2024, 5, 16, 20, 30, tz="Asia/Ho_Chi_Minh")}


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"brandname": None}, "brandname"),
        ({"phones": []}, "empty"),
        ({"phones": "12345"}, "12345|phone"),
        ({"text": "  "}, "text"),
        ({"sms_type": "viber"}, "customer_care"),
        ({"send_at": "01/02/2030"}, "zone"),
        ({"send_at": "2020-01-01T08:00:00+07:00"}, "past"),
        ({"send_at": "yesterday 08:30"}, "past"),
        ({"send_at": "tomorrow"}, "'tomorrow 08:30'"),
        ({"send_at": "{{ none }}"}, "send_at is the word None"),
        ({"brandname": "NoSuchBrand"}, "104"),
        ({"brandname": DEMO_TEMPLATED_BRANDNAME}, "146"),
        ({"esms_conn_id": "nowhere"}, "nowhere"),
    ],
)
def test_invalid_arguments_give_one_line_error_without_retry(
    connect: Callable[..., None], gateway: Emulator, runs: Runs, arguments: dict[str, Any], fragment: str
) -> None:
    """Waiting does not cure it, and nothing was sent."""
    given = {"phones": PHONES[0], "text": "xin chao", "brandname": DEMO_BRANDNAME, **arguments}
    with pytest.raises(EsmsError, match=fragment) as error:
        runs(SendSmsOperator(task_id="send", **given))
    assert not error.value.retryable
    assert "\n" not in str(error.value)
    assert list(gateway.messages()) == []


def test_retry_after_send_at_sends_the_remaining_messages(send: Callable[..., Any], gateway: Emulator) -> None:
    """At once; only where nothing of the run went out yet is a time that is over a mistake."""
    at = machine_clock.now().add(minutes=1)
    gateway.faults.add("send_customer_care_sms", code("103"), calls=[2])
    with pytest.raises(EsmsError, match="103"):
        send(send_at=at.isoformat())
    gateway.faults.clear()
    sent = len(list(gateway.messages()))
    assert 0 < sent < len(PHONES)
    gateway.advance(11 * 60)
    assert send(send_at=at.isoformat())["sent_by_this_try"] == len(PHONES) - sent
    assert send(send_at=at.isoformat())["sent_by_this_try"] == 0
    assert gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    with pytest.raises(EsmsError, match="lies in the past"):
        send(send_at=at.isoformat(), run_key="another")


def test_without_a_retry_policy_only_permanent_errors_fail_without_retry(
    connect: Callable[..., None], gateway: Emulator, runs: Runs
) -> None:
    """Airflow before 3.3 has none: the exception itself says whether to retry, and shows nothing of the core's."""
    gateway.faults.add("send_customer_care_sms", code("101"), next_calls=9)
    operator = SendSmsOperator(task_id="send", phones=PHONES[0], text="xin chao", brandname=DEMO_BRANDNAME)
    operator.retry_policy = None
    with pytest.raises(AirflowFailException, match="101") as error:
        runs(operator)
    assert error.value.__suppress_context__
    gateway.faults.clear()
    gateway.faults.add("send_customer_care_sms", refuse_before(), next_calls=40)
    with pytest.raises(AirflowException) as again:
        runs(operator)
    assert not isinstance(again.value, AirflowFailException)


def test_retry_policy_fails_permanent_errors_and_delays_rate_limited_ones() -> None:
    """For any task that uses the hook."""
    from airflow.sdk import RetryAction

    from esms_connectors import RateLimitedError
    from esms_connectors.airflow.retry import ESMS_RETRY_POLICY

    assert ESMS_RETRY_POLICY is not None
    keys = ESMS_RETRY_POLICY.evaluate(AuthenticationError("wrong keys", code="101"), 1, 3)
    limit = ESMS_RETRY_POLICY.evaluate(RateLimitedError("slow down", code="160", retry_after_seconds=120), 1, 3)
    other = ESMS_RETRY_POLICY.evaluate(ValueError("not ours"), 1, 3)
    assert [keys.action, limit.action, other.action] == [RetryAction.FAIL, RetryAction.RETRY, RetryAction.DEFAULT]
    assert limit.retry_delay is not None
    assert limit.retry_delay.total_seconds() == 120
    # What a gateway asks for may be no time at all.
    far = ESMS_RETRY_POLICY.evaluate(RateLimitedError("slow down", code="160", retry_after_seconds=1e15), 1, 3)
    assert far.retry_delay is not None
    assert far.retry_delay.total_seconds() == 24 * 3600


def test_phones_and_text_are_templated_but_hidden_from_airflow(connect: Callable[..., None], runs: Runs) -> None:
    """No template field holds them, neither before nor after rendering; nor does what Airflow keeps of the DAG."""
    import json

    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("campaigns", schedule=None) as dag:
        operator = SendSmsOperator(
            task_id="send", phones="{{ '0901' + '000001' }}", text="Lo {{ ds }} BIMAT", brandname=DEMO_BRANDNAME
        )
    result = runs(operator)
    assert result["accepted"] == 1
    shown = {name: str(getattr(operator, name)) for name in operator.template_fields}
    assert "0901000001" not in json.dumps(shown)
    kept = json.dumps(DagSerialization.to_dict(dag), default=str)
    assert "BIMAT" not in kept
    assert "0901" not in kept
