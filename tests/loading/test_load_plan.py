"""What a load without a span does by itself: what is missing since the first window, up to the day it is run for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pendulum
import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import LOADS, Load, Place, rows_at

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import AuthenticationError
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.planning import LoadPlan, plan_load


@pytest.fixture
def plan(gateway: Emulator) -> Any:
    """What a load of type 2 would do, by the emulator's clock."""

    def run(place: Place, **settings: Any) -> LoadPlan:
        settings.setdefault("sms_types", [2])
        settings.setdefault("now", lambda: gateway.clock.now.in_timezone("UTC"))
        with open_warehouse(place.address) as warehouse:
            return plan_load(warehouse, **settings)

    return run


def days(windows: Any) -> list[str]:
    return [window.start.in_timezone("Asia/Ho_Chi_Minh").to_date_string() for window in windows]


def fill(gateway: Emulator, first: pendulum.DateTime, count: int) -> None:
    for day in range(count):
        gateway.populate(20, start=first.add(days=day, seconds=1), end=first.add(days=day, hours=23))


@pytest.mark.in_turn
def test_first_load_without_dates_covers_the_last_whole_day(
    gateway: Emulator, place: Place, load: Load, plan: Any
) -> None:
    fill(gateway, DAY.subtract(days=2), 4)
    assert days(plan(place).windows) == ["2024-05-14"]
    assert load(place, None, None).rows == 20
    assert plan(place).windows == ()


@pytest.mark.in_turn
def test_missed_days_are_loaded_by_the_next_run_and_reported(
    gateway: Emulator, place: Place, load: Load, plan: Any
) -> None:
    """Loaded on the 15th, then nothing ran until the 18th."""
    fill(gateway, DAY, 4)
    load(place, None, None)
    gateway.advance(days=3)
    planned = plan(place)
    assert days(planned.windows) == ["2024-05-15", "2024-05-16", "2024-05-17"]
    assert (planned.start, planned.end) == (DAY.add(days=1), DAY.add(days=4))
    assert planned.notes == (
        "3 windows to load, 2024-05-15 00:00 to 2024-05-18 00:00 in Vietnam; missed on earlier days: 2",
        "1 window to count again",
    )
    assert load(place, None, None).rows == 60
    assert place.messages() == rows_at(gateway)
    assert plan(place).notes[0] == "everything up to 2024-05-18 00:00 in Vietnam is loaded"


