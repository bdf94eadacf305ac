"""The sources of rows: text files, Parquet, SQL, Python. Each yields rows as they are; other modules check them."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.recipients import workbooks
from esms_connectors.recipients.delimited import RawRow, csv_rows, decoded_lines, reading, source_error
from esms_connectors.recipients.frames import batch_rows, is_frame, open_frame
from esms_connectors.recipients.google_sheets import NAME as GOOGLE_SHEET
from esms_connectors.recipients.google_sheets import downloaded, is_google_sheet
from esms_connectors.recipients.headers import fold
from esms_connectors.recipients.old_fonts import OLD_FONTS, from_old_font
from esms_connectors.recipients.output_files import check_path
from esms_connectors.recipients.queries import SqlQuery, open_query
from esms_connectors.recipients.rows import Rows, check_names, require

_TEXT, _LINES, _PARQUET = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson"), (".parquet", ".pq")
_SAMPLE = 100  # mappings that are read to learn the names; any of them may lack some
_BATCH = 8_192
_LAST_HEADER_ROW = 1_000
_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another zip file. Name a workbook .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Name it .xls",
    b"PAR1": "a Parquet file. Name it .parquet",
}


class ArrowStream(Protocol):
    """A table in memory: pandas, polars, Arrow, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Source = str | os.PathLike[str] | SqlQuery | Iterable[Mapping[str, object]] | ArrowStream


def is_repeatable(source: Source) -> bool:
    """Whether `source` can be read twice. An iterator cannot: a second reading yields nothing and raises nothing."""
    return not isinstance(source, Iterator) and not hasattr(source, "read_next_batch")


def is_parquet(source: Source) -> bool:
    """Whether only the columns that are named are read from it."""
    return isinstance(source, str | os.PathLike) and _suffix(os.fspath(source)) in _PARQUET


