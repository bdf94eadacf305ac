"""A memory outside of the ledger: a ledger that has lost a run is refused, whatever day it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bulk_bench import Bench, people

from esms_connectors.ledger.run_memory import ForgottenRunError


class Memory:
    """Of one orchestrator's task, which lives longer than a try."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.down = False
        self.most = 100

    def has_begun(self, run_key: str) -> bool:
        return run_key in self.noted[: self.most]

    def record(self, run_key: str) -> None:
        if self.down:
            raise TimeoutError("the orchestrator does not answer")
        self.noted.append(run_key)

    def further_run(self) -> str | None:
        return self.noted[0] if len(self.noted) > self.most else None

    def key_prefix(self, run_key: str) -> str:
        return "night/" if run_key.startswith("night/") else ""

    def is_removed(self, run_key: str) -> bool:
        return run_key == "night/old"


@pytest.fixture
def bench(ledger_url: str, make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(ledger_url, people(30))


def test_run_missing_from_the_ledger_is_rejected(bench: Bench, tmp_path: Path) -> None:
    """Under another run key it may be; a ledger that has the run goes on with it."""
    memory = Memory()
    bench.send_sms(people(20), ledger=bench.ledger(run_memory=memory))
    first, bench.ledger_url = bench.ledger_url, f"sqlite:///{tmp_path / 'another.sqlite'}"
    with pytest.raises(ForgottenRunError, match="another ledger") as error:
        bench.send_sms(ledger=bench.ledger(run_memory=memory))
    assert not error.value.retryable
    assert sorted(bench.look().values()) == [1] * 20
    bench.ledger_url = first
    bench.send_sms(ledger=bench.ledger(run_memory=memory))
    bench.check_complete()


def test_one_remembered_run_identifies_the_ledger_beyond_the_limit(bench: Bench, tmp_path: Path) -> None:
    """Another ledger lacks it. The earlier one may have any number of new runs."""
    memory, everybody = Memory(), people(20)
    memory.most = 1
    for run_key in ("first", "second", "third"):
        bench.run_key, five = run_key, [everybody.pop() for _ in range(5)]
        bench.send_sms(five, ledger=bench.ledger(run_memory=memory))
    bench.ledger_url = f"sqlite:///{tmp_path / 'another.sqlite'}"
    for bench.run_key in ("third", "fourth"):
        with pytest.raises(ForgottenRunError, match="'first', which the ledger"):
            bench.send_sms(everybody, ledger=bench.ledger(run_memory=memory))
    assert bench.gateway.message_count == 15


def test_new_run_is_rejected_when_a_removed_sender_had_a_run(bench: Bench) -> None:
    """If it sent messages of the same kind; a name that somebody gave is theirs."""

    everybody = people(30)

    def send(run_key: str) -> None:
        bench.run_key, five = run_key, [everybody.pop() for _ in range(5)]
        bench.send_sms(five, ledger=bench.ledger(run_memory=Memory()))

    for run_key in ("night/other", "night/beside", "night/old", "given"):
        send(run_key)
    with pytest.raises(ForgottenRunError, match="'night/old'"):
        send("night/new")
    assert bench.gateway.message_count == 20


def test_nothing_is_sent_when_the_run_cannot_be_recorded(bench: Bench) -> None:
    """And nothing is left in doubt by it."""
    memory = Memory()
    memory.down = True
    with pytest.raises(TimeoutError):
        bench.send_sms(ledger=bench.ledger(run_memory=memory))
    assert not bench.look()
    assert bench.books.summary(bench.run_key).unsettled == 0
    memory.down = False
    bench.send_sms(ledger=bench.ledger(run_memory=memory))
    bench.check_complete()


def test_slow_run_memory_does_not_consume_the_lease(bench: Bench) -> None:
    """Nothing is claimed while it is asked, so other workers do not wait for it either."""

    class SlowMemory(Memory):
        def record(self, run_key: str) -> None:
            bench.clock.move(bench.lease_seconds + 1)
            assert bench.books.summary(run_key).total == 0
            super().record(run_key)

    assert bench.send_sms(people(1), ledger=bench.ledger(run_memory=SlowMemory())).counters.accepted == 1


def test_run_interrupted_while_being_recorded_can_be_retried(bench: Bench) -> None:
    """And one killed behind that: the ledger has the run by then."""
    memory = Memory()
    memory.down = True
    for _ in range(2):
        with pytest.raises(TimeoutError):
            bench.send_sms(ledger=bench.ledger(run_memory=memory))
        memory.noted.append(bench.run_key)
    memory.down = False
    bench.send_sms(ledger=bench.ledger(run_memory=memory))
    bench.check_complete()
