"""Reports made up by hand, for what only looks at one: a usual month, and the odd cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from esms_connectors.reports.model import Cell, Figure, Kind, Note, Period, Report, Row, Table, Term
from esms_connectors.reports.tables import TABLES

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
MIDNIGHT = datetime(2026, 10, 1, tzinfo=VIETNAM)


def sample_report(
    *,
    days: int = 31,
    a_day: int = 40_000,
    delivered: float = 0.93,
    price: Decimal = Decimal(350),
    campaigns: tuple[str, ...] = ("cham-soc-thang-11", "Khuyến mãi Black Friday", "OTP"),
    extra: dict[str, tuple[Row, ...]] | None = None,
    notes: tuple[Note, ...] = (),
) -> Report:
    """A period of `days` days that adds up: every table counts the same messages."""
    counts = [int(a_day * (0.7 + 0.3 * ((day * 7) % 5) / 4)) for day in range(days)]
    total = sum(counts)
    good = int(total * delivered)
    open_count = int((total - good) * 0.2)
    rejected = int((total - good) * 0.1)
    failed = total - good - open_count - rejected
    tables = {
        "funnel": _funnel(total, good),
        "losses": (
            _loss(total, "stage.accepted", "code.99", "99", total // 100, "recovery.FIX_ROW"),
            _loss(total, "stage.sent", "reason.row.rejected", "4/0", rejected, "to_do.row.rejected"),
            _loss(total, "stage.delivered", "reason.row.failed", "5/0", failed, "to_do.row.failed.sms"),
            _loss(total, "stage.delivered", "reason.row.sent", "7/0", open_count, "to_do.row.sent"),
        ),
        "days": tuple(
            (MIDNIGHT.date() + timedelta(days=day), *_measures(count, delivered, price))
            for day, count in enumerate(counts)
        ),
        "types": tuple(
            (Term(name), *_measures(count, delivered, price))
            for name, count in (
                ("type.2", total * 6 // 10),
                ("type.25", total * 3 // 10),
                ("type.1", total - total * 6 // 10 - total * 3 // 10),
            )
        ),
        "campaigns": tuple(
            (name, 2, *_measures(total // (len(campaigns) + 1), delivered, price))
            for name in (*campaigns, Term("others"))
        ),
        "carriers": tuple(
            (name, *_measures(total // 3, delivered, price)) for name in ("Viettel", "MobiFone", "VinaPhone")
        ),
        "reasons": (
            _loss(total, "reason.row.failed", "type.2", "5/0", failed * 2 // 3, "to_do.row.failed.sms"),
            _loss(total, "reason.row.failed", "type.25", "5/0", failed // 3, "to_do.row.failed.zalo"),
            _loss(total, "reason.row.rejected", "type.1", "4/0", rejected, "to_do.row.rejected"),
        ),
        "speed": ((Term("type.2"), good, 45.0, 610.0, 7_500.0), (Term("type.25"), good // 2, 8.0, 95.0, 190_000.0)),
        "open": (
            (
                Term("age.hours"),
                Term("state.sent"),
                open_count,
                open_count * price,
                MIDNIGHT + timedelta(days=days / 2),
            ),
        ),
    }
    tables |= extra or {}
    cost = total * price
    return Report(
        period=Period(MIDNIGHT, MIDNIGHT + timedelta(days=days)),
        before=Period(MIDNIGHT - timedelta(days=days), MIDNIGHT),
        made_at=MIDNIGHT + timedelta(days=days, hours=7),
        sources=("duckdb:///esms.duckdb",),
        headline=(
            Figure("messages", Kind.COUNT, total, int(total * 0.9)),
            Figure("delivered", Kind.COUNT, good, int(good * 0.88), more_is_better=True),
            Figure("delivered_share", Kind.SHARE, _share(good, total), 0.951, more_is_better=True),
            Figure("failed", Kind.COUNT, failed + rejected, (failed + rejected) // 2, more_is_better=False),
            Figure("open", Kind.COUNT, open_count, 0, more_is_better=False),
            Figure("cost", Kind.MONEY, cost, cost * Decimal("0.91")),
            Figure("cost_per_delivered", Kind.MONEY, _each(cost, good), Decimal("371.5"), more_is_better=False),
            Figure("median", Kind.DURATION, 45.0, 52.0, more_is_better=False),
        ),
        tables={name: _table(name, rows) for name, rows in tables.items()},
        notes=(*notes, Note("loaded", {"windows": days * 24, "read_at": MIDNIGHT + timedelta(days=days, hours=6)})),
    )


def empty_report() -> Report:
    """A period in which nothing was sent."""
    full = sample_report(days=1)
    return replace(
        full,
        headline=tuple(replace(figure, value=_nothing(figure.kind), before=None) for figure in full.headline),
        tables={name: Table(name, TABLES[name], ()) for name in full.tables},
        notes=(Note("nothing"),),
    )


INCOMPLETE = (
    Note("pending", {"pending": 3, "windows": 744}, warning=True),
    Note("open", {"messages": 15_624}, warning=True),
)


def _table(name: str, rows: tuple[Row, ...]) -> Table:
    columns, total = TABLES[name], None
    if name in ("days", "types"):
        cells = dict(zip((column.name for column in columns), zip(*rows, strict=True), strict=True))
        added = ("messages", "delivered", "failed", "rejected", "open", "cost")
        total = tuple(sum(cells[column.name]) if column.name in added else None for column in columns)
    return Table(name, columns, rows, total, (Note("cost"),) if name == "types" else ())


def _funnel(sent: int, delivered: int) -> tuple[Row, ...]:
    planned, accepted = sent + sent // 50, sent + sent // 100
    counts = (planned, accepted, sent, delivered)
    return tuple(
        (Term(f"stage.{stage}"), count, _share(count, planned), before - count)
        for stage, count, before in zip(
            ("planned", "accepted", "sent", "delivered"), counts, (planned, *counts), strict=False
        )
    )


def _loss(total: int, first: str, second: str, code: str, messages: int, to_do: str) -> Row:
    return Term(first), Term(second), code, messages, _share(messages, total), Term(to_do)


def _measures(count: int, delivered: float, price: Decimal) -> tuple[Cell, ...]:
    good = int(count * delivered)
    open_count = int((count - good) * 0.2)
    rejected = int((count - good) * 0.1)
    failed = count - good - open_count - rejected
    cost = count * price
    return count, good, failed, rejected, open_count, _share(good, count), cost, _each(cost, good)


def _each(cost: Decimal, count: int) -> Decimal | None:
    return (cost / count).quantize(Decimal("0.01")) if count else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _nothing(kind: Kind) -> Cell:
    return {Kind.COUNT: 0, Kind.MONEY: Decimal(0)}.get(kind)
