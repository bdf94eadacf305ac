"""Connection -> client, as a pure function and through the hook; what Airflow and its form are told about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseHook

from esms_connectors import ConfigurationError
from esms_connectors.airflow.connections import Settings, client_from_settings, database_url, settings_of
from esms_connectors.airflow.hooks import EsmsHook
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
)
from esms_connectors.emulator.faults import code

KEY, SECRET = "CANARY0API0KEY0OF0THIS0TEST", "CANARY0SECRET0OF0THIS0TEST"


def conn(**changes: Any) -> Any:
    values = {"conn_id": "shop", "conn_type": "esms", "host": None, "schema": None, "login": KEY, "password": SECRET}
    return SimpleNamespace(**{**values, "port": None, **changes})


def test_connection_extras_are_applied_to_settings_and_client() -> None:
    """Base URL, sandbox, timeouts and limit; the rest stays for operators."""
    extra = {"sandbox": True, "read_timeout_seconds": 7, "requests_per_second": "20", "brandname": "Shop", "oa_id": "1"}
    settings = settings_of(conn(host="http://127.0.0.1:8089"), extra)
    assert (settings.brandname, settings.oa_id, settings.requests_per_second) == ("Shop", "1", 20.0)
    with client_from_settings(settings) as client:
        assert (client.base_url, client.sandbox) == ("http://127.0.0.1:8089", True)


@pytest.mark.parametrize(
    ("host", "port", "base_url"),
    [
        ("rest.example.test", None, "https://rest.example.test"),
        ("rest.example.test", 8443, "https://rest.example.test:8443"),
        ("https://rest.example.test/", None, "https://rest.example.test"),
        ("rest.example.test", 0, "https://rest.example.test"),
        (None, None, "https://rest.esms.vn"),
    ],
)
def test_base_url_is_derived_from_host_and_port(host: str | None, port: int | None, base_url: str) -> None:
    """A connection in the form of a URI cannot hold a scheme in its host: https is meant."""
    with client_from_settings(settings_of(conn(host=host, port=port), {})) as client:
        assert client.base_url == base_url


@pytest.mark.parametrize(
    ("changes", "extra", "fragment"),
    [
        ({"conn_type": "http"}, {}, "type 'http'"),
        ({"login": None}, {}, "ApiKey"),
        ({"password": None}, {}, "SecretKey"),
        ({}, {"sandbox": "perhaps"}, "sandbox"),
        ({}, {"sandbx": True}, "sandbx"),
        ({}, {"read_timeout_seconds": 0}, "read_timeout_seconds"),
        ({}, {"requests_per_second": "many"}, "requests_per_second"),
    ],
)
def test_invalid_connection_gives_one_line_error_naming_the_connection(
    changes: dict[str, Any], extra: Any, fragment: str
) -> None:
    """And shows neither key."""
    with pytest.raises(ConfigurationError, match=fragment) as error:
        settings_of(conn(**changes), extra)
    assert "shop" in str(error.value)
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    assert SECRET not in str(error.value)


def test_plain_http_to_a_remote_host_is_rejected() -> None:
    """It would expose the keys to everyone on the network path."""
    with pytest.raises(ConfigurationError, match="plain http"):
        client_from_settings(settings_of(conn(host="http://rest.example.test"), {}))


def test_settings_repr_contains_no_secrets() -> None:
    """Settings are held by the hook, and may end in somebody's log."""
    settings = settings_of(conn(), {"ledger_url": "postgresql://u:PASSWORD1234@h/d", "ledger_secret": "LEDGERSECRET"})
    assert isinstance(settings, Settings)
    for secret in (KEY, SECRET, "PASSWORD1234", "LEDGERSECRET"):
        assert secret not in repr(settings)
    assert {KEY, SECRET, "LEDGERSECRET"} <= set(settings.secrets)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        (
            {
                "conn_type": "postgres",
                "host": "db",
                "login": "a b",
                "password": "p@ss/1",
                "schema": "crm",
                "port": 5433,
            },
            "postgresql://a%20b:p%40ss%2F1@db:5433/crm",
        ),
        ({"conn_type": "sqlite", "host": "/var/lib/l.sqlite"}, "sqlite:////var/lib/l.sqlite"),
        (
            {"conn_type": "postgres", "host": "/run/pg", "login": "u", "password": None, "schema": "d"},
            "postgresql://u@/d?host=%2Frun%2Fpg",
        ),
    ],
)
def test_database_connection_is_converted_to_an_escaped_url(changes: dict[str, Any], url: str) -> None:
    """Whatever the password holds."""
    assert database_url(conn(**changes), {}, purpose="the ledger") == url


