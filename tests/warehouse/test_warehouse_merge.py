"""What a merge does to rows, history and loads: the same in every target."""

from __future__ import annotations

from typing import Any

import pytest
from targets import (
    DAY,
    DELIVERED,
    FAILED,
    NEXT_WINDOW,
    PENDING,
    PLANNED,
    PRIVACY,
    REJECTED,
    SENT,
    WINDOW,
    Row,
    Target,
    batches,
    key_of,
    load_of,
    merge,
    number_at,
    read_at,
    row,
)

from esms_connectors.gateway.states import state_of_row
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse import merging
from esms_connectors.warehouse.chunks import chunks_of
from esms_connectors.warehouse.contract import MESSAGES, MergeCounts
from esms_connectors.warehouse.coverage import rows_held

LATER = SentWindow(25, DAY.add(hours=6), DAY.add(hours=12))


@pytest.mark.in_turn
def test_new_rows_are_stored_unchanged(target: Target) -> None:
    """Every column is there; the row was first seen, and last changed, when the reading began. No history line."""
    assert merge(target, [row(1), row(2, SENT)], minute=7) == MergeCounts(inserted=2)
    own = {"first_seen_at": read_at(7), "changed_at": read_at(7), "regressed_to": None, "load_number": number_at(7)}
    assert target.messages() == {key_of(1): row(1) | own, key_of(2): row(2, SENT) | own}
    assert target.history() == []


def test_reloading_identical_rows_changes_nothing(target: Target) -> None:
    """Loading a window twice leaves rows and history as they were; only the load is counted."""
    merge(target, [row(1), row(2, SENT)])
    before = target.messages()
    assert merge(target, [row(2, SENT), row(1)], minute=5) == MergeCounts(unchanged=2)
    assert target.messages() == before
    assert target.history() == []
    assert [(load["load_count"], load["read_at"]) for load in target.loads()] == [(2, read_at(5))]


