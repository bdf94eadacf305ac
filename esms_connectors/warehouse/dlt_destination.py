"""
All other warehouses through dlt: BigQuery, Snowflake, Redshift, ClickHouse, SQL Server and its other destinations.
dlt reads the credentials from `.dlt/secrets.toml` or from `DESTINATION__BIGQUERY__…` in the environment.

A window is merged locally, in a temporary DuckDB, with its stored rows; dlt then sends only new and changed rows. dlt
commits one table at a time, so a window is written in three steps: history, messages, load line. If this is interrupted
between two steps, loading the window again repairs it: history lines without their change are removed first, and the
load line, which marks the window as done, is written last. On one machine loads take turns; two machines must not load
the same window at once.

A destination must support SQL for reading and a merge by key. dlt keeps its own dataset beside ours, named
`<dataset>_staging`. Numbers are as exact as the destination stores them; SQLite, for example, has no decimals.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, foreign_errors
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import (
    COLUMNS,
    HISTORY,
    LOADS,
    MESSAGES,
    MergeCounts,
    Person,
    Warehouse,
    WarehouseError,
    WindowLoad,
)
from esms_connectors.warehouse.dlt_columns import as_array, as_value, column_hints
from esms_connectors.warehouse.duckdb_session import DuckDbSession, merge_rows
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.locks import exclusive_lock
from esms_connectors.warehouse.merge_database import insert, literal, merge_database, schema_of, select
from esms_connectors.warehouse.merge_sql import FINAL
from esms_connectors.warehouse.merging import note_counted, note_planned, number_after, other_privacy, read_load, utc
from esms_connectors.warehouse.moved_rows import NO_TIME, MovedRows, SentOn

if TYPE_CHECKING:
    import duckdb

_PIPELINE = "esms_connectors"
_KEYS = {
    MESSAGES: ["row_key"],
    HISTORY: ["row_key", "observed_at", "load_number"],
    LOADS: ["sms_type", "window_start", "window_end"],
}
# Table and column names are filled in with the quoting of the destination.
_SELECT = "SELECT {columns} FROM {table} WHERE "
_COUNT = "SELECT count(*) FROM {table} WHERE "
_DELETE = "DELETE FROM {table} WHERE "
_OTHER_PRIVACY = "SELECT DISTINCT {privacy} FROM {esms_loads} WHERE {privacy} <> %s"
_ROW_KEYS = "SELECT {row_key}, {message_id} FROM {esms_sent_messages} WHERE "
_LINES_WITHOUT_CHANGE = """
SELECT line.{row_key}, line.{observed_at} FROM {esms_status_history} AS line JOIN {esms_sent_messages} AS stored
ON stored.{row_key} = line.{row_key} AND (stored.{load_number} < line.{load_number}
    OR (stored.{load_number} = line.{load_number} AND stored.{changed_at} < line.{observed_at}))
