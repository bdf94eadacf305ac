"""Rows of a query: any database that SQLAlchemy supports, and DuckDB files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from esms_connectors.databases.postgresql import sqlalchemy_driver
from esms_connectors.databases.urls import check_database_url
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError, foreign_errors
from esms_connectors.gateway.paths import kind_at
from esms_connectors.gateway.redaction import database_words
from esms_connectors.recipients import bigquery
from esms_connectors.recipients.delimited import RawRow, reading, source_error
from esms_connectors.recipients.frames import batch_rows
from esms_connectors.recipients.phones import NarrowFloat
from esms_connectors.recipients.rows import Rows, check_names, require

_BATCH = 8_192
_NO_ROWS = "The query returns no rows; a single SELECT is needed."
# What a query may begin with that changes something. Not all databases could undo it: some commit a DROP by themselves.
_CHANGES = re.compile(
    r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(ALTER|ATTACH|COPY|CREATE(?!\s+TEMP)|DELETE|DETACH|DROP|EXPORT|GRANT|IMPORT|"
    r"INSERT|INSTALL|LOAD|MERGE|OPTIMIZE|PURGE|REINDEX|RENAME|REPLACE|REVOKE|TRUNCATE|UNDROP|UPDATE|UPSERT|VACUUM)\b",
    re.IGNORECASE | re.DOTALL,
)
# A named parameter; quoted texts and casts are skipped.
_NAMED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|::|:(?P<name>[A-Za-z_]\w*)")
_POSTGRESQL_DOUBLE = 701  # the oid of double precision, as its drivers report it


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """
    Rows of a query, streamed from the server.

    Two readings see two states of the table: add ORDER BY and, if rows may still arrive, a condition that excludes
    them. Nothing is ever committed, and a statement that changes something is not run.

    Attributes:
        url: a SQLAlchemy URL such as `postgresql+psycopg://…`, or an Engine, which stays open.
        query: one SELECT; values as `:name`.
        parameters: the values.
    """

    url: Any = field(repr=False)
    query: str = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)


def is_database_address(text: str) -> bool:
    """Whether it is the address of a database, which needs a query."""
    scheme, sign, _ = text.partition("://")
    return bool(sign) and scheme.partition("+")[0].lower() in {"sqlite", "duckdb", *_PACKAGES}


def open_query(source: SqlQuery, columns: Sequence[str] | None) -> AbstractContextManager[Rows]:
    """
    Raises:
        InvalidRequestError: the address or the query is wrong; ConfigurationError: an extra is missing.
    """
    if changes := _CHANGES.match(source.query):
        raise InvalidRequestError(
            f"The query begins with {changes[1].upper()}, which returns no rows, and was not run: a single SELECT is "
            "needed.",
            field="source",
        )
    if isinstance(source.url, str) and source.url.startswith("duckdb:"):
        return _open_duckdb(source, columns)
    return _open_sqlalchemy(source, columns)


@contextmanager
def _open_duckdb(source: SqlQuery, columns: Sequence[str] | None) -> Iterator[Rows]:
    """A DuckDB file, opened read-only; another process may read it at the same time."""
    duckdb = require("duckdb", "duckdb", "Reading DuckDB files")
    pyarrow = require("pyarrow", "duckdb", "Reading DuckDB files")
    require("pyarrow.compute", "duckdb", "Reading DuckDB files")
    path = _duckdb_path(source.url)
    try:
        with contextlib.closing(duckdb.connect(path, read_only=True)) as connection:
            query, parameters = _duckdb_query(source)
            found = connection.sql(query, params=parameters)
            if found is None:
                raise InvalidRequestError(_NO_ROWS, field="source")
            batches = found.to_arrow_reader(_BATCH)
            names = tuple(batches.schema.names)
            check_names("The query", names, columns)
            yield Rows("The query", names, _database_errors(batch_rows(batches, "The query", pyarrow), duckdb.Error))
    except duckdb.Error as error:
        raise _sql_error(error) from None


def _duckdb_path(url: str) -> str:
    path = unquote(url.removeprefix("duckdb:").removeprefix("//").removeprefix("/"))
    if not path or path == ":memory:":
        raise source_error("duckdb://", "names no file: give duckdb:///shop.duckdb, or duckdb:////folder/shop.duckdb")
    with reading(os.path.basename(path)), open(path, "rb"):
        return path


def _duckdb_query(source: SqlQuery) -> tuple[str, dict[str, object]]:
    """The query with its parameters in DuckDB's form: `$name` for `:name`."""

    def placed(match: re.Match[str]) -> str:
        return f"${match['name']}" if match["name"] in source.parameters else match[0]

    return _NAMED.sub(placed, source.query), dict(source.parameters)


def _database_errors(rows: Iterator[RawRow], error_class: type[Exception]) -> Iterator[RawRow]:
    try:
        yield from rows
    except error_class as error:
        raise _sql_error(error) from None


