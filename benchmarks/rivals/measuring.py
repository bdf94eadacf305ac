"""What every contestant is given, and how it is measured: a fresh process, from its start to its end."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PATH = "MainService.svc/json/GetSmsSentData_V2"
PAGE_SIZE = 500


@dataclass(frozen=True)
class Job:
    """
    What is to be done.

    Attributes:
        target: duckdb, postgresql, parquet, or what a script without a target can do.
        address: a file, a URL of PostgreSQL, a folder.
        folder: for whatever must be kept between the first load and the next.
        file_format: what dlt loads by; empty for its default.
        start, end: the day, aware.
    """

    base_url: str
    api_key: str
    secret_key: str
    sms_type: int
    start: str
    end: str
    rows: int
    threads: int
    target: str
    address: str
    folder: str
    file_format: str = ""

    def body(self, page: int) -> dict[str, object]:
        """What a client of the gateway posts, as its documentation has it."""
        since, until = (
            f"{datetime.fromtimestamp(datetime.fromisoformat(moment).timestamp() + 7 * 3600, UTC):%Y-%m-%d %H:%M:%S}"
            for moment in (self.start, self.end)
        )
        return {
            "ApiKey": self.api_key,
            "SecretKey": self.secret_key,
            "SmsType": str(self.sms_type),
            "From": since,
            "To": until,
            "Page": page,
            "PageSize": PAGE_SIZE,
        }


class Stopwatch:
    """Wall and CPU seconds since it was started; start it again to leave out what came before."""

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, _cpu_seconds() - self._cpu


stopwatch = Stopwatch()


def measure(load: Callable[[Job], int], libraries: dict[str, Sequence[str]]) -> None:
    """
    Run `load` and print what it took.

    Args:
        load: does it; the rows it saw. It may start the `stopwatch` anew behind a preparation that is not the matter.
        libraries: target -> what is imported before the memory is looked at for the first time.
    """
    job = Job(**json.loads(sys.argv[1]))
    for name in (*libraries.get("", ()), *libraries.get(job.target, ())):
        importlib.import_module(name)
    _forget_peak()
    base_mb = _memory_mb("VmRSS")
    stopwatch.start()
    rows = load(job)
    inner_seconds, inner_cpu_seconds = stopwatch.seconds()
    figures = {
        "rows": rows,
        "inner_seconds": inner_seconds,
        "inner_cpu_seconds": inner_cpu_seconds,
        "cpu_seconds": _cpu_seconds(),
        "base_mb": base_mb,
        "peak_mb": _memory_mb("VmHWM"),
    }
    print("\n" + json.dumps(figures))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _forget_peak() -> None:
    """The peak of importing is not the peak of the work."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory_mb(name: str) -> float:
    # Not getrusage: its peak is also that of the process which started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not say {name}")
