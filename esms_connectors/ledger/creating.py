"""
Creates the missing tables of a ledger, like `MetaData.create_all`, but with one query instead of one per table.
The DDL of a table is compiled once per process, not once per opened ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# In PostgreSQL only tables that are visible without a schema name, anywhere on the search path.
_NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
    "postgresql": "SELECT relname FROM pg_catalog.pg_class WHERE relname = ANY(:names) "
    "AND pg_catalog.pg_table_is_visible(oid)",
}


def create_missing(connection: Connection, tables: Iterable[sa.Table]) -> None:
    """
    Args:
        connection: in a transaction that excludes other creators.
    """
    dialect, tables = connection.dialect.name, list(tables)
    names = {"names": [table.name for table in tables]} if dialect == "postgresql" else {}
    there = {name for (name,) in connection.execute(sa.text(_NAMES[dialect]), names)}
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
