"""Clocks of the emulator, and the outcome of each message.

Hot paths use integer milliseconds since the epoch (UTC). Vietnam has had UTC+7 without daylight saving since 1975, so
local time is a simple addition.
"""

from __future__ import annotations

import re
import threading
import time
from calendar import timegm
from typing import NamedTuple, Protocol

import pendulum

from .config import SMS_TYPE_ADVERTISING, Progress

DAY_MS = 86_400_000
LOCAL_OFFSET_MS = 7 * 3_600_000
_MASK = (1 << 64) - 1
_LOCAL_TEXT = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})[ T](\d{1,2}):(\d{1,2}):(\d{1,2})\s*")

DELIVERED, FAILED, REJECTED, NEVER_FINAL = range(4)


class Clock(Protocol):
    """The clock interface of the emulator."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Let this much time of this clock pass."""

    @property
    def now(self) -> pendulum.DateTime:
        """The current time, in Vietnam."""


class RealClock:
    """
    A clock that runs in real time, optionally from another starting time.

    Args:
        start: its time when created, as for a `VirtualClock`; default: the machine's time.
    """

    def __init__(self, start: pendulum.DateTime | str | None = None) -> None:
        self._shift_ms = 0 if start is None else moment_ms(start) - time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._shift_ms

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @property
    def now(self) -> pendulum.DateTime:
        """The current time, in Vietnam."""
        return _local_time(self.now_ms())


class VirtualClock:
    """
    A clock that moves only on demand. Thread safe.

    Args:
        start: an aware datetime, or ISO text (without a zone: Vietnamese local time).
    """

    def __init__(self, start: pendulum.DateTime | str = "2024-05-15 09:00:00") -> None:
        self._lock = threading.Lock()
        self._now_ms = moment_ms(start)

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._now_ms

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """
        Move forward by the sum of the arguments.

        Raises:
            ValueError: it is negative.
        """
        step = round((seconds + 60 * minutes + 3600 * hours + 86400 * days) * 1000)
        if step < 0:
            raise ValueError("a clock cannot run backwards")
        with self._lock:
            self._now_ms += step

    def sleep(self, seconds: float) -> None:
        """Move forward at once, for code that takes a `sleep` function."""
        self.advance(seconds)

    @property
    def now(self) -> pendulum.DateTime:
        """The current time, in Vietnam."""
        return _local_time(self._now_ms)


def _local_time(ms: int) -> pendulum.DateTime:
    return pendulum.from_timestamp(ms / 1000, tz="Asia/Ho_Chi_Minh")


def moment_ms(moment: pendulum.DateTime | str | int) -> int:
    """Milliseconds since the epoch of an aware datetime, of ISO text (zone-less = Vietnam), or of milliseconds."""
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        parsed = pendulum.parse(moment, tz="Asia/Ho_Chi_Minh")
        if not isinstance(parsed, pendulum.DateTime):
            raise ValueError(f"not a point in time: {moment!r}")
        moment = parsed
    if moment.tzinfo is None:
        raise ValueError("a naive datetime is ambiguous: give it a zone, or write it as text for Vietnamese time")
    # Rounded, because the float of .124 seconds is slightly less, and truncation would lose a millisecond.
    return round(moment.timestamp() * 1000)


def local_text_ms(text: str, zone_hours: float = 7.0, *, slashes: bool = False) -> int | None:
    """
    Milliseconds of `yyyy-MM-dd HH:mm:ss` in a zone, Vietnam's by default; None when it is not such a text.

    `slashes`: `yyyy/MM/dd` as well.
    """
    match = _LOCAL_TEXT.fullmatch(text.replace("/", "-") if slashes else text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        pendulum.naive(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return timegm((year, month, day, hour, minute, second)) * 1000 - round(zone_hours * 3_600_000)


def local_day(ms: int) -> int:
    """Days since the epoch in Vietnamese local time."""
    return (ms + LOCAL_OFFSET_MS) // DAY_MS


def local_text(ms: int, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Vietnamese local time as text."""
    return time.strftime(pattern, time.gmtime((ms + LOCAL_OFFSET_MS) // 1000))


def mix(value: int) -> int:
    """Bijective 64-bit mixing function (the finalizer of splitmix64)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def unmix(value: int) -> int:
    """The inverse of `mix`."""
    value = (value ^ (value >> 31) ^ (value >> 62)) * 0x319642B2D24D8EC3 & _MASK
    value = (value ^ (value >> 27) ^ (value >> 54)) * 0x96DE1B173F119089 & _MASK
    return value ^ (value >> 30) ^ (value >> 60)


class Fate(NamedTuple):
    """The fate of one message: its outcome, delays in milliseconds, and a number for choosing a reason."""

    outcome: int
    review_ms: int
    queue_ms: int
    report_ms: int
    lot: int


class Timeline(NamedTuple):
    """When a message leaves review (0: no review), is passed to the operator, and becomes final; epoch milliseconds."""

    queued_ms: int
    sent_ms: int
    final_ms: int | None
    outcome: int


class Fates:
    """Fates as a pure function of (seed, message number)."""

    def __init__(self, seed: int, rules: Progress) -> None:
        self._salt = mix(seed & _MASK)
        self._reject_below = rules.rejected_share
        self._fail_below = self._reject_below + rules.failed_share
        self._never_below = self._fail_below + rules.never_final_share
        self._ranges = tuple(
            (round(low * 1000), max(1, round((high - low) * 1000) + 1))
            for low, high in (rules.review_seconds, rules.queue_seconds, rules.report_seconds)
        )

    def of(self, number: int) -> Fate:
        """The fate of the message with this number."""
        bits = mix((number * 2 + 1) ^ self._salt)
        share = (bits & 0xFFFFFF) / 0x1000000
        if share < self._reject_below:
            outcome = REJECTED
        elif share < self._fail_below:
            outcome = FAILED
        elif share < self._never_below:
            outcome = NEVER_FINAL
        else:
            outcome = DELIVERED
        lots = bits >> 24
        (review, review_span), (queue, queue_span), (report, report_span) = self._ranges
        return Fate(
            outcome,
            review + (lots & 0xFFFF) % review_span,
            queue + (lots >> 8 & 0xFFFF) % queue_span,
            report + (lots >> 16 & 0xFFFFFF) % report_span,
            lots >> 4,
        )

    def timeline(self, number: int, first_number: int, sms_type: int, created_ms: int, send_at_ms: int) -> Timeline:
        """
        The times of one message.

        Args:
            number: the message; first_number: the first of its batch, which review treats as one.
            send_at_ms: the scheduled time (SendDate), or the time of creation.
        """
        fate = self.of(number)
        outcome = fate.outcome
        reviewed_ms = created_ms
        if sms_type == SMS_TYPE_ADVERTISING:
            batch = fate if first_number == number else self.of(first_number)
            reviewed_ms += batch.review_ms
            if batch.outcome == REJECTED:
                return Timeline(reviewed_ms, reviewed_ms, reviewed_ms, REJECTED)
            if outcome == REJECTED:
                # Review applies to the whole batch; a single message can only fail.
                outcome = FAILED
        elif outcome == REJECTED:
            return Timeline(0, created_ms, created_ms + fate.queue_ms, REJECTED)
        sent_ms = max(reviewed_ms, send_at_ms) + fate.queue_ms
        queued_ms = reviewed_ms if sms_type == SMS_TYPE_ADVERTISING else 0
        return Timeline(queued_ms, sent_ms, None if outcome == NEVER_FINAL else sent_ms + fate.report_ms, outcome)
