"""What only files have: their layout, their readers, the moves of a commit, object stores."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import fsspec
import pyarrow.dataset
import pytest
from file_targets import FILE_NAMES, read_files
from fsspec.implementations.memory import MemoryFileSystem
from targets import (
    DAY,
    DELIVERED,
    NEXT_WINDOW,
    PENDING,
    PLANNED,
    PRIVACY,
    SENT,
    WINDOW,
    batches,
    key_of,
    load_of,
    merge,
    row,
)

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, MergeCounts, Person, WarehouseError
from esms_connectors.warehouse.files import FilesWarehouse

PARTITION = "day=2026-11-02/type=25"
AN_HOUR = SentWindow(25, DAY.add(hours=1), DAY.add(hours=2))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def files(lake: Path) -> FilesWarehouse:
    """A Parquet warehouse in `lake`."""
    warehouse = FilesWarehouse(str(lake))
    warehouse.prepare()
    return warehouse


@pytest.fixture
def bucket() -> Iterator[str]:
    """A new place on fsspec's file system in memory, which knows whole objects only, as S3 does."""
    name = f"bucket-{uuid.uuid4().hex}"
    yield f"memory://{name}/prefix"
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def stored_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def states(warehouse_root: Path) -> dict[str, str]:
    return {line["row_key"]: line["state"] for line in read_files("parquet", warehouse_root, MESSAGES)}


# --- layout and readers ----------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_files_are_partitioned_by_vietnam_day_and_type(lake: Path, files: FilesWarehouse) -> None:
    """Rows, history and loads lie by day and type, and nothing else is left lying about."""
    merge(files, [row(1, SENT)])
    merge(files, [row(1, DELIVERED)], minute=5)
    zns = SentWindow(2, NEXT_WINDOW.start, NEXT_WINDOW.end)
    merge(files, [row(2, window=zns)], window=zns)
    assert stored_in(lake) == [
        "_esms_adrift/type=2/day=2026-11-03.parquet",
        "_esms_adrift/type=25/day=2026-11-02.parquet",
        "_esms_warehouse.json",
        f"{LOADS}/{PARTITION}/loads.parquet",
        f"{LOADS}/day=2026-11-03/type=2/loads.parquet",
        f"{MESSAGES}/{PARTITION}/messages.parquet",
        f"{MESSAGES}/day=2026-11-03/type=2/messages.parquet",
        f"{HISTORY}/{PARTITION}/history.parquet",
    ]


@pytest.mark.parametrize(
    "window", [SentWindow(25, DAY.add(hours=20), DAY.add(hours=28)), SentWindow(25, DAY, DAY.add(days=2))]
)
def test_window_across_midnight_is_rejected(files: FilesWarehouse, window: SentWindow) -> None:
    """Neither planned nor merged: the error says where to cut."""
    with pytest.raises(InvalidRequestError, match="crosses midnight: split it there"):
        files.plan([WINDOW, window], planned_at=PLANNED, privacy=PRIVACY)
    with pytest.raises(InvalidRequestError, match="crosses midnight"):
        merge(files, [row(1, window=window)], window=window)
    assert list(files.loads()) == []


