"""What time it is on the pages: noon, whatever the machine says. It goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pendulum
import pytest

from esms_connectors.emulator import RealClock

NOON = pendulum.datetime(2026, 11, 8, 12, tz="Asia/Ho_Chi_Minh")


@dataclass(frozen=True)
class PageTime:
    """
    Attributes:
        clock: for the gateway of the page.
        environment: for the programs that the page starts.
    """

    clock: RealClock
    environment: dict[str, str]


def begin(monkeypatch: pytest.MonkeyPatch) -> PageTime:
    """For this process too, as long as the patch lasts."""
    machine_time = pendulum.now
    shift = (NOON - machine_time("UTC")).total_seconds()
    monkeypatch.setattr(pendulum, "now", lambda tz=None: machine_time(tz).add(seconds=shift))
    folder = Path(__file__).with_name("for_children")
    return PageTime(RealClock(NOON), {"PYTHONPATH": str(folder), "PAGE_TIME_SHIFT_SECONDS": str(shift)})
