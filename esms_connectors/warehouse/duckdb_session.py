"""Merges in a DuckDB: the session of its connection, its tables, and the Arrow rows that it reads."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, MergeCounts, WindowLoad
from esms_connectors.warehouse.merge_sql import Staged, find_missing_tables, table_statements
from esms_connectors.warehouse.merging import merge_window

if TYPE_CHECKING:
    import duckdb

# For each connection. In a notebook, a prompt or `python -c` DuckDB prints a progress bar for slow queries.
SETTLE_IN = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"


class DuckDbSession:
    """The transaction of a DuckDB connection."""

    prunes_by_window = True
    has_key = False
    chunk_rows = 20_000  # staged rows take memory outside DuckDB's limit

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._staged: dict[str, ArrowSource] = {}

    def change(self, statement: str, **parameters: object) -> int:
        row = self._connection.execute(statement, _named(statement, parameters)).fetchone()
        return int(row[0]) if row else 0

    def read(self, statement: str, **parameters: object) -> Iterator[tuple[Any, ...]]:
        # Via Arrow: DuckDB's own aware datetimes need pytz, and its cursor cannot be read during a write.
        found = self._connection.sql(statement, params=_named(statement, parameters))
        reader = pa.RecordBatchReader.from_stream(found)
        for batch in reader:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def stage(self, table: Staged, rows: pa.Table) -> int:
        if table.name in self._staged:
            self._staged[table.name].rows = rows
        else:
            self._staged[table.name] = ArrowSource(rows)
            self._connection.register(table.name, self._staged[table.name])
        return int(rows.num_rows)

    def keep(self, table: Staged, query: str, **parameters: object) -> int:
        return self.stage(table, pa.table(self._connection.sql(query, params=_named(query, parameters))))

    def close(self) -> None:
        """Release the staged rows. The transaction is the caller's."""
        import duckdb

        for name, source in self._staged.items():
            source.rows = source.rows.slice(0, 0)
            # After an error, the rollback has removed the name.
            with contextlib.suppress(duckdb.Error):
                self._connection.unregister(name)
        self._staged.clear()


class ArrowSource:
    """
    An Arrow table registered in DuckDB under a fixed name, whose rows change between queries.

    Staging copies nothing into DuckDB. The name is registered only once: DuckDB keeps each registered object until the
    transaction ends, so one registration per chunk would hold the whole window in memory.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


def _named(statement: str, parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: parameters[name] for name in re.findall(r"\$(\w+)", statement)}


def create_tables(connection: duckdb.DuckDBPyConnection, *, comments: bool = True) -> None:
    """
    Create the tables in an empty database, in one transaction: there are fifty statements, and each commit flushes to
    disk. Temporary databases need no `comments`.
    """
    connection.begin()
    for statement in table_statements({}, comments=comments):
        connection.execute(statement)
    connection.commit()


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """
    Whether our tables exist. Call it outside of transactions.

    Raises:
        ConfigurationError: other tables have their names.
    """
    return not find_missing_tables(
        (table, str(column), str(kind))
        for table in (MESSAGES, HISTORY, LOADS)
        for _, column, kind, *_ in _table_info(connection, table)
    )


def _table_info(connection: duckdb.DuckDBPyConnection, table: str) -> list[Any]:
    """Columns of a table; empty if there is none. The information schema's views take ten times as long."""
    import duckdb

    try:
        return connection.execute(f"PRAGMA table_info('{table}')").fetchall()
    except duckdb.CatalogException:
        return []


def merge_rows(connection: duckdb.DuckDBPyConnection, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
    """
    `Warehouse.merge` on a DuckDB connection, inside the caller's transaction, which must be rolled back on an error.

    Only stored rows whose window overlaps or touches this one need to be in the tables.
    """
    with contextlib.closing(DuckDbSession(connection)) as session:
        return merge_window(session, load, rows)
