"""
The interface of a warehouse and its three tables. Rows, history and the load line of a window are committed together.

`esms_sent_messages` has one row per message and recipient, `esms_status_history` one line per observed status change,
`esms_loads` one line per window with the result of its last load.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import pyarrow as pa

from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.sent_data.columns import SENT_MESSAGE_SCHEMA
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.grouped import GroupedTable

MESSAGES, HISTORY, LOADS = "esms_sent_messages", "esms_status_history", "esms_loads"

# The columns of an incoming row, in order. The warehouse itself maintains `first_seen_at`, `changed_at`,
# `regressed_to` and `load_number`.
ROW_SCHEMA = pa.schema(
    [
        pa.field("row_key", pa.string(), nullable=False),
        SENT_MESSAGE_SCHEMA.field("message_id").with_nullable(True),
        *list(SENT_MESSAGE_SCHEMA)[1:],
    ]
)

TABLES = {
    MESSAGES: "one row per message and recipient, as the gateway last listed it",
    HISTORY: "one row for each observed status change",
    LOADS: "one row per window: the result of its last load",
}

COLUMNS = {
    MESSAGES: {
        "row_key": "the key: message id and phone, the phone as a keyed hash unless phones are stored plain; "
        "followed by the type if a message of another type has the same id",
        "message_id": "the gateway's ReferenceId, which is the SMSID of the send; advertising shares one among phones",
        "phone": "as configured: plain (ten digits), keyed hash, masked, or empty",
        "sms_type": "1 advertising, 2 care, 8 fixed number, 23 Viber, 24 priority ZNS, 25 ZNS, 26 Zalo follower",
        "campaign": "the campaign id given when sending",
        "content": "the text sent, or empty if texts are not stored",
        "price_vnd": "price of the message in VND, exact",
        "send_status": "the gateway's SendStatus",
        "send_result": "the gateway's SendResult",
        "status_text": "original values that could not be parsed: status/result, or price_vnd=… and similar",
        "state": "pending, sent, delivered, failed, rejected or undocumented",
        "sent_at": "sending time according to the gateway, UTC",
        "portal_id": "the gateway's SmsId; shared by several rows, not a key",
        "window_start": "start of the window in which the row was first found (creation time), UTC",
        "window_end": "end of that window, UTC",
        "first_seen_at": "when a load first saw the row, UTC",
        "changed_at": "when a load last saw it change, or flagged it, UTC; equal to first_seen_at if never",
        "regressed_to": "the last state from the gateway, if it was not final and the stored one is",
        "load_number": "number of the load that last saw it change, or flagged it",
    },
    HISTORY: {
        "row_key": "the row in esms_sent_messages",
        "observed_at": "when the load that saw the change started reading, UTC",
        "from_state": "state before",
        "to_state": "state the gateway showed",
        "from_status": "SendStatus before",
        "from_result": "SendResult before",
        "to_status": "SendStatus shown",
        "to_result": "SendResult shown",
        "applied": "false if a final state would have regressed; the row keeps its state, regressed_to is set",
        "load_number": "number of the load that saw the change",
    },
    LOADS: {
        "sms_type": "the requested message type",
        "window_start": "creation time from, UTC",
        "window_end": "creation time to, UTC",
        "planned_at": "when the pull that requested the window started, UTC",
        "planned_number": "number of the load that last requested the window; a later load has a higher one",
        "read_number": "number of the load that this row describes; empty, or below planned_number = pending",
        "read_at": "when the reading of that load started, by the gateway's clock if available, UTC",
        "loaded_at": "when the last load stored its rows, UTC; empty = pending",
        "closed": "whether the window had ended, plus a margin, before it was read, and nothing changed during the "
        "reading",
        "counted_at": "when its rows were last recounted, UTC; if the count differed, it was read again",
        "row_count": "distinct rows found by the last load",
        "count_total": "the gateway's count after that reading",
        "open_rows": "rows whose state from the gateway was not final: the window should be read again",
        "inserted": "rows that were new",
        "changed": "rows that had changed",
        "regressed": "rows that would have regressed from a final state, and were flagged instead",
        "digest": "a checksum over keys and statuses, independent of their order",
        "load_count": "how often the window was loaded",
        "privacy": "how phones and texts are stored; the same for the whole warehouse",
    },
}
"""Table -> column -> description. Databases with column comments store these."""


def key_with_type(row_key: str, sms_type: object) -> str:
    """The key of a row whose plain key is taken by a message of another type, such as the first attempt of a resend."""
    return f"{row_key}/{sms_type}"


class WarehouseError(EsmsError):
    """The warehouse is unusable or refused the operation. Nothing of the load was stored; loading again is safe."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


