"""Waiting for a state, with a limit that only ends hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(check: Callable[[], T], seconds: float = 60, every: float = 0.005) -> T:
    """Call `check` until its result is true, and return that."""
    until = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < until, f"not within {seconds:.0f} s"
        time.sleep(every)
    return found
