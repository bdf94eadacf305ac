"""Rows that another worker is at: how soon a call goes on with them, how long it waits, what it tells meanwhile."""

from __future__ import annotations

import signal
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from bulk_bench import Bench, people
from sender_child import AFTER_CLAIM, BEFORE_SETTLE

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.emulator.faults import drop_after
from esms_connectors.ledger import Ledger, LedgerError, SendState
from esms_connectors.ledger.rows import Claim, LedgerRow, Settlement
from esms_connectors.recipients import Recipient
from esms_connectors.sending import lease
from esms_connectors.sending.channels import ZnsChannel

ZNS = "send_zns_bulk"


class Other:
    """Another worker with a hand on some rows, which does with them what a test says."""

    def __init__(self, bench: Bench, recipients: list[Recipient]) -> None:
        self._ledger, self._run_key = bench.books, bench.run_key
        # The rows as this call will claim them, or it would take them for changed ones.
        channel = ZnsChannel(bench.client(), DEMO_TEMPLATE_ID, DEMO_OA_ID)
        self._rows = [LedgerRow(one.row_key, one.phone, channel.payload(one), one.line) for one in recipients]

    def claim(self) -> tuple[Claim, ...]:
        return self._ledger.claim(self._run_key, self._rows, worker="other", chunk="other").claims

    def renew(self) -> None:
        self._ledger.renew(self._run_key, "other")

    def give_back(self) -> None:
        ids = [self._ledger.request_id(self._run_key, row.row_key) for row in self._rows]
        self._ledger.settle([Settlement(one, SendState.NOT_SENT) for one in ids], worker="other")


class Naps:
    """Stands in for the module `time` of a call: sleeping moves the clock of the bench, and may do something."""

    def __init__(self, bench: Bench, then: Callable[[], object] = lambda: None) -> None:
        self.lengths: list[float] = []
        self._bench, self._then = bench, then

    def sleep(self, seconds: float) -> None:
        self.lengths.append(seconds)
        self._bench.clock.move(seconds)
        self._then()


def bench_with_another_worker(make_bench: Callable[..., Bench], url: str) -> tuple[Bench, Other]:
    """Fifty rows: ten are sent, the last thirty are the other worker's, and a lease is a minute."""
    bench = make_bench(url, people(50))
    bench.lease_seconds = 60
    bench.send(bench.recipients[:10])
    return bench, Other(bench, bench.recipients[20:])


@pytest.fixture
def patch_sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[Naps], None]:
    """Lets calls of this process sleep otherwise."""
    return lambda naps: monkeypatch.setattr(lease, "time", types.SimpleNamespace(sleep=naps.sleep))


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "rows are claimed by another worker" in one.getMessage()]


