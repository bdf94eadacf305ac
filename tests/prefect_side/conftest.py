"""
A real Prefect server of each worker, on loopback, with the collection installed; and gateways for each test.

Each has its own, because pages and examples save blocks called `default`, of which a server has one. Prefect reads its
settings from the environment when it is imported, and so do the processes that tests start: that is why they are set
here, first of all.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from demo.processes import free_port

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="esms-prefect-")
os.environ.update(
    {
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{os.environ['PREFECT_HOME']}/prefect.db",
        # Each of Prefect's many clients reads all authorities; the server speaks without TLS, so one is as good.
        "PREFECT_API_SSL_CERT_FILE": str(Path(__file__).parents[1] / "gateway" / "tls" / "server.crt"),
        "PREFECT_LOCAL_STORAGE_PATH": f"{os.environ['PREFECT_HOME']}/storage",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
    }
)

import pendulum
import pytest
import requests
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    EmulatorServer,
    Progress,
)
from esms_connectors.emulator.progress import RealClock
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import ChannelCampaign, EsmsCredentials, EsmsLedger, ZnsCampaign
from esms_connectors.prefect.blocks.base import EsmsBlock

_HOME = os.environ["PREFECT_HOME"]
_PORT = urlsplit(os.environ["PREFECT_API_URL"]).port
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

LEASE_SECONDS = 2.0

# Ray is not in the environment of these tests; `make test-ray` names the file, in one that has it.
collect_ignore = [] if find_spec("prefect_ray") else ["test_ray.py"]

_UP_SECONDS = 240  # a processor may have other things to do


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The URL of its API. It logs into a file in its home."""
    server = _start_server()
    try:
        url = os.environ["PREFECT_API_URL"]
        until = time.monotonic() + _UP_SECONDS
        while not _is_healthy(url):
            log = (Path(_HOME) / "server.log").read_text()[-2000:]
            assert server.poll() is None, log
            assert time.monotonic() < until, f"the Prefect server did not start within {_UP_SECONDS} s: {log}"
            time.sleep(0.2)
        yield url
    finally:
        _drain()
        _end_server(server)


def _start_server() -> subprocess.Popen[bytes]:
    with (Path(_HOME) / "server.log").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(_PORT), "--host", "127.0.0.1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            # Not where the package lies: it must be found as an installed one.
            cwd=_HOME,
        )


def _end_server(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _drain() -> None:
    """Let the threads of Prefect in this process deliver what they have: without a server they try on."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=20)
    EventsWorker.drain_all(timeout=20)


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=2).ok
    except requests.RequestException:
        return False


NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> RealClock:
    """It is noon for the gateway and for flows in this process. Prefect itself knows the machine's time only."""
    clock = RealClock(NOON)
    monkeypatch.setattr(machine_clock, "source", lambda: clock.now)
    return clock


@pytest.fixture
def progress() -> Progress:
    """All messages arrive, and soon."""
    return Progress(failed_share=0.0, rejected_share=0.0)


@pytest.fixture
def gateway(noon: RealClock, progress: Progress) -> Emulator:
    return Emulator(EmulatorConfig(progress=progress), noon)


@pytest.fixture
def server(gateway: Emulator) -> Iterator[EmulatorServer]:
    with gateway.serve() as running:
        yield running


def demo_credentials(base_url: str) -> EsmsCredentials:
    """The demo account, unsaved."""
    return EsmsCredentials(
        account="demo",
        api_key=DEMO_API_KEY,
        secret_key=DEMO_SECRET_KEY,
        base_url=base_url,
        brandname=DEMO_BRANDNAME,
        oa_id=DEMO_OA_ID,
    )


@pytest.fixture
def credentials(prefect_server: str, server: EmulatorServer) -> EsmsCredentials:
    """A saved block of the demo account, under a name of its own."""
    block = demo_credentials(server.base_url)
    block.save(f"test-{uuid.uuid4().hex[:12]}")
    return block


def save_as(block: EsmsBlock, name: str) -> None:
    """Under another name. A block that was saved before would overwrite its first document, whatever the name."""
    other = block.model_copy()
    other._block_document_id = None
    other.save(name, overwrite=True)


@pytest.fixture
def ledger_block(prefect_server: str, tmp_path: Path, server: EmulatorServer) -> EsmsLedger:
    """
    A saved block of an empty ledger whose leases are short; it knows that the gateway honours request ids, as after
    `esms check --probe-ids`.
    """
    block = EsmsLedger(url=f"sqlite:///{tmp_path / 'ledger.sqlite'}", lease_seconds=LEASE_SECONDS)
    account = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY).account_at(server.base_url)
    with block.open() as ledger:
        ledger.facts.learn(account, SEND_ZNS_BULK.name, IdFact(True, ledger.now()))
    block.save(f"test-{uuid.uuid4().hex[:12]}")
    return block


