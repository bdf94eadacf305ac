"""
MySQL 8.0.17 and later, and MariaDB. Rows are inserted into a temporary table, a chunk at a time, and merged from there;
a window is one transaction, and loads take turns by a server lock.

The statements are the shared ones of `merge_sql`, translated by `mysql_sql`. MySQL has no time type with a zone, so
times are stored in UTC without one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa
import pymysql
import sqlalchemy as sa
from pymysql.constants import CLIENT, ER, FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from esms_connectors.databases.urls import HINT, check_database_url
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.warehouse.contract import (
    BY_WINDOW,
    COLUMNS,
    MESSAGES,
    WarehouseError,
    WindowLoad,
)
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_sql import CHUNK, READ_LOADS, TYPES, VERDICT, Staged, find_missing_tables
from esms_connectors.warehouse.merging import read_load, utc
from esms_connectors.warehouse.mysql_sql import (
    KEY_LENGTH,
    as_values,
    columns_as_mysql,
    in_mysql,
    tables_in_mysql,
    type_as_shared,
)
from esms_connectors.warehouse.transactional import TransactionalWarehouse

_CONNECT_SECONDS = 30
# Loads take turns, and a load of many windows may take long.
_LOCK_SECONDS = 1800

# A load sees the rows just committed by the previous one, and reads without locking.
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

# `wait_timeout` is long because rows come from the gateway, which may be slow. Strict mode: values are never truncated.
_SETTLE_IN = f"""
SET SESSION time_zone = '+00:00', SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
    SESSION innodb_lock_wait_timeout = {_LOCK_SECONDS}, SESSION wait_timeout = 3600, SESSION net_write_timeout = 600
