"""A DuckDB for the time of one merge, for targets that keep their rows elsewhere."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from esms_connectors.warehouse.contract import COLUMNS, WarehouseError
from esms_connectors.warehouse.errors import interrupts, raise_without_context
from esms_connectors.warehouse.merging import SETTLE_IN, ArrowSource, create_tables, utc

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "64MB",  # more goes to the temporary folder
    "threads": "1",  # each wants memory of its own, and none made a merge of a million rows quicker
    "preserve_insertion_order": "false",
    # What is needed is built in; a merge fetches no code from the network.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

SELECT_ROWS = 10_000  # a batch; DuckDB's own choice, thirteen times as many, is memory beyond its limit


@contextlib.contextmanager
def merge_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Our three tables, empty, in a new file in `folder`: on disk they are compressed, and need little memory."""
    import duckdb

    problem = ""
    try:
        path = tempfile.mktemp(".duckdb", "merge-", folder)  # noqa: S306 - the folder is ours
        with interrupts(), duckdb.connect(path, config=_CONFIG) as connection:
            connection.execute(SETTLE_IN)
            create_tables(connection, comments=False)
            yield connection
    except duckdb.Error as error:
        problem = type(error).__name__
    if problem:
        raise_without_context(
            WarehouseError(
                f"The merge in {tempfile.gettempdir()} failed ({problem}): is the disk full? Nothing of it was kept.",
                retryable=True,
            )
        )


@functools.cache
def schema_of(table: str) -> pa.Schema:
    """The columns of a table as the merge has them, each with what it holds in its metadata."""
    import duckdb

    with interrupts(), duckdb.connect(config=_CONFIG) as connection:
        connection.execute(SETTLE_IN)
        create_tables(connection, comments=False)
        columns = pa.RecordBatchReader.from_stream(connection.table(table)).schema
    return pa.schema([field.with_metadata({"comment": COLUMNS[table][field.name]}) for field in columns])


def insert(connection: duckdb.DuckDBPyConnection, table: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Add batches that have the columns of `table`, in one transaction: each costs a way to the disk."""
    source: ArrowSource | None = None
    connection.begin()
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        if source is None:
            source = ArrowSource(rows)
            connection.register("esms_stored", source)
        source.rows = rows
        connection.execute(f"INSERT INTO {table} SELECT * FROM esms_stored")  # noqa: S608 - our own names
    connection.commit()
    if source is not None:
        connection.unregister("esms_stored")


def select(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """What a query finds, not held as a whole; nothing else may be asked of the connection before the end."""
    yield from connection.sql(query).to_arrow_reader(SELECT_ROWS)


def literal(moment: datetime) -> str:
    """A time in SQL."""
    return f"TIMESTAMPTZ '{utc(moment).isoformat()}'"
