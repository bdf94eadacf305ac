"""
Many workers on one PostgreSQL ledger: the server's cost of a chunk of 500, and whether workers wait for each other.

    python benchmarks/contention.py [--workers 1 2 4 8 16] [--seconds 10]

Each worker is a process that claims and settles chunks of its own rows in one run, without sending in between, which is
the maximum load on a ledger. The server is a real one that waits for the disk. Its CPU time is the sum over its
processes; the wait events of its sessions are sampled fifty times per second. Rows per second depend on this machine,
whose cores workers and server share. CPU time per chunk and the share of lock waits allow an estimate for more
machines; docs/performance.md has one.
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

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import psycopg
from limits.sends import claim_and_settle, rows_of
from limits.stand_in import CHUNK
from postgres_server import PostgresServer

from esms_connectors.ledger import Ledger

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
    """CPU time of the server's processes, including those that have ended."""
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
    """Samples of the wait events of active sessions, by type; `cpu` means not waiting."""
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
    # Before they exit: the time of an ended process counts only once the server has reaped it.
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
