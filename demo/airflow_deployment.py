"""A real Airflow on loopback: migrated database, API server, scheduler, DAG processor and triggerer as processes."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from demo.processes import Processes, free_port, wait_until

_UP_SECONDS = 300.0  # usually about 20; the deadline is only for hangs
_COMMAND_SECONDS = 300.0
# Airflow's own is five, of which a busy machine makes tasks that fail before they begin.
_ANSWER_SECONDS = 120.0
_COMPONENTS: Mapping[str, list[str]] = {
    "api-server": ["api-server", "--host", "127.0.0.1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


class AirflowError(RuntimeError):
    """Airflow refused a request; the text is Airflow's."""


class Deployment:
    """
    Start it with `start`, stop it with `stop`.

    Args:
        home: an empty folder.
        dags: folder of the DAG files.
        variables: environment variables of every component, such as connections.
        database: SQLAlchemy URL of an empty metadata database; by default an SQLite file in `home`.
        python: the interpreter of an environment with Airflow and this package; by default this one.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        variables: Mapping[str, str],
        *,
        database: str | None = None,
        python: str = sys.executable,
    ) -> None:
        self.home = home
        # In SQLite, a transaction cannot write after another one has written since its first read. Airflow then
        # answers 500, and the call is retried.
        self._tries = 4 if database is None else 1
        database = database or f"sqlite:///{home}/airflow.db"
        self._python = python
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "NO_PROXY": "127.0.0.1,localhost",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database.replace("sqlite:", "sqlite+aiosqlite:"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(40),
            # Detects the end of a worker immediately, so that a task that resumes soon is not considered failed.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": str(_ANSWER_SECONDS),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            # Triggers of a dead triggerer are taken over within seconds.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
            **variables,
        }
        self._processes = Processes(home, self.environment)
        self._session = requests.Session()
        self._session.trust_env = False

    # --- processes ---------------------------------------------------------------------------------------------------

    def airflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run an `airflow` command in this deployment.

        Raises:
            TimeoutError: the command did not finish in time.
        """
        try:
            return subprocess.run(
                [self._python, "-m", "airflow", *arguments],
                env=self.environment,
                cwd=self.home,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pass
        raise TimeoutError(f"airflow {' '.join(arguments)}: not within {_COMMAND_SECONDS:.0f} s")

    def start(self) -> None:
        """
        Start all components; returns when each is healthy.

        Raises:
            AirflowError, ProcessEndedError, TimeoutError: with the end of the log.
        """
        migrated = self.airflow("db", "migrate")
        if migrated.returncode:
            raise AirflowError(migrated.stderr[-3000:])
        for name in _COMPONENTS:
            self.start_component(name)
        wait_until("all components of Airflow are healthy", self._is_healthy, _UP_SECONDS)
        token = self._session.get(f"{self.url}/auth/token", timeout=_ANSWER_SECONDS).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def start_component(self, name: str) -> None:
        command = [self._python, "-m", "airflow", *_COMPONENTS[name]]
        if name == "api-server":
            command += ["--port", str(self._port)]
        self._processes.start(name, command)

    def kill_component(self, name: str) -> None:
        """Kill a component with SIGKILL, as in a machine failure."""
        self._processes.kill(name)

    def stop(self) -> None:
        # Short patience: unwritten data is not needed, because the database is discarded.
        self._processes.stop(patience_seconds=5)
        self._session.close()

    def _is_healthy(self) -> bool:
        self._processes.check()
        try:
            health = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def log_of(self, name: str) -> str:
        return self._processes.log_of(name)

    # --- the REST API ------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """
        Call the REST API.

        Raises:
            AirflowError: the server refused the call.
        """
        for attempt in range(1, self._tries + 1):
            answer = self._session.request(method, f"{self.url}{path}", timeout=_ANSWER_SECONDS, **arguments)
            if answer.status_code != 500 or "Database error" not in answer.text or attempt == self._tries:
                break
            time.sleep(1)
        if answer.status_code >= 400:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def status_of(self, url: str) -> int:
        """HTTP status of an unauthenticated request."""
        return requests.get(url, timeout=_ANSWER_SECONDS, proxies={"http": ""}).status_code

    def trigger(self, dag_id: str, **body: Any) -> str:
        """Start a run of a DAG, once it is parsed."""
        self.wait_until_known(dag_id)
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, **body})
        return str(run["dag_run_id"])

    def wait_until_known(self, dag_id: str) -> None:
        wait_until(f"DAG {dag_id} is parsed", lambda: self._knows(dag_id), _UP_SECONDS)

    def _knows(self, dag_id: str) -> bool:
        answer = self._session.get(f"{self.url}/api/v2/dags/{dag_id}", timeout=_ANSWER_SECONDS)
        if answer.status_code == 404:
            errors = self.call("GET", "/api/v2/importErrors")
            if errors["total_entries"]:
                raise AirflowError(str(errors))
        return answer.status_code == 200

    def instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self.call("GET", path)["task_instances"])

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Task -> state; for a mapped task the state of any one instance."""
        return {one["task_id"]: one["state"] for one in self.instances(dag_id, run_id)}

    def state_of_run(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(
        self, dag_id: str, run_id: str, seconds: float, meanwhile: Callable[[], object] = lambda: None
    ) -> str:
        """Wait for a run to end and return its state; `meanwhile` is called before each poll."""

        def ended() -> str | None:
            meanwhile()
            state = self.state_of_run(dag_id, run_id)
            return state if state in ("success", "failed") else None

        try:
            state = str(wait_until(f"run of {dag_id} ends", ended, seconds, 1.0))
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self._end_of(dag_id, run_id)}") from None
        if state == "failed":
            logging.getLogger(__name__).warning("%s", self._end_of(dag_id, run_id))
        return state

    def _end_of(self, dag_id: str, run_id: str) -> str:
        # The scheduler fails a task without a line in the task's log.
        lines = [line for line in self.log_of("scheduler").splitlines() if dag_id in line and "finished with" in line]
        return f"{self.states(dag_id, run_id)}; {lines[-3:]}; {self.task_logs(dag_id)[-3000:]}"

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """The return value of a task."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.call("GET", path, params={"deserialize": "true"})["value"]

    def task_logs(self, dag_id: str) -> str:
        files = sorted((self.home / "logs" / f"dag_id={dag_id}").rglob("*.log*"))
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
