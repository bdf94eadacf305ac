"""One deployment for all scenarios; they run at the same time, and the tests look at what came of each."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from databases import Database
from deployment import Deployment
from postgres_server import PostgresServer
from scenario_world import ALERTED, API_KEY, FEW, MANY, SECRET_KEY, TEXT, TEXTED, World, write_customers

from esms_connectors.emulator import Emulator, EmulatorConfig, Progress, default_account, slow


@pytest.fixture(scope="session")
def warehouse(postgres: PostgresServer) -> Database:
    return Database(postgres)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, warehouse: Database) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("scenarios")
    write_customers(folder / "customers.csv", 902_000_000, MANY)
    write_customers(folder / "few.csv", 903_000_000, FEW)
    (folder / "phone.txt").write_text(TEXTED, encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    config = EmulatorConfig(
        accounts=(replace(default_account(), api_key=API_KEY, secret_key=SECRET_KEY),),
        # Nothing becomes final by itself: what the sensor waits for arrives when its triggerer was lost.
        progress=Progress(failed_share=0.0, rejected_share=0.0, never_final_share=1.0),
    )
    gateway = Emulator(config)
    # Forty calls, two at a time: time enough to be killed in the middle.
    gateway.faults.add("send_zns_bulk", slow(0.4), probability=1.0)
    with gateway.serve() as server:
        esms = {
            "conn_type": "esms",
            "host": server.base_url,
            "login": API_KEY,
            "password": SECRET_KEY,
            "extra": {"ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}", "alert_phones": ALERTED},
        }
        variables = {
            "SCENARIO_FOLDER": str(folder),
            "AIRFLOW_CONN_ESMS_DEFAULT": json.dumps(esms),
            "AIRFLOW_CONN_WAREHOUSE_POSTGRES": json.dumps(warehouse.connection),
            "AIRFLOW_CONN_WAREHOUSE_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(folder / "w.duckdb")}),
        }
        airflow = Deployment(tmp_path_factory.mktemp("airflow"), Path(__file__).parent / "dags", variables)
        try:
            airflow.start()
            yield World(airflow, gateway, folder)
        finally:
            airflow.stop()


@pytest.fixture(scope="session")
def runs(world: World) -> dict[str, str]:
    """DAG -> its run; all of them are started before the first is looked at."""
    return {dag_id: world.airflow.trigger(dag_id) for dag_id in ("zns_bulk", "wait_deferred", "alert", "send_sms")}


@pytest.fixture(scope="session")
def disasters(world: World, runs: dict[str, str]) -> dict[str, int]:
    """
    The task process of the bulk send is killed when a third is sent, and the triggerer when the sensor is deferred;
    only then do the messages that the sensor waits for arrive.

    Gives how many had been sent to when the process died.
    """
    happened: dict[str, int] = {}
    until = time.monotonic() + 150
    while len(happened) < 2 and time.monotonic() < until:
        sent = len(world.deliveries("0902"))
        if "send" not in happened and sent > MANY / 3:
            os.kill(int((world.folder / "zns_bulk.1.pid").read_text(encoding="utf-8")), signal.SIGKILL)
            happened["send"] = sent
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
        time.sleep(0.05)
    return happened
