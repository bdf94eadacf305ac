"""The flows and commands on the pages run on this Prefect, against the emulator, as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pendulum
import pytest
from conftest import demo_credentials
from documentation.code_blocks import ROOT, pages_for, runnable
from documentation.consoles import Console, environment_of
from documentation.page_time import NOON
from documentation.pages import run_block
from documentation.reader import write_customers

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_SECRET_KEY,
    Emulator,
    EmulatorConfig,
    EmulatorServer,
    Progress,
)
from esms_connectors.prefect import EsmsLedger, EsmsNotification, EsmsWarehouse


@pytest.fixture
def gateway() -> Emulator:
    """Messages arrive at once; yesterday's are there, and for the case that midnight passes meanwhile today's."""
    soon = Progress(failed_share=0.0, rejected_share=0.0, queue_seconds=(0.0, 0.0), report_seconds=(0.0, 0.0))
    gateway = Emulator(EmulatorConfig(progress=soon))
    today = pendulum.today("Asia/Ho_Chi_Minh")
    for day in (today.subtract(days=1), today):
        # The second in which one day ends belongs to the next one too.
        gateway.populate(700, start=day.add(seconds=2), end=day.add(days=1))
    return gateway


@pytest.fixture
def console(
    prefect_server: str, server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    """A reader's machine: customers in a file, and the blocks called `default` that the first page makes."""
    write_customers(tmp_path / "customers.csv", NOON)
    credentials = demo_credentials(server.base_url)
    credentials.save("default", overwrite=True)
    EsmsLedger(url=f"sqlite:///{tmp_path / 'ledger.sqlite'}").save("default", overwrite=True)
    EsmsWarehouse(url=f"duckdb:///{tmp_path / 'esms.duckdb'}").save("default", overwrite=True)
    EsmsNotification(credentials=credentials, phones="0987654321").save("default", overwrite=True)
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("API_KEY", DEMO_API_KEY),
        ("SECRET_KEY", DEMO_SECRET_KEY),
        ("BASE_URL", server.base_url),
    ):
        monkeypatch.setenv(f"ESMS_{name}", value)
    settings = {name: value for name, value in os.environ.items() if name.startswith(("PREFECT_", "ESMS_", "DO_NOT"))}
    with Console(tmp_path, environment_of(tmp_path, **settings), {"http://127.0.0.1:8089": server.base_url}) as console:
        yield console


@pytest.mark.in_turn
@pytest.mark.parametrize("page", pages_for("prefect"), ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_page_runs_as_shown(page: Path, console: Console, gateway: Emulator) -> None:
    """Its blocks in their order, as somebody would who has only the page; nobody gets one campaign twice."""
    for block in runnable(page, "prefect"):
        run_block(block, console)
    sent = [(message.campaign, message.phone) for message in gateway.messages() if message.campaign.startswith("march")]
    assert len(sent) == len(set(sent))
    if page.name == "alerts.md":
        assert gateway.deliveries_by_phone()["0901888484"] == 1


@pytest.mark.in_turn
@pytest.mark.timeout(300)
def test_documented_flow_test_passes_without_a_running_server(tmp_path: Path) -> None:
    """The two blocks of the page as files in an empty folder, without any setting of Prefect, as in CI."""
    blocks = runnable(ROOT / "docs/how-to/test-your-pipeline.md", "prefect")
    (flow,) = (block.text for block in blocks if "def test_the_flow_tells_once" in block.text)
    (harness,) = (block.text for block in blocks if "prefect_test_harness" in block.text)
    (tmp_path / "conftest.py").write_text(harness)
    (tmp_path / "test_flow.py").write_text(flow)
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ESMS_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**settings, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout[-3000:]
