"""
An SMS when a pipeline fails: one per run, however many tasks fail and however often they are retried.

Connection `esms_default`: brandname, and `alert_phones` with the recipients. This file contains no personal data.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from esms_connectors.airflow.notifications import EsmsNotifier

with DAG(
    "alert_by_sms",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    params={"at_least": Param(1, type="integer", description="Rows without which the run fails. Many show the alert.")},
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        # Failures at night are reported at seven in the morning.
        "on_failure_callback": EsmsNotifier(quiet_hours=(22, 7)),
    },
    tags=["esms"],
):

    @task
    def extract(part: int) -> int:
        return part * 100

    @task
    def load(rows: list[int], **context: Any) -> None:
        if sum(rows) < context["params"]["at_least"]:
            raise RuntimeError(f"only {sum(rows)} rows")

    load(extract.expand(part=[1, 2, 3]))
