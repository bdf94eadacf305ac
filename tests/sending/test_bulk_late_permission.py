"""Machines that sleep between claim and send, and machines whose clock is wrong: nobody gets a second message."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from bulk_bench import Bench, people
from sender_child import CONNECTED, IN_THROTTLE, NOON
from waiting import wait_until

from esms_connectors.emulator import EmulatorConfig
from esms_connectors.emulator.faults import drop_after, drop_before
from esms_connectors.ledger import SendState
from esms_connectors.ledger.rows import LedgerRow
from esms_connectors.sending.guard import GuardSettings

HOUR = 3600.0
FUNCTIONS = {"zns": "send_zns_bulk", "customer_care": "send_customer_care_sms", "advertising": "send_advertising_sms"}
# Of the machine that sends: right, ten minutes and a time zone off in both directions.
OFFSETS = (0.0, 600.0, -600.0, 7 * HOUR, -7 * HOUR)
NEXT_DAY = NOON.add(hours=12, minutes=10)
# What is tried here happens around midnight, and a worker must ask nothing before its first claim.
AT_ANY_HOUR = {"advertising_hours": "allow", "advertising_cap": "any"}


def send(bench: Bench, channel: str, **settings: object) -> None:
    if channel == "zns":
        bench.send(at_least=None, **settings)
    else:
        settings = {"at_least": None, "guard": GuardSettings().changed(AT_ANY_HOUR), **settings}
        bench.send_sms(advertising=channel == "advertising", **settings)


# --- asleep ----------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("channel", FUNCTIONS)
@pytest.mark.parametrize("moment", [IN_THROTTLE, CONNECTED])
def test_suspended_worker_sends_nothing_after_others_finished(
    ledger_url: str, make_bench: Callable[..., Bench], moment: str, channel: str
) -> None:
    """Stopped with its claims and woken when another worker has sent them and midnight has passed: it sends none."""
    bench = make_bench(ledger_url, people(120), EmulatorConfig(duplicate_window="calendar_day"))
    # What is claimed together leaves within the lease of a second, on a busy machine too.
    bench.chunk_size = 10 if channel == "customer_care" else 40
    # One connection may do for all calls.
    nth = 1 if moment == CONNECTED else 2
    frozen = bench.start(
        channel=channel, threads=2, moment=moment, nth=nth, signal=int(signal.SIGSTOP), guard=AT_ANY_HOUR
    )
    wait_until(frozen.is_stopped)
    assert bench.books.summary(bench.run_key).claimed > 0
    until = time.monotonic() + 120
    while bench.books.summary(bench.run_key).accepted < len(bench.recipients):
        # On a busy machine leases of a second end before their calls leave, and the rows are taken anew.
        assert time.monotonic() < until, bench.books.summary(bench.run_key)
        send(bench, channel)
    bench.clock.move_to(NEXT_DAY)
    calls = bench.gateway.call_count(FUNCTIONS[channel])
    frozen.signal(signal.SIGCONT)
    frozen.wait()
    assert bench.gateway.call_count(FUNCTIONS[channel]) == calls
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("channel", FUNCTIONS)
def test_rows_in_doubt_are_not_sent_when_midnight_passes_in_the_throttle(
    ledger_url: str, make_bench: Callable[..., Bench], channel: str
) -> None:
    """Rows in doubt are claimed in time and wait until the gateway's day is over: they stay in doubt, unsent."""
    bench = make_bench(ledger_url, people(60), EmulatorConfig(duplicate_window="calendar_day"))
    bench.threads, bench.chunk_size, bench.attempts = 1, 60, 1
    bench.clock.move_to(NOON.add(hours=11))
    bench.gateway.faults.add(FUNCTIONS[channel], drop_after())
    send(bench, channel)
    in_doubt = bench.books.summary(bench.run_key).unknown
    assert in_doubt > 0
    bench.gateway.faults.clear()
    delivered = sum(bench.look().values())
    calls = bench.gateway.call_count(FUNCTIONS[channel])

    class UntilMidnight:
        """The first request asks the gateway's time; the second waits for leave until the day is over."""

        asked = 0

        def acquire(self, timeout_seconds: float) -> bool:
            self.asked += 1
            if self.asked == 2:
                bench.clock.move_to(NEXT_DAY)
            return True

    known = [one for one in bench.recipients if bench.states().get(one.row_key) == "unknown"]
    send(bench, channel, recipients=known, client=bench.client(throttle=UntilMidnight()))
    assert bench.gateway.call_count(FUNCTIONS[channel]) == calls
    assert sum(bench.look().values()) == delivered
    summary = bench.books.summary(bench.run_key)
    assert summary.unknown + summary.held == in_doubt