@pytest.mark.in_turn(every=3)
def test_existing_row_is_matched_across_chunks_and_changed_times(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is looked for by its time at first, and in a first load by its key alone; then among all."""
    monkeypatch.setattr(merging, "chunks_of", lambda rows, size: chunks_of(rows, 2))
    times = [{"sent_at": DAY.add(hours=hour)} for hour in range(6)]
    first = [row(number, **times[number]) for number in range(1, 5)]
    # The gateway never gives one twice; where it does, the later one counts, in another chunk and with another time.
    assert merge(target, [*first, row(1, **times[5])]) == MergeCounts(inserted=4, changed=1)
    moved = [row(2, **times[5]), row(3, sent_at=None), row(4, **times[1]), row(5, **times[4]), row(1, **times[5])]
    assert merge(target, moved, minute=5) == MergeCounts(inserted=1, changed=3, unchanged=1)
    stored = target.messages("sent_at")
    assert {key: one["sent_at"] for key, one in stored.items()} == {
        key_of(number): given["sent_at"] for number, given in zip((2, 3, 4, 5, 1), moved, strict=True)
    }


@pytest.mark.in_turn(every=3)
def test_second_attempt_with_another_time_is_a_separate_row(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not found at its own time, and the first try, whose key it has, not either."""
    monkeypatch.setattr(merging, "chunks_of", lambda rows, size: chunks_of(rows, 2))
    sms = SentWindow(2, WINDOW.start, WINDOW.end)
    times = [{"sent_at": DAY.add(hours=hour)} for hour in range(9)]
    merge(target, [row(number, FAILED, **times[number]) for number in (1, 2, 3)])
    tries = [row(number, DELIVERED, sms, **times[number + 3]) for number in (4, 1, 2, 3)]
    assert merge(target, tries, 5, sms) == MergeCounts(inserted=4)
    moved = [row(1, DELIVERED, sms, **times[1]), *tries[2:], row(4, DELIVERED, sms, **times[8])]
    assert merge(target, moved, 9, sms) == MergeCounts(changed=2, unchanged=2)
    stored = target.messages("sms_type", "sent_at")
    assert {key: (one["sms_type"], one["sent_at"]) for key, one in stored.items()} == {
        **{key_of(number): (25, times[number]["sent_at"]) for number in (1, 2, 3)},
        f"{key_of(1)}/2": (2, times[1]["sent_at"]),
        **{f"{key_of(number)}/2": (2, times[number + 3]["sent_at"]) for number in (2, 3)},
        key_of(4): (2, times[8]["sent_at"]),
    }


@pytest.mark.in_turn(every=3)
def test_updates_over_the_memory_limit_replace_rows_correctly(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB holds what it updates in memory; a window in which every row had changed was refused."""
    monkeypatch.setattr(merging, "MOST_UPDATED_BYTES", 1)
    others = [row(number, SENT, window=NEXT_WINDOW) for number in (3, 4)]
    merge(target, others, window=NEXT_WINDOW)
    merge(target, [row(1, SENT), row(2, SENT)])
    # The gateway lists the third in both windows; it stays where it was first met.
    changed = [row(1), row(2, content="Khác"), row(3)]
    assert merge(target, changed, minute=5) == MergeCounts(changed=3)
    own = {"changed_at": read_at(5), "regressed_to": None, "load_number": number_at(5), "first_seen_at": read_at(0)}
    first_met = {name: others[0][name] for name in ("window_start", "window_end")}
    assert target.messages() == {
        key_of(1): changed[0] | own,
        key_of(2): changed[1] | own,
        key_of(3): changed[2] | own | first_met,
        key_of(4): others[1] | own | {"changed_at": read_at(0), "load_number": number_at(0)},
    }
    assert len(target.history()) == 3
    assert [merge(target, changed, minute=9), len(target.read(MESSAGES))] == [MergeCounts(unchanged=3), 4]


@pytest.mark.in_turn
def test_changed_status_is_stored_and_recorded_in_history(target: Target) -> None:
    """The row has the new status, the history both."""
    merge(target, [row(1, PENDING), row(2, SENT)])
    assert merge(target, [row(1, SENT), row(2, SENT)], minute=5) == MergeCounts(changed=1, unchanged=1)
    assert target.messages()[key_of(1)] == row(1, SENT) | {
        "first_seen_at": read_at(0),
        "changed_at": read_at(5),
        "regressed_to": None,
        "load_number": number_at(5),
    }
    assert target.history() == [
        {
            "row_key": key_of(1),
            "observed_at": read_at(5),
            "from_state": "pending",
            "to_state": "sent",
            "from_status": 2,
            "from_result": None,
            "to_status": 5,
            "to_result": 2,
            "applied": True,
            "load_number": number_at(5),
        }
    ]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "change",
    [
        {"price_vnd": None},
        {"content": None},
        {"content": ""},
        {"sent_at": None},
        {"campaign": "Khác"},
        {"phone": None},
        {"message_id": None},
        {"portal_id": "7"},
        {"sms_type": None},
    ],
    ids=str,
)
def test_changed_non_status_field_is_stored_without_history(target: Target, change: Row) -> None:
    """Also where a value is gone: the gateway's last word counts."""
    merge(target, [row(1)])
    assert merge(target, [row(1, **change)], minute=5) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)] == row(1, **change) | {
        "first_seen_at": read_at(0),
        "changed_at": read_at(5),
        "regressed_to": None,
        "load_number": number_at(5),
    }
    assert target.history() == []


@pytest.mark.in_turn(every=3)
def test_null_is_replaced_by_a_later_value(target: Target) -> None:
    """NULL first, a value later."""
    late: Row = {"price_vnd": None, "sent_at": None, "send_result": None}
    merge(target, [row(1, SENT, **late)])
    assert merge(target, [row(1, SENT)], minute=5) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)]["price_vnd"] == row(1)["price_vnd"]


@pytest.mark.in_turn(every=3)
def test_raw_status_change_within_one_state_is_recorded_in_history(target: Target) -> None:
    """Two statuses that mean the same state, and a status that was no number, are changes of the status."""
    merge(target, [row(1, (1, None)), row(2, (77, None)), row(3, (None, None), status_text="x/y")])
    changed = [row(1, (2, None)), row(2, (78, None)), row(3, (None, None), status_text="x/z")]
    assert merge(target, changed, minute=5) == MergeCounts(changed=3)
    assert [(line["from_status"], line["to_status"]) for line in target.history()] == [(1, 2), (77, 78), (None, None)]


@pytest.mark.in_turn
@pytest.mark.parametrize("final", [DELIVERED, FAILED, REJECTED], ids=lambda status: state_of_row(*status).value)
@pytest.mark.parametrize("open_", [PENDING, SENT, (88, 8)], ids=lambda status: state_of_row(*status).value)
def test_final_state_is_kept_and_flagged_on_regression(target: Target, final: Any, open_: Any) -> None:
    """It is kept, with everything else of the row, and flagged; the history tells of it once."""
    merge(target, [row(1, final)])
    assert merge(target, [row(1, open_, content="anders")], minute=5) == MergeCounts(regressed=1)
    assert merge(target, [row(1, open_, content="anders")], minute=6) == MergeCounts(unchanged=1)
    stored = target.messages()[key_of(1)]
    state = state_of_row(*open_).value
    assert stored == row(1, final) | {
        "first_seen_at": read_at(0),
        "changed_at": read_at(5),
        "regressed_to": state,
        "load_number": number_at(5),
    }
    assert [(line["to_state"], line["to_status"], line["applied"]) for line in target.history()] == [
        (state, open_[0], False)
    ]


