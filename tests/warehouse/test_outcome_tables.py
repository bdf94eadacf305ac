"""`esms_outcomes` in every target: what is told of a campaign stands in place of what was there of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from duckdb_reading import duckdb_session
from targets import ALL_TARGETS, MYSQL, TARGETS, Target

from esms_connectors.warehouse.outcomes import OUTCOME_SCHEMA, OUTCOME_TYPES, OUTCOMES, OUTCOMES_TABLE

LONG = "chiến dịch " * 18
SENT = datetime(2026, 11, 2, 3, 4, 5, 678_000, UTC)


@pytest.fixture(params=[*TARGETS, MYSQL])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty one of each kind."""
    made = ALL_TARGETS[request.param](request, tmp_path)
    if request.param in ("parquet", "csv", "jsonl"):
        made.read = functools.partial(_read, request.param, tmp_path / "lake")
    yield made
    made.warehouse.close()


def _read(kind: str, root: Path, table: str, *columns: str) -> list[dict[str, Any]]:
    types = {name: type_.upper() for name, type_ in OUTCOME_TYPES.items()}
    files = f"{root}/{table}/*.{kind}"
    source = {
        "parquet": f"read_parquet('{files}')",
        "csv": f"read_csv('{files}', header = true, columns = {types}, quote = '\"', escape = '\"', "
        "allow_quoted_nulls = false)",
        "jsonl": f"read_json('{files}', format = 'newline_delimited', columns = {types})",
    }[kind]
    with duckdb_session() as connection:
        connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
        return connection.sql(f"SELECT {', '.join(columns)} FROM {source}").to_arrow_table().to_pylist()


def outcome(journey: str, key: str, state: str = "delivered", *, step: int = 1) -> tuple[object, ...]:
    run_key, channel, because = (journey, "zns", "") if step == 1 else (f"{journey}#{step}", "sms", "failed")
    price = Decimal("300.0") if state == "delivered" else None
    what = (True, state, False, None, "", f"m-{key}", SENT, price)
    return (journey, run_key, step, key, channel, because, *what)


@pytest.mark.in_turn(every=3)
def test_outcomes_are_replaced_by_journey(target: Target) -> None:
    """As they were told, texts, times, money and what is not known; those of other campaigns stay."""
    first = [outcome("march", 'Đơn, "1"', "sent"), outcome("march", "2", "failed")]
    target.warehouse.put_group(OUTCOMES_TABLE, "march", first)
    target.warehouse.put_group(OUTCOMES_TABLE, LONG, [outcome(LONG, "1")])
    again = target.again()
    try:
        told = [outcome("march", 'Đơn, "1"'), outcome("march", "2", "failed"), outcome("march", "2", "sent", step=2)]
        again.put_group(OUTCOMES_TABLE, "march", told)
    finally:
        again.close()
    rows = target.read(OUTCOMES, *OUTCOME_TYPES)
    found = sorted((tuple(row.values()) for row in rows), key=lambda row: (row[0], row[3], row[2]))
    assert found == sorted([*told, outcome(LONG, "1")], key=lambda row: (row[0], row[3], row[2]))


def test_table_columns_match_the_outcome_columns_in_order() -> None:
    """In their order, so that values find their columns."""
    from esms_connectors.sending.steps.outcomes import OUTCOME_COLUMNS

    assert tuple(OUTCOME_TYPES) == OUTCOME_COLUMNS
    assert tuple(OUTCOME_SCHEMA.names) == OUTCOME_COLUMNS