@pytest.mark.in_turn
def test_day_missing_between_loaded_days_is_planned(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    fill(gateway, DAY.subtract(days=3), 4)
    load(duckdb_only, DAY.subtract(days=3), DAY.subtract(days=2))
    load(duckdb_only, DAY.subtract(days=1), DAY)
    assert days(plan(duckdb_only).windows) == ["2024-05-12", "2024-05-14"]
    load(duckdb_only, None, None)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_late_run_loads_up_to_its_scheduled_day(gateway: Emulator, duckdb_only: Place, load: Load, plan: Any) -> None:
    """Three runs that waited for a worker, taking place together: each loads its own day."""
    fill(gateway, DAY, 4)
    load(duckdb_only)
    gateway.advance(days=3)
    for late in range(3):
        scheduled = NEXT.add(days=late + 1, hours=6)
        assert days(plan(duckdb_only, scheduled=scheduled).windows) == [NEXT.add(days=late).to_date_string()]
        assert load(duckdb_only, None, None, scheduled=scheduled).rows == 20
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn(every=3)
def test_days_before_the_first_window_are_loaded_by_their_scheduled_runs(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    """A campaign's rows were loaded, then a schedule catches up with a week, its runs in any order."""
    fill(gateway, DAY.subtract(days=2), 4)
    load(duckdb_only, NEXT.add(hours=9), NEXT.add(hours=10))
    for back in (1, 3, 2):
        day = NEXT.subtract(days=back)
        assert days(plan(duckdb_only, scheduled=day.add(days=1, hours=6)).windows) == [day.to_date_string()]
        load(duckdb_only, None, None, scheduled=day.add(days=1, hours=6))
    gateway.advance(days=1)
    assert days(plan(duckdb_only).windows) == [NEXT.to_date_string()] * 2  # before and after what was loaded of it
    load(duckdb_only, None, None)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_current_day_is_left_to_the_next_run_and_reread_as_a_whole(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    """Somebody pulled today's rows until noon: the day is still to be loaded as a whole tomorrow."""
    fill(gateway, DAY, 2)
    load(duckdb_only, DAY, NEXT.add(hours=12))
    assert plan(duckdb_only).windows == ()
    gateway.advance(days=1)
    assert days(plan(duckdb_only).windows) == ["2024-05-15"]
    load(duckdb_only, None, None, follow_up=True)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn(every=3)
def test_window_requested_but_never_read_is_planned_again(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    fill(gateway, DAY.subtract(days=1), 2)
    gateway.faults.add("get_sms_sent_data", code("101"))
    with pytest.raises(AuthenticationError):
        load(duckdb_only, DAY.subtract(days=1), DAY)
    gateway.faults.clear()
    assert days(plan(duckdb_only).windows) == ["2024-05-13", "2024-05-14"]


@pytest.mark.in_turn
def test_each_type_is_planned_from_its_own_last_load(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    load(duckdb_only, DAY.subtract(days=1), NEXT, sms_types=[2])
    load(duckdb_only, DAY.subtract(days=2), DAY, sms_types=[25])
    planned = plan(duckdb_only, sms_types=[1, 2, 25])
    assert [(window.sms_type, days([window])[0]) for window in planned.windows] == [
        (1, "2024-05-14"),
        (25, "2024-05-14"),
    ]


@pytest.mark.in_turn(every=3)
def test_missed_days_are_limited_and_older_gaps_are_reported(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    load(duckdb_only)
    gateway.advance(days=100)
    planned = plan(duckdb_only)
    assert len(planned.windows) == 31
    assert planned.start == planned.end.subtract(days=31)
    assert any("days from 2024-05-15 were never loaded" in note for note in planned.notes)
    assert len(plan(duckdb_only, most_days=5).windows) == 5
    with pytest.raises(InvalidRequestError, match="most_days"):
        plan(duckdb_only, most_days=0)


@pytest.mark.in_turn(every=3)
def test_missing_days_are_planned_after_all_loads_were_forgotten(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    """Nothing ran for forty days, and then the command that forgets ran first."""
    load(duckdb_only, DAY.subtract(days=3), NEXT)
    gateway.advance(days=40)
    with open_warehouse(duckdb_only.address) as warehouse:
        assert warehouse.forget(gateway.clock.now.subtract(days=30))[LOADS] == 3
    assert len(plan(duckdb_only).windows) == 31


@pytest.mark.in_turn(every=3)
def test_explicit_span_is_planned_as_given(gateway: Emulator, duckdb_only: Place, load: Load, plan: Any) -> None:
    """Whatever was loaded before, and without a word."""
    load(duckdb_only)
    planned = plan(duckdb_only, start=DAY, end=NEXT)
    assert planned.windows == (SentWindow(2, DAY.in_timezone("UTC"), NEXT.in_timezone("UTC")),)
    assert planned.notes == ()


@pytest.mark.in_turn
@pytest.mark.parametrize("date", ["exact", "missing"])
def test_load_with_a_clock_ahead_does_not_close_windows(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any, date: Any
) -> None:
    """
    A loader whose clock was two days ahead has read the running day too early. Where the gateway tells no time, nothing
    says which days: all of them are read again.
    """
    gateway.quirks.date_header = date
    fill(gateway, DAY, 1)
    tomorrow = gateway.clock.now.add(days=2).in_timezone("UTC")
    load(duckdb_only, DAY, NEXT.add(days=1), now=lambda: tomorrow)
    gateway.populate(30, start=NEXT.add(hours=13), end=NEXT.add(hours=23))
    gateway.advance(hours=18)
    assert days(plan(duckdb_only).windows) == ["2024-05-14", "2024-05-15"][date == "exact" :]
    load(duckdb_only, None, None)
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sms_types": []}, "No message type"),
        ({"sms_types": [27]}, "sms_type"),
        ({"start": NEXT, "end": DAY}, "not earlier than end"),
        ({"start": datetime(2024, 5, 14), "end": NEXT}, "with a zone"),
        ({"end": datetime(2024, 5, 14)}, "with a zone"),
        ({"scheduled": datetime(2024, 5, 14)}, "with a zone"),
    ],
)
def test_invalid_plan_arguments_give_one_line_error(duckdb_only: Place, plan: Any, settings: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as failure:
        plan(duckdb_only, **settings)
    assert "\n" not in str(failure.value)


@pytest.mark.in_turn
def test_follow_up_ends_at_the_maximum_age(gateway: Emulator, duckdb_only: Place, load: Load, plan: Any) -> None:
    gateway.insert_message(DAY.add(hours=5), send_status=7, send_result=2)
    load(duckdb_only)
    gateway.advance(days=2)
    assert days(plan(duckdb_only).follow_up) == ["2024-05-14"]
    assert plan(duckdb_only, follow_up=False).follow_up == ()
    assert plan(duckdb_only, max_age=timedelta(days=1)).follow_up == ()


@pytest.mark.in_turn
def test_backfill_does_not_follow_up_other_windows_by_default(
    gateway: Emulator, duckdb_only: Place, load: Load, plan: Any
) -> None:
    """Today's beginning was loaded, and a day before has an open row: only the run of the latest day reads them."""
    gateway.insert_message(DAY.subtract(hours=1), send_status=7, send_result=2)
    load(duckdb_only, DAY.subtract(days=1), None)
    for day, others in ((5, 0), (2, 0), (0, 2)):
        first = DAY.subtract(days=day)
        planned = plan(duckdb_only, start=first, end=first.add(days=1), with_missing=True, follow_up=None)
        assert len(planned.follow_up) == others
        assert any("a backfill" in note for note in planned.notes) is not bool(others)
    assert len(plan(duckdb_only, follow_up=None).follow_up) == 2
    asked_for = plan(duckdb_only, start=DAY.subtract(days=5), end=DAY.subtract(days=4), follow_up=True)
    assert len(asked_for.follow_up) == 2
