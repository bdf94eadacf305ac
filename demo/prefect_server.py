"""A real Prefect server on loopback, and flows that run against it, each in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from demo.processes import Processes, free_port, wait_until

_UP_SECONDS = 300.0


class PrefectServer:
    """
    Start it with `start`, stop it with `stop`.

    Args:
        home: an empty folder.
        python: the interpreter of an environment with Prefect and this package; this one by default.
    """

    def __init__(self, home: Path, python: str = sys.executable) -> None:
        self.home = home
        self._python = python
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1,localhost",
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
            "PREFECT_LOCAL_STORAGE_PATH": f"{home}/storage",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLI_PROMPT": "false",
            "DO_NOT_TRACK": "1",
        }
        self._processes = Processes(home, self.environment)

    def start(self) -> None:
        """
        Start the server; returns when it answers.

        Raises:
            ProcessEndedError, TimeoutError: with the end of the log.
        """
        command = [self._python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        self._processes.start("server", command)
        wait_until("the Prefect server answers", self._is_healthy, _UP_SECONDS)

    def run(self, *arguments: str) -> None:
        """Run a flow script, `name.py argument…`, and wait for it."""
        started = self.begin(*arguments)
        if started.wait():
            raise RuntimeError(f"{Path(arguments[0]).name} failed: {self.log_of_flows()[-3000:]}")

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same, without waiting."""
        with (self.home / "flows.log").open("ab") as log:
            return subprocess.Popen(
                [self._python, *arguments], env=self.environment, cwd=self.home, stdout=log, stderr=subprocess.STDOUT
            )

    def log_of_flows(self) -> str:
        return (self.home / "flows.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        self._processes.stop()

    def _is_healthy(self) -> bool:
        self._processes.check()
        try:
            return requests.get(f"{self.url}/api/health", timeout=2).ok
        except requests.RequestException:
            return False
