"""Reports as Markdown, JSON, CSV, Parquet and on a terminal: whole, in both languages, and where they are put."""

from __future__ import annotations

import csv
import io
import json
import re
import string
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import fsspec
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from esms_connectors.gateway.codes import CODES, Recovery
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.ledger.rows import SendState
from esms_connectors.reports import Report, render_report, write_report
from esms_connectors.reports.language import LANGUAGES, get_language
from esms_connectors.reports.model import Cell, Figure, Kind, Note, Period, Table, Term
from esms_connectors.reports.summary import summary_of
from esms_connectors.reports.tables import TABLES
from esms_connectors.reports.text import print_report
from esms_connectors.reports.words import WORDS

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
CANARY = "0901888484"
MEASURES = (1_234_567, 1_200_000, 30_000, 4_567, 0, 0.972, Decimal("370370100.5000"), Decimal("308.6418"))


def day(number: int, month: int = 11) -> datetime:
    return datetime(2026, month, number, tzinfo=VIETNAM)


@pytest.fixture
def report() -> Report:
    """Every table, each kind of cell, names that would break a format."""
    names = ("Tết | *sale* <b>", "=1+1", "[bold]ẩm thực[/bold]", '"trích", dẫn')
    rows: dict[str, list[tuple[object, ...]]] = {
        "funnel": [(Term("stage.accepted"), 10, 1.0, 0), (Term("stage.delivered"), 9, 0.9, 1)],
        "losses": [(Term("stage.delivered"), Term("code.146"), "146", 1, 0.1, Term("recovery.FIX_ROW"))],
        "days": [(date(2026, 11, 1), *MEASURES), (date(2026, 11, 2), 0, 0, 0, 0, 0, None, Decimal(0), None)],
        "types": [(Term("type.25"), *MEASURES), (Term("type.77"), *MEASURES)],
        "budget": [(Term("budget.month"), "2026-11", Decimal(500), Decimal(550), 1.1, Decimal(-50), Decimal(540))],
        "campaigns": [*((name, 2, *MEASURES) for name in names), (Term("others"), 60, *MEASURES)],
        "chains": [
            ("evening", "1. zns", 5, 3, 1, 2, Decimal(900)),
            ("evening", Term("chain.people"), 5, 4, None, None, None),
        ],
        "handed_on": [("evening", "2. sms", Term("chain.refused"), "99", 2)],
        "carriers": [("Viettel", *MEASURES)],
        "reasons": [],
        "speed": [(Term("type.25"), 10, 59, 3_661, 200_000)],
        "open": [(Term("age.older"), Term("state.sent"), 3, None, datetime(2026, 11, 1, 18, 30, tzinfo=UTC))],
    }
    totals = {"days": (Term("total"), *MEASURES)}
    notes = {"speed": (Note("upper_bound"),)}
    return Report(
        period=Period(day(1), day(3)),
        before=Period(day(30, 10), day(1)),
        made_at=datetime(2026, 11, 3, 7, 0, tzinfo=VIETNAM),
        sources=("/kho/esms.duckdb",),
        headline=(
            Figure("messages", Kind.COUNT, 1_234_567, 1_000_000),
            Figure("delivered_share", Kind.SHARE, 0.99997, 0.98, more_is_better=True),
            Figure("cost", Kind.MONEY, Decimal("370370100.5000"), None),
            Figure("median", Kind.DURATION, None, None, more_is_better=False),
        ),
        tables={
            name: Table(name, TABLES[name], tuple(rows[name]), totals.get(name), notes.get(name, ()))
            for name in TABLES
            if name in rows
        },
        notes=(
            Note("pending", {"pending": 2, "windows": 14}, warning=True),
            Note("loaded", {"windows": 14, "read_at": datetime(2026, 11, 2, 23, 5, tzinfo=UTC)}),
        ),
    )


def markdown(report: Report, language: str) -> str:
    return render_report(report, ".md", language=language)[""].decode()


# --- words -----------------------------------------------------------------------------------------------------------


def test_all_report_terms_are_translated_into_both_languages() -> None:
    needed = {f"table.{name}" for name in TABLES} | {"total", "others", "no_campaign", "carrier.none"}
    needed |= {f"type.{kind.value}" for kind in SmsType} | {f"state.{state.value}" for state in DeliveryState}
    needed |= {f"recovery.{recovery.name}" for recovery in Recovery}
    for state in DeliveryState:
        if state is not DeliveryState.DELIVERED:
            needed |= {f"reason.row.{state.value}"}
    for state in SendState:
        if state is not SendState.ACCEPTED:
            needed |= {f"reason.ledger.{state.value}", f"to_do.ledger.{state.value}"}
    assert needed <= WORDS.keys()
    for name, columns in TABLES.items():
        for column in columns:
            assert {f"column.{column.name}", f"column.{name}.{column.name}"} & WORDS.keys()
    for key, (english, vietnamese) in WORDS.items():
        assert english.strip(), key
        assert vietnamese.strip(), key
        places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, vietnamese)]
        assert places[0] == places[1], key


