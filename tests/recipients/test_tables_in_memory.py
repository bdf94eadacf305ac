"""Frames of pandas and polars, tables of Arrow, files of DuckDB."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, Recipient, SqlQuery, read_recipients
from esms_connectors.recipients.sources import is_repeatable, open_rows

NAME = Columns(params=("name",))
ROWS = {"phone": ["0901888484", "0901888485", None], "name": ["Hương", "Đặng", "x"], "other": [1, 2, 3]}
MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas of arrow": lambda rows: pd.DataFrame(rows).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda rows: pl.DataFrame(rows, strict=False),
    "arrow": pa.table,
    "duckdb": lambda rows: duckdb.from_arrow(pa.table(rows)),
}


def read(source: Any, columns: Columns = NAME, **options: Any) -> tuple[list[Recipient], ReadReport]:
    report = ReadReport()
    return list(read_recipients(source, columns, report=report, **options)), report


@pytest.mark.parametrize("kind", MAKERS)
def test_table_rows_are_read_in_order_and_repeatably(kind: str) -> None:
    """Each row once, in order, and again in a second reading."""
    table = MAKERS[kind](ROWS)
    assert is_repeatable(table)
    for _ in range(2):
        people, report = read(table)
        assert [(one.phone, one.template_params, one.line) for one in people] == [
            ("0901888484", ("Hương",), 1),
            ("0901888485", ("Đặng",), 2),
        ]
        assert dict(report.rejected_by) == {("phone", "it is empty"): 1}


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_whole_numbers_are_phones_and_32_bit_floats_are_rejected(kind: str) -> None:
    """Whole numbers are phones; floats of 64 bits too, of 32 never."""
    wide = {"phone": [901888484.0, None, 901888485.0], "name": ["a", "b", "c"]}
    assert [one.phone for one in read(MAKERS[kind](wide))[0]] == ["0901888484", "0901888485"]
    assert [one.phone for one in read(MAKERS[kind]({"phone": [901888484], "name": ["a"]}))[0]] == ["0901888484"]

    narrow = pa.table({"phone": pa.array([900000001.0]).cast(pa.float32(), safe=False), "name": ["a"]})
    source = {"pandas": narrow.to_pandas, "polars": lambda: pl.from_arrow(narrow), "arrow": lambda: narrow}[kind]()
    people, report = read(source)
    assert not people
    assert "32 bits" in next(iter(report.rejected_by))[1]


def test_mixed_value_columns_of_pandas_are_read() -> None:
    """What pandas makes of a sheet: numbers and texts in one column, dates, nothing in five spellings."""
    frame = pd.DataFrame(
        {
            "phone": [901888484, "0901 888 485", 901888486.0, pd.NA, None],
            "name": ["An", 5, "Chi", "x", "y"],
            "date": [pd.Timestamp("2026-11-05"), datetime(2026, 11, 5, 8, 30), "05/11/2026", pd.NaT, None],
        }
    )
    rules = [ZnsTemplateParam(name, True, False, 1, 30, kind) for name, kind in (("name", "STRING"), ("date", "DATE"))]
    template = ZnsTemplate("1", "t", "ENABLE", tuple(rules), None, None, None, None, None)

    people, report = read(frame, Columns(params=("name", "date")), template=template)

    assert [(one.phone, one.template_params) for one in people] == [
        ("0901888484", ("An", "05/11/2026")),
        ("0901888485", ("5", "08:30 05/11/2026")),
        ("0901888486", ("Chi", "05/11/2026")),
    ]
    assert (report.rejected, report.blank) == (2, 0)


@pytest.mark.in_turn
def test_single_chunk_frame_is_streamed_with_bounded_memory() -> None:
    """Its rows are never all in memory as Python objects."""
    count = 100_000
    frame = pl.DataFrame({"phone": [f"09{row:08}" for row in range(count)], "name": ["Khách"] * count})
    assert frame.rechunk().n_chunks() == 1
    tracemalloc.start()
    try:
        with open_rows(frame.rechunk()) as rows:
            assert sum(1 for _ in rows) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def _not_utf8() -> pa.Array:
    """A text of another encoding, as some writers store it."""
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 1, 2, 3))
    return pa.StringArray.from_buffers(3, pa.py_buffer(offsets), pa.py_buffer(b"a\xe9c"))


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    ("unreadable", "reason"),
    [
        (_not_utf8(), "is not UTF-8: its bytes are of another encoding"),
        (pa.array([0, 2**62, 1], pa.timestamp("us")), "is a timestamp[us] that Python cannot read"),
        (pa.array([0, 2**30, 1], pa.date32()), "is a date32[day] that Python cannot read"),
    ],
)
def test_value_without_python_equivalent_rejects_only_its_row(
    tmp_path: Path, stored: bool, unreadable: pa.Array, reason: str
) -> None:
    """The infinity of a database, bytes of another encoding: of its row only, and of none if nobody needs it."""
    phones = ["0901888484", "0901888485", "0901888486"]
    table = pa.table({"phone": phones, "name": ["Hương", "Đặng", "Vũ"], "odd": unreadable})
    source: Any = table
    if stored:
        source = tmp_path / "customers.parquet"
        pq.write_table(table, source)
    found, _ = read(source)
    assert [one.phone for one in found] == phones
    found, report = read(source, Columns(params=("odd",)))
    assert report.rejected_by["odd", reason] == 1


def test_invalid_tables_are_rejected_and_streams_are_read_once() -> None:
    """A column alone, columns without names, a stream that can be read once."""
    for source in (pl.Series("phone", ["0901888484"]), pd.DataFrame([["0901888484"]])):
        with pytest.raises(InvalidRequestError) as caught:
            read(source)
        assert "\n" not in str(caught.value)
    reader = pa.table(ROWS).to_reader()
    assert not is_repeatable(reader)
    assert len(read(reader)[0]) == 2


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop 1.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table visits as select '09018' || lpad(i::varchar, 5, '0') phone, 'Khách ' || i as name, "
            "date '2026-11-05' as day, 0.5::real as share from range(20000) t(i)"
        )
    return path


@pytest.mark.in_turn(every=3)
def test_duckdb_file_is_read_with_query_parameters(shop: Path) -> None:
    """Streamed, with named values, and left alone: it is opened to be read."""
    query = "select phone, name, ':x' as colon, 1::int as one from visits where name <> :name and phone < :x order by 1"
    source = SqlQuery(f"duckdb:///{shop}", query, {"name": "Khách 1", "x": "0901815000"})

    people, report = read(source)

    assert (len(people), report.rejected) == (14_999, 0)
    assert people[1].template_params == ("Khách 2",)
    assert len(read(SqlQuery(f"duckdb:///{str(shop).replace(' ', '%20')}", "select * from visits"))[0]) == 20_000


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("url", "query", "words"),
    [
        ("duckdb:///{}", "select nope from visits", "The query failed"),
        ("duckdb:///{}", "selec", "The query failed"),
        ("duckdb:///{}", "drop table visits", "begins with DROP"),
        ("duckdb:///{}.none", "select 1", "shop 1.duckdb.none does not exist"),
        ("duckdb://", "select 1", "names no file"),
        ("duckdb:///:memory:", "select 1", "names no file"),
        ("duckdb:///{}", "select 'a' phone, (1/0)::int, error('0901888484') name", "The query failed"),
    ],
)
def test_failed_duckdb_query_gives_one_line_error_without_row_values(
    shop: Path, url: str, query: str, words: str
) -> None:
    """One line that quotes no row."""
    with pytest.raises(InvalidRequestError) as caught:
        read(SqlQuery(url.format(shop), query))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0901888484" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql+mysqldb://u:5ecret@h/d", r"for mysql:// pip install 'esms-connectors\[mysql\]'"),
        ("mssql+pyodbc://u:5ecret@h/d", "for mssql:// pip install pyodbc"),
        ("bigquery://project/data", r"for bigquery:// pip install 'esms-connectors\[bigquery\]'"),
        ("redshift+psycopg2://u:5ecret@h/d", "for redshift:// pip install sqlalchemy-redshift"),
        ("snowflake://u:5ecret@h/d", "for snowflake:// pip install snowflake-sqlalchemy"),
        ("postgresql+pg8000://u:5ecret@h/d", r"for postgresql:// pip install 'esms-connectors\[postgres\]'"),
    ],
)
def test_missing_driver_error_names_the_package_for_the_url(url: str, words: str) -> None:
    """Not that of another database."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        read(SqlQuery(url, "select 1"))
    assert "5ecret" not in str(caught.value)