# --- wrong -----------------------------------------------------------------------------------------------------------


def lose_all(bench: Bench, *, processed: bool = True) -> None:
    bench.gateway.faults.add("send_zns_bulk", drop_after() if processed else drop_before())
    bench.send(at_least=None)
    bench.gateway.faults.clear()


@pytest.mark.in_turn
@pytest.mark.parametrize("later", [0.0, 600.0, -7 * HOUR])
@pytest.mark.parametrize("earlier", OFFSETS)
def test_rows_in_doubt_are_held_after_gateway_midnight(
    ledger_url: str, make_bench: Callable[..., Bench], earlier: float, later: float
) -> None:
    """Sent at 23:30 by one clock, taken up at 00:10 by another or the same: by the gateway's clock, it is too late."""
    bench = make_bench(ledger_url, people(100), EmulatorConfig(duplicate_window="calendar_day"))
    bench.attempts, bench.threads = 1, 2
    bench.clock.move_to(NOON.add(hours=11, minutes=30))
    bench.offset_seconds = earlier
    lose_all(bench)
    bench.clock.move_to(NEXT_DAY)
    bench.offset_seconds = later
    bench.send(at_least=None)
    bench.look()
    assert set(bench.states().values()) == {"held"}


@pytest.mark.in_turn
@pytest.mark.parametrize("later", [0.0, 600.0, -7 * HOUR])
@pytest.mark.parametrize("earlier", OFFSETS)
def test_rows_in_doubt_are_repeated_within_the_gateway_day(
    ledger_url: str, make_bench: Callable[..., Bench], earlier: float, later: float
) -> None:
    """Sent at 10:00 and taken up at 22:00: whatever the clocks of the machines say, the gateway holds back a second."""
    bench = make_bench(ledger_url, people(100), EmulatorConfig(duplicate_window="calendar_day"))
    bench.attempts, bench.threads = 1, 2
    bench.offset_seconds = earlier
    lose_all(bench)
    bench.clock.move_to(NOON.add(hours=10))
    bench.offset_seconds = later
    bench.send(at_least=None)
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("earlier", OFFSETS)
def test_rows_of_worker_killed_before_first_response_are_not_resent_next_day(
    ledger_url: str, make_bench: Callable[..., Bench], earlier: float
) -> None:
    """Killed with its first call accepted and no answer read. On the next day, by the gateway's clock, nothing goes."""
    bench = make_bench(ledger_url, people(80), EmulatorConfig(duplicate_window="calendar_day"))
    bench.offset_seconds, bench.threads, bench.chunk_size = earlier, 1, 80
    # 23:30, so that a clock that is ahead dates the attempt on the next day.
    bench.clock.move_to(NOON.add(hours=11, minutes=30))
    pids: list[int] = []
    bench.gateway.on_call("send_zns_bulk", lambda _: _kill_once(pids), when="after")
    child = bench.start()
    pids.append(child.pid)
    assert child.wait() == -signal.SIGKILL
    assert sum(bench.look().values()) == 80
    for hours in (1, 8, 23):
        bench.clock.move_to(NOON.add(hours=12 + hours))
        for bench.offset_seconds in (earlier, 0.0):
            bench.send(at_least=None)
            bench.look()
    # A clock that was ahead keeps the lease alive for as long; nobody gets a second message either way.
    assert set(bench.states().values()) <= {"held", "claimed"}


