"""
SQLAlchemy engines with the settings that the ledger needs, whatever the defaults of the database or a pooler are.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from esms_connectors.databases.postgresql import (
    connection_settings,
    libpq_settings,
    sqlalchemy_driver,
    transaction_settings,
)
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.ledger.addresses import check_is_ledger, check_journal_is_kept, plain_path, read_only
from esms_connectors.ledger.database import LedgerMovedError

# Locks are held for milliseconds: a wait of a minute means that another worker hangs.
_LOCK_SECONDS, _STATEMENT_SECONDS = 60, 600
_WRITES = transaction_settings(
    lock_seconds=_LOCK_SECONDS, statement_seconds=_STATEMENT_SECONDS, idle_seconds=_LOCK_SECONDS, durable=True
)
# No limit on idle transactions: rows are streamed while the caller does slow work.
_READS = transaction_settings(lock_seconds=_LOCK_SECONDS, statement_seconds=_STATEMENT_SECONDS)
READING = "esms_reading"
_PREPARED = "esms_prepared"
_READ_ONLY = "esms_read_only"

# Pools inherited by a fork, kept referenced: closing them here would end sessions that the parent process uses.
_OF_ANOTHER_PROCESS: list[Pool] = []


def engine_for(url: str | Path | None, *, create: bool = True) -> Engine:
    """
    An engine with the settings that the ledger needs: commits survive a power failure, writers wait for each other.

    Args:
        create: False for an existing file, which is opened read-only if it cannot be written.

    Raises:
        ConfigurationError: the URL cannot be used.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise ConfigurationError("The ledger must outlive the process: give a file, not an in-memory database.")
        return _of_file(parsed, Path(parsed.database).expanduser(), create=create)
    try:
        return sa.create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            future=True,
            hide_parameters=True,
            connect_args=_SETTINGS.get(parsed.get_driver_name(), _no_settings)(parsed.query),
        )
    except ImportError:
        raise _no_driver() from None
    except (ArgumentError, NoSuchModuleError):
        if parsed.drivername == "postgresql+psycopg":
            raise _no_driver() from None
        raise ConfigurationError("The ledger's URL cannot be used: give sqlite:///file or postgresql://…") from None


def _of_file(url: URL, path: Path, *, create: bool) -> Engine:
    url, file = url.set(database=str(path)), path.absolute()
    # Makes SQLAlchemy 1.4 behave like 2; and otherwise errors would contain phones.
    settings: dict[str, Any] = {"future": True, "hide_parameters": True}
    if not (create or (os.access(file, os.W_OK) and os.access(file.resolve().parent, os.W_OK))):
        # Reopened for each transaction, because the mode depends on whether another process is writing.
        engine = sa.create_engine(url, poolclass=NullPool, creator=partial(_only_read, file), **settings)
        return engine.execution_options(**{_READ_ONLY: True})
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only the owner may read it, because it contains phones.
        file.touch(mode=0o600)
    except OSError as error:
        problem = (
            f"The ledger {file} cannot be written"
            if os.path.isdir(file.parent)
            else f"The ledger's folder {file.parent} cannot be created"
        )
        raise ConfigurationError(f"{problem} ({error.strerror}).") from None
    check_journal_is_kept(file)
    # SQLAlchemy 1.4 would reopen the file for each transaction, with a checkpoint each time.
    how = {"timeout": _LOCK_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, poolclass=QueuePool, connect_args=how, **settings)
    check = partial(_check_same_file, file, os.stat(file))
    # Before connecting, which would create a file that has been removed, and before each transaction.
    event.listen(engine, "do_connect", check)
    event.listen(engine, "connect", partial(_set_up_sqlite, path))
    event.listen(engine, "checkout", check)
    _watch_journal(engine, f"{os.path.realpath(file)}-wal")
    return engine


def _check_same_file(file: str | Path, opened: os.stat_result, *_: object) -> None:
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(file), opened):
            return
    raise LedgerMovedError(
        f"The ledger {file} was removed, moved or replaced while it was in use. What is sent now could not be "
        "recorded, so nothing more is. Put the same file back before you run anything again; if it is lost, `esms "
        "pull` shows what was sent."
    )