@pytest.mark.in_turn(every=3)
def test_duckdb_and_pyarrow_read_every_row_once(lake: Path, files: FilesWarehouse) -> None:
    """DuckDB and pyarrow.dataset read the folder as it is, partitions as columns, also beside a dead writer."""
    merge(files, [row(number) for number in range(10)])
    merge(files, [row(number, window=NEXT_WINDOW) for number in range(20, 25)], window=NEXT_WINDOW)
    dead = lake / "_esms_staging" / "day=2026-11-02_type=25~dead"
    dead.mkdir()
    (dead / "0").write_bytes(b"half a file")
    with duckdb.connect() as connection:
        counted = connection.sql(
            f"SELECT day::text, type, count(*) FROM read_parquet('{lake}/{MESSAGES}/*/*/*.parquet', "
            "hive_partitioning = true) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        everything = connection.sql(f"SELECT count(*) FROM read_parquet('{lake}/{MESSAGES}/**/*.parquet')").fetchall()
    assert counted == [("2026-11-02", 25, 10), ("2026-11-03", 25, 5)]
    assert everything == [(15,)]
    dataset = pyarrow.dataset.dataset(lake / MESSAGES, format="parquet", partitioning="hive")
    assert dataset.count_rows() == 15
    assert dataset.schema.field("content").metadata == {b"comment": b"the text sent, or empty if texts are not stored"}


@pytest.mark.in_turn(every=3)
def test_text_formats_use_iso_times_and_distinguish_empty_from_missing(tmp_path: Path) -> None:
    """CSV and JSONL show times in ISO 8601 UTC, money with its four decimals, and tell empty from missing."""
    for kind in ("csv", "jsonl"):
        with FilesWarehouse(f"{tmp_path / kind}?format={kind}") as warehouse:
            merge(warehouse, [row(1, content="", campaign=None)])
    header, line = (tmp_path / "csv" / MESSAGES / PARTITION / "messages.csv").read_text().splitlines()
    cells = dict(zip(header.replace('"', "").split(","), line.split(","), strict=True))
    assert (cells["content"], cells["campaign"], cells["price_vnd"]) == ('""', "", "300.0000")
    assert cells["sent_at"] == '"2026-11-02T03:04:05.678000Z"'
    told = json.loads((tmp_path / "jsonl" / MESSAGES / PARTITION / "messages.jsonl").read_text())
    assert (told["content"], told["campaign"], told["price_vnd"]) == ("", None, "300.0000")
    assert told["sent_at"] == "2026-11-02T03:04:05.678000Z"


@pytest.mark.in_turn(every=3)
def test_unchanged_files_are_not_rewritten(lake: Path, files: FilesWarehouse) -> None:
    """Loading the same again leaves messages and history alone: their readers' caches stay good."""
    merge(files, [row(1, SENT)])
    merge(files, [row(1)], minute=1)
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet") if LOADS not in str(path)}
    merge(files, [row(1)], minute=2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(before) == 3


# --- dying in the middle ---------------------------------------------------------------------------------------------

_DYING = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from targets import DELIVERED, merge, row
from esms_connectors.warehouse.files import FilesWarehouse
real, left = os.{call}, [{calls}]
def dying(*arguments, **options):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
warehouse = FilesWarehouse({address!r})
warehouse.prepare()
os.{call} = dying
merge(warehouse, [row(1, DELIVERED), row(2, DELIVERED)], minute=5)
"""


def die_in_a_merge(lake: Path, call: str, calls: int) -> None:
    """Another process merges and kills itself instead of making its `calls + 1`st call."""
    code = _DYING.format(tests=str(Path(__file__).parent), call=call, calls=calls, address=str(lake))
    assert subprocess.run([sys.executable, "-c", code], timeout=240).returncode == -9


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("moves", "is_decided"),
    [(0, False), (1, True), (2, True), (3, True), (4, True)],
    ids=["before", "none", "history", "rows", "movable"],
)
def test_writer_killed_between_file_moves_is_recovered_consistently(
    lake: Path, files: FilesWarehouse, moves: int, is_decided: bool
) -> None:
    """Once it has decided, the next call finishes for it; before, nothing happened. No line is doubled or lost."""
    merge(files, [row(1, SENT)])
    die_in_a_merge(lake, "replace", moves)
    assert [load.load_count for load in files.loads()] == [2 if is_decided else 1]
    assert states(lake) == ({key_of(1): "delivered", key_of(2): "delivered"} if is_decided else {key_of(1): "sent"})
    assert len(read_files("parquet", lake, HISTORY)) == is_decided
    done = MergeCounts(unchanged=2) if is_decided else MergeCounts(inserted=1, changed=1)
    assert merge(files, [row(1), row(2)], minute=6) == done
    assert len(read_files("parquet", lake, HISTORY)) == 1
    files.prepare()
    assert list((lake / "_esms_staging").iterdir()) == []


@pytest.mark.in_turn(every=3)
def test_full_disk_leaves_the_partition_unchanged(lake: Path, files: FilesWarehouse, monkeypatch: Any) -> None:
    """One line that says so, everything as before, no leftovers."""
    merge(files, [row(1, SENT)])

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "the words of the system", str(lake))

    with monkeypatch.context() as patched:
        patched.setattr("esms_connectors.warehouse.file_tables.write_file", full)
        with pytest.raises(WarehouseError, match=r"lake cannot be written to: No space left on device\.$") as caught:
            merge(files, [row(1)], minute=5)
    assert caught.value.retryable, "as in the other warehouses"
    assert caught.value.__context__ is None
    assert states(lake) == {key_of(1): "sent"}
    assert list((lake / "_esms_staging").iterdir()) == []
    assert merge(files, [row(1)], minute=5) == MergeCounts(changed=1)


@pytest.mark.in_turn(every=3)
def test_failing_row_source_leaves_the_partition_unchanged(lake: Path, files: FilesWarehouse) -> None:
    """An error of whoever hands the rows over comes through as it is."""
    merge(files, [row(1, SENT)])

    def broken() -> Iterator[Any]:
        yield from batches([row(1)])
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        files.merge(load_of(2, minute=5), broken())
    assert states(lake) == {key_of(1): "sent"}
    assert list((lake / "_esms_staging").iterdir()) == []


@pytest.mark.in_turn(every=3)
def test_locked_partition_gives_retryable_error_after_the_wait_limit(lake: Path, files: FilesWarehouse) -> None:
    """Not for ever; another type's is not concerned."""
    hasty = FilesWarehouse(str(lake), wait_seconds=0.1)
    other = SentWindow(2, WINDOW.start, WINDOW.end)

    def slow() -> Iterator[Any]:
        with pytest.raises(WarehouseError, match=r"is in use by another load \(day=2026-11-0[12]_type=25\)") as caught:
            merge(hasty, [row(1)])
        assert caught.value.retryable
        merge(hasty, [row(7, window=other)], window=other)
        yield from batches([row(1)])

    files.merge(load_of(1), slow())
    assert set(states(lake)) == {key_of(1), key_of(7)}


# --- the folder ------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_folder_keeps_its_format_and_rejects_another(lake: Path, files: FilesWarehouse) -> None:
    """A folder has one format; it need not be named again, and another one is refused."""
    with FilesWarehouse(f"{lake.parent / 'texts'}?format=csv") as texts:
        merge(texts, [row(1)])
    with FilesWarehouse(str(lake.parent / "texts")) as texts:
        assert merge(texts, [row(1)], minute=1) == MergeCounts(unchanged=1)
    with pytest.raises(ConfigurationError, match=r"stores its rows as csv, not as jsonl: give \?format=csv"):
        FilesWarehouse(f"{lake.parent / 'texts'}?format=jsonl").prepare()


@pytest.mark.parametrize("query", ["format=xml", "format=", "fromat=csv", "format=csv&key=hunter2"])
def test_unknown_url_parameters_are_rejected(tmp_path: Path, query: str) -> None:
    """With one line, which does not repeat them."""
    with pytest.raises(ConfigurationError, match=r"takes \?format=parquet\|csv\|jsonl and nothing else\.$"):
        FilesWarehouse(f"{tmp_path}?{query}")


def test_foreign_folder_with_our_table_name_is_rejected_untouched(lake: Path) -> None:
    """Files under our names that are not ours are not touched."""
    theirs = lake / MESSAGES / PARTITION / "messages.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(ConfigurationError, match=r"has a folder esms_sent_messages but no _esms_warehouse.json"):
        FilesWarehouse(str(lake)).prepare()
    assert theirs.read_bytes() == b"theirs"


def test_root_that_is_a_file_gives_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"created or used as a folder: (File exists|Not a directory)"):
        FilesWarehouse(str(tmp_path / "lake")).prepare()


def test_missing_folder_permission_gives_configuration_error(tmp_path: Path) -> None:
    """One line with the reason."""
    tmp_path.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # who needs no permission
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigurationError, match=r"lake cannot be .*: Permission denied\.$"):
            FilesWarehouse(str(tmp_path / "lake")).prepare()
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": "parquet", "version": 2}', b'{"format": "xml"}'])
def test_damaged_settings_file_gives_configuration_error(lake: Path, files: FilesWarehouse, content: bytes) -> None:
    (lake / "_esms_warehouse.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"_esms_warehouse.json in .* is damaged or was written by a newer"):
        files.prepare()


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_damaged_data_file_is_reported_and_not_overwritten(tmp_path: Path, kind: str) -> None:
    """What cannot be read is told by its path, and stays."""
    warehouse = FilesWarehouse(f"{tmp_path}?format={kind}")
    merge(warehouse, [row(number) for number in range(100)])
    path = tmp_path / MESSAGES / PARTITION / f"messages.{kind}"
    damaged = path.read_bytes()[:-700] + b'"x'
    path.write_bytes(damaged)
    with pytest.raises(EsmsError, match=f"{MESSAGES}/{PARTITION}/messages.{kind} in .* cannot be read") as caught:
        merge(warehouse, [row(1)], minute=5)
    assert "Xin" not in str(caught.value)
    assert path.read_bytes() == damaged


# --- object stores ---------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", FILE_NAMES)
def test_object_store_behaves_like_a_local_folder(bucket: str, kind: str) -> None:
    """Rows, history, loads, a row at midnight and an erased person: as on a disk, and nothing else is left."""
    with FilesWarehouse(bucket) as warehouse:
        warehouse.prepare()
        warehouse.plan([WINDOW, NEXT_WINDOW], planned_at=PLANNED, privacy=PRIVACY)
        assert merge(warehouse, [row(1, SENT), row(2)]) == MergeCounts(inserted=2)
        night = [row(1, window=NEXT_WINDOW), row(3, window=NEXT_WINDOW)]
        assert merge(warehouse, night, minute=5, window=NEXT_WINDOW) == MergeCounts(inserted=1, changed=1)
        assert warehouse.erase(Person(row(2)["phone"], lambda _: "")) == {MESSAGES: 1, HISTORY: 0}
        assert [(load.row_count, load.load_count) for load in warehouse.loads()] == [(2, 1), (2, 1)]
    store = fsspec.filesystem("memory")
    root = bucket.removeprefix("memory:/")
    found = {path.removeprefix(f"{root}/"): store.cat_file(path) for path in store.find(root)}
    assert sorted(found) == [
        "_esms_adrift/type=25/day=2026-11-02.parquet",
        "_esms_adrift/type=25/day=2026-11-03.parquet",
        "_esms_warehouse.json",
        f"{LOADS}/{PARTITION}/loads.parquet",
        f"{LOADS}/day=2026-11-03/type=25/loads.parquet",
        f"{MESSAGES}/{PARTITION}/messages.parquet",
        f"{MESSAGES}/day=2026-11-03/type=25/messages.parquet",
        f"{HISTORY}/{PARTITION}/history.parquet",
    ]
    rows = pyarrow.parquet.read_table(pyarrow.BufferReader(found[f"{MESSAGES}/{PARTITION}/messages.parquet"]))
    assert [(line["row_key"], line["state"]) for line in rows.to_pylist()] == [(key_of(1), "delivered")]


class FailingStore(MemoryFileSystem):
    """An object store that fails at the call counted down to."""

    protocol = "failing"
    left = 10**9
    error: Exception = OSError("no reason")
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("failing://", "memory://"))

    def _count(self) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise type(self).error

    def put_file(self, *arguments: Any, **options: Any) -> None:
        self._count()
        super().put_file(*arguments, **options)

    def pipe_file(self, *arguments: Any, **options: Any) -> None:
        self._count()
        super().pipe_file(*arguments, **options)

    def cp_file(self, *arguments: Any, **options: Any) -> None:
        self._count()
        super().cp_file(*arguments, **options)

    def rm_file(self, *arguments: Any) -> None:
        self._count()
        super().rm_file(*arguments)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[FailingStore]:
    fsspec.register_implementation("failing", FailingStore, clobber=True)
    monkeypatch.setattr(FailingStore, "left", 10**9)
    monkeypatch.setattr(FailingStore, "store", {})
    monkeypatch.setattr(FailingStore, "pseudo_dirs", [""])
    return FailingStore


