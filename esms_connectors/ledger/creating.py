"""
Makes the tables that a ledger lacks, as `MetaData.create_all` does, with one look for all of them and not for each.
What makes a table is written once, and not for each ledger that is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Of PostgreSQL those that are found without naming a schema, wherever on the search path they are.
_NAMES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
    "postgresql": "SELECT relname FROM pg_catalog.pg_class WHERE relname = ANY(:names) "
    "AND pg_catalog.pg_table_is_visible(oid)",
}


def create_missing(connection: Connection, tables: Iterable[sa.Table]) -> None:
    """
    Args:
        connection: in a transaction that nobody else creates in.
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
    """What makes the table, its indexes and comments."""
    said: list[str] = []

    def note(statement: Any, *_: object) -> None:
        said.append(str(statement.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(f"{dialect}://", note)
    table.create(engine, checkfirst=False)
    return tuple(said)