def _watch_journal(engine: Engine, journal: str) -> None:
    """
    Check before each use that the journal is still the one that was opened: what was committed since the last
    checkpoint is only there. It exists as long as a connection has it open.
    """
    opened: dict[tuple[int, int], os.stat_result] = {}  # by process and connection; a fork has none of its parent's

    def check(*_: object) -> None:
        own = [status for (process, _), status in list(opened.items()) if process == os.getpid()]
        if own:
            _check_same_file(journal, own[0])

    def note(_connection: object, record: object, _proxy: object) -> None:
        check()
        if (key := (os.getpid(), id(record))) not in opened:
            with contextlib.suppress(OSError):  # not there before the first table
                opened[key] = os.stat(journal)

    def forget(_connection: object, record: object) -> None:
        # A check that fails closes its connection. What it found is kept, or the next connection would not be refused.
        key = (os.getpid(), id(record))
        with contextlib.suppress(OSError):
            if key in opened and os.path.samestat(os.stat(journal), opened[key]):
                del opened[key]

    event.listen(engine, "do_connect", check)
    event.listen(engine, "checkout", note)
    event.listen(engine, "handle_error", check)  # SQLite calls a journal that went away an I/O error
    event.listen(engine, "close", forget)


def _only_read(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(read_only(file), uri=True, timeout=_LOCK_SECONDS, check_same_thread=False)


def is_read_only(engine: Engine) -> bool:
    """Whether the ledger is a file that cannot be written."""
    return bool(engine.get_execution_options().get(_READ_ONLY))


def _no_settings(_given: object) -> dict[str, object]:
    return {}


_SETTINGS = {"psycopg": connection_settings, "psycopg2": libpq_settings}


def _no_driver() -> ConfigurationError:
    if sa.__version__.startswith("1."):
        return ConfigurationError(
            f"A ledger in PostgreSQL needs psycopg2 with SQLAlchemy {sa.__version__}: pip install psycopg2-binary"
        )
    return ConfigurationError(
        "A ledger in PostgreSQL needs the extra [ledger-postgres]: pip install 'esms-connectors[ledger-postgres]'"
    )


def parse_url(url: str | Path | None) -> URL:
    path = plain_path(url)
    if path is not None:
        return URL.create("sqlite", database=path)
    try:
        parsed = make_url(str(url))
    except (ArgumentError, ValueError):
        raise ConfigurationError("The ledger's URL cannot be read: give sqlite:///file or postgresql://…") from None
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername=sqlalchemy_driver())
    return parsed


def _set_up_sqlite(path: Path, connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    _write_ahead(path, cursor)
    # A claim must survive a power failure before its request is sent.
    cursor.execute("PRAGMA synchronous = FULL")
    # Deleted or overwritten rows must leave no personal data in the free space of pages.
    cursor.execute("PRAGMA secure_delete = ON")
    # Checkpoints are expensive: one every 64 MB instead of every 4.
    cursor.execute("PRAGMA wal_autocheckpoint = 16384")
    cursor.close()


def _write_ahead(path: Path, cursor: Any) -> None:
    """Switch the file to WAL mode, which is persistent; concurrent workers on a new ledger retry until it works."""
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            names = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            check_is_ledger(path, names)
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite ignores its busy timeout for this statement.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def for_ledger(engine: Engine) -> Engine:
    """The same engine, possibly the caller's own, with the connections and transactions that the ledger needs."""
    if engine.dialect.name != "postgresql" or engine.get_execution_options().get(_PREPARED):
        return engine
    # With a stricter level, a worker that waited for another's lock would fail with a serialization error.
    prepared = engine.execution_options(isolation_level="READ COMMITTED", **{_PREPARED: True})
    event.listen(prepared, "connect", _set_up_postgresql)
    event.listen(prepared, "begin", _begin_postgresql)
    return prepared


def forget_connections(engine: Engine) -> None:
    """Drop the connections in a forked process, because they belong to the parent."""
    _OF_ANOTHER_PROCESS.append(engine.pool)
    engine.dispose(close=False)


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    # A pooler may run the next transaction in a session that has not prepared the statement.
    if hasattr(connection, "prepare_threshold"):
        connection.prepare_threshold = None


def _begin_postgresql(connection: Connection) -> None:
    limits = _READS if connection.get_execution_options().get(READING) else _WRITES
    # Executed without streaming, even if the transaction's queries are streamed.
    connection.exec_driver_sql(limits, execution_options={"yield_per": None})
