"""
The steps of `make demo`: a campaign on a real Airflow, another one on a real Prefect, and their results.

Everything runs locally against the emulator, so no real message is sent. Airflow and Prefect cannot share an
environment, so each has its own interpreter; the emulator runs in this process, and both campaigns share one ledger and
one warehouse.
"""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pendulum

from demo.airflow_deployment import Deployment
from demo.prefect_server import PrefectServer
from esms_connectors.demo.folder import claim_folder
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Callbacks,
    Emulator,
    EmulatorConfig,
    Progress,
)
from esms_connectors.gateway.states import state_of_row
from esms_connectors.ledger import Ledger
from esms_connectors.reports import make_report, write_report
from esms_connectors.sending.policy import campaign_of
from esms_connectors.warehouse import open_warehouse

_ROOT = Path(__file__).resolve().parents[1]
_RUN_SECONDS = 500.0
_NAMES = ("Nguyễn Thị Hương", "Trần Văn Đức", "Lê Hoàng Phương", "Phạm Thuỳ Dương", "Đặng Quốc Bảo", "Vũ Ngọc Ánh")
_PREFIXES = ("090", "091", "098", "035", "079", "086", "092", "032", "084", "096")  # of several carriers

Tell = Callable[[str, int, int], None]
"""Called with (step, done, total)."""


@dataclass(slots=True)
class CampaignResult:
    """The result of one campaign: `messages` as counted by the gateway, everything else from the warehouse."""

    orchestrator: str
    run_key: str
    recipients: int
    messages: int = 0
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class JourneyResult:
    """The results, and the files and addresses that show them."""

    campaigns: list[CampaignResult] = field(default_factory=list)
    most_per_phone: int = 0
    rows_loaded: int = 0
    database: Path = Path()
    ledger: Path = Path()
    reports: list[Path] = field(default_factory=list)
    seconds: float = 0.0


