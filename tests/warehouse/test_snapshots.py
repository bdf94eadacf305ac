"""Facts of the account as tables: what the gateway says at a time, and ratings, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pytest
from targets import Target

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import AuthenticationError
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.querying import query_warehouse
from esms_connectors.warehouse.snapshots import SNAPSHOT_TABLES, take_snapshot

PARAMS = {"customer_name": "Chị Hương", "service": "Gội đầu", "code": "KH1", "date": "19/03/2025"}
Take = Callable[..., dict[str, int]]


@pytest.fixture
def take(gateway: Emulator, make_client: Callable[..., EsmsClient], sql_target: Target) -> Iterator[Take]:
    """A snapshot of the emulator, by its clock."""
    with make_client() as client:

        def run(**settings: Any) -> dict[str, int]:
            now: Any = gateway.clock
            return take_snapshot(client, sql_target.warehouse, now=lambda: now.now, **settings)

        yield run


def rated(gateway: Emulator, client: EsmsClient, messages: int) -> None:
    """So many ZNS, of which every fifth that arrives is rated an hour later."""
    for number in range(messages):
        client.send_zns(f"09010000{number:02d}", DEMO_TEMPLATE_ID, DEMO_OA_ID, PARAMS)
    gateway.advance(hours=3)


@pytest.mark.in_turn
def test_each_snapshot_appends_the_current_account_state(gateway: Emulator, sql_target: Target, take: Take) -> None:
    """The balance goes down, a quota too; what was written before stays."""
    gateway.set_balance(1_000_000)
    first = take()
    gateway.set_balance(Decimal("999250.5"))
    gateway.change_template(DEMO_TEMPLATE_ID, quality="LOW")
    gateway.advance(hours=1)
    second = take()
    assert first == second
    assert set(first) == {"esms_balances", "esms_oa_quota", "esms_templates", "esms_ratings"}
    balances = sorted(sql_target.read("esms_balances"), key=lambda row: row["taken_at"])
    assert [row["balance_vnd"] for row in balances] == [Decimal(1_000_000), Decimal("999250.5")]
    assert balances[0]["snapshot"] == "2024-05-15T12:00:00.000+07:00"
    quota = sql_target.read("esms_oa_quota")
    assert [row["daily_quota"] for row in quota if row["oa_id"] == DEMO_OA_ID] == [1_000_000] * 2
    templates = sorted(sql_target.read("esms_templates"), key=lambda row: row["taken_at"])
    mine = [row["quality"] for row in templates if row["template_id"] == DEMO_TEMPLATE_ID]
    assert (len(mine), mine[-1]) == (2, "LOW")
    assert mine[0] != "LOW"


@pytest.mark.in_turn
def test_ratings_are_stored_once_across_snapshots(
    gateway: Emulator, make_client: Callable[..., EsmsClient], sql_target: Target, take: Take
) -> None:
    """Two pages on one day, nothing for two weeks, then some more: none is lost, none is there twice."""
    with make_client() as client:
        rated(gateway, client, 60)
        first = take(tables=["ratings"])["esms_ratings"]
        gateway.advance(days=14)
        rated(gateway, client, 30)
        take(tables=["ratings"])
        take(tables=["ratings"])
        everything = client.list_zns_ratings(
            DEMO_OA_ID, DEMO_TEMPLATE_ID, gateway.clock.now.subtract(days=60), gateway.clock.now, limit=500
        )
    rows = sql_target.read("esms_ratings")
    ids = sorted(row["zalo_message_id"] for row in rows)
    assert ids == sorted(str(one.zalo_message_id) for one in everything.ratings)
    assert 0 < first < len(ids)
    assert all(row["note"] is not None and 1 <= row["stars"] <= 5 for row in rows)


@pytest.mark.in_turn(every=3)
def test_rating_texts_can_be_omitted(gateway: Emulator, client: EsmsClient, sql_target: Target, take: Take) -> None:
    rated(gateway, client, 20)
    assert take(tables=["ratings"], content=False)["esms_ratings"] > 0
    assert all(row["note"] is None and row["feedbacks"] is None for row in sql_target.read("esms_ratings"))


@pytest.mark.in_turn(every=3)
def test_gateway_error_is_recorded_but_rejected_keys_stop_the_snapshot(
    gateway: Emulator, sql_target: Target, take: Take
) -> None:
    """Its code is told in the table. Keys that are refused end the call, and so do pages that do not add up."""
    gateway.faults.add("get_oa_quality", code("99"))
    take(tables=["oa_quota", "balances"])
    assert "99" in {row["problem"] for row in sql_target.read("esms_oa_quota")}
    assert len(sql_target.read("esms_balances")) == 1
    gateway.faults.add("get_oa_quota", code("101"))
    with pytest.raises(AuthenticationError):
        take(tables=["oa_quota"])


@pytest.mark.in_turn(every=3)
def test_file_warehouse_stores_snapshots(gateway: Emulator, client: EsmsClient, tmp_path: Path) -> None:
    """A file a snapshot; ratings a file a day and template."""
    now: Any = gateway.clock
    rated(gateway, client, 20)
    with open_warehouse(f"{tmp_path / 'lake'}?format=jsonl") as warehouse:
        written = take_snapshot(client, warehouse, now=lambda: now.now)
    lines = {}
    for table in SNAPSHOT_TABLES.values():
        files = (tmp_path / "lake" / table.name).iterdir()
        lines[table.name] = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    assert lines == written


@pytest.mark.parametrize(("tables", "says"), [(["balance"], "'balance' is not a snapshot table"), ([], "no table")])
def test_unknown_or_empty_table_list_gives_one_line_error(take: Take, tables: list[str], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as error:
        take(tables=tables)
    assert "\n" not in str(error.value)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_query_on_files_reads_snapshot_tables_with_their_types(tmp_path: Path, kind: str) -> None:
    """With the types of the table, whatever a file of text makes of an id; two snapshots are one table."""
    address = f"{tmp_path}/kho?format={kind}"
    moment = pendulum.datetime(2026, 11, 2, 5, tz="UTC")
    with open_warehouse(address) as warehouse:
        warehouse.prepare()
        for hours, amount in ((0, Decimal("1000.5")), (1, Decimal(900))):
            taken = moment.add(hours=hours)
            about = (taken.isoformat(), taken, "0012345678901234567", amount)
            warehouse.put_group(SNAPSHOT_TABLES["balances"], taken.isoformat(), [about])
    found = query_warehouse(
        address, "SELECT user_id, balance_vnd, taken_at > '2026-11-02 12:30' FROM esms_balances ORDER BY taken_at", 9
    )
    assert [*map(tuple, found.rows)] == [
        ("0012345678901234567", Decimal("1000.5"), False),
        ("0012345678901234567", Decimal(900), True),
    ]
