"""Parquet, SQL, addresses and Python objects as sources."""

from __future__ import annotations

import builtins
import datetime
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.recipients import Columns, ReadReport, RejectsFile, SqlQuery, read_recipients
from esms_connectors.recipients.sources import is_repeatable, open_rows

NAME = Columns(params=("name",))


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A SQLite file with 2500 customers, the last of them wrong."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (phone, name TEXT, due, born)"))
        connection.execute(
            sa.text("INSERT INTO customers VALUES (:phone, :name, :due, NULL)"),
            [{"phone": f"09018{row:05}", "name": f"Khách {row}", "due": row} for row in range(2_499)]
            + [{"phone": "0243", "name": None, "due": 1.5}],
        )
    engine.dispose()
    return url


# --- Parquet ---------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_row_groups_are_read_in_order(tmp_path: Path, kind: pa.DataType) -> None:
    """Rows come in order across row groups, whatever the kind of text; other columns are not touched."""
    count = 20_000
    names = [None if row == 7 else "lẻ\x1f" if row == 9_000 else f"Khách {row}" for row in range(count)]
    table = pa.table(
        {
            "unused": [[row] for row in range(count)],
            "name": pa.array(names).cast(kind),
            "phone": [f"09018{row:05}" for row in range(count)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3_000)
    report = ReadReport()

    people = list(read_recipients(tmp_path / "a.parquet", NAME, report=report))

    assert [one.line for one in people] == [row for row in range(1, count + 1) if row != 8]
    assert all(one.template_params == (names[one.line - 1].strip(),) for one in people)
    assert [(one.line, one.reason) for one in report.first_rejects] == [(8, "is NULL")]


def test_integral_numbers_are_phones_but_floats_and_dates_are_not_values(tmp_path: Path) -> None:
    """Integers and integral floats (pandas, with gaps) are phones; values may be integers and decimals, not floats."""
    table = pa.table(
        {
            "phone": pa.array([901888484.0, None, 901888485.5, 84901888486.0], pa.float64()),
            "due": pa.array([Decimal("1.50"), Decimal("2"), Decimal("3"), Decimal("4")], pa.decimal128(10, 2)),
            "share": pa.array([1, 2, 3, 4], pa.int64()),
            "rate": [0.1, 0.2, 0.3, 0.4],
            "day": [datetime.date(2026, 3, 1)] * 4,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    report = ReadReport()

    people = list(read_recipients(tmp_path / "a.parquet", Columns(params=("due", "share")), report=report))

    assert [(one.phone, one.template_params) for one in people] == [
        ("0901888484", ("1.50", "1")),
        ("0901888486", ("4.00", "4")),
    ]
    assert [one.reason for one in report.first_rejects] == ["it is empty", "it is not a whole number"]
    for column, kind in (("rate", "float"), ("day", "date")):
        report = ReadReport()
        list(read_recipients(tmp_path / "a.parquet", Columns(params=(column,)), report=report))
        assert report.rejected_by[column, f"is {kind}, not text"] == 2
        assert any("Turn it into the text" in one.text for one in report.first_rejects)


def test_invalid_parquet_file_gives_a_specific_error(tmp_path: Path) -> None:
    """Nonsense, a cut file, a missing column and one that stands twice."""
    path = tmp_path / "a.parquet"
    path.write_bytes(b"phone,name\n")
    with pytest.raises(InvalidRequestError, match="not a readable Parquet file"):
        list(read_recipients(path, NAME))
    pq.write_table(pa.table({"phone": ["0901888484"], "Name": ["An"], "x": ["y"]}), path)
    with pytest.raises(InvalidRequestError, match=r"did you mean Name\?\)\. It has: phone, Name, x"):
        list(read_recipients(path, NAME))
    pq.write_table(pa.Table.from_arrays([pa.array(["0901888484"])] * 2, ["phone", "phone"]), path)
    with pytest.raises(InvalidRequestError, match="phone twice"):
        list(read_recipients(path, Columns()))
    pq.write_table(pa.table({"phone": [f"09018{row:05}" for row in range(50_000)]}), path, compression="gzip")
    whole = bytearray(path.read_bytes())
    whole[1_000:9_000] = bytes(8_000)
    path.write_bytes(whole)
    with pytest.raises(InvalidRequestError, match="is damaged after row"):
        list(read_recipients(path, Columns()))


# --- SQL -------------------------------------------------------------------------------------------------------------


def test_sql_query_rows_are_read_in_order_with_parameters(database: str) -> None:
    """All rows of the query in its order, with parameters; numbers are read as they stand."""
    report = ReadReport()
    query = SqlQuery(
        database, "SELECT due, phone, name FROM customers WHERE rowid > :first ORDER BY rowid", {"first": 1}
    )

    people = list(read_recipients(query, Columns(params=("name", "due")), report=report))

    assert [one.line for one in people] == list(range(1, 2_499))
    assert people[0].template_params == ("Khách 1", "1")
    assert [(one.line, one.column) for one in report.first_rejects] == [(2_499, "phone")]


def test_engine_of_the_caller_stays_usable(database: str) -> None:
    """An Engine is used as it is, and left usable."""
    engine = sa.create_engine(database)

    assert len(list(read_recipients(SqlQuery(engine, "SELECT * FROM customers"), NAME))) == 2_499
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM customers")).scalar() == 2_500
    engine.dispose()


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM clients", "no such table: clients"),
        ("SELEC", "syntax error"),
        ("DELETE FROM customers", "returns no rows"),
        ("SELECT phone, phone FROM customers", "phone twice"),
        ("SELECT phone FROM customers", "no column name"),
        ("SELECT phone, name FROM customers WHERE name = :name", "A value is required|StatementError"),
    ],
)
def test_failed_query_reports_the_database_error_and_changes_nothing(database: str, query: str, words: str) -> None:
    """The database's own words, and nothing is changed by a query that was none."""
    with pytest.raises(InvalidRequestError, match=words):
        list(read_recipients(SqlQuery(database, query), NAME))
    assert len(list(read_recipients(SqlQuery(database, "SELECT * FROM customers"), NAME))) == 2_499


def test_invalid_database_url_gives_error_without_the_password() -> None:
    """Neither the message nor a repr holds the password."""
    for url in ("no address", "klingon://me:pa55word@host/db", "sqlite:////no/such/folder/x.db"):
        source = SqlQuery(url, "SELECT 1")
        with pytest.raises(InvalidRequestError) as caught:
            list(read_recipients(source, NAME))
        assert "pa55word" not in str(caught.value) + repr(source)
        # The password of such an address is not what is wrong with it.
        assert ("SQLAlchemy knows no klingon://" in str(caught.value)) == url.startswith("klingon")


def test_missing_database_driver_gives_configuration_error() -> None:
    """SQLAlchemy is there, the driver is not."""
    with pytest.raises(ConfigurationError, match="driver"):
        list(read_recipients(SqlQuery("oracle+oracledb://me:pa55word@host/db", "SELECT 1"), NAME))


# --- addresses -------------------------------------------------------------------------------------------------------


def test_remote_files_are_read_by_fsspec_url() -> None:
    """Any fsspec address; kind by its suffix, bytes by its content."""
    with fsspec.open("memory://lists/a.csv.gz", "wb", compression="gzip") as file:
        file.write(b"phone,name\n0901888484,An\n")
    with fsspec.open("memory://lists/a.parquet", "wb") as file:
        pq.write_table(pa.table({"phone": ["0901888484"], "name": ["An"]}), file)

    for name in ("a.csv.gz", "a.parquet"):
        assert [one.phone for one in read_recipients(f"memory://lists/{name}", NAME)] == ["0901888484"]
    with pytest.raises(InvalidRequestError, match=r"^b\.csv does not exist"):
        list(read_recipients("memory://me:pa55word@lists/b.csv?sig=5ecret", NAME))
    with pytest.raises(InvalidRequestError, match="unknown kind"):
        list(read_recipients("klingon://lists/b.csv", NAME))


def test_file_url_reads_a_local_file(tmp_path: Path) -> None:
    """file:// is an address like any other."""
    (tmp_path / "a.csv").write_text("phone,name\n0901888484,An\n")

    assert len(list(read_recipients(f"file://{tmp_path}/a.csv", NAME))) == 1


# --- Python ----------------------------------------------------------------------------------------------------------


def test_lists_are_repeatable_and_iterators_are_not() -> None:
    """A list of dicts may be read again; an iterator may not, and says so."""
    source: list[dict[str, object]] = [{"phone": "0901888484", "name": "An"}, {"name": "Bé", "phone": 901888485}]

    assert [one.line for one in read_recipients(source, NAME)] == [1, 2]
    assert [one.line for one in read_recipients(iter(source), NAME)] == [1, 2]
    assert is_repeatable(source)
    assert is_repeatable("a.csv")
    assert not is_repeatable(iter(source))
    assert not is_repeatable(one for one in source)


def test_empty_list_gives_no_recipients() -> None:
    """An empty list has no columns either, and nothing is wrong with that."""
    assert list(read_recipients([], NAME)) == []


def test_column_names_are_taken_from_the_first_hundred_rows() -> None:
    """A column that the first rows lack is still found; one that comes only later is a missing column."""
    late: list[dict[str, object]] = [{"phone": f"09018884{row:02}"} for row in range(99)]
    with open_rows([*late, {"phone": "0901888499", "name": "An"}]) as rows:
        assert rows.names == ("phone", "name")
    with pytest.raises(InvalidRequestError, match="no column name"):
        list(read_recipients([*late, {"phone": "0901888499"}, {"name": "An"}], NAME))


@pytest.mark.parametrize(
    "source", [["0901888484"], [("0901888484", "An")], {"phone": "0901888484", "name": "An"}, [{}], None]
)
def test_objects_that_are_not_rows_are_rejected(source: Any) -> None:
    """A list of texts, of tuples, one dict instead of a list, rows without columns."""
    with pytest.raises(InvalidRequestError, match=r"mapping|columns"):
        list(read_recipients(source, NAME))


# --- extras ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "source", "extra"),
    [
        ("pyarrow", lambda folder: folder / "a.parquet", "files"),
        ("fsspec", lambda folder: "s3://lists/a.csv", "files"),
        ("sqlalchemy", lambda folder: SqlQuery("sqlite://", "SELECT 1"), "ledger"),
    ],
)
def test_missing_extra_gives_one_line_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, source: Callable[[Path], Any], extra: str
) -> None:
    """One line with the command that helps; reading a CSV needs none of them."""
    real_import = builtins.__import__
    monkeypatch.setattr(
        "importlib.import_module",
        lambda name, package=None: (
            (_ for _ in ()).throw(ImportError(name=name)) if name.split(".")[0] == missing else real_import(name)
        ),
    )

    with pytest.raises(ConfigurationError, match=rf"needs {missing}: pip install 'esms-connectors\[{extra}\]'\.$"):
        list(read_recipients(source(tmp_path), NAME))
    (tmp_path / "a.csv").write_text("phone,name\n0901888484,An\n")
    assert len(list(read_recipients(tmp_path / "a.csv", NAME))) == 1


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("name", "heavy"),
    [
        ("a.csv", ("pyarrow", "sqlalchemy", "fsspec", "numpy", "requests")),
        ("a.parquet", ("pandas", "sqlalchemy", "requests")),
    ],
)
def test_reading_csv_and_parquet_does_not_import_unneeded_libraries(
    tmp_path: Path, name: str, heavy: tuple[str, ...]
) -> None:
    """Whoever reads a CSV does not wait for pyarrow or SQLAlchemy, nor a Parquet file for pandas."""
    import subprocess

    (tmp_path / "a.csv").write_text("phone\n01201234567\n02838123456\n")
    pq.write_table(pa.table({"phone": ["01201234567", "02838123456"]}), tmp_path / "a.parquet")
    code = (
        "import sys; from esms_connectors.recipients import *; "
        f"print(len(list(read_recipients({str(tmp_path / name)!r}, Columns())))); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.split("\n")[:2] == ["1", "[]"]


def test_parquet_rejects_contain_only_the_mapped_columns(tmp_path: Path) -> None:
    """Only those are read, so only those can be given back."""
    pq.write_table(pa.table({"phone": ["024"], "other": ["x"], "name": ["An"]}), tmp_path / "a.parquet")

    with RejectsFile(tmp_path / "bad.csv") as rejects:
        list(read_recipients(tmp_path / "a.parquet", NAME, rejects=rejects))

    assert (tmp_path / "bad.csv").read_text("utf-8-sig").splitlines()[0] == "_line,_field,_value,_reason,phone,name"
