"""
The shortest whole campaign: a ZNS to every customer of a file, wait until they arrived, load what the gateway says.

Connections: `esms_default` (OA, template, ledger) and `warehouse` (duckdb, the path of the file as host). Start it by
hand and say which file; the same run key never sends twice, however often it is started.
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
        campaign="{{ params.run_key }}",  # under which reports show it
        at_least=0.98,
    )
    # Deferred, it takes no worker slot.
    wait = DeliveryStatusSensor(
        task_id="wait", sent=send.output, delivered_share=0.9, poke_interval=5, timeout=3600, deferrable=True
    )
    load = SentMessagesToWarehouseOperator(
        task_id="load",
        warehouse_conn_id="warehouse",
        # Rows lie in windows by when they were created, which is behind the start of this run.
        start="-1h",
        end="+24h",
        sms_types=[24, 25],
    )
    wait >> load
