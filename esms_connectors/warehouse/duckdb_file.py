"""
A DuckDB file. It is open only during a call, so that users can query it between the windows of a running pull, and
several pulls can take turns.

A merge is one DuckDB transaction: after a crash the file has its previous state, and the next open cleans up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.gateway.paths import kind_at
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.contract import MergeCounts, Person, Reader, Warehouse, WarehouseError, WindowLoad
from esms_connectors.warehouse.duckdb_session import SETTLE_IN, DuckDbSession, create_tables, has_tables, merge_rows
from esms_connectors.warehouse.errors import interrupts, name_is_free
from esms_connectors.warehouse.file_store import sync
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_sql import READ_LOADS
from esms_connectors.warehouse.merging import note_counted, plan_windows, read_load, utc
from esms_connectors.warehouse.retention import erase_person, forget_rows

WAIT_SECONDS = 60.0
MEMORY_LIMIT = "192MB"
MERGE_MEMORY = "48MB"  # a merge processes the rows in chunks; more memory does not make it faster

logger = get_logger(__name__)

_T = TypeVar("_T")

_locks: dict[Path, threading.RLock] = {}
_locks_guard = threading.Lock()

# DuckDB's messages for a file that is open elsewhere; it has no error codes. Tests check them against DuckDB itself.
_HELD_ELSEWHERE = ("Could not set lock on file", "being used by another process")
_HELD_HERE = ("same database file with a different configuration", "Unique file handle conflict")


class DuckDbWarehouse(Warehouse):
    """
    Safe to share between threads; they take turns.

    Args:
        path: the file; it and its folder are created on first use.
        wait_seconds: how long to wait for another process, reader or writer, to close the file.
        memory_limit: DuckDB's limit; the excess is spilled to disk beside the file. The default, 192 MB and 48 MB for
            a merge, suffices for windows and reports of millions of rows.
    """

    def __init__(
        self, path: str | Path, *, wait_seconds: float = WAIT_SECONDS, memory_limit: str | None = None
    ) -> None:
        if not str(path) or str(path).startswith(":memory:"):
            raise ConfigurationError("The warehouse must outlive the process: give a file, not an in-memory database.")
        self._path = Path(path).expanduser().absolute()
        self.name = str(self._path)
        self._wait_seconds = wait_seconds
        self._memory_limit, self._merge_memory = memory_limit or MEMORY_LIMIT, memory_limit or MERGE_MEMORY
        self._held: duckdb.DuckDBPyConnection | None = None
        with _locks_guard:
            self._lock = _locks.setdefault(self._path.resolve(), threading.RLock())

    def __repr__(self) -> str:
        return f"DuckDbWarehouse({getattr(self, 'name', '?')!r})"

    def prepare(self) -> None:
        self._in_transaction(lambda connection: None)

    def loads(self) -> Iterator[WindowLoad]:
        # One line per window is small enough to hold, and the file need not stay open while the caller iterates.
        lines = self._in_transaction(lambda connection: pa.table(connection.sql(READ_LOADS)))
        for batch in lines.to_batches(1000):
            for line in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield read_load(line)

    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        return self._in_session(lambda session: plan_windows(session, windows, planned_at=planned_at, privacy=privacy))

    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        self._in_session(lambda session: note_counted(session, windows, counted_at))

    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        return self._in_transaction(lambda connection: merge_rows(connection, load, rows), memory=self._merge_memory)

    def erase(self, person: Person) -> dict[str, int]:
        return self._in_session(lambda session: erase_person(session, person), rewritten=True)

    def forget(self, before: datetime, runs: Sequence[str] = ()) -> dict[str, int]:
        return self._in_session(lambda session: forget_rows(session, utc(before), runs), rewritten=True)

    def create_views(self, views: Mapping[str, str], tables: Sequence[GroupedTable] = ()) -> None:
        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for table in tables:
                connection.execute(table.create)
            for name, query in views.items():
                with name_is_free(self.name, name, duckdb.CatalogException):
                    connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")

        self._in_transaction(work)

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        def work(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute(table.create)
            connection.execute(table.delete_group("?"), [group])
            if rows:
                connection.executemany(table.insert("?"), [list(row) for row in rows])

        self._in_transaction(work)

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        def work(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
            session = DuckDbSession(connection)
            is_there = list(session.read("SELECT 1 FROM duckdb_tables() WHERE table_name = $name", name=table.name))
            return list(session.read(table.select)) if is_there else []

        return self._in_transaction(work)

    def ask(self, work: Callable[[Reader], _T]) -> _T:
        if kind_at(self._path) != "file":
            raise ConfigurationError(f"There is no file {self.name}: pull into it first, or give another path.")
        failure: EsmsError
        with self._lock:
            connection = self._connect(read_only=True)
            try:
                with interrupts():
                    connection.execute(SETTLE_IN)
                    if has_tables(connection):
                        connection.begin()
                        return work(DuckDbSession(connection))
                failure = ConfigurationError(f"Nothing was ever loaded into {self.name}: is the path correct?")
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                failure = self._not_read(error)
            finally:
                connection.close()
        raise failure

    def close(self) -> None:
        """Nothing to release: the file is not open between calls."""

    def _in_session(self, work: Callable[[DuckDbSession], _T], *, rewritten: bool = False) -> _T:
        def in_connection(connection: duckdb.DuckDBPyConnection) -> _T:
            with contextlib.closing(DuckDbSession(connection)) as session:
                return work(session)

        return self._in_transaction(in_connection, rewritten=rewritten)

    @contextlib.contextmanager
    def held(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """See `Warehouse.held`; yields the connection that all calls inside use."""
        with self._lock:
            if self._held is not None:
                yield self._held
                return
            try:
                self._held = self._connect()
                yield self._held
            finally:
                self._release()

    def _release(self) -> None:
        connection, self._held = self._held, None
        if connection is not None:
            self._disconnect(connection)

    def _in_transaction(
        self, work: Callable[[duckdb.DuckDBPyConnection], _T], *, rewritten: bool = False, memory: str = ""
    ) -> _T:
        """
        Run `work` in a transaction, on a file that has our tables; `rewritten` also removes deleted rows from the disk.
        """
        failure: EsmsError
        memory = memory or self._memory_limit
        with self.held() as connection:
            try:
                with interrupts():
                    # Not set on opening: a process cannot open one file twice with different limits.
                    connection.execute(f"{SETTLE_IN}; SET memory_limit = '{memory}'")
                    if not has_tables(connection):
                        create_tables(connection)
                    connection.begin()
                    result = work(connection)
                    connection.commit()
                    if rewritten:
                        self._rewrite(connection)
                        self._release()  # the connection is to the file that was replaced
                    return result
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                # An error while a result is streamed is raised as Arrow's, with DuckDB's message in it.
                failure = self._explained(error, memory)
            finally:
                # After a commit there is nothing to roll back, which is an error.
                with contextlib.suppress(duckdb.Error):
                    connection.rollback()
        raise failure

    def _connect(self, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        if not read_only:
            self._check_place()
            self._create()
        deadline = time.monotonic() + self._wait_seconds
        pause = 0.02
        told = False
        while True:
            before = self._inode()
            try:
                connection = duckdb.connect(
                    str(self._path),
                    read_only=read_only,
                    config={
                        "temp_directory": str(self._spill_folder),
                        "memory_limit": self._memory_limit,
                        # Each thread needs its own memory and does not speed up a merge. Read-only queries use all.
                        **({} if read_only else {"threads": "1"}),
                        # The order of rows does not matter, and preserving it costs memory.
                        "preserve_insertion_order": "false",
                        # Everything needed is built in; never download extensions.
                        "autoinstall_known_extensions": "false",
                        "autoload_known_extensions": "false",
                    },
                )
                if self._inode() == before:
                    if not read_only:
                        self._guard_files()
                    return connection
                # An erasure has just replaced the file.
                connection.close()
                continue
            except duckdb.Error as error:
                words = str(error)
            held_here = any(phrase in words for phrase in _HELD_HERE)
            if not held_here and not any(phrase in words for phrase in _HELD_ELSEWHERE):
                raise self._not_opened(words)
            if time.monotonic() >= deadline:
                by = "this process, through another connection" if held_here else "another process"
                raise WarehouseError(
                    f"{self.name} was open in {by} for {self._wait_seconds:.0f} seconds: "
                    "close it there, then load again.",
                    retryable=True,
                )
            if not told:
                logger.warning("%s is open elsewhere; waiting up to %.0f seconds.", self.name, self._wait_seconds)
                told = True
            # Jitter, so that waiting processes do not stay in step.
            time.sleep(min(pause * random.uniform(0.5, 1.0), max(deadline - time.monotonic(), 0.001)))
            pause = min(pause * 1.5, 0.5)

    def _inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError:
            return 0

    @property
    def _spill_folder(self) -> Path:
        return self._path.with_name(f"{self._path.name}.tmp")

    def _guard_files(self) -> None:
        """
        Give DuckDB's files beside the database its permissions, because they hold rows as well. No other process has
        the file open now, so existing ones were left by a process that was killed.
        """
        mode = self._path.stat().st_mode & 0o666
        shutil.rmtree(self._spill_folder, ignore_errors=True)
        for left in self._path.parent.glob(f".esms-rewrite-{self._path.name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._spill_folder.mkdir(mode=0o700)
        log = self._path.with_name(f"{self._path.name}.wal")
        with contextlib.suppress(OSError):
            log.touch(mode=mode)
            log.chmod(mode)

    def _disconnect(self, connection: duckdb.DuckDBPyConnection) -> None:
        # Committed changes are in the file or its WAL, even if closing fails.
        with contextlib.suppress(duckdb.Error):
            connection.close()
        with contextlib.suppress(OSError):
            self._spill_folder.rmdir()

    def _rewrite(self, connection: duckdb.DuckDBPyConnection) -> None:
        """
        Replace the file by a copy while we still hold it: only then are deleted rows gone from the disk.
        """
        aside = tempfile.mkdtemp(prefix=f".esms-rewrite-{self._path.name}-", dir=self._path.parent)
        try:
            fresh = Path(aside, "new.duckdb")
            (name,) = connection.execute("SELECT current_database()").fetchall()[0]
            quoted = '"' + str(name).replace('"', '""') + '"'
            connection.execute("ATTACH '" + str(fresh).replace("'", "''") + "' AS esms_fresh")
            connection.execute(f"COPY FROM DATABASE {quoted} TO esms_fresh")
            connection.execute("DETACH esms_fresh")
            fresh.chmod(self._path.stat().st_mode & 0o777)
            sync(fresh)
            # The old WAL must be gone first: DuckDB would apply it to the new file.
            connection.execute("CHECKPOINT")
            os.replace(fresh, self._path)
            sync(self._path.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _create(self) -> None:
        """
        Create the file, readable by its owner only, unless it exists. It is built aside and moved into place complete.

        A file truncated by a full disk would not be a valid database for later loads.
        """
        if kind_at(self._path) != "nothing":
            return
        failure: EsmsError | None = None
        aside = ""
        try:
            aside = tempfile.mkdtemp(prefix=".esms-", dir=self._path.parent)
            made = Path(aside, "new.duckdb")
            with interrupts(), duckdb.connect(str(made), config={"threads": "1"}) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                create_tables(connection)
            made.chmod(0o600)
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(made, self._path)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            is_full = any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EFBIG))
            is_opening = isinstance(error, duckdb.IOException) and not is_full
            failure = self._not_opened(str(error)) if is_opening else self._explained(error, self._memory_limit)
        finally:
            if aside:
                shutil.rmtree(aside, ignore_errors=True)
        if failure is not None:
            raise failure

    def _check_place(self) -> None:
        if kind_at(self._path) == "folder":
            raise ConfigurationError(f"{self.name} is a folder: a DuckDB warehouse is a file.")
        refused = ""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refused = os.strerror(error.errno or errno.EIO)
        if refused:
            raise ConfigurationError(f"The folder {self._path.parent} cannot be created ({refused}).")
        for place in (self._path, self._path.parent):
            if place.exists() and not os.access(place, os.R_OK | os.W_OK):
                raise ConfigurationError(f"{place} may not be written to by this user.")

    def _not_opened(self, words: str) -> EsmsError:
        """`words`: DuckDB's message on opening, which may contain the path but never a row."""
        if "storage version" in words or "version number" in words:
            return ConfigurationError(
                f"{self.name} was created by a newer DuckDB than {duckdb.__version__}, installed here: upgrade it."
            )
        if "not a valid DuckDB database file" in words or "sqlite_scanner" in words:
            return ConfigurationError(f"{self.name} is not a DuckDB file: give another path, or move it away.")
        if os.strerror(errno.ENOSPC) in words:
            return WarehouseError(f"The disk of {self.name} is full: free some space, then load again.", retryable=True)
        said = words.strip().splitlines()[0] if words.strip() else "no reason given"
        return WarehouseError(f"{self.name} cannot be opened: {said}")

    def _explained(self, error: Exception, memory: str) -> EsmsError:
        """Map an error without DuckDB's message, which may quote a row."""
        words = str(error)
        if os.strerror(errno.ENOSPC) in words or os.strerror(errno.EFBIG) in words:
            return WarehouseError(
                f"The disk of {self.name} is full: nothing was stored. Free some space, then load again.",
                retryable=True,
            )
        if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in words:
            return WarehouseError(
                f"{self.name}: {memory} of memory is not enough: nothing was stored. Load shorter windows, or set a "
                "higher memory_limit.",
            )
        # An interruption while rows were handed over, such as the timeout of a task, may not occur again.
        passing = "object registered as" in words
        return WarehouseError(
            f"{self.name}: DuckDB refused ({type(error).__name__}): nothing was stored.", retryable=passing
        )

    def _not_read(self, error: Exception) -> EsmsError:
        if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in str(error):
            return WarehouseError(
                f"{self.name}: {self._memory_limit} of memory is not enough for this query: ask for a shorter period, "
                "or set a higher memory_limit."
            )
        return WarehouseError(f"{self.name}: DuckDB refused to answer ({type(error).__name__}).")
