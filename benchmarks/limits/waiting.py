"""Throughput with latency: threads that sleep in the stand-in use no CPU, so only our own work can delay them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sent_data.reader import SentDataReader

from .loads import WINDOW
from .pairs import Figure
from .sends import noon, recipients
from .stand_in import CHUNK, PAGE_ROWS, Pages, Zns, client_of

LATENCY_SECONDS = 0.2
THREADS = (8, 16, 32)


def _sends(threads: int, calls: int, latency_seconds: float) -> None:
    rows = recipients(calls * CHUNK)
    served = Zns([row.phone for row in rows], latency_seconds=latency_seconds)
    with (
        tempfile.TemporaryDirectory(prefix="bench-waiting-") as folder,
        Ledger.open(Path(folder, "ledger.sqlite")) as ledger,
        client_of(served, now=noon, max_connections=threads) as client,
    ):
        send_bulk(
            ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID),
            Recipients(lambda: iter(rows)),
            ledger=ledger,
            run_key="bench",
            threads=threads,
        )


def _pulls(threads: int, calls: int, latency_seconds: float) -> None:
    served = Pages(calls * PAGE_ROWS, latency_seconds=latency_seconds)
    with (
        client_of(served, max_connections=threads) as client,
        SentDataReader(client, [WINDOW], threads=threads) as reader,
    ):
        assert sum(batch.num_rows for reading in reader for batch in reading) == calls * PAGE_ROWS


def with_latency(calls_a_thread: int = 12, long: int = 60) -> Iterator[Figure]:
    """
    The first call of a pull returns the number of rows, and the last one, after all others, verifies it. Both run
    alone, so a pull of 12 calls per thread takes at least 14 latencies (86 %), one of 60 takes 62 (97 %).
    """
    kinds: tuple[tuple[str, Callable[[int, int, float], None], int], ...] = (
        ("sends", _sends, calls_a_thread),
        ("pulls", _pulls, calls_a_thread),
        (f"pulls of {long} calls a thread", _pulls, long),
    )
    for name, work, calls_each in kinds:
        for threads in THREADS:
            calls = calls_each * threads
            began, used = time.perf_counter(), time.process_time()
            work(threads, calls, LATENCY_SECONDS)
            seconds, cpu = time.perf_counter() - began, time.process_time() - used
            # Python's threads share one core, which limits the number of calls.
            allowed = min(threads / LATENCY_SECONDS, calls / cpu)
            yield Figure(
                f"{name}, 200 ms, {threads} threads",
                100 * calls / seconds / allowed,
                "%",
                95,
                at_least=True,
                # Wall-clock time is affected by other load on the machine: five percentage points.
                noise=5.0,
                floor="threads / latency, or what one core carries",
                ours_ms=cpu * 1000 / calls,
                note=f"{calls / seconds:.0f} calls a second of {allowed:.0f} that are possible",
            )
