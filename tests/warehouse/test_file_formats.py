"""What a file of each format holds is read again, whatever its size."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from esms_connectors.warehouse.file_formats import FORMATS, read_rows, write_file

SCHEMA = pa.schema([("row_key", pa.string()), ("content", pa.string())])
LONG = 'Chào "em"\n, 😀\\' * 200_000


@pytest.mark.parametrize("kind", FORMATS)
def test_a_text_of_megabytes_among_others(kind: str, tmp_path: Path) -> None:
    rows = [("a", "x"), ("b", LONG), ("c", None), *((f"d{number}", "y") for number in range(3)), ("e", LONG * 2)]
    batches = [pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, row, strict=True))], SCHEMA) for row in rows]
    assert write_file(kind, tmp_path / "file", SCHEMA, batches) == len(rows)
    assert read_rows(kind, tmp_path / "file", SCHEMA) == rows
