"""Random sequences of faults, kills, reruns, look-ups and clock moves: nobody twice, and in the end everybody."""

from __future__ import annotations

import contextlib
import types
import unittest.mock
import uuid
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from bulk_bench import DATABASES, POSTGRESQL, SQLITE, people
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis_profiles import examples
from sender_child import AFTER_CLAIM, BEFORE_CLAIM, BEFORE_SETTLE, NOON, Trap, TrappedLedger

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorAdapter,
    EmulatorConfig,
    VirtualClock,
    code,
    cut_body,
    drop_after,
    drop_before,
    html,
    http_status,
    refuse_before,
)
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger.engines import engine_for
from esms_connectors.sending import run
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.reconcile import reconcile

pytestmark = [pytest.mark.slow, pytest.mark.hypothesis]

ROWS = 30
EXAMPLES = {SQLITE: 50, POSTGRESQL: 20}
FAULTS = {
    "refused": refuse_before(),
    "dropped": drop_before(),
    "taken, dropped": drop_after(),
    "503": http_status(503),
    "taken, 500": http_status(500, "after"),
    "web page": html(),
    "taken, web page": html(processed=True),
    "taken, cut": cut_body(),
    "404": http_status(404),
    "code 103": code("103"),
    "code 124": code("124"),
    "code 160": code("160"),
    "code 555": code("555"),
    "code 799": code("799"),
}
DETAILS = ("complete", "shuffled", "without_rejected", "random_rows_missing", "without_smsid")


class Killed(BaseException):
    """The process is gone, as far as the ledger and the gateway can tell."""


class Campaign(RuleBasedStateMachine):
    """One run, and everything that may happen to it."""

    url = ""

    @initialize(window=st.sampled_from(["rolling_24h", "calendar_day"]), burns=st.booleans(), hours=st.integers(-3, 11))
    def begin(self, window: Any, burns: bool, hours: int) -> None:
        self.clock = VirtualClock(NOON.add(hours=hours, minutes=50))
        self.gateway = Emulator(EmulatorConfig(duplicate_window=window, refused_burns_request_id=burns), self.clock)
        self.recipients = people(ROWS)
        self.blocked = {one.phone for one in self.recipients[3::10]}
        for phone in self.blocked:
            self.gateway.block_phone(phone)
        self.run_key = uuid.uuid4().hex
        self.ledger = TrappedLedger(engine_for(self.url), now=self.now)
        self.ledger.trap = Trap("", 0, lambda: None)
        # As after `esms check --probe-ids`.
        with self.client() as client:
            self.ledger.facts.learn(client.account, "send_zns_bulk", IdFact(True, self.clock.now))

    def now(self) -> pendulum.DateTime:
        return self.clock.now

    def client(self) -> EsmsClient:
        return EsmsClient(
            Credentials(DEMO_API_KEY, DEMO_SECRET_KEY),
            adapter=EmulatorAdapter(self.gateway),
            retries=RetryPolicy(2, 0.0, 0.0, 5),
            timeouts=Timeouts(1, 1, 2),
            now=self.now,
        )

    @rule(fault=st.sampled_from(sorted(FAULTS)), count=st.integers(1, 6))
    def break_something(self, fault: str, count: int) -> None:
        self.gateway.faults.add("send_zns_bulk", FAULTS[fault], next_calls=count)

    @rule(detail=st.sampled_from(DETAILS), with_id=st.booleans())
    def answer_oddly(self, detail: Any, with_id: bool) -> None:
        self.gateway.quirks.bulk_detail = detail
        self.gateway.quirks.duplicate_with_smsid = with_id

    @rule(rows=st.sampled_from([0, 5, 17, 10**6]))
    def change_balance(self, rows: int) -> None:
        self.gateway.set_balance(300 * rows)

    @rule(hours=st.sampled_from([0.05, 2, 13, 25]))
    def let_time_pass(self, hours: float) -> None:
        self.gateway.advance(hours=hours)

    @rule(
        threads=st.integers(1, 3),
        chunk=st.integers(1, 12),
        moment=st.sampled_from(["", BEFORE_CLAIM, AFTER_CLAIM, BEFORE_SETTLE]),
        nth=st.integers(1, 6),
        part=st.sampled_from([slice(None), slice(None, None, -1), slice(10, None), slice(None, 20)]),
    )
    def send(self, threads: int, chunk: int, moment: str, nth: int, part: slice) -> None:
        def die() -> None:
            raise Killed

        self.ledger.trap = Trap(moment, nth, die)
        rows = self.recipients[part]
        # Waiting for the lease of a dead worker takes no time of ours.
        time = types.SimpleNamespace(monotonic=run.time.monotonic, sleep=lambda seconds: self.clock.advance(seconds))
        patience = unittest.mock.patch.object(run, "time", time)
        with patience, self.client() as client, contextlib.suppress(Killed):
            channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, chunk_size=chunk)
            send_bulk(channel, rows, ledger=self.ledger, run_key=self.run_key, threads=threads, at_least=None)

    @rule(settling=st.sampled_from([None, 1.0, 3600.0]))
    def look_up(self, settling: float | None) -> None:
        if any(key == self.run_key for key, _ in self.ledger.runs()):
            with self.client() as client:
                reconcile(client, self.ledger, self.run_key, not_sent_after_seconds=settling)

    def states(self) -> dict[str, str]:
        keys = {self.ledger.request_id(self.run_key, one.row_key): one.phone for one in self.recipients}
        return {keys[row["request_id"]]: row["state"] for row in self.ledger.rows(self.run_key)}

    @invariant()
    def nobody_twice_and_the_ledger_is_right(self) -> None:
        if not hasattr(self, "ledger"):
            return
        delivered = self.gateway.deliveries_by_phone()
        assert max(delivered.values(), default=0) <= 1
        for phone, state in self.states().items():
            if state == "accepted":
                assert delivered[phone] == 1
            elif state in ("rejected", "not_sent"):
                assert delivered[phone] == 0

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.gateway.faults.clear()
        self.gateway.set_balance(10**9)
        self.gateway.quirks.bulk_detail = "complete"
        try:
            for _ in range(3):
                self.send(threads=2, chunk=7, moment="", nth=0, part=slice(None))
                # Past midnight nothing is repeated; what is in doubt is looked up.
                self.gateway.advance(hours=25)
                self.send(threads=2, chunk=7, moment="", nth=0, part=slice(None))
                self.look_up(settling=3600.0)
            self.nobody_twice_and_the_ledger_is_right()
            assert self.states() == {
                one.phone: "rejected" if one.phone in self.blocked else "accepted" for one in self.recipients
            }
        finally:
            self.ledger.close()


@pytest.mark.parametrize("database", DATABASES)
def test_random_sequences(database: str, new_ledger_url: Callable[[str], str]) -> None:
    """After any sequence nobody has two messages; after two more runs and a look-up, everybody valid has one."""
    url = new_ledger_url(database)
    run_state_machine_as_test(
        type("Campaign", (Campaign,), {"url": url}),
        settings=settings(
            max_examples=examples(EXAMPLES[database]),
            stateful_step_count=12,
            suppress_health_check=list(HealthCheck),
        ),
    )
