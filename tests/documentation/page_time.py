"""What time it is on the pages: noon, whatever the machine says. It goes on from there."""

from __future__ import annotations

from dataclasses import dataclass

import pendulum
import pytest
from time_in_children import environment_in_time_of

from esms_connectors.emulator.progress import RealClock

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
    clock = RealClock(NOON)
    environment = environment_in_time_of(clock)
    machine_time, shift = pendulum.now, float(environment["SHIFT_SECONDS"])
    monkeypatch.setattr(pendulum, "now", lambda tz=None: machine_time(tz).add(seconds=shift))
    return PageTime(clock, environment)
