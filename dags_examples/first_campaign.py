"""
The shortest complete campaign: send a ZNS to every customer in a file, wait for delivery, load the status rows.

Connections: `esms_default` (OA, template, ledger) and `warehouse` (generic, with a .duckdb file as host). Trigger it
manually with the path of the file; the same run key never sends twice, however often it is triggered.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

with DAG(
    "first_campaign",
    schedule=None,
    params={
        "customers": Param(type="string", description="CSV with phone, customer_name, service, code, date."),
        "run_key": Param(type="string", description="Names the campaign."),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["esms"],
):
    send = ZnsBulkOperator(
        task_id="send",
        source="{{ params.customers }}",
        template_params=["customer_name", "service", "code", "date"],
        run_key="{{ params.run_key }}",
        campaign="{{ params.run_key }}",  # the name in reports
        at_least=0.98,
    )
    # When deferred, it takes no worker slot.
    wait = DeliveryStatusSensor(
        task_id="wait", sent=send.output, delivered_share=0.9, poke_interval=5, timeout=3600, deferrable=True
    )
    load = SentMessagesToWarehouseOperator(
        task_id="load",
        warehouse_conn_id="warehouse",
        # Windows select rows by creation time: after the start of this run, or days later if `send` was cleared then.
        start="-1h",
        end="{{ ti.xcom_pull('send')['sent_until'] }}",
        sms_types=[24, 25],
    )
    wait >> load
