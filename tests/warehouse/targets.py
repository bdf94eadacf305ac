"""
The targets that the shared suite runs over, and what its tests load and look at.

To add a target: a function that makes one, and a line in `TARGETS`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import psycopg
import pyarrow as pa
import pytest
from file_targets import make_dlt, make_files
from psycopg.rows import dict_row

from esms_connectors.gateway.states import state_of_row
from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.contract import (
    HISTORY,
    LOADS,
    MESSAGES,
    ROW_SCHEMA,
    MergeCounts,
    Warehouse,
    WindowLoad,
)
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse
from esms_connectors.warehouse.postgresql import PostgresWarehouse

# A day in Vietnam.
DAY = pendulum.datetime(2026, 11, 1, 17, tz="UTC")
WINDOW = SentWindow(25, DAY, DAY.add(days=1))
NEXT_WINDOW = SentWindow(25, DAY.add(days=1), DAY.add(days=2))
PLANNED = DAY.add(days=3)
PRIVACY = "phone=plain, content=kept"

PENDING, SENT, DELIVERED, FAILED, REJECTED = (2, None), (5, 2), (5, 1), (5, 0), (4, None)

Row = dict[str, Any]


@dataclass
class Target:
    """
    Attributes:
        address: as `open_warehouse` takes it.
        again: another handle on the same place.
        read: table and columns, all by default -> its rows, in no order, without our code.
        key_length: characters that a key may have.
        in_steps: history, rows and load come one after the other; loading again heals what was broken off.
    """

    address: str
    warehouse: Warehouse
    again: Callable[[], Warehouse]
    read: Callable[..., list[Row]]
    in_steps: bool = False
    key_length: int = 1_000_000

    def messages(self, *columns: str) -> dict[str, Row]:
        """Rows by key, with some columns or all; fails where a key is there twice."""
        rows = self.read(MESSAGES, *(("row_key", *columns) if columns else ()))
        found = {row["row_key"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def history(self) -> list[Row]:
        return sorted(self.read(HISTORY), key=lambda line: (line["row_key"], line["observed_at"]))

    def loads(self) -> list[Row]:
        return sorted(self.read(LOADS), key=lambda line: (line["sms_type"], line["window_start"]))


def make_duckdb(request: pytest.FixtureRequest, folder: Path) -> Target:
    path = folder / "warehouse" / "esms.duckdb"

    def read(table: str, *columns: str) -> list[Row]:
        from duckdb_reading import duckdb_file  # which the processes that import this file do not find

        with duckdb_file(path) as connection:
            return connection.sql(f"SELECT {', '.join(columns) or '*'} FROM {table}").to_arrow_table().to_pylist()

    make = functools.partial(DuckDbWarehouse, path)
    return Target(f"duckdb:///{path}", make(), make, read)


def make_postgresql(request: pytest.FixtureRequest, folder: Path) -> Target:
    server = request.getfixturevalue("postgres")
    schema = server.new_schema()
    url = f"{server.uri}&schema={schema}&application_name={schema}"

    def read(table: str, *columns: str) -> list[Row]:
        with psycopg.connect(server.uri, row_factory=dict_row) as connection:
            connection.execute("SET TIME ZONE 'Asia/Ho_Chi_Minh'")
            return connection.execute(f"SELECT {', '.join(columns) or '*'} FROM {schema}.{table}".encode()).fetchall()

    make = functools.partial(PostgresWarehouse, url)
    return Target(url, make(), make, read)


def make_mysql(request: pytest.FixtureRequest, folder: Path) -> Target:
    import pymysql
    import sqlalchemy as sa
    from pymysql.cursors import DictCursor

    from esms_connectors.warehouse.mysql import MySqlWarehouse

    server = sa.make_url(request.getfixturevalue("mariadb"))
    name = f"w{hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()}"
    socket = server.query["unix_socket"]
    flags = {"applied", "closed"}

    def ask(statement: str) -> Any:
        connection = pymysql.connect(unix_socket=socket, user="root", charset="utf8mb4", cursorclass=DictCursor)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def read(table: str, *columns: str) -> list[Row]:
        def value(name: str, found: Any) -> Any:
            return found.replace(tzinfo=UTC) if isinstance(found, datetime) else bool(found) if name in flags else found

        found = ask(f"SELECT {', '.join(columns) or '*'} FROM {name}.{table}")
        return [{name: value(name, one) for name, one in line.items()} for line in found]

    ask(f"CREATE DATABASE {name}")
    url = f"mysql://root@localhost/{name}?unix_socket={socket}"
    make = functools.partial(MySqlWarehouse, url)
    return Target(url, make(), make, read, key_length=700)


def make_other(parts: Callable[..., Any], request: pytest.FixtureRequest, folder: Path) -> Target:
    address, make, read = parts(request, folder)
    return Target(address, make(), make, read, in_steps=address.startswith("dlt:"))


TARGETS: dict[str, Callable[[pytest.FixtureRequest, Path], Target]] = {
    "duckdb": make_duckdb,
    "postgresql": make_postgresql,
    "parquet": functools.partial(make_other, functools.partial(make_files, "parquet")),
    "csv": functools.partial(make_other, functools.partial(make_files, "csv")),
    "jsonl": functools.partial(make_other, functools.partial(make_files, "jsonl")),
    "dlt": functools.partial(make_other, make_dlt),
}
# A MariaDB is no part of every run: `make test-mysql` asks for it, and takes nothing else.
MYSQL = pytest.param("mysql", marks=pytest.mark.mysql)
ALL_TARGETS = {**TARGETS, "mysql": make_mysql}

# The merge is one SQL, which DuckDB and PostgreSQL run in full. For files and through dlt it is done in a DuckDB, too:
# their own are the way there and back, what they check, and how they plan and erase. Of the rules of the merge they get
# those that cross the way, and files those of windows that share rows, because each day of them is a file.
_THROUGH_DLT = {
    "test_new_rows_are_stored_unchanged",
    "test_changed_status_is_stored_and_recorded_in_history",
    "test_load_record_contains_all_fields",
    "test_planning_a_loaded_window_keeps_its_load_record",
    "test_recount_updates_only_counted_at",
    "test_load_order_takes_precedence_over_clock_times",
    "test_different_phone_privacy_setting_is_rejected",
    "test_erase_by_stored_phone_removes_rows_and_history",
    "test_erase_by_row_keys_removes_rows_and_history",
}
_OF_FILES = {
    *_THROUGH_DLT,
    "test_reloading_identical_rows_changes_nothing",
    "test_regression_flag_is_cleared_when_status_recovers",
    "test_older_reading_does_not_overwrite_a_newer_change",
    "test_failing_row_source_rolls_back_the_load",
}
_OF_PARTITIONS = {
    *_OF_FILES,
    "test_older_reading_does_not_overwrite_the_load_record",
    "test_row_in_two_windows_is_stored_once",
    "test_first_load_of_a_window_merges_rows_shared_with_its_neighbour",
    "test_load_leaves_windows_of_other_days_and_types_unchanged",
    "test_empty_window_is_recorded_as_a_load",
    "test_loads_are_read_back_in_order",
    "test_load_does_not_overwrite_a_later_plan",
    "test_empty_plan_records_no_loads",
    "test_ctrl_c_inside_the_database_stays_keyboard_interrupt_and_rolls_back",
    "test_error_mentioning_an_interrupt_keeps_its_type",
    "test_wrong_row_count_is_rejected",
    "test_rows_of_another_window_are_rejected",
    "test_random_load_sequence_matches_the_reference_model",
    "test_erase_on_an_empty_warehouse_removes_nothing",
    "test_closing_twice_is_harmless",
}
RULES: dict[str, set[str]] = {
    "mysql": set(),
    "parquet": _OF_PARTITIONS,
    "csv": _OF_FILES,
    "jsonl": _OF_FILES,
    "dlt": {
        *_THROUGH_DLT,
        "test_rows_of_another_window_are_rejected",
        "test_second_attempt_with_the_same_id_is_a_separate_row",
    },
}


def key_of(number: int) -> str:
    return f"m{number}-1:{hashlib.blake2b(str(number).encode(), digest_size=8).hexdigest()}"


def row(
    number: int, status: tuple[int | None, int | None] = DELIVERED, window: SentWindow = WINDOW, **other: Any
) -> Row:
    """A row as the loader hands it over."""
    return {
        "row_key": key_of(number),
        "message_id": f"m{number}-1",
        "phone": f"090{number:07d}",
        "sms_type": window.sms_type,
        "campaign": "Khai trương",
        "content": f"Xin chào khách {number}",
        "price_vnd": Decimal("300.0000"),
        "send_status": status[0],
        "send_result": status[1],
        "status_text": None,
        "state": state_of_row(*status).value,
        "sent_at": datetime(2026, 11, 2, 3, 4, 5, 678_000, UTC),
        "portal_id": str(10_000 + number),
        "window_start": window.start,
        "window_end": window.end,
        **other,
    }


def batches(rows: Sequence[Row], size: int = 500) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(list(rows[start : start + size]), schema=ROW_SCHEMA)


def read_at(minute: int) -> datetime:
    """When the reading of a load began."""
    return PLANNED + timedelta(minutes=minute)


def number_at(minute: int) -> int:
    """The number of a load that was planned then."""
    return int(read_at(minute).timestamp() * 1000)


def load_of(row_count: int, minute: int = 0, window: SentWindow = WINDOW, **other: Any) -> WindowLoad:
    settings: dict[str, Any] = {
        "window": window,
        "planned_at": PLANNED,
        "privacy": PRIVACY,
        "planned_number": number_at(minute),
        "read_number": number_at(minute),
        "read_at": read_at(minute),
        "loaded_at": read_at(minute),
        "closed": True,
        "row_count": row_count,
        "count_total": row_count,
        "digest": "0" * 16,
    }
    return WindowLoad(**(settings | other))


def merge(
    target: Target | Warehouse, rows: Sequence[Row], minute: int = 0, window: SentWindow = WINDOW, **other: Any
) -> MergeCounts:
    """Load `rows`, read `minute` minutes after the plan."""
    warehouse = target.warehouse if isinstance(target, Target) else target
    return warehouse.merge(load_of(len(rows), minute, window, **other), batches(rows))


def many(count: int, status: tuple[int | None, int | None] = SENT, first: int = 0) -> Iterator[pa.RecordBatch]:
    """`count` rows made column by column, because they are many."""
    for start in range(first, first + count, 10_000):
        numbers = range(start, min(start + 10_000, first + count))
        one = row(0, status)
        columns = {name: [one[name]] * len(numbers) for name in ROW_SCHEMA.names}
        columns["row_key"] = [f"many-{number}" for number in numbers]
        columns["message_id"] = [f"m{number}" for number in numbers]
        columns["content"] = [f"Xin chào khách hàng số {number}" for number in numbers]
        yield pa.RecordBatch.from_pydict(columns, schema=ROW_SCHEMA)


def start_loader(target: Target, **job: Any) -> subprocess.Popen[str]:
    """Another process that loads; see `loader_child.py`."""
    return subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("loader_child.py")),
            json.dumps({"address": target.address, **job}),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def release(*loaders: subprocess.Popen[str]) -> None:
    """Let loaders go, together, once all of them are up."""
    for loader in loaders:
        assert loader.stdout is not None
        assert loader.stdout.readline() == "ready\n"
    for loader in loaders:
        assert loader.stdin is not None
        loader.stdin.write("\n")
        loader.stdin.flush()


def finish(loader: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str]:
    """Its exit code and what it said last."""
    said, _ = loader.communicate(timeout=seconds)
    return loader.returncode, said.strip().splitlines()[-1] if said.strip() else ""
