"""Campaigns through a real Prefect server: whatever happens to the flow, nobody gets a second message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pendulum
import pytest
from conftest import artifacts, everybody_once, name_of, phone_of, run_scheduled_for, start
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings
from waiting import wait_until

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer
from esms_connectors.emulator.faults import http_status
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, ZnsCampaign, plan_zns_bulk, send_zns_bulk, zns_campaign
from esms_connectors.prefect.campaigns import usual_chunks_per_shard
from esms_connectors.prefect.results import PlanResult, ShardCounts
from esms_connectors.prefect.sending import read_shards
from esms_connectors.sending import bulk
from esms_connectors.sending.bulk import BulkIncompleteError


def result_of(child: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = child.communicate(timeout=280)
    assert child.returncode == 0
    return dict(json.loads(output.splitlines()[-1]))


def result_files() -> Iterator[Path]:
    yield from (path for path in Path(get_current_settings().home, "storage").rglob("*") if path.is_file())


# --- all goes well ---------------------------------------------------------------------------------------------------


def test_campaign_sends_each_row_once_and_stores_receipts_and_artifacts(
    gateway: Emulator, books: Ledger, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """One task a chunk; its receipt stands as JSON under the key that says what it is; the artifacts tell the rest."""
    campaign = make_campaign(1200)
    told = zns_campaign(campaign)
    everybody_once(gateway, 1200)
    assert gateway.call_count("send_zns_bulk") == 3
    assert (told["accepted"], told["rejected"], told["unsettled"], told["complete"]) == (1200, 0, 0, True)
    assert books.summary(campaign.run_key).accepted == 1200
    receipts = sorted(path for path in result_files() if f"esms/demo/{campaign.run_key}/" in str(path))
    assert len(receipts) == 3
    kept = [json.loads(json.loads(path.read_text())["result"]) for path in receipts]
    assert sorted(one["rows"] for one in kept) == [200, 500, 500]
    assert sum(one["accepted"] for one in kept) == 1200
    (table,) = artifacts(f"esms-run-{campaign.run_key}")
    assert json.loads(table.data) == [{"outcome": "accepted", "code": "100", "messages": 1200}]
    (progress,) = artifacts(f"esms-progress-{campaign.run_key}")
    assert progress.data == 100.0
    assert "| recipients | 1,200 |" in artifacts(f"esms-plan-{campaign.run_key}")[0].data


@pytest.mark.in_turn
def test_rerun_of_a_complete_campaign_makes_no_send_call(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Receipts pass over the shards; without them the ledger does."""
    campaign = make_campaign(1200)
    zns_campaign(campaign)
    again = zns_campaign(campaign)
    assert again["shards_passed_over"] == 3
    for path in result_files():
        path.unlink()
    third = zns_campaign(campaign)
    assert third["shards_passed_over"] == 0
    everybody_once(gateway, 1200)
    assert gateway.call_count("send_zns_bulk") == 3


