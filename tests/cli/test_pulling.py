"""`esms pull`, `esms sql` and `esms erase` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from postgres_server import PostgresServer
from running import DAY, NOON, SPAN, Run, assert_one_clear_line, fill, rows_in

from esms_connectors.databases.extras import extra_of
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.ledger import Ledger


def rows_at(emulator: Emulator) -> dict[str, tuple[int, int]]:
    return {f"{row.ReferenceId}:{row.Phone}": (row.SendStatus, row.SendResult) for row in emulator.state.rows}


def test_repeated_pull_loads_every_row_once(run: Run, emulator: Emulator, file: Path, into: str) -> None:
    """Every row with its status; the second time nothing is new; people and machines are told the same."""
    fill(emulator)
    done = run("pull", *SPAN, "--into", into)
    assert done.returncode == 0, done.stderr
    assert rows_in(file) == rows_at(emulator)
    assert "121 rows in 2 windows: 121 new, 0 changed" in done.stdout
    assert done.stderr == ""
    again = run("pull", *SPAN, "--json", ESMS_WAREHOUSE=into)
    told = json.loads(again.stdout)
    assert (told["rows"], told["inserted"], told["unchanged"], told["into"]) == (121, 0, 121, str(file))
    assert sum(told["states"].values()) == 121
    assert again.stderr == ""


@pytest.mark.in_turn
def test_pull_without_a_span_continues_after_the_previous_pulls(
    run: Run, emulator: Emulator, file: Path, into: str
) -> None:
    """The day that was missed, and again the day that has an open row; then nothing is left to do. Told in a line."""
    today = NOON.start_of("day")
    emulator.populate(20, start=today.subtract(days=3), end=today.subtract(days=2, seconds=5))
    late = emulator.insert_message(today.subtract(days=2).add(hours=2), send_status=7, send_result=2)
    emulator.populate(30, start=today.subtract(days=1).add(seconds=5), end=today.subtract(seconds=5))
    span = ("--from", today.subtract(days=3).to_date_string(), "--to", today.subtract(days=1).to_date_string())
    assert run("pull", *span, "--types", "2", "--into", into).returncode == 0
    emulator.set_status(late, 5, 1)
    calls = emulator.call_count("get_sms_sent_data")
    told = json.loads(run("pull", "--types", "2", "--into", into, "--json").stdout)
    assert (told["windows"], told["inserted"], told["changed"]) == (1, 30, 0)
    assert (told["follow_up"]["windows"], told["follow_up"]["changed"]) == (1, 1)
    assert emulator.call_count("get_sms_sent_data") == calls + 2
    assert rows_in(file) == rows_at(emulator)
    done = run("pull", "--types", "2", "--into", into)
    assert f"everything up to {today.to_date_string()} 00:00 in Vietnam is loaded" in done.stdout
    assert emulator.call_count("get_sms_sent_data") == calls + 2


@pytest.mark.in_turn
def test_follow_up_options_select_which_windows_are_read(run: Run, emulator: Emulator, into: str) -> None:
    """--from and --follow-up as before; --no-follow-up loads what is missing alone."""
    yesterday = NOON.start_of("day").subtract(days=1)
    emulator.insert_message(yesterday.subtract(hours=5), send_status=7, send_result=2)
    day = ("--from", yesterday.subtract(days=1).to_date_string(), "--to", yesterday.to_date_string())
    assert run("pull", *day, "--types", "2", "--into", into).returncode == 0
    told = json.loads(run("pull", "--types", "2", "--no-follow-up", "--into", into, "--json").stdout)
    assert (told["windows"], told["follow_up"]["windows"]) == (1, 0)
    next_day = ("--from", yesterday.to_date_string(), "--to", yesterday.add(days=1).to_date_string())
    told = json.loads(run("pull", *next_day, "--types", "2", "--into", into, "--json").stdout)
    assert (told["windows"], told["follow_up"]["windows"]) == (1, 0)
    told = json.loads(run("pull", *next_day, "--follow-up", "--types", "2", "--into", into, "--json").stdout)
    assert (told["windows"], told["follow_up"]["windows"], told["follow_up"]["open_rows"]) == (1, 1, 1)


@pytest.mark.in_turn
def test_incomplete_window_reports_what_was_loaded(run: Run, emulator: Emulator, file: Path, into: str) -> None:
    """Exit code 4, one line or one JSON object with the counts of the others."""
    noon = DAY.add(hours=12)
    emulator.populate(600, start=noon, end=noon.add(microseconds=900_000))
    emulator.populate(50, start=noon, end=noon.add(hours=1), sms_type=25)
    emulator.faults.add(
        "get_sms_sent_data",
        code("105"),
        predicate=lambda call: b'"Page":2,' in call.request.body,
    )
    done = run("pull", *SPAN, "--into", into, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["error"]) == (4, "LoadIncompleteError")
    assert (told["loaded"]["windows"], told["loaded"]["rows"]) == (1, 50)
    assert sum(told["loaded"]["states"].values()) == 50
    plain = run("pull", *SPAN, "--into", into)
    assert_one_clear_line(plain, 4, "1 of 2 windows left out because of mismatched row counts")
    emulator.faults.clear()
    assert run("pull", *SPAN, "--into", into).returncode == 0
    assert rows_in(file) == rows_at(emulator)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--from", "14/05/2024"), "--from '14/05/2024' is not a valid time"),
        (("--from", "2024-05-32"), "is not a valid time"),
        (("--from", "2024-05-14", "--to", "soon"), "--to 'soon' is not a valid time"),
        (("--from", "-7days"), "--from '-7days' is not a valid time. Give 2026-11-21, "),
        (("--from", "today", "--to", "today"), "not earlier than --to"),
        (("--from", "+1d"), "not earlier than --to"),
        (("--from", "2024-05-15", "--to", "2024-05-14"), "not earlier than --to"),
        (("--from", "2024-05-14", "--to", "2024-05-14"), "not earlier than --to"),
        (("--from", "2999-01-01"), "not earlier than --to"),
        (("--from", "0001-01-01", "--to", "0001-01-02"), "out of range"),
        (("--from", "9999-12-30", "--to", "9999-12-31 23:59:59"), "out of range"),
        (("--from", "2024-05-14", "--types", "zns,fax"), "'fax' is not a message type"),
        (("--from", "2024-05-14", "--types", "27"), "'27' is not a message type"),
        (("--from", "2024-05-14", "--types", ","), "names no message type"),
        (("--from", "2024-05-14", "--phones", "hashed"), "ESMS_PHONE_SECRET"),
    ],
)
def test_invalid_pull_arguments_give_one_line_error_without_a_gateway_call(
    run: Run, emulator: Emulator, into: str, arguments: tuple[str, ...], fragment: str
) -> None:
    """Whatever was typed is wrong before the gateway hears of it."""
    assert_one_clear_line(run("pull", *arguments, "--into", into), 2, fragment)
    assert emulator.call_count("get_sms_sent_data") == 0


def make_places(tmp_path: Path) -> None:
    (tmp_path / "folder.duckdb").mkdir()
    (tmp_path / "text.duckdb").write_text("no database at all, but long enough to look like something " * 100)
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "gone" / "esms.duckdb")


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("address", "exit_code", "fragment"),
    [
        ("", 2, "No target is given"),
        ("gopher://x/y", 2, "gopher"),
        ("duckdb:///{tmp}/folder.duckdb", 2, "is a folder"),
        ("duckdb:///{tmp}/text.duckdb", 2, "is not a DuckDB file"),
        ("duckdb:///{tmp}/a-file/esms.duckdb", 2, "cannot be created"),
        ("duckdb:///{tmp}/link.duckdb", 1, "cannot be opened"),
        ("duckdb://:memory:", 2, "must outlive"),
        ("{tmp}/a-file", 2, "a-file"),
        ("{tmp}/x?format=xlsx", 2, "format=parquet|csv|jsonl"),
        ("postgresql://someone:CANARY-pw@127.0.0.1:1/nowhere", 4, "cannot be reached"),
        ("postgresql://someone:CANARY-pw@host:no-port/x", 2, "cannot be read"),
    ],
)
def test_invalid_warehouse_targets_give_one_line_error_without_a_gateway_call(
    run: Run, emulator: Emulator, tmp_path: Path, address: str, exit_code: int, fragment: str
) -> None:
    make_places(tmp_path)
    done = run("pull", *SPAN, "--into", address.format(tmp=tmp_path))
    assert_one_clear_line(done, exit_code, fragment)
    assert "CANARY" not in done.stderr
    assert emulator.call_count("get_sms_sent_data") == 0


@pytest.mark.in_turn
def test_wrong_password_gives_one_line_error_without_exposing_it(
    run: Run, emulator: Emulator, postgres: PostgresServer
) -> None:
    """PostgreSQL itself says no; the password is not said."""
    postgres.execute("CREATE ROLE clerk LOGIN PASSWORD 'right'")
    [(settings,)] = postgres.execute("SHOW hba_file")
    hba = Path(settings)
    before = hba.read_text()
    try:
        hba.write_text("local all clerk scram-sha-256\n" + before)
        postgres.execute("SELECT pg_reload_conf()")
        folder = postgres.uri.partition("host=")[2].partition("&")[0]
        done = run("pull", *SPAN, "--into", f"postgresql://clerk:CANARY-pw@/postgres?host={folder}")
    finally:
        hba.write_text(before)
        postgres.execute("SELECT pg_reload_conf()")
    assert_one_clear_line(done, 2, "authentication failed")
    assert "CANARY" not in done.stderr
    assert emulator.call_count("get_sms_sent_data") == 0


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("module", "address", "extra"),
    [
        ("duckdb", "duckdb:///x.duckdb", "duckdb"),
        ("pyarrow", "duckdb:///x.duckdb", "duckdb"),
        ("msgspec", "duckdb:///x.duckdb", "duckdb"),
        ("psycopg", "postgresql://x/y", "postgres"),
        ("fsspec", "folder", "files"),
        ("dlt", "dlt://duckdb", "dlt"),
    ],
)
def test_missing_extra_gives_one_line_error(
    run: Run, emulator: Emulator, tmp_path: Path, module: str, address: str, extra: str
) -> None:
    """As if it had never been installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        f"hidden = lambda name: name.split('.')[0] == {module!r}\n"
        "PathFinder.find_spec = lambda name, *more, **other: None if hidden(name) else find(name, *more, **other)\n"
    )
    done = run("pull", *SPAN, "--into", address, PYTHONPATH=str(tmp_path))
    assert_one_clear_line(done, 2, f"[{extra}]")
    assert emulator.call_count("get_sms_sent_data") == 0


