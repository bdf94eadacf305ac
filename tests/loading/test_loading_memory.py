"""Memory is that of the pages in flight, whatever the size of the window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from disturbing_gateway import DAY
from esms_processes import Esms
from pulling_bench import Place, Puller

from esms_connectors.emulator.control import EmulatorControl

pytestmark = pytest.mark.memory


@pytest.fixture
def other_process() -> Iterator[str]:
    """The base URL of an emulator in a process of its own."""
    running = subprocess.Popen(
        [sys.executable, "-m", "esms_connectors.emulator", "--port", "0", "--virtual-clock", "2024-05-15 12:00:00"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert running.stdout is not None
    line = running.stdout.readline()
    yield next(word for word in line.split() if word.startswith("http")).rstrip("/.,")
    running.terminate()
    running.wait(10)
    running.stdout.close()


# DuckDB may take 48 MB for a merge (`MERGE_MEMORY`), and it works in this process.
@pytest.mark.parametrize(("kind", "megabytes"), [("postgresql", 120), ("duckdb", 48 + 100)])
def test_memory_stays_bounded_for_a_hundred_times_more_rows(
    other_process: str, esms: Esms, make_place: Callable[[str], Place], kind: str, megabytes: int
) -> None:
    """300 000 rows of a day as against 3 000."""
    place = make_place(kind)
    pull = Puller(esms, other_process, place)
    peaks = []
    with EmulatorControl(other_process) as control:
        for rows, day in ((3_000, DAY.subtract(days=1)), (300_000, DAY)):
            start = int(day.timestamp() * 1000) + 2_000
            control.populate(rows, start=start, end=start + 86_000_000)
            done = pull(span=("--from", day.to_date_string(), "--to", day.add(days=1).to_date_string(), "--types", "2"))
            assert (done.code, done.json["inserted"]) == (0, rows), done.err
            peaks.append(done.peak_kb / 1024)
    print(kind, peaks)
    assert peaks[1] - peaks[0] < megabytes, peaks
