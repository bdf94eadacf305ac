"""A pull that is killed, at whatever moment, loses nothing and doubles nothing; the same command goes on."""

from __future__ import annotations

import random
import signal
import time

import pytest
from disturbing_gateway import DAY, NEXT
from pulling_bench import KINDS, Load, Moment, Place, Puller, rows_at

from esms_connectors.emulator import Emulator
from esms_connectors.warehouse.load_summary import LoadProgress

SPAN = ("--from", "2024-05-13", "--to", "2024-05-15", "--types", "2,25")
WINDOWS, ROWS = 4, 2_800


@pytest.fixture
def two_days(gateway: Emulator) -> Emulator:
    """Four windows of two pages, none with a row on the midnight that two windows share."""
    for sms_type in (2, 25):
        gateway.populate(ROWS // 2, start=DAY.subtract(days=1).add(seconds=5), end=NEXT, sms_type=sms_type)
    return gateway


def calls(gateway: Emulator) -> int:
    return gateway.call_count("get_sms_sent_data")


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("place", "moment", "number", "loaded"),
    [
        ("duckdb", "planned", 1, 0),
        ("duckdb", "page", 3, None),
        *((kind, "merging", 2, 1) for kind in KINDS),
        *((kind, "merged", 3, 3) for kind in KINDS),
    ],
    indirect=["place"],
)
def test_killed_pull_leaves_whole_windows_and_rerun_resumes(
    two_days: Emulator, pull: Puller, moment: Moment, number: int, loaded: int | None
) -> None:
    """Kill -9 before the first page, among the pages, in the middle of a merge, behind a merge."""
    killed = pull(span=SPAN, die=(moment, number, signal.SIGKILL))
    assert killed.code == -signal.SIGKILL
    there = [line for line in pull.place.loads() if line["loaded_at"] is not None]
    assert len(pull.place.loads()) == WINDOWS
    if loaded is not None:
        assert len(there) == loaded
    # Whole windows, and nothing of the others.
    assert len(pull.place.messages()) == sum(line["row_count"] for line in there)
    before = calls(two_days)
    again = pull(span=SPAN)
    assert again.code == 0, again.err
    assert again.json["skipped"] == len(there)
    assert again.json["inserted"] == ROWS - sum(line["row_count"] for line in there)
    assert pull.place.messages() == rows_at(two_days)
    # Two pages and a count for each window that was pending.
    assert calls(two_days) - before == 3 * (WINDOWS - len(there))


@pytest.mark.in_turn
def test_repeatedly_killed_pull_finally_loads_every_row_once(two_days: Emulator, pull: Puller) -> None:
    """Until one comes through; then everything is there, once."""
    lots = random.Random(7)
    for _ in range(4):
        child = pull.start(span=SPAN)
        time.sleep(lots.uniform(0.02, 0.35))
        child.send(signal.SIGKILL)
        ended = child.finish()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        assert pull.place.messages().items() <= rows_at(two_days).items()
    done = pull(span=SPAN)
    assert done.code == 0, done.err
    assert pull.place.messages() == rows_at(two_days)
    assert all(line["loaded_at"] is not None for line in pull.place.loads())


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("place", "moment", "number"),
    [*((kind, "merging", 2) for kind in KINDS), ("duckdb", "page", 4), ("duckdb", "merged", 2)],
    indirect=["place"],
)
def test_ctrl_c_gives_one_line_message_and_rerun_resumes(
    two_days: Emulator, pull: Puller, moment: Moment, number: int
) -> None:
    stopped = pull(span=SPAN, die=(moment, number, signal.SIGINT))
    assert stopped.code == 130, stopped.err
    stopped.assert_one_clear_line(130, "interrupted", "resumes")
    assert stopped.out == ""
    there = [line for line in pull.place.loads() if line["loaded_at"] is not None]
    assert len(there) < WINDOWS
    assert len(pull.place.messages()) == sum(line["row_count"] for line in there)
    again = pull(span=SPAN)
    assert again.code == 0, again.err
    assert again.json["skipped"] == len(there)
    assert pull.place.messages() == rows_at(two_days)


@pytest.mark.in_turn
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_ctrl_c_in_a_finalizer_exits_with_code_130(two_days: Emulator, pull: Puller) -> None:
    """Python prints what is raised there, and goes on as if nothing had been pressed."""
    stopped = pull(span=SPAN, die=("finalizing", 1, signal.SIGINT))
    stopped.assert_one_clear_line(130, "interrupted", "resumes")
    assert pull.place.messages() == rows_at(two_days)


@pytest.mark.in_turn
@pytest.mark.parametrize("place", ["duckdb", "postgresql"], indirect=True)
def test_ctrl_c_at_random_moments_gives_no_traceback_and_rerun_succeeds(two_days: Emulator, pull: Puller) -> None:
    lots = random.Random(11)
    for _ in range(4):
        child = pull.start(span=SPAN, may_leave_sockets=True)
        time.sleep(lots.uniform(0.05, 0.4))
        child.send(signal.SIGINT)
        ended = child.finish()
        assert ended.code in (0, 130), ended.err
        assert "Traceback" not in ended.err
    assert pull(span=SPAN).code == 0
    assert pull.place.messages() == rows_at(two_days)


@pytest.mark.in_turn
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("number", range(1, 9))
def test_ctrl_c_leaves_no_connection_open(two_days: Emulator, pull: Puller, number: int) -> None:
    """Between connecting and the first statement, and at the next one: Python would warn of a forgotten connection."""
    stopped = pull(span=SPAN, die=("statement", number, signal.SIGINT))
    stopped.assert_one_clear_line(130, "interrupted", "resumes")
    assert "Exception ignored" not in stopped.err
    assert pull(span=SPAN).code == 0
    assert pull.place.messages() == rows_at(two_days)


@pytest.mark.in_turn
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_rerun_after_a_complete_pull_reads_all_windows_again(two_days: Emulator, pull: Puller) -> None:
    """The same command the next time reads everything again; with --again, an interrupted one does so too."""
    assert pull(span=SPAN).json["skipped"] == 0
    row = two_days.state.rows[5]
    two_days.set_status(row.ReferenceId, 5, 1 if row.SendResult == 0 else 0)
    second = pull(span=SPAN).json
    assert (second["skipped"], second["changed"], second["windows"]) == (0, 1, WINDOWS)
    assert pull(span=SPAN, die=("merged", 3, signal.SIGKILL)).code == -signal.SIGKILL
    third = pull("--again", span=SPAN).json
    assert (third["skipped"], third["changed"], third["windows"]) == (0, 0, WINDOWS)
    assert pull.place.messages() == rows_at(two_days)


@pytest.mark.in_turn(every=3)
def test_resume_rereads_a_day_that_had_not_ended(gateway: Emulator, duckdb_only: Place, load: Load) -> None:
    """Interrupted at noon, gone on with past midnight: what was there by then is not the day."""
    span = {"start": NEXT, "end": NEXT.add(days=1), "sms_types": [2, 25]}
    for sms_type in (2, 25):
        gateway.insert_message(NEXT.add(hours=8), sms_type=sms_type, send_status=5, send_result=1)

    def stop(at: LoadProgress) -> None:
        if at.windows_done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(duckdb_only, **span, progress=stop)
    gateway.insert_message(NEXT.add(hours=20), sms_type=2, send_status=5, send_result=1)
    gateway.advance(hours=11, minutes=59)
    assert load(duckdb_only, **span).skipped == 0
    assert duckdb_only.messages() == rows_at(gateway)
