"""Texts from elsewhere on a terminal: names of the gateway, campaigns, reasons; in every command that shows some."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from running import Run

from esms_connectors.emulator import DEMO_OA_ID, Emulator, EmulatorConfig
from esms_connectors.emulator.progress import RealClock
from esms_connectors.emulator.world import default_account

# Sets the title, moves up and deletes, colours in 8 bits, marks up for rich, ends what was never begun.
HOSTILE = "a\x1b]0;owned\x07\x1b[2A\x1b[Kb\x9b31mc[red]d[/nothing]e"
SHOWN = r"a\x1b]0;owned\x07\x1b[2A\x1b[Kb\x9b31mc[red]d[/nothing]e"
PHONE = "0901888484"


@pytest.fixture
def emulator(clock: RealClock) -> Emulator:
    """An account whose names are hostile."""
    account = default_account()
    names = {
        "brandnames": tuple(dataclasses.replace(one, name=one.name + HOSTILE) for one in account.brandnames),
        "official_accounts": tuple(dataclasses.replace(one, name=HOSTILE) for one in account.official_accounts),
        "templates": tuple(dataclasses.replace(one, name=HOSTILE) for one in account.templates),
    }
    made = Emulator(EmulatorConfig(accounts=(dataclasses.replace(account, **names),)), clock=clock)
    made.insert_message("2024-05-15 08:30", PHONE, campaign=HOSTILE, send_status=5, send_result=1)
    return made


@pytest.fixture
def ledger(run: Run, tmp_path: Path) -> str:
    """A ledger whose texts are hostile, as an older version or another program may have left them."""
    people = tmp_path / "people.csv"
    people.write_text("phone\n0901000001\n0901000002\n", encoding="utf-8")
    run("send", "sms", str(people), "--text", "Xin chao", "--brandname", "nobody", "--run-key", "march")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file, file:
        file.execute("UPDATE esms_sends SET reason = ?, code = ?, state = 'rejected'", (HOSTILE, HOSTILE))
        about = json.loads(file.execute("SELECT about FROM esms_runs").fetchone()[0])
        file.execute("UPDATE esms_runs SET about = ?", (json.dumps({**about, "campaign": HOSTILE}),))
        file.execute("INSERT INTO esms_runs SELECT ?, about, began_ms FROM esms_runs", (HOSTILE,))
    return str(tmp_path / "ledger.sqlite")


COMMANDS = {
    "brandnames": ("brandnames",),
    "templates": ("templates", "--oa", DEMO_OA_ID),
    "accounts": ("oa",),
    "message": ("message", PHONE),
    "call": ("call", "list_oas"),
    "runs": ("ledger", "runs"),
    "run": ("ledger", "show", "march"),
    "rejects": ("ledger", "rejects", "march"),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", COMMANDS)
def test_control_characters_and_markup_are_shown_as_text(run: Run, ledger: str, name: str) -> None:
    """No control character comes out, no mark-up of a value takes effect; for machines it is the value itself."""
    done = run(*COMMANDS[name])
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert SHOWN in shown

    machines = run(*COMMANDS[name], "--json").stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", machines)
    values = [json.loads(line) for line in machines.splitlines()]
    assert json.dumps(HOSTILE)[1:-1] in json.dumps(values)


@pytest.mark.in_turn
def test_report_and_sql_output_contain_no_control_characters(run: Run, tmp_path: Path) -> None:
    into = f"duckdb:///{tmp_path}/esms.duckdb"
    assert run("pull", "--from", "today", "--into", into).returncode == 0
    query = "SELECT campaign FROM esms_sent_messages"
    commands = (("report", "--from", "today", "--to", "now", "--into", into), ("sql", "--into", into, query))
    for command in commands:
        done = run(*command, ESMS_LEDGER=None)
        assert done.returncode == 0, done.stderr
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout)
    assert SHOWN in done.stdout


def test_errors_contain_no_control_characters(run: Run) -> None:
    """What the caller gave comes back in the error, as text."""
    done = run("ledger", "show", "x" + HOSTILE)
    assert done.returncode != 0
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stderr)


def test_commands_print_only_through_the_escaping_functions() -> None:
    """`click.echo` and rich's own console would let through what this page is about."""
    folder = Path(__file__).parents[2] / "esms_connectors" / "cli"
    for path in folder.glob("*.py"):
        if path.name not in ("terminal.py", "console.py"):
            found = re.findall(
                r"click\.s?echo\(|from rich\.console import Console|[^._\w]print\(", path.read_text("utf-8")
            )
            assert found == [], path.name
