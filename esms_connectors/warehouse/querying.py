"""Read-only queries on a warehouse: DuckDB and PostgreSQL directly, folders of files as tables of the same names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa

from esms_connectors.databases.extras import need
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.gateway.paths import kind_at
from esms_connectors.gateway.redaction import database_words
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES
from esms_connectors.warehouse.file_formats import read_file
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.merge_database import insert, schema_of
from esms_connectors.warehouse.merge_sql import REMOVE_DOUBLES, TYPES
from esms_connectors.warehouse.opening import duckdb_path

_VIETNAM = "Asia/Ho_Chi_Minh"


# A row that the gateway lists under several types, or under days that do not adjoin, is in a file of each.
_EACH_ONCE = REMOVE_DOUBLES.format(
    same="row_key, sms_type",
    twice=f"SELECT row_key FROM {MESSAGES} GROUP BY row_key, sms_type HAVING count(*) > 1",
    overlap="",
)


class Found(NamedTuple):
    """Column names and rows; both empty if the query holds no statement."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]


def query_warehouse(address: str, query: str, limit: int) -> Found:
    """
    Return at most `limit` rows of a query. The query cannot change anything; times are in Vietnamese local time.

    Args:
        address: as in `open_warehouse`; for files, a local folder only.

    Raises:
        InvalidRequestError: the query cannot be run; the message contains no values of rows.
        ConfigurationError: the warehouse does not exist, or an extra is missing.
        EsmsError: the database is being written to, or cannot be reached; retryable.
    """
    path = duckdb_path(address)
    if path is not None:
        if kind_at(path) != "file":
            raise ConfigurationError(
                f"There is no file {path}. Pull into it first: esms pull --into duckdb:///{path} …"
            )
        return _ask_duckdb(path, query, limit)
    if address.partition("://")[0].partition("+")[0] in ("postgres", "postgresql") and "://" in address:
        return _ask_postgresql(address, query, limit)
    return _ask_files(address, query, limit)


def _ask_duckdb(path: str, query: str, limit: int) -> Found:
    need("duckdb", "duckdb")
    import duckdb

    # read_only protects this file; without external access no statement can write other files or load code.
    settings: dict[str, Any] = {"enable_external_access": "false"}
    with _duckdb_errors(path), duckdb.connect(path, read_only=True, config=settings) as connection:
        return _fetch(connection, query, limit)


def _ask_files(address: str, query: str, limit: int) -> Found:
    """Load the files of each table into an in-memory DuckDB and run the query there."""
    need("duckdb", "files")
    import duckdb

    place = address.partition("?")[0]
    folder = Path(urlsplit(place).path if place.startswith("file://") else place).expanduser()
    if "://" in place and not place.startswith("file://"):
        raise InvalidRequestError(
            f"esms sql reads DuckDB files, PostgreSQL and folders on this machine, not {place.partition('://')[0]}://.",
            field="into",
        )
    if kind_at(folder) != "folder":
        raise ConfigurationError(f"There is no folder {folder.absolute()}. Pull into it first.")
    from esms_connectors.warehouse.files import FilesWarehouse

    kind = FilesWarehouse(address).stored_format()
    with _duckdb_errors(str(folder)), duckdb.connect() as connection:
        for table in (MESSAGES, HISTORY, LOADS):
            if files := sorted((folder / table).glob(f"day=*/type=*/*.{kind}")):
                connection.execute(f"CREATE TABLE {table} ({', '.join(map(' '.join, TYPES[table].items()))})")
                _fill(connection, table, schema_of(table), kind, files)
                if table == MESSAGES:
                    connection.execute(_EACH_ONCE)
        for grouped in _grouped_tables():
            if files := sorted((folder / grouped.name).glob(f"[!.]*.{kind}")):
                connection.execute(grouped.create)
                _fill(connection, grouped.name, grouped.schema, kind, files)
        connection.execute("SET enable_external_access = false")
        return _fetch(connection, query, limit)


def _fill(connection: Any, table: str, schema: pa.Schema, kind: str, files: Sequence[Path]) -> None:
    """Insert the rows of files. Those of texts have no types, and DuckDB would guess them from the values."""
    if kind == "parquet":
        listed = ", ".join("'" + str(one).replace("'", "''") + "'" for one in files)
        connection.execute(f"INSERT INTO {table} BY NAME FROM read_parquet([{listed}], hive_partitioning = false)")
    else:
        insert(connection, table, chain.from_iterable(read_file(kind, one, schema) for one in files))


def _grouped_tables() -> Sequence[GroupedTable]:
    """The auxiliary tables that any warehouse may have."""
    from esms_connectors.warehouse.accounts import ACCOUNTS
    from esms_connectors.warehouse.marts import INVOICES
    from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE
    from esms_connectors.warehouse.snapshots import SNAPSHOT_TABLES

    return (*SNAPSHOT_TABLES.values(), OUTCOMES_TABLE, INVOICES, ACCOUNTS)


def _fetch(connection: Any, query: str, limit: int) -> Found:
    connection.execute(f"SET TimeZone = '{_VIETNAM}'")
    connection.execute("SET lock_configuration = true")
    found: Any = connection.execute(query)  # None if there is no statement
    names = [column[0] for column in found.description or ()] if found else []
    return Found(names, found.fetchmany(limit) if names else [])


@contextmanager
def _duckdb_errors(path: str) -> Iterator[None]:
    import duckdb

    failure: EsmsError | None = None
    try:
        yield
    except duckdb.DataError as error:
        # DuckDB's message quotes the value, which may be a text or a phone.
        about = f"A value of the rows does not fit the query ({type(error).__name__})."
        failure = InvalidRequestError(about, field="query")
    except duckdb.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        failure = InvalidRequestError(f"DuckDB says: {said}", field="query")
        if "lock on file" in said or "used by another process" in said:
            failure = EsmsError(f"{path} is being written to at the moment: try again.")
            failure.retryable = True
    if failure is not None:
        raise failure


def _ask_postgresql(address: str, query: str, limit: int) -> Found:
    for module in ("psycopg", "pyarrow"):
        need(module, "postgres")
    import psycopg

    from esms_connectors.warehouse.postgresql import identifier, settings_of

    settings, schema = settings_of(address)
    own = f"-c timezone={_VIETNAM} -c default_transaction_read_only=on"
    failure: EsmsError
    try:
        connection = psycopg.connect(**{**settings, "options": f"{settings.get('options', '')} {own}"})
    except psycopg.Error as error:
        failure = EsmsError(f"PostgreSQL cannot be reached: {database_words(error)}.")
        failure.retryable = True
    else:
        with connection:
            try:
                connection.read_only = True
                with connection.cursor() as cursor:
                    if schema:
                        cursor.execute("SELECT set_config('search_path', %s, true)", [identifier(schema)])
                    # Preparing admits only one statement: a second one could end the read-only transaction.
                    cursor.execute(query.encode(), prepare=True)
                    names = [column.name for column in cursor.description or ()]
                    return Found(names, cursor.fetchmany(limit) if names else [])
            except psycopg.Error as error:
                failure = InvalidRequestError(f"PostgreSQL says: {database_words(error)}.", field="query")
            finally:
                connection.rollback()
    raise failure
