"""Chains that are killed between and within their steps, on both databases; and random orders of everything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journeys import NEVER, Chain, opened_chain

from esms_connectors import EsmsError
from esms_connectors.emulator import Progress, Quirks
from esms_connectors.emulator.faults import code, drop_after, drop_before, refuse_before
from esms_connectors.gateway import machine_clock

ZNS, SMS = "send_zns_bulk", "send_customer_care_sms"
HALF = Progress(0.2, 0, never_final_share=0.4, queue_seconds=(0.1, 0.1), report_seconds=(0.1, 1200.0))
CHILD = Path(__file__).with_name("journey_child.py")


@pytest.fixture
def chain(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """On each database; nothing that is sent arrives."""
    with opened_chain(ledger_url, NEVER) as made:
        monkeypatch.setattr(machine_clock, "source", made.now)
        yield made


def in_a_process(chain: Chain) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), chain.server.base_url, chain.ledger_url, chain.now().isoformat()],
        env={**os.environ, "PYTHONPATH": f"{CHILD.parent}"},
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.in_turn
@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "when", "number"),
    [(ZNS, "after", 1), ("get_sms_sent_data", "after", 1), (SMS, "before", 1), (SMS, "after", 2)],
)
def test_chain_killed_at_any_step_resumes_without_duplicates(
    chain: Chain, function: str, when: Any, number: int
) -> None:
    """`kill -9` in the first step, while it looks, and in the fallback: each step once, and the fallback for all."""
    running: list[subprocess.Popen[bytes]] = []
    struck: list[int] = []

    def strike(call: Any) -> None:
        struck.append(call.number)
        if len(struck) == number:
            os.kill(running[-1].pid, signal.SIGKILL)
            running[-1].wait(240)

    chain.gateway.on_call(function, strike, when=when)
    for minutes in (0, 16):
        chain.gateway.advance(minutes=minutes)
        running.append(in_a_process(chain))
        running[-1].wait(240)
    assert -signal.SIGKILL in [one.returncode for one in running]
    chain.gateway.advance(minutes=16)
    result = chain.run()
    assert result.complete
    assert [chain.functions(place) for place in range(4)] == [[ZNS, SMS]] * 4
    chain.check()


@pytest.mark.in_turn
@pytest.mark.slow
def test_two_worker_processes_send_each_step_once(
    new_ledger_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, in both steps: each step once, and the same call says so afterwards."""
    with opened_chain(new_ledger_url("postgresql"), NEVER, people=6) as chain:
        monkeypatch.setattr(machine_clock, "source", chain.now)
        for minutes in (0, 16):
            chain.gateway.advance(minutes=minutes)
            for one in [in_a_process(chain) for _ in range(2)]:
                one.wait(240)
        chain.gateway.advance(minutes=16)
        result = chain.run()
        assert (result.complete, result.people) == (True, {"sent": 6})
        assert [chain.functions(place) for place in range(6)] == [[ZNS, SMS]] * 6
        chain.check()


_FAULTS = {
    "lost zns": lambda gateway: gateway.faults.add(ZNS, drop_after(), next_calls=1),
    "lost sms": lambda gateway: gateway.faults.add(SMS, drop_after(), next_calls=1),
    "gone zns": lambda gateway: gateway.faults.add(ZNS, drop_before(), next_calls=1),
    "no money": lambda gateway: gateway.faults.add(SMS, code("103"), next_calls=1),
    "down": lambda gateway: gateway.faults.add("*", refuse_before(), next_calls=3),
}
_STEPS = st.lists(
    st.sampled_from(["start", "advance", "5 minutes", "20 minutes", "a new process", "a second worker", *_FAULTS]),
    min_size=3,
    max_size=12,
)


@pytest.mark.in_turn
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=_STEPS, late=st.booleans(), knows_ids=st.booleans())
def test_random_event_orders_cause_no_repeated_early_or_needless_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orders: list[str], late: bool, knows_ids: bool
) -> None:
    """Whatever happens in whatever order: by the gateway's record nobody is told too often, too early or needlessly."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    quirks = Quirks(listed_late_share=0.5 if late else 0.0, listed_late_seconds=1200)
    with opened_chain(
        f"sqlite:///{folder / 'l.sqlite'}", HALF, quirks, kinds=("zns", "sms", "viber"), afters=("15m", "10m"),
        knows_ids=knows_ids,
    ) as chain:  # fmt: skip
        monkeypatch.setattr(machine_clock, "source", chain.now)
        workers = [chain.journey()]
        for order in orders:
            # What a front end tells; the next order goes on.
            with contextlib.suppress(EsmsError):
                _do(order, chain, workers)
            chain.check()
        chain.gateway.faults.clear()
        # People in doubt stay so.
        with contextlib.suppress(EsmsError):
            chain.run()
        chain.check()


def _do(order: str, chain: Chain, workers: list[Any]) -> None:
    if order in _FAULTS:
        _FAULTS[order](chain.gateway)
    elif order.endswith("minutes"):
        chain.gateway.advance(minutes=int(order.split()[0]))
    elif order == "a new process":
        workers[0] = chain.journey()
    elif order == "a second worker":
        other = chain.journey()
        other.start()
        other.advance()
    elif order == "start":
        workers[0].start()
    else:
        workers[0].start()
        workers[0].advance()
