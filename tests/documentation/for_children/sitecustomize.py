"""
Python imports this before anything else where its folder stands in PYTHONPATH: the programs that a page starts live in
the time of the page, as the test and its gateway do. The package asks `pendulum.now`, its emulator `time.time_ns`.
"""

import os
import time


def live_in_the_time_of_the_page(shift_seconds: float) -> None:
    import pendulum

    machine_time, machine_time_ns = pendulum.now, time.time_ns
    pendulum.now = lambda tz=None: machine_time(tz).add(seconds=shift_seconds)
    time.time_ns = lambda: machine_time_ns() + round(shift_seconds * 1_000_000_000)


if "PAGE_TIME_SHIFT_SECONDS" in os.environ:
    live_in_the_time_of_the_page(float(os.environ["PAGE_TIME_SHIFT_SECONDS"]))
