"""Chains of steps against a gateway whose clock the test moves; what each person got, by the gateway's own record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pendulum
from channel_samples import SAMPLES, sample_campaign

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_SECRET_KEY,
    Emulator,
    EmulatorConfig,
    EmulatorServer,
    Message,
    Progress,
    Quirks,
    VirtualClock,
)
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger import Ledger
from esms_connectors.sending.channels.factory import make_channel
from esms_connectors.sending.steps import Journey, JourneyResult, Step

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
# Everything arrives in a second, unless a test says otherwise.
AT_ONCE = Progress(0, 0, 0, queue_seconds=(0.1, 0.1), report_seconds=(0.1, 0.1))
NEVER = Progress(0, 0, never_final_share=1, queue_seconds=(0.1, 0.1), report_seconds=(0.1, 0.1))


@dataclass
class Chain:
    """
    One journey in a world of its own.

    Attributes:
        kinds: the channel of each step; `afters`: of each but the first.
        people: how many; a phone by its place.
    """

    gateway: Emulator
    server: EmulatorServer
    ledger_url: str
    people: int = 4
    kinds: Sequence[str] = ("zns", "sms")
    afters: Sequence[str] = ("15m",)
    run_key: str = "evening"
    knows_ids: bool = True
    _open: list[Any] = field(default_factory=list)

    def now(self) -> pendulum.DateTime:
        return self.gateway.clock.now

    def client(self) -> EsmsClient:
        made = EsmsClient(
            Credentials(DEMO_API_KEY, DEMO_SECRET_KEY),
            self.server.base_url,
            retries=RetryPolicy(2, 0.001, 0.002, 20),
            timeouts=Timeouts(30, 30, 60),
            now=self.now,
        )
        if self.knows_ids:
            made.request_ids.learn(SEND_ZNS_BULK, IdFact(True, self.now()))
        self._open.append(made)
        return made

    def ledger(self, kind: type[Ledger] = Ledger) -> Ledger:
        made = kind.open(self.ledger_url, now=self.now, lease_seconds=30.0)
        self._open.append(made)
        return made

    def journey(self, ledger: Ledger | None = None, **more: Any) -> Journey:
        client, books = self.client(), ledger or self.ledger()
        first = sample_campaign(self.kinds[0], client, books, self.people, self.run_key, threads=2, **more)
        steps = [
            Step(make_channel(kind, client, SAMPLES[kind].options), after, SAMPLES[kind].columns)
            for kind, after in zip(self.kinds[1:], self.afters, strict=True)
        ]
        return Journey(first, steps, poll_seconds=60)

    def run(self, journey: Journey | None = None, told: Callable[[JourneyResult], None] | None = None) -> JourneyResult:
        """To its end; where it sleeps, the gateway's clock moves."""
        return (journey or self.journey()).run(sleep=self.gateway.advance, told=told)

    def phone(self, place: int) -> str:
        return SAMPLES[self.kinds[0]].rows(self.people)[place]["phone"]

    def got(self, place: int) -> list[Message]:
        """Messages of a person, in the order in which they were accepted."""
        return [one for one in self.gateway.messages() if one.phone == self.phone(place)]

    def functions(self, place: int) -> list[str]:
        return [one.function for one in self.got(place)]

    def hold(self, place: int) -> None:
        """The person's last message stays on its way."""
        self.gateway.set_status(self.got(place)[-1].message_id, 7, 2)

    def check(self) -> None:
        """
        By the gateway's record: each step once at most, and a step only where the one before was not delivered by its
        deadline.
        """
        spans = {"15m": 900, "10m": 600, "5m": 300, "1h": 3600}
        for place in range(self.people):
            messages = self.got(place)
            wanted = [SAMPLES[kind].operation for kind in self.kinds]
            found = [one.function for one in messages]
            assert all(found.count(one) <= wanted.count(one) for one in found), (place, found)
            for before, after, span in zip(messages, messages[1:], self.afters, strict=False):
                by = before.created_ms + spans[span] * 1000
                failed = (before.send_status, before.send_result) in ((5, 0), (4, 0))
                in_time = before.delivered_ms is not None and before.delivered_ms < min(by, after.created_ms)
                assert not in_time, (place, before, after)
                assert failed or after.created_ms >= by, (place, before, after)

    def close(self) -> None:
        for one in self._open:
            one.close()


@contextmanager
def opened_chain(
    ledger_url: str, progress: Progress = AT_ONCE, quirks: Quirks | None = None, **more: Any
) -> Iterator[Chain]:
    config = EmulatorConfig(progress=progress, **({} if quirks is None else {"quirks": quirks}))
    gateway = Emulator(config, clock=VirtualClock(NOON))
    with gateway.serve() as server:
        chain = Chain(gateway, server, ledger_url, **more)
        try:
            yield chain
        finally:
            chain.close()


def minutes(count: float) -> float:
    return timedelta(minutes=count).total_seconds()
