"""Runs work and its floor alternately many times, so that other load on the machine affects both alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """
    The measurement of one kind of work.

    Attributes:
        work, unit: for display.
        value: a ratio to the floor, or an amount.
        goal: the maximum, or with `at_least` the minimum; None: no goal.
        noise: measured uncertainty of `value`: half of the interquartile range of the ratios.
        floor: description of what `value` is compared with.
        ours_ms, floor_ms: CPU time, user and system, of this process for one page or chunk.
    """

    work: str
    value: float
    unit: str
    goal: float | None = None
    noise: float = 0.0
    at_least: bool = False
    floor: str = ""
    ours_ms: float | None = None
    floor_ms: float | None = None
    note: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether the goal is missed by more than the noise."""
        if self.goal is None:
            return False
        return self.value + self.noise < self.goal if self.at_least else self.value - self.noise > self.goal

    def as_dict(self) -> dict[str, Any]:
        rounded = {name: round(one, 3) if isinstance(one, float) else one for name, one in asdict(self).items()}
        return {**rounded, "missed": self.is_missed}


def cpu_ms(work: Callable[[], object]) -> float:
    """User and system time of one call, over all threads of this process."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    try:
        work()
    finally:
        spent = time.process_time() - began
        gc.enable()
    return spent * 1000


def compare(
    work: str,
    ours: Callable[[], object],
    floor: Callable[[], object],
    *,
    units: int,
    rounds: int,
    goal: float | None,
    floor_is: str,
    note: str = "",
) -> Figure:
    """The median of the ratios of `rounds` pairs; each call processes `units` pages or chunks."""
    pairs = []
    for number in range(rounds + 1):
        # Each goes first in half of the pairs. The first pair is a warm-up.
        spent = [cpu_ms(one) for one in ((ours, floor) if number % 2 else (floor, ours))]
        pairs.append(tuple(spent if number % 2 else reversed(spent)))
    return figure_of(work, pairs[1:], units=units, goal=goal, floor_is=floor_is, note=note)


def figure_of(
    work: str, pairs: Sequence[tuple[float, ...]], *, units: int, goal: float | None, floor_is: str, note: str = ""
) -> Figure:
    ratios = [ours / floor for ours, floor in pairs]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return Figure(
        work,
        statistics.median(ratios),
        "x",
        goal,
        noise=(quarters[2] - quarters[0]) / 2,
        floor=floor_is,
        ours_ms=statistics.median(ours for ours, _ in pairs) / units,
        floor_ms=statistics.median(floor for _, floor in pairs) / units,
        note=note,
    )
