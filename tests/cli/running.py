"""How the tests of the command line call it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pendulum

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator

# The time of the emulator, and of most that talk to it; it goes on from there.
NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
ESMS = Path(sys.executable).with_name("esms")
Run = Callable[..., subprocess.CompletedProcess[str]]
# What `fill` fills: a day, loaded by two types.
DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
SPAN = ("--from", "2024-05-14", "--to", "2024-05-15", "--types", "customer_care,25")


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


def fill(emulator: Emulator) -> None:
    for sms_type in (2, 25):
        emulator.populate(60, start=DAY, end=DAY.add(hours=23), sms_type=sms_type)
    emulator.insert_message(
        DAY.add(hours=1), phone="0901888484", content="[OTP] Mã của chị Hương: 1234 [/b]", send_status=5, send_result=1
    )


def rows_in(file: Path) -> dict[str, tuple[int, int]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute("SELECT row_key, send_status, send_result FROM esms_sent_messages").fetchall()
    rows = {key: (status, result) for key, status, result in found}
    assert len(rows) == len(found)
    return rows
