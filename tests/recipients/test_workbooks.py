"""Excel and ODF workbooks: what a person reads in the sheet is what a recipient gets."""

from __future__ import annotations

import io
import re
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.recipients import Columns, ReadReport, Recipient, RejectsFile, read_recipients, workbooks
from esms_connectors.recipients.sources import open_rows

NAME = Columns(params=("name",))
HERE = Path(__file__).parent / "workbooks"


def made(path: Path, fill: Callable[[Any, Any], None], **options: Any) -> Path:
    """A workbook of one sheet, filled by `fill(workbook, sheet)`."""
    workbook = xlsxwriter.Workbook(str(path), options)
    fill(workbook, workbook.add_worksheet("Khách"))
    workbook.close()
    return path


def table(rows: list[list[Any]], top: int = 0, left: int = 0) -> Callable[[Any, Any], None]:
    def fill(_: Any, sheet: Any) -> None:
        for number, row in enumerate(rows, top):
            for at, cell in enumerate(row, left):
                sheet.write(number, at, cell)

    return fill


def read(path: Path, columns: Columns = NAME, **options: Any) -> tuple[list[Recipient], ReadReport]:
    report = ReadReport()
    return list(read_recipients(path, columns, report=report, **options)), report


def refusal(path: Path, columns: Columns = NAME, **options: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        list(read_recipients(path, columns, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"constant_memory": True}, {"in_memory": True, "use_zip64": True}])
def test_texts_and_numbers_are_read_with_row_numbers(tmp_path: Path, options: dict[str, Any]) -> None:
    """Phones as texts and as numbers, names in Vietnamese; lines are the rows that Excel shows."""
    rows = [["phone", "name"], ["0901888484", "Nguyễn Thị Hương"], [901888485, "Đặng Ánh"], [84901888486, "Bé\nTi"]]
    people, report = read(made(tmp_path / "khách.xlsx", table(rows), **options))

    assert [(one.phone, one.template_params, one.line) for one in people] == [
        ("0901888484", ("Nguyễn Thị Hương",), 2),
        ("0901888485", ("Đặng Ánh",), 3),
        ("0901888486", ("Bé\nTi",), 4),
    ]
    assert (report.rows, report.rejected, report.notes) == (3, 0, [])


def test_values_are_read_by_number_format_without_thousands_separators(tmp_path: Path) -> None:
    """Ids with leading zeros, percents, dates by their format; thousands are not set apart."""
    shown: list[tuple[Any, str | None, str]] = [
        (1250000, "#,##0", "1250000"),
        (1250000, '#,##0 "đ"', "1250000"),
        (123, "00000", "00123"),
        (0.5, "0%", "50%"),
        (0.125, "0.0%", "12.5%"),
        (4.5, None, "4.5"),
        (0.1 + 0.2, None, "0.3"),
        (3.14159, "0.00", "3.14"),
        (-2, None, "-2"),
        (datetime(2026, 11, 15), "dd/mm/yyyy", "15/11/2026"),
        (datetime(2026, 11, 15), "yyyy-mm-dd", "15/11/2026"),
        (datetime(2026, 11, 15, 8, 30), "dd/mm/yyyy hh:mm", "08:30 15/11/2026"),
        (datetime(2026, 11, 15, 8, 30), "dd/mm/yyyy", "15/11/2026"),
        (datetime(2026, 11, 15, 8, 30), "hh:mm", "08:30"),
        (datetime(2026, 11, 15), "mm/yyyy", "11/2026"),
        (datetime(2026, 11, 15), '[$-42A]dd "tháng" mm yyyy', "15/11/2026"),
        (datetime(1900, 3, 1), "dd/mm/yyyy", "01/03/1900"),
    ]

    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["phone", "name"])
        for number, (value, code, _) in enumerate(shown, 1):
            style = workbook.add_format({"num_format": code}) if code else None
            sheet.write(number, 0, f"09018884{number:02}")
            if isinstance(value, datetime):
                sheet.write_datetime(number, 1, value, style)
            else:
                sheet.write_number(number, 1, value, style)

    people, report = read(made(tmp_path / "a.xlsx", fill))

    assert [one.template_params[0] for one in people] == [text for _, _, text in shown]
    assert report.rejected == 0


