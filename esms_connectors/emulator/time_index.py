"""An index of message numbers by time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right


class TimeIndex:
    """Message numbers ordered by creation time, for window lookups by bisection."""

    def __init__(self) -> None:
        self.times = array("q")
        self.numbers = array("q")

    def add(self, created_ms: int, number: int) -> None:
        """Insert one message; cheap at the end, but correct anywhere."""
        if not self.times or created_ms >= self.times[-1]:
            self.times.append(created_ms)
            self.numbers.append(number)
            return
        at = bisect_right(self.times, created_ms)
        self.times.insert(at, created_ms)
        self.numbers.insert(at, number)

    def extend(self, times: array[int], numbers: array[int]) -> None:
        """Append many messages that are ordered among themselves."""
        if not times:
            return
        at = bisect_right(self.times, times[0])
        if at == bisect_right(self.times, times[-1]):
            # They fit into one gap, such as a separate day.
            self.times[at:at] = times
            self.numbers[at:at] = numbers
            return
        merged = sorted(zip((*self.times, *times), (*self.numbers, *numbers), strict=True))
        self.times = array("q", (time for time, _ in merged))
        self.numbers = array("q", (number for _, number in merged))

    def window(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Positions [low, high) of the messages created in the whole seconds from..to, inclusive."""
        return bisect_left(self.times, from_ms), bisect_left(self.times, to_ms + 1000)
