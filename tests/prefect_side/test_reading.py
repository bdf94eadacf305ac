"""Waiting for delivery, loading status rows, and the flows around them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest
from conftest import NOON, artifacts, name_of, phone_of, run_scheduled_for
from prefect import flow
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Cancelling

from esms_connectors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.delivery.polling import DeliveryTimeoutError, TooFewDeliveredError
from esms_connectors.emulator import DEMO_API_KEY, Emulator, Progress
from esms_connectors.emulator.faults import http_status
from esms_connectors.prefect import (
    EsmsCredentials,
    EsmsLedger,
    EsmsWarehouse,
    ZnsCampaign,
    aload_sent_messages,
    atake_snapshot,
    await_for_delivery,
    daily_sent_messages_export,
    delivery_report,
    load_sent_messages,
    send_sms,
    take_snapshot,
    wait_for_delivery,
    zns_campaign,
)
from esms_connectors.prefect.export import ExportIncompleteError
from esms_connectors.prefect.results import DeliveryResult, ExportResult, LoadResult

QUICK = Progress(failed_share=0.0, rejected_share=0.0, queue_seconds=(0.1, 0.3), report_seconds=(0.1, 0.4))


@pytest.fixture
def progress() -> Progress:
    return QUICK


@pytest.fixture
def warehouse(prefect_server: str, tmp_path: Path) -> EsmsWarehouse:
    """A saved block of an empty DuckDB file."""
    block = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'rows.duckdb'}")
    block.save(f"test-{uuid.uuid4().hex[:12]}")
    return block


def in_table(warehouse: EsmsWarehouse, query: str) -> Any:
    path = warehouse.url.get_secret_value().removeprefix("duckdb:///")
    with duckdb.connect(path, read_only=True) as connection:
        return connection.sql(query).fetchall()


def yesterday_at(hour: int, days: int = 1) -> pendulum.DateTime:
    return NOON.start_of("day").subtract(days=days).add(hours=hour)


# --- delivery --------------------------------------------------------------------------------------------------------


def test_wait_for_delivery_by_run_key_counts_all_messages(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """By its run key: the ledger knows which messages those are."""
    campaign = make_campaign(700)
    zns_campaign(campaign)
    counts = wait_for_delivery(
        campaign.run_key, credentials=name_of(credentials), ledger=name_of(ledger_block), poll_seconds=0.3
    )
    assert (counts["expected"], counts["delivered"], counts["reached"]) == (700, 700, True)
    json.dumps(counts)
    assert counts.keys() >= DeliveryResult.__annotations__.keys()


@pytest.mark.in_turn
def test_wait_for_delivery_accepts_run_key_or_message_ids_of_an_sms(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger
) -> None:
    """Its run key, or its message id; in an async flow the twin."""
    blocks = {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}

    @flow
    def one() -> list[dict[str, Any]]:
        sent = send_sms(phone_of(1), "xin chao", **blocks)
        return [
            wait_for_delivery(sent["run_key"], poll_seconds=0.2, **blocks),
            wait_for_delivery(message_ids=[sent["message_id"]], poll_seconds=0.2, **blocks),
        ]

    @flow
    async def two(message_id: str) -> dict[str, Any]:
        return await await_for_delivery(message_ids=[message_id], poll_seconds=0.2, **blocks)

    told = one()
    assert [counts["delivered"] for counts in told] == [1, 1]
    (message,) = gateway.messages()
    assert asyncio.run(two(message.message_id))["delivered"] == 1


@pytest.mark.in_turn
@pytest.mark.parametrize("progress", [Progress(failed_share=1.0, rejected_share=0.0, report_seconds=(0.1, 0.2))])
def test_too_few_delivered_messages_fail_the_wait_and_the_report(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """In one line, with a table of what became of them."""
    campaign = make_campaign(30)
    zns_campaign(campaign)
    blocks = {"credentials": name_of(credentials), "ledger": name_of(ledger_block), "poll_seconds": 0.3}
    with pytest.raises(TooFewDeliveredError) as error:
        wait_for_delivery(campaign.run_key, delivered_share=0.9, **blocks)
    assert "\n" not in str(error.value)
    with pytest.raises(Exception, match=r"0 of 30 messages arrived, fewer than 0\.9"):
        delivery_report(campaign.run_key, delivered_share=0.9, **blocks)
    (table,) = artifacts(f"esms-delivery-result-{campaign.run_key}")
    counts = {row["state"]: row["messages"] for row in json.loads(table.data)}
    # Waiting ends as soon as 90 % cannot arrive any more.
    assert counts["failed"] > 3
    assert sum(counts.values()) == 30


@pytest.mark.in_turn
@pytest.mark.parametrize("progress", [Progress(never_final_share=1.0, failed_share=0.0, rejected_share=0.0)])
def test_wait_timeout_raises_or_returns_counts_on_request(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """As an error, or as counts where that is asked for."""
    campaign = make_campaign(3)
    zns_campaign(campaign)
    settings = {"credentials": name_of(credentials), "ledger": name_of(ledger_block), "poll_seconds": 0.1}
    with pytest.raises(DeliveryTimeoutError, match="0 of 3 final"):
        wait_for_delivery(campaign.run_key, timeout_seconds=0.5, **settings)
    counts = wait_for_delivery(campaign.run_key, timeout_seconds=0.5, fail=False, **settings)
    assert (counts["final"], counts["reached"]) == (0, False)


@pytest.mark.in_turn
@pytest.mark.parametrize("progress", [Progress(never_final_share=1.0, failed_share=0.0, rejected_share=0.0)])
def test_wait_ends_when_its_run_is_cancelled(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger
) -> None:
    """Not with the next poll: in a thread no signal arrives, and a worker would kill the process."""
    blocks = {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}

    @flow
    def cancelled() -> None:
        sent = send_sms(phone_of(1), "xin chao", **blocks)
        with get_client(sync_client=True) as api:
            api.set_flow_run_state(flow_run.id, Cancelling())
        wait_for_delivery.submit(sent["run_key"], poll_seconds=3000, **blocks).result()

    with pytest.raises(EsmsError, match="told to stop"):
        cancelled()


@pytest.mark.in_turn
def test_unknown_or_missing_run_key_is_rejected(credentials: EsmsCredentials, ledger_block: EsmsLedger) -> None:
    """An unknown run, and neither of both."""
    blocks = {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}
    with pytest.raises(InvalidRequestError, match="knows no run 'nobody'"):
        wait_for_delivery("nobody", **blocks)
    with pytest.raises(InvalidRequestError, match="either run_key or message_ids"):
        wait_for_delivery(**blocks)


# --- loading ---------------------------------------------------------------------------------------------------------


def test_window_is_loaded_once_and_reloading_changes_nothing(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """The second load changes nothing; the result counts and names nobody."""
    gateway.populate(1200, start=yesterday_at(0), end=yesterday_at(24))

    @flow
    def load() -> dict[str, Any]:
        return load_sent_messages(
            yesterday_at(0), yesterday_at(24), [2], credentials=name_of(credentials), warehouse=name_of(warehouse)
        )

    first, second = load(), load()
    assert (first["rows"], first["inserted"], second["rows"], second["unchanged"]) == (1200, 1200, 1200, 1200)
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(1200,)]
    assert asyncio.run(_load_async(credentials, warehouse))["unchanged"] == 1200


@pytest.mark.in_turn
def test_relative_window_is_based_on_the_scheduled_time_in_vietnam(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """Days of Vietnam, from when the run was scheduled for; half an hour ago that was another day in UTC."""
    gateway.populate(1200, start=yesterday_at(0), end=yesterday_at(24))
    seen: list[int] = []

    @flow(retries=1)
    def load(start: str, end: str) -> int:
        blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse)}
        seen.append(load_sent_messages.with_options(cache_policy=NO_CACHE)(start, end, [2], **blocks)["rows"])
        if len(seen) == 1:
            raise RuntimeError("once")
        return seen[-1]

    early = NOON.start_of("day").add(hours=7, minutes=30)
    assert run_scheduled_for(early, load, start="yesterday", end="today") == 1200
    assert seen == [1200, 1200]
    assert run_scheduled_for(early.add(hours=3), load, start="-22h", end="now") == 575
    with pytest.raises(InvalidRequestError, match=r"^start 'soon' is not a valid time with a zone"):
        load("soon", "now")


async def _load_async(credentials: EsmsCredentials, warehouse: EsmsWarehouse) -> dict[str, Any]:
    @flow
    async def load() -> dict[str, Any]:
        return await aload_sent_messages(
            yesterday_at(0), yesterday_at(24), [2], credentials=name_of(credentials), warehouse=name_of(warehouse)
        )

    return await load()


@pytest.mark.in_turn
def test_account_snapshot_writes_the_requested_tables(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """In a flow and in an async one; an unknown table is told in a line before anything is asked."""
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse)}

    @flow
    def watch() -> dict[str, int]:
        return take_snapshot(["balances", "oa_quota"], **blocks)

    @flow
    async def awatch() -> dict[str, int]:
        return await atake_snapshot(["balances"], **blocks)

    gateway.set_balance(777)
    assert watch()["esms_balances"] == 1
    assert asyncio.run(awatch()) == {"esms_balances": 1}
    assert in_table(warehouse, "SELECT DISTINCT balance_vnd::integer FROM esms_balances") == [(777,)]
    assert in_table(warehouse, "SELECT count(*) > 0 FROM esms_oa_quota") == [(True,)]
    with pytest.raises(InvalidRequestError, match="'balance' is not a snapshot table"):
        take_snapshot.fn(["balance"], **blocks)


def test_daily_export_loads_all_types_and_emits_events_and_assets(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """A task for each type of yesterday, an asset with what was loaded, an event for each window."""
    gateway.populate(600, start=yesterday_at(0), end=yesterday_at(24))
    gateway.populate(600, start=yesterday_at(0), end=yesterday_at(24), sms_type=25)
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse)}
    told = run_scheduled_for(NOON, daily_sent_messages_export, sms_types=[2, 25], **blocks)
    assert (told["windows"], told["rows"], told["inserted"]) == (2, 1200, 1200)
    assert told.keys() >= ExportResult.__annotations__.keys()
    assert in_table(warehouse, "SELECT sms_type, count(*) FROM esms_sent_messages GROUP BY ALL ORDER BY ALL") == [
        (2, 600),
        (25, 600),
    ]
    events = events_named("esms.window.loaded", name_of(warehouse))
    assert sorted(event["payload"]["rows"] for event in events) == [600, 600]
    (asset,) = {
        event["resource"]["prefect.resource.id"]
        for event in events_named("prefect.asset.materialization.succeeded", name_of(warehouse))
    }
    assert asset == f"esms://sent-messages/{name_of(warehouse)}"
    assert [row["count"] for row in json.loads(artifacts(f"esms-export-result-{name_of(warehouse)}")[0].data)][:2] == [
        1200,
        1200,
    ]


def events_named(event: str, about: str) -> list[dict[str, Any]]:
    """They travel by themselves, so a moment is given to them."""
    until = time.monotonic() + 60
    found: list[dict[str, Any]] = []
    while time.monotonic() < until:
        with get_client(sync_client=True) as api:
            answer = api.request("POST", "/events/filter", json={"filter": {"event": {"name": [event]}}, "limit": 50})
        found = [one for one in answer.json()["events"] if about in one["resource"]["prefect.resource.id"]]
        if len(found) >= 2:
            return found
        time.sleep(0.3)
    return found


@pytest.mark.in_turn
def test_open_rows_are_followed_up_by_the_next_export(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """Two days ago something was still under way; the export of yesterday brings its end along."""
    waiting = gateway.insert_message(yesterday_at(10, days=2), phone_of(1), sms_type=2, send_status=7, send_result=2)
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse), "sms_types": [2]}
    before = yesterday_at(0, days=2).date()
    assert daily_sent_messages_export(day=before, **blocks)["open_rows"] == 1
    gateway.set_status(waiting, 5, 1)
    told = run_scheduled_for(NOON, daily_sent_messages_export, **blocks)
    assert (told["windows"], told["rows"], told["changed"]) == (1, 0, 0)
    again = told["follow_up"]
    assert (again["windows"], again["changed"], again["open_rows"]) == (1, 1, 0)
    assert in_table(warehouse, "SELECT state FROM esms_sent_messages") == [("delivered",)]


@pytest.mark.in_turn
def test_missed_days_are_loaded_by_the_next_export(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """Three days ago the last export ran; the next one brings the days between along, once."""
    gateway.populate(90, start=yesterday_at(0, days=3), end=yesterday_at(24))
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse), "sms_types": [2]}
    daily_sent_messages_export(day=yesterday_at(0, days=3).date(), **blocks)
    told = run_scheduled_for(NOON, daily_sent_messages_export, **blocks)
    assert (told["windows"], told["first_day"], told["days"]) == (2, yesterday_at(0, days=2).to_date_string(), 2)
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(90,)]
    assert run_scheduled_for(NOON, daily_sent_messages_export, **blocks)["windows"] == 0


@pytest.mark.in_turn
def test_flow_retry_loads_only_the_failed_windows(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three windows fails; the others are loaded, and the second attempt reads that one only."""
    gateway.populate(100, start=yesterday_at(0, days=3), end=yesterday_at(24))
    gateway.faults.add("get_sms_sent_data", http_status(503), every=1)
    calls: list[int] = []

    def up_again(*_: object) -> None:
        gateway.faults.clear()
        calls.append(gateway.call_count("get_sms_sent_data"))

    monkeypatch.setattr(load_sent_messages, "on_failure_hooks", [up_again])
    export = daily_sent_messages_export.with_options(retries=1, retry_delay_seconds=0.1)
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse)}
    told = export(day=yesterday_at(0, days=3).date(), days=3, sms_types=[2], **blocks)
    assert (told["rows"], len(calls)) == (100, 1)
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(100,)]
    reads = in_table(warehouse, "SELECT count(DISTINCT planned_at), count(*) FROM esms_loads")
    assert reads == [(3, 3)]


