"""
One campaign on many workers: mapped tasks send the shards, and a pool limits concurrent tasks.

All shards share one run key in the ledger (PostgreSQL, because workers on several machines use it): whichever shard a
row falls into, nobody gets two messages, even if SHARDS is changed and the run is cleared. Connections: `esms_default`
(OA, template, `ledger_conn_id`), `crm` (postgres). Pool `esms`: as many slots as tasks may call the gateway
concurrently.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor

# About the number of workers that run concurrently.
SHARDS = 4
RUN_KEY = "visits-{{ run_id }}"

with DAG(
    "campaign_on_many_workers",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Ho_Chi_Minh"),
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["esms"],
):
    shards = ZnsBulkOperator.partial(
        task_id="send",
        sql="""
            SELECT phone, customer_name, service, code, to_char(visited_on, 'DD/MM/YYYY') AS date FROM visits
            WHERE mod(visit_id, :shards) = :shard ORDER BY visit_id
        """,
        sql_conn_id="crm",
        template_params=["customer_name", "service", "code", "date"],
        key_column="code",
        run_key=RUN_KEY,
        at_least=0.98,  # of the rows of all shards so far
        pool="esms",
        threads=4,
    ).expand(sql_parameters=[{"shards": SHARDS, "shard": shard} for shard in range(SHARDS)])

    # When deferred, the sensor takes no worker slot.
    wait = DeliveryStatusSensor(
        task_id="wait", run_key=RUN_KEY, delivered_share=0.95, timeout=6 * 3600, deferrable=True
    )
    shards >> wait
