"""
The overhead of the guard with a large ledger: claims under each rule, compared with claims without rules.

    python benchmarks/guard.py [--rows 10000000] [--suppressed 1000000] [--recipients 100000] [--chunk 100]

First the ledger file is filled with rows and phones of other recipients, one row in a hundred within the hours that a
cap considers. Then chunks are claimed under the rules in turn, so that all have the same file and the same load. Wall
time includes the wait for the disk at each commit. Nothing is sent. Ratios are portable, absolute figures are not.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pendulum
import sqlalchemy as sa

from esms_connectors.ledger import Ledger
from esms_connectors.ledger.row_rules import RowRules
from esms_connectors.ledger.rows import LedgerRow

NOW = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
EARLIER = int(NOW.subtract(days=30).timestamp() * 1000)
YESTERDAY = int(NOW.subtract(hours=20).timestamp() * 1000)
BARE = RowRules(NOW, NOW)
COUNTED = replace(BARE, message_class="advertising")


def rules_of(chunk: int) -> dict[str, RowRules | None]:
    """Rules by name; the first one is the baseline."""
    budget = {"costs": [300] * chunk, "most_run": 10**12, "most_month": 10**12}
    return {
        "claim": COUNTED,
        "suppression list": replace(COUNTED, suppresses=True),
        "cap": replace(COUNTED, cap=3),
        "budget": replace(COUNTED, **budget),
        "all three": replace(COUNTED, suppresses=True, cap=3, **budget),
    }


def phone_of(number: int) -> str:
    return f"09{number % 10**8:08d}"


def fill(path: Path, rows: int, suppressed: int) -> None:
    """Add settled rows of earlier runs, which count for caps, and phones on the suppression list."""
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -500000")
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'esms_sends' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        # Request ids in order, spread over the range of a hash, so that later claims fall anywhere among them.
        database.execute(
            "INSERT INTO esms_sends (request_id, run_key, row_key, line, phone, payload_hash, chunk, state, "
            "generation, in_doubt, duplicate, lease_until_ms, first_attempt_ms, updated_ms, message_class, arrives_ms) "
            f"{numbers} SELECT printf('%010x%030x', n * :step, n), 'run-' || (n / 100000), n, n, "
            "printf('09%08d', n * 7919 % 100000000), printf('%040x', n), '1', 'accepted', 0, 0, 0, 0, "
            ":earlier, :earlier, 'advertising', CASE WHEN n % 100 = 0 THEN :yesterday ELSE :earlier END FROM numbers",
            {"last": rows - 1, "step": 2**40 // rows, "earlier": EARLIER, "yesterday": YESTERDAY},
        )
        for _, statement in indexes:
            database.execute(statement)
        database.execute(
            "INSERT OR IGNORE INTO esms_suppressed (phone, phones, reason, source, added_ms) "
            f"{numbers} SELECT printf('09%08d', n * 97 % 100000000), 'plain', 'r', 's', 0 FROM numbers",
            {"last": suppressed - 1},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 10_000_000), ("suppressed", 1_000_000), ("recipients", 100_000), ("chunk", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", help="where the ledger's file is made, on the disk that is to be measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder, "ledger.sqlite")
        with Ledger.open(path, now=lambda: NOW) as ledger:
            began = time.perf_counter()
            fill(path, given.rows, given.suppressed)
            shown = f"{given.rows:,} rows, {given.suppressed:,} suppressed phones"
            print(f"{shown}: {path.stat().st_size / 1e9:.1f} GB, made in {time.perf_counter() - began:.0f} s")
            measure(ledger, given.recipients, given.chunk)
            look_at_a_person(ledger)


def measure(ledger: Ledger, recipients: int, chunk: int) -> None:
    wall, cpu, commits = Counter[str](), Counter[str](), Counter[str]()
    left_out = Counter[str]()
    rules, now = rules_of(chunk), ""
    sa.event.listen(ledger._engine, "commit", lambda _: commits.update([now]))
    for name in rules:
        ledger.begin_run(name, "advertising", {"campaign": name})
    for first in range(0, recipients, chunk):
        for now, asked in rules.items():
            # Each rule gets different phones, none of them adjacent in any index.
            number = (first * len(rules) + [*rules].index(now)) * 104_729
            phones = [phone_of(number + 15_485_863 * place) for place in range(chunk)]
            rows = [LedgerRow(phone, phone, "payload", place) for place, phone in enumerate(phones)]
            began, used = time.perf_counter(), time.process_time()
            found = ledger.claim(now, rows, worker="w", chunk=str(first), rules=asked)
            wall[now] += time.perf_counter() - began
            cpu[now] += time.process_time() - used
            left_out[now] += found.left_out
    print(f"{'':18} {'wall s':>8} {'':>7} {'CPU s':>8} {'':>7} {'commits':>8} {'skipped':>8}   of {recipients:,} each")
    for name in rules:
        print(
            f"{name:18} {wall[name]:8.2f} {wall[name] / wall['claim']:7.1%} {cpu[name]:8.2f} "
            f"{cpu[name] / cpu['claim']:7.1%} {commits[name]:8} {left_out[name]:8}"
        )


def look_at_a_person(ledger: Ledger) -> None:
    began = time.perf_counter()
    ledger.people.held(phone_of(7919))
    print(f"everything about a person: {time.perf_counter() - began:.3f} s")


if __name__ == "__main__":
    main()
