"""An emulator on a real socket, and `esms` as a process of its own that talks to it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from esms_processes import Esms
from running import ESMS, NOON, Run
from time_in_children import environment_in_time_of

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator
from esms_connectors.emulator.progress import RealClock


@pytest.fixture
def clock() -> RealClock:
    """It is noon when a test begins."""
    return RealClock(NOON)


@pytest.fixture
def emulator(clock: RealClock) -> Emulator:
    return Emulator(clock=clock)


@pytest.fixture
def base_url(emulator: Emulator) -> Iterator[str]:
    with emulator.serve() as server:
        yield server.base_url


# What Python looks at when it starts, and a fork has behind it.
_OF_A_START = ("PYTHON", "LC_", "LANG")


@pytest.fixture
def run(esms: Esms, clock: RealClock, base_url: str, tmp_path: Path) -> Run:
    """
    Run `esms ...` in the emulator's time; keyword arguments change the environment, None takes a variable out.

    In a fork of a process that has imported everything already, or else as it is installed.
    """

    def run_esms(*arguments: str, stdin: str = "", **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment: dict[str, str | None] = {
            "HOME": str(tmp_path),
            "ESMS_LEDGER": str(tmp_path / "ledger.sqlite"),
            **changes,
        }
        if not any(name.startswith(_OF_A_START) for name in changes):
            now = clock.now.isoformat()
            done = esms.start(base_url, *arguments, environment=environment, stdin=stdin, now=now).finish()
            return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)
        environment = {
            "PATH": os.environ["PATH"],
            "ESMS_API_KEY": DEMO_API_KEY,
            "ESMS_SECRET_KEY": DEMO_SECRET_KEY,
            "ESMS_BASE_URL": base_url,
            "PYTHONWARNINGS": "error",
            **environment_in_time_of(clock),
            **environment,
        }
        return subprocess.run(
            [str(ESMS), *arguments],
            env={name: value for name, value in environment.items() if value is not None},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )

    return run_esms


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kho dữ liệu" / "esms.duckdb"


@pytest.fixture
def into(file: Path) -> str:
    return f"duckdb:///{file}"