@pytest.mark.in_turn
@pytest.mark.parametrize("calls", range(14))
def test_object_store_failure_at_any_call_is_atomic_and_retryable(failing: type[FailingStore], calls: int) -> None:
    """The store is as before or, at the next call, as after; the error is one line and safe to retry."""
    warehouse = FilesWarehouse("failing://bucket/lake")
    warehouse.prepare()
    merge(warehouse, [row(1, PENDING)])
    failing.left = calls
    failing.error = OSError("https://user:hunter2@store/ says 0901234567")
    with pytest.raises(WarehouseError, match=r"^failing://bucket/lake cannot be written to: OSError\.$") as caught:
        merge(warehouse, [row(1, SENT)], minute=5)
    assert caught.value.retryable
    assert caught.value.__context__ is None
    failing.left = 10**9
    again = FilesWarehouse("failing://bucket/lake")
    is_decided = calls > 4  # three files, the keys of movable rows, and the decision
    assert [load.load_count for load in again.loads()] == [2 if is_decided else 1]
    assert merge(again, [row(1, SENT)], minute=6) == MergeCounts(**{"unchanged" if is_decided else "changed": 1})
    (history,) = (path for path in failing.store if path.endswith("history.parquet"))
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(failing.store[history].getvalue())).num_rows == 1