"""

# Binary collations that compare trailing spaces; the first is MySQL's, the second MariaDB's.
_COLLATION = """
SELECT collation_name FROM information_schema.collations
WHERE collation_name IN ('utf8mb4_0900_bin', 'utf8mb4_nopad_bin') ORDER BY 1 LIMIT 1
"""

_FIND_COLUMNS = """
SELECT table_name, column_name, column_type FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name IN %(names)s
"""

_FIND_KEY = """
SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %(name)s AND non_unique = 0
GROUP BY index_name HAVING count(*) = 1 AND max(column_name) = 'row_key'
"""

_SET_UP = {
    ER.DBACCESS_DENIED_ERROR: "this user has no access to the database: grant it",
    ER.ACCESS_DENIED_ERROR: "user or password is refused",
    ER.BAD_DB_ERROR: "the database does not exist: create it",
    ER.NO_DB_ERROR: "the address names no database",
    ER.TABLEACCESS_DENIED_ERROR: "this user may not create, change or read the tables: grant the privileges",
    ER.SPECIFIC_ACCESS_DENIED_ERROR: "this user may not create, change or read the tables: grant the privileges",
    ER.NO_SUCH_TABLE: "the tables do not exist: prepare() creates them",
    ER.OPTION_PREVENTS_STATEMENT: "it is read-only: use the primary server",
    ER.UNKNOWN_SYSTEM_VARIABLE: "it is too old: MySQL 8.0.17 or MariaDB 10.3 is needed",
}
_LOST = {0, 2006, 2013, 2055, ER.SERVER_SHUTDOWN, 1927}
# Deadlocks, locks, full disks, too many connections: all of them are temporary.
_PASSING = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.CON_COUNT_ERROR, 1203, 3024}

_T = TypeVar("_T")


class MySqlWarehouse(TransactionalWarehouse):
    """
    Safe to share between threads: each call opens its own connection.

    Args:
        url: `mysql://user:password@host:port/database`, or `mariadb://…`, with options of SQLAlchemy's PyMySQL dialect
            (`ssl_ca`, `unix_socket`). `read_default_file=/home/etl/.my.cnf` reads user and password from that file.
    """

    def __init__(self, url: str) -> None:
        self._settings = _parse(url)
        place = self._settings.get("host") or self._settings.get("unix_socket") or "localhost"
        self.name = f"mysql://{place}/{self._settings['database']}"

    def __repr__(self) -> str:
        return f"MySqlWarehouse({getattr(self, 'name', '?')!r})"

    def prepare(self) -> None:
        with self._connected(turns=True) as connection:
            session = _MySqlSession(connection)
            found = list(session.columns())
            there = {table for table, _, _ in found}
            missing = [(table, *one) for table in TYPES if table not in there for one in TYPES[table].items()]
            # MySQL commits each CREATE immediately: if the creation was interrupted, the tables are still empty.
            if missing and not any(session.has_rows(table) for table in there):
                wanted = [(table, column, kind.removesuffix(" NOT NULL")) for table, column, kind in missing]
                find_missing_tables([*found, *wanted])
                with connection.cursor() as cursor:
                    for statement in tables_in_mysql(session.collation()):
                        cursor.execute(statement)
                found = list(session.columns())
            find_missing_tables(found)

    def loads(self) -> Iterator[WindowLoad]:
        with self._connected() as connection:
            lines = list(_MySqlSession(connection).read(READ_LOADS))
        yield from map(read_load, lines)

    def count_by_window(self) -> Iterable[tuple[Any, ...]]:
        with self._connected() as connection:
            return list(_MySqlSession(connection).read(BY_WINDOW))

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._connected(turns=True) as connection, connection.cursor() as cursor:
            columns = columns_as_mysql(table.types.items(), _MySqlSession(connection).collation())
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table.name} {columns}")  # first, because it commits
            connection.begin()
            cursor.execute(table.delete_group("%s"), [group])
            cursor.executemany(table.insert("%s"), [[_plain(value) for value in row] for row in rows])
            connection.commit()

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        with self._connected() as connection:
            session = _MySqlSession(connection)
            return list(session.read(table.select)) if list(session.columns([table.name])) else []

    def close(self) -> None:
        """Nothing to release: no connection is kept between calls."""

    def _in_transaction(self, work: Callable[[_MySqlSession], _T]) -> _T:
        with self._connected(turns=True) as connection:
            connection.begin()
            result = work(_MySqlSession(connection))
            connection.commit()
            return result

    @contextlib.contextmanager
    def _connected(self, *, turns: bool = False) -> Iterator[pymysql.Connection]:
        """A connection for one call; closing it rolls back uncommitted changes and releases the lock."""
        connection = None
        try:
            connection = self._connect()
            with connection.cursor() as cursor:
                cursor.execute(_SETTLE_IN)
                cursor.execute(_ISOLATION)
                if turns:
                    cursor.execute("SELECT GET_LOCK(CONCAT('esms:', MD5(DATABASE())), %s)", [_LOCK_SECONDS])
                    if cursor.fetchone() != (1,):
                        raise WarehouseError(f"{self.name}: another load takes too long: load again.", retryable=True)
            yield connection
            return
        except pymysql.MySQLError as error:
            failure = self._explained(error)
        finally:
            if connection is not None:
                _close(connection)
        raise failure from None

    def _connect(self) -> pymysql.Connection:
        try:
            return pymysql.connect(**self._settings)
        except RuntimeError:  # PyMySQL: a password on an unencrypted connection needs the package cryptography
            problem = (
                "its password may be sent over an encrypted connection only: give ssl_ca=…, or pip install cryptography"
            )
        except (TypeError, ValueError, OSError) as error:
            problem = (
                f"an option of the address is unknown, or names a file that cannot be read ({type(error).__name__})"
            )
        raise ConfigurationError(f"{self.name}: {problem}.")

    def _explained(self, error: pymysql.MySQLError) -> EsmsError:
        """Map an error without the server's message, which may quote a row."""
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code in _SET_UP:
            return ConfigurationError(f"{self.name}: {_SET_UP[code]} ({code}).")
        if code in (2002, 2003):
            return WarehouseError(f"{self.name} cannot be reached ({code}).", retryable=True)
        if code in _LOST:
            return WarehouseError(
                f"{self.name}: the connection was lost: nothing was stored. Load again.", retryable=True
            )
        if code == ER.DATA_TOO_LONG:
            return WarehouseError(
                f"{self.name}: a key has over {KEY_LENGTH} characters, or a text over 16 MB: nothing was stored."
            )
        return WarehouseError(
            f"{self.name}: the server refused ({type(error).__name__} {code}): nothing was stored.",
            retryable=code in _PASSING,
        )


