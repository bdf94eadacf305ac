"""
Which of the costly tests run on a day of the week.

A test marked `in_turn` has many cells (databases, faults, moments of a kill) or starts servers of its own. `make test`
runs a seventh of its cells each day, so that each is run within a week; `make test-all`, and pytest by hand, run all.
`in_turn("file")` is for a file whose tests share servers: all of them run on one day.
"""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Protocol

import pytest

DAYS = 7
ALL = "all"


def check_day(day: str) -> str:
    """
    Raises:
        ValueError: neither a day of the week, 1 to 7, nor `all`.
    """
    if day != ALL and day not in map(str, range(1, DAYS + 1)):
        raise ValueError(f"a day is 1 (Monday) to {DAYS}, or {ALL}: {day!r}")
    return day


def is_due(name: str, number: int, day: str) -> bool:
    """Whether a test's cell of this number (0 for a whole file) runs on the day."""
    # Not all begin on the same day.
    return day == ALL or (zlib.crc32(name.encode()) + number + int(day)) % DAYS == 0


class Item(Protocol):
    """As much of pytest's as is asked for."""

    nodeid: str

    def get_closest_marker(self, name: str, /) -> pytest.Mark | None: ...


class Turns:
    """Asked about each test of a run, in their order."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._met: Counter[str] = Counter()

    def takes(self, item: Item) -> bool:
        marker = item.get_closest_marker("in_turn")
        if marker is None:
            return True
        test = item.nodeid.split("[")[0]
        if "file" in marker.args:
            return is_due(test.split("::")[0], 0, self._day)
        self._met[test] += 1
        return is_due(test, self._met[test] - 1, self._day)
