"""What a merge does to rows, history and loads: the same in every target."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
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
    RULES,
    SENT,
    WINDOW,
    Row,
    Target,
    batches,
    key_of,
    load_of,
    many,
    merge,
    number_at,
    read_at,
    row,
)

from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.gateway.states import DeliveryState, state_of_row
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, MergeCounts, Person, WarehouseError
from esms_connectors.warehouse.merging import ArrowSource

LATER = SentWindow(25, DAY.add(hours=6), DAY.add(hours=12))


def test_new_rows_are_stored_as_they_came(target: Target) -> None:
    """Every column is there; the row was first seen, and last changed, when the reading began. No history line."""
    assert merge(target, [row(1), row(2, SENT)], minute=7) == MergeCounts(inserted=2)
    own = {"first_seen_at": read_at(7), "changed_at": read_at(7), "regressed_to": None, "load_number": number_at(7)}
    assert target.messages() == {key_of(1): row(1) | own, key_of(2): row(2, SENT) | own}
    assert target.history() == []


def test_a_second_load_of_the_same_changes_nothing(target: Target) -> None:
    """Loading a window twice leaves rows and history as they were; only the load is counted."""
    merge(target, [row(1), row(2, SENT)])
    before = target.messages()
    assert merge(target, [row(2, SENT), row(1)], minute=5) == MergeCounts(unchanged=2)
    assert target.messages() == before
    assert target.history() == []
    assert [(load["load_count"], load["read_at"]) for load in target.loads()] == [(2, read_at(5))]


def test_a_status_that_changed_is_taken_and_noted(target: Target) -> None:
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
def test_anything_else_that_changed_is_taken_without_a_history_line(target: Target, change: Row) -> None:
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


def test_a_value_that_came_late_is_taken(target: Target) -> None:
    """NULL first, a value later."""
    late: Row = {"price_vnd": None, "sent_at": None, "send_result": None}
    merge(target, [row(1, SENT, **late)])
    assert merge(target, [row(1, SENT)], minute=5) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)]["price_vnd"] == row(1)["price_vnd"]


def test_a_change_of_the_raw_status_alone_is_noted(target: Target) -> None:
    """Two statuses that mean the same state, and a status that was no number, are changes of the status."""
    merge(target, [row(1, (1, None)), row(2, (77, None)), row(3, (None, None), status_text="x/y")])
    changed = [row(1, (2, None)), row(2, (78, None)), row(3, (None, None), status_text="x/z")]
    assert merge(target, changed, minute=5) == MergeCounts(changed=3)
    assert [(line["from_status"], line["to_status"]) for line in target.history()] == [(1, 2), (77, 78), (None, None)]


@pytest.mark.parametrize("final", [DELIVERED, FAILED, REJECTED], ids=lambda status: state_of_row(*status).value)
@pytest.mark.parametrize("open_", [PENDING, SENT, (88, 8)], ids=lambda status: state_of_row(*status).value)
def test_a_final_status_does_not_go_back(target: Target, final: Any, open_: Any) -> None:
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


def test_going_back_further_is_flagged_again(target: Target) -> None:
    """Another state that is not final replaces the flag and has a line of its own."""
    merge(target, [row(1)])
    merge(target, [row(1, SENT)], minute=5)
    assert merge(target, [row(1, PENDING)], minute=6) == MergeCounts(regressed=1)
    assert target.messages()[key_of(1)]["regressed_to"] == "pending"
    assert [(line["to_state"], line["applied"]) for line in target.history()] == [("sent", False), ("pending", False)]


@pytest.mark.parametrize("returned", [DELIVERED, FAILED], ids=["as it was", "as another"])
def test_a_return_from_going_back_takes_the_flag_away(target: Target, returned: Any) -> None:
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


def test_one_final_status_may_replace_another(target: Target) -> None:
    """A correction by the gateway is taken."""
    merge(target, [row(1, FAILED)])
    assert merge(target, [row(1, DELIVERED)], minute=5) == MergeCounts(changed=1)
    assert target.messages()[key_of(1)]["state"] == "delivered"
    assert len(target.history()) == 1


def test_an_older_reading_changes_nothing_that_a_newer_one_changed(target: Target) -> None:
    """A slow load that began to read earlier neither takes a status back nor notes it; it still brings its new rows."""
    merge(target, [row(1, PENDING)], minute=0)
    merge(target, [row(1, SENT)], minute=9)
    assert merge(target, [row(1, PENDING), row(2)], minute=5) == MergeCounts(unchanged=1, inserted=1)
    assert target.messages()[key_of(1)]["state"] == "sent"
    assert len(target.history()) == 1


def test_an_older_reading_does_not_take_a_flag_away(target: Target) -> None:
    """`regressed_to` is what the gateway showed last, not what was loaded last."""
    merge(target, [row(1)], minute=0)
    merge(target, [row(1, SENT)], minute=9)
    assert merge(target, [row(1)], minute=5) == MergeCounts(unchanged=1)
    assert target.messages()[key_of(1)]["regressed_to"] == "sent"


def test_an_older_reading_leaves_the_line_of_the_newer_one(target: Target) -> None:
    """What is known of a window never gets older."""
    merge(target, [row(1)], minute=9, open_rows=4, digest="newer")
    merge(target, [row(1), row(2)], minute=5, open_rows=0, digest="older", closed=False)
    (load,) = target.loads()
    assert (load["read_at"], load["open_rows"], load["digest"], load["closed"]) == (read_at(9), 4, "newer", True)
    assert load["load_count"] == 2


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
def test_a_row_that_two_windows_bring_is_stored_once(target: Target, first: SentWindow, second: SentWindow) -> None:
    """Windows share the second between them; the row stays in the window that brought it first."""
    merge(target, [row(1, SENT, window=first), row(2, window=first)], window=first)
    counts = merge(target, [row(1, DELIVERED, window=second), row(3, window=second)], window=second, minute=5)
    assert counts == MergeCounts(inserted=1, changed=1)
    stored = target.messages()
    assert set(stored) == {key_of(1), key_of(2), key_of(3)}
    assert stored[key_of(1)]["state"] == "delivered"
    assert (stored[key_of(1)]["window_start"], stored[key_of(1)]["window_end"]) == (first.start, first.end)


def test_a_window_loaded_for_the_first_time_meets_rows_of_its_neighbour(target: Target) -> None:
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


def test_windows_of_other_days_and_types_stay_as_they_are(target: Target) -> None:
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


def test_an_empty_window_is_a_load(target: Target) -> None:
    """No rows is a finding, too."""
    assert target.warehouse.merge(load_of(0), []) == MergeCounts()
    assert target.warehouse.merge(load_of(0, minute=1), batches([])) == MergeCounts()
    (load,) = target.loads()
    assert (load["row_count"], load["load_count"]) == (0, 2)
    assert target.read(MESSAGES) == []


def test_what_a_load_leaves_about_its_window(target: Target) -> None:
    """All that the loader said, and what the merge counted."""
    merge(target, [row(1), row(2, SENT), row(3)])
    said: dict[str, Any] = {"count_total": 7, "open_rows": 2, "digest": "abc", "closed": False}
    merge(target, [row(1), row(2), row(3, SENT), row(4)], minute=5, **said)
    (load,) = target.loads()
    assert load.pop("loaded_at") > read_at(0).replace(year=2025)
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


def test_a_plan_keeps_what_was_loaded(target: Target) -> None:
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


def test_a_load_keeps_a_later_plan(target: Target) -> None:
    """A window that was planned again while it was being loaded stays planned."""
    number = target.warehouse.plan([WINDOW], planned_at=read_at(30), privacy=PRIVACY)
    merge(target, [row(1)])
    assert (target.loads()[0]["planned_at"], target.loads()[0]["planned_number"]) == (read_at(30), number)
    assert [load.is_owed for load in target.warehouse.loads()] == [True]
    merge(target, [row(1)], minute=40, planned_at=read_at(40))
    assert target.loads()[0]["planned_at"] == read_at(40)
    assert [load.is_owed for load in target.warehouse.loads()] == [False]


def test_a_recount_is_noted_and_nothing_else(target: Target) -> None:
    merge(target, [row(1)])
    merge(target, [row(2, window=NEXT_WINDOW)], window=NEXT_WINDOW)
    before = target.loads()
    target.warehouse.note_counted([NEXT_WINDOW], counted_at=read_at(50))
    target.warehouse.note_counted([], counted_at=read_at(60))
    assert target.loads() == [before[0], before[1] | {"counted_at": read_at(50)}]
    assert [load.counted_at for load in target.warehouse.loads()] == [None, read_at(50)]


def test_the_order_of_loads_counts_and_not_their_clocks(target: Target) -> None:
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


def test_an_empty_plan_is_no_plan(target: Target) -> None:
    target.warehouse.plan([], planned_at=PLANNED, privacy=PRIVACY)
    assert target.loads() == []


def test_another_way_of_keeping_phones_is_refused(target: Target) -> None:
    """One warehouse keeps one way: neither a load nor a plan may mix them."""
    merge(target, [row(1)])
    with pytest.raises(ConfigurationError, match="one way") as caught:
        merge(target, [row(2)], privacy="phone=masked")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="one way"):
        target.warehouse.plan([NEXT_WINDOW], planned_at=PLANNED, privacy="phone=masked")
    assert set(target.messages()) == {key_of(1)}
    assert len(target.loads()) == 1


def test_a_source_that_breaks_off_leaves_nothing(target: Target) -> None:
    """Rows, history and load come together or not at all, and the next load finds the warehouse in order."""
    merge(target, [row(1, SENT)])

    def rows() -> Iterator[pa.RecordBatch]:
        yield from batches([row(1, DELIVERED)])
        yield from many(60_000)
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        target.warehouse.merge(load_of(60_001, minute=5), rows())
    assert [stored["state"] for stored in target.messages().values()] == ["sent"]
    assert target.history() == []
    assert target.loads()[0]["load_count"] == 1
    assert merge(target, [row(1, DELIVERED)], minute=6) == MergeCounts(changed=1)


@pytest.mark.parametrize("moment", range(1, 9, 2))
def test_ctrl_c_in_the_hands_of_the_database(target: Target, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """DuckDB makes an error of its own of what is raised while it takes rows over; it stays a KeyboardInterrupt."""
    merge(target, [row(1, SENT)])
    asked = 0

    def interrupted(source: ArrowSource, requested_schema: object = None) -> object:
        nonlocal asked
        asked += 1
        if asked == moment:
            signal.raise_signal(signal.SIGINT)
        return source.rows.__arrow_c_stream__(requested_schema)

    with monkeypatch.context() as patch:
        patch.setattr(ArrowSource, "__arrow_c_stream__", interrupted)
        try:
            merge(target, [row(1), row(2)], minute=5)
        except KeyboardInterrupt:
            pass
        else:
            assert asked < moment
            return
    assert {key: one["state"] for key, one in target.messages("state").items()} == {key_of(1): "sent"}
    assert [load["load_count"] for load in target.loads()] == [1]
    assert merge(target, [row(1), row(2)], minute=6) == MergeCounts(changed=1, inserted=1)


@pytest.mark.parametrize("error", [ValueError("KeyboardInterrupt"), EsmsError("Query interrupted")], ids=repr)
def test_an_error_that_only_speaks_of_ctrl_c(target: Target, error: Exception) -> None:
    """A text of the gateway may hold the word; the error stays what it is."""

    def rows() -> Iterator[pa.RecordBatch]:
        yield from batches([row(1)])
        raise error

    with pytest.raises(type(error), match=str(error)):
        target.warehouse.merge(load_of(2), rows())


@pytest.mark.parametrize("said", [1, 3])
def test_rows_that_do_not_add_up_are_refused(target: Target, said: int) -> None:
    """Another number of rows than was proven is not loaded."""
    with pytest.raises(WarehouseError, match="row counts of the merge do not match"):
        target.warehouse.merge(load_of(said), batches([row(1), row(2)]))
    assert target.read(MESSAGES) == []
    assert target.loads() == []


def test_a_key_that_comes_twice_is_never_two_rows(target: Target) -> None:
    """The loader never does it; if it did, the load would be refused."""
    with pytest.raises(WarehouseError, match="row counts of the merge do not match"):
        target.warehouse.merge(load_of(2), batches([row(1), row(1)]))
    assert target.read(MESSAGES) == []


def test_a_large_window_in_many_batches(large_target: Target) -> None:
    """300 000 rows, then a tenth of them changed: no row is lost on the way, which DuckDB 2.0.0 is able to do."""
    # PostgreSQL has no row groups that could be mixed up.
    count = 50_000 if large_target.address.startswith("postgresql") else 300_000
    tenth = count // 10
    assert large_target.warehouse.merge(load_of(count), many(count)) == MergeCounts(inserted=count)

    def again() -> Iterator[pa.RecordBatch]:
        yield from many(tenth, DELIVERED)
        yield from many(count - tenth, first=tenth)

    counts = large_target.warehouse.merge(load_of(count, minute=5), again())
    assert counts == MergeCounts(changed=tenth, unchanged=count - tenth)
    states = Counter(stored["state"] for stored in large_target.messages("state").values())
    assert states == {"delivered": tenth, "sent": count - tenth}
    assert len(large_target.read(HISTORY, "row_key")) == tenth


class Model:
    """The rules again, row by row, for the random test."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.history: list[Row] = []

    def merge(self, came: list[Row], minute: int) -> MergeCounts:
        counts = dict.fromkeys(("inserted", "changed", "unchanged", "regressed"), 0)
        for one in came:
            counts[self._take(one, minute)] += 1
        return MergeCounts(**counts)

    def _take(self, came: Row, minute: int) -> str:
        now = read_at(minute)
        stored = self.rows.get(came["row_key"])
        if stored is None:
            own = {"first_seen_at": now, "changed_at": now, "regressed_to": None, "load_number": number_at(minute)}
            self.rows[came["row_key"]] = came | own
            return "inserted"
        if stored["load_number"] > number_at(minute):
            return "unchanged"
        if DeliveryState(stored["state"]).is_final and not DeliveryState(came["state"]).is_final:
            if stored["regressed_to"] == came["state"]:
                return "unchanged"
            self._note(stored, came, minute, applied=False)
            stored |= {"regressed_to": came["state"], "changed_at": now, "load_number": number_at(minute)}
            return "regressed"
        fixed = ("window_start", "window_end")
        differing = {name for name in came if name not in fixed and came[name] != stored[name]}
        if not differing and stored["regressed_to"] is None:
            return "unchanged"
        if stored["regressed_to"] or differing & {"send_status", "send_result", "status_text", "state"}:
            self._note(stored, came, minute, applied=True)
        stored |= {name: came[name] for name in differing} | {"changed_at": now, "regressed_to": None}
        stored["load_number"] = number_at(minute)
        return "changed"

    def _note(self, stored: Row, came: Row, minute: int, *, applied: bool) -> None:
        self.history.append(
            {
                "row_key": came["row_key"],
                "observed_at": read_at(minute),
                "from_state": stored["state"],
                "to_state": came["state"],
                "from_status": stored["send_status"],
                "from_result": stored["send_result"],
                "to_status": came["send_status"],
                "to_result": came["send_result"],
                "applied": applied,
                "load_number": number_at(minute),
            }
        )