@pytest.mark.in_turn
def test_concurrent_change_of_the_same_day_gives_retryable_error(bucket: str) -> None:
    """Its rows are not lost: the load gives up, and may be made again."""
    ours, theirs = FilesWarehouse(bucket), FilesWarehouse(bucket)
    theirs._store.name = "another process"  # whose turns are not ours
    merge(ours, [row(1)])

    def meanwhile() -> Iterator[Any]:
        merge(theirs, [row(2, window=AN_HOUR)], minute=1, window=AN_HOUR)
        yield from batches([row(3)])

    with pytest.raises(WarehouseError, match="Another process changed the same day") as caught:
        ours.merge(load_of(1, minute=5), meanwhile())
    assert caught.value.retryable
    assert merge(ours, [row(2), row(3)], minute=6) == MergeCounts(inserted=1, unchanged=1)


@pytest.mark.in_turn
@pytest.mark.parametrize(("theirs", "is_refused"), [(3, True), (4, False)])
def test_concurrent_load_of_the_next_day_conflicts_only_on_shared_rows(
    bucket: str, theirs: int, is_refused: bool
) -> None:
    """It matters only if it brought one of our rows, on the second that the two days share."""
    ours, other = FilesWarehouse(bucket), FilesWarehouse(bucket)
    other._store.name = "another process"
    merge(ours, [row(1)])

    def meanwhile() -> Iterator[Any]:
        sent_at = NEXT_WINDOW.start.add(hours=1)
        merge(other, [row(theirs, window=NEXT_WINDOW, sent_at=sent_at)], window=NEXT_WINDOW)
        yield from batches([row(3)])

    if is_refused:
        with pytest.raises(WarehouseError, match="Another process changed"):
            ours.merge(load_of(1, minute=5), meanwhile())
    else:
        assert ours.merge(load_of(1, minute=5), meanwhile()) == MergeCounts(inserted=1)


