"""`esms find`: what became of one person's messages, or of one message, over ledger and warehouse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator

SOMEBODY, OTHER = "0901888484", "0912345678"
PHONES = {"ESMS_PHONE_SECRET": "of the warehouse, long"}
HASHED = {**PHONES, "ESMS_LEDGER_SECRET": "of the ledger, as long"}


def sent(run: Run, folder: Path, **secrets: str) -> None:
    """A campaign to two people, by order number."""
    people = folder / "people.csv"
    lines = [f"{phone},order-{number},Hương,Gội,KH1,19/03/2025" for number, phone in enumerate((SOMEBODY, OTHER), 1)]
    people.write_text("\n".join(["phone,order,customer_name,service,code,date", *lines]) + "\n", encoding="utf-8")
    zns = ("--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "spring", "--key-column", "order")
    done = run("send-zns", str(people), *zns, "--params", "customer_name,service,code,date", **secrets)
    assert done.returncode == 0, done.stderr


def pulled(run: Run, address: str, *arguments: str, **secrets: str) -> None:
    done = run("pull", "--from", NOON.to_date_string(), "--types", "25", "--into", address, *arguments, **secrets)
    assert done.returncode == 0, done.stderr


def found(run: Run, text: str, *arguments: str, **secrets: str) -> dict[str, list[str]]:
    """What is known -> message ids, over all places."""
    done = run("find", text, *arguments, "--json", **secrets)
    assert done.returncode == 0, done.stderr
    tables: dict[str, list[str]] = {}
    for place in json.loads(done.stdout)["places"].values():
        for table, rows in place.items():
            tables.setdefault(table, []).extend(row.get("message_id", "") for row in rows)
    return tables


@pytest.mark.in_turn
@pytest.mark.parametrize("phones", ["plain", "hashed", "omitted"])
@pytest.mark.parametrize("database", ["duckdb", "postgresql"])
def test_message_is_found_by_phone_message_id_and_row_key(
    run: Run, emulator: Emulator, tmp_path: Path, request: pytest.FixtureRequest, phones: str, database: str
) -> None:
    """Also where ledger and warehouse keep the phone as hashes with secrets of their own."""
    secrets = {} if phones == "plain" else HASHED
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        into = f"{server.uri}&schema={server.new_schema()}"
    sent(run, tmp_path, **secrets)
    pulled(run, into, "--phones", phones, **secrets)
    [mine] = [one for one in emulator.messages() if one.phone == SOMEBODY]
    emulator.set_status(mine.message_id, 5, 0)
    pulled(run, into, "--phones", phones, **secrets)
    given = ("--into", into, "--phones", phones)
    for text in (SOMEBODY, "+84 901 888 484", mine.message_id, "order-1"):
        tables = found(run, text, *given, **secrets)
        assert tables["messages"] == tables["esms_sent_messages"] == [mine.message_id], text
        assert len(tables["esms_status_history"]) == 1


@pytest.mark.in_turn
def test_message_id_is_found_case_insensitively(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """The ledger has it as the send was answered."""
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    sent(run, tmp_path)
    emulator.quirks.id_echo = "upper"
    pulled(run, into)
    [mine] = [one.message_id for one in emulator.messages() if one.phone == SOMEBODY]
    assert mine != mine.upper()
    for text in (mine, mine.upper(), "order-1"):
        tables = found(run, text, "--into", into)
        assert (tables["messages"], tables["esms_sent_messages"]) == ([mine], [mine.upper()]), text


@pytest.mark.in_turn
def test_find_output_is_chronological_and_limited_to_one_recipient(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    """In the order of time, complete in a pipe; nothing of anybody else."""
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    sent(run, tmp_path)
    pulled(run, into)
    assert run("suppress", "add", SOMEBODY, "--reason", "refused [by] SMS").returncode == 0
    done = run("find", SOMEBODY, "--into", into)
    header, *lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert header[:4] == ["at", "what", "state", "run"]
    assert {line[1] for line in lines} == {"sent", "listed", "suppressed"}
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)
    assert SOMEBODY in done.stdout
    assert OTHER not in done.stdout
    assert "refused [by] SMS" in run("find", SOMEBODY, "--into", into, "--csv").stdout
    by_key = run("sql", "select row_key from esms_sent_messages where phone like '%484'", "--into", into, "--json")
    [row] = json.loads(by_key.stdout)
    assert found(run, row["row_key"], "--into", into)["messages"] != []
    assert found(run, "-", "--into", into, stdin=f"{SOMEBODY}\n") == found(run, SOMEBODY, "--into", into)


@pytest.mark.in_turn
def test_find_works_with_only_a_ledger_or_only_a_warehouse(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """Who only sends has no warehouse, who only pulls no ledger."""
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    sent(run, tmp_path)
    pulled(run, into)
    assert [*found(run, "order-2")] == ["messages"]
    home = {"ESMS_LEDGER": None, "XDG_DATA_HOME": str(tmp_path / "empty")}
    alone = run("find", SOMEBODY, "--into", into, "--json", **home)
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout)["rows"] == 1


@pytest.mark.in_turn
def test_invalid_find_arguments_and_no_results_give_one_line(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    sent(run, tmp_path)
    pulled(run, into)
    nothing = run("find", "nobody", "--into", into)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "Nothing of it is known in " in nothing.stderr
    assert_one_clear_line(run("find", " ", "--into", into), 2, "a phone, a message id or a key")
    assert_one_clear_line(run("find", SOMEBODY, "--into", into, ESMS_LEDGER=str(tmp_path / "slip.sqlite")), 2, "slip")
    assert_one_clear_line(run("find", SOMEBODY, "--into", f"duckdb:///{tmp_path / 'slip.duckdb'}"), 2, "slip.duckdb")
    hashed = ("--phones", "hashed")
    assert_one_clear_line(run("find", SOMEBODY, "--into", into, *hashed, **PHONES), 2, "stores phones differently")
    assert_one_clear_line(run("find", SOMEBODY, "--into", str(tmp_path / "folder")), 2, "cannot be queried")
    assert not (tmp_path / "slip.duckdb").exists()
