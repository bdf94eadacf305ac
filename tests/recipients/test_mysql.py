"""Recipients of a real MariaDB: `make test-mysql`, where the Debian package mariadb-server-core is installed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa
from mariadb_server import serve_mariadb

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients

pytestmark = pytest.mark.mysql
ROWS = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database `shop`, over a socket of this machine."""
    with serve_mariadb(tmp_path_factory.mktemp("mariadb")) as address:
        yield address.replace("mysql+pymysql", "mariadb")


@pytest.fixture(scope="module")
def shop(server: str) -> str:
    engine = sa.create_engine(server.replace("mariadb:", "mysql+pymysql:"))
    columns = "phone BIGINT, name VARCHAR(50), day DATE, at DATETIME, paid DECIMAL(12,2), w FLOAT"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE visits ({columns})"))
        rows = [
            {"phone": 901000000 + n, "name": f"Chị Hương {n}", "day": date(2026, 11, 5), "paid": 1250000}
            for n in range(ROWS)
        ]
        statement = sa.text("INSERT INTO visits VALUES (:phone, :name, :day, '2026-11-05 08:30:00', :paid, :phone)")
        connection.execute(statement, rows)
    engine.dispose()
    return server


def template(**kinds: str) -> ZnsTemplate:
    params = tuple(ZnsTemplateParam(name, True, False, 1, 50, kind) for name, kind in kinds.items())
    return ZnsTemplate("1", "t", "ENABLE", params, None, None, None, None, None)


def test_mariadb_types_are_formatted_for_the_template(shop: str) -> None:
    """Numbers as phones, Vietnamese, dates and amounts by the template; the rows are streamed."""
    report = ReadReport()
    columns = Columns(params=("name", "day", "at", "paid"))
    query = SqlQuery(shop, "SELECT * FROM visits WHERE day = :day ORDER BY phone", {"day": date(2026, 11, 5)})
    rules = template(name="STRING", day="DATE", at="DATE", paid="CURRENCY")

    people = list(read_recipients(query, columns, template=rules, report=report))

    assert (len(people), report.rejected) == (ROWS, 0)
    assert people[7].phone == "0901000007"
    assert people[7].template_params == ("Chị Hương 7", "05/11/2026", "08:30 05/11/2026", "1250000")


def test_phones_in_a_float_column_are_rejected(shop: str) -> None:
    """A FLOAT of MariaDB keeps seven digits."""
    report = ReadReport()
    query = SqlQuery(shop, "SELECT w AS phone, name FROM visits LIMIT 50")
    assert not list(read_recipients(query, Columns(params=("name",)), report=report))
    assert report.rejected == 50


@pytest.mark.parametrize("query", ["SELECT nope FROM visits", "SELEC", "SELECT 1 FROM none"])
def test_failed_query_gives_one_line_error(shop: str, query: str) -> None:
    """In one line."""
    with pytest.raises(InvalidRequestError, match="The query failed") as caught:
        list(read_recipients(SqlQuery(shop, query), Columns()))
    assert "\n" not in str(caught.value)
