"""
What the Airflow operator costs over the bare core: the same campaign, checked and sent, with and without it.

    .venvs/airflow/bin/python benchmarks/airflow_operator.py [--recipients 40000] [--rounds 3] [--threads 4]

Both run in this process against the emulator in another; the rounds alternate, and the best of each counts. Writes of
Airflow's own database are counted at the task state store. Ratios travel, absolute figures do not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="esms-bench-"))
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

from esms_connectors import Credentials, EsmsClient
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.campaign import ZnsCampaign
from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns

COLUMNS = ("customer_name", "service", "code", "date")


@contextmanager
def emulator() -> Iterator[str]:
    command = [sys.executable, "-m", "esms_connectors.emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield found.group()
        finally:
            process.terminate()
            process.stdout.read()


class CountingStore:
    """Airflow's task state store, as far as it is asked."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes = 0

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, **_: Any) -> None:
        self.writes += 1
        self.values[key] = value


def bare(base_url: str, source: Path, ledger_file: Path, threads: int) -> float:
    began = time.perf_counter()
    with (
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url) as client,
        Ledger.open(ledger_file) as ledger,
    ):
        campaign = ZnsCampaign(
            client, source, Columns("phone", COLUMNS), DEMO_TEMPLATE_ID, DEMO_OA_ID, ledger, "bench", threads=threads
        )
        campaign.send(campaign.plan())
    return time.perf_counter() - began


def by_operator(source: Path, ledger_file: Path, threads: int) -> tuple[float, int]:
    store = CountingStore()
    instance = SimpleNamespace(dag_id="bench", task_id="send", run_id="bench", map_index=-1, try_number=1)
    began = time.perf_counter()
    operator = ZnsBulkOperator(
        task_id="send",
        recipients=str(source),
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params=COLUMNS,
        ledger_url=str(ledger_file),
        threads=threads,
    )
    context: Any = {"ti": instance, "task_state_store": store}
    operator.render_template_fields(context)
    operator.execute(context)
    return time.perf_counter() - began, store.writes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--recipients", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    bare_seconds, operator_seconds, writes = [], [], 0
    with tempfile.TemporaryDirectory() as folder, emulator() as base_url:
        connection = {"conn_type": "esms", "host": base_url, "login": DEMO_API_KEY, "password": DEMO_SECRET_KEY}
        os.environ["AIRFLOW_CONN_ESMS_DEFAULT"] = json.dumps(connection)
        for number in range(-1, given.rounds):  # the first round is to warm up
            for kind in ("bare", "operator"):
                # People of their own, or the gateway would know the request ids.
                source = Path(folder) / f"{kind}{number}.csv"
                first = 900_000_000 + (2 * (number + 1) + (kind == "bare")) * given.recipients
                rows = (f"0{first + row},Chi Huong,Goi dau,KH{row},19/03/2025\n" for row in range(given.recipients))
                source.write_text("phone," + ",".join(COLUMNS) + "\n" + "".join(rows), encoding="utf-8")
                ledger_file = Path(folder) / f"{kind}{number}.sqlite"
                if kind == "bare":
                    seconds = bare(base_url, source, ledger_file, given.threads)
                    bare_seconds += [seconds] if number >= 0 else []
                else:
                    seconds, writes = by_operator(source, ledger_file, given.threads)
                    operator_seconds += [seconds] if number >= 0 else []
    best, with_operator = min(bare_seconds), min(operator_seconds)
    print(f"recipients                 {given.recipients:>10,}")
    print(f"bare core                  {given.recipients / best:>10,.0f} a second")
    print(f"operator                   {given.recipients / with_operator:>10,.0f} a second")
    print(f"overhead of the operator   {with_operator / best - 1:>10.1%}")
    print(f"writes to Airflow's store  {writes:>10}")


if __name__ == "__main__":
    main()
