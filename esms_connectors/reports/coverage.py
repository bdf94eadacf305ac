"""How much of a period is in the warehouse, according to `esms_loads`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from esms_connectors.reports.model import Note, Period, Term
from esms_connectors.sent_data.windows import ALL_SMS_TYPES
from esms_connectors.warehouse.contract import WindowLoad
from esms_connectors.warehouse.doubtful_windows import unavailable
from esms_connectors.warehouse.planning import without_superseded


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    Attributes:
        windows: planned windows that overlap the period; of the pulls of a day in progress only the last.
        pending: those of them that were not read since they were last requested, as after a reading that failed.
        unclosed: those that have ended by now, but were read before their end.
        unavailable: those that list nothing and were read so late that the gateway may no longer have their messages.
        gaps: message type -> how much of the period no window was ever planned for, for types that are loaded at all.
        eve: message types that are loaded, but not for the whole day before the period: a scheduled or late message is
            sent after its creation, and listed only in the window of its creation.
        absent: message types that were never loaded; the report cannot include them and says so.
        read_at: when the latest reading began; None if nothing was read.
        privacy: the form of phones, as recorded by the loads.
        until: the time up to which a period that has not ended was read; else its end.
    """

    windows: int
    pending: int
    unclosed: int
    unavailable: int
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
        return not (self.pending or self.unclosed or self.unavailable or self.gaps)

    def notes(self) -> list[Note]:
        """Notes for the reader, so that an incomplete report never looks complete."""
        notes = []
        if self.pending:
            notes.append(Note("pending", {"pending": self.pending, "windows": self.windows}, warning=True))
        if self.gaps:
            hours = -(-max(self.gaps.values()) // timedelta(hours=1))
            notes.append(Note("gaps", {"hours": hours, "types": _terms(sorted(self.gaps))}, warning=True))
        if self.unclosed:
            notes.append(Note("unclosed", {"windows": self.unclosed}, warning=True))
        if self.unavailable:
            notes.append(Note("unavailable", {"windows": self.unavailable}, warning=True))
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
        loads: all loads of the warehouse; those of earlier days show which types are loaded at all.
    """
    loads = list(loads)
    by_type: dict[int, list[WindowLoad]] = {}
    # The day before, up to the start of the period, which need not be at midnight.
    day_before = datetime.combine(period.start.date(), time(), period.start.tzinfo) - timedelta(days=1)
    earlier: dict[int, list[WindowLoad]] = {}
    for load in loads:
        touching = by_type.setdefault(load.window.sms_type, [])
        if load.window.end > period.start and load.window.start < period.end:
            touching.append(load)
        # Windows that extend into the period are reported with it.
        is_whole = load.read_at is not None and (load.closed or load.window.end > period.start)
        if is_whole and load.window.end > day_before and load.window.start < period.start:
            earlier.setdefault(load.window.sms_type, []).append(load)
    by_type = {sms_type: without_superseded(touching) for sms_type, touching in by_type.items()}
    counting = [load for touching in by_type.values() for load in touching]
    read = [load for load in counting if load.read_at is not None]
    end = period.end
    if running := period.end > now:
        # A span that was not planned yet is not a gap.
        end = min(now, max((load.window.end for load in read), default=now))
    read_at = max((load.read_at for load in read if load.read_at is not None), default=None)
    until = end if read_at is None or read_at <= period.start else min(end, read_at)
    unclosed = [load for load in read if not load.closed and load.window.end <= now]
    if running:
        # Not the last windows of a day in progress; the next pull reads them again anyway.
        unclosed = [load for load in unclosed if load.window.end < end]
    gaps = {
        # A planned window that is pending is reported as pending, not as a gap.
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
        pending=sum(load.is_owed for load in counting),
        unclosed=len(unclosed),
        unavailable=len(unavailable(read, loads)),
        gaps=gaps,
        eve=tuple(eve),
        absent=tuple(sms_type for sms_type in ALL_SMS_TYPES if sms_type not in by_type),
        read_at=read_at,
        privacy=max(read, key=lambda load: load.window.end).privacy if read else "",
        until=until if running else period.end,
    )


def _by_start(loads: Iterable[WindowLoad]) -> list[WindowLoad]:
    return sorted(loads, key=lambda load: (load.window.start, -load.window.end.timestamp()))


def _not_covered(loads: Iterable[WindowLoad], start: datetime, end: datetime) -> timedelta:
    """The part of the span that no window covers; `loads` are sorted by start."""
    missing, reached, until = 0.0, start.timestamp(), end.timestamp()
    for load in loads:
        missing += max(min(load.window.start.timestamp(), until) - reached, 0.0)
        reached = max(reached, load.window.end.timestamp())
    return timedelta(seconds=missing + max(until - reached, 0.0))
