"""Whoever sends is asked once more when the request is ready: before its first byte leaves, and for each attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from raw_server import RawServer
from samples import KEYED_SENDS, PHONE, SENDS, send_customer_care_sms
from waiting import wait_until

from esms_connectors import EsmsClient, NotSentError, OutcomeUnknownError, Timeouts
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.emulator.adapter import EmulatorAdapter
from esms_connectors.emulator.faults import drop_after, http_status
from esms_connectors.gateway.errors import NotAllowedToLeaveError

MakeClient = Callable[..., EsmsClient]


@pytest.mark.parametrize("name", SENDS)
def test_request_is_not_written_without_permission(make_client: MakeClient, name: str) -> None:
    """The connection stands, no byte of the request is on it, and the caller may repeat freely."""
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as server:
        with pytest.raises(NotAllowedToLeaveError) as caught:
            SENDS[name](make_client(server.base_url).only_while(lambda: False))
        wait_until(lambda: server.connections == 1)
        assert server.requests == []
    assert isinstance(caught.value, NotSentError)
    assert caught.value.attempts == 0


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False)])
def test_every_permission_check_must_allow_the_send(
    gateway: Emulator, make_client: MakeClient, first: bool, second: bool
) -> None:
    """A run that was told to end and a claim that is not ours any more are two askers of one client."""
    client = make_client().only_while(lambda: first).only_while(lambda: second)
    with pytest.raises(NotAllowedToLeaveError):
        send_customer_care_sms(client)
    assert gateway.message_count == 0


@pytest.mark.parametrize("name", KEYED_SENDS)
def test_permission_is_checked_before_each_attempt(gateway: Emulator, make_client: MakeClient, name: str) -> None:
    """The first attempt was allowed and is in doubt, the second is not: unknown, not "not sent"."""
    leave = iter([True, True])  # for the first attempt and the call that asks for the time
    gateway.faults.add(name, drop_after())
    with pytest.raises(OutcomeUnknownError):
        KEYED_SENDS[name](make_client().only_while(lambda: next(leave, False)))
    assert gateway.call_count(name) == 1
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_permission_is_checked_after_the_throttle_and_the_wait_for_a_connection(
    gateway: Emulator, server: EmulatorServer, make_client: MakeClient
) -> None:
    """One socket, taken by a slow call: the second call is ready only when that has ended, and is asked then."""
    order: list[str] = []

    class Noted:
        def acquire(self, timeout_seconds: float) -> bool:
            order.append("throttle")
            return True

    client = make_client(max_connections=1, throttle=Noted(), timeouts=Timeouts(60, 60, 120))
    held, go_on = threading.Event(), threading.Event()

    def hold(_call: object) -> None:
        if not held.is_set():
            held.set()
            go_on.wait(240)
            order.append("first answered")

    gateway.on_call("send_customer_care_sms", hold)
    first = threading.Thread(target=send_customer_care_sms, args=(client,), kwargs={"request_id": "first"})
    first.start()
    held.wait(240)

    def asked() -> bool:
        order.append("asked")
        return False

    def second() -> None:
        with pytest.raises(NotAllowedToLeaveError):
            send_customer_care_sms(client.only_while(asked), request_id="second")

    other = threading.Thread(target=second)
    other.start()
    wait_until(lambda: order.count("throttle") == 2)
    go_on.set()
    first.join()
    other.join()
    assert order == ["throttle", "throttle", "first answered", "asked"]
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_permission_is_checked_with_a_custom_adapter(gateway: Emulator, make_client: MakeClient) -> None:
    """Nothing is handed to it."""
    client = make_client("http://127.0.0.1:1", adapter=EmulatorAdapter(gateway))
    with pytest.raises(NotAllowedToLeaveError):
        send_customer_care_sms(client.only_while(lambda: False))
    assert gateway.call_count("send_customer_care_sms") == 0
    send_customer_care_sms(client)
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_only_while_does_not_change_the_original_client(gateway: Emulator, client: EsmsClient) -> None:
    """The view shares connections and stop with it, not the question."""
    client.only_while(lambda: False)
    send_customer_care_sms(client)
    gateway.faults.add("send_customer_care_sms", http_status(503), next_calls=1)
    send_customer_care_sms(client.only_while(lambda: True))
    assert gateway.deliveries_by_phone() == {PHONE: 2}


def test_forked_process_gets_its_own_connections(gateway: Emulator, client: EsmsClient) -> None:
    """Two processes that write to one socket would garble each other's requests."""
    import os

    send_customer_care_sms(client)
    before: Any = client._transport._connections.session
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, b"new" if client._transport._connections.session is not before else b"old")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 3) == b"new"
    os.close(reading)
    os.close(writing)
    assert client._transport._connections.session is before
