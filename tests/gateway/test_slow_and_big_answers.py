"""Servers that drip, flood, or hang up on idle connections."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_server import RawServer, drip
from samples import ANOTHER_PHONE, PHONE, SENDS, get_balance, send_customer_care_sms, send_customer_care_sms_xml

from esms_connectors import (
    NO_RETRIES,
    ConfigurationError,
    EsmsClient,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    Timeouts,
)
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.gateway import transport
from esms_connectors.gateway.connection import CURRENT_REQUEST

pytestmark = pytest.mark.slow

MakeClient = Callable[..., EsmsClient]
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
BALANCE = b'{"CodeResponse":"100","Balance":1}'
# All of an answer that drips: whoever waits for it has waited for longer.
DRIPPING_SECONDS = 12
KEEP_ALIVE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BALANCE) + BALANCE


@pytest.mark.in_turn
@pytest.mark.parametrize("name", [*SENDS, "get_balance"])
def test_slow_body_is_bounded_by_the_total_timeout(make_client: MakeClient, name: str) -> None:
    """A byte now and then beats every read timeout; the attempt as a whole has an end."""
    timeouts = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.8)
    with RawServer(drip(HEAD % 400)) as server:
        client = make_client(server.base_url, timeouts=timeouts, retries=NO_RETRIES)
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="no answer in time"):
            {**SENDS, "get_balance": get_balance}[name](client)
        assert time.monotonic() - started < DRIPPING_SECONDS


@pytest.mark.in_turn
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("name", [*SENDS, "get_balance"])
def test_slow_headers_are_bounded_by_the_total_timeout(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path], name: str, secure: bool
) -> None:
    """Status line and headers count as well, over TLS too: one byte at a time is inside every read timeout."""
    answer = drip(b"HTTP/1.1 200 ", byte=b"O")
    with RawServer(answer, tls=tls if secure else None) as server:
        client = make_client(
            server.base_url,
            ca_bundle=certificate[0],
            timeouts=Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.8),
            retries=NO_RETRIES,
        )
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="no answer in time"):
            {**SENDS, "get_balance": get_balance}[name](client)
        assert time.monotonic() - started < DRIPPING_SECONDS


def test_slow_proxy_is_bounded_by_the_total_timeout(make_client: MakeClient) -> None:
    """Its answer to CONNECT counts as well, and nothing of the request has left by then."""
    with RawServer(drip(b"HTTP/1.1 200 ", byte=b"O")) as proxy:
        timeouts = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.8)
        client = make_client("https://gateway.invalid", proxy=proxy.base_url, timeouts=timeouts, retries=NO_RETRIES)
        started = time.monotonic()
        with pytest.raises(NotSentError):
            send_customer_care_sms(client)
        assert time.monotonic() - started < DRIPPING_SECONDS


def test_waiting_for_a_free_connection_times_out_as_not_sent(make_client: MakeClient) -> None:
    """One socket, and a gateway that holds it: whoever waits for it gives up, and nothing of theirs has left."""

    def half_an_answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD % 400)
        server.stopping.wait(240)

    with RawServer(half_an_answer) as server:
        retries = RetryPolicy(attempts=1, budget_seconds=0.1)
        client = make_client(server.base_url, max_connections=1, retries=retries, timeouts=Timeouts(5, 5, 0.4))
        # A body that is not read keeps the connection taken.
        CURRENT_REQUEST.prepare(5, 5, lambda: True)
        transport_of = client._transport
        taken = transport_of._connections.session.get(server.base_url, stream=True, verify=transport_of._verify)
        with pytest.raises(NotSentError):
            send_customer_care_sms(client)
        taken.close()


def test_slow_chunked_body_is_bounded_by_the_total_timeout(make_client: MakeClient) -> None:
    """Without an announced length too."""

    def chunks(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(400):
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.03)

    with RawServer(chunks) as server:
        timeouts = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.8)
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="no answer in time"):
            send_customer_care_sms(make_client(server.base_url, timeouts=timeouts, retries=NO_RETRIES))
        assert time.monotonic() - started < DRIPPING_SECONDS


@pytest.mark.parametrize("length", [b"Content-Length: 99999999", b"Connection: close"])
def test_oversized_body_is_not_read_completely(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    """Memory is not the server's to fill."""
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
    sent = 0

    def flood(connection: socket.socket, request: bytes) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        for _ in range(1500):
            sent += connection.send(b" " * 65536)

    with RawServer(flood) as server, pytest.raises(OutcomeUnknownError):
        get_balance(make_client(server.base_url, retries=NO_RETRIES))
    assert sent < 40_000_000


