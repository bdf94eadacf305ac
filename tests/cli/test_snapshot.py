"""`esms snapshot` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import Emulator


@pytest.mark.in_turn
def test_snapshot_loads_account_tables_into_the_warehouse(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """For people and for machines; an unknown table is one line, and nothing is made."""
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    emulator.set_balance(777)
    assert_one_clear_line(
        run("snapshot", "--into", into, "--tables", "balance"), 2, "'balance' is not a snapshot table"
    )
    shown = run("snapshot", "--into", into)
    assert shown.returncode == 0, shown.stderr
    assert "esms_balances          1 row\n" in shown.stdout
    told = json.loads(run("snapshot", "--into", into, "--tables", "balances,templates", "--json").stdout)
    assert set(told["rows"]) == {"esms_balances", "esms_templates"}
    found = run("sql", "select distinct balance_vnd::integer as vnd from esms_balances", "--into", into, "--json")
    assert json.loads(found.stdout) == [{"vnd": 777}]
