"""
Recipients of SQL Server by SQLAlchemy's own dialect, above a driver that answers as pyodbc does.

No server can be had here: what is tried is what the dialect makes of our query and of the values that pyodbc gives.
"""

from __future__ import annotations

import datetime
import decimal
import types
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients

QUERY = "SELECT phone, name, visited, spent, id FROM dbo.customers WHERE city = :city ORDER BY id"
COLUMNS = Columns(params=["name", "visited", "spent"], key_column="id")
TEMPLATE = ZnsTemplate(
    *("1", "t", "ENABLE"),
    tuple(
        ZnsTemplateParam(name, True, False, 1, 30, kind)
        for name, kind in (("name", None), ("visited", "DATE"), ("spent", "NUMBER"))
    ),
    *(None,) * 5,
)
DESCRIPTION = [
    ("phone", int, None, 19, 19, 0, False),
    ("name", str, None, 100, 100, 0, True),
    ("visited", datetime.date, None, 10, 10, 0, True),
    ("spent", decimal.Decimal, None, 19, 19, 4, True),
    ("id", str, None, 36, 36, 0, False),
]


class Driver(types.SimpleNamespace):
    """The part of pyodbc that the dialect uses; `statements` holds what reached it."""

    paramstyle, version, threadsafety, apilevel = "qmark", "5.2.0", 1, "2.0"

    class Error(Exception):
        pass

    OperationalError = ProgrammingError = DatabaseError = InterfaceError = IntegrityError = DataError = Error
    SQL_DBMS_VER = 18

    def __init__(self, rows: Sequence[Sequence[object]], fails_after: int | None = None) -> None:
        super().__init__(rows=rows, fails_after=fails_after, statements=[], commits=0)

    @property
    def Cursor(self) -> type:  # noqa: N802 - pyodbc's name
        return Cursor

    def connect(self, *_arguments: object, **_settings: object) -> Connection:
        return Connection(self)


class Connection:
    autocommit = False

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def cursor(self) -> Cursor:
        return Cursor(self.driver)

    def commit(self) -> None:
        self.driver.commits += 1

    def rollback(self) -> None: ...

    def close(self) -> None: ...

    def add_output_converter(self, _kind: int, _convert: object) -> None: ...

    def getinfo(self, _what: int) -> str:
        return "16.00.4085"


class Cursor:
    description: list[Any] | None = None
    arraysize, rowcount = 1, -1

    def __init__(self, driver: Driver) -> None:
        self.driver, self.left = driver, iter(())

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> None:
        if statement.startswith("SELECT phone"):
            self.driver.statements.append((statement, [*parameters]))
            self.description, self.left = DESCRIPTION, iter(self.driver.rows)
        else:
            # What the dialect asks a new server for.
            self.description, self.left = [("", str, None, 1, 1, 0, True)], iter([("dbo",)])

    def fetchmany(self, size: int = 1) -> list[Any]:
        found = []
        for row in self.left:
            if self.driver.fails_after is not None and not self.driver.fails_after:
                raise Driver.Error("22018", "[22018] [Microsoft][ODBC] Conversion failed: 'Chi Huong 0901000001' (245)")
            if self.driver.fails_after is not None:
                self.driver.fails_after -= 1
            found.append(tuple(row))
            if len(found) == size:
                break
        return found

    def fetchone(self) -> Any:
        return next(iter(self.fetchmany(1)), None)

    def fetchall(self) -> list[Any]:
        return self.fetchmany(1 << 30)

    def close(self) -> None: ...


def query(driver: Driver) -> SqlQuery:
    engine = sa.create_engine("mssql+pyodbc://reader:5ecret@shop", module=driver, use_setinputsizes=False)
    return SqlQuery(engine, QUERY, {"city": "Huế"})


def customer(number: int) -> tuple[object, ...]:
    day = datetime.date(2026, 11, 1) + datetime.timedelta(days=number % 28)
    return (84_901_000_000 + number, "Chị Hương", day, decimal.Decimal("1250000.0000"), uuid.UUID(int=number))


def test_sql_server_types_are_formatted_for_the_template() -> None:
    """bigint, nvarchar, date, money, uniqueidentifier; the value of the query is a parameter, nothing is committed."""
    driver = Driver([customer(1)])
    [one] = read_recipients(query(driver), COLUMNS, template=TEMPLATE)
    assert one.phone == "0901000001"
    assert one.row_key == str(uuid.UUID(int=1))
    assert one.template_params == ("Chị Hương", "02/11/2026", "1250000")
    assert driver.statements == [(QUERY.replace(":city", "?"), ["Huế"])]
    assert driver.commits == 0


@pytest.mark.in_turn(every=3)
def test_more_rows_than_a_batch_are_read_once() -> None:
    report = ReadReport()
    driver = Driver([customer(number) for number in range(2_500)])
    found = list(read_recipients(query(driver), COLUMNS, template=TEMPLATE, report=report))
    assert len({one.phone for one in found}) == report.accepted == 2_500


def test_phone_in_a_float_column_is_rejected() -> None:
    """A `real` has lost its last digits by then, and pyodbc gives the same type for both widths."""
    report = ReadReport()
    driver = Driver([(84_901_000_001.0, *customer(1)[1:]), customer(2)])
    [one] = read_recipients(query(driver), COLUMNS, template=TEMPLATE, report=report)
    assert one.phone == "0901000002"
    assert report.rejected == 1


def test_error_during_reading_does_not_quote_a_row() -> None:
    driver = Driver([customer(number) for number in range(3_000)], fails_after=2_000)
    with pytest.raises(InvalidRequestError) as caught:
        deque(read_recipients(query(driver), COLUMNS, template=TEMPLATE), 0)
    assert "The query failed" in str(caught.value)
    assert "Huong" not in str(caught.value)
    assert "0901000001" not in str(caught.value)
