"""The pages of windows, prefetched by several threads and returned in order."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.wire import Fields
from esms_connectors.sent_data.columns import (
    PageReader,
    SentColumns,
    checksum,
    distinct_places,
    open_rows_of,
    states_of,
    unread_of,
)
from esms_connectors.sent_data.windows import SentWindow

PAGE_SIZE = 500
# A gateway may return fewer rows than requested, and count those of the page: after a page of such a size, which few
# windows have by chance, the next one is requested whatever the count.
_USUAL_LIMITS = frozenset({50, 100, 200, 250})
_LOOK_AHEAD = 4  # windows per thread whose first page is prefetched
_PAGES_A_THREAD = 4  # in flight or waiting to be read, counted separately for the present part and for later ones


def may_be_cut(rows: int, size: int = PAGE_SIZE) -> bool:
    """Whether there may be more rows than those of the first page, although it counts no more."""
    return rows >= size or rows in _USUAL_LIMITS


class WindowReading:
    """
    One window while it is read: iterate over its batches, which have each row once; then use the counts.

    Attributes:
        window: the window that is read.
        read_at: when its first page was requested: a lower bound by the gateway's clock if its answers have the time,
            otherwise this machine's time.
        rows: distinct rows so far.
        count_total: the gateway's latest count of rows; None if it only counts those of a page.
        rows_expected: rows that the gateway announced for the parts started so far.
        states: state -> rows.
        unread: rows with a value that could not be parsed.
        is_settled: no row was added or removed while the window was read, as far as the counts show.
    """

    def __init__(self, window: SentWindow, batches: Callable[[WindowReading], Iterator[pa.RecordBatch]]) -> None:
        self.window = window
        self.read_at: DateTime | None = None
        self.rows = 0
        self.count_total: int | None = None
        self.rows_expected = 0
        self.states: Counter[str] = Counter()
        self.unread = 0
        self.is_settled = True
        self._checksum = 0
        self._batches = batches

    @property
    def open_rows(self) -> int:
        """Rows that were not final."""
        return open_rows_of(self.states)

    @property
    def digest(self) -> str:
        """A hash of the rows with their statuses that does not depend on their order."""
        return digest_of(self.rows, self._checksum)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches(self)

    def note(self, batch: pa.RecordBatch, keys: list[str]) -> None:
        """Count rows that are returned."""
        self.rows += batch.num_rows
        self.states.update(states_of(batch))
        self.unread += unread_of(batch)
        self._checksum += checksum(batch, keys)


@dataclass(frozen=True, slots=True)
class WindowCount:
    """
    What a single answer, if that is enough, says about a window.

    Attributes:
        rows: the gateway's count for the window; without one, the rows of the answer.
        digest: as `WindowReading.digest`, if all rows were received.
    """

    rows: int
    digest: str | None


def count_window(client: EsmsClient, window: SentWindow) -> WindowCount:
    """
    Count by one call, for the first page of the window. If that may be cut and counts no more rows than it has, the
    count may be that of the page, so the next page is requested, and so on.
    """
    page = _fetch_page(client, window, 1, PAGE_SIZE).columns()
    rows = page.rows_received if page.count_total is None else page.count_total
    if rows != page.rows_received:
        return WindowCount(rows, None)
    seen: set[str] = set()
    number, checksums = 1, 0
    while True:
        # Like a load: each key once.
        new = {key: place for key, place in distinct_places(page.batch, page.keys).items() if key not in seen}
        batch = page.batch.take(pa.array([*new.values()], pa.int64()))
        checksums += checksum(batch, [*new])
        rows += len(new) if seen else 0
        seen.update(new)
        if not new or not may_be_cut(page.rows_received):
            return WindowCount(rows, digest_of(len(seen), checksums))
        number += 1
        page = _fetch_page(client, window, number, PAGE_SIZE).columns()


def digest_of(rows: int, checksums: int) -> str:
    return hashlib.blake2b(f"{rows} {checksums}".encode(), digest_size=8).hexdigest()


class FetchedPage:
    """
    A page as received, not yet converted to columns.

    Attributes:
        count_total, rows_received: as in `SentColumns`.
    """

    __slots__ = ("_answer", "_reader", "count_total", "rows_received")

    def __init__(self, reader: PageReader, answer: Fields) -> None:
        self._reader, self._answer = reader, answer
        self.count_total, self.rows_received = reader.counts(answer)

    def columns(self) -> SentColumns:
        """Convert the page; call it once, in the thread that reads the window."""
        return self._reader.columns(self._answer)


def _fetch_page(client: EsmsClient, span: SentWindow, number: int, size: int) -> FetchedPage:
    reader = PageReader()
    answer = client.read_sent_data_page(
        span.start, span.end, span.sms_type, page=number, page_size=size, read=reader.read
    )
    return FetchedPage(reader, answer)


class CountWatch:
    """Detects a falling count of a range: an answer must not count fewer rows than answers before its request."""

    def __init__(self) -> None:
        self.highest = 0
        self.fell = False
        self._lock = threading.Lock()

    def note(self, count: int, before: int) -> None:
        """
        Args:
            before: `highest` at the time of the request.
        """
        with self._lock:
            self.fell |= count < before
            self.highest = max(self.highest, count)


@dataclass(slots=True, eq=False)
class Part:
    """
    A window, or a piece of one, whose pages are being fetched.

    Attributes:
        depth: how often it was split because the counts did not match.
        is_uncut: it is read page by page, whatever its size.
    """

    whole: WindowReading
    span: SentWindow
    depth: int = 0
    is_uncut: bool = False
    pages: deque[Future[FetchedPage]] = field(default_factory=deque)
    asked: int = 0
    last_page: int = 1
    counts: CountWatch = field(default_factory=CountWatch)

    def cut(self, pieces: int, depth: int) -> list[Part]:
        return [Part(self.whole, span, depth) for span in self.span.cut(pieces)]

    def again(self) -> Part:
        """The same part, to be read again without splitting."""
        return Part(self.whole, self.span, self.depth, is_uncut=True)


class PageQueue:
    """
    The parts to be read, in order, and their pages. The part at the head is being read.

    Attributes:
        counts_pages: the gateway's CountTotal was found to be that of the page, so it is useless.
    """

    def __init__(
        self,
        client: EsmsClient,
        readings: Iterable[WindowReading],
        *,
        threads: int,
        page_size: int,
        part_rows: int,
        now: Callable[[], DateTime],
    ) -> None:
        self.parts: deque[Part] = deque()
        self.page_size = page_size
        self.counts_pages = False
        self._client = client
        self._readings = iter(readings)
        self._part_rows = part_rows
        self._now = now
        self._most_in_flight = _PAGES_A_THREAD * threads
        self._look_ahead = _LOOK_AHEAD * threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="esms-pages")

    def close(self) -> None:
        """Drop prefetched pages. Waits for requests in flight and starts no new ones."""
        self.parts.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def fetch_ahead(self) -> None:
        """Keep the threads busy: first with the part being read, then with later parts and windows."""
        while len(self.parts) < self._look_ahead and (reading := next(self._readings, None)) is not None:
            self.parts.append(Part(reading, reading.window))
        ahead = sum(len(part.pages) for part in islice(self.parts, 1, None))
        for place, part in enumerate(self.parts):
            if place == 0:
                while part.asked < part.last_page and len(part.pages) < self._most_in_flight:
                    self._request(part)
                continue
            if part.asked == 1 and part.pages[0].done() and part.pages[0].exception() is None:
                self.learn_last_page(part, part.pages[0].result())
            while part.asked < part.last_page and ahead < self._most_in_flight:
                self._request(part)
                ahead += 1
            if ahead >= self._most_in_flight:
                return

    def count_of(self, page: SentColumns | FetchedPage) -> int | None:
        """Rows of the whole range; None if the gateway does not count them."""
        return None if self.counts_pages else page.count_total

    def is_too_large(self, part: Part, total: int | None) -> bool:
        """Whether it must be read in parts, because its keys would take too much memory."""
        return (
            not part.is_uncut
            and part.depth == 0
            and total is not None
            and total > self._part_rows
            and (part.span.seconds > 1)
        )

    def learn_last_page(self, part: Part, first: SentColumns | FetchedPage) -> None:
        total = self.count_of(first)
        if total is not None and not self.is_too_large(part, total):
            # Read on after a full last page; requesting that page together with the others saves a separate wait.
            part.last_page = max(1 + total // self.page_size, 1 + may_be_cut(first.rows_received, self.page_size))

    def next_page(self, part: Part) -> SentColumns:
        """The next page of the part at the head, in order."""
        self.fetch_ahead()
        if not part.pages:
            self._request(part)
        page = part.pages.popleft()
        self.fetch_ahead()
        return page.result().columns()

    def first_page(self, part: Part) -> FetchedPage:
        """The first page of a part that is not at the head yet."""
        if not part.asked:
            self._request(part)
        return part.pages[0].result()

    def page_now(self, part: Part) -> SentColumns:
        """The first page, requested again in this thread outside the queue, while the threads keep prefetching."""
        self.fetch_ahead()
        return self._page(part, 1).columns()

    def put_first(self, parts: list[Part]) -> None:
        self.parts.extendleft(reversed(parts))
        self.fetch_ahead()

    def leave(self, part: Part) -> None:
        """Remove the part at the head and cancel its remaining requests."""
        for page in part.pages:
            page.cancel()
        part.pages.clear()
        self.parts.popleft()

    def drop(self, reading: WindowReading) -> None:
        """Remove the remaining parts of a window."""
        while self.parts and self.parts[0].whole is reading:
            self.leave(self.parts[0])

    def _request(self, part: Part) -> None:
        part.asked += 1
        part.pages.append(self._pool.submit(self._page, part, part.asked))

    def _page(self, part: Part, number: int) -> FetchedPage:
        before, asked, local = part.counts.highest, self._client.clock.mark(), self._now()
        page = _fetch_page(self._client, part.span, number, self.page_size)
        if part.whole.read_at is None:
            # The first page of a window is requested alone, before the others.
            clock = self._client.clock
            part.whole.read_at = clock.earliest(asked) if clock.confirmed else local
        # A page beyond the end may have no count, or 0.
        if page.count_total is not None and (page.rows_received or number == 1):
            part.counts.note(page.count_total, before)
        return page
