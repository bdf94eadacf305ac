"""
A report as an Excel workbook: a summary sheet with native charts, then one sheet per table.

Numbers, money and dates have their Excel types. Every text is written as text: a value from outside never becomes a
formula, even after the cell is edited.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.reports.language import Language
from esms_connectors.reports.model import Cell, Column, Figure, Kind, Report, Row, Table

# Excel's limits.
_MOST_ROWS, _MOST_CHARACTERS, _LONGEST_NAME = 1_048_576, 32_767, 31
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")

# Above this, rows are streamed to disk. Below, charts also store their numbers, for viewers that do not recalculate.
_MANY_ROWS = 50_000

_ZONE = ZoneInfo(VIETNAM)
_SECONDS_A_DAY = 86_400
_WHOLE_FROM = 100_000  # larger amounts are shown without fractions of a đồng; the cell keeps them
_ROW_HEIGHT, _HEADING_HEIGHT = 17, 20  # points; fonts other than Excel's default need more than its default height
_MOST_DAY_LABELS = 16
_CHART_ROWS = 15  # a chart and a gap
_NARROWEST, _WIDEST = 9, 60
_PARAGRAPH_CHARACTERS = 85
_WIDTH_OF = {Kind.MONEY: 16, Kind.MOMENT: 17, Kind.DAY: 12, Kind.DURATION: 12, Kind.COUNT: 11, Kind.SHARE: 10}
_STATES = (("delivered", "#1F6FB5"), ("open", "#A9D2EE"), ("failed", "#D9622B"), ("rejected", "#6D1F3A"))
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The first sheet of a table, which charts refer to."""

    name: str
    table: Table

    def cells(self, column: str) -> list[Any]:
        """The range of a column without heading and total, in the form that charts expect."""
        at = [one.name for one in self.table.columns].index(column)
        return [self.name, 1, at, len(self.table.rows), at]


def write_xlsx(report: Report, language: Language, file: IO[bytes]) -> None:
    """Write the workbook to `file`, in `language`."""
    rows = sum(len(table.rows) for table in report.tables.values())
    workbook = Workbook(file, {"constant_memory": rows > _MANY_ROWS, "use_zip64": rows > _MANY_ROWS})
    with workbook:
        workbook.set_properties(
            {"title": f"{language.word('title')} {language.period(report.period)}", "created": _local(report.made_at)}
        )
        _Writer(workbook, report, language).write()


