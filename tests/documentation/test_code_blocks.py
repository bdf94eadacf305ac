"""Every block of code in README.md and docs/ runs, or says why not. Those for Airflow and Prefect run beside theirs."""

from __future__ import annotations

import importlib
import json
import shlex
import sqlite3
import tomllib
import typing
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import pendulum
import pytest
import yaml
from documentation.code_blocks import PAGES, ROOT, Block, blocks_of, pages_for, runnable
from documentation.consoles import Console, check_extras, commands_of, environment_of
from documentation.page_time import NOON, PageTime, begin
from documentation.pages import run_block
from documentation.reader import VISITS, visits, write_customers
from documentation.reference import PUBLIC

from demo.processes import free_port
from esms_connectors import Credentials, EsmsClient
from esms_connectors.cli.commands import esms
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorConfig, Progress
from esms_connectors.ledger import Ledger
from esms_connectors.warehouse import load_sent_messages, open_warehouse

A_DAY = 700
# Pages whose commands load all that the gateway was filled with.
LOADED = ("README.md", "docs/warehouse.md")
# A text that its page sends twice, under one request id.
TOLD_ONCE = {"docs/how-to/alerts.md": "Pipeline failed"}
# Blocks that are marked `not run`, by page: another one must be meant.
NOT_RUN = {
    "docs/how-to/daily-export.md": 4,
    # Platforms, which are not here.
    "docs/platforms/astro.md": 3,
    "docs/platforms/composer.md": 3,
    "docs/platforms/docker-compose.md": 4,
    "docs/platforms/helm.md": 3,
    "docs/platforms/mwaa.md": 2,
    "docs/platforms/prefect-cloud.md": 1,
    "docs/platforms/prefect-docker.md": 3,
    "docs/platforms/prefect-kubernetes.md": 1,
}


def rows_in(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute("SELECT count(*) FROM esms_sent_messages").fetchall()[0][0])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- blocks that run -------------------------------------------------------------------------------------------------


@pytest.fixture
def page_time(monkeypatch: pytest.MonkeyPatch) -> PageTime:
    """What a page shows depends on no day and no hour."""
    return begin(monkeypatch)


@pytest.fixture
def gateway(page_time: PageTime) -> Emulator:
    """Messages arrive at once; those of the last three days are there."""
    soon = Progress(failed_share=0.0, rejected_share=0.0, queue_seconds=(0.0, 0.0), report_seconds=(0.0, 0.0))
    gateway = Emulator(EmulatorConfig(progress=soon), page_time.clock)
    gateway.populate(A_DAY)
    today = pendulum.today("Asia/Ho_Chi_Minh")
    gateway.populate(A_DAY, start=today.subtract(days=3), end=today, sms_type=25)
    return gateway


@pytest.fixture
def console(
    request: pytest.FixtureRequest, base_url: str, page_time: PageTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    """A reader's machine for the page of this test: customers in a file and in a database, keys of the emulator."""
    with sqlite3.connect(tmp_path / "crm.sqlite") as crm:
        crm.executescript(VISITS)
        crm.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", visits(NOON))
    crm.close()
    text = request.node.callspec.params["page"].read_text(encoding="utf-8")
    # A row that cannot be sent stops a campaign, unless the page says how many may.
    write_customers(tmp_path / "customers.csv", NOON, one_bad="--rejects" in text)
    if "esms report" in text and "esms pull" not in text.partition("esms report")[0]:
        load_rows(base_url, tmp_path)
    settings = {"ESMS_API_KEY": DEMO_API_KEY, "ESMS_SECRET_KEY": DEMO_SECRET_KEY, "ESMS_BASE_URL": base_url}
    yours = {"8089": str(free_port())}
    if "@db/" in text:
        uri = request.getfixturevalue("postgres").uri
        yours |= {"postgresql://etl@db/warehouse": uri, "postgresql://esms@db/ledger": uri}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    environment = environment_of(tmp_path, PYTHONWARNINGS="error", **settings, **page_time.environment)
    with Console(tmp_path, environment, yours) as console:
        yield console


def load_rows(base_url: str, folder: Path) -> None:
    """For a page that begins where rows are loaded already, and a ledger is there."""
    Ledger.open(folder / "ledger.sqlite").close()
    today = pendulum.today("Asia/Ho_Chi_Minh")
    keys = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)
    with EsmsClient(keys, base_url) as client, open_warehouse(folder / "esms.duckdb") as warehouse:
        load_sent_messages(client, warehouse, today.subtract(days=3), today, sms_types=[2, 25])


