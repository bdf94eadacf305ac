"""Arguments that another task was to tell, and did not: it failed or was skipped, and `trigger_rule` lets this run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task
from task_runs import Runs

from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import InvalidRequestError

ROW = {"phone": "0901000001", "customer_name": "A", "service": "B", "code": "C", "date": "19/03/2025"}


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], ledger_url: str) -> None:
    connect(
        {"brandname": DEMO_BRANDNAME, "ledger_url": ledger_url, "oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID}
    )


def zns(**given: Any) -> Any:
    return ZnsBulkOperator(
        task_id="send", **{"source": [ROW], "template_params": "customer_name,service,code,date", **given}
    )


def sms(**given: Any) -> Any:
    return SendSmsOperator(task_id="send", **{"phones": "0901000001", "text": "xin chao", **given})


def call(**given: Any) -> Any:
    return EsmsOperator(task_id="send", operation="get_oa_quota", **given)


def load(**given: Any) -> Any:
    return SentMessagesToWarehouseOperator(task_id="load", warehouse="duckdb:///nowhere/w.duckdb", **given)


@pytest.mark.parametrize("template", [False, True])
@pytest.mark.parametrize(
    ("make", "name", "around"),
    [
        (zns, "plan", None),  # everybody, without an approval
        (zns, "run_key", None),  # everybody once more
        (zns, "send_at", None),  # now
        (zns, "channel_options", "oa_id"),
        (zns, "fallback", None),
        (sms, "message_key", None),
        (sms, "callback_url", None),
        (sms, "phones", [ROW["phone"]]),
        (call, "arguments", "oa_id"),
        (load, "start", None),
    ],
)  # fmt: skip
def test_argument_missing_from_upstream_is_rejected(
    make: Callable[..., Any], name: str, around: Any, template: bool, gateway: Emulator, runs: Runs
) -> None:
    """Never taken for an argument that nobody gave."""
    with DAG("campaigns", schedule=None, render_template_as_native_obj=True):

        @task
        def upstream() -> None:
            """Tells nothing."""

        value: Any = "{{ ti.xcom_pull('upstream') }}" if template else upstream()
        if around is not None:
            value = {around: value} if isinstance(around, str) else [*around, value]
        operator = make(**{name: value})
    runs.instance.pushed["upstream"] = None
    with pytest.raises(InvalidRequestError, match=f"^{name} is .*None.* such as .* skipped"):
        runs(operator)
    assert gateway.deliveries_by_phone() == {}


@pytest.mark.parametrize("native", [False, True])
def test_template_reading_a_missing_result_is_rejected_by_name(native: bool, runs: Runs) -> None:
    """Of a task that was marked as success, as the examples use it; not in the words of the template language."""
    runs.instance.pushed["send"] = None
    with DAG("campaigns", schedule=None, render_template_as_native_obj=native):
        operator = load(start="-24h", end="{{ ti.xcom_pull('send')['sent_until'] }}")
    with pytest.raises(InvalidRequestError, match=r"template of end .* marked as success") as error:
        runs(operator)
    assert (error.value.field, error.value.retryable) == ("end", False)
