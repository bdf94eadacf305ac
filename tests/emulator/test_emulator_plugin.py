"""The fixtures for pipelines of others: keys, address and time of what they test are the emulator's."""

from __future__ import annotations

from pathlib import Path

import pendulum
import pytest

from esms_connectors import EsmsClient
from esms_connectors.emulator.faults import drop_after
from esms_connectors.emulator.pytest_plugin import RunningEmulator
from esms_connectors.gateway.times import read_time
from esms_connectors.ledger import Ledger


@pytest.fixture(autouse=True)
def machine_time(monkeypatch: pytest.MonkeyPatch) -> pendulum.DateTime:
    """Two minutes before midnight in Vietnam: no request id surely holds a second message back any more."""
    late = pendulum.datetime(2026, 12, 31, 23, 58, tz="Asia/Ho_Chi_Minh")
    monkeypatch.setattr(pendulum, "now", lambda tz=None: late.in_timezone(tz or "UTC"))
    return late


def test_lost_response_is_repeated_close_to_midnight(esms_emulator: RunningEmulator) -> None:
    """The example of the README, at the hour at which a client by itself would not repeat it."""
    esms_emulator.emulator.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    with EsmsClient.from_env() as client:
        assert client.send_customer_care_sms("0901888484", "Xin chào", "Baotrixemay").duplicate
    assert esms_emulator.emulator.deliveries_by_phone() == {"0901888484": 1}


def test_ledger_and_relative_times_use_the_emulator_clock(esms_emulator: RunningEmulator, tmp_path: Path) -> None:
    """Which stands still until it is moved."""
    esms_emulator.advance(3600)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.now() == esms_emulator.emulator.clock.now
    assert read_time("now", "start") == esms_emulator.emulator.clock.now
    assert read_time("today", "start") == esms_emulator.emulator.clock.now.start_of("day")


def test_machine_clock_is_used_without_the_fixture(machine_time: pendulum.DateTime) -> None:
    """Also behind a test that had it."""
    assert read_time("now", "start") == machine_time
