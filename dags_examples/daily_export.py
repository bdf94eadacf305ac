"""
Every morning at six in Vietnam: load yesterday's sent messages, and late statuses of the last two weeks.

`catchup=True` also loads earlier days; loading a day twice changes nothing. Connections: `esms_default` (with
`ledger_secret`, the key for hashing phones) and `warehouse` (postgres).
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

with DAG(
    "daily_export",
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2026, 11, 1, tz="Asia/Ho_Chi_Minh"),  # the schedule uses the time zone of start_date
    catchup=True,
    max_active_runs=1,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
    tags=["esms"],
):
    SentMessagesToWarehouseOperator(
        task_id="load",
        warehouse_conn_id="warehouse",
        # Days in Vietnam, relative to when the run was due: a retry, Clear and a backfill load the same day.
        start="yesterday",
        end="today",
        phone="hashed",
        content=False,
    )
