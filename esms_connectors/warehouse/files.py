"""
Parquet, CSV or JSONL files on a local disk or any file system that fsspec knows: `s3://bucket/prefix?format=csv`.

One partition per Vietnamese day and message type:

    <root>/esms_sent_messages/day=2026-11-01/type=25/messages.parquet
    <root>/esms_status_history/day=2026-11-01/type=25/history.parquet
    <root>/esms_loads/day=2026-11-01/type=25/loads.parquet
    <root>/esms_outcomes/<run key, as in a URL>.parquet, and snapshots likewise by their time

Guarantees:

- Readers never see a partial file; each is written aside and moved into place complete.
- The three files of a load are committed together (see `file_store`). A reader during the moves may see the new history
  before the new messages, and these before the new load line, never the reverse. If the writer dies there, the next
  call completes the moves, so nothing is duplicated or lost.
- On a local disk loads take turns across processes (on Windows: within one process). On an object store they do so only
  within one process, so only one process at a time may load a partition. A process that finds its partition changed
  meanwhile raises a retryable `WarehouseError`. The store must support copying.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.chunks import chunks_of
from esms_connectors.warehouse.contract import (
    HISTORY,
    LOADS,
    MESSAGES,
    MergeCounts,
    Person,
    Warehouse,
    WarehouseError,
    WindowLoad,
)
from esms_connectors.warehouse.errors import refusals
from esms_connectors.warehouse.file_formats import FORMATS, read_file, read_rows, write_file
from esms_connectors.warehouse.file_store import FileStore, Transaction
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_database import insert, literal, merge_database, schema_of, select
from esms_connectors.warehouse.merging import (
    DuckDbSession,
    merge_rows,
    note_counted,
    note_planned,
    number_after,
    other_privacy,
    read_load,
)

if TYPE_CHECKING:
    import duckdb

_FILE_NAMES = {MESSAGES: "messages", HISTORY: "history", LOADS: "loads"}
_SETTINGS = "_esms_warehouse.json"
_AT_ONCE = 8
_LONGEST_NAME = 180  # of 255 bytes; the rest is for the suffix of an incomplete file
_LOADS_IN_ORDER = f"FROM {LOADS} ORDER BY window_start, window_end"
_TIME = pa.timestamp("us", tz="UTC")

_Result = TypeVar("_Result")


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
                f"Files are kept by day of Vietnam, and {window} goes over a midnight: cut it there.", field="window"
            )
        return partition

    def neighbours(self, window: SentWindow) -> list[Partition]:
        """Adjacent days whose windows may have brought rows of this one, because both cover the boundary second."""
        start, end = self.bounds
        days = [-1] * (window.start <= start) + [1] * (window.end >= end)
        return [Partition(self.sms_type, self.day + timedelta(days=step)) for step in days]


class FilesWarehouse(Warehouse):
    """
    Args:
        url: a folder or an fsspec URL, with `?format=` parquet, csv or jsonl; by default the format already in the
            folder, else Parquet.
        storage_options: for the fsspec implementation; keys are better kept in its own configuration.
        wait_seconds: how long a load waits for another one of the same day and type.

    Raises:
        ConfigurationError: the URL cannot be used, or an extra is missing.
    """

    def __init__(
        self, url: str, *, storage_options: Mapping[str, Any] | None = None, wait_seconds: float = 600
    ) -> None:
        address, _, query = url.partition("?")
        given = dict(parse_qsl(query, keep_blank_values=True))
        self._asked = given.pop("format", None)
        if given or self._asked not in (None, *FORMATS):
            raise ConfigurationError(f"The address of a folder takes ?format={'|'.join(FORMATS)} and nothing else.")
        self._store = FileStore(address, storage_options or {}, wait_seconds, settings_file=_SETTINGS)
        self.name = self._store.name
        self._kind: str | None = None
        self._privacy: str | None = None

    # --- the contract ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._store.create_root()
        self._store.sweep()
        self._kind = None
        self._settle_settings()

    def loads(self) -> Iterator[WindowLoad]:
        self._settle_settings()
        self._store.settle()
        with scratch_folder() as scratch:

            def lines_of(partition: Partition) -> list[WindowLoad]:
                batches = self._read(LOADS, partition, scratch)
                lines = [read_load(tuple(row.values())) for batch in batches for row in batch.to_pylist()]
                return sorted(lines, key=lambda load: load.window)

            for lines in self._each(lines_of, sorted(self._partitions(LOADS))):
                yield from lines

    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        pending = _by_partition(windows)
        self._settle_settings(privacy)
        number = self._next_number(planned_at)
        self._change_loads(
            pending,
            lambda session, some: note_planned(session, some, number=number, planned_at=planned_at, privacy=privacy),
        )
        return number

    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        self._settle_settings()
        self._change_loads(_by_partition(windows), lambda session, some: note_counted(session, some, counted_at))

    def _change_loads(
        self,
        windows: Mapping[Partition, Sequence[SentWindow]],
        change: Callable[[DuckDbSession, Sequence[SentWindow]], None],
    ) -> None:
        """Change the load lines of windows, partition by partition."""
        with scratch_folder() as scratch:

            def change_day(partition: Partition) -> None:
                path = self._path(LOADS, partition)
                with self._store.exclusive_lock(partition.key), merge_database(scratch) as connection:
                    self._store.settle()
                    version = self._store.version(path)
                    self._fill(connection, LOADS, partition, scratch)
                    with contextlib.closing(DuckDbSession(connection)) as session:
                        change(session, windows[partition])
                    written = scratch / f"{partition.key}-loads"
                    self._write(LOADS, written, select(connection, _LOADS_IN_ORDER))
                    self._expect_versions({path: version})
                    self._store.put(path, written.read_bytes())

            for _ in self._each(change_day, sorted(windows)):
                pass

    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        partition = Partition.of(load.window)
        neighbours = partition.neighbours(load.window)
        self._settle_settings(load.privacy)
        keys = [one.key for one in (partition, *neighbours)]
        with self._store.exclusive_locks(keys), scratch_folder() as scratch, merge_database(scratch) as connection:
            self._store.settle()
            versions = self._versions(partition)
            self._fill(connection, MESSAGES, partition, scratch)
            self._fill(connection, LOADS, partition, scratch)
            edge = _BoundaryRows(self, connection, neighbours, load.window, scratch)
            counts = merge_rows(connection, load, edge.watch(rows), loaded_at=datetime.now(UTC))
            with self._store.transaction(partition.key, scratch) as files:
                for one in (partition, *edge.joined):
                    self._write_history(connection, one, files, scratch)
                if counts.inserted or counts.changed or counts.regressed:
                    for one in (partition, *edge.joined):
                        # In order of arrival, by time: sorting by key would double the time and the memory.
                        kept = f"FROM {MESSAGES} WHERE {_in_partition(one)}"
                        self._write(MESSAGES, files.replace(self._path(MESSAGES, one)), select(connection, kept))
                self._write(LOADS, files.replace(self._path(LOADS, partition)), select(connection, _LOADS_IN_ORDER))
                edge.check_again()
                self._expect_versions({**versions, **edge.versions})
                files.commit()
            return counts

    def erase(self, person: Person) -> dict[str, int]:
        self._settle_settings()
        self._store.sweep()
        removed = {MESSAGES: 0, HISTORY: 0}
        with scratch_folder() as scratch:
            for partition in sorted(self._partitions(MESSAGES)):
                with self._store.exclusive_lock(partition.key):
                    self._store.settle()
                    for table, count in self._erase_day(partition, person, scratch).items():
                        removed[table] += count
        return removed

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._store.create_root()
        self._settle_settings()
        path = f"{table.name}/{_file_name(group)}.{self._kind}"
        with self._store.exclusive_lock(table.name), scratch_folder() as scratch:
            written = scratch / "group"
            with refusals(self.name, "cannot be written to"):
                write_file(str(self._kind), written, table.schema, table.columns(rows).to_batches())
            self._store.put(path, written.read_bytes())

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        self._settle_settings()
        with scratch_folder() as scratch, refusals(f"{table.name} in {self.name}", "cannot be read; is it damaged?"):
            paths = [path for path in self._store.find(table.name) if path.endswith(f".{self._kind}")]
            files = [file for path in paths if (file := self._store.fetch(path, scratch))]
            return [row for file in files for row in read_rows(str(self._kind), file, table.schema)]

    def close(self) -> None:
        """Nothing to release."""

    # --- settings ----------------------------------------------------------------------------------------------------

    def _settle_settings(self, privacy: str | None = None) -> None:
        """Record the file format and the form of phones on first use; later check them."""
        if self._kind is not None and privacy in (None, self._privacy):
            return
        with self._store.exclusive_lock("settings"):
            settings = self._read_settings()
            kept = settings.get("privacy")
            if None not in (privacy, kept) and privacy != kept:
                raise other_privacy(str(kept), str(privacy))
            wanted = {**settings, "version": 1, "privacy": kept or privacy}
            if settings != wanted:
                self._store.put(_SETTINGS, json.dumps(wanted).encode())
            self._kind, self._privacy = str(wanted["format"]), kept or privacy

    def _next_number(self, planned_at: datetime) -> int:
        """The number of a new load, stored for the next one."""
        with self._store.exclusive_lock("settings"):
            settings = self._read_settings()
            number = number_after(settings.get("load_number"), planned_at)
            self._store.put(_SETTINGS, json.dumps({**settings, "load_number": number}).encode())
        return number

    def _read_settings(self) -> dict[str, Any]:
        content = self._store.read(_SETTINGS)
        if content is None:
            for table in _FILE_NAMES:
                if self._store.find(table):
                    raise ConfigurationError(
                        f"{self.name} has a folder {table} but no {_SETTINGS}: use another folder, or restore the file."
                    )
            return {"format": self._asked or FORMATS[0]}
        settings: dict[str, Any] = {}
        with contextlib.suppress(ValueError, TypeError):
            settings = dict(json.loads(content))
        kept = settings.get("format")
        if kept not in FORMATS or settings.get("version") != 1:
            raise ConfigurationError(f"{_SETTINGS} in {self.name} is damaged or of a newer version.")
        if self._asked not in (None, kept):
            raise ConfigurationError(
                f"{self.name} keeps its rows as {kept}, not as {self._asked}: give ?format={kept}, or another folder."
            )
        return settings

    # --- partitions --------------------------------------------------------------------------------------------------

    def _path(self, table: str, partition: Partition) -> str:
        return f"{table}/day={partition.day}/type={partition.sms_type}/{_FILE_NAMES[table]}.{self._kind}"

    def _versions(self, partition: Partition) -> dict[str, str | None]:
        return {path: self._store.version(path) for path in (self._path(table, partition) for table in _FILE_NAMES)}

    def _expect_versions(self, versions: Mapping[str, str | None]) -> None:
        if any(self._store.version(path) != version for path, version in versions.items()):
            raise WarehouseError(
                f"Another process changed the same day in {self.name} meanwhile; what was being written is not in it.",
                retryable=True,
            )

    def _partitions(self, table: str) -> set[Partition]:
        """The partitions that have a file of `table`."""
        found = set()
        for path in self._store.find(table):
            _, day, sms_type, *_ = [*path.split("/"), "", ""]
            with contextlib.suppress(ValueError):
                found.add(Partition(int(sms_type.removeprefix("type=")), date.fromisoformat(day.removeprefix("day="))))
        return found

    def _read(
        self, table: str, partition: Partition, scratch: Path, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        path = self._path(table, partition)
        found = self._store.fetch(path, scratch)
        if found is None:
            return
        with refusals(f"{path} in {self.name}", "cannot be read; is it damaged?"):
            yield from read_file(str(self._kind), found, schema_of(table), columns)
        if not self._store.is_local:
            found.unlink(missing_ok=True)

    def _fill(self, connection: duckdb.DuckDBPyConnection, table: str, partition: Partition, scratch: Path) -> None:
        insert(connection, table, self._read(table, partition, scratch))

    def _write(self, table: str, into: Path, batches: Iterable[pa.RecordBatch]) -> int:
        with refusals(self.name, "cannot be written to"):
            return write_file(str(self._kind), into, schema_of(table), batches)

    def _write_history(
        self, connection: duckdb.DuckDBPyConnection, one: Partition, files: Transaction, scratch: Path
    ) -> None:
        """Write the old lines followed by the new ones. Without new ones the file is not rewritten."""
        new = f"FROM {HISTORY} WHERE row_key IN (SELECT row_key FROM {MESSAGES} WHERE {_in_partition(one)})"
        if connection.execute(f"SELECT 1 {new} LIMIT 1").fetchall():
            lines = chain(self._read(HISTORY, one, scratch), select(connection, f"{new} ORDER BY row_key"))
            self._write(HISTORY, files.replace(self._path(HISTORY, one)), lines)

    def _erase_day(self, partition: Partition, person: Person, scratch: Path) -> dict[str, int]:
        versions = self._versions(partition)
        keys = pa.array(self._keys_of(partition, person, scratch), pa.string())
        removed: dict[str, int] = {}
        if not len(keys):
            return removed
        with self._store.transaction(partition.key, scratch) as files:
            for table in (HISTORY, MESSAGES):
                found = sum(
                    pc.sum(pc.is_in(batch.column("row_key"), keys)).as_py()
                    for batch in self._read(table, partition, scratch, columns=["row_key"])
                )
                if found:
                    others = (
                        batch.filter(pc.invert(pc.is_in(batch.column("row_key"), keys)))
                        for batch in self._read(table, partition, scratch)
                    )
                    self._write(table, files.replace(self._path(table, partition)), others)
                    removed[table] = found
            self._expect_versions(versions)
            files.commit()
        return removed

    def _keys_of(self, partition: Partition, person: Person, scratch: Path) -> list[str]:
        keys: list[str] = []
        for batch in self._read(MESSAGES, partition, scratch, columns=["row_key", "message_id", "phone"]):
            if person.stored_phone is not None:
                theirs = pc.equal(batch.column("phone"), person.stored_phone)
                keys += pc.filter(batch.column("row_key"), theirs).to_pylist()
            else:
                pairs = zip(batch.column("row_key").to_pylist(), batch.column("message_id").to_pylist(), strict=True)
                keys += [key for key, message_id in pairs if person.has_key(key, message_id)]
        return keys

    # --- several partitions ------------------------------------------------------------------------------------------

    def _each(self, work: Callable[[Partition], _Result], partitions: Sequence[Partition]) -> Iterator[_Result]:
        """The results in order; on an object store computed in parallel, because each waits for the network."""
        if self._store.is_local:
            yield from map(work, partitions)
            return
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="esms-files") as pool:
            yield from pool.map(work, partitions)


def _file_name(run_key: str) -> str:
    """A file name for a run key, which may be long and contain any character."""
    name = quote(run_key, safe="")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:100]}-{hashlib.blake2b(run_key.encode(), digest_size=8).hexdigest()}"


class _BoundaryRows:
    """
    The second that a window shares with the previous or next day.

    A row that the other day already holds is merged there, for which that whole day joins the merge. This is rare, so
    at first only the keys of those days are read.

    Attributes:
        joined: the days that joined the merge.
        versions: the versions of their files.
    """

    def __init__(
        self,
        files: FilesWarehouse,
        connection: duckdb.DuckDBPyConnection,
        neighbours: Sequence[Partition],
        window: SentWindow,
        scratch: Path,
    ) -> None:
        self._files, self._connection, self._scratch = files, connection, scratch
        self._neighbours, self._window = neighbours, window
        self._seen: dict[Partition, str | None] = {}
        self.joined: list[Partition] = []
        self.versions: dict[str, str | None] = {}
        connection.execute("CREATE TABLE esms_edge (row_key text, day date)")

    def watch(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the rows on, each once its stored version is in the tables."""
        for one in self._neighbours:
            self._seen[one] = self._read_keys(one)
        if not self._connection.execute("SELECT 1 FROM esms_edge LIMIT 1").fetchall():
            yield from rows
            return
        for chunk in chunks_of(rows):
            self._connection.register("esms_passing", chunk)
            shared = self._days_sharing("esms_passing")
            self._connection.unregister("esms_passing")
            for one in self._neighbours:
                if one.day in shared and one not in self.joined:
                    self.joined.append(one)
                    self.versions |= self._files._versions(one)
                    self._files._fill(self._connection, MESSAGES, one, self._scratch)
            yield from chunk.to_batches()

    def check_again(self) -> None:
        """Check that no other process has added rows of this window to the days that did not join."""
        for one in self._neighbours:
            path = self._files._path(MESSAGES, one)
            if one not in self.joined and self._files._store.version(path) != self._seen[one]:
                self._read_keys(one)
                if one.day in self._days_sharing(MESSAGES):
                    self._files._expect_versions({path: self._seen[one]})

    def _read_keys(self, one: Partition) -> str | None:
        version = self._files._store.version(self._files._path(MESSAGES, one))
        insert(self._connection, "esms_edge", self._keys_touching(one))
        return version

    def _keys_touching(self, one: Partition) -> Iterator[pa.RecordBatch]:
        for batch in self._files._read(MESSAGES, one, self._scratch, ["row_key", "window_start", "window_end"]):
            touching = pc.and_(
                pc.greater_equal(batch.column("window_end"), pa.scalar(self._window.start, _TIME)),
                pc.less_equal(batch.column("window_start"), pa.scalar(self._window.end, _TIME)),
            )
            keys = pc.filter(batch.column("row_key"), touching)
            days = pa.array([one.day] * len(keys), pa.date32())
            yield pa.RecordBatch.from_arrays([keys, days], names=["row_key", "day"])

    def _days_sharing(self, table: str) -> set[date]:
        found = self._connection.execute(
            f"SELECT DISTINCT day FROM esms_edge WHERE row_key IN (SELECT row_key FROM {table})"
        ).fetchall()
        return {day for (day,) in found}


def _by_partition(windows: Iterable[SentWindow]) -> dict[Partition, list[SentWindow]]:
    found: dict[Partition, list[SentWindow]] = {}
    for window in windows:
        found.setdefault(Partition.of(window), []).append(window)
    return found


def _in_partition(one: Partition) -> str:
    start, end = one.bounds
    return f"window_start >= {literal(start)} AND window_start < {literal(end)}"
