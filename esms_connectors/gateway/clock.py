"""
The gateway's time, estimated from the `Date` of its answers.

The gateway remembers request ids by its own clock, so that clock decides whether a repeat is still rejected. This
machine's clock may be wrong, may be adjusted while the program runs, and stops or jumps when the machine sleeps.
Between answers two local clocks are used, and where they disagree the more conservative one counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pendulum import DateTime

from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.retry import duplicate_window_start, inside_duplicate_window

logger = get_logger(__name__)

# Assumed maximum difference between the gateway's clock and a local clock that no answer has confirmed.
UNCONFIRMED_HOURS = 1
_WARNED_FROM_SECONDS = 60.0
# A `Date` that differs by more than this from the time expected by the previous one shows an unsteady clock.
_STEADY_SECONDS = 60.0
# `Date` has whole seconds.
_TICK = timedelta(seconds=1)


class Moment(NamedTuple):
    """When something happened, by the two clocks of this machine."""

    elapsed: float
    local: DateTime


@dataclass(frozen=True, slots=True)
class _Reading:
    """Bounds of the gateway's time at a local moment: `earliest` to `latest`."""

    moment: Moment
    earliest: DateTime
    latest: DateTime


@dataclass(frozen=True, slots=True)
class Times:
    """
    The gateway's time at one moment.

    Attributes:
        first_attempt: lower bound for the time of a request sent at that moment.
        latest: upper bound of the gateway's time.
        window_start: first attempts from then on are certainly inside the duplicate window.
        answered: as in `GatewayClock`; if False, these are this machine's unconfirmed times.
    """

    moment: Moment
    first_attempt: DateTime
    latest: DateTime
    window_start: DateTime
    answered: bool


class GatewayClock:
    """
    Safe to share between threads.

    Args:
        now: this machine's clock, which may be wrong.
        elapsed: seconds of a clock that is never adjusted and, where the system has one, counts during sleep.

    Attributes:
        answered: an answer has come, with the time or without a `Date`: another reading call would not help.
        confirmed: the times are the gateway's, not this machine's with a margin.
    """

    def __init__(self, now: Callable[[], DateTime], elapsed: Callable[[], float] | None = None) -> None:
        self._now, self._elapsed = now, elapsed or elapsed_seconds
        self.answered = self.confirmed = False
        self._steady = True
        self._warned = False
        self._reading = _unconfirmed(self.mark())

    def mark(self) -> Moment:
        """This moment, for later calls of the other methods."""
        return Moment(self._elapsed(), self._now())

    def learn(self, date: DateTime | None, asked: Moment) -> None:
        """
        Take the time from an answer that certainly came from the gateway.

        Args:
            date: its `Date`; None if it has none or it cannot be parsed.
            asked: when its request was made.
        """
        if date is None:
            self.answered = True
            return
        here = self.mark()
        travelled = timedelta(seconds=max(0.0, here.elapsed - asked.elapsed))
        reading = _Reading(here, date, date + travelled + _TICK)
        if self.confirmed and not self._follows(reading):
            self._steady = False
            logger.warning(
                "The Date in the gateway's answers is not a steady clock; it is trusted only to within an hour."
            )
        if not self._steady:
            careful = _unconfirmed(here)
            reading = _Reading(here, min(reading.earliest, careful.earliest), max(reading.latest, careful.latest))
        self._reading = reading
        self.answered = self.confirmed = True
        self._warn(here.local, reading)

    def _follows(self, reading: _Reading) -> bool:
        slack = timedelta(seconds=_STEADY_SECONDS)
        return (
            reading.latest + slack >= self.earliest(reading.moment)
            and reading.earliest - slack <= self.latest(reading.moment)
        )  # fmt: skip

    def _warn(self, local: DateTime, reading: _Reading) -> None:
        ahead = (local - reading.latest).total_seconds()
        behind = (reading.earliest - local).total_seconds()
        if self._warned or max(ahead, behind) <= _WARNED_FROM_SECONDS:
            return
        self._warned = True
        logger.warning(
            "This machine's clock is %.0f s %s the gateway's. The gateway's clock decides whether a repeat is safe; "
            "correct this machine's (NTP), because time windows and schedules use it.",
            max(ahead, behind),
            "ahead of" if ahead > 0 else "behind",
        )

    def earliest(self, moment: Moment | None = None) -> DateTime:
        """Lower bound of the gateway's time at a moment (default: now)."""
        known, moment = self._reading, moment or self.mark()
        return known.earliest + timedelta(seconds=min(_between(known.moment, moment)))

    def latest(self, moment: Moment | None = None) -> DateTime:
        """Upper bound of the gateway's time at a moment (default: now)."""
        known, moment = self._reading, moment or self.mark()
        return known.latest + timedelta(seconds=max(_between(known.moment, moment)))

    def holds_back(self, first_attempt: Moment) -> bool:
        """Whether the gateway certainly still rejects a second request with the id of one made at that moment."""
        return inside_duplicate_window(self.earliest(first_attempt), self.latest())

    def times(self) -> Times:
        """The gateway's time now."""
        moment, answered = self.mark(), self.answered
        latest = self.latest(moment)
        first = self.earliest(moment) if answered else moment.local
        return Times(moment, first, latest, duplicate_window_start(latest), answered)

    def seconds_since(self, moment: Moment) -> float:
        """Seconds since that moment, by the clock that gives the longer time."""
        return max(_between(moment, self.mark()))


def _unconfirmed(here: Moment) -> _Reading:
    margin = timedelta(hours=UNCONFIRMED_HOURS)
    return _Reading(here, here.local - margin, here.local + margin)


def _between(before: Moment, after: Moment) -> tuple[float, float]:
    return after.elapsed - before.elapsed, (after.local - before.local).total_seconds()


def elapsed_seconds() -> float:
    """A clock that is never adjusted. `time.monotonic` stops while a Linux machine sleeps, this one does not."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def boot_clock() -> tuple[str | None, int]:
    """
    A clock that all processes of this machine share until it reboots.

    Returns:
        The id of this boot, None where the system has none; milliseconds since the boot.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None, 0
    return boot, round(elapsed_seconds() * 1000)