WHERE stored.{window_start} <= %s AND stored.{window_end} >= %s
"""
# Rows of other windows than those that touch the merged one, see `moved_rows`.
_ELSEWHERE = "SELECT {row_key} FROM {esms_sent_messages} WHERE NOT ({window_start} <= %s AND {window_end} >= %s) AND "
_MOVABLE = (
    "{window_start} <= %s AND {window_end} >= %s AND ({state} NOT IN (" + FINAL + ") OR "
    "({sent_at} > %s AND NOT {sent_at} BETWEEN {window_start} AND {window_end}))"
)
_SENT = "{sent_at} BETWEEN %s AND %s"
_LAST_NUMBER = "SELECT max({planned_number}) FROM {esms_loads}"
_BY_WINDOW = """
SELECT {sms_type}, {window_start}, {window_end}, count(*) FROM {esms_sent_messages}
GROUP BY {sms_type}, {window_start}, {window_end}
"""
_FETCH_ROWS = 20_000
_KEYS_AT_ONCE = 200
_ATTEMPTS_TO_CREATE = 3


class DltWarehouse(Warehouse):
    """
    A destination of dlt. Turns off dlt's telemetry and log in this process, unless `RUNTIME__…` is set in the
    environment.

    Args:
        destination: dlt's name of the destination, such as `bigquery`.
        dataset: the schema or dataset for our tables.
        wait_seconds: how long a load waits for others.

    Raises:
        ConfigurationError: dlt has no such destination, its driver is missing, or it lacks SQL or merges.
    """

    def __init__(self, destination: str, dataset: str = "esms", *, wait_seconds: float = 600) -> None:
        self.name = f"dlt://{destination}?dataset={dataset}"
        if not re.fullmatch(r"[A-Za-z_]\w*", destination) or not re.fullmatch(r"[A-Za-z_]\w*", dataset):
            raise ConfigurationError("The address is dlt://destination?dataset=name, in plain letters and digits.")
        os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
        os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")  # dlt's log quotes rows and statements
        self._destination_name, self._dataset = destination, dataset
        self._wait_seconds = wait_seconds
        self._folders = contextlib.ExitStack()
        self._pipeline: Any = None

    # --- the contract ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        with self._at_work():
            for _ in range(_ATTEMPTS_TO_CREATE):
                missing = [table for table in COLUMNS if not self._is_there(table)]
                if not missing:
                    return
                # Another process may be creating them at the same time.
                with contextlib.suppress(WarehouseError), self._refusals():
                    self._send({table: [schema_of(table).empty_table()] for table in missing})
            raise WarehouseError(f"The tables in {self.name} cannot be created.")

    def loads(self) -> Iterator[WindowLoad]:
        with self._at_work():
            lines = [
                tuple(line.values())
                for batch in self._fetch(LOADS, "1 = 1 ORDER BY {sms_type}, {window_start}, {window_end}")
                for line in batch.to_pylist()
            ]
        yield from map(read_load, lines)

    def count_by_window(self) -> Iterable[tuple[Any, ...]]:
        time = pa.timestamp("us", "UTC")
        with self._at_work(), self._refusals(), self._sql() as client:
            counted = self._rows(client, _BY_WINDOW)
        return [(one, as_value(start, time), as_value(end, time), int(rows)) for one, start, end, rows in counted]

    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        with self._at_work():
            self._check_privacy(privacy)
            with self._refusals(), self._sql() as client:
                [(last,)] = self._rows(client, _LAST_NUMBER)
            number = number_after(None if last is None else int(last), planned_at)
            self._change_loads(
                windows,
                lambda session: note_planned(session, windows, number=number, planned_at=planned_at, privacy=privacy),
                f"planned_number = {number}",
            )
        return number

    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        with self._at_work():
            changed = f"counted_at = {literal(counted_at)}"
            self._change_loads(windows, lambda session: note_counted(session, windows, counted_at), changed)

    def _change_loads(
        self, windows: Sequence[SentWindow], change: Callable[[DuckDbSession], None], changed: str
    ) -> None:
        """Change the load lines of windows; `changed` is the SQL condition that selects the changed lines."""
        if not windows:
            return
        with scratch_folder() as folder, merge_database(folder) as connection:
            start, end = min(window.start for window in windows), max(window.end for window in windows)
            self._fill(connection, LOADS, start, end)
            with contextlib.closing(DuckDbSession(connection)) as session:
                change(session)
            with self._refusals():
                self._send({LOADS: select(connection, f"FROM {LOADS} WHERE {changed}")})

    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        with self._at_work(), scratch_folder() as folder, merge_database(folder) as connection:
            self._check_privacy(load.privacy)
            self._drop_lines_without_change(load.window)
            for table in (MESSAGES, LOADS):
                self._fill(connection, table, load.window.start, load.window.end)
            others = _OtherWindows(self, connection, load.window)
            counts = merge_rows(connection, load, others.watch(rows))
            with self._refusals():
                if connection.execute(f"SELECT 1 FROM {HISTORY} LIMIT 1").fetchall():
                    self._send({HISTORY: select(connection, f"FROM {HISTORY}")})
                if counts.inserted or counts.changed or counts.regressed:
                    self._send(
                        {MESSAGES: select(connection, f"FROM {MESSAGES} WHERE load_number = {load.read_number}")}
                    )
                self._send({LOADS: select(connection, f"FROM {LOADS} WHERE loaded_at IS NOT NULL")})
            return counts

    def erase(self, person: Person) -> dict[str, int]:
        removed = {MESSAGES: 0, HISTORY: 0}
        with self._at_work():
            keys = list(self._keys_of(person))
            with self._refusals(), self._sql() as client:
                for some in _cut(keys):
                    theirs = "{row_key} IN (" + ", ".join(["%s"] * len(some)) + ")"
                    for table in (HISTORY, MESSAGES):
                        (count,) = self._rows(client, _COUNT + theirs, *some, table=table)[0]
                        self._execute(client, _DELETE + theirs, *some, table=table)
                        removed[table] += int(count)
        return removed

    def put_group(self, table: GroupedTable, group: str, rows: Sequence[tuple[object, ...]]) -> None:
        # The rows of a group only grow (ledger rows stay), so nothing has to be removed if there are none.
        if not rows:
            return
        with self._at_work(), self._refusals():
            dlt = importlib.import_module("dlt")
            strategy = self._strategy("delete-insert", "upsert")
            by_key = {"merge_key": table.group} if strategy == "delete-insert" else {"primary_key": [*table.keys]}
            resource = dlt.resource(
                [table.columns(rows)],
                name=table.name,
                write_disposition={"disposition": "merge", "strategy": strategy},
                **by_key,
            )
            self._run([resource])

    def rows_of(self, table: GroupedTable) -> Sequence[tuple[Any, ...]]:
        exceptions = importlib.import_module("dlt.destinations.exceptions")
        with (
            self._at_work(),
            self._refusals(),
            self._sql() as client,
            contextlib.suppress(exceptions.DatabaseUndefinedRelation),
        ):
            columns = ", ".join(client.escape_column_name(name) for name in table.types)
            query = f"SELECT {columns} FROM {client.make_qualified_table_name(table.name)}"
            with client.execute_query(query) as cursor:
                return [tuple(row) for row in cursor.fetchall()]
        return []

    def close(self) -> None:
        self._forget_pipeline()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _is_there(self, table: str) -> bool:
        exceptions = importlib.import_module("dlt.destinations.exceptions")
        with self._refusals(), self._sql() as client:
            try:
                self._rows(client, _SELECT + "1 = 0", table=table)
            except exceptions.DatabaseUndefinedRelation:
                return False
            except exceptions.DatabaseException:
                problem = (
                    f"The table {table} already exists in {self.name} but was not created by esms-connectors: use "
                    "another dataset, or rename that table."
                )
            else:
                return True
        raise ConfigurationError(problem)

    def _fetch(self, table: str, where: str, *parameters: Any) -> Iterator[pa.RecordBatch]:
        schema = schema_of(table)
        with self._refusals(), self._sql() as client:
            query = self._spelled(client, _SELECT + where, table)
            with client.execute_query(query, *parameters) as cursor:
                while rows := cursor.fetchmany(_FETCH_ROWS):
                    values = zip(*rows, strict=True)
                    yield pa.RecordBatch.from_arrays(
                        [as_array(list(column), field.type) for column, field in zip(values, schema, strict=True)],
                        schema=schema,
                    )

    def _fetch_keys(self, query: str, *parameters: Any) -> Iterator[list[str]]:
        with (
            self._refusals(),
            self._sql() as client,
            client.execute_query(self._spelled(client, query), *parameters) as cursor,
        ):
            while rows := cursor.fetchmany(_FETCH_ROWS):
                yield [key for (key,) in rows]

    def _fill(self, connection: duckdb.DuckDBPyConnection, table: str, start: datetime, end: datetime) -> None:
        overlap = "{window_start} <= %s AND {window_end} >= %s"
        insert(connection, table, self._fetch(table, overlap, utc(end), utc(start)))

    def _check_privacy(self, privacy: str) -> None:
        with self._refusals(), self._sql() as client:
            found = self._rows(client, _OTHER_PRIVACY, privacy)
        for (other,) in found:
            raise other_privacy(other, privacy)

    def _keys_of(self, person: Person) -> Iterator[str]:
        where, parameters = ("{phone} = %s", [person.stored_phone]) if person.stored_phone else ("1 = 1", [])
        with self._refusals(), self._sql() as client:
            query = self._spelled(client, _ROW_KEYS + where)
            with client.execute_query(query, *parameters) as cursor:
                while rows := cursor.fetchmany(_FETCH_ROWS):
                    for key, message_id in rows:
                        if person.stored_phone or person.has_key(key, message_id):
                            yield key

    # --- writing -----------------------------------------------------------------------------------------------------

    def _drop_lines_without_change(self, window: SentWindow) -> None:
        """Remove history lines of changes that an interrupted load did not make."""
        with self._refusals(), self._sql() as client:
            keys: dict[Any, list[str]] = {}
            for key, observed_at in self._rows(client, _LINES_WITHOUT_CHANGE, utc(window.end), utc(window.start)):
                keys.setdefault(observed_at, []).append(key)
            for observed_at, its_keys in keys.items():
                for some in _cut(its_keys):
                    theirs = "{observed_at} = %s AND {row_key} IN (" + ", ".join(["%s"] * len(some)) + ")"
                    self._execute(client, _DELETE + theirs, self._exactly(observed_at), *some, table=HISTORY)

    def _exactly(self, moment: Any) -> Any:
        """A time for a comparison; as text for ClickHouse, whose driver truncates fractions of a second."""
        if self._destination_name != "clickhouse":
            return moment
        return utc(as_value(moment, pa.timestamp("us", "UTC"))).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _send(self, tables: dict[str, Iterable[pa.Table | pa.RecordBatch]]) -> None:
        """Merge rows into tables of the destination by key."""
        dlt = importlib.import_module("dlt")
        strategy = self._strategy("upsert", "delete-insert")
        resources = [
            dlt.resource(
                (pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part for part in parts),
                name=table,
                columns=column_hints(table),
                primary_key=_KEYS[table],
                write_disposition={"disposition": "merge", "strategy": strategy},
            )
            for table, parts in tables.items()
        ]
        self._run(resources)

    def _strategy(self, *wanted: str) -> str:
        """The first of these merge strategies that the destination supports."""
        strategies = self._get_pipeline().destination.capabilities().supported_merge_strategies or []
        found = next((one for one in wanted if one in strategies), None)
        if found is None:
            raise ConfigurationError(f"dlt cannot update rows in {self._destination_name}: choose another destination.")
        return found

    def _run(self, resources: list[Any]) -> None:
        pipeline = self._get_pipeline()
        with _untracked(pipeline):
            pipeline.run(resources)

    # --- dlt ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Serialise work; a failure discards the pipeline, so that dlt does not send its leftovers with later rows."""
        user = getattr(os, "getuid", int)()
        here = hashlib.blake2b(self.name.encode(), digest_size=8).hexdigest()
        lock_file = Path(tempfile.gettempdir(), f"esms-dlt-{user}-{here}.lock")
        # dlt supports one active pipeline per process.
        with (
            exclusive_lock("dlt", "any destination", None, self._wait_seconds),
            exclusive_lock(self.name, "any window", lock_file, self._wait_seconds),
        ):
            try:
                yield
            except BaseException:
                self._forget_pipeline()
                raise

    def _get_pipeline(self) -> Any:
        if self._pipeline is None:
            dlt = importlib.import_module("dlt")
            folder = self._folders.enter_context(scratch_folder("esms-dlt-"))
            self._pipeline = dlt.pipeline(
                _PIPELINE,
                destination=self._destination_name,
                dataset_name=self._dataset,
                pipelines_dir=str(folder),
            )
            # dlt's state is not needed: the stored rows are queried each time.
            self._pipeline.config.restore_from_destination = False
        return self._pipeline

    def _forget_pipeline(self) -> None:
        self._pipeline = None
        self._folders.close()

    def _sql(self) -> Any:
        return self._get_pipeline().sql_client()

    def _spelled(self, client: Any, statement: str, table: str = "") -> str:
        """The statement with names quoted for the destination."""
        tables = {one: client.make_qualified_table_name(one) for one in COLUMNS}
        columns = {one: client.escape_column_name(one) for names in COLUMNS.values() for one in names}
        listed = ", ".join(columns[one] for one in COLUMNS.get(table, ()))
        return statement.format(**tables, **columns, table=tables.get(table, ""), columns=listed)

    def _rows(self, client: Any, query: str, *parameters: Any, table: str = "") -> list[tuple[Any, ...]]:
        with client.execute_query(self._spelled(client, query, table), *parameters) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def _execute(self, client: Any, statement: str, *parameters: Any, table: str) -> None:
        client.execute_sql(self._spelled(client, statement, table), *parameters)

    def _refusals(self) -> contextlib.AbstractContextManager[None]:
        """Turn errors of dlt and its drivers into one-line errors of ours, without the original text."""
        return foreign_errors(self._explained)

    def _explained(self, error: BaseException) -> EsmsError:
        chain: list[BaseException] = []
        one: BaseException | None = error
        while one is not None and one not in chain:
            chain.append(one)
            one = getattr(one, "exception", None) or one.__cause__ or one.__context__
        names = {base.__name__ for one in chain for base in type(one).__mro__}
        if names & {"InvalidDestinationReference", "UnknownDestinationModule"}:
            return ConfigurationError(f"dlt knows no destination called {self._destination_name}.")
        if names & {"MissingDependencyException", "ImportError"}:
            extra = self._destination_name
            return ConfigurationError(f"dlt's {extra} needs more packages: pip install 'dlt[{extra}]'.")
        if names & {"ConfigurationException", "ConfigFieldMissingException"}:
            return ConfigurationError(
                f"dlt finds no complete settings for {self._destination_name}: give them in .dlt/secrets.toml or as "
                f"DESTINATION__{self._destination_name.upper()}__… in the environment."
            )
        if "SqlClientNotAvailable" in names:
            return ConfigurationError(
                f"dlt's {self._destination_name} has no SQL, so stored and new rows cannot be compared: choose another "
                "destination. Folders do not need dlt: s3://bucket/prefix?format=parquet."
            )
        return WarehouseError(
            f"dlt could not use {self.name} ({type(chain[-1]).__name__}). Loading again is safe.",
            retryable="TerminalException" not in names,
        )


