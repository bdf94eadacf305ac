"""Server processes of a demo or a test: started, awaited, and stopped with their children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A port on loopback that is free at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(what: str, check: Callable[[], Any], seconds: float, every: float = 0.5) -> Any:
    """
    Poll `check` until its result is true, and return the result.

    Raises:
        TimeoutError: it was not true within `seconds`; the message begins with `what`.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(every)
    raise TimeoutError(f"{what}: not within {seconds:.0f} s")


class ProcessEndedError(RuntimeError):
    """A process has ended unexpectedly; the message contains the end of its log."""


class Processes:
    """
    Named processes that log to `<name>.log` in a folder.

    Each is a session leader, so that its children can be stopped with it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                env=self.environment,
                # Not the project folder: the package must be found where it is installed.
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL, as in a machine failure."""
        process = self._running.pop(name)
        _signal_group(process, signal.SIGKILL)
        process.wait()

    def check(self) -> None:
        """
        Check that all processes are running.

        Raises:
            ProcessEndedError: one of them is not.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEndedError(f"{name} ended with {process.returncode}: {self.log_of(name)[-3000:]}")

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self, patience_seconds: float = 20) -> None:
        """Stop all processes; those that do not stop in time are killed."""
        try:
            for process in self._running.values():
                _signal_group(process, signal.SIGTERM)
            until = time.monotonic() + patience_seconds
            for process in self._running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, until - time.monotonic()))
        finally:
            # Even if the leader ended in time, because its children may not have; and after a second Ctrl-C.
            for process in self._running.values():
                _signal_group(process, signal.SIGKILL)
            for process in self._running.values():
                process.wait()
            self._running.clear()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
