"""
PostgreSQL. Rows are copied into a temporary table by COPY, a chunk at a time, and merged from there; a window is one
transaction, and loads take turns by an advisory lock.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import unquote

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from esms_connectors.databases.postgresql import (
    PASSING_STATES,
    connection_settings,
    is_passing,
    transaction_settings,
)
from esms_connectors.databases.urls import HINT, check_database_url
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.gateway.forks import register_for_forks
from esms_connectors.warehouse.contract import (
    HISTORY,
    LOADS,
    MESSAGES,
    Reader,
    WarehouseError,
    WindowLoad,
)
from esms_connectors.warehouse.errors import name_is_free
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_sql import (
    CHUNK,
    READ_LOADS,
    VERDICT,
    Staged,
    find_missing_tables,
    table_statements,
)
from esms_connectors.warehouse.merging import read_load
from esms_connectors.warehouse.transactional import TransactionalWarehouse

FETCH_ROWS = COPY_ROWS = 5_000

# Connections inherited by a forked process: closing them there would terminate the sessions of the parent process.
_OF_ANOTHER_PROCESS: list[psycopg.Connection] = []

_T = TypeVar("_T")

_CONSTRAINTS = {
    MESSAGES: ", PRIMARY KEY (row_key)",
    LOADS: ", PRIMARY KEY (sms_type, window_start, window_end)",
}
_INDICES = (
    f"CREATE INDEX esms_sent_messages_window ON {MESSAGES} (window_start)",
    f"CREATE INDEX esms_sent_messages_sent ON {MESSAGES} (sent_at)",
    f"CREATE INDEX esms_status_history_row ON {HISTORY} (row_key)",
)

_FIND_COLUMNS = """
SELECT class.relname::text, attribute.attname::text, format_type(attribute.atttypid, attribute.atttypmod)
FROM pg_class AS class JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
WHERE class.relnamespace = to_regnamespace(quote_ident(current_schema())) AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND class.relname = ANY($names) AND attribute.attnum > 0 AND NOT attribute.attisdropped
"""

# Loads take turns, and a load of many windows may take long.
_LIMITS = transaction_settings(lock_seconds=1800, statement_seconds=3600, idle_seconds=600)

# Set in each transaction, because a pooler may assign another session to each; times are staged without a zone.
_SETTLE_IN = """
SELECT set_config('TimeZone', 'UTC', true),
    set_config('search_path', coalesce(%s, current_setting('search_path')), true)
"""

# The index that ON CONFLICT requires; a table that was partitioned, or restored without its key, lacks it.
_FIND_KEY = """
SELECT 1 FROM pg_index AS found JOIN pg_attribute AS attribute
    ON attribute.attrelid = found.indrelid AND attribute.attnum = found.indkey[0]
WHERE found.indrelid = to_regclass(%s) AND attribute.attname = 'row_key' AND found.indnkeyatts = 1
    AND found.indisunique AND found.indimmediate AND found.indisvalid AND found.indpred IS NULL
