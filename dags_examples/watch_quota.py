"""
Check before the evening's campaigns how many ZNS the Official Account may still send today; fail if too few.

`EsmsOperator` calls any function of the gateway by name; `esms call --help` lists them. Argument names are checked when
this file is parsed. Connection `esms_default`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from esms_connectors.airflow.gateway_call import EsmsOperator

with DAG(
    "watch_quota",
    schedule="0 17 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    params={
        "oa_id": Param("4097311281936189049", type="string", description="Zalo Official Account."),
        "needed": Param(1000, type="integer", description="ZNS that tonight's campaigns will send."),
    },
    tags=["esms"],
):
    quota = EsmsOperator(task_id="quota", operation="get_oa_quota", arguments={"oa_id": "{{ params.oa_id }}"})

    @task
    def enough(quota: dict[str, Any], **context: Any) -> int:
        left = quota["remaining"]
        # Continue if the gateway does not report the quota.
        if left is not None and left < context["params"]["needed"]:
            raise ValueError(f"only {left} ZNS are left today")
        return left or 0

    enough(quota.output)
