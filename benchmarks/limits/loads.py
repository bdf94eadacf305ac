"""Reading and loading pages, compared with decoding alone and with the minimum that each target needs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pyarrow as pa
from pyarrow import parquet

from esms_connectors import EsmsClient
from esms_connectors.sent_data.columns import PageReader
from esms_connectors.sent_data.fetching import _fetch_page
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.loading import load_windows
from esms_connectors.warehouse.merge_sql import TYPES

from .pairs import Figure, compare, cpu_ms, figure_of
from .stand_in import DAY_END, DAY_START, PAGE_ROWS, SMS_TYPE, Pages, client_of

WINDOW = SentWindow(SMS_TYPE, pendulum.instance(DAY_START), pendulum.instance(DAY_END))
CHUNK_ROWS = 50_000
_MESSAGES = "esms_sent_messages"
_COLUMNS = ["row_key", *list(TYPES[_MESSAGES])[1:15]]
Batches = list[pa.RecordBatch]


class Day:
    """`pages` pages in memory, as raw bodies and through a client."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.served = Pages(pages * PAGE_ROWS, held=True)
        self.client: EsmsClient = client_of(self.served)
        self.read_all()
        self.served.waiting = False
        self.read_all()

    def bodies(self) -> list[bytes]:
        held = self.served._held
        assert held is not None
        # Other requests of a load (counts, the page after the last) count as work of the load only.
        return [body for (waiting, _), body in held.items() if waiting == self.served.waiting][: self.pages]

    def read_all(self) -> None:
        for page in range(1, self.pages + 1):
            _fetch_page(self.client, WINDOW, page, PAGE_ROWS).columns()

    def decode(self) -> Batches:
        """Pages in memory -> Arrow, with the additional columns of a warehouse."""
        found = []
        for body in self.bodies():
            reader = PageReader()
            page = reader.columns(reader.read(body))
            found.append((page.keys, page.batch))
        return [_whole(keys, batch) for keys, batch in found]

    def load(self, address: str) -> None:
        with open_warehouse(address) as warehouse:
            loaded = load_windows(self.client, warehouse, [WINDOW], resume=False)
        assert loaded.rows == self.pages * PAGE_ROWS


def _whole(keys: Any, batch: pa.RecordBatch) -> pa.RecordBatch:
    edges = [pa.repeat(pa.scalar(edge, pa.timestamp("ms", tz="UTC")), len(keys)) for edge in (DAY_START, DAY_END)]
    return pa.RecordBatch.from_arrays([pa.array(keys, pa.string()), *batch.columns, *edges], names=_COLUMNS)


def read_page(pages: int = 60, rounds: int = 15) -> Iterator[Figure]:
    day = Day(pages)
    yield compare(
        "read a page through the client",
        day.read_all,
        lambda: [(reader := PageReader()).columns(reader.read(body)) for body in day.bodies()],
        units=pages,
        rounds=rounds,
        goal=1.6,
        floor_is="decode it",
    )


# --- targets ---------------------------------------------------------------------------------------------------------

_CREATE = f"CREATE TABLE rows ({', '.join(f'{name} {TYPES[_MESSAGES][name]}' for name in _COLUMNS)})"
_SET = ", ".join(f"{name} = given.{name}" for name in _COLUMNS[1:])
# Without this DuckDB 2.0 takes thirty times as long, because it deletes and inserts each updated row.
_DIFFERS = " OR ".join(f"rows.{name} IS DISTINCT FROM given.{name}" for name in _COLUMNS[1:13])
_GIVEN = ", ".join(f"given.{name}" for name in _COLUMNS)


def _chunks(batches: Batches) -> Iterator[pa.Table]:
    pages = CHUNK_ROWS // PAGE_ROWS
    for first in range(0, len(batches), pages):
        yield pa.Table.from_batches(batches[first : first + pages])


