"""What the deployment under test runs. Phones come from files, so that none stands in the code that Airflow keeps."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from esms_connectors.airflow.callbacks import CALLBACKS
from esms_connectors.airflow.notifications import EsmsNotifier
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID

FOLDER = Path(os.environ["SCENARIO_FOLDER"])
COLUMNS = "customer_name,service,code,date"
AGAIN = {"retries": 3, "retry_delay": timedelta(seconds=1)}


def note_process(context: Any) -> None:
    """Which process runs this try, for whoever wants to kill it."""
    ti = context["ti"]
    (FOLDER / f"{ti.dag_id}.{ti.try_number}.pid").write_text(str(os.getpid()), encoding="utf-8")


with DAG("send_sms", schedule=None, template_searchpath=str(FOLDER)):
    SendSmsOperator(
        task_id="send",
        phones="{% include 'phone.txt' %}",
        text="{% include 'text.txt' %}",
        brandname=DEMO_BRANDNAME,
    )

with DAG("zns_bulk", schedule=None, default_args=AGAIN):
    ZnsBulkOperator(
        task_id="send",
        source=str(FOLDER / "customers.csv"),
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params=COLUMNS,
        threads=2,
        pre_execute=note_process,
    )

with DAG("marked", schedule=None, default_args=AGAIN):
    ZnsBulkOperator(
        task_id="send",
        source=str(FOLDER / "marked.csv"),
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params=COLUMNS,
        run_key="marked",
        chunk_size=20,
        threads=2,
        pre_execute=note_process,
    )

with DAG("wait_deferred", schedule=None):
    send = ZnsBulkOperator(
        task_id="send",
        source=str(FOLDER / "few.csv"),
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params=COLUMNS,
        threads=1,
    )
    DeliveryStatusSensor(task_id="wait", sent=send.output, poke_interval=5, timeout=150, deferrable=True)

with DAG("export", schedule=None):
    for target in ("duckdb", "postgres"):
        SentMessagesToWarehouseOperator(
            task_id=f"to_{target}",
            warehouse_conn_id=f"warehouse_{target}",
            start="{{ (dag_run.run_after - macros.timedelta(hours=1)).isoformat() }}",
            end="{{ (dag_run.run_after + macros.timedelta(hours=1)).isoformat() }}",
            threads=2,
        )

with DAG(
    "alert",
    schedule=None,
    default_args={
        "retries": 1,
        "retry_delay": timedelta(seconds=1),
        "on_failure_callback": EsmsNotifier(text="{{ ti.dag_id }} hong", brandname=DEMO_BRANDNAME),
    },
):

    @task
    def breaks(number: int) -> None:
        raise RuntimeError(f"number {number}")

    breaks.expand(number=[1, 2, 3])

with DAG("on_callback", schedule=[CALLBACKS]):

    @task
    def look(**context: Any) -> list[dict[str, Any]]:
        return [event.extra for event in context["triggering_asset_events"][CALLBACKS]]

    look()
