"""
Random gateways and random sequences of what may happen to a run: nobody twice, and nobody silently dropped.

The gateway of an example may do whatever the documentation does not exclude: its switches are drawn once for each. What
docs/promises.md assumes holds in all of them, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import types
import unittest.mock
import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from bulk_bench import DATABASES, POSTGRESQL, SQLITE, TEXT, people, phone_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis_profiles import examples
from sender_child import AFTER_CLAIM, BEFORE_CLAIM, BEFORE_SETTLE, NOON, Trap, TrappedLedger

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    VirtualClock,
)
from esms_connectors.emulator.adapter import EmulatorAdapter
from esms_connectors.emulator.faults import (
    code,
    cut_body,
    drop_after,
    drop_before,
    html,
    http_status,
    rate_limit,
    refuse_before,
    refuse_taken,
)
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.ledger import SendState
from esms_connectors.ledger.engines import engine_for
from esms_connectors.ledger.rows import rule_of
from esms_connectors.sending import lease
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import CareSmsChannel, ZnsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.id_probe import probe_sms_ids, probe_zns_bulk_ids
from esms_connectors.sending.reconcile import reconcile
from esms_connectors.sending.resend import RowChoice, release_rows

pytestmark = [pytest.mark.slow, pytest.mark.hypothesis]

ROWS = 24
EXAMPLES = {SQLITE: 45, POSTGRESQL: 12}
ZNS, CARE = "send_zns_bulk", "send_customer_care_sms"
OWN_PHONE = phone_of(999)
VALUES = ("Khách", "Cắt tóc", "M", "15/05/2024")
# Rows are listed later than that in no example, and nothing is concluded sooner.
LISTED_LATE_SECONDS, SETTLING_SECONDS = 600.0, 3600.0
HEALTHY = 10**9
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
    "429": rate_limit("http_429", retry_after=0),
    "taken, 429": rate_limit("http_429", retry_after=0, when="after"),
    **{f"code {number}": code(number) for number in ("101", "103", "124", "160", "555", "799")},
}
# About one message a refusal is the truth, so these are for calls for many.
FAULTS_FOR_MANY = {
    f"{number} for half, {detail}, {total}": refuse_taken(number, detail=detail, total_success=total)
    for number, detail, total in (
        ("103", "none", "missing"), ("103", "taken", "wrong"), ("99", "none", "right"), ("99", "all", "wrong"),
        ("110", "taken", "missing"), ("160", "none", "missing"), ("555", "none", "missing"), ("687", "all", "right"),
    )
}  # fmt: skip
DETAILS = ("complete", "shuffled", "without_rejected", "random_rows_missing", "without_smsid")
# How the sent data is listed, and how a campaign comes back.
LISTINGS: dict[str, dict[str, Any]] = {
    "promptly": {},
    "late": {"listed_late_share": 0.4, "listed_late_seconds": LISTED_LATE_SECONDS},
    "all of it": {"sent_data_span": "all"},
    "by the day, the oldest first": {"sent_data_span": "days", "page_order": "oldest_first"},
    "spelled oddly": {"numbers_as_strings": True, "table_spelling": True, "padded_ids": True, "unknown_members": True},
    "without a count": {"count_total": "missing", "page_order": "shuffled"},
    "with a count of the page": {"count_total": "page"},
    "with a count as text, 105 for nothing": {"count_total": "string", "empty_range_is_105": True},
    "by the time of sending": {"listed_by": "sent", "escaped_dates": True},
    "for eight days": {"retention_days": 8.0, "retention_as": "refused"},
    "some rows for eight days": {"vanishing_share": 0.4, "vanishing_seconds": 8 * 86_400.0},
}
# What else a message may meet that is none of the channel's business.
RULES: dict[str, dict[str, Any]] = {
    "as documented": {},
    "ids by address": {"request_id_scope": "endpoint"},
    "the same text is held back for a while": {"same_text_refused_seconds": 300.0},
    "ZNS at night fails": {"night_zns": "failed"},
    "ZNS at night waits for the morning": {"night_zns": "held"},
}
ECHOES: dict[str, dict[str, Any]] = {
    "as given": {},
    "in capitals": {"campaign_echo": "upper"},
    "empty": {"campaign_echo": "empty"},
    "left out": {"missing_members": ("Campaign",)},
    "as given, ids in capitals": {"id_echo": "upper"},
}
# The gateway's Date against what it remembers ids by, and the machine's clock against both.
CLOCKS: dict[str, tuple[dict[str, Any], float]] = {
    "right": ({}, 0.0),
    "Date four minutes late": ({"date_offset_seconds": 240.0}, 0.0),
    "Date four minutes early": ({"date_offset_seconds": -240.0}, 0.0),
    "machine seven hours ahead": ({}, 7 * 3600.0),
    "machine seven hours behind": ({}, -7 * 3600.0),
    "no Date, machine half an hour ahead": ({"date_header": "missing"}, 1800.0),
    "no Date, machine half an hour behind": ({"date_header": "nonsense"}, -1800.0),
}
# The rules of the guard in force. Hours and a budget that is too small stop calls; the last calls have neither.
GUARDS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "every rule": {
        "suppress_care": True, "care_cap": 1, "transaction_cap": 1, "max_cost_vnd": 10**7, "max_cost_month_vnd": 10**7,
    },
    "every rule, a small budget, no nights": {
        "suppress_care": True, "care_cap": 1, "transaction_cap": 1, "max_cost_vnd": 3_000, "hours": "defer",
    },
}  # fmt: skip
AT_THE_END = {"max_cost_vnd": 10**7, "hours": "allow"}


def is_for_many(call: Any) -> bool:
    """Whether a bulk call has more than one row."""
    return len(json.loads(call.request.body)["Data"]) > 1


class Killed(BaseException):
    """The process is gone, as far as the ledger and the gateway can tell."""


class Campaign(RuleBasedStateMachine):
    """One run at one gateway, and everything that may happen to it."""

    url = ""

    @initialize(
        channel=st.sampled_from([ZNS, CARE]),
        ids=st.sampled_from(["honoured", "honoured, and seen to be", "ignored"]),
        window=st.sampled_from(["rolling_24h", "calendar_day"]),
        burns=st.booleans(),
        hours=st.integers(-3, 11),
        listing=st.sampled_from(sorted(LISTINGS)),
        echo=st.sampled_from(sorted(ECHOES)),
        clocks=st.sampled_from(sorted(CLOCKS)),
        repeat_refused_with=st.sampled_from(["", "", "99", "146", "108"]),
        rules=st.sampled_from(sorted(RULES)),
        guard=st.sampled_from(sorted(GUARDS)),
        looked_up_late=st.booleans(),
    )
    def begin(
        self,
        channel: str,
        ids: str,
        window: Any,
        burns: bool,
        hours: int,
        listing: str,
        echo: str,
        clocks: str,
        repeat_refused_with: str,
        rules: str,
        guard: str,
        looked_up_late: bool,
    ) -> None:
        self.guard = GuardSettings().changed(GUARDS[guard])
        # Phone -> messages that it had when it was put on the suppression list.
        self.suppressed: dict[str, int] = {}
        self.clock = VirtualClock(NOON.add(hours=hours, minutes=50))
        delay = 1800.0 if looked_up_late else 0.0
        config = EmulatorConfig(
            duplicate_window=window, refused_burns_request_id=burns, lookup_delay_seconds=delay, lookup_days=3.0
        )
        self.gateway = Emulator(config, self.clock)
        quirks, self.offset_seconds = CLOCKS[clocks]
        self.set_quirks(**LISTINGS[listing], **ECHOES[echo], **RULES[rules], **quirks)
        self.set_quirks(repeat_refused_with=repeat_refused_with)
        self.burns, self.campaign_comes_back = burns, echo in ("as given", "in capitals")
        self.channel, self.ids_ignored = channel, ids == "ignored"
        if self.ids_ignored:
            self.set_quirks(request_ids_ignored=(channel,))
        self.recipients = people(ROWS)
        # A refusal of the whole call may name each row that was not taken: that settles those rows.
        self.rows_may_be_refused = False
        self.blocked = {one.phone for one in self.recipients[3::10]}
        for phone in self.blocked:
            self.gateway.block_phone(phone)
        self.run_key = uuid.uuid4().hex
        self.ledger = self.open_ledger()
        with self.ledger._engine.begin() as connection:
            # Another gateway than that of the example before, and other people behind the same phones.
            for table in ("gateway_facts", "suppressed", "contacts", "spent", "stops"):
                connection.execute(sa.text(f"DELETE FROM esms_{table}"))
            connection.execute(sa.text("UPDATE esms_sends SET message_class = NULL"))
        # By how many messages a person decided that somebody may get more.
        self.resent: Counter[str] = Counter()
        if ids == "honoured, and seen to be" or (self.ids_ignored and channel == CARE):
            # Where the documentation has request ids, a gateway that ignores them is found out by a probe only.
            self.probe()

    def set_quirks(self, **quirks: Any) -> None:
        for name, value in quirks.items():
            setattr(self.gateway.quirks, name, value)

    def open_ledger(self) -> TrappedLedger:
        ledger = TrappedLedger(engine_for(self.url), now=self.now)
        ledger.trap = Trap("", 0, lambda: None)
        return ledger

    def now(self) -> pendulum.DateTime:
        return self.clock.now.add(seconds=self.offset_seconds)

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
        self.gateway.faults.add(self.channel, FAULTS[fault], next_calls=count)

    @rule(fault=st.sampled_from(sorted(FAULTS_FOR_MANY)), count=st.integers(1, 3))
    def refuse_a_part(self, fault: str, count: int) -> None:
        if self.channel == ZNS:
            self.rows_may_be_refused |= ", all, " in fault
            self.gateway.faults.add(ZNS, FAULTS_FOR_MANY[fault], next_calls=count, predicate=is_for_many)

    @rule(detail=st.sampled_from(DETAILS), with_id=st.booleans())
    def answer_oddly(self, detail: Any, with_id: bool) -> None:
        self.set_quirks(bulk_detail=detail, duplicate_with_smsid=with_id)

    @rule(rows=st.sampled_from([0, 5, 17, 10**6]))
    def change_balance(self, rows: int) -> None:
        self.gateway.set_balance(300 * rows)

    @rule(hours=st.sampled_from([0.02, 0.5, 2, 13, 25]))
    def let_time_pass(self, hours: float) -> None:
        self.gateway.advance(hours=hours)

    @rule(
        threads=st.integers(1, 2),
        chunk=st.integers(1, 12),
        moment=st.sampled_from(["", BEFORE_CLAIM, AFTER_CLAIM, BEFORE_SETTLE]),
        event=st.sampled_from(["killed", "another worker", "slept", "slept, and another worker"]),
        nth=st.integers(1, 6),
        part=st.sampled_from([slice(None), slice(None, None, -1), slice(8, None), slice(None, 16)]),
        careful=st.booleans(),
    )
    def send(
        self, threads: int, chunk: int, moment: str, event: str, nth: int, part: slice, careful: bool = False
    ) -> None:
        def strike() -> None:
            if event == "killed":
                raise Killed
            if event.startswith("slept"):
                self.clock.advance(13 * 3600)
            if event.endswith("another worker"):
                with contextlib.closing(self.open_ledger()) as ledger:
                    self.call(ledger, slice(None), threads=1, chunk=5, careful=careful)

        self.ledger.trap = Trap(moment, nth, strike)
        # Waiting for the lease of a dead worker takes no time of ours.
        time = types.SimpleNamespace(sleep=lambda seconds: self.clock.advance(seconds))
        with unittest.mock.patch.object(lease, "time", time), contextlib.suppress(Killed):
            self.call(self.ledger, part, threads=threads, chunk=chunk, careful=careful)

    def call(self, ledger: TrappedLedger, part: slice, *, threads: int, chunk: int, careful: bool) -> None:
        with self.client() as client:
            if self.channel == ZNS:
                channel: Any = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, chunk_size=chunk)
            else:
                channel = CareSmsChannel(client, TEXT, DEMO_BRANDNAME)
            send_bulk(
                channel, self.recipients[part], ledger=ledger, run_key=self.run_key, threads=threads, at_least=None,
                reconcile_before_repeat=careful, guard=self.guard, price_vnd=Decimal(300),
            )  # fmt: skip

    @rule(number=st.integers(0, ROWS - 1))
    def suppress(self, number: int) -> None:
        phone = self.recipients[number].phone
        if self.guard.suppress_care and phone not in self.suppressed:
            self.ledger.guard.suppression.add([phone], reason="refused")
            self.suppressed[phone] = self.delivered[phone]

    @rule()
    def take_off_the_list(self) -> None:
        self.ledger.guard.suppression.remove(self.suppressed)
        self.suppressed.clear()

    @rule(stopped=st.booleans())
    def stop_or_resume(self, stopped: bool) -> None:
        stops = self.ledger.guard.stops
        if stopped:
            stops.mark_run(self.run_key, reason="somebody looks into it", who="tests")
        else:
            stops.lift_run(self.run_key, who="tests")

    @rule(settling=st.sampled_from([None, SETTLING_SECONDS]))
    def look_up(self, settling: float | None) -> None:
        if any(key == self.run_key for key, _ in self.ledger.runs()):
            # Data that changes while it is read, or a stopped client: nothing was concluded.
            with self.client() as client, contextlib.suppress(EsmsError):
                reconcile(client, self.ledger, self.run_key, not_sent_after_seconds=settling)

    @rule()
    def probe(self) -> None:
        with self.client() as client, contextlib.suppress(EsmsError):
            if self.channel == ZNS:
                probe_zns_bulk_ids(client, self.ledger, OWN_PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES)
            else:
                probe_sms_ids(client, self.ledger, OWN_PHONE, TEXT, DEMO_BRANDNAME)

    @rule(number=st.integers(0, ROWS - 1))
    def resend(self, number: int) -> None:
        phone = self.recipients[number].phone
        if self.states().get(phone) in ("unknown", "held", "rejected"):
            choice = RowChoice(phones=(phone,))
            self.resent[phone] += release_rows(self.ledger, self.run_key, choice, reason="asked for").released

    def states(self) -> dict[str, str]:
        keys = {self.ledger.request_id(self.run_key, one.row_key): one.phone for one in self.recipients}
        return {keys[row["request_id"]]: row["state"] for row in self.ledger.rows(self.run_key)}

    def left_out(self) -> set[str]:
        """Phones whose row a rule settled: for good, also where they come off the list."""
        rows = self.ledger.rows(self.run_key, SendState.REJECTED)
        return {row["phone"] for row in rows if rule_of(row["code"]) is not None}

    def is_duplicate(self, phone: str) -> bool:
        row_keys = [one.row_key for one in self.recipients if one.phone == phone]
        return any(row["duplicate"] for row in self.ledger.rows_of(self.run_key, row_keys))

    @property
    def delivered(self) -> Counter[str]:
        found = Counter(self.gateway.deliveries_by_phone())
        del found[OWN_PHONE]
        return found

    def probes_of_customers(self) -> int:
        """How many rows of this run were sent again to find out whether request ids are honoured."""
        with self.ledger._engine.connect() as connection:
            found = connection.execute(
                sa.text("SELECT count(*) FROM esms_id_probes WHERE run_key = :run_key"), {"run_key": self.run_key}
            )
            return int(found.scalar_one())

    @invariant()
    def nobody_twice_and_the_ledger_is_right(self) -> None:
        if not hasattr(self, "resent"):
            return
        delivered = self.delivered
        more = {
            phone: count - 1 - self.resent[phone]
            for phone, count in delivered.items()
            if count > 1 + self.resent[phone]
        }
        assert sum(more.values()) <= (self.probes_of_customers() if self.ids_ignored else 0), more
        assert {phone: delivered[phone] for phone in self.suppressed} == self.suppressed
        for phone, state in self.states().items():
            assert state in list(SendState)
            if state == "accepted":
                # The documented exception: an id that a refusal used up, whose answer was lost.
                assert delivered[phone] >= 1 or (self.burns and self.is_duplicate(phone)), phone
            elif state in ("rejected", "not_sent"):
                assert delivered[phone] <= self.resent[phone], phone

    def teardown(self) -> None:
        if not hasattr(self, "resent"):
            return
        self.gateway.faults.clear()
        self.gateway.set_balance(HEALTHY)
        self.set_quirks(bulk_detail="complete", repeat_refused_with="")
        self.guard = self.guard.changed(AT_THE_END)
        try:
            self.stop_or_resume(stopped=False)
            for _ in range(3):
                self.send(threads=2, chunk=7, moment="", event="killed", nth=0, part=slice(None))
                # Past midnight nothing is repeated; what is in doubt is looked up.
                self.gateway.advance(hours=25)
                self.send(threads=2, chunk=7, moment="", event="killed", nth=0, part=slice(None))
                self.look_up(settling=SETTLING_SECONDS)
            self.nobody_twice_and_the_ledger_is_right()
            self.check_everybody_is_accounted_for()
        finally:
            self.ledger.close()

    def check_everybody_is_accounted_for(self) -> None:
        states, delivered = self.states(), self.delivered
        for one in self.recipients:
            phone = one.phone
            if phone in self.suppressed or phone in self.left_out():
                assert delivered[phone] <= 1 + self.resent[phone], phone
            elif states[phone] == "rejected":
                assert phone in self.blocked or (self.rows_may_be_refused and not delivered[phone]), phone
            elif self.campaign_comes_back:
                assert states[phone] == "accepted", phone
                assert phone not in self.blocked, phone
            else:
                assert states[phone] in ("accepted", "unknown", "held"), phone


@pytest.mark.in_turn
@pytest.mark.parametrize("database", DATABASES)
def test_random_event_sequences_cause_no_duplicates_or_lost_rows(
    database: str, new_ledger_url: Callable[[str], str]
) -> None:
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