class Journey:
    """
    The gateway, the folder, and the started orchestrators. A context manager that stops all servers on exit.

    Args:
        output: a folder for all files; those of an earlier demo are replaced.
        tell: called with the progress.
    """

    def __init__(self, output: Path, *, recipients: int, tell: Tell) -> None:
        self.output = output.resolve()
        self._recipients = recipients
        self._tell = tell
        self._began = pendulum.now("Asia/Ho_Chi_Minh")
        self.result = JourneyResult(database=self.output / "esms.duckdb", ledger=self.output / "ledger.sqlite")
        self.gateway = Emulator(EmulatorConfig(progress=Progress(), callbacks=Callbacks(enabled=False)))
        self._ends = ExitStack()

    def __enter__(self) -> Journey:
        folders = ("airflow", "prefect")
        files = ("esms.duckdb", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
        with ExitStack() as started:
            started.enter_context(claim_folder(self.output, (*folders, *files)))
            for leftover in folders:
                shutil.rmtree(self.output / leftover, ignore_errors=True)
            for leftover in files:
                (self.output / leftover).unlink(missing_ok=True)
            self.server = started.enter_context(self.gateway.serve())
            self._ends = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # --- Airflow -----------------------------------------------------------------------------------------------------

    def run_airflow(self, python: str) -> Deployment:
        """Send a campaign by the DAG `first_campaign`. Returns the deployment, which keeps running."""
        home, dags = self.output / "airflow", self.output / "airflow" / "dags"
        dags.mkdir(parents=True)
        shutil.copy(_ROOT / "dags_examples" / "first_campaign.py", dags)
        esms = {
            "conn_type": "esms",
            "host": self.server.base_url,
            "login": DEMO_API_KEY,
            "password": DEMO_SECRET_KEY,
            "extra": {
                "ledger_url": f"sqlite:///{self.result.ledger}",
                "brandname": DEMO_BRANDNAME,
                "oa_id": DEMO_OA_ID,
                "template_id": DEMO_TEMPLATE_ID,
            },
        }
        variables = {
            "AIRFLOW_CONN_ESMS_DEFAULT": json.dumps(esms),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "duckdb", "host": str(self.result.database)}),
        }
        airflow = Deployment(home, dags, variables, python=python)
        self._ends.callback(airflow.stop)
        with self._step("Airflow: scheduler, triggerer and API server start"):
            airflow.start()
            airflow.wait_until_known("first_campaign")
        customers, run_key = self._customers("airflow", 1_000_000), f"airflow-{self._began:%Y%m%d-%H%M%S}"
        campaign = CampaignResult("Airflow", run_key, self._recipients)
        conf = {"customers": str(customers), "run_key": run_key}
        began = time.monotonic()
        run_id = airflow.trigger("first_campaign", conf=conf)
        for _ in self._watched(campaign):
            if (state := airflow.state_of_run("first_campaign", run_id)) in ("success", "failed"):
                break
        if state != "success":
            where = airflow.states("first_campaign", run_id)
            raise RuntimeError(f"The DAG {state}: {where}. {airflow.task_logs('first_campaign')[-3000:]}")
        self._note(campaign, began)
        return airflow

    # --- Prefect -----------------------------------------------------------------------------------------------------

    def run_prefect(self, python: str) -> PrefectServer:
        """Send another campaign by the flow `first-campaign`. Returns the server, which keeps running."""
        home = self.output / "prefect"
        home.mkdir(parents=True)
        prefect = PrefectServer(home, python)
        self._ends.callback(prefect.stop)
        flows = _ROOT / "flows_examples"
        with self._step("Prefect: server starts, blocks are saved"):
            prefect.start()
            prefect.run(str(flows / "blocks.py"), self.server.base_url, str(self.output))
        customers, run_key = self._customers("prefect", 2_000_000), f"prefect-{self._began:%Y%m%d-%H%M%S}"
        campaign = CampaignResult("Prefect", run_key, self._recipients)
        began = time.monotonic()
        flow = prefect.begin(str(flows / "first_campaign.py"), str(customers), run_key)
        self._ends.callback(flow.kill)
        for _ in self._watched(campaign):
            if flow.poll() is not None:
                break
        if flow.returncode:
            raise RuntimeError(f"The flow failed: {prefect.log_of_flows()[-3000:]}")
        self._note(campaign, began)
        return prefect

    # --- what both share ---------------------------------------------------------------------------------------------

    def finish(self) -> JourneyResult:
        """Count the deliveries once more, and write the reports."""
        self.result.most_per_phone = max(self.gateway.deliveries_by_phone().values(), default=0)
        with (
            self._step("Report"),
            open_warehouse(f"duckdb:///{self.result.database}") as warehouse,
            Ledger.open(self.result.ledger) as ledger,
        ):
            report = make_report(warehouse, self._began.start_of("day"), self._began.add(hours=1), ledger=ledger)
            for name, language in (("report.html", "en"), ("bao-cao.html", "vi"), ("report.xlsx", "en")):
                self.result.reports += map(Path, write_report(report, self.output / name, language=language))
        self.result.seconds = (pendulum.now("UTC") - self._began).total_seconds()
        return self.result

    def _customers(self, name: str, first: int) -> Path:
        path = self.output / f"customers-{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["phone", "customer_name", "service", "code", "date"])
            for number in range(self._recipients):
                phone = f"{_PREFIXES[number % len(_PREFIXES)]}{first + number}"
                name_of_customer = _NAMES[number % len(_NAMES)]
                rows.writerow([phone, name_of_customer, "Gội đầu", f"KH{number:05}", "21/11/2026"])
        return path

    @contextmanager
    def _step(self, step: str) -> Iterator[None]:
        self._tell(step, 0, 1)
        yield
        self._tell(step, 1, 1)

    def _watched(self, campaign: CampaignResult) -> Iterator[None]:
        """Report the progress twice a second, until the caller stops iterating or the time limit is reached."""
        name, until = campaign_of(campaign.run_key, None), time.monotonic() + _RUN_SECONDS
        before = self._final()
        while time.monotonic() < until:
            yield
            accepted = self.gateway.deliveries_by_campaign()[name]
            self._tell(f"{campaign.orchestrator}: accepted by the gateway", accepted, campaign.recipients)
            self._tell(f"{campaign.orchestrator}: delivered or failed", self._final() - before, campaign.recipients)
            time.sleep(0.5)
        raise TimeoutError(f"The campaign of {campaign.orchestrator} did not end within {_RUN_SECONDS:.0f} s.")

    def _final(self) -> int:
        counts = self.gateway.counts_by_state().items()
        return sum(count for status, count in counts if state_of_row(*status).is_final)

    def _note(self, campaign: CampaignResult, began: float) -> None:
        name = campaign_of(campaign.run_key, None)
        campaign.seconds = time.monotonic() - began
        campaign.messages = self.gateway.deliveries_by_campaign()[name]
        campaign.states = self._states(name)
        self.result.rows_loaded += sum(campaign.states.values())
        self.result.campaigns.append(campaign)

    def _states(self, campaign: str) -> dict[str, int]:
        query = "SELECT state, count(*) FROM esms_sent_messages WHERE campaign = ? GROUP BY state ORDER BY 2 DESC"
        with duckdb.connect(str(self.result.database), read_only=True) as connection:
            found: list[tuple[Any, ...]] = connection.execute(query, [campaign]).fetchall()
        return {str(state): int(rows) for state, rows in found}