BY_WINDOW = f"""
SELECT sms_type, window_start, window_end, count(*) FROM {MESSAGES}
GROUP BY sms_type, window_start, window_end
"""


@dataclass(frozen=True, slots=True)
class WindowLoad:
    """A line of `esms_loads`; see `COLUMNS` for the meaning of each field. Times are aware, UTC."""

    window: SentWindow
    planned_at: datetime
    privacy: str
    planned_number: int = 0
    read_number: int | None = None
    read_at: datetime | None = None
    loaded_at: datetime | None = None
    closed: bool = False
    row_count: int = 0
    count_total: int | None = None
    open_rows: int = 0
    inserted: int = 0
    changed: int = 0
    regressed: int = 0
    digest: str = ""
    load_count: int = 0
    counted_at: datetime | None = None

    @property
    def is_owed(self) -> bool:
        """Planned, and not read since."""
        return self.read_number is None or self.read_number < self.planned_number


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What a merge did; `unchanged` counts rows that were already stored with the same values."""

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    regressed: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """
    A person to erase or to report on.

    Attributes:
        name: the phone or the Zalo user id, unmodified; international: the phone with the prefix 84.
        rows: run key and row key of this person's rows in the ledger, if known: row keys of a campaign need not contain
            the phone.
        stored_phone: the phone as stored in this warehouse; None where phones are masked or left out, because then only
            the row key identifies the person.
        row_key_of: message id -> the key of this person's row for that message.
    """

    stored_phone: str | None = field(repr=False)
    row_key_of: Callable[[str | None], str] = field(repr=False)
    name: str = field(repr=False, default="")
    international: str = field(repr=False, default="")
    rows: tuple[tuple[str, str], ...] = field(repr=False, default=())

    def has_key(self, row_key: str, message_id: str | None) -> bool:
        """Whether the row with this key and message belongs to the person."""
        own = self.row_key_of(message_id)
        return row_key == own or row_key.startswith(key_with_type(own, ""))


class Reader(Protocol):
    """Runs queries in the SQL that DuckDB and PostgreSQL share, all on one snapshot of the tables."""

    def read(self, statement: str, **parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; exhaust the iterator. Parameters are written `$name`, times are aware."""


_T = TypeVar("_T")


