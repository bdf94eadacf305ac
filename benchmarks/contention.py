"""
Many workers on one PostgreSQL ledger: what a chunk of 500 costs the server, and whether workers wait for each other.

    python benchmarks/contention.py [--workers 1 2 4 8 16] [--seconds 10]

Each worker is a process that claims and settles chunks of rows of its own in one run, with nothing to send in between,
which is the most that a ledger can be asked. The server is real, with its waits for the disk. Its processor time is
added up from its processes; what its sessions wait for is sampled fifty times a second. Rows a second are those of this
machine, whose cores workers and server share. Processor time a chunk and the share of waits for locks are what an
estimate for more machines can be made from; docs/performance.md makes one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]

import psycopg  # noqa: E402
from limits.sends import claim_and_settle, rows_of  # noqa: E402
from limits.stand_in import CHUNK  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402

from esms_connectors.ledger import Ledger  # noqa: E402

RUN = "one-run"
FAR_APART = 1_000_000  # chunks of one worker, so that no two have a row in common
_TICK = os.sysconf("SC_CLK_TCK")


def work(url: str, worker: int, ready: Barrier, stop: Event, told: Any) -> None:
    with Ledger.open(url) as ledger:
        ledger.begin_run(RUN, "zns", {"campaign": RUN})
        chunk, seconds = worker * FAR_APART // CHUNK, []
        claim_and_settle(ledger, RUN, rows_of(chunk))
        ready.wait()
        while not stop.is_set():
            chunk += 1
            rows = rows_of(chunk)
            began = time.perf_counter()
            claim_and_settle(ledger, RUN, rows)
            seconds.append(time.perf_counter() - began)
        told.put(seconds)


def server_seconds(postmaster: int) -> float:
    """Processor time of the server's processes, those that have ended included."""
    spent = 0
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if entry.name == str(postmaster):
            spent += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            spent += sum(map(int, fields[11:13]))
    return spent / _TICK


def waits(server: PostgresServer, seconds: float) -> Counter[str]:
    """What the sessions that were at work waited for, by kind; `cpu` is not at all."""
    found: Counter[str] = Counter()
    until = time.monotonic() + seconds
    with psycopg.connect(server.uri, autocommit=True) as connection:
        while time.monotonic() < until:
            rows = connection.execute(
                "SELECT coalesce(wait_event_type, 'cpu') FROM pg_stat_activity "
                "WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            found.update(kind for (kind,) in rows)
            time.sleep(0.02)
    return found


def measure(server: PostgresServer, workers: int, seconds: float) -> str:
    url = f"{server.uri}&options=-csearch_path%3D{server.new_schema()}"
    Ledger.open(url).close()
    context = multiprocessing.get_context("spawn")
    ready, stop, told = context.Barrier(workers + 1), context.Event(), context.Queue()
    processes = [context.Process(target=work, args=(url, number, ready, stop, told)) for number in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    before, began = server_seconds(server.postmaster), time.monotonic()
    kinds = waits(server, seconds)
    stop.set()
    chunks: list[float] = sorted(one for _ in processes for one in told.get())
    took = time.monotonic() - began
    # Before they go: of a process that ended the time counts when the server has noticed.
    spent = server_seconds(server.postmaster) - before
    for process in processes:
        process.join()
    samples = max(1, sum(kinds.values()))
    shares = ", ".join(f"{kind} {100 * count / samples:.0f} %" for kind, count in kinds.most_common())
    middle, late = chunks[len(chunks) // 2], chunks[len(chunks) * 95 // 100]
    return (
        f"| {workers} | {len(chunks) * CHUNK / took:,.0f} | {1000 * spent / len(chunks):.1f} "
        f"| {1000 * middle:.0f} / {1000 * late:.0f} | {shares} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args(arguments)
    server = PostgresServer(durable=True)
    try:
        print("| workers | rows/s | CPU of the server, ms a chunk | a chunk, ms: median / 95 % | sessions at work |")
        print("| --- | --- | --- | --- | --- |")
        for workers in given.workers:
            print(measure(server, workers, given.seconds), flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