def test_codes_are_translated_into_the_report_language() -> None:
    for code in CODES.values():
        assert get_language("en").term(f"code.{code.code}") == code.english
        assert get_language("vi").term(f"code.{code.code}") == code.vietnamese
    assert get_language("en").term("code.31337") == "An undocumented code"
    assert get_language("vi").term("type.77") == "Loại 77"


@pytest.mark.parametrize(
    ("kind", "value", "english", "vietnamese"),
    [
        (Kind.COUNT, 1_234_567, "1,234,567", "1.234.567"),
        (Kind.MONEY, Decimal("345.5000"), "345.5 ₫", "345,5 ₫"),
        (Kind.MONEY, Decimal("1000000000"), "1,000,000,000 ₫", "1.000.000.000 ₫"),
        (Kind.SHARE, 0.4567, "45.7%", "45,7%"),
        # Not all of them is never written as all.
        (Kind.SHARE, 0.99997, "99.9%", "99,9%"),
        (Kind.SHARE, 1.0, "100.0%", "100,0%"),
        (Kind.DAY, date(2026, 11, 3), "3 Nov 2026", "03/11/2026"),
        (Kind.MOMENT, datetime(2026, 11, 2, 23, 5, tzinfo=UTC), "3 Nov 2026 06:05", "03/11/2026 06:05"),
        (Kind.DURATION, 59, "59 s", "59 giây"),
        (Kind.DURATION, 3_661, "1 h 01 min", "1 giờ 01 phút"),
        (Kind.DURATION, 200_000, "2 d 7 h", "2 ngày 7 giờ"),
        (Kind.TEXT, None, "–", "–"),
    ],
)
def test_numbers_and_dates_are_formatted_for_the_language(
    kind: Kind, value: object, english: str, vietnamese: str
) -> None:
    for language, expected in (("en", english), ("vi", vietnamese)):
        assert get_language(language).cell(kind, value).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("kind", "value", "before", "written"),
    [
        (Kind.COUNT, 1_100, 1_000, "+10,0%"),
        (Kind.COUNT, 999_999, 1_000_000, "0,0%"),
        (Kind.SHARE, 0.95, 0.97, "-2,0 điểm %"),
        (Kind.MONEY, Decimal(5), Decimal(0), "–"),
        (Kind.DURATION, 60, None, "–"),
    ],
)
def test_changes_have_a_sign_unless_zero(kind: Kind, value: Cell, before: Cell, written: str) -> None:
    assert get_language("vi").change(Figure("messages", kind, value, before)).replace("\u00a0", " ") == written


@pytest.mark.in_turn
def test_missing_reports_extra_gives_configuration_error(tmp_path: Path) -> None:
    """For the words and for each kind of file."""
    for module, call in (
        ("babel", "import esms_connectors.reports"),
        ("xlsxwriter", "from esms_connectors.reports.writing import check_target; check_target('a.xlsx')"),
        ("jinja2", "from esms_connectors.reports.writing import check_target; check_target('a.html')"),
    ):
        code = f"import sys; sys.modules[{module!r}] = None; {call}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.stderr.strip().splitlines()[-1].startswith("esms_connectors.gateway.errors.ConfigurationError: "), (
            done.stderr
        )
        assert "pip install 'esms-connectors[reports]'" in done.stderr


def test_unsupported_language_is_rejected() -> None:
    with pytest.raises(InvalidRequestError, match=r"English .en. or Vietnamese .vi."):
        get_language("fr")


# --- the formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_contains_every_number_and_starts_with_the_warnings(report: Report, language: str) -> None:
    text = markdown(report, language)
    words = get_language(language)
    assert text.index(words.note(report.notes[0]).split("{")[0][:20]) < text.index(words.word("summary"))
    for table in report.tables.values():
        assert f"\n## {words.title(table.name)}\n" in text
        for row in table.rows:
            for column, value in zip(table.columns, row, strict=True):
                if column.is_number:
                    assert words.cell(column.kind, value) in text
    # Whatever names hold, a line of a table has as many cells as its heading.
    lines = text.splitlines()
    for position, line in enumerate(lines):
        if re.fullmatch(r"\|[-:|]+\|", line):
            cells = line.count("|")
            for row_line in lines[position + 1 :]:
                if not row_line:
                    break
                assert len(re.findall(r"(?<!\\)\|", row_line)) == cells, row_line
    assert "<b>" not in text.replace(r"\<b\>", "")


def test_terminal_output_shows_names_literally(report: Report) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    print_report(report, get_language("vi"), console)
    text = console.export_text()
    assert "[bold]ẩm thực[/bold]" in text
    assert "1.234.567" in text
    assert "2 ngày 7" in text.replace("\u00a0", " ")
    assert "Lưu ý: Còn 2 trên 14" in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_narrow_terminal_wraps_words_but_not_numbers(report: Report, width: int) -> None:
    """Each number stands on one line as a whole, even where a line is then longer than the terminal is wide."""
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    print_report(report, get_language("en"), console)
    lines = console.export_text().splitlines()
    for number in ("1,234,567", "370,370,100 ₫", "308.64 ₫", "97.2%"):
        assert any(number in line.replace("\u00a0", " ") for line in lines), number
    assert not any("…" in line for line in lines)


