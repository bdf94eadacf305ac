"""
One campaign through every front end: the same decision, the same messages at the gateway, the same JSON.

A front end joins by one function, `Front`, which turns an `Order` into its own call and what comes back into an
`Answer`. The right values stand in `CASES`, once.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorServer,
)
from esms_connectors.emulator.faults import code, refuse_before
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger import Ledger

PARAMS = "customer_name,service,code,date"
OA_ID, TEMPLATE_ID = DEMO_OA_ID, DEMO_TEMPLATE_ID
LANDLINE = "0283812345"
REASON = "agreed with everybody on the list"
VIETNAM = timezone(timedelta(hours=7))

# What an `Answer.result` of sending has, whoever sent it.
RESULT_KEYS = frozenset(
    [
        "channel",
        "run_key",
        "campaign",
        "sandbox",
        "rows",
        "recipients",
        "accepted",
        "sent_by_this_try",
        "duplicates",
        "rejected",
        "skipped",
        "skipped_by_rule",
        "unknown",
        "held",
        "not_sent",
        "at_other_workers",
        "not_tried",
        "complete",
        "at_least",
        "accepted_share",
        "stopped_by",
        "price_vnd",
        "cost_vnd",
        "run",
        "ledger",
        "rejects",
        "seconds",
    ]
)
PLAN_KEYS = frozenset(
    [
        "channel",
        "run_key",
        "about",
        "key_column",
        "fingerprint",
        "sandbox",
        "rows",
        "recipients",
        "already_settled",
        "skipped_by_rule",
        "to_send",
        "conflicts",
        "chunks",
        "segments",
        "longest_segments",
        "unicode_messages",
        "forced_by",
        "send_at_text",
        "price_vnd",
        "price_from",
        "cost_vnd",
        "balance_vnd",
        "left_vnd",
        "good",
        "problems",
        "ledger",
        "rejects",
    ]
)


@dataclass(frozen=True)
class Order:
    """
    What is asked of a front end, which stands for the same in each.

    Attributes:
        people: who stands in the list, a number each; a text is a phone that cannot be sent to.
        service: what they are told; another one is another content.
        send_at: hours from now; or the words of a person, whatever hour it is.
        plan: with the plan that the step before has made.
        shut: messages of the kind have their hours at another time of the day.
        hours, max_cost_vnd, guard, overrides: what is said of the guard; a message costs 300 VND where there is a
            budget, and `REASON` is why a rule is set aside.
    """

    people: tuple[int | str, ...] = (1, 2, 3)
    service: str = "Gội đầu"
    run_key: str = "evening"
    send_at: float | str | None = None
    at_least: float | None = 1.0
    on_empty: str | None = "fail"
    conflicts: str = "refuse"
    rejects: bool = False
    dry_run: bool = False
    plan: bool = False
    sandbox: bool = False
    ledger: str | None = None
    shut: bool = False
    hours: str | None = None
    max_cost_vnd: int | None = None
    guard: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """
    Attributes:
        decision: sent, planned, skipped (nothing to do), refused (this call sent nothing), or incomplete.
        words: of the error, one line.
        result: as JSON has it.
    """

    decision: str
    words: str = ""
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Step:
    """An order, what must come of it, and what happens to the gateway before it; or a run of it that is killed."""

    order: Order
    decision: str
    words: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Emulator], object] | None = None
    killed_at: int = 0


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[Step, ...]
    reached: tuple[int, ...]
    rejects: tuple[str, ...] = ()


@dataclass
class World:
    """A gateway, a folder and a ledger that knows that request ids are honoured."""

    server: EmulatorServer
    folder: Path
    now: datetime
    plan: Mapping[str, Any] | None = None

    @property
    def gateway(self) -> Emulator:
        return self.server.emulator

    @property
    def ledger(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.sqlite'}"

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    def prepare(self) -> None:
        account = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY).account_at(self.server.base_url)
        with Ledger.open(self.ledger) as ledger:
            ledger.facts.learn(account, SEND_ZNS_BULK.name, IdFact(True, ledger.now()))

    def send_at(self, order: Order) -> datetime | str | None:
        return self.now + timedelta(hours=order.send_at) if isinstance(order.send_at, int | float) else order.send_at

    def rules(self, order: Order) -> dict[str, Any]:
        """Settings of the guard by name."""
        if not order.shut:
            return dict(order.guard)
        early = self.now.astimezone(VIETNAM).hour < 12
        return {**order.guard, "transaction_open": "23:00-24:00" if early else "00:00-01:00"}

    def source(self, order: Order) -> str:
        path = self.folder / "customers.csv"
        rows = [
            f"{phone_of(one) if isinstance(one, int) else one},Khách {one},{order.service},M{one},15/05/2024"
            for one in order.people
        ]
        path.write_text("\n".join([f"phone,{PARAMS}", *rows]) + "\n", encoding="utf-8")
        return str(path)


Front = Callable[[World, Order], Answer]


def phone_of(number: int) -> str:
    return f"090{1_000_000 + number:07d}"


def check(case: Case, world: World, front: Front) -> None:
    """Each step: decision, words of an error, counts; in the end the messages at the gateway and the rejects."""
    for step in case.steps:
        if step.before is not None:
            step.before(world.gateway)
        if step.killed_at:
            kill_at(world, step.order, step.killed_at)
        answer = front(world, step.order)
        assert (answer.decision, "\n" in answer.words.strip()) == (step.decision, False), answer
        assert step.words in answer.words, answer
        if answer.result is not None:
            keys = PLAN_KEYS if answer.decision == "planned" else RESULT_KEYS
            assert frozenset(answer.result) == keys
            marked = step.order.sandbox and answer.decision == "sent"
            assert answer.result["run_key"] == ("sandbox/" if marked else "") + step.order.run_key
            assert answer.result["ledger"] == str(world.folder / "ledger.sqlite")
            assert answer.result["rejects"] == (str(world.rejects) if step.order.rejects else None)
            found = {**answer.result, **answer.result["rows"], "rows": answer.result["rows"]["rows"]}
            assert {name: found[name] for name in step.counts} == step.counts
        if answer.decision == "planned":
            world.plan = answer.result
    assert world.gateway.deliveries_by_phone() == {phone_of(one): 1 for one in case.reached}
    listed = world.rejects.read_text(encoding="utf-8-sig").splitlines()[1:] if world.rejects.exists() else []
    assert [line.split(",")[0] for line in listed] == list(case.rejects)


def kill_at(world: World, order: Order, nth: int) -> None:
    """
    `esms` in a process of its own, one row a call, killed (SIGKILL) when its nth message was taken and not answered;
    and the time until its claim is over has passed.
    """
    words = {"--template": TEMPLATE_ID, "--oa": OA_ID, "--params": PARAMS, "--run-key": order.run_key}
    words |= {"--ledger": world.ledger, "--chunk-size": "1", "--threads": "1"}
    arguments = [one for pair in words.items() for one in pair]
    run_killed(world, ["send-zns", world.source(order), *arguments], SEND_ZNS_BULK.name, nth)


def run_killed(world: World, arguments: list[str], function: str, nth: int) -> None:
    """`esms` in a process of its own, killed at the nth message that `function` took; its claims are over."""
    environment = {"ESMS_API_KEY": DEMO_API_KEY, "ESMS_SECRET_KEY": DEMO_SECRET_KEY, "HOME": str(world.folder)}
    environment |= {"ESMS_BASE_URL": world.server.base_url, "PATH": os.environ["PATH"]}
    program = "from esms_connectors.cli.commands import esms; esms()"
    known = threading.Event()
    pids: list[int] = []
    taken: list[object] = []

    def strike(call: object) -> None:
        taken.append(call)
        if len(taken) == nth:
            known.wait(60)
            os.kill(pids[0], signal.SIGKILL)

    world.gateway.on_call(function, strike, when="after")
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    ) as process:
        pids.append(process.pid)
        known.set()
        _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    with sqlite3.connect(world.folder / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE esms_sends SET lease_until_ms = 1 WHERE state = 'claimed'")


def _all(count: int, **more: Any) -> dict[str, Any]:
    return {"rows": count, "recipients": count, "accepted": count, "sent_by_this_try": count, "complete": True, **more}


def _down(gateway: Emulator) -> None:
    gateway.faults.add("send_zns_bulk", refuse_before(), every=1)


def _no_money(gateway: Emulator) -> None:
    gateway.faults.add("send_zns_bulk", code("103"), every=1)


def _disabled(gateway: Emulator) -> None:
    gateway.change_template(TEMPLATE_ID, status="DISABLE")


def _low_quality(gateway: Emulator) -> None:
    gateway.change_template(TEMPLATE_ID, quality="LOW")


def _little_quota(gateway: Emulator) -> None:
    gateway.change_official_account(OA_ID, daily_quota=2)


def _no_template(gateway: Emulator) -> None:
    gateway.faults.add("get_zns_template", code("99"), every=1)


def _up(gateway: Emulator) -> None:
    gateway.faults.clear()


TEN = (*range(1, 10), LANDLINE)

CASES = (
    Case("a list", (Step(Order(), "sent", counts=_all(3, rejected=0, unknown=0, at_least=1.0)),), (1, 2, 3)),
    Case(
        "again is the resume",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(
                Order(),
                "sent",
                counts={"recipients": 3, "accepted": 3, "sent_by_this_try": 1, "complete": True},
            ),
        ),
        (1, 2, 3),
    ),
    Case("a time that is over", (Step(Order(send_at=-1), "refused", "lies in the past"),), ()),
    Case("a time to come", (Step(Order(send_at=2), "sent", counts=_all(3)),), (1, 2, 3)),
    Case(
        "a time that is over when a try comes again",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(Order(send_at=-1), "sent", counts={"accepted": 3, "sent_by_this_try": 1}),
        ),
        (1, 2, 3),
    ),
    Case(
        "at_least is of all rows, and out of reach",
        (Step(Order(people=TEN, at_least=0.95), "refused", "1 of 10 rows cannot be sent"),),
        (),
    ),
    Case(
        "at_least just within reach",
        (
            Step(
                Order(people=TEN, at_least=0.9),
                "sent",
                counts={"rows": 10, "recipients": 9, "accepted": 9, "accepted_share": 0.9},
            ),
        ),
        tuple(range(1, 10)),
    ),
    Case("at_least of all", (Step(Order(people=TEN), "refused", "at_least"),), ()),
    Case(
        "no at_least, and the rows that cannot be sent are listed",
        (Step(Order(people=TEN, at_least=None, rejects=True), "sent", counts={"recipients": 9, "accepted": 9}),),
        tuple(range(1, 10)),
        ("11",),
    ),
    Case("a list without rows", (Step(Order(people=()), "refused", "on_empty"),), ()),
    Case("a list without rows by choice", (Step(Order(people=(), on_empty="skip"), "skipped"),), ()),
    Case("nobody can be sent to", (Step(Order(people=(LANDLINE,), at_least=0), "refused", "No row"),), ()),
    Case(
        "rows that were sent as something else",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(Order(service="Cắt tóc"), "refused", "conflicts"),
            Step(
                Order(service="Cắt tóc", conflicts="skip", rejects=True),
                "sent",
                counts={"rows": 3, "conflicts": 2, "recipients": 1, "accepted": 1, "sent_by_this_try": 1},
            ),
        ),
        (1, 2, 3),
        ("2", "3"),
    ),
    Case(
        "a plan sends nothing, and what it has is sent",
        (
            Step(
                Order(dry_run=True),
                "planned",
                counts={"rows": 3, "recipients": 3, "to_send": 3, "already_settled": 0, "conflicts": 0, "chunks": 1},
            ),
            Step(Order(plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "more rows than the approved plan has",
        (
            Step(Order(people=(1,), dry_run=True), "planned", counts={"to_send": 1}),
            Step(Order(plan=True), "refused", "not what was planned"),
        ),
        (),
    ),
    Case(
        "as many rows as the approved plan has, with other words",
        (
            Step(Order(dry_run=True), "planned", counts={"to_send": 3}),
            Step(Order(plan=True, service="Cắt tóc"), "refused", "not what was planned"),
        ),
        (),
    ),
    Case(
        "another time of sending than the approved plan has",
        (
            Step(Order(send_at=2, dry_run=True), "planned", counts={"to_send": 3}),
            Step(Order(send_at=5, plan=True), "refused", "send_at is"),
            Step(Order(plan=True), "refused", "send_at is None and was"),
            Step(Order(send_at=2, plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a time of sending in words, which means what it did when the plan was made",
        (
            Step(Order(send_at="+30h", dry_run=True), "planned", counts={"to_send": 3, "send_at_text": "+30h"}),
            Step(Order(send_at="+31h", plan=True), "refused", "send_at is"),
            Step(Order(send_at="+30h", plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    *(
        Case(f"a ledger whose address has a slip: {ledger}", (Step(Order(ledger=ledger), "refused", "ledger"),), ())
        for ledger in ("postgresql://me:p@ss:w0rd@127.0.0.1:1/l", "sqlite:/ledger.sqlite")
    ),
    *(
        Case(f"a bad run key: {run_key[:12]!r}", (Step(Order(run_key=run_key), "refused", "run"),), ())
        for run_key in ("", " ", "evening ", "None", "visits-None", "visits-", "visits--1", "a" * 201, "two\nlines")
    ),
    Case(
        "a sandbox runs the whole campaign, and the real one after it reaches everybody",
        (
            Step(Order(sandbox=True), "sent", counts=_all(3, sandbox=True)),
            Step(Order(), "sent", counts=_all(3, sandbox=False)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a plan in the sandbox",
        (Step(Order(sandbox=True, dry_run=True), "planned", counts={"sandbox": True, "to_send": 3}),),
        (),
    ),
    Case(
        "a template of low quality, and one that is not enabled",
        (
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": True, "price_vnd": 300}),
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}, before=_low_quality),
            Step(Order(), "refused", "is DISABLE, not ENABLE", before=_disabled),
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}),
        ),
        (),
    ),
    Case(
        "a plan of what would be refused is a plan",
        (
            Step(Order(people=TEN, dry_run=True), "planned", counts={"rows": 10, "recipients": 9}),
            Step(Order(people=(LANDLINE,), dry_run=True), "planned", counts={"recipients": 0, "good": False}),
            Step(Order(people=(), dry_run=True), "planned", counts={"rows": 0, "recipients": 0}),
        ),
        (),
    ),
    Case(
        "more rows than the OA may send today",
        (Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}, before=_little_quota),),
        (),
    ),
    Case(
        "columns by position, and no template to hold them against",
        (Step(Order(), "sent", counts=_all(3), before=_no_template),),
        (1, 2, 3),
    ),
    Case(
        "killed in the middle, and again",
        (
            Step(
                Order(people=(1, 2, 3, 4, 5)),
                "sent",
                counts={"accepted": 5, "sent_by_this_try": 3, "complete": True},
                killed_at=3,
            ),
        ),
        (1, 2, 3, 4, 5),
    ),
    Case(
        "no connection, and again",
        (
            Step(Order(), "incomplete", before=_down),
            Step(Order(), "sent", counts=_all(3), before=_up),
        ),
        (1, 2, 3),
    ),
    Case(
        "no money, and again after a top-up",
        (
            Step(Order(), "incomplete", "103", before=_no_money),
            Step(Order(), "sent", counts=_all(3), before=_up),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, refused, and again with the rule set aside",
        (
            Step(Order(shut=True, hours="refuse"), "refused", "its hours are"),
            Step(Order(shut=True, hours="refuse", overrides=("hours",)), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, put off, and again when they have begun",
        (
            Step(Order(shut=True, hours="defer"), "incomplete", "its hours are"),
            Step(Order(hours="defer"), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, sent for the next ones", (Step(Order(shut=True, hours="reschedule"), "sent"),), (1, 2, 3)
    ),
    Case(
        "a cap counts over runs",
        (
            Step(Order(guard={"transaction_cap": 1}), "sent", counts=_all(3, skipped=0)),
            Step(
                Order(people=(1, 2, 3, 4), run_key="night", guard={"transaction_cap": 1}),
                "sent",
                counts={"sent_by_this_try": 1, "skipped": 3, "skipped_by_rule": {"frequency": 3}, "complete": True},
            ),
        ),
        (1, 2, 3, 4),
    ),
    Case(
        "a budget that is too small, and raised",
        (
            Step(Order(max_cost_vnd=800), "incomplete", "budget"),
            Step(Order(max_cost_vnd=900), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a balance that is too small, refused by choice",
        (
            Step(
                Order(guard={"low_balance": "refuse"}, max_cost_vnd=10_000),
                "refused",
                "balance",
                before=lambda gateway: gateway.set_balance(300),
            ),
        ),
        (),
    ),
    Case(
        "a rule that there is not", (Step(Order(guard={"advertising_houres": "defer"}), "refused", "no setting"),), ()
    ),
)
