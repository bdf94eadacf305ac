"""Is all of a period in the warehouse? Read from what the loads left in `esms_loads`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from esms_connectors.reports.model import Note, Period, Term
from esms_connectors.sent_data.windows import ALL_SMS_TYPES
from esms_connectors.warehouse.contract import WindowLoad


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    Attributes:
        windows: planned ones that touch the period; of a growing day only the last.
        pending: those of them that were never loaded.
        unclosed: those that were read before they had ended, though they have by now.
        gaps: message type -> how much of the period no window was ever planned for, for types that are loaded at all.
        eve: message types that are loaded at all, but not the whole day before the first one of the period: a message
            created in the evening or scheduled is sent later, and found only in the window it was created in.
        absent: message types that nobody ever asked for: a report is silent about them, and says so.
        read_at: when the latest reading began; None for none.
        privacy: how phones are kept, as the loads say.
        until: up to when the messages of a period that still runs were read; else its end.
    """

    windows: int
    pending: int
    unclosed: int
    gaps: dict[int, timedelta]
    eve: tuple[int, ...]
    absent: tuple[int, ...]
    read_at: datetime | None
    privacy: str
    until: datetime

    @property
    def loaded(self) -> int:
        return self.windows - self.pending

    @property
    def complete(self) -> bool:
        return not (self.pending or self.unclosed or self.gaps)

    def notes(self) -> list[Note]:
        """What a reader must know: a report never looks complete when it is not."""
        notes = []
        if self.pending:
            notes.append(Note("pending", {"pending": self.pending, "windows": self.windows}, warning=True))
        if self.gaps:
            hours = -(-max(self.gaps.values()) // timedelta(hours=1))
            notes.append(Note("gaps", {"hours": hours, "types": _terms(sorted(self.gaps))}, warning=True))
        if self.unclosed:
            notes.append(Note("unclosed", {"windows": self.unclosed}, warning=True))
        if not self.pending:
            notes.append(Note("loaded", {"windows": self.windows, "read_at": self.read_at}))
        if self.eve:
            notes.append(Note("eve", {"types": _terms(self.eve)}))
        if self.absent:
            notes.append(Note("absent", {"types": _terms(self.absent)}))
        return notes


def _terms(sms_types: Iterable[int]) -> Term:
    return Term(" ".join(f"type.{sms_type}" for sms_type in sms_types))


def coverage_of(loads: Iterable[WindowLoad], period: Period, now: datetime) -> Coverage:
    """
    Args:
        loads: all of the warehouse: which types anybody wants is seen from the days before.
    """
    by_type: dict[int, list[WindowLoad]] = {}
    # Until the period begins, which need not be at midnight.
    day_before = datetime.combine(period.start.date(), time(), period.start.tzinfo) - timedelta(days=1)
    earlier: dict[int, list[WindowLoad]] = {}
    for load in loads:
        touching = by_type.setdefault(load.window.sms_type, [])
        if load.window.end > period.start and load.window.start < period.end:
            touching.append(load)
        # Windows that reach into the period are told of with it.
        is_whole = load.read_at is not None and (load.closed or load.window.end > period.start)
        if is_whole and load.window.end > day_before and load.window.start < period.start:
            earlier.setdefault(load.window.sms_type, []).append(load)
    by_type = {sms_type: _not_stood_for(touching) for sms_type, touching in by_type.items()}
    counting = [load for touching in by_type.values() for load in touching]
    read = [load for load in counting if load.read_at is not None]
    end = period.end
    if running := period.end > now:
        # What was not asked for yet is no gap.
        end = min(now, max((load.window.end for load in read), default=now))
    read_at = max((load.read_at for load in read if load.read_at is not None), default=None)
    until = end if read_at is None or read_at <= period.start else min(end, read_at)
    unclosed = [load for load in read if not load.closed and load.window.end <= now]
    if running:
        # The last windows of a day that grows; the next pull asks for them again anyway.
        unclosed = [load for load in unclosed if load.window.end < end]
    gaps = {
        # A window that is planned and pending is told of as such, not as a gap.
        sms_type: missing
        for sms_type, touching in by_type.items()
        if (missing := _not_covered(touching, period.start, end)) > timedelta(0)
    }
    eve = (
        sms_type
        for sms_type in sorted(by_type)
        if _not_covered(_by_start(earlier.get(sms_type, ())), day_before, period.start) > timedelta(0)
    )
    return Coverage(
        windows=len(counting),
        pending=len(counting) - len(read),
        unclosed=len(unclosed),
        gaps=gaps,
        eve=tuple(eve),
        absent=tuple(sms_type for sms_type in ALL_SMS_TYPES if sms_type not in by_type),
        read_at=read_at,
        privacy=max(read, key=lambda load: load.window.end).privacy if read else "",
        until=until if running else period.end,
    )


def _not_stood_for(loads: Iterable[WindowLoad]) -> list[WindowLoad]:
    """Without those that lie in a bigger window that was read: of a growing day only the last pull counts."""
    kept: list[WindowLoad] = []
    reached: datetime | None = None
    for load in _by_start(loads):
        if reached is not None and load.window.end <= reached:
            continue
        kept.append(load)
        if load.read_at is not None:
            reached = load.window.end
    return kept


def _by_start(loads: Iterable[WindowLoad]) -> list[WindowLoad]:
    return sorted(loads, key=lambda load: (load.window.start, -load.window.end.timestamp()))


def _not_covered(loads: Iterable[WindowLoad], start: datetime, end: datetime) -> timedelta:
    """How much of the time no window is for; `loads` in order of their start."""
    missing, reached, until = 0.0, start.timestamp(), end.timestamp()
    for load in loads:
        missing += max(min(load.window.start.timestamp(), until) - reached, 0.0)
        reached = max(reached, load.window.end.timestamp())
    return timedelta(seconds=missing + max(until - reached, 0.0))
