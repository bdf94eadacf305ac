"""An Airflow home of its own, connections in the environment, and tasks that run outside of any scheduler."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before the first import of airflow: it makes a home where it finds none.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="esms-airflow-")
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

import pytest
from task_runs import Runs

from esms_connectors import RetryPolicy
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer, VirtualClock
from esms_connectors.gateway import machine_clock


@dataclass(frozen=True, slots=True)
class QuickRetries(RetryPolicy):
    """An operator has no argument for them, and no test waits for seconds."""

    first_wait_seconds: float = 0.001
    max_wait_seconds: float = 0.002


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esms_connectors.gateway.client.RetryPolicy", QuickRetries)


ENV = "AIRFLOW_CONN_ESMS_DEFAULT"


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Its clock stands at noon in Vietnam, and what operators make lives by it."""
    virtual = VirtualClock("2024-05-15 12:00:00")
    monkeypatch.setattr(machine_clock, "source", lambda: virtual.now)
    return Emulator(clock=virtual)


@pytest.fixture
def connect(server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets `esms_default`: the emulator, with the changes given; `extra` is merged."""

    def set_connection(extra: dict[str, Any] | None = None, **changes: Any) -> None:
        conn = {
            "conn_type": "esms",
            "host": server.base_url,
            "login": DEMO_API_KEY,
            "password": DEMO_SECRET_KEY,
            "extra": extra or {},
            **changes,
        }
        monkeypatch.setenv(ENV, json.dumps({name: value for name, value in conn.items() if value is not None}))

    set_connection()
    return set_connection


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