def test_repeated_loads_in_a_run_read_again_but_a_retry_skips_them(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse, tmp_path: Path
) -> None:
    """Into another warehouse, or the same one later; a retry of the flow passes over each of these loads."""
    other = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'other.duckdb'}")
    other.save(f"test-{uuid.uuid4().hex[:12]}")
    attempts: list[int] = []

    def come(count: int) -> None:
        if len(attempts) == 1:
            gateway.populate(count, start=yesterday_at(0), end=yesterday_at(24), sms_type=2)

    def rows_in(block: EsmsWarehouse) -> int:
        names = {"credentials": name_of(credentials), "warehouse": name_of(block)}
        told = load_sent_messages(yesterday_at(0), yesterday_at(24), [2], **names)
        assert told.keys() >= LoadResult.__annotations__.keys()
        return int(told["rows"])

    @flow(retries=1)
    def loads() -> list[int]:
        attempts.append(1)
        come(5)
        counts = [rows_in(warehouse), rows_in(other)]
        come(3)
        counts.append(rows_in(warehouse))
        come(1)
        if len(attempts) == 1:
            raise RuntimeError
        return counts

    assert loads() == [5, 5, 8]
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(8,)]
    assert in_table(other, "SELECT count(*) FROM esms_sent_messages") == [(5,)]


