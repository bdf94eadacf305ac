"""
What Prefect adds to a campaign: the bare core, threads, and Dask, against one emulator and one Prefect server.

    .venvs/prefect/bin/python benchmarks/prefect_campaign.py [--recipients 100000] [--runners threads,dask]

Server and emulator run as processes of their own on this machine. Ratios travel, absolute figures do not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

CHUNK = 500


@contextmanager
def process(command: list[str], **settings: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, text=True, **settings) as running:  # type: ignore[call-overload]
        try:
            yield running
        finally:
            running.terminate()


@contextmanager
def prefect_server(home: str) -> Iterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(
        PREFECT_HOME=home,
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_DATABASE_CONNECTION_URL=f"sqlite+aiosqlite:///{home}/prefect.db",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_LOGGING_LEVEL="WARNING",
    )
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--host", "127.0.0.1"]
    with process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        for _ in range(600):
            try:
                if requests.get(os.environ["PREFECT_API_URL"] + "/health", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
        yield


@contextmanager
def emulator() -> Iterator[str]:
    with process([sys.executable, "-m", "esms_connectors.emulator", "--port", "0"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        found = re.search(r"http://\S+", running.stdout.readline())
        assert found is not None
        yield found.group()


def write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,customer_name,service,code,date\n")
        for number in range(count):
            file.write(f"09{number // 10**7}{number % 10**7:07d},Chị Hương,Gội đầu,KH{number},19/03/2025\n")


def child(how: str, source: str, base_url: str, ledger: str) -> None:
    """One campaign in a process of its own, so that its memory can be told."""
    from esms_connectors.bulk import send_zns_bulk
    from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID
    from esms_connectors.ledger import Ledger
    from esms_connectors.prefect import EsmsCredentials, EsmsLedger, ZnsCampaign, zns_campaign
    from esms_connectors.recipients import Columns, read_recipients

    params = ["customer_name", "service", "code", "date"]
    block = EsmsCredentials(
        account="bench", api_key=DEMO_API_KEY, secret_key=DEMO_SECRET_KEY, base_url=base_url, oa_id=DEMO_OA_ID
    )
    block.save("bench", overwrite=True)
    EsmsLedger(url=f"sqlite:///{ledger}").save("bench", overwrite=True)
    began = time.perf_counter()
    if how == "core":
        with block.get_client() as client, Ledger.open(ledger) as opened:
            columns = Columns(params=params)
            # The flow checks all rows before the first message, so the core does here too.
            rows = sum(1 for _ in read_recipients(source, columns))
            send_zns_bulk(
                client,
                lambda: read_recipients(source, columns),
                DEMO_TEMPLATE_ID,
                DEMO_OA_ID,
                ledger=opened,
                run_key=how,
            )
    else:
        campaign = ZnsCampaign(
            run_key=how, source=source, template_id=DEMO_TEMPLATE_ID, params=params, credentials="bench", ledger="bench"
        )
        flow, settings = zns_campaign, {}
        if how == "dask":
            from prefect_dask import DaskTaskRunner

            cluster = {"n_workers": 2, "threads_per_worker": 4, "dashboard_address": None}
            flow = flow.with_options(task_runner=DaskTaskRunner(cluster_kwargs=cluster))
            settings = {"chunks_per_shard": 10}
        rows = flow(campaign, **settings)["accepted"]
    print(
        json.dumps(
            {
                "rows": rows,
                "seconds": time.perf_counter() - began,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--runners", default="threads,dask")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    chunks = -(-options.recipients // CHUNK)
    with tempfile.TemporaryDirectory() as folder, prefect_server(folder), emulator() as base_url:
        source = Path(folder) / "customers.csv"
        write_csv(source, options.recipients)
        bare = 0.0
        print(f"{options.recipients:,} recipients in {chunks} chunks")
        print(f"{'how':>8} {'seconds':>8} {'per second':>11} {'more than core':>15} {'ms a chunk':>11} {'peak MB':>8}")
        for how in ["core", *options.runners.split(",")]:
            ledger = str(Path(folder) / f"{how}.sqlite")
            command = [sys.executable, __file__, "--child", how, str(source), base_url, ledger]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            bare = bare or told["seconds"]
            print(
                f"{how:>8} {told['seconds']:>8.1f} {told['rows'] / told['seconds']:>11,.0f}"
                f" {told['seconds'] / bare - 1:>14.0%} {1000 * (told['seconds'] - bare) / chunks:>11.1f}"
                f" {told['peak_mb']:>8.0f}"
            )


if __name__ == "__main__":
    main()
