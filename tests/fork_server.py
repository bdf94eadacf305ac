"""Jobs in processes that cost a fork each: a fresh interpreter needs a second for its imports."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(work: Callable[[str], int]) -> None:
    """
    Fork for each line on standard input and answer with the process id; `work` turns the line into an exit code.

    `wait PID SECONDS` is answered with the exit code and the peak of memory in kB, or null while the process runs.
    """
    gc.freeze()  # a fork does not look through what was imported, nor copy it for that
    jobs = sys.stdin  # kept: its end would close what becomes standard input of a job
    for line in jobs:
        if line.startswith("wait "):
            _, pid, seconds = line.split()
            print(json.dumps(_wait(int(pid), time.monotonic() + float(seconds))), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            code = work(line)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(pid, flush=True)
    gc.unfreeze()  # or extensions would report leaks at the end


def _wait(pid: int, until: float) -> tuple[int, int] | None:
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), used.ru_maxrss
        if time.monotonic() > until:
            return None
        time.sleep(0.005)


class ForkServer:
    """A script that calls `serve`, in a process of its own."""

    def __init__(self, script: Path, *interpreter_options: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, *interpreter_options, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, job: str) -> int:
        """The id of the process that does the job."""
        return int(self._ask(job))

    def ended(self, pid: int, seconds: float) -> tuple[int, int] | None:
        """Exit code and peak of memory; None if the process still runs."""
        found = self._ask(f"wait {pid} {seconds}")
        return None if found is None else (found[0], found[1])

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(240)
        self._process.stdout.close()
