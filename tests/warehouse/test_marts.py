"""The views for analysts, on both databases: their numbers, and what becomes of them when the tables change."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict
from targets import (
    DELIVERED,
    FAILED,
    NEXT_WINDOW,
    PENDING,
    REJECTED,
    SENT,
    Target,
    merge,
    read_at,
    row,
)

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.reports.carriers import CARRIERS
from esms_connectors.reports.words import WORDS
from esms_connectors.warehouse.contract import COLUMNS, MESSAGES, TABLES, Person
from esms_connectors.warehouse.duckdb_session import create_tables
from esms_connectors.warehouse.marts import INVOICES, copy_dbt_package, create_marts, mart_views
from esms_connectors.warehouse.opening import open_warehouse
from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE

SENT_AT = datetime(2026, 11, 2, 3, tzinfo=UTC)
NIGHTLY = ("nightly-2026-11-02 #0123456789ab", "nightly-2026-11-03 #ba9876543210")


def filled(target: Target) -> None:
    """Two nights of a campaign by ZNS and one SMS without a campaign, a price and a moment."""
    merge(
        target,
        [
            row(1, DELIVERED, campaign=NIGHTLY[0]),
            row(2, FAILED, campaign=NIGHTLY[0], phone="0860000002", price_vnd=Decimal("0")),
            row(3, SENT, campaign=NIGHTLY[0], phone="f" * 32),
        ],
    )
    later = datetime(2026, 11, 3, 16, 59, 59, tzinfo=UTC)  # a second before midnight in Vietnam
    merge(
        target,
        [
            row(4, DELIVERED, NEXT_WINDOW, campaign=NIGHTLY[1], sent_at=later, price_vnd=Decimal("250.5000")),
            row(5, REJECTED, NEXT_WINDOW, campaign="", sent_at=None, price_vnd=None, sms_type=2),
            row(6, PENDING, NEXT_WINDOW, campaign="20261103", sent_at=later, sms_type=99),
        ],
        window=NEXT_WINDOW,
        minute=1,
    )


def seen(target: Target, view: str, *columns: str) -> list[dict[str, Any]]:
    return sorted(target.read(view, *columns), key=str)


@pytest.mark.in_turn(every=3)
def test_message_facts_have_vietnam_day_campaign_and_carrier(sql_target: Target) -> None:
    """Days and months are Vietnamese; a nightly campaign is one; carriers by the phone where it tells."""
    filled(sql_target)
    create_marts(sql_target.warehouse)
    facts = sql_target.read("esms_message_facts", "message_id", "day", "month", "campaign_name", "carrier", "type_name")
    by_id = {one.pop("message_id"): tuple(one.values()) for one in facts}
    month, second, third = date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)
    assert by_id == {
        "m1-1": (second, month, "nightly", "MobiFone", "ZNS"),
        "m2-1": (second, month, "nightly", "Viettel", "ZNS"),
        "m3-1": (second, month, "nightly", None, "ZNS"),
        "m4-1": (third, month, "nightly", "MobiFone", "ZNS"),
        # Without a moment of sending: the window in which it was created.
        "m5-1": (third, month, None, "MobiFone", "SMS customer care"),
        "m6-1": (third, month, "20261103", "MobiFone", "Type 99"),
    }


def test_monthly_cost_sums_all_runs_of_a_campaign(sql_target: Target) -> None:
    """Exact in VND; what has no price is counted, not taken for nought."""
    filled(sql_target)
    create_marts(sql_target.warehouse)
    by_name = {one["campaign_name"]: one for one in sql_target.read("esms_monthly_cost")}
    nightly = by_name["nightly"]
    assert by_name[None]["runs"] == 0
    assert (nightly["runs"], nightly["messages"], nightly["delivered"], nightly["open"]) == (2, 4, 2, 1)
    assert nightly["cost_vnd"] == Decimal("850.5")
    assert nightly["cost_per_delivered_vnd"] == pytest.approx(Decimal("425.25"))
    statement = {one["sms_type"]: one for one in sql_target.read("esms_month_statement")}
    zns, sms = statement[25], statement[2]
    assert (zns["messages"], zns["charged"], zns["cost_vnd"], zns["open"]) == (4, 3, Decimal("850.5"), 1)
    assert (zns["cost_delivered_vnd"], zns["cost_not_delivered_vnd"]) == (Decimal("550.5"), 0)
    assert (sms["messages"], sms["cost_vnd"], sms["without_price"]) == (1, None, 1)


@pytest.mark.in_turn(every=3)
def test_customers_view_gives_the_outcome_across_all_steps(sql_target: Target) -> None:
    """Over all steps of a journey, by the user's own key; a step that reached them is told."""
    steps = [
        ("a", 1, True, "failed", 300), ("a", 2, True, "delivered", 900), ("b", 1, True, "failed", 300),
        ("c", 1, True, "sent", 300), ("d", 1, False, "rejected", None), ("e", 1, False, "unknown", None),
    ]  # fmt: skip
    told = [
        ("march", f"march#{step}", step, key, "zns", "", accepted, state, False, None, "", key, SENT_AT, price)
        for key, step, accepted, state, price in steps
    ]
    sql_target.warehouse.put_group(OUTCOMES_TABLE, "march", told)
    create_marts(sql_target.warehouse)
    found = {one["row_key"]: one for one in sql_target.read("esms_customers")}
    outcomes = {"a": "reached", "b": "not reached", "c": "open", "d": "not sent", "e": "open"}
    assert {key: one["outcome"] for key, one in found.items()} == outcomes
    assert (found["a"]["steps"], found["a"]["reached_by_step"], found["a"]["cost_vnd"]) == (2, 2, 1200)