class Warehouse(abc.ABC):
    """
    A store for status rows. Open it with `open_warehouse`; close it, or use it as a context manager.

    Every method raises `WarehouseError` if the store refuses an operation, and `ConfigurationError` for a problem that
    the user must fix. Neither error contains a password, a phone or a row.
    """

    name: str
    """The target as shown to users, without a password."""

    def held(self) -> AbstractContextManager[object]:
        """
        Keep the target open for the calls inside, which saves opening it for each. Other processes wait meanwhile, so
        do nothing else inside, and do not `ask`.
        """
        return nullcontext()

    @abc.abstractmethod
    def prepare(self) -> None:
        """Create the tables on first use; otherwise check that they are ours. Safe to call concurrently."""

    @abc.abstractmethod
    def loads(self) -> Iterator[WindowLoad]:
        """Every line of `esms_loads`, ordered by type and window."""

    @abc.abstractmethod
    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        """
        Record the windows as pending; rows that were loaded before stay unchanged.

        Returns:
            The number of this load, higher than that of any earlier load regardless of clock differences between
            machines. It defines the order of loads.
        """

    @abc.abstractmethod
    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        """Record when the rows of loaded windows were counted again with an unchanged result."""

    @abc.abstractmethod
    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        """
        Store one complete window atomically: upsert its rows on `row_key`, add history lines, write the load line.

        A row is changed if anything but its window differs from the stored row; a history line is added if its status
        differs. A stored final state is never replaced by one that is not final: it is kept, flagged in `regressed_to`
        and noted in the history once. Rows last changed or flagged by a load with a higher number stay unchanged, and
        so does that load's line in `esms_loads`.

        Args:
            load: as read, with `read_number`, `read_at` and `loaded_at`; `inserted`, `changed`, `regressed` and
                `load_count` are filled in here.
            rows: batches of `ROW_SCHEMA`, all of the load's window, each key once. Streamed, never held in full.

        Raises:
            ConfigurationError: the warehouse keeps phones in another form (`load.privacy`).
            WarehouseError: see there; or rows belong to another window, or their count is wrong. Nothing is stored.
        """

    @abc.abstractmethod
    def erase(self, person: Person) -> dict[str, int]:
        """Remove a person's rows and their history; load counts stay as they are. Returns table -> rows removed."""

    def forget(self, before: datetime, runs: Sequence[str] = ()) -> dict[str, int]:
        """
        Remove messages created and sent before this time, with their history, the load lines of their windows and the
        outcomes of that time. Returns table -> rows removed.

        Args:
            runs: keys of runs that began before this time, for outcomes of messages that were never accepted.

        Raises:
            ConfigurationError: this kind of warehouse does not remove rows by age.
        """
        raise ConfigurationError(
            f"{self.name} cannot delete data by age: DuckDB, PostgreSQL and MySQL can. Delete its old data with its "
            "own tools."
        )

    @property
    def can_be_asked(self) -> bool:
        """Whether this warehouse supports `ask`."""
        return type(self).ask is not Warehouse.ask

    @property
    def forgets_by_age(self) -> bool:
        """Whether this warehouse supports `forget`."""
        return type(self).forget is not Warehouse.forget

    def ask(self, work: Callable[[Reader], _T]) -> _T:
        """
        Run the read-only `work` on the last committed state; it does not see concurrent loads.

        Raises:
            ConfigurationError: nothing was loaded yet, or the warehouse is not a database.
        """
        raise ConfigurationError(
            f"{self.name} cannot be queried: reports need a DuckDB file or PostgreSQL. Load the same days there."
        )

    def count_by_window(self) -> Iterable[tuple[Any, ...]]:
        """
        The stored rows by type and by the window that first brought them: (type, start, end, rows). The type is None
        for rows that name none.

        Raises:
            ConfigurationError: nothing was loaded yet, or the warehouse cannot count them.
        """
        return self.ask(lambda reader: list(reader.read(BY_WINDOW)))

    def create_views(self, views: Mapping[str, str], tables: Sequence[GroupedTable] = ()) -> None:
        """
        Atomically create views, or replace those of the same names.

        Args:
            tables: created first if missing.
            views: name -> query, each after the views it reads.

        Raises:
            ConfigurationError: the warehouse has no views, or a name belongs to something that is not a view.
        """
        raise ConfigurationError(
            f"{self.name} has no views: they need a DuckDB file or PostgreSQL. Load the same days there."
        )

    @abc.abstractmethod
    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        """
        Atomically replace a group of rows.

        Args:
            rows: values in the order of the table's columns.
        """

    @abc.abstractmethod
    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        """All rows of a small auxiliary table, in the order of its columns; empty if the table does not exist."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release all resources. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
