"""What a merge refuses, loads at random, and whom it forgets: the same in every target."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pytest
import test_warehouse_merge
from targets import (
    DAY,
    DELIVERED,
    FAILED,
    NEXT_WINDOW,
    PENDING,
    PLANNED,
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
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, MergeCounts, Person, WarehouseError
from esms_connectors.warehouse.duckdb_session import ArrowSource


@pytest.mark.in_turn
def test_different_phone_privacy_setting_is_rejected(target: Target) -> None:
    """One warehouse keeps one setting: neither a load nor a plan may mix them."""
    merge(target, [row(1)])
    with pytest.raises(ConfigurationError, match="one setting") as caught:
        merge(target, [row(2)], privacy="phone=masked")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="one setting"):
        target.warehouse.plan([NEXT_WINDOW], planned_at=PLANNED, privacy="phone=masked")
    assert set(target.messages()) == {key_of(1)}
    assert len(target.loads()) == 1


@pytest.mark.in_turn
def test_failing_row_source_rolls_back_the_load(target: Target) -> None:
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


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", range(1, 9, 2))
def test_ctrl_c_inside_the_database_stays_keyboard_interrupt_and_rolls_back(
    target: Target, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
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


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("error", [ValueError("KeyboardInterrupt"), EsmsError("Query interrupted")], ids=repr)
def test_error_mentioning_an_interrupt_keeps_its_type(target: Target, error: Exception) -> None:
    """A text of the gateway may hold the word; the error stays what it is."""

    def rows() -> Iterator[pa.RecordBatch]:
        yield from batches([row(1)])
        raise error

    with pytest.raises(type(error), match=str(error)):
        target.warehouse.merge(load_of(2), rows())


@pytest.mark.in_turn
@pytest.mark.parametrize("said", [1, 3])
def test_wrong_row_count_is_rejected(target: Target, said: int) -> None:
    """Another number of rows than was proven is not loaded."""
    with pytest.raises(WarehouseError, match="row counts of the merge do not match"):
        target.warehouse.merge(load_of(said), batches([row(1), row(2)]))
    assert target.read(MESSAGES) == []
    assert target.loads() == []


@pytest.mark.in_turn(every=3)
def test_rows_of_another_window_are_rejected(target: Target) -> None:
    """Files would leave them out, as rows of another day, and say that they were loaded."""
    merge(target, [row(1, SENT)])
    for other in (row(2, window=NEXT_WINDOW), row(2, window_end=WINDOW.start.add(hours=1))):
        with pytest.raises(WarehouseError, match="1 row has another window_") as caught:
            merge(target, [row(1), other], minute=5)
        assert "\n" not in str(caught.value)
    assert {key: one["state"] for key, one in target.messages("state").items()} == {key_of(1): "sent"}
    assert [load["load_count"] for load in target.loads()] == [1]


def test_duplicate_row_key_is_rejected(target: Target) -> None:
    """The loader never does it; if it did, the load would be refused."""
    with pytest.raises(WarehouseError, match="row counts of the merge do not match"):
        target.warehouse.merge(load_of(2), batches([row(1), row(1)]))
    assert target.read(MESSAGES) == []


@pytest.mark.in_turn
def test_large_window_in_many_batches_loses_no_rows(large_target: Target) -> None:
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


@pytest.mark.in_turn
def test_random_load_sequence_matches_the_reference_model(target: Target) -> None:
    """Random loads, some of them late, against the rules written down row by row."""
    _play_random_loads(target, seed=0)


@pytest.mark.in_turn
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_further_random_load_sequences_match_the_reference_model(sql_target: Target, seed: int) -> None:
    _play_random_loads(sql_target, seed)


def _play_random_loads(target: Target, seed: int) -> None:
    chance = random.Random(seed)
    model = Model()
    windows = [SentWindow(25, DAY.add(hours=start), DAY.add(hours=start + 6)) for start in (0, 6)]
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


@pytest.mark.in_turn
def test_erase_by_stored_phone_removes_rows_and_history(target: Target) -> None:
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


@pytest.mark.in_turn
def test_erase_by_row_keys_removes_rows_and_history(target: Target) -> None:
    """Where phones are masked or left out, the key of a message and a phone tells whose a row is."""
    merge(target, [row(1, SENT, phone=None), row(2, SENT, phone=None), row(3, SENT, phone=None, message_id=None)])
    merge(target, [row(number, phone=None) for number in (1, 2)], minute=5)
    keys = {"m1-1": key_of(1), "m2-1": "of somebody else", None: key_of(3)}
    assert target.warehouse.erase(Person(None, lambda message_id: keys[message_id])) == {MESSAGES: 2, HISTORY: 1}
    assert set(target.messages()) == {key_of(2)}
    assert {line["row_key"] for line in target.history()} == {key_of(2)}


def test_row_key_of_a_second_attempt_belongs_to_the_same_person() -> None:
    """It has the key of the first, and its type behind."""
    person = Person(None, lambda message_id: f"{message_id}:a1")
    keys = ("m1:a1", "m1:a1/2", "m1:a12", "m2:a1", "m2:a1/2")
    assert [key for key in keys if person.has_key(key, "m1")] == ["m1:a1", "m1:a1/2"]


@pytest.mark.in_turn
def test_erase_finds_one_person_among_many_rows(large_target: Target) -> None:
    """All keys are looked at, however many."""
    large_target.warehouse.merge(load_of(60_000), many(60_000))
    person = Person(None, lambda message_id: f"many-{message_id[1:]}" if message_id == "m59999" else "")
    assert large_target.warehouse.erase(person) == {MESSAGES: 1, HISTORY: 0}
    assert len(large_target.read(MESSAGES)) == 59_999


@pytest.mark.in_turn(every=3)
def test_erase_on_an_empty_warehouse_removes_nothing(target: Target) -> None:
    assert target.warehouse.erase(Person("0900000000", lambda message_id: "")) == {MESSAGES: 0, HISTORY: 0}
    assert target.warehouse.erase(Person(None, lambda message_id: "")) == {MESSAGES: 0, HISTORY: 0}


def test_closing_twice_is_harmless(target: Target) -> None:
    target.warehouse.close()
    target.warehouse.close()


def test_names_in_the_target_rules_are_existing_tests() -> None:
    """A test with a new name must not be lost for them."""
    names = {*globals(), *vars(test_warehouse_merge)}
    assert set().union(*RULES.values()) <= {name for name in names if name.startswith("test_")}
