"""
What a warehouse is asked to do, and the three tables it keeps. Rows, history and the load of a window commit together.

`esms_sent_messages` has one row a message and recipient, `esms_status_history` one line a status that was seen to
change, `esms_loads` one line a window with what the last load of it found.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

# The columns of a row as it comes to be merged, in order. `first_seen_at`, `changed_at` and `regressed_to` are the
# warehouse's own.
ROW_SCHEMA = pa.schema(
    [
        pa.field("row_key", pa.string(), nullable=False),
        SENT_MESSAGE_SCHEMA.field("message_id").with_nullable(True),
        *list(SENT_MESSAGE_SCHEMA)[1:],
    ]
)

TABLES = {
    MESSAGES: "one row a message and recipient, as the gateway last showed it",
    HISTORY: "one line for each status that was seen to change",
    LOADS: "one line a window: what the last load of it found",
}

COLUMNS = {
    MESSAGES: {
        "row_key": "the key: message id and phone, the phone as a keyed hash unless phones are kept plain; "
        "behind it the type, where a message of another type came under the same id",
        "message_id": "the gateway's ReferenceId, which is the SMSID of the send; advertising shares one among phones",
        "phone": "as chosen: plain (ten digits), keyed hash, masked, or empty",
        "sms_type": "1 advertising, 2 care, 8 fixed number, 23 Viber, 24 priority ZNS, 25 ZNS, 26 Zalo follower",
        "campaign": "the campaign id given when sending",
        "content": "the text sent, or empty where left out",
        "price_vnd": "price of the message in VND, exact",
        "send_status": "the gateway's SendStatus",
        "send_result": "the gateway's SendResult",
        "status_text": "what the gateway wrote where it could not be read: status/result, or price_vnd=… and the like",
        "state": "pending, sent, delivered, failed, rejected or undocumented",
        "sent_at": "when the gateway says it was sent, UTC",
        "portal_id": "the gateway's SmsId; shared by rows, no key",
        "window_start": "start of the window that first brought the row (creation time), UTC",
        "window_end": "end of that window, UTC",
        "first_seen_at": "when a load first saw the row, UTC",
        "changed_at": "when a load last saw it change, or flagged it, UTC; that of first_seen_at if never",
        "regressed_to": "the state that the gateway showed last, where it was not final and ours is",
        "load_number": "number of the load that last saw it change, or flagged it",
    },
    HISTORY: {
        "row_key": "the row in esms_sent_messages",
        "observed_at": "when the load that saw the change began to read, UTC",
        "from_state": "state before",
        "to_state": "state the gateway showed",
        "from_status": "SendStatus before",
        "from_result": "SendResult before",
        "to_status": "SendStatus shown",
        "to_result": "SendResult shown",
        "applied": "false where a final state would have gone back; the row keeps its state, regressed_to is set",
        "load_number": "number of the load that saw the change",
    },
    LOADS: {
        "sms_type": "the type asked for",
        "window_start": "creation time from, UTC",
        "window_end": "creation time to, UTC",
        "planned_at": "when the pull that asked for the window began, UTC",
        "planned_number": "number of the load that asked for the window last; a later load has a higher one",
        "read_number": "number of the load that this line tells of; empty, or below planned_number = pending",
        "read_at": "when the reading of that load began, by the gateway's clock where it tells the time, UTC",
        "loaded_at": "when the last load was committed, UTC; empty = pending",
        "closed": "whether the window had ended, with some patience, before it was read, and nothing moved meanwhile",
        "counted_at": "when its rows were last counted again, UTC; where the count differed it was read again",
        "row_count": "different rows found by the last load",
        "count_total": "the gateway's own count behind that reading",
        "open_rows": "rows whose state, as the gateway showed it, was not final: the window is worth another reading",
        "inserted": "rows that were new",
        "changed": "rows that had changed",
        "regressed": "rows that would have gone back from a final state, and were flagged instead",
        "digest": "a checksum over keys and statuses, whatever their order",
        "load_count": "how often the window was loaded",
        "privacy": "how phones and texts are kept; one warehouse keeps one way",
    },
}
"""Table -> column -> what it holds. Warehouses that have comments carry these."""


def key_with_type(row_key: str, sms_type: object) -> str:
    """The key of a row of this type, where a message of another type has its key: the second try of a message."""
    return f"{row_key}/{sms_type}"


class WarehouseError(EsmsError):
    """The warehouse cannot be used, or said no. What was being loaded is not in it; loading again is safe."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class WindowLoad:
    """A line of `esms_loads`; see `COLUMNS` for what each says. Times are aware, UTC."""

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
        """Asked for, and not read since."""
        return self.read_number is None or self.read_number < self.planned_number


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What a merge did; `unchanged` rows were there already, exactly so."""

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    regressed: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """
    Whom to erase, or to tell about.

    Attributes:
        name: the phone, or the Zalo user id, as it is; international: the phone with 84 first.
        rows: run key and row key of this person's rows in the ledger, where that is known: campaigns may have keys that
            do not hold the phone.
        stored_phone: the phone as this warehouse's rows have it; None where phones are masked or left out, because then
            only the key tells whose a row is.
        row_key_of: message id -> the key of this person's row for that message.
    """

    stored_phone: str | None = field(repr=False)
    row_key_of: Callable[[str | None], str] = field(repr=False)
    name: str = field(repr=False, default="")
    international: str = field(repr=False, default="")
    rows: tuple[tuple[str, str], ...] = field(repr=False, default=())

    def has_key(self, row_key: str, message_id: str | None) -> bool:
        """Whether a row of this key and message is the person's."""
        own = self.row_key_of(message_id)
        return row_key == own or row_key.startswith(key_with_type(own, ""))


