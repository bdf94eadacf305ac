"""Rows of a load into a folder of files that other days than that of its window hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import MESSAGES
from esms_connectors.warehouse.file_tables import FileTables, Partition, in_partition
from esms_connectors.warehouse.merge_sql import NEAR, REMOVE_DOUBLES
from esms_connectors.warehouse.moved_rows import MovedRows, SentOn

if TYPE_CHECKING:
    import duckdb

_TIME = pa.timestamp("us", tz="UTC")


_ON_TWO_DAYS = f"""
SELECT row_key FROM {MESSAGES} WHERE {{here}} INTERSECT SELECT row_key FROM {MESSAGES} WHERE NOT ({{here}})
"""


class OtherDays(MovedRows):
    """
    Rows of a window that other days hold: the second that a window shares with the previous or next day, and rows that
    an odd gateway lists under several days. For these a whole day joins the merge, and is written with it.

    Attributes:
        joined: the days that joined the merge.
        versions: the versions of their files.
        removed_doubles: a row was stored on two of the days, and is now stored once.
    """

    def __init__(
        self,
        tables: FileTables,
        connection: duckdb.DuckDBPyConnection,
        window: SentWindow,
        scratch: Path,
        locks: contextlib.ExitStack,
    ) -> None:
        super().__init__(connection, window)
        self._tables, self._scratch, self._locks = tables, scratch, locks
        self._own = Partition.of(window)
        neighbours = self._own.neighbours(window)
        self._held = {one.key for one in (self._own, *neighbours)}
        self._looked_at = {self._own.day}
        self.joined: list[Partition] = []
        self.versions: dict[str, str | None] = {}
        self.removed_doubles = False
        self._seen = {one: self._read_keys(one) for one in neighbours}

    def _begin(self) -> None:
        for day in self._tables.movable_days(self._own.sms_type):
            if day != self._own.day and abs(day - self._own.day) <= NEAR:
                one = Partition(self._own.sms_type, day)
                self._note(self._tables.movable(one, self._scratch), day, are_hashes=True)

    def _look_at(self, days: Sequence[SentOn]) -> None:
        for sent in days:
            if sent.day not in self._looked_at:
                self._looked_at.add(sent.day)
                one = Partition(self._own.sms_type, sent.day)
                self._note(self._tables.read(MESSAGES, one, self._scratch, ["row_key"]), sent.day)

    def _fetch(self) -> None:
        days = {one.day for one in self.joined}
        for day in sorted(day for (day,) in self._found("day") if isinstance(day, date) and day not in days):
            one = Partition(self._own.sms_type, day)
            self._lock(one)
            self.joined.append(one)
            self.versions |= self._tables.versions(one)
            self._tables.fill(self._connection, MESSAGES, one, self._scratch)
            twice = _ON_TWO_DAYS.format(here=in_partition(one))
            done = self._connection.execute(REMOVE_DOUBLES.format(same="row_key", twice=twice, overlap="")).fetchall()
            self.removed_doubles |= bool(done[0][0])

    def _lock(self, one: Partition) -> None:
        if one.key not in self._held:
            # Waiting only in the order of the keys, to prevent deadlocks.
            wait_seconds = None if one.key > max(self._held) else 0
            self._locks.enter_context(self._tables.store.exclusive_lock(one.key, wait_seconds))
            self._held.add(one.key)
            self._tables.store.settle()

    def check_again(self) -> None:
        """Check that no other process has added rows of this window to the adjacent days that did not join."""
        for one, seen in self._seen.items():
            path = self._tables.path(MESSAGES, one)
            if one not in self.joined and self._tables.store.version(path) != seen:
                self._read_keys(one)
                if (one.day,) in self._found("day", MESSAGES):
                    self._tables.expect_versions({path: seen})

    def _read_keys(self, one: Partition) -> str | None:
        version = self._tables.store.version(self._tables.path(MESSAGES, one))
        self._note(self._keys_touching(one), one.day)
        return version

    def _keys_touching(self, one: Partition) -> Iterator[pa.RecordBatch]:
        for batch in self._tables.read(MESSAGES, one, self._scratch, ["row_key", "window_start", "window_end"]):
            touching = pc.and_(
                pc.greater_equal(batch.column("window_end"), pa.scalar(self._window.start, _TIME)),
                pc.less_equal(batch.column("window_start"), pa.scalar(self._window.end, _TIME)),
            )
            keys = pc.filter(batch.column("row_key"), touching)
            yield pa.RecordBatch.from_arrays([keys], names=["row_key"])
