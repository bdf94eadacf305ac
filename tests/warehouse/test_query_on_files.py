"""`query_warehouse` on folders of files gives what it gives on a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from targets import merge, row

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import LOADS, MESSAGES
from esms_connectors.warehouse.querying import query_warehouse


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_query_on_files_returns_the_same_types_and_values_as_a_database(tmp_path: Path, kind: str) -> None:
    """Whatever the values look like, and without the format in the address."""
    odd = row(1, campaign="2026-11-01", content="", portal_id="007")
    odd |= {"message_id": "900719925474099312345", "row_key": "900719925474099312345:0900000001"}
    found = {}
    for address in (f"duckdb:///{tmp_path / 'esms.duckdb'}", f"{tmp_path / 'lake'}?format={kind}"):
        with open_warehouse(address) as warehouse:
            warehouse.prepare()
            merge(warehouse, [odd])
        place = address.partition("?")[0]
        for table in (MESSAGES, LOADS):
            [[kinds, values]] = query_warehouse(place, f"SELECT typeof(one), one::text FROM {table} AS one", 10).rows
            assert found.setdefault(table, (kinds, values)) == (kinds, values)
    with pytest.raises(ConfigurationError, match=f"stores its rows as {kind}"):
        query_warehouse(f"{place}?format={'csv' if kind == 'jsonl' else 'jsonl'}", "SELECT 1", 1)