@pytest.mark.in_turn(every=3)
def test_daily_delivery_and_failures_views_have_correct_counts(sql_target: Target) -> None:
    """Every message is in one line of each."""
    filled(sql_target)
    create_marts(sql_target.warehouse)
    daily = sql_target.read("esms_daily_delivery")
    assert sum(one["messages"] for one in daily) == 6
    assert all(one["messages"] == one["delivered"] + one["failed"] + one["rejected"] + one["open"] for one in daily)
    (viettel,) = (one for one in daily if one["carrier"] == "Viettel")
    assert (viettel["day"], viettel["failed"], viettel["delivered_share"]) == (date(2026, 11, 2), 1, 0.0)
    failures = {one["state"]: one for one in sql_target.read("esms_failures")}
    assert {state: (one["send_status"], one["send_result"], one["messages"]) for state, one in failures.items()} == {
        "failed": (5, 0, 1),
        "rejected": (4, None, 1),
    }


@pytest.mark.in_turn(every=3)
def test_time_to_final_state_is_measured_from_sending(sql_target: Target) -> None:
    """From sending to the load that saw it; a row that was final at first sight, to that load."""
    sent_at = read_at(0) - timedelta(hours=1)
    merge(sql_target, [row(1, SENT, sent_at=sent_at), row(2, DELIVERED, sent_at=sent_at)])
    merge(sql_target, [row(1, DELIVERED, sent_at=sent_at), row(2, DELIVERED, sent_at=sent_at)], minute=10)
    merge(sql_target, [row(1, DELIVERED, sent_at=sent_at), row(3, FAILED, sent_at=None)], minute=20)
    create_marts(sql_target.warehouse)
    times = {one["day"]: one for one in sql_target.read("esms_time_to_final")}
    of_sent = times[date(2026, 11, 4)]
    assert (of_sent["messages"], of_sent["median_seconds"], of_sent["p99_seconds"]) == (2, 3600, 4200)
    assert times[date(2026, 11, 2)]["without_time"] == 1


def test_time_to_final_state_is_independent_of_the_session_time_zone() -> None:
    """In New York they were put back on 1 November 2026, between sending and the final state."""
    sent, seen = datetime(2026, 10, 31, 3, tzinfo=UTC), datetime(2026, 11, 2, 5, 0, 0, 500_000, tzinfo=UTC)
    start = datetime(2026, 10, 30, 17, tzinfo=UTC)
    values: dict[str, Any] = {
        **row(1, sent_at=sent, window_start=start, window_end=start + timedelta(days=1)),
        "first_seen_at": seen,
        "changed_at": seen,
        "regressed_to": None,
        "load_number": 1,
    }
    for zone in ("UTC", "America/New_York"):
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = '{zone}'")
            create_tables(connection, comments=False)
            for table in (OUTCOMES_TABLE, INVOICES):
                connection.execute(table.create)
            connection.execute(
                f"INSERT INTO {MESSAGES} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                [*values.values()],
            )
            for name, query in mart_views().items():
                connection.execute(f"CREATE VIEW {name} AS {query}")
            found = connection.execute("SELECT day, median_seconds FROM esms_time_to_final").fetchall()
        assert found == [(date(2026, 10, 31), 50 * 3600)]


@pytest.mark.in_turn(every=3)
def test_views_can_be_recreated_and_include_later_loads(sql_target: Target) -> None:
    """Twice is once, on an empty warehouse too."""
    sql_target.warehouse.prepare()
    assert create_marts(sql_target.warehouse) == tuple(mart_views())
    assert seen(sql_target, "esms_month_statement") == []
    merge(sql_target, [row(1)])
    create_marts(sql_target.warehouse)
    assert [one["messages"] for one in seen(sql_target, "esms_month_statement")] == [1]


