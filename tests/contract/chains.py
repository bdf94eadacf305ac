"""
A campaign with a fallback through every front end: the same decision, the same messages to each person, the same JSON.

What becomes of each message is set when the gateway is asked for its time, so nobody waits for a deadline and any clock
does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.fronts import OA_ID, PARAMS, RESULT_KEYS, TEMPLATE_ID, Answer, Order, World, phone_of, run_killed

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator

ZNS, SMS = "send_zns_bulk", "send_customer_care_sms"


@dataclass(frozen=True)
class ChainOrder(Order):
    """
    Attributes:
        text: of the SMS that follows the ZNS.
        after: None leaves it out.
    """

    run_key: str = "chain"
    text: str = "Chao {customer_name}"
    after: str | None = "15m"

    @property
    def fallback(self) -> dict[str, Any]:
        """The step as plain values."""
        step = {"channel": "sms", "text": self.text, "brandname": DEMO_BRANDNAME}
        return step if self.after is None else {**step, "after": self.after}

    def words(self, world: World) -> list[str]:
        """For the command line."""
        flags = {"--template": TEMPLATE_ID, "--oa": OA_ID, "--params": PARAMS, "--run-key": self.run_key}
        flags |= {"--ledger": world.ledger, "--at-least": str(self.at_least)}
        words = ["send", "zns", world.source(self), *(f"{name}={value}" for name, value in flags.items())]
        words += ["--else", "sms", f"--brandname={DEMO_BRANDNAME}", f"--text={self.text}"]
        return words if self.after is None else [*words, f"--after={self.after}"]


@dataclass(frozen=True)
class ChainCase:
    """
    Attributes:
        got: the functions by which each person was sent to, in their order.
        failing: people whose ZNS fails; all else is delivered.
        counts: of the result: `people`, and values of `steps` as lists.
        killed_at: `esms` is killed at the nth message of that function, before the front end is called.
        times: how often it is called.
    """

    name: str
    got: Mapping[int, list[str]]
    order: ChainOrder = field(default_factory=ChainOrder)
    failing: tuple[int, ...] = ()
    decision: str = "sent"
    words: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    killed_at: tuple[str, int] | None = None
    times: int = 1


ChainFront = Callable[[World, ChainOrder], Answer]


def check_chain(case: ChainCase, world: World, front: ChainFront) -> None:
    """Decision, words, people and steps of the result, and what each person got."""

    def fate(call: object) -> None:
        for message in list(world.gateway.messages()):
            failed = message.function == ZNS and message.phone in [phone_of(one) for one in case.failing]
            world.gateway.set_status(message.message_id, 5, int(not failed))

    world.gateway.on_call("get_balance", fate)
    if case.killed_at is not None:
        run_killed(world, case.order.words(world), *case.killed_at)
    for _ in range(case.times):
        answer = front(world, case.order)
        assert (answer.decision, "\n" in answer.words.strip()) == (case.decision, False), answer
        assert case.words in answer.words, answer
        if answer.result is not None:
            assert frozenset(answer.result) == RESULT_KEYS | {"people", "steps", "chain_complete"}
            assert answer.result["run_key"] == case.order.run_key
            people = {name: count for name, count in answer.result["people"].items() if count}
            steps = answer.result["steps"]
            found = {"people": people, **{name: [step[name] for step in steps] for name in steps[0]}}
            assert {name: found[name] for name in case.counts} == case.counts
    assert _functions(world.gateway) == {phone_of(one): functions for one, functions in case.got.items()}


def _functions(gateway: Emulator) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for message in gateway.messages():
        found.setdefault(message.phone, []).append(message.function)
    return found


_ALL_FAIL: dict[str, Any] = {"failing": (1, 2, 3), "got": {one: [ZNS, SMS] for one in (1, 2, 3)}}

CHAINS = (
    ChainCase(
        "whose ZNS fails gets the SMS, and again nobody gets anything",
        {1: [ZNS, SMS], 2: [ZNS], 3: [ZNS]},
        failing=(1,),
        counts={
            "people": {"delivered": 3},
            "run_key": ["chain", "chain#2"],
            "channel": ["zns", "sms"],
            "accepted": [3, 1],
            "handed_on": [3, 1],
            "delivered": [2, 1],
            "late": [0, 0],
            "reasons": [{}, {"failed": 1}],
        },
        times=2,
    ),
    ChainCase(
        "killed in the first step",
        killed_at=(ZNS, 1),
        counts={"people": {"delivered": 3}, "accepted": [3, 3]},
        **_ALL_FAIL,
    ),
    ChainCase(
        "killed in the fallback",
        killed_at=(SMS, 2),
        counts={"people": {"delivered": 3}, "accepted": [3, 3]},
        **_ALL_FAIL,
    ),
    ChainCase(
        "a placeholder of the fallback that no column has", {}, ChainOrder(text="Chao {ten}"), (), "refused", "{ten}"
    ),
    ChainCase("a fallback without a deadline", {}, ChainOrder(after=None), (), "refused", "after"),
)
