"""Costly tests run in turn, each of them within two weeks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from in_turn import ALL, DAYS, Rotation, check_day, is_due

CYCLE = [str(day) for day in range(1, DAYS + 1)]


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("name", ["sending/test_a.py::test_x", "loading/test_b.py"])
def test_each_cell_runs_once_a_cycle(name: str, number: int) -> None:
    assert [is_due(name, number, day) for day in CYCLE].count(True) == 1
    assert is_due(name, number, ALL)


def test_a_test_with_many_cells_runs_every_day() -> None:
    assert all(
        sum(is_due("sending/test_a.py::test_x", number, day) for number in range(2 * DAYS)) == 2 for day in CYCLE
    )


@pytest.mark.parametrize("day", ["0", "15", "today", "", "1.0"])
def test_what_is_no_day_is_said(day: str) -> None:
    with pytest.raises(ValueError, match="a day is 1 to 14, or all"):
        check_day(day)


class Item:
    """As much of pytest's as is asked for."""

    def __init__(self, nodeid: str, *markers: pytest.MarkDecorator) -> None:
        self.nodeid = nodeid
        self._markers = markers

    def iter_markers(self, name: str) -> Iterator[pytest.Mark]:
        return (marker.mark for marker in self._markers if marker.name == name)


def taken(items: list[Item], day: str) -> list[str]:
    rotation = Rotation(day)
    return [item.nodeid for item in items if rotation.includes(item)]


def test_the_cells_of_a_marked_test_take_turns_and_others_run_each_day() -> None:
    cells = [Item(f"test_a.py::test_cells[{cell}]", pytest.mark.in_turn) for cell in range(DAYS)]
    other = Item("test_b.py::test_quick")
    days = [taken([*cells, other], day) for day in CYCLE]
    assert all(names[1:] == [other.nodeid] for names in days), days
    assert {names[0] for names in days} == {item.nodeid for item in cells}
    assert len(taken([*cells, other], ALL)) == len(cells) + 1


def test_a_file_of_servers_runs_as_a_whole_on_its_day() -> None:
    items = [Item(f"test_a.py::test_{name}", pytest.mark.in_turn(on=3)) for name in "xyz"]
    assert {day: len(taken(items, day)) for day in CYCLE} == {day: 3 * (day == "3") for day in CYCLE}
    assert len(taken(items, ALL)) == 3


def test_the_second_database_runs_every_other_day() -> None:
    """One of its cells on one day, the other on the next."""
    cells = [Item(f"test_a.py::test_x[{cell}]", pytest.mark.in_turn(every=2)) for cell in "ab"]
    days = [taken(cells, day) for day in CYCLE]
    assert all(len(names) == 1 for names in days)
    assert all(one != next_one for one, next_one in pairwise(days))


def test_of_two_marks_the_rarer_holds() -> None:
    cells = [Item(f"test_a.py::test_x[{n}]", pytest.mark.in_turn(every=2), pytest.mark.in_turn) for n in range(DAYS)]
    assert [len(taken(cells, day)) for day in CYCLE] == [1] * DAYS
