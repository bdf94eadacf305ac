"""
A ZNS to every customer of a query, an SMS to whom it does not reach within 15 minutes, then a report.

Connections: `esms_default` (OA, template, brandname, ledger), `crm` and `warehouse`. Variable: `esms_reports`, the
folder or URL for reports. Deferred, the 15 minutes take no worker slot; cleared or retried, nobody gets a step twice.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

with DAG("zns_else_sms", schedule="0 9 * * *", start_date=pendulum.datetime(2026, 11, 1, tz="Asia/Ho_Chi_Minh")):
    send = ZnsBulkOperator(
        task_id="send",
        sql="SELECT phone, customer_name, service, code, to_char(visited_on, 'DD/MM/YYYY') AS date FROM visits "
        "WHERE visited_on = DATE '{{ ds }}' ORDER BY code",
        sql_conn_id="crm",
        template_params=["customer_name", "service", "code", "date"],
        run_key="morning-{{ ds }}",
        fallback=[{"channel": "sms", "text": "Hen gap {customer_name} ngay {date}", "after": "15m"}],
        deferrable=True,
    )
    html = "{{ var.value.esms_reports }}/{{ ds }}.html"
    window = {"warehouse_conn_id": "warehouse", "start": "-24h", "end": "+24h"}
    load = SentMessagesToWarehouseOperator(
        task_id="load", sms_types=[2, 24, 25], phone="hashed", content=False, **window
    )
    report = SentMessagesReportOperator(task_id="report", targets=html, **window)
    send >> load >> report
