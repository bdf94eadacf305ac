"""Work and its floor in turn, many times: what else runs on the machine meets both alike."""

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
    What was measured of one kind of work.

    Attributes:
        work, unit: for people.
        value: a ratio to the floor, or an amount.
        goal: at most so much; with `at_least`, at least; None: nothing was promised of it.
        noise: how far `value` may be off by what was measured: half of the span between the quarters of the ratios.
        floor: what `value` is held against, in words.
        ours_ms, floor_ms: CPU, user and system, of this process, for one page or chunk.
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
        """By more than the noise."""
        if self.goal is None:
            return False
        return self.value + self.noise < self.goal if self.at_least else self.value - self.noise > self.goal

    def as_dict(self) -> dict[str, Any]:
        rounded = {name: round(one, 3) if isinstance(one, float) else one for name, one in asdict(self).items()}
        return {**rounded, "missed": self.is_missed}


def cpu_ms(work: Callable[[], object]) -> float:
    """User and system time of this process, all threads, for one call."""
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
    """The middle of the ratios of `rounds` pairs; `units` pages or chunks are done by each call."""
    pairs = []
    for number in range(rounds + 1):
        # Each goes first half of the time. The first pair warms up.
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
