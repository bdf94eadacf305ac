"""Networks of companies: endless answers, states of HTTP that pass, and mistakes of this machine told as such."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_server import RawServer, http_answer
from samples import PHONE, SENDS, get_balance

from esms_connectors import (
    NO_RETRIES,
    ConfigurationError,
    EsmsClient,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    Timeouts,
)
from esms_connectors.gateway import connection
from esms_connectors.gateway.credentials import Credentials

MakeClient = Callable[..., EsmsClient]
KEYS = Credentials("KEY0FOR0TESTS", "SECRET0FOR0TESTS")
BALANCE = http_answer('{"CodeResponse":"100","Balance":1}')
SHORT = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.8)


def flood(piece: bytes) -> Callable[[Any, bytes], None]:
    """As much of it as the other side takes."""

    def answer(sock: Any, _: bytes) -> None:
        try:
            while True:
                sock.sendall(piece * 500)
        except OSError:
            pass

    return answer


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_GRACE_SECONDS", 0.1)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", ["send_zns_bulk", "get_balance"])
def test_endless_interim_answers_are_bounded_by_the_total_timeout(make_client: MakeClient, name: str) -> None:
    """100 Continue for ever arrives in time, each of them."""
    with RawServer(flood(b"HTTP/1.1 100 Continue\r\n\r\n")) as server:
        client = make_client(server.base_url, timeouts=SHORT, retries=NO_RETRIES)
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            {**SENDS, "get_balance": get_balance}[name](client)
        assert time.monotonic() - started < 30


def test_endless_proxy_answer_is_bounded_and_means_not_sent(make_client: MakeClient) -> None:
    """Before the tunnel stands nothing has left."""
    with RawServer(flood(b"HTTP/1.1 100 Continue\r\n\r\n")) as proxy:
        client = make_client("https://gateway.invalid", proxy=proxy.base_url, timeouts=SHORT, retries=NO_RETRIES)
        started = time.monotonic()
        with pytest.raises(NotSentError):
            get_balance(client)
        assert time.monotonic() - started < 30


@pytest.mark.parametrize("status", ["408 Request Timeout", "421 Misdirected Request", "425 Too Early"])
def test_transient_http_statuses_repeat_reads_and_leave_sends_unknown(make_client: MakeClient, status: str) -> None:
    """A reading call is repeated; a send keeps its doubt, and nobody asks whether the base URL is right."""
    quick = RetryPolicy(attempts=2, first_wait_seconds=0.01, budget_seconds=5)
    refused = http_answer("<html>no</html>", status=status)
    with RawServer(refused, BALANCE) as server:
        assert get_balance(make_client(server.base_url, retries=quick)).balance_vnd == 1
    with RawServer(refused) as server:
        with pytest.raises(OutcomeUnknownError) as caught:
            make_client(server.base_url, retries=NO_RETRIES).send_customer_care_sms(PHONE, "hi", "Brand")
        assert status[:3] in str(caught.value)
        assert "base URL" not in str(caught.value)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "value", ["9" * 5_000, "1e400", "-5", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", ""]
)
def test_extreme_retry_after_values_do_not_prolong_the_call(make_client: MakeClient, value: str) -> None:
    """However long: it ends the call, or is passed over."""
    busy = http_answer("busy", status="429 Too Many Requests", headers=[f"Retry-After: {value}"] if value else [])
    quick = RetryPolicy(attempts=2, first_wait_seconds=0.01, budget_seconds=0.5)
    with RawServer(busy) as server:
        started = time.monotonic()
        with pytest.raises(Exception, match=r"HTTP 429|160") as caught:
            get_balance(make_client(server.base_url, retries=quick))
        assert time.monotonic() - started < 30
        assert getattr(caught.value, "retry_after_seconds", None) is None or caught.value.retry_after_seconds <= 604_800


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("https://gw.test/path:8443", "port after the path"),
        ("https://gw.test/path:8443/", "port after the path"),
        ("https://gw.test/a b", "contains a space"),
        ("http://gw.test", "plain http"),
        ("gw.test:8443", "needs a scheme"),
        ("https://gw.test:port", "cannot be read"),
    ],
)
def test_invalid_base_url_is_rejected_on_construction(base_url: str, words: str) -> None:
    """Said when the client is made."""
    with pytest.raises(ConfigurationError, match=words):
        EsmsClient(KEYS, base_url)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1", "speaks socks5, which is not supported"),
        ("socks5h://u:5ecret@127.0.0.1:1", "speaks socks5h"),
        ("http://u:5ecret@t@127.0.0.1:1", "special characters are %XX"),
        ("http://u:mật5ecret@127.0.0.1:1", "special characters are %XX"),
        ("http://u:5ecret#@127.0.0.1:1", "special characters are %XX"),
        ("127.0.0.1:3128", "scheme, host and port"),
        ("http//proxy:3128", "scheme, host and port"),
        ("http://proxy:port", "scheme, host and port"),
    ],
)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_invalid_proxy_is_rejected_without_exposing_its_password(
    proxy: str, words: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line without its password, before anything is tried."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy if way == "environment" else "")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=words) as caught:
        EsmsClient(KEYS, "https://gw.test", proxy=proxy if way == "argument" else None)
    assert "5ecret" not in str(caught.value)


def test_invalid_proxy_is_rejected_for_loopback_too() -> None:
    """None is used for loopback, but whoever tries a block or command with the emulator would learn of it too late."""
    with pytest.raises(ConfigurationError, match="speaks socks5"):
        EsmsClient(KEYS, "http://127.0.0.1:1", proxy="socks5://127.0.0.1:1")


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e12])
def test_invalid_timeouts_are_rejected(seconds: float) -> None:
    """Of no length, or of one that no clock reaches: each of the three."""
    for name in ("connect_seconds", "read_seconds", "total_seconds"):
        with pytest.raises(ConfigurationError, match="at most a day"):
            Timeouts(**{name: seconds})


@pytest.mark.parametrize("kind", ["rubbish", "der", "key", "empty", "none"])
def test_unusable_ca_file_is_rejected(tmp_path: Path, certificate: tuple[Path, Path], kind: str) -> None:
    """Binary ones are told how to be converted."""
    path = tmp_path / "ca.pem"
    if kind == "der":
        path.write_bytes(ssl.PEM_cert_to_DER_cert(certificate[0].read_text()))
    elif kind != "none":
        path.write_bytes({"rubbish": bytes(range(256)), "key": certificate[1].read_bytes(), "empty": b""}[kind])
    with pytest.raises(ConfigurationError, match="does not exist" if kind == "none" else "openssl x509 -inform der"):
        EsmsClient(KEYS, "https://gw.test", ca_bundle=path)
