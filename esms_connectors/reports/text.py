"""A report as text: Markdown, for chats and Prefect's artifacts, and tables on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from esms_connectors.reports.language import Language
from esms_connectors.reports.model import Column, Figure, Kind, Report, Row, Table

if TYPE_CHECKING:
    from rich.console import Console

# Characters with a meaning in Markdown; campaign names come from outside.
_MARKUP = re.compile(r"([\\`*_\[\]<>|#~!$&])")

_PIPE = 100_000  # columns; effectively unlimited
_LEAST_WORDS = 12  # minimum width of a column of words


def as_markdown(report: Report, language: Language) -> str:
    return "\n".join(_markdown(report, language)) + "\n"


def _markdown(report: Report, language: Language) -> Iterator[str]:
    yield f"# {language.word('title')}: {language.period(report.period)}"
    yield ""
    for mark, text in notes_in_words(report, language):
        yield f"- **{mark}:** {_escaped(text)}" if mark else f"- {_escaped(text)}"
    yield ""
    yield f"## {language.word('summary')}"
    yield ""
    headings = [language.word(name) for name in ("figure", "value", "before", "change")]
    yield from _markdown_table(headings, [False, True, True, True], [_figure(one, language) for one in report.headline])
    for table in report.tables.values():
        yield ""
        yield f"## {language.title(table.name)}"
        yield ""
        if not table.rows:
            yield language.word("nothing")
            continue
        rows = [[_escaped(cell) for cell in _cells(row, table.columns, language)] for row in with_total(table)]
        if table.total is not None:
            rows[-1] = [f"**{cell}**" for cell in rows[-1]]
        yield from _markdown_table(
            [language.column(table.name, column.name) for column in table.columns],
            [column.is_number for column in table.columns],
            rows,
        )
        for note in table.notes:
            yield ""
            yield f"*{_escaped(language.note(note))}*"
    yield ""
    yield _escaped(_footer(report, language))


def _markdown_table(headings: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'|'.join('---:' if is_right else '---' for is_right in right)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split("\n")))


def print_report(report: Report, language: Language, console: Console) -> None:
    """Print to a terminal. In a pipe nothing is folded; on a narrow terminal words are, but numbers never."""
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    folded = console.is_terminal

    def put(text: Text) -> None:
        if folded:
            console.print(text)
        else:
            console.print(text, width=_PIPE, crop=False, no_wrap=True, overflow="ignore")

    def show(title: str, headings: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> None:
        grid = Grid(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        needed = 0
        for position, (heading, is_right) in enumerate(zip(headings, right, strict=True)):
            longest = max(cell_len(row[position]) for row in rows)
            least = max(longest if is_right else min(longest, _LEAST_WORDS), *map(cell_len, heading.split()))
            needed += least + 2
            justify: Literal["left", "right"] = "right" if is_right else "left"
            grid.add_column(Text(heading, style="dim"), justify=justify, min_width=least, overflow="fold")
        for row in rows:
            # As plain text: a name such as "[bold]" is not markup.
            grid.add_row(*map(Text, row))
        # Let the terminal wrap lines rather than lose digits.
        console.print(grid, width=max(console.width, needed) if folded else _PIPE, crop=False)

    put(Text(f"{language.word('title')}: {language.period(report.period)}", style="bold"))
    for mark, text in notes_in_words(report, language):
        put(Text(f"{mark}: {text}" if mark else text, style="yellow" if mark else "dim"))
    headings = [language.word(name) for name in ("figure", "value", "before", "change")]
    put(Text())
    show("", headings, [False, True, True, True], [_figure(one, language) for one in report.headline])
    for table in report.tables.values():
        put(Text())
        if not table.rows:
            put(Text.assemble((language.title(table.name), "bold"), f"  {language.word('nothing')}"))
            continue
        rows = [_cells(row, table.columns, language) for row in with_total(table)]
        columns = [language.column(table.name, column.name) for column in table.columns]
        show(language.title(table.name), columns, [column.is_number for column in table.columns], rows)
        for note in table.notes:
            put(Text(language.note(note), style="dim"))
    put(Text())
    put(Text(_footer(report, language), style="dim"))


def notes_in_words(report: Report, language: Language) -> list[tuple[str, str]]:
    """(mark, sentence): warnings have a mark, other notes an empty one."""
    return [(language.word("attention") if note.warning else "", language.note(note)) for note in report.notes]


def with_total(table: Table) -> Iterator[Row]:
    yield from table.rows
    if table.total is not None:
        yield table.total


def _cells(row: Row, columns: Sequence[Column], language: Language) -> list[str]:
    return [language.cell(column.kind, value) for column, value in zip(columns, row, strict=True)]


def _figure(figure: Figure, language: Language) -> list[str]:
    return [
        language.figure(figure.name),
        language.cell(figure.kind, figure.value),
        language.cell(figure.kind, figure.before),
        language.change(figure),
    ]


def _footer(report: Report, language: Language) -> str:
    facts = (
        f"{language.word('period_before')}: {language.period(report.before)}",
        f"{language.word('made_at')}: {language.cell(Kind.MOMENT, report.made_at)}",
        f"{language.word('sources')}: {', '.join(report.sources)}",
        language.word("time_zone"),
    )
    return " · ".join(fact.rstrip(".") for fact in facts)