"""

# One lock per schema: every writer of our tables takes it first, so none waits while holding row locks.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(409731, hashtext(current_schema()))"

# With outdated statistics the planner expects few rows, materializes them and compares each staged row with all.
_NO_COPIES = "SET LOCAL enable_material = off"


class PostgresWarehouse(TransactionalWarehouse):
    """
    Safe to share between threads.

    Args:
        url: `postgresql://user:password@host:port/database`, with any libpq option; `schema=name` is the schema of the
            tables, by default the first one of the search path. The password and other settings may also come from
            libpq's own sources (`PGPASSWORD`, `~/.pgpass`).
    """

    def __init__(self, url: str) -> None:
        self._settings, self._schema = settings_of(url)
        place = ",".join(str(self._settings.get(name) or "") for name in ("host", "dbname")).strip(",")
        self.name = "postgresql://" + place.replace(",", "/") + (f"?schema={self._schema}" if self._schema else "")
        self._idle: list[psycopg.Connection] = []
        self._guard = threading.Lock()
        register_for_forks(self)

    def after_fork(self) -> None:
        """In a forked process: open new connections, because the existing ones belong to the parent."""
        _OF_ANOTHER_PROCESS.extend(self._idle)
        self._idle, self._guard = [], threading.Lock()

    def __repr__(self) -> str:
        return f"PostgresWarehouse({getattr(self, 'name', '?')!r})"

    def prepare(self) -> None:
        def work(session: _PostgresSession) -> None:
            if not find_missing_tables(session.read(_FIND_COLUMNS, names=[MESSAGES, HISTORY, LOADS])):
                return
            for statement in (*table_statements(_CONSTRAINTS), *_INDICES):
                session.change(statement)

        self._in_transaction(work)

    def loads(self) -> Iterator[WindowLoad]:
        connection = self._take()
        failure: EsmsError | None = None
        try:
            with connection.transaction():
                self._settle_in(connection)
                with closing(_PostgresSession(connection).read(READ_LOADS)) as lines:
                    for line in lines:
                        yield read_load(line)
        except psycopg.Error as error:
            failure = self._explained(error, connection)
        finally:
            self._give_back(connection)
        if failure is not None:
            raise failure

    def create_views(self, views: Mapping[str, str], tables: Sequence[GroupedTable] = ()) -> None:
        # Replaced rather than dropped, so that grants are kept.
        def work(session: _PostgresSession) -> None:
            for table in tables:
                session.change(table.create)
            for name, query in views.items():
                with name_is_free(
                    self.name, name, psycopg.errors.WrongObjectType, psycopg.errors.InvalidTableDefinition
                ):
                    session.change(f"CREATE OR REPLACE VIEW {name} AS {query}")

        self._in_transaction(work)

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._in_transaction(lambda session: session.put_group(table, group, rows))

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        def work(session: _PostgresSession) -> list[tuple[Any, ...]]:
            is_there = list(session.read(_FIND_COLUMNS, names=[table.name]))
            return list(session.read(table.select)) if is_there else []

        return self._in_transaction(work)

    def ask(self, work: Callable[[Reader], _T]) -> _T:
        connection = self._take()
        failure: EsmsError
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                self._settle_in(connection)
                session = _PostgresSession(connection)
                if not find_missing_tables(session.read(_FIND_COLUMNS, names=[MESSAGES, HISTORY, LOADS])):
                    return work(session)
            failure = ConfigurationError(f"Nothing was ever loaded into {self.name}: is the address correct?")
        except psycopg.Error as error:
            failure = self._not_read(error, connection)
        finally:
            self._give_back(connection)
        raise failure

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _in_transaction(self, work: Callable[[_PostgresSession], _T]) -> _T:
        connection = self._take()
        failure: EsmsError
        try:
            with connection.transaction():
                self._settle_in(connection)
                connection.execute(_TAKE_TURNS)
                connection.execute(_NO_COPIES)
                return work(_PostgresSession(connection))
        except psycopg.Error as error:
            failure = self._explained(error, connection)
        finally:
            self._give_back(connection)
        raise failure

    def _settle_in(self, connection: psycopg.Connection) -> None:
        connection.execute(_LIMITS.encode())
        connection.execute(_SETTLE_IN, [identifier(self._schema) if self._schema else None])

    # --- connections -------------------------------------------------------------------------------------------------
    #
    # Not `psycopg_pool`: it connects in threads, which do not survive a fork, and reports the reason of a refused
    # connection only in its log, after a timeout.

    def _take(self) -> psycopg.Connection:
        while True:
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            # An idle connection may have been cut off meanwhile; then open a new one.
            with contextlib.suppress(psycopg.Error), _closed_unless_done(connection):
                connection.execute("SELECT 1")
                return connection

    def _give_back(self, connection: psycopg.Connection) -> None:
        if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.close()
            return
        with self._guard:
            self._idle.append(connection)

    def _connect(self) -> psycopg.Connection:
        failure: EsmsError
        try:
            connection = psycopg.connect(autocommit=True, **self._settings)
            with _closed_unless_done(connection):
                # The server's default may be stricter; a load would then not see what the previous one has committed.
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                if self._schema:
                    found = connection.execute("SELECT to_regnamespace(%s)", [identifier(self._schema)]).fetchone()
                else:
                    found = connection.execute("SELECT current_schema()").fetchone()
                if found is not None and found[0] is not None:
                    return connection
                raise ConfigurationError(
                    f"{self.name}: the schema does not exist: create it, or name another with ?schema=…."
                )
        except psycopg.Error as error:
            failure = self._not_connected(error)
        raise failure

    def _not_connected(self, error: psycopg.Error) -> EsmsError:
        words = str(error).strip().splitlines()
        said = words[0].strip() if words else type(error).__name__
        password = self._settings.get("password")
        if password and str(password) in said:
            said = type(error).__name__
        if not is_passing(error.sqlstate, said):
            return ConfigurationError(f"{self.name} cannot be used: {said}")
        return WarehouseError(f"{self.name} cannot be reached: {said}", retryable=True)

    def _explained(self, error: psycopg.Error, connection: psycopg.Connection) -> EsmsError:
        """Map an error without PostgreSQL's message, which may quote a row."""
        kind, state = type(error).__name__, error.sqlstate or ""
        if connection.closed or state.startswith(("08", "57P")):
            return WarehouseError(
                f"{self.name}: the connection was lost: nothing was stored. Load again.", retryable=True
            )
        if state == "42501":
            return ConfigurationError(
                f"{self.name}: this user may not create or change the tables (InsufficientPrivilege): grant the "
                "privileges."
            )
        if state == "42P01":
            return ConfigurationError(f"{self.name}: the tables do not exist: prepare() creates them.")
        if state == "25006":
            return ConfigurationError(f"{self.name} is read-only: use the primary server.")
        passing = state.startswith(PASSING_STATES)
        return WarehouseError(f"{self.name}: PostgreSQL refused ({kind}): nothing was stored.", retryable=passing)

    def _not_read(self, error: psycopg.Error, connection: psycopg.Connection) -> EsmsError:
        state = error.sqlstate or ""
        if connection.closed or state.startswith(("08", "57P")):
            return WarehouseError(f"{self.name}: the connection was lost: try again.", retryable=True)
        if state == "42501":
            return ConfigurationError(f"{self.name}: this user may not read the tables: grant it SELECT on them.")
        return WarehouseError(
            f"{self.name}: PostgreSQL refused to answer ({type(error).__name__}).",
            retryable=state.startswith(PASSING_STATES),
        )


