"""The columns of our tables as dlt and its destinations have them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from esms_connectors.sent_data.columns import MONEY
from esms_connectors.warehouse.contract import COLUMNS
from esms_connectors.warehouse.merge_sql import TYPES


def column_hints(table: str) -> list[dict[str, Any]]:
    """Column hints for dlt."""
    kinds = {"text": "text", "integer": "bigint", "bigint": "bigint", "boolean": "bool", "timestamptz": "timestamp"}
    hints = []
    for name, kind in TYPES[table].items():
        word = kind.removesuffix(" NOT NULL")
        hint: dict[str, Any] = {
            "name": name,
            "data_type": kinds.get(word, "decimal"),
            "nullable": word == kind,
            "description": COLUMNS[table][name],
        }
        if hint["data_type"] == "decimal":
            hint |= {"precision": MONEY.precision, "scale": MONEY.scale}
        elif word == "integer":
            hint["precision"] = 32
        hints.append(hint)
    return hints


def as_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values of a driver as an Arrow column."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.array([None if value is None else as_value(value, kind) for value in values], kind)


def as_value(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_timestamp(kind):
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if pa.types.is_decimal(kind):
        return Decimal(str(value)).quantize(Decimal("0.0001"))
    if pa.types.is_boolean(kind):
        return bool(value)
    return int(value) if pa.types.is_integer(kind) else str(value)
