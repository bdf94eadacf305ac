"""
Real Airflow against the emulator, which counts: nobody twice, nobody missed, and nothing secret anywhere.

The scenarios run at the same time; each test waits for its own, so those that take longest stand last. All in one file,
because there is one deployment, and pytest shares out files among its workers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from browser import Form, missing
from databases import Database
from scenario_world import (
    ALERTED,
    API_KEY,
    CALLBACK_TOKEN,
    FEW,
    LEDGER_SECRET,
    MANY,
    MARKED,
    SECRET_KEY,
    TEXT,
    TEXTED,
    World,
)

from demo.processes import wait_until
from esms_connectors.emulator import DEMO_BRANDNAME
from esms_connectors.ledger import Ledger

pytestmark = [pytest.mark.timeout(600), pytest.mark.in_turn(on=8)]
# The gateway has messages of the examples too.
OURS = ("zns_bulk.", "wait_deferred.")


def test_deferred_sensor_survives_a_killed_triggerer(
    world: World, runs: dict[str, str], disasters: dict[str, int]
) -> None:
    """The triggerer was killed while it waited; the next one begins anew, and the deadline stays."""
    assert "wait" in disasters
    assert world.airflow.wait_for_run("wait_deferred", runs["wait_deferred"], 300) == "success"
    found = world.airflow.result("wait_deferred", runs["wait_deferred"], "wait")
    assert (found["expected"], found["delivered"]) == (FEW, FEW)
    assert world.deliveries("0903") == {f"0{903_000_000 + number}": 1 for number in range(FEW)}


def test_campaign_marked_as_failed_stops_with_nothing_in_doubt(
    world: World, runs: dict[str, str], disasters: dict[str, int]
) -> None:
    """Within a second or two, of minutes: what is under way is settled, and nothing is in doubt or claimed."""
    *_, last_try = sorted(world.folder.glob("marked.*.pid"))
    sender = Path("/proc", last_try.read_text(encoding="utf-8"))
    wait_until("the end of the sender", lambda: not sender.exists(), 60)
    assert world.airflow.wait_for_run("marked", runs["marked"], 300) == "failed"
    reached = world.deliveries("0906")
    assert max(reached.values()) == 1
    # A hundred messages a second, at best.
    assert 100 < len(reached) < disasters["mark"] + MARKED / 4
    with Ledger.open(f"sqlite:///{world.folder / 'ledger.sqlite'}") as ledger:
        left = ledger.summary("marked")
    assert left.accepted == len(reached)
    assert (left.unknown, left.held, left.claimed) == (0, 0, 0)


def test_failing_mapped_tasks_send_one_alert(world: World, runs: dict[str, str]) -> None:
    """Three mapped tasks, each with a retry, all failing: one message."""
    assert world.airflow.wait_for_run("alert", runs["alert"], 300) == "failed"

    def alerts() -> int:
        return sum(one.phone == ALERTED and one.content == "alert hong" for one in world.gateway.messages())

    wait_until("the alert", alerts, 120)
    calls = [call for call in world.gateway.calls if call.function == "send_customer_care_sms"]
    assert alerts() == 1
    assert len(calls) >= 3


def test_cleared_sms_task_sends_no_duplicate(world: World, runs: dict[str, str]) -> None:
    """Clear through the REST API, as a person does."""
    run = runs["send_sms"]
    assert world.airflow.wait_for_run("send_sms", run, 300) == "success"
    first = world.airflow.result("send_sms", run, "send")
    world.airflow.call(
        "POST",
        "/api/v2/dags/send_sms/clearTaskInstances",
        json={"dry_run": False, "dag_run_id": run, "only_failed": False, "reset_dag_runs": True},
    )
    wait_until("the second try", lambda: world.airflow.instances("send_sms", run)[0]["try_number"] == 2, 300)
    assert world.airflow.wait_for_run("send_sms", run, 300) == "success"
    again = world.airflow.result("send_sms", run, "send")
    assert again["message_ids"] == first["message_ids"]
    assert [(one["accepted"], one["sent_by_this_try"]) for one in (first, again)] == [(1, 1), (1, 0)]
    assert "0 accepted now, 1 before, by an earlier try" in world.airflow.task_logs("send_sms")
    assert world.deliveries(TEXTED) == {TEXTED: 1}


def test_task_extra_link_opens_the_account_page(world: World, runs: dict[str, str]) -> None:
    """Computed by the worker, served by the API server."""
    run = runs["wait_deferred"]
    assert world.airflow.wait_for_run("wait_deferred", run, 300) == "success"
    links = world.airflow.call("GET", f"/api/v2/dags/wait_deferred/dagRuns/{run}/taskInstances/send/links")
    assert links["extra_links"] == {"eSMS report": "https://account.esms.vn/"}


def test_rest_connection_test_reports_balance_or_gateway_code(world: World) -> None:
    """Through the REST API: the balance for the right keys, one line for wrong ones."""
    body: dict[str, Any] = {"connection_id": "t", "conn_type": "esms", "login": API_KEY, "password": SECRET_KEY}
    body["host"] = world.gateway_url
    right = world.airflow.call("POST", "/api/v2/connections/test", json=body)
    wrong = world.airflow.call("POST", "/api/v2/connections/test", json={**body, "password": "WRONG1234"})
    assert (right["status"], "VND" in right["message"]) == (True, True)
    assert (wrong["status"], "101" in wrong["message"], "WRONG1234" in wrong["message"]) == (False, True, False)


def test_connection_form_metadata_has_the_provider_fields(world: World) -> None:
    """What the UI shows for the connection type: names of ours, keys hidden."""
    metas = world.airflow.call("GET", "/ui/connections/hook_meta")
    [meta] = [one for one in metas if one["connection_type"] == "esms"]
    assert meta["hook_name"] == "eSMS.vn"
    assert meta["standard_fields"]["password"]["title"] == "SecretKey"
    assert meta["standard_fields"]["url_schema"]["hidden"] is True
    assert {"sandbox", "brandname", "oa_id", "ledger_conn_id", "proxy"} <= set(meta["extra_fields"])
    assert meta["extra_fields"]["api_key"]["schema"]["format"] == "password"


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_connection_form_works_in_a_browser_without_showing_keys(world: World) -> None:
    """Add, test, edit and test again, as people do; what is stored is right, and no key is ever shown."""
    host, _, port = world.gateway_url.rpartition(":")
    with Form(world.airflow.url) as form:
        form.add("shop", {"Base URL": host, "Port": port, "SecretKey": SECRET_KEY})
        form.extra({"api_key": API_KEY, "brandname": "Shop", "requests_per_second": "20"}, switch="Sandbox")
        form.save("shop")
        # A sender that the account does not have is told of, by name.
        told = form.test("shop")
        assert ("sandbox" in told, "brandname: Shop is not registered" in told) == (True, True)
        form.edit("shop", {"brandname": DEMO_BRANDNAME})
        assert "the balance is" in form.test("shop")
        seen = form.seen()
    assert [key for key in (API_KEY, SECRET_KEY) if key in seen] == []
    stored = world.airflow.call("GET", "/api/v2/connections/shop")
    extra = {name: value for name, value in json.loads(stored["extra"]).items() if value is not None}
    assert (stored["host"], stored["port"], stored["login"], stored["password"]) == (host, int(port), None, "***")
    assert extra == {"api_key": "***", "brandname": DEMO_BRANDNAME, "requests_per_second": 20, "sandbox": True}


def test_confirmed_delivery_callbacks_trigger_a_dag_run(world: World, called_back: dict[str, str]) -> None:
    """What the gateway confirms is known to a DAG; a report that somebody made up changes nothing."""

    def known() -> set[str]:
        found = world.airflow.call("GET", "/api/v2/dags/on_callback/dagRuns")["dag_runs"]
        done = [one["dag_run_id"] for one in found if one["state"] == "success"]
        return {
            f"{message_id} {one['delivered']}/{one['failed']}"
            for run in done
            for one in world.airflow.result("on_callback", run, "look")
            for message_id in one["message_ids"]
        }

    both = {called_back["delivered"], called_back["failed"]}
    found = wait_until("a run by callbacks", lambda: known() if len(known()) == 2 else None, 90, 1.0)
    assert {one.split()[0] for one in found} == both
    pushed = [one for message_id in both for one in world.gateway.callbacks.attempts_for(message_id)]
    assert [one.outcome for one in pushed] == ["200", "200"]


@pytest.mark.parametrize("tail", ["x", "/x", "/", "%00"])
def test_receiver_returns_404_for_a_wrong_token_and_logs_no_query(world: World, tail: str) -> None:
    """Anything but the whole token is not found, and nothing of what was asked is logged."""
    asked = f"{world.airflow.url}/esms/callback/{CALLBACK_TOKEN[:-1]}{tail}?SMSID=not-to-be-logged"
    assert world.airflow.status_of(asked) == 404
    assert "not-to-be-logged" not in world.airflow.log_of("api-server")


def test_killed_bulk_send_is_resumed_by_the_retry(
    world: World, runs: dict[str, str], disasters: dict[str, int]
) -> None:
    """20 000 people, SIGKILL in the middle: everybody gets one message, and the retry sends only what was left."""
    assert MANY / 3 < disasters["send"] < MANY
    assert world.airflow.wait_for_run("zns_bulk", runs["zns_bulk"], 300) == "success"
    counts = world.deliveries("0902")
    assert (len(counts), max(counts.values())) == (MANY, 1)
    result = world.airflow.result("zns_bulk", runs["zns_bulk"], "send")
    assert result["accepted"] == MANY
    # At most the calls in flight were in doubt: two threads, 500 a call.
    assert 0 < result["sent_by_this_try"] <= MANY - disasters["send"] + 2 * 500
    assert (world.folder / "zns_bulk.2.pid").exists()


def test_all_sent_messages_are_exported_to_duckdb_and_postgresql(
    world: World, runs: dict[str, str], disasters: dict[str, int], warehouse: Database
) -> None:
    """What the bulk send left at the gateway stands in DuckDB and in PostgreSQL, and the asset event has the counts."""
    for dag_id in ("zns_bulk", "wait_deferred"):
        world.airflow.wait_for_run(dag_id, runs[dag_id], 300)
    mine = (
        "SELECT message_id FROM esms_sent_messages WHERE campaign LIKE 'zns_bulk.%' OR campaign LIKE 'wait_deferred.%'"
    )
    run = world.airflow.trigger("export")
    assert world.airflow.wait_for_run("export", run, 120) == "success"
    with duckdb.connect(str(world.folder / "w.duckdb"), read_only=True) as database:
        in_duckdb = database.execute(mine).fetchall()
    in_postgres = warehouse.rows(mine)
    sent = {message.message_id for message in world.gateway.messages() if message.campaign.startswith(OURS)}
    assert {row[0] for row in in_duckdb} == {row[0] for row in in_postgres} == sent
    assert len(in_duckdb) == len(in_postgres) == MANY + FEW
    events = world.airflow.call("GET", "/api/v2/assets/events", params={"source_dag_id": "export"})["asset_events"]
    assert {event["source_task_id"] for event in events} == {"to_duckdb", "to_postgres"}
    assert all(event["extra"]["rows"] >= MANY + FEW for event in events)


def test_logs_and_metadata_database_contain_no_secrets_or_phones(
    world: World, runs: dict[str, str], disasters: dict[str, int]
) -> None:
    """Logs of tasks and components, and the whole metadata database: XCom, rendered fields, state, events, DAG code."""
    for dag_id, run in runs.items():
        world.airflow.wait_for_run(dag_id, run, 300)
    tables = world.metadata.dump()
    assert tables["rendered_task_instance_fields"]
    words = [API_KEY, SECRET_KEY, LEDGER_SECRET, CALLBACK_TOKEN[:-1], TEXT]
    # The digits of a phone alone stand in durations and times too; as many as a phone has, with no other beside them,
    # are a phone.
    phones = [rf"(?<!\d)(?:0|84){one}(?!\d)" for one in (ALERTED[1:], TEXTED[1:], r"90[2-6]\d{6}")]
    canaries = [re.compile(one.encode()) for one in (*map(re.escape, words), *phones)]
    home = world.airflow.home
    files = [file for file in home.rglob("*") if file.is_file() and file.name != "airflow.cfg"]
    assert any("task_id=send" in str(file) for file in files)
    places = tables | {str(file.relative_to(home)): file.read_bytes() for file in files}
    leaks = {
        f"{place}: {found[0]!r}"
        for place, content in places.items()
        for canary in canaries
        if (found := canary.search(content))
    }
    assert leaks == set()
