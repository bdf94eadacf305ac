"""EsmsOperator against the emulator: any function by name, once however often it is tried; mistakes at parse time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task
from task_runs import Runs

from esms_connectors import InvalidRequestError
from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import drop_after

PHONE = "0901888484"
SMS = {"phone": PHONE, "content": "Xin chao", "brandname": DEMO_BRANDNAME}


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger is that nobody named."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))


@pytest.fixture
def call(connect: Callable[..., None], runs: Runs) -> Callable[..., Any]:
    """Runs a fresh operator, as another try does."""
    return lambda operation, arguments, **more: runs(
        EsmsOperator(task_id="call", operation=operation, arguments=arguments, **more)
    )


def test_read_call_returns_a_json_serializable_result(call: Callable[..., Any], gateway: Emulator) -> None:
    """Money is text; nothing of the keys is in it."""
    template = call(
        "get_zns_template",
        {"template_id": "{{ template }}".replace("template", repr(DEMO_TEMPLATE_ID)), "oa_id": DEMO_OA_ID},
    )
    assert template["status"] == "ENABLE"
    assert json.loads(json.dumps(template)) == template


def test_send_is_made_once_and_rerun_reuses_its_result(call: Callable[..., Any], gateway: Emulator) -> None:
    """A retry and a cleared task find it made; templates of the DAG file are rendered when the task runs."""
    first, again = (call("send_customer_care_sms", {**SMS, "content": "Ngay {{ ds }}"}) for _ in range(2))
    assert [message.content for message in gateway.messages()] == ["Ngay 2024-05-15"]
    assert (first["called_by_this_try"], again["called_by_this_try"]) == (True, False)
    assert first["message_id"] == again["message_id"]


def test_cleared_task_sends_again_with_resend_on_clear(call: Callable[..., Any], gateway: Emulator) -> None:
    """Only when it says so."""
    for _ in range(2):
        call("send_customer_care_sms", SMS, resend_on_clear=True)
    assert gateway.deliveries_by_phone() == {PHONE: 2}


def test_send_without_request_id_is_not_repeated_after_a_lost_response(
    call: Callable[..., Any], gateway: Emulator
) -> None:
    """Not where the function knows no sure request id: the task fails, and failing again it stays at one call."""
    gateway.faults.add("send_customer_care_sms_xml", drop_after())
    arguments = {"phones": [PHONE], "content": "Xin chao", "brandname": DEMO_BRANDNAME}
    for _ in range(2):
        with pytest.raises(Exception, match="send_customer_care_sms_xml") as caught:
            call("send_customer_care_sms_xml", arguments)
        assert PHONE not in str(caught.value)
    assert gateway.call_count("send_customer_care_sms_xml") == 1


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("send_vibr", {}, "Did you mean send_viber?"),
        ("get_oa_quota", {"oaid": "{{ x }}"}, "Did you mean oa_id?"),
        ("send_viber", {"phones": "{{ x }}"}, "send_viber needs brandname."),
    ],
)
def test_invalid_call_is_rejected_at_parse_time(operation: str, arguments: dict[str, Any], words: str) -> None:
    """Mapped or not; whatever the values will be."""
    with pytest.raises(InvalidRequestError) as caught:
        EsmsOperator(task_id="call", operation=operation, arguments=arguments)
    assert words in str(caught.value)
    with pytest.raises(InvalidRequestError) as caught:
        EsmsOperator.partial(task_id="call", operation=operation, arguments=arguments)
    assert words in str(caught.value)


def test_mapped_calls_are_identified_by_recipient_not_by_position(
    connect: Callable[..., None], gateway: Emulator
) -> None:
    """Whatever place of the list they stand in; what comes from another task is no template."""
    connect()
    rows = [{**SMS, "phone": f"090100000{n}", "content": "{{ ds }}"} for n in range(2)]
    with DAG("calls", schedule=None, start_date=pendulum.datetime(2024, 1, 1)):

        @task
        def people() -> list[Any]:
            return []

        mapped = EsmsOperator.partial(task_id="send", operation="send_customer_care_sms").expand(arguments=people())
    for order in (rows, rows[::-1]):
        outcomes = Runs().mapped(mapped, {"people": order}, 2)
        assert all(isinstance(outcome, dict) for outcome in outcomes), outcomes
    assert gateway.deliveries_by_phone() == {"0901000000": 1, "0901000001": 1}
    assert {message.content for message in gateway.messages()} == {"{{ ds }}"}


def test_arguments_are_hidden_from_template_fields_and_attributes(call: Callable[..., Any]) -> None:
    """They hold phones and texts."""
    operator = EsmsOperator(task_id="call", operation="send_customer_care_sms", arguments=SMS)
    assert "arguments" not in operator.template_fields
    assert not hasattr(operator, "arguments")
