"""
`make demo`, as it runs: a real Airflow, a real Prefect, the emulator, one ledger, one warehouse.

Of the two orchestrators `make test` runs one a day, and both once a week: each costs a minute of CPU time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from in_turn import ALL

ROOT = Path(__file__).parents[2]
RECIPIENTS = 5_000
ORCHESTRATORS = {"airflow": "Airflow", "prefect": "Prefect"}

pytestmark = pytest.mark.timeout(1200)  # about a minute; more on a machine that does something else as well


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> list[str]:
    day = request.config.getoption("--day")
    if day == ALL or int(day) % 7 == 0:
        return [*ORCHESTRATORS]
    return [[*ORCHESTRATORS][int(day) % 2]]


@pytest.fixture(scope="module")
def told(output: Path, chosen: list[str]) -> dict[str, Any]:
    """What the demo tells a machine."""
    pythons = [f"--{name}={ROOT / '.venvs' / name / 'bin' / 'python'}" for name in chosen]
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", "--json", "--output", str(output), *pythons],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        said, errors = process.communicate(timeout=1100)
    except BaseException:
        process.terminate()  # and with it all servers
        process.wait(60)
        raise
    assert process.returncode == 0, errors[-3000:]
    answer: dict[str, Any] = json.loads(said)
    return answer


def test_each_orchestrator_sends_every_message_once(told: dict[str, Any], chosen: list[str]) -> None:
    """As the gateway counts."""
    assert {one["orchestrator"]: one["messages"] for one in told["campaigns"]} == {
        ORCHESTRATORS[name]: RECIPIENTS for name in chosen
    }
    assert told["most_per_phone"] == 1


def test_warehouse_has_every_message_in_a_final_state(told: dict[str, Any], output: Path, chosen: list[str]) -> None:
    """All campaigns in one table, nobody left waiting."""
    with duckdb.connect(str(output / "esms.duckdb"), read_only=True) as connection:
        states = dict(connection.execute("SELECT state, count(*) FROM esms_sent_messages GROUP BY 1").fetchall())
        (phones,) = connection.execute("SELECT count(DISTINCT phone) FROM esms_sent_messages").fetchone() or (0,)
    assert set(states) == {"delivered", "failed", "rejected"}
    assert sum(states.values()) == phones == told["rows_loaded"] == len(chosen) * RECIPIENTS


def test_all_report_formats_show_the_same_delivered_count(told: dict[str, Any], output: Path) -> None:
    """In English, in Vietnamese and as a spreadsheet."""
    assert [Path(name).name for name in told["reports"]] == ["report.html", "bao-cao.html", "report.xlsx"]
    delivered = sum(one["states"]["delivered"] for one in told["campaigns"])
    assert f"{delivered:,}" in (output / "report.html").read_text(encoding="utf-8")
    assert f"{delivered:,}".replace(",", ".") in (output / "bao-cao.html").read_text(encoding="utf-8")
    workbook = openpyxl.load_workbook(output / "report.xlsx", read_only=True)
    assert delivered in [cell for row in workbook.worksheets[0].iter_rows(values_only=True) for cell in row]


def test_no_process_is_left_running(told: dict[str, Any], output: Path) -> None:
    """Every server ended with it."""
    processes = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in processes.splitlines() if str(output) in line and "ps axeww" not in line]
