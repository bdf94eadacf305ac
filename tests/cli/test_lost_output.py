"""Output that cannot be written: what was done stays done, and the exit code says that it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pendulum
import pytest
from running import ESMS
from time_in_children import environment_in_time_of

from esms_connectors.cli.streams import patient_streams, until_closed
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
)
from esms_connectors.emulator.progress import RealClock
from esms_connectors.ledger import Ledger

DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
SPAN = ("--from", "2024-05-14", "--to", "2024-05-15")
SEND_SMS = ("send-sms", "--to", "0901888484", "--text", "Xin chào", "--brandname", DEMO_BRANDNAME)
FULL = "esms: done, but the output could not be written: No space left on device."
LOST = 6

RunInto = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_into(base_url: str, clock: RealClock, tmp_path: Path) -> RunInto:
    """Run `esms …` with its standard output, or its standard error, on a full disk or in a pipe that nobody reads."""

    def run(*arguments: str, out: str = "", err: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ESMS_LEDGER": str(tmp_path / "ledger.sqlite"),
            "ESMS_API_KEY": DEMO_API_KEY,
            "ESMS_SECRET_KEY": DEMO_SECRET_KEY,
            "ESMS_BASE_URL": base_url,
            "PYTHONWARNINGS": "error",
            **environment_in_time_of(clock),
            **changes,
        }
        places = {name: _open(place) for name, place in (("stdout", out), ("stderr", err))}
        try:
            return subprocess.run(
                [str(ESMS), *arguments],
                env=environment,
                text=True,
                encoding="utf-8",
                timeout=240,
                check=False,
                **places,
            )
        finally:
            for place in places.values():
                if place != subprocess.PIPE:
                    os.close(place)

    return run


def _open(place: str) -> int:
    if not place:
        return subprocess.PIPE
    if place == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return os.open(place, os.O_WRONLY)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """A hundred good rows and a bad one."""
    path = tmp_path / "customers.csv"
    rows = [f"0901{number:06d},Chị Hương,Gội đầu,KH{number},19/03/2025" for number in range(100)]
    path.write_text("\n".join(["phone,customer_name,service,code,date", *rows, "0901,A,B,C,D"]), encoding="utf-8")
    return path


def zns(customers: Path) -> list[str]:
    options = {"--template": DEMO_TEMPLATE_ID, "--oa": DEMO_OA_ID, "--run-key": "march"}
    # Of the list two rows cannot be sent.
    params = ("--params", "customer_name,service,code,date", "--at-least", "0.99")
    return ["send-zns", str(customers), *(word for pair in options.items() for word in pair), *params]


@pytest.mark.in_turn
@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize(("out", "said"), [("/dev/full", FULL), ("closed pipe", "")])
def test_sent_message_with_lost_output_has_its_own_exit_code(
    run_into: RunInto, emulator: Emulator, more: tuple[str, ...], out: str, said: str
) -> None:
    """One message, an exit code of its own; a line for a full disk, none for a reader that has left."""
    done = run_into(*SEND_SMS, *more, out=out)
    assert (done.returncode, done.stderr.strip()) == (LOST, said)
    assert emulator.deliveries_by_phone() == {"0901888484": 1}


@pytest.mark.in_turn
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_campaign_is_sent_when_no_output_can_be_written(
    run_into: RunInto, emulator: Emulator, customers: Path, unbuffered: str
) -> None:
    """Neither its summary nor its warnings find room."""
    done = run_into(*zns(customers), out="/dev/full", err="/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == LOST
    assert sum(emulator.deliveries_by_phone().values()) == 100


@pytest.mark.in_turn
def test_lost_warnings_do_not_change_the_exit_code(run_into: RunInto, emulator: Emulator, customers: Path) -> None:
    """The summary is on standard output, so the command has done all it should."""
    done = run_into(*zns(customers), err="/dev/full")
    assert done.returncode == 0
    assert "100" in done.stdout
    assert sum(emulator.deliveries_by_phone().values()) == 100


@pytest.mark.in_turn
def test_refusal_keeps_its_exit_code_when_output_is_lost(run_into: RunInto, emulator: Emulator) -> None:
    """What went wrong matters more than that it could not be printed."""
    done = run_into(*SEND_SMS, "--json", out="/dev/full", ESMS_API_KEY="WRONG-KEY-0001")
    assert done.returncode == 3
    assert done.stderr.strip() == "esms: the output could not be written: No space left on device."
    assert list(emulator.messages()) == []


@pytest.mark.in_turn
def test_pull_report_and_sql_with_lost_output_have_the_same_exit_code(
    run_into: RunInto, emulator: Emulator, tmp_path: Path
) -> None:
    """Rows are loaded; reports, queries, exports and help end with one line each, or silently."""
    emulator.populate(60, start=DAY, end=DAY.add(hours=23), sms_type=2)
    into = ("--into", f"duckdb:///{tmp_path}/esms.duckdb")
    done = run_into("pull", *SPAN, "--types", "2", "--json", *into, out="/dev/full")
    assert (done.returncode, done.stderr.strip()) == (LOST, FULL)
    with duckdb.connect(str(tmp_path / "esms.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM esms_sent_messages").fetchall() == [(60,)]
    Ledger.open(tmp_path / "ledger.sqlite").close()
    query = ("sql", "SELECT * FROM esms_sent_messages", *into)
    for arguments in (("report", *SPAN, *into), query, ("--help",)):
        done = run_into(*arguments, out="/dev/full")
        assert (done.returncode, done.stderr.strip()) == (LOST, FULL), arguments
    done = run_into(*query, out="closed pipe")
    assert (done.returncode, done.stderr) == (LOST, "")


@pytest.mark.in_turn
def test_erase_completes_everywhere_when_output_is_lost(run_into: RunInto, emulator: Emulator, tmp_path: Path) -> None:
    """The second warehouse is not left out because the line about the first found no reader."""
    emulator.insert_message(DAY.add(hours=1), phone="0901888484", sms_type=2, send_status=5, send_result=1)
    files = [tmp_path / "một.duckdb", tmp_path / "hai.duckdb"]
    for file in files:
        assert run_into("pull", *SPAN, "--types", "2", "--into", f"duckdb:///{file}").returncode == 0
    intos = [word for file in files for word in ("--into", f"duckdb:///{file}")]
    Ledger.open(tmp_path / "ledger.sqlite").close()
    done = run_into("erase", "--phone", "0901888484", "--yes", *intos, out="closed pipe")
    assert done.returncode == LOST
    for file in files:
        with duckdb.connect(str(file), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM esms_sent_messages").fetchall() == [(0,)]


@pytest.mark.in_turn
def test_unwritable_export_gives_one_line_error(run_into: RunInto, customers: Path, tmp_path: Path) -> None:
    """Into a file on a full disk, into a folder that is a file, and to standard output."""
    assert run_into(*zns(customers)).returncode == 0
    for path, why in (("/dev/full", "No space left on device"), (f"{customers}/y.csv", "File exists")):
        done = run_into("ledger", "export", "march", "--output", path)
        assert (done.returncode, done.stderr.strip()) == (2, f"esms: The file {path} cannot be written: {why}.")
    done = run_into("ledger", "export", "march", out="/dev/full")
    assert (done.returncode, done.stderr.strip()) == (LOST, FULL)


def test_long_output_stops_when_the_pipe_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`esms ledger export | head` does not read a million rows for nobody."""
    drawn = []

    def rows() -> Iterator[int]:
        for number in range(100_000):
            drawn.append(number)
            yield number

    writer = _open("closed pipe")
    with open(writer, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        with patient_streams() as output:
            for number in until_closed(rows()):
                print(number)
        assert isinstance(output.failure, BrokenPipeError)
    assert len(drawn) < 10_000
