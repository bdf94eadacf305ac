"""
What OpenLineage is told. `make test-airflow` runs this without OpenLineage, `make test-openlineage` with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from task_runs import Runs

from esms_connectors.airflow.assets import convert_asset_to_openlineage
from esms_connectors.airflow.lineage import file_dataset, warehouse_dataset
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.transfers import SENT_MESSAGES, SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator

TODAY = datetime(2024, 5, 15, tzinfo=UTC)
OPENLINEAGE = find_spec("openlineage") is not None
SENT_DATA = ("esms://rest.esms.vn", "sent-data")


def told(operator: Any) -> Any:
    """What a listener gets of a finished task; None where nobody listens."""
    lineage = operator.get_openlineage_facets_on_complete(None)
    if not OPENLINEAGE:
        assert lineage is None
        return None
    from airflow.providers.openlineage.extractors.base import DefaultExtractor
    from openlineage.client.serde import Serde

    # As the listener does it; it swallows exceptions, so both are asked.
    extracted = DefaultExtractor(operator).extract_on_complete(None)
    assert extracted == lineage
    if lineage is not None:
        written = "".join(Serde.to_json(one) for one in (*lineage.inputs, *lineage.outputs))
        for personal in ("0901", "84901", "Hương", "SECRET"):
            assert personal not in written
    return lineage


@pytest.fixture
def send(connect: Callable[..., None], runs: Runs, ledger_url: str, tmp_path: Path) -> Callable[..., ZnsBulkOperator]:
    """Runs a campaign of twenty and gives its operator."""
    connect({"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID})
    columns = ("phone", "customer_name", "service", "code", "date")
    values = [(f"0901{number:06d}", "Chị Hương", "Gội đầu", f"KH{number}", "19/03/2025") for number in range(20)]
    rows = [dict(zip(columns, one, strict=True)) for one in values]
    (tmp_path / "customers.csv").write_text("\n".join(map(",".join, (columns, *values))), encoding="utf-8")

    def run(*, as_list: bool = False, **arguments: Any) -> ZnsBulkOperator:
        operator = ZnsBulkOperator(
            task_id="send",
            source=rows if as_list else str(tmp_path / "customers.csv"),
            template_params=columns[1:],
            ledger_url=ledger_url,
            **arguments,
        )
        runs(operator)
        return operator

    return run


def test_campaign_lineage_links_source_file_to_sent_data(send: Callable[..., Any], tmp_path: Path) -> None:
    """With the number of those who were accepted."""
    operator = send()
    assert operator._transfer.rows == 20
    if (lineage := told(operator)) is not None:
        assert [(one.namespace, one.name) for one in lineage.inputs] == [("file", str(tmp_path / "customers.csv"))]
        [target] = lineage.outputs
        assert (target.namespace, target.name) == SENT_DATA
        assert target.outputFacets["outputStatistics"].rowCount == 20


def test_in_memory_recipients_have_no_input_dataset(send: Callable[..., Any]) -> None:
    """Where they came from is not known."""
    operator = send(as_list=True)
    assert operator._transfer.source is None
    if (lineage := told(operator)) is not None:
        assert lineage.inputs == []


def test_dry_run_and_unexecuted_task_have_no_lineage(send: Callable[..., Any], gateway: Emulator) -> None:
    """Nor does a task that has not run."""
    assert told(send(dry_run=True)) is None
    assert told(SentMessagesToWarehouseOperator(task_id="load", warehouse="w.duckdb")) is None
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_export_lineage_links_sent_data_to_its_table(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path
) -> None:
    """With columns and the number of rows: the graph goes from the customers through the campaign to the report."""
    runs.interval = (TODAY - timedelta(days=1), TODAY)
    gateway.populate(50, start=runs.interval[0].isoformat(), end=TODAY.isoformat(), sms_type=25)
    operator = SentMessagesToWarehouseOperator(task_id="load", warehouse=f"duckdb:///{tmp_path / 'w.duckdb'}")
    runs(operator)
    assert operator._transfer is not None
    assert operator._transfer.rows == 50
    if (lineage := told(operator)) is not None:
        assert [(one.namespace, one.name) for one in lineage.inputs] == [SENT_DATA]
        [target] = lineage.outputs
        assert (target.namespace, target.name) == (f"duckdb://{tmp_path / 'w.duckdb'}", "main.esms_sent_messages")
        assert "message_id" in [column.name for column in target.facets["schema"].fields]
        assert target.outputFacets["outputStatistics"].rowCount == 50


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("duckdb:////data/w.duckdb", ("duckdb:///data/w.duckdb", "main.t")),
        ("/data/w.duckdb", ("duckdb:///data/w.duckdb", "main.t")),
        ("postgresql://u:SECRET@db/shop", ("postgres://db:5432", "shop.public.t")),
        ("postgresql://u:SECRET@a:5433,b:5434/shop?schema=sms", ("postgres://a:5433", "shop.sms.t")),
        ("postgresql://u@/shop?host=%2Ftmp%2Fpg&password=SECRET", ("postgres://localhost:5432", "shop.public.t")),
        ("mysql://u:SECRET@db/shop?ssl_ca=x", ("mysql://db:3306", "shop.t")),
        ("s3://key:SECRET@bucket/sent?format=parquet&secret=SECRET", ("s3://bucket", "sent/t")),
        ("abfs://container@account/sent", ("abfs://container@account", "sent/t")),
        ("file:///data/sent?format=csv", ("file", "/data/sent/t")),
        ("/data/sent", ("file", "/data/sent/t")),
        ("dlt://bigquery?dataset=sms", ("dlt://bigquery", "sms.t")),
    ],
)
def test_table_dataset_name_contains_no_secrets(address: str, expected: tuple[str, str]) -> None:
    """After OpenLineage's naming, so that other tools find the same table."""
    assert warehouse_dataset(address, "t") == expected


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ("/data/customers.csv", ("file", "/data/customers.csv")),
        ("file:///data/customers.csv", ("file", "/data/customers.csv")),
        ("s3://connection@bucket/a/customers.csv", ("s3://bucket", "a/customers.csv")),
        ("https://u:SECRET@host/customers.csv?signature=SECRET", ("https://host", "customers.csv")),
        (None, None),
    ],
)
def test_file_dataset_name_contains_no_secrets(recipients: str | None, expected: tuple[str, str] | None) -> None:
    """Neither connection nor signature."""
    assert file_dataset(recipients) == expected


def test_asset_converts_to_the_dataset_named_by_operators() -> None:
    """What a DAG has as its outlet and what its task says it wrote are one."""
    dataset = convert_asset_to_openlineage(SENT_MESSAGES, None)
    assert not OPENLINEAGE or (dataset.namespace, dataset.name) == SENT_DATA
