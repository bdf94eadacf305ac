"""One deployment for all scenarios; they run at the same time, and the tests look at what came of each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from databases import Database
from examples_world import (
    CAMPAIGNS,
    FIRST,
    SCHEDULED,
    TRIGGERED,
    VISITS,
    Approver,
    Examples,
    fill_crm,
    fill_gateway,
    let_arrive,
    put_into,
)
from postgres_server import PostgresServer
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
    write_customers,
)

from demo.airflow_deployment import Deployment
from demo.processes import wait_until
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    default_account,
)
from esms_connectors.emulator.faults import slow


@pytest.fixture(scope="session")
def warehouse(postgres: PostgresServer) -> Database:
    return Database(postgres)


@pytest.fixture(scope="session")
def databases(postgres: PostgresServer) -> dict[str, Database]:
    """What the examples call `crm` and `warehouse`."""
    found = {"crm": Database(postgres), "warehouse": Database(postgres)}
    fill_crm(found["crm"])
    return found


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
    warehouse: Database,
    databases: dict[str, Database],
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("scenarios")
    write_customers(folder / "customers.csv", 902_000_000, MANY)
    write_customers(folder / "few.csv", 903_000_000, FEW)
    write_customers(folder / "marked.csv", 906_000_000, MARKED)
    write_customers(folder / "first.csv", 904_900_000, FIRST)
    (folder / "phone.txt").write_text(TEXTED, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    config = EmulatorConfig(
        accounts=(replace(default_account(), api_key=API_KEY, secret_key=SECRET_KEY),),
        # Nothing becomes final by itself: what the sensor waits for arrives when its triggerer was lost.
        progress=Progress(failed_share=0.0, rejected_share=0.0, never_final_share=1.0),
    )
    gateway = Emulator(config)
    fill_gateway(gateway)
    # Forty calls, two at a time: time enough to be killed in the middle.
    gateway.faults.add("send_zns_bulk", slow(0.4), probability=1.0)
    with gateway.serve() as server:
        esms = {
            "conn_type": "esms",
            "host": server.base_url,
            "login": API_KEY,
            "password": SECRET_KEY,
            "extra": {
                "ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}",
                "ledger_secret": LEDGER_SECRET,
                "alert_phones": ALERTED,
                "brandname": DEMO_BRANDNAME,
                "oa_id": DEMO_OA_ID,
                "template_id": DEMO_TEMPLATE_ID,
            },
        }
        variables = {
            "SCENARIO_FOLDER": str(folder),
            "AIRFLOW_VAR_ESMS_REPORTS": str(folder / "reports"),
            "AIRFLOW__ESMS__CALLBACK_TOKEN": CALLBACK_TOKEN,
            "AIRFLOW_CONN_ESMS_DEFAULT": json.dumps(esms),
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(one.connection) for name, one in databases.items()},
            "AIRFLOW_CONN_WAREHOUSE_POSTGRES": json.dumps(warehouse.connection),
            "AIRFLOW_CONN_WAREHOUSE_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(folder / "w.duckdb")}),
            "AIRFLOW_CONN_WAREHOUSE_FIRST": json.dumps({"conn_type": "duckdb", "host": str(folder / "first.duckdb")}),
        }
        home, dags = tmp_path_factory.mktemp("airflow"), folder / "dags"
        shutil.copytree(Path(__file__).parent / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
        put_into(home, dags)
        metadata = Database(postgres)
        database = metadata.url.replace("postgresql://", "postgresql+psycopg://")
        airflow = Deployment(home, dags, variables, database=database)
        try:
            airflow.start()
            yield World(airflow, metadata, gateway, folder, server.base_url)
        finally:
            airflow.stop()


@pytest.fixture(scope="session")
def runs(world: World) -> dict[str, str]:
    """DAG -> its run; all of them are started before the first is looked at."""
    return {
        dag_id: world.airflow.trigger(dag_id) for dag_id in ("zns_bulk", "wait_deferred", "alert", "send_sms", "marked")
    }


@pytest.fixture(scope="session")
def called_back(world: World, runs: dict[str, str]) -> dict[str, str]:
    """Messages whose reports the gateway pushed to the API server, and one whose report somebody else made up."""
    world.airflow.wait_until_known("on_callback")
    details = {"sms_type": 2, "api_key": API_KEY, "callback_url": world.callback_url}
    found = {
        what: world.gateway.insert_message(phone=f"0905{number:06d}", **details)
        for number, what in enumerate(("delivered", "failed", "forged"), 900_000)
    }
    world.gateway.set_status(found["delivered"], 5, 1)
    world.gateway.set_status(found["failed"], 5, 0)
    forged = f"SMSID={found['forged']}&SendStatus=5&SendSuccess=1&TotalReceiver=1&phonenumber=0905900002"
    assert world.airflow.status_of(f"{world.callback_url}?{forged}") == 200
    return found


@pytest.fixture(scope="session")
def disasters(world: World, runs: dict[str, str]) -> dict[str, int]:
    """
    The task process of the bulk send is killed when a third is sent, and the triggerer when the sensor is deferred;
    only then do the messages that the sensor waits for arrive. A campaign is marked as failed while it sends.

    Gives how many had been sent to when the process died, and when the mark was set.
    """
    happened: dict[str, int] = {}
    until = time.monotonic() + 300
    while len(happened) < 3 and time.monotonic() < until:
        sent = len(world.deliveries("0902"))
        if "send" not in happened and sent > MANY / 3:
            os.kill(int((world.folder / "zns_bulk.1.pid").read_text(encoding="utf-8")), signal.SIGKILL)
            happened["send"] = sent
        if "mark" not in happened and len(world.deliveries("0906")) > 100:
            path = f"/api/v2/dags/marked/dagRuns/{runs['marked']}/taskInstances/send"
            world.airflow.call("PATCH", path, json={"new_state": "failed"})
            happened["mark"] = len(world.deliveries("0906"))
        if (
            "wait" not in happened
            and world.airflow.states("wait_deferred", runs["wait_deferred"])["wait"] == "deferred"
        ):
            world.airflow.kill_component("triggerer")
            world.airflow.start_component("triggerer")
            for message in world.gateway.messages():
                if message.phone.startswith("0903"):
                    world.gateway.set_status(message.message_id, 5, 1)
            happened["wait"] = sent
        time.sleep(0.2)
    return happened


@pytest.fixture(scope="session")
def examples(world: World, databases: dict[str, Database]) -> Examples:
    """The examples, unpaused; the plan is approved, and what the campaigns sent arrives."""
    airflow = world.airflow
    airflow.call("POST", "/api/v2/pools", json={"name": "esms", "slots": 2})
    for dag_id in (*TRIGGERED, *SCHEDULED):
        airflow.wait_until_known(dag_id)
        airflow.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})
    runs = {
        "alert_by_sms": airflow.trigger("alert_by_sms", conf={"at_least": 1000}),
        "campaign_on_many_workers": airflow.trigger("campaign_on_many_workers"),
        "first_campaign": airflow.trigger(
            "first_campaign", conf={"customers": str(world.folder / "first.csv"), "run_key": "march"}
        ),
        "watch_quota": airflow.trigger("watch_quota", conf={"needed": 10}),
    }

    def first_run(dag_id: str) -> dict[str, str] | None:
        found = airflow.call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "run_after"})["dag_runs"]
        return found[0] if found else None

    nightly = wait_until("the nightly run", lambda: first_run("nightly_zns_campaign"), 120)
    runs["nightly_zns_campaign"] = nightly["dag_run_id"]
    for dag_id in ("daily_export", "zns_else_sms"):
        runs[dag_id] = wait_until(f"a run of {dag_id}", partial(first_run, dag_id), 120)["dag_run_id"]
    waiting, approver = set(CAMPAIGNS), Approver(airflow, runs["nightly_zns_campaign"])

    def moved_on() -> bool:
        approver.look()
        let_arrive(world.gateway)
        for dag_id in list(waiting):
            states = [one["state"] for one in airflow.instances(dag_id, runs[dag_id]) if one["task_id"] == "wait"]
            if {"failed", "upstream_failed"} & set(states) or set(states) == {"success"}:
                waiting.discard(dag_id)
        return not waiting

    wait_until("the campaigns of the examples", moved_on, 300, 0.5)
    assert set(approver.subjects) == {f"Send {VISITS} ZNS?"}
    return Examples(databases["crm"], databases["warehouse"], runs, nightly["logical_date"][:10])
