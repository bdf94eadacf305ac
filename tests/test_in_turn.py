"""What is costly runs in turn, and each of it within a week."""

from __future__ import annotations

import pytest
from in_turn import ALL, DAYS, check_day, is_due

WEEK = [str(day) for day in range(1, DAYS + 1)]


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("name", ["sending/test_a.py::test_x", "loading/test_b.py"])
def test_each_cell_runs_once_a_week(name: str, number: int) -> None:
    assert [is_due(name, number, day) for day in WEEK].count(True) == 1
    assert is_due(name, number, ALL)


def test_a_test_with_many_cells_runs_every_day() -> None:
    assert all(sum(is_due("sending/test_a.py::test_x", number, day) for number in range(14)) == 2 for day in WEEK)


@pytest.mark.parametrize("day", ["0", "8", "today", "", "1.0"])
def test_what_is_no_day_is_said(day: str) -> None:
    with pytest.raises(ValueError, match=r"1 \(Monday\) to 7, or all"):
        check_day(day)
