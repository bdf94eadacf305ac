"""`esms demo`, the main job on real input."""

import csv
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest

from esms_connectors.demo import campaign
from esms_connectors.demo.campaign import CUSTOMERS_CSV
from esms_connectors.demo.folder import claim_folder
from esms_connectors.emulator import Emulator, EmulatorConfig
from esms_connectors.gateway.errors import ConfigurationError

ESMS = Path(sys.executable).with_name("esms")
IN_USE = "wait until it ends, or choose another --output."


def esms_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ESMS), "demo", *arguments], capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the demo tells a machine."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [str(ESMS), "demo", "--json", "--output", str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.in_turn
def test_every_row_of_the_file_is_accounted_for(demo: dict) -> None:
    """Accepted, refused, unknown and rejected rows add up to the rows of the file."""
    with CUSTOMERS_CSV.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    read = demo["rows"]
    refused = sum(demo["refused"].values())
    assert (
        read["rows"] == rows == read["rejected"] + read["duplicates"] + demo["accepted"] + refused + demo["unsettled"]
    )


@pytest.mark.in_turn
def test_demo_running_over_midnight_sends_each_message_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Midnight in Vietnam passes right behind the lost answer: its repeat is shown all the same; nobody gets two."""
    begin = pendulum.datetime(2026, 12, 31, 23, 59, 30, tz="Asia/Ho_Chi_Minh")
    shift = [(begin - pendulum.now("UTC")).total_seconds()]
    machine_time, machine_time_ns = pendulum.now, time.time_ns
    monkeypatch.setattr(pendulum, "now", lambda tz=None: machine_time(tz or "UTC").add(seconds=shift[0]))
    monkeypatch.setattr(time, "time_ns", lambda: machine_time_ns() + int(shift[0] * 1e9))

    class AroundMidnight(Emulator):
        def __init__(self, config: EmulatorConfig, *more: Any) -> None:
            super().__init__(dataclasses.replace(config, duplicate_window="calendar_day"), *more)

        def _answer(self, function: str, *more: Any) -> Any:
            answer = super()._answer(function, *more)
            if function == "send_zns_bulk" and pendulum.now("UTC") < begin.add(seconds=30):
                shift[0] += 30
            return answer

    monkeypatch.setattr(campaign, "Emulator", AroundMidnight)
    customers = tmp_path / "customers.csv"
    customers.write_text("".join(CUSTOMERS_CSV.read_text(encoding="utf-8").splitlines(keepends=True)[:20]), "utf-8")
    told = campaign.run_demo(tmp_path / "out", customers=customers)
    assert pendulum.now("UTC") >= begin.add(seconds=30)
    assert told.duplicates > 0
    assert (told.unsettled, told.most_per_phone) == (0, 1)


@pytest.mark.in_turn
def test_lost_answer_gives_duplicates_and_one_message_per_phone(demo: dict) -> None:
    """One answer is lost on purpose; its rows come back as duplicates, and nobody got two messages."""
    assert demo["duplicates"] == 500
    assert demo["most_per_phone"] == 1


@pytest.mark.in_turn(every=3)
def test_warehouse_table_holds_every_accepted_message(demo: dict) -> None:
    """DuckDB agrees with the gateway in rows, states and cost."""
    accepted_sms = sum(sms["outcome"] == "accepted" for sms in demo["sms"])
    with duckdb.connect(demo["database"], read_only=True) as connection:
        [(rows, messages, cost)] = connection.execute(
            "SELECT count(*), count(DISTINCT message_id), sum(price_vnd) FROM esms_sent_messages"
        ).fetchall()
        names = connection.execute("SELECT content FROM esms_sent_messages WHERE content LIKE '%Nguyễn%'").fetchall()
    assert rows == messages == demo["rows_loaded"] == demo["accepted"] + accepted_sms
    assert float(cost) == float(demo["cost_vnd"]) == float(demo["charged_vnd"])
    assert names
    assert sum(demo["states"].values()) == rows


def test_rejects_file_gives_line_and_reason_with_masked_phone(demo: dict) -> None:
    """The rejects file names lines of the CSV; numbers in it are masked."""
    lines = CUSTOMERS_CSV.read_text(encoding="utf-8").splitlines()
    with Path(demo["rejects_file"]).open(encoding="utf-8-sig", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert len(rejects) == demo["rows"]["rejected"] > 0
    for reject in rejects:
        phone = lines[int(reject["_line"]) - 1].split(",")[0]
        assert reject["phone"] == phone
        assert len(phone) < 8 or phone not in reject["_value"] + reject["_reason"]
    assert {reject["_field"] for reject in rejects} == {"phone", "customer_name", "code"}


@pytest.mark.in_turn
@pytest.mark.parametrize("name", ["esms.duckdb", "ledger.sqlite"])
def test_files_not_created_by_a_demo_are_not_replaced(name: str, tmp_path: Path) -> None:
    """A warehouse or a ledger that lies in --output, and that no demo made, stays as it is."""
    (tmp_path / name).write_bytes(b"of a real campaign")
    done = subprocess.run([str(ESMS), "demo", "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "choose another --output" in done.stderr
    assert (tmp_path / name).read_bytes() == b"of a real campaign"


@pytest.mark.in_turn
def test_concurrent_demos_cannot_share_an_output_folder(tmp_path: Path) -> None:
    """The second one says so and touches nothing; a demo that was killed keeps nobody out."""
    output = tmp_path / "đầu ra"
    program = (
        "import pathlib, sys, time; from esms_connectors.demo.folder import claim_folder\n"
        "with claim_folder(pathlib.Path(sys.argv[1]), []): print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(output)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "mine\n"
        (output / "esms.duckdb").write_bytes(b"of the first")
        done = esms_demo("--output", str(output))
        assert (done.returncode, done.stderr) == (2, f"esms: {output} is in use by another demo: {IN_USE}\n")
        with pytest.raises(ConfigurationError, match="is in use"), claim_folder(output, []):
            pass
        assert (output / "esms.duckdb").read_bytes() == b"of the first"
        first.kill()
    with claim_folder(output, ["esms.duckdb"]):
        pass
