"""What is special about a DuckDB file: who may have it open, where it may lie, what it does to the disk."""

from __future__ import annotations

import hashlib
import logging
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from targets import (
    DELIVERED,
    PLANNED,
    PRIVACY,
    WINDOW,
    Target,
    batches,
    finish,
    key_of,
    load_of,
    many,
    merge,
    release,
    row,
    start_loader,
)

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.warehouse.contract import (
    COLUMNS,
    HISTORY,
    LOADS,
    MESSAGES,
    TABLES,
    MergeCounts,
    Person,
    WarehouseError,
)
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse
from esms_connectors.warehouse.merge_database import merge_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "esms.duckdb"


@contextmanager
def held_by_another_process(path: Path, *, read_only: bool = False) -> Iterator[subprocess.Popen[str]]:
    opened = f"duckdb.connect({str(path)!r}, read_only={read_only})"
    code = f"import duckdb; held = {opened}; print('held', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def one_line(call: Callable[[], object], kind: type[EsmsError]) -> str:
    """What an error says, which is one line, without DuckDB's own attached to it."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    said = str(caught.value)
    assert "\n" not in said
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return said


@pytest.mark.in_turn
@pytest.mark.parametrize("read_only", [False, True], ids=["a writer", "a reader"])
def test_file_open_in_another_process_gives_retryable_one_line_error(
    path: Path, read_only: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for, one log line says so, and then one line says who must let go. Later, it works."""
    warehouse = DuckDbWarehouse(path, wait_seconds=0.3)
    warehouse.prepare()
    with held_by_another_process(path, read_only=read_only), caplog.at_level(logging.INFO):
        said = one_line(warehouse.prepare, WarehouseError)
        assert "another process" in said
        assert str(path) in said
        with pytest.raises(WarehouseError) as caught:
            merge(warehouse, [row(1)])
        assert caught.value.retryable
    assert [record.message for record in caplog.records] == [f"{path} is open elsewhere; waiting up to 0 seconds."] * 2
    assert merge(warehouse, [row(1)]) == MergeCounts(inserted=1)


@pytest.mark.in_turn(every=3)
def test_merge_waits_until_the_other_process_closes_the_file(path: Path) -> None:
    """The load goes on as soon as the file is free."""
    warehouse = DuckDbWarehouse(path, wait_seconds=120)
    warehouse.prepare()
    with held_by_another_process(path) as holder:
        threading.Timer(0.4, holder.kill).start()
        began = time.monotonic()
        assert merge(warehouse, [row(1)]) == MergeCounts(inserted=1)
        assert time.monotonic() - began < 60


@pytest.mark.in_turn(every=3)
def test_second_connection_in_this_process_gives_one_line_error(path: Path) -> None:
    """A notebook that has it open is told apart from another process."""
    warehouse = DuckDbWarehouse(path, wait_seconds=0.1)
    warehouse.prepare()
    with duckdb.connect(str(path)):
        assert "this process, through another connection" in one_line(warehouse.prepare, WarehouseError)
    with duckdb.connect() as other:
        other.execute(f"ATTACH '{path}' AS theirs")
        assert "this process, through another connection" in one_line(warehouse.prepare, WarehouseError)
    warehouse.prepare()


@pytest.mark.in_turn(every=3)
def test_file_is_not_locked_between_calls_or_while_iterating_loads(duckdb_target: Target) -> None:
    """Nothing is held between calls, nor while the lines of `loads` are worked through."""
    warehouse = duckdb_target.warehouse
    warehouse.plan([WINDOW], planned_at=PLANNED, privacy=PRIVACY)
    for _ in warehouse.loads():
        assert merge(warehouse, [row(1)]) == MergeCounts(inserted=1)
        assert set(duckdb_target.messages()) == {key_of(1)}


def test_calls_inside_held_commit_or_roll_back_one_by_one(duckdb_target: Target) -> None:
    """Also after an erasure, which replaces the file that is open."""
    warehouse = duckdb_target.warehouse
    person = Person(str(row(2)["phone"]), lambda _: "")
    with warehouse.held():
        merge(warehouse, [row(1), row(2)])
        with pytest.raises(WarehouseError):
            warehouse.merge(load_of(2, minute=1), batches([row(3)]))
        assert warehouse.erase(person) == {MESSAGES: 1, HISTORY: 0}
        assert merge(warehouse, [row(1), row(4)], minute=2) == MergeCounts(inserted=1, unchanged=1)
    assert set(duckdb_target.messages()) == {key_of(1), key_of(4)}


