"""Callers for the emulator's own tests, in process and over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from gateway_caller import ALL_DELIVERED, Caller

from esms_connectors.emulator import Emulator, EmulatorConfig, VirtualClock
from esms_connectors.emulator.adapter import EmulatorAdapter


@pytest.fixture(name="make_caller")
def fixture_make_caller() -> Iterator[Callable[..., Caller]]:
    """Makes callers in process: `make_caller(progress=..., ...)` takes the fields of EmulatorConfig."""
    sessions: list[requests.Session] = []

    def make(start: str = "2024-05-15 09:00:00", **config: Any) -> Caller:
        config.setdefault("progress", ALL_DELIVERED)
        emulator = Emulator(EmulatorConfig(**config), VirtualClock(start))
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", EmulatorAdapter(emulator))
        sessions.append(session)
        return Caller(emulator, session, "https://rest.esms.vn")

    yield make
    for session in sessions:
        session.close()


@pytest.fixture(name="caller")
def fixture_caller(make_caller: Callable[..., Caller]) -> Caller:
    """One caller in process, on an emulator whose messages all arrive."""
    return make_caller()


@pytest.fixture(name="either", params=["in_process", "socket"])
def fixture_either(request: pytest.FixtureRequest, make_caller: Callable[..., Caller]) -> Iterator[Caller]:
    """The same caller once in process and once over a real socket."""
    caller = make_caller()
    if request.param == "in_process":
        yield caller
        return
    with caller.emulator.serve() as server, requests.Session() as session:
        session.trust_env = False
        yield Caller(caller.emulator, session, server.base_url)