@pytest.fixture
def books(ledger_block: EsmsLedger) -> Iterator[Ledger]:
    """The same ledger, for looking."""
    with ledger_block.open() as ledger:
        yield ledger


def name_of(block: EsmsBlock) -> str:
    assert block._block_document_name is not None
    return block._block_document_name


def artifacts(key: str) -> list[Any]:
    with get_client(sync_client=True) as api:
        found: list[Any] = api.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return found


def start(campaign: ZnsCampaign | ChannelCampaign, tmp_path: Path, **settings: object) -> subprocess.Popen[str]:
    """The flow of a campaign in a process of its own, by the clock of this one."""
    shift = (machine_clock.now() - machine_clock.machine_time()).total_seconds()
    child = str(Path(__file__).with_name("campaign_child.py"))
    command = [sys.executable, child, campaign.model_dump_json(), json.dumps(settings), str(shift)]
    with (tmp_path / "child.log").open("a") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)


def run_scheduled_for(moment: pendulum.DateTime, started_by: Flow[..., Any], **parameters: Any) -> Any:
    """A run of a flow that a scheduler made, which begins only now: what it returns."""
    stored = started_by.serialize_parameters(parameters)
    with get_client(sync_client=True) as api:
        run = api.create_flow_run(started_by, parameters=stored, state=Scheduled(scheduled_time=moment))
    return run_flow(started_by, flow_run=run, parameters=parameters)


def phone_of(number: int) -> str:
    return f"090{1_000_000 + number:07d}"


def everybody_once(gateway: Emulator, count: int) -> None:
    """So many people have one message each, and nobody else any."""
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(count)}


@pytest.fixture
def customers(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a CSV of so many customers, each with a phone of its own."""

    def write(count: int, name: str = "customers.csv") -> Path:
        path = tmp_path / name
        rows = (f"{phone_of(number)},Khách {number},Cắt tóc,M{number},15/05/2024" for number in range(count))
        path.write_text("\n".join(["phone,customer_name,service,code,date", *rows]) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_campaign(
    credentials: EsmsCredentials, ledger_block: EsmsLedger, customers: Callable[[int], Path]
) -> Callable[..., ZnsCampaign]:
    """A campaign for so many customers; any field of it may be given."""

    def make(count: int, **fields: object) -> ZnsCampaign:
        settings: dict[str, object] = {
            "run_key": f"run-{uuid.uuid4().hex[:8]}",
            "template_id": DEMO_TEMPLATE_ID,
            "params": ["customer_name", "service", "code", "date"],
            "credentials": name_of(credentials),
            "ledger": name_of(ledger_block),
            **fields,
        }
        if "source" not in settings and "query" not in settings:
            settings["source"] = str(customers(count))
        return ZnsCampaign(**settings)

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    No warning of a connection that Prefect leaves open: one to its server for each flow, and with Prefect 3.7 the
    transports of its asynchronous clients. Ours must be closed, and none is asynchronous.
    """
    connections = rf"raddr=\('127.0.0.1', {_PORT}\)|_SelectorTransport.__del__"
    theirs = pytest.mark.filterwarnings(f"ignore:(?s).*({connections}):pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(theirs)