def _close(connection: pymysql.Connection) -> None:
    # Close the socket directly: after an interrupted answer, COM_QUIT would first read the rest of it.
    with contextlib.suppress(pymysql.MySQLError, OSError):
        connection._force_close()


class _MySqlSession:
    """The transaction of a connection."""

    prunes_by_window = False
    chunk_rows = 25_000

    def __init__(self, connection: pymysql.Connection) -> None:
        self._connection = connection
        self._collation = ""

    def collation(self) -> str:
        if not self._collation:
            for (name,) in self._select(_COLLATION, {}):
                self._collation = name
        if not self._collation:
            raise ConfigurationError("This server is too old: MySQL 8.0.17 or MariaDB 10.3 is needed.")
        return self._collation

    def columns(self, names: Iterable[str] = tuple(COLUMNS)) -> Iterator[tuple[str, str, str]]:
        """(table, column, shared type name) of the existing tables with these names."""
        for table, column, kind in self._select(_FIND_COLUMNS, {"names": tuple(names)}):
            yield table, column, type_as_shared(kind)

    def has_rows(self, table: str) -> bool:
        return any(self._select(f"SELECT 1 FROM {table} LIMIT 1", {}))

    @property
    def has_key(self) -> bool:
        return any(self._select(_FIND_KEY, {"name": MESSAGES}))

    def change(self, statement: str, **parameters: object) -> int:
        with self._connection.cursor() as cursor:
            return int(cursor.execute(in_mysql(statement), {name: _plain(value) for name, value in parameters.items()}))

    def read(self, statement: str, **parameters: object) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(in_mysql(statement), {name: _plain(value) for name, value in parameters.items()})
            yield from iter(cursor.fetchone, None)

    def stage(self, table: Staged, rows: pa.Table) -> int:
        self._empty(table)
        if table is CHUNK:
            rows = rows.sort_by("row_key")  # in index order, so that lookups and inserts are local
        with self._connection.cursor() as cursor:
            return sum(cursor.execute(f"INSERT INTO {table.name} VALUES {values}") for values in as_values(rows))

    def keep(self, table: Staged, query: str, **parameters: object) -> int:
        self._empty(table)
        return self.change(f"INSERT INTO {table.name} {query}", **parameters)

    def _empty(self, table: Staged) -> None:
        # Unlike TRUNCATE these statements do not commit, and unlike DELETE they write no undo log.
        key = ", KEY (row_key)" if table in (CHUNK, VERDICT) else ""
        pairs = [column.split(" ", 1) for column in table.columns.split(", ")]
        columns = columns_as_mysql([(name, kind) for name, kind in pairs], self.collation(), key)
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP TEMPORARY TABLE IF EXISTS {table.name}")
            cursor.execute(f"CREATE TEMPORARY TABLE {table.name} {columns}")

    def _select(self, query: str, parameters: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall())


def _plain(value: object) -> object:
    """Times in UTC, as the plain type that the driver supports."""
    return utc(value) if isinstance(value, datetime) else value


def _as_time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_CONVERSIONS = {**conversions, FIELD_TYPE.DATETIME: _as_time, FIELD_TYPE.TINY: lambda text: text != "0"}


def _parse(url: str) -> dict[str, Any]:
    """
    Settings of PyMySQL.

    Raises:
        ConfigurationError: not a URL of MySQL, or without a database. The message omits it: it may hold a password.
    """
    what = "The warehouse's URL"
    check_database_url(url, what)
    settings: dict[str, Any] | None = None
    with contextlib.suppress(ValueError, TypeError, sa.exc.ArgumentError):
        parsed = sa.make_url(url).set(drivername="mysql+pymysql")
        settings = dict(MySQLDialect_pymysql(dbapi=pymysql).create_connect_args(parsed)[1])
    if settings is None:
        raise ConfigurationError(f"{what} cannot be read: {HINT}.")
    if not settings.get("database"):
        raise ConfigurationError(f"{what} names no database: {HINT}.")
    settings.setdefault("connect_timeout", _CONNECT_SECONDS)
    # UPDATE reports the rows matched, including those that had the values already.
    flags = settings.get("client_flag", 0) | CLIENT.FOUND_ROWS
    return settings | {"charset": "utf8mb4", "client_flag": flags, "conv": _CONVERSIONS, "autocommit": True}
