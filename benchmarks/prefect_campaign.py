"""
The overhead of Prefect: campaigns by the bare core, by threads and by Dask, and a day of status rows loaded by the core
and by the flow, all against one emulator and one Prefect server.

    .venvs/prefect/bin/python benchmarks/prefect_campaign.py [--recipients 100000] [--rows 1000000] [--runners threads]

Server and emulator run as separate processes on this machine. CPU seconds are those of the client with its child
processes, and separately those of Prefect's server; on a shared machine they are more reliable than wall-clock time.
Ratios are portable, absolute figures are not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pendulum
import requests
from processes import cpu_seconds, emulator

CHUNK = 500
PARAMS = ["customer_name", "service", "code", "date"]


@contextmanager
def prefect_server(home: str) -> Iterator[int]:
    """Start a server and yield its process id; settings for it and its clients are in the environment."""
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
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        for _ in range(600):
            try:
                if requests.get(os.environ["PREFECT_API_URL"] + "/health", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
        try:
            yield running.pid
        finally:
            running.terminate()


def write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,customer_name,service,code,date\n")
        for number in range(count):
            file.write(f"09{number // 10**7}{number % 10**7:07d},Chị Hương,Gội đầu,KH{number},19/03/2025\n")


# --- in a separate process, so that its memory can be measured -------------------------------------------------------


def child(what: str, how: str, base_url: str, folder: str) -> None:
    from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY
    from esms_connectors.prefect import EsmsCredentials, EsmsLedger, EsmsWarehouse

    EsmsCredentials(
        account="bench", api_key=DEMO_API_KEY, secret_key=DEMO_SECRET_KEY, base_url=base_url, oa_id=DEMO_OA_ID
    ).save("bench", overwrite=True)
    EsmsLedger(url=f"sqlite:///{folder}/{how}.sqlite").save("bench", overwrite=True)
    EsmsWarehouse(url=f"duckdb:///{folder}/{how}.duckdb").save("bench", overwrite=True)
    began = time.perf_counter()
    rows = send(how, f"{folder}/customers.csv") if what == "send" else load(how)
    seconds = time.perf_counter() - began
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        json.dumps(
            {
                "rows": rows,
                "seconds": seconds,
                "cpu": sum(one.ru_utime + one.ru_stime for one in used),
                "peak_mb": used[0].ru_maxrss / 1024,
                "worker_mb": used[1].ru_maxrss / 1024 if how == "dask" else 0,
            }
        )
    )


def send(how: str, source: str) -> int:
    from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
    from esms_connectors.prefect import EsmsCredentials, EsmsLedger, ZnsCampaign, zns_campaign
    from esms_connectors.recipients import Columns
    from esms_connectors.sending import campaign as core
    from esms_connectors.sending.channels import ZnsChannel

    if how == "core":
        with EsmsCredentials.load("bench").get_client() as client, EsmsLedger.load("bench").open() as ledger:
            channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
            bare = core.Campaign(channel, source, Columns(params=PARAMS), ledger=ledger, run_key=how)
            return bare.send(bare.plan()).run.accepted
    campaign = ZnsCampaign(
        run_key=how, source=source, template_id=DEMO_TEMPLATE_ID, params=PARAMS, credentials="bench", ledger="bench"
    )
    flow, settings = zns_campaign, {}
    if how == "dask":
        from prefect_dask import DaskTaskRunner

        cluster = {"n_workers": 2, "threads_per_worker": 4, "dashboard_address": None}
        flow = flow.with_options(task_runner=DaskTaskRunner(cluster_kwargs=cluster))
        settings = {"chunks_per_shard": 10}
    accepted: int = flow(campaign, **settings)["accepted"]
    return accepted


def load(how: str) -> int:
    from esms_connectors.prefect import EsmsCredentials, EsmsWarehouse, daily_sent_messages_export
    from esms_connectors.warehouse import load_sent_messages

    if how == "core":
        first = pendulum.yesterday("Asia/Ho_Chi_Minh")
        with EsmsCredentials.load("bench").get_client() as client, EsmsWarehouse.load("bench").open() as warehouse:
            return load_sent_messages(client, warehouse, first, first.add(days=1)).rows
    rows: int = daily_sent_messages_export(credentials="bench", warehouse="bench")["rows"]
    return rows


# --- the table -------------------------------------------------------------------------------------------------------


def measure(what: str, ways: list[str], parts: int, base_url: str, folder: str, server: int) -> None:
    bare: dict[str, float] = {}
    print(
        f"{'how':>8} {'rows':>9} {'seconds':>8} {'cpu s':>7} {'server cpu s':>13} {'more than core':>15}"
        f" {'in cpu s':>9} {'ms a part':>10} {'peak MB':>8} {'worker MB':>10}"
    )
    for how in ways:
        before = cpu_seconds(server)
        command = [sys.executable, __file__, "--child", what, how, base_url, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        told = json.loads(done.stdout.splitlines()[-1])
        bare = bare or told
        print(
            f"{how:>8} {told['rows']:>9,} {told['seconds']:>8.1f} {told['cpu']:>7.1f}"
            f" {cpu_seconds(server) - before:>13.1f} {told['seconds'] / bare['seconds'] - 1:>14.0%}"
            f" {told['cpu'] / bare['cpu'] - 1:>9.0%} {1000 * (told['seconds'] - bare['seconds']) / parts:>10.1f}"
            f" {told['peak_mb']:>8.0f} {told['worker_mb']:>10.0f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000, help="0 for no campaign")
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 for no loading")
    parser.add_argument("--runners", default="threads,dask")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    with tempfile.TemporaryDirectory() as folder, prefect_server(folder) as server:
        if options.recipients:
            write_csv(Path(folder) / "customers.csv", options.recipients)
            chunks = -(-options.recipients // CHUNK)
            print(f"{options.recipients:,} recipients; a part is a chunk, one of {chunks}")
            with emulator() as base_url:
                measure("send", ["core", *options.runners.split(",")], chunks, base_url, folder, server)
        if options.rows:
            pages = -(-options.rows // CHUNK)
            print(f"{options.rows:,} status rows of a day into DuckDB; a part is a page, one of {pages}")
            with emulator("--populate", str(options.rows)) as base_url:
                measure("load", ["core", "flow"], pages, base_url, folder, server)


if __name__ == "__main__":
    main()
