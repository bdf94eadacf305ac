"""
A report as one self-contained HTML page, without scripts, for light and dark mode, phones and print.

Campaign names and texts of the gateway are untrusted: the template engine escapes everything except the charts, whose
texts are escaped already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from esms_connectors.reports.charts import Chart, draw_charts
from esms_connectors.reports.language import Language
from esms_connectors.reports.model import Cell, Column, Figure, Kind, Note, Report, Row, Table, Term
from esms_connectors.reports.summary import in_short

_MOST_ROWS = 1000  # more would be unusable on a page, and too large for a phone; the other formats have all rows
_MOST_TO_DO = 4
_FEW_COLUMNS = 4
_SEEN_CHANGE = 0.0005  # a smaller change is shown as 0.0 %, neither better nor worse

_COMMAND = re.compile(r"\besms [a-z]+(?: --[a-z-]+)*")


def _with_commands(text: str) -> Markup:
    """Mark up the commands in our own sentences as code, which does not wrap."""
    return Markup(_COMMAND.sub(r"<code>\g<0></code>", str(escape(text))))  # noqa: S704 - escaped


_ENVIRONMENT = Environment(
    loader=PackageLoader("esms_connectors.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["with_commands"] = _with_commands
_PAGE = _ENVIRONMENT.get_template("report.html")


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    heading: str
    legend: tuple[tuple[str, str], ...]
    narrow: Markup
    wide: Markup
    table: str
    table_heading: str


@dataclass(frozen=True, slots=True)
class _Cell:
    """`outside`: a text from outside, which may be right-to-left."""

    text: str
    heading: str
    number: bool
    outside: bool


@dataclass(frozen=True, slots=True)
class _Section:
    """`shape`: `prose` contains sentences, shown on a phone as one card per row; `few` columns fit unchanged."""

    name: str
    heading: str
    columns: tuple[Column, ...]
    headings: tuple[str, ...]
    rows: list[list[_Cell]]
    total: list[_Cell] | None
    notes: list[str]
    shape: str


@dataclass(frozen=True, slots=True)
class _Tile:
    """`turn`: better, worse or neither, for the colour; `change` is the text."""

    heading: str
    value: str
    change: str
    turn: str
    before: str


@dataclass(frozen=True, slots=True)
class _ToDo:
    what: str
    messages: str
    reason: str


def render_html(report: Report, language: Language) -> str:
    """The page, in `language`."""
    filled = [table for table in report.tables.values() if table.rows]
    charts = {name: _picture(chart, language) for name, chart in draw_charts(report, language).items()}
    return _PAGE.render(
        language=language,
        word=language.word,
        period=language.period(report.period),
        before=language.period(report.before),
        made_at=language.cell(Kind.MOMENT, report.made_at),
        sources=report.sources,
        warnings=[language.note(note) for note in report.notes if note.warning],
        notes=[language.note(note) for note in report.notes if not note.warning and note.name != "nothing"],
        in_short=in_short(report, language),
        anything=bool(filled),
        tiles=[_tile(figure, language) for figure in report.headline],
        to_do=_to_do(report, language),
        charts=charts,
        sections=[_section(table, language) for table in filled],
        empty=[language.title(table.name) for table in report.tables.values() if not table.rows],
    )


def _picture(chart: Chart, language: Language) -> _Picture:
    return _Picture(
        name=chart.name,
        heading=language.word(f"chart.{chart.name}"),
        legend=chart.legend,
        narrow=Markup(chart.narrow),  # noqa: S704 - escaped in `charts`
        wide=Markup(chart.wide),  # noqa: S704 - likewise
        table=chart.table,
        table_heading=language.title(chart.table),
    )


def _tile(figure: Figure, language: Language) -> _Tile:
    change, turn, before = "", "neither", ""
    if figure.before is not None:
        before = f"{language.word('before')}: {language.cell(figure.kind, figure.before)}"
    if figure.change is not None and abs(figure.change) < _SEEN_CHANGE:
        change = language.word("page.unchanged")
    elif figure.change is not None:
        arrow = "▲" if figure.change > 0 else "▼"
        change = f"{arrow}\u00a0{language.change(figure)}".replace("-", "\u2212")
        if figure.more_is_better is not None:
            turn = "better" if (figure.change > 0) is figure.more_is_better else "worse"
    return _Tile(language.figure(figure.name), language.cell(figure.kind, figure.value), change, turn, before)


def _to_do(report: Report, language: Language) -> list[_ToDo]:
    """Actions, those that concern most messages first."""
    counts: dict[tuple[str, str], int] = {}
    for name in ("losses", "reasons"):
        table = report.tables.get(name)
        if table is None or not table.rows:
            continue
        for to_do, reason, messages in zip(*map(table.values, ("to_do", "reason", "messages")), strict=True):
            if isinstance(to_do, str) and isinstance(reason, str) and isinstance(messages, int) and messages:
                counts[to_do, reason] = counts.get((to_do, reason), 0) + messages
        # Both tables cover the same messages; the first one covers more.
        break
    most_first = sorted(counts.items(), key=lambda item: -item[1])[:_MOST_TO_DO]
    return [
        _ToDo(
            what=language.term(to_do),
            messages=language.word("page.one_message" if count == 1 else "page.messages").format(
                messages=language.cell(Kind.COUNT, count)
            ),
            reason=language.term(reason),
        )
        for (to_do, reason), count in most_first
    ]


def _section(table: Table, language: Language) -> _Section:
    headings = tuple(language.column(table.name, column.name) for column in table.columns)
    notes = list(table.notes)
    if len(table.rows) > _MOST_ROWS:
        notes.append(Note("cut", {"shown": _MOST_ROWS, "rows": len(table.rows)}))
    return _Section(
        name=table.name,
        heading=language.title(table.name),
        columns=table.columns,
        headings=headings,
        rows=[_cells(row, table.columns, headings, language) for row in table.rows[:_MOST_ROWS]],
        total=None if table.total is None else _cells(table.total, table.columns, headings, language),
        notes=[language.note(note) for note in notes],
        shape=_shape(table),
    )


def _shape(table: Table) -> str:
    if any(column.name == "to_do" for column in table.columns):
        return "prose"
    return "few" if len(table.columns) <= _FEW_COLUMNS else "many"


def _cells(row: Row, columns: Iterable[Column], headings: Iterable[str], language: Language) -> list[_Cell]:
    return [
        _Cell(language.cell(column.kind, cell), heading, column.is_number, _from_outside(column, cell))
        for cell, column, heading in zip(row, columns, headings, strict=True)
    ]


def _from_outside(column: Column, cell: Cell) -> bool:
    return column.kind is Kind.TEXT and isinstance(cell, str) and not isinstance(cell, Term)