@pytest.mark.in_turn(every=3)
def test_further_regression_updates_the_flag_and_history(target: Target) -> None:
    """Another state that is not final replaces the flag and has a line of its own."""
    merge(target, [row(1)])
    merge(target, [row(1, SENT)], minute=5)
    assert merge(target, [row(1, PENDING)], minute=6) == MergeCounts(regressed=1)
    assert target.messages()[key_of(1)]["regressed_to"] == "pending"
    assert [(line["to_state"], line["applied"]) for line in target.history()] == [("sent", False), ("pending", False)]


@pytest.mark.in_turn
@pytest.mark.parametrize("returned", [DELIVERED, FAILED], ids=["as it was", "as another"])
def test_regression_flag_is_cleared_when_status_recovers(target: Target, returned: Any) -> None:
    """The history tells of the return also where the status is what it was before."""
    merge(target, [row(1)])
    merge(target, [row(1, SENT)], minute=5)
    assert merge(target, [row(1, returned)], minute=6) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)] == row(1, returned) | {
        "first_seen_at": read_at(0),
        "changed_at": read_at(6),
        "regressed_to": None,
        "load_number": number_at(6),
    }
    last = target.history()[-1]
    assert (last["from_state"], last["to_state"], last["applied"]) == ("delivered", state_of_row(*returned).value, True)


@pytest.mark.in_turn(every=3)
def test_final_state_can_be_corrected_by_another_final_state(target: Target) -> None:
    """A correction by the gateway is taken."""
    merge(target, [row(1, FAILED)])
    assert merge(target, [row(1, DELIVERED)], minute=5) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)]["state"] == "delivered"
    assert len(target.history()) == 1


@pytest.mark.in_turn
def test_older_reading_does_not_overwrite_a_newer_change(target: Target) -> None:
    """A slow load that began to read earlier neither takes a status back nor notes it; it still brings its new rows."""
    merge(target, [row(1, PENDING)], minute=0)
    merge(target, [row(1, SENT)], minute=9)
    assert merge(target, [row(1, PENDING), row(2)], minute=5) == MergeCounts(unchanged=1, inserted=1)
    assert target.messages()[key_of(1)]["state"] == "sent"
    assert len(target.history()) == 1


@pytest.mark.in_turn(every=3)
def test_older_reading_does_not_clear_the_regression_flag(target: Target) -> None:
    """`regressed_to` is what the gateway showed last, not what was loaded last."""
    merge(target, [row(1)], minute=0)
    merge(target, [row(1, SENT)], minute=9)
    assert merge(target, [row(1)], minute=5) == MergeCounts(unchanged=1)
    assert target.messages()[key_of(1)]["regressed_to"] == "sent"


@pytest.mark.in_turn
def test_older_reading_does_not_overwrite_the_load_record(target: Target) -> None:
    """What is known of a window never gets older."""
    merge(target, [row(1)], minute=9, open_rows=4, digest="newer")
    merge(target, [row(1), row(2)], minute=5, open_rows=0, digest="older", closed=False)
    (load,) = target.loads()
    assert (load["read_at"], load["open_rows"], load["digest"], load["closed"]) == (read_at(9), 4, "newer", True)
    assert load["load_count"] == 2


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SentWindow(25, DAY, DAY.add(hours=6)), LATER),
        (WINDOW, NEXT_WINDOW),
        (WINDOW, LATER),
        (LATER, WINDOW),
        (NEXT_WINDOW, WINDOW),
    ],
    ids=["touching", "at midnight", "within", "around", "at midnight, backwards"],
)
def test_row_in_two_windows_is_stored_once(target: Target, first: SentWindow, second: SentWindow) -> None:
    """Windows share the second between them; the row stays in the window that brought it first."""
    merge(target, [row(1, SENT, window=first), row(2, window=first)], window=first)
    counts = merge(target, [row(1, DELIVERED, window=second), row(3, window=second)], window=second, minute=5)
    assert counts == MergeCounts(inserted=1, changed=1)
    stored = target.messages()
    assert set(stored) == {key_of(1), key_of(2), key_of(3)}
    assert stored[key_of(1)]["state"] == "delivered"
    assert (stored[key_of(1)]["window_start"], stored[key_of(1)]["window_end"]) == (first.start, first.end)