def test_dates_of_the_1904_system_are_converted(tmp_path: Path) -> None:
    """Workbooks of old Macs."""

    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["phone", "name"])
        sheet.write(1, 0, "0901888484")
        sheet.write_datetime(1, 1, datetime(2026, 11, 15), workbook.add_format({"num_format": "dd/mm/yyyy"}))

    people, _ = read(made(tmp_path / "a.xlsx", fill, date_1904=True))

    assert people[0].template_params == ("15/11/2026",)


def test_formulas_give_their_cached_value_and_uncalculated_ones_are_rejected(tmp_path: Path) -> None:
    """The value that Excel calculated; one that nobody ever calculated is refused, and so is an error."""

    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["phone", "name"])
        for number, (formula, value) in enumerate(
            [('="0901"&"888484"', "0901888484"), ("=B2", "0901888485"), ("=1/0", "0901888486")], 1
        ):
            sheet.write_formula(number, 0, formula, None, value)
        sheet.write_formula(1, 1, '=UPPER("an")', None, "AN")
        sheet.write_formula(2, 1, "=1+1", None, 2)
        sheet.write_formula(3, 1, "=1/0", None, "#DIV/0!")

    people, report = read(made(tmp_path / "a.xlsx", fill))
    assert [(one.phone, one.template_params) for one in people] == [("0901888484", ("AN",)), ("0901888485", ("2",))]
    assert dict(report.rejected_by) == {("name", "is a spreadsheet error"): 1}

    workbook = openpyxl.Workbook()
    for row in (["phone", "name"], ["0901888484", '="a"&"b"'], ['="0901888485"', "An"]):
        workbook.active.append(row)
    workbook.save(tmp_path / "never.xlsx")

    people, report = read(tmp_path / "never.xlsx")
    assert not people
    assert {reason.partition(":")[0] for _, reason in report.rejected_by} == {
        "is a formula that was never calculated",
        "it is a formula that was never calculated",
    }


def test_numbers_with_more_than_15_digits_are_rejected(tmp_path: Path) -> None:
    """A cell keeps 15 digits: an id of 19 in a number cell is another id."""
    rows = [["phone", "name"], ["0901888484", 4097311281936189049], ["0901888485", 123456789012345]]
    people, report = read(made(tmp_path / "a.xlsx", table(rows)))

    assert [one.template_params for one in people] == [("123456789012345",)]
    assert "more than 15 digits" in next(iter(report.rejected_by))[1]


@pytest.mark.parametrize("left", [0, 3])
@pytest.mark.parametrize("header", [["phone", "name"], ["\ufeffphone", "name\u200b"], [" phone\n", "\u00a0name "]])
def test_header_is_detected_below_title_rows(tmp_path: Path, left: int, header: list[str]) -> None:
    """Titles, blank rows and a table that does not begin in A1; told in the notes."""
    rows = [["DANH SÁCH KHÁCH HÀNG"], [], ["Ngày:", "15/11/2026"], header, ["0901888484", "An"], ["", "Tổng: 1"]]
    path = made(tmp_path / "a.xlsx", table(rows, top=2, left=left))

    people, report = read(path)

    assert [(one.phone, one.template_params, one.line) for one in people] == [("0901888484", ("An",), 7)]
    assert report.notes == ["the column names are in row 6; what is above is a title"]
    assert report.rejected == 1  # the total
    assert read(path, header_row=6)[0] == people
    assert "no row 3" in refusal(path, header_row=1) or "no column" in refusal(path, header_row=5)