def test_flow_retry_loads_again_into_an_unsaved_block(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse, tmp_path: Path
) -> None:
    """Nothing tells it from another one, made where the first was in memory."""
    gateway.populate(5, start=yesterday_at(0), end=yesterday_at(24), sms_type=2)
    block = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'first.duckdb'}")

    @flow(retries=1)
    def load() -> None:
        load_sent_messages(yesterday_at(0), yesterday_at(24), [2], credentials=name_of(credentials), warehouse=block)
        if block.url != warehouse.url:
            block.url = warehouse.url
            raise RuntimeError

    load()
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(5,)]


@pytest.mark.in_turn
def test_retried_export_counts_the_windows_of_all_attempts(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two missed days one is loaded by the first attempt, the other by the second: the run is about both."""
    gateway.populate(90, start=yesterday_at(0, days=3), end=yesterday_at(24))
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse), "sms_types": [2]}
    daily_sent_messages_export(day=yesterday_at(0, days=3).date(), **blocks)
    [(before,)] = in_table(warehouse, "SELECT count(*) FROM esms_sent_messages")
    gateway.faults.add("get_sms_sent_data", http_status(503), every=1)
    monkeypatch.setattr(load_sent_messages, "on_failure_hooks", [lambda *_: gateway.faults.clear()])
    retried = daily_sent_messages_export.with_options(retries=1, retry_delay_seconds=0.1)
    told = run_scheduled_for(NOON, retried, **blocks)
    assert (told["windows"], told["inserted"], told["days"]) == (2, 90 - before, 2)
    assert in_table(warehouse, "SELECT count(*) FROM esms_sent_messages") == [(90,)]


@pytest.mark.in_turn
def test_failed_windows_give_one_line_export_error(
    gateway: Emulator, credentials: EsmsCredentials, warehouse: EsmsWarehouse
) -> None:
    """It says how many, and the first reason."""
    gateway.faults.add("get_sms_sent_data", http_status(503), every=1)
    with pytest.raises(ExportIncompleteError, match="1 of 1 window could not be loaded") as error:
        daily_sent_messages_export(
            day=yesterday_at(0).date(), sms_types=[2], credentials=name_of(credentials), warehouse=name_of(warehouse)
        )
    assert "\n" not in str(error.value)
    assert DEMO_API_KEY not in str(error.value)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"days": 0}, "days is at least 1"),
        ({"day": "someday"}, "day 'someday' is not a valid time. Give 2026-11-21, "),
        ({"days": 800}, "give fewer days"),
        ({"sms_types": [99]}, "sms_type must be one of"),
        ({"warehouse": "nobody"}, "There is no block esms-warehouse/nobody"),
    ],
)
def test_invalid_export_settings_give_one_line_error(
    credentials: EsmsCredentials, warehouse: EsmsWarehouse, settings: dict[str, Any], words: str
) -> None:
    """Before anything is read."""
    with pytest.raises(Exception, match=words) as error:
        daily_sent_messages_export(**{"credentials": name_of(credentials), "warehouse": name_of(warehouse), **settings})
    assert "\n" not in str(error.value)


@pytest.mark.in_turn
def test_unreachable_warehouse_gives_one_line_error_without_password(
    credentials: EsmsCredentials, prefect_server: str
) -> None:
    """Without its address, which may hold a password."""
    block = EsmsWarehouse(url="postgresql://me:hunter2hunter2@127.0.0.1:9/rows")
    with pytest.raises(Exception, match=r"(?i)postgres|warehouse|connect") as error:
        load_sent_messages(yesterday_at(0), yesterday_at(24), [2], credentials=name_of(credentials), warehouse=block)
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)
    with pytest.raises(ValueError, match="phone_secret is required"):
        EsmsWarehouse(url="duckdb:///x.duckdb", phones="hashed")
    assert issubclass(ConfigurationError, Exception)
