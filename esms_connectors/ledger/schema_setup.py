"""
Creates the missing tables of a ledger, like `MetaData.create_all`, but with one query instead of one per table.
The DDL of a table is compiled once per process, not once per opened ledger. A complete ledger is only read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.redaction import database_words
from esms_connectors.ledger import guard_tables
from esms_connectors.ledger.database import is_passing, no_answer
from esms_connectors.ledger.engines import is_read_only
from esms_connectors.ledger.schema import SCHEMA_VERSION, metadata, sends, version
from esms_connectors.ledger.upgrades import upgrade

TABLES = (*metadata.sorted_tables, *guard_tables.metadata.sorted_tables)

# In PostgreSQL only tables that are visible without a schema name, anywhere on the search path.
_NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
    "postgresql": "SELECT relname FROM pg_catalog.pg_class WHERE relname = ANY(:names) "
    "AND pg_catalog.pg_table_is_visible(oid)",
}


def place_of(url: URL) -> str:
    """The location of a database for display, without a password."""
    return str(url.database) if url.host is None else f"{url.get_backend_name()}://{url.host}/{url.database}"


def create_or_check(engine: Engine) -> None:
    """
    Create the tables on first use; otherwise check their version and upgrade older ones.

    Raises:
        ConfigurationError: created by a newer version, incomplete, or the database cannot be used.
        LedgerError: the database does not answer at present.
    """
    place, failure = place_of(engine.url), None
    try:
        with engine.connect().execution_options(esms_reading=True) as connection:
            found = _version_of(connection)
        if found != SCHEMA_VERSION and not is_read_only(engine):
            with engine.begin() as connection:
                found = _create_or_upgrade(connection, place)
    except ConfigurationError:
        engine.dispose()
        raise
    except DBAPIError as error:
        if is_passing(error):
            engine.dispose()
            raise no_answer(error) from None
        failure = f"The ledger {place} cannot be opened: {database_words(error)}."
    except OSError as error:
        failure = f"The ledger {place} cannot be opened: {os.strerror(error.errno or errno.EIO)}."
    else:
        if found != SCHEMA_VERSION:
            failure = _other_version(place, found)
    if failure is not None:
        engine.dispose()
        raise ConfigurationError(failure)


def _version_of(connection: Connection) -> int | None:
    """None if a table is missing."""
    if any(table.name not in _names_in(connection) for table in TABLES):
        return None
    return connection.execute(sa.select(version.c.version)).scalar_one_or_none()


def _other_version(place: str, found: int | None) -> str:
    if found is not None and found > SCHEMA_VERSION:
        return (
            f"The ledger {place} has schema version {found}, this esms-connectors knows {SCHEMA_VERSION}. "
            "Upgrade esms-connectors."
        )
    return (
        f"The ledger {place} is an older version's and cannot be written: open it once from a place where it can be "
        "written."
    )


def _create_or_upgrade(connection: Connection, place: str) -> int:
    if connection.dialect.name == "postgresql":
        # Two workers that start at once would otherwise both create the tables.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4097311281)"))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    there = _names_in(connection)
    _check_whole(connection, there, place)
    create_missing(connection, TABLES, there)
    if version.name not in there:
        connection.execute(sa.insert(version).values(one=1, version=SCHEMA_VERSION))
    found = int(connection.execute(sa.select(version.c.version)).scalar_one())
    if found < SCHEMA_VERSION:
        upgrade(connection, sends, found)
        connection.execute(sa.update(version).values(version=SCHEMA_VERSION))
        return SCHEMA_VERSION
    return found


def _check_whole(connection: Connection, there: set[str], place: str) -> None:
    """
    The tables are created in one transaction. If the rows are gone, their messages would be sent again.
    """
    both = {version.name, sends.name}
    if both & there and not (both <= there and connection.execute(sa.select(version.c.version)).first()):
        raise ConfigurationError(
            f"The ledger {place} is incomplete, so it is unknown what was sent. Restore it from a backup."
        )


def _names_in(connection: Connection) -> set[str]:
    """Tables and views; in PostgreSQL only those of a ledger, because others may share the database."""
    dialect = connection.dialect.name
    names = {"names": [table.name for table in TABLES]} if dialect == "postgresql" else {}
    return {name for (name,) in connection.execute(sa.text(_NAMES[dialect]), names)}


def create_missing(connection: Connection, tables: Iterable[sa.Table], there: set[str]) -> None:
    """
    Args:
        connection: in a transaction that excludes other creators.
        there: names of the existing tables.
    """
    dialect = connection.dialect.name
    statements = [one for table in tables if table.name not in there for one in _statements(dialect, table)]
    if dialect == "postgresql" and statements:
        statements = [";\n".join(statements)]  # in one round trip
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@cache
def _statements(dialect: str, table: sa.Table) -> Sequence[str]:
    """The DDL of the table, its indexes and comments."""
    said: list[str] = []

    def note(statement: Any, *_: object) -> None:
        said.append(str(statement.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(f"{dialect}://", note)
    table.create(engine, checkfirst=False)
    return tuple(said)
