"""
A closed time window -> every row of it, proven complete.

Pages are no snapshot: rows move between them while messages are created, and the gateway promises no order. What is
relied on is only this: a row never leaves its window (creation times do not change), `CountTotal` counts the rows of
the window, and one answer is consistent in itself. So a window is complete when one answer holds all that it counts, or
when as many different rows were seen as the gateway counts *behind* the reading. What does not add up is read again in
smaller windows, down to single answers, and after that it is an error, never a table with a hole.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self

import pendulum
import pyarrow as pa
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.columns import (
    MONEY,
    SENT_MESSAGE_SCHEMA,
    TIME,
    PageReader,
    SentColumns,
    checksum,
    open_rows_of,
    states_of,
)
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, LONGEST_WINDOW, SentWindow, windows_between

__all__ = [
    "ALL_SMS_TYPES",
    "LONGEST_WINDOW",
    "MONEY",
    "SENT_MESSAGE_SCHEMA",
    "TIME",
    "IncompleteWindowError",
    "SentDataReader",
    "SentWindow",
    "WindowReading",
    "read_sent_messages",
    "windows_between",
]

logger = get_logger(__name__)

PAGE_SIZE = 500
# A window with more rows is read in parts: what was seen of a part is held in memory, about 100 bytes a row.
_PART_ROWS = 200_000
_MOST_PIECES = 64
_PIECES = 8  # what does not add up is cut into so many and read again
_ROUNDS = 3  # so often, as long as rows are created while it is read
_DEEPEST = 6  # 8 ** 6 pieces are single seconds of any window
_LOOK_AHEAD = 4  # windows whose first page is fetched in advance, times the threads
_PAGES_A_THREAD = 4  # in flight or waiting their turn, once for the part being read, once for those behind it


class IncompleteWindowError(EsmsError):
    """
    A window does not add up, however small it was cut. Nothing of it should be kept; read it again later.

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


@dataclass(slots=True, eq=False)
class _Part:
    """A window, or a piece of one, whose pages are being fetched."""

    whole: WindowReading
    span: SentWindow
    depth: int = 0
    pages: deque[Future[SentColumns]] = field(default_factory=deque)
    asked: int = 0
    last_page: int = 1

    def cut(self, pieces: int, depth: int) -> list[_Part]:
        return [_Part(self.whole, span, depth) for span in self.span.cut(pieces)]


