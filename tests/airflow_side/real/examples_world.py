"""What the DAGs in dags_examples find: customers, messages of the past, a pool, and a policy that shortens waits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pendulum
from databases import Database
from scenario_world import API_KEY

from demo.airflow_deployment import Deployment
from esms_connectors.emulator import Emulator

FOLDER = Path(__file__).parents[3] / "dags_examples"
VISITS, REPORTED, FAILED, EXPORTED = 40, 30, 3, 25
EARLIER, FIRST = 10, 15
CAMPAIGNS = ("nightly_zns_campaign", "campaign_on_many_workers", "first_campaign")
SCHEDULED = ("daily_export", "nightly_zns_campaign", "zns_else_sms")
TRIGGERED = ("alert_by_sms", "campaign_on_many_workers", "first_campaign", "watch_quota")

# The examples are not touched; what a deployment may set for all of its DAGs makes them quick.
_POLICY = """
from datetime import timedelta

import pendulum
from airflow.sdk import BaseSensorOperator


def dag_policy(dag):
    # Its schedule runs as soon as it is unpaused; the tests do that when there is something to do.
    dag.is_paused_upon_creation = dag.dag_id in {paused!r}
    if dag.dag_id == "daily_export":
        dag.start_date = pendulum.parse({start!r}, tz="Asia/Ho_Chi_Minh")


def task_policy(task):
    task.start_date = task.dag.start_date  # the earliest of both counts
    task.retry_delay = timedelta(seconds=1)
    if (task.dag_id, task.task_id) == ("first_campaign", "load"):
        # It keeps phones as they are, and the warehouse of the others keeps them hashed.
        task.warehouse_conn_id = "warehouse_first"
    if (task.dag_id, task.task_id) == ("zns_else_sms", "send"):
        task.poll_seconds = 2
    if task.is_mapped and issubclass(task.operator_class, BaseSensorOperator):
        task.partial_kwargs["poke_interval"] = 5
    elif isinstance(task, BaseSensorOperator):
        task.poke_interval = 5
"""


@dataclass(frozen=True)
class Examples:
    """Where the examples read and write, and their runs."""

    crm: Database
    warehouse: Database
    runs: dict[str, str]
    nightly_day: str


def vietnamese_now() -> pendulum.DateTime:
    return pendulum.now("Asia/Ho_Chi_Minh")


def put_into(home: Path, dags: Path) -> None:
    """The examples into the folder of DAGs, the policy into Airflow's home."""
    for file in FOLDER.glob("*.py"):
        shutil.copy(file, dags)
    (home / "config").mkdir(parents=True)
    paused = {*TRIGGERED, *SCHEDULED}
    # Two runs at most are caught up with, and one at least.
    start = vietnamese_now().subtract(days=1).to_date_string()
    settings = _POLICY.format(paused=paused, start=start)
    (home / "config" / "airflow_local_settings.py").write_text(settings, encoding="utf-8")


def fill_gateway(gateway: Emulator) -> None:
    """Reports of two hours ago, which come to their end as one; and a day that the first export is about."""
    for number in range(REPORTED):
        gateway.insert_message(
            vietnamese_now().subtract(hours=2),
            phone=f"0905{number:06d}",
            sms_type=2,
            send_status=5,
            send_result=0 if number < FAILED else 1,
            api_key=API_KEY,
        )
    day = vietnamese_now().subtract(days=2).start_of("day")
    for number in range(EXPORTED):
        created = day.add(hours=12, minutes=number)
        details = {"sms_type": 2, "send_status": 5, "send_result": 1, "api_key": API_KEY}
        gateway.insert_message(created, phone=f"0905{number:06d}", **details)


def fill_crm(crm: Database) -> None:
    """Visits of today and yesterday, whichever the nightly schedule is about, and some from before."""
    crm.execute(
        "CREATE TABLE visits (visit_id serial PRIMARY KEY, phone text, customer_name text, service text, code text, "
        "visited_on date)"
    )
    today = vietnamese_now()
    first = 0
    for day, count in ((today, VISITS), (today.subtract(days=1), VISITS), (today.subtract(days=9), EARLIER)):
        crm.execute(
            "INSERT INTO visits (phone, customer_name, service, code, visited_on) "
            f"SELECT '0904' || lpad(n::text, 6, '0'), 'Chị Hương', 'Gội đầu', 'KH' || n, DATE '{day.to_date_string()}' "
            f"FROM generate_series({first}, {first + count - 1}) n"
        )
        first += count


def approve(airflow: Deployment, dag_id: str, run: str) -> Any:
    """As a person does who read the plan."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    airflow.call("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
    return airflow.call("GET", path)


def fails_by_zns(phone: str) -> bool:
    """Some of those whom the chain of the examples needs its SMS for."""
    return phone.endswith("7")


def let_arrive(gateway: Emulator) -> None:
    """What the campaigns of the examples sent reaches its people, but for some by ZNS in the chain."""
    for message in gateway.messages():
        if message.phone.startswith("0904") and message.send_status != 5:
            fails = (
                message.campaign.startswith("zns_else_sms") and message.sms_type != 2 and fails_by_zns(message.phone)
            )
            gateway.set_status(message.message_id, 5, 0 if fails else 1)
