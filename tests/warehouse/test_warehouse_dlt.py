"""What only the way through dlt has: its steps, its destinations, its manners."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from file_targets import DLT_FILE
from targets import DELIVERED, PENDING, SENT, Target, key_of, merge, row

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.addresses import absolute_address
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, MergeCounts, WarehouseError
from esms_connectors.warehouse.dlt_destination import DltWarehouse


@pytest.mark.in_turn
@pytest.mark.parametrize("step", [HISTORY, MESSAGES, LOADS])
def test_load_interrupted_between_steps_is_completed_by_a_retry(
    dlt_target: Target, step: str, monkeypatch: Any
) -> None:
    """Loading again gives what one load would have given: no history line is doubled, none lost."""
    merge(dlt_target, [row(1, PENDING), row(2, DELIVERED)])
    send = DltWarehouse._send

    def break_off(self: DltWarehouse, tables: dict[str, Any]) -> None:
        if step in tables:
            raise OSError("https://user:hunter2@host/ says 0901234567")
        send(self, tables)

    with monkeypatch.context() as patched:
        patched.setattr(DltWarehouse, "_send", break_off)
        with pytest.raises(
            WarehouseError, match=r"^dlt could not use dlt://duckdb\?dataset=esms \(OSError\)"
        ) as caught:
            merge(dlt_target, [row(1, SENT), row(2, PENDING)], minute=5)
    assert caught.value.retryable
    assert caught.value.__context__ is None
    assert dlt_target.loads()[0]["load_count"] == 1
    counts = merge(dlt_target, [row(1, SENT), row(2, PENDING)], minute=6)
    was_done = step == LOADS
    assert counts == (MergeCounts(unchanged=2) if was_done else MergeCounts(changed=1, regressed=1))
    assert {key: stored["state"] for key, stored in dlt_target.messages().items()} == {
        key_of(1): "sent",
        key_of(2): "delivered",
    }
    assert [(line["row_key"], line["to_state"]) for line in dlt_target.history()] == sorted(
        [(key_of(1), "sent"), (key_of(2), "pending")]
    )
    assert dlt_target.loads()[0]["load_count"] == 2


@pytest.mark.in_turn
def test_failed_load_is_not_resent_with_the_next_rows(dlt_target: Target, monkeypatch: Any) -> None:
    """dlt keeps packages that it could not load; ours must not come back by the side door."""
    with monkeypatch.context() as patched:
        patched.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{Path('/proc/none/x.duckdb')}")
        with pytest.raises(WarehouseError), dlt_target.again() as elsewhere:
            merge(elsewhere, [row(1)])
    merge(dlt_target, [row(2)])
    assert set(dlt_target.messages()) == {key_of(2)}


@pytest.mark.in_turn(every=3)
def test_foreign_table_with_our_name_is_rejected(dlt_target: Target, tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / DLT_FILE)) as connection:
        connection.execute(f"CREATE SCHEMA other; CREATE TABLE other.{MESSAGES} (name text)")
    with DltWarehouse("duckdb", "other") as warehouse, pytest.raises(ConfigurationError, match="was not created by"):
        warehouse.prepare()


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("nowhere", "^dlt knows no destination called nowhere"),
        ("snowflake", "^dlt finds no complete settings for snowflake: .* DESTINATION__SNOWFLAKE__"),
        ("postgres", r"^dlt's postgres needs more packages: pip install 'dlt\[postgres\]'"),
        ("dummy", "^dlt's dummy has no SQL"),
        ("sqlalchemy", "^dlt finds no complete settings for sqlalchemy: .* DESTINATION__SQLALCHEMY__"),
    ],
)
def test_unusable_destination_gives_one_line_error(
    destination: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what to do."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:hunter2@localhost/db")
    with DltWarehouse(destination) as warehouse, pytest.raises(ConfigurationError, match=says) as caught:
        warehouse.prepare()
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("destination", "dataset"), [("", "esms"), ("duckdb", "a b"), ("user:hunter2@host", "esms")])
def test_malformed_dlt_address_gives_configuration_error(destination: str, dataset: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^The address is dlt://destination") as caught:
        DltWarehouse(destination, dataset)
    assert "hunter2" not in str(caught.value)


@pytest.mark.in_turn
def test_dlt_produces_no_output_telemetry_or_leftover_files(tmp_path: Path) -> None:
    """No output, no telemetry, nothing in the home folder, no temporary files, and not imported before it is needed."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "os.geteuid = lambda: 1000\n"  # the home folder of root is elsewhere for dlt
        "from targets import merge, row\n"
        "from esms_connectors.warehouse.dlt_destination import DltWarehouse\n"
        "assert 'dlt' not in sys.modules\n"
        "with DltWarehouse('duckdb') as warehouse:\n"
        "    warehouse.prepare()\n"
        "    merge(warehouse, [row(1)])\n"
        "from dlt.common.configuration.container import Container\n"
        "from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext\n"
        "assert not Container()[PluggableRunContext].context.runtime_config.dlthub_telemetry\n"
    )
    for name in ("home", "work", "temp"):
        (tmp_path / name).mkdir()
    environment = os.environ | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temp"),
        "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{tmp_path}/x.duckdb",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "work", env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    left = [path for name in ("home", "work", "temp") for path in (tmp_path / name).rglob("*")]
    assert left == []


