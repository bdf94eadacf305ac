"""Progress and result of a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.sent_data.fetching import WindowReading
from esms_connectors.sent_data.reader import IncompleteWindowError
from esms_connectors.warehouse.contract import MergeCounts


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """
    Progress of a load.

    Attributes:
        windows_done, windows: windows read so far, and in total.
        rows: rows read so far.
        rows_at_hand, rows_expected: rows of the current window: read so far, and expected.
    """

    windows_done: int
    windows: int
    rows: int
    rows_at_hand: int
    rows_expected: int

    @property
    def share_done(self) -> float:
        """0 to 1, assuming windows of equal size: their sizes are unknown until they are read."""
        if self.windows == 0:
            return 1.0
        return min(1.0, (self.windows_done + (self.rows_at_hand / max(1, self.rows_expected))) / self.windows)


@dataclass(slots=True)
class LoadCounts:
    """
    Counts of the windows loaded.

    Attributes:
        windows, rows: windows and rows loaded; a row that two windows list counts in each.
        inserted, changed, unchanged, regressed: result of the merge by row; see `MergeCounts`.
        open_rows: rows that are not final; their windows should be read again later.
        shrunk_windows, unlisted_rows: windows that list fewer rows than at their previous load, and how many fewer; the
            gateway may have dropped them. The warehouse keeps these rows unchanged.
        old_windows_without_rows: windows that list nothing and were read longer after their end than any that lists
            rows: either nothing was sent, or the gateway no longer has the rows; its retention is undocumented.
        unread: rows with a status, type, price or time that could not be parsed; `status_text` keeps the original.
        states: state -> rows.
    """

    windows: int = 0
    rows: int = 0
    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    regressed: int = 0
    open_rows: int = 0
    shrunk_windows: int = 0
    unlisted_rows: int = 0
    old_windows_without_rows: int = 0
    unread: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        text = f"{counted(self.rows, 'row')} in {counted(self.windows, 'window')}: {self.inserted:,} new, "
        text += f"{self.changed:,} changed, {self.unchanged:,} as they were"
        for count, what in (
            (self.regressed, "would have regressed from a final state and are flagged"),
            (self.open_rows, "not final yet"),
            (self.unread, "with a value that could not be parsed, stored in status_text"),
        ):
            text += f", {count:,} {what}" if count else ""
        if self.shrunk_windows:
            text += f"; {counted(self.shrunk_windows, 'window lists', 'windows list')} "
            text += f"{counted(self.unlisted_rows, 'row')} fewer than when loaded before"
        if self.old_windows_without_rows:
            old = "window older than any with rows lists", "windows older than any with rows list"
            text += f"; {counted(self.old_windows_without_rows, *old)} nothing: "
            text += "not available, which is not 0 rows; the gateway may no longer have them"
        return text

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        # `asdict` would rebuild the Counter from its pairs, and count those.
        return {one.name: getattr(self, one.name) for one in dataclass_fields(LoadCounts)} | {
            "states": dict(self.states)
        }

    def add(self, reading: WindowReading, counts: MergeCounts, *, loaded_before: int = 0) -> None:
        """Add a loaded window; `loaded_before`: rows listed by its previous load."""
        self.shrunk_windows += reading.rows < loaded_before
        self.unlisted_rows += max(0, loaded_before - reading.rows)
        self.windows += 1
        self.rows += reading.rows
        self.inserted += counts.inserted
        self.changed += counts.changed
        self.unchanged += counts.unchanged
        self.regressed += counts.regressed
        self.open_rows += reading.open_rows
        self.unread += reading.unread
        self.states.update(reading.states)


@dataclass(slots=True)
class LoadSummary(LoadCounts):
    """
    Result of a load. The inherited counts are those of the task: the requested span, or the missing days.

    Attributes:
        skipped: windows already loaded by an interrupted pull.
        follow_up: counts of earlier windows that were read again.
        recounted: earlier windows whose rows were counted again.
        recounts_differing: those of them that were read again: their rows differed, or could not be compared by one
            call for a week.
        seconds: total duration.
    """

    skipped: int = 0
    follow_up: LoadCounts = field(default_factory=LoadCounts)
    recounted: int = 0
    recounts_differing: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        # Not `super()`: `slots=True` replaces the class, so its cell refers to the wrong one.
        text = LoadCounts.__str__(self)
        text += f"; {counted(self.skipped, 'window was', 'windows were')} there already" if self.skipped else ""
        text += f"; read again: {self.follow_up}" if self.follow_up.windows else ""
        if self.recounted:
            text += (
                f"; {counted(self.recounted, 'window')} counted again, {self.recounts_differing:,} of them read again"
            )
        return text

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            **LoadCounts.as_dict(self),
            "skipped": self.skipped,
            "follow_up": self.follow_up.as_dict(),
            "recounted": self.recounted,
            "recounts_differing": self.recounts_differing,
            "seconds": round(self.seconds, 2),
        }


class LoadIncompleteError(EsmsError):
    """
    Windows whose row counts do not match were left out; all others are loaded. Load again later.

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