@pytest.mark.in_turn
def test_first_load_of_a_window_merges_rows_shared_with_its_neighbour(target: Target) -> None:
    """On the second that they share, whatever those have become, among rows that are new."""
    merge(target, [row(1, SENT), row(2, SENT), row(3), row(4)])
    now_said = [row(1, FAILED, NEXT_WINDOW), row(2, SENT, NEXT_WINDOW), row(3, SENT, NEXT_WINDOW)]
    now_said += [row(5, SENT, NEXT_WINDOW)]
    counts = merge(target, now_said, window=NEXT_WINDOW, minute=5)
    assert counts == MergeCounts(inserted=1, changed=1, unchanged=1, regressed=1)
    stored = target.messages("state", "regressed_to")
    assert {key: (one["state"], one["regressed_to"]) for key, one in stored.items()} == {
        key_of(1): ("failed", None),
        key_of(2): ("sent", None),
        key_of(3): ("delivered", "sent"),
        key_of(4): ("delivered", None),
        key_of(5): ("sent", None),
    }
    assert [(line["to_state"], line["applied"]) for line in target.history()] == [("failed", True), ("sent", False)]


@pytest.mark.in_turn
def test_load_leaves_windows_of_other_days_and_types_unchanged(target: Target) -> None:
    """A load touches what it brings, nothing else."""
    other = SentWindow(2, WINDOW.start, WINDOW.end)
    merge(target, [row(1, SENT)])
    merge(target, [row(2, SENT, window=NEXT_WINDOW)], window=NEXT_WINDOW)
    merge(target, [row(3, SENT, window=other)], window=other)
    before = target.messages()
    merge(target, [row(1, DELIVERED)], minute=5)
    after = target.messages()
    assert {key: stored for key, stored in after.items() if key != key_of(1)} == {
        key: stored for key, stored in before.items() if key != key_of(1)
    }
    assert [load["load_count"] for load in target.loads()] == [1, 2, 1]


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("first", [25, 2])
def test_second_attempt_with_the_same_id_is_a_separate_row(target: Target, first: int) -> None:
    """The gateway may list the SMS behind a ZNS that failed under the id of that: both stay, in whatever order."""
    of_type = {25: FAILED, 2: DELIVERED}
    windows = {one: SentWindow(one, WINDOW.start, WINDOW.end) for one in of_type}
    for minute in (0, 5):
        for one in (first, 27 - first):
            rows = [row(1, of_type[one], windows[one]), row(10 + one, SENT, windows[one])]
            counts = merge(target, rows, minute + one, windows[one])
            assert counts == (MergeCounts(inserted=2) if minute == 0 else MergeCounts(unchanged=2))
    merge(target, [row(1, REJECTED, windows[27 - first])], 40, windows[27 - first])
    stored = target.messages("sms_type", "state", "message_id")
    assert {key: (one["sms_type"], one["state"]) for key, one in stored.items()} == {
        key_of(1): (first, state_of_row(*of_type[first]).value),
        f"{key_of(1)}/{27 - first}": (27 - first, "rejected"),
        key_of(12): (2, "sent"),
        key_of(35): (25, "sent"),
    }
    assert [line["row_key"] for line in target.history()] == [f"{key_of(1)}/{27 - first}"]


@pytest.mark.in_turn
def test_empty_window_is_recorded_as_a_load(target: Target) -> None:
    """No rows is a finding, too."""
    assert target.warehouse.merge(load_of(0), []) == MergeCounts()
    assert target.warehouse.merge(load_of(0, minute=1), batches([])) == MergeCounts()
    (load,) = target.loads()
    assert (load["row_count"], load["load_count"]) == (0, 2)
    assert target.read(MESSAGES) == []


@pytest.mark.in_turn
def test_load_record_contains_all_fields(target: Target) -> None:
    """All that the loader said, and what the merge counted."""
    merge(target, [row(1), row(2, SENT), row(3)])
    said: dict[str, Any] = {"count_total": 7, "open_rows": 2, "digest": "abc", "closed": False}
    merge(target, [row(1), row(2), row(3, SENT), row(4)], minute=5, **said)
    (load,) = target.loads()
    assert load.pop("loaded_at") == read_at(5)
    assert load == {
        "sms_type": 25,
        "window_start": WINDOW.start,
        "window_end": WINDOW.end,
        "planned_at": PLANNED,
        "planned_number": number_at(5),
        "read_number": number_at(5),
        "read_at": read_at(5),
        "counted_at": None,
        "row_count": 4,
        "inserted": 1,
        "changed": 1,
        "regressed": 1,
        "load_count": 2,
        "privacy": PRIVACY,
        **said,
    }


