"""
The merge of a window, the same for all databases.

Rows are processed in chunks. Each chunk is staged, compared with the stored rows (new, changed, regressed or the same)
and only then written, so that an unchanged chunk writes nothing. The row count of each statement must match the
comparison, so no row is lost in between. If the table has a key and the window was not loaded before, rows are inserted
directly, and only a chunk of which some rows exist already is compared.

Targets that keep their rows elsewhere (files, dlt) merge in a temporary DuckDB (`merge_database`): they insert the
stored rows of the windows that overlap, and call `duckdb_session.merge_rows`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.chunks import chunks_of
from esms_connectors.warehouse.contract import (
    LOADS,
    ROW_SCHEMA,
    MergeCounts,
    WarehouseError,
    WindowLoad,
    key_with_type,
)
from esms_connectors.warehouse.known_keys import KnownKeys
from esms_connectors.warehouse.merge_sql import (
    CHANGE,
    CHANGEABLE,
    CHANGED_WHOLE,
    CHUNK,
    COUNT_VERDICTS,
    COUNTED,
    ELSEWHERE,
    FLAG,
    FOUND_TWICE,
    INSERT,
    INSERT_ALL,
    INSERT_UNLESS_THERE,
    JUDGE,
    KEEP_ELSEWHERE,
    KEEP_REPLACED,
    LAST_NUMBER,
    LOAD_NOTED,
    LOAD_RENEWED,
    NEAR,
    NEW,
    NOTE,
    OTHER_PRIVACY,
    OTHERS,
    OVERLAP,
    PLAN,
    PLAN_AGAIN,
    PLANNED,
    PUT_ANEW,
    READ_DOUBLES,
    REMOVE_DOUBLES,
    REMOVE_REPLACED,
    REMOVE_STAGED,
    REPLACED,
    SENT_WHEN_CHUNK_WAS,
    TOUCHING_OR_ELSEWHERE,
    TYPES,
    VERDICT,
    WAS_LOADED,
    Staged,
)

# What DuckDB updates in one merge, since it holds these rows in memory; further ones are deleted and inserted.
MOST_UPDATED_BYTES = 12_000_000


class Session(Protocol):
    """A transaction of a database that supports this SQL. Parameters are written `$name`; unused ones are ignored."""

    prunes_by_window: bool
    """Whether a condition on the windows lets the database skip rows."""
    chunk_rows: int
    """Rows staged at a time."""

    @property
    def has_key(self) -> bool:
        """Whether the keys of the messages table are unique by constraint."""

    def change(self, statement: str, **parameters: object) -> int:
        """Run a statement; the number of rows that it reports as changed."""

    def read(self, statement: str, **parameters: object) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query."""

    def stage(self, table: Staged, rows: pa.Table) -> int:
        """Replace the content of a temporary table by these rows; the number of rows that it then has."""

    def keep(self, table: Staged, query: str, **parameters: object) -> int:
        """The same with the result of a query."""


# --- merging ---------------------------------------------------------------------------------------------------------


