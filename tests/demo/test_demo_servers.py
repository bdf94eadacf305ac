"""The servers of `make demo`: found, started and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import airflow_deployment
from demo.journey import Journey
from demo.processes import Processes, wait_until
from esms_connectors.demo.folder import claim_folder
from esms_connectors.gateway.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


def test_second_demo_in_the_same_folder_is_rejected(tmp_path: Path) -> None:
    """Nor does one share it with `esms demo`."""
    with (
        claim_folder(tmp_path, []),
        pytest.raises(ConfigurationError, match="is in use"),
        Journey(tmp_path, recipients=1, tell=print),
    ):
        pass


@pytest.mark.in_turn
@pytest.mark.parametrize("option", ["--airflow", "--prefect"])
@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("/bin/true", "is no Python 3.11 or newer"),
        ("/bin/echo", "is no Python 3.11 or newer"),
        ("{file}", "is no Python 3.11 or newer"),
        (sys.executable, "lacks {package}"),
    ],
)
def test_unsuitable_python_for_an_orchestrator_gives_one_line_error(
    tmp_path: Path, option: str, program: str, problem: str
) -> None:
    """It says what is expected, before any server is started and any file is made."""
    (tmp_path / "not-executable").write_text("")
    program = program.format(file=tmp_path / "not-executable")
    package = option.removeprefix("--")
    command = [sys.executable, "-m", "demo", "--output", str(tmp_path / "out"), option, program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False)
    [line] = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"esms: {option} {program} {problem.format(package=package)}: give the Python of an env")
    assert f"such as .venvs/{package}/bin/python" in line
    assert not (tmp_path / "out").exists()


def test_hanging_migration_gives_timeout_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TimeoutError as from the other steps of a start, which the command line tells without a traceback."""
    hangs = tmp_path / "python"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(airflow_deployment, "_COMMAND_SECONDS", 0.2)
    deployment = airflow_deployment.Deployment(tmp_path, tmp_path, {}, python=str(hangs))
    with pytest.raises(TimeoutError, match=r"^airflow db migrate: not within 0 s$") as raised:
        deployment.start()
    assert raised.value.__context__ is None
    deployment.stop()


def test_interrupted_shutdown_still_stops_all_servers(tmp_path: Path) -> None:
    """A second Ctrl-C, while a server takes its time, leaves none of them behind."""
    processes = Processes(tmp_path, os.environ)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    processes.start("deaf", [sys.executable, "-c", deaf])
    wait_until("it is deaf", lambda: processes.log_of("deaf"), 20, 0.05)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    group = next(iter(processes._running.values())).pid
    with pytest.raises(KeyboardInterrupt):
        processes.stop()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