@pytest.mark.in_turn(every=3)
def test_call_resumes_soon_after_another_worker_finishes(
    ledger_url: str, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    """Two workers, and a lease of two minutes: the second is done a moment after the first, not a lease later."""
    bench = make_bench(ledger_url, people(300))
    bench.lease_seconds = 120
    claimed, go_on = threading.Event(), threading.Event()
    ledger = bench.trapped_ledger(AFTER_CLAIM, 1, lambda: (claimed.set(), go_on.wait(240)))
    first = threading.Thread(target=lambda: bench.send(bench.recipients[:100], ledger=ledger, threads=1))
    first.start()
    try:
        assert claimed.wait(240)
        threading.Timer(1.5, go_on.set).start()
        summary = bench.send(at_least=1.0)
    finally:
        go_on.set()
        first.join()
    assert summary.complete
    assert summary.counters.accepted == 200
    assert summary.seconds < 60
    assert len(_warnings(caplog)) == 1
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", [AFTER_CLAIM, BEFORE_SETTLE])
def test_rows_of_a_dead_worker_are_taken_over_when_the_lease_ends(
    ledger_url: str, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    """Killed inside its lease, and the same run key again at once: everybody once, the run complete, one line told."""
    bench = make_bench(ledger_url, people(300))
    bench.lease_seconds = 2
    dead = bench.start(threads=1, moment=moment, nth=2)
    assert dead.wait() == -signal.SIGKILL
    summary = bench.send(at_least=1.0)
    assert (summary.complete, summary.elsewhere) == (True, 0)
    assert len(_warnings(caplog)) == 1
    bench.check_complete()


def test_call_waits_only_for_the_remaining_lease(
    ledger_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """Most of the lease of a dead worker is over when the call comes: only the rest of it is waited for."""
    bench = make_bench(ledger_url, people(50))
    bench.lease_seconds = 60
    bench.send(bench.recipients[:10])
    Other(bench, bench.recipients[20:]).claim()
    bench.clock.move(50)
    naps = Naps(bench)
    patch_sleep(naps)
    assert bench.send().complete
    assert 9 <= sum(naps.lengths) <= 12
    assert max(naps.lengths) <= 1
    bench.check_complete()


@pytest.mark.in_turn
def test_waiting_for_a_live_worker_is_limited_to_two_leases(
    ledger_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """A worker that keeps its rows: the call reads three times, waits for two leases in all and leaves them alone."""
    bench, other = bench_with_another_worker(make_bench, ledger_url)
    other.claim()
    naps = Naps(bench, other.renew)
    patch_sleep(naps)
    readings: list[int] = []

    def read() -> Iterator[Recipient]:
        readings.append(len(naps.lengths))
        return iter(bench.recipients)

    summary = bench.send(read, at_least=None)
    assert (summary.counters.busy, summary.complete) == (30, False)
    assert sum(naps.lengths) == pytest.approx(2 * (60 + 0.1))
    assert len(readings) == 3
    assert len(bench.look()) == 20


def test_reclaimed_rows_are_waited_for_with_growing_intervals(
    ledger_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """Free at each look and taken again before each of four readings: the fifth gets them, none is sent twice."""
    bench, other = bench_with_another_worker(make_bench, ledger_url)
    naps = Naps(bench, other.give_back)
    patch_sleep(naps)
    readings: list[int] = []

    def read() -> Iterator[Recipient]:
        readings.append(len(naps.lengths))
        if len(readings) <= 4:
            other.claim()
        return iter(bench.recipients)

    assert bench.send(read).complete
    # Each reading in vain is a reason to wait twice as long for the next.
    assert readings == [0, 1, 3, 7, 15]
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_waiting_for_repeatedly_reclaimed_rows_is_bounded(
    sqlite_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """Waiting and reading end, whatever the others do."""
    bench, other = bench_with_another_worker(make_bench, sqlite_url)
    naps = Naps(bench, other.give_back)
    patch_sleep(naps)
    readings: list[int] = []

    def read() -> Iterator[Recipient]:
        readings.append(len(naps.lengths))
        other.claim()
        return iter(bench.recipients)

    summary = bench.send(read)
    assert (summary.counters.busy, summary.complete) == (30, False)
    assert 2 * 60 - 1 <= sum(naps.lengths) <= 2 * (60 + 0.1) + 1e-9
    assert len(readings) <= 8


def test_lost_rows_are_tried_three_times_while_waiting_for_others(
    sqlite_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """Waiting for another worker's rows is no reason to repeat one's own more often."""
    bench = make_bench(sqlite_url, people(50))
    bench.lease_seconds, bench.attempts = 60, 1
    bench.send(bench.recipients[:10])
    other = Other(bench, bench.recipients[20:])
    naps = Naps(bench, other.give_back)
    patch_sleep(naps)
    bench.gateway.faults.add(ZNS, drop_after())
    calls = bench.gateway.call_count(ZNS)

    def read() -> Iterator[Recipient]:
        other.claim()
        return iter(bench.recipients)

    summary = bench.send(read, threads=1)
    assert (summary.counters.unknown, summary.counters.busy) == (10, 30)
    assert bench.gateway.call_count(ZNS) - calls == 3
    assert len(bench.look()) == 20


def test_ledger_outage_while_waiting_is_retried(
    sqlite_url: str, make_bench: Callable[..., Bench], patch_sleep: Callable[[Naps], None]
) -> None:
    """Nothing is at stake while a call waits: a database that is back by the next look ends nothing."""
    bench, other = bench_with_another_worker(make_bench, sqlite_url)
    other.claim()
    looks: list[pendulum.DateTime] = []

    class Absent(Ledger):
        def has_live_claims(self, run_key: str, until: pendulum.DateTime) -> bool:
            looks.append(until)
            if len(looks) < 3:
                raise LedgerError("The ledger did not answer.")
            other.give_back()
            return super().has_live_claims(run_key, until)

    naps = Naps(bench)
    patch_sleep(naps)
    assert bench.send(ledger=bench.ledger(Absent)).complete
    assert len(naps.lengths) == len(looks) == 3
    bench.check_complete()


def test_only_unexpired_claims_of_the_run_are_live(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """What is claimed later, what is settled and what a dead worker left is not alive; another run's never counts."""
    bench = make_bench(ledger_url, people(50))
    bench.lease_seconds = 60
    bench.send(bench.recipients[:10])
    other, ledger = Other(bench, bench.recipients[20:]), bench.books

    def is_alive(until: pendulum.DateTime, run_key: str = bench.run_key) -> bool:
        return ledger.has_live_claims(run_key, until)

    before = ledger.now()
    bench.clock.move(1)
    assert not is_alive(ledger.now())
    other.claim()
    assert (is_alive(before), is_alive(ledger.now()), is_alive(ledger.now(), "another")) == (False, True, False)
    bench.clock.move(59)
    other.renew()
    bench.clock.move(59)
    assert is_alive(ledger.now())
    bench.clock.move(2)
    assert not is_alive(ledger.now())


def test_live_claims_query_uses_the_open_rows_index(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Both databases find the claims of a large run by the index of open rows."""
    bench = make_bench(ledger_url, people(10))
    bench.send()
    engine = bench.books._engine
    plan = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    parameters: dict[str, Any] = {"run_key": bench.run_key, "until": 1, "now": 1}
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # A table of ten rows is read whole, and would be whatever the index.
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        found = connection.execute(sa.text(plan + str(bench.books._sql.live_claims)), parameters).fetchall()
    assert "esms_sends_open" in str(found)
