"""An Airflow home of its own, connections in the environment, and tasks that run outside of any scheduler."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Before the first import of airflow: it makes a home where it finds none.
_HOME = tempfile.mkdtemp(prefix="esms-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

import pytest  # noqa: E402

from esms_connectors import RetryPolicy  # noqa: E402
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer, VirtualClock  # noqa: E402


@dataclass(frozen=True, slots=True)
class QuickRetries(RetryPolicy):
    """An operator has no argument for them, and no test waits for seconds."""

    first_wait_seconds: float = 0.001
    max_wait_seconds: float = 0.002


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esms_connectors.gateway.client.RetryPolicy", QuickRetries)


ENV = "AIRFLOW_CONN_ESMS_DEFAULT"


@dataclass
class StateStore:
    """The task state store as a task sees it: JSON in, JSON out, committed at once."""

    values: dict[str, str] = field(default_factory=dict)
    writes: int = 0

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        assert value is not None
        self.writes += 1
        self.values[key] = json.dumps(value)


@dataclass
class Instance:
    """Who a task instance is."""

    dag_id: str = "campaigns"
    task_id: str = "send"
    run_id: str = "manual__2024-05-15T05:00:00+00:00"
    map_index: int = -1
    try_number: int = 1


@dataclass
class Runs:
    """Runs operators as a worker does: rendered first, then executed; again with `again=True` for another try."""

    store: StateStore | None = field(default_factory=StateStore)
    instance: Instance = field(default_factory=Instance)

    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = {
            "ti": self.instance,
            "ds": "2024-05-15",
            "data_interval_start": datetime(2024, 5, 14, tzinfo=UTC),
            "data_interval_end": datetime(2024, 5, 15, tzinfo=UTC),
            "outlet_events": {},
        }
        if self.store is not None:
            context["task_state_store"] = self.store
        return context

    def __call__(self, operator: Any) -> Any:
        context = self.context()
        operator.render_template_fields(context)
        try:
            return operator.execute(context)
        finally:
            self.instance.try_number += 1


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def gateway() -> Emulator:
    """On the real clock's time, because operators have no other."""
    return Emulator(clock=VirtualClock(datetime.now(UTC).astimezone().isoformat(timespec="seconds")))


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
