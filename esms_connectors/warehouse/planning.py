"""Plans a load: the windows of its own span, and the earlier windows to read or count again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.arguments import check_sms_type
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.times import in_vietnam
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, SentWindow, check_moment, windows_between
from esms_connectors.warehouse.contract import Warehouse, WindowLoad

# A status that is not final by then never will be; the gateway's own lookups end after seven days.
MAX_AGE = timedelta(days=14)
# Missed days are loaded automatically, at most this far back.
MOST_DAYS = 31
# Rows may be listed late, and a loader's clock may have been ahead, so a window is counted again after each of these
# intervals, one call each. Slightly earlier counts as well, because schedulers are not punctual.
RECOUNT_AFTER = tuple(timedelta(days=days) for days in range(1, 8))
_UNPUNCTUAL = timedelta(hours=6)

Clock = Callable[[], DateTime]


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """
    The work of a load.

    Attributes:
        windows: the task itself: the requested span, or what is missing up to the scheduled day.
        follow_up: earlier windows to read again.
        recounts: earlier windows whose rows are due to be counted again; see `recount_windows`.
        start, end: span of the task, UTC; equal if nothing is missing.
        notes: lines for the log: which windows, and why.
    """

    windows: tuple[SentWindow, ...]
    follow_up: tuple[SentWindow, ...]
    recounts: tuple[SentWindow, ...]
    start: DateTime
    end: DateTime
    notes: tuple[str, ...] = ()


def plan_load(
    warehouse: Warehouse,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    scheduled: datetime | None = None,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    most_days: int = MOST_DAYS,
    with_missing: bool = False,
    follow_up: bool | None = True,
    max_age: timedelta = MAX_AGE,
    now: Clock = machine_clock.now,
) -> LoadPlan:
    """
    Plan a load from the lines of `esms_loads`. Reads nothing from the gateway and writes nothing.

    With `start`, the task is the span from `start` to `end`. Without it, the task is the last whole day plus every
    earlier span, since the first window of a type, that was never loaded or not to its end, such as days missed by a
    scheduler.

    Args:
        start: aware; None continues where the previous loads ended.
        end: aware. With `start`, the present if None. Without, the last midnight in Vietnam before `scheduled`.
        scheduled: the time for which the run was scheduled, however late it runs; the present if None.
        sms_types: the types to ask for.
        most_days: without `start`, days that began more than this many days before `end` are skipped, with a note.
        with_missing: with `start`, also plan earlier missing spans if anything was loaded before: for a schedule whose
            runs each have their own span, and some of which did not run.
        follow_up: False plans the task only, without recounts. None does so for a backfill, that is, a span that ended
            longer ago than one day and than its own length; the load of the latest span covers the other windows.
        max_age: windows that ended longer ago are not read again, whatever they hold.
        now: the clock.

    Raises:
        InvalidRequestError: an empty span, an unlisted type, a time without a zone.
        WarehouseError, ConfigurationError: the warehouse cannot be used.
    """
    if most_days < 1:
        raise InvalidRequestError("most_days is at least 1.", field="most_days")
    types = tuple(dict.fromkeys(check_sms_type(sms_type) for sms_type in sms_types))
    if not types:
        raise InvalidRequestError("No message type is given.", field="sms_types")
    present = now().in_timezone("UTC")
    with warehouse.held():
        warehouse.prepare()
        loads = [load for load in warehouse.loads() if load.window.sms_type in types]
    notes: list[str] = []
    if start is not None:
        windows = tuple(windows_between(start, end or present, types))
        first, last = check_moment(start, "start"), check_moment(end or present, "end")
        known = [one for one in types if any(load.window.sms_type == one for load in loads)] if with_missing else []
        missing = {one: missing_spans(loads, one, first, present) for one in known}
        before, told = _missing_windows(missing, first, most_days)
        if before:
            windows, first = (*before, *windows), min(window.start for window in before)
            notes += told
    else:
        last = last_midnight(scheduled or present) if end is None else check_moment(end, "end")
        own_day = _day_before(last)
        missing = {one: missing_spans(loads, one, last, present, since=own_day) for one in types}
        windows, notes = _missing_windows(missing, last, most_days)
        first = min((window.start for window in windows), default=last)
    again: tuple[SentWindow, ...] = ()
    recounts: tuple[SentWindow, ...] = ()
    if follow_up is None:
        follow_up = start is None or last + max(timedelta(days=1), last - check_moment(start, "start")) > present
        notes += [] if follow_up else ["a backfill: other windows are left to the load of the latest period"]
    if follow_up:
        others = [
            load
            for load in _recent_loads(loads, present, max_age)
            if not any(lies_in(load.window, window) for window in windows)
        ]
        reasons = {load.window: reason for load in others if (reason := _reason_to_read(load, present))}
        again = tuple(sorted(reasons))
        notes += _notes_on_follow_up(reasons.values())
        recounts = tuple(
            sorted(load.window for load in others if load.window not in reasons and _is_recount_due(load, present))
        )
        if recounts:
            notes.append(f"{counted(len(recounts), 'window')} to count again")
    return LoadPlan(windows, again, recounts, first, last, tuple(notes))


def is_closed(load: WindowLoad, present: DateTime) -> bool:
    """Whether the window was read after its end. A read time in the future is due to a wrong clock, proving nothing."""
    return load.closed and not load.is_owed and load.read_at is not None and load.read_at <= present


def _missing_windows(
    missing: Mapping[int, Sequence[tuple[DateTime, DateTime]]], end: DateTime, most_days: int
) -> tuple[tuple[SentWindow, ...], list[str]]:
    """The windows of missing spans that are not too old, and the notes on them."""
    oldest = end.subtract(days=most_days)
    windows = tuple(
        window
        for sms_type, spans in missing.items()
        for begin, until in spans
        if until > oldest
        for window in windows_between(max(begin, oldest), until, [sms_type])
    )
    notes = _notes_on_missing(windows, end)
    beyond = [begin for spans in missing.values() for begin, _ in spans if begin < oldest]
    if beyond:
        notes.append(
            f"days from {_day(min(beyond))} were never loaded and are more than {most_days} days old: they are left "
            "out. Load them with explicit dates."
        )
    return windows, notes


def missing_spans(
    loads: Sequence[WindowLoad], sms_type: int, end: DateTime, present: DateTime, since: DateTime | None = None
) -> list[tuple[DateTime, DateTime]]:
    """
    The spans that no closed window covers, from the first planned window, or from `since` if that is earlier; the last
    day if no window was ever planned.
    """
    windows = sorted(
        (load.window.start, load.window.end, is_closed(load, present))
        for load in loads
        if load.window.sms_type == sms_type
    )
    if not windows:
        return [(_day_before(end), end)]
    missing = []
    reached = windows[0][0] if since is None else min(since, windows[0][0])
    for begin, until, closed in windows:
        if not closed:
            continue
        if reached < min(begin, end):
            missing.append((reached, min(begin, end)))
        reached = max(reached, until)
    if reached < end:
        missing.append((reached, end))
    return missing


def lacks_days(loads: Sequence[WindowLoad], present: DateTime) -> bool:
    """Whether no closed window covers a time between the first window of a type and the last midnight in Vietnam."""
    end, moment = last_midnight(present), present.in_timezone("UTC")
    by_type: dict[int, list[WindowLoad]] = {}
    for load in loads:
        if load.window.start < end:
            by_type.setdefault(load.window.sms_type, []).append(load)
    return any(missing_spans(own, sms_type, end, moment) for sms_type, own in by_type.items())


def is_loaded(
    warehouse: Warehouse,
    start: datetime,
    end: datetime,
    sms_types: Iterable[SmsType | int],
    *,
    now: Clock = machine_clock.now,
) -> bool:
    """Whether the warehouse has every window of the span, each read after its end."""
    with warehouse.held():
        warehouse.prepare()
        loads = list(warehouse.loads())
    present = now()
    first, last = check_moment(start, "start"), check_moment(end, "end")
    return not any(
        until > first
        for sms_type in sms_types
        for _, until in missing_spans(loads, int(sms_type), last, present, since=first)
    )


def _recent_loads(loads: Sequence[WindowLoad], present: DateTime, max_age: timedelta) -> list[WindowLoad]:
    """Loads of windows that have begun, are not too old and are not superseded by a larger window."""
    recent = [load for load in loads if load.window.end >= present - max_age and load.window.start < present]
    return without_superseded(recent)


def without_superseded(loads: Sequence[WindowLoad]) -> list[WindowLoad]:
    """The loads that are not superseded by a larger window that was read later."""
    kept: list[WindowLoad] = []
    reaching: list[WindowLoad] = []  # earlier windows of the type that extend beyond the start of this one
    for load in sorted(loads, key=lambda one: (one.window.sms_type, one.window.start, -one.window.end.timestamp())):
        window = load.window
        reaching = [one for one in reaching if one.window.sms_type == window.sms_type and one.window.end > window.start]
        if not any(_supersedes(other, load) for other in reaching):
            kept.append(load)
        reaching.append(load)
    return kept


def _reason_to_read(load: WindowLoad, present: DateTime) -> str:
    if load.is_owed:
        return "requested but not read"
    if not is_closed(load, present):
        return "read before they had ended"
    return "with rows not final" if load.open_rows else ""


def _is_recount_due(load: WindowLoad, present: DateTime) -> bool:
    if load.read_at is None:
        return False
    seen = max(load.read_at, load.counted_at or load.read_at)
    return any(seen < load.read_at + after - _UNPUNCTUAL <= present for after in RECOUNT_AFTER)


def is_final_look(load: WindowLoad, present: DateTime) -> bool:
    """Whether this recount is the last one of the window, and it was never read as late as this after its end."""
    week = RECOUNT_AFTER[-1] - _UNPUNCTUAL
    return load.read_at is not None and load.read_at + week <= present and load.read_at < load.window.end + week


def _supersedes(other: WindowLoad, load: WindowLoad) -> bool:
    """Whether `other` is larger, contains this window and was read later, as the last pull of the current day does."""
    return (
        load.window != other.window
        and lies_in(load.window, other.window)
        and other.read_number is not None
        and (load.read_number is None or load.read_number <= other.read_number)
    )


def lies_in(inner: SentWindow, outer: SentWindow) -> bool:
    """Whether `outer` contains `inner`."""
    return inner.sms_type == outer.sms_type and outer.start <= inner.start and inner.end <= outer.end


def last_midnight(moment: datetime) -> DateTime:
    """The last midnight in Vietnam at or before `moment`."""
    return check_moment(moment, "scheduled").in_timezone(VIETNAM).start_of("day").in_timezone("UTC")


def _day_before(moment: DateTime) -> DateTime:
    """The start of the Vietnamese day that contains `moment`, or that ends at it."""
    return moment.in_timezone(VIETNAM).subtract(microseconds=1).start_of("day").in_timezone("UTC")


def _notes_on_missing(windows: Sequence[SentWindow], end: DateTime) -> list[str]:
    if not windows:
        return [f"everything up to {in_vietnam(end)} in Vietnam is loaded"]
    missed = sum(window.end <= end.subtract(days=1) for window in windows)
    begin = min(window.start for window in windows)
    text = f"{counted(len(windows), 'window')} to load, {in_vietnam(begin)} to {in_vietnam(end)} in Vietnam"
    return [text + (f"; missed on earlier days: {missed}" if missed else "")]


def _notes_on_follow_up(reasons: Iterable[str]) -> list[str]:
    found = Counter(reasons)
    if not found:
        return []
    listed = ", ".join(f"{count} {reason}" for reason, count in found.items())
    return [f"{counted(found.total(), 'window')} to read again: {listed}"]


def _day(moment: DateTime) -> str:
    return moment.in_timezone(VIETNAM).to_date_string()