def test_sheet_is_detected_by_its_columns_or_selected_by_name(tmp_path: Path) -> None:
    """By the columns that are wanted; hidden sheets only by name; where two fit nobody guesses."""

    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write(0, 0, "Hướng dẫn")
        data = workbook.add_worksheet("Dữ liệu")
        data.write_row(0, 0, ["phone", "name"])
        data.write_row(1, 0, ["0901888484", "An"])
        hidden = workbook.add_worksheet("Cũ")
        hidden.write_row(0, 0, ["phone", "name"])
        hidden.write_row(1, 0, ["0901888499", "Old"])
        hidden.hide()
        workbook.add_chartsheet("Biểu đồ")

    path = made(tmp_path / "a.xlsx", fill)

    people, report = read(path)
    assert [one.phone for one in people] == ["0901888484"]
    assert report.notes == ["read from sheet Dữ liệu"]
    assert [one.phone for one in read(path, sheet="Cũ")[0]] == ["0901888499"]
    assert [one.phone for one in read(path, sheet="dữ liệu ")[0]] == ["0901888484"]
    assert "has no sheet 'Nope'. It has: Khách, Dữ liệu, Cũ (hidden)" in refusal(path, sheet="Nope")
    assert "no column phone" in refusal(path, sheet="Khách")

    def two(workbook: Any, sheet: Any) -> None:
        for one in (sheet, workbook.add_worksheet("B")):
            one.write_row(0, 0, ["phone", "name"])

    assert "in the sheets Khách, B: choose one" in refusal(made(tmp_path / "b.xlsx", two))


def test_hidden_rows_are_rejected_unless_requested(tmp_path: Path) -> None:
    """Rows that a filter hides are not sent unless somebody says so; then they are counted."""

    def fill(_: Any, sheet: Any) -> None:
        table([["phone", "name"], ["0901888484", "An"], ["0901888485", "Bình"], ["0901888486", "Chi"]])(_, sheet)
        sheet.set_row(2, None, None, {"hidden": True})

    path = made(tmp_path / "a.xlsx", fill)
    with RejectsFile(tmp_path / "r.csv") as rejects:
        people, report = read(path, rejects=rejects)

    assert [one.phone for one in people] == ["0901888484", "0901888486"]
    assert [one.line for one in report.first_rejects] == [3]
    assert "is hidden in the sheet" in report.first_rejects[0].text
    assert "0901888485,Bình" in (tmp_path / "r.csv").read_text("utf-8-sig")

    people, report = read(path, hidden_rows="read")
    assert len(people) == 3
    assert report.notes == ["1 row hidden in the sheet, read like the others"]


def test_merged_cell_value_applies_to_all_rows_covered(tmp_path: Path) -> None:
    """As they are read: one service for three customers."""

    def fill(_: Any, sheet: Any) -> None:
        sheet.merge_range("A1:C1", "DANH SÁCH")
        sheet.write_row(1, 0, ["phone", "name", "service"])
        for number in range(3):
            sheet.write(2 + number, 0, f"090188848{number}")
            sheet.write(2 + number, 1, f"K{number}")
        sheet.merge_range("C3:C5", "Gội đầu")
        sheet.write_row(5, 0, ["0901888489", "K9", "Cắt tóc"])

    people, report = read(made(tmp_path / "a.xlsx", fill), Columns(params=("name", "service")))

    assert [one.template_params for one in people] == [
        ("K0", "Gội đầu"),
        ("K1", "Gội đầu"),
        ("K2", "Gội đầu"),
        ("K9", "Cắt tóc"),
    ]
    assert "1 merged cell: the value applies to all rows covered" in report.notes


def test_duplicate_column_name_is_rejected_only_when_used(tmp_path: Path) -> None:
    """One that is asked for may not."""
    path = made(tmp_path / "a.xlsx", table([["phone", "name", "note", "note"], ["0901888484", "An", "x", "y"]]))

    assert [one.phone for one in read(path)[0]] == ["0901888484"]
    assert "has the column note twice" in refusal(path, Columns(params=("name", "note")))


