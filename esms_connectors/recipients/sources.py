"""Where rows come from: text files, Parquet, SQL, Python. Each yields rows as they are; judging them is for others."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from esms_connectors.databases.urls import check_database_url
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import database_words
from esms_connectors.recipients import workbooks
from esms_connectors.recipients.columns import repeated
from esms_connectors.recipients.delimited import RawRow, csv_rows, decoded_lines, reading, source_error
from esms_connectors.recipients.headers import fold, shown
from esms_connectors.recipients.old_fonts import OLD_FONTS, from_old_font
from esms_connectors.recipients.phones import NarrowFloat
from esms_connectors.recipients.places import check_path

_TEXT, _LINES, _PARQUET = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson"), (".parquet", ".pq")
_SAMPLE = 100  # mappings looked at to learn the names; any of them may lack some
_BATCH = 8_192
_LAST_HEADER_ROW = 1_000
_POSTGRESQL_DOUBLE = 701  # the oid of double precision, as its drivers give it
_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another zip file. A workbook is named .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Name it .xls",
    b"PAR1": "a Parquet file. Name it .parquet",
}


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """
    Rows of a query, streamed from the server.

    Two readings see two states of the table: add ORDER BY and, where rows may still come in, a condition that shuts
    them out. Nothing is ever committed.

    Attributes:
        url: a SQLAlchemy URL such as `postgresql+psycopg://…`, or an Engine, which stays open.
        query: one SELECT; values as `:name`.
        parameters: the values.
    """

    url: Any = field(repr=False)
    query: str = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)


Source = str | os.PathLike[str] | SqlQuery | Iterable[Mapping[str, object]]


@dataclass(slots=True)
class Rows:
    """
    The rows of an open source.

    Attributes:
        source: what to call it: a file name, never a URL with a password.
        names: its columns; of mappings all that the first hundred have.
        notes: what a person should know who reads the same file, one line each; complete when the rows are read.
    """

    source: str
    names: tuple[str, ...]
    _rows: Iterator[RawRow] = field(repr=False)
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[RawRow]:
        """
        (line, cells, problem): the line on which the row begins, as an editor counts, or the number of the row where
        there are no lines; the cells in the order of the names; what is wrong with the row as a whole, or None.
        """
        return self._rows


def is_repeatable(source: Source) -> bool:
    """Whether `source` can be read twice. An iterator cannot: a second reading finds nothing and raises nothing."""
    return not isinstance(source, Iterator)


def open_rows(
    source: Source,
    *,
    columns: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    hidden_rows: Literal["refuse", "read"] = "refuse",
) -> AbstractContextManager[Rows]:
    """
    Open `source` and read its column names; its rows are streamed.

    Args:
        source: a path or an fsspec URL (.csv .tsv .txt .jsonl .ndjson, also gzipped; .parquet; .xlsx .xlsm, and with
            the extra [excel] .xls .xlsb .ods), a `SqlQuery`, or an iterable of mappings.
        columns: those needed; Parquet then reads no others, and title rows above a header are passed over.
        encoding: of a text file. None takes UTF-8, or UTF-16 where the file says so; Windows files may need
            `windows-1258`. `tcvn3` and `vni` turn texts of these old fonts into Unicode, of any source.
        delimiter: of a CSV. None takes the one of , ; tab | that the header has most.
        sheet: of a workbook, by its name. None takes the one that has the columns.
        header_row: where the names of the columns stand, counted from 1 as an editor or Excel does. None looks for it.
        hidden_rows: of a workbook: they come with a problem, or are rows like the others.

    Raises:
        InvalidRequestError: the source cannot be read, here or at a later row; field `source`.
        ConfigurationError: an extra is missing.
    """
    if encoding is not None and encoding.casefold() in OLD_FONTS:
        encoding = encoding.casefold()
    opened = _opened(source, columns, encoding, delimiter, sheet, header_row, hidden_rows)
    return _converted(opened, encoding, columns or ()) if encoding in OLD_FONTS else opened


@contextmanager
def _converted(opened: AbstractContextManager[Rows], font: str, wanted: Sequence[str]) -> Iterator[Rows]:
    """Names and texts of an old font in Unicode; a name that is wanted as it stands is in Unicode already."""
    known = {fold(name) for name in wanted}

    def cell(value: object) -> object:
        return from_old_font(value, font) if isinstance(value, str) else value

    with opened as rows:
        names = tuple(name if fold(name) in known else from_old_font(name, font) for name in rows.names)
        read = ((number, [cell(one) for one in cells], problem) for number, cells, problem in rows)
        yield Rows(rows.source, names, read, rows.notes)


def _opened(
    source: Source,
    columns: Sequence[str] | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    header_row: int | None,
    hidden_rows: Literal["refuse", "read"],
) -> AbstractContextManager[Rows]:
    if header_row is not None and not 1 <= header_row <= _LAST_HEADER_ROW:
        raise InvalidRequestError(f"header_row is a row from 1 to {_LAST_HEADER_ROW}.", field="header_row")
    if not isinstance(source, str | os.PathLike):
        _check_layout("The source", sheet=sheet, header_row=header_row)
        return _open_sql(source, columns) if isinstance(source, SqlQuery) else _open_mappings(source)
    path = check_path(source, "source")
    name = _shown(path)
    suffix = _suffix(name)
    if suffix in workbooks.SUFFIXES:
        return _open_workbook(path, name, columns, sheet, header_row, hidden_rows)
    if suffix in _TEXT:
        _check_layout(name, sheet=sheet)
        delimiter = "\t" if suffix == ".tsv" and delimiter is None else delimiter
        return _open_csv(path, name, encoding, delimiter, columns, header_row)
    if suffix not in (*_PARQUET, *_LINES):
        known = " ".join((*_TEXT, *_LINES, *_PARQUET, *workbooks.SUFFIXES))
        raise source_error(name, f"is of no known kind; known are {known}")
    _check_layout(name, sheet=sheet, header_row=header_row)
    return _open_parquet(path, name, columns) if suffix in _PARQUET else _open_json_lines(path, name, encoding)


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _check_layout(name: str, *, sheet: str | None = None, header_row: int | None = None) -> None:
    """Whether nobody asks for what this kind of source has not."""
    if sheet is not None:
        raise InvalidRequestError(f"{name} is no workbook and has no sheets.", field="sheet")
    if header_row is not None:
        raise InvalidRequestError(f"{name} has no header row: its columns have names.", field="header_row")


# --- bytes -----------------------------------------------------------------------------------------------------------


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional module, or say which extra has it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigurationError(
            f"{purpose} needs {module.partition('.')[0]}: pip install 'esms-connectors[{extra}]'."
        ) from None


def _shown(path: str) -> str:
    """The last part of a path or URL: a URL may hold a password or a signature."""
    path = urlsplit(path).path if "://" in path else path
    return os.path.basename(path.rstrip("/\\")) or "the source"


@contextmanager
def _open_bytes(path: str, name: str) -> Iterator[io.BufferedReader]:
    """The file, unpacked if it is gzipped, whatever its name says."""
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
def _open_csv(
    path: str,
    name: str,
    encoding: str | None,
    delimiter: str | None,
    columns: Sequence[str] | None,
    header_row: int | None,
) -> Iterator[Rows]:
    with _open_text(path, name, encoding, newline="") as lines:
        names, rows, notes = csv_rows(lines, name, delimiter, columns, header_row)
        yield Rows(name, names, rows, notes)


@contextmanager
def _open_workbook(
    path: str,
    name: str,
    columns: Sequence[str] | None,
    sheet: str | None,
    header_row: int | None,
    hidden_rows: Literal["refuse", "read"],
) -> Iterator[Rows]:
    if hidden_rows not in ("refuse", "read"):
        raise InvalidRequestError(f"hidden_rows is refuse or read, not {hidden_rows!r}.", field="hidden_rows")
    with contextlib.ExitStack() as stack:
        with reading(name):
            file = stack.enter_context(_open_raw(path, name))
            workbook = workbooks.open_workbook(file, name)
        stack.callback(workbook.close)
        found = workbooks.read_sheet(
            workbook, name, wanted=columns, sheet=sheet, header_row=header_row, hidden_rows=hidden_rows
        )
        _check_names(name, found.names, columns)
        yield Rows(name, found.names, found.rows, found.notes)


@contextmanager
def _open_json_lines(path: str, name: str, encoding: str | None) -> Iterator[Rows]:
    with _open_text(path, name, encoding, newline="\n") as lines:
        yield _rows_of_mappings(name, _json_objects(lines, name))


def _json_objects(lines: Iterator[str], name: str) -> Iterator[tuple[int, object, str | None]]:
    # Decimal keeps 1.50 as it was written.
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda word: _no_number(word))
    for number, text in enumerate(lines, 1):
        if not text or text.isspace():
            continue
        if number == 1 and text.lstrip()[:1] == "[":
            raise source_error(name, "is a JSON array, not JSON Lines: one object a line is needed")
        try:
            found = decoder.decode(text)
        except (ValueError, ArithmeticError, RecursionError):
            yield number, {}, "is no JSON"
        else:
            yield number, found, None if isinstance(found, dict) else "is no JSON object"


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


@contextmanager
def _open_mappings(source: Iterable[Mapping[str, object]]) -> Iterator[Rows]:
    if not isinstance(source, Iterable):
        raise source_error("The source", f"is {type(source).__name__}: no path, query or list of mappings")

    def numbered() -> Iterator[tuple[int, object, str | None]]:
        for number, one in enumerate(source, 1):
            if not isinstance(one, Mapping):
                raise source_error(
                    "The source",
                    f"has {type(one).__name__} where a mapping of column to value is needed (row {number}); "
                    "of a pandas frame give frame.to_dict('records')",
                )
            yield number, one, None

    yield _rows_of_mappings("The source", numbered())


def _rows_of_mappings(source: str, found: Iterator[tuple[int, object, str | None]]) -> Rows:
    sample = list(islice(found, _SAMPLE))
    keys = chain.from_iterable(one for _, one, _ in sample if isinstance(one, Mapping))
    names = tuple(dict.fromkeys(key for key in keys if isinstance(key, str)))
    if sample and not names:
        raise source_error(source, f"has no object with columns in its first {len(sample)} rows")

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
            # Column chunks are read piece by piece: whole row groups in advance would cost memory by their size.
            opened = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        except (pyarrow.ArrowException, OSError) as error:
            raise source_error(name, f"is no Parquet file that can be read ({type(error).__name__})") from None
        with opened:
            names = tuple(opened.schema_arrow.names)
            _check_names(name, names, columns)
            if columns is not None:
                wanted = {fold(column) for column in columns}
                # With a column missing all names are shown; the caller will not go on to the rows.
                if wanted <= {fold(one) for one in names}:
                    names = tuple(one for one in names if fold(one) in wanted)
            yield Rows(name, names, _parquet_rows(opened, names, name, pyarrow))


def _parquet_rows(opened: Any, names: Sequence[str], name: str, pyarrow: Any) -> Iterator[RawRow]:
    number = 0
    try:
        for batch in opened.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False):
            cells = zip(*(_values(batch.column(one), pyarrow) for one in names), strict=True)
            for number, row in enumerate(cells, number + 1):  # noqa: B020 - counts on from batch to batch
                yield number, row, None
    except (pyarrow.ArrowException, OSError) as error:
        raise source_error(name, f"is damaged after row {number} ({type(error).__name__})") from None


def _values(column: Any, pyarrow: Any) -> list[object]:
    """A column as Python values. Text goes through one big string: to_pylist takes eight times as long."""
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_large_string(column.type):
        column = column.cast(pyarrow.string())
    if types.is_string(column.type) and not column.null_count and len(column):
        separator = "\x1f"
        offsets = pyarrow.array([0, len(column)], pyarrow.int32())
        whole = pyarrow.ListArray.from_arrays(offsets, column)
        joined: str = pyarrow.compute.binary_join(whole, separator)[0].as_py()
        parts: list[object] = list(joined.split(separator))
        if len(parts) == len(column):
            return parts
    values: list[Any] = column.to_pylist()
    if types.is_float32(column.type) or types.is_float16(column.type):
        return [value if value is None else NarrowFloat(value) for value in values]
    return values


@contextmanager
def _open_sql(source: SqlQuery, columns: Sequence[str] | None) -> Iterator[Rows]:
    sqlalchemy = require("sqlalchemy", "ledger", "Reading SQL")
    own = not hasattr(source.url, "connect")
    if isinstance(source.url, str):
        check_database_url(source.url, "The database URL")
    with contextlib.ExitStack() as stack:
        try:
            engine = _engine(sqlalchemy, source.url) if own else source.url
            if own:
                stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            # Server-side where the driver can: the rows never stand in memory all at once.
            connection = connection.execution_options(stream_results=True, yield_per=_BATCH // 8)
            result = connection.execute(sqlalchemy.text(source.query), dict(source.parameters))
            if not result.returns_rows:
                raise InvalidRequestError("The query gives no rows; one SELECT is needed.", field="source")
            names = tuple(result.keys())
            _check_names("The query", names, columns)
        except ImportError as error:
            raise ConfigurationError(
                f"The database driver {error.name} is missing; for PostgreSQL: pip install 'esms-connectors[postgres]'."
            ) from None
        except EsmsError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like, and quote what they like
            raise _sql_error(error) from None
        yield Rows("The query", names, _sql_rows(result))


def _sql_rows(result: Any) -> Iterator[RawRow]:
    """Floats are taken for narrow ones, unless the driver says that a column is of double precision."""
    described = getattr(result.cursor, "description", None) or ()
    wide = {at for at, one in enumerate(described) if one[1] == _POSTGRESQL_DOUBLE}
    try:
        for number, row in enumerate(result, 1):
            if any(cell.__class__ is float for cell in row):
                yield number, _narrowed(row, wide), None
            else:
                yield number, row, None
    except Exception as error:  # noqa: BLE001 - as above
        raise _sql_error(error) from None


def _narrowed(row: Sequence[object], wide: Container[int]) -> list[object]:
    return [NarrowFloat(one) if isinstance(one, float) and at not in wide else one for at, one in enumerate(row)]


def _sql_error(error: Any) -> InvalidRequestError:
    return InvalidRequestError(f"The query failed: {database_words(error)}.", field="source")


def _engine(sqlalchemy: Any, url: Any) -> Any:
    try:
        return sqlalchemy.create_engine(_with_driver(url))
    except (ValueError, TypeError, sqlalchemy.exc.ArgumentError):
        pass  # their words quote the URL
    raise InvalidRequestError(
        "The database URL is none that SQLAlchemy can use: it has the form dialect://user:password@host/database, and "
        "in the password special characters are written %XX (@ is %40, : is %3A).",
        field="source",
    )


def _check_names(source: str, names: Sequence[str], wanted: Sequence[str] | None) -> None:
    """Of the columns that somebody wants, `Columns.locate` sees to it; a name that nobody asked for may stand twice."""
    if wanted is None and (twice := repeated(names)):
        raise source_error(source, f"has the column {shown(twice)} twice; rename one of the two")


def _with_driver(url: Any) -> Any:
    """`postgresql://` as the extra [postgres] serves it; SQLAlchemy 2.0 would look for another driver."""
    return re.sub("^postgres(ql)?://", "postgresql+psycopg://", url) if isinstance(url, str) else url