@pytest.mark.in_turn
def test_erased_person_disappears_from_the_views(sql_target: Target) -> None:
    """Erasing makes the DuckDB file anew, and its views with it."""
    filled(sql_target)
    create_marts(sql_target.warehouse)
    person = Person("0900000001", lambda message_id: f"{message_id}:nobody")
    assert sql_target.warehouse.erase(person)["esms_sent_messages"] == 1
    assert {one["message_id"] for one in seen(sql_target, "esms_message_facts")} == {f"m{n}-1" for n in range(2, 7)}
    merge(sql_target, [row(7)], minute=2)
    assert len(seen(sql_target, "esms_message_facts")) == 6


def execute(target: Target, statement: str) -> None:
    """As somebody else who uses the database."""
    if target.address.startswith("duckdb"):
        with duckdb.connect(target.address.removeprefix("duckdb:///")) as connection:
            connection.execute(statement)
        return
    address, schema = target.address.partition("&schema=")[0], target.address.rpartition("=")[2]
    with psycopg.connect(address) as connection:
        connection.execute(f"SET search_path = {schema}".encode())
        connection.execute(statement.encode())


@pytest.mark.in_turn(every=3)
def test_existing_table_with_a_view_name_gives_one_line_error(sql_target: Target) -> None:
    """A table of somebody's stays, and no view is made."""
    filled(sql_target)
    execute(sql_target, "CREATE TABLE esms_month_statement (mine integer)")
    with pytest.raises(ConfigurationError, match="esms_month_statement already exists") as error:
        create_marts(sql_target.warehouse)
    assert "\n" not in str(error.value)
    assert seen(sql_target, "esms_month_statement") == []
    execute(sql_target, "DROP TABLE esms_month_statement")
    create_marts(sql_target.warehouse)
    assert len(seen(sql_target, "esms_message_facts")) == 6


def test_file_warehouse_does_not_support_views(tmp_path: Path) -> None:
    """Said in a line, with what does."""
    with open_warehouse(tmp_path) as warehouse, pytest.raises(ConfigurationError, match="a DuckDB file or PostgreSQL"):
        create_marts(warehouse)


@pytest.mark.in_turn(every=3)
def test_carriers_and_message_types_in_sql_match_the_package(sql_target: Target) -> None:
    """Carriers and message types stand in SQL because dbt reads no Python."""
    create_marts(sql_target.warehouse)
    carriers = {one["prefix"]: one["carrier"] for one in sql_target.read("esms_carriers")}
    assert carriers == dict(CARRIERS)
    types = {f"type.{one['sms_type']}": one["type_name"] for one in sql_target.read("esms_message_types")}
    assert types == {key: words[0] for key, words in WORDS.items() if key.removeprefix("type.").isdecimal()}


def test_dbt_package_documents_all_tables_columns_and_models(tmp_path: Path) -> None:
    """Every column, in the same words; every model has a description and is a view of `esms marts`."""
    package = copy_dbt_package(tmp_path / "dbt_esms")
    (source,) = yaml.safe_load((package / "models" / "sources.yml").read_text("utf-8"))["sources"]
    tables = {
        table["name"]: (table["description"], {one["name"]: one["description"] for one in table["columns"]})
        for table in source["tables"]
    }
    beside = {one.name: one for one in (OUTCOMES_TABLE, INVOICES)}
    assert {name: [*tables.pop(name)[1]] for name in beside} == {name: [*one.types] for name, one in beside.items()}
    assert tables == {name: (TABLES[name], COLUMNS[name]) for name in TABLES}
    models = yaml.safe_load((package / "models" / "models.yml").read_text("utf-8"))["models"]
    assert {one["name"] for one in models} == set(mart_views())
    with pytest.raises(ConfigurationError, match="already exists"):
        copy_dbt_package(package)


@pytest.mark.dbt
@pytest.mark.in_turn(every=2)
def test_dbt_build_gives_the_same_views_as_esms_marts(
    sql_target: Target, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every model and test of it, on both databases; its numbers are those of `esms marts`."""
    filled(sql_target)
    create_marts(sql_target.warehouse)
    mine = {view: seen(sql_target, view) for view in mart_views()}
    if sql_target.address.startswith("duckdb"):
        profile = {"type": "duckdb", "path": sql_target.address.removeprefix("duckdb:///"), "schema": "main"}
    else:
        settings = conninfo_to_dict(sql_target.address.partition("&schema=")[0])
        schema = sql_target.address.rpartition("=")[2]
        profile = {"type": "postgres", "host": settings["host"], "port": 5432, "schema": schema, "threads": 1}
        profile |= {"user": settings["user"], "password": "", "dbname": settings["dbname"]}
    package = copy_dbt_package(tmp_path / "dbt_esms")
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump({"esms": {"target": "here", "outputs": {"here": profile}}}))
    dbt = Path(request.config.getoption("--dbt")).absolute()
    done = subprocess.run(
        [dbt, "--no-use-colors", "build", "--project-dir", package, "--profiles-dir", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"PASS=(2\d) WARN=0 ERROR=0 SKIP=0", done.stdout), done.stdout
    assert {view: seen(sql_target, view) for view in mart_views()} == mine
