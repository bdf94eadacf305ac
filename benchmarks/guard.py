"""
What the guard costs a run whose ledger is large: the statements that it adds to a claim, beside the claim itself.

    python benchmarks/guard.py [--rows 10000000] [--suppressed 1000000] [--recipients 100000] [--chunk 100]

Rows and phones of others are put into the ledger's file first. Each chunk is then asked about as a run does: stop
marks, rows that are settled, the suppression list, the cap, the budget; and it is claimed. Nothing is sent. Ratios
travel, absolute figures do not.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pendulum

from esms_connectors.ledger import Ledger
from esms_connectors.ledger.rows import LedgerRow

FILL = 200_000
NOW = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
EARLIER = int(NOW.subtract(days=30).timestamp() * 1000)


def phone_of(number: int) -> str:
    return f"09{number % 10**8:08d}"


def fill(path: Path, rows: int, suppressed: int) -> None:
    """Settled rows of earlier runs, a message that counts for a cap for each, and phones on the list."""

    def sent(first: int, count: int) -> Iterator[tuple[object, ...]]:
        for number in range(first, first + count):
            run_key = f"run-{number // 100_000}"
            yield (f"{number:040x}", run_key, phone_of(number), number, phone_of(number), "0" * 40, EARLIER, EARLIER)

    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        for first in range(0, rows, FILL):
            count = min(FILL, rows - first)
            database.executemany(
                "INSERT INTO esms_sends (request_id, run_key, row_key, line, phone, payload_hash, chunk, state, "
                "generation, in_doubt, duplicate, lease_until_ms, first_attempt_ms, updated_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, '1', 'accepted', 0, 0, 0, 0, ?, ?)",
                sent(first, count),
            )
            database.executemany(
                "INSERT INTO esms_contacts VALUES (?, ?, 'advertising', ?)",
                ((one[0], one[4], EARLIER) for one in sent(first, count)),
            )
            database.commit()
        database.executemany(
            "INSERT INTO esms_suppressed (phone, phones, reason, source, added_ms) VALUES (?, 'plain', 'r', 's', 0)",
            ((phone_of(number * 97),) for number in range(suppressed)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 10_000_000), ("suppressed", 1_000_000), ("recipients", 100_000), ("chunk", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.sqlite")
        with Ledger.open(path, now=lambda: NOW) as ledger:
            fill(path, given.rows, given.suppressed)
            measure(ledger, given.recipients, given.chunk)


def measure(ledger: Ledger, recipients: int, chunk: int) -> None:
    seconds: Counter[str] = Counter()
    ledger.begin_run("now", "advertising", {"campaign": "now"})
    for first in range(0, recipients, chunk):
        measure_chunk(ledger, [phone_of(7 * number) for number in range(first, first + chunk)], seconds)
    for name, spent in seconds.items():
        print(f"{name:18} {spent:8.2f} s for {recipients:,} recipients, {spent / seconds['claim']:6.1%} of the claims")


def measure_chunk(ledger: Ledger, phones: list[str], seconds: Counter[str]) -> None:
    guard, pairs = ledger.guard, [(phone, phone) for phone in phones]
    rows = [LedgerRow(phone, phone, "payload", number) for number, phone in enumerate(phones)]
    costs = dict.fromkeys(phones, Decimal(300))
    parts: dict[str, Callable[[], object]] = {
        "stop marks": lambda: guard.stops.in_force("now", "account"),
        "settled rows": lambda: ledger.unsettled("now", phones),
        "suppression list": lambda: guard.suppression.found(phones),
        "cap": lambda: guard.contacts.reserve("now", pairs, "advertising", most=3, hours=24, arrives=NOW),
        "budget": lambda: guard.spend.charge("now", costs, NOW, most_run=Decimal(10**9), most_month=None),
        "claim": lambda: ledger.claim("now", rows, worker="w", chunk=phones[0]),
    }
    for name, part in parts.items():
        began = time.perf_counter()
        part()
        seconds[name] += time.perf_counter() - began


if __name__ == "__main__":
    main()
