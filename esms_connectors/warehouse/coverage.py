"""Completeness of a warehouse: from `esms_loads`, and, on request, compared with what the gateway lists today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.models import SmsType
from esms_connectors.sent_data.fetching import WindowCount, count_window
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, SentWindow
from esms_connectors.warehouse.accounts import check_account
from esms_connectors.warehouse.contract import Warehouse, WindowLoad
from esms_connectors.warehouse.doubtful_windows import Doubts, doubts_of
from esms_connectors.warehouse.planning import (
    Clock,
    is_closed,
    last_midnight,
    lies_in,
    missing_spans,
    without_superseded,
)
from esms_connectors.warehouse.privacy import Privacy

__all__ = ["TypeCoverage", "WindowDifference", "compare_windows", "coverage_by_type"]


@dataclass(frozen=True, slots=True)
class TypeCoverage:
    """
    What a warehouse holds of one message type, up to the last midnight in Vietnam.

    Attributes:
        sms_type: the type.
        first: start of the first window that was planned, UTC; None for a type that was never loaded.
        windows, rows: loaded windows and the rows listed in them; windows contained in a larger one are left out.
        owed: windows that were planned and not read since.
        not_closed: windows read before they had ended, or while rows moved.
        open_windows: windows with rows in a state that is not final.
        missing: spans since `first` that no closed window covers, UTC.
        not_available: windows that list nothing and were read longer after their end than any that lists rows. The
            gateway may have dropped their rows, so this does not prove 0 rows.
        shrunk: windows of which the warehouse holds more rows than the gateway listed when they were last read.
        repeated: windows that list exactly the rows of another type, and are stored beside these: a gateway that
            ignores the type.
        emptied: windows of several rows none of which is stored any more.
    """

    sms_type: int
    first: DateTime | None
    windows: int
    rows: int
    owed: int
    not_closed: int
    open_windows: int
    missing: tuple[tuple[DateTime, DateTime], ...]
    not_available: int = 0
    shrunk: tuple[WindowDifference, ...] = ()
    repeated: int = 0
    emptied: int = 0

    @property
    def complete(self) -> bool:
        """
        Whether something was loaded, and since the first window nothing is owed, missing, removed or stored twice; rows
        that are not final may still change.
        """
        lacking = self.owed or self.not_closed or self.missing or self.emptied
        return self.first is not None and not lacking and not self.repeated


@dataclass(frozen=True, slots=True)
class WindowDifference:
    """A window that lists rows other than the loaded ones: `loaded` rows were stored, `listed` are listed today."""

    window: SentWindow
    loaded: int
    listed: int

    def __str__(self) -> str:
        if self.listed == self.loaded:
            return f"{self.window}: {counted(self.loaded, 'row')}, some of them changed"
        return f"{self.window}: {counted(self.loaded, 'row')} loaded, {self.listed:,} listed today"


def coverage_by_type(
    warehouse: Warehouse,
    *,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    end: datetime | None = None,
    now: Clock = machine_clock.now,
) -> list[TypeCoverage]:
    """
    Args:
        end: end of the span, aware; the last midnight in Vietnam if None.

    Raises:
        WarehouseError, ConfigurationError: the warehouse cannot be used.
    """
    with warehouse.held():
        warehouse.prepare()
        everything = list(warehouse.loads())
    present = now().in_timezone("UTC")
    last = last_midnight(present) if end is None else last_midnight(end)
    loads = without_superseded([load for load in everything if load.window.start < last])
    held = rows_held(warehouse)
    doubts = doubts_of(loads, held, everything)
    by_type = {int(sms_type): _of_type(loads, int(sms_type)) for sms_type in sms_types}
    return [_coverage_of(sms_type, own, held, doubts, last, present) for sms_type, own in by_type.items()]


def rows_held(warehouse: Warehouse) -> Counter[SentWindow]:
    """Stored rows by the window that first brought them, of type 0 if they name none."""
    held: Counter[SentWindow] = Counter()
    for sms_type, start, end, rows in warehouse.count_by_window():
        held[SentWindow(sms_type or 0, *(pendulum.instance(edge).in_timezone("UTC") for edge in (start, end)))] += rows
    return held


def _shrunk(loads: Sequence[WindowLoad], held: Counter[SentWindow]) -> Iterator[WindowDifference]:
    """
    Windows with more stored rows than the gateway lists.

    A row counts for each window that fully contains the one that brought it, so a surplus can only be rows that the
    window no longer lists.
    """
    known = {load.window for load in loads}
    others = [(window, rows) for window, rows in held.items() if window not in known]
    for load in loads:
        rows = held[load.window] + sum(count for window, count in others if lies_in(window, load.window))
        if load.read_at is not None and not load.is_owed and rows > load.row_count:
            yield WindowDifference(load.window, rows, load.row_count)


def _coverage_of(
    sms_type: int,
    loads: Sequence[WindowLoad],
    held: Counter[SentWindow],
    doubts: Doubts,
    last: DateTime,
    present: DateTime,
) -> TypeCoverage:
    ended = [load for load in loads if load.read_at is not None and load.window.end <= present]
    own = {one: rows for one, rows in held.items() if one.sms_type == sms_type}
    shrunk = tuple(_shrunk(loads, Counter(own)))
    with_rows = {one.window for one in shrunk}
    return TypeCoverage(
        sms_type,
        first=min((load.window.start for load in loads), default=None),
        windows=sum(load.read_at is not None for load in loads),
        rows=sum(load.row_count for load in loads),
        owed=sum(load.is_owed for load in loads),
        not_closed=sum(not load.is_owed and not is_closed(load, present) for load in ended),
        open_windows=sum(load.open_rows > 0 for load in loads),
        missing=tuple(missing_spans(loads, sms_type, last, present)) if loads else (),
        not_available=sum(load.window not in with_rows for load in _of_type(doubts.unavailable, sms_type)),
        shrunk=shrunk,
        repeated=len(_of_type(doubts.repeated, sms_type)),
        emptied=len(_of_type(doubts.emptied, sms_type)),
    )


def _of_type(loads: Iterable[WindowLoad], sms_type: int) -> list[WindowLoad]:
    return [load for load in loads if load.window.sms_type == sms_type]


def recent_windows(
    warehouse: Warehouse,
    days: int,
    *,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    now: Clock = machine_clock.now,
) -> list[SentWindow]:
    """Loaded windows that ended in the last `days` days, without those contained in a larger one."""
    types = {int(sms_type) for sms_type in sms_types}
    since = now() - timedelta(days=days)
    loads = [load for load in warehouse.loads() if load.window.end >= since and load.window.sms_type in types]
    return sorted(load.window for load in without_superseded(loads) if load.read_at is not None and not load.is_owed)


@dataclass(frozen=True, slots=True)
class Compared:
    """
    A window that was counted again: `loaded` rows were stored, `listed` are listed today.

    Attributes:
        load: the line of its last load.
        is_same: nothing differs, as far as one answer shows.
        by_number: one answer does not hold all rows, so only their number was compared: a row that was replaced, or
            whose state or price changed, is not noticed.
    """

    window: SentWindow
    load: WindowLoad | None
    listed: int
    is_same: bool
    by_number: bool

    @property
    def loaded(self) -> int:
        load = self.load
        return 0 if load is None else load.row_count if load.count_total is None else load.count_total

    @property
    def difference(self) -> WindowDifference | None:
        return None if self.is_same else WindowDifference(self.window, self.loaded, self.listed)


def compare_windows(
    client: EsmsClient,
    warehouse: Warehouse,
    windows: Sequence[SentWindow],
    *,
    privacy: Privacy | None = None,
    threads: int = 8,
) -> Iterator[Compared]:
    """
    Count the rows of loaded windows again, in the order given, one call each; if that receives all rows, compare them.

    Args:
        privacy: how the warehouse keeps phones.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: the gateway refused or did not answer.
        WarehouseError, ConfigurationError: the warehouse is unusable, keeps phones in another form than `privacy`, or
            belongs to another account.
    """
    privacy = privacy or Privacy()
    check_account(warehouse, client)
    asked = set(windows)
    loads = {load.window: load for load in warehouse.loads() if load.window in asked}
    for known in loads.values():
        _check_phones(known, privacy)
    with ThreadPoolExecutor(threads, thread_name_prefix="esms-recount") as pool:
        try:
            counts = pool.map(lambda window: count_window(client, window), windows)
            for window, count in zip(windows, counts, strict=True):
                yield _compare(window, loads.get(window), count, privacy)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _compare(window: SentWindow, load: WindowLoad | None, count: WindowCount, privacy: Privacy) -> Compared:
    by_number = count.digest is None
    one = Compared(window, load, count.rows, is_same=False, by_number=by_number)
    same = load is not None and count.rows == one.loaded
    if same and load is not None and count.digest is not None:
        same = privacy.digest(count.digest) == load.digest
    return replace(one, is_same=same)


def _check_phones(load: WindowLoad, privacy: Privacy) -> None:
    """Check the form of phones: the checksums of rows with phones in another form would all differ."""
    kept, given = (text.partition(" ")[0] for text in (load.privacy, privacy.fingerprint))
    if kept != given:
        raise ConfigurationError(
            f"The warehouse stores phones as {kept!r}, this comparison as {given!r}: use the same setting and secret."
        )
