"""`esms pull`, `esms sql` and `esms erase` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pendulum
import pytest
from postgres_server import PostgresServer
from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code

DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
SPAN = ("--from", "2024-05-14", "--to", "2024-05-15", "--types", "customer_care,25")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kho dữ liệu" / "esms.duckdb"


@pytest.fixture
def into(file: Path) -> str:
    return f"duckdb:///{file}"


def fill(emulator: Emulator) -> None:
    for sms_type in (2, 25):
        emulator.populate(60, start=DAY, end=DAY.add(hours=23), sms_type=sms_type)
    emulator.insert_message(
        DAY.add(hours=1), phone="0901888484", content="[OTP] Mã của chị Hương: 1234 [/b]", send_status=5, send_result=1
    )


def rows_in(file: Path) -> dict[str, tuple[int, int]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute("SELECT row_key, send_status, send_result FROM esms_sent_messages").fetchall()
    rows = {key: (status, result) for key, status, result in found}
    assert len(rows) == len(found)
    return rows


def rows_at(emulator: Emulator) -> dict[str, tuple[int, int]]:
    return {f"{row.ReferenceId}:{row.Phone}": (row.SendStatus, row.SendResult) for row in emulator.state.rows}


def test_pull_loads_shows_and_loads_again(run: Run, emulator: Emulator, file: Path, into: str) -> None:
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


def test_pull_without_a_span_goes_on_where_the_pulls_before_ended(
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


def test_what_is_only_followed_up(run: Run, emulator: Emulator, into: str) -> None:
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


def test_an_incomplete_window_says_what_was_loaded(run: Run, emulator: Emulator, file: Path, into: str) -> None:
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
    assert_one_clear_line(plain, 4, "1 of 2 windows do not match their row counts")
    emulator.faults.clear()
    assert run("pull", *SPAN, "--into", into).returncode == 0
    assert rows_in(file) == rows_at(emulator)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--from", "14/05/2024"), "--from '14/05/2024' is no time"),
        (("--from", "2024-05-32"), "is no time"),
        (("--from", "2024-05-14", "--to", "soon"), "--to 'soon' is no time"),
        (("--from", "-7days"), "--from '-7days' is no time. Give 2026-11-21, "),
        (("--from", "today", "--to", "today"), "not earlier than --to"),
        (("--from", "+1d"), "not earlier than --to"),
        (("--from", "2024-05-15", "--to", "2024-05-14"), "not earlier than --to"),
        (("--from", "2024-05-14", "--to", "2024-05-14"), "not earlier than --to"),
        (("--from", "2999-01-01"), "not earlier than --to"),
        (("--from", "0001-01-01", "--to", "0001-01-02"), "out of range"),
        (("--from", "9999-12-30", "--to", "9999-12-31 23:59:59"), "out of range"),
        (("--from", "2024-05-14", "--types", "zns,fax"), "'fax' is no message type"),
        (("--from", "2024-05-14", "--types", "27"), "'27' is no message type"),
        (("--from", "2024-05-14", "--types", ","), "names no message type"),
        (("--from", "2024-05-14", "--phones", "hashed"), "ESMS_PHONE_SECRET"),
    ],
)
def test_bad_arguments_are_one_line_and_ask_nothing(
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


@pytest.mark.parametrize(
    ("address", "exit_code", "fragment"),
    [
        ("", 2, "Where to?"),
        ("gopher://x/y", 2, "gopher"),
        ("duckdb:///{tmp}/folder.duckdb", 2, "is a folder"),
        ("duckdb:///{tmp}/text.duckdb", 2, "is not a DuckDB file"),
        ("duckdb:///{tmp}/a-file/esms.duckdb", 2, "cannot be made"),
        ("duckdb:///{tmp}/link.duckdb", 1, "cannot be opened"),
        ("duckdb://:memory:", 2, "must outlive"),
        ("{tmp}/a-file", 2, "a-file"),
        ("{tmp}/x?format=xlsx", 2, "format=parquet|csv|jsonl"),
        ("postgresql://someone:CANARY-pw@127.0.0.1:1/nowhere", 4, "cannot be reached"),
        ("postgresql://someone:CANARY-pw@host:no-port/x", 2, "cannot be read"),
    ],
)
def test_bad_places_are_one_line_and_ask_nothing(
    run: Run, emulator: Emulator, tmp_path: Path, address: str, exit_code: int, fragment: str
) -> None:
    make_places(tmp_path)
    done = run("pull", *SPAN, "--into", address.format(tmp=tmp_path))
    assert_one_clear_line(done, exit_code, fragment)
    assert "CANARY" not in done.stderr
    assert emulator.call_count("get_sms_sent_data") == 0


def test_a_wrong_password_is_one_line(run: Run, emulator: Emulator, postgres: PostgresServer) -> None:
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
def test_a_missing_extra_is_named(
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


def test_sql_shows_what_is_there(run: Run, pulled: str) -> None:
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
def test_sql_that_cannot_be_is_one_line_and_changes_nothing(
    run: Run, emulator: Emulator, pulled: str, file: Path, tmp_path: Path, query: str, fragment: str
) -> None:
    before, files = file.read_bytes(), set(tmp_path.rglob("*"))
    done = run("sql", query.format(tmp=tmp_path), "--into", pulled)
    assert_one_clear_line(done, 2, fragment)
    assert "Mã của" not in done.stderr
    assert "Cam on" not in done.stderr
    assert file.read_bytes() == before
    assert set(tmp_path.rglob("*")) == files


def test_a_stored_text_does_not_move_the_cursor(run: Run, emulator: Emulator, into: str) -> None:
    """Neither colours, title, C1 codes nor text that runs backwards reach a terminal, from sql or a call."""
    content = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eback\r"
    emulator.insert_message(DAY.add(hours=1), phone="0901888484", content=content, send_status=5, send_result=1)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    shown = run("sql", 'SELECT content AS "\x1b[1mtext" FROM esms_sent_messages', "--into", into).stdout
    shown += run("call", "get_sms_sent_data", "start=2024-05-14", "end=2024-05-15", "sms_type=2").stdout
    assert shown.count("\\x1b[31mred") >= 1
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")


def test_sql_without_a_file_or_a_query(run: Run, into: str, tmp_path: Path) -> None:
    make_places(tmp_path)
    assert_one_clear_line(run("sql", "select 1", "--into", into), 2, "There is no file")
    assert_one_clear_line(run("sql", "select 1", "--into", "postgresql://x.invalid/y"), 4, "cannot be reached")
    assert_one_clear_line(run("sql", "select 1", "--into", "s3://bucket/x"), 2, "folders of this machine, not s3://")
    assert_one_clear_line(run("sql", "select 1", "--into", f"{tmp_path}/none"), 2, "There is no folder")
    assert_one_clear_line(run("sql", "select 1", "--into", f"{tmp_path}/text.duckdb"), 2, "not a valid DuckDB")
    assert not Path(into.removeprefix("duckdb:///")).exists()


def test_sql_while_somebody_writes(run: Run, pulled: str, file: Path) -> None:
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


def test_sql_reads_postgresql(run: Run, emulator: Emulator, postgres: PostgresServer) -> None:
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


def test_sql_gives_values_whole_in_a_pipe(run: Run, pulled: str) -> None:
    """Nothing is cut, padded or folded; what would part a value is escaped, nothing is an empty field."""
    query = "select repeat('x', 5000) a, 'b' || chr(9) || 'c' || chr(10) || 'd\\e' b, null c"
    assert run("sql", query, "--into", pulled).stdout == f"a\tb\tc\n{'x' * 5000}\tb\\tc\\nd\\\\e\t\n"
    header = run("coverage", "--into", pulled).stdout.splitlines()[0]
    assert header == "type\tsince\twindows\trows\towed\tnot closed\twith open rows\tmissing"


def test_numbers_have_one_form(run: Run, pulled: str) -> None:
    """Whatever type of the database they come from; parts as JSON."""
    query = "select 300::decimal(18,4) a, 2.50::decimal(9,2) b, 300::double c, 0.5::double d, {'k': 'ế'} e, [1, 2] f"
    assert run("sql", query, "--into", pulled).stdout.splitlines()[1] == '300\t2.5\t300\t0.5\t{"k": "ế"}\t[1, 2]'
    [row] = json.loads(run("sql", query, "--into", pulled, "--json").stdout)
    assert row == {"a": 300, "b": 2.5, "c": 300, "d": 0.5, "e": {"k": "ế"}, "f": [1, 2]}


@pytest.mark.in_turn
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_any_encoding_of_the_output(run: Run, pulled: str, encoding: str) -> None:
    """What it has not is written as \\uXXXX; JSON stays JSON."""
    query = "select 'Hương 😀' as a"
    done = run("sql", query, "--into", pulled, PYTHONIOENCODING=encoding, LC_ALL="C.UTF-8", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a\nH\\u01b0\\u01a1ng \\ud83d\\ude00\n"
    done = run("sql", query, "--into", pulled, "--json", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert json.loads(done.stdout) == [{"a": "Hương 😀"}]
    assert run("balance", PYTHONIOENCODING=encoding, PYTHONUTF8="0").returncode == 0


# --- erase -----------------------------------------------------------------------------------------------------------


def test_erase_takes_one_person_out_of_ledger_and_warehouse(
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


def test_erase_from_the_wrong_place_removes_nothing(run: Run, pulled: str, file: Path, tmp_path: Path) -> None:
    """Another form, an empty warehouse, no phone at all: one line, and the ledger was not touched either."""
    before = rows_in(file)
    hashed = {"ESMS_PHONE_SECRET": "for-the-hashes"}
    erase = ("erase", "--yes", "--phone", "0901888484")
    done = run(*erase, "--into", pulled, "--phones", "hashed", **hashed)
    assert_one_clear_line(done, 2, "keeps phones another way (plain)")
    assert_one_clear_line(run(*erase, "--into", str(tmp_path / "slip.duckdb")), 2, "Nothing was ever loaded")
    assert_one_clear_line(run("erase", "--yes", "--phone", "0901", "--into", pulled), 2, "digits")
    assert "0901888484" not in done.stderr
    assert rows_in(file) == before
    asked = run("erase", "--phone", "0901888484", "--into", pulled, stdin="n\n")
    assert asked.returncode == 130
    assert "090*****84" in asked.stderr
    assert rows_in(file) == before


def test_coverage_tells_what_is_owed_missing_and_differs(run: Run, emulator: Emulator, into: str) -> None:
    """Exit code 4 while a day is missing, or the gateway lists other rows than were loaded; else 0."""
    today = NOON.start_of("day")
    emulator.populate(20, start=today.subtract(days=3), end=today.subtract(days=2, seconds=5))
    emulator.populate(30, start=today.subtract(days=1).add(seconds=5), end=today.subtract(seconds=5))
    for day in (3, 1):
        span = ("--from", f"-{day}d", "--to", today.subtract(days=day - 1).to_date_string())
        assert run("pull", *span, "--types", "2", "--into", into).returncode == 0
    gap = run("coverage", "--types", "2,25", "--into", into)
    assert gap.returncode == 4, gap.stderr
    day_before = today.subtract(days=2).to_date_string()
    assert f"missing: type 2, {day_before} 00:00 to {today.subtract(days=1).to_date_string()} 00:00" in gap.stdout
    assert "never loaded: type 25" in gap.stdout
    assert run("pull", "--types", "2", "--into", into).returncode == 0
    told = run("coverage", "--types", "2", "--into", into, "--compare", "--json")
    assert told.returncode == 0, told.stdout
    about = json.loads(told.stdout)
    assert (about["types"][0]["windows"], about["types"][0]["rows"], about["compared"]) == (3, 50, 3)
    hashed = {"ESMS_PHONE_SECRET": "a secret that is long enough"}
    other = run("coverage", "--types", "2", "--into", into, "--compare", "--phones", "hashed", **hashed)
    assert_one_clear_line(other, 2, "The warehouse keeps phones as 'phone=plain'")
    emulator.quirks.retention_days = 2
    gone = run("coverage", "--types", "2", "--into", into, "--compare")
    assert gone.returncode == 4
    assert "20 rows loaded, 0 listed today" in gone.stdout
    assert "3 windows counted at the gateway, 1 of them differ" in gone.stdout


def test_a_window_that_lists_fewer_rows_is_said_and_its_rows_stay(
    run: Run, emulator: Emulator, file: Path, into: str
) -> None:
    """The gateway may keep rows only so long: nothing listed is no proof that nothing was sent."""
    fill(emulator)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    before = rows_in(file)
    emulator.quirks.retention_days = 0
    again = run("pull", *SPAN, "--into", into)
    assert "2 windows list 121 rows fewer than when loaded before" in again.stdout
    assert rows_in(file) == before
    told = json.loads(run("pull", *SPAN, "--into", into, "--json").stdout)
    assert (told["shrunk_windows"], told["unlisted_rows"]) == (0, 0)
    for compare in ([], ["--compare"]):
        coverage = run("coverage", "--types", "2,25", "--into", into, *compare)
        assert coverage.returncode == 4, coverage.stderr
        assert "fewer: type 2, " in coverage.stdout
        assert "61 rows held, 0 listed when it was read last" in coverage.stdout
    assert run("coverage", "--types", "2,25", "--into", into, "--days", "1").returncode == 4


def test_old_days_that_list_nothing_are_not_told_as_days_without_messages(run: Run, into: str) -> None:
    """How long the gateway keeps rows is documented nowhere."""
    old = run("pull", "--from", "2024-01-10", "--to", "2024-01-12", "--types", "2", "--into", into)
    assert "2 windows of more than 90 days ago list nothing: not available, which is not 0 rows" in old.stdout
    end = run("coverage", "--types", "2", "--into", into)
    assert "not available: type 2, 2 windows of more than 90 days ago list nothing" in end.stdout
    about = json.loads(run("coverage", "--types", "2", "--into", into, "--json").stdout)["types"][0]
    assert (about["not_available"], about["shrunk"], about["rows"]) == (2, [], 0)
    new = run("pull", "--from", "-2d", "--to", "today", "--types", "2", "--into", into)
    assert "list nothing" not in new.stdout


def test_views_for_analysts(run: Run, emulator: Emulator, tmp_path: Path, into: str) -> None:
    """Made by a command, queried by another; the same models as a dbt package."""
    fill(emulator)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    made = run("marts", "--into", into)
    assert made.returncode == 0, made.stderr
    assert "  esms_month_statement" in made.stdout
    found = run("sql", "select sms_type, messages from esms_month_statement order by 1", "--into", into, "--json")
    assert json.loads(found.stdout) == [{"sms_type": 2, "messages": 61}, {"sms_type": 25, "messages": 60}]
    copied = json.loads(run("marts", "--copy-dbt", str(tmp_path / "dbt"), "--json").stdout)["copied_to"]
    assert (Path(copied) / "dbt_project.yml").is_file()
    assert_one_clear_line(run("marts"), 2, "Give --into, where the rows were pulled to")
    assert_one_clear_line(run("marts", "--into", str(tmp_path / "folder")), 2, "has no views")
