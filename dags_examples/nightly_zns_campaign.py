"""
A ZNS to every customer of a PostgreSQL table: plan, approval, send, wait for 95 % delivered, load, report.

Connections: `esms_default` (OA, template, ledger and `ledger_secret` in its extra), `crm` and `warehouse` (postgres).
Variable `esms_reports`: the folder or bucket for the reports. Clear a failed task to continue: plan and send resume
where they stopped, and nobody gets two messages.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param

from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

# The query has a fixed order and a fixed range because the rows are read twice: to check them and to send them. `ds` is
# the day in UTC; before seven in the morning in Vietnam that is the previous day.
CUSTOMERS = """
    SELECT phone, customer_name, service, code, to_char(visited_on, 'DD/MM/YYYY') AS date
    FROM visits WHERE visited_on = DATE '{{ params.visited_on or ds }}' ORDER BY code
"""

# Whenever that was: a task that is cleared days later sends days later.
SENT_UNTIL = "{{ ti.xcom_pull('send')['sent_until'] }}"

campaign: dict[str, Any] = {
    "sql": CUSTOMERS,
    "sql_conn_id": "crm",
    "template_params": ["customer_name", "service", "code", "date"],
    "run_key": "visits-{{ params.visited_on or ds }}",
}

with DAG(
    "nightly_zns_campaign",
    schedule="0 19 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    params={"visited_on": Param(None, type=["null", "string"], format="date", description="Day of the visits.")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    tags=["esms"],
):
    plan = ZnsBulkOperator(task_id="plan", dry_run=True, **campaign)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Send {{ ti.xcom_pull('plan')['to_send'] }} ZNS?",
        body="Cost: {{ ti.xcom_pull('plan')['cost_vnd'] }} VND, left: {{ ti.xcom_pull('plan')['left_vnd'] }} VND. "
        "{{ ti.xcom_pull('plan')['problems'] | join('; ') }}",
        response_timeout=timedelta(hours=2),
    )
    # Rows that differ from the approved plan are refused before the first message.
    send = ZnsBulkOperator(task_id="send", at_least=0.98, plan=plan.output, **campaign)
    wait = DeliveryStatusSensor(
        task_id="wait", sent=send.output, delivered_share=0.95, timeout=6 * 3600, deferrable=True
    )
    load = SentMessagesToWarehouseOperator(
        task_id="load",
        warehouse_conn_id="warehouse",
        start="-24h",
        end=SENT_UNTIL,
        sms_types=[24, 25],
        # As in daily_export: a warehouse must store personal data in one form.
        phone="hashed",
        content=False,
    )
    report = SentMessagesReportOperator(
        task_id="report",
        targets="{{ var.value.esms_reports }}/visits-{{ params.visited_on or ds }}.html",
        warehouse_conn_id="warehouse",
        start="-24h",
        end=SENT_UNTIL,
        with_ledger=True,
        language="vi",
    )

    plan >> approve >> send
    wait >> load >> report
