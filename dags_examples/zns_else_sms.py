"""A ZNS to each visitor of the day, an SMS to those whom it does not reach in 15 minutes, then a report on both."""

import pendulum
from airflow.sdk import DAG

from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator

start = pendulum.datetime(2026, 11, 1, tz="Asia/Ho_Chi_Minh")
with DAG("zns_else_sms", schedule="0 9 * * *", start_date=start, catchup=False):  # {{ ds }} is the day in UTC
    send = ZnsBulkOperator(
        task_id="send",
        sql="SELECT *, to_char(visited_on, 'DD/MM/YYYY') date FROM visits WHERE visited_on = '{{ ds }}' ORDER BY code",
        sql_conn_id="crm",
        template_params=["customer_name", "service", "code", "date"],
        run_key="morning-{{ ds }}",
        fallback=[{"channel": "sms", "text": "Hen gap {customer_name} ngay {date}", "after": "15m"}],
        deferrable=True,
    )
    day = {"warehouse_conn_id": "warehouse", "start": "-24h", "end": "{{ ti.xcom_pull('send')['sent_until'] }}"}
    load = SentMessagesToWarehouseOperator(task_id="load", sms_types=[2, 24, 25], phone="hashed", content=False, **day)
    file = "{{ var.value.esms_reports }}/{{ ds }}.html"
    send >> load >> SentMessagesReportOperator(task_id="report", targets=file, with_ledger=True, **day)