# --- sql -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pulled(run: Run, emulator: Emulator, into: str) -> str:
    fill(emulator)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    return into


@pytest.mark.in_turn
def test_sql_shows_texts_unchanged_and_times_in_vietnam(run: Run, pulled: str) -> None:
    """Texts as they are, brackets and diacritics; times in Vietnam; JSON for machines."""
    query = "select content, send_status from esms_sent_messages where phone = '0901888484'"
    done = run("sql", query, "--into", pulled)
    assert done.returncode == 0, done.stderr
    assert "[OTP] Mã của chị Hương: 1234 [/b]" in done.stdout
    [row] = json.loads(run("sql", query, "--into", pulled, "--json").stdout)
    assert row == {"content": "[OTP] Mã của chị Hương: 1234 [/b]", "send_status": 5}
    [row] = json.loads(
        run("sql", 'select min(window_start) as "[a]" from esms_loads', "--into", pulled, "--json").stdout
    )
    assert row["[a]"].startswith("2024-05-14 00:00:00")


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("query", "fragment"),
    [
        ("selec 1", "syntax error"),
        ("select nothing from esms_sent_messages", "nothing"),
        ("select content::int from esms_sent_messages", "does not fit the query"),
        ("drop table esms_loads", "read-only"),
        ("delete from esms_sent_messages", "read-only"),
        ("copy esms_sent_messages to '{tmp}/out.csv'", "disabled"),
        ("attach '{tmp}/other.duckdb' as other", "disabled"),
        ("set enable_external_access = true", "locked"),
    ],
)
def test_invalid_or_writing_sql_gives_one_line_error_and_changes_nothing(
    run: Run, emulator: Emulator, pulled: str, file: Path, tmp_path: Path, query: str, fragment: str
) -> None:
    before, files = file.read_bytes(), set(tmp_path.rglob("*"))
    done = run("sql", query.format(tmp=tmp_path), "--into", pulled)
    assert_one_clear_line(done, 2, fragment)
    assert "Mã của" not in done.stderr
    assert "Cam on" not in done.stderr
    assert file.read_bytes() == before
    assert set(tmp_path.rglob("*")) == files