@dataclass(frozen=True, slots=True)
class Layout:
    """
    How the rows of a file are written.

    Attributes:
        encoding: of a text file. None means UTF-8, or UTF-16 if the file has its mark; Windows files may need
            `windows-1258`. `tcvn3` and `vni` convert texts in these old fonts to Unicode, from any source.
        delimiter: of a CSV. None takes the one of , ; tab | that occurs most often in the header.
        sheet: of a workbook, by name. None takes the one that has the columns.
        header_row: the row of the column names, counted from 1 as in an editor or Excel. None searches for it.
        hidden_rows: of a workbook: refuse them as rows with a problem, or read them like the others.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    hidden_rows: Literal["refuse", "read"] = "refuse"


DETECTED = Layout()


def open_rows(
    source: Source, *, columns: Sequence[str] | None = None, layout: Layout = DETECTED
) -> AbstractContextManager[Rows]:
    """
    Open `source` and read its column names; its rows are streamed.

    Args:
        source: a path or an fsspec URL (.csv .tsv .txt .jsonl .ndjson, also gzipped; .parquet; .xlsx .xlsm, and with
            the extra [excel] .xls .xlsb .ods), the link of a Google Sheet that anyone with the link may read, a
            `SqlQuery`, a pandas or polars frame, an Arrow table, or an iterable of mappings.
        columns: the columns needed; Parquet then reads no others, and title rows above a header are skipped.
        layout: of a file; what it leaves open is detected.

    Raises:
        InvalidRequestError: the source cannot be read, here or at a later row; field `source`.
        ConfigurationError: an extra is missing.
    """
    font = (layout.encoding or "").casefold()
    if font not in OLD_FONTS:
        return _opened(source, columns, layout)
    return _converted(_opened(source, columns, replace(layout, encoding=font)), font, columns or ())


@contextmanager
def _converted(opened: AbstractContextManager[Rows], font: str, wanted: Sequence[str]) -> Iterator[Rows]:
    """Names and texts of an old font in Unicode; a name that is wanted as it is written is already in Unicode."""
    known = {fold(name) for name in wanted}

    def cell(value: object) -> object:
        return from_old_font(value, font) if isinstance(value, str) else value

    with opened as rows:
        names = tuple(name if fold(name) in known else from_old_font(name, font) for name in rows.names)
        read = ((number, [cell(one) for one in cells], problem) for number, cells, problem in rows)
        yield Rows(rows.source, names, read, rows.notes)


def _opened(source: Source, columns: Sequence[str] | None, layout: Layout) -> AbstractContextManager[Rows]:
    if layout.header_row is not None and not 1 <= layout.header_row <= _LAST_HEADER_ROW:
        raise InvalidRequestError(f"header_row is a row from 1 to {_LAST_HEADER_ROW}.", field="header_row")
    if not isinstance(source, str | os.PathLike):
        _check_layout("The source", layout, "sheet", "header_row", "delimiter")
        return _open_object(source, columns)
    path = check_path(source, "source")
    if is_google_sheet(path):
        return _open_google_sheet(path, columns, layout)
    name = _shown(path)
    suffix = _suffix(name)
    if suffix in workbooks.SUFFIXES:
        _check_layout(name, layout, "delimiter")
        return _open_workbook(path, name, columns, layout)
    if suffix in _TEXT:
        _check_layout(name, layout, "sheet")
        if suffix == ".tsv" and layout.delimiter is None:
            layout = replace(layout, delimiter="\t")
        return _open_csv(path, name, columns, layout)
    if suffix not in (*_PARQUET, *_LINES):
        if "://" not in path and os.path.isdir(path):
            raise source_error(name, "is a folder; give a file")
        known = " ".join((*_TEXT, *_LINES, *_PARQUET, *workbooks.SUFFIXES))
        raise source_error(name, f"is of an unknown kind; known are {known}")
    _check_layout(name, layout, "sheet", "header_row", "delimiter")
    return _open_parquet(path, name, columns) if suffix in _PARQUET else _open_json_lines(path, name, layout.encoding)


@contextmanager
def _open_google_sheet(link: str, columns: Sequence[str] | None, layout: Layout) -> Iterator[Rows]:
    with downloaded(link, layout.sheet) as path:
        opened = (
            _open_csv(str(path), GOOGLE_SHEET, columns, replace(layout, encoding=None))
            if path.suffix == ".csv"
            else _open_workbook(str(path), GOOGLE_SHEET, columns, layout)
        )
        with opened as rows:
            yield rows


def _open_object(source: Any, columns: Sequence[str] | None) -> AbstractContextManager[Rows]:
    if isinstance(source, SqlQuery):
        return open_query(source, columns)
    return open_frame(source, columns) if is_frame(source) else _open_mappings(source)


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


_LACKS = {
    "sheet": "is not a workbook and has no sheets",
    "header_row": "has no header row: its columns have names",
    "delimiter": "is not a CSV file and has no delimiter",
}


def _check_layout(name: str, layout: Layout, *lacks: str) -> None:
    """Refuse options that this kind of source does not have."""
    for option in lacks:
        if getattr(layout, option) is not None:
            raise InvalidRequestError(f"{name} {_LACKS[option]}.", field=option)


# --- bytes -----------------------------------------------------------------------------------------------------------


def _shown(path: str) -> str:
    """The last part of a path or URL: a URL may hold a password or a signature."""
    path = urlsplit(path).path if "://" in path else path
    return os.path.basename(path.rstrip("/\\")) or "the source"


@contextmanager
def _open_bytes(path: str, name: str) -> Iterator[io.BufferedReader]:
    """The file, decompressed if it is gzipped, whatever its name says."""
    with contextlib.ExitStack() as stack:
        with reading(name):
            buffered = _buffered(stack.enter_context(_open_raw(path, name)))
            if buffered.peek(2)[:2] == b"\x1f\x8b":
                buffered = _buffered(stack.enter_context(gzip.GzipFile(fileobj=buffered)))
                buffered.peek(1)
        yield buffered


def _open_raw(path: str, name: str) -> Any:
    if "://" not in path:
        return open(path, "rb")
    fsspec = require("fsspec", "files", f"Reading {urlsplit(path).scheme}:// addresses")
    try:
        return fsspec.open(path, "rb")
    except ImportError as error:  # s3fs, gcsfs, adlfs: fsspec says which
        raise ConfigurationError(f"{name} cannot be opened: {error}.") from None
    except ValueError:
        raise source_error(name, "has an address of an unknown kind") from None


def _buffered(file: Any) -> io.BufferedReader:
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)


@contextmanager
def _open_text(path: str, name: str, encoding: str | None, newline: str) -> Iterator[Iterator[str]]:
    """The lines of a text file, decoded and checked."""
    with _open_bytes(path, name) as file:
        head = file.peek(4)[:4]
        for magic, kind in _FORMATS.items():
            if head.startswith(magic):
                raise source_error(name, f"is {kind}")
        if not head:
            raise source_error(name, "is empty")
        with contextlib.closing(decoded_lines(file, name, encoding, newline, lambda: _open_bytes(path, name))) as lines:
            yield lines


# --- the kinds of source ---------------------------------------------------------------------------------------------


@contextmanager
def _open_csv(path: str, name: str, columns: Sequence[str] | None, layout: Layout) -> Iterator[Rows]:
    with _open_text(path, name, layout.encoding, newline="") as lines:
        names, rows, notes = csv_rows(lines, name, layout.delimiter, columns, layout.header_row)
        yield Rows(name, names, rows, notes)


@contextmanager
def _open_workbook(path: str, name: str, columns: Sequence[str] | None, layout: Layout) -> Iterator[Rows]:
    if layout.hidden_rows not in ("refuse", "read"):
        raise InvalidRequestError(f"hidden_rows is refuse or read, not {layout.hidden_rows!r}.", field="hidden_rows")
    with contextlib.ExitStack() as stack:
        with reading(name):
            file = stack.enter_context(_open_raw(path, name))
            workbook = workbooks.open_workbook(file, name)
        stack.callback(workbook.close)
        found = workbooks.read_sheet(
            workbook,
            name,
            wanted=columns,
            sheet=layout.sheet,
            header_row=layout.header_row,
            hidden_rows=layout.hidden_rows,
        )
        check_names(name, found.names, columns)
        yield Rows(name, found.names, found.rows, found.notes)


@contextmanager
def _open_json_lines(path: str, name: str, encoding: str | None) -> Iterator[Rows]:
    with _open_text(path, name, encoding, newline="\n") as lines:
        yield _rows_of_mappings(name, _json_objects(lines, name))


def _json_objects(lines: Iterator[str], name: str) -> Iterator[tuple[int, object, str | None]]:
    # Decimal keeps 1.50 as it was written.
    decoder = json.JSONDecoder(
        parse_float=Decimal, parse_constant=lambda word: _no_number(word), object_pairs_hook=_object_of
    )
    for number, text in enumerate(lines, 1):
        if not text or text.isspace():
            continue
        if number == 1 and text.lstrip()[:1] == "[":
            raise source_error(name, "is a JSON array, not JSON Lines: one object per line is needed")
        try:
            found = decoder.decode(text)
        except _KeyTwiceError:
            yield number, {}, "has a key twice"
        except (ValueError, ArithmeticError, RecursionError):
            yield number, {}, "is not JSON"
        else:
            yield number, found, None if isinstance(found, dict) else "is not a JSON object"


class _KeyTwiceError(Exception):
    """A JSON parser would take the last of the two values, which may be the wrong phone."""


def _object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _KeyTwiceError
    return found


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


@contextmanager
def _open_mappings(source: Iterable[Mapping[str, object]]) -> Iterator[Rows]:
    if not isinstance(source, Iterable):
        raise source_error("The source", f"is {type(source).__name__}: not a path, query or list of mappings")

    def numbered() -> Iterator[tuple[int, object, str | None]]:
        for number, one in enumerate(source, 1):
            if not isinstance(one, Mapping):
                raise source_error(
                    "The source",
                    f"has {type(one).__name__} where a mapping of column to value is needed (row {number})",
                )
            yield number, one, None

    yield _rows_of_mappings("The source", numbered())


def _rows_of_mappings(source: str, found: Iterator[tuple[int, object, str | None]]) -> Rows:
    sample = list(islice(found, _SAMPLE))
    keys = chain.from_iterable(one for _, one, _ in sample if isinstance(one, Mapping))
    names = tuple(dict.fromkeys(key for key in keys if isinstance(key, str)))
    if sample and not names:
        raise source_error(source, f"has no object with columns in its first {counted(len(sample), 'row')}")

    def rows() -> Iterator[RawRow]:
        for number, one, problem in chain(sample, found):
            yield number, [one.get(name) for name in names] if isinstance(one, Mapping) and not problem else [], problem

    return Rows(source, names, rows())


@contextmanager
def _open_parquet(path: str, name: str, columns: Sequence[str] | None) -> Iterator[Rows]:
    pyarrow = require("pyarrow", "files", "Reading Parquet")
    parquet = require("pyarrow.parquet", "files", "Reading Parquet")
    require("pyarrow.compute", "files", "Reading Parquet")
    with _open_bytes(path, name) as file:
        try:
            # Column chunks are read piece by piece: reading whole row groups ahead would take memory of their size.
            opened = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
            names = tuple(opened.schema_arrow.names)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise source_error(name, f"is not a readable Parquet file ({type(error).__name__})") from None
        with opened:
            check_names(name, names, columns)
            if columns is not None:
                wanted = {fold(column) for column in columns}
                # If a column is missing, all names are kept for the error; the caller does not read the rows then.
                if wanted <= {fold(one) for one in names}:
                    names = tuple(one for one in names if fold(one) in wanted)
            batches = opened.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False)
            yield Rows(name, names, batch_rows(batches, name, pyarrow))
