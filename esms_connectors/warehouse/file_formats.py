"""
Parquet, CSV and JSONL: Arrow batches to a local file and back without loss.

- Parquet stores the types itself.
- CSV is UTF-8 with a header; texts and times are quoted, so that `""` is the empty text and an empty cell is NULL.
  Cells are not escaped for spreadsheets: one that begins with `=` is a formula there.
- JSONL is UTF-8, one object per line with every column. Money is a string, because most JSON readers would parse a
  number as a float.

In the two text formats, times are ISO 8601 in UTC with a `Z`, and money has four decimals.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.gateway.errors import ConfigurationError

FORMATS = ("parquet", "csv", "jsonl")

READ_ROWS = 10_000
ROW_GROUP_ROWS = 20_000  # a group is held in memory until it is written
_JSON_BLOCK_BYTES = 4 << 20
_CSV_BLOCK_BYTES = 1 << 20  # Arrow's default; a row must fit into one
_MAX_BLOCK_BYTES = 2**31 - 1


def write_file(kind: str, path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write a new file and return the rows written. A failed write leaves a partial file for the caller to remove."""
    rows = 0
    with path.open("wb") as file, _WRITERS[kind](file, schema) as write:
        for batch in batches:
            if batch.num_rows:
                write(batch.cast(schema))
                rows += batch.num_rows
    return rows


def read_file(
    kind: str, path: Path, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """
    The rows of a file written by `write_file`, in batches with the given `columns` of `schema`, or with all.

    Raises:
        ConfigurationError: the file has other columns, so it is not ours.
        pyarrow.ArrowException: the file is damaged.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    for batch in _READERS[kind](path, schema, wanted):
        yield pa.RecordBatch.from_arrays([batch.column(name) for name in wanted.names], schema=wanted)


def read_rows(kind: str, path: Path, schema: pa.Schema) -> list[tuple[Any, ...]]:
    """The rows of a small file as tuples."""
    return [tuple(row.values()) for batch in read_file(kind, path, schema) for row in batch.to_pylist()]


def _check_columns(path: Path, found: Sequence[str], schema: pa.Schema) -> None:
    wrong = sorted(set(found) ^ set(schema.names))
    if wrong:
        raise ConfigurationError(
            f"{path.name} was not written by esms-connectors (column {', '.join(wrong[:3])}): use another folder, or "
            "restore it."
        )


# --- Parquet ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _write_parquet(file: Any, schema: pa.Schema) -> Iterator[Any]:
    from pyarrow import parquet

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []

        def write(batch: pa.RecordBatch) -> None:
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= ROW_GROUP_ROWS:
                flush()

        def flush() -> None:
            # Each call begins a row group, and small row groups make files large and slow.
            writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=ROW_GROUP_ROWS)
            waiting.clear()

        yield write
        if waiting:
            flush()


def _read_parquet(path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    from pyarrow import parquet

    with parquet.ParquetFile(path, pre_buffer=False) as opened:
        _check_columns(path, opened.schema_arrow.names, schema)
        many = opened.metadata.num_rows > READ_ROWS  # for fewer, threads cost more than they gain
        for batch in opened.iter_batches(batch_size=READ_ROWS, columns=wanted.names, use_threads=many):
            yield batch.select(wanted.names).cast(wanted)


# --- CSV -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _write_csv(file: Any, schema: pa.Schema) -> Iterator[Any]:
    from pyarrow import csv

    with csv.CSVWriter(file, _as_text(schema)) as writer:
        yield lambda batch: writer.write_batch(_with_text(batch))


def _read_csv(path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv

    with path.open("rb") as file:
        header = file.readline(10_000).decode(errors="replace").strip().replace('"', "")
    _check_columns(path, header.split(","), schema)
    parsing = csv.ParseOptions(newlines_in_values=True)
    converting = csv.ConvertOptions(
        column_types=schema,
        include_columns=wanted.names,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    block_size, given = _CSV_BLOCK_BYTES, 0
    while True:
        reading, rows = csv.ReadOptions(block_size=block_size), 0
        try:
            with csv.open_csv(path, reading, parsing, converting) as reader:
                for batch in reader:
                    rest = batch.slice(max(0, given - rows))
                    rows += batch.num_rows
                    given = max(given, rows)
                    yield rest
            return
        except pa.ArrowInvalid as error:
            # A row with a long text does not fit into a block.
            if "block" not in str(error) or block_size >= min(path.stat().st_size, _MAX_BLOCK_BYTES):
                raise
            block_size = min(block_size * 8, _MAX_BLOCK_BYTES)


# --- JSONL -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _write_jsonl(file: Any, schema: pa.Schema) -> Iterator[Any]:
    import duckdb

    fields = ", ".join(f"{name} := {name}" for name in schema.names)
    with duckdb.connect(config={"threads": "1"}) as connection:

        def write(batch: pa.RecordBatch) -> None:
            connection.register("batch", pa.Table.from_batches([_with_text(batch, money=True)]))
            lines = connection.sql(f"SELECT to_json(struct_pack({fields}))::text FROM batch")
            for column in pa.RecordBatchReader.from_stream(lines):
                texts = column.column(0)
                whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
                file.write(pc.binary_join(whole, "\n")[0].as_buffer())
                file.write(b"\n")

        yield write


def _read_jsonl(path: Path, schema: pa.Schema, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    from pyarrow import json

    # Not `open_json`, which reads thirty blocks ahead.
    texts = json.ParseOptions(explicit_schema=_as_text(schema, money=True), unexpected_field_behavior="error")
    with path.open("rb") as file:
        while block := file.read(_JSON_BLOCK_BYTES):
            block += file.readline()
            options = json.ReadOptions(use_threads=False, block_size=len(block))
            read = json.read_json(pa.BufferReader(block), read_options=options, parse_options=texts)
            yield from read.select(wanted.names).cast(wanted).to_batches()


def _as_text(schema: pa.Schema, *, money: bool = False) -> pa.Schema:
    return pa.schema([(field.name, pa.string() if _is_text(field.type, money) else field.type) for field in schema])


def _is_text(kind: pa.DataType, money: bool) -> bool:
    return bool(pa.types.is_timestamp(kind) or (money and pa.types.is_decimal(kind)))


def _with_text(batch: pa.RecordBatch, *, money: bool = False) -> pa.RecordBatch:
    columns = [
        _iso(column)
        if pa.types.is_timestamp(column.type)
        else column.cast(_as_text(pa.schema([field]), money=money).field(0).type)
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_as_text(batch.schema, money=money))


def _iso(times: pa.Array) -> pa.Array:
    """Times as ISO 8601. `strftime` would look up the zone of each value and take eight times as long."""
    texts = times.cast(pa.timestamp(times.type.unit)).cast(pa.string())
    return pc.binary_join_element_wise(pc.binary_replace_slice(texts, 10, 11, "T"), "Z", "")


_WRITERS = {"parquet": _write_parquet, "csv": _write_csv, "jsonl": _write_jsonl}
_READERS = {"parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_jsonl}