@pytest.mark.in_turn
def test_control_characters_in_stored_texts_are_escaped(run: Run, emulator: Emulator, into: str) -> None:
    """Neither colours, title, C1 codes nor text that runs backwards reach a terminal, from sql or a call."""
    content = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eback\r"
    emulator.insert_message(DAY.add(hours=1), phone="0901888484", content=content, send_status=5, send_result=1)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    shown = run("sql", 'SELECT content AS "\x1b[1mtext" FROM esms_sent_messages', "--into", into).stdout
    shown += run("call", "get_sms_sent_data", "start=2024-05-14", "end=2024-05-15", "sms_type=2").stdout
    assert shown.count("\\x1b[31mred") >= 1
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")


def test_sql_on_a_missing_or_invalid_target_gives_one_line_error(run: Run, into: str, tmp_path: Path) -> None:
    make_places(tmp_path)
    assert_one_clear_line(run("sql", "select 1", "--into", into), 2, "There is no file")
    assert_one_clear_line(run("sql", "select 1", "--into", "postgresql://x.invalid/y"), 4, "cannot be reached")
    assert_one_clear_line(run("sql", "select 1", "--into", "s3://bucket/x"), 2, "folders on this machine, not s3://")
    assert_one_clear_line(run("sql", "select 1", "--into", f"{tmp_path}/none"), 2, "There is no folder")
    assert_one_clear_line(run("sql", "select 1", "--into", f"{tmp_path}/text.duckdb"), 2, "not a valid DuckDB")
    assert not Path(into.removeprefix("duckdb:///")).exists()


