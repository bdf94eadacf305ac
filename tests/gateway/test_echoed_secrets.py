"""Keys, phones and passwords in places where nobody looks for them: ids, frames, addresses, proxies, terminals."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raw_server import RawServer, http_answer
from samples import PHONE, send_customer_care_sms, send_zns_bulk

from esms_connectors import Credentials, EsmsClient, EsmsError
from esms_connectors.databases.urls import check_database_url
from esms_connectors.emulator import DEMO_SECRET_KEY
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.ledger import Ledger
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse
from esms_connectors.warehouse.postgresql import PostgresWarehouse

MakeClient = Callable[..., EsmsClient]
ECHOES = (DEMO_SECRET_KEY, f"id-{DEMO_SECRET_KEY}", PHONE, f"{PHONE}-1", "84" + PHONE[1:])


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("code", ["100", "124", "146"])
def test_message_id_that_echoes_a_key_or_phone_is_dropped(make_client: MakeClient, echo: str, code: str) -> None:
    """It is stored, pickled and shown in many places: the id is unknown rather than that."""
    body = http_answer(json.dumps({"CodeResult": code, "SMSID": echo, "ErrorMessage": "no"}))
    with RawServer(body) as server:
        try:
            result: Any = send_customer_care_sms(make_client(server.base_url))
        except EsmsError as error:
            result = error
    shown = f"{result!r} {vars(result) if isinstance(result, EsmsError) else result} {pickle.dumps(result)!r}"
    assert DEMO_SECRET_KEY not in shown
    assert PHONE[1:] not in shown
    assert result.message_id is None


def test_bulk_message_id_that_echoes_the_phone_is_dropped(make_client: MakeClient) -> None:
    rows = [{"Phone": PHONE, "SMSID": f"x{PHONE}", "CodeResult": "100"}]
    body = http_answer(json.dumps({"CodeResult": "100", "TotalSuccess": 1, "detail": rows}))
    with RawServer(body) as server:
        first = send_zns_bulk(make_client(server.base_url)).rows[0]
    assert (first.outcome.value, first.message_id) == ("accepted", None)


def test_ordinary_message_id_is_kept(make_client: MakeClient) -> None:
    body = http_answer(json.dumps({"CodeResult": "100", "SMSID": "d4a0b5c6-0901-4f7e-9a1b-000000000001-39"}))
    with RawServer(body) as server:
        assert (
            send_customer_care_sms(make_client(server.base_url)).message_id == "d4a0b5c6-0901-4f7e-9a1b-000000000001-39"
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda key: Credentials("api", key + " "),
        lambda key: Credentials(key + "\n", "secret"),
        lambda key: Credentials.from_env({"ESMS_API_KEY": "api", "ESMS_SECRET_KEY": f"{{{key}}}"}),
        lambda key: Credentials.from_env({"ESMS_SECRET_KEY": key}),
    ],
)
def test_invalid_key_is_absent_from_frame_locals(make: Callable[[str], object]) -> None:
    """Error trackers show the local variables of every frame of ours."""
    key = "Mistyped" + "Key0123456789"
    with pytest.raises(ConfigurationError) as caught:
        make(key)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if "esms_connectors" in frame.f_code.co_filename]
    assert ours
    for frame in ours:
        assert key not in repr(frame.f_locals)


@pytest.mark.parametrize("kind", [EsmsClient, Credentials, Ledger, DuckDbWarehouse, PostgresWarehouse])
def test_repr_works_on_half_constructed_objects(kind: type) -> None:
    """Its constructor failed, and somebody prints the frame."""
    assert repr(kind.__new__(kind)).startswith(kind.__name__)


def refusal(call: Callable[[], Any]) -> str | None:
    """What is said against it; whatever it makes is closed."""
    try:
        made = call()
    except EsmsError as error:
        return str(error)
    if isinstance(made, EsmsClient):
        made.close()
    return None


PASSWORDS = st.text(st.sampled_from("ab1@:/?#%[]+&= \t"), min_size=1, max_size=8).map(lambda text: f"Xq{text}Zw")


@example("Xqp@ssZw")
@example("Xqp@ss:w0rdZw")
@example("Xq12/w@Zw")
@example("Xq?w@Zw")
@example("Xq#Zw")
@example("Xq%zzZw")
@given(PASSWORDS)
def test_database_url_with_any_password_is_parsed_or_rejected_without_exposing_it(password: str) -> None:
    """It is refused in our words, or every library reads the same password, host and database in it."""
    from psycopg.conninfo import conninfo_to_dict
    from sqlalchemy.engine import make_url

    url = f"postgresql://crm:{password}@127.0.0.1:5432/sales"
    said = refusal(lambda: check_database_url(url, "The URL"))
    if said is not None:
        assert "Xq" not in said
        assert "Zw" not in said
        return
    parsed, libpq = make_url(url), conninfo_to_dict(url)
    assert (parsed.host, parsed.database, parsed.port) == ("127.0.0.1", "sales", 5432)
    assert (libpq["host"], libpq["dbname"], libpq["port"]) == ("127.0.0.1", "sales", "5432")
    assert parsed.username == libpq["user"] == "crm"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://crm:secret@db.example:5432/sales?sslmode=require&application_name=a",
        "postgresql://crm:p%40ss%2Fw%23@db-1,db-2:5433/sales",
        "postgresql://[::1]:5432/sales",
        "postgresql:///sales?host=/tmp",
        "postgresql://postgres@/postgres?host=/tmp/pg&options=-csearch_path%3Dx",
        "mssql+pyodbc://user:pw@host/db?driver=ODBC+Driver+18",
        "sqlite:////tmp/a@b#c.sqlite",
        "duckdb:///esms.duckdb",
        "ledger.sqlite",
    ],
)
def test_ordinary_database_urls_are_accepted(url: str) -> None:
    check_database_url(url, "The URL")


@pytest.mark.parametrize("text", ["host=db user=crm password=secret", "dbname = sales password=secret"])
def test_libpq_connection_string_is_rejected_without_exposing_its_password(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_database_url(text, "The URL")
    assert "secret" not in str(caught.value)


# --- settings that other libraries would choke on --------------------------------------------------------------------

SETTINGS = st.text(st.sampled_from("htps:/.@[]%#? \x00\nậ1aZ"), max_size=30)


@pytest.mark.in_turn(every=3)
@example("http://u:mật@127.0.0.1:1")
@example("http://[")
@example("http://h:99999")
@given(SETTINGS.map(lambda text: text) | SETTINGS.map(lambda text: f"http://{text}"))
def test_any_proxy_is_accepted_or_gives_one_line_error(proxy: str) -> None:
    said = refusal(
        lambda: EsmsClient(Credentials("KEY1KEY1", "SECRET1SECRET1"), "https://gateway.invalid", proxy=proxy)
    )
    assert "\n" not in (said or "")


@given(SETTINGS.map(lambda text: f"https://{text}"))
def test_any_base_url_is_accepted_or_gives_one_line_error(base_url: str) -> None:
    said = refusal(lambda: EsmsClient(Credentials("KEY1KEY1", "SECRET1SECRET1"), base_url))
    assert "\n" not in (said or "")


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"]
)
def test_ca_file_without_certificates_is_rejected(tmp_path: Any, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no readable certificates"):
        EsmsClient(Credentials("KEY1KEY1", "SECRET1SECRET1"), "https://gateway.invalid", ca_bundle=path)


@pytest.mark.parametrize("asked", ["9" * 400, "1e15", "-5", "Fri, 31 Dec 9999 23:59:59 GMT", "\u0661"])
def test_any_retry_after_is_at_most_a_week(asked: str) -> None:
    from datetime import timedelta

    from esms_connectors.gateway.answers import _retry_after_seconds

    seconds = _retry_after_seconds(asked, None)
    assert timedelta(seconds=seconds or 0) <= timedelta(days=7)
