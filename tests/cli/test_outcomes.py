"""`esms outcomes`, and sending again what the gateway refused."""

import csv
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    rows = [f"090100000{number},DH{number},Lan" for number in range(3)]
    path.write_text("\n".join(["phone,order,name", *rows]) + "\n", encoding="utf-8")
    return path


def send(run: Run, source: Path, *more: str):
    return run(
        *("send", "sms", str(source), "--brandname", DEMO_BRANDNAME, "--text", "Don {order} cua {name}"),
        *("--run-key", "orders", "--key-column", "order", "--at-least", "0", *more),
    )


def results(run: Run, tmp_path: Path, *more: str) -> dict[str, dict[str, str]]:
    done = run("outcomes", "orders", "--out", str(tmp_path / "results.csv"), *more)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        return {row["row_key"]: row for row in csv.DictReader(file)}


@pytest.mark.in_turn
def test_outcomes_are_exported_by_row_key_as_csv_and_table(
    run: Run, emulator: Emulator, orders: Path, tmp_path: Path
) -> None:
    """As CSV and as a table: accepted, state, when, price; a second time in place of the first."""
    emulator.faults.add("send_customer_care_sms", code("146"), calls=[2])
    assert send(run, orders).returncode == 0
    for _ in range(2):
        found = results(run, tmp_path, "--into", str(tmp_path / "w.duckdb"))
    assert {row["accepted"] for row in found.values()} == {"True", "False"}
    [refused] = [row for row in found.values() if row["accepted"] == "False"]
    assert (refused["state"], refused["code"]) == ("rejected", "146")
    assert all(row["price_vnd"] and row["sent_at"] for row in found.values() if row["accepted"] == "True")
    asked = run(
        *("sql", "SELECT count(*), count(*) FILTER (accepted), count(DISTINCT row_key) FROM esms_outcomes"),
        *("--into", str(tmp_path / "w.duckdb"), "--csv"),
    )
    assert asked.stdout.splitlines()[1] == "3,2,3", asked.stderr


def test_outcomes_keyed_by_phone_are_not_written_to_a_table(run: Run, tmp_path: Path, orders: Path) -> None:
    """It did not ask for them."""
    done = run(*("send", "sms", str(orders), "--brandname", DEMO_BRANDNAME, "--text", "x", "--run-key", "orders"))
    assert done.returncode == 0
    done = run("outcomes", "orders", "--into", str(tmp_path / "w.duckdb"))
    assert_one_clear_line(done, 2, "identified by phone")


def test_refused_rows_are_repaired_and_resent_once(run: Run, emulator: Emulator, orders: Path, tmp_path: Path) -> None:
    """The rejects file has the gateway's code and the values; released by code, the repaired row goes out once."""
    emulator.faults.add("send_customer_care_sms", code("146"), calls=[1, 2, 3])
    rejects = tmp_path / "rejects.csv"
    assert send(run, orders, "--rejects", str(rejects)).returncode == 0
    with rejects.open(encoding="utf-8-sig") as file:
        listed = list(csv.DictReader(file))
    assert [(row["order"], row["name"]) for row in listed] == [("DH0", "Lan"), ("DH1", "Lan"), ("DH2", "Lan")]
    assert all("146" in row["_reason"] for row in listed)
    assert "0 rows will be sent" in run(*_resend("99")).stdout
    assert "3 rows will be sent" in run(*_resend("146")).stdout
    repaired = tmp_path / "repaired.csv"
    repaired.write_text(rejects.read_text(encoding="utf-8-sig").replace(",Lan", ",Hoa"), encoding="utf-8")
    assert send(run, repaired).returncode == 0
    assert sorted(message.content for message in emulator.messages()) == [f"Don DH{n} cua Hoa" for n in range(3)]
    assert send(run, repaired).returncode == 0
    assert emulator.message_count == 3


def _resend(code: str) -> tuple[str, ...]:
    return ("resend", "orders", "--rows", "rejected", "--code", code, "--reason", "registered now")
