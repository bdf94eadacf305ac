"""Splits incoming rows into Arrow tables of a fixed size for the merge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.warehouse.contract import ROW_SCHEMA

CHUNK_ROWS = 50_000
CHUNK_BYTES = 16_000_000  # long texts make fewer rows a chunk, so that one fits into the memory of a merge


def chunks_of(
    rows: Iterable[pa.RecordBatch], size: int = CHUNK_ROWS, most_bytes: int = CHUNK_BYTES
) -> Iterator[pa.Table]:
    """
    Batches of any size -> tables of `size` rows, or of `most_bytes` if these are fewer rows, the last one smaller, with
    texts that every database accepts.
    """
    waiting: list[pa.RecordBatch] = []
    count, used = 0, 0.0
    for batch in rows:
        rest = batch
        while rest.num_rows:
            row_bytes = rest.nbytes / rest.num_rows
            fitting = max(1, int((most_bytes - used) / row_bytes))
            part = rest.slice(0, min(size - count, fitting))
            rest = rest.slice(part.num_rows)
            waiting.append(part)
            count, used = count + part.num_rows, used + part.num_rows * row_bytes
            if count == size or used + row_bytes > most_bytes:
                yield _storable(pa.Table.from_batches(waiting, ROW_SCHEMA))
                waiting, count, used = [], 0, 0.0
    if waiting:
        yield _storable(pa.Table.from_batches(waiting, ROW_SCHEMA))


def _storable(chunk: pa.Table) -> pa.Table:
    """Replace NUL (refused by PostgreSQL) and invalid UTF-8 (refused by DuckDB, too) with U+FFFD."""
    for place, field in enumerate(chunk.schema):
        if field.type != pa.string():
            continue
        column = chunk.column(place)
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            texts = [
                None if text is None else text.decode(errors="replace") for text in column.cast(pa.binary()).to_pylist()
            ]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        # Searching the buffer as a whole costs a tenth of searching each text.
        if any(_has_nul(part) for part in column.chunks):
            column = pc.replace_substring(column, "\0", "\ufffd")
        if column is not chunk.column(place):
            chunk = chunk.set_column(place, field, column)
    return chunk


def _has_nul(texts: pa.StringArray) -> bool:
    """Whether there is a NUL in the texts, or elsewhere in the buffer that they are a slice of."""
    content = texts.buffers()[2]
    return content is not None and b"\0" in content.to_pybytes()