def _duckdb_floor(day: Day, folder: Path) -> None:
    """DuckDB's own MERGE of the same Arrow rows: no history, no verdicts, no checks of windows."""
    with duckdb.connect(str(folder / "floor.duckdb"), config={"memory_limit": "192MB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_CREATE.replace("TABLE", "TABLE IF NOT EXISTS"))
        connection.begin()
        for chunk in _chunks(day.decode()):
            connection.register("given", chunk)
            connection.execute(
                "MERGE INTO rows USING given ON rows.row_key = given.row_key "
                f"WHEN MATCHED AND ({_DIFFERS}) THEN UPDATE SET {_SET} WHEN NOT MATCHED THEN INSERT VALUES ({_GIVEN})"
            )
            connection.unregister("given")
        connection.commit()


def _parquet_floor(day: Day, folder: Path) -> None:
    table = pa.Table.from_batches(day.decode())
    parquet.write_table(table, folder / "floor.parquet", compression="zstd", row_group_size=CHUNK_ROWS)


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        yield Path(folder)


def _first_and_again(
    day: Day,
    names: tuple[str, str],
    goals: tuple[float | None, float | None],
    floor_is: str,
    ours: Callable[[Path], object],
    floor: Callable[[Path], object],
    *,
    rounds: int,
    before: Callable[[Path], object] = lambda folder: None,
    note: str = "",
) -> Iterator[Figure]:
    """Load into an empty target, and again after a tenth of the rows has changed."""
    spent: tuple[list[tuple[float, ...]], ...] = ([], [])
    for number in range(rounds + 1):
        with _place() as folder:
            before(folder)
            for place, waiting in enumerate((True, False)):
                day.served.waiting = waiting
                works = (ours, floor) if number % 2 else (floor, ours)
                pair = [cpu_ms(partial(work, folder)) for work in works]
                if number:
                    spent[place].append(tuple(pair if number % 2 else reversed(pair)))
    for name, pairs, goal in zip(names, spent, goals, strict=True):
        yield figure_of(name, pairs, units=day.pages, goal=goal, floor_is=floor_is, note=note)


def into_duckdb(pages: int = 200, rounds: int = 5) -> Iterator[Figure]:
    day = Day(pages)
    yield from _first_and_again(
        day,
        ("into DuckDB, the first time", "into DuckDB, again, a tenth changed"),
        (1.5, 1.3),
        "decode, and DuckDB's own MERGE of the same rows",
        lambda folder: day.load(f"duckdb:///{folder}/ours.duckdb"),
        lambda folder: _duckdb_floor(day, folder),
        rounds=rounds,
    )


def into_parquet(pages: int = 200, rounds: int = 5) -> Iterator[Figure]:
    day = Day(pages)
    yield from _first_and_again(
        day,
        ("into Parquet, the first time", "into Parquet, again, a tenth changed"),
        (2.0, 2.0),
        "decode, and write one file",
        lambda folder: day.load(str(folder / "ours")),
        lambda folder: _parquet_floor(day, folder),
        rounds=rounds,
        note="the floor overwrites: it reads nothing, merges nothing, keeps no history",
    )


def into_postgresql(pages: int = 60, rounds: int = 5) -> Iterator[Figure]:
    import sys

    import psycopg

    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from postgres_server import PostgresServer

    day, server = Day(pages), PostgresServer()
    # Only text in binary format: the fastest for a COPY of Python rows.
    kinds = [TYPES[_MESSAGES][name].removesuffix(" NOT NULL").partition("(")[0] for name in _COLUMNS]

    def fresh(_: Path) -> None:
        with psycopg.connect(server.uri, autocommit=True) as connection:
            for schema in ("ours", "floor"):
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}".encode())
            connection.execute(_CREATE.replace("rows", "floor.rows").replace("NOT NULL", "PRIMARY KEY", 1).encode())

    def floor(_: Path) -> None:
        with psycopg.connect(server.uri) as connection:
            connection.execute(b"SET TimeZone = 'UTC'; SET search_path = floor")
            connection.execute((_CREATE.replace("TABLE rows", "TEMPORARY TABLE staged") + " ON COMMIT DROP").encode())
            for chunk in _chunks(day.decode()):
                columns = [column.to_pylist() for column in chunk.columns]
                with connection.cursor() as cursor:
                    with cursor.copy(b"COPY staged FROM STDIN (FORMAT binary)") as copy:
                        copy.set_types(kinds)
                        for row in zip(*columns, strict=True):
                            copy.write_row(row)
                    cursor.execute(
                        f"INSERT INTO rows SELECT * FROM staged ON CONFLICT (row_key) DO UPDATE SET "
                        f"{_SET.replace('given.', 'excluded.')}; TRUNCATE staged".encode()
                    )

    try:
        yield from _first_and_again(
            day,
            ("into PostgreSQL, the first time", "into PostgreSQL, again, a tenth changed"),
            (1.4, 1.4),
            "decode, binary COPY, one INSERT … ON CONFLICT",
            lambda folder: day.load(f"{server.uri}&schema=ours"),
            floor,
            rounds=rounds,
            before=fresh,
            note="CPU here only, not the server's",
        )
    finally:
        server.close()