@pytest.mark.parametrize(
    ("extra", "query"),
    [
        (
            {"sslmode": "verify-full", "sslrootcert": "/etc/ca b.pem"},
            "?sslmode=verify-full&sslrootcert=%2Fetc%2Fca%20b.pem",
        ),
        ({"options": "-c role=etl", "keepalives_idle": 5, "sslmode": ""}, "?options=-c%20role%3Detl&keepalives_idle=5"),
        ({"cursor": "dictcursor", "iam": False}, ""),
    ],
)
def test_only_libpq_parameters_of_extra_are_added_to_the_url(extra: dict[str, Any], query: str) -> None:
    """A connection that must be encrypted was not, without a word."""
    postgres = conn(conn_type="postgres", host="db", login="u", password=None, schema="d")
    assert database_url(postgres, extra, purpose="the ledger") == f"postgresql://u@db/d{query}"


@pytest.mark.parametrize("extra", [{"aws_conn_id": "aws", "iam": True}, {"sslmod": "require"}, {"options": {"a": "b"}}])
def test_unsupported_extra_parameters_are_rejected_by_name(extra: dict[str, Any]) -> None:
    """A connection by IAM, or a misspelt sslmode, was one without."""
    postgres = conn(conn_type="postgres", host="db", login="u", password="p", schema="d")
    with pytest.raises(ConfigurationError, match=", ".join(sorted(extra))):
        database_url(postgres, extra, purpose="the ledger")


def test_mysql_connection_is_rejected_as_ledger() -> None:
    """MySQL cannot be a ledger."""
    with pytest.raises(ConfigurationError, match="mysql"):
        database_url(conn(conn_type="mysql"), {}, purpose="the ledger")


def test_connection_test_reads_the_balance_and_sends_nothing(connect: Callable[..., None], gateway: Emulator) -> None:
    """`test_connection` asks for the balance and sends nothing."""
    works, text = EsmsHook().test_connection()
    assert (works, "1,000,000,000 VND" in text) == (True, True)
    assert gateway.call_count("get_balance") == 1
    assert list(gateway.messages()) == []


@pytest.mark.parametrize(
    ("extra", "fragment"),
    [
        ({"alert_phones": "0901 000 001, 12", "brandname": "Shop"}, "phone 2"),
        ({"alert_phones": "0901000001"}, "brandname"),
        ({"ledger_url": "postgresql://u:PASSWORD1234@h/d"}, "ledger_conn_id"),
        ({"ledger_url": "postgresql://u:PASS@WORD1234@h/d"}, "ledger_conn_id"),
        ({"ledger_url": "postgresql://h/d?password=PASSWORD1234"}, "ledger_conn_id"),
        ({"callback_url": "https://shop.test/cb/TOKENTOKEN1234", "callback_token": "TOKENTOKEN1234"}, "{token}"),
        ({"callback_url": "https://shop.test/cb/{token}"}, "callback_token"),
    ],
)
def test_connection_test_reports_invalid_extras_and_exposed_secrets(
    connect: Callable[..., None], extra: dict[str, str], fragment: str
) -> None:
    """Alerts that reach nobody; and secrets in places that Airflow shows to whoever may see connections."""
    connect(extra)
    works, text = EsmsHook().test_connection()
    assert (works, fragment in text, "\n" in text) == (False, True, False)
    assert [one for one in ("PASSWORD1234", "WORD1234", "TOKENTOKEN1234", "0901000001") if one in text] == []


