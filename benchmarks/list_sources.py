"""
Cost of each kind of list: rows per second of CPU time, compared with its library reading the same rows without
processing them, and the peak growth of the process. Each kind is read in a separate process.

    python benchmarks/list_sources.py --rows 1000000
    python benchmarks/list_sources.py --rows 1000000 --kinds csv,xlsx
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import memory_mb

from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients

# The servers are those of the tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

NAMES = ("phone", "name", "service", "code", "date")
QUERY = f"SELECT {', '.join(NAMES)} FROM customers"


def rows(count: int) -> Iterator[tuple[str, ...]]:
    for number in range(count):
        yield f"09{number:08}", f"Anh Nguyễn Văn {number % 997}", "Chăm sóc da", f"KH{number:07}", "08/12/2026"


def _table(count: int) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches(
        pa.record_batch([*zip(*part, strict=True)], names=NAMES) for part in _parts(count, 50_000)
    )


def _parts(count: int, size: int) -> Iterator[list[tuple[str, ...]]]:
    every, part = rows(count), []
    for row in every:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([NAMES, *rows(count)])


def _write_jsonl(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=False) + "\n" for row in rows(count)
        )


def _write_parquet(path: Path, count: int) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_table(count), path, row_group_size=100_000)


def _write_xlsx(path: Path, count: int) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate([NAMES, *rows(count)]):
            sheet.write_row(place, 0, row)


def _write_sqlite(path: Path, count: int) -> None:
    made = sqlite3.connect(path)
    made.execute(f"CREATE TABLE customers ({', '.join(f'{name} TEXT' for name in NAMES)})")
    made.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows(count))
    made.commit()
    made.close()


def _write_duckdb(path: Path, count: int) -> None:
    import duckdb

    with duckdb.connect(str(path)) as made:
        made.from_arrow(_table(count)).create("customers")


def _write_postgresql(path: Path, count: int) -> None:
    import psycopg

    with psycopg.connect(_served("postgresql", path)) as made:
        made.execute(f"DROP TABLE IF EXISTS {path.stem}")
        made.execute(f"CREATE TABLE {path.stem} ({', '.join(f'{name} text' for name in NAMES)})")
        with made.cursor().copy(f"COPY {path.stem} FROM STDIN") as into:
            for row in rows(count):
                into.write_row(row)


def _write_mariadb(path: Path, count: int) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(_served("mariadb", path))
    with engine.begin() as made:
        made.exec_driver_sql(f"DROP TABLE IF EXISTS {path.stem}")
        made.exec_driver_sql(f"CREATE TABLE {path.stem} ({', '.join(f'{name} VARCHAR(60)' for name in NAMES)})")
        for part in _parts(count, 10_000):
            made.exec_driver_sql(f"INSERT INTO {path.stem} VALUES (%s, %s, %s, %s, %s)", part)
    engine.dispose()


def _query(path: Path) -> str:
    return f"SELECT {', '.join(NAMES)} FROM {path.stem}"


def _served(kind: str, path: Path) -> str:
    """The address of the server, on which the table is named after the path."""
    return (path.parent / f"{kind}.address").read_text(encoding="utf-8")


@contextlib.contextmanager
def serve(kind: str, folder: Path) -> Iterator[None]:
    """A server for the kinds that need one, during their measurement."""
    place = folder / f"{kind}.address"
    if kind == "postgresql":
        from postgres_server import PostgresServer

        server = PostgresServer()
        place.write_text(server.uri, encoding="utf-8")
        yield
        server.close()
    elif kind == "mariadb":
        from mariadb_server import serve_mariadb

        with serve_mariadb(folder) as address:
            place.write_text(address, encoding="utf-8")
            yield
    else:
        yield


def _count(found: Iterable[object]) -> None:
    deque(found, 0)


def _floor_csv(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        _count(csv.reader(file))


def _floor_jsonl(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        _count(map(json.loads, file))


def _floor_parquet(path: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            _count(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _floor_xlsx(path: Path) -> None:
    import openpyxl

    _count(openpyxl.load_workbook(path, read_only=True).active.iter_rows(values_only=True))


def _floor_sqlite(path: Path) -> None:
    _count(sqlite3.connect(path).execute(QUERY))


def _floor_duckdb(path: Path) -> None:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as made:
        found = made.execute(QUERY)
        while part := found.fetchmany(8_192):
            _count(part)


def _floor_postgresql(path: Path) -> None:
    import psycopg

    # A named cursor, because only its rows stay on the server until fetched.
    with psycopg.connect(_served("postgresql", path)) as made, made.cursor("floor") as found:
        found.itersize = 8_192
        _count(found.execute(_query(path)))


def _floor_mariadb(path: Path) -> None:
    import pymysql
    from pymysql.cursors import SSCursor

    place = _served("mariadb", path).partition("unix_socket=")[2].partition("&")[0]
    with (
        pymysql.connect(unix_socket=place, user="root", database="shop", charset="utf8mb4") as made,
        made.cursor(SSCursor) as found,
    ):
        found.execute(_query(path))
        _count(found)


def _floor_frame(_path: Path) -> None:
    for batch in _FRAME[0].to_batches(8_192):
        _count(zip(*(column.to_pylist() for column in batch.columns), strict=True))


@dataclass(frozen=True)
class Kind:
    suffix: str
    write: Callable[[Path, int], None] | None
    source: Callable[[Path], Any]
    floor: Callable[[Path], None]


# The table of a data frame, created before the measurement.
_FRAME: list[Any] = []


def _frame(_path: Path) -> Any:
    return _FRAME[0]


KINDS = {
    "csv": Kind("csv", _write_csv, Path, _floor_csv),
    "jsonl": Kind("jsonl", _write_jsonl, Path, _floor_jsonl),
    "parquet": Kind("parquet", _write_parquet, Path, _floor_parquet),
    "xlsx": Kind("xlsx", _write_xlsx, Path, _floor_xlsx),
    "sqlite": Kind("sqlite", _write_sqlite, lambda path: SqlQuery(f"sqlite:///{path}", QUERY), _floor_sqlite),
    "duckdb": Kind("duckdb", _write_duckdb, lambda path: SqlQuery(f"duckdb:///{path}", QUERY), _floor_duckdb),
    "postgresql": Kind(
        "pg", _write_postgresql, lambda path: SqlQuery(_served("postgresql", path), _query(path)), _floor_postgresql
    ),
    "mariadb": Kind(
        "maria", _write_mariadb, lambda path: SqlQuery(_served("mariadb", path), _query(path)), _floor_mariadb
    ),
    "arrow": Kind("", None, _frame, _floor_frame),
    "pandas": Kind("", None, lambda path: _FRAME[0].to_pandas(), _floor_frame),
    "polars": Kind("", None, lambda path: _polars(), _floor_frame),
    "list": Kind("", None, lambda path: _FRAME[0].to_pylist(), _floor_frame),
}


def _polars() -> Any:
    import polars

    return polars.from_arrow(_FRAME[0])


def measure(kind: Kind, path: Path, count: int, floor: bool) -> None:
    """Run in a separate process: CPU seconds and the growth of peak memory."""

    def prepare(path: Path, count: int) -> Any:
        if kind.write is None:
            _FRAME[:] = [_table(count)]
        return kind.source(path)

    def read(path: Path, source: Any) -> int:
        report = ReadReport()
        if floor:
            kind.floor(path)
        else:
            _count(read_recipients(source, Columns(params=NAMES[1:]), report=report))
        return report.accepted

    # One-time loading counts neither as growth nor as time per row.
    few = path.with_stem("few")
    if kind.write is not None:
        few.unlink(missing_ok=True)
        kind.write(few, 10)
    read(few, prepare(few, 10))
    source = prepare(path, count)
    before, begun = memory_mb(), time.process_time()
    accepted = read(path, source)
    print(json.dumps([time.process_time() - begun, memory_mb() - before, accepted]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--kinds", default=",".join(KINDS))
    options.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        name, path, floor = given.measure
        measure(KINDS[name], Path(path), given.rows, floor == "floor")
        return
    print(f"{given.rows:,} rows   {'thousand rows/s':>16}{'its library alone':>20}{'ratio':>8}{'growth, MB':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.kinds.split(","):
            kind, path = KINDS[name], Path(folder) / f"customers.{KINDS[name].suffix}"
            with serve(name, Path(folder)):
                if kind.write is not None:
                    kind.write(path, given.rows)
                found = []
                for floor in ("", "floor"):
                    command = [sys.executable, __file__, "--rows", str(given.rows), "--measure", name, str(path), floor]
                    found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            (seconds, growth, accepted), (alone, _, _) = found
            assert accepted == given.rows, (name, accepted)
            rate, best = given.rows / seconds / 1e3, given.rows / alone / 1e3
            print(f"{name:<16}{rate:>16.0f}{best:>20.0f}{seconds / alone:>8.1f}{growth:>12.1f}", flush=True)
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