def merge_window(session: Session, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
    """`Warehouse.merge`, in the transaction of the session."""
    if load.read_at is None or load.read_number is None or load.loaded_at is None:
        raise ValueError("a load that is to be merged has a number, a read_at and a loaded_at")
    check_privacy(session, load.privacy)
    found: Counter[str] = Counter()
    parameters = {
        "sms_type": load.window.sms_type,
        "number": load.read_number,
        "read_at": utc(load.read_at),
        "window_start": utc(load.window.start),
        "window_end": utc(load.window.end),
        "near_start": utc(load.window.start - NEAR),
        "near_end": utc(load.window.end + NEAR),
    }
    is_first = not list(session.read(WAS_LOADED, **parameters))
    inserts_first = is_first and session.has_key
    merging = _ChunkMerge(session, dict(parameters), expects_new=is_first)
    given = 0
    for chunk in chunks_of(rows, session.chunk_rows):
        given += chunk.num_rows
        _expect_window(load.window, chunk)
        _expect(pc.count_distinct(chunk.column("row_key")).as_py(), chunk.num_rows, "different")
        _expect(session.stage(CHUNK, chunk), chunk.num_rows, "staged")
        inserted = session.change(INSERT_UNLESS_THERE, **parameters) if inserts_first else 0
        found["new"] += inserted
        if inserted == chunk.num_rows:
            continue
        here = merging.merge(chunk)
        # The rows just inserted were judged as well, as already stored.
        here["same"] -= inserted
        found += here
    if found["new"] and session.prunes_by_window:
        found.update(merging.merge_elsewhere())
    _expect(found.total(), given, "merged")
    _expect(given, load.row_count, "handed over")
    counts = MergeCounts(
        inserted=found["new"], changed=found["changed"], unchanged=found["same"], regressed=found["back"]
    )
    _write_load(session, load, counts, {**parameters, "loaded_at": utc(load.loaded_at)})
    return counts


class _ChunkMerge:
    """
    Merges the chunks of a window, one after the other: each is judged, then written.

    If all rows of the previous chunk were new, the keys of this one are looked up first, and it is inserted without
    judging if none is known. Otherwise its rows are searched for where they should be, and only those not found there
    among all rows.
    """

    def __init__(self, session: Session, parameters: dict[str, Any], *, expects_new: bool) -> None:
        self._session, self._parameters = session, parameters
        self._overlap = OVERLAP if session.prunes_by_window else ""
        self._known = KnownKeys(session, self._overlap, parameters)
        self._expects_new = expects_new
        self._updated_bytes = 0.0

    def merge(self, chunk: pa.Table) -> Counter[str]:
        """Merge the staged chunk; verdict -> rows."""
        if not self._session.prunes_by_window:
            return self._write(*self._judge(chunk, ""), "")
        if self._expects_new and not self._known.may_have(CHUNK.name):
            _expect(self._session.change(INSERT_ALL, **self._parameters), chunk.num_rows, "new")
            self._known.add(CHUNK.name)
            return Counter(new=chunk.num_rows)
        where = self._overlap
        sent = pc.min_max(chunk.column("sent_at"))
        if sent["min"].is_valid:
            self._parameters |= {
                name: utc(sent[edge].as_py()) for name, edge in (("sent_from", "min"), ("sent_to", "max"))
            }
            where += SENT_WHEN_CHUNK_WAS
        here, chunk = self._judge(chunk, where)
        if here["new"] and self._known.may_have(NEW):
            where = self._overlap
            here, chunk = self._judge(chunk, where)
        self._write(here, chunk, where)
        if here["new"]:
            self._known.add(NEW)
        self._expects_new = here["new"] == chunk.num_rows
        return here

    def merge_elsewhere(self) -> Counter[str]:
        """
        Merge again the rows that were inserted although a window that does not touch this one has them: the changes of
        the counts. According to the gateway's documentation there are none: a window holds what was created in it.
        """
        found: Counter[str] = Counter()
        if not self._session.keep(ELSEWHERE, KEEP_ELSEWHERE, **self._parameters):
            return found
        most, before = self._session.chunk_rows, set[str]()
        while rows := list(self._session.read(READ_DOUBLES, most=most, **self._parameters)):
            keys = {row[0] for row in rows}
            if keys == before:
                break  # nowhere else: their hashes are those of other keys
            chunk = pa.Table.from_pylist([dict(zip(ROW_SCHEMA.names, row, strict=True)) for row in rows], ROW_SCHEMA)
            _expect(self._session.stage(CHUNK, chunk), chunk.num_rows, "staged")
            _expect(self._session.change(REMOVE_STAGED, **self._parameters), chunk.num_rows, "removed")
            found.update(self._write(*self._judge(chunk, TOUCHING_OR_ELSEWHERE), TOUCHING_OR_ELSEWHERE))
            found["new"] -= chunk.num_rows
            before = keys
        return found

    def _judge(self, chunk: pa.Table, where: str) -> tuple[Counter[str], pa.Table]:
        """
        Judge the staged rows: verdict -> rows, and the chunk as staged. Rows whose key belongs to a message of another
        type are staged again, with their type appended to the key.
        """
        for _ in range(2):
            judged = self._session.keep(VERDICT, JUDGE.format(overlap=where), **self._parameters)
            if judged > chunk.num_rows and self._session.prunes_by_window:
                self._session.change(
                    REMOVE_DOUBLES.format(same="row_key", twice=FOUND_TWICE, overlap=where), **self._parameters
                )
                judged = self._session.keep(VERDICT, JUDGE.format(overlap=where), **self._parameters)
            _expect(judged, chunk.num_rows, "judged")
            here = Counter(dict(self._session.read(COUNT_VERDICTS)))
            if not here["other"]:
                break
            others = {key for (key,) in self._session.read(OTHERS)}
            pairs = zip(*(chunk.column(name).to_pylist() for name in ("row_key", "sms_type")), strict=True)
            keys = [key_with_type(key, sms_type) if key in others else key for key, sms_type in pairs]
            chunk = chunk.set_column(chunk.schema.get_field_index("row_key"), "row_key", pa.array(keys, pa.string()))
            _expect(self._session.stage(CHUNK, chunk), chunk.num_rows, "staged")
        return here, chunk

    def _write(self, here: Counter[str], chunk: pa.Table, where: str) -> Counter[str]:
        if here["back"] or here["changed"]:
            self._session.change(NOTE, **self._parameters)
        changes = self._changes(here["changed"], chunk, where)
        for verdict, statements in (("back", (FLAG,)), ("changed", changes), ("new", (INSERT,))):
            for statement in statements if here[verdict] else ():
                done = self._session.change(statement.format(overlap=where), **self._parameters)
                _expect(done, here[verdict], verdict)
        return here

    def _changes(self, changed: int, chunk: pa.Table, where: str) -> tuple[str, ...]:
        """The statements that write the changed rows of the chunk."""
        if not changed:
            return ()
        whole = bool(list(self._session.read(CHANGED_WHOLE)))
        self._updated_bytes += (chunk if whole else chunk.select(CHANGEABLE)).nbytes * changed / chunk.num_rows
        if not self._session.prunes_by_window or self._updated_bytes <= MOST_UPDATED_BYTES:
            return (CHANGE[whole],)
        kept = self._session.keep(REPLACED, KEEP_REPLACED.format(overlap=where), **self._parameters)
        _expect(kept, changed, "found")
        return REMOVE_REPLACED, PUT_ANEW


def _expect(done: int, expected: int, what: str) -> None:
    if done != expected:
        raise WarehouseError(
            f"The row counts of the merge do not match ({counted(expected, 'row')}, {done} {what}): nothing was stored."
        )


def _expect_window(window: SentWindow, chunk: pa.Table) -> None:
    """
    Check that all rows belong to the window. Others would be lost, because the merge does not search the windows that
    they belong to, and files are partitioned by day.
    """
    for name, edge in (("window_start", window.start), ("window_end", window.end)):
        column = chunk.column(name)
        own = pc.equal(column, pa.scalar(edge, column.type))
        others = len(column) - (pc.sum(own).as_py() or 0)
        if others:
            raise WarehouseError(
                f"{counted(others, 'row has', 'rows have')} another {name} than their load ({window}): nothing was "
                "stored. Pass the rows of one window at a time."
            )


def _write_load(session: Session, load: WindowLoad, counts: MergeCounts, parameters: Mapping[str, Any]) -> None:
    note_planned(session, [load.window], number=load.planned_number, planned_at=load.planned_at, privacy=load.privacy)
    parameters = {
        **parameters,
        "closed": load.closed,
        "row_count": load.row_count,
        "count_total": load.count_total,
        "open_rows": load.open_rows,
        "inserted": counts.inserted,
        "changed": counts.changed,
        "regressed": counts.regressed,
        "digest": load.digest,
        "privacy": load.privacy,
    }
    _expect(session.change(LOAD_NOTED, **parameters), 1, "noted as a load")
    session.change(LOAD_RENEWED, **parameters)


def plan_windows(session: Session, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
    """`Warehouse.plan`, in the transaction of the session."""
    number = number_after(next(iter(list(session.read(LAST_NUMBER))))[0], planned_at)
    note_planned(session, windows, number=number, planned_at=planned_at, privacy=privacy)
    return number


def number_after(last: int | None, planned_at: datetime) -> int:
    """
    A number for a load, higher than the last one.

    At least the time in milliseconds, so that it also increases after earlier loads were removed.
    """
    return max((last or 0) + 1, int(planned_at.timestamp() * 1000))


def note_planned(
    session: Session, windows: Sequence[SentWindow], *, number: int, planned_at: datetime, privacy: str
) -> None:
    """Record windows as planned by a load. A plan never overrides a later one."""
    check_privacy(session, privacy)
    if windows:
        _stage_windows(session, windows)
        parameters = {"number": number, "planned_at": utc(planned_at), "privacy": privacy}
        session.change(PLAN_AGAIN, **parameters)
        session.change(PLAN, **parameters)


def note_counted(session: Session, windows: Sequence[SentWindow], counted_at: datetime) -> None:
    """`Warehouse.note_counted`, in the transaction of the session."""
    if windows:
        _stage_windows(session, windows)
        session.change(COUNTED, counted_at=utc(counted_at))


def _stage_windows(session: Session, windows: Sequence[SentWindow]) -> None:
    time = pa.timestamp("us", tz="UTC")
    planned = pa.table(
        {
            "sms_type": pa.array([window.sms_type for window in windows], pa.int32()),
            "window_start": pa.array([utc(window.start) for window in windows], time),
            "window_end": pa.array([utc(window.end) for window in windows], time),
        }
    )
    _expect(session.stage(PLANNED, planned), planned.num_rows, "planned")


def check_privacy(session: Session, privacy: str) -> None:
    """
    Raises:
        ConfigurationError: the warehouse keeps phones or texts in another form, so the keys would not match.
    """
    for (other,) in list(session.read(OTHER_PRIVACY, privacy=privacy)):
        raise other_privacy(other, privacy)


def other_privacy(kept: str, given: str) -> ConfigurationError:
    """The error for a load that keeps phones or texts in another form."""
    return ConfigurationError(
        f"The warehouse stores phones and texts as {kept!r}, this load as {given!r}: a warehouse uses one setting. Use "
        "that one, or another warehouse."
    )


def utc(moment: datetime) -> datetime:
    """A plain `datetime` in UTC, which every driver accepts."""
    moment = moment.astimezone(UTC)
    return datetime(
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond, UTC
    )


def read_load(row: Sequence[Any]) -> WindowLoad:
    """A row of `READ_LOADS`."""
    line = dict(zip(TYPES[LOADS], row, strict=True))
    for name in ("window_start", "window_end", "planned_at", "read_at", "loaded_at", "counted_at"):
        line[name] = None if line[name] is None else pendulum.instance(line[name]).in_timezone("UTC")
    window = SentWindow(line.pop("sms_type"), line.pop("window_start"), line.pop("window_end"))
    return WindowLoad(window=window, **line)
