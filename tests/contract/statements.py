"""
A month beside its invoice through every front end: the same decision and the same JSON.

A front end joins by a function of the world of a statement, a month and an invoice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pyarrow as pa
from contract.fronts import Answer

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import ROW_SCHEMA, WindowLoad

MONTH, NEXT_MONTH = "2024-04", "2024-05"
_HEAD = "sms_type,messages,amount_vnd\n"


@dataclass(frozen=True)
class StatementCase:
    """
    Attributes:
        month: None is the last one that ended before the middle of May.
        invoice: text of the file; None gives none.
        decision: sent (nothing differs), incomplete (something does, or is missing), or refused.
        words: of the error, where the front end has one.
        line: values of the one line, as JSON has them.
    """

    name: str
    month: str | None
    invoice: str | None
    decision: str
    words: str = ""
    line: Mapping[str, Any] | None = None


# In this order on one warehouse, because an invoice is kept.
STATEMENTS = (
    StatementCase("alone", MONTH, None, "sent", line={"messages": 2, "cost_vnd": 550.5, "agrees": None}),
    StatementCase("no month", "April", None, "refused", "like 2026-11"),
    StatementCase("no invoice", MONTH, "sms_type,messages\n2,1\n", "refused", "has no column amount_vnd"),
    StatementCase(
        "differs",
        MONTH,
        _HEAD + "zns,3,850\n",
        "incomplete",
        "differs: ZNS (type 25), invoiced less statement +1 messages, +299.5 VND",
        {"messages_difference": 1, "vnd_difference": 299.5, "invoiced_vnd": 850, "agrees": False},
    ),
    StatementCase("kept", None, None, "incomplete", line={"invoiced_messages": 3, "agrees": False}),
    StatementCase("agrees", MONTH, _HEAD + "25,2,550.5\n", "sent", line={"vnd_difference": 0, "agrees": True}),
    StatementCase("days are missing", NEXT_MONTH, None, "incomplete", "not loaded: type 25, 2024-05-01 00:00 to"),
)

Front = Callable[[str, str | None, str | None], Answer]
"""Address of the warehouse, month, path of the invoice -> what came of it."""


def check_statements(folder: Path, front: Front) -> None:
    """Every case in turn."""
    address = f"duckdb:///{folder / 'rows.duckdb'}"
    _fill(address)
    told: dict[str, Any] = {}
    for case in STATEMENTS:
        invoice = folder / f"{case.name}.csv"
        if case.invoice is not None:
            invoice.write_text(case.invoice, encoding="utf-8")
        answer = front(address, case.month, None if case.invoice is None else str(invoice))
        assert answer.decision == case.decision, (case.name, answer)
        assert "\n" not in answer.words.strip()
        if answer.words:
            assert case.words in answer.words, (case.name, answer)
        if answer.result is None:
            continue
        told = json.loads(json.dumps(answer.result))
        assert {*told} == {"month", "lines", "gaps", "doubts", "into", "good"}
        assert told["month"] == (case.month or MONTH)
        assert told["into"] == str(folder / "rows.duckdb")
        assert told["good"] is (case.decision == "sent"), case.name
        if case.line is not None:
            [line] = told["lines"]
            assert {name: line[name] for name in case.line} == case.line, case.name
    assert told["gaps"], "a front end gives the result of the last case"


def _fill(address: str) -> None:
    """April, whole: a ZNS of 300 VND, one of 250.5, one that is free."""
    start, end = (pendulum.datetime(2024, month, 1, tz="Asia/Ho_Chi_Minh") for month in (4, 5))
    window = SentWindow(25, start, end)
    rows = [_row(window, price) for price in ("300", "250.5", "0")]
    load = WindowLoad(
        window,
        planned_at=end,
        privacy="phone=plain, content=kept",
        planned_number=1,
        read_number=1,
        read_at=end.add(hours=1),
        loaded_at=end.add(hours=1),
        closed=True,
        row_count=len(rows),
        count_total=len(rows),
    )
    with open_warehouse(address) as warehouse:
        warehouse.merge(load, [pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)])


def _row(window: SentWindow, price: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(ROW_SCHEMA.names),
        "row_key": f"m-{price}",
        "message_id": f"m-{price}",
        "sms_type": 25,
        "price_vnd": Decimal(price),
        "send_status": 5,
        "send_result": 1,
        "state": "delivered",
        "sent_at": datetime(2024, 4, 8, 3, tzinfo=UTC),
        "window_start": window.start,
        "window_end": window.end,
    }
