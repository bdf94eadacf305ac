"""The targets that are files, and the one behind dlt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esms_connectors.warehouse.contract import COLUMNS, HISTORY, LOADS, MESSAGES, Warehouse
from esms_connectors.warehouse.dlt_destination import DltWarehouse
from esms_connectors.warehouse.files import FilesWarehouse

DLT_FILE = "behind_dlt.duckdb"
FILE_NAMES = {MESSAGES: "messages", HISTORY: "history", LOADS: "loads"}

# How DuckDB, which has no part in writing CSV, reads each format. JSON is given types, CSV too: nothing is guessed.
_READERS = {
    "parquet": "read_parquet('{files}', hive_partitioning = true)",
    "csv": "read_csv('{files}', header = true, hive_partitioning = true, columns = {types},allow_quoted_nulls = false)",
    "jsonl": "read_json('{files}', format = 'newline_delimited', hive_partitioning = true, columns = {types})",
}
_TEXT = ("row_key", "message_id", "phone", "campaign", "content", "status_text", "portal_id", "digest", "privacy")


def type_of(column: str) -> str:
    if column.endswith("_at") or column.startswith("window_"):
        return "TIMESTAMPTZ"
    if column in _TEXT or column.endswith(("state", "_to")):
        return "VARCHAR"
    if column in ("applied", "closed"):
        return "BOOLEAN"
    return "DECIMAL(18,4)" if column == "price_vnd" else "BIGINT"


def read_files(kind: str, root: Path, table: str, *columns: str) -> list[dict[str, Any]]:
    """Rows of all partitions, as DuckDB reads them."""
    if not list((root / table).glob(f"*/*/*.{kind}")):
        return []
    source = _READERS[kind].format(
        files=f"{root}/{table}/*/*/*.{kind}", types={column: type_of(column) for column in COLUMNS[table]}
    )
    from duckdb_reading import duckdb_session

    with duckdb_session() as connection:
        connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
        wanted = ", ".join(columns or COLUMNS[table])
        return connection.sql(f"SELECT {wanted} FROM {source}").to_arrow_table().to_pylist()


def make_files(kind: str, request: pytest.FixtureRequest, folder: Path) -> tuple[str, Callable[[], Warehouse], Any]:
    address = f"{folder / 'lake'}?format={kind}"
    return address, functools.partial(FilesWarehouse, address), functools.partial(read_files, kind, folder / "lake")


def make_dlt(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Callable[[], Warehouse], Any]:
    path = folder / DLT_FILE
    request.getfixturevalue("monkeypatch").setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{path}")

    def read(table: str, *columns: str) -> list[dict[str, Any]]:
        from duckdb_reading import duckdb_file

        with duckdb_file(path) as connection:
            wanted = ", ".join(columns or COLUMNS[table])
            return connection.sql(f"SELECT {wanted} FROM esms.{table}").to_arrow_table().to_pylist()

    return "dlt://duckdb?dataset=esms", functools.partial(DltWarehouse, "duckdb", "esms"), read
