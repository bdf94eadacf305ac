"""The link on tasks that send or export; it is computed in the worker, as Airflow does."""

from __future__ import annotations

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
def test_it_leads_to_the_report(kind: Any, given: str | None, expected: str, runs: Runs) -> None:
    """Templated; to the account where none is given, and never to a script."""
    operator = kind(task_id="one", report_url=given, **WHERE[kind])
    operator.render_template_fields(runs.context())
    assert link(operator) == expected


@pytest.mark.parametrize("kind", WHERE)
def test_it_is_kept_with_the_dag(kind: Any) -> None:
    """What the API server shows comes from the stored DAG."""
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("one", schedule=None) as dag:
        kind(task_id="one", **WHERE[kind])
    stored = str(DagSerialization.to_dict(dag))
    assert "'eSMS report': '_link_EsmsReportLink'" in stored
