"""The dashboard for Superset: its parts belong together, and each chart's query runs on real views."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from targets import DELIVERED, FAILED, NEXT_WINDOW, SENT, Target, merge, row

from esms_connectors.warehouse.marts import INVOICES, create_marts, mart_views
from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE

FOLDER = Path(__file__).parents[2] / "dashboards" / "superset"
PARTS = {path.relative_to(FOLDER): yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.rglob("*.yaml")}


def parts_of(kind: str) -> list[dict[str, Any]]:
    return [part for path, part in PARTS.items() if path.parts[0] == kind]


DATASETS = {one["uuid"]: one for one in parts_of("datasets")}
CHARTS = {one["slice_name"]: one for one in parts_of("charts")}


def sql_of(chart: dict[str, Any]) -> str:
    """Dimensions and metrics as Superset puts them into a query: named metrics stand for their expressions."""
    dataset, params = DATASETS[chart["dataset_uuid"]], chart["params"]
    columns = {one["column_name"] for one in dataset["columns"]}
    metrics = {one["metric_name"]: one["expression"] for one in dataset["metrics"]}
    named = params.get("metrics", [params["metric"]] if "metric" in params else [])
    listed = [*filter(None, [params.get("x_axis")]), *params.get("groupby", []), *params.get("all_columns", [])]
    assert {*listed} <= columns
    selected = ", ".join([*listed, *(f"{metrics[name]} AS {name}" for name in named)])
    grouped = f" GROUP BY {', '.join(listed)}" if named and listed else ""
    return f"SELECT {selected} FROM {dataset['table_name']}{grouped} ORDER BY 1"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("sql_target", ["duckdb", "postgresql"], indirect=True)
def test_each_chart_query_returns_the_loaded_numbers(sql_target: Target) -> None:
    """With the numbers of what was loaded, on both databases that have views."""
    sent = datetime(2026, 11, 3, 3, tzinfo=UTC)
    merge(sql_target, [row(1, DELIVERED), row(2, FAILED, price_vnd=Decimal(0))])
    merge(
        sql_target,
        [row(3, DELIVERED, NEXT_WINDOW, sent_at=sent), row(4, SENT, NEXT_WINDOW, sent_at=sent, price_vnd=None)],
        window=NEXT_WINDOW,
    )
    create_marts(sql_target.warehouse)
    sql_target.warehouse.put_group(INVOICES, "i", [("i", date(2026, 11, 1), 25, 3, Decimal(900))])

    def asked(sql: str) -> list[tuple[Any, ...]]:
        return sql_target.warehouse.ask(lambda reader: [*reader.read(sql)])

    seen = {name: asked(sql_of(chart)) for name, chart in CHARTS.items()}
    assert {name: seen.pop(name)[0][0] for name in ("Messages", "Share delivered", "Not final yet", "Cost, VND")} == {
        "Messages": 4,
        "Share delivered": 0.5,
        "Not final yet": 1,
        "Cost, VND": 600,
    }
    days = [date(2026, 11, 2), date(2026, 11, 3)]
    assert seen.pop("Messages a day by outcome") == [(days[0], 1, 0, 1, 0), (days[1], 1, 1, 0, 0)]
    assert seen.pop("Cost a day by type") == [(day, "ZNS", 300) for day in days]
    assert seen.pop("Share delivered by carrier") == [(day, "MobiFone", 0.5) for day in days]
    assert seen.pop("Cost by month and campaign") == [(date(2026, 11, 1), "Khai trương", 1, 4, 2, 600)]
    assert seen.pop("Why messages did not arrive") == [("ZNS", "failed", 5, 0, 1)]
    [statement] = seen.pop("Statement and invoice")
    assert [*statement[2:4], *statement[-2:]] == [2, 600, 300, False]
    assert seen == {}


def test_dashboard_parts_reference_each_other_and_expose_no_phones() -> None:
    """Every chart is on the dashboard, every part is of the one database, and nobody's row or phone is in any."""
    [database], [dashboard] = parts_of("databases"), parts_of("dashboards")
    assert {one["database_uuid"] for one in DATASETS.values()} == {database["uuid"]}
    placed = [
        part["meta"] for part in dashboard["position"].values() if isinstance(part, dict) and "CHART" in part["id"]
    ]
    assert {one["uuid"]: one["sliceName"] for one in placed} == {one["uuid"]: name for name, one in CHARTS.items()}
    filters = dashboard["metadata"]["native_filter_configuration"]
    named = [target for one in filters for target in one["targets"] if target]
    assert all(
        target["column"]["name"] in {one["column_name"] for one in DATASETS[target["datasetUuid"]]["columns"]}
        for target in named
    )
    people = {"esms_message_facts", "esms_customers", OUTCOMES_TABLE.name, INVOICES.name}
    assert {one["table_name"] for one in DATASETS.values()} <= {*mart_views()} - people
    written = json.dumps([*PARTS.values()])
    assert "phone" not in written
    assert ":***" not in written
    assert database["sqlalchemy_uri"] == "postgresql+psycopg2://reader@localhost/warehouse"
    assert PARTS[Path("metadata.yaml")]["type"] == "Dashboard"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("sql_target", ["duckdb"], indirect=True)
def test_dataset_columns_match_the_views(sql_target: Target) -> None:
    """All of them, in their order."""
    create_marts(sql_target.warehouse)
    names = "SELECT column_name FROM information_schema.columns WHERE table_name = $name ORDER BY ordinal_position"
    for dataset in DATASETS.values():
        name = dataset["table_name"]
        found = sql_target.warehouse.ask(lambda reader, name=name: [one for (one,) in reader.read(names, name=name)])
        assert [one["column_name"] for one in dataset["columns"]] == found
