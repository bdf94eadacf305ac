"""A container that is stopped, a terminal that is closed: what is under way is settled, as with Ctrl-C."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from esms_processes import Esms, Process

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import slow
from esms_connectors.ledger import Ledger

ROWS = 400


def start(esms: Esms, base_url: str, folder: Path, **job: Any) -> Process:
    path = folder / "people.csv"
    rows = [f"0901{n:06d},A,B,C,D" for n in range(ROWS)]
    path.write_text("\n".join(["phone,customer_name,service,code,date", *rows]) + "\n", "utf-8")
    return esms.start(
        base_url,
        *("send-zns", str(path), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march"),
        *("--params", "customer_name,service,code,date", "--chunk-size", "10", "--threads", "4"),
        environment={"ESMS_LEDGER": str(folder / "ledger.sqlite")},
        **job,
    )


def wait_for_messages(emulator: Emulator) -> None:
    until = time.monotonic() + 60
    while emulator.message_count < 20:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("numbers", "code", "words"),
    [
        ([signal.SIGTERM], 143, "terminated (SIGTERM)"),
        ([signal.SIGTERM] * 3, 143, "terminated (SIGTERM)"),
        ([signal.SIGHUP], 129, "terminated (SIGHUP)"),
        ([signal.SIGINT], 130, "interrupted"),
    ],
)
def test_termination_signal_settles_rows_under_way_and_rerun_resumes(
    esms: Esms, emulator: Emulator, base_url: str, tmp_path: Path, numbers: list[int], code: int, words: str
) -> None:
    """No row stays claimed or in doubt, one line says what to do, and the same command sends the rest."""
    # Slow enough that it is told before it is through, on any machine.
    emulator.faults.add("send_zns_bulk", slow(1), every=1)
    sending = start(esms, base_url, tmp_path)
    wait_for_messages(emulator)
    for number in numbers:
        sending.send(number)
    ended = sending.finish()
    ended.assert_one_clear_line(code, words, "the same command resumes")
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        run = ledger.summary("march")
    assert (run.claimed, run.unknown) == (0, 0)
    assert run.accepted == emulator.message_count < ROWS
    emulator.faults.clear()
    assert start(esms, base_url, tmp_path).finish().code == 0
    assert set(emulator.deliveries_by_phone().values()) == {1}
    assert emulator.message_count == ROWS


@pytest.mark.in_turn
def test_hangup_is_ignored_under_nohup(esms: Esms, emulator: Emulator, base_url: str, tmp_path: Path) -> None:
    """Under nohup a terminal may be closed."""
    emulator.faults.add("send_zns_bulk", slow(0.05), every=1)
    sending = start(esms, base_url, tmp_path, hangup=False)
    wait_for_messages(emulator)
    sending.send(signal.SIGHUP)
    assert sending.finish().code == 0
    assert emulator.message_count == ROWS
