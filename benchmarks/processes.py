"""The emulator in a process of its own, and what processes use (Linux)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def emulator(*options: str) -> Iterator[str]:
    """The address of an emulator in a separate process; `options` are those of its command."""
    with emulator_process(*options) as (base_url, _):
        yield base_url


@contextmanager
def emulator_process(*options: str) -> Iterator[tuple[str, int]]:
    """The same, with the id of the process."""
    command = [sys.executable, "-m", "esms_connectors.emulator", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield found.group(), process.pid
        finally:
            process.terminate()
            process.stdout.read()


def cpu_seconds(process_id: int) -> float:
    """User and system time of a process and of those of its children that have ended; 0 if it has ended itself."""
    with suppress(FileNotFoundError):
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def memory_mb(name: str = "VmHWM", process_id: int | str = "self") -> float:
    """VmRSS or VmHWM, the peak, of a process. Not getrusage, whose peak includes that of the parent process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not say {name}")


def forget_peak() -> None:
    """Reset the peak of this process, to exclude that of its imports."""
    Path("/proc/self/clear_refs").write_text("5")
