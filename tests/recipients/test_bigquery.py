"""
Recipients of BigQuery by its own SQLAlchemy dialect and Google's own client; what answers is on this machine.

`make test-bigquery`: they have an environment of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from bigquery_server import BigQueryServer

from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, SqlQuery, read_recipients

pytestmark = pytest.mark.bigquery

QUERY = "SELECT phone, name, visited, booked, paid, id FROM visits WHERE city = :city ORDER BY id"
SCHEMA = {
    "phone": "INTEGER",
    "name": "STRING",
    "visited": "DATE",
    "booked": "TIMESTAMP",
    "paid": "NUMERIC",
    "id": "STRING",
}
COLUMNS = Columns(params=["name", "visited", "booked", "paid"], key_column="id")
TEMPLATE = ZnsTemplate(
    *("1", "t", "ENABLE"),
    tuple(
        ZnsTemplateParam(name, True, False, 1, 30, kind)
        for name, kind in (("name", None), ("visited", "DATE"), ("booked", "DATE"), ("paid", "CURRENCY"))
    ),
    *(None,) * 5,
)
# 18:30 of the fifth of November 2026 in UTC is the next morning in Vietnam.
EVENING = "1793903400000000"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    server = BigQueryServer(tmp_path_factory.mktemp("keys") / "key.json")
    yield server
    server.close()


@pytest.fixture
def server(served: BigQueryServer, monkeypatch: pytest.MonkeyPatch) -> BigQueryServer:
    served.schema, served.rows = SCHEMA, [visit(1)]
    served.asked, served.pages, served.refusal, served.refused_page = [], [], None, 0
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", served.address)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(served.key))
    return served


def visit(number: int) -> list[str | None]:
    name = unicodedata.normalize("NFD", "Chị Hương")
    return [str(84_901_000_000 + number), name, "2026-11-02", EVENING, "1250000", f"V{number:05}"]


def query(url: str = "bigquery://shop/crm") -> SqlQuery:
    return SqlQuery(url, QUERY, {"city": "Huế"})


def test_bigquery_types_are_formatted_for_the_template(server: BigQueryServer) -> None:
    """INT64, STRING with accents apart, DATE, TIMESTAMP, NUMERIC; the value of the query is a parameter."""
    [one] = read_recipients(query(), COLUMNS, template=TEMPLATE)
    assert (one.phone, one.row_key) == ("0901000001", "V00001")
    assert one.template_params == ("Chị Hương", "02/11/2026", "01:30 06/11/2026", "1250000")
    [asked] = server.asked
    assert asked["query"] == QUERY.replace(":city", "@`city`")
    assert asked["defaultDataset"] == {"projectId": "shop", "datasetId": "crm"}
    [city] = asked["queryParameters"]
    assert (city["name"], city["parameterValue"]) == ("city", {"value": "Huế"})


def test_datetime_without_zone_is_not_converted(server: BigQueryServer) -> None:
    server.schema = SCHEMA | {"booked": "DATETIME"}
    server.rows[0][3] = "2026-11-05T18:30:00"
    [one] = read_recipients(query(), COLUMNS, template=TEMPLATE)
    assert one.template_params[2] == "18:30 05/11/2026"


def test_null_phone_and_required_null_value_are_rejected(server: BigQueryServer) -> None:
    """A NULL phone, a NULL name that the template needs; the others go on."""
    server.rows = [visit(1), [None, *visit(2)[1:]], [visit(3)[0], None, *visit(3)[2:]]]
    report = ReadReport()
    [one] = read_recipients(query(), COLUMNS, template=TEMPLATE, report=report)
    assert one.row_key == "V00001"
    assert [(each.line, each.column, each.reason) for each in report.first_rejects] == [
        (2, "phone", "it is empty"),
        (3, "name", "is empty"),
    ]


def test_phone_in_a_float_column_is_rejected(server: BigQueryServer) -> None:
    server.schema, report = SCHEMA | {"phone": "FLOAT"}, ReadReport()
    server.rows = [["84901000001.0", *visit(1)[1:]]]
    assert list(read_recipients(query(), COLUMNS, template=TEMPLATE, report=report)) == []
    assert "float" in report.first_rejects[0].reason


def test_more_rows_than_a_page_are_read_once(server: BigQueryServer) -> None:
    """By the REST API in pages of the dialect's size."""
    server.rows = [visit(number) for number in range(12_500)]
    report = ReadReport()
    found = {one.phone for one in read_recipients(query(), COLUMNS, template=TEMPLATE, report=report)}
    assert len(found) == report.accepted == 12_500
    assert server.pages == ["0+5000", "5000+5000", "10000+5000"]