class _Writer:
    def __init__(self, workbook: Workbook, report: Report, language: Language) -> None:
        self._workbook = workbook
        self._report = report
        self._language = language
        self._names: set[str] = set()
        self._formats: dict[tuple[Any, ...], Format] = {}

    def write(self) -> None:
        summary = self._workbook.add_worksheet(self._name(self._language.word("summary")))
        sheets = {name: self._table(table) for name, table in self._report.tables.items() if table.rows}
        self._summary(summary, sheets)
        summary.activate()

    # --- the first sheet ---------------------------------------------------------------------------------------------

    def _summary(self, sheet: Worksheet, sheets: dict[str, _Sheet]) -> None:
        language, report = self._language, self._report
        sheet.hide_gridlines(2)
        sheet.set_default_row(_ROW_HEIGHT)
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 3, 20)
        sheet.write_string(0, 0, language.word("title"), self._format(bold=True, font_size=16))
        row = 1
        for label, text in (
            ("period", language.period(report.period)),
            ("period_before", language.period(report.before)),
            ("sources", ", ".join(report.sources)),
        ):
            sheet.write_string(row, 0, language.word(label), self._format(font_color="#566173"))
            self._text(sheet, row, 1, text)
            row += 1
        sheet.write_string(row, 0, language.word("made_at"), self._format(font_color="#566173"))
        self._cell(sheet, row, 1, Kind.MOMENT, report.made_at, align="left")
        self._text(sheet, row, 2, language.word("time_zone"))
        row += 2

        warnings = [language.note(note) for note in report.notes if note.warning]
        for text in warnings:
            row = self._paragraph(sheet, row, text, bold=True, font_color="#7A4B00", bg_color="#FFF4D9")
        if not warnings:
            row = self._paragraph(sheet, row, language.word("complete"), font_color="#13704A")
        row += 1

        sheet.set_row(row, _HEADING_HEIGHT)
        for column, label in enumerate(("figure", "value", "before", "change")):
            sheet.write_string(row, column, language.word(label), self._heading(number=column > 0))
        for figure in report.headline:
            row += 1
            self._text(sheet, row, 0, language.figure(figure.name))
            self._cell(sheet, row, 1, figure.kind, figure.value, bold=True)
            self._cell(sheet, row, 2, figure.kind, figure.before)
            self._change(sheet, row, 3, figure)
        row += 2

        for note in report.notes:
            if not note.warning:
                row = self._paragraph(sheet, row, language.note(note), font_color="#566173")
        self._charts(sheet, sheets, 5)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 1)

    def _paragraph(self, sheet: Worksheet, row: int, text: str, **looks: Any) -> int:
        """A sentence over the first columns. Returns the next row."""
        # Excel does not adjust the height of merged cells.
        sheet.set_row(row, _ROW_HEIGHT * math.ceil(len(text) / _PARAGRAPH_CHARACTERS))
        sheet.merge_range(row, 0, row, 3, "", self._format(text_wrap=True, valign="top", **looks))
        sheet.write_string(row, 0, text, self._format(text_wrap=True, valign="top", **looks))
        return row + 1

    def _charts(self, sheet: Worksheet, sheets: dict[str, _Sheet], column: int) -> None:
        row = 1
        if "funnel" in sheets:
            self._chart(sheet, row, column, "funnel", sheets["funnel"], "stage", "bar", (("messages", "#1F6FB5"),))
            row += _CHART_ROWS
        if "days" in sheets and len(sheets["days"].table.rows) > 1:
            self._chart(sheet, row, column, "days", sheets["days"], "day", "column", _STATES)
            row += _CHART_ROWS
        if "types" in sheets and len(sheets["types"].table.rows) > 1:
            self._chart(sheet, row, column, "costs", sheets["types"], "sms_type", "bar", (("cost", "#4B5B8C"),))

    def _chart(
        self,
        sheet: Worksheet,
        row: int,
        column: int,
        name: str,
        source: _Sheet,
        categories: str,
        shape: str,
        series: Iterable[tuple[str, str]],
    ) -> None:
        language, several = self._language, shape == "column"
        number_format = _MONEY if name == "costs" else "#,##0"
        chart = self._workbook.add_chart({"type": shape, "subtype": "stacked"} if several else {"type": shape})
        for values, color in series:
            chart.add_series(
                {
                    "name": language.column(source.table.name, values),
                    "categories": source.cells(categories),
                    "values": source.cells(values),
                    "fill": {"color": color},
                    "gap": 40,
                    "data_labels": {} if several else {"value": True, "num_format": number_format},
                }
            )
        chart.set_title({"name": language.word(f"chart.{name}"), "name_font": {"size": 12}, "overlay": False})
        numbers = {
            "num_format": "#,##0",
            "min": 0,
            "major_gridlines": {"visible": several, "line": {"color": "#DDE1E7"}},
        }
        if several:
            day = "dd/mm" if language.code == "vi" else "d mmm"
            between = math.ceil(len(source.table.rows) / _MOST_DAY_LABELS)
            chart.set_x_axis({"text_axis": True, "num_format": day, "interval_unit": between})
            chart.set_y_axis(numbers)
        else:
            # In bar charts "y" is the category axis, which Excel draws from the bottom up.
            chart.set_y_axis({"reverse": True, "major_gridlines": {"visible": False}})
            chart.set_x_axis({**numbers, "visible": False})
        chart.set_legend({"position": "bottom"} if several else {"none": True})
        chart.set_size({"width": 620, "height": 320})
        sheet.insert_chart(
            row, column, chart, {"description": language.word(f"chart.{name}.text"), "object_position": 3}
        )

    def _change(self, sheet: Worksheet, row: int, column: int, figure: Figure) -> None:
        if figure.change is None:
            self._text(sheet, row, column, self._language.cell(Kind.TEXT, None), align="right")
        elif figure.kind is Kind.SHARE:
            # As text: a number would be shown as a percentage, not as percentage points.
            self._text(sheet, row, column, self._language.change(figure), align="right")
        else:
            sheet.write_number(row, column, figure.change, self._format(num_format="+0.0%;-0.0%;0.0%"))

    # --- tables ------------------------------------------------------------------------------------------------------

    def _table(self, table: Table) -> _Sheet:
        """Write a table, to several sheets if it exceeds Excel's limit. Returns the first sheet."""
        title, names = self._language.title(table.name), []
        most = _MOST_ROWS - 2 - len(table.notes)
        for part, start in enumerate(range(0, len(table.rows), most), 1):
            name = self._name(title if part == 1 else f"{title} ({part})")
            self._sheet(name, table, table.rows[start : start + most], last=start + most >= len(table.rows))
            names.append(name)
        return _Sheet(names[0], table)

    def _sheet(self, name: str, table: Table, rows: Sequence[Row], *, last: bool) -> None:
        sheet = self._workbook.add_worksheet(name)
        headings = [self._language.column(table.name, column.name) for column in table.columns]
        sheet.set_default_row(_ROW_HEIGHT)
        # Indent texts, which would otherwise touch right-aligned numbers to their left.
        looks = [{} if column.is_number or at == 0 else {"indent": 1} for at, column in enumerate(table.columns)]
        sheet.set_row(0, _HEADING_HEIGHT)
        for at, (column, heading) in enumerate(zip(table.columns, headings, strict=True)):
            sheet.set_column(at, at, self._width(at, column, heading, rows))
            sheet.write_string(0, at, heading, self._heading(number=column.is_number, **looks[at]))
        for position, row in enumerate(rows, 1):
            for at, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
                self._cell(sheet, position, at, column.kind, cell, **looks[at])
        sheet.autofilter(0, 0, len(rows), len(table.columns) - 1)
        sheet.freeze_panes(1, 1)
        position = len(rows) + 1
        if last and table.total is not None:
            self._text(sheet, position, 0, self._language.word("total"), bold=True, top=1)
            for at, (column, cell) in enumerate(zip(table.columns[1:], table.total[1:], strict=True), 1):
                self._cell(sheet, position, at, column.kind, cell, bold=True, top=1, **looks[at])
            position += 1
        if last:
            for note in table.notes:
                self._text(sheet, position, 0, self._language.note(note), font_color="#566173")
                position += 1
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&L&A&R&P / &N")

    def _width(self, at: int, column: Column, heading: str, rows: Sequence[Row]) -> float:
        """Width for the heading with its filter arrow, and for the cells below."""
        longest = _WIDTH_OF.get(column.kind, 0)
        if not longest:
            longest = max(len(self._language.cell(column.kind, row[at])) for row in rows[:1000])
        return min(max(len(heading) + 4, longest + 2, _NARROWEST), _WIDEST)

    # --- cells -------------------------------------------------------------------------------------------------------

    def _cell(self, sheet: Worksheet, row: int, at: int, kind: Kind, cell: Cell, **looks: Any) -> None:
        match kind, cell:
            case _, None:
                if looks:
                    sheet.write_blank(row, at, None, self._format(**looks))
            case Kind.COUNT, int() | float():
                sheet.write_number(row, at, cell, self._format(num_format="#,##0", **looks))
            case Kind.MONEY, int() | float() | Decimal():
                whole = cell == int(cell) or abs(float(cell)) >= _WHOLE_FROM
                sheet.write_number(row, at, cell, self._format(num_format=_MONEY if whole else _MONEY_EXACT, **looks))
            case Kind.SHARE, int() | float() | Decimal():
                sheet.write_number(row, at, cell, self._format(num_format="0.0%", **looks))
            case Kind.DURATION, int() | float() | Decimal():
                days = float(cell) / _SECONDS_A_DAY
                sheet.write_number(row, at, days, self._format(num_format="[h]:mm:ss", **looks))
            case Kind.MOMENT, datetime():
                shown = self._format(num_format=f"{self._date_format} hh:mm", **{"align": "left", **looks})
                sheet.write_datetime(row, at, _local(cell), shown)
            case Kind.DAY, date():
                shown = self._format(num_format=self._date_format, **{"align": "left", **looks})
                sheet.write_datetime(row, at, cell, shown)
            case _:
                self._text(sheet, row, at, self._language.cell(kind, cell), **looks)

    def _text(self, sheet: Worksheet, row: int, at: int, text: str, **looks: Any) -> None:
        if text.startswith(_FORMULA_STARTS):
            looks["quote_prefix"] = True
        sheet.write_string(row, at, text[:_MOST_CHARACTERS], self._format(**looks))

    @property
    def _date_format(self) -> str:
        return "dd/mm/yyyy" if self._language.code == "vi" else "d mmm yyyy"

    def _heading(self, *, number: bool, **looks: Any) -> Format:
        return self._format(
            bold=True, bg_color="#EEF0F3", bottom=1, valign="vcenter", align="right" if number else "left", **looks
        )

    def _format(self, **looks: Any) -> Format:
        """Formats are cached, because a workbook has a limited number of them."""
        key = tuple(sorted(looks.items()))
        if key not in self._formats:
            self._formats[key] = self._workbook.add_format({"font_name": "Calibri", "font_size": 11, **looks})
        return self._formats[key]

    def _name(self, title: str) -> str:
        """A valid sheet name that is not taken yet."""
        plain = _NOT_IN_NAMES.sub(" ", title).strip("' ") or "-"
        name, number = plain[:_LONGEST_NAME].rstrip("' "), 2
        while name.lower() in self._names or name.lower() == "history":
            ending = f" ({number})"
            name, number = plain[: _LONGEST_NAME - len(ending)] + ending, number + 1
        self._names.add(name.lower())
        return name


_MONEY, _MONEY_EXACT = '#,##0\\ "₫"', '#,##0.00\\ "₫"'


def _local(moment: datetime) -> datetime:
    """Vietnamese local time without a zone, which Excel does not support."""
    return moment.astimezone(_ZONE).replace(tzinfo=None)
