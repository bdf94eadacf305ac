"""After a pull the table equals the gateway, key by key and field by field, whatever the gateway does meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT, insert_during, spoil
from pulling_bench import HISTORY, MESSAGES, Load, Place, Puller, rows_at

from esms_connectors.emulator import Emulator
from esms_connectors.sent_data.windows import ALL_SMS_TYPES

FAILED, DELIVERED, SENT = (5, 0), (5, 1), (5, 2)


@pytest.mark.in_turn
def test_table_equals_the_gateway_under_all_disturbances_combined(gateway: Emulator, place: Place, load: Load) -> None:
    """Rows inserted and changed, slow answers, every seventh a failure, shuffled pages, other spellings."""
    gateway.populate(3_100, start=DAY, end=NEXT)
    spoil(gateway, status=FAILED)
    first = load(place, threads=4)
    assert place.messages().keys() == rows_at(gateway).keys()
    again = load(place, threads=4)
    assert place.messages() == rows_at(gateway)
    assert first.inserted == len(rows_at(gateway)) == again.rows
    # What a page showed before its status changed, and nothing else, is caught up on.
    assert (again.inserted, again.regressed) == (0, 0)
    third = load(place, threads=4)
    assert (third.inserted, third.changed, third.unchanged) == (0, 0, len(rows_at(gateway)))


@pytest.mark.in_turn
def test_undisturbed_day_is_complete_after_one_load(gateway: Emulator, place: Place, load: Load) -> None:
    gateway.populate(1_234, start=DAY, end=NEXT)
    summary = load(place)
    assert place.messages() == rows_at(gateway)
    assert (summary.rows, summary.inserted, summary.open_rows) == (1_234, 1_234, 0)
    assert summary.states == Counter(row["state"] for row in place.read(MESSAGES))
    assert place.read(HISTORY) == []


@pytest.mark.in_turn
def test_reload_updates_changed_rows_and_records_status_history(gateway: Emulator, place: Place, load: Load) -> None:
    """57 statuses and one price: 58 rows change, 57 lines are written."""
    gateway.populate(1_000, start=DAY, end=NEXT)
    load(place)
    before = rows_at(gateway)
    chosen = gateway.state.rows[100:157]
    for row in chosen:
        gateway.set_status(row.ReferenceId, *(DELIVERED if row.SendResult == 0 else FAILED))
    gateway.state.rows[500].SellPrice = 1234.5
    gateway.advance(minutes=1)
    summary = load(place)
    assert (summary.inserted, summary.changed, summary.unchanged) == (0, 58, 942)
    assert place.messages() == rows_at(gateway)
    by_row_key = {row["row_key"]: (row["message_id"], row["phone"]) for row in place.read(MESSAGES)}
    lines = place.read(HISTORY)
    assert {by_row_key[line["row_key"]] for line in lines} == {(row.ReferenceId, row.Phone) for row in chosen}
    assert len(lines) == 57
    for line in lines:
        key = by_row_key[line["row_key"]]
        assert (line["from_status"], line["from_result"]) == before[key][3:5]
        assert (line["to_status"], line["to_result"]) == rows_at(gateway)[key][3:5]
        assert line["applied"]


@pytest.mark.in_turn
def test_rows_around_midnight_are_loaded_once_for_all_types(gateway: Emulator, place: Place, load: Load) -> None:
    """Two days, all types, rows in the seconds around each edge: none lost, none twice."""
    sms_types = ALL_SMS_TYPES if place.kind == "duckdb" else (2, 25)
    for sms_type in sms_types:
        for edge in (DAY, NEXT, NEXT.add(days=1)):
            for milliseconds in (-1, 0, 1, 999, 1000):
                gateway.insert_message(
                    edge.add(microseconds=milliseconds * 1000), phone=f"090{sms_type:07d}", sms_type=sms_type
                )
    inside = [
        row
        for row, created in zip(gateway.state.rows, gateway.state.created, strict=True)
        # The last second of a span is asked for as well.
        if DAY.timestamp() * 1000 <= created < NEXT.add(days=1, seconds=1).timestamp() * 1000
    ]
    summary = load(place, DAY, NEXT.add(days=1), sms_types=sms_types)
    wanted = {(row.ReferenceId, row.Phone) for row in inside}
    assert place.messages() == {key: facts for key, facts in rows_at(gateway).items() if key in wanted}
    assert summary.windows == 2 * len(sms_types)
    assert load(place, DAY, NEXT.add(days=1), sms_types=sms_types).changed == 0


@pytest.mark.in_turn
@pytest.mark.parametrize(("threads", "order"), [(1, "oldest_first"), (2, "shuffled"), (16, "newest_first")])
def test_table_equals_the_gateway_for_any_thread_count_and_page_order(
    gateway: Emulator, duckdb_only: Place, load: Load, threads: int, order: Any
) -> None:
    gateway.populate(2_600, start=DAY, end=NEXT)
    gateway.quirks.page_order = order
    insert_during(gateway, status=FAILED)
    load(duckdb_only, threads=threads)
    assert duckdb_only.messages().keys() == rows_at(gateway).keys()
    load(duckdb_only, threads=threads)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
@pytest.mark.parametrize("how", ["caps pages at 100", "repeats its last page", "counts late"])
def test_table_equals_the_gateway_despite_paging_quirks(
    gateway: Emulator, duckdb_only: Place, load: Load, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer rows a page than asked for, the last page for any page beyond the end, a count that is a cached one."""
    gateway.populate(1_730, start=DAY, end=NEXT)
    page = gateway.state.page
    counts: dict[tuple[int, int], int] = {}

    def odd(key: str, sms_type: int, start: int, end: int, number: int, size: int, **more: Any) -> Any:
        if how == "caps pages at 100":
            return page(key, sms_type, start, end, number, min(size, 100), **more)
        total, rows = page(key, sms_type, start, end, number, size, **more)
        if how == "repeats its last page" and not rows and total:
            return page(key, sms_type, start, end, -(-total // size), size, **more)
        if how == "counts late":
            total = counts.setdefault((start, end), total)
        return total, rows

    monkeypatch.setattr(gateway.state, "page", odd)
    insert_during(gateway, most=12, status=FAILED)
    load(duckdb_only, threads=4)
    assert duckdb_only.messages().keys() == rows_at(gateway).keys()
    counts.clear()
    load(duckdb_only, threads=4)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn(every=3)
def test_future_span_is_empty_and_stays_open(gateway: Emulator, place: Place, load: Load) -> None:
    summary = load(place, DAY.add(days=10), DAY.add(days=11))
    assert (summary.windows, summary.rows) == (1, 0)
    [line] = place.loads()
    assert not line["closed"]


@pytest.mark.in_turn
def test_two_concurrent_pulls_of_one_span_store_each_row_once(gateway: Emulator, pull: Puller) -> None:
    """Two processes, one place: no error, and each row once."""
    gateway.populate(2_400, start=DAY, end=NEXT.add(days=1))
    span = ("--from", "2024-05-14", "--to", "2024-05-16", "--types", "2,25")
    gateway.populate(700, start=DAY, end=NEXT.add(days=1), sms_type=25)
    both = [pull.start(span=span), pull.start(span=span)]
    done = [one.finish() for one in both]
    assert [one.code for one in done] == [0, 0], [one.err for one in done]
    assert pull.place.messages() == rows_at(gateway)
    assert sum(one.json["inserted"] for one in done) == 3_100
    assert all(line["loaded_at"] is not None for line in pull.place.loads())
