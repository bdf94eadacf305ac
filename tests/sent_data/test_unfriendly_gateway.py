"""A gateway that breaks what reading rests on: rows that leave, counts of the page, windows by the day or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from disturbing_gateway import DAY, NEXT

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator
from esms_connectors.sent_data.fetching import WindowReading, count_window
from esms_connectors.sent_data.reader import IncompleteWindowError, SentDataReader, windows_between

Key = tuple[str, str]


def keys_of(batches: Iterator[pa.RecordBatch]) -> list[Key]:
    keys: list[Key] = []
    for batch in batches:
        keys += zip(batch["message_id"].to_pylist(), batch["phone"].to_pylist(), strict=True)
    return keys


def listed(gateway: Emulator) -> set[Key]:
    """What the gateway has and shows."""
    return {
        (row.ReferenceId, row.Phone)
        for number, row in enumerate(gateway.state.rows)
        if number not in gateway.state.unlisted
    }


def read(client: EsmsClient, **settings: Any) -> tuple[set[Key], WindowReading]:
    """The day; fails where a row comes twice."""
    with SentDataReader(client, windows_between(DAY, NEXT, [2]), **settings) as reader:
        for reading in reader:
            keys = keys_of(iter(reading))
            assert max(Counter(keys).values(), default=1) == 1
    return set(keys), reading


def calls(gateway: Emulator) -> int:
    return gateway.call_count("get_sms_sent_data")


# --- rows that leave -------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_falling_count_during_paging_loses_no_rows(
    gateway: Emulator, client: EsmsClient, order: Any, threads: int
) -> None:
    """500 rows leave once: those behind them move one page up, and as many rows come as are counted behind."""
    gateway.populate(3_000, start=DAY.add(seconds=1), end=NEXT)
    gateway.quirks.page_order = order

    def leave(call: Any) -> None:
        if b'"Page":2,' in call.request.body and not gateway.state.unlisted:
            gateway.state.unlisted.update(range(2_500, 3_000))

    gateway.on_call("get_sms_sent_data", leave)
    keys, reading = read(client, threads=threads)
    assert keys >= listed(gateway)
    assert len(listed(gateway)) == 2_500
    assert not reading.is_settled


@pytest.mark.in_turn(every=3)
def test_count_that_falls_and_recovers_during_paging_loses_no_rows(gateway: Emulator, client: EsmsClient) -> None:
    """As many rows come as have left: the counts before and behind are the same."""
    gateway.populate(3_000, start=DAY.add(seconds=1), end=NEXT)

    def disturb(call: Any) -> None:
        if b'"Page":2,' in call.request.body and not gateway.state.unlisted:
            gateway.state.unlisted.update(range(2_500, 3_000))
        if b'"Page":5,' in call.request.body and len(gateway.state.rows) == 3_000:
            gateway.populate(500, start=DAY.add(seconds=1), end=DAY.add(hours=1))

    gateway.on_call("get_sms_sent_data", disturb)
    keys, reading = read(client, threads=1)
    assert keys >= listed(gateway)
    assert not reading.is_settled


@pytest.mark.in_turn(every=3)
def test_continuously_disappearing_rows_give_an_unsettled_reading(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(2_600, start=DAY.add(seconds=1), end=NEXT)
    gateway.quirks.leaving_rows = 40
    keys, reading = read(client, threads=2)
    assert keys >= listed(gateway)
    assert not reading.is_settled
    assert calls(gateway) < 200


@pytest.mark.in_turn(every=3)
def test_rows_disappearing_while_reading_in_parts_give_an_unsettled_reading(
    gateway: Emulator, client: EsmsClient
) -> None:
    gateway.populate(4_000, start=DAY.add(seconds=1), end=NEXT)

    def leave(call: Any) -> None:
        if call.number == 25:
            gateway.state.unlisted.update(range(1_000, 1_500))

    gateway.on_call("get_sms_sent_data", leave)
    keys, reading = read(client, threads=3, page_size=100, part_rows=700)
    assert keys >= listed(gateway)
    assert not reading.is_settled


# --- counts of the page ----------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("rows", [1, 499, 500, 501, 1_000, 1_300])
@pytest.mark.parametrize("threads", [1, 4])
def test_per_page_count_is_not_mistaken_for_the_window_count(
    gateway: Emulator, client: EsmsClient, rows: int, threads: int
) -> None:
    gateway.populate(rows, start=DAY.add(seconds=1), end=NEXT)
    gateway.quirks.count_total = "page"
    keys, reading = read(client, threads=threads)
    assert keys == listed(gateway)
    assert reading.rows == rows


def test_per_page_count_with_all_rows_in_one_second_reads_all_rows(gateway: Emulator, client: EsmsClient) -> None:
    """A campaign: all of its rows were created in one second."""
    noon = DAY.add(hours=12)
    gateway.populate(1_300, start=noon, end=noon.add(microseconds=900_000))
    gateway.quirks.count_total = "page"
    keys, _ = read(client)
    assert keys == listed(gateway)


def test_per_page_count_while_rows_are_created_loses_no_rows(gateway: Emulator, client: EsmsClient) -> None:
    """Everything that was there is read, or the window is left out: never a table with a hole."""
    gateway.populate(1_300, start=DAY.add(seconds=1), end=NEXT)
    gateway.quirks.count_total = "page"
    before = listed(gateway)
    turn = iter(range(1_000_000))
    gateway.on_call(
        "get_sms_sent_data",
        lambda call: gateway.insert_message(DAY.add(seconds=next(turn) * 7919 % 86_400), phone="0901888484"),
    )
    keys, _ = read(client, threads=4)
    assert keys >= before


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("rows", [100, 130, 700])
def test_short_pages_with_their_own_count_are_read_to_the_end(gateway: Emulator, client: EsmsClient, rows: int) -> None:
    """Before, the first hundred rows were taken for all."""
    gateway.populate(rows, start=DAY.add(seconds=1), end=NEXT)
    page = gateway.state.page

    def limited(key: str, sms_type: int, start: int, end: int, number: int, _size: int, **more: Any) -> Any:
        _, listed = page(key, sms_type, start, end, number, 100, **more)
        return len(listed), listed

    gateway.state.page = limited
    keys, _ = read(client, threads=2)
    assert keys == listed(gateway)
    assert count_window(client, next(windows_between(DAY, NEXT, [2]))).rows == rows


def test_capped_count_does_not_hide_rows_behind_a_full_page(gateway: Emulator, client: EsmsClient) -> None:
    """A count that stops at a thousand, whatever there is."""
    gateway.populate(1_300, start=DAY.add(seconds=1), end=NEXT)
    page = gateway.state.page

    def capped(*about: Any, **more: Any) -> Any:
        total, rows = page(*about, **more)
        return min(total, 1_000), rows

    gateway.state.page = capped
    keys, _ = read(client)
    assert keys == listed(gateway)


def test_full_pages_cost_one_extra_call(gateway: Emulator, client: EsmsClient) -> None:
    for rows, asked in ((300, 1), (499, 1), (500, 2), (700, 3)):
        gateway.reset()
        gateway.populate(rows, start=DAY.add(seconds=1), end=NEXT)
        read(client, threads=1)
        assert calls(gateway) == asked


# --- windows by the day, or none -------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("span", ["days", "all"])
@pytest.mark.parametrize("threads", [1, 3])
def test_gateway_without_exact_time_ranges_is_read_page_by_page(
    gateway: Emulator, client: EsmsClient, span: Any, threads: int
) -> None:
    """A day with more rows than one part has: no part of it is smaller than the whole."""
    gateway.populate(4_000, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=1))
    gateway.quirks.sent_data_span = span
    keys, reading = read(client, threads=threads, page_size=100, part_rows=700)
    assert keys == listed(gateway)
    assert (reading.rows, reading.count_total, reading.is_settled) == (4_000, 4_000, True)
    # Forty pages, the count behind them, and what it took to find out.
    assert calls(gateway) < 60


@pytest.mark.in_turn(every=3)
def test_day_granularity_while_rows_are_created_loses_no_rows(gateway: Emulator, client: EsmsClient) -> None:
    """Read again as a whole, because its pieces are as large as the whole; never without end."""
    gateway.populate(2_600, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=1))
    gateway.quirks.sent_data_span = "days"
    before = listed(gateway)
    left = iter(range(12))

    def create(call: Any) -> None:
        if next(left, None) is not None:
            gateway.insert_message(DAY.add(hours=3), phone="0901888484")

    gateway.on_call("get_sms_sent_data", create)
    keys, _ = read(client, threads=3)
    assert keys >= before
    assert calls(gateway) < 100


@pytest.mark.in_turn
@pytest.mark.parametrize("part_rows", [700, 100_000])
def test_day_granularity_with_a_wrong_count_gives_one_line_error(
    gateway: Emulator, client: EsmsClient, part_rows: int
) -> None:
    gateway.populate(2_600, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=1))
    gateway.quirks.sent_data_span = "days"
    page = gateway.state.page

    def one_more(*about: Any, **more: Any) -> Any:
        total, rows = page(*about, **more)
        return total + 1, rows

    gateway.state.page = one_more
    with pytest.raises(IncompleteWindowError) as failure:
        read(client, threads=2, page_size=100, part_rows=part_rows)
    assert "\n" not in str(failure.value)
    assert "as large as the whole" in str(failure.value)
    assert calls(gateway) < 300


@pytest.mark.in_turn(every=3)
def test_gateway_that_always_returns_the_same_page_fails_quickly(gateway: Emulator, client: EsmsClient) -> None:
    """Neither the range nor the page is looked at, and the count is of a million rows."""
    gateway.populate(600, start=DAY.add(seconds=1), end=NEXT.subtract(seconds=1))
    page = gateway.state.page

    def first_page(key: str, sms_type: int, start: int, end: int, number: int, *about: Any, **more: Any) -> Any:
        _, rows = page(key, sms_type, 0, 1 << 50, 1, *about, **more)
        return 1_000_000, rows

    gateway.state.page = first_page
    with pytest.raises(IncompleteWindowError):
        read(client, threads=4)
    assert calls(gateway) < 200


@pytest.mark.in_turn(every=3)
def test_burst_in_a_large_window_is_read_completely(gateway: Emulator, client: EsmsClient) -> None:
    """One part has all of the rows, and is cut on until its parts are small enough."""
    noon = DAY.add(hours=12)
    gateway.populate(4_000, start=noon, end=noon.add(seconds=40))
    keys, reading = read(client, threads=3, page_size=100, part_rows=700)
    assert keys == listed(gateway)
    assert reading.is_settled
