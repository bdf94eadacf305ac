"""Files that hold rows of people: who may read them, what is left of them after kill -9, and after an erasure."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from targets import PLANNED, PRIVACY, WINDOW, batches, load_of, row

from esms_connectors.databases.scratch import scratch_folder, sweep
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, Person
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse
from esms_connectors.warehouse.files import FilesWarehouse


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Of a user who hides nothing: what is closed is closed by us."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes_of(folder: Path) -> dict[str, int]:
    """Of all that holds rows; lock files hold none."""
    found = [folder, *folder.rglob("*")]
    return {str(one.relative_to(folder)): stat.S_IMODE(one.stat().st_mode) for one in found if one.suffix != ".lock"}


def load(warehouse: FilesWarehouse | DuckDbWarehouse, count: int, first: int = 0) -> None:
    warehouse.plan([WINDOW], planned_at=PLANNED, privacy=PRIVACY)
    warehouse.merge(load_of(count), batches([row(number) for number in range(first, first + count)]))


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_files_and_folders_are_accessible_to_their_owner_only(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "made" / "warehouse"
    warehouse = FilesWarehouse(f"{folder}?format={kind}")
    warehouse.prepare()
    load(warehouse, 3)
    modes = modes_of(tmp_path / "made")
    assert len([name for name in modes if name.endswith(kind)]) == 2
    assert {oct(mode) for name, mode in modes.items() if "." in Path(name).name and name != "."} == {"0o600"}
    assert {oct(mode) for name, mode in modes.items() if "." not in Path(name).name or name == "."} == {"0o700"}


@pytest.mark.in_turn(every=3)
def test_later_loads_inherit_permissions_of_the_settings_file(tmp_path: Path) -> None:
    """Whoever opens the settings file to a group opens what later loads write."""
    folder = tmp_path / "warehouse"
    warehouse = FilesWarehouse(str(folder))
    warehouse.prepare()
    (folder / "_esms_warehouse.json").chmod(0o640)
    load(FilesWarehouse(str(folder)), 3)
    load(FilesWarehouse(str(folder)), 3)
    modes = modes_of(folder)
    assert {oct(mode) for name, mode in modes.items() if name.endswith((".parquet", ".json"))} == {"0o640"}
    assert {oct(modes[name]) for name in modes if name.endswith("type=25")} == {"0o750"}


_KILLED = """
import os, signal, sys, time
from targets import PLANNED, PRIVACY, WINDOW, batches, load_of, row
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse

class Killed(DuckDbWarehouse):
    def _disconnect(self, connection):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(5)

warehouse = DuckDbWarehouse(sys.argv[1])
warehouse.prepare()
warehouse.plan([WINDOW], planned_at=PLANNED, privacy=PRIVACY)
Killed(sys.argv[1]).merge(load_of(3), batches([row(number) for number in range(3)]))
"""


def run_child(code: str, *arguments: str) -> int:
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=False).returncode


@pytest.mark.in_turn
@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_wal_of_a_killed_load_has_the_permissions_of_the_database_file(tmp_path: Path, mode: int) -> None:
    """Killed between commit and close: the rows are in the log; what has spilled is removed by the next load."""
    path = tmp_path / "esms.duckdb"
    DuckDbWarehouse(path).prepare()
    path.chmod(mode)
    assert run_child(_KILLED, str(path)) == -signal.SIGKILL
    log = tmp_path / "esms.duckdb.wal"
    assert row(1)["phone"].encode() in log.read_bytes()
    assert oct(stat.S_IMODE(log.stat().st_mode)) == oct(mode)
    spilled = tmp_path / "esms.duckdb.tmp"
    assert oct(stat.S_IMODE(spilled.stat().st_mode)) == "0o700"
    (spilled / "duckdb_temp_storage-0.tmp").write_text("0901000001")
    aside = tmp_path / ".esms-rewrite-esms.duckdb-dead"
    aside.mkdir()
    load(DuckDbWarehouse(path), 3, first=3)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql(f"SELECT count(*) FROM {MESSAGES}").fetchall() == [(6,)]
    assert {one.name for one in tmp_path.iterdir()} == {"esms.duckdb"}
    assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(mode)


@pytest.mark.in_turn
def test_erased_person_leaves_no_bytes_on_disk(tmp_path: Path) -> None:
    """Not only from the tables: no byte of phone or key is left in any file; what others made in the file stays."""
    path = tmp_path / "it's my" / "esms.duckdb"
    warehouse = DuckDbWarehouse(path)
    load(warehouse, 50)
    path.chmod(0o640)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS answer")
        connection.execute(f"CREATE VIEW delivered AS SELECT * FROM {MESSAGES}")
    phone, other = row(7)["phone"], row(8)["phone"]
    assert phone.encode() in path.read_bytes()
    assert warehouse.erase(Person(phone, lambda _: "")) == {MESSAGES: 1, HISTORY: 0}
    content = b"".join(one.read_bytes() for one in path.parent.rglob("*") if one.is_file())
    assert phone.encode() not in content
    assert other.encode() in content
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert oct(stat.S_IMODE(path.stat().st_mode)) == "0o640"
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("SELECT answer, (SELECT count(*) FROM delivered) FROM mine").fetchall() == [(42, 49)]
    load(warehouse, 1, first=90)
    load(warehouse, 1, first=90)
    assert len(list(warehouse.loads())) == 1


@pytest.mark.in_turn(every=3)
def test_load_concurrent_with_an_erasure_writes_to_the_replaced_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had the old file in its hands when the new one was put instead."""
    path = tmp_path / "esms.duckdb"
    warehouse = DuckDbWarehouse(path)
    load(warehouse, 5)
    connect, replaced = duckdb.connect, []

    def connect_late(*arguments: object, **settings: object) -> duckdb.DuckDBPyConnection:
        opened = connect(*arguments, **settings)
        if not replaced:
            replaced.append(path)
            new = tmp_path / "new.duckdb"
            new.write_bytes(path.read_bytes())
            os.replace(new, path)
        return opened

    monkeypatch.setattr(duckdb, "connect", connect_late)
    warehouse.merge(load_of(1), batches([row(9)]))
    monkeypatch.undo()
    assert replaced
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql(f"SELECT count(*) FROM {MESSAGES}").fetchall() == [(6,)]


_KILLED_IN_SCRATCH = """
import os, signal, time
from esms_connectors.databases.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "rows").write_text("0901000001")
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(5)
"""


def test_scratch_folder_of_a_killed_process_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the living, nothing that is not ours, and nothing behind a link."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_child(_KILLED_IN_SCRATCH) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert oct(stat.S_IMODE(left.stat().st_mode)) == "0o700"
    kept = tmp_path / "kept"
    left.rename(kept)
    (tmp_path / "esms-link").symlink_to(kept)
    (tmp_path / "esms-of-somebody").mkdir()
    assert run_child(_KILLED_IN_SCRATCH) == -signal.SIGKILL
    with scratch_folder() as folder:
        (folder / "rows").write_text("x")
        sweep(tmp_path)
        assert (folder / "rows").exists()
        names = {one.name for one in tmp_path.iterdir()}
        assert names == {"kept", "esms-link", "esms-of-somebody", folder.parent.name}
    assert (kept / "files" / "rows").exists()
