"""
Finds the stored versions of incoming rows where a target keeps its rows elsewhere and merges in a temporary database.

That database has the stored rows of the windows that touch the merged one. A row may be stored under another window,
see `merging._ChunkMerge.merge_elsewhere`; its stored version is added before the merge reaches the row, so that the
same rules hold for these targets as for a database that has all rows.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.chunks import chunks_of
from esms_connectors.warehouse.contract import MESSAGES
from esms_connectors.warehouse.duckdb_session import ArrowSource, DuckDbSession
from esms_connectors.warehouse.merge_database import literal
from esms_connectors.warehouse.merge_sql import FINAL, NEAR

if TYPE_CHECKING:
    import duckdb

HASH = "left(md5({0}), 16)"
"""SQL: a key -> its hash, the same in every version of DuckDB. A collision only costs a lookup."""

HASHES = pa.schema([("key_hash", pa.string())])

_PASSING = "esms_passing"
_CANDIDATES = "esms_candidates"  # keys that are stored elsewhere, and the day of their window if the target needs it
NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # the gateway reports the year 1 for "no time"
# Rows that may be listed under another window later: not final, or sent outside their window.
MOVABLE = f"""(stored.state NOT IN ({FINAL}) OR (stored.sent_at > TIMESTAMPTZ '2000-01-01'
    AND NOT stored.sent_at BETWEEN stored.window_start AND stored.window_end))"""
_FOUND = f"SELECT {{0}} FROM {_CANDIDATES} JOIN {{1}} AS rows ON key_hash = {HASH.format('rows.row_key')}"
_SUSPECTS = f"""
SELECT CAST(sent_at + INTERVAL 7 HOURS AS DATE) AS day, min(sent_at), max(sent_at) FROM {_PASSING}
WHERE sent_at BETWEEN {{near}} AND {{until}} AND NOT sent_at BETWEEN window_start AND window_end
    AND row_key NOT IN (SELECT row_key FROM {MESSAGES})
GROUP BY day ORDER BY day
"""


class SentOn(NamedTuple):
    """A Vietnamese day on which incoming rows were sent, with the first and last of their times."""

    day: date
    first: datetime
    last: datetime


class MovedRows(abc.ABC):
    """
    Looks for incoming rows among those stored within a month under other windows:

    - rows that were not final or were sent outside their window when they were stored, and
    - if an incoming row was sent outside its window, rows that were sent at that time.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, window: SentWindow) -> None:
        self._connection, self._window = connection, window
        self._near = window.start - NEAR, window.end + NEAR
        self._passing: ArrowSource | None = None
        connection.execute(f"CREATE TABLE {_CANDIDATES} (key_hash text, day date)")

    @abc.abstractmethod
    def _begin(self) -> None:
        """Note the keys of rows that were not final or were sent outside their window; called with the first row."""

    @abc.abstractmethod
    def _look_at(self, days: Sequence[SentOn]) -> None:
        """Note the keys of rows stored with these times of sending."""

    @abc.abstractmethod
    def _fetch(self) -> None:
        """Add the stored versions of the passing rows that `_found` returns."""

    def watch(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the rows on, each once its stored version is in the merge database."""
        for chunk in chunks_of(rows, DuckDbSession.chunk_rows):
            if self._passing is None:
                self._passing = ArrowSource(chunk)
                self._begin()
                self._connection.register(_PASSING, self._passing)
            self._passing.rows = chunk
            if days := self._days_outside(chunk):
                self._look_at(days)
            if self._connection.execute(f"SELECT 1 FROM {_CANDIDATES} LIMIT 1").fetchall():
                self._fetch()
            yield from chunk.to_batches()

    def _note(self, keys: Iterable[pa.RecordBatch], day: date | None = None, *, are_hashes: bool = False) -> None:
        """Note keys, or hashes of keys, as stored elsewhere."""
        place = "NULL" if day is None else f"DATE '{day}'"
        for batch in keys:
            self._connection.register("esms_noted", pa.Table.from_batches([batch]))
            name = batch.schema.names[0]
            key_hash = name if are_hashes else HASH.format(name)
            self._connection.execute(f"INSERT INTO {_CANDIDATES} SELECT {key_hash}, {place} FROM esms_noted")
            self._connection.unregister("esms_noted")

    def _found(self, column: str, rows: str = _PASSING) -> list[tuple[object, ...]]:
        """The different values of a column of the candidates, or of `rows`, among the candidates."""
        return self._connection.execute(_FOUND.format(f"DISTINCT {column}", rows)).fetchall()

    def _days_outside(self, chunk: pa.Table) -> list[SentOn]:
        """When the rows of the chunk were sent that were sent outside their window and are not at hand."""
        sent = chunk.column("sent_at")
        start, end = (pa.scalar(edge, sent.type) for edge in (self._window.start, self._window.end))
        if not pc.any(pc.or_(pc.less(sent, start), pc.greater(sent, end))).as_py():
            return []
        near, until = (literal(edge) for edge in (max(self._near[0], NO_TIME), self._near[1]))
        # As text, because DuckDB needs pytz for its own aware times.
        found = self._connection.sql(_SUSPECTS.format(near=near, until=until)).to_arrow_table()
        return [SentOn(*row) for row in zip(*(column.to_pylist() for column in found.columns), strict=True)]
