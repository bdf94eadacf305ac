"""
Which of the costly tests run on a day.

A test marked `in_turn` has many cells (databases, faults, moments of a kill) or starts servers of its own. The days are
numbered 1 to 14, in a cycle of two weeks. `make test` runs a fourteenth of its cells each day, so that each is run
within a cycle; `make test-all`, and pytest by hand, run all.

- `in_turn(every=2)`: half of the cells each day, such as those on the second of two databases. `every=3`: a third, for
  tests of a quarter of a second or more.
- `in_turn(on=3)`: all cells on that day of the cycle. For files whose tests share costly servers; each has another day.

Of several marks the rarest holds.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

import pytest

DAYS = 14
ALL = "all"


def check_day(day: str) -> str:
    """
    Raises:
        ValueError: neither a day of the cycle, 1 to 14, nor `all`.
    """
    if day != ALL and day not in map(str, range(1, DAYS + 1)):
        raise ValueError(f"a day is 1 to {DAYS}, or {ALL}: {day!r}")
    return day


def is_due(name: str, number: int, day: str, every: int = DAYS) -> bool:
    """Whether a test's cell of this number runs on the day."""
    # Not all begin on the same day.
    return day == ALL or (zlib.crc32(name.encode()) + number + int(day)) % every == 0


class Item(Protocol):
    """As much of pytest's as is asked for."""

    nodeid: str

    def iter_markers(self, name: str, /) -> Iterator[pytest.Mark]: ...


class Rotation:
    """Asked about each test of a run, in their order."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._met: Counter[str] = Counter()

    def includes(self, item: Item) -> bool:
        markers = list(item.iter_markers("in_turn"))
        if not markers:
            return True
        days = {marker.kwargs["on"] for marker in markers if "on" in marker.kwargs}
        if days:
            return self._day == ALL or int(self._day) in days
        test = item.nodeid.split("[")[0]
        self._met[test] += 1
        every = max(marker.kwargs.get("every", DAYS) for marker in markers)
        return is_due(test, self._met[test] - 1, self._day, every)