@pytest.fixture
def base_url(gateway: Emulator) -> Iterator[str]:
    with gateway.serve() as server:
        yield server.base_url


def _every_day_or_in_turn(page: Path) -> Any:
    """What people read first runs every day."""
    return pytest.param(page, id=name_of(page), marks=() if page.name == "README.md" else pytest.mark.in_turn)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [_every_day_or_in_turn(page) for page in pages_for("core")])
def test_page_blocks_run_with_the_shown_output(page: Path, console: Console, gateway: Emulator) -> None:
    """Its blocks in their order, as somebody would who has only the page. Nobody gets one campaign twice."""
    for block in runnable(page, "core"):
        run_block(block, console)

    sent = Counter((message.campaign, message.phone) for message in gateway.messages() if "#" in message.campaign)
    assert set(sent.values()) <= {1}
    if name_of(page) in TOLD_ONCE:
        assert [message.content for message in gateway.messages()].count(TOLD_ONCE[name_of(page)]) == 1
    if name_of(page) in LOADED:
        # By commands and by Python: every row, and none twice.
        assert rows_in(console.folder / "esms.duckdb") == 2 * A_DAY


# --- blocks that cannot run ------------------------------------------------------------------------------------------


MARKED = [block for page in PAGES for block in blocks_of(page) if block.not_run is not None]


def test_blocks_marked_not_run_are_exactly_the_known_ones() -> None:
    """Each with a reason."""
    assert Counter(name_of(block.page) for block in MARKED) == NOT_RUN
    assert all(block.not_run for block in MARKED)


@pytest.mark.in_turn
@pytest.mark.parametrize("block", MARKED, ids=lambda block: block.where)
def test_block_marked_not_run_passes_static_checks(block: Block) -> None:
    """Commands take these options, extras exist, and dlt knows the settings."""
    if block.language == "console":
        for command in commands_of(block.text):
            _check_command(command.text)
    elif block.language == "toml":
        for destination, settings in tomllib.loads(block.text)["destination"].items():
            assert set(settings["credentials"]) <= credentials_for(destination)
    else:
        _PARTS_OF_FILES[block.language](block)


def _check_yaml(block: Block) -> None:
    """It can be read, and the flows that it names are there."""
    for deployment in yaml.safe_load(block.text).get("deployments", ()):
        module, _, flow = deployment["entrypoint"].rpartition(".")
        assert flow in PUBLIC.get(module, ()) or flow in PUBLIC["esms_connectors.prefect"], deployment["entrypoint"]


def _check_extras_in(block: Block) -> None:
    check_extras(block.text)


def _check_connections(block: Block) -> None:
    """Lines of an environment: JSON, as the connections in it are written."""
    for line in block.text.splitlines():
        name, _, value = line.partition("=")
        told = json.loads(shlex.split(value)[0])
        assert name.startswith("AIRFLOW_CONN_")
        assert told["conn_type"] in ("esms", "postgres")


_PARTS_OF_FILES = {
    "yaml": _check_yaml,
    "dockerfile": _check_extras_in,
    "text": _check_extras_in,  # requirements.txt
    "sh": _check_connections,
}


def _check_command(text: str) -> None:
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    if words[0] == "pip":
        check_extras(text)
    elif words[0] == "export":
        name = words[1].partition("=")[0]
        _, destination, _, setting = name.lower().split("__")
        assert setting in credentials_for(destination), name
    elif words[0] in ("docker", "astro", "aws", "gcloud", "kubectl", "helm", "prefect"):
        # Of others; files that they read are named on the page.
        assert len(words) > 2, text
    else:
        assert words[0] == "esms", f"{text}: nothing is known of {words[0]}"
        context = click.Context(esms, info_name="esms", **esms.context_settings)
        name, command, rest = esms.resolve_command(context, words[1:])
        assert command is not None
        command.make_context(name, rest, parent=context)


def credentials_for(destination: str) -> set[str]:
    """The settings that dlt reads; its modules say so without the libraries of the destination."""
    module = importlib.import_module(f"dlt.destinations.impl.{destination}.configuration")
    kinds = module.__dict__[f"{destination.capitalize().replace('query', 'Query')}ClientConfiguration"]
    credentials = kinds.get_resolvable_fields()["credentials"]
    return {name for kind in typing.get_args(credentials) or (credentials,) for name in kind.get_resolvable_fields()}
