"""Start-up cost: imports, the first byte of one SMS, the calls of one poll of a sensor."""

from __future__ import annotations

import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from esms_connectors.delivery.polling import DeliveryPoller, target_of_ids
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator
from esms_connectors.emulator.adapter import EmulatorAdapter

from .pairs import Figure
from .stand_in import client_of

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".venvs/airflow/bin/python"


def _children_cpu_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def _cpu_ms_of(command: Sequence[str]) -> float:
    before = _children_cpu_ms()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return _children_cpu_ms() - before


def _imports(work: str, python: str, statement: str, beside: str, goal: float | None, runs: int) -> Figure:
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for one, times in zip((statement, beside), spent, strict=True):
            cpu = _cpu_ms_of([python, "-c", one])
            if number:
                times.append(cpu)
    # Other load can only lengthen a run; the difference to the median is an estimate of the noise.
    least = [min(times) for times in spent]
    noise = sum(statistics.median(times) - one for times, one in zip(spent, least, strict=True))
    return Figure(
        work, least[0] - least[1], "ms", goal, noise=noise,
        floor=f"over `{beside}`", note=f"CPU, the least of {runs}",
    )  # fmt: skip


def imports(runs: int = 9) -> Iterator[Figure]:
    yield _imports("import of the client", sys.executable, "from esms_connectors import EsmsClient", "pass", None, runs)
    yield _imports(
        "import of the client beside its libraries", sys.executable, "from esms_connectors import EsmsClient",
        "import requests, pendulum", None, runs,
    )  # fmt: skip
    if AIRFLOW.exists():
        yield _imports(
            "import in a DAG file", str(AIRFLOW),
            "from airflow.sdk import DAG; from esms_connectors.airflow.operators import SendSmsOperator",
            "from airflow.sdk import DAG; from airflow.sdk.bases.operator import BaseOperator", 150, runs,
        )  # fmt: skip


def first_byte(runs: int = 9) -> Iterator[Figure]:
    """`esms send-sms` in a new process, until its request arrives; it gets no answer and is then terminated."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {
            **os.environ,
            "ESMS_API_KEY": DEMO_API_KEY,
            "ESMS_SECRET_KEY": DEMO_SECRET_KEY,
            "ESMS_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        }
        command = [str(Path(sys.executable).with_name("esms")), "send-sms", "--to", "0901234567", "--hours", "allow"]
        command += ["--text", "Xin chao quy khach", "--brandname", "Baotrixemay"]
        spent, used = [], []
        for _ in range(runs + 1):
            before = _children_cpu_ms()
            began = time.perf_counter()
            with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as running:
                server.settimeout(60)
                connection, _ = server.accept()
                connection.recv(1)
                spent.append((time.perf_counter() - began) * 1000)
                running.kill()
                connection.close()
            used.append(_children_cpu_ms() - before)
    least, second = sorted(used[1:])[:2]
    yield Figure(
        "`esms send-sms` to its first byte", least, "ms", 300, noise=second - least, floor="a fresh process",
        note=f"CPU, the least of {runs}; by the clock {min(spent[1:]):.0f} ms",
    )  # fmt: skip


def sensor_look() -> Iterator[Figure]:
    """A status check of one message, as a deferred sensor makes at each poll."""

    class Counting(EmulatorAdapter):
        calls = 0

        def send(self, *arguments: Any, **settings: Any) -> requests.Response:
            Counting.calls += 1
            return super().send(*arguments, **settings)

    with client_of(Counting(Emulator())) as client:
        sent = client.send_customer_care_sms("0901234567", "Xin chao quy khach", "Baotrixemay")
        Counting.calls = 0
        DeliveryPoller(target_of_ids([sent.message_id or ""])).poll(client)
    yield Figure("one look of a deferred sensor", Counting.calls, "requests", 1)
