"""Every block of code in README.md and docs/ runs, or says why not. Those for Airflow and Prefect run beside theirs."""

from __future__ import annotations

import importlib
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
from documentation.code_blocks import PAGES, ROOT, Block, blocks_of, pages_for, runnable
from documentation.consoles import Console, check_extras, commands_of, environment_of
from documentation.page_time import NOON, PageTime, begin
from documentation.pages import run_block
from documentation.reader import VISITS, free_port, visits, write_customers

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
NOT_RUN = {"docs/how-to/daily-export.md": 4}


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
def test_a_page_does_what_it_shows(page: Path, console: Console, gateway: Emulator) -> None:
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


def test_the_blocks_that_are_not_run_are_those_that_are_known() -> None:
    """Each with a reason."""
    assert Counter(name_of(block.page) for block in MARKED) == NOT_RUN
    assert all(block.not_run for block in MARKED)


@pytest.mark.in_turn
@pytest.mark.parametrize("block", MARKED, ids=lambda block: block.where)
def test_a_block_that_is_not_run_is_right_as_far_as_can_be_told(block: Block) -> None:
    """Commands take these options, extras exist, and dlt knows the settings."""
    if block.language == "console":
        for command in commands_of(block.text):
            _check_command(command.text)
    else:
        assert block.language == "toml", f"{block.where}: nothing is known of {block.language!r}"
        for destination, settings in tomllib.loads(block.text)["destination"].items():
            assert set(settings["credentials"]) <= credentials_for(destination)


def _check_command(text: str) -> None:
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    if words[0] == "pip":
        check_extras(text)
    elif words[0] == "export":
        name = words[1].partition("=")[0]
        _, destination, _, setting = name.lower().split("__")
        assert setting in credentials_for(destination), name
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
