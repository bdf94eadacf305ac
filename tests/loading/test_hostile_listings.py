"""What coverage, statement and find say of a gateway that drops, repeats or miscounts rows: never that all is well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import Load, Place, rows_at

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator
from esms_connectors.gateway import machine_clock
from esms_connectors.reports.builder import make_report
from esms_connectors.reports.finding import find_messages
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.coverage import Compared, TypeCoverage, compare_windows, coverage_by_type, recent_windows
from esms_connectors.warehouse.statement import InvoiceLine, make_statement

TYPES = [2, 25]
MAY = "2024-05"


@pytest.fixture(autouse=True)
def emulated_time(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_clock, "source", lambda: gateway.clock.now.in_timezone("UTC"))


@pytest.fixture
def compare(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> Callable[[Place], list[Compared]]:
    def run(place: Place) -> list[Compared]:
        with make_client() as client, open_warehouse(place.address) as warehouse:
            return [*compare_windows(client, warehouse, recent_windows(warehouse, 31, sms_types=TYPES))]

    return run


def covered(place: Place, sms_types: list[int] = TYPES) -> list[TypeCoverage]:
    with open_warehouse(place.address) as warehouse:
        return coverage_by_type(warehouse, sms_types=sms_types)


def pages(gateway: Emulator, change: Callable[..., Any]) -> None:
    """Replace what the gateway lists: `change` gets its own page and the arguments."""
    page = gateway.state.page
    gateway.state.page = lambda *about, **more: change(page, *about, **more)


def same_rows_for_every_type(gateway: Emulator, *, named_as_asked: bool) -> None:
    """SmsType is ignored; a row names its own type, or the one that was asked for."""

    def change(page: Any, key: str, sms_type: int, *about: Any, **more: Any) -> Any:
        listed = [copy.copy(row) for one in TYPES for row in page(key, one, *about, **more)[1]]
        for row in listed:
            row.SmsType = sms_type if named_as_asked else row.SmsType
        return len(listed), listed

    pages(gateway, change)


# --- rows that the gateway has dropped -------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("answer", ["nothing", "refused"])
def test_days_beyond_gateway_retention_are_reported_as_not_available(
    gateway: Emulator, duckdb_only: Place, load: Load, answer: Any
) -> None:
    """It keeps rows for twenty days: older days list nothing, and no other answer shows that they had rows."""
    gateway.populate(40, start=DAY.subtract(days=40), end=NEXT.subtract(seconds=5), sms_type=2)
    gateway.quirks.retention_days, gateway.quirks.retention_as = 20, answer
    summary = load(duckdb_only, DAY.subtract(days=40), NEXT, sms_types=TYPES)
    assert 20 <= summary.old_windows_without_rows / len(TYPES) <= 22
    assert "older than any with rows list nothing: not available, which is not 0 rows" in str(summary)
    assert all(20 <= one.not_available <= 22 for one in covered(duckdb_only))
    with open_warehouse(duckdb_only.address) as warehouse:
        april, may = (make_statement(warehouse, month) for month in ("2024-04", MAY))
        report = make_report(warehouse, DAY.subtract(days=30), DAY, now=gateway.clock.now)
    assert not april.as_dict()["good"]
    assert [text.partition(",")[0] for text in april.doubts] == ["not available: type 2", "not available: type 25"]
    assert may.doubts == []
    assert "unavailable" in {note.name for note in report.notes if note.warning}


@pytest.mark.in_turn(every=3)
def test_empty_window_read_later_in_the_same_pull_is_not_reported_as_not_available(
    gateway: Emulator, duckdb_only: Place, load: Load
) -> None:
    """A type with nothing on the oldest day that lists rows, read after the type that has them."""
    day = DAY.subtract(days=9)
    gateway.insert_message(day.add(hours=5), send_status=5, send_result=1, sms_type=2)
    load(duckdb_only, day.subtract(days=1), day.add(days=1), sms_types=[2])
    gateway.advance(hours=3)
    load(duckdb_only, day.subtract(days=1), day.add(days=1), sms_types=[25])
    assert [one.not_available for one in covered(duckdb_only)] == [1, 1]


@pytest.mark.in_turn
def test_matching_invoice_resolves_the_statement_doubt(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    gateway.insert_message(DAY.subtract(days=9), send_status=5, send_result=1)
    load(duckdb_only, DAY.subtract(days=20), NEXT)
    [row] = rows_at(gateway).values()
    with open_warehouse(duckdb_only.address) as warehouse:
        alone = make_statement(warehouse, MAY)
        same = make_statement(warehouse, MAY, [InvoiceLine(2, 1, row[5])])
        other = make_statement(warehouse, MAY, [InvoiceLine(2, 1, row[5] + Decimal(1))])
    assert alone.doubts
    assert [one.as_dict()["good"] for one in (alone, same, other)] == [False, bool(not same.gaps), False]
    assert not [text for text in same.problems if text.startswith("not available")]


@pytest.mark.in_turn
def test_rows_removed_by_the_gateway_are_reported_as_shrunk_windows(
    gateway: Emulator, place: Place, load: Load
) -> None:
    gateway.populate(20, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    load(place)
    gateway.quirks.retention_days = 0
    load(place)
    [of_type] = covered(place, [2])
    assert [(one.loaded, one.listed) for one in of_type.shrunk] == [(20, 0)]


# --- rows listed under several types ---------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("named_as_asked", [False, True])
def test_duplicates_from_a_gateway_ignoring_the_type_are_merged_or_reported(
    gateway: Emulator, place: Place, load: Load, named_as_asked: bool
) -> None:
    """Stored once where rows name their own type and the place has one table; else it is said that they are double."""
    for sms_type in TYPES:
        gateway.populate(5, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=sms_type)
    same_rows_for_every_type(gateway, named_as_asked=named_as_asked)
    load(place, sms_types=TYPES)
    once = place.kind != "parquet" and not named_as_asked
    assert [one.repeated for one in covered(place)] == [0, 0 if once else 1]
    assert [one.complete for one in covered(place)] == [True, once]
    if place.kind != "parquet":
        with open_warehouse(place.address) as warehouse:
            made = make_statement(warehouse, MAY)
        assert sum(line["messages"] for line in made.lines) == (10 if once else 20)
        assert made.doubts == (
            [] if once else ["stored twice: type 25, 1 window with exactly the rows of another type"]
        )


# --- counts that lie -------------------------------------------------------------------------------------------------


def test_comparison_detects_late_rows_when_the_count_covers_only_the_page(
    gateway: Emulator, duckdb_only: Place, load: Load, compare: Any
) -> None:
    """500 rows were all; now there are 800, and the first page says 500 again."""
    gateway.quirks.count_total = "page"
    gateway.populate(500, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    load(duckdb_only)
    assert [one.is_same for one in compare(duckdb_only)] == [True]
    gateway.populate(300, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    [one] = compare(duckdb_only)
    assert (one.is_same, one.loaded, one.listed) == (False, 500, 800)


@pytest.mark.in_turn
def test_comparison_reads_all_pages_when_the_count_covers_only_the_page(
    gateway: Emulator, duckdb_only: Place, load: Load, compare: Any
) -> None:
    gateway.quirks.count_total = "page"
    gateway.populate(1_300, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    load(duckdb_only)
    assert [(one.is_same, one.listed) for one in compare(duckdb_only)] == [(True, 1_300)]
    gateway.set_status(gateway.state.rows[700].ReferenceId, 5, 0)
    assert [one.is_same for one in compare(duckdb_only)] == [False]


@pytest.mark.in_turn
def test_comparison_by_row_count_only_is_reported(
    gateway: Emulator, duckdb_only: Place, load: Load, compare: Any
) -> None:
    gateway.populate(600, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    gateway.populate(6, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=25)
    load(duckdb_only, sms_types=TYPES)
    assert [(one.is_same, one.by_number) for one in compare(duckdb_only)] == [(True, True), (True, False)]


# --- rows that somebody has removed ----------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_windows_whose_rows_were_removed_are_not_complete(
    gateway: Emulator, make_place: Callable[[str], Place], load: Load, kind: str
) -> None:
    """Which a pull without dates does not load anew. A small window may be that of one person who was erased."""
    place = make_place(kind)
    gateway.populate(40, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    gateway.populate(4, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=25)
    load(place, sms_types=TYPES)
    assert [one.complete for one in covered(place)] == [True, True]
    if kind == "duckdb":
        with duckdb.connect(place.address.removeprefix("duckdb:///")) as connection:
            connection.execute("DELETE FROM esms_sent_messages")
    else:
        for file in (Path(place.address) / "esms_sent_messages").rglob("*.parquet"):
            file.unlink()
    assert [(one.emptied, one.complete) for one in covered(place)] == [(1, False), (0, True)]
    if kind == "duckdb":
        with open_warehouse(place.address) as warehouse:
            assert make_statement(warehouse, MAY).doubts == [
                "removed: type 2, 1 window of which no row is stored any more"
            ]
    load(place, sms_types=TYPES)
    assert [one.complete for one in covered(place)] == [True, True]
    assert place.messages() == rows_at(gateway)


# --- nothing loaded --------------------------------------------------------------------------------------------------


def test_coverage_without_any_load_is_incomplete(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """A wrong address, or a type that no pull asks for."""
    assert [one.complete for one in covered(duckdb_only)] == [False, False]
    load(duckdb_only)
    assert [one.complete for one in covered(duckdb_only)] == [True, False]


@pytest.mark.in_turn(every=3)
def test_search_without_results_reports_missing_days(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    gateway.populate(3, start=DAY.add(hours=1), end=NEXT.subtract(hours=1), sms_type=2)
    load(duckdb_only)

    def incomplete() -> bool:
        with open_warehouse(duckdb_only.address) as warehouse:
            return bool(find_messages("nobody", warehouses=[warehouse]).as_dict()["incomplete"])

    assert not incomplete()
    gateway.advance(days=1)
    assert incomplete()
