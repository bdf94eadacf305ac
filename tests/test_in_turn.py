"""Costly tests run in turn, each of them within two weeks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from in_turn import ALL, DAYS, Rotation, check_day, is_due

CYCLE = [str(day) for day in range(1, DAYS + 1)]


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("name", ["sending/test_a.py::test_x", "loading/test_b.py"])
def test_every_cell_runs_once_per_cycle(name: str, number: int) -> None:
    assert [is_due(name, number, day) for day in CYCLE].count(True) == 1
    assert is_due(name, number, ALL)


def test_with_many_cells_runs_every_day() -> None:
    assert all(
        sum(is_due("sending/test_a.py::test_x", number, day) for number in range(2 * DAYS)) == 2 for day in CYCLE
    )


@pytest.mark.parametrize("day", ["0", "15", "today", "", "1.0"])
def test_invalid_day_is_rejected(day: str) -> None:
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


def test_cells_of_marked_tests_rotate_and_other_tests_run_daily() -> None:
    cells = [Item(f"test_a.py::test_cells[{cell}]", pytest.mark.in_turn) for cell in range(DAYS)]
    other = Item("test_b.py::test_quick")
    days = [taken([*cells, other], day) for day in CYCLE]
    assert all(names[1:] == [other.nodeid] for names in days), days
    assert {names[0] for names in days} == {item.nodeid for item in cells}
    assert len(taken([*cells, other], ALL)) == len(cells) + 1


def test_tests_marked_for_one_day_run_together_on_that_day() -> None:
    items = [Item(f"test_a.py::test_{name}", pytest.mark.in_turn(on=3)) for name in "xyz"]
    assert {day: len(taken(items, day)) for day in CYCLE} == {day: 3 * (day == "3") for day in CYCLE}
    assert len(taken(items, ALL)) == 3


def test_cells_marked_every_two_days_alternate() -> None:
    """One of its cells on one day, the other on the next."""
    cells = [Item(f"test_a.py::test_x[{cell}]", pytest.mark.in_turn(every=2)) for cell in "ab"]
    days = [taken(cells, day) for day in CYCLE]
    assert all(len(names) == 1 for names in days)
    assert all(one != next_one for one, next_one in pairwise(days))


def test_rarer_of_two_marks_applies() -> None:
    cells = [Item(f"test_a.py::test_x[{n}]", pytest.mark.in_turn(every=2), pytest.mark.in_turn) for n in range(DAYS)]
    assert [len(taken(cells, day)) for day in CYCLE] == [1] * DAYS
