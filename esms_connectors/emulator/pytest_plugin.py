"""
Pytest fixtures for pipelines that send through eSMS.vn.

    def test_my_pipeline(esms_emulator):
        run_my_pipeline()                                   # reads ESMS_BASE_URL, ESMS_API_KEY, ESMS_SECRET_KEY
        assert esms_emulator.emulator.deliveries_by_phone() == {"0901888484": 1}

Registered as an entry point, so no import is needed. The emulator itself is loaded when a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import requests

    from .emulator import Emulator

__all__ = ["InProcessEmulator", "RunningEmulator", "esms_emulator", "esms_emulator_in_process"]


@dataclass(frozen=True)
class RunningEmulator:
    """A served emulator: `base_url` to call, `emulator` to script and to inspect."""

    emulator: Emulator
    base_url: str
    api_key: str
    secret_key: str = field(repr=False)

    def advance(self, seconds: float) -> None:
        """Advance the virtual clock; messages progress accordingly."""
        self.emulator.advance(seconds)


@dataclass(frozen=True)
class InProcessEmulator:
    """An emulator without a socket: mount `adapter()` on your `requests` session, or use `session()`."""

    emulator: Emulator
    base_url: str
    api_key: str
    secret_key: str = field(repr=False)

    def adapter(self) -> requests.adapters.BaseAdapter:
        """A transport adapter for `session.mount(base_url, ...)`."""
        from .adapter import EmulatorAdapter

        return EmulatorAdapter(self.emulator)

    def session(self) -> requests.Session:
        """A session whose every https request is answered by the emulator."""
        import requests

        session = requests.Session()
        session.trust_env = False
        session.mount("https://", self.adapter())
        return session

    def advance(self, seconds: float) -> None:
        """Advance the virtual clock; messages progress accordingly."""
        self.emulator.advance(seconds)


def _new_emulator() -> Emulator:
    from .emulator import Emulator
    from .progress import VirtualClock

    return Emulator(clock=VirtualClock())


def _point_at(running: RunningEmulator | InProcessEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set keys, address and clock, so that everything in this process uses the emulator and its time."""
    clock = running.emulator.clock
    # By name, because the emulator shares no code with the client.
    monkeypatch.setattr("esms_connectors.gateway.machine_clock.source", lambda: clock.now)
    # Variables of the developer's shell must not affect the tests.
    monkeypatch.delenv("ESMS_SANDBOX", raising=False)
    monkeypatch.setenv("ESMS_API_KEY", running.api_key)
    monkeypatch.setenv("ESMS_SECRET_KEY", running.secret_key)
    monkeypatch.setenv("ESMS_BASE_URL", running.base_url)


@pytest.fixture
def esms_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEmulator]:
    """
    A fresh emulator on a loopback port, with a virtual clock; the ESMS_* environment variables point at it.

    Clients, ledgers and tasks of this process use its clock, too, so that tests do not depend on the time of day.
    """
    from .world import DEMO_API_KEY, DEMO_SECRET_KEY

    emulator = _new_emulator()
    with emulator.serve() as server:
        running = RunningEmulator(emulator, server.base_url, DEMO_API_KEY, DEMO_SECRET_KEY)
        _point_at(running, monkeypatch)
        yield running


@pytest.fixture
def esms_emulator_in_process(monkeypatch: pytest.MonkeyPatch) -> InProcessEmulator:
    """
    A fresh emulator with a virtual clock and no socket; the ESMS_* variables hold its keys and an https address.

    Clients, ledgers and tasks of this process use its clock, too.
    """
    from .world import DEMO_API_KEY, DEMO_SECRET_KEY

    in_process = InProcessEmulator(_new_emulator(), "https://rest.esms.vn", DEMO_API_KEY, DEMO_SECRET_KEY)
    _point_at(in_process, monkeypatch)
    return in_process
