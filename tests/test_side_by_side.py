"""What `make test` says of its parts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# In place of make: what each part says, and how it ends.
MAKE = """#!/bin/sh
case "$1" in
  first) until [ -e fourth ]; do sleep 0.02; done; echo "===== 12 passed, 1 skipped in 3.00s (0:00:03) =====" ;;
  fourth) touch fourth; echo "=== 5 passed in 2.00s ==="; echo "new-york         passed: 5 passed in 2.00s" ;;
  broken) echo "FAILED tests/test_x.py::test_y - AssertionError"; exit 1 ;;
esac
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def make(tmp_path: Path) -> Path:
    path = tmp_path / "make"
    path.write_text(MAKE)
    path.chmod(0o755)
    return path


def test_three_parts_run_in_parallel_with_reported_times_and_results(make: Path) -> None:
    """The fourth begins while the first runs. Each prints its times, and how many tests passed, and where."""
    done = run(make, "first", "second", "third", "fourth")
    lines = [re.split(r" +(?:CPU )?", line, maxsplit=3) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert all(re.fullmatch(r"\d+:\d\d", duration) for _, *durations, _ in lines for duration in durations)
    assert {name: said for name, *_, said in lines} == {
        "first": "12 passed, 1 skipped in 3.00s (0:00:03)",
        "second": "passed",
        "third": "passed",
        "fourth": "new-york         passed: 5 passed in 2.00s",
    }


def test_failed_part_is_reported_with_its_rerun_command(make: Path) -> None:
    """The others are run all the same."""
    done = run(make, "broken", "second")
    assert done.returncode == 1
    assert "FAILED, see .build/tests/broken.log" in done.stdout
    assert "second" in done.stdout
    assert "run that part by itself: make broken\n    failed: tests/test_x.py::test_y\n" in done.stdout


def run(make: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("side_by_side.py")
    command = [sys.executable, str(script), str(make), "--", *parts]
    return subprocess.run(command, cwd=make.parent, capture_output=True, text=True, timeout=240, check=False)
