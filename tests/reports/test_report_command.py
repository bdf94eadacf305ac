"""`esms report` as a user calls it."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pendulum
import pytest
from esms_processes import Done
from places import Place, row
from postgres_server import PostgresServer

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, VirtualClock
from esms_connectors.ledger import Ledger
from esms_connectors.reports.tables import TABLES
from esms_connectors.reports.writing import _Folder
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse import load_sent_messages, open_warehouse

DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
PAGE = Path(__file__).parent.parent.parent / "docs" / "reports.md"
CANARY, LATER = "0901888484", "0912345678"
SUFFIXES = ("html", "xlsx", "md", "json", "csv", "parquet")

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse with one day, in which two people did not get their message. It is only read."""
    gateway = Emulator(clock=VirtualClock(DAY.add(days=2)))
    gateway.populate(80, start=DAY, end=DAY.add(hours=23), sms_type=25)
    for phone, status in ((CANARY, (5, 0)), (LATER, (7, 2))):
        gateway.insert_message(
            DAY.add(hours=1),
            phone=phone,
            sms_type=25,
            campaign=f"gọi {phone}",
            content=f"Xin chào {phone}",
            send_status=status[0],
            send_result=status[1],
        )
    address = f"duckdb:///{tmp_path_factory.mktemp('kho')}/esms.duckdb"
    with (
        gateway.serve() as server,
        EsmsClient(
            base_url=server.base_url,
            credentials=Credentials(DEMO_API_KEY, DEMO_SECRET_KEY),
            now=lambda: DAY.add(days=2),
        ) as client,
        open_warehouse(address) as warehouse,
    ):
        load_sent_messages(client, warehouse, DAY, DAY.add(days=1), sms_types=[25], now=lambda: DAY.add(days=2))
    return address


