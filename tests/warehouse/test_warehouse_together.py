"""Several at one warehouse, and a process that dies in the middle."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from targets import (
    DAY,
    DELIVERED,
    NEXT_WINDOW,
    SENT,
    Target,
    finish,
    key_of,
    load_of,
    many,
    merge,
    release,
    row,
    start_loader,
)

from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, MergeCounts
from esms_connectors.warehouse.file_store import FileStore

pytestmark = pytest.mark.slow


def test_loads_of_an_open_folder_are_those_that_another_process_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder has a file of loads for each type and day; only the changed ones are read again."""
    with open_warehouse(str(tmp_path)) as warehouse, open_warehouse(str(tmp_path)) as other:
        merge(warehouse, [row(1)])
        merge(warehouse, [row(2, window=NEXT_WINDOW)], window=NEXT_WINDOW)
        read: list[str] = []
        fetch = FileStore.fetch
        monkeypatch.setattr(FileStore, "fetch", lambda *given: read.append(given[1]) or fetch(*given))
        assert [load.load_count for load in warehouse.loads()] == [1, 1]
        assert len(read) == 2
        assert [load.load_count for load in warehouse.loads()] == [1, 1]
        assert len(read) == 2
        merge(other, [row(1)], minute=5)
        read.clear()
        assert [load.load_count for load in warehouse.loads()] == [2, 1]
        assert len(read) == 1


@pytest.mark.in_turn
@pytest.mark.parametrize("own_handle", [False, True], ids=["one warehouse", "one each"])
def test_threads_loading_one_window_insert_each_row_once(shared_target: Target, own_handle: bool) -> None:
    """One of them inserts each row, the others find it; every change is noted once."""
    target = shared_target
    merge(target, [row(number, SENT) for number in range(100)])
    start = threading.Barrier(4)

    def work(_: int) -> MergeCounts:
        warehouse = target.again() if own_handle else target.warehouse
        start.wait()
        try:
            return merge(warehouse, [row(number) for number in range(200)], minute=5)
        finally:
            if own_handle:
                warehouse.close()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(work, range(4)))
    assert sum(one.inserted for one in told) == 100
    assert sum(one.changed for one in told) == 100
    assert sum(one.unchanged for one in told) == 600
    assert len(target.messages("state")) == 200
    assert len(target.history()) == 100
    assert target.loads()[0]["load_count"] == 5


@pytest.mark.in_turn
def test_threads_loading_adjacent_windows_store_all_rows_once(large_target: Target) -> None:
    """Eight windows in parallel, which share the rows on the seconds between them, are all there in the end."""
    target = large_target
    windows = [SentWindow(25, DAY.add(hours=3 * place), DAY.add(hours=3 * place + 3)) for place in range(8)]

    def work(place: int) -> MergeCounts:
        numbers = range(place * 10, place * 10 + 11)
        return merge(target, [row(number, window=windows[place]) for number in numbers], window=windows[place])

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(work, range(8)))
    assert sum(one.inserted for one in told) == 81
    assert set(target.messages()) == {key_of(number) for number in range(81)}
    assert len(target.loads()) == 8


@pytest.mark.in_turn
def test_processes_loading_one_window_insert_each_row_once(shared_target: Target) -> None:
    """Two of them, each with a change that the other may bring first: every row once, every change once."""
    target = shared_target
    target.warehouse.merge(load_of(5_000), many(5_000))
    loaders = [start_loader(target, count=8_000, minute=5, status=DELIVERED) for _ in range(2)]
    release(*loaders)
    assert [finish(loader) for loader in loaders] == [(0, "done")] * 2
    assert {stored["state"] for stored in target.messages("state").values()} == {"delivered"}
    assert len(target.read(MESSAGES, "row_key")) == 8_000
    assert len(target.read(HISTORY, "row_key")) == 5_000
    assert target.loads()[0]["load_count"] == 3


@pytest.mark.in_turn
def test_concurrent_prepare_calls_all_succeed(unprepared_target: Target) -> None:
    """Processes and threads that all find no tables all end well."""
    target = unprepared_target
    loaders = [start_loader(target, count=0, prepare=True) for _ in range(2)]
    release(*loaders)

    def work(_: int) -> None:
        with target.again() as warehouse:
            warehouse.prepare()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [finish(loader) for loader in loaders] == [(0, "done")] * 2
    assert merge(target, [row(1)]) == MergeCounts(inserted=1)
    target.warehouse.prepare()
    assert len(target.messages("state")) == 1


@pytest.mark.in_turn
def test_load_killed_midway_is_rolled_back_and_can_be_repeated(shared_target: Target) -> None:
    _kill_in_the_middle(shared_target, die_after=60_000)


@pytest.mark.in_turn
@pytest.mark.parametrize("die_after", [20_000, 70_000], ids=["early", "before the end"])
def test_load_killed_early_or_late_is_rolled_back_and_can_be_repeated(large_target: Target, die_after: int) -> None:
    _kill_in_the_middle(large_target, die_after)


def _kill_in_the_middle(target: Target, die_after: int) -> None:
    """kill -9 leaves rows, history and load as they were; loading again gives what one load would have given."""
    target.warehouse.merge(load_of(1_000), many(1_000))
    loader = start_loader(target, count=70_000, minute=5, status=DELIVERED, die_after=die_after)
    release(loader)
    assert finish(loader) == (-signal.SIGKILL, "loading")
    assert {stored["state"] for stored in target.messages("state").values()} == {"sent"}
    assert len(target.read(MESSAGES, "row_key")) == 1_000
    assert target.read(HISTORY) == []
    assert target.loads()[0]["load_count"] == 1
    counts = target.warehouse.merge(load_of(70_000, minute=5), many(70_000, DELIVERED))
    assert counts == MergeCounts(inserted=69_000, changed=1_000)
    assert len(target.read(HISTORY, "row_key")) == 1_000


@pytest.mark.in_turn
@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6])
def test_load_killed_at_any_time_can_be_repeated(large_target: Target, delay: float) -> None:
    _kill_after(large_target, delay)


def _kill_after(target: Target, delay: float) -> None:
    """Wherever it was, the tables are as before or as after, never between."""
    target.warehouse.merge(load_of(1_000), many(1_000))
    loader = start_loader(target, count=30_000, minute=5, status=DELIVERED)
    release(loader)
    assert loader.stdout is not None
    assert loader.stdout.readline() == "loading\n"
    time.sleep(delay)
    loader.kill()
    finish(loader)
    # PostgreSQL may still be at it for a moment: the next one takes its turn.
    target.warehouse.prepare()
    found = (len(target.messages("state")), len(target.read(HISTORY, "row_key")), target.read(LOADS)[0]["load_count"])
    between = {(1_000, 1_000, 1), (30_000, 1_000, 1)} if target.in_steps else set()
    assert found in {(1_000, 0, 1), (30_000, 1_000, 2)} | between
    target.warehouse.merge(load_of(30_000, minute=6), many(30_000, DELIVERED))
    assert len(target.messages("state")) == 30_000
    assert len(target.read(HISTORY, "row_key")) == 1_000
