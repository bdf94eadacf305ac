"""
This machine's time, read in one place, so that a test can substitute the emulator's.

Sends, leases, closed windows and words such as "yesterday" use it. Deadlines of waits do not: a clock that a test has
stopped would never reach them.
"""

from __future__ import annotations

from collections.abc import Callable

import pendulum
from pendulum import DateTime


def machine_time() -> DateTime:
    """The real time in UTC, even when a test has replaced `source`."""
    return pendulum.now("UTC")


source: Callable[[], DateTime] = machine_time
"""The source of `now`; returns aware times."""


def now() -> DateTime:
    """The time, in UTC."""
    return source().in_timezone("UTC")
