"""Values in the form that Zalo takes for the type of a variable."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import xlsxwriter

from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients
from esms_connectors.recipients.phones import NarrowFloat

VALUE = Columns(params=("value",))


def template(kind: str | None, longest: int = 30) -> ZnsTemplate:
    param = ZnsTemplateParam("value", True, False, 1, longest, kind)
    return ZnsTemplate("1", "t", "ENABLE", (param,), None, None, None, None, None)


def outcome(source: object, kind: str | None) -> str:
    """The value as it is sent, or why it is not."""
    report = ReadReport()
    rows = source if not isinstance(source, list) else [{"phone": "0901888484", "value": one} for one in source]
    people = list(read_recipients(rows, VALUE, template=template(kind), report=report))
    return people[0].template_params[0] if people else report.first_rejects[0].text


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (date(2026, 11, 5), "05/11/2026"),
        (datetime(2026, 11, 5), "05/11/2026"),
        (datetime(2026, 11, 5, 8, 30), "08:30 05/11/2026"),
        (datetime(2026, 11, 5, 8, 30, 9), "08:30:09 05/11/2026"),
        (datetime(2026, 11, 4, 18, 30, tzinfo=UTC), "01:30 05/11/2026"),
        ("05/11/2026", "05/11/2026"),
        ("5/11/2026", "05/11/2026"),
        ("05-11-2026", "05/11/2026"),
        ("5.11.2026", "05/11/2026"),
        ("０５／１１／２０２６", "05/11/2026"),
        ("2026-11-05", "05/11/2026"),
        ("2026-11-05 00:00:00", "05/11/2026"),
        ("2026-11-05T08:30", "08:30 05/11/2026"),
        ("2026-11-04T18:30:00Z", "01:30 05/11/2026"),
        ("05/11/2026 08:30", "08:30 05/11/2026"),
        ("8:30 5/11/2026", "08:30 05/11/2026"),
        ("20:15:30 05/11/2026", "20:15:30 05/11/2026"),
        ("11/2026", "11/2026"),
        ("thứ hai, 9 giờ", "thứ hai, 9 giờ"),
    ],
)
def test_dates_are_converted_to_the_zalo_format_and_words_are_kept(value: object, sent: str) -> None:
    """Real dates and texts that can only be read in one way; a time with a zone is told as Vietnam reads it."""
    assert outcome([value], "DATE") == sent


@pytest.mark.parametrize(
    "value", ["31/02/2026", "11/25/2026", "05/11/26", "46331", "2026-13-01", "25:00 05/11/2026", 46331, "13/2026"]
)
def test_invalid_or_ambiguous_dates_are_rejected(value: object) -> None:
    """Refused with the form: a serial number of Excel, a month that comes first, a day that is none."""
    assert outcome([value], "DATE").startswith("is not a date in the form that Zalo accepts (dd/mm/yyyy")


def test_words_in_place_of_dates_are_sent_and_noted() -> None:
    """They are sent, because the gateway may take them, and the plan says how many there are."""
    report = ReadReport()
    rows = [{"phone": f"090188848{number}", "value": value} for number, value in enumerate(["mai", "05/11/2026"])]
    assert len(list(read_recipients(rows, VALUE, template=template("DATE"), report=report))) == 2
    assert report.notes == ["1 value of value not in a date format that Zalo accepts"]


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("NUMBER", 5, "5"),
        ("NUMBER", Decimal("4.50"), "4.5"),
        ("NUMBER", 4.5, "4.5"),
        ("NUMBER", 1e16, "10000000000000000"),
        ("NUMBER", "4,5", "4,5"),
        ("NUMBER", "1.250.000", "1250000"),
        ("NUMBER", "1 250", "1250"),
        ("NUMBER", "1.234,56", "1234,56"),
        ("NUMBER", "１２", "12"),
        ("NUMBER", "\u0663", "3"),
        ("CURRENCY", "1.250.000,00", "1250000"),
        ("CURRENCY", "1,250.00 VND", "1250"),
        ("CURRENCY", "1250000.000", "1250000"),  # as a column of decimals with three places comes as text
        ("CURRENCY", "１２５００００", "1250000"),
        ("CURRENCY", "1.250.000 đ", "1250000"),
        ("CURRENCY", "1,250,000 VND", "1250000"),
        ("CURRENCY", "1 250 000₫", "1250000"),
        ("CURRENCY", "1.250", "1250"),
        ("CURRENCY", "1250000", "1250000"),
        ("CURRENCY", 1250000.0, "1250000"),
        ("CURRENCY", Decimal("1250000.00"), "1250000"),
        ("URL", "https://a.vn/x?y=1", "https://a.vn/x?y=1"),
    ],
)
def test_numbers_amounts_and_links_are_formatted_for_zalo(kind: str, value: object, sent: str) -> None:
    """Zalo takes 100000 and not 100.000."""
    assert outcome([value], kind) == sent


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("NUMBER", "năm", "is not a number"),
        ("NUMBER", True, "is not a number"),
        ("NUMBER", float("inf"), "is not a number"),
        ("NUMBER", NarrowFloat(900000000), "lost digits"),
        ("CURRENCY", "12,50", "is not an amount of money"),
        ("CURRENCY", "1.250.000,50", "is not an amount of money"),
        ("CURRENCY", "1,250,00.000", "is not an amount of money"),
        ("CURRENCY", "-5", "is not an amount of money"),
        ("CURRENCY", "liên hệ", "is not an amount of money"),
        ("URL", "https://a.vn/x y", "is not a link"),
        ("URL", "javascript:alert(1)", "is not a link"),
        ("STRING", date(2026, 11, 5), "is date"),
        (None, 4.5, "is float"),
    ],
)
def test_values_not_matching_the_parameter_type_are_rejected(kind: str, value: object, words: str) -> None:
    """Each with its reason; of text nobody chose how a date or a float should read."""
    assert words in outcome([value], kind)


def test_length_limit_applies_to_the_formatted_value() -> None:
    """The date as it is formatted, not as it was stored."""
    report = ReadReport()
    rows = [{"phone": "0901888484", "value": "2026-11-05T00:00:00.000000"}]
    people = list(read_recipients(rows, VALUE, template=template("DATE", 10), report=report))
    assert [one.template_params for one in people] == [("05/11/2026",)]


def test_dates_from_sql_parquet_and_excel_are_formatted_alike(tmp_path: Path) -> None:
    """SQL DATE and TIMESTAMP, Parquet, Excel."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    table = sa.Table("t", sa.MetaData(), sa.Column("phone", sa.String), sa.Column("value", sa.DateTime))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), {"phone": "0901888484", "value": datetime(2026, 11, 5)})
    assert outcome(SqlQuery(engine, "select * from t"), "DATE") == "05/11/2026"
    engine.dispose()

    day = pa.array([datetime(2026, 11, 5)], pa.timestamp("ms"))
    in_vietnam = pa.compute.assume_timezone(day, "Asia/Ho_Chi_Minh")
    for values in (day, day.cast(pa.date32()), day.cast(pa.timestamp("us")), in_vietnam):
        pq.write_table(pa.table({"phone": ["0901888484"], "value": values}), tmp_path / "a.parquet")
        assert outcome(tmp_path / "a.parquet", "DATE") == "05/11/2026"

    workbook = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = workbook.add_worksheet()
    sheet.write_row(0, 0, ["phone", "value"])
    sheet.write(1, 0, "0901888484")
    sheet.write_datetime(1, 1, datetime(2026, 11, 5), workbook.add_format({"num_format": "d-mmm-yy"}))
    workbook.close()
    assert outcome(tmp_path / "a.xlsx", "DATE") == "05/11/2026"


def test_uuid_is_accepted_as_row_key_and_value(tmp_path: Path) -> None:
    """As the database shows it, whether a driver gives it as text or as a UUID."""
    key = UUID("0b5c3a52-6e0e-4c53-9a41-6f0c1d2e3f40")
    duckdb.connect(str(tmp_path / "a.duckdb")).execute(
        f"CREATE TABLE t AS SELECT '0901888484' AS phone, UUID '{key}' AS value"
    ).close()
    pq.write_table(
        pa.table({"phone": ["0901888484"], "value": pa.array([key.bytes], pa.uuid())}), tmp_path / "a.parquet"
    )
    sources = (
        [{"phone": "0901888484", "value": key}],
        SqlQuery(f"duckdb:///{tmp_path}/a.duckdb", "SELECT * FROM t"),
        tmp_path / "a.parquet",
    )
    for source in sources:
        [one] = read_recipients(source, Columns(params=("value",), key_column="value"))
        assert (one.row_key, one.template_params) == (str(key), (str(key),))