class WindowReading:
    """
    One window while it is read: iterate for its batches, each row once; then look at the counts.

    Attributes:
        window: what is read.
        read_at: when its first page was asked for, by the clock of this machine.
        rows: different rows so far.
        count_total: rows as the gateway counted them last.
        rows_expected: rows that the gateway announced for the parts begun so far.
        states: state -> rows.
        is_settled: nothing was created in it while it was read, as far as the counts tell.
    """

    def __init__(self, window: SentWindow, reader: SentDataReader) -> None:
        self.window = window
        self.read_at: DateTime | None = None
        self.rows = 0
        self.count_total: int | None = None
        self.rows_expected = 0
        self.states: Counter[str] = Counter()
        self.is_settled = True
        self._checksum = 0
        self._reader = reader

    @property
    def open_rows(self) -> int:
        """Rows that were not final."""
        return open_rows_of(self.states)

    @property
    def digest(self) -> str:
        """The same for the same rows with the same statuses, in whatever order they came."""
        return hashlib.blake2b(f"{self.rows} {self._checksum}".encode(), digest_size=8).hexdigest()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._reader._batches_of(self)

    def _note(self, batch: pa.RecordBatch, keys: list[str]) -> None:
        self.rows += batch.num_rows
        self.states.update(states_of(batch))
        self._checksum += checksum(batch, keys)


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
        now: Callable[[], DateTime] = lambda: pendulum.now("UTC"),
    ) -> None:
        if threads < 1:
            raise InvalidRequestError("threads must be at least 1.", field="threads")
        if not 1 <= page_size <= PAGE_SIZE:
            raise InvalidRequestError(f"page_size must be 1 to {PAGE_SIZE}.", field="page_size")
        if part_rows < page_size:
            raise InvalidRequestError("part_rows must be at least page_size.", field="part_rows")
        self._client = client
        self._windows = iter(windows)
        self._page_size = page_size
        self._part_rows = part_rows
        self._each_row_once = each_row_once
        self._window_before: SentWindow | None = None
        self._now = now
        self._parts: deque[_Part] = deque()
        self._most_in_flight = _PAGES_A_THREAD * threads
        self._look_ahead = _LOOK_AHEAD * threads
        self._seen: set[str] = set()
        self._seen_before: set[str] = set()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="esms-pages")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop what was fetched in advance. Requests under way are waited for, none is begun."""
        self._parts.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[WindowReading]:
        while True:
            self._fetch_ahead()
            if not self._parts:
                return
            reading = self._parts[0].whole
            yield reading
            # Whatever the caller left unread, because it did not add up or was not wanted.
            self._drop(reading)

    # --- fetching ----------------------------------------------------------------------------------------------------

    def _fetch_ahead(self) -> None:
        """Keep the threads busy: first with the part being read, then with the parts and windows behind it."""
        while len(self._parts) < self._look_ahead and (window := next(self._windows, None)) is not None:
            self._parts.append(_Part(WindowReading(window, self), window))
        ahead = sum(len(part.pages) for part in islice(self._parts, 1, None))
        for place, part in enumerate(self._parts):
            if place == 0:
                while part.asked < part.last_page and len(part.pages) < self._most_in_flight:
                    self._ask(part)
                continue
            if part.asked == 1 and part.pages[0].done() and part.pages[0].exception() is None:
                self._learn_last_page(part, part.pages[0].result().count_total)
            while part.asked < part.last_page and ahead < self._most_in_flight:
                self._ask(part)
                ahead += 1
            if ahead >= self._most_in_flight:
                return

    def _learn_last_page(self, part: _Part, total: int | None) -> None:
        if total is not None and (total <= self._part_rows or part.span.seconds <= 1):
            part.last_page = max(1, -(-total // self._page_size))

    def _ask(self, part: _Part) -> None:
        part.asked += 1
        if part.whole.read_at is None:
            part.whole.read_at = self._now()
        part.pages.append(self._pool.submit(self._page, part.span, part.asked))

    def _page(self, span: SentWindow, number: int) -> SentColumns:
        reader = PageReader()
        answer = self._client.read_sent_data_page(
            span.start, span.end, span.sms_type, page=number, page_size=self._page_size, read=reader.read
        )
        return reader.columns(answer)

    def _next(self, part: _Part) -> SentColumns:
        """The next page of a part, in order."""
        self._fetch_ahead()
        if not part.pages:
            self._ask(part)
        page = part.pages.popleft()
        self._fetch_ahead()
        return page.result()

    def _forget(self, part: _Part) -> None:
        """Pages that nobody will look at any more."""
        for page in part.pages:
            page.cancel()
        part.pages.clear()

    def _drop(self, reading: WindowReading) -> None:
        while self._parts and self._parts[0].whole is reading:
            self._forget(self._parts.popleft())

    # --- reading -----------------------------------------------------------------------------------------------------

    def _batches_of(self, reading: WindowReading) -> Iterator[pa.RecordBatch]:
        if not self._parts or self._parts[0].whole is not reading:
            raise RuntimeError(f"the window ({reading.window}) was read before, or it is not its turn yet")
        before, self._window_before = self._window_before, reading.window
        if not (
            self._each_row_once
            and before is not None
            and (before.sms_type, before.end) == (reading.window.sms_type, reading.window.start)
        ):
            self._seen = set()
        try:
            reading.count_total = yield from self._read(self._parts[0])
        except BaseException:
            self._drop(reading)
            raise
        if not self._each_row_once:
            # Whoever loads the window now needs the memory more.
            self._seen, self._seen_before = set(), set()

    def _read(self, part: _Part) -> Generator[pa.RecordBatch, None, int]:
        """The part at the head of the queue, which leaves it; returns the rows that the gateway counts in it."""
        reading = part.whole
        first = self._next(part)
        total = first.count_total
        if part.depth == 0:
            if total is not None and total > self._part_rows and part.span.seconds > 1:
                return (yield from self._read_in_parts(part, total))
            # Two parts share the second between them, never more than two.
            self._seen, self._seen_before = set(), self._seen
            reading.rows_expected += max(total or 0, first.rows_received)
        seen: set[str] = set()
        yield from self._take(part, first, seen)
        if first.rows_received == (total or 0) and len(first.keys) == first.rows_received:
            # One answer with everything in it is a snapshot, whatever happens meanwhile.
            self._leave(part)
            return total or 0
        unnamed = first.unnamed
        self._learn_last_page(part, total)
        number, came = 1, first.rows_received
        while number < part.last_page or (came and (total is None or len(seen) < total)):
            before = len(seen)
            page = self._next(part)
            number += 1
            came = page.rows_received
            unnamed += page.unnamed
            yield from self._take(part, page, seen)
            if came == 0 or (number > part.last_page and len(seen) == before):
                break  # beyond the end, or a gateway that gives the same page again and again
        self._leave(part)
        if total is None and number == 2 and came == 0 and len(first.keys) == first.rows_received:
            # No count, but everything on one page and nothing behind it.
            return first.rows_received
        # Asked anew: the count, and with it what was created meanwhile, if that stands on the first page.
        behind = self._page_now(part.span)
        yield from self._take(part, behind, seen)
        # Rows without an id cannot be told apart across pages.
        if len(seen) == behind.count_total and not unnamed + behind.unnamed:
            return behind.count_total
        self._check_that_cutting_helps(part, behind.count_total, len(seen))
        logger.info(
            "%s: %d of %s rows; reading them again in smaller windows", part.span, len(seen), behind.count_total
        )
        return (yield from self._read_in_pieces(part))

    def _read_in_parts(self, part: _Part, total: int) -> Generator[pa.RecordBatch, None, int]:
        """Too many rows to remember all of their keys."""
        reading = part.whole
        self._leave(part)
        # Half as many as allowed: the day has its rush hours. A part that is still too big is cut again.
        parts = self._put_first(part.cut(min(_MOST_PIECES, -(-2 * total // self._part_rows)), depth=0))
        for _ in range(parts):
            yield from self._read(self._parts[0])
        counted = self._page_now(part.span).count_total or 0
        if part.span == reading.window and counted != reading.rows:
            # Created in the first parts while the last ones were read.
            reading.is_settled = False
            logger.info("%s: %d rows read, %d counted behind it", part.span, reading.rows, counted)
        return counted

    def _read_in_pieces(self, part: _Part) -> Generator[pa.RecordBatch, None, int]:
        """What did not add up, again, until it does: pieces are proven one by one, the whole is counted behind them."""
        counted = 0
        for _ in range(_ROUNDS):
            for _ in range(self._put_first(part.cut(_PIECES, part.depth + 1))):
                counted += yield from self._read(self._parts[0])
            if part.depth:
                return counted
            counted = self._page_now(part.span).count_total or 0
            if counted == len(self._seen):
                return counted
        part.whole.is_settled = False
        return counted

    def _check_that_cutting_helps(self, part: _Part, expected: int | None, received: int) -> None:
        if expected is not None and part.depth < _DEEPEST and part.span.seconds > 1:
            return
        if expected is None:
            text = f"The gateway does not say how many rows there are ({part.span}), so {received} cannot be proven to "
            text += "be all. Nothing of the window was kept; ask eSMS."
        else:
            text = (
                f"The gateway counts {expected} rows ({part.span}) and gave {received} different ones, however small "
            )
            text += "the window was cut. Nothing of the window was kept; read it again later."
        raise IncompleteWindowError(
            text, whole=part.whole.window, window=part.span, expected=expected, received=received
        )

    def _page_now(self, span: SentWindow) -> SentColumns:
        """In this thread, past the queue: the threads go on with what lies ahead."""
        self._fetch_ahead()
        return self._page(span, 1)

    def _put_first(self, parts: list[_Part]) -> int:
        self._parts.extendleft(reversed(parts))
        self._fetch_ahead()
        return len(parts)

    def _leave(self, part: _Part) -> None:
        self._forget(part)
        self._parts.popleft()

    def _take(self, part: _Part, page: SentColumns, seen: set[str]) -> Iterator[pa.RecordBatch]:
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
        reading._note(batch, keys)
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
        GatewayError, NotSentError, OutcomeUnknownError: see there; reading again is safe.

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
