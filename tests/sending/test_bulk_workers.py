"""Several workers at one run: racing, overlapping, frozen, interrupted; and databases that fail under them."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bulk_bench import LEASE_SECONDS, POSTGRESQL, SQLITE, Bench, new_ledger, people
from postgres_server import PostgresServer
from sender_child import AFTER_CLAIM, BEFORE_SETTLE
from waiting import wait_until

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.ledger import SendState
from esms_connectors.ledger.rows import LedgerRow, Settlement
from esms_connectors.sending.bulk import BulkIncompleteError, send_bulk
from esms_connectors.sending.channels import ZnsChannel


@pytest.mark.in_turn
@pytest.mark.parametrize("channel", ["zns", "customer_care", "advertising"])
def test_two_racing_processes_send_each_row_once(
    ledger_url: str, make_bench: Callable[..., Bench], channel: str
) -> None:
    """Two senders with the same rows at the same time send each row once, end well, and leave nothing open."""
    bench = make_bench(ledger_url, people(320 if channel == "customer_care" else 1000))
    if channel != "advertising":
        bench.block(97)
    # So that the two are surely at it together.
    bench.server.latency_seconds = 0.02
    first, second = (bench.start(threads=4, channel=channel) for _ in range(2))
    told = [first.result, second.result]
    assert {one["raised"] for one in told} <= {"", "BulkIncompleteError"}
    assert any(one["run"]["accepted"] + one["run"]["rejected"] == len(bench.recipients) for one in told)
    sent_by = [one["counters"]["accepted"] - one["counters"]["duplicates"] for one in told]
    assert sum(sent_by) == len(bench.recipients) - len(bench.blocked)
    bench.check_complete()


def test_concurrent_first_use_of_a_ledger_succeeds(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Four senders that find no tables all end well: one makes the tables, the others find them."""
    bench = make_bench(ledger_url, people(200))
    told = [sender.result for sender in [bench.start(threads=2) for _ in range(4)]]
    assert {one["raised"] for one in told} <= {"", "BulkIncompleteError"}
    bench.check_complete()


