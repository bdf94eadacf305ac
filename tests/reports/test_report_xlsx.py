"""The workbook, opened again by another library."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from openpyxl.utils.cell import range_boundaries
from openpyxl.workbook import Workbook
from report_samples import INCOMPLETE, MIDNIGHT, empty_report, sample_report

from esms_connectors.reports import Report, xlsx
from esms_connectors.reports.language import Language, get_language
from esms_connectors.reports.model import Cell, Kind, Table, Term
from esms_connectors.reports.tables import TABLES
from esms_connectors.reports.xlsx import write_xlsx

ENGLISH, VIETNAMESE = get_language("en"), get_language("vi")


def written(report: Report, language: Language = ENGLISH) -> io.BytesIO:
    file = io.BytesIO()
    write_xlsx(report, language, file)
    return file


def opened(report: Report, language: Language = ENGLISH) -> Workbook:
    return openpyxl.load_workbook(written(report, language))


def with_recipients(count: int, phone: str = "0901234567") -> Report:
    row = (phone, Term("type.2"), "OTP", Term("state.failed"), MIDNIGHT + timedelta(hours=9, minutes=5), Decimal(350))
    report = sample_report(days=1)
    return replace(
        report,
        tables={**report.tables, "recipients": Table("recipients", TABLES["recipients"], (row,) * count)},
    )


def in_excel(kind: Kind, cell: Cell, language: Language) -> object:
    """What a reader of the file should get for a cell."""
    if cell is None:
        return None
    match kind:
        case Kind.COUNT:
            return cell
        case Kind.MONEY | Kind.SHARE:
            return pytest.approx(float(cell))
        case Kind.DURATION:
            return timedelta(seconds=cell)
        case Kind.DAY:
            return datetime.combine(cell, datetime.min.time())
        case Kind.MOMENT:
            return cell.replace(tzinfo=None)
    return language.cell(kind, cell)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("language", [ENGLISH, VIETNAMESE], ids=["en", "vi"])
def test_every_table_is_a_sheet_with_typed_numbers_and_dates(language):
    report = sample_report()

    workbook = opened(report, language)

    assert workbook.sheetnames == [language.word("summary"), *(language.title(name) for name in report.tables)]
    for name, table in report.tables.items():
        headings, *rows = workbook[language.title(name)].iter_rows(values_only=True)
        assert headings == tuple(language.column(name, column.name) for column in table.columns)
        for row, cells in zip(table.rows, rows, strict=False):
            wanted = [in_excel(column.kind, cell, language) for column, cell in zip(table.columns, row, strict=True)]
            assert list(cells) == wanted


def test_cells_have_number_formats_for_money_shares_and_times():
    workbook = opened(sample_report(), VIETNAMESE)

    days = {cell.value: cell.column_letter for cell in workbook["Theo ngày"][1]}
    speed = {cell.value: cell.column_letter for cell in workbook["Thời gian có kết quả cuối"][1]}
    formats = {heading: workbook["Theo ngày"][f"{letter}2"].number_format for heading, letter in days.items()} | {
        "p99": workbook["Thời gian có kết quả cuối"][f"{speed['99% trong vòng']}2"].number_format
    }
    assert formats["Ngày"] == "dd/mm/yyyy"
    assert formats["Số tin"] == "#,##0"
    assert formats["Tỷ lệ đến"] == "0.0%"
    assert formats["Chi phí"] == '#,##0\\ "₫"'
    assert formats["Mỗi tin đến"] == '#,##0.00\\ "₫"'
    assert formats["p99"] == "[h]:mm:ss"


def test_heading_is_frozen_and_filter_excludes_the_total():
    sheet = opened(sample_report(days=7))["By day"]

    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:I8"
    assert [sheet["A9"].value, sheet["B9"].value] == [
        "Total",
        sum(sample_report(days=7).tables["days"].values("messages")),
    ]
    assert sheet.print_title_rows == "$1:$1"


def test_columns_are_wide_enough_for_their_content():
    sheet = opened(sample_report(campaigns=("x" * 40, "y" * 300)))["By campaign"]

    assert sheet.column_dimensions["A"].width == pytest.approx(60, abs=1)
    # openpyxl keeps one entry for neighbours of one width.
    widths = {
        letter: sheet.column_dimensions[letter].width for letter in "BCDEFGHI" if letter in sheet.column_dimensions
    }
    assert widths
    assert all(width > len(sheet[f"{letter}1"].value) for letter, width in widths.items())


def test_formula_like_names_stay_text_when_edited():
    names = ("=1+1", "+84", "-2+3", "@SUM(A1)", "\t=1", '=HYPERLINK("http://example.com")', "http://example.com", "007")

    sheet = opened(sample_report(campaigns=names))["By campaign"]

    cells = [sheet.cell(row, 1) for row in range(2, 2 + len(names))]
    assert [cell.value for cell in cells] == list(names)
    assert {cell.data_type for cell in cells} == {"s"}
    assert all(cell.hyperlink is None for cell in cells)
    assert [bool(cell.quotePrefix) for cell in cells] == [True] * 6 + [False] * 2


def test_names_of_any_script_are_kept_up_to_the_excel_length_limit():
    names = ("🎉 Tết", "حملة رمضان", "Chiến dịch tri ân", "a\x00b\x0bc", "x" * 40_000)

    sheet = opened(sample_report(campaigns=names))["By campaign"]

    assert [sheet.cell(row, 1).value for row in range(2, 5)] == list(names[:3])
    assert len(sheet.cell(6, 1).value) == 32_767


def test_first_sheet_has_period_warnings_and_headline():
    sheet = opened(sample_report(notes=INCOMPLETE), VIETNAMESE).worksheets[0]
    cells = {row[0]: row[1:4] for row in sheet.iter_rows(values_only=True) if row[0]}

    assert cells["Kỳ báo cáo"][0] == "01/10/2026 – 31/10/2026"
    assert cells["Lập lúc"][0] == datetime(2026, 11, 1, 7)
    assert "Còn 3 trên 744 cửa sổ dữ liệu của kỳ này chưa tải: có thể thiếu tin. Hãy chạy esms pull." in cells
    assert cells["Số tin"] == (1_047_994, 943_194, pytest.approx(0.1111, abs=1e-4))
    assert cells["Tỷ lệ đến"][2] == "-2,1\u00a0điểm %"
    assert cells["Chi phí"][0] == 366_797_900


def test_native_excel_charts_reference_the_table_columns():
    """Each range that a chart names is that column of the table, without heading and total."""
    report = sample_report()
    file = written(report)
    workbook = openpyxl.load_workbook(file)
    with zipfile.ZipFile(file) as parts:
        names = [name for name in parts.namelist() if re.fullmatch(r"xl/charts/chart\d+\.xml", name)]
        formulas = [re.findall(r"<c:f>([^<]+)</c:f>", parts.read(name).decode()) for name in sorted(names)]

    def values(formula: str) -> list[object]:
        title, cells = formula.replace("$", "").rsplit("!", 1)
        left, top, right, bottom = range_boundaries(cells)
        rows = workbook[title.strip("'")].iter_rows(top, bottom, left, right, values_only=True)
        return [cell for row in rows for cell in row]

    funnel, days, costs = (list(map(values, chart)) for chart in formulas)
    tables = report.tables
    assert funnel[1] == tables["funnel"].values("messages")
    assert days[0] == [datetime.combine(day, datetime.min.time()) for day in tables["days"].values("day")]
    assert days[1::2] == [tables["days"].values(state) for state in ("delivered", "open", "failed", "rejected")]
    assert costs[1] == tables["types"].values("cost")


def test_period_without_messages_gives_a_single_sheet_with_a_note():
    workbook = opened(empty_report())

    assert workbook.sheetnames == ["In short"]
    assert "The gateway lists no message in this period." in {row[0].value for row in workbook["In short"].rows}


def test_phones_keep_the_leading_zero_and_times_are_in_vietnam_time():
    sheet = opened(with_recipients(1))["Not reached"]

    assert sheet["A2"].value == "0901234567"
    assert sheet["E2"].value == datetime(2026, 10, 1, 9, 5)


@pytest.mark.in_turn
def test_many_rows_are_split_over_several_sheets(monkeypatch):
    """Written to disk as they come, and going on on another sheet where Excel's end."""
    monkeypatch.setattr(xlsx, "_MANY_ROWS", 500)
    monkeypatch.setattr(xlsx, "_MOST_ROWS", 1_002)

    workbook = opened(with_recipients(2_500))

    parts = [name for name in workbook.sheetnames if name.startswith("Not reached")]
    assert parts == ["Not reached", "Not reached (2)", "Not reached (3)"]
    assert [workbook[part].max_row - 1 for part in parts] == [1_000, 1_000, 500]
    assert {row[0] for part in parts for row in workbook[part].iter_rows(min_row=2, values_only=True)} == {"0901234567"}


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("title", ["a/b\\c[d]:e*f?", "'quoted'", "History", "x" * 50, "", "Theo tháng " * 9])
def test_invalid_sheet_titles_are_converted_to_valid_names(title):
    class Titled(Language):
        def title(self, table: str) -> str:
            return title

    names = opened(sample_report(days=1), Titled("en")).sheetnames

    assert len(names) == len({name.lower() for name in names}) == 10
    assert all(0 < len(name) <= 31 and not re.search(r"[\[\]:*?/\\]", name) for name in names)
    assert all(name == name.strip("'") and name.lower() != "history" for name in names)