@pytest.mark.parametrize("suffix", [".xls", ".ods"])
def test_xls_and_ods_are_read_like_xlsx(tmp_path: Path, suffix: str) -> None:
    """XLS and ODS through calamine: titles, texts, numbers and dates as in XLSX."""
    path = HERE / "customers.xls"
    if suffix == ".ods":
        path = ods(tmp_path / "customers.ods")

    people, report = read(path, Columns(params=("tên", "ngày", "tiền")))

    assert [(one.phone, one.template_params, one.line) for one in people] == [
        ("0901888484", ("Nguyễn Thị Hương", "15/11/2026", "1250000"), 4),
        ("0901888485", ("Đặng Ánh", "02/01/2026", "4.5"), 5),
    ]
    assert report.notes == ["the column names are in row 3; what is above is a title"]


def ods(path: Path) -> Path:
    """What LibreOffice writes of the same sheet."""

    def cell(value: Any) -> str:
        if isinstance(value, date):
            return (
                f'<table:table-cell office:value-type="date" office:date-value="{value}"><text:p/></table:table-cell>'
            )
        if isinstance(value, str):
            return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    rows: list[list[Any]] = [
        ["DANH SÁCH KHÁCH HÀNG"],
        [],
        ["phone", "tên", "ngày", "tiền"],
        ["0901888484", "Nguyễn Thị Hương", date(2026, 11, 15), 1250000],
        [901888485, "Đặng Ánh", date(2026, 1, 2), 4.5],
    ]
    body = "".join(
        f"<table:table-row>{''.join(map(cell, row)) or '<table:table-cell/>'}</table:table-row>" for row in rows
    )
    names = "".join(
        f' xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{one}:1.0"' for one in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content{names} office:version="1.3"><office:body><office:spreadsheet>'
        f'<table:table table:name="Khách">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("mimetype", kind)
        packed.writestr("content.xml", content)
        packed.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
        )
    return path


