"""Auxiliary tables beside the messages. Their rows are written in groups, each replacing its previous rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from esms_connectors.sent_data.columns import MONEY

_ARROW = {
    "varchar": pa.string(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class GroupedTable:
    """
    A table; rows are tuples in the order of its columns.

    Attributes:
        types: column -> type, in names that DuckDB and PostgreSQL share.
        group: the column that identifies the group of a row.
        keys: columns that identify a row, for targets that replace rows instead of groups.
    """

    name: str
    types: Mapping[str, str]
    group: str
    keys: Sequence[str]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, _ARROW.get(kind, MONEY)) for name, kind in self.types.items()])

    @property
    def create(self) -> str:
        columns = ", ".join(f"{name} {kind}" for name, kind in self.types.items())
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"

    @property
    def select(self) -> str:
        return f"SELECT {', '.join(self.types)} FROM {self.name}"

    def insert(self, mark: str) -> str:
        """The statement for one row; `mark` is the driver's placeholder."""
        return f"INSERT INTO {self.name} VALUES ({', '.join([mark] * len(self.types))})"

    def delete_group(self, mark: str) -> str:
        """The statement that removes a group."""
        return f"DELETE FROM {self.name} WHERE {self.group} = {mark}"

    def columns(self, rows: Sequence[tuple[object, ...]]) -> pa.Table:
        """The rows as an Arrow table."""
        schema = self.schema
        values = zip(*rows, strict=True) if rows else [()] * len(schema)
        arrays = [pa.array(list(column), field.type) for column, field in zip(values, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)
