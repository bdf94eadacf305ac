"""A chunk of ZNS with and without a ledger; claim and settle compared with minimal SQLite; a large ledger."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import pendulum

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import Claim, LedgerRow, Settlement
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel

from .pairs import Figure, compare, cpu_ms, figure_of
from .stand_in import CHUNK, Zns, client_of


def noon() -> pendulum.DateTime:
    return pendulum.now("Asia/Ho_Chi_Minh").at(12)


def recipients(count: int) -> list[Recipient]:
    phones = [f"09{number:08d}" for number in range(count)]
    return [
        Recipient(phone, ("Chị Hương", "Gội đầu", f"KH{number}", "19/03/2025"), phone, number + 2)
        for number, phone in enumerate(phones)
    ]


class Sender:
    """`chunks` calls of 500 rows, sent as new messages in each round."""

    def __init__(self, chunks: int, folder: Path) -> None:
        self.rows = recipients(chunks * CHUNK)
        self._folder, self._round = folder, 0
        self.client = client_of(Zns([row.phone for row in self.rows]), now=noon)

    def with_ledger(self, threads: int = 1) -> None:
        self._round += 1
        with Ledger.open(self._folder / "ledger.sqlite") as ledger:
            done = send_bulk(
                ZnsChannel(self.client, DEMO_TEMPLATE_ID, DEMO_OA_ID),
                Recipients(lambda: iter(self.rows)),
                ledger=ledger,
                run_key=f"bench-{self._round}",
                threads=threads,
            )
        assert done.run.accepted == len(self.rows)

    def without(self) -> None:
        """The same calls through the same client, without a ledger."""
        self._round += 1
        channel = ZnsChannel(self.client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        for first in range(0, len(self.rows), CHUNK):
            chunk = self.rows[first : first + CHUNK]
            claims = [Claim(place, "", f"{self._round}-{first + place}", False) for place in range(len(chunk))]
            outcome = channel.send(claims, chunk, "bench", lambda claims: True)
            assert all(one.state is SendState.ACCEPTED for one in outcome.settlements)


def chunk_of_zns(chunks: int = 20, rounds: int = 9) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-zns-") as folder:
        sender = Sender(chunks, Path(folder))
        yield compare(
            "a chunk of 500 ZNS with a ledger",
            sender.with_ledger,
            sender.without,
            units=chunks,
            rounds=rounds,
            goal=2.0,
            floor_is="the same calls without",
            note="with reading, checks of account and guard, opening and closing of the ledger",
        )


class Plain:
    """Minimal SQLite with the same durability: 16-byte keys, WITHOUT ROWID, two commits per chunk."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA wal_autocheckpoint = 16384")
        self._database.execute(
            "CREATE TABLE sends (id BLOB PRIMARY KEY, run INTEGER, phone TEXT, payload BLOB, state INTEGER, "
            "message_id TEXT, at INTEGER) WITHOUT ROWID"
        )

    def send(self, run: str, rows: list[LedgerRow]) -> None:
        ids = [sha256(f"{run}{row.row_key}".encode()).digest()[:16] for row in rows]
        given = [
            (one, 1, row.phone, sha256(row.payload.encode()).digest()[:16], 0, time.time_ns())
            for one, row in zip(ids, rows, strict=True)
        ]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO sends VALUES (?, ?, ?, ?, ?, NULL, ?)", given)
        self._database.execute("COMMIT")
        settled = [(1, message_id(place), time.time_ns(), one) for place, one in enumerate(ids)]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("UPDATE sends SET state = ?, message_id = ?, at = ? WHERE id = ?", settled)
        self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


def message_id(place: int) -> str:
    return f"cf466408620179e91cd6bf57{place:08x}"


def rows_of(chunk: int) -> list[LedgerRow]:
    numbers = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    return [LedgerRow(phone := f"09{number:08d}", phone, f"9:Chị Hương{number}", number) for number in numbers]


def claim_and_settle(ledger: Ledger, run_key: str, rows: list[LedgerRow]) -> tuple[float, float]:
    """CPU milliseconds of claim and settle."""
    began = time.process_time()
    found = ledger.claim(run_key, rows, worker="bench", chunk="1")
    claimed = time.process_time()
    assert len(found.claims) == len(rows)
    settlements = [
        Settlement(claim.request_id, SendState.ACCEPTED, "100", message_id(claim.place)) for claim in found.claims
    ]
    settling = time.process_time()
    states = ledger.settle(settlements, worker="bench")
    assert len(states) == len(rows)
    return (claimed - began) * 1000, (time.process_time() - settling) * 1000


def _claim_and_settle_all(ledger: Ledger, run_key: str, chunks: list[list[LedgerRow]]) -> None:
    for rows in chunks:
        claim_and_settle(ledger, run_key, rows)


def claim_and_settle_beside_sqlite(chunks: int = 40, rounds: int = 9) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder, Ledger.open(Path(folder, "l.sqlite")) as ledger:
        plain = Plain(Path(folder, "plain.sqlite"))
        chunked = [rows_of(chunk) for chunk in range(chunks)]
        runs = iter(range(1_000_000))
        parts: list[tuple[float, float]] = []

        def ours() -> None:
            run = f"run-{next(runs)}"
            ledger.begin_run(run, "zns", {"campaign": run})
            parts.extend(claim_and_settle(ledger, run, rows) for rows in chunked)

        def floor() -> None:
            run = f"run-{next(runs)}"
            for rows in chunked:
                plain.send(run, rows)

        yield compare(
            "claim and settle of 500 rows",
            ours,
            floor,
            units=chunks,
            rounds=rounds,
            goal=1.2,
            floor_is="the plainest SQLite as durable: 16-byte keys, WITHOUT ROWID, two commits",
        )
        plain.close()


def large_ledger(rows: int = 3_000_000, chunks: int = 40, rounds: int = 5) -> Iterator[Figure]:
    """Claim and settle in a large ledger, compared with an empty one."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from guard import fill

    with tempfile.TemporaryDirectory(prefix="bench-large-") as folder:
        paths = [Path(folder, name) for name in ("large.sqlite", "small.sqlite")]
        for path in paths:
            Ledger.open(path).close()
        fill(paths[0], rows, 1000)
        with Ledger.open(paths[0]) as large, Ledger.open(paths[1]) as small:
            pairs = []
            for number in range(rounds + 1):
                spent = []
                for ledger in (large, small):
                    ledger.begin_run(f"new-{number}", "zns", {"campaign": "new"})
                    chunked = [rows_of(chunk) for chunk in range(chunks)]
                    spent.append(cpu_ms(partial(_claim_and_settle_all, ledger, f"new-{number}", chunked)))
                pairs.append(tuple(spent))
            yield figure_of(
                f"claim and settle in a ledger of {rows:,} rows",
                pairs[1:],
                units=chunks,
                goal=1.5 if rows >= 10_000_000 else None,
                floor_is="itself in an empty one",
                note="the goal, 1.5 x, is for 10 million rows",
            )
