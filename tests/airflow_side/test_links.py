"""The link on tasks that send or export; it is computed in the worker, as Airflow does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from task_runs import Runs

from esms_connectors.airflow.links import ACCOUNT_PAGE
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

OPERATORS: list[Any] = [ZnsBulkOperator, SentMessagesToWarehouseOperator]


WHERE: dict[Any, dict[str, str]] = {
    ZnsBulkOperator: {"source": "people.csv"},
    SentMessagesToWarehouseOperator: {"warehouse": "duckdb:///w.duckdb"},
    SendSmsOperator: {"phones": "0901000001", "text": "xin chao"},
}


def link(operator: Any) -> str:
    [extra] = operator.operator_extra_links
    return str(extra.get_link(operator, ti_key=None))


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://reports.shop.vn/{{ ds }}", "https://reports.shop.vn/2024-05-15"),
        (None, ACCOUNT_PAGE),
        ("javascript:alert(1)", ACCOUNT_PAGE),
    ],
)
def test_link_opens_report_url_or_falls_back_to_account_page(
    kind: Any, given: str | None, expected: str, runs: Runs
) -> None:
    """Templated; to the account where none is given, and never to a script."""
    operator = kind(task_id="one", report_url=given, **WHERE[kind])
    operator.render_template_fields(runs.context())
    assert link(operator) == expected


def test_link_falls_back_to_the_deployment_report_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the names of the task in it, escaped; for tasks that take no `report_url` too, and never to a script."""
    key = SimpleNamespace(dag_id="march", run_id="manual__2024-05-15T05:00:00+00:00", task_id="send")
    sms = SendSmsOperator(task_id="send", **WHERE[SendSmsOperator])
    [extra] = sms.operator_extra_links
    monkeypatch.setenv("AIRFLOW__ESMS__REPORT_URL", "https://reports.shop.vn/{dag_id}/{run_id}.html#{task_id}")
    page = "https://reports.shop.vn/march/manual__2024-05-15T05%3A00%3A00%2B00%3A00.html#send"
    assert extra.get_link(sms, ti_key=key) == page
    own = ZnsBulkOperator(task_id="send", report_url="https://shop.vn/own", **WHERE[ZnsBulkOperator])
    assert extra.get_link(own, ti_key=key) == "https://shop.vn/own"
    monkeypatch.setenv("AIRFLOW__ESMS__REPORT_URL", "javascript:alert('{dag_id}')")
    assert extra.get_link(sms, ti_key=key) == ACCOUNT_PAGE


@pytest.mark.parametrize("kind", WHERE)
def test_link_is_stored_in_the_serialized_dag(kind: Any) -> None:
    """What the API server shows comes from the stored DAG."""
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("one", schedule=None) as dag:
        kind(task_id="one", **WHERE[kind])
    stored = str(DagSerialization.to_dict(dag))
    assert "'eSMS report': '_link_EsmsReportLink'" in stored
