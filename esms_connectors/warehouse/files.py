"""
Parquet, CSV or JSONL files on a local disk or any file system that fsspec knows: `s3://bucket/prefix?format=csv`.

One partition per Vietnamese day and message type:

    <root>/esms_sent_messages/day=2026-11-01/type=25/messages.parquet
    <root>/esms_status_history/day=2026-11-01/type=25/history.parquet
    <root>/esms_loads/day=2026-11-01/type=25/loads.parquet
    <root>/esms_outcomes/<run key, as in a URL>.parquet, and snapshots likewise by their time
    <root>/_esms_adrift/type=25/day=2026-11-01.parquet   hashes of keys, to find rows that are listed under several days

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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import (
    HISTORY,
    LOADS,
    MESSAGES,
    MergeCounts,
    Person,
    Warehouse,
    WindowLoad,
)
from esms_connectors.warehouse.duckdb_session import DuckDbSession, merge_rows
from esms_connectors.warehouse.errors import refusals
from esms_connectors.warehouse.file_days import OtherDays
from esms_connectors.warehouse.file_formats import FORMATS, read_rows
from esms_connectors.warehouse.file_store import FileStore
from esms_connectors.warehouse.file_tables import FILE_NAMES, FileTables, Partition
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_database import merge_database, merge_databases, schema_of, select
from esms_connectors.warehouse.merging import note_counted, note_planned, number_after, other_privacy, read_load

_SETTINGS = "_esms_warehouse.json"
_AT_ONCE = 8
_LONGEST_NAME = 180  # of 255 bytes; the rest is for the suffix of an incomplete file
_LOADS_IN_ORDER = f"FROM {LOADS} ORDER BY window_start, window_end"

_Result = TypeVar("_Result")


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
        self._tables = FileTables(self._store)
        self._privacy: str | None = None
        self._lines_read: dict[Partition, tuple[object, list[WindowLoad]]] = {}

    # --- the contract ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._store.create_root()
        self._store.sweep()
        self._tables.kind = None
        self._settle_settings()

    def loads(self) -> Iterator[WindowLoad]:
        self._settle_settings()
        self._store.settle()
        partitions = self._tables.partitions(LOADS)
        with scratch_folder() as scratch:

            def lines_of(partition: Partition) -> list[WindowLoad]:
                # A folder has a file for each type and day, and a pull asks for all of them several times.
                fingerprint, lines = self._lines_read.get(partition, (None, []))
                if fingerprint is None or fingerprint != partitions[partition]:
                    batches = self._tables.read(LOADS, partition, scratch)
                    lines = [read_load(tuple(row.values())) for batch in batches for row in batch.to_pylist()]
                    lines.sort(key=lambda load: load.window)
                    self._lines_read[partition] = (partitions[partition], lines)
                return lines

            for lines in self._each(lines_of, sorted(partitions)):
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
        with scratch_folder() as scratch, merge_databases(scratch) as lend:

            def change_day(partition: Partition) -> None:
                path = self._tables.path(LOADS, partition)
                with self._store.exclusive_lock(partition.key), lend() as connection:
                    self._store.settle()
                    version = self._store.version(path)
                    self._tables.fill(connection, LOADS, partition, scratch)
                    with contextlib.closing(DuckDbSession(connection)) as session:
                        change(session, windows[partition])
                    written = scratch / f"{partition.key}-loads"
                    self._tables.write_aside(written, schema_of(LOADS), select(connection, _LOADS_IN_ORDER))
                    self._tables.expect_versions({path: version})
                    self._store.put(path, written.read_bytes())

            for _ in self._each(change_day, sorted(windows)):
                pass

    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        partition = Partition.of(load.window)
        self._settle_settings(load.privacy)
        keys = [one.key for one in (partition, *partition.neighbours(load.window))]
        tables = self._tables
        with (
            self._store.exclusive_locks(keys) as locks,
            scratch_folder() as scratch,
            merge_database(scratch) as connection,
        ):
            self._store.settle()
            versions = tables.versions(partition)
            tables.fill(connection, MESSAGES, partition, scratch)
            tables.fill(connection, LOADS, partition, scratch)
            others = OtherDays(tables, connection, load.window, scratch, locks)
            counts = merge_rows(connection, load, others.watch(rows))
            with self._store.transaction(partition.key, scratch) as files:
                days = (partition, *others.joined)
                for one in days:
                    tables.add_history(connection, one, files, scratch)
                if counts.inserted or counts.changed or counts.regressed or others.removed_doubles:
                    for one in days:
                        tables.write_messages(connection, one, files)
                tables.write(LOADS, partition, files, select(connection, _LOADS_IN_ORDER))
                others.check_again()
                tables.expect_versions({**versions, **others.versions})
                files.commit()
            return counts

    def erase(self, person: Person) -> dict[str, int]:
        self._settle_settings()
        self._store.sweep()
        removed = {MESSAGES: 0, HISTORY: 0}
        with scratch_folder() as scratch:
            for partition in sorted(self._tables.partitions(MESSAGES)):
                with self._store.exclusive_lock(partition.key):
                    self._store.settle()
                    for table, count in self._erase_day(partition, person, scratch).items():
                        removed[table] += count
        return removed

    def count_by_window(self) -> Iterator[tuple[Any, ...]]:
        self._settle_settings()
        with scratch_folder() as scratch:

            def counts_of(partition: Partition) -> Counter[tuple[Any, Any]]:
                rows: Counter[tuple[Any, Any]] = Counter()
                for batch in self._tables.read(MESSAGES, partition, scratch, columns=["window_start", "window_end"]):
                    windows = pa.Table.from_batches([batch]).group_by(batch.schema.names)
                    counted = windows.aggregate([([], "count_all")]).to_pydict().values()
                    rows.update({(start, end): count for start, end, count in zip(*counted, strict=True)})
                return rows

            partitions = sorted(self._tables.partitions(MESSAGES))
            for partition, rows in zip(partitions, self._each(counts_of, partitions), strict=True):
                yield from ((partition.sms_type, *window, count) for window, count in rows.items())

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._store.create_root()
        self._settle_settings()
        path = f"{table.name}/{_file_name(group)}.{self._tables.kind}"
        with self._store.exclusive_lock(table.name), scratch_folder() as scratch:
            written = scratch / "group"
            self._tables.write_aside(written, table.schema, table.columns(rows).to_batches())
            self._store.put(path, written.read_bytes())

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        self._settle_settings()
        with scratch_folder() as scratch, refusals(f"{table.name} in {self.name}", "cannot be read; is it damaged?"):
            paths = [path for path in self._store.find(table.name) if path.endswith(f".{self._tables.kind}")]
            files = [file for path in paths if (file := self._store.fetch(path, scratch))]
            return [row for file in files for row in read_rows(str(self._tables.kind), file, table.schema)]

    def close(self) -> None:
        """Nothing to release."""

    def stored_format(self) -> str:
        """
        The format of the files.

        Raises:
            ConfigurationError: the address names another one.
        """
        return str(self._read_settings()["format"])

    # --- settings ----------------------------------------------------------------------------------------------------

    def _settle_settings(self, privacy: str | None = None) -> None:
        """Record the file format and the form of phones on first use; later check them."""
        if self._tables.kind is not None and privacy in (None, self._privacy):
            return
        with self._store.exclusive_lock("settings"):
            settings = self._read_settings()
            kept = settings.get("privacy")
            if None not in (privacy, kept) and privacy != kept:
                raise other_privacy(str(kept), str(privacy))
            wanted = {**settings, "version": 1, "privacy": kept or privacy}
            if settings != wanted:
                self._store.put(_SETTINGS, json.dumps(wanted).encode())
            self._tables.kind, self._privacy = str(wanted["format"]), kept or privacy

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
            for table in FILE_NAMES:
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
            raise ConfigurationError(f"{_SETTINGS} in {self.name} is damaged or was written by a newer version.")
        if self._asked not in (None, kept):
            raise ConfigurationError(
                f"{self.name} stores its rows as {kept}, not as {self._asked}: give ?format={kept}, or another folder."
            )
        return settings

    # --- erasing -----------------------------------------------------------------------------------------------------

    def _erase_day(self, partition: Partition, person: Person, scratch: Path) -> dict[str, int]:
        versions = self._tables.versions(partition)
        keys = pa.array(self._keys_of(partition, person, scratch), pa.string())
        removed: dict[str, int] = {}
        if not len(keys):
            return removed
        with self._store.transaction(partition.key, scratch) as files:
            for table in (HISTORY, MESSAGES):
                found = sum(
                    pc.sum(pc.is_in(batch.column("row_key"), keys)).as_py()
                    for batch in self._tables.read(table, partition, scratch, columns=["row_key"])
                )
                if found:
                    others = (
                        batch.filter(pc.invert(pc.is_in(batch.column("row_key"), keys)))
                        for batch in self._tables.read(table, partition, scratch)
                    )
                    self._tables.write(table, partition, files, others)
                    removed[table] = found
            self._tables.forget_movable(partition, keys.to_pylist(), files, scratch)
            self._tables.expect_versions(versions)
            files.commit()
        return removed

    def _keys_of(self, partition: Partition, person: Person, scratch: Path) -> list[str]:
        keys: list[str] = []
        for batch in self._tables.read(MESSAGES, partition, scratch, columns=["row_key", "message_id", "phone"]):
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


def _by_partition(windows: Iterable[SentWindow]) -> dict[Partition, list[SentWindow]]:
    found: dict[Partition, list[SentWindow]] = {}
    for window in windows:
        found.setdefault(Partition.of(window), []).append(window)
    return found
