"""Files on an S3 server, over a socket: `make test-s3`."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import serve_s3
from targets import DELIVERED, SENT, Row, Target, finish, key_of, load_of, many, merge, release, row, start_loader

from esms_connectors.reports.writing import put_file
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import HISTORY, LOADS, MergeCounts

pytestmark = [pytest.mark.s3, pytest.mark.filterwarnings("default")]  # the server's own warnings are not ours

ADDRESS = "s3://bucket/lake?format=parquet"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with serve_s3() as variables:
        yield variables


@pytest.fixture
def target(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    import s3fs

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store: Any = s3fs.S3FileSystem(use_listings_cache=False)
    store.mkdir("bucket")

    def read(table: str, *columns: str) -> list[Row]:
        found = []
        for path in store.glob(f"bucket/lake/{table}/*/*/*.parquet"):
            # In one request: of several, some might get the file before a load and some the one after it.
            file = pa.BufferReader(store.cat_file(path))
            found += pq.read_table(file, columns=list(columns) or None).to_pylist()
        return found

    make = functools.partial(open_warehouse, ADDRESS)
    made = Target(ADDRESS, make(), make, read)
    made.warehouse.prepare()
    yield made
    made.warehouse.close()
    store.rm("bucket", recursive=True)


def test_repeated_loads_from_two_handles_follow_the_merge_rules(target: Target) -> None:
    """New, changed, gone back, and an older load that comes late."""
    assert merge(target, [row(1), row(2, SENT), row(3)]) == MergeCounts(inserted=3)
    with target.again() as other:
        counts = merge(other, [row(1), row(2), row(3, SENT), row(4)], minute=9)
    assert counts == MergeCounts(inserted=1, changed=1, unchanged=1, regressed=1)
    assert merge(target, [row(2, SENT), row(5)], minute=5) == MergeCounts(inserted=1, unchanged=1)
    stored = target.messages("state", "regressed_to")
    assert {key: (one["state"], one["regressed_to"]) for key, one in stored.items()} == {
        key_of(number): ("delivered", "sent" if number == 3 else None) for number in range(1, 6)
    }
    assert [(line["to_state"], line["applied"]) for line in target.history()] == [("delivered", True), ("sent", False)]
    assert [line["load_count"] for line in target.loads()] == [3]


def test_two_processes_loading_one_day_leave_consistent_data(target: Target) -> None:
    """There is no lock between them: both are done, or one is told to load again; what is there is whole."""
    target.warehouse.merge(load_of(1_000), many(1_000))
    loaders = [start_loader(target, count=2_000, minute=5, status=DELIVERED) for _ in range(2)]
    release(*loaders)
    told = [finish(loader) for loader in loaders]
    assert all(code == 0 or (code == 3 and "Another process changed the same day" in said) for code, said in told)
    target.warehouse.merge(load_of(2_000, minute=6), many(2_000, DELIVERED))
    assert {one["state"] for one in target.messages("state").values()} == {"delivered"}
    assert len(target.messages("state")) == 2_000


def test_killed_load_leaves_previous_data_and_readers_stay_consistent(target: Target) -> None:
    """Killed in the middle, it leaves what was there; the next one writes it all, and who reads sees one of the two."""
    target.warehouse.merge(load_of(1_000), many(1_000))
    loader = start_loader(target, count=5_000, minute=5, status=DELIVERED, die_after=5_000)
    release(loader)
    assert finish(loader) == (-signal.SIGKILL, "loading")
    assert (len(target.messages("state")), target.read(HISTORY), target.loads()[0]["load_count"]) == (1_000, [], 1)

    loader = start_loader(target, count=5_000, minute=6, status=DELIVERED)
    release(loader)
    seen = []
    while loader.poll() is None:
        seen.append({(one["state"]) for one in target.messages("state").values()})
    assert finish(loader) == (0, "done")
    assert all(states in ({"sent"}, {"delivered"}) for states in seen)
    assert (len(target.messages("state")), len(target.read(HISTORY))) == (5_000, 1_000)
    assert len(target.read(LOADS)) == 1


def test_report_is_written_and_overwritten(target: Target) -> None:
    import s3fs

    store: Any = s3fs.S3FileSystem(use_listings_cache=False)
    for content in (b"<p>first</p>", b"<p>second</p>"):
        assert put_file("s3://bucket/reports/today.html", content) == "s3://bucket/reports/today.html"
        assert store.cat("bucket/reports/today.html") == content
    assert store.find("bucket/reports") == ["bucket/reports/today.html"]