def contents(folder: Path) -> bytes:
    """Everything in the files, that inside of XLSX too."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as archive:
                found += [archive.read(name) for name in archive.namelist()]
        found.append(path.read_bytes())
    return b"\n".join(found)


@pytest.mark.in_turn
def test_report_of_one_day_is_printed_on_the_terminal(loaded: str, run: Run) -> None:
    done = run("report", "--from", "2024-05-14", "--into", loaded)
    assert done.code == 0, done.err
    assert "14 May 2024" in done.out
    assert "Not final yet: 1 of the messages" in done.out
    assert "Messages" in done.out
    assert "82" in done.out
    assert done.err == ""


@pytest.mark.in_turn(every=3)
def test_language_and_warehouse_can_come_from_the_environment(loaded: str, run: Run) -> None:
    done = run("report", "--from", "2024-05-14", ESMS_WAREHOUSE=loaded, ESMS_LANGUAGE="vi")
    assert done.code == 0, done.err
    assert "14/05/2024" in done.out
    assert "Tỷ lệ đến" in done.out


@pytest.mark.in_turn
def test_all_file_formats_are_written_without_phone_numbers(loaded: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "báo cáo"
    outs = [word for suffix in SUFFIXES for word in ("--out", str(folder / f"ngày.{suffix}"))]
    for language in ("en", "vi"):
        done = run("report", "--from", "2024-05-14", "--into", loaded, "--language", language, *outs)
        assert done.code == 0, done.err
        assert sorted(done.out.splitlines()) == sorted(str(path) for path in folder.iterdir())
        # What is not complete is said, even to whoever only looks at the files' names.
        assert "1" in done.err
        everything = contents(folder) + done.out.encode() + done.err.encode()
        for phone in (CANARY, LATER):
            for spelling in (phone, phone[1:], "84" + phone[1:]):
                assert spelling.encode() not in everything
        assert "gọi".encode() in everything


def test_with_phones_option_writes_phones_to_the_file_only(loaded: str, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "ngày.csv"
    done = run("report", "--from", "2024-05-14", "--into", loaded, "--with-phones", "--out", str(target))
    assert done.code == 0, done.err
    lines = (tmp_path / "ngày.recipients.csv").read_text("utf-8").splitlines()
    assert len(lines) - 1 >= 2
    assert {CANARY, LATER} <= {line.split(",")[0] for line in lines}
    assert CANARY not in done.out + done.err


def test_json_output_contains_tables_headline_and_files(loaded: str, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "ngày.md"
    done = run(
        "report", "--from", "2024-05-14", "--into", loaded, "--json", "--out", str(target), "--budget", "1000000"
    )
    assert done.code == 0, done.err
    assert [row["scope"] for row in done.json["tables"]["budget"]["rows"]] == ["budget.period"]
    assert done.json["headline"]["messages"]["value"] == 82
    assert done.json["complete"] is False
    assert done.json["files"] == [str(target)]
    assert CANARY not in done.out


def test_report_covers_a_span_of_days_with_a_ledger(loaded: str, run: Run, tmp_path: Path) -> None:
    ledger = tmp_path / "sổ.sqlite"
    Ledger.open(ledger).close()
    done = run(
        "report",
        "--from",
        "2024-05-13 06:00",
        "--to",
        "2024-05-16",
        "--into",
        loaded,
        "--ledger",
        str(ledger),
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["period"] == {"start": "2024-05-13T06:00:00+07:00", "end": "2024-05-16T00:00:00+07:00"}
    assert [note["name"] for note in done.json["notes"] if note["warning"]] == ["gaps", "open"]
    assert str(ledger) in done.json["sources"]


def foreign_file(path: Path, *, journal: str = "DELETE") -> Path:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE khách (id INTEGER)")
        connection.commit()
    return path


@pytest.mark.parametrize("kind", ["table", "WAL", "empty", "text"])
@pytest.mark.parametrize("scheme", ["", "sqlite:///", "sqlite+pysqlite:///"])
def test_file_that_is_not_a_ledger_is_rejected_and_unchanged(
    loaded: str, run: Run, tmp_path: Path, kind: str, scheme: str
) -> None:
    """A report only reads: no table of ours, no other journal, no file beside it."""
    folder = tmp_path / "lạ"
    folder.mkdir()
    file = folder / "khác 100%.db"
    if kind in ("table", "WAL"):
        foreign_file(file, journal="WAL" if kind == "WAL" else "DELETE")
    else:
        file.write_text("" if kind == "empty" else "no database " * 100)
    before = file.read_bytes()
    done = run("report", "--from", "2024-05-14", "--into", loaded, "--ledger", f"{scheme}{file}")
    done.assert_one_clear_line(2, "is not a ledger")
    assert file.read_bytes() == before
    assert list(folder.iterdir()) == [file]


def test_ledger_with_an_open_writer_is_recognized(loaded: str, run: Run, tmp_path: Path) -> None:
    """Its tables may stand in the journal only."""
    with Ledger.open(tmp_path / "sổ.sqlite") as ledger:
        ledger.begin_run("march", "zns", {})
        done = run("report", "--from", "2024-05-14", "--into", loaded, "--ledger", str(tmp_path / "sổ.sqlite"))
    assert done.code == 0, done.err


def test_database_without_a_ledger_is_rejected_without_creating_one(
    loaded: str, run: Run, postgres: PostgresServer
) -> None:
    """In PostgreSQL too."""
    schema = postgres.new_schema()
    url = postgres.uri.replace("postgresql://", "postgresql+psycopg://") + f"&options=-csearch_path%3D{schema}"
    report = ("report", "--from", "2024-05-14", "--into", loaded, "--ledger", url)
    run(*report).assert_one_clear_line(2, "There is no ledger in that database")
    assert postgres.execute(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'") == []
    Ledger.open(url).close()
    assert run(*report).code == 0


@pytest.mark.in_turn
def test_reports_documentation_is_complete_and_its_code_block_runs(
    make_place: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text("utf-8")
    for suffix in SUFFIXES:
        assert f"`.{suffix}`" in page
    for table in TABLES:
        assert f"`{table}`" in page
    today = pendulum.today("Asia/Ho_Chi_Minh")
    window = SentWindow(25, today.subtract(days=1).in_timezone("UTC"), today.in_timezone("UTC"))
    make_place(f"duckdb:///{tmp_path}/esms.duckdb").merge(window, [row(1, sent_at=window.start)], today)
    monkeypatch.chdir(tmp_path)
    block, *_ = re.findall(r"```python\n(.*?)```", page, re.S)

    exec(compile(block, PAGE.name, "exec"), {})

    assert 'lang="vi"' in (tmp_path / "yesterday.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2024-05-14", "--to", "2024-05-14"), ("period is empty",)),
        (("--from", "2024-05-14", "--to", "2024-05-13"), ("period is empty",)),
        (("--from", "2099-05-14"), ("has not begun yet",)),
        (("--from", "14/05/2024"), ("--from", "is not a valid time")),
        (("--from", "tomorrow"), ("has not begun yet",)),
        (("--from", "hôm qua", "--language", "vi"), ("--from 'hôm qua' không phải là thời gian. Hãy ghi",)),
        (("--from", "0001-01-01"), ("--from", "out of range")),
        (("--from", "9999-12-31"), ("--from", "out of range")),
        (("--from", "2024-01-14"), ("Nothing was loaded into", "esms pull --from 2024-01-14")),
        (("--from", "2024-05-14", "--budget", "5tr"), ("positive amount of VND",)),
        (("--from", "2024-05-14", "--out", "report.pdf"), ("ends in one of .html",)),
        (("--from", "2024-05-14", "--ledger", "nowhere.sqlite"), ("There is no ledger at nowhere.sqlite",)),
        (("--from", "2024-05-14", "--ledger", "sqlite:////nowhere/l.sqlite"), ("There is no ledger at",)),
    ],
)
def test_invalid_report_arguments_give_one_line_error(
    loaded: str, run: Run, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    run("report", "--into", loaded, *arguments).assert_one_clear_line(2, *words)


def test_unusable_locations_give_one_line_error(loaded: str, run: Run, tmp_path: Path) -> None:
    day = ("--from", "2024-05-14")
    nowhere = tmp_path / "không có.duckdb"
    run("report", *day, "--into", str(nowhere)).assert_one_clear_line(2, "There is no file")
    assert not nowhere.exists()
    other = tmp_path / "khác.duckdb"
    duckdb.connect(str(other)).close()
    run("report", *day, "--into", str(other)).assert_one_clear_line(2, "Nothing was ever loaded into")
    (tmp_path / "folder").mkdir()
    run("report", *day, "--into", str(tmp_path / "folder")).assert_one_clear_line(2, "cannot be queried")
    (tmp_path / "tệp").write_text("")
    done = run("report", *day, "--into", loaded, "--out", str(tmp_path / "tệp" / "report.md"))
    done.assert_one_clear_line(2, "cannot be written")
    done = run("report", *day, "--into", "postgresql://nobody:geheim@127.0.0.1:9/none?connect_timeout=2")
    done.assert_one_clear_line(4, "cannot be reached")
    assert "geheim" not in done.err


def test_default_period_is_yesterday(loaded: str, run: Run) -> None:
    yesterday = pendulum.yesterday("Asia/Ho_Chi_Minh").to_date_string()
    run("report", "--into", loaded).assert_one_clear_line(2, "Nothing was loaded into", f"--from {yesterday}")


@pytest.mark.in_turn
def test_day_without_messages_gives_a_report_in_every_format(
    run: Callable[..., Done], load: Callable[..., None], duckdb_address: str, tmp_path: Path
) -> None:
    """In every form: nothing was sent, and there is nothing to draw."""
    load(duckdb_address, DAY, DAY.add(days=1))
    targets = [part for suffix in SUFFIXES for part in ("--out", str(tmp_path / f"quiet.{suffix}"))]
    done = run("report", "--from", "2024-05-14", "--into", duckdb_address, *targets)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert "<svg" not in (tmp_path / "quiet.html").read_text("utf-8").partition("<main")[2]


def test_report_file_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    """It may hold phones, and stays so when it is written again."""
    folder = _Folder(str(tmp_path), {})
    for content in (b"first", b"second"):
        folder.put("report.html", content)
        assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o600
