"""
The examples in a real Airflow, as they stand: only a policy of the deployment makes their waits between tries and looks
short. They run at the same time, and each test waits for its own, so those that take longest stand last.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from examples_world import (
    CAMPAIGNS,
    EARLIER,
    EXPORTED,
    FAILED,
    FIRST,
    FOLDER,
    REPORTED,
    VISITS,
    Approver,
    Examples,
    fails_by_zns,
    let_arrive,
    vietnamese_now,
)
from scenario_world import (
    ALERTED,
    World,
)

from demo.processes import wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.in_turn(on=5)]


def people(world: World, campaign: str) -> Counter[str]:
    """Phone -> messages of one campaign."""
    return Counter(one.phone for one in world.gateway.messages() if one.campaign.startswith(campaign))


def test_failing_pipeline_sends_one_alert_sms(world: World, examples: Examples) -> None:
    """Three tries of the last task, one message; the scheduled run, in which nothing fails, tells nobody."""
    assert world.airflow.wait_for_run("alert_by_sms", examples.runs["alert_by_sms"], 300) == "failed"
    told = [one for one in world.gateway.messages() if one.phone == ALERTED and "alert_by_sms" in one.content]
    assert len(told) == 1


def test_nightly_campaign_is_approved_sent_loaded_and_reported(world: World, examples: Examples) -> None:
    """Started by its own schedule; nobody twice, nobody of another day, and no number in the warehouse."""
    run = examples.runs["nightly_zns_campaign"]
    assert world.airflow.wait_for_run("nightly_zns_campaign", run, 300) == "success"
    reached = people(world, "nightly_zns_campaign")
    visited = examples.crm.rows(f"SELECT phone FROM visits WHERE visited_on = DATE '{examples.nightly_day}'")
    assert reached == Counter(phone for (phone,) in visited)
    assert len(reached) == VISITS
    report = world.airflow.result("nightly_zns_campaign", run, "report")
    page = Path(report["files"][0]).read_text(encoding="utf-8")
    assert "nightly_zns_campaign.send" in page
    assert not [phone for (phone,) in visited if phone in page]
    rows = examples.warehouse.rows("SELECT count(*) FROM esms_sent_messages WHERE state = 'delivered'")
    assert VISITS <= report["headline"]["delivered"] <= rows[0][0]
    loaded = "SELECT phone FROM esms_sent_messages WHERE campaign LIKE 'nightly_zns_campaign%'"
    phones = {phone for (phone,) in examples.warehouse.rows(loaded)}
    assert len(phones) == VISITS
    assert not any(phone[-6:].isdigit() and len(phone) < 12 for phone in phones)


def test_catchup_run_exports_the_previous_day(world: World, examples: Examples) -> None:
    """Catch-up: the first scheduled run loads the day before its own."""
    first = examples.runs["daily_export"]
    assert world.airflow.wait_for_run("daily_export", first, 300) == "success"
    loaded = world.airflow.result("daily_export", first, "load")
    assert loaded["rows"] == EXPORTED
    day = loaded["start"][:10]
    rows = examples.warehouse.rows(
        f"SELECT count(*), count(DISTINCT phone) FROM esms_sent_messages WHERE sent_at >= TIMESTAMPTZ '{day} 00:00+07' "
        f"AND sent_at < TIMESTAMPTZ '{day} 00:00+07' + INTERVAL '1 day'"
    )
    assert rows == [(EXPORTED, EXPORTED)]


def test_campaign_on_many_workers_sends_to_each_recipient_once(world: World, examples: Examples) -> None:
    """Each shard has people of its own, and each is waited for."""
    run = examples.runs["campaign_on_many_workers"]
    assert world.airflow.wait_for_run("campaign_on_many_workers", run, 300) == "success"
    assert people(world, "campaign_on_many_workers") == Counter(
        phone for (phone,) in examples.crm.rows("SELECT phone FROM visits")
    )
    assert len(people(world, "campaign_on_many_workers")) == 2 * VISITS + EARLIER
    instances = world.airflow.instances("campaign_on_many_workers", run)
    assert {one["pool"] for one in instances if one["task_id"] == "send"} == {"esms"}


def test_minimal_campaign_is_sent_and_loaded(world: World, examples: Examples) -> None:
    """File, run key and all that is needed come from whoever starts it."""
    run = examples.runs["first_campaign"]
    assert world.airflow.wait_for_run("first_campaign", run, 300) == "success"
    reached = people(world, "march")
    assert (len(reached), set(reached.values())) == (FIRST, {1})
    with duckdb.connect(str(world.folder / "first.duckdb"), read_only=True) as database:
        loaded = "SELECT phone FROM esms_sent_messages WHERE campaign LIKE 'march%'"
        assert {phone for (phone,) in database.execute(loaded).fetchall()} == set(reached)


def test_delivery_reports_trigger_a_dag_run(world: World, examples: Examples) -> None:
    """Nobody triggered it: the triggerer saw messages come to their end."""

    def results() -> list[str]:
        found: list[dict[str, Any]] = world.airflow.call("GET", "/api/v2/dags/react_to_delivery/dagRuns")["dag_runs"]
        done = [one["dag_run_id"] for one in found if one["state"] == "success"]
        return [line for run in done for line in world.airflow.result("react_to_delivery", run, "look")]

    lines = wait_until("a run by the asset", results, 120, 1.0)
    share = (REPORTED - FAILED) / REPORTED
    assert any(line.endswith(f"{REPORTED} messages, {share:.1%} delivered") for line in lines), lines
    # Where the next triggerer goes on.
    kept = "SELECT key FROM asset_state_store WHERE key LIKE 'esms\\_reports\\_%'"
    assert wait_until("a cursor", lambda: world.metadata.rows(kept), 200, 1.0)


def test_gateway_operation_result_is_passed_to_the_next_task(world: World, examples: Examples) -> None:
    """The quota, asked by the operator, is what the next task decides on."""
    run = examples.runs["watch_quota"]
    assert world.airflow.wait_for_run("watch_quota", run, 300) == "success"
    quota = world.airflow.result("watch_quota", run, "quota")
    assert quota["remaining"] == world.airflow.result("watch_quota", run, "enough") > 10


def test_undelivered_zns_recipients_get_a_fallback_sms(world: World, examples: Examples) -> None:
    """Everybody of its day gets the ZNS, those for whom it fails the SMS as well, once; then the report."""
    run = examples.runs["zns_else_sms"]
    assert world.airflow.wait_for_run("zns_else_sms", run, 300, lambda: let_arrive(world.gateway)) == "success"
    reached = people(world, "zns_else_sms")
    assert len(reached) == VISITS
    assert reached == Counter({phone: 2 if fails_by_zns(phone) else 1 for phone in reached})
    assert 2 in reached.values()
    (page,) = world.airflow.result("zns_else_sms", run, "report")["files"]
    shown = Path(page).read_text(encoding="utf-8")
    assert not [phone for phone in reached if phone in shown]
    assert "Campaigns with a fallback" in shown


def test_scheduled_examples_send_only_the_rows_of_their_logical_date(world: World, examples: Examples) -> None:
    """A second logical date: its own people, each once more than by the first day's run, which is not sent again."""
    before = {campaign: people(world, campaign) for campaign in ("nightly_zns_campaign", "zns_else_sms")}
    day = vietnamese_now().subtract(days=9).to_date_string()
    runs = {dag_id: world.airflow.trigger(dag_id, logical_date=f"{day}T08:00:00+07:00") for dag_id in before}
    approver = Approver(world.airflow, runs["nightly_zns_campaign"])

    def meanwhile() -> None:
        let_arrive(world.gateway)
        approver.look()

    for dag_id, run in runs.items():
        assert world.airflow.wait_for_run(dag_id, run, 300, meanwhile) == "success"
    assert set(approver.subjects) == {f"Send {EARLIER} ZNS?"}
    visited = {phone for (phone,) in examples.crm.rows(f"SELECT phone FROM visits WHERE visited_on = DATE '{day}'")}
    assert len(visited) == EARLIER
    nightly, chain = (people(world, campaign) - before[campaign] for campaign in before)
    assert nightly == Counter(visited)
    assert chain == Counter({phone: 2 if fails_by_zns(phone) else 1 for phone in visited})


def test_every_example_dag_is_covered() -> None:
    """Each file in dags_examples has a test here."""
    known = {*CAMPAIGNS, "alert_by_sms", "daily_export", "react_to_delivery", "watch_quota", "zns_else_sms"}
    assert {file.stem for file in FOLDER.glob("*.py")} == known