def test_processes_with_overlapping_recipients_send_each_row_once(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Lists that overlap, cut elsewhere and in another order, give each recipient one message."""
    bench = make_bench(ledger_url, people(900))
    bench.server.latency_seconds = 0.01
    lists = [bench.recipients[:600], bench.recipients[300:], bench.recipients[::-1]]
    senders = [bench.start(threads=3, chunk_size=37 + 20 * place, recipients=rows) for place, rows in enumerate(lists)]
    assert {sender.result["raised"] for sender in senders} <= {"", "BulkIncompleteError"}
    bench.send()
    bench.check_complete()


def test_workers_with_disjoint_rows_do_not_wait_for_each_other(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Parts of one run are sent at the same time by two calls: the one that is done first is done."""
    bench = make_bench(ledger_url, people(400))
    bench.lease_seconds = 30
    mine, theirs = bench.recipients[:300], bench.recipients[300:]
    claimed, go_on = threading.Event(), threading.Event()
    other_ledger = bench.trapped_ledger(AFTER_CLAIM, 1, lambda: (claimed.set(), go_on.wait(240)))
    others: list[Any] = []
    other = threading.Thread(target=lambda: others.append(bench.send(theirs, ledger=other_ledger, at_least=1.0)))
    other.start()
    try:
        assert claimed.wait(240)
        channel = ZnsChannel(bench.client(), DEMO_TEMPLATE_ID, DEMO_OA_ID)
        summary = send_bulk(channel, mine, ledger=bench.ledger(), run_key=bench.run_key)
        assert (summary.complete, summary.accepted_share) == (True, 1.0)
        assert (summary.run.accepted, summary.run.claimed, summary.elsewhere) == (300, 100, 100)
        assert "100 claimed by another worker" in str(summary)
    finally:
        go_on.set()
        other.join()
    assert others[0].complete
    bench.check_complete()


def test_open_rows_claimed_by_another_worker_give_one_warning(
    ledger_url: str, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    """Until its lease ends nobody can tell: the call did all of its own, and does not let that look like the run."""
    bench = make_bench(ledger_url, people(200))
    theirs = [LedgerRow(one.row_key, one.phone, "p", one.line) for one in bench.recipients[150:]]
    bench.send(bench.recipients[:10])
    # A lease that no busy machine outlasts.
    bench.ledger(lease_seconds=600).claim(bench.run_key, theirs, worker="dead", chunk="c")
    caplog.clear()
    summary = bench.send(bench.recipients[:150], ledger=bench.ledger(), at_least=1.0)
    assert (summary.run.accepted, summary.run.unsettled, summary.elsewhere) == (150, 50, 50)
    assert ["50 open rows belong to another worker" in one.getMessage() for one in caplog.records].count(True) == 1


def test_expired_claims_outside_the_list_are_reported_as_incomplete(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Their lease is over and nobody was given them: the run is not complete, and says whose they are."""
    bench = make_bench(ledger_url, people(200))
    theirs = [LedgerRow(one.row_key, one.phone, "p", one.line) for one in bench.recipients[150:]]
    bench.send(bench.recipients[:10])
    bench.books.claim(bench.run_key, theirs, worker="dead", chunk="c")
    bench.clock.move(bench.lease_seconds + 1)
    with pytest.raises(BulkIncompleteError, match=r"50 claimed by another worker.* do not belong to this call"):
        send_bulk(
            ZnsChannel(bench.client(), DEMO_TEMPLATE_ID, DEMO_OA_ID),
            bench.recipients[:150],
            ledger=bench.ledger(),
            run_key=bench.run_key,
        )


def test_threads_with_overlapping_recipients_send_each_row_once(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """The same in one process: several calls at once share a ledger, none sends a row of another again."""
    bench = make_bench(ledger_url, people(600))
    ledger, client = bench.ledger(), bench.client()
    calls = [
        threading.Thread(
            target=lambda rows=rows, size=size: bench.send(
                rows, ledger=ledger, client=client, threads=3, chunk_size=size, at_least=None
            )
        )
        for rows, size in ((bench.recipients, 41), (bench.recipients[::-1], 53), (bench.recipients[200:], 60))
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", [AFTER_CLAIM, BEFORE_SETTLE])
def test_worker_frozen_past_its_lease_causes_no_duplicates(
    ledger_url: str, make_bench: Callable[..., Bench], moment: str
) -> None:
    """A worker is stopped; another takes over what it had; the first wakes up, and nobody gets a second message."""
    bench = make_bench(ledger_url, people(500))
    bench.block(97)
    frozen = bench.start(threads=4, moment=moment, nth=3, signal=int(signal.SIGSTOP))
    wait_until(frozen.is_stopped)
    bench.send()
    # A blocked number that was taken over is refused, which says nothing of the one that is frozen.
    bench.reconcile(not_sent_after_seconds=0)
    summary = bench.send()
    assert summary.complete
    calls = bench.gateway.call_count("send_zns_bulk")
    frozen.signal(signal.SIGCONT)
    assert frozen.result["run"]["accepted"] == len(bench.recipients) - len(bench.blocked)
    # What it had in its hands is old, and it knows.
    assert bench.gateway.call_count("send_zns_bulk") - calls <= 4
    bench.check_complete()


def test_suspended_worker_does_not_send_on_an_expired_claim(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Frozen between claim and send for longer than the lease: the claim is given back, nothing is sent on it."""
    bench = make_bench(ledger_url, people(100))
    frozen = bench.start(threads=1, chunk_size=100, moment=AFTER_CLAIM, nth=1, signal=int(signal.SIGSTOP))
    wait_until(frozen.is_stopped)
    bench.clock.move(3600)
    time.sleep(LEASE_SECONDS)
    bench.send()
    bench.check_complete()
    calls = bench.gateway.call_count("send_zns_bulk")
    frozen.signal(signal.SIGCONT)
    assert frozen.wait() == 0
    assert bench.gateway.call_count("send_zns_bulk") == calls
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_run_interrupted_by_sigint_can_be_resumed(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """SIGINT ends the call soon, with nothing claimed by then, and the same call again sends the rest."""
    bench = make_bench(ledger_url, people(1000))
    bench.server.latency_seconds = 0.02
    sender = bench.start(threads=4, chunk_size=20)
    wait_until(lambda: bench.gateway.call_count("send_zns_bulk") >= 6)
    sender.signal(signal.SIGINT)
    assert sender.result["raised"] == "KeyboardInterrupt"
    left = Counter(bench.states().values())
    assert 0 < left["accepted"] < len(bench.recipients)
    # What was claimed and had not left is not sent, and nothing is in doubt.
    assert set(left) <= {"accepted", "not_sent"}
    bench.server.latency_seconds = 0
    assert bench.send().complete
    bench.check_complete()
    assert bench.gateway.codes["send_zns_bulk", "124"] == 0


@pytest.mark.in_turn(every=3)
def test_run_killed_by_sigterm_can_be_resumed(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """An orchestrator that ends the task loses nothing and doubles nothing."""
    bench = make_bench(sqlite_url, people(1000))
    bench.server.latency_seconds = 0.02
    sender = bench.start(threads=4, chunk_size=20)
    wait_until(lambda: bench.gateway.call_count("send_zns_bulk") >= 6)
    sender.signal(signal.SIGTERM)
    assert sender.wait() == -signal.SIGTERM
    bench.server.latency_seconds = 0
    assert bench.send().complete
    bench.check_complete()


def test_run_waits_for_a_locked_sqlite_file(sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Another writer holds the file for a while: the run waits for it and completes."""
    bench = make_bench(sqlite_url, people(200))
    bench.send(bench.recipients[:100])
    writer = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.8, lambda: writer.execute("COMMIT"))
    release.start()
    started = time.monotonic()
    assert bench.send().complete
    assert time.monotonic() - started > 0.6
    release.join()
    writer.close()
    bench.check_complete()


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("moment", [AFTER_CLAIM, BEFORE_SETTLE])
def test_run_resumes_after_lost_postgresql_connection(
    postgres: PostgresServer, make_bench: Callable[..., Bench], moment: str
) -> None:
    """The database ends all connections in the middle: an error without phone numbers, and the same call completes."""
    url, name = new_ledger(postgres)
    bench = make_bench(url, people(400))
    bench.lease_seconds = 60  # or it may be a renewal that is cut, which is tried again

    def cut() -> None:
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'")

    ledger = bench.trapped_ledger(moment, 3, cut)
    # Connections that are checked before use survive a cut between two statements; one in a statement cannot. That of
    # a settlement: a heartbeat that fails is made up for by the next.
    sa.event.listen(ledger._engine, "before_cursor_execute", _CutOnce(cut, "UPDATE esms_sends SET\n    state = CASE"))
    with pytest.raises(Exception) as raised:
        bench.send(ledger=ledger)
    assert "09010" not in str(raised.value)
    bench.look()
    ledger.trap._strike = lambda: None
    bench.clock.move(bench.lease_seconds)
    assert bench.send().complete
    bench.check_complete()


class _CutOnce:
    """Ends the connections under the first statement that begins so."""

    def __init__(self, cut: Callable[[], None], beginning: str) -> None:
        self._cut, self._beginning, self._done = cut, beginning, False

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not self._done and statement.strip().startswith(self._beginning):
            self._done = True
            self._cut()


@pytest.mark.in_turn
def test_concurrent_settle_renew_and_claim_do_not_deadlock(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Threads that settle, renew, claim and reconcile the same rows in any order all get through."""
    bench = make_bench(ledger_url)
    ledger = bench.ledger()
    ledger.begin_run("race", "zns", {"campaign": "c"})
    rows = [LedgerRow(f"k{number}", f"09{number:08d}", "same", number) for number in range(300)]
    ids = [ledger.request_id("race", row.row_key) for row in rows]
    failures: list[BaseException] = []
    until = time.monotonic() + 2.0

    def again_and_again(act: Callable[[int], Any]) -> None:
        turn = 0
        try:
            while time.monotonic() < until:
                act(turn)
                turn += 1
        except BaseException as error:  # told by the test
            failures.append(error)

    def claim(order: int, worker: str) -> Callable[[int], Any]:
        return lambda turn: ledger.claim("race", rows[:: order * (1 + turn % 3)], worker=worker, chunk="c")

    def settle(order: int, worker: str) -> Callable[[int], Any]:
        return lambda turn: ledger.settle(
            [Settlement(one, SendState.NOT_SENT) for one in ids[turn % 2 :: order]], worker=worker
        )

    jobs = [
        claim(1, "a"), claim(-1, "b"), settle(1, "a"), settle(-1, "a"), settle(-1, "b"),
        lambda _: ledger.renew("race", "a"), lambda _: ledger.renew("race", "b"),
        lambda turn: ledger.settle_found([Settlement(one, SendState.NOT_SENT) for one in ids[:: 1 - 2 * (turn % 2)]]),
    ]  # fmt: skip
    threads = [threading.Thread(target=again_and_again, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_suite_runs_on_sqlite_and_postgresql(new_ledger_url: Callable[[str], str]) -> None:
    """The tests run against SQLite and PostgreSQL, not twice against one of them."""
    assert new_ledger_url(SQLITE).startswith("sqlite:")
    assert new_ledger_url(POSTGRESQL).startswith("postgresql:")


assert os.name == "posix"
