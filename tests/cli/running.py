"""How the tests of the command line call it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pendulum

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY

# The time of the emulator, and of most that talk to it; it goes on from there.
NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
ESMS = Path(sys.executable).with_name("esms")
Run = Callable[..., subprocess.CompletedProcess[str]]


def assert_one_clear_line(done: subprocess.CompletedProcess[str], exit_code: int, *fragments: str) -> None:
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    # Counts of rows may stand before it, the request id behind it.
    lines = done.stderr.strip().splitlines()
    [line] = [number for number, text in enumerate(lines) if text.startswith("esms: ")]
    assert lines[line + 1 :] == [] or lines[line + 1].startswith("Request id: ")
    for fragment in fragments:
        assert fragment in done.stderr
    for secret in (DEMO_API_KEY, DEMO_SECRET_KEY):
        assert secret not in done.stderr
