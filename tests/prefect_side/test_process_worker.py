"""
A process worker, which runs each flow in a folder that it deletes: the page and the examples as they are printed.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pendulum
import pytest
from deployed_runs import approve, completed, forget, run_scheduled_for, state_of, stop, wait_for
from documentation.code_blocks import ROOT, runnable
from documentation.reader import phone_of, write_customers
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Cancelling

from esms_connectors.emulator import DEMO_TEMPLATE_ID, Emulator, EmulatorConfig, EmulatorServer, Progress
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import EsmsNotification, ZnsCampaign, zns_campaign
from esms_connectors.prefect.blocks.credentials import EsmsCredentials

EXAMPLES = ROOT / "flows_examples"
# A dozen processes of Prefect's, each of some seconds of processor time.
pytestmark = [pytest.mark.timeout(400), pytest.mark.in_turn(on=3)]
DEPLOYED = (
    "zns-campaign/evening",
    "daily-sent-messages-export/morning",
    "notify-by-sms/alarm",
    "first-campaign/first",
)
ALARMED = "0987654321"
DAYS = [pendulum.today("Asia/Ho_Chi_Minh").subtract(days=days) for days in (2, 1)]


@dataclass
class Project:
    """A user's folder, the worker that was started in it, and the gateway."""

    folder: Path
    gateway: Emulator
    server: EmulatorServer

    def told(self) -> str:
        """The last words of the worker."""
        return (self.folder / "worker.log").read_text()[-3000:]

    def ledger(self) -> Ledger:
        return Ledger.open(self.folder / "ledger.sqlite")

    def rows_by_day(self) -> dict[str, int]:
        """Of the warehouse, in Vietnam."""
        with duckdb.connect(self.folder / "esms.duckdb", read_only=True) as connection:
            connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
            query = "SELECT strftime(sent_at, '%Y-%m-%d'), count(*) FROM esms_sent_messages GROUP BY ALL ORDER BY ALL"
            return dict(connection.sql(query).fetchall())


