"""Rows that are listed after their window was read, and loaders whose clocks are wrong: nothing stays unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import HISTORY, LOADS, MESSAGES, Load, Place, rows_at

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator
from esms_connectors.warehouse import LoadSummary, load_sent_messages, open_warehouse

DELIVERED, AT_OPERATOR = (5, 1), (7, 2)


@pytest.fixture
def nightly(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> Any:
    """What a scheduler calls once a day, without a span; `ahead`: hours by which this machine's clock is ahead."""

    def run(place: Place, *, ahead: float = 0, **settings: Any) -> LoadSummary:
        def now() -> Any:
            return gateway.clock.now.add(seconds=round(ahead * 3600)).in_timezone("UTC")

        with make_client(now=now) as client, open_warehouse(place.address) as warehouse:
            return load_sent_messages(client, warehouse, sms_types=[2], now=now, **{"follow_up": True, **settings})

    return run


def asked(gateway: Emulator) -> int:
    return gateway.call_count("get_sms_sent_data")


def test_rows_listed_late_are_loaded_by_the_next_nightly_run(gateway: Emulator, place: Place, nightly: Any) -> None:
    """Two minutes after its end the day is read, and nothing in it is open; rows of it are listed minutes later."""
    gateway.populate(300, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    gateway.quirks.listed_late_share = 0.1
    gateway.quirks.listed_late_seconds = 3600 * 36
    first = nightly(place)
    assert 200 < first.rows < 290
    assert [line["closed"] for line in place.loads()] == [True]
    gateway.advance(days=1)
    second = nightly(place)
    assert (second.recounted, second.recounts_differing, second.follow_up.inserted) == (1, 1, 300 - first.rows)
    assert place.messages() == rows_at(gateway)


@pytest.mark.in_turn(every=3)
def test_price_set_after_the_final_state_is_loaded_by_the_next_nightly_run(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    """Nothing of the day is open, and its rows are as many as they were; the time of sending comes late, too."""
    gateway.populate(3, start=DAY.add(hours=1), end=NEXT.subtract(hours=1))
    told: list[Any] = list(gateway.state.rows)
    for row, price, sent in zip(told, (0, None, 300), (row.SentTime for row in told), strict=True):
        gateway.set_status(row.ReferenceId, *DELIVERED)
        row.SellPrice, row.SentTime = price, sent if price is not None else None
    nightly(duckdb_only)
    for row in told:
        row.SellPrice, row.SentTime = 300, told[0].SentTime
    gateway.advance(days=1)
    assert nightly(duckdb_only).follow_up.changed == 3
    assert duckdb_only.messages() == rows_at(gateway)
    gateway.advance(days=1)
    assert nightly(duckdb_only).recounts_differing == 0


@pytest.mark.in_turn(every=3)
def test_duplicate_key_in_a_window_does_not_cause_nightly_rereads(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    gateway.populate(3, start=DAY.add(hours=1), end=NEXT.subtract(hours=1))
    first, twin, _ = rows = list[Any](gateway.state.rows)
    for row in rows:
        gateway.set_status(row.ReferenceId, *DELIVERED)
    twin.ReferenceId, twin.Phone = first.ReferenceId, first.Phone
    assert nightly(duckdb_only).rows == 2
    gateway.advance(days=1)
    again = nightly(duckdb_only)
    assert (again.recounted, again.recounts_differing) == (1, 0)


@pytest.mark.in_turn(every=3)
def test_final_row_wins_among_duplicate_keys_in_any_page_order(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    for status in ((7, 2), DELIVERED, (7, 2)):
        gateway.insert_message(DAY.add(hours=1), send_status=status[0], send_result=status[1])
    rows = list[Any](gateway.state.rows)
    for row in rows[1:]:
        row.ReferenceId, row.Phone = rows[0].ReferenceId, rows[0].Phone
    for order in ("newest_first", "oldest_first"):
        gateway.quirks.page_order = order
        nightly(duckdb_only)
        gateway.advance(days=1)
    [stored] = duckdb_only.read(MESSAGES)
    assert (stored["state"], stored["regressed_to"]) == ("delivered", None)
    assert duckdb_only.read(HISTORY) == []


@pytest.mark.in_turn
def test_rows_listed_days_late_are_loaded_by_the_next_nightly_run(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    gateway.populate(100, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    nightly(duckdb_only)
    for _ in range(3):
        gateway.advance(days=1)
        nightly(duckdb_only)
    gateway.insert_message(DAY.add(hours=5), send_status=5, send_result=1)
    gateway.advance(days=1)
    assert nightly(duckdb_only).follow_up.inserted == 1
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_recount_costs_one_call_per_window_and_day_for_a_week(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    gateway.populate(1_300, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    costs, recounted = [], []
    for _ in range(9):
        before = asked(gateway)
        recounted.append(nightly(duckdb_only).recounted)
        costs.append(asked(gateway) - before)
        gateway.advance(days=1, seconds=-20)
    # The day itself: three pages and the count behind them. Then one call for each empty day, and for each recount. The
    # last recount of a day that no single answer holds is followed by its pages, and these by a week of recounts.
    assert costs == [4, 2, 3, 4, 5, 6, 7, 8 + 4, 9]
    assert recounted == [0, 1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.in_turn
def test_second_load_on_the_same_day_makes_no_recounts(gateway: Emulator, duckdb_only: Place, nightly: Any) -> None:
    gateway.populate(100, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    nightly(duckdb_only)
    gateway.advance(days=1)
    assert nightly(duckdb_only).recounted == 1
    gateway.advance(hours=1)
    before = asked(gateway)
    assert nightly(duckdb_only).recounted == 0
    assert asked(gateway) == before
    assert nightly(duckdb_only, follow_up=False).recounted == 0


@pytest.mark.in_turn
def test_replaced_rows_with_equal_count_are_detected_in_single_page_windows(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    gateway.populate(100, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    nightly(duckdb_only)
    gateway.state.unlisted.add(7)
    gateway.insert_message(DAY.add(hours=5), send_status=5, send_result=1)
    gateway.advance(days=1)
    summary = nightly(duckdb_only)
    assert (summary.recounts_differing, summary.follow_up.inserted) == (1, 1)
    # What has left the sent data stays in the table.
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_replaced_rows_with_equal_count_are_detected_within_a_week_in_larger_windows(
    gateway: Emulator, duckdb_only: Place, nightly: Any
) -> None:
    """Their number is the same each night; the day is read once more behind the last recount, and no more after it."""
    gateway.populate(600, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    nightly(duckdb_only)
    gateway.state.unlisted.add(7)
    gateway.insert_message(DAY.add(hours=5), send_status=5, send_result=1)
    gateway.set_status(gateway.state.rows[9].ReferenceId, 5, 0)
    read_again = []
    for _ in range(12):
        gateway.advance(days=1)
        summary = nightly(duckdb_only)
        read_again.append((summary.recounts_differing, summary.follow_up.inserted, summary.follow_up.changed))
    assert [day for day, (windows, *_) in enumerate(read_again, start=1) if windows] == [7]
    assert read_again[6] == (1, 1, 1)
    # What has left the sent data stays in the table.
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
@pytest.mark.parametrize("count", ["page", "missing"])
def test_recount_finds_late_rows_when_the_count_is_missing_or_per_page(
    gateway: Emulator, duckdb_only: Place, nightly: Any, count: Any
) -> None:
    gateway.populate(1_300 if count == "page" else 400, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=60))
    gateway.quirks.count_total = count
    nightly(duckdb_only)
    gateway.insert_message(DAY.add(hours=5), send_status=5, send_result=1)
    gateway.advance(days=1)
    nightly(duckdb_only)
    assert duckdb_only.messages() == rows_at(gateway)


# --- clocks ----------------------------------------------------------------------------------------------------------


# What is read again is decided in one place; the kinds of places are asked for their loads and merge.
@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("kind", "date", "ahead"),
    [
        *(("duckdb", date, ahead) for date in ("exact", "missing") for ahead in (25, 24 * 40)),
        ("postgresql", "missing", 24 * 40),
        ("parquet", "missing", 24 * 40),
    ],
)
def test_load_with_a_clock_ahead_loses_no_rows(
    gateway: Emulator, make_place: Callable[[str], Place], nightly: Any, kind: str, ahead: float, date: Any
) -> None:
    """It reads the running day as if that were over; the next one, whose clock is right, reads it again."""
    place = make_place(kind)
    gateway.quirks.date_header = date
    gateway.populate(440, start=DAY.add(seconds=1), end=NEXT.add(hours=12))
    nightly(place)
    nightly(place, ahead=ahead)
    gateway.populate(1_000, start=NEXT.add(hours=12, seconds=1), end=NEXT.add(hours=23))
    gateway.advance(hours=18)
    nightly(place)
    gateway.advance(days=1)
    nightly(place)
    assert place.messages() == rows_at(gateway)
    assert any(line["read_at"] > gateway.clock.now for line in place.loads()) is (date == "missing" and ahead > 100)


@pytest.mark.in_turn
def test_status_is_updated_after_a_load_with_a_clock_ahead(gateway: Emulator, place: Place, load: Load) -> None:
    """200 rows were loaded as of tomorrow; what the gateway says today is newer all the same."""
    gateway.quirks.date_header = "missing"
    ids = [gateway.insert_message(DAY.add(minutes=n), send_status=7, send_result=2) for n in range(200)]
    late = gateway.clock.now.add(days=1).in_timezone("UTC")
    load(place, now=lambda: late)
    for message_id in ids:
        gateway.set_status(message_id, *DELIVERED)
    summary = load(place)
    assert (summary.changed, summary.unchanged) == (200, 0)
    assert place.messages() == rows_at(gateway)
    assert {row["state"] for row in place.read(MESSAGES)} == {"delivered"}


@pytest.mark.in_turn
def test_load_planned_first_but_read_last_does_not_revert_newer_data(
    gateway: Emulator, place: Place, load: Load
) -> None:
    """Two loads of one window, the clocks of their machines a day apart: the one that began later counts."""
    message_id = gateway.insert_message(DAY.add(hours=1), send_status=7, send_result=2)
    gateway.quirks.date_header = "missing"
    done = []

    def meanwhile(call: Any) -> None:
        if not done:
            done.append(True)
            gateway.set_status(message_id, *DELIVERED)
            load(place)
            gateway.set_status(message_id, *AT_OPERATOR)

    gateway.on_call("get_sms_sent_data", meanwhile)
    tomorrow = gateway.clock.now.add(days=1).in_timezone("UTC")
    load(place, now=lambda: tomorrow)
    [row] = place.read(MESSAGES)
    assert (row["state"], row["regressed_to"]) == ("delivered", None)


@pytest.mark.in_turn
def test_emptied_load_table_does_not_hide_later_statuses(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """Somebody emptied esms_loads to have everything read again."""
    import duckdb

    message_id = gateway.insert_message(DAY.add(hours=1), send_status=7, send_result=2)
    for _ in range(3):
        load(duckdb_only)
        gateway.advance(minutes=1)
    with duckdb.connect(duckdb_only.address.removeprefix("duckdb:///")) as connection:
        connection.execute(f"DELETE FROM {LOADS}")
    gateway.set_status(message_id, *DELIVERED)
    load(duckdb_only)
    assert duckdb_only.messages() == rows_at(gateway)
