"""Programs that tests start live in the time of the test's emulator, not in the machine's."""

from __future__ import annotations

from pathlib import Path

import pendulum

from esms_connectors.emulator.progress import RealClock


def environment_in_time_of(clock: RealClock) -> dict[str, str]:
    """For Python programs of any environment that has the package."""
    shift = (clock.now - pendulum.now("UTC")).total_seconds()
    return {"PYTHONPATH": str(Path(__file__).with_name("in_children")), "SHIFT_SECONDS": str(shift)}
