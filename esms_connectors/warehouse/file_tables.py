"""The partitions of a folder of files: one for each Vietnamese day and message type, with a file for each table."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, WarehouseError
from esms_connectors.warehouse.errors import refusals
from esms_connectors.warehouse.file_formats import read_file, write_file
from esms_connectors.warehouse.file_store import FileStore, Transaction
from esms_connectors.warehouse.merge_database import insert, literal, schema_of, select
from esms_connectors.warehouse.moved_rows import HASH, HASHES, MOVABLE

if TYPE_CHECKING:
    import duckdb

FILE_NAMES = {MESSAGES: "messages", HISTORY: "history", LOADS: "loads"}
# Beside the tables, where readers of these do not look.
_MOVABLE = "_esms_adrift"


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A Vietnamese day and a message type."""

    sms_type: int
    day: date

    @property
    def key(self) -> str:
        return f"day={self.day}_type={self.sms_type}"

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The midnights that begin and end the day, UTC."""
        start, end = (
            datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(VIETNAM)).astimezone(UTC)
            for day in (self.day, self.day + timedelta(days=1))
        )
        return start, end

    @classmethod
    def of(cls, window: SentWindow) -> Partition:
        """
        Raises:
            InvalidRequestError: the window crosses midnight in Vietnam.
        """
        partition = cls(window.sms_type, window.start.astimezone(ZoneInfo(VIETNAM)).date())
        if window.end > partition.bounds[1]:
            raise InvalidRequestError(
                f"Files are stored by Vietnamese day, and {window} crosses midnight: split it there.", field="window"
            )
        return partition

    def neighbours(self, window: SentWindow) -> list[Partition]:
        """Adjacent days whose windows may have brought rows of this one, because both cover the boundary second."""
        start, end = self.bounds
        days = [-1] * (window.start <= start) + [1] * (window.end >= end)
        return [Partition(self.sms_type, self.day + timedelta(days=step)) for step in days]


def in_partition(one: Partition) -> str:
    """SQL: whether a row belongs to the day."""
    start, end = one.bounds
    return f"window_start >= {literal(start)} AND window_start < {literal(end)}"


class FileTables:
    """
    Attributes:
        kind: the file format, once it is known.
    """

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.kind: str | None = None

    def path(self, table: str, partition: Partition) -> str:
        return f"{table}/day={partition.day}/type={partition.sms_type}/{FILE_NAMES[table]}.{self.kind}"

    def versions(self, partition: Partition) -> dict[str, str | None]:
        return {path: self.store.version(path) for path in (self.path(table, partition) for table in FILE_NAMES)}

    def expect_versions(self, versions: Mapping[str, str | None]) -> None:
        """
        Raises:
            WarehouseError: another process has changed one of the files.
        """
        if any(self.store.version(path) != version for path, version in versions.items()):
            raise WarehouseError(
                f"Another process changed the same day in {self.store.name} meanwhile; nothing of this load "
                "was stored.",
                retryable=True,
            )

    def partitions(self, table: str) -> dict[Partition, object]:
        """The partitions that have a file of `table`, each with what changes when its file does; None if unknown."""
        found: dict[Partition, object] = {}
        for path, about in self.store.find(table).items():
            _, day, sms_type, *_ = [*path.split("/"), "", ""]
            with contextlib.suppress(ValueError):
                partition = Partition(int(sms_type.removeprefix("type=")), date.fromisoformat(day.removeprefix("day=")))
                found[partition] = self.store.fingerprint(about)
        return found

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(
        self, table: str, partition: Partition, scratch: Path, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        return self._read(self.path(table, partition), schema_of(table), scratch, columns)

    def fill(self, connection: duckdb.DuckDBPyConnection, table: str, partition: Partition, scratch: Path) -> None:
        insert(connection, table, self.read(table, partition, scratch))

    def movable(self, partition: Partition, scratch: Path) -> Iterator[pa.RecordBatch]:
        """Hashes of the keys of rows that may be listed under another day, see `moved_rows.MOVABLE`."""
        return self._read(self._movable_path(partition), HASHES, scratch)

    def movable_days(self, sms_type: int) -> list[date]:
        """The days that have such rows."""
        names = [
            path.rpartition("/day=")[2].partition(".")[0] for path in self.store.find(f"{_MOVABLE}/type={sms_type}")
        ]
        return [date.fromisoformat(name) for name in names]

    def _read(
        self, path: str, schema: pa.Schema, scratch: Path, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        found = self.store.fetch(path, scratch)
        if found is None:
            return
        with refusals(f"{path} in {self.store.name}", "cannot be read; is it damaged?"):
            yield from read_file(str(self.kind), found, schema, columns)
        if not self.store.is_local:
            found.unlink(missing_ok=True)

    def _movable_path(self, partition: Partition) -> str:
        return f"{_MOVABLE}/type={partition.sms_type}/day={partition.day}.{self.kind}"

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, table: str, partition: Partition, files: Transaction, batches: Iterable[pa.RecordBatch]) -> None:
        self.write_aside(files.replace(self.path(table, partition)), schema_of(table), batches)

    def write_messages(self, connection: duckdb.DuckDBPyConnection, one: Partition, files: Transaction) -> None:
        """Write the day's rows in the merge database."""
        # In order of arrival, by time: sorting by key would double the time and the memory.
        where = in_partition(one)
        self.write(MESSAGES, one, files, select(connection, f"FROM {MESSAGES} WHERE {where}"))
        movable = f"FROM {MESSAGES} AS stored WHERE {where} AND {MOVABLE}"
        is_there = one.day in self.movable_days(one.sms_type)
        if is_there or connection.execute(f"SELECT 1 {movable} LIMIT 1").fetchall():
            hashes = select(connection, f"SELECT {HASH.format('row_key')} AS key_hash {movable}")
            self.write_aside(files.replace(self._movable_path(one)), HASHES, hashes)

    def add_history(
        self, connection: duckdb.DuckDBPyConnection, one: Partition, files: Transaction, scratch: Path
    ) -> None:
        """Write the old lines followed by the new ones. Without new ones the file is not rewritten."""
        new = f"FROM {HISTORY} WHERE row_key IN (SELECT row_key FROM {MESSAGES} WHERE {in_partition(one)})"
        if connection.execute(f"SELECT 1 {new} LIMIT 1").fetchall():
            lines = chain(self.read(HISTORY, one, scratch), select(connection, f"{new} ORDER BY row_key"))
            self.write(HISTORY, one, files, lines)

    def forget_movable(self, partition: Partition, keys: Sequence[str], files: Transaction, scratch: Path) -> None:
        """Remove keys that are erased."""
        if partition.day in self.movable_days(partition.sms_type):
            erased = pa.array([hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()[:16] for key in keys])
            others = (
                batch.filter(pc.invert(pc.is_in(batch.column(0), erased))) for batch in self.movable(partition, scratch)
            )
            self.write_aside(files.replace(self._movable_path(partition)), HASHES, others)

    def write_aside(self, into: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write rows to a local file that is moved into place later."""
        with refusals(self.store.name, "cannot be written to"):
            write_file(str(self.kind), into, schema, batches)
