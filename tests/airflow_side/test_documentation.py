"""The DAGs and tests on the pages run on this Airflow, against the emulator, as they stand there."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documentation.code_blocks import Block, pages_for, runnable
from documentation.consoles import Console, environment_of
from documentation.page_time import NOON
from documentation.pages import run_block
from documentation.reader import CUSTOMERS, VISITS, visits, write_customers
from mail_server import MailServer, mail_server

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
)
from esms_connectors.emulator.progress import RealClock

# Airflow is started once for all DAGs, by whichever test comes first.
pytestmark = [pytest.mark.timeout(300), pytest.mark.in_turn(on=9)]

BLOCKS = [block for page in pages_for("airflow") for block in runnable(page, "airflow")]
DAGS = [block for block in BLOCKS if "with DAG(" in block.text and "def test_" not in block.text]
OTHERS = [block for block in BLOCKS if block not in DAGS]


def where(block: Block) -> str:
    return block.where


@pytest.fixture(scope="module")
def gateway() -> Emulator:
    """Messages arrive at once; those of the day before the runs are there."""
    soon = Progress(failed_share=0.0, rejected_share=0.0, queue_seconds=(0.0, 0.0), report_seconds=(0.0, 0.0))
    gateway = Emulator(EmulatorConfig(progress=soon), RealClock())
    gateway.populate(700, start=NOON.start_of("day").subtract(days=1), end=NOON.start_of("day"))
    return gateway


@pytest.fixture(scope="module")
def base_url(gateway: Emulator) -> Iterator[str]:
    with gateway.serve() as server:
        yield server.base_url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a file of customers and a database of visits."""
    folder = tmp_path_factory.mktemp("pages")
    write_customers(folder / "customers.csv", NOON, one_bad=False)
    with sqlite3.connect(folder / "crm.sqlite") as crm:
        crm.executescript(VISITS)
        crm.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", visits(NOON))
    crm.close()
    return folder


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def environment(folder: Path, base_url: str, mails: MailServer) -> dict[str, str]:
    """An Airflow of its own, with the connections that the pages name."""
    connections: dict[str, dict[str, Any]] = {
        "esms_default": {
            "conn_type": "esms",
            "host": base_url,
            "login": DEMO_API_KEY,
            "password": DEMO_SECRET_KEY,
            "extra": {
                "brandname": DEMO_BRANDNAME,
                "oa_id": DEMO_OA_ID,
                "template_id": DEMO_TEMPLATE_ID,
                "ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}",
                "alert_phones": "0987654321",
            },
        },
        "crm": {"conn_type": "sqlite", "host": str(folder / "crm.sqlite")},
        "warehouse": {"conn_type": "duckdb", "host": str(folder / "rows.duckdb")},
    }
    (folder / "dags").mkdir()
    environment = environment_of(
        folder,
        AIRFLOW_HOME=str(folder / "home"),
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW_CONN_SMTP_DEFAULT=mails.connection,
        PYTHONWARNINGS="error:::esms_connectors",
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in connections.items()},
    )
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, capture_output=True, timeout=280, check=True)
    return environment


@pytest.fixture(scope="module")
def told(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What became of each DAG on the pages."""
    jobs = []
    for block in DAGS:
        (dag_id,) = re.findall(r'DAG\(\s*"(\w+)"', block.text)
        file = folder / "dags" / f"{dag_id}.py"
        file.write_text(block.text, encoding="utf-8")
        jobs.append({"file": str(file), "folder": str(folder), "as_of": NOON.isoformat()})
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("page_runner.py")), str(folder / "jobs.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    results = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    assert len(results) == len(DAGS), done.stdout[-3000:] + done.stderr[-3000:]
    assert DEMO_SECRET_KEY not in done.stdout + done.stderr
    by_block = {block.where: one["told"] for block, one in zip(DAGS, results, strict=True)}
    return {**by_block, "said": done.stdout[-20_000:] + done.stderr[-2000:]}


@pytest.mark.parametrize("block", DAGS, ids=where)
def test_documented_dag_runs_to_success(block: Block, told: dict[str, Any]) -> None:
    """Every task of it, and the run."""
    states = told[block.where]
    assert isinstance(states, dict), f"{states}\n{told['said']}"
    assert states, "no DAG was found"
    for dag_id, tasks in states.items():
        assert set(tasks.values()) == {"success"}, f"{dag_id}: {tasks}\n{told['said']}"


def test_documented_campaigns_send_to_each_recipient_once(gateway: Emulator, told: dict[str, Any]) -> None:
    """They stand on pages, so they may be copied."""
    sent = Counter((message.campaign, message.phone) for message in gateway.messages() if "#" in message.campaign)
    assert set(sent.values()) == {1}
    reached = Counter(campaign.partition(".")[0] for campaign, _ in sent)
    campaigns = dict.fromkeys(
        ("zns_to_visitors", "campaign", "zns_else_sms", "five_minutes", "many_workers"), CUSTOMERS
    )
    assert reached == {**campaigns, "tells": 2, "order_updates": 1}


@pytest.mark.parametrize("block", OTHERS, ids=where)
def test_documented_airflow_block_runs_as_shown(
    block: Block, folder: Path, environment: dict[str, str], told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of a DAG, which stands with those of the pages; a command of Airflow."""
    monkeypatch.chdir(folder)
    with Console(folder, dict(environment)) as console:
        run_block(block, console)