def test_file_that_is_not_duckdb_is_rejected_and_left_unchanged(tmp_path: Path) -> None:
    """A text, an SQLite database, an empty file: one line each, and the file is left as it is."""
    text, empty, sqlite = (tmp_path / name for name in ("text.duckdb", "empty.duckdb", "sqlite.duckdb"))
    text.write_text("no database " * 1_000)
    empty.touch()
    with sqlite3.connect(sqlite) as connection:
        connection.execute("CREATE TABLE one (two)")
    connection.close()
    for path in (text, empty, sqlite):
        before = path.read_bytes()
        assert str(path) in one_line(DuckDbWarehouse(path).prepare, ConfigurationError)
        assert path.read_bytes() == before


def test_file_of_a_newer_duckdb_gives_one_line_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What DuckDB says of a storage version that it does not know becomes one line with what to do."""

    def refuse(*_: object, **__: object) -> None:
        raise duckdb.IOException(
            "IO Error: Trying to read a database file with storage version number 999, but we can only read storage "
            "versions between 64 and 68.\nThe database file was created with a newer version of DuckDB."
        )

    monkeypatch.setattr(duckdb, "connect", refuse)
    assert "newer DuckDB" in one_line(DuckDbWarehouse(path).prepare, ConfigurationError)


def test_folder_as_database_path_gives_one_line_error(tmp_path: Path) -> None:
    assert "is a folder" in one_line(DuckDbWarehouse(tmp_path).prepare, ConfigurationError)


def test_parent_folders_of_the_file_are_created(tmp_path: Path) -> None:
    DuckDbWarehouse(tmp_path / "a" / "b" / "it's ü.duckdb").prepare()
    assert (tmp_path / "a" / "b" / "it's ü.duckdb").is_file()


def test_parent_folder_that_cannot_be_created_gives_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = one_line(DuckDbWarehouse(tmp_path / "file" / "esms.duckdb").prepare, ConfigurationError)
    assert "cannot be created" in said


def test_file_without_write_permission_gives_one_line_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, before DuckDB is asked. (Root may write everywhere, so the system's answer is put in its mouth.)"""
    DuckDbWarehouse(path).prepare()
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path)
    assert "may not be written" in one_line(DuckDbWarehouse(path).prepare, ConfigurationError)


@pytest.mark.parametrize("path", ["", ":memory:", ":memory:esms"])
def test_in_memory_database_is_rejected(path: str) -> None:
    """What was loaded must outlive the process."""
    assert "outlive" in one_line(lambda: DuckDbWarehouse(path), ConfigurationError)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TABLE {MESSAGES} (message_id text)",
        f"CREATE TABLE {LOADS} AS SELECT 1 AS one",
        f"CREATE VIEW {HISTORY} AS SELECT 1 AS row_key",
    ],
)
def test_foreign_tables_with_our_names_are_rejected(path: Path, statement: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    said = one_line(DuckDbWarehouse(path).prepare, ConfigurationError)
    assert "not created by esms-connectors" in said
    with pytest.raises(ConfigurationError):
        merge(DuckDbWarehouse(path), [row(1)])


def test_dropped_table_gives_one_line_error(path: Path) -> None:
    """Making it anew would hide that rows are lost."""
    warehouse = DuckDbWarehouse(path)
    warehouse.prepare()
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"DROP TABLE {HISTORY}")
    assert HISTORY not in one_line(warehouse.prepare, ConfigurationError).split("restore")[0]


