"""What the DAGs in dags_examples find: customers, messages of the past, a pool, and a policy that shortens waits."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

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


class Approver:
    """Approves a run of `nightly_zns_campaign`, as a person does who read the plan."""

    def __init__(self, airflow: Deployment, run: str) -> None:
        self._airflow, self._dag_id, self._run = airflow, "nightly_zns_campaign", run
        self._asked: float | None = None
        self.subjects: list[str] = []

    def look(self) -> None:
        """
        Answers once the question has stood for five seconds, and again when it is asked again.

        Nobody answers at once, and Airflow 3.3 asks anew when the answer comes before its scheduler has heard that the
        task waits.
        """
        if self._airflow.states(self._dag_id, self._run)["approve"] != "awaiting_input":
            self._asked = None
        elif self._asked is None:
            self._asked = time.monotonic()
        elif time.monotonic() > self._asked + 5:
            path = f"/api/v2/dags/{self._dag_id}/dagRuns/{self._run}/taskInstances/approve/-1/hitlDetails"
            self._airflow.call("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
            self.subjects.append(self._airflow.call("GET", path)["subject"])
            self._asked = None


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