@pytest.mark.in_turn
def test_result_separates_counts_of_its_rows_from_counts_of_the_run(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """Two lists under one run key, one of them twice; a number that the gateway refuses."""
    gateway.block_phone(phone_of(7))
    first = make_campaign(300, chunk_size=100, at_least=None)
    second = first.model_copy(update={"source": str(customers(500, "more.csv"))})
    told = [zns_campaign(campaign) for campaign in (first, second, second)]
    counts = ("recipients", "accepted", "sent_by_this_try", "rejected", "unsettled")
    assert [[one[name] for name in counts] for one in told] == [
        [300, 299, 299, 1, 0],
        [500, 499, 200, 1, 0],
        [500, 499, 0, 1, 0],
    ]
    assert [(one["run"]["accepted"], one["run"]["rejected"]) for one in told] == [(299, 1), (499, 1), (499, 1)]


@pytest.mark.in_turn
def test_sandbox_campaign_sends_nothing_and_real_run_sends_all(
    gateway: Emulator, credentials: EsmsCredentials, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """It is planned and checked as a whole, and marked as what it is; the real run then reaches everybody."""
    credentials.sandbox = True
    credentials.save(name_of(credentials), overwrite=True)
    campaign = make_campaign(3)
    assert plan_zns_bulk(campaign)["sandbox"] is True
    told = zns_campaign(campaign)
    assert (told["sandbox"], told["run_key"], told["accepted"]) == (True, f"sandbox/{campaign.run_key}", 3)
    assert gateway.message_count == 0
    credentials.sandbox = False
    credentials.save(name_of(credentials), overwrite=True)
    assert zns_campaign(campaign)["accepted"] == 3
    everybody_once(gateway, 3)


@pytest.mark.in_turn
def test_number_of_shards_is_limited(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit each task has several calls."""
    monkeypatch.setattr("esms_connectors.prefect.campaigns.MAX_SHARDS", 4)
    told = zns_campaign(make_campaign(1000, chunk_size=100))
    assert told["shards"] == 4
    assert gateway.call_count("send_zns_bulk") == 10
    everybody_once(gateway, 1000)


@pytest.mark.parametrize(
    ("recipients", "chunks_per_shard"),
    [(1, 1), (99_000, 1), (100_000, 2), (1_000_000, 5), (2_500_000, 5), (3_000_000, 6), (10_000_000, 20)],
)
def test_chunks_per_shard_grow_with_the_campaign_size(recipients: int, chunks_per_shard: int) -> None:
    """Tasks of Prefect cost as much as calls do, and a server bears a thousand or two of them."""
    chunks = -(-recipients // 500)
    assert usual_chunks_per_shard(chunks) == chunks_per_shard
    assert -(-chunks // chunks_per_shard) <= 1000


def test_stored_results_logs_and_database_contain_no_secrets_or_phones(
    prefect_server: str, gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], caplog: pytest.LogCaptureFixture
) -> None:
    """Results, artifacts, events, parameters and logs; the server's whole database. (Blocks are encrypted there.)"""
    gateway.block_phone(phone_of(7))
    # Not the call of the phone that is refused: a refusal of what is in doubt settles nothing.
    refused = phone_of(7).encode()
    gateway.faults.add(
        "send_zns_bulk", http_status(503), next_calls=1, predicate=lambda call: refused not in call.request.body
    )
    campaign = make_campaign(1200, at_least=0.99)
    zns_campaign(campaign)
    home = Path(get_current_settings().home)
    files = [*result_files(), home / "server.log", *home.glob("prefect.db*")]
    time.sleep(2)  # logs and events travel by themselves
    for path in files:
        data = path.read_bytes()
        for secret in (DEMO_API_KEY, DEMO_SECRET_KEY, phone_of(7), phone_of(1000)):
            assert secret.encode() not in data, f"{path.name} holds {secret[:4]}…"
    assert DEMO_API_KEY not in caplog.text
    assert phone_of(7) not in caplog.text


@pytest.mark.in_turn
def test_custom_flow_can_plan_read_and_send_shards(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """The tasks without the flow: plan, read, submit."""
    campaign = make_campaign(700)

    @flow
    def mine() -> list[dict[str, Any]]:
        plan = plan_zns_bulk(campaign)
        assert plan.keys() == PlanResult.__annotations__.keys()
        with read_shards(campaign, plan) as shards:
            return [future.result() for future in [send_zns_bulk.submit(shard, campaign) for shard in shards]]

    counts = mine()
    assert [one["accepted"] for one in counts] == [500, 200]
    assert counts[0].keys() == ShardCounts.__annotations__.keys()
    everybody_once(gateway, 700)


@pytest.mark.in_turn
def test_refused_plan_yields_no_shards(gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]) -> None:
    """Whoever plans and sends by tasks of their own cannot pass over what the flow refuses."""
    campaign = make_campaign(3)
    gateway.change_template(campaign.template_id, status="DISABLE")
    plan = flow(lambda: plan_zns_bulk(campaign), name="planning")()
    assert "DISABLE" in plan["refusal"]
    with pytest.raises(InvalidRequestError, match="DISABLE"), read_shards(campaign, plan):
        pass


def on_day(campaign: ZnsCampaign, day: str) -> dict[str, Any]:
    """The campaign's flow, as a scheduler made it for that evening."""
    evening = pendulum.parse(f"{day}T18:00", tz="Asia/Ho_Chi_Minh")
    told: dict[str, Any] = run_scheduled_for(evening, zns_campaign, campaign=campaign)
    return told


@pytest.mark.in_turn
def test_daily_schedule_sends_one_campaign_per_scheduled_day(
    gateway: Emulator, books: Ledger, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """The day is that of the schedule; each evening is a campaign of its own, and a second run of one sends nothing."""
    customers(3, "customers-2024-05-15.csv")
    source = str(customers(2, "customers-2024-05-16.csv")).replace("2024-05-16", "{day}")
    campaign = make_campaign(0, source=source, run_key="evening-{day}", rejects=source.replace("customers", "rejects"))
    days = ("2024-05-15", "2024-05-16", "2024-05-15")
    assert [on_day(campaign, day)["accepted"] for day in days] == [3, 2, 3]
    assert gateway.deliveries_by_phone() == {phone_of(0): 2, phone_of(1): 2, phone_of(2): 1}
    assert {run_key for run_key, _ in books.runs()} == {"evening-2024-05-15", "evening-2024-05-16"}
    with get_client(sync_client=True) as api:
        names = {
            run.name
            for run in api.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
            if isinstance(given := run.parameters.get("campaign"), dict) and given["source"] == source
        }
    assert names == {"zns-campaign evening-2024-05-15", "zns-campaign evening-2024-05-16"}


@pytest.mark.parametrize("run_key", ["evening-{date}", "evening-{{ ds }}", "evening-{", "evening-{day}-{hour}"])
def test_unknown_placeholder_in_run_key_is_rejected(run_key: str) -> None:
    """It would be one campaign for ever: the second evening would send nothing."""
    with pytest.raises(ValueError, match=r"run_key takes \{day\} and no other braces"):
        ZnsCampaign(run_key=run_key, source="a.csv", template_id="1")


@pytest.mark.parametrize("send_at", ["2030-01-01T08:00", "tomorrow", "-1d", "soon", pendulum.naive(2030, 1, 1)])
def test_invalid_send_at_is_rejected_when_the_campaign_is_created(send_at: object) -> None:
    """It says what can be given."""
    with pytest.raises(
        ValueError,
        match=r"is not a valid time with a zone\. Give 2026-11-21T08:30:00\+07:00, "
        r"'tomorrow",
    ):
        ZnsCampaign(run_key="evening", source="a.csv", template_id="1", send_at=send_at)


@pytest.mark.in_turn
def test_relative_send_at_is_based_on_the_scheduled_time_in_all_shards(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """It goes by the time that the run was scheduled for, in Vietnam."""
    campaign = make_campaign(700, send_at="today 20:30")
    early = pendulum.datetime(2024, 5, 15, 23, 30, tz="UTC")
    stored = zns_campaign.serialize_parameters({"campaign": campaign})
    assert stored["campaign"]["send_at"] == "today 20:30"
    assert run_scheduled_for(early, zns_campaign, campaign=campaign)["accepted"] == 700
    times = {pendulum.from_timestamp(message.send_at_ms / 1000, "UTC") for message in gateway.messages()}
    assert times == {pendulum.datetime(2024, 5, 16, 20, 30, tz="Asia/Ho_Chi_Minh")}


def test_relative_paths_of_a_campaign_are_stored_as_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In deployments and on the server; URLs stay."""
    monkeypatch.chdir(tmp_path)
    campaign = ZnsCampaign(run_key="r", source="customers-{day}.csv", rejects="out/r.csv", template_id="1")
    stored = zns_campaign.serialize_parameters({"campaign": campaign})["campaign"]
    assert (stored["source"], stored["rejects"]) == (f"{tmp_path}/customers-{{day}}.csv", f"{tmp_path}/out/r.csv")
    url = campaign.model_copy(update={"source": "s3://bucket/customers.csv"}).model_dump(mode="json")["source"]
    assert url == "s3://bucket/customers.csv"


@pytest.mark.in_turn
def test_missing_relative_source_and_unsafe_rejects_path_are_rejected(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And rejects are not written where a worker deletes them."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequestError, match=f"no nobody.csv in {tmp_path}, where this run takes place"):
        zns_campaign(make_campaign(0, source="nobody.csv"))
    with TemporaryDirectory(suffix="prefect") as folder:
        monkeypatch.chdir(folder)
        with pytest.raises(ConfigurationError, match=r"The file of rejects would be in .* the worker deletes"):
            zns_campaign(make_campaign(3, rejects="rejects.csv"))
        monkeypatch.chdir(tmp_path)
    assert gateway.message_count == 0


# --- it is killed, retried, doubled ----------------------------------------------------------------------------------


@pytest.mark.in_turn
def test_rerun_after_sigkill_sends_each_row_once(
    gateway: Emulator,
    server: EmulatorServer,
    books: Ledger,
    make_campaign: Callable[..., ZnsCampaign],
    tmp_path: Path,
) -> None:
    """The rerun takes up what was in the air when the process died, and everybody has one message."""
    campaign = make_campaign(2_000, chunk_size=50)
    server.latency_seconds = 0.1
    child = start(campaign, tmp_path)
    wait_until(lambda: gateway.message_count >= 600, 90)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    server.latency_seconds = 0.0
    before = gateway.message_count
    assert 600 <= before < 2_000
    told = zns_campaign(campaign)
    assert told["accepted"] == 2_000
    assert told["shards_passed_over"] >= 1
    everybody_once(gateway, 2_000)
    assert books.summary(campaign.run_key).accepted == 2_000


@pytest.mark.in_turn
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_terminated_run_settles_its_calls_and_rerun_sends_the_rest(
    gateway: Emulator,
    server: EmulatorServer,
    books: Ledger,
    make_campaign: Callable[..., ZnsCampaign],
    tmp_path: Path,
    signal_number: int,
) -> None:
    """What has left is settled and all else is free for the next run, although each task has more calls to make."""
    campaign = make_campaign(1_350, chunk_size=15)
    server.latency_seconds = 0.5
    child = start(campaign, tmp_path, chunks_per_shard=4)
    wait_until(lambda: gateway.message_count >= 300, 90)
    child.send_signal(signal_number)
    before = gateway.message_count
    child.communicate(timeout=280)
    server.latency_seconds = 0.0
    # Eight threads have a call each under way, and may begin another one while the signal is on its way.
    assert gateway.message_count - before <= 2 * 8 * 15
    run = books.summary(campaign.run_key)
    assert (run.claimed, run.unknown, run.accepted) == (0, 0, gateway.message_count)
    assert zns_campaign(campaign)["accepted"] == 1_350
    everybody_once(gateway, 1_350)


def test_flow_retry_after_an_outage_sends_the_remaining_rows(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """The gateway is down in the middle: the second attempt sends what is missing."""
    gateway.faults.add("send_zns_bulk", http_status(503), calls=list(range(3, 500)))
    # Each attempt plans anew, and asks for the balance then: at the second one the gateway is up again.
    plans: list[object] = []
    gateway.on_call("get_balance", lambda call: plans.append(call) or (len(plans) > 1 and gateway.faults.clear()))
    campaign = make_campaign(500, chunk_size=100)
    told = zns_campaign.with_options(retries=1, retry_delay_seconds=0.1)(campaign)
    assert (told["accepted"], len(plans)) == (500, 2)
    everybody_once(gateway, 500)


@pytest.mark.in_turn
def test_concurrent_runs_of_one_campaign_send_each_row_once(
    gateway: Emulator, server: EmulatorServer, make_campaign: Callable[..., ZnsCampaign], tmp_path: Path
) -> None:
    """Both end well, and together they send each message once."""
    campaign = make_campaign(900, chunk_size=30)
    server.latency_seconds = 0.05
    children = [start(campaign, tmp_path) for _ in range(2)]
    told = [result_of(child) for child in children]
    assert [one["accepted"] for one in told] == [900, 900]
    everybody_once(gateway, 900)


@pytest.mark.in_turn
def test_insufficient_balance_stops_the_run_and_rerun_resumes(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """103 is met once or twice, not by every shard; in the same process the run goes on after a top-up."""
    campaign = make_campaign(2500, chunk_size=50)
    gateway.set_balance(300 * 500)
    with pytest.raises(BulkIncompleteError, match=r"Stopped: .*103") as error:
        zns_campaign(campaign)
    assert "\n" not in str(error.value)
    assert error.value.summary.counters.not_tried > 0
    gateway.set_balance(10**9)
    assert zns_campaign(campaign)["accepted"] == 2500
    everybody_once(gateway, 2500)


@pytest.mark.in_turn
def test_failing_gateway_stops_the_run_before_all_shards_are_tried(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Going on would put the whole list in doubt."""
    gateway.faults.add("send_zns_bulk", http_status(503), every=1)
    campaign = make_campaign(4000, chunk_size=50)
    with pytest.raises(BulkIncompleteError, match="seems to be down"):
        zns_campaign(campaign, shards_at_a_time=4)
    assert gateway.call_count("send_zns_bulk") < 4 * 20


@pytest.mark.in_turn
@pytest.mark.parametrize("at_least", [1.0, None])
def test_failing_shard_task_leaves_the_run_incomplete(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    monkeypatch: pytest.MonkeyPatch,
    at_least: float | None,
) -> None:
    """It never came to the ledger, so nothing is open there: the run is not complete for that."""
    send = bulk.send_shard

    def die_at_the_first(channel: Any, rows: Any, **more: Any) -> Any:
        if next(iter(rows)).phone == phone_of(0):
            raise OSError("the disk is full")
        return send(channel, rows, **more)

    monkeypatch.setattr(bulk, "send_shard", die_at_the_first)
    campaign = make_campaign(250, chunk_size=100, at_least=at_least)
    if at_least is None:
        told = zns_campaign(campaign)
        assert (told["accepted"], told["complete"], told["not_in_ledger"]) == (150, False, 0)
    else:
        with pytest.raises(BulkIncompleteError, match="150 accepted, 100 not tried"):
            zns_campaign(campaign)
    monkeypatch.setattr(bulk, "send_shard", send)
    assert zns_campaign(campaign)["accepted"] == 250
    everybody_once(gateway, 250)


@pytest.mark.in_turn
def test_released_rows_are_sent_again_despite_receipts(
    gateway: Emulator, books: Ledger, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Somebody decided so: the ledger counts, not Prefect's memory."""
    campaign = make_campaign(600)
    zns_campaign(campaign)
    row = next(books.rows(campaign.run_key, SendState.ACCEPTED))
    assert books.release(campaign.run_key, [row["request_id"]], "the customer asked") == 1
    told = zns_campaign(campaign)
    assert told["shards_passed_over"] == 1
    assert sorted(gateway.deliveries_by_phone().values()) == [1] * 599 + [2]


@pytest.mark.in_turn
def test_receipts_prevent_duplicates_after_ledger_loss(
    gateway: Emulator,
    ledger_block: EsmsLedger,
    make_campaign: Callable[..., ZnsCampaign],
    tmp_path: Path,
) -> None:
    """A new, empty ledger in its place: what has a receipt is not sent again."""
    campaign = make_campaign(600)
    zns_campaign(campaign)
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(BulkIncompleteError, match="the ledger lacks 600 recipients with receipts"):
        zns_campaign(campaign)
    told = zns_campaign(campaign.model_copy(update={"at_least": None}))
    assert (told["shards_passed_over"], told["not_in_ledger"]) == (2, 600)
    everybody_once(gateway, 600)
