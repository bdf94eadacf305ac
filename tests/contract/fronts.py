"""
One campaign through every front end: the same decision, the same messages at the gateway, the same JSON.

A front end joins by one function, `Front`, which turns an `Order` into its own call and what comes back into an
`Answer`. The right values stand in `cases.CASES`, once.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
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
        "sent_until",
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
        """Settings of the guard by name. Where hours matter they are all of the day, or one that is half a day away."""
        if order.hours is None and not order.shut:
            return dict(order.guard)
        far = (self.now.astimezone(VIETNAM).hour + 12) % 24
        return {**order.guard, "transaction_open": f"{far:02}:00-{far + 1:02}:00" if order.shut else "00:00-24:00"}

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
            known.wait(240)
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
        _, said = process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, said.decode()
    with closing(sqlite3.connect(world.folder / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE esms_sends SET lease_until_ms = 1 WHERE state = 'claimed'")