@pytest.mark.in_turn
def test_loads_are_read_back_in_order(target: Target) -> None:
    """By type and window, as they were written; what is owed has no reading."""
    zalo = SentWindow(2, DAY, DAY.add(days=1))
    target.warehouse.plan([NEXT_WINDOW, zalo], planned_at=PLANNED, privacy=PRIVACY)
    merge(target, [row(1)], count_total=None, digest="abc")
    found = list(target.warehouse.loads())
    assert [load.window for load in found] == [zalo, WINDOW, NEXT_WINDOW]
    owed, loaded, _ = found
    assert owed.read_at is None
    assert owed.loaded_at is None
    assert (owed.planned_at, owed.privacy, owed.load_count) == (PLANNED, PRIVACY, 0)
    assert loaded.read_at == read_at(0)
    assert loaded.loaded_at is not None
    assert (loaded.count_total, loaded.digest, loaded.closed, loaded.inserted) == (None, "abc", True, 1)


@pytest.mark.in_turn
def test_planning_a_loaded_window_keeps_its_load_record(target: Target) -> None:
    """Only when and as which load it was planned changes; numbers go up, also where a later clock is behind."""
    merge(target, [row(1)])
    (before,) = target.loads()
    first = target.warehouse.plan([WINDOW, WINDOW, NEXT_WINDOW], planned_at=read_at(30), privacy=PRIVACY)
    with target.again() as other:
        second = other.plan([WINDOW], planned_at=read_at(20), privacy=PRIVACY)
    assert number_at(5) < first < second
    assert [load["planned_number"] for load in target.loads()] == [second, first]
    assert target.loads()[0] == before | {"planned_at": read_at(20), "planned_number": second}
    assert [load.is_owed for load in target.warehouse.loads()] == [True, True]


@pytest.mark.in_turn
def test_load_does_not_overwrite_a_later_plan(target: Target) -> None:
    """A window that was planned again while it was being loaded stays planned."""
    number = target.warehouse.plan([WINDOW], planned_at=read_at(30), privacy=PRIVACY)
    merge(target, [row(1)])
    assert (target.loads()[0]["planned_at"], target.loads()[0]["planned_number"]) == (read_at(30), number)
    assert [load.is_owed for load in target.warehouse.loads()] == [True]
    merge(target, [row(1)], minute=40, planned_at=read_at(40))
    assert target.loads()[0]["planned_at"] == read_at(40)
    assert [load.is_owed for load in target.warehouse.loads()] == [False]


@pytest.mark.in_turn
def test_recount_updates_only_counted_at(target: Target) -> None:
    merge(target, [row(1)])
    merge(target, [row(2, window=NEXT_WINDOW)], window=NEXT_WINDOW)
    before = target.loads()
    target.warehouse.note_counted([NEXT_WINDOW], counted_at=read_at(50))
    target.warehouse.note_counted([], counted_at=read_at(60))
    assert target.loads() == [before[0], before[1] | {"counted_at": read_at(50)}]
    assert [load.counted_at for load in target.warehouse.loads()] == [None, read_at(50)]


@pytest.mark.in_turn
def test_load_order_takes_precedence_over_clock_times(target: Target) -> None:
    """The load that began later comes from a machine whose clock is a day behind; nothing of it is left alone."""
    merge(target, [row(1, SENT), row(2)], minute=0)
    earlier = read_at(-1440)
    counts = merge(target, [row(1, DELIVERED), row(2, SENT)], minute=9, read_at=earlier)
    assert counts == MergeCounts(changed=1, regressed=1)
    stored = target.messages()
    assert (stored[key_of(1)]["state"], stored[key_of(2)]["regressed_to"]) == ("delivered", "sent")
    (load,) = target.loads()
    assert (load["read_at"], load["changed"], load["regressed"]) == (earlier, 1, 1)
    assert merge(target, [row(1, SENT)], minute=5, read_at=read_at(500)) == MergeCounts(unchanged=1)
    assert target.loads()[0]["read_at"] == earlier


def test_empty_plan_records_no_loads(target: Target) -> None:
    target.warehouse.plan([], planned_at=PLANNED, privacy=PRIVACY)
    assert target.loads() == []


@pytest.mark.in_turn(every=3)
def test_stored_rows_are_counted_by_their_first_window(target: Target) -> None:
    """On every target, also rows that name no type: `esms coverage` compares them with what was listed."""
    merge(target, [row(1), row(2), row(3, sms_type=None)])
    merge(target, [row(4, window=NEXT_WINDOW)], window=NEXT_WINDOW, minute=1)
    held = rows_held(target.warehouse)
    assert (held[NEXT_WINDOW], held.total()) == (1, 4)