@contextlib.contextmanager
def _closed_unless_done(connection: psycopg.Connection) -> Iterator[None]:
    """Close the connection on any error, including Ctrl-C, so that none leaks."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


class _PostgresSession:
    """The transaction of a connection."""

    prunes_by_window = False
    chunk_rows = 25_000

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._tables: set[str] = set()

    @property
    def has_key(self) -> bool:
        return self._connection.execute(_FIND_KEY, [MESSAGES]).fetchone() is not None

    def change(self, statement: str, **parameters: object) -> int:
        return self._connection.execute(*_named(statement, parameters)).rowcount

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._connection.execute(table.create.encode())
        self._connection.execute(table.delete_group("%s").encode(), [group])
        with self._connection.cursor() as cursor:
            cursor.executemany(table.insert("%s").encode(), rows)

    def read(self, statement: str, **parameters: object) -> Generator[tuple[Any, ...], None, None]:
        # Not psycopg's server cursor, which warns about not being closed if Ctrl-C arrives before its `with`.
        text, values = _named(statement, parameters)
        self._connection.execute(b"DECLARE esms_read NO SCROLL CURSOR FOR " + text, values)
        try:
            while rows := self._connection.execute(f"FETCH {FETCH_ROWS} FROM esms_read".encode()).fetchall():
                yield from rows
        finally:
            if self._connection.info.transaction_status == TransactionStatus.INTRANS:
                self._connection.execute(b"CLOSE esms_read")

    def stage(self, table: Staged, rows: pa.Table) -> int:
        self._empty(table)
        if table is CHUNK:
            rows = rows.sort_by("row_key")  # in index order, so that lookups and inserts are local
        cursor = self._connection.cursor()
        with cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT csv)".encode()) as copy:
            for batch in rows.to_batches(COPY_ROWS):
                copy.write(_as_csv(batch))
        return cursor.rowcount

    def keep(self, table: Staged, query: str, **parameters: object) -> int:
        self._empty(table)
        # Force a lookup by key for each staged row. Without statistics for the new temporary table, the planner would
        # scan all stored rows instead, once per chunk.
        methods = ("hashjoin", "mergejoin") if self.has_key else ()
        for method in methods:
            self.change(f"SET LOCAL enable_{method} = off")
        kept = self.change(f"INSERT INTO {table.name} {query}", **parameters)
        for method in methods:
            self.change(f"SET LOCAL enable_{method} = on")
        return kept

    def _empty(self, table: Staged) -> None:
        # TRUNCATE in the transaction that created the table frees its space immediately.
        if table.name in self._tables:
            self.change(f"TRUNCATE {table.name}")
        else:
            self.change(f"CREATE TEMPORARY TABLE {table.name} ({table.columns}) ON COMMIT DROP")
            # With outdated statistics (autovacuum after a rollback) the planner expects few stored rows and searches
            # the staged table for each: with this index it need not scan it.
            if table in (CHUNK, VERDICT):
                self.change(f"CREATE INDEX ON {table.name} (row_key)")
            self._tables.add(table.name)


_CSV = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")


def _as_csv(batch: pa.RecordBatch) -> memoryview:
    """
    Columns -> CSV for COPY, without a Python object per row.

    Every value is quoted and NULL is not, which is how COPY distinguishes NULL from the empty string. Times are written
    without their zone, which is UTC like the session's: formatting the zone would take longer than everything else.
    """
    columns = [
        column.cast(pa.timestamp(column.type.unit)) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    out = pa.BufferOutputStream()
    pyarrow.csv.write_csv(batch, out, _CSV)
    return memoryview(out.getvalue())


def _named(statement: str, parameters: Mapping[str, object]) -> tuple[bytes, dict[str, object]]:
    """Translate `$name` parameters of the shared statements to psycopg's style."""
    names = re.findall(r"\$(\w+)", statement)
    text = re.sub(r"\$(\w+)", r"%(\1)s", statement.replace("%", "%%"))
    return text.encode(), {name: parameters[name] for name in names}


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def settings_of(url: str) -> tuple[dict[str, Any], str | None]:
    """
    Settings of libpq, and the schema.

    Raises:
        ConfigurationError: not a URL of PostgreSQL. The message omits it: it may hold a password.
    """
    what = "The warehouse's URL"
    check_database_url(url, what)
    place, _, query = url.partition("://")[2].partition("?")
    # Parsed by hand: libpq takes `+` literally, Python's URL functions decode it.
    options = [option.partition("=") for option in query.split("&") if option]
    kept = "&".join("".join(option) for option in options if option[0] != "schema")
    schema = next((unquote(value) for name, _, value in options if name == "schema"), "")
    settings: dict[str, Any] | None = None
    try:
        settings = dict(conninfo_to_dict(f"postgresql://{place}" + (f"?{kept}" if kept else "")))
        # libpq's message would quote an invalid port, which may be the end of a password.
        for port in str(settings.get("port") or "5432").split(","):
            int(port or "5432")
    except (ValueError, psycopg.Error):
        settings = None
    if settings is None:
        raise ConfigurationError(f"{what} cannot be read: {HINT}.")
    settings.setdefault("application_name", "esms-connectors")
    settings |= connection_settings(settings)
    settings["client_encoding"] = "UTF8"
    return settings, schema or None
