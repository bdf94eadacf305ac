"""`esms person` and `esms forget`, and who is named to `esms erase`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator, VirtualClock

SOMEBODY, OTHER = "0901888484", "0912345678"


@pytest.fixture
def clock() -> VirtualClock:
    """It is noon, until it is moved."""
    return VirtualClock(NOON)


@pytest.fixture
def into(run: Run, tmp_path: Path) -> str:
    """A campaign to two people, pulled; one of them refused further messages."""
    people = tmp_path / "people.csv"
    lines = [f"{phone},Chị <b>Hương</b>,Gội đầu,KH1,19/03/2025" for phone in (SOMEBODY, OTHER)]
    people.write_text("\n".join(["phone,customer_name,service,code,date", *lines]) + "\n", encoding="utf-8")
    zns = ("--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "spring")
    assert run("send-zns", str(people), *zns, "--params", "customer_name,service,code,date").returncode == 0
    address = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    assert run("pull", "--from", NOON.to_date_string(), "--types", "25", "--into", address).returncode == 0
    assert run("suppress", "add", SOMEBODY, "--reason", "refused [by] SMS").returncode == 0
    return address


@pytest.mark.in_turn
def test_person_exports_all_data_as_json_lines_and_page(run: Run, into: str, tmp_path: Path) -> None:
    """From ledger, list and warehouse: as JSON, as lines, and as a page, which only its owner may read."""
    done = run("person", "+84 901 888 484", "--into", into, "--json")
    told = json.loads(done.stdout)
    assert told["person"] == SOMEBODY
    ledger, warehouse = told["places"].values()
    assert [one["state"] for one in ledger["messages"]] == ["accepted"]
    assert ledger["suppressed"][0]["reason"] == "refused [by] SMS"
    [row] = warehouse["esms_sent_messages"]
    assert "Hương" in row["content"]
    assert OTHER not in done.stdout
    shown = run("person", "-", "--into", into, stdin=SOMEBODY + "\n")
    assert (shown.returncode, "refused [by] SMS" in shown.stdout) == (0, True)
    page, data = tmp_path / "theirs.html", tmp_path / "theirs.json"
    done = run("person", SOMEBODY, "--into", into, "--out", str(page), "--out", str(data))
    assert (done.returncode, SOMEBODY in done.stdout) == (0, False), done.stderr
    assert json.loads(data.read_text("utf-8"))["places"] == told["places"]
    text = page.read_text("utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;Hương&lt;/b&gt;" in text
    assert "Trong danh sách từ chối (1)" in text
    assert page.stat().st_mode & 0o077 == 0


@pytest.mark.in_turn
def test_invalid_person_and_forget_arguments_give_one_line_error(run: Run, into: str, tmp_path: Path) -> None:
    assert_one_clear_line(run("person", "--into", into), 2, "a phone or a Zalo user id")
    assert_one_clear_line(run("person", "0901", "--into", into), 2, "digits")
    assert_one_clear_line(run("person", SOMEBODY, "--out", str(tmp_path / "x.txt")), 2, ".json or .html")
    assert_one_clear_line(
        run("person", SOMEBODY, "--into", into, "--phones", "omitted", ESMS_PHONE_SECRET="s"), 2, "differently"
    )
    missing = run("person", SOMEBODY, ESMS_LEDGER=str(tmp_path / "slip.sqlite"))
    assert missing.returncode == 2
    assert not (tmp_path / "slip.sqlite").exists()
    assert_one_clear_line(run("forget", "--older-than", "7d", "--yes"), 2, "30d at least")
    assert_one_clear_line(run("forget", "--older-than", "a year", "--yes"), 2, "400d")
    assert_one_clear_line(run("forget", "--older-than", "400d", "--rejects", "nowhere", "--yes"), 2, "no folder")


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nobody there"])
def test_without_confirmation_nothing_is_removed_and_yes_is_named(run: Run, into: str, answer: str) -> None:
    """As in a cron job, where nobody answers: it was not interrupted, and running it again does not resume it."""
    asked = run("forget", "--older-than", "400d", "--into", into, stdin=answer)
    assert asked.returncode == 2
    assert "Not confirmed: nothing was removed. With --yes it is not asked." in asked.stderr
    assert run("erase", "--phone", SOMEBODY, "--into", into, stdin=answer).returncode == 2
    assert json.loads(run("person", SOMEBODY, "--json").stdout)["places"]


@pytest.mark.in_turn
def test_unsearchable_warehouse_is_reported_and_blocks_forget(run: Run, into: str, tmp_path: Path) -> None:
    """The others are; and nothing is forgotten anywhere before all of them can."""
    files = str(tmp_path / "folder")
    page = tmp_path / "page.html"
    told = run("person", SOMEBODY, "--into", into, "--into", files, "--json", "--out", str(page))
    assert told.returncode == 0, told.stderr
    assert "was not searched: only DuckDB files and PostgreSQL can be" in told.stderr
    record = json.loads(told.stdout)
    assert [Path(one).name for one in record["not_asked"]] == ["folder"]
    assert len(record["places"]) == 2
    assert "folder" in page.read_text("utf-8")
    before = run("person", SOMEBODY, "--json").stdout
    asked = run("forget", "--older-than", "400d", "--into", into, "--into", files, "--yes")
    assert_one_clear_line(asked, 2, "cannot delete data by age")
    assert json.loads(run("person", SOMEBODY, "--json").stdout)["places"] == json.loads(before)["places"]


@pytest.mark.in_turn
def test_erase_removes_suppression_unless_keep_suppressed_is_set(run: Run, into: str) -> None:
    kept = run("erase", "--phone", SOMEBODY, "--into", into, "--keep-suppressed", "--yes")
    assert (kept.returncode, "1 erased" in kept.stdout) == (0, True), kept.stderr
    assert "from the suppression list" not in kept.stdout
    assert "refused [by] SMS" in run("suppress", "list").stdout
    gone = run("erase", "--phone", SOMEBODY, "--into", into, "--yes")
    assert "removed from the suppression list" in gone.stdout
    assert run("suppress", "list").stdout == ""


@pytest.mark.in_turn
def test_forget_removes_old_data_from_ledger_warehouse_and_folders(
    run: Run, into: str, clock: VirtualClock, emulator: Emulator, tmp_path: Path
) -> None:
    """400 days later: nothing of anybody in ledger, warehouse and folders; the list stays, and nobody gets it twice."""
    rejects, reports = tmp_path / "rejects", tmp_path / "reports"
    for folder in (rejects, reports):
        folder.mkdir()
    names = {
        rejects / "old.csv": "\ufeff_line,_field,_value,_reason,phone\n1,phone,,empty,x\n",
        rejects / "theirs.csv": "phone,name\n",
        rejects / "young.csv": "\ufeff_line,_field,_value,_reason,phone\n1,phone,,empty,x\n",
        reports / "old.html": "x",
        reports / "old.py": "x",
    }
    for path, text in names.items():
        path.write_text(text, "utf-8")
        age = 30 if path.stem == "young" else 410
        moment = NOON.add(days=405 - age).timestamp()
        os.utime(path, (moment, moment))
    clock.advance(days=405)
    given = ("--into", into, "--rejects", str(rejects), "--reports", str(reports))
    done = run("forget", "--older-than", "400d", *given, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ledger"]["erased"] == 2
    assert told[str(rejects)] == told[str(reports)] == {"files": 1}
    assert {path.name for path in names if path.exists()} == {"theirs.csv", "young.csv", "old.py"}
    assert [tables["esms_sent_messages"] for place, tables in told.items() if place.endswith(".duckdb")] == [2]
    content = (tmp_path / "ledger.sqlite").read_bytes() + (tmp_path / "esms.duckdb").read_bytes()
    assert OTHER.encode() not in content
    held = json.loads(run("person", SOMEBODY, "--json").stdout)["places"]
    assert [len(rows) for tables in held.values() for rows in tables.values()] == [0, 1, 0]
    zns = ("--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "spring")
    again = run("send-zns", str(tmp_path / "people.csv"), *zns, "--params", "customer_name,service,code,date")
    assert again.returncode == 0, again.stderr
    assert set(emulator.deliveries_by_phone().values()) == {1}
