"""The job of every contestant, and its measurement: a new process, from start to end."""

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

sys.path.append(str(Path(__file__).parents[1]))

from processes import forget_peak, memory_mb

PATH = "MainService.svc/json/GetSmsSentData_V2"
PAGE_SIZE = 500


@dataclass(frozen=True)
class Job:
    """
    The work of a contestant.

    Attributes:
        target: duckdb, postgresql, parquet, or the mode of a script without a target.
        address: a file, a database URL, or a folder.
        folder: for data to keep between the first load and the next.
        file_format: dlt's loader file format; empty for its default.
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
        """The request body of a page, as documented by the gateway."""
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
    """Wall and CPU seconds since its start; restart it to exclude previous work."""

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, _cpu_seconds() - self._cpu


stopwatch = Stopwatch()


def measure(load: Callable[[Job], int], libraries: dict[str, Sequence[str]]) -> None:
    """
    Run `load` and print its time and memory.

    Args:
        load: does the work and returns the number of rows. It may restart the `stopwatch` after preparations.
        libraries: target -> modules imported before the first measurement of memory.
    """
    job = Job(**json.loads(sys.argv[1]))
    for name in (*libraries.get("", ()), *libraries.get(job.target, ())):
        importlib.import_module(name)
    forget_peak()
    base_mb = memory_mb("VmRSS")
    stopwatch.start()
    rows = load(job)
    inner_seconds, inner_cpu_seconds = stopwatch.seconds()
    figures = {
        "rows": rows,
        "inner_seconds": inner_seconds,
        "inner_cpu_seconds": inner_cpu_seconds,
        "cpu_seconds": _cpu_seconds(),
        "base_mb": base_mb,
        "peak_mb": memory_mb(),
    }
    print("\n" + json.dumps(figures))


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
