"""A chain in a process of its own, which a test may kill: `python journey_child.py BASE_URL LEDGER_URL NOW`."""

from __future__ import annotations

import sys

import pendulum
from journeys import AT_ONCE, Chain

from esms_connectors.emulator import Emulator, EmulatorConfig, VirtualClock
from esms_connectors.gateway import machine_clock


class _Server:
    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


def main() -> None:
    base_url, ledger_url, now = sys.argv[1:]
    moment = pendulum.parse(now)
    assert isinstance(moment, pendulum.DateTime)
    machine_clock.source = lambda: moment
    # Only its clock is asked: the gateway is the parent's.
    asked = Emulator(EmulatorConfig(progress=AT_ONCE), clock=VirtualClock(moment))
    journey = Chain(asked, _Server(base_url), ledger_url).journey()
    journey.start()
    journey.advance()


if __name__ == "__main__":
    main()
