"""
Reads all rows of closed time windows and proves that each window is complete.

Pages are not a snapshot: rows move between them while messages are created, and the gateway guarantees no order. We
only assume that a row never leaves its window (creation times do not change), that `CountTotal` counts the rows of the
window, and that each answer is consistent. So a window is complete when one answer has all rows that it counts, or when
the number of distinct rows read equals the gateway's count *after* reading. If the numbers differ, the window is read
again in smaller windows, down to single answers; if that fails, it is an error, never an incomplete table.

The assumptions are checked as far as the answers allow. A falling count shows that rows leave the window; the page
after a full page shows a CountTotal of the page only; parts with more rows in total than the whole show a gateway that
does not filter by the second.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import pyarrow as pa
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted as number_of
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.columns import (
    SENT_MESSAGE_SCHEMA,
    TIME,
    SentColumns,
    distinct_places,
)
from esms_connectors.sent_data.fetching import PAGE_SIZE, PageQueue, Part, WindowReading, may_be_cut
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, LONGEST_WINDOW, SentWindow, windows_between

__all__ = [
    "SENT_MESSAGE_SCHEMA",
    "IncompleteWindowError",
    "SentDataReader",
    "SentWindow",
    "read_sent_messages",
    "windows_between",
]

logger = get_logger(__name__)

# A window with more rows is read in parts: the keys of a part are held in memory, about 100 bytes per row.
_PART_ROWS = 200_000
_MOST_PIECES = 64
_PIECES = 8  # a part that does not match is split into this number of pieces and read again
_ROUNDS = 3  # repeated at most this often while rows are being created
_DEEPEST = 6  # 8 ** 6 pieces split any window into single seconds


class IncompleteWindowError(EsmsError):
    """
    The row counts of a window do not match, even in its smallest pieces. Discard the window and read it again later.

    Attributes:
        whole: the window that is left out.
        window: the piece of it that does not match.
        expected: rows counted by the gateway; None if it does not count them.
        received: distinct rows received.
    """

    retryable = True

    def __init__(
        self, message: str, *, whole: SentWindow, window: SentWindow, expected: int | None, received: int
    ) -> None:
        super().__init__(message)
        self.whole = whole
        self.window = window
        self.expected = expected
        self.received = received


@dataclass(frozen=True, slots=True)
class _Pass:
    """
    One pass over all pages of a part.

    Attributes:
        keys: of the distinct rows received.
        counted: the gateway's count after reading; None without one.
        is_proven: the rows are proven to be complete.
        has_each_once: no row was received twice.
    """

    keys: set[str]
    counted: int | None
    is_proven: bool
    has_each_once: bool = True

    @property
    def numbers(self) -> tuple[int, int | None]:
        return len(self.keys), self.counted


class SentDataReader:
    """
    Reads windows one after the other; several threads fetch the pages, which are returned in order.

    Iterate over the `WindowReading`s, and read each one before the next. Memory use is bounded by the pages in flight
    (a few per thread) and the keys of one part of a window, whatever the size of the window. Use it in a `with`.

    Args:
        threads: concurrent requests.
        page_size: rows per request, 500 at most.
        part_rows: a window with more rows is read in parts of about this size.
        each_row_once: skip rows on the boundary of two windows that were in the first one. Not suitable if windows are
            kept or discarded individually.
        now: the clock for `read_at`.
    """

    def __init__(
        self,
        client: EsmsClient,
        windows: Iterable[SentWindow],
        *,
        threads: int = 8,
        page_size: int = PAGE_SIZE,
        part_rows: int = _PART_ROWS,
        each_row_once: bool = False,
        now: Callable[[], DateTime] = machine_clock.now,
    ) -> None:
        if threads < 1:
            raise InvalidRequestError("threads must be at least 1.", field="threads")
        if not 1 <= page_size <= PAGE_SIZE:
            raise InvalidRequestError(f"page_size must be 1 to {PAGE_SIZE}.", field="page_size")
        if part_rows < page_size:
            raise InvalidRequestError("part_rows must be at least page_size.", field="part_rows")
        self._part_rows = part_rows
        self._each_row_once = each_row_once
        self._window_before: SentWindow | None = None
        self._seen: set[str] = set()
        self._seen_before: set[str] = set()
        self._queue = PageQueue(
            client,
            (WindowReading(window, self._batches_of) for window in windows),
            threads=threads,
            page_size=page_size,
            part_rows=part_rows,
            now=now,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop prefetched pages. Waits for requests in flight and starts no new ones."""
        self._queue.close()

    def __iter__(self) -> Iterator[WindowReading]:
        while True:
            self._queue.fetch_ahead()
            if not self._queue.parts:
                return
            reading = self._queue.parts[0].whole
            yield reading
            # Parts that the caller did not read, because of an error or by choice.
            self._queue.drop(reading)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _batches_of(self, reading: WindowReading) -> Iterator[pa.RecordBatch]:
        if not self._queue.parts or self._queue.parts[0].whole is not reading:
            raise RuntimeError(f"the window ({reading.window}) was read before, or it is not its turn yet")
        before, self._window_before = self._window_before, reading.window
        if not (
            self._each_row_once
            and before is not None
            and (before.sms_type, before.end) == (reading.window.sms_type, reading.window.start)
        ):
            self._seen = set()
        try:
            counted = yield from self._read(self._queue.parts[0])
        except BaseException:
            self._queue.drop(reading)
            raise
        reading.count_total = None if self._queue.counts_pages and reading.rows > self._queue.page_size else counted
        if not self._each_row_once:
            # Free the memory for the caller, who now loads the window.
            self._seen, self._seen_before = set(), set()

    def _read(self, part: Part) -> Generator[pa.RecordBatch, None, int]:
        """Read and remove the part at the head of the queue; returns the gateway's count of its rows."""
        first = self._queue.next_page(part)
        total = self._queue.count_of(first)
        if self._queue.is_too_large(part, total):
            return (yield from self._read_in_parts(part, total or 0))
        if part.depth == 0:
            # Only adjacent parts share rows, those of their common second.
            self._seen, self._seen_before = set(), self._seen
            part.whole.rows_expected += max(total or 0, first.rows_received)
        done = yield from self._read_pages(part, first)
        if self._queue.counts_pages and not done.is_proven:
            done = yield from self._read_anew(part, done)
        if not done.is_proven:
            done = yield from self._prove(part, done)
        return done.counted or 0

    def _prove(self, part: Part, done: _Pass) -> Generator[pa.RecordBatch, None, _Pass]:
        """Read a part that does not match again, in pieces, or as a whole if splitting does not help."""
        if done.counted is None and not self._queue.counts_pages:
            raise self._incomplete(part, done, is_cut=False)
        is_cut = part.depth < _DEEPEST and part.span.seconds > 1
        if is_cut:
            logger.info("%s: %d of %s rows; reading them again in smaller windows", part.span, *done.numbers)
            counted = yield from self._read_in_pieces(part, done)
            if counted is not None:
                return _Pass(done.keys, counted, is_proven=True)
        for _ in range(_ROUNDS - 1):
            done = yield from self._read_anew(part, done)
            if done.is_proven:
                return done
        raise self._incomplete(part, done, is_cut=not is_cut)

    def _read_anew(self, part: Part, before: _Pass) -> Generator[pa.RecordBatch, None, _Pass]:
        """Read all pages again. Without a count, two passes with the same rows and no duplicates prove completeness."""
        again = part.again()
        self._queue.put_first([again])
        done = yield from self._read_pages(again, self._queue.next_page(again))
        if self._queue.counts_pages and done.has_each_once and before.has_each_once and done.keys == before.keys:
            return replace(done, counted=len(done.keys), is_proven=True)
        return done

    def _read_pages(self, part: Part, first: SentColumns) -> Generator[pa.RecordBatch, None, _Pass]:
        """Read the part at the head of the queue page by page, and remove it."""
        size, seen = self._queue.page_size, set[str]()
        yield from self._take(part, first, seen)
        total, is_full = self._queue.count_of(first), may_be_cut(first.rows_received, size)
        if first.rows_received == (total or 0) and len(first.keys) == first.rows_received and not is_full:
            # A single answer with all rows is a snapshot.
            if twice := first.rows_received - len(seen):
                logger.warning(
                    "%s: %s with the id and phone of another in one answer; one is kept",
                    part.span,
                    number_of(twice, "row"),
                )
            self._queue.leave(part)
            return _Pass(seen, total or 0, is_proven=True)
        unnamed = first.unnamed
        self._queue.learn_last_page(part, first)
        number, came, received, stale = 1, first.rows_received, first.rows_received, 0
        # Read on after a full page, whatever the count.
        while number < part.last_page or came >= size or (came and (total is None or len(seen) < total)):
            before = len(seen)
            page = self._queue.next_page(part)
            number += 1
            came = page.rows_received
            received += came
            unnamed += page.unnamed
            yield from self._take(part, page, seen)
            if len(seen) > before and page.count_total == came and not self._queue.counts_pages:
                # There are rows on earlier pages, so a count of the window would be higher.
                self._queue.counts_pages = True
                logger.warning("CountTotal is the number of rows of a page, not of the window: it proves nothing.")
                total = None
            stale = 0 if len(seen) > before else stale + 1
            # Beyond the end, or a gateway that repeats the same page.
            if came == 0 or stale == (1 if number > part.last_page else 2):
                break
        self._queue.leave(part)
        is_alone = number == 2 and came == 0 and len(first.keys) == first.rows_received
        if is_alone and total in (None, first.rows_received):
            # All rows are on one page, and the next page is empty.
            return _Pass(seen, first.rows_received, is_proven=True)
        if self._queue.counts_pages:
            return _Pass(seen, None, is_proven=False, has_each_once=len(seen) == received and not unnamed)
        # The final count, together with rows created meanwhile if they are on the first page.
        behind = self._queue.page_now(part)
        yield from self._take(part, behind, seen)
        if part.counts.fell:
            self._note_fall(part, behind.count_total)
        # Rows without an id cannot be told apart across pages.
        adds_up = len(seen) == behind.count_total and not unnamed + behind.unnamed and not part.counts.fell
        return _Pass(seen, behind.count_total, adds_up)

    def _read_in_parts(self, part: Part, total: int) -> Generator[pa.RecordBatch, None, int]:
        """Read a part that has too many rows to keep all of their keys in memory."""
        reading = part.whole
        self._queue.leave(part)
        # Sized for half of the limit, because traffic is uneven. A part that is still too large is split again.
        parts = part.cut(min(_MOST_PIECES, -(-2 * total // self._part_rows)), depth=0)
        self._queue.put_first(parts)
        if not self._is_cut(part, parts, total):
            logger.warning("%s: its parts are as large as the whole; reading it page by page", part.span)
            self._queue.put_first([part.again()])
            return (yield from self._read(self._queue.parts[0]))
        for _ in parts:
            yield from self._read(self._queue.parts[0])
        counted = self._queue.count_of(self._queue.page_now(part)) or 0
        if part.counts.fell:
            self._note_fall(part, counted)
        if part.span == reading.window and counted != reading.rows:
            # Rows were created in earlier parts while later ones were read.
            reading.is_settled = False
            logger.info("%s: %s read, %d counted afterwards", part.span, number_of(reading.rows, "row"), counted)
        return counted

    def _read_in_pieces(self, part: Part, done: _Pass) -> Generator[pa.RecordBatch, None, int | None]:
        """
        Read a part that does not match again in pieces. Each piece is proven, and the whole is counted afterwards.

        Returns:
            The gateway's count; None if the pieces are as large as the whole.
        """
        counted = 0
        for _ in range(_ROUNDS):
            pieces = part.cut(_PIECES, part.depth + 1)
            self._queue.put_first(pieces)
            if not self._is_cut(part, pieces, done.counted or len(done.keys)):
                return None
            for _ in pieces:
                counted += yield from self._read(self._queue.parts[0])
            if part.depth:
                return counted
            counted = self._queue.count_of(self._queue.page_now(part)) or 0
            if counted == len(self._seen):
                return counted
            if counted < len(self._seen):
                break  # rows have left since, and reading on would not change that
        part.whole.is_settled = False
        return counted

    def _is_cut(self, part: Part, parts: list[Part], total: int) -> bool:
        """
        Whether the gateway filters by the second: each row is in one part, or in two that share its second. Otherwise
        the parts, which are at the head of the queue, are removed from it.
        """
        together = 0
        for one in parts:
            first = self._queue.first_page(one)
            together += max(self._queue.count_of(first) or 0, first.rows_received)
            # The whole is counted again, because rows may have been created since.
            if together > 2 * total and together > 2 * (
                total := max(total, self._queue.count_of(self._queue.page_now(part)) or 0)
            ):
                for one in parts:
                    self._queue.leave(one)
                return False
        return True

    def _note_fall(self, part: Part, counted: int | None) -> None:
        part.whole.is_settled = False
        logger.warning(
            "%s: the count fell from %d to %s while it was read: rows have left the window",
            part.span, part.counts.highest, counted,
        )  # fmt: skip

    def _incomplete(self, part: Part, done: _Pass, *, is_cut: bool) -> IncompleteWindowError:
        received = len(done.keys)
        if done.counted is None:
            text = f"The gateway does not say how many rows there are ({part.span}), so {received} cannot be proven to "
            text += "be all. Nothing of the window was stored; ask eSMS."
        else:
            text = (
                f"The gateway counts {number_of(done.counted, 'row')} ({part.span}) and returned {received} distinct "
                "ones, "
            )
            text += "however small the window was cut" if is_cut else "and its parts are as large as the whole"
            text += ". Nothing of the window was stored; read it again later."
        return IncompleteWindowError(
            text, whole=part.whole.window, window=part.span, expected=done.counted, received=received
        )

    def _take(self, part: Part, page: SentColumns, seen: set[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a page that this window has not returned yet."""
        if not page.keys:
            return
        keys, batch = list(page.keys), page.batch
        before = len(seen)
        seen.update(keys)
        twice = len(seen) - before < len(keys)
        if twice or not self._seen.isdisjoint(keys) or not self._seen_before.isdisjoint(keys):
            known = (self._seen, self._seen_before)
            places = distinct_places(batch, keys).items()
            new = {key: place for key, place in places if not any(key in seen for seen in known)}
            batch, keys = batch.take(pa.array(list(new.values()), pa.int64())), list(new)
        if not keys:
            return
        self._seen.update(keys)
        reading = part.whole
        reading.note(batch, keys)
        window = reading.window
        edges = [pa.repeat(pa.scalar(edge, TIME), len(keys)) for edge in (window.start, window.end)]
        yield pa.RecordBatch.from_arrays([*batch.columns, *edges], schema=SENT_MESSAGE_SCHEMA)


def read_sent_messages(
    client: EsmsClient,
    start: datetime,
    end: datetime,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    *,
    threads: int = 8,
    page_size: int = PAGE_SIZE,
    longest: timedelta = LONGEST_WINDOW,
) -> Iterator[pa.RecordBatch]:
    """
    Yield every row that was created from `start` to `end`, as Arrow batches, each row once.

    A window is proven complete after its last batch; after an error, the batches of the window so far are incomplete.
    `esms_connectors.warehouse` loads whole windows or nothing.

    Args:
        client: with at least as many connections as threads (16 by default).
        start, end: aware; sent as Vietnamese local time.
        sms_types: types to read, all by default; one per request.
        threads: concurrent requests; pages are returned in order.
        page_size: rows per request, 500 at most.
        longest: length of a window, three days at most.

    Yields:
        Batches of `SENT_MESSAGE_SCHEMA`: `price_vnd` decimal(18,4) in VND, times in UTC with milliseconds.

    Raises:
        IncompleteWindowError: the rows cannot be proven to be complete.
        InvalidRequestError: a naive time, an empty span, an unlisted type.
        GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; reading again is safe.

    Source: get-the-message-status (GetSmsSentData_V2), 500 rows a page at most.
    """
    with SentDataReader(
        client,
        windows_between(start, end, sms_types, longest),
        threads=threads,
        page_size=page_size,
        each_row_once=True,
    ) as reader:
        for reading in reader:
            yield from reading
