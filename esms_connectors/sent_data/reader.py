"""
A closed time window -> every row of it, proven complete.

Pages are no snapshot: rows move between them while messages are created, and the gateway promises no order. What is
relied on is only this: a row never leaves its window (creation times do not change), `CountTotal` counts the rows of
the window, and one answer is consistent in itself. So a window is complete when one answer holds all that it counts, or
when as many different rows were seen as the gateway counts *behind* the reading. What does not match is read again in
smaller windows, down to single answers, and after that it is an error, never a table with a hole.

What is relied on is looked at as far as the answers tell. A count that falls says that rows leave; a full page is
followed by the next one, which shows a count of the page; parts that are together larger than what they were cut from
show a gateway that does not cut by the second.
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
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.columns import (
    SENT_MESSAGE_SCHEMA,
    TIME,
    SentColumns,
)
from esms_connectors.sent_data.fetching import PAGE_SIZE, PageQueue, Part, WindowReading
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

# A window with more rows is read in parts: what was seen of a part is held in memory, about 100 bytes a row.
_PART_ROWS = 200_000
_MOST_PIECES = 64
_PIECES = 8  # what does not match is cut into so many and read again
_ROUNDS = 3  # so often, as long as rows are created while it is read
_DEEPEST = 6  # 8 ** 6 pieces are single seconds of any window


class IncompleteWindowError(EsmsError):
    """
    The row counts of a window do not match, however small it was cut. Keep nothing of it; read it again later.

    Attributes:
        whole: the window that is left out.
        window: the piece of it that did not add up.
        expected: rows that the gateway counts; None when it does not say.
        received: different rows that came.
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
    All pages of a part, once.

    Attributes:
        keys: of the different rows that came.
        counted: rows as the gateway counts them behind the reading; None where it does not.
        is_proven: these rows are all.
        has_each_once: no row came twice.
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
    Reads windows one after the other; the pages come from several threads, in order.

    Iterate for a `WindowReading` each, and read that one before the next. Memory holds the pages in flight (a few for
    each thread) and the keys of one part of a window, whatever the size of the window. Use it in a `with`.

    Args:
        threads: requests at a time.
        page_size: rows a request, 500 at most.
        part_rows: a window with more rows is read in parts of about so many.
        each_row_once: leave out what stands on the edge of two windows and was in the first already. Not for who keeps
            or drops windows one by one.
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
        """Drop what was fetched in advance. Requests under way are waited for, none is begun."""
        self._queue.close()

    def __iter__(self) -> Iterator[WindowReading]:
        while True:
            self._queue.fetch_ahead()
            if not self._queue.parts:
                return
            reading = self._queue.parts[0].whole
            yield reading
            # Whatever the caller left unread, because it did not add up or was not wanted.
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
            # Whoever loads the window now needs the memory more.
            self._seen, self._seen_before = set(), set()

    def _read(self, part: Part) -> Generator[pa.RecordBatch, None, int]:
        """The part at the head of the queue, which leaves it; returns the rows that the gateway counts in it."""
        first = self._queue.next_page(part)
        total = self._queue.count_of(first)
        if self._queue.is_too_large(part, total):
            return (yield from self._read_in_parts(part, total or 0))
        if part.depth == 0:
            # Two parts share the second between them, never more than two.
            self._seen, self._seen_before = set(), self._seen
            part.whole.rows_expected += max(total or 0, first.rows_received)
        done = yield from self._read_pages(part, first)
        if self._queue.counts_pages and not done.is_proven:
            done = yield from self._read_anew(part, done)
        if not done.is_proven:
            done = yield from self._prove(part, done)
        return done.counted or 0

    def _prove(self, part: Part, done: _Pass) -> Generator[pa.RecordBatch, None, _Pass]:
        """What did not add up: in pieces, or where that is of no use, once more as a whole."""
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
        """All pages once more. Where nothing is counted, the same rows twice, none of them doubled, are all."""
        again = part.again()
        self._queue.put_first([again])
        done = yield from self._read_pages(again, self._queue.next_page(again))
        if self._queue.counts_pages and done.has_each_once and before.has_each_once and done.keys == before.keys:
            return replace(done, counted=len(done.keys), is_proven=True)
        return done

    def _read_pages(self, part: Part, first: SentColumns) -> Generator[pa.RecordBatch, None, _Pass]:
        """The part at the head of the queue, page by page; it leaves the queue."""
        size, seen = self._queue.page_size, set[str]()
        yield from self._take(part, first, seen)
        total, is_full = self._queue.count_of(first), first.rows_received >= size
        if first.rows_received == (total or 0) and len(first.keys) == first.rows_received and not is_full:
            # One answer with everything in it is a snapshot, whatever happens meanwhile.
            if twice := first.rows_received - len(seen):
                logger.warning("%s: %d rows have id and phone of another in one answer; one is kept", part.span, twice)
            self._queue.leave(part)
            return _Pass(seen, total or 0, is_proven=True)
        unnamed = first.unnamed
        self._queue.learn_last_page(part, first)
        number, came, received, stale = 1, first.rows_received, first.rows_received, 0
        # A full page may be followed by another one, whatever is counted.
        while number < part.last_page or came >= size or (came and (total is None or len(seen) < total)):
            before = len(seen)
            page = self._queue.next_page(part)
            number += 1
            came = page.rows_received
            received += came
            unnamed += page.unnamed
            yield from self._take(part, page, seen)
            if len(seen) > before and page.count_total == came and not self._queue.counts_pages:
                # There are rows on the pages before it, so the whole must count more.
                self._queue.counts_pages = True
                logger.warning("CountTotal counts the rows of a page, not those of the window: it proves nothing.")
                total = None
            stale = 0 if len(seen) > before else stale + 1
            # Beyond the end, or a gateway that gives the same page again and again.
            if came == 0 or stale == (1 if number > part.last_page else 2):
                break
        self._queue.leave(part)
        is_alone = number == 2 and came == 0 and len(first.keys) == first.rows_received
        if is_alone and total in (None, first.rows_received):
            # Everything on one page and nothing behind it.
            return _Pass(seen, first.rows_received, is_proven=True)
        if self._queue.counts_pages:
            return _Pass(seen, None, is_proven=False, has_each_once=len(seen) == received and not unnamed)
        # Asked anew: the count, and with it what was created meanwhile, if that stands on the first page.
        behind = self._queue.page_now(part)
        yield from self._take(part, behind, seen)
        if part.counts.fell:
            self._note_fall(part, behind.count_total)
        # Rows without an id cannot be told apart across pages.
        adds_up = len(seen) == behind.count_total and not unnamed + behind.unnamed and not part.counts.fell
        return _Pass(seen, behind.count_total, adds_up)

    def _read_in_parts(self, part: Part, total: int) -> Generator[pa.RecordBatch, None, int]:
        """Too many rows to remember all of their keys."""
        reading = part.whole
        self._queue.leave(part)
        # Half as many as allowed: the day has its rush hours. A part that is still too big is cut again.
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
            # Created in the first parts while the last ones were read.
            reading.is_settled = False
            logger.info("%s: %d rows read, %d counted behind it", part.span, reading.rows, counted)
        return counted

    def _read_in_pieces(self, part: Part, done: _Pass) -> Generator[pa.RecordBatch, None, int | None]:
        """
        What did not add up, again, until it does: pieces are proven one by one, the whole is counted behind them.

        Returns:
            The rows that are counted; None where the pieces are as large as the whole.
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
                break  # what has left since is read; it does not come back by reading on
        part.whole.is_settled = False
        return counted

    def _is_cut(self, part: Part, parts: list[Part], total: int) -> bool:
        """
        Whether the gateway cuts by the second: each row lies in one part, or in two that share its second. Otherwise
        the parts, which stand at the head of the queue, are taken out of it.
        """
        together = 0
        for one in parts:
            first = self._queue.first_page(one)
            together += max(self._queue.count_of(first) or 0, first.rows_received)
            # Counted anew, because rows may have been created since.
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
            text += "be all. Nothing of the window was kept; ask eSMS."
        else:
            text = f"The gateway counts {done.counted} rows ({part.span}) and gave {received} different ones, "
            text += "however small the window was cut" if is_cut else "and its parts are as large as the whole"
            text += ". Nothing of the window was kept; read it again later."
        return IncompleteWindowError(
            text, whole=part.whole.window, window=part.span, expected=done.counted, received=received
        )

    def _take(self, part: Part, page: SentColumns, seen: set[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a page that this window has not had yet."""
        if not page.keys:
            return
        keys, batch = list(page.keys), page.batch
        before = len(seen)
        seen.update(keys)
        twice = len(seen) - before < len(keys)
        if twice or not self._seen.isdisjoint(keys) or not self._seen_before.isdisjoint(keys):
            new: dict[str, int] = {}
            for place, key in enumerate(keys):
                if key not in self._seen and key not in self._seen_before:
                    new.setdefault(key, place)
            self._seen.update(keys)
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

    A window is proven complete when its last batch has come; an error before that says that the batches of the window
    so far are not all of it. `esms_connectors.warehouse` takes whole windows or nothing.

    Args:
        client: made for at least as many connections as there are threads (16 by default).
        start, end: aware; the gateway is told Vietnamese local time.
        sms_types: types to read, all by default; the gateway is asked for one at a time.
        threads: requests at a time; pages come in order whatever their number.
        page_size: rows a request, 500 at most.
        longest: length of a window, three days at most.

    Yields:
        Batches of `SENT_MESSAGE_SCHEMA`: `price_vnd` decimal(18,4) in VND, times in UTC with milliseconds.

    Raises:
        IncompleteWindowError: what came cannot be proven to be everything.
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