def test_airflow_redacts_secret_fields_of_the_connection(connect: Callable[..., None]) -> None:
    """As its REST API does; what it does not hide is refused when it is a secret, by the test above."""
    from airflow.sdk.log import redact

    secret = {"api_key": KEY, "ledger_secret": SECRET, "callback_token": SECRET, "proxy": f"http://u:{SECRET}@p"}
    assert set(redact(secret).values()) == {"***"}
    connect({"callback_url": "https://shop.test/cb/{token}", "callback_token": "TOKENTOKEN1234"})
    assert EsmsHook().settings().callback_url == "https://shop.test/cb/TOKENTOKEN1234"


def test_hook_provides_a_client_on_an_event_loop(connect: Callable[..., None]) -> None:
    """As triggers use it; the calls themselves go into a thread."""

    async def ask() -> Any:
        with await EsmsHook().aget_conn() as client:
            return (await asyncio.to_thread(client.get_balance)).balance_vnd

    assert asyncio.run(ask()) == 1_000_000_000


def test_api_key_may_be_given_in_extra(connect: Callable[..., None]) -> None:
    """Airflow shows a login; the extra `api_key` it hides."""
    connect({"api_key": DEMO_API_KEY}, login=None)
    assert EsmsHook().test_connection()[0] is True


@pytest.mark.parametrize(
    ("extra", "works", "fragment"),
    [
        ({"brandname": DEMO_BRANDNAME, "oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID}, True, "ENABLE"),
        ({"brandname": "Nobody"}, False, "Nobody is not registered"),
        ({"oa_id": "1"}, False, "1 is not connected"),
        ({"oa_id": DEMO_OA_ID, "template_id": "999"}, False, "789"),
    ],
)
def test_connection_test_verifies_brandname_oa_and_template(
    connect: Callable[..., None], gateway: Emulator, extra: dict[str, Any], works: bool, fragment: str
) -> None:
    """Brandname, OA and template, as the account has them; nothing is sent."""
    connect(extra)
    found, text = EsmsHook().test_connection()
    assert (found, fragment in text, "\n" in text) == (works, True, False), text
    assert gateway.message_count == 0


def test_connection_test_reports_missing_ca_bundle(connect: Callable[..., None]) -> None:
    """Before anything is asked."""
    connect({"ca_bundle": "/no/such.pem"})
    works, text = EsmsHook().test_connection()
    assert (works, "/no/such.pem" in text) == (False, True)


@pytest.mark.parametrize(("gateway_code", "fragment"), [("101", "101"), ("140", "140")])
def test_connection_test_reports_gateway_code_without_the_secret_key(
    connect: Callable[..., None], gateway: Emulator, gateway_code: str, fragment: str
) -> None:
    """With the code, without the keys."""
    gateway.faults.add("get_balance", code(gateway_code))
    works, text = EsmsHook().test_connection()
    assert (works, fragment in text) == (False, True)
    assert DEMO_SECRET_KEY not in text


def test_connection_test_reports_unreachable_gateway_in_one_line(connect: Callable[..., None]) -> None:
    """One line, no traceback."""
    connect(host="http://127.0.0.1:9")
    works, text = EsmsHook().test_connection()
    assert (works, "\n" in text, DEMO_API_KEY in text) == (False, False, False)


def test_missing_connection_gives_configuration_error() -> None:
    """And where to add it."""
    with pytest.raises(ConfigurationError, match="no connection 'nowhere'"):
        EsmsHook("nowhere").settings()


@pytest.mark.parametrize("extra", ["{sandbox: true", "[]", "0", '"sandbox"'])
def test_extra_that_is_not_a_json_object_is_rejected(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    """A sandbox flag that cannot be read would send for real."""
    read = BaseHook.get_connection("esms_default")
    read.extra = extra
    monkeypatch.setattr(BaseHook, "get_connection", classmethod(lambda cls, conn_id: read))
    with pytest.raises(ConfigurationError, match="must be a JSON object"):
        EsmsHook().settings()


def test_reading_the_connection_registers_both_keys_for_masking(connect: Callable[..., None]) -> None:
    """Airflow masks passwords by itself, logins never."""
    from airflow.sdk.log import redact

    connect(login=KEY, password=SECRET)
    EsmsHook().settings()
    shown = json.dumps(redact(f"login {KEY} password {SECRET}"))
    assert KEY not in shown
    assert SECRET not in shown