@pytest.mark.in_turn
def test_sql_during_a_write_gives_retryable_error(run: Run, pulled: str, file: Path) -> None:
    """Worth another try, and an empty query is none."""
    assert run("sql", " ", "--into", pulled).returncode == 0
    with duckdb.connect(str(file)):
        assert_one_clear_line(run("sql", "select 1", "--into", pulled), 4, "being written to")


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_sql_reads_folders_of_files(run: Run, emulator: Emulator, tmp_path: Path, kind: str) -> None:
    """The tables by their names; complete values with tabs between them in a pipe, CSV for spreadsheets."""
    fill(emulator)
    into = f"{tmp_path / 'sent'}?format={kind}"
    assert run("pull", *SPAN, "--into", into).returncode == 0

    query = "select content, send_status from esms_sent_messages where content like '%Hương%'"
    done = run("sql", query, "--into", into)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "content\tsend_status\n[OTP] Mã của chị Hương: 1234 [/b]\t5\n"
    assert run("sql", query, "--into", into, "--csv").stdout == done.stdout.replace("\t", ",")
    assert_one_clear_line(run("sql", f"copy esms_loads to '{tmp_path}/x.csv'", "--into", into), 2, "disabled")


@pytest.mark.in_turn(every=3)
def test_sql_reads_postgresql_without_write_access(run: Run, emulator: Emulator, postgres: PostgresServer) -> None:
    """As it is, and nothing can be changed."""
    fill(emulator)
    into = postgres.uri
    assert run("pull", *SPAN, "--into", into).returncode == 0

    query = "select content from esms_sent_messages where phone = '0901888484' and content like '%Hương%'"
    done = run("sql", query, "--into", into)
    assert (done.returncode, done.stdout) == (0, "content\n[OTP] Mã của chị Hương: 1234 [/b]\n"), done.stderr
    assert_one_clear_line(run("sql", "delete from esms_sent_messages", "--into", into), 2, "read-only")
    assert_one_clear_line(run("sql", "commit; drop table esms_loads", "--into", into), 2, "PostgreSQL says")
    bad = run("sql", "select content::int from esms_sent_messages", "--into", into)
    assert_one_clear_line(bad, 2, "PostgreSQL says")
    assert "Mã của" not in bad.stderr
    assert run("sql", "select count(*) from esms_loads", "--into", into).returncode == 0


@pytest.mark.in_turn
def test_sql_output_in_a_pipe_is_complete_and_escaped(run: Run, pulled: str) -> None:
    """Nothing is cut, padded or folded; what would part a value is escaped, nothing is an empty field."""
    query = "select repeat('x', 5000) a, 'b' || chr(9) || 'c' || chr(10) || 'd\\e' b, null c"
    assert run("sql", query, "--into", pulled).stdout == f"a\tb\tc\n{'x' * 5000}\tb\\tc\\nd\\\\e\t\n"
    header = run("coverage", "--into", pulled).stdout.splitlines()[0]
    assert header == "type\tsince\twindows\trows\tpending\tnot closed\twith open rows\tmissing"


@pytest.mark.in_turn
def test_numbers_are_formatted_independently_of_their_database_type(run: Run, pulled: str) -> None:
    """Whatever type of the database they come from; parts as JSON."""
    query = "select 300::decimal(18,4) a, 2.50::decimal(9,2) b, 300::double c, 0.5::double d, {'k': 'ế'} e, [1, 2] f"
    assert run("sql", query, "--into", pulled).stdout.splitlines()[1] == '300\t2.5\t300\t0.5\t{"k": "ế"}\t[1, 2]'
    [row] = json.loads(run("sql", query, "--into", pulled, "--json").stdout)
    assert row == {"a": 300, "b": 2.5, "c": 300, "d": 0.5, "e": {"k": "ế"}, "f": [1, 2]}