def rewritten(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with one part changed."""
    old = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w") as packed:
        for name in old.namelist():
            content = old.read(name)
            packed.writestr(name, change(content) if name == part else content)
    return path


def test_xlsx_variants_of_other_programs_are_read(tmp_path: Path) -> None:
    """Prefixed names, inline and rich texts with their pronunciation, escapes, cells without addresses."""
    path = made(tmp_path / "a.xlsx", table([["phone", "name"], ["0901888484", "x"]]), in_memory=True)
    rows = (
        '<x:row><x:c t="inlineStr"><x:is><x:t>phone</x:t></x:is></x:c>'
        '<x:c t="inlineStr"><x:is><x:t>name</x:t></x:is></x:c></x:row>'
        '<x:row><x:c t="inlineStr"><x:is><x:r><x:t>0901</x:t></x:r><x:r><x:t>888484</x:t></x:r></x:is></x:c>'
        '<x:c t="inlineStr"><x:is><x:t>A_x000D_&amp;B</x:t><x:rPh><x:t>no</x:t></x:rPh></x:is></x:c></x:row>'
    )
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<x:worksheet xmlns:x="{space}"><x:sheetData>{rows}</x:sheetData></x:worksheet>'
    people, _ = read(rewritten(path, "xl/worksheets/sheet1.xml", lambda _: sheet.encode()))

    assert [(one.phone, one.template_params, one.line) for one in people] == [("0901888484", ("A\n&B",), 2)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[: len(content) // 2], "is damaged"),
        (lambda content: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + content, "is damaged"),
        (lambda content: content.replace(b't="s"><v>0</v>', b't="s"><v>99</v>'), "is damaged"),
        (lambda content: content.replace(b't="s"><v>0</v>', b't="s"><v>x</v>'), "is damaged"),
        (lambda content: content.replace(b'r="B2"', b'r="ZZZZZZZ2"'), "is damaged"),
        (lambda content: content.replace(b"UTF-8", b"UTF-b"), "is damaged"),
        (lambda _: b"", "is damaged"),
    ],
)
def test_damaged_sheet_gives_one_line_error(tmp_path: Path, change: Callable[[bytes], bytes], words: str) -> None:
    """One line, with the name of the file."""
    path = made(tmp_path / "a.xlsx", table([["phone", "name"], ["0901888484", "An"]]))

    assert words in refusal(rewritten(path, "xl/worksheets/sheet1.xml", change))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"", "is empty"),
        ("a.xls", b"<html><table><tr><td>phone</td></tr></table>", "is a web page, whatever its name says"),
        ("a.xls", b"phone,name\n0901888484,An\n", "is not a workbook, whatever its name says"),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 99, "is damaged"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "is damaged"),
        ("a.ods", b"PK\x03\x04nothing", "is damaged"),
    ],
)
def test_files_that_are_not_workbooks_give_one_line_error(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """What they are, and what to do."""
    (tmp_path / name).write_bytes(content)

    message = refusal(tmp_path / name)
    assert message.startswith(name)
    assert words in message
    assert "does not exist" in refusal(tmp_path / "b.xlsx")


def test_unsuitable_source_options_are_rejected(tmp_path: Path) -> None:
    """A sheet of a CSV, a header row of Parquet."""
    (tmp_path / "a.csv").write_text("phone,name\n")
    assert "has no sheets" in refusal(tmp_path / "a.csv", sheet="A")
    assert "no header row" in refusal([{"phone": "0901888484"}], header_row=2)
    assert "header_row is a row" in refusal(tmp_path / "a.csv", header_row=0)
    book = made(tmp_path / "a.xlsx", table([["phone", "name"], ["0901888484", "An"]]))
    assert "is not a CSV file and has no delimiter" in refusal(book, delimiter=";")
    assert "is not a CSV file and has no delimiter" in refusal([{"phone": "0901888484"}], delimiter=";")
    assert refusal(book, header_row=9) == "a.xlsx has nothing in row 9."


def test_missing_excel_extra_gives_error_for_xls_but_not_for_xlsx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the kinds that need it."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'esms-connectors[excel]'")):
        list(read_recipients(HERE / "customers.xls", NAME))

    people, _ = read(made(tmp_path / "a.xlsx", table([["phone", "name"], ["0901888484", "An"]])))
    assert len(people) == 1


def test_open_rows_detects_the_header_without_given_columns(tmp_path: Path) -> None:
    """`open_rows` alone takes the first row that looks like a header."""
    path = made(tmp_path / "a.xlsx", table([["Danh sách"], [], ["phone", "name"], ["0901888484", "An"]]))

    with open_rows(path) as rows:
        assert rows.names == ("phone", "name")
        assert [cells for _, cells, _ in rows] == [["0901888484", "An"]]


@pytest.mark.in_turn
def test_memory_does_not_grow_with_the_sheet(tmp_path: Path) -> None:
    """Rows are streamed, and texts lie in a file: what they take in memory is eight bytes each."""
    peaks = []
    for count in (2_000, 5_000):
        rows = [["phone", "name"], *([f"09{number:08}", f"Nguyễn Thị Hương {number}"] for number in range(count))]
        path = made(tmp_path / f"{count}.xlsx", table(rows))
        tracemalloc.start()
        with open_rows(path) as opened:
            assert sum(1 for _ in opened) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 300_000


def test_xls_is_parsed_in_a_separate_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their parser never runs in this process, which keeps the rows at hand alone."""
    monkeypatch.setattr("python_calamine.load_workbook", None)
    people, _ = read(HERE / "customers.xls", Columns(params=("tên",)))
    assert len(people) == 2


def test_killed_reader_process_gives_workbook_error() -> None:
    """In the middle of a file: its rows so far are known, and nothing of it is left running."""
    with (HERE / "customers.xls").open("rb") as file:
        workbook = workbooks.open_workbook(file, "customers.xls")
    rows = workbook.rows(workbook.sheets[0].name)
    assert next(rows).number == 1
    workbook._process.kill()
    with pytest.raises(workbooks.WorkbookError, match="ended the process"):
        workbook.merged(workbook.sheets[0].name)
    workbook.close()
    assert workbook._process.poll() is not None


@pytest.mark.in_turn
def test_workbook_whose_reading_never_ends_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader does not come back, and nothing in this process could stop it."""
    monkeypatch.setattr(workbooks, "_LONGEST_SECONDS", 2.0)
    assert "reading it did not end within 2 s" in refusal(HERE / "never_ends.xls")