def test_any_sequence_of_loads_follows_the_rules(target: Target) -> None:
    """Random loads, some of them late, against the rules written down row by row."""
    _play_random_loads(target, seed=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_other_sequence_as_well(sql_target: Target, seed: int) -> None:
    _play_random_loads(sql_target, seed)


def _play_random_loads(target: Target, seed: int) -> None:
    chance = random.Random(seed)
    model = Model()
    windows = [SentWindow(25, DAY, DAY.add(hours=6)), LATER]
    statuses = [PENDING, SENT, DELIVERED, FAILED, REJECTED, (99, 9), (None, None)]
    for step in range(12):
        window = chance.choice(windows)
        # 4 and 5 stand on the second between the two windows.
        numbers = range(6) if window is windows[0] else range(4, 10)
        came = [
            row(
                number,
                chance.choice(statuses),
                window=window,
                content=chance.choice(["a", "b", None]),
                status_text=chance.choice([None, None, "x"]),
            )
            for number in chance.sample(numbers, chance.randint(0, len(numbers)))
        ]
        minute = max(0, step * 10 - chance.choice([0, 0, 0, 15, 25]))
        expected = model.merge([dict(one) for one in came], minute)
        assert merge(target, came, minute, window) == expected
    assert target.messages() == model.rows

    def in_order(lines: list[Row]) -> list[str]:
        return sorted(str(sorted((line | {"observed_at": line["observed_at"].timestamp()}).items())) for line in lines)

    assert in_order(target.history()) == in_order(model.history)


def test_erasing_a_person_by_the_stored_phone(target: Target) -> None:
    """Their rows and the history of these go, in every window; those of others stay, and the loads."""
    phone = row(1)["phone"]
    merge(target, [row(1, SENT), row(2, SENT), row(3, SENT, phone=None)])
    merge(target, [row(1), row(2), row(3)], minute=5)
    merge(target, [row(4, window=NEXT_WINDOW, phone=phone)], window=NEXT_WINDOW)
    loads = target.loads()
    assert target.warehouse.erase(Person(phone, lambda message_id: "")) == {MESSAGES: 2, HISTORY: 1}
    assert set(target.messages()) == {key_of(2), key_of(3)}
    assert {line["row_key"] for line in target.history()} == {key_of(2), key_of(3)}
    assert target.loads() == loads
    assert target.warehouse.erase(Person(phone, lambda message_id: "")) == {MESSAGES: 0, HISTORY: 0}


def test_erasing_a_person_by_the_keys(target: Target) -> None:
    """Where phones are masked or left out, the key of a message and a phone tells whose a row is."""
    merge(target, [row(1, SENT, phone=None), row(2, SENT, phone=None), row(3, SENT, phone=None, message_id=None)])
    merge(target, [row(number, phone=None) for number in (1, 2)], minute=5)
    keys = {"m1-1": key_of(1), "m2-1": "of somebody else", None: key_of(3)}
    assert target.warehouse.erase(Person(None, lambda message_id: keys[message_id])) == {MESSAGES: 2, HISTORY: 1}
    assert set(target.messages()) == {key_of(2)}
    assert {line["row_key"] for line in target.history()} == {key_of(2)}


def test_erasing_one_person_among_very_many(large_target: Target) -> None:
    """All keys are looked at, however many."""
    large_target.warehouse.merge(load_of(60_000), many(60_000))
    person = Person(None, lambda message_id: f"many-{message_id[1:]}" if message_id == "m59999" else "")
    assert large_target.warehouse.erase(person) == {MESSAGES: 1, HISTORY: 0}
    assert len(large_target.read(MESSAGES)) == 59_999


def test_nobody_is_erased_from_an_empty_warehouse(target: Target) -> None:
    assert target.warehouse.erase(Person("0900000000", lambda message_id: "")) == {MESSAGES: 0, HISTORY: 0}
    assert target.warehouse.erase(Person(None, lambda message_id: "")) == {MESSAGES: 0, HISTORY: 0}


def test_closing_twice_is_closing_once(target: Target) -> None:
    target.warehouse.close()
    target.warehouse.close()


def test_the_rules_that_only_some_targets_run_are_tests() -> None:
    """A test with a new name must not be lost for them."""
    assert set().union(*RULES.values()) <= {name for name in globals() if name.startswith("test_")}
