"""Rows that an odd gateway lists under several days: every kind of target holds each once, by the same rules."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from targets import DAY, DELIVERED, FAILED, NEXT_WINDOW, PENDING, TARGETS, WINDOW, Target, key_of, merge, row

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import MESSAGES, Person
from esms_connectors.warehouse.duckdb_session import DuckDbSession
from esms_connectors.warehouse.files import FilesWarehouse
from esms_connectors.warehouse.querying import query_warehouse

FAR = SentWindow(25, DAY.add(days=4), DAY.add(days=5))
SENT_IN_FAR = datetime(2026, 11, 6, 3, tzinfo=DAY.tzinfo)


@pytest.mark.in_turn
def test_listing_under_another_day_does_not_revert_a_final_state(shared_target: Target) -> None:
    """Its time of sending is that of the day that brought it."""
    merge(shared_target, [row(1), row(2)])
    counts = merge(shared_target, [row(1, PENDING, FAR), row(3, window=FAR)], window=FAR, minute=5)
    assert (counts.inserted, counts.regressed) == (1, 1)
    stored = shared_target.messages()
    assert {key: (one["state"], one["regressed_to"]) for key, one in stored.items()} == {
        key_of(1): ("delivered", "pending"),
        key_of(2): ("delivered", None),
        key_of(3): ("delivered", None),
    }
    assert stored[key_of(1)]["window_start"] == WINDOW.start
    assert [(line["to_state"], line["applied"]) for line in shared_target.history()] == [("pending", False)]


@pytest.mark.in_turn
def test_row_moved_to_its_sending_day_is_updated_in_place(shared_target: Target) -> None:
    merge(shared_target, [row(1, PENDING), row(2)])
    moved = row(1, DELIVERED, FAR, sent_at=SENT_IN_FAR)
    counts = merge(shared_target, [moved], window=FAR, minute=5)
    assert (counts.inserted, counts.changed) == (0, 1)
    stored = shared_target.messages()
    assert len(stored) == 2
    assert (stored[key_of(1)]["state"], stored[key_of(1)]["window_start"]) == ("delivered", WINDOW.start)
    again = merge(shared_target, [moved], window=FAR, minute=6)
    assert (again.inserted, again.changed, again.unchanged) == (0, 0, 1)


@pytest.mark.in_turn
def test_rows_listed_under_three_days_are_stored_once(shared_target: Target) -> None:
    """The one between the others is loaded last."""
    days = [WINDOW, SentWindow(25, NEXT_WINDOW.end, NEXT_WINDOW.end.add(days=1)), NEXT_WINDOW]
    for minute, window in enumerate(days):
        merge(shared_target, [row(1, window=window), row(2, PENDING, window)], window=window, minute=minute)
    assert set(shared_target.messages()) == {key_of(1), key_of(2)}


@pytest.mark.in_turn
@pytest.mark.parametrize("sent_at", [3, None])
def test_row_final_on_three_days_does_not_block_new_rows(shared_target: Target, sent_at: int | None) -> None:
    """Each day has its own time of sending, or none; the one between the others is loaded last."""
    far = SentWindow(25, NEXT_WINDOW.end, NEXT_WINDOW.end.add(days=1))
    for minute, (window, status) in enumerate([(WINDOW, FAILED), (far, DELIVERED), (NEXT_WINDOW, DELIVERED)]):
        sent = None if sent_at is None else window.start.add(hours=sent_at)
        rows = [row(1, status, window, sent_at=sent), row(2 + minute, window=window, sent_at=sent)]
        counts = merge(shared_target, rows, window=window, minute=minute)
    assert counts.inserted == 1
    assert {key: one["state"] for key, one in shared_target.messages("state").items()} == {
        key_of(n): "delivered" for n in (1, 2, 3, 4)
    }


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.mark.in_turn(every=3)
def test_row_duplicated_across_days_of_a_folder_is_deduplicated_by_the_next_load(lake: Path) -> None:
    """As after two loads of the two days at once: the final one stays, and the day between can be loaded."""
    days = [WINDOW, SentWindow(25, NEXT_WINDOW.end, NEXT_WINDOW.end.add(days=1))]
    for name, window, status in (("one", days[0], PENDING), ("two", days[1], FAILED)):
        merge(FilesWarehouse(str(lake.with_name(name))), [row(1, status, window)], window=window)
    merge(FilesWarehouse(str(lake)), [row(2)])
    merge(FilesWarehouse(str(lake)), [row(2, window=days[1])], window=days[1], minute=1)
    for name in ("one", "two"):
        for table in (MESSAGES, "_esms_adrift"):
            for file in lake.with_name(name).glob(f"{table}/*/**/*.parquet"):
                into = lake / file.relative_to(lake.with_name(name))
                into.parent.mkdir(parents=True, exist_ok=True)
                file.replace(into)
    counts = merge(FilesWarehouse(str(lake)), [row(1, FAILED, NEXT_WINDOW)], window=NEXT_WINDOW, minute=9)
    assert (counts.inserted, counts.unchanged) == (0, 1)
    found = [
        (line["row_key"], line["state"])
        for file in lake.glob(f"{MESSAGES}/*/*/*.parquet")
        for line in pyarrow.parquet.ParquetFile(file).read(["row_key", "state"]).to_pylist()
    ]
    assert [one for one in found if one[0] == key_of(1)] == [(key_of(1), "failed")]


def test_erased_person_is_removed_from_the_key_index(lake: Path) -> None:
    files = FilesWarehouse(str(lake))
    merge(files, [row(1, PENDING), row(2, PENDING)])

    def hashes() -> list[str]:
        [file] = lake.glob("_esms_adrift/*/*.parquet")
        return sorted(pyarrow.parquet.ParquetFile(file).read()["key_hash"].to_pylist())

    both = sorted(hashlib.md5(key_of(n).encode(), usedforsecurity=False).hexdigest()[:16] for n in (1, 2))
    assert hashes() == both
    person = Person(stored_phone="0900000001", row_key_of=lambda _: "")
    assert files.erase(person)[MESSAGES] == 1
    assert len(hashes()) == 1


# --- final on two days that do not adjoin -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["duckdb", "postgresql"])
def test_row_final_on_two_days_apart_is_stored_once(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    """By the rules of any other change: as it was listed last, with a line of history, and counted as changed."""
    target = TARGETS[name](request, tmp_path)
    request.addfinalizer(target.warehouse.close)
    target.warehouse.prepare()
    days = [WINDOW, FAR, SentWindow(25, DAY.add(days=20), DAY.add(days=21))]
    found = []
    for minute, (window, status) in enumerate(zip(days, (FAILED, DELIVERED, DELIVERED), strict=True)):
        moved = row(1, status, window, sent_at=window.start.add(hours=3))
        found.append(merge(target, [moved, row(2 + minute, window=window)], window=window, minute=minute))
    assert [(one.inserted, one.changed) for one in found] == [(2, 0), (1, 1), (1, 1)]
    stored = target.messages()
    assert set(stored) == {key_of(number) for number in (1, 2, 3, 4)}
    last = stored[key_of(1)]
    assert (last["state"], last["window_start"], last["sent_at"]) == ("delivered", DAY, days[2].start.add(hours=3))
    assert [(line["from_state"], line["to_state"]) for line in target.history()] == [("failed", "delivered")]
    assert merge(target, [moved, row(4, window=window)], window=window, minute=9).unchanged == 2


def test_many_rows_listed_again_on_another_day_are_stored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one chunk; one of them is of another type there."""
    monkeypatch.setattr(DuckDbSession, "chunk_rows", 3)
    with open_warehouse(f"duckdb:///{tmp_path / 'esms.duckdb'}") as warehouse:
        warehouse.prepare()
        for minute, window in enumerate((WINDOW, FAR)):
            rows = [row(n, window=window, sent_at=window.start.add(hours=3)) for n in range(8)]
            rows[0]["sms_type"] = 25 - minute
            found = merge(warehouse, rows, window=window, minute=minute)
        assert (found.inserted, found.changed) == (1, 7)
        counted = f"SELECT count(*), count(DISTINCT row_key) FROM {MESSAGES}"
        assert warehouse.ask(lambda reader: list(reader.read(counted))) == [(9, 9)]


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_query_on_files_returns_each_row_once(tmp_path: Path, kind: str) -> None:
    """Under two days, the final one; under two types, which name the row's own. Another type is another message."""
    address = f"{tmp_path / 'lake'}?format={kind}"
    of_type_2 = SentWindow(2, DAY, DAY.add(days=1))
    with open_warehouse(address) as warehouse:
        warehouse.prepare()
        for minute, window in enumerate((WINDOW, FAR)):
            rows = [row(1, window=window, sent_at=window.start.add(hours=3)), row(3 + minute, window=window)]
            merge(warehouse, rows, window=window, minute=minute)
        rows = [row(1, window=of_type_2, sms_type=25), row(3, window=of_type_2)]
        merge(warehouse, rows, window=of_type_2, minute=5)
    found = query_warehouse(address, "SELECT sms_type, count(*) FROM esms_sent_messages GROUP BY 1 ORDER BY 1", 10)
    assert [tuple(one) for one in found.rows] == [(2, 1), (25, 3)]
