"""Windows are read again as long as that may bring something, and no others are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import HISTORY, MESSAGES, Load, Place, rows_at

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import AuthenticationError
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse import LoadIncompleteError, LoadSummary, open_warehouse, planning
from esms_connectors.warehouse.loading import load_windows

DELIVERED, FAILED, AT_OPERATOR = (5, 1), (5, 0), (7, 2)


@pytest.fixture
def follow_up(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> Any:
    """Read again what is worth it, by the emulator's clock."""

    def run(place: Place, max_age: timedelta = planning.MAX_AGE) -> tuple[list[SentWindow], LoadSummary]:
        def now() -> Any:
            return gateway.clock.now.in_timezone("UTC")

        # A client of its own: the emulator's clock leaps, which to one client would be no steady clock.
        with make_client() as client, open_warehouse(place.address) as warehouse:
            warehouse.prepare()
            loads = planning._recent_loads(list(warehouse.loads()), now(), max_age)
            windows = sorted(one.window for one in loads if planning._reason_to_read(one, now()))
            return windows, load_windows(client, warehouse, windows, now=now)

    return run


def asked(gateway: Emulator) -> int:
    return gateway.call_count("get_sms_sent_data")


@pytest.mark.in_turn(every=3)
def test_load_times_use_the_injected_clock(gateway: Emulator, place: Place, load: Load) -> None:
    """Another clock than this machine's, such as that of a backfill's test, decides and is recorded."""
    gateway.quirks.date_header = "missing"
    gateway.populate(3, start=DAY.add(hours=1), end=NEXT.subtract(hours=1))
    load(place)
    [line] = place.loads()
    now = gateway.clock.now.replace(microsecond=gateway.clock.now.microsecond // 1000 * 1000)
    assert {name: line[name] for name in ("planned_at", "read_at", "loaded_at")} == dict.fromkeys(
        ("planned_at", "read_at", "loaded_at"), now
    )


@pytest.mark.in_turn
def test_windows_are_reread_until_all_rows_are_final(
    gateway: Emulator, place: Place, load: Load, follow_up: Any
) -> None:
    for day in range(3):
        gateway.populate(40, start=DAY.subtract(days=day), end=DAY.subtract(days=day).add(hours=23))
    late = gateway.insert_message(DAY.add(hours=5), send_status=7, send_result=2)
    load(place, DAY.subtract(days=2), NEXT)
    gateway.advance(hours=1)
    calls = asked(gateway)
    windows, _ = follow_up(place)
    assert [window.start for window in windows] == [DAY]
    assert asked(gateway) - calls == 1
    gateway.set_status(late, *DELIVERED)
    gateway.advance(hours=1)
    _, summary = follow_up(place)
    assert summary.changed == 1
    assert place.messages() == rows_at(gateway)
    calls = asked(gateway)
    windows, summary = follow_up(place)
    assert (windows, summary.windows, asked(gateway)) == ([], 0, calls)


@pytest.mark.in_turn
def test_open_windows_are_dropped_after_the_maximum_age(
    gateway: Emulator, duckdb_only: Place, load: Load, follow_up: Any
) -> None:
    gateway.insert_message(DAY.add(hours=5), send_status=7, send_result=2)
    load(duckdb_only)
    gateway.advance(days=2)
    assert follow_up(duckdb_only, max_age=timedelta(days=1))[0] == []
    assert len(follow_up(duckdb_only, max_age=timedelta(days=3))[0]) == 1
    gateway.advance(days=12)
    assert follow_up(duckdb_only)[0] == []


@pytest.mark.in_turn
def test_window_read_before_its_end_is_reread_afterwards(
    gateway: Emulator, place: Place, load: Load, follow_up: Any
) -> None:
    """At noon of the day, then at midnight sharp, then with some patience behind it: only the last one is enough."""
    gateway.populate(50, start=NEXT, end=NEXT.add(hours=11))
    load(place, NEXT, NEXT.add(days=1))
    assert len(place.messages()) == 50
    gateway.advance(hours=12)
    gateway.insert_message(NEXT.add(hours=23, minutes=59, seconds=59), send_status=5, send_result=1)
    assert len(follow_up(place)[0]) == 1
    assert place.messages() == rows_at(gateway)
    # On its way into the gateway's tables while it was read.
    gateway.insert_message(NEXT.add(hours=23, minutes=59, seconds=59), send_status=5, send_result=1)
    gateway.advance(minutes=3)
    assert len(follow_up(place)[0]) == 1
    assert place.messages() == rows_at(gateway)
    assert follow_up(place)[0] == []


@pytest.mark.in_turn
def test_load_with_follow_up_rereads_open_windows(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """The day before is read again because one row of it was open; the one before that is not; other types neither."""
    for day in (0, 1, 2):
        gateway.populate(30, start=DAY.subtract(days=day), end=DAY.subtract(days=day).add(hours=20))
    late = gateway.insert_message(DAY.subtract(days=1), send_status=7, send_result=2)
    gateway.insert_message(DAY.subtract(days=1), sms_type=25, send_status=7, send_result=2)
    load(duckdb_only, DAY.subtract(days=2), DAY, sms_types=[2, 25])
    gateway.set_status(late, *FAILED)
    gateway.advance(minutes=1)
    summary = load(duckdb_only, follow_up=True)
    # The row stands on the midnight that both days share, and the day before is not counted as the day's own.
    assert (summary.windows, summary.rows, summary.changed) == (1, 30, 0)
    assert (summary.follow_up.windows, summary.follow_up.rows, summary.follow_up.changed) == (2, 64, 1)
    assert summary.as_dict()["follow_up"] == summary.follow_up.as_dict()
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_regression_is_flagged_recorded_and_cleared_on_recovery(gateway: Emulator, place: Place, load: Load) -> None:
    gateway.insert_message(DAY.add(hours=1), send_status=5, send_result=1)
    message_id = gateway.insert_message(DAY.add(hours=2), send_status=5, send_result=1)
    load(place)
    gateway.set_status(message_id, *AT_OPERATOR)
    gateway.advance(minutes=5)
    summary = load(place)
    assert (summary.regressed, summary.changed, summary.open_rows) == (1, 0, 1)
    [row] = [row for row in place.read(MESSAGES) if row["message_id"] == message_id]
    assert (row["state"], row["send_status"], row["regressed_to"]) == ("delivered", 5, "sent")
    assert [(line["to_state"], line["applied"]) for line in place.read(HISTORY)] == [("sent", False)]
    gateway.set_status(message_id, *DELIVERED)
    gateway.advance(minutes=5)
    load(place)
    [row] = [row for row in place.read(MESSAGES) if row["message_id"] == message_id]
    assert (row["state"], row["regressed_to"]) == ("delivered", None)
    assert [line["to_state"] for line in sorted(place.read(HISTORY), key=lambda line: line["observed_at"])] == [
        "sent",
        "delivered",
    ]
    assert place.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_incomplete_window_is_skipped_and_retried_by_the_next_load(
    gateway: Emulator, place: Place, load: Load, follow_up: Any
) -> None:
    """The others are loaded; the next pull asks for all of them, and follow-up for the one left out."""
    noon = DAY.add(hours=12)
    gateway.populate(900, start=noon, end=noon.add(microseconds=900_000))
    gateway.populate(600, start=NEXT.add(hours=1), end=NEXT.add(hours=2))
    gateway.advance(days=2)
    page = gateway.state.page

    def too_many(key: str, sms_type: int, start: int, end: int, *about: Any, **more: Any) -> Any:
        total, rows = page(key, sms_type, start, end, *about, **more)
        return total + (start <= noon.timestamp() * 1000 <= end), rows

    gateway.state.page = too_many
    with pytest.raises(LoadIncompleteError, match="1 of 2 windows") as failure:
        load(place, DAY, NEXT.add(days=1))
    assert "\n" not in str(failure.value)
    assert (failure.value.summary.rows, failure.value.summary.windows) == (600, 1)
    assert len(place.messages()) == 600
    assert [line["loaded_at"] is not None for line in place.loads()] == [False, True]
    gateway.state.page = page
    gateway.advance(minutes=1)
    calls = asked(gateway)
    summary = load(place, DAY, NEXT.add(days=1))
    assert (summary.windows, summary.skipped, summary.inserted) == (2, 0, 900)
    assert asked(gateway) - calls == 6
    assert place.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_loaded_window_that_turns_incomplete_is_followed_up(
    gateway: Emulator, duckdb_only: Place, load: Load, follow_up: Any
) -> None:
    """Whatever an earlier load found final: what was asked for since and never read is followed up."""
    gateway.populate(900, start=DAY.add(hours=12), end=DAY.add(hours=12, microseconds=900_000))
    gateway.advance(days=1)
    load(duckdb_only)
    assert follow_up(duckdb_only)[0] == []
    gateway.quirks.count_total = "absurd"
    gateway.insert_message(DAY.add(hours=12), send_status=5, send_result=1)
    gateway.advance(minutes=1)
    with pytest.raises(LoadIncompleteError):
        load(duckdb_only)
    gateway.quirks.count_total = "exact"
    gateway.advance(minutes=1)
    assert len(follow_up(duckdb_only)[0]) == 1
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_keys_rejected_midway_keep_loaded_windows_and_rerun_resumes(
    gateway: Emulator, place: Place, load: Load
) -> None:
    for day in range(4):
        gateway.populate(120, start=DAY.subtract(days=day, seconds=-1), end=DAY.subtract(days=day).add(hours=20))
    span = (DAY.subtract(days=3), NEXT)
    refused = DAY.subtract(days=1).format("YYYY-MM-DD").encode()
    gateway.faults.add(
        "get_sms_sent_data", code("101"), predicate=lambda call: b'"From":"' + refused in call.request.body
    )
    with pytest.raises(AuthenticationError):
        load(place, *span, threads=1)
    assert [line["loaded_at"] is not None for line in place.loads()] == [True, True, False, False]
    assert len(place.messages()) == 240
    gateway.faults.clear()
    gateway.advance(minutes=30)
    calls = asked(gateway)
    summary = load(place, *span)
    assert (summary.skipped, summary.windows, summary.inserted) == (2, 2, 240)
    assert asked(gateway) - calls == 2
    assert place.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_interrupted_load_is_not_resumed_after_half_a_day(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    gateway.populate(50, start=DAY, end=NEXT)
    gateway.faults.add(
        "get_sms_sent_data", code("101"), predicate=lambda call: b'"From":"2024-05-15' in call.request.body
    )
    with pytest.raises(AuthenticationError):
        load(duckdb_only, DAY, NEXT.add(days=1), threads=1)
    gateway.faults.clear()
    gateway.advance(hours=13)
    assert load(duckdb_only, DAY, NEXT.add(days=1)).skipped == 0


@pytest.mark.in_turn
def test_code_105_for_an_empty_range_loads_zero_rows(gateway: Emulator, place: Place, load: Load) -> None:
    """105 for every window of every type."""
    gateway.quirks.empty_range_is_105 = True
    summary = load(place, sms_types=(1, 2, 8, 23, 24, 25, 26))
    assert (summary.windows, summary.rows) == (7, 0)
    assert place.read(MESSAGES) == []
    assert [(line["row_count"], line["closed"]) for line in place.loads()] == [(0, True)] * 7
    with pytest.raises(InvalidRequestError):
        load(place, NEXT, DAY)


@pytest.mark.in_turn
def test_clock_set_back_between_loads_does_not_hide_changes(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """What the later load saw is applied, whatever the clocks say."""
    gateway.quirks.date_header = "missing"
    message_id = gateway.insert_message(DAY.add(hours=1), send_status=7, send_result=2)
    late = gateway.clock.now.in_timezone("UTC").add(minutes=10)
    load(duckdb_only, now=lambda: late)
    gateway.set_status(message_id, *DELIVERED)
    assert load(duckdb_only).changed == 1
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_day_loaded_in_growing_windows_is_followed_up_as_one_window(
    gateway: Emulator, duckdb_only: Place, load: Load, follow_up: Any
) -> None:
    late = gateway.insert_message(NEXT.add(minutes=5), send_status=7, send_result=2)
    for hour in (1, 2, 3):
        load(duckdb_only, NEXT, NEXT.add(hours=hour))
        gateway.advance(minutes=1)
    windows, _ = follow_up(duckdb_only)
    assert [(window.start, window.end) for window in windows] == [(NEXT, NEXT.add(hours=3))]
    gateway.set_status(late, *DELIVERED)
    gateway.advance(days=1)
    follow_up(duckdb_only)
    assert duckdb_only.messages() == rows_at(gateway)
    assert follow_up(duckdb_only)[0] == []
