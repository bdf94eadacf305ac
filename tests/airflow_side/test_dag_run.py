"""A whole DAG under `dag.test()`: what every supported Airflow can do. `make test-matrix` runs it on older ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorConfig, EmulatorServer, Progress
from esms_connectors.emulator.progress import RealClock

_DAG = """
import json, os, sys
import pendulum
from airflow.sdk import DAG, task
from esms_connectors.airflow.notifications import EsmsNotifier
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID

folder = os.environ["SCENARIO_FOLDER"]
with DAG("whole", schedule=None, start_date=pendulum.datetime(2024, 1, 1), catchup=False) as dag:
    sms = SendSmsOperator(
        task_id="sms", phones=["0901000001", "0901000002"], text="Xin chao {{ ds or 'ban' }}", brandname=DEMO_BRANDNAME
    )
    zns = ZnsBulkOperator(
        task_id="zns",
        source=folder + "/customers.csv",
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params="customer_name,service,code,date",
        on_success_callback=EsmsNotifier(phones="0901777777", brandname=DEMO_BRANDNAME, event="sent"),
    )

    @task.esms(channel="sms", text="Xin chao {name}", brandname=DEMO_BRANDNAME)
    def people(number):
        return [{"phone": f"090300000{number}", "name": "An"}]

    mapped = people.expand(number=[1, 2])
    both = DeliveryStatusSensor(task_id="both", sent=mapped, poke_interval=1, timeout=60, deferrable=True)
    wait = DeliveryStatusSensor(task_id="wait", sent=zns.output, poke_interval=1, timeout=60, deferrable=True)
    poke = DeliveryStatusSensor(task_id="poke", sent=sms.output, poke_interval=1, timeout=60)
    load = SentMessagesToWarehouseOperator(
        task_id="load",
        warehouse="duckdb:///" + folder + "/w.duckdb",
        start="{{ (dag_run.run_after - macros.timedelta(hours=1)).isoformat() }}",
        end="{{ (dag_run.run_after + macros.timedelta(hours=1)).isoformat() }}",
    )
    [wait, poke, both] >> load

if __name__ == "__main__":
    run = dag.test()
    print("STATE", run.state)
"""


pytestmark = pytest.mark.in_turn(on=2)


@pytest.fixture
def gateway() -> Emulator:
    """Messages that arrive within seconds, on the real clock."""
    return Emulator(EmulatorConfig(progress=Progress(failed_share=0.0, rejected_share=0.0)), RealClock())


@pytest.mark.timeout(240)
def test_full_dag_succeeds_and_sends_each_message_once(
    gateway: Emulator, server: EmulatorServer, tmp_path: Path
) -> None:
    """SMS, ZNS, a mapped function, both ways of waiting, an alert and the export; with warnings of ours as errors."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "whole.py").write_text(_DAG, encoding="utf-8")
    rows = "".join(f"0902{number:06d},Chị Hương,Gội đầu,KH{number},19/03/2025\n" for number in range(1200))
    (tmp_path / "customers.csv").write_text("phone,customer_name,service,code,date\n" + rows, encoding="utf-8")
    esms = {
        "conn_type": "esms",
        "host": server.base_url,
        "login": DEMO_API_KEY,
        "password": DEMO_SECRET_KEY,
        "extra": {"ledger_url": f"sqlite:///{tmp_path / 'ledger.sqlite'}"},
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_ESMS_DEFAULT": json.dumps(esms),
        "SCENARIO_FOLDER": str(tmp_path),
        # Where OpenLineage is installed, its listener writes there.
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(tmp_path / "lineage.jsonl"), "append": True}
        ),
        "PYTHONWARNINGS": "error:::esms_connectors",
        "NO_PROXY": "127.0.0.1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    run("-m", "airflow", "db", "migrate")
    if version("apache-airflow-core").startswith("3.1."):  # there `dag.test()` runs what is stored already
        run("-m", "airflow", "dags", "reserialize")
    said = run(str(dags / "whole.py"))
    assert "STATE" in said
    assert "success" in said.split("STATE")[-1], said[-6000:]
    assert len(gateway.deliveries_by_phone()) == 1205
    assert set(gateway.deliveries_by_phone().values()) == {1}
    assert DEMO_SECRET_KEY not in said
    if find_spec("openlineage") is not None:
        events = [json.loads(line) for line in (tmp_path / "lineage.jsonl").read_text().splitlines()]
        written = {
            (event["job"]["name"], dataset["namespace"], dataset["name"])
            for event in events
            if event["eventType"] == "COMPLETE"
            for dataset in event["outputs"]
        }
        assert ("whole.zns", "esms://rest.esms.vn", "sent-data") in written
        assert ("whole.load", f"duckdb://{tmp_path / 'w.duckdb'}", "main.esms_sent_messages") in written
        for personal in ("0902", "0901000001", "Chị Hương", DEMO_SECRET_KEY):
            assert personal not in (tmp_path / "lineage.jsonl").read_text()
