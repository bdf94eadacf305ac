"""Rows that a gateway lists in windows that they were not created in: each is stored once, as it was seen last."""

from __future__ import annotations

from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import HISTORY, Load, Place, rows_at

from esms_connectors.emulator import Emulator


def listed_by_sending(gateway: Emulator, load: Load, place: Place) -> None:
    """Two are asked for on the first day and sent on the third; a third one was sent at once."""
    gateway.quirks.listed_by = "sent"
    for minute, status in enumerate([(2, 2), (2, 2), (5, 1)]):
        gateway.insert_message(DAY.add(hours=5, minutes=minute), send_status=status[0], send_result=status[1])
    load(place)
    gateway.advance(days=3)
    waiting: list[Any] = list(gateway.state.rows)[:2]
    for row in waiting:
        row.SentTime = f"/Date({int(DAY.add(days=2, hours=9).timestamp()) * 1000}+0700)/"
        gateway.set_status(row.ReferenceId, 5, 1)
    gateway.insert_message(DAY.add(days=2, hours=10), send_status=5, send_result=1)


@pytest.mark.in_turn(every=3)
def test_row_moved_to_its_sending_day_is_not_duplicated(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    listed_by_sending(gateway, load, duckdb_only)
    moved = load(duckdb_only, DAY.add(days=2), DAY.add(days=3))
    assert (moved.inserted, moved.changed) == (1, 2)
    assert duckdb_only.messages() == rows_at(gateway)
    assert [line["to_state"] for line in duckdb_only.read(HISTORY)] == ["delivered"] * 2
    again = load(duckdb_only, DAY.add(days=2), DAY.add(days=3))
    assert (again.inserted, again.changed) == (0, 0)


@pytest.mark.in_turn(every=3)
def test_rows_listed_in_every_window_are_stored_once(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """From and To are not looked at: each of six days has everything, whichever is loaded first."""
    gateway.populate(40, start=DAY.subtract(days=5), end=NEXT)
    gateway.quirks.sent_data_span = "all"
    load(duckdb_only)
    assert load(duckdb_only, DAY.subtract(days=5), NEXT).inserted == 0
    assert duckdb_only.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_row_of_another_window_is_updated_when_its_sending_day_is_reloaded(
    gateway: Emulator, duckdb_only: Place, load: Load
) -> None:
    listed_by_sending(gateway, load, duckdb_only)
    third_day = DAY.add(days=2), DAY.add(days=3)
    gateway.quirks.listed_by = "created"
    load(duckdb_only, *third_day)
    gateway.quirks.listed_by = "sent"
    moved = load(duckdb_only, *third_day)
    assert (moved.inserted, moved.changed) == (0, 2)
    assert duckdb_only.messages() == rows_at(gateway)
