"""What a warehouse holds about one person, and what is taken out of it by age: on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from targets import DELIVERED, NEXT_WINDOW, SENT, WINDOW, Target, key_of, merge, row

from esms_connectors import ConfigurationError
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, Person
from esms_connectors.warehouse.outcomes import OUTCOME_TYPES, OUTCOMES, OUTCOMES_TABLE
from esms_connectors.warehouse.retention import rows_about

THEIRS, OTHER = row(1)["phone"], row(2)["phone"]
SENT_AT = datetime(2026, 11, 2, 3, tzinfo=UTC)


def person(phone: str | None = THEIRS, rows: tuple[tuple[str, str], ...] = ()) -> Person:
    """By the stored phone; None: by keys alone."""
    keys = {"m1-1": key_of(1)}
    return Person(phone, lambda message_id: keys.get(message_id or "", ""), THEIRS, f"84{THEIRS[1:]}", rows)


def outcome(row_key: str, sent_at: datetime | None, journey: str = "march") -> tuple[object, ...]:
    told = {"journey": journey, "run_key": journey, "row_key": row_key, "sent_at": sent_at}
    return tuple(told.get(name) for name in OUTCOME_TYPES)


def filled(target: Target) -> None:
    """Two people on one day, one of them on the next day again; outcomes by phone, by a key, and of somebody else."""
    merge(target, [row(1, SENT), row(2, SENT)])
    merge(target, [row(1, DELIVERED), row(2, DELIVERED)], minute=5)
    merge(target, [row(4, DELIVERED, NEXT_WINDOW, phone=THEIRS)], window=NEXT_WINDOW, minute=6)
    rows = [outcome(THEIRS, SENT_AT), outcome("customer-7", None), outcome(f"84{THEIRS[1:]}/x", SENT_AT)]
    target.warehouse.put_group(OUTCOMES_TABLE, "march", [*rows, outcome(OTHER, SENT_AT)])


@pytest.mark.in_turn
@pytest.mark.parametrize("stored", [THEIRS, None])
def test_rows_about_a_person_include_messages_history_and_outcomes(sql_target: Target, stored: str | None) -> None:
    """Found by the phone, or where phones are masked by the key of their message."""
    filled(sql_target)
    whom = person(stored, (("march", "customer-7"),))
    found = sql_target.warehouse.ask(lambda reader: rows_about(reader, whom))
    mine = [key_of(1), key_of(4)] if stored else [key_of(1)]
    assert [one["row_key"] for one in found[MESSAGES]] == mine
    assert found[MESSAGES][0]["content"] == row(1)["content"]
    assert [(one["from_state"], one["to_state"]) for one in found[HISTORY]] == [("sent", "delivered")]
    assert {one["row_key"] for one in found[OUTCOMES]} == {THEIRS, "customer-7", f"84{THEIRS[1:]}/x"}


@pytest.mark.in_turn
def test_erase_removes_outcomes_of_the_person_only(forgetting_target: Target) -> None:
    """Those of others stay, as do those of the same key in another run."""
    filled(forgetting_target)
    forgetting_target.warehouse.put_group(OUTCOMES_TABLE, "april", [outcome("customer-7", SENT_AT, "april")])
    removed = forgetting_target.warehouse.erase(person(rows=(("march", "customer-7"),)))
    assert removed == {MESSAGES: 2, HISTORY: 1, OUTCOMES: 3}
    left = {(one["run_key"], one["row_key"]) for one in forgetting_target.read(OUTCOMES)}
    assert left == {("march", OTHER), ("april", "customer-7")}


@pytest.mark.in_turn
def test_erase_without_phone_or_keys_removes_no_outcomes(forgetting_target: Target) -> None:
    filled(forgetting_target)
    assert forgetting_target.warehouse.erase(Person(None, lambda _: ""))[OUTCOMES] == 0


@pytest.mark.in_turn
def test_forget_removes_old_messages_with_history_loads_and_outcomes(forgetting_target: Target) -> None:
    """The next day stays; a window whose rows are gone is not one that had none."""
    filled(forgetting_target)
    before = WINDOW.end
    removed = forgetting_target.warehouse.forget(before, ["march"])
    assert removed == {MESSAGES: 2, HISTORY: 2, LOADS: 1, OUTCOMES: 4}
    assert set(forgetting_target.messages()) == {key_of(4)}
    assert [one["window_start"] for one in forgetting_target.loads()] == [NEXT_WINDOW.start]
    assert forgetting_target.warehouse.forget(before, ["march"]) == {MESSAGES: 0, HISTORY: 0, LOADS: 0, OUTCOMES: 0}
    merge(forgetting_target, [row(1, DELIVERED)], minute=9)
    assert set(forgetting_target.messages()) == {key_of(1), key_of(4)}


@pytest.mark.in_turn(every=3)
def test_forget_keeps_messages_sent_after_the_cutoff(forgetting_target: Target) -> None:
    """A message is as old as its sending; an outcome without one as its run."""
    merge(forgetting_target, [row(1, DELIVERED, sent_at=NEXT_WINDOW.end), row(2, DELIVERED)])
    forgetting_target.warehouse.put_group(
        OUTCOMES_TABLE, "young", [outcome("a", None, "young"), outcome("b", NEXT_WINDOW.end, "young")]
    )
    removed = forgetting_target.warehouse.forget(WINDOW.end, ["march"])
    assert (removed[MESSAGES], removed[OUTCOMES]) == (1, 0)
    assert set(forgetting_target.messages()) == {key_of(1)}


def test_forget_on_a_folder_gives_configuration_error(tmp_path: object) -> None:
    with open_warehouse(f"{tmp_path}/folder") as warehouse, pytest.raises(ConfigurationError, match="cannot delete"):
        warehouse.forget(WINDOW.end)