class Reader(Protocol):
    """Answers queries in the SQL that DuckDB and PostgreSQL share, all of them from one state of the tables."""

    def read(self, statement: str, **parameters: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, to be read to their end; parameters are written `$name`, times are aware."""


_T = TypeVar("_T")


class Warehouse(abc.ABC):
    """
    A place for status rows. Open it with `open_warehouse`; close it, or use it in a `with`.

    Every method raises `WarehouseError` for what the place itself refuses, and `ConfigurationError` for what a person
    must set right. Neither holds a password, a phone or a row.
    """

    name: str
    """For people: where rows go, without a password."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Create the tables on first use; otherwise see that they are ours. Safe to call by several at once."""

    @abc.abstractmethod
    def loads(self) -> Iterator[WindowLoad]:
        """Every line of `esms_loads`, in order of type and window."""

    @abc.abstractmethod
    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        """
        Write the windows down as pending; whatever was loaded of them before stays as it is.

        Returns:
            The number of this load: higher than that of any before, whatever the clocks of their machines say. It
            orders what loads have seen.
        """

    @abc.abstractmethod
    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        """Write down when the rows of loaded windows were counted again, and found to be as many as before."""

    @abc.abstractmethod
    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        """
        Take one proven window: upsert its rows on `row_key`, add history lines, write the load. All or nothing.

        A row changes when anything but its window differs from what is stored; a history line is added when its
        status does. A stored final state that would become not final is kept, flagged in `regressed_to` and noted in
        the history once. Rows last changed or flagged by a load with a higher number are left alone, and so is what
        `esms_loads` says of that load.

        Args:
            load: as read, with `read_number` and `read_at`; `inserted`, `changed`, `regressed`, `load_count` and
                `loaded_at` are filled in here.
            rows: batches of `ROW_SCHEMA`, all of the load's window, each key once. Read once, never held as a whole.

        Raises:
            ConfigurationError: the warehouse keeps phones another way (`load.privacy`).
            WarehouseError: see there; or rows are of another window, or do not add up. Nothing of them is kept.
        """

    @abc.abstractmethod
    def erase(self, person: Person) -> dict[str, int]:
        """Remove the rows of a person and their history; table -> rows removed. Loads keep their counts."""

    def forget(self, before: datetime, runs: Sequence[str] = ()) -> dict[str, int]:
        """
        Remove the messages that were created and sent before, with their history, the lines of their windows, and the
        outcomes of then; table -> rows removed.

        Args:
            runs: keys of runs that began before, for outcomes of messages that were never accepted.

        Raises:
            ConfigurationError: it keeps its rows where something else sees to their age.
        """
        raise ConfigurationError(
            f"{self.name} does not forget by age: DuckDB, PostgreSQL and MySQL do. Remove what is old with the means "
            "of the place."
        )

    @property
    def can_be_asked(self) -> bool:
        """Whether `ask` works there at all."""
        return type(self).ask is not Warehouse.ask

    @property
    def forgets_by_age(self) -> bool:
        """Whether `forget` works there at all."""
        return type(self).forget is not Warehouse.forget

    def ask(self, work: Callable[[Reader], _T]) -> _T:
        """
        Run `work`, which may only read, on what was last committed; it sees nothing of loads that go on meanwhile.

        Raises:
            ConfigurationError: nothing was ever loaded there, or it is no database.
        """
        raise ConfigurationError(
            f"{self.name} cannot be asked: reports are made from a DuckDB file or PostgreSQL. Load the same days there."
        )

    def create_views(self, views: Mapping[str, str], tables: Sequence[GroupedTable] = ()) -> None:
        """
        Create views, or replace those of the same names, all or none.

        Args:
            tables: made before, where they are not there.
            views: name -> query, each after those that it reads.

        Raises:
            ConfigurationError: it has no views, or a name is taken by something that is no view.
        """
        raise ConfigurationError(
            f"{self.name} has no views: they are made in a DuckDB file or PostgreSQL. Load the same days there."
        )

    @abc.abstractmethod
    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        """
        A group of rows in place of what is there of it, all or none.

        Args:
            rows: values in the order of the table's columns.
        """

    @abc.abstractmethod
    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        """All rows of a small table beside the messages, in the order of its columns; none where it is not there."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give back what is held. Twice is once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
