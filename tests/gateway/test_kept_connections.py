"""On a connection that is kept, each answer is that of its own request, whatever a server or a proxy adds or ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_server import RawServer, read_request
from samples import get_balance, send_customer_care_sms

from esms_connectors import NO_RETRIES, EsmsClient, NotSentError

MakeClient = Callable[..., EsmsClient]


def kept(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def taken(message_id: str) -> bytes:
    return kept(f'{{"CodeResult":"100","SMSID":"{message_id}"}}')


BALANCE = kept('{"CodeResponse":"100","Balance":1}')


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 What"])
def test_interim_http_answers_are_skipped(make_client: MakeClient, interim: str) -> None:
    """Else it counts as lost, and each later message gets the answer about the one before."""

    def answer(connection: socket.socket, request: bytes) -> None:
        for message_id in ("first", "second"):
            connection.sendall(f"HTTP/1.1 {interim}\r\nLink: </a>\r\n\r\n".encode())
            # The client has read that by now, if it takes it for the answer: it asks again.
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                read_request(connection)
            connection.settimeout(5)
            connection.sendall(taken(message_id))
            read_request(connection)

    with RawServer(answer) as server:
        client = make_client(server.base_url)
        sent = [send_customer_care_sms(client) for _ in range(2)]
        assert [(one.message_id, one.attempts) for one in sent] == [("first", 1), ("second", 1)]
        assert server.connections == 1


def test_unasked_answer_within_the_tls_record_of_the_one_before_is_not_used(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    """It is already decrypted then, so that the socket has nothing to read."""
    long = kept(f'{{"CodeResponse":"100","Balance":1,"Padding":"{"x" * 9000}"}}')
    with RawServer(long + taken("of another"), taken("mine"), tls=tls) as server:
        client = make_client(server.base_url, ca_bundle=certificate[0], retries=NO_RETRIES)
        get_balance(client)
        with contextlib.suppress(NotSentError):
            assert send_customer_care_sms(client).message_id == "mine"
        assert len(server.requests) <= 2


@pytest.mark.parametrize("ends", [True, False])
def test_connection_is_checked_after_the_permission_was_granted(make_client: MakeClient, ends: bool) -> None:
    """
    The permission may wait for a locked ledger. A server that hangs up meanwhile has not got the message, and an answer
    that nobody asked for is not about it: it is not sent, and the next attempt uses another connection.
    """
    connections: list[socket.socket] = []

    def first(connection: socket.socket, request: bytes) -> None:
        connections.append(connection)
        connection.sendall(BALANCE)
        read_request(connection)

    def while_permission_is_asked() -> bool:
        if connections:
            connection = connections.pop()
            if ends:
                connection.shutdown(socket.SHUT_WR)
            else:
                connection.sendall(taken("of another"))
        return True

    with RawServer(first, taken("mine")) as server:
        client = make_client(server.base_url, retries=NO_RETRIES).only_while(while_permission_is_asked)
        get_balance(client)
        with pytest.raises(NotSentError):
            send_customer_care_sms(client)
        sent = send_customer_care_sms(client)
        assert (sent.message_id, sent.duplicate) == ("mine", False)
        assert (server.connections, len(server.requests)) == (2, 2)