def _kill_once(pids: list[int]) -> None:
    wait_until(lambda: bool(pids))
    os.kill(pids[0], signal.SIGKILL)


def test_claim_without_gateway_time_is_held_on_another_machine(
    sqlite_url: str, make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second clock of a claim counts since another machine was started: nobody knows how old the claim is."""
    from esms_connectors.ledger import first_attempts

    bench = make_bench(sqlite_url, people(5))
    ledger = bench.books
    rows = [LedgerRow(one.row_key, one.phone, "p", one.line) for one in bench.recipients]
    times = bench.client().clock.times()
    assert not times.answered
    claims = ledger.claim("r", rows, worker="a", chunk="1", times=times).claims
    assert len(claims) == 5
    bench.clock.move(bench.lease_seconds + 1)
    told = bench.client()
    told.learn_time()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(first_attempts, "boot_clock", lambda: ("another", 5))
        assert ledger.claim("r", rows[:2], worker="b", chunk="1", times=told.clock.times()).held == 2
    assert len(ledger.claim("r", rows[2:], worker="b", chunk="1", times=told.clock.times()).claims) == 3


def test_first_attempt_is_recorded_in_gateway_time(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A machine seven hours ahead: what its first call leaves in the ledger is the gateway's time."""
    bench = make_bench(ledger_url, people(30))
    bench.offset_seconds, bench.attempts = 7 * HOUR, 1
    lose_all(bench, processed=False)
    for row in bench.books.rows(bench.run_key, SendState.UNKNOWN):
        assert abs(row["first_attempt_ms"] / 1000 - bench.clock.now().timestamp()) < 60


@pytest.mark.in_turn
@pytest.mark.parametrize("offset_seconds", OFFSETS)
def test_reconcile_window_uses_the_gateway_clock(
    ledger_url: str, make_bench: Callable[..., Bench], offset_seconds: float
) -> None:
    """On a machine that is hours behind, the messages of a moment ago are not missing: nobody gets a second one."""
    bench = make_bench(ledger_url, people(60))
    bench.attempts, bench.threads, bench.chunk_size = 1, 1, 20
    bench.send(bench.recipients[:20], at_least=None)
    bench.gateway.faults.add("send_zns_bulk", drop_after(), next_calls=1)
    bench.send(bench.recipients[20:40], at_least=None)
    bench.clock.move(8 * HOUR)
    bench.offset_seconds = offset_seconds
    lose_all(bench)
    bench.reconcile(not_sent_after_seconds=0)
    assert "not_sent" not in bench.states().values()
    bench.send(at_least=None)
    bench.look()


@pytest.mark.in_turn
@pytest.mark.parametrize("quirk", ["missing", "nonsense"])
def test_rows_in_doubt_are_held_near_midnight_without_gateway_time(
    ledger_url: str, make_bench: Callable[..., Bench], quirk: str
) -> None:
    """At noon rows in doubt are repeated by this machine's clock; within an hour of midnight they wait."""
    bench = make_bench(ledger_url, people(60), EmulatorConfig(duplicate_window="calendar_day"))
    bench.gateway.quirks.date_header = quirk
    bench.attempts = 1
    lose_all(bench)
    bench.clock.move_to(NOON.add(hours=11, minutes=10))
    bench.send(at_least=None)
    assert set(bench.states().values()) == {"held"}


@pytest.mark.in_turn(every=3)
def test_gateway_time_is_requested_only_for_rows_in_doubt(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """No call more for a run that goes well, one for a run that finds rows in doubt."""
    bench = make_bench(ledger_url, people(200))
    bench.send(bench.recipients[:100], at_least=None)
    assert bench.gateway.call_count("get_balance") == 0
    bench.attempts = 1
    bench.gateway.faults.add("send_zns_bulk", drop_after(), next_calls=1)
    bench.send(lambda: bench.recipients[100:], threads=1, chunk_size=100, at_least=None)
    before = bench.gateway.call_count("get_balance")
    assert before <= 1
    bench.send()
    bench.check_complete()
    assert bench.gateway.call_count("get_balance") <= before + 1
