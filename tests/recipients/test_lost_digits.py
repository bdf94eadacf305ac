"""Numbers that lost digits on their way belong to strangers: refused by the type or spelling in which they came."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from postgres_server import PostgresServer

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients
from esms_connectors.recipients.keys import clean_key
from esms_connectors.recipients.phones import clean_phone

WHOLE = ["0901888485", "0387654321", "0901888499"]
NUMBERS = [int(phone) for phone in WHOLE]


def through_32_bits(number: float) -> float:
    """As pandas and NumPy give it back: an ordinary float."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


NARROW = [through_32_bits(number) for number in NUMBERS]


def phones(source: Any) -> tuple[list[str], list[str]]:
    """The phones taken, and the reasons for the others."""
    report = ReadReport()
    taken = [one.phone for one in read_recipients(source, Columns(), report=report)]
    return taken, [reason for (column, reason), count in report.rejected_by.items() for _ in range(count)]


def refused(source: Any, count: int = len(NUMBERS)) -> None:
    taken, reasons = phones(source)
    assert taken == []
    assert len(reasons) == count
    assert all("give it as text" in reason or "format the column as text" in reason for reason in reasons), reasons


def write_parquet(path: Path, kind: pa.DataType, numbers: Sequence[Any] = NUMBERS) -> Path:
    pq.write_table(
        pa.table(
            {"phone": pa.array([Decimal(one) for one in numbers] if pa.types.is_decimal(kind) else numbers, kind)}
        ),
        path,
    )
    return path