def test_json_has_machine_readable_keys_and_notes_as_text(report: Report) -> None:
    found = json.loads(render_report(report, ".json", language="vi")[""])
    assert found["complete"] is False
    assert found["period"] == {"start": "2026-11-01T00:00:00+07:00", "end": "2026-11-03T00:00:00+07:00"}
    assert found["headline"]["cost"] == {"value": "370370100.5", "before": None, "change": None}
    assert found["tables"]["types"]["rows"][0]["sms_type"] == "type.25"
    assert found["tables"]["days"]["rows"][1]["cost"] == "0"
    assert found["tables"]["days"]["total"]["messages"] == 1_234_567
    assert found["notes"][0]["text"].startswith("Còn 2 trên 14")


def test_csv_round_trip_preserves_values_and_escapes_formulas(report: Report) -> None:
    """With one file a table, names of columns in any language the same, and nothing that a spreadsheet would run."""
    files = render_report(report, ".csv", language="vi")
    assert list(files) == ["summary", *report.tables]
    campaigns = list(csv.DictReader(io.StringIO(files["campaigns"].decode())))
    assert [row["campaign"] for row in campaigns] == [
        "Tết | *sale* <b>",
        "'=1+1",
        "[bold]ẩm thực[/bold]",
        '"trích", dẫn',
        "Còn lại",
    ]
    assert {(row["messages"], row["cost"]) for row in campaigns} == {("1234567", "370370100.5")}
    days = list(csv.DictReader(io.StringIO(files["days"].decode())))
    assert [(row["day"], row["delivered_share"]) for row in days] == [("2026-11-01", "0.972"), ("2026-11-02", "")]
    assert files["reasons"].decode().strip() == "reason,sms_type,code,messages,share,to_do"


def test_parquet_keeps_types_for_pyarrow_and_duckdb(report: Report, tmp_path: Path) -> None:
    written = write_report(report, tmp_path / "tháng mười một.parquet", language="en")
    assert len(written) == len(report.tables) + 1
    days = pq.read_table(tmp_path / "tháng mười một.days.parquet").to_pylist()
    assert days[0] == {
        "day": date(2026, 11, 1),
        **dict(zip((column.name for column in TABLES["days"][1:]), MEASURES, strict=True)),
    }
    with duckdb.connect() as connection:
        path = str(tmp_path / "tháng mười một.open.parquet")
        [found] = connection.execute("SELECT age, state, epoch(oldest) FROM read_parquet(?)", [path]).fetchall()
    assert found == ("More than 7 days", "Sent, no report yet", datetime(2026, 11, 1, 18, 30, tzinfo=UTC).timestamp())


def test_task_summary_has_the_headline_and_the_warnings(report: Report) -> None:
    found = summary_of(report, "vi")
    assert found["complete"] is False
    assert [text[:14] for text in found["warnings"]] == ["Còn 2 trên 14 "]
    assert found["headline"]["messages"] == 1_234_567
    assert json.loads(json.dumps(found)) == found


# --- where they go ---------------------------------------------------------------------------------------------------


def test_report_file_is_replaced_without_leftovers(report: Report, tmp_path: Path) -> None:
    target = tmp_path / "báo cáo" / "tháng 11.md"
    assert write_report(report, target) == [str(target)]
    target.write_text("old", "utf-8")
    write_report(report, target, language="vi")
    assert target.read_text("utf-8") == markdown(report, "vi")
    assert list(target.parent.iterdir()) == [target]


def test_report_is_written_through_fsspec_without_leaking_credentials(report: Report) -> None:
    written = write_report(report, "memory://user:hidden@reports/thang-11.json")
    assert [name.rpartition("/")[2] for name in written] == ["thang-11.json"]
    assert "hidden" not in str(written)
    files = fsspec.filesystem("memory").find("/")
    assert [path for path in files if path.endswith("thang-11.json")]


def test_unwritable_target_gives_configuration_error(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written") as raised:
        write_report(report, file / "report.md")
    assert raised.value.__context__ is None
    with pytest.raises(ConfigurationError, match=r"cannot be used|a package for the scheme"):
        write_report(report, "gibtsnicht://bucket/report.md")


@pytest.mark.parametrize("target", ["report", "report.pdf", ".html", "folder/", "s3://bucket/"])
def test_target_without_a_known_suffix_is_rejected(report: Report, target: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"ends in one of \.html, \.xlsx"):
        write_report(report, target)


def test_relative_target_is_written_to_the_current_folder(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report(report, "report.MD") == ["report.md"]
    assert (tmp_path / "report.md").exists()


@pytest.mark.in_turn
@pytest.mark.parametrize("suffix", [".md", ".json", ".csv", ".parquet", ".html", ".xlsx"])
def test_every_suffix_renders_files_in_both_languages(report: Report, suffix: str) -> None:
    for language in LANGUAGES:
        files = render_report(report, suffix, language=language)
        assert files
        assert all(files.values())
        assert CANARY.encode() not in b"".join(files.values())