def test_abandoned_staging_files_on_an_object_store_are_removed_after_hours(bucket: str) -> None:
    """What a writer left that died before it had decided stays for some hours: it may be alive."""
    warehouse = FilesWarehouse(bucket)
    warehouse.prepare()
    store = fsspec.filesystem("memory")
    left = f"{bucket.removeprefix('memory:/')}/_esms_staging/day=2026-11-02_type=25~dead/0"
    store.pipe_file(left, b"half a file")
    warehouse.prepare()
    assert store.exists(left)
    age = store.store[left].created.timestamp() - 7 * 3600
    store.store[left].created = type(store.store[left].created).fromtimestamp(age, store.store[left].created.tzinfo)
    warehouse.prepare()
    assert not store.exists(left)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket/prefix?format=csv", "abfs://box/prefix"])
def test_missing_file_system_package_is_named_in_the_error(url: str) -> None:
    """One line with the package to install."""
    with pytest.raises(ConfigurationError, match=r"^warehouse: files on (s3|gs|abfs):// need .*(s3|gcs|adl)fs"):
        FilesWarehouse(url)


def test_unknown_address_scheme_gives_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"^warehouse: the address bogus://… cannot be used"):
        FilesWarehouse("bogus://user:hunter2@host/place")


def test_warehouse_name_omits_credentials() -> None:
    assert FilesWarehouse("memory://user:hunter2@host/place?format=csv").name == "memory://host/place"