@pytest.mark.in_turn
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_output_encoding_without_vietnamese_uses_escapes(run: Run, pulled: str, encoding: str) -> None:
    """What it has not is written as \\uXXXX; JSON stays JSON."""
    query = "select 'Hương 😀' as a"
    done = run("sql", query, "--into", pulled, PYTHONIOENCODING=encoding, LC_ALL="C.UTF-8", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a\nH\\u01b0\\u01a1ng \\ud83d\\ude00\n"
    done = run("sql", query, "--into", pulled, "--json", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert json.loads(done.stdout) == [{"a": "Hương 😀"}]
    assert run("balance", PYTHONIOENCODING=encoding, PYTHONUTF8="0").returncode == 0


# --- erase -----------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
def test_erase_removes_one_phone_from_ledger_and_warehouse(
    run: Run, emulator: Emulator, file: Path, tmp_path: Path
) -> None:
    """Three customers; one of them goes, in any spelling of the number, and the second time nobody is left to go."""
    people = tmp_path / "people.csv"
    lines = [f"{phone},Chị Hương,Gội đầu,KH1,19/03/2025" for phone in ("0901888484", "0912345678", "0987654321")]
    people.write_text("\n".join(["phone,customer_name,service,code,date", *lines]) + "\n", encoding="utf-8")
    zns = ("--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "spring")
    assert run("send-zns", str(people), *zns, "--params", "customer_name,service,code,date").returncode == 0
    today = NOON.to_date_string()
    assert run("pull", "--from", today, "--types", "25", "--into", str(file)).returncode == 0
    assert len(rows_in(file)) == 3
    ledger = tmp_path / "ledger.sqlite"
    assert b"0901888484" in ledger.read_bytes()
    erase = ("erase", "--yes", "--json", "--phone")
    # The address of the warehouse has a blank in it.
    first = run(*erase, "+84 901 888 484", ESMS_WAREHOUSE=str(file))
    assert json.loads(first.stdout) == {
        str(file): {"esms_sent_messages": 1, "esms_status_history": 0},
        "ledger": {"erased": 1, "unsettled": 0, "counted": 1, "suppressed": 0},
    }
    assert {key.rpartition(":")[2] for key in rows_in(file)} == {"0912345678", "0987654321"}
    second = json.loads(run(*erase, "0901888484", "--into", str(file)).stdout)
    assert second[str(file)]["esms_sent_messages"] == second["ledger"]["erased"] == 0
    third = run(*erase, "-", "--into", str(file), stdin="0912345678\n")
    assert json.loads(third.stdout)[str(file)]["esms_sent_messages"] == 1
    # The rows that are left of the run still keep everybody from being sent to again.
    assert run("send-zns", str(people), *zns, "--params", "customer_name,service,code,date").returncode == 0
    assert max(emulator.deliveries_by_phone().values()) == 1


@pytest.mark.in_turn
def test_erase_with_invalid_arguments_or_without_confirmation_removes_nothing(
    run: Run, pulled: str, file: Path, tmp_path: Path
) -> None:
    """Another form, an empty warehouse, no phone at all: one line, and the ledger was not touched either."""
    before = rows_in(file)
    hashed = {"ESMS_PHONE_SECRET": "for-the-hashes"}
    Ledger.open(tmp_path / "ledger.sqlite").close()
    erase = ("erase", "--yes", "--phone", "0901888484")
    done = run(*erase, "--into", pulled, "--phones", "hashed", **hashed)
    assert_one_clear_line(done, 2, "stores phones differently (plain)")
    assert_one_clear_line(run(*erase, "--into", str(tmp_path / "slip.duckdb")), 2, "Nothing was ever loaded")
    assert_one_clear_line(run("erase", "--yes", "--phone", "0901", "--into", pulled), 2, "digits")
    assert "0901888484" not in done.stderr
    assert rows_in(file) == before
    asked = run("erase", "--phone", "0901888484", "--into", pulled, stdin="n\n")
    assert asked.returncode == 130
    assert "090*****84" in asked.stderr
    assert rows_in(file) == before


@pytest.mark.parametrize(
    ("address", "extra"),
    [
        ("w.duckdb", "duckdb"),
        ("postgresql://db/w", "postgres"),
        ("mariadb+pymysql://db/w", "mysql"),
        ("dlt://bigquery", "dlt"),
        ("rows?format=csv", "files"),
        ("s3://bucket/rows", "files"),
    ],
)
def test_required_extra_is_derived_from_the_warehouse_url(address: str, extra: str) -> None:
    """Whoever loads into PostgreSQL was told to install DuckDB."""
    assert extra_of(address) == extra
