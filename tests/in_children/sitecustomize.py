"""
Python imports this before anything else where its folder stands in PYTHONPATH: the program then lives SHIFT_SECONDS
away from the machine's time. The package asks `pendulum.now`, its emulator `time.time_ns`.
"""

import os
import time


def shift_time(seconds: float) -> None:
    import pendulum

    machine_time, machine_time_ns = pendulum.now, time.time_ns
    pendulum.now = lambda tz=None: machine_time(tz).add(seconds=seconds)
    time.time_ns = lambda: machine_time_ns() + round(seconds * 1_000_000_000)


if "SHIFT_SECONDS" in os.environ:
    shift_time(float(os.environ["SHIFT_SECONDS"]))
