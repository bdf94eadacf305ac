"""
Bulk ZNS end to end: recipients per second, and the share of the ledger, compared with a plain `requests` loop.

    python benchmarks/bulk_sends.py [--recipients 40000] [--latencies 0,50,200] [--threads 1,4,8,16]

The gateway is the emulator in a separate process. Ratios are portable, absolute figures are not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pendulum
import requests
from processes import emulator

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.rows import Claim
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel

CHUNK = 500


def recipients(count: int) -> Iterator[Recipient]:
    for number in range(count):
        phone = f"09{number // 10**7}{number % 10**7:07d}"
        yield Recipient(phone, ("Chị Hương", "Gội đầu", f"KH{number}", "19/03/2025"), phone, number + 2)


def noon() -> pendulum.DateTime:
    return pendulum.now("Asia/Ho_Chi_Minh").at(12)


def with_ledger(base_url: str, count: int, threads: int, folder: Path) -> float:
    with (
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url, max_connections=threads, now=noon) as client,
        Ledger.open(folder / f"{time.monotonic_ns()}.sqlite") as ledger,
    ):
        began = time.perf_counter()
        summary = send_bulk(
            ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID),
            Recipients(lambda: recipients(count)),
            ledger=ledger,
            run_key=f"bench-{time.monotonic_ns()}",
            threads=threads,
        )
        assert summary.run.accepted == count
        return time.perf_counter() - began


def without_ledger(base_url: str, count: int, threads: int) -> float:
    """The same calls through the same client, without claim and settle."""
    with EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url, max_connections=threads, now=noon) as client:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        rows = recipients(count)
        chunks = iter(lambda: [row for row, _ in zip(rows, range(CHUNK), strict=False)], [])

        def send(number: int, chunk: list[Recipient]) -> None:
            claims = [Claim(place, "", f"{time.monotonic_ns()}-{number}-{place}", False) for place in range(len(chunk))]
            channel.send(claims, chunk, "bench", lambda claim: True)

        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(send, range(count // CHUNK), chunks))
        return time.perf_counter() - began


def plain_requests(base_url: str, count: int) -> float:
    """A plain loop of requests: one session, one thread, no request ids, no ledger, no checks."""
    rows, began = list(recipients(count)), time.perf_counter()
    with requests.Session() as session:
        for first in range(0, count, CHUNK):
            body = {
                "ApiKey": DEMO_API_KEY,
                "SecretKey": DEMO_SECRET_KEY,
                "OAID": DEMO_OA_ID,
                "TempID": DEMO_TEMPLATE_ID,
                "Data": [{"Phone": row.phone, "Params": row.template_params} for row in rows[first : first + CHUNK]],
            }
            url = f"{base_url}/MainService.svc/json/Send_zns_bulk_v4_post_json/"
            assert session.post(url, json=body, timeout=60).json()["CodeResult"] == "100"
    return time.perf_counter() - began


def write_parquet(path: Path, count: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("phone", "customer_name", "service", "code", "date")])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, 50_000):
            numbers = range(first, min(first + 50_000, count))
            writer.write_table(
                pa.table(
                    {
                        "phone": [f"09{number // 10**7}{number % 10**7:07d}" for number in numbers],
                        "customer_name": ["Chị Hương"] * len(numbers),
                        "service": ["Gội đầu"] * len(numbers),
                        "code": [f"KH{number}" for number in numbers],
                        "date": ["19/03/2025"] * len(numbers),
                    },
                    schema=schema,
                )
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=40_000)
    parser.add_argument("--latencies", default="0,50,200", help="milliseconds")
    parser.add_argument("--threads", default="1,4,8,16")
    options = parser.parse_args()
    count = options.recipients
    print(f"{count:,} recipients in chunks of {CHUNK}; recipients a second")
    print(f"{'latency':>8} {'threads':>8} {'with ledger':>12} {'without':>10} {'ledger costs':>13} {'of latency':>11}")
    for latency in map(float, options.latencies.split(",")):
        with emulator("--latency", str(latency / 1000)) as base_url, tempfile.TemporaryDirectory() as folder:
            print(
                f"{latency:>6.0f}ms {'plain':>8} {count / plain_requests(base_url, count):>12,.0f}   (requests alone)"
            )
            for threads in map(int, options.threads.split(",")):
                ledger_seconds = with_ledger(base_url, count, threads, Path(folder))
                bare_seconds = without_ledger(base_url, count, threads)
                # The minimum due to latency alone.
                ideal = count / CHUNK / threads * latency / 1000
                print(
                    f"{latency:>6.0f}ms {threads:>8} {count / ledger_seconds:>12,.0f} {count / bare_seconds:>10,.0f}"
                    f" {ledger_seconds / bare_seconds - 1:>12.0%} {ideal / ledger_seconds:>10.0%}"
                )


if __name__ == "__main__":
    main()
