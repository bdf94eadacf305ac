"""Who reads while a load writes: the old rows or the new ones, never some of both."""

from __future__ import annotations

import subprocess

import duckdb
import pytest
from targets import DELIVERED, Target, finish, load_of, many, release, start_loader

from esms_connectors.warehouse.contract import MESSAGES


@pytest.mark.in_turn
@pytest.mark.slow
def test_concurrent_reader_sees_a_load_completely_or_not_at_all(read_target: Target) -> None:
    """Another process changes all rows and adds nine times as many; they are read until it is done."""
    target, before, after = read_target, (1_000, {"sent"}), (10_000, {"delivered"})

    def read() -> tuple[int, set[str]]:
        states = [row["state"] for row in target.read(MESSAGES, "state")]
        return len(states), set(states)

    target.warehouse.merge(load_of(1_000), many(1_000))
    loader = start_loader(target, count=10_000, minute=5, status=DELIVERED)
    release(loader)
    seen = []
    while _is_running(loader):
        try:
            seen.append(read())
        except duckdb.Error:
            # A DuckDB file is open for one process that writes, and for nobody else then. A Parquet file is opened
            # several times in a query, so that it may be replaced in between: an error, and no wrong row.
            assert not target.address.startswith("postgresql:")
    assert finish(loader) == (0, "done")
    assert all(one in (before, after) for one in seen)
    assert read() == after


def _is_running(loader: subprocess.Popen[str]) -> bool:
    """Between two readings a DuckDB file is free for a moment: otherwise the loader might never get it."""
    try:
        loader.wait(0.05)
    except subprocess.TimeoutExpired:
        return True
    return False
