"""Merge databases that are lent to one change after another."""

from __future__ import annotations

import contextlib
from pathlib import Path

import duckdb
import pendulum
import pytest

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import WarehouseError
from esms_connectors.warehouse.contract import LOADS
from esms_connectors.warehouse.duckdb_session import DuckDbSession
from esms_connectors.warehouse.merge_database import merge_databases
from esms_connectors.warehouse.merging import note_planned

_NOON = pendulum.datetime(2026, 11, 20, 5)
_COUNT = f"SELECT count(*) FROM {LOADS}"


def test_returned_database_is_lent_again_without_load_lines(tmp_path: Path) -> None:
    window = SentWindow(2, _NOON, _NOON.add(hours=1))
    with merge_databases(tmp_path) as lend:
        with lend() as first, contextlib.closing(DuckDbSession(first)) as session:
            note_planned(session, [window], number=1, planned_at=_NOON, privacy="plain")
            assert first.execute(_COUNT).fetchall() == [(1,)]
        with lend() as second, lend() as other:
            assert second is first
            assert other is not first
            assert second.execute(_COUNT).fetchall() == [(0,)]


def test_error_of_a_lent_database_is_retryable_and_closes_all(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="Nothing was stored") as caught, merge_databases(tmp_path) as lend:  # noqa: PT012
        with lend() as first, lend() as other:
            pass
        with lend() as connection:
            connection.execute("SELECT error('out of disk')")
    assert caught.value.retryable
    for one in (first, other):
        with pytest.raises(duckdb.ConnectionException):
            one.execute("SELECT 1")


def test_database_is_not_lent_again_after_an_error(tmp_path: Path) -> None:
    with merge_databases(tmp_path) as lend:
        with pytest.raises(duckdb.Error), lend() as broken:
            broken.execute("BEGIN; SELECT error('row 7')")
        with lend() as other:
            assert other is not broken
            assert other.execute(_COUNT).fetchall() == [(0,)]
