"""Tables in memory and Parquet: columns of Arrow, frames of pandas and polars."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients.cells import UnreadableCell
from esms_connectors.recipients.delimited import RawRow, source_error
from esms_connectors.recipients.phones import NarrowFloat
from esms_connectors.recipients.rows import Rows, check_names, require

_NAME = "The source"
# A frame may come as a single batch; a million rows take hundreds of megabytes as Python objects.
_ROWS_AT_ONCE = 8_192
# What Arrow raises for bytes that are not UTF-8, dates outside of Python's calendar (infinity), unknown time zones.
_NO_VALUE = (ValueError, ArithmeticError, LookupError)


def is_frame(source: object) -> bool:
    """Whether it is a table of pandas, polars, Arrow or another library that supports Arrow's stream interface."""
    return hasattr(source, "__arrow_c_stream__") or _is_pandas(source)


def _is_pandas(source: object) -> bool:
    return type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "itertuples")


@contextmanager
def open_frame(source: Any, columns: Sequence[str] | None) -> Iterator[Rows]:
    """
    Raises:
        InvalidRequestError: its columns have no names, or it cannot be read as a table.
        ConfigurationError: the extra [files], which includes pyarrow, is missing.
    """
    if _is_pandas(source):
        names = tuple(source.columns)
        if not all(isinstance(name, str) for name in names):
            raise source_error(_NAME, "is a frame without column names")
        check_names(_NAME, names, columns)
        yield Rows(_NAME, names, _pandas_rows(source))
        return
    pyarrow = require("pyarrow", "files", "Reading a frame")
    require("pyarrow.compute", "files", "Reading a frame")
    try:
        reader = pyarrow.RecordBatchReader.from_stream(source)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{_NAME} is {type(source).__name__}, which is not a table of rows ({type(error).__name__}).",
            field="source",
        ) from None
    with reader:
        names = tuple(reader.schema.names)
        check_names(_NAME, names, columns)
        yield Rows(_NAME, names, batch_rows(reader, _NAME, pyarrow))


def _pandas_rows(frame: Any) -> Iterator[RawRow]:
    narrow = {at for at, kind in enumerate(frame.dtypes) if str(kind).lower() in ("float32", "float16")}
    for number, row in enumerate(frame.itertuples(index=False, name=None), 1):
        yield number, [_plain(cell, at in narrow) for at, cell in enumerate(row)], None


def _plain(cell: Any, narrow: bool) -> object:
    """A cell as a Python value: None for NaN, NaT and NA, numbers and times without numpy's types."""
    if isinstance(cell, str) or cell is None:
        return cell
    kind = type(cell).__name__
    if kind in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell):
        return None
    if kind == "Timestamp":
        return cell.to_pydatetime(warn=False)
    if hasattr(cell, "dtype") and hasattr(cell, "item"):
        plain = cell.item()
        if plain != plain:
            return None
        return NarrowFloat(plain) if kind in ("float32", "float16") else plain
    return NarrowFloat(cell) if narrow and isinstance(cell, float) else cell


def batch_rows(batches: Iterable[Any], name: str, pyarrow: Any) -> Iterator[RawRow]:
    """The rows of record batches; each is a row of the source, counted from 1."""
    number = 0
    try:
        for batch in _small(batches):
            cells = zip(*(_readable(column, pyarrow) for column in batch.columns), strict=True)
            for number, row in enumerate(cells, number + 1):  # noqa: B020 - continues from batch to batch
                yield number, row, None
    except (pyarrow.ArrowException, OSError) as error:
        raise source_error(name, f"is damaged after row {number} ({type(error).__name__})") from None


def _small(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        if batch.num_columns:
            for first in range(0, batch.num_rows, _ROWS_AT_ONCE):
                yield batch.slice(first, _ROWS_AT_ONCE)


def _readable(column: Any, pyarrow: Any) -> list[object]:
    """Values that Python does not have, perhaps in a column that nobody needs, are unreadable cells."""
    try:
        return _values(column, pyarrow)
    except _NO_VALUE:
        return [_cell(one) for one in column]


def _cell(value: Any) -> object:
    try:
        return value.as_py()
    except _NO_VALUE as error:
        return UnreadableCell(
            "is not UTF-8: its bytes are of another encoding"
            if isinstance(error, UnicodeDecodeError)
            else f"is a {value.type} that Python cannot read"
        )


def _values(column: Any, pyarrow: Any) -> list[object]:
    """A column as Python values. Text is converted through one large string: to_pylist takes eight times as long."""
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_large_string(column.type):
        column = column.cast(pyarrow.string())
    if types.is_string(column.type) and not column.null_count and len(column):
        whole = pyarrow.ListArray.from_arrays(_offsets(len(column), pyarrow), column)
        separator = pyarrow.StringArray.from_buffers(1, _offsets(1, pyarrow).buffers()[1], pyarrow.py_buffer(b"\x1f"))
        joined: str = pyarrow.compute.binary_join(whole, separator[0])[0].as_py()
        parts: list[object] = list(joined.split("\x1f"))
        if len(parts) == len(column):
            return parts
    values: list[Any] = column.to_pylist()
    if types.is_float32(column.type) or types.is_float16(column.type):
        return [value if value is None else NarrowFloat(value) for value in values]
    return values


def _offsets(length: int, pyarrow: Any) -> Any:
    """The offsets of one list. Not by `pyarrow.array` or `scalar`, which load pandas if it is installed (33 MB)."""
    return pyarrow.Int32Array.from_buffers(pyarrow.int32(), 2, [None, pyarrow.py_buffer(struct.pack("=2i", 0, length))])