def test_times_are_compared_with_microsecond_precision() -> None:
    """ClickHouse's driver cuts a time down to the second, and a text not: cut, the line of a broken load would stay."""
    moment = datetime(2026, 11, 4, 19, 5, 0, 123_456, tzinfo=timezone(timedelta(hours=7)))
    assert DltWarehouse("clickhouse")._exactly(moment) == "2026-11-04 12:05:00.123456"
    assert DltWarehouse("duckdb")._exactly(moment) is moment


@pytest.mark.parametrize(
    ("destination", "way"), [("snowflake", "upsert"), ("bigquery", "upsert"), ("redshift", "delete-insert")]
)
def test_merge_strategy_is_known_without_a_connection(destination: str, way: str) -> None:
    """dlt says so without a driver and without a connection."""
    with DltWarehouse(destination) as warehouse:
        assert warehouse._strategy("upsert", "delete-insert") == way


@pytest.mark.in_turn
def test_delete_insert_strategy_loses_no_rows(dlt_target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt's way for Redshift, with DuckDB behind it; elsewhere here it updates and inserts, as for Snowflake."""
    monkeypatch.setattr(DltWarehouse, "_strategy", lambda self, *wanted: "delete-insert")
    merge(dlt_target, [row(1, PENDING), row(2, DELIVERED), row(3, SENT)])
    merge(dlt_target, [row(1, SENT), row(2, PENDING), row(4)], minute=5)
    assert merge(dlt_target, [row(1, SENT), row(2, PENDING), row(4)], minute=6) == MergeCounts(unchanged=3)
    states = {key: one["state"] for key, one in dlt_target.messages("state").items()}
    assert states == {
        key_of(number): state for number, state in enumerate(("sent", "delivered", "sent", "delivered"), 1)
    }
    assert [(line["row_key"], line["applied"]) for line in dlt_target.history()] == sorted(
        [(key_of(1), True), (key_of(2), False)]
    )
    assert [one["load_count"] for one in dlt_target.loads()] == [3]


@pytest.mark.parametrize("address", ["md:esms", "MD:", "duckdb:///md:esms", "duckdb://motherduck:esms"])
def test_motherduck_address_is_rejected_without_creating_a_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a folder or a file of that name on this machine."""
    monkeypatch.chdir(tmp_path)
    for use in (open_warehouse, absolute_address):
        with pytest.raises(ConfigurationError, match=r"give dlt://motherduck\?dataset=esms"):
            use(address)
    assert list(tmp_path.iterdir()) == []