@contextmanager
def _open_sqlalchemy(source: SqlQuery, columns: Sequence[str] | None) -> Iterator[Rows]:
    sqlalchemy = require("sqlalchemy", "ledger", "Reading SQL")
    own = not hasattr(source.url, "connect")
    if isinstance(source.url, str):
        check_database_url(source.url, "The database URL")
    with contextlib.ExitStack() as stack:
        with foreign_errors(partial(_sql_error, url=source.url)):
            engine = _engine(sqlalchemy, source.url) if own else source.url
            if own:
                stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            # Server-side if the driver supports it: the rows are never in memory all at once.
            connection = connection.execution_options(stream_results=True, yield_per=_BATCH // 8)
            result = connection.execute(sqlalchemy.text(source.query), dict(source.parameters))
            if not result.returns_rows:
                raise InvalidRequestError(_NO_ROWS, field="source")
            names = tuple(result.keys())
            check_names("The query", names, columns)
        yield Rows("The query", names, _sql_rows(result))


def _sql_rows(result: Any) -> Iterator[RawRow]:
    """Floats count as narrow, unless the driver reports that a column is of double precision."""
    described = getattr(result.cursor, "description", None) or ()
    wide = {at for at, one in enumerate(described) if one[1] == _POSTGRESQL_DOUBLE}
    with foreign_errors(_sql_error):
        for number, row in enumerate(result, 1):
            if any(cell.__class__ is float for cell in row):
                yield number, _narrowed(row, wide), None
            else:
                yield number, row, None


def _narrowed(row: Sequence[object], wide: Container[int]) -> list[object]:
    return [NarrowFloat(one) if isinstance(one, float) and at not in wide else one for at, one in enumerate(row)]


def _sql_error(error: Any, url: object = "") -> EsmsError:
    if isinstance(error, ImportError):
        return _no_driver(url, error.name or "of this database")
    cause = getattr(error, "orig", None) or error
    words = None
    if type(cause).__module__.startswith("google."):
        if found := bigquery.credentials_error(cause):
            return found
        words = bigquery.error_text(cause)
    return InvalidRequestError(f"The query failed: {words or database_words(error)}.", field="source")


# Dialect -> the package to install for it.
_PACKAGES = {
    "postgresql": "'esms-connectors[postgres]'",
    "postgres": "'esms-connectors[postgres]'",
    "mysql": "'esms-connectors[mysql]'",
    "mariadb": "'esms-connectors[mysql]'",
    "mssql": "pyodbc, and Microsoft's ODBC driver",
    "bigquery": "'esms-connectors[bigquery]'",
    "snowflake": "snowflake-sqlalchemy",
    "clickhouse": "clickhouse-connect",
    "oracle": "oracledb",
    "redshift": "sqlalchemy-redshift redshift-connector",
    "trino": "'trino[sqlalchemy]'",
    "databricks": "databricks-sqlalchemy",
}


def _no_driver(url: object, module: str) -> ConfigurationError:
    scheme = url.partition("://")[0].partition("+")[0] if isinstance(url, str) else ""
    package = _PACKAGES.get(scheme)
    hint = f"for {scheme}:// pip install {package}" if package else "install it in the same environment"
    return ConfigurationError(f"The database driver {module} is missing: {hint}.")


def _engine(sqlalchemy: Any, url: Any) -> Any:
    if bigquery.is_address(url):
        return _bigquery_engine(sqlalchemy, url)
    try:
        # SQLAlchemy 1.4 would commit what a query changes, unless it is told to behave like its next version.
        engine = sqlalchemy.create_engine(_with_driver(url), future=True)
    except sqlalchemy.exc.NoSuchModuleError:
        scheme = str(url).partition("://")[0]
        if is_database_address(f"{scheme}://"):
            raise _no_driver(url, scheme) from None
        raise InvalidRequestError(
            f"SQLAlchemy knows no {scheme}:// here: install the package that provides it, or correct the address.",
            field="source",
        ) from None
    except (ValueError, TypeError, sqlalchemy.exc.ArgumentError):
        pass  # their messages quote the URL
    else:
        return _reading_only(sqlalchemy, engine)
    raise InvalidRequestError(
        "SQLAlchemy cannot use the database URL: its form is dialect://user:password@host/database, and in the "
        "password special characters are written %XX (@ is %40, : is %3A).",
        field="source",
    )


def _reading_only(sqlalchemy: Any, engine: Any) -> Any:
    """
    For SQLite, which commits a change of the schema by itself, and creates a file that does not exist.

    Raises:
        InvalidRequestError: there is no such file.
    """
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return engine
    if kind_at(path) == "nothing":
        raise source_error(os.path.basename(path), "does not exist")
    sqlalchemy.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    return engine


def _bigquery_engine(sqlalchemy: Any, url: str) -> Any:
    """The engine reads its key when it is created."""

    def unusable(error: Exception) -> EsmsError:
        if isinstance(error, sqlalchemy.exc.NoSuchModuleError):
            return _no_driver(url, bigquery.SCHEME)
        return bigquery.credentials_error(error) or _sql_error(error, url)

    with foreign_errors(unusable):
        return sqlalchemy.create_engine(url, connect_args=bigquery.CONNECT_ARGUMENTS)


_DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


def _with_driver(url: Any) -> Any:
    """`postgresql://` and `mysql://` with the drivers of our extras; SQLAlchemy would look for other drivers."""
    if not isinstance(url, str):
        return url
    scheme, sign, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        return f"{sqlalchemy_driver()}{sign}{rest}"
    return f"{_DRIVERS.get(scheme, scheme)}{sign}{rest}"
