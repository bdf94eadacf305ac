"""
A report in machine-readable form: CSV and Parquet with one file per table, JSON with all of them.

Numbers are numbers, dates and times are ISO 8601, and columns have the names of `tables.py` in every language. CSV and
Parquet translate terms such as states and reasons; JSON keeps their keys. Total rows are never among the other rows.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from esms_connectors.reports.language import Language
from esms_connectors.reports.model import Cell, Column, Kind, Note, Period, Report, Row, Table, Term

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.TERM: pa.string(),
    Kind.COUNT: pa.int64(),
    Kind.MONEY: pa.decimal128(38, 4),
    Kind.SHARE: pa.float64(),
    Kind.DURATION: pa.float64(),
    Kind.DAY: pa.date32(),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
}
# First characters that make a spreadsheet read a cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(report: Report, language: Language) -> dict[str, bytes]:
    """Table -> UTF-8 CSV with a header line."""
    return {table.name: _csv(table, language) for table in _tables(report)}


def as_parquet(report: Report, language: Language) -> dict[str, bytes]:
    return {table.name: _parquet(table, language) for table in _tables(report)}


def as_json(report: Report, language: Language) -> bytes:
    """One object. Terms stay keys; notes have their translated text as well."""
    about = {
        "language": language.code,
        "period": _span(report.period),
        "period_before": _span(report.before),
        "made_at": report.made_at.isoformat(),
        "complete": report.complete,
        "sources": list(report.sources),
        "notes": [_note(note, language) for note in report.notes],
        "headline": {
            one.name: {"value": _plain(one.value), "before": _plain(one.before), "change": one.change}
            for one in report.headline
        },
        "tables": {
            table.name: {
                "rows": [_object(table, row) for row in table.rows],
                "total": None if table.total is None else _object(table, table.total),
                "notes": [_note(note, language) for note in table.notes],
            }
            for table in report.tables.values()
        },
    }
    return (json.dumps(about, ensure_ascii=False, indent=2) + "\n").encode()


def _tables(report: Report) -> Iterator[Table]:
    """The headline as a table, and the others."""
    columns = (
        Column("figure", Kind.TERM),
        Column("value", Kind.MONEY),
        Column("before", Kind.MONEY),
        Column("change", Kind.SHARE),
    )
    rows = [
        (Term(f"figure.{one.name}"), _number(one.value), _number(one.before), one.change) for one in report.headline
    ]
    yield Table("summary", columns, tuple(rows))
    yield from report.tables.values()


def _number(cell: Cell) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))


def _csv(table: Table, language: Language) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    for row in table.rows:
        cells = [language.term(cell) if isinstance(cell, Term) else _plain(cell) for cell in row]
        writer.writerow(
            f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and column.kind is Kind.TEXT else cell
            for cell, column in zip(cells, table.columns, strict=True)
        )
    return out.getvalue().encode()


def _parquet(table: Table, language: Language) -> bytes:
    columns = [
        pa.array([_typed(row[position], column.kind, language) for row in table.rows], _TYPES[column.kind])
        for position, column in enumerate(table.columns)
    ]
    schema = pa.schema([pa.field(column.name, _TYPES[column.kind]) for column in table.columns])
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), out)
    return bytes(out.getvalue())


def _typed(cell: Cell, kind: Kind, language: Language) -> Cell:
    match cell:
        case Term():
            return language.term(cell)
        case Decimal():
            return cell.quantize(Decimal("0.0001"))
        case int() if kind is Kind.DURATION:
            return float(cell)
        case datetime():
            return cell.astimezone(UTC)
    return cell


def _plain(cell: Cell) -> str | int | float | None:
    match cell:
        case Decimal():
            # Exact, without trailing zeros.
            return format(cell.normalize(), "f")
        case datetime():
            return cell.isoformat()
        case date():
            return cell.isoformat()
    return cell


def _object(table: Table, row: Row) -> dict[str, str | int | float | None]:
    return {column.name: _plain(cell) for column, cell in zip(table.columns, row, strict=True)}


def _note(note: Note, language: Language) -> dict[str, object]:
    values = {name: _plain(value) for name, value in note.values.items()}
    return {"name": note.name, "warning": note.warning, "values": values, "text": language.note(note)}


def _span(period: Period) -> dict[str, str]:
    return {"start": period.start.isoformat(), "end": period.end.isoformat()}
