"""
The five examples, as they stand, run by a real Airflow: scheduled, triggered, approved, woken by an asset.

Only a policy of the deployment makes their waits between tries and looks short.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from deployment import wait_until
from examples_world import CAMPAIGNS, EARLIER, EXPORTED, FAILED, REPORTED, VISITS, Examples
from scenario_world import ALERTED, World

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("deployment")]


def people(world: World, campaign: str) -> Counter[str]:
    """Phone -> messages of one campaign."""
    return Counter(one.phone for one in world.gateway.messages() if one.campaign.startswith(campaign))


def test_a_failing_pipeline_is_told_by_one_sms(world: World, examples: Examples) -> None:
    """Three tries of the last task, one message; the scheduled run, in which nothing fails, tells nobody."""
    assert world.airflow.wait_for_run("alert_by_sms", examples.runs["alert_by_sms"], 200) == "failed"
    told = [one for one in world.gateway.messages() if one.phone == ALERTED and "alert_by_sms" in one.content]
    assert len(told) == 1


def test_a_campaign_is_approved_sent_awaited_loaded_and_reported(world: World, examples: Examples) -> None:
    """Started by its own schedule; nobody twice, nobody of another day, and no number in the warehouse."""
    run = examples.runs["nightly_zns_campaign"]
    assert world.airflow.wait_for_run("nightly_zns_campaign", run, 200) == "success"
    reached = people(world, "nightly_zns_campaign")
    visited = examples.crm.rows(f"SELECT phone FROM visits WHERE visited_on = DATE '{examples.nightly_day}'")
    assert reached == Counter(phone for (phone,) in visited)
    assert len(reached) == VISITS
    report = world.airflow.result("nightly_zns_campaign", run, "report")
    assert report.startswith(f"{VISITS} sent for ")
    assert report.endswith("100.0% delivered")
    loaded = "SELECT phone FROM esms_sent_messages WHERE campaign LIKE 'nightly_zns_campaign%'"
    phones = {phone for (phone,) in examples.warehouse.rows(loaded)}
    assert len(phones) == VISITS
    assert not any(phone[-6:].isdigit() and len(phone) < 12 for phone in phones)


def test_the_days_before_are_exported_too(world: World, examples: Examples) -> None:
    """Catch-up: the first scheduled run loads the day before its own."""
    first = examples.runs["daily_export"]
    assert world.airflow.wait_for_run("daily_export", first, 200) == "success"
    loaded = world.airflow.result("daily_export", first, "load")
    assert loaded["rows"] == EXPORTED
    day = loaded["start"][:10]
    rows = examples.warehouse.rows(
        f"SELECT count(*), count(DISTINCT phone) FROM esms_sent_messages WHERE sent_at >= TIMESTAMPTZ '{day} 00:00+07' "
        f"AND sent_at < TIMESTAMPTZ '{day} 00:00+07' + INTERVAL '1 day'"
    )
    assert rows == [(EXPORTED, EXPORTED)]


def test_a_campaign_on_many_workers_reaches_everybody_once(world: World, examples: Examples) -> None:
    """Each shard has people of its own, and each is waited for."""
    run = examples.runs["campaign_on_many_workers"]
    assert world.airflow.wait_for_run("campaign_on_many_workers", run, 200) == "success"
    assert people(world, "campaign_on_many_workers") == Counter(
        phone for (phone,) in examples.crm.rows("SELECT phone FROM visits")
    )
    assert len(people(world, "campaign_on_many_workers")) == 2 * VISITS + EARLIER
    instances = world.airflow.instances("campaign_on_many_workers", run)
    assert {one["pool"] for one in instances if one["task_id"] == "send"} == {"esms"}


def test_delivery_reports_start_a_run(world: World, examples: Examples) -> None:
    """Nobody triggered it: the triggerer saw messages come to their end."""

    def results() -> list[str]:
        found: list[dict[str, Any]] = world.airflow.call("GET", "/api/v2/dags/react_to_delivery/dagRuns")["dag_runs"]
        done = [one["dag_run_id"] for one in found if one["state"] == "success"]
        return [line for run in done for line in world.airflow.result("react_to_delivery", run, "look")]

    lines = wait_until("a run by the asset", results, 120, 1.0)
    share = (REPORTED - FAILED) / REPORTED
    assert any(line.endswith(f"{REPORTED} messages, {share:.1%} delivered") for line in lines), lines


def test_no_example_is_left_out() -> None:
    """Each file in dags_examples has a test here."""
    from examples_world import FOLDER

    known = {*CAMPAIGNS, "alert_by_sms", "daily_export", "react_to_delivery"}
    assert {file.stem for file in FOLDER.glob("*.py")} == known
