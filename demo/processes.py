"""Servers of a demonstration or a test as processes of their own: started, waited for, and ended as whole groups."""

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
    """A port on loopback that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(what: str, check: Callable[[], Any], seconds: float, every: float = 0.5) -> Any:
    """
    What `check` gives once it is true.

    Raises:
        TimeoutError: it was not within `seconds`; its text begins with `what`.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(every)
    raise TimeoutError(f"{what}: not within {seconds:.0f} s")


class ProcessEndedError(RuntimeError):
    """A process that should run has ended; the text holds the end of its log."""


class Processes:
    """
    Named processes that log into `<name>.log` in a folder.

    Each is the leader of a session, so that whatever it started ends with it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - commands of ours
                command,
                env=self.environment,
                # Not where the package lies: it must be found as an installed one.
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Without notice, as a machine that fails."""
        process = self._running.pop(name)
        _signal_group(process, signal.SIGKILL)
        process.wait()

    def check(self) -> None:
        """
        See that all of them are running.

        Raises:
            ProcessEndedError: one is not.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEndedError(f"{name} ended with {process.returncode}: {self.log_of(name)[-3000:]}")

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self, patience_seconds: float = 20) -> None:
        """End all; whatever does not end by itself is killed."""
        try:
            for process in self._running.values():
                _signal_group(process, signal.SIGTERM)
            until = time.monotonic() + patience_seconds
            for process in self._running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, until - time.monotonic()))
        finally:
            # Also when the leader ended in time: its children may not have. And when Ctrl-C came a second time.
            for process in self._running.values():
                _signal_group(process, signal.SIGKILL)
            for process in self._running.values():
                process.wait()
            self._running.clear()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