@pytest.fixture(scope="module")
def project(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The blocks of the first page and the deployments of `prefect.yaml`, made in one folder with the printed lines."""
    folder = tmp_path_factory.mktemp("project")
    soon = Progress(failed_share=0.0, rejected_share=0.0, queue_seconds=(0.0, 0.0), report_seconds=(0.0, 0.0))
    gateway = Emulator(EmulatorConfig(progress=soon))
    write_customers(folder / "customers.csv", DAYS[0], one_bad=False)
    with gateway.serve() as server:
        page = runnable(ROOT / "docs/start-prefect.md", "prefect")
        save = next(block for block in page if block.language == "python")
        (folder / "blocks.py").write_text(save.text.replace("http://127.0.0.1:8089", server.base_url))
        environment = {**os.environ, "PWD": str(folder), "PREFECT_WORKER_QUERY_SECONDS": "1", "COLUMNS": "200"}
        prefect = [sys.executable, "-m", "prefect"]
        with (folder / "worker.log").open("w") as log:
            worker = subprocess.Popen(
                [*prefect, "worker", "start", "--pool", "esms", "--type", "process"],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )
        try:
            subprocess.run([sys.executable, "blocks.py"], cwd=folder, check=True, capture_output=True, timeout=200)
            alarm = EsmsNotification(credentials=EsmsCredentials.load("default"), phones=ALARMED)
            alarm.save("default", overwrite=True)
            wait_for(lambda: worker.poll() is not None or _has_pool("esms"))
            deploy = [*prefect, "--no-prompt", "deploy", "--all", "--prefect-file", str(EXAMPLES / "prefect.yaml")]
            done = subprocess.run(
                deploy, capture_output=True, text=True, timeout=200, cwd=folder, env=environment, check=False
            )
            assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
            deploy_first_campaign()
            yield Project(folder, gateway, server)
        finally:
            stop(worker)
            forget(
                "zns-campaign/evening",
                "first-campaign/first",
                "daily-sent-messages-export/morning",
                "notify-by-sms/alarm",
            )


def test_deployed_examples_send_export_and_alert_on_two_days(project: Project) -> None:
    """Each day everybody gets the evening's message, the rows of the day before are loaded, an alarm is told."""
    for day in DAYS:
        project.gateway.populate(20, start=day.subtract(days=1), end=day, sms_type=2)
    for number, day in enumerate(DAYS, 1):
        evening = run_scheduled_for("zns-campaign/evening", day.add(hours=18))
        morning = run_scheduled_for("daily-sent-messages-export/morning", day.add(hours=5, minutes=30))
        alarm = run_scheduled_for("notify-by-sms/alarm", day, body=f"alarm {number}")
        customers = str(project.folder / "customers.csv")
        first = run_scheduled_for("first-campaign/first", day, customers=customers, run_key="first-{day}")
        approve(evening, project.told)
        for run in (evening, morning, alarm, first):
            completed(run, project.told)
        # One from the evening's campaign, one from the script's.
        delivered = project.gateway.deliveries_by_phone()
        assert [delivered[phone_of(customer)] for customer in range(1, 61)] == [2 * number] * 60
    with project.ledger() as ledger:
        dates = [day.to_date_string() for day in DAYS]
        assert {key for key, _ in ledger.runs()} == {
            f"{name}-{date}" for name in ("evening", "first") for date in dates
        }
    rows = project.rows_by_day()
    # The script loads its own messages of the present day too.
    assert {day: rows[day] for day in list(rows)[:2]} == {day.subtract(days=1).to_date_string(): 20 for day in DAYS}
    assert project.gateway.deliveries_by_phone()[ALARMED] == 2


def test_example_schedules_use_the_vietnam_timezone(project: Project) -> None:
    """Whatever zone the server is in."""
    with get_client(sync_client=True) as api:
        deployments = [api.read_deployment_by_name(name) for name in DEPLOYED[:2]]
    assert {one.schedules[0].schedule.timezone for one in deployments} == {"Asia/Ho_Chi_Minh"}


def test_cancelled_run_settles_its_rows_and_rerun_sends_the_rest(project: Project) -> None:
    """Nobody new is sent to, what has left is settled, and the next run sends to the others."""
    people = [f"0912{number:06d}" for number in range(6000)]
    among = set(people)
    source = project.folder / "many.csv"
    rows = (f"{phone},Khách,Cắt tóc,M1,15/05/2024" for phone in people)
    source.write_text("\n".join(["phone,customer_name,service,code,date", *rows]), "utf-8")
    campaign = ZnsCampaign(
        run_key="cancelled",
        source=str(source),
        template_id=DEMO_TEMPLATE_ID,
        params=["customer_name", "service", "code", "date"],
        chunk_size=50,
        ledger="default",
    )
    stored = campaign.model_dump(mode="json")

    def sent() -> list[int]:
        return [count for phone, count in project.gateway.deliveries_by_phone().items() if phone in among]

    project.server.latency_seconds = 1.0
    run = run_scheduled_for("zns-campaign/evening", pendulum.now("UTC"), campaign=stored, approval="none")
    wait_for(lambda: len(sent()) >= 500)
    with get_client(sync_client=True) as api:
        api.set_flow_run_state(run.id, Cancelling())
    wait_for(lambda: state_of(run).is_final())
    assert state_of(run).is_cancelled(), project.told()
    project.server.latency_seconds = 0.0
    with project.ledger() as ledger:
        summary = ledger.summary("cancelled")
        assert (summary.claimed, summary.unknown) == (0, 0), project.told()
        assert 500 <= summary.accepted == len(sent()) < 6000
    assert zns_campaign(campaign)["accepted"] == 6000
    assert sent() == [1] * 6000


def deploy_first_campaign() -> None:
    """A script of a user's, as a deployment."""
    with contextlib.redirect_stdout(io.StringIO()):
        stored = flow.from_source(str(EXAMPLES), "first_campaign.py:first_campaign")
        stored.deploy(name="first", work_pool_name="esms", print_next_steps=False)


def _has_pool(name: str) -> bool:
    with get_client(sync_client=True) as api:
        return name in {pool.name for pool in api.read_work_pools()}