def hang_up_when_idle(answers: list[bytes], *, reset: bool) -> Callable[[socket.socket, bytes], None]:
    """Answers one request as if the connection stayed open, then ends it."""

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answers[0])
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    return answer


@pytest.mark.parametrize("reset", [False, True])
def test_idle_connection_closed_by_the_server_is_replaced_without_an_error(
    make_client: MakeClient, reset: bool
) -> None:
    """The next read opens a new one; nobody sees an error, and the server sees each request once."""
    with RawServer(hang_up_when_idle([KEEP_ALIVE], reset=reset)) as server:
        client = make_client(server.base_url, retries=RetryPolicy(attempts=2, first_wait_seconds=0.001))
        for _ in range(3):
            get_balance(client)
            time.sleep(0.05)
        assert (server.connections, len(server.requests)) == (3, 3)


def test_repeatable_calls_share_one_kept_connection(make_client: MakeClient) -> None:
    """Reads and keyed sends share one socket, one after the other."""
    body = b'{"CodeResult":"100","CodeResponse":"100","Balance":1,"SMSID":"id"}'
    keep = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with RawServer(keep) as server:
        client = make_client(server.base_url)
        for _ in range(3):
            get_balance(client)
            send_customer_care_sms(client)
        assert (server.connections, len(server.requests)) == (1, 6)


def test_xml_sends_never_share_a_connection(make_client: MakeClient) -> None:
    """An XML send never goes out on a connection that may have died unnoticed, and ends the one it used."""
    body = b'{"CodeResult":"100","CodeResponse":"100","Balance":1,"SMSID":"id"}'
    keep = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with RawServer(keep) as server:
        client = make_client(server.base_url)
        get_balance(client)
        for _ in range(3):
            send_customer_care_sms_xml(client)
        get_balance(client)
        assert (server.connections, len(server.requests)) == (4, 5)


def test_xml_send_succeeds_after_a_gateway_restart(
    gateway: Emulator, server: EmulatorServer, client: EsmsClient
) -> None:
    """The gateway restarts between two calls: the fresh connection is refused, then accepted, never in doubt."""
    send_customer_care_sms_xml(client)
    server.refuse_connections()
    server.accept_connections()
    send_customer_care_sms_xml(client)
    assert gateway.deliveries_by_phone() == {PHONE: 2, ANOTHER_PHONE: 2}


def test_unresponsive_gateway_is_bounded_by_attempts_and_timeouts(
    gateway: Emulator, server: EmulatorServer, make_client: MakeClient
) -> None:
    """Each attempt has its read timeout."""
    server.latency_seconds = 60
    client = make_client(timeouts=Timeouts(5, 0.1, 5))
    started = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match="no answer in time"):
        send_customer_care_sms(client)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "settings",
    [
        {"timeouts": lambda: Timeouts(connect_seconds=0)},
        {"timeouts": lambda: Timeouts(read_seconds=-1)},
        {"timeouts": lambda: Timeouts(total_seconds=0)},
        {"retries": lambda: RetryPolicy(attempts=0)},
        {"retries": lambda: RetryPolicy(first_wait_seconds=-1)},
        {"retries": lambda: RetryPolicy(budget_seconds=-1)},
        {"max_connections": lambda: 0},
    ],
)
def test_invalid_client_settings_are_rejected(make_client: MakeClient, settings: dict[str, Any]) -> None:
    """When they are made, not at three in the morning."""
    with pytest.raises(ConfigurationError):
        make_client("http://127.0.0.1:9", **{name: make() for name, make in settings.items()})
