"""Files and their moves: what a file of each format holds is read again, and nothing is moved out of the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from esms_connectors.warehouse.contract import WarehouseError
from esms_connectors.warehouse.file_formats import FORMATS, read_rows, write_file
from esms_connectors.warehouse.files import FilesWarehouse

SCHEMA = pa.schema([("row_key", pa.string()), ("content", pa.string())])
LONG = 'Chào "em"\n, 😀\\' * 200_000


@pytest.mark.parametrize("kind", FORMATS)
def test_text_of_several_megabytes_survives_a_round_trip(kind: str, tmp_path: Path) -> None:
    rows = [("a", "x"), ("b", LONG), ("c", None), *((f"d{number}", "y") for number in range(3)), ("e", LONG * 2)]
    batches = [pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, row, strict=True))], SCHEMA) for row in rows]
    assert write_file(kind, tmp_path / "file", SCHEMA, batches) == len(rows)
    assert read_rows(kind, tmp_path / "file", SCHEMA) == rows


@pytest.mark.parametrize(
    "move",
    [
        ["0", "../outside.parquet"],
        ["0", "/etc/outside.parquet"],
        ["../../../esms_sent_messages/0", "esms_sent_messages/day=2026-11-01/type=25/messages.parquet"],
        ["0", "esms_sent_messages/../../outside.parquet"],
    ],
    ids=str,
)
def test_commit_with_a_path_outside_the_warehouse_is_rejected(tmp_path: Path, move: list[str]) -> None:
    """Somebody who may write into the staging folder must not write elsewhere by our hand."""
    root = tmp_path / "deep" / "lake"
    warehouse = FilesWarehouse(str(root))
    warehouse.prepare()
    staged = root / "_esms_staging" / "day=2026-11-01_type=25~abc"
    staged.mkdir()
    (staged / "0").write_text("planted")
    (staged / "commit.json").write_text(json.dumps({"moves": [move]}))
    with pytest.raises(WarehouseError, match="outside of the warehouse") as failure:
        warehouse.prepare()
    assert "\n" not in str(failure.value)
    assert (staged / "0").read_text() == "planted"
    assert not list(tmp_path.rglob("outside*"))
