"""A temporary DuckDB for one merge, for targets that keep their rows elsewhere."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from esms_connectors.gateway.errors import raise_without_context
from esms_connectors.warehouse.contract import COLUMNS, LOADS, WarehouseError
from esms_connectors.warehouse.duckdb_session import SETTLE_IN, ArrowSource, create_tables
from esms_connectors.warehouse.errors import interrupts
from esms_connectors.warehouse.merging import utc

if TYPE_CHECKING:
    import duckdb
    from duckdb import DuckDBPyConnection as Connection

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "48MB",  # the excess is spilled to the temporary folder
    "threads": "1",  # each needs its own memory, and more did not speed up a merge of a million rows
    "preserve_insertion_order": "false",
    # Everything needed is built in; never download extensions.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

SELECT_ROWS = 10_000  # per batch; DuckDB's default is 13 times as many, in memory outside its limit


@contextlib.contextmanager
def merge_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new database in `folder` with our three tables, empty. On disk rows are compressed and need little memory."""
    import duckdb

    problem = ""
    try:
        path = str(folder / f"merge-{uuid.uuid4().hex}.duckdb")
        with interrupts(), duckdb.connect(path, config=_CONFIG) as connection:
            connection.execute(SETTLE_IN)
            create_tables(connection, comments=False)
            yield connection
    except duckdb.Error as error:
        problem = type(error).__name__
    if problem:
        raise_without_context(
            WarehouseError(
                f"The merge in {tempfile.gettempdir()} failed ({problem}): is the disk full? Nothing was stored.",
                retryable=True,
            )
        )


@contextlib.contextmanager
def merge_databases(folder: Path) -> Iterator[Callable[[], contextlib.AbstractContextManager[Connection]]]:
    """
    Merge databases for many small changes to load lines, because opening one takes longer than such a change. Each call
    of the result lends one that no other thread uses, without load lines.
    """
    idle: list[Connection] = []
    with contextlib.ExitStack() as opened:

        @contextlib.contextmanager
        def lend() -> Iterator[Connection]:
            connection = idle.pop() if idle else opened.enter_context(merge_database(folder))
            yield connection
            connection.execute(f"DELETE FROM {LOADS}")
            idle.append(connection)

        yield lend


@functools.cache
def schema_of(table: str) -> pa.Schema:
    """The columns of a table as in the merge database, each with its description as metadata."""
    import duckdb

    with interrupts(), duckdb.connect(config=_CONFIG) as connection:
        connection.execute(SETTLE_IN)
        create_tables(connection, comments=False)
        columns = pa.RecordBatchReader.from_stream(connection.table(table)).schema
    return pa.schema([field.with_metadata({"comment": COLUMNS[table][field.name]}) for field in columns])


def insert(connection: duckdb.DuckDBPyConnection, table: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Insert batches with the columns of `table` in one transaction, because each commit flushes to disk."""
    source: ArrowSource | None = None
    connection.begin()
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        if source is None:
            source = ArrowSource(rows)
            connection.register("esms_stored", source)
        source.rows = rows
        connection.execute(f"INSERT INTO {table} SELECT * FROM esms_stored")
    connection.commit()
    if source is not None:
        connection.unregister("esms_stored")


def select(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """Stream the result of a query; exhaust it before using the connection again."""
    yield from connection.sql(query).to_arrow_reader(SELECT_ROWS)


def literal(moment: datetime) -> str:
    """A time as a SQL literal."""
    return f"TIMESTAMPTZ '{utc(moment).isoformat()}'"
