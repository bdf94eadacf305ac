"""From the gateway into a warehouse, window by window: read, proven, committed, remembered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.reader import IncompleteWindowError, SentDataReader, WindowReading
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, SentWindow, windows_between
from esms_connectors.warehouse.contract import MergeCounts, Warehouse, WindowLoad
from esms_connectors.warehouse.privacy import Privacy
from esms_connectors.warehouse.spool import WindowSpool

logger = get_logger(__name__)

# Messages of the last moment may still be on their way into the gateway's tables, and clocks differ.
PATIENCE = timedelta(minutes=2)
# A status that has not settled by then never will; the gateway's own look-ups stop at seven days.
MAX_AGE = timedelta(days=14)
# An interrupted pull is continued for so long; after that everything is read again.
_RESUME_WITHIN = timedelta(hours=12)

Clock = Callable[[], DateTime]


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """
    Where a load stands.

    Attributes:
        windows_done, windows: of all that are to be read.
        rows: read so far.
        rows_at_hand, rows_expected: of the window being read.
    """

    windows_done: int
    windows: int
    rows: int
    rows_at_hand: int
    rows_expected: int

    @property
    def share_done(self) -> float:
        """0 to 1, as if all windows were alike: nobody knows the others before they are read."""
        if self.windows == 0:
            return 1.0
        return min(1.0, (self.windows_done + (self.rows_at_hand / max(1, self.rows_expected))) / self.windows)


@dataclass(slots=True)
class LoadSummary:
    """
    What a load did.

    Attributes:
        windows, rows: loaded.
        inserted, changed, unchanged, went_back: what became of the rows; see `MergeCounts`.
        open_rows: rows that are not final; their windows are worth another reading later.
        skipped: windows that an interrupted pull had loaded already.
        states: state -> rows.
        seconds: from beginning to end.
    """

    windows: int = 0
    rows: int = 0
    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    went_back: int = 0
    open_rows: int = 0
    skipped: int = 0
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        text = f"{self.rows:,} rows in {self.windows:,} windows: {self.inserted:,} new, {self.changed:,} changed"
        text += f", {self.unchanged:,} as they were"
        for count, what in (
            (self.went_back, "would have gone back from a final state and are flagged"),
            (self.open_rows, "not final yet"),
        ):
            text += f", {count:,} {what}" if count else ""
        return text + (f"; {self.skipped:,} windows were there already" if self.skipped else "")

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        # `asdict` would rebuild the counter from pairs, and count those.
        fields = {one.name: getattr(self, one.name) for one in dataclass_fields(self)}
        return {**fields, "states": dict(self.states), "seconds": round(self.seconds, 2)}

    def _add(self, reading: WindowReading, counts: MergeCounts) -> None:
        self.windows += 1
        self.rows += reading.rows
        self.inserted += counts.inserted
        self.changed += counts.changed
        self.unchanged += counts.unchanged
        self.went_back += counts.went_back
        self.open_rows += reading.open_rows
        self.states.update(reading.states)


class LoadIncompleteError(EsmsError):
    """
    Some windows do not add up and were left out; all others are loaded. Load again later.

    Attributes:
        incomplete: an error for each window left out.
        summary: what was loaded.
    """

    retryable = True

    def __init__(
        self, message: str, *, incomplete: Sequence[IncompleteWindowError] = (), summary: LoadSummary | None = None
    ) -> None:
        super().__init__(message)
        self.incomplete = tuple(incomplete)
        self.summary = summary or LoadSummary()


def load_sent_messages(
    client: EsmsClient,
    warehouse: Warehouse,
    start: datetime,
    end: datetime,
    *,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    privacy: Privacy | None = None,
    threads: int = 8,
    follow_up: bool = False,
    max_age: timedelta = MAX_AGE,
    resume: bool = True,
    progress: Callable[[LoadProgress], object] | None = None,
    now: Clock = lambda: pendulum.now("UTC"),
) -> LoadSummary:
    """
    Load every row that was created from `start` to `end`; loading again changes only what changed.

    Windows are Vietnamese days, or what the span leaves of them, one for each type. Each is read, proven complete and
    committed by itself, so an interruption costs the window at hand; the same call then goes on where it stopped.

    Args:
        start, end: aware. Rows of a span that has not ended yet are loaded too, and its windows read again later.
        sms_types: the types to ask for, all by default.
        privacy: how phones and texts are kept; the same for every load into one warehouse.
        threads: requests at a time.
        follow_up: also read again what `follow_up_windows` names.
        max_age: see there.
        resume: False reads everything again, also what an interrupted call has loaded.
        progress: called for each batch and each window.
        now: the clock; it decides which windows are closed.

    Raises:
        LoadIncompleteError: windows that do not add up were left out; the others are loaded.
        WarehouseError, ConfigurationError: the warehouse said no.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway did; windows loaded so far stay.
    """
    warehouse.prepare()
    windows = list(windows_between(start, end, sms_types))
    if follow_up:
        types = {window.sms_type for window in windows}
        again = follow_up_windows(warehouse, max_age=max_age, now=now)
        windows = list(dict.fromkeys([*windows, *(window for window in again if window.sms_type in types)]))
    return load_windows(
        client, warehouse, windows, privacy=privacy, threads=threads, resume=resume, progress=progress, now=now
    )


def follow_up_windows(
    warehouse: Warehouse, *, max_age: timedelta = MAX_AGE, now: Clock = lambda: pendulum.now("UTC")
) -> list[SentWindow]:
    """
    The windows worth another reading: owed, read before they had ended, or with rows that were not final.

    Args:
        max_age: windows that ended longer ago are left alone, whatever they hold.
    """
    warehouse.prepare()
    oldest = now() - max_age
    loads = [load for load in warehouse.loads() if load.window.end >= oldest]
    return sorted(
        load.window
        for load in loads
        if (_is_owed(load) or not load.closed or load.open_rows)
        and not any(_stands_for(other, load) for other in loads)
    )


def _stands_for(other: WindowLoad, load: WindowLoad) -> bool:
    """Every row of this one is in a bigger window that was read later: of a growing day only the last pull counts."""
    inner, outer = load.window, other.window
    return (
        inner != outer
        and inner.sms_type == outer.sms_type
        and outer.start <= inner.start
        and inner.end <= outer.end
        and other.read_at is not None
        and (load.read_at is None or load.read_at <= other.read_at)
    )


def load_windows(
    client: EsmsClient,
    warehouse: Warehouse,
    windows: Iterable[SentWindow],
    *,
    privacy: Privacy | None = None,
    threads: int = 8,
    resume: bool = True,
    progress: Callable[[LoadProgress], object] | None = None,
    now: Clock = lambda: pendulum.now("UTC"),
) -> LoadSummary:
    """As `load_sent_messages`, for windows that somebody else has cut."""
    began = time.monotonic()
    privacy = privacy or Privacy()
    warehouse.prepare()
    wanted = list(dict.fromkeys(windows))
    planned_at = _milliseconds(now())
    summary = LoadSummary()
    done: set[SentWindow] = set()
    if resume:
        planned_at, done = _interrupted(warehouse, wanted, planned_at)
        summary.skipped = len(done)
        if done:
            logger.info("an interrupted pull goes on: %d of %d windows are there", len(done), len(wanted))
    owed = [window for window in wanted if window not in done]
    warehouse.plan(owed, planned_at=planned_at, privacy=privacy.fingerprint)
    incomplete: list[IncompleteWindowError] = []

    def tell(reading: WindowReading | None = None) -> None:
        if progress is not None:
            done, at_hand = summary.windows + len(incomplete), reading.rows if reading else 0
            expected = max(at_hand, reading.rows_expected) if reading else 0
            progress(LoadProgress(done, len(owed), summary.rows + at_hand, at_hand, expected))

    tell()
    with SentDataReader(client, owed, threads=threads, now=now) as reader:
        for reading in reader:
            with WindowSpool() as spool:
                try:
                    for batch in reading:
                        spool.add(privacy.apply(batch))
                        tell(reading)
                except IncompleteWindowError as error:
                    logger.warning("left out: %s", error)
                    incomplete.append(error)
                    continue
                counts = warehouse.merge(_load_of(reading, planned_at, privacy), spool)
            summary._add(reading, counts)
            tell()
            if reading.rows:
                logger.info(
                    "%s: %d rows, %d new, %d changed, %d not final",
                    *(reading.window, reading.rows, counts.inserted, counts.changed, reading.open_rows),
                )
    summary.seconds = time.monotonic() - began
    if incomplete:
        # Under a later date than the others: the next call must read all again, not only what failed here.
        failed = [error.whole for error in incomplete]
        warehouse.plan(failed, planned_at=_milliseconds(now()).add(seconds=1), privacy=privacy.fingerprint)
        raise LoadIncompleteError(
            f"{len(incomplete)} of {len(owed)} windows do not add up and were left out, the others are loaded. "
            f"{incomplete[0]}",
            incomplete=incomplete,
            summary=summary,
        )
    return summary


def _load_of(reading: WindowReading, planned_at: DateTime, privacy: Privacy) -> WindowLoad:
    window, read_at = reading.window, _milliseconds(reading.read_at or planned_at)
    return WindowLoad(
        window,
        planned_at=planned_at,
        privacy=privacy.fingerprint,
        read_at=read_at,
        closed=reading.is_settled and read_at >= window.end + PATIENCE,
        row_count=reading.rows,
        count_total=reading.count_total,
        open_rows=reading.open_rows,
        digest=privacy.digest(reading.digest),
    )


def _interrupted(
    warehouse: Warehouse, wanted: Sequence[SentWindow], planned_at: DateTime
) -> tuple[DateTime, set[SentWindow]]:
    """When the interrupted pull of these windows began, and which of them it has loaded; else as given, and none."""
    asked = set(wanted)
    loads = [load for load in warehouse.loads() if load.window in asked]
    begun = [
        pendulum.instance(load.planned_at)
        for load in loads
        if _is_owed(load) and load.planned_at >= planned_at - _RESUME_WITHIN
    ]
    if not begun:
        return planned_at, set()
    latest = max(begun)
    done = {load.window for load in loads if load.planned_at == latest and not _is_owed(load)}
    return (latest, done) if done else (planned_at, set())


def _is_owed(load: WindowLoad) -> bool:
    """Asked for, and not read since. Both times are of the clock of those who pull, unlike `loaded_at`."""
    return load.read_at is None or load.read_at < load.planned_at


def _milliseconds(moment: DateTime) -> DateTime:
    """As exact as every warehouse can keep it: what was planned is found again by its time."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
