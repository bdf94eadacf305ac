"""
DuckDB for tests that look at what was loaded. A new instance costs a processor some 20 ms, a file attached to the one
that this process has anyway a single one.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import duckdb

_numbers = itertools.count()


@contextlib.contextmanager
def duckdb_session() -> Iterator[duckdb.DuckDBPyConnection]:
    """Of no file; settings are of this session alone."""
    with contextlib.closing(duckdb.cursor()) as connection:
        yield connection


@contextlib.contextmanager
def duckdb_file(path: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    """For reading. The file is open until the end of the block; results must be fetched in it."""
    name = f"looked_at_{next(_numbers)}"
    with duckdb_session() as connection:
        connection.execute("ATTACH '" + str(path).replace("'", "''") + f"' AS {name} (READ_ONLY)")
        try:
            connection.execute(f"USE {name}")
            yield connection
        finally:
            connection.execute("USE memory")
            connection.execute(f"DETACH {name}")