WRONG_TYPE = "Bad int64 value: Chi Huong 0901000001"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((400, "invalidQuery", "Unrecognized name: fone at [1:8]"), "Unrecognized name: fone at [1:8]."),
        ((404, "notFound", "Not found: Table shop:crm.visits\nLocation: US"), "Not found: Table shop:crm.visits."),
        ((403, "accessDenied", "Access Denied: Table shop:crm.visits"), "Access Denied: Table shop:crm.visits."),
        ((400, "invalidQuery", WRONG_TYPE), "BigQuery says invalidQuery (400)."),
    ],
)
def test_refused_query_gives_error_without_row_values(
    server: BigQueryServer, refusal: tuple[int, str, str], words: str
) -> None:
    server.refusal = refusal
    with pytest.raises(InvalidRequestError) as caught:
        list(read_recipients(query(), COLUMNS, template=TEMPLATE))
    assert str(caught.value).startswith(f"The query failed: {words}")


def test_error_during_reading_does_not_quote_a_row(server: BigQueryServer) -> None:
    server.rows = [visit(number) for number in range(12_500)]
    server.refusal, server.refused_page = (400, "invalidQuery", WRONG_TYPE), 1
    with pytest.raises(InvalidRequestError, match="BigQuery says invalidQuery") as caught:
        deque(read_recipients(query(), COLUMNS, template=TEMPLATE), 0)
    assert "Huong" not in str(caught.value)


DAMAGED = {
    "not the JSON": lambda key: "5ecret",
    "a part of it": lambda key: json.dumps({"type": "service_account", "private_key": "5ecret"}),
    "a cut key": lambda key: json.dumps(json.loads(key) | {"private_key": "-----BEGIN PRIVATE KEY-----\n5ecret\n"}),
}


@pytest.mark.parametrize("way", ["address", "environment"])
@pytest.mark.parametrize("damage", [*DAMAGED, "not there"])
def test_unusable_key_file_error_hides_its_path_and_content(
    server: BigQueryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, damage: str
) -> None:
    place = tmp_path / "hunter2.json"
    if damage in DAMAGED:
        place.write_text(DAMAGED[damage](server.key.read_text(encoding="utf-8")), encoding="utf-8")
    url = "bigquery://shop/crm"
    if way == "address":
        url += f"?credentials_path={place}"
    else:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(place))
    with pytest.raises(ConfigurationError, match="key") as caught:
        list(read_recipients(query(url), COLUMNS, template=TEMPLATE))
    problem = str(caught.value)
    assert "credentials_path" in problem
    assert "GOOGLE_APPLICATION_CREDENTIALS" in problem
    assert not [word for word in ("\n", "hunter2", "5ecret", str(tmp_path)) if word in problem]


def test_key_refused_by_google_gives_configuration_error(server: BigQueryServer) -> None:
    server.refusal = (400, "invalid_grant", "Invalid JWT Signature of 5ecret.")
    with pytest.raises(ConfigurationError, match=r"Google refuses the key \(invalid_grant\)") as caught:
        list(read_recipients(query(), COLUMNS, template=TEMPLATE))
    assert "5ecret" not in str(caught.value)


def test_command_line_campaign_from_bigquery_sends_each_row_once(server: BigQueryServer, tmp_path: Path) -> None:
    """Read twice, sent once; nothing of Google's library is on the screen."""
    columns = ("phone", "customer_name", "service", "code", "date")
    server.schema = dict.fromkeys(columns, "STRING") | {"phone": "INTEGER", "date": "DATE"}
    server.rows = [[str(901_000_000 + number), "Chị Hương", "Gội", "K1", "2026-11-05"] for number in range(7)]
    gateway = Emulator()
    with gateway.serve() as served:
        command = [str(Path(sys.executable).with_name("esms")), "send-zns", "bigquery://shop/crm"]
        command += ["--query", "SELECT * FROM visits ORDER BY phone", "--run-key", "b"]
        command += ["--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--params", ",".join(columns[1:])]
        command += ["--ledger", str(tmp_path / "l.sqlite")]
        keys = {"ESMS_API_KEY": DEMO_API_KEY, "ESMS_SECRET_KEY": DEMO_SECRET_KEY, "ESMS_BASE_URL": served.base_url}
        done = subprocess.run(
            command, env={**os.environ, **keys}, capture_output=True, encoding="utf-8", timeout=240, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert {message.phone for message in gateway.messages()} == {f"090100000{number}" for number in range(7)}
    assert len(server.asked) == 2


def test_project_defaults_to_that_of_the_key_and_invalid_url_setting_is_rejected(server: BigQueryServer) -> None:
    """A project that the address does not name and the key does; a setting that is none."""
    [one] = read_recipients(query("bigquery://"), COLUMNS, template=TEMPLATE)
    assert one.row_key == "V00001"
    with pytest.raises(EsmsError, match="a setting in the address"):
        list(read_recipients(query("bigquery://shop/crm?arraysize=many"), COLUMNS, template=TEMPLATE))
