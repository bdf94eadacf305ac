"""The connections in compose.yaml, read by Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from esms_connectors.airflow.hooks import EsmsHook

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text(encoding="utf-8"))
ENVIRONMENT: dict[str, str] = COMPOSE["services"]["airflow"]["environment"]


def test_hook_reads_compose_connections_and_accepts_the_emulator_container(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    hook = EsmsHook()
    with hook.get_conn() as client:
        assert client.base_url == "http://emulator:8089"
    assert hook.get_connection("warehouse").conn_type == "duckdb"
