"""Resolvers that hang, hosts with many dead addresses: the time of an attempt includes both."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from samples import SENDS, get_balance

from esms_connectors import NO_RETRIES, EsmsClient, NotSentError, RetryPolicy, Timeouts
from esms_connectors.emulator import Emulator, EmulatorServer

MakeClient = Callable[..., EsmsClient]
SHORT = Timeouts(connect_seconds=5, read_seconds=5, total_seconds=0.2)
FIND = socket.getaddrinfo


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that answers nothing about *.invalid until the test ends; gives the names asked for."""
    asked: list[str] = []
    over = threading.Event()

    def find(host: Any, *args: Any, **named: Any) -> Any:
        if not str(host).endswith(".invalid"):
            return FIND(host, *args, **named)
        asked.append(host)
        over.wait(240)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", find)
    yield asked
    over.set()


@pytest.mark.parametrize("through", ["directly", "by a proxy"])
@pytest.mark.parametrize("name", ["send_zns_bulk", "get_balance"])
def test_hanging_resolver_is_bounded_by_the_total_timeout(
    make_client: MakeClient, hanging: list[str], name: str, through: str
) -> None:
    """Nothing left this machine, and the caller hears of it in the time that was set."""
    more = {"proxy": "http://proxy.invalid:3128"} if through == "by a proxy" else {}
    client = make_client("https://gateway.invalid", timeouts=SHORT, retries=NO_RETRIES, **more)
    started = time.monotonic()
    with pytest.raises(NotSentError, match="proxy could not" if more else "no connection in time"):
        {**SENDS, "get_balance": get_balance}[name](client)
    assert time.monotonic() - started < 30


def test_retries_share_one_pending_name_lookup(make_client: MakeClient, hanging: list[str]) -> None:
    """A name server that is away for hours must not fill the process with threads."""
    again = RetryPolicy(attempts=4, first_wait_seconds=0.001, max_wait_seconds=0.002)
    client = make_client("https://again.invalid", timeouts=SHORT, retries=again)
    for _ in range(2):
        with pytest.raises(NotSentError):
            get_balance(client)
    assert hanging == ["again.invalid"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_process_starts_its_own_name_lookup(make_client: MakeClient, hanging: list[str]) -> None:
    """The thread that would answer is the other process's."""
    client = make_client("https://forked.invalid", timeouts=SHORT, retries=NO_RETRIES)
    with pytest.raises(NotSentError):
        get_balance(client)
    child = os.fork()
    if child == 0:
        try:
            get_balance(client)
        except NotSentError:
            os._exit(len(hanging))
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


def test_unknown_host_name_is_reported_as_not_sent(make_client: MakeClient) -> None:
    client = make_client("https://nowhere.invalid", retries=NO_RETRIES)
    with pytest.raises(NotSentError, match="the host name is not known"):
        get_balance(client)


def addresses_of(*hosts: str) -> Callable[..., Any]:
    def find(host: Any, port: Any, *args: Any, **named: Any) -> Any:
        if host != "localhost" and not str(host).endswith(".invalid"):
            return FIND(host, port, *args, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts]

    return find


def test_unresponsive_addresses_share_one_total_timeout(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address had the whole time before: five of them, five times as long."""
    with socket.socket() as full, socket.socket() as first:
        # Nobody accepts, and the one place in the queue is taken.
        full.bind(("0.0.0.0", 0))
        full.listen(0)
        port = full.getsockname()[1]
        first.connect(("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", addresses_of(*(f"127.0.0.{last}" for last in range(1, 9))))
        timeouts = Timeouts(connect_seconds=15, read_seconds=5, total_seconds=0.5)
        client = make_client(f"https://silent.invalid:{port}", timeouts=timeouts, retries=NO_RETRIES)
        started = time.monotonic()
        with pytest.raises(NotSentError, match="in time"):
            get_balance(client)
        assert time.monotonic() - started < 30


def test_next_address_is_tried_when_the_first_refuses(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a host refuses, the second answers."""
    gateway = Emulator()
    with EmulatorServer(gateway) as server:
        monkeypatch.setattr(socket, "getaddrinfo", addresses_of("127.0.0.9", "127.0.0.1"))
        client = make_client(server.base_url.replace("127.0.0.1", "localhost"), retries=NO_RETRIES)
        get_balance(client)
        assert gateway.call_count("get_balance") == 1