def test_other_tables_in_the_file_are_preserved(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT 1 AS id")
    merge(DuckDbWarehouse(path), [row(1)])
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT id FROM customers").fetchall() == [(1,)]


def test_tables_and_columns_have_comments(path: Path) -> None:
    DuckDbWarehouse(path).prepare()
    with duckdb.connect(str(path)) as connection:
        tables = connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
        columns = connection.execute("SELECT table_name, column_name, comment FROM duckdb_columns()").fetchall()
    assert dict(tables) == TABLES
    assert {table: {name: comment for of, name, comment in columns if of == table} for table in COLUMNS} == COLUMNS


@pytest.mark.in_turn
def test_full_disk_rolls_back_the_load(duckdb_target: Target) -> None:
    """One line, nothing of the window, and room again lets it be loaded. The limit is on the size of files."""
    target = duckdb_target
    target.warehouse.merge(load_of(1_000), many(1_000))
    room = Path(target.warehouse.name).stat().st_size + 300_000
    loader = start_loader(target, count=200_000, minute=5, status=DELIVERED, file_limit=room)
    release(loader)
    code, said = finish(loader)
    assert code == 3
    assert said.startswith("WarehouseError: ")
    assert "is full" in said
    assert {stored["state"] for stored in target.messages().values()} == {"sent"}
    assert len(target.read(MESSAGES)) == 1_000
    assert target.loads()[0]["load_count"] == 1
    assert target.warehouse.merge(load_of(1_000, minute=6), many(1_000, DELIVERED)) == MergeCounts(changed=1_000)


@pytest.mark.in_turn(every=3)
def test_insufficient_memory_gives_one_line_error_and_stores_nothing(path: Path) -> None:
    """One line says what to turn; nothing was kept."""
    DuckDbWarehouse(path).prepare()
    small = DuckDbWarehouse(path, memory_limit="2MB")
    said = one_line(lambda: small.merge(load_of(50_000), many(50_000)), WarehouseError)
    assert "memory" in said
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {MESSAGES}").fetchall() == [(0,)]


@pytest.mark.in_turn
def test_update_of_all_long_texts_fits_the_memory_limit(path: Path) -> None:
    """What DuckDB holds until the commit is counted in bytes: 20 000 rows may be few of them or many."""

    def long(letter: str) -> Iterator[pa.RecordBatch]:
        for batch in many(25_000):
            place = batch.schema.get_field_index("content")
            texts = pa.array([f"{letter}{hashlib.sha512(key.encode()).hexdigest()}" * 8 for key in keys_of(batch)])
            yield batch.set_column(place, batch.schema.field(place), texts)

    def keys_of(batch: pa.RecordBatch) -> list[str]:
        return batch.column("row_key").to_pylist()

    warehouse = DuckDbWarehouse(path, memory_limit="36MB")
    warehouse.merge(load_of(25_000), long("a"))
    assert warehouse.merge(load_of(25_000, minute=5), long("b")) == MergeCounts(changed=25_000)


@pytest.mark.in_turn(every=3)
def test_duckdb_constraint_error_is_reported_without_row_content(path: Path) -> None:
    """They may quote a row: a text that a column of the table does not take, here after a change by somebody."""
    warehouse = DuckDbWarehouse(path)
    merge(warehouse, [row(1)])
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE UNIQUE INDEX one_text_each ON {MESSAGES} (content)")
    twice = [row(2, content=row(1)["content"])]
    said = one_line(lambda: merge(warehouse, twice), WarehouseError)
    assert "refused" in said
    assert row(1)["content"] not in said
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {MESSAGES}").fetchall() == [(1,)]


def test_duckdb_progress_bar_is_disabled(path: Path) -> None:
    """Not by a merge, not while reading, however long they take."""
    question = "SELECT current_setting('enable_progress_bar')"
    warehouse = DuckDbWarehouse(path)
    merge(warehouse, [row(1)])
    assert warehouse.ask(lambda reader: list(reader.read(question))) == [(False,)]
    with scratch_folder() as folder, merge_database(folder) as connection:
        assert connection.execute(question).fetchall() == [(False,)]


@pytest.mark.memory
def test_memory_does_not_grow_with_the_window_size(tmp_path: Path) -> None:
    """Ten times the rows take little more memory: chunks are let go of once they are merged."""
    code = """
import resource, sys
from targets import load_of, many
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse
from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.warehouse.merge_database import merge_database
count = int(sys.argv[2])
DuckDbWarehouse(sys.argv[1]).merge(load_of(count), many(count))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, str(tmp_path / f"{count}.duckdb"), str(count)],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for count in (50_000, 500_000)
    ]
    assert peaks[1] - peaks[0] < 150


def test_warehouse_name_is_the_file_path(path: Path) -> None:
    assert DuckDbWarehouse(path).name == str(path)


def test_failed_file_creation_on_full_disk_does_not_block_later_loads(
    duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was written of it is gone, and the next load makes it anew."""
    path = Path(duckdb_target.address.removeprefix("duckdb:///"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        text = one_line(duckdb_target.warehouse.prepare, WarehouseError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "nothing was stored" in text
    assert list(path.parent.iterdir()) == []
    duckdb_target.warehouse.prepare()
    assert merge(duckdb_target, [row(1)]) == MergeCounts(inserted=1)


def test_file_is_accessible_to_its_owner_only(duckdb_target: Target) -> None:
    path = Path(duckdb_target.address.removeprefix("duckdb:///"))
    assert merge(duckdb_target, [row(1)]) == MergeCounts(inserted=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]
