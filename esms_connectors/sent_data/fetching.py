"""The pages of windows, fetched ahead by several threads and given out in order."""

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
from esms_connectors.sent_data.columns import PageReader, SentColumns, checksum, open_rows_of, states_of, unread_of
from esms_connectors.sent_data.windows import SentWindow

PAGE_SIZE = 500
_LOOK_AHEAD = 4  # windows whose first page is fetched in advance, times the threads
_PAGES_A_THREAD = 4  # in flight or waiting their turn, once for the part being read, once for those behind it


class WindowReading:
    """
    One window while it is read: iterate for its batches, each row once; then look at the counts.

    Attributes:
        window: what is read.
        read_at: when its first page was asked for: by the gateway's clock where its answers tell the time, and not
            later than it was; else by that of this machine.
        rows: different rows so far.
        count_total: rows as the gateway counted them last; None where it counts those of a page only.
        rows_expected: rows that the gateway announced for the parts begun so far.
        states: state -> rows.
        unread: rows with a value that is spelled in a way that could not be read.
        is_settled: nothing was created in it, and nothing left it, while it was read, as far as the counts tell.
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
        """The same for the same rows with the same statuses, in whatever order they came."""
        return digest_of(self.rows, self._checksum)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches(self)

    def note(self, batch: pa.RecordBatch, keys: list[str]) -> None:
        """Count rows that are given out."""
        self.rows += batch.num_rows
        self.states.update(states_of(batch))
        self.unread += unread_of(batch)
        self._checksum += checksum(batch, keys)


@dataclass(frozen=True, slots=True)
class WindowCount:
    """
    What one answer says of a window.

    Attributes:
        rows: of the window, as the gateway counts them; those of the answer where it does not.
        digest: as `WindowReading.digest`, where the answer holds all of them.
    """

    rows: int
    digest: str | None


def count_window(client: EsmsClient, window: SentWindow) -> WindowCount:
    """One call: its first page."""
    page = _fetch_page(client, window, 1, PAGE_SIZE).columns()
    rows = page.rows_received if page.count_total is None else page.count_total
    if not rows == page.rows_received < PAGE_SIZE:
        return WindowCount(rows, None)
    # As a load does, which keeps the first of two rows with one key.
    places = {key: place for place, key in reversed([*enumerate(page.keys)])}
    batch = page.batch.take(pa.array([*places.values()], pa.int64()))
    return WindowCount(rows, digest_of(len(places), checksum(batch, [*places])))


def digest_of(rows: int, checksums: int) -> str:
    return hashlib.blake2b(f"{rows} {checksums}".encode(), digest_size=8).hexdigest()


class FetchedPage:
    """
    A page as it was answered.

    Attributes:
        count_total, rows_received: as in `SentColumns`.
    """

    __slots__ = ("_answer", "_reader", "count_total", "rows_received")

    def __init__(self, reader: PageReader, answer: Fields) -> None:
        self._reader, self._answer = reader, answer
        self.count_total, self.rows_received = reader.counts(answer)

    def columns(self) -> SentColumns:
        """Once, and in the thread that reads the window."""
        return self._reader.columns(self._answer)


def _fetch_page(client: EsmsClient, span: SentWindow, number: int, size: int) -> FetchedPage:
    reader = PageReader()
    answer = client.read_sent_data_page(
        span.start, span.end, span.sms_type, page=number, page_size=size, read=reader.read
    )
    return FetchedPage(reader, answer)


class CountWatch:
    """Whether the count of a range ever fell: an answer counts no fewer rows than those before its request did."""

    def __init__(self) -> None:
        self.highest = 0
        self.fell = False
        self._lock = threading.Lock()

    def note(self, count: int, before: int) -> None:
        """
        Args:
            before: `highest` when the answer was asked for.
        """
        with self._lock:
            self.fell |= count < before
            self.highest = max(self.highest, count)


@dataclass(slots=True, eq=False)
class Part:
    """
    A window, or a piece of one, whose pages are being fetched.

    Attributes:
        depth: how often it was cut because the whole did not add up.
        is_uncut: it is read page by page, however large.
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
        """To be read anew, in one piece."""
        return Part(self.whole, self.span, self.depth, is_uncut=True)


class PageQueue:
    """
    The parts that are to be read, in order, and their pages. The part at the head is the one being read.

    Attributes:
        counts_pages: the gateway's CountTotal was seen to be that of the page, so it is of no use.
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
        """Drop what was fetched in advance. Requests under way are waited for, none is begun."""
        self.parts.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def fetch_ahead(self) -> None:
        """Keep the threads busy: first with the part being read, then with the parts and windows behind it."""
        while len(self.parts) < self._look_ahead and (reading := next(self._readings, None)) is not None:
            self.parts.append(Part(reading, reading.window))
        ahead = sum(len(part.pages) for part in islice(self.parts, 1, None))
        for place, part in enumerate(self.parts):
            if place == 0:
                while part.asked < part.last_page and len(part.pages) < self._most_in_flight:
                    self._ask(part)
                continue
            if part.asked == 1 and part.pages[0].done() and part.pages[0].exception() is None:
                self.learn_last_page(part, part.pages[0].result())
            while part.asked < part.last_page and ahead < self._most_in_flight:
                self._ask(part)
                ahead += 1
            if ahead >= self._most_in_flight:
                return

    def count_of(self, page: SentColumns | FetchedPage) -> int | None:
        """Rows of the whole range; None where the gateway does not say."""
        return None if self.counts_pages else page.count_total

    def is_too_large(self, part: Part, total: int | None) -> bool:
        """Whether it is to be read in parts, because all of its keys would not be held in memory."""
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
            # A full page is followed by another one, which is asked for with the others: at the end it would be waited
            # for by itself.
            part.last_page = 1 + total // self.page_size

    def next_page(self, part: Part) -> SentColumns:
        """The next page of the part at the head, in order."""
        self.fetch_ahead()
        if not part.pages:
            self._ask(part)
        page = part.pages.popleft()
        self.fetch_ahead()
        return page.result().columns()

    def first_page(self, part: Part) -> FetchedPage:
        """The first page of a part whose turn has not come."""
        if not part.asked:
            self._ask(part)
        return part.pages[0].result()

    def page_now(self, part: Part) -> SentColumns:
        """The first page, asked for anew in this thread, past the queue: the threads go on with what lies ahead."""
        self.fetch_ahead()
        return self._page(part, 1).columns()

    def put_first(self, parts: list[Part]) -> None:
        self.parts.extendleft(reversed(parts))
        self.fetch_ahead()

    def leave(self, part: Part) -> None:
        """The part at the head is done with; pages that nobody will look at any more are not fetched."""
        for page in part.pages:
            page.cancel()
        part.pages.clear()
        self.parts.popleft()

    def drop(self, reading: WindowReading) -> None:
        """Whatever is left of a window."""
        while self.parts and self.parts[0].whole is reading:
            self.leave(self.parts[0])

    def _ask(self, part: Part) -> None:
        part.asked += 1
        part.pages.append(self._pool.submit(self._page, part, part.asked))

    def _page(self, part: Part, number: int) -> FetchedPage:
        before, asked, local = part.counts.highest, self._client.clock.mark(), self._now()
        page = _fetch_page(self._client, part.span, number, self.page_size)
        if part.whole.read_at is None:
            # The first page of a window is asked for alone, before its others.
            clock = self._client.clock
            part.whole.read_at = clock.earliest(asked) if clock.confirmed else local
        # A page beyond the end may say nothing, or 0.
        if page.count_total is not None and (page.rows_received or number == 1):
            part.counts.note(page.count_total, before)
        return page
