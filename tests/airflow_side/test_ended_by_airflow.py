"""A task that is marked, cleared or shut down while it works: it ends at once, and leaves nothing in doubt."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from task_runs import Runs

from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import slow
from esms_connectors.ledger import Ledger

ROWS, FEWER = 2_000, 400  # in a hundred calls, and in one each


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], ledger_url: str) -> None:
    connect(
        {"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID, "brandname": DEMO_BRANDNAME, "ledger_url": ledger_url}
    )


@pytest.fixture
def marked(gateway: Emulator) -> Iterator[Callable[..., int]]:
    """
    Runs a task and ends it as Airflow's supervisor does, once it has called `function` so often; gives how many calls
    it has begun after that. Airflow kills after five seconds: fifty of these calls one after the other.
    """
    before = signal.getsignal(signal.SIGTERM)

    def run(runs: Runs, operator: Any, function: str, after: int, signals: int = 1) -> int:
        gateway.faults.add(function, slow(0.1), probability=1.0)
        known: list[int] = []

        def watch() -> None:
            while gateway.call_count(function) <= after:
                time.sleep(0.005)
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.02)

        def on_kill(*_: Any) -> None:
            known.append(gateway.call_count(function))
            operator.on_kill()

        signal.signal(signal.SIGTERM, on_kill)  # as Airflow's task runner sets it
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        with pytest.raises(SystemExit):
            runs(operator)
        watcher.join()
        return gateway.call_count(function) - known[0]

    yield run
    signal.signal(signal.SIGTERM, before)


def people(count: int = ROWS) -> list[dict[str, str]]:
    row = {"customer_name": "Chị Hương", "service": "Gội", "code": "K", "date": "19/03/2025"}
    return [{"phone": f"0901{number:06d}", **row} for number in range(count)]


def zns() -> Any:
    return ZnsBulkOperator(
        task_id="send", source=people(), template_params="customer_name,service,code,date", chunk_size=20, threads=2
    )


def sms() -> Any:
    return SendSmsOperator(task_id="send", phones=[row["phone"] for row in people(FEWER)], text="Don hang da giao")


@pytest.mark.in_turn
@pytest.mark.parametrize("signals", [1, 3])
@pytest.mark.parametrize(
    ("make", "function", "count"), [(zns, "send_zns_bulk", ROWS), (sms, "send_customer_care_sms", FEWER)]
)
def test_terminated_campaign_settles_its_calls_and_retry_sends_the_rest(
    marked: Callable[..., int],
    make: Callable[[], Any],
    function: str,
    count: int,
    signals: int,
    gateway: Emulator,
    ledger_url: str,
    runs: Runs,
) -> None:
    """What is under way is settled, also when Airflow asks again; the next try sends the rest, and nobody gets two."""
    assert marked(runs, make(), function, 6, signals) <= 4  # two threads, each with a call that was about to leave
    run_key = "airflow/campaigns/manual__2024-05-15T05:00:00+00:00/send"
    with Ledger.open(ledger_url) as ledger:
        left = ledger.summary(run_key)
    sent = gateway.deliveries_by_phone()
    assert 0 < left.accepted == len(sent) < count / 2
    assert (left.unknown, left.held, left.claimed) == (0, 0, 0)
    gateway.faults.clear()
    assert runs(make())["accepted"] == count
    assert gateway.deliveries_by_phone() == {row["phone"]: 1 for row in people(count)}


def test_terminated_export_and_sensor_stop_promptly(
    marked: Callable[..., int], gateway: Emulator, runs: Runs, tmp_path: Path
) -> None:
    """An export and a wait."""
    export = SentMessagesToWarehouseOperator(task_id="load", warehouse=f"duckdb:///{tmp_path}/w.duckdb", threads=2)
    assert marked(runs, export, "get_sms_sent_data", 3) <= 4
    wait = DeliveryStatusSensor(task_id="wait", message_ids=["nope"], poke_interval=0.05, timeout=60)
    assert marked(runs, wait, "get_send_status", 1) <= 4


class Finalized:
    """Something whose finalizer waits for the signal, and swallows what it raises, as Python does there."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def test_termination_swallowed_by_a_finalizer_is_raised_again(runs: Runs, gateway: Emulator) -> None:
    """It would be asked for once only, and the process killed with rows in doubt."""
    wait = DeliveryStatusSensor(task_id="wait", message_ids=["nope"], poke_interval=0.05, timeout=20)
    looks: list[None] = []

    def look(context: Any) -> bool:
        if not looks:
            Finalized()
        looks.append(None)
        return False

    wait.poke = look
    before = signal.signal(signal.SIGTERM, lambda *_: wait.on_kill())
    try:
        with pytest.raises(SystemExit):
            runs(wait)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(looks) < 20


def test_on_kill_outside_of_execution_does_nothing() -> None:
    """Airflow calls it too when a task took longer than its `execution_timeout`, and then has an error to report."""
    operator = zns()
    assert operator.on_kill() is None