@pytest.mark.parametrize("kind", [pa.float32(), pa.dictionary(pa.int8(), pa.float32())], ids=str)
def test_parquet_phones_in_32_bit_floats_are_rejected(tmp_path: Path, kind: pa.DataType) -> None:
    """The column says it."""
    table = pa.table({"phone": pa.array(NUMBERS, pa.float64()).cast(pa.float32(), safe=False)})
    if pa.types.is_dictionary(kind):
        table = pa.table({"phone": table["phone"].dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("kind", [pa.float64(), pa.int64(), pa.decimal128(12, 0), pa.decimal128(14, 2)], ids=str)
def test_parquet_phones_in_exact_types_are_accepted(tmp_path: Path, kind: pa.DataType) -> None:
    """A column of whole numbers with gaps is a wide float in pandas, and complete."""
    assert phones(write_parquet(tmp_path / "a.parquet", kind)) == (WHOLE, [])


def test_parquet_phones_widened_from_32_bits_are_rejected(tmp_path: Path) -> None:
    """Widened afterwards: the type says nothing any more, the numbers do."""
    refused(write_parquet(tmp_path / "a.parquet", pa.float64(), NARROW))


@pytest.mark.parametrize(
    "written",
    ["9.000000E+08", "9.0E8", "9e+08", "9.01888E+08", "90188848E1", "9.000000e+08", "8.490188848E+10"],
)
def test_json_phones_with_an_exponent_are_rejected(tmp_path: Path, written: str) -> None:
    """As a number and as text."""
    for cell in (written, f'"{written}"', f'" {written}"'):
        (tmp_path / "a.jsonl").write_text(f'{{"phone": {cell}}}\n')
        refused(tmp_path / "a.jsonl", 1)


@pytest.mark.parametrize("form", ["{:.1f}", "{:.2f}", '"{:.1f}"'])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_text_phones_rounded_to_32_bits_are_rejected(tmp_path: Path, name: str, form: str) -> None:
    """What was narrow when it was written looks complete, and is a multiple of 64 in every row."""
    for numbers, whole in ((NUMBERS, True), (NARROW, False)):
        cells = [form.format(number) for number in numbers]
        lines = ["phone", *cells] if name == "a.csv" else [f'{{"phone": {cell}}}' for cell in cells]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        if whole:
            assert phones(tmp_path / name) == (WHOLE, [])
        else:
            refused(tmp_path / name)


@pytest.mark.parametrize(
    "cells",
    [
        NARROW,
        [*NARROW, float("nan")],
        NARROW[:1],
        [Decimal("9.0E+8")],
        [Decimal(901888485).normalize() * 10],
    ],
    ids=str,
)
def test_python_values_that_lost_digits_are_rejected(cells: list[Any]) -> None:
    """Also where pandas made ordinary floats of narrow ones."""
    taken, reasons = phones([{"phone": cell} for cell in cells])
    assert taken == []
    assert len(reasons) == len(cells)


def test_python_floats_with_all_digits_are_accepted() -> None:
    """One phone in 64 could have been narrow: beside others it is taken too."""
    rows = [{"phone": cell} for cell in (*map(float, NUMBERS), float("nan"), 901888512.0)]
    taken, reasons = phones(rows)
    assert taken == [*WHOLE, "0901888512"]
    assert reasons == ["it is empty"]


def test_sql_real_phones_are_rejected_and_exact_types_accepted(postgres: PostgresServer, tmp_path: Path) -> None:
    """`real` has 32 bits; of another float SQLite does not say how many it had before."""
    url = f"{postgres.uri}&options=-csearch_path%3D{postgres.new_schema()}"
    values = ", ".join(f"({number})" for number in NUMBERS)
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        for kind in ("real", "double precision", "bigint", "numeric", "text"):
            name = kind.split()[0]
            connection.execute(sa.text(f"create table in_{name} (phone {kind})"))
            connection.execute(sa.text(f"insert into in_{name} values {values}"))
    engine.dispose()
    refused(SqlQuery(url, "select phone from in_real"))
    refused(SqlQuery(url, "select phone::text from in_real"))
    for name in ("double", "bigint", "numeric", "text"):
        assert phones(SqlQuery(url, f"select phone from in_{name}")) == (WHOLE, [])
    local = f"sqlite:///{tmp_path / 'a.sqlite'}"
    engine = sa.create_engine(local)
    with engine.begin() as connection:
        connection.execute(sa.text("create table v (phone real)"))
        connection.execute(sa.text(f"insert into v values {values}"))
    engine.dispose()
    refused(SqlQuery(local, "select phone from v"))
    assert phones(SqlQuery(local, "select cast(phone as integer) as phone from v")) == (WHOLE, [])


@pytest.mark.parametrize(
    "text",
    [
        "9000000.01",
        "09000000.01",
        "90000000.1",
        "9.00000001",
        "0.900000001",
        "900000.001",
        "84901888.484",
        "-901888484",
    ],
)
@pytest.mark.parametrize("dress", [str, " {} ".format, "'{}".format, '="{}"'.format], ids=["bare", "blanks", "'", "="])
def test_decimal_points_and_signs_are_not_phone_separators(text: str, dress: Callable[[str], str]) -> None:
    """Without them the digits are those of somebody else, old numbers included."""
    assert clean_phone(dress(text)).number == ""
    assert clean_phone(dress(text.replace("9", "1", 1))).number == ""
    if dress is str:
        with pytest.raises(InvalidRequestError):
            normalise_phone(text)


@pytest.mark.parametrize("text", ["0901.888484", "0901.888.484", "090.188.8484", "901.888.484", "(0901).888484"])
def test_points_between_digit_groups_are_phone_separators(text: str) -> None:
    """As people write them."""
    assert clean_phone(text).number == "0901888484"


@pytest.mark.parametrize("key", [Decimal("1E+3"), "1.2E+10", "9,1e+5"])
def test_row_keys_with_an_exponent_are_rejected(key: object) -> None:
    """Two orders would be one."""
    report = ReadReport()
    rows = [{"phone": "0901888484", "key": key}]
    assert list(read_recipients(rows, Columns(key_column="key"), report=report)) == []
    assert report.rejected_by == {("key", "is a number with an exponent, whose last digits are lost"): 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9.01888486E+08", "it is written with an exponent: format"),
        ("8,4901888486e+10", "it is written with an exponent: format"),
        ("901888486E+0", "it is written with an exponent: format"),
        ("9.0188848E+08", "Excel wrote it with an exponent and its last digits are lost"),
        ("9E8", "Excel wrote it with an exponent and its last digits are lost"),
        (f"9.1E+{'9' * 5000}", "Excel wrote it with an exponent and its last digits are lost"),
    ],
)
def test_exponent_is_reported_as_lost_digits_only_when_digits_are_lost(text: str, words: str) -> None:
    """Refused all the same: nobody can tell whether it was a phone before."""
    assert clean_phone(text).number == ""
    assert clean_phone(text).reason.startswith(words)
    assert ("are lost" in clean_key(text).reason) == ("are lost" in words)


def test_report_notes_row_keys_that_spreadsheets_may_change() -> None:
    report = ReadReport()
    keys = ["007", "7", "0", "A0", "0A", "01", "\uff11\uff12", "12"]
    rows = [{"phone": f"090188848{at}", "key": key} for at, key in enumerate(keys)]
    assert len(list(read_recipients(rows, Columns(key_column="key"), report=report))) == len(keys)
    assert report.notes == [
        "2 values of key with a leading 0: a spreadsheet drops it, which makes it a different key",
        "1 value of key with digits other than 0-9: the same number in 0-9 is a different key",
    ]


def test_phone_used_as_row_key_gives_no_note() -> None:
    report = ReadReport()
    assert len(list(read_recipients([{"phone": "0901888484"}], Columns(key_column="phone"), report=report))) == 1
    assert report.notes == []


@pytest.mark.parametrize("key", ["4097311281936189049.0", Decimal("4097311281936189049.0"), "1000000000000000,0"])
def test_long_row_keys_from_float_columns_are_rejected(key: object) -> None:
    """Sixteen digits are more than a float keeps: it may be another one's id."""
    report = ReadReport()
    rows = [{"phone": "0901888484", "key": key}]
    assert list(read_recipients(rows, Columns(key_column="key"), report=report)) == []
    assert report.rejected_by == {("key", "is a number with a point, whose last digits are lost"): 1}
