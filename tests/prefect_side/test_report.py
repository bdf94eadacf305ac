"""The flow that reports, on a real server and a real DuckDB file."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pendulum
import pytest
from conftest import artifacts, name_of
from prefect import flow

from esms_connectors.emulator import Emulator
from esms_connectors.prefect import EsmsCredentials, EsmsWarehouse, daily_sent_messages_export, sent_messages_report
from esms_connectors.prefect.days import first_day
from esms_connectors.prefect.reporting import artifact_key


def test_yesterday_as_an_artifact_and_as_files(gateway: Emulator, credentials: EsmsCredentials, tmp_path: Path) -> None:
    """The figures are the gateway's; neither the artifact nor the file has a phone."""
    yesterday = pendulum.yesterday("Asia/Ho_Chi_Minh")
    gateway.populate(300, start=yesterday, end=yesterday + timedelta(days=1), sms_type=2)
    warehouse = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'rows.duckdb'}")
    warehouse.save(f"report-{uuid.uuid4().hex[:8]}")
    daily_sent_messages_export(
        credentials=name_of(credentials), warehouse=name_of(warehouse), sms_types=[2], follow_up_days=0
    )
    told = sent_messages_report(targets=[str(tmp_path / "r.html")], warehouse=name_of(warehouse), language="vi")
    assert told["headline"]["messages"] == 300
    assert told["headline"]["delivered"] == gateway.counts_by_state()[5, 1]
    [artifact] = artifacts(artifact_key("esms-report", name_of(warehouse)))
    shown = artifact.data + (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "300" in artifact.data
    assert not [message.phone for message in gateway.messages() if message.phone in shown]


def test_a_retry_behind_midnight_is_about_the_same_day(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run began yesterday; what the clock says when it runs again does not matter."""
    seen, yesterday = [], pendulum.yesterday("Asia/Ho_Chi_Minh")

    @flow(retries=1)
    def asks() -> None:
        seen.append(first_day(None, 1))
        if len(seen) == 1:
            tomorrow = pendulum.now("UTC").add(days=1)
            monkeypatch.setattr("esms_connectors.prefect.days.pendulum.now", lambda *_: tomorrow)
            raise RuntimeError("once")

    asks()
    assert seen == [yesterday] * 2
