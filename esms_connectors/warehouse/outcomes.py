"""The table `esms_outcomes`: what became of each row of a campaign, by the caller's own key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from esms_connectors.sent_data.columns import MONEY

OUTCOMES = "esms_outcomes"
OUTCOME_TYPES: Mapping[str, str] = {
    "journey": "varchar",
    "run_key": "varchar",
    "step": "integer",
    "row_key": "varchar",
    "channel": "varchar",
    "because": "varchar",
    "accepted": "boolean",
    "state": "varchar",
    "late": "boolean",
    "code": "varchar",
    "reason": "varchar",
    "message_id": "varchar",
    "sent_at": "timestamptz",
    "price_vnd": "decimal(18, 2)",
}
_ARROW = {
    "varchar": pa.string(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", "UTC"),
}
OUTCOME_SCHEMA = pa.schema([(name, _ARROW.get(kind, MONEY)) for name, kind in OUTCOME_TYPES.items()])
CREATE_OUTCOMES = (
    f"CREATE TABLE IF NOT EXISTS {OUTCOMES} ("
    + ", ".join(f"{name} {kind}" for name, kind in OUTCOME_TYPES.items())
    + ")"
)


def insert_outcomes(mark: str) -> str:
    """The statement for one row; `mark` is the driver's placeholder."""
    return f"INSERT INTO {OUTCOMES} VALUES ({', '.join([mark] * len(OUTCOME_TYPES))})"  # noqa: S608 - our own names


def forget_outcomes(mark: str) -> str:
    """The statement that makes way for those of one journey."""
    return f"DELETE FROM {OUTCOMES} WHERE journey = {mark}"  # noqa: S608 - our own names


def outcomes_table(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """The rows in columns."""
    columns = zip(*rows, strict=True) if rows else [()] * len(OUTCOME_SCHEMA)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, OUTCOME_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=OUTCOME_SCHEMA)
