"""A warehouse into which rows are merged at times of the test's choice, and what is often asked of reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pendulum
import pyarrow as pa

from esms_connectors.gateway.states import state_of_row
from esms_connectors.reports import Report, make_report
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import Privacy, open_warehouse
from esms_connectors.warehouse.contract import ROW_SCHEMA, WindowLoad

MONDAY = pendulum.datetime(2024, 5, 13, tz="Asia/Ho_Chi_Minh")
WEDNESDAY = MONDAY.add(days=2)
DELIVERED, FAILED, REJECTED, WAITING, PENDING, ODD = (5, 1), (5, 0), (4, 0), (7, 2), (1, 2), (9, 9)


class Place:
    """A warehouse into which rows are merged at times of the test's choice."""

    def __init__(self, address: str, privacy: Privacy | None = None) -> None:
        self.warehouse = open_warehouse(address)
        self.warehouse.prepare()
        self.privacy = privacy or Privacy()

    def merge(self, window: SentWindow, rows: Sequence[dict[str, Any]], read_at: datetime, **about: Any) -> None:
        batch = pa.RecordBatch.from_pylist(
            [{"window_start": window.start, "window_end": window.end, **row} for row in rows],
            schema=pa.schema(list(ROW_SCHEMA)[1:]),
        )
        settings: dict[str, Any] = {"closed": True, "row_count": len(rows), "count_total": len(rows)} | about
        number = int(read_at.timestamp() * 1000)
        load = WindowLoad(window, read_at, self.privacy.fingerprint, number, number, read_at, read_at, **settings)
        self.warehouse.merge(load, [self.privacy.apply(batch)])

    def report(self, start: Any, end: Any, **settings: Any) -> Report:
        settings.setdefault("now", end.add(days=3))
        return make_report(self.warehouse, start, end, **settings)


def row(number: int, status: tuple[int, int] = DELIVERED, sent_at: Any = MONDAY, **other: Any) -> dict[str, Any]:
    return {
        "message_id": f"m{number}",
        "phone": f"0961{number:06d}",
        "sms_type": 25,
        "campaign": "Khai trương",
        "content": "Xin chào",
        "price_vnd": Decimal(300),
        "send_status": status[0],
        "send_result": status[1],
        "status_text": None,
        "state": state_of_row(*status).value,
        "sent_at": sent_at,
        "portal_id": "1",
        **other,
    }


def day_window(day: int = 0, sms_type: int = 25) -> SentWindow:
    start = MONDAY.add(days=day).in_timezone("UTC")
    return SentWindow(sms_type, start, start.add(days=1))


def rows_of(report: Report, table: str) -> dict[Any, tuple[Any, ...]]:
    """First cell -> the others."""
    return {row[0]: row[1:] for row in report.tables[table].rows}


def report_on(address: str, start: Any, end: Any, **settings: Any) -> Report:
    settings.setdefault("now", end.add(days=3) if isinstance(end, pendulum.DateTime) else end)
    with open_warehouse(address) as warehouse:
        return make_report(warehouse, start, end, **settings)


def note_names(report: Report) -> set[str]:
    return {note.name for note in report.notes}
