"""
This machine's time: asked in one place, so that a test can hand in the emulator's.

Sends, leases, closed windows and words such as "yesterday" go by it. Deadlines of waits do not: a clock that a test
holds still would never reach them.
"""

from __future__ import annotations

from collections.abc import Callable

import pendulum
from pendulum import DateTime


def machine_time() -> DateTime:
    """In UTC, whatever a test has handed in."""
    return pendulum.now("UTC")


source: Callable[[], DateTime] = machine_time
"""Where `now` takes the time from; aware."""


def now() -> DateTime:
    """The time, in UTC."""
    return source().in_timezone("UTC")