class _OtherWindows(MovedRows):
    """Rows of a load that the destination holds under windows that do not touch that of the load."""

    def __init__(self, warehouse: DltWarehouse, connection: duckdb.DuckDBPyConnection, window: SentWindow) -> None:
        super().__init__(connection, window)
        self._warehouse = warehouse
        self._fetched: set[str] = set()

    def _begin(self) -> None:
        start, end = self._near
        self._note(self._keys(_MOVABLE, utc(end), utc(start), NO_TIME))

    def _look_at(self, days: Sequence[SentOn]) -> None:
        for _, first, last in days:
            self._note(self._keys(_SENT, utc(first), utc(last)))

    def _fetch(self) -> None:
        found = [str(key) for (key,) in self._found("row_key") if key not in self._fetched]
        self._fetched.update(found)
        for some in _cut(found):
            theirs = "{row_key} IN (" + ", ".join(["%s"] * len(some)) + ")"
            insert(self._connection, MESSAGES, self._warehouse._fetch(MESSAGES, theirs, *some))

    def _keys(self, where: str, *parameters: datetime) -> Iterator[pa.RecordBatch]:
        window = utc(self._window.end), utc(self._window.start)
        for keys in self._warehouse._fetch_keys(_ELSEWHERE + where, *window, *parameters):
            yield pa.RecordBatch.from_arrays([pa.array(keys, pa.string())], names=["row_key"])


def _cut(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE))


@contextlib.contextmanager
def _untracked(pipeline: Any) -> Iterator[None]:
    """Unload dlt's tracking module: even with telemetry off it writes a tracking id into the home folder."""
    trace: Any = importlib.import_module("dlt.pipeline.trace")
    config = getattr(pipeline, "run_context", pipeline).runtime_config
    before = trace.TRACKING_MODULES
    if not config.dlthub_telemetry and not config.sentry_dsn:
        trace.TRACKING_MODULES = [module for module in before if module.__name__ != "dlt.pipeline.track"]
    try:
        yield
    finally:
        trace.TRACKING_MODULES = before
