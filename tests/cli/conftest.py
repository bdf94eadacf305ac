"""An emulator on a real socket, and `esms` as a process of its own that talks to it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import ESMS, Run

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def base_url(emulator: Emulator) -> Iterator[str]:
    with emulator.serve() as server:
        yield server.base_url


@pytest.fixture
def run(base_url: str, tmp_path: Path) -> Run:
    """Run `esms ...`; keyword arguments change the environment, None takes a variable out."""

    def run_esms(*arguments: str, stdin: str | None = None, **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ESMS_API_KEY": DEMO_API_KEY,
            "ESMS_SECRET_KEY": DEMO_SECRET_KEY,
            "ESMS_BASE_URL": base_url,
            "ESMS_LEDGER": str(tmp_path / "ledger.sqlite"),
            "PYTHONWARNINGS": "error",
        }
        environment |= changes
        return subprocess.run(
            [str(ESMS), *arguments],
            env={name: value for name, value in environment.items() if value is not None},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run_esms
