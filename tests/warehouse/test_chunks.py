"""How rows are cut for a merge: by number, and by size where the texts are long."""

from __future__ import annotations

import pyarrow as pa
import pytest
from targets import many

from esms_connectors.warehouse.chunks import chunks_of


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("size", "most_bytes", "rows"),
    [(400, 10**9, [400, 400, 200]), (10**6, 10**9, [1_000]), (10**6, 1, [1] * 1_000)],
    ids=["by number", "all at once", "a row is never cut"],
)
def test_chunks_keep_all_rows_once_and_in_order(size: int, most_bytes: int, rows: list[int]) -> None:
    chunks = list(chunks_of(many(1_000), size, most_bytes))
    assert [chunk.num_rows for chunk in chunks] == rows
    assert pa.concat_tables(chunks).equals(pa.Table.from_batches(many(1_000)))


def test_chunks_do_not_exceed_the_byte_limit() -> None:
    [batch] = many(1_000)
    chunks = list(chunks_of([batch.slice(0, 300), batch.slice(300)], 10**6, batch.nbytes // 10))
    assert max(chunk.nbytes for chunk in chunks) <= batch.nbytes // 10
    assert len(chunks) in (10, 11)
    assert pa.concat_tables(chunks).equals(pa.Table.from_batches([batch]))
