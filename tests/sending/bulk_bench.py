"""
What the tests of bulk sending share: people, a served gateway, a ledger in either database, senders in processes of
their own, and the check that all tests end with: nobody twice, everybody accounted for, ledger and gateway agree.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pendulum
import sqlalchemy as sa
from fork_server import ForkServer
from postgres_server import PostgresServer
from sender_child import NOON, Job, Trap, TrappedLedger, now_since

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    EmulatorServer,
    VirtualClock,
)
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.engines import engine_for
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel, ZnsChannel
from esms_connectors.sending.id_probe import probe_zns_bulk_ids
from esms_connectors.sending.reconcile import ReconcileResult, reconcile

ZNS, CARE, ADVERTISING = "send_zns_bulk", "send_customer_care_sms", "send_advertising_sms"
# Of senders in processes of their own, which die.
LEASE_SECONDS = 1.0
# Of those in the process of the test: a machine that is slow ends no lease, after which rows go in another order.
_OWN_LEASE_SECONDS = 8.0
TEXT = "Xin chao quy khach"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
DATABASES = (SQLITE, POSTGRESQL)


class Clock:
    """One time for client, ledger and senders: noon in Vietnam plus what has passed; `move` moves the gateway too."""

    def __init__(self, emulator: Emulator) -> None:
        self.began = time.time()
        self._emulator = emulator

    def now(self) -> pendulum.DateTime:
        return now_since(self.began)()

    def move(self, seconds: float) -> None:
        self.began -= seconds
        self._emulator.advance(seconds)

    def move_to(self, moment: pendulum.DateTime) -> None:
        self.move((moment - self.now()).total_seconds())


def phone_of(number: int) -> str:
    return f"090{1_000_000 + number:07d}"


def people(count: int, first: int = 0) -> list[Recipient]:
    """Recipients of the demo template, each with a phone of its own."""
    return [
        Recipient(
            phone_of(number), (f"Khách {number}", "Cắt tóc", f"M{number}", "15/05/2024"), phone_of(number), number
        )
        for number in range(first, first + count)
    ]


class Bench:
    """
    A gateway behind a socket, a ledger, and clients of both.

    Attributes:
        recipients: of the run; `blocked`: those among them whom the gateway refuses with 99.
        most: the most messages that any phone had when anybody looked.
        offset_seconds: of the clock of the machine that sends and keeps the ledger, against the gateway's.
    """

    def __init__(
        self,
        emulator: Emulator,
        server: EmulatorServer,
        ledger_url: str,
        factory: SenderFactory,
        folder: Path,
        recipients: Sequence[Recipient] = (),
    ) -> None:
        self.gateway, self.server, self.ledger_url, self.factory, self.folder = (
            emulator, server, ledger_url, factory, folder,
        )  # fmt: skip
        self.recipients = list(recipients)
        self.blocked: set[str] = set()
        self.clock = Clock(emulator)
        self.run_key = "run-" + uuid.uuid4().hex[:8]
        self.most = 0
        self.offset_seconds = 0.0
        self.threads = 8
        self.chunk_size = 100
        self.read_seconds = 30.0
        self.attempts = 2
        self.phone_secret: str | None = None
        self.lease_seconds = _OWN_LEASE_SECONDS
        self._open = contextlib.ExitStack()
        self._looking: Ledger | None = None

    def close(self) -> None:
        self._open.close()

    def now(self) -> pendulum.DateTime:
        """What the machine that sends takes the time to be."""
        return self.clock.now().add(seconds=self.offset_seconds)

    # --- parts -------------------------------------------------------------------------------------------------------

    def client(self, **settings: Any) -> EsmsClient:
        settings.setdefault("timeouts", Timeouts(30, self.read_seconds, 60))
        settings.setdefault("retries", RetryPolicy(self.attempts, 0.001, 0.002, 20))
        settings.setdefault("now", self.now)
        keys = settings.pop("credentials", None) or Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)
        made = EsmsClient(keys, self.server.base_url, **settings)
        return self._open.enter_context(made)

    def ledger(self, kind: type[Ledger] = Ledger, **settings: Any) -> Any:
        settings.setdefault("lease_seconds", self.lease_seconds)
        settings.setdefault("phone_secret", self.phone_secret)
        made = kind(engine_for(self.ledger_url), now=self.now, **settings)
        return self._open.enter_context(made)

    def prove_request_ids(self) -> None:
        """As `esms check --probe-ids` does: one message twice under one id, and the ledger remembers the answer."""
        values = ("Khách", "Cắt tóc", "M", "15/05/2024")
        probe = probe_zns_bulk_ids(
            self.client(), self.ledger(), phone_of(999_999), DEMO_TEMPLATE_ID, DEMO_OA_ID, values
        )
        assert probe.honoured
        self.gateway.reset()

    def forget_request_ids(self) -> None:
        """An account that was never tested."""
        with self.books._engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM esms_gateway_facts"))

    @property
    def books(self) -> Ledger:
        """A ledger for looking, opened once."""
        if self._looking is None:
            self._looking = self.ledger()
        return self._looking

    def trapped_ledger(self, moment: str, nth: int, strike: Callable[[], object]) -> TrappedLedger:
        made: TrappedLedger = self.ledger(TrappedLedger)
        made.trap = Trap(moment, nth, strike)
        return made

    def block(self, every: int) -> None:
        for one in self.recipients[every // 2 :: every]:
            self.blocked.add(one.phone)
            self.gateway.block_phone(one.phone)

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, recipients: Any = None, *, client: EsmsClient | None = None, **settings: Any) -> RunResult:
        """Bulk ZNS in this process; the summary also of a run that did not come to its end."""
        template_id, oa_id = settings.pop("template_id", DEMO_TEMPLATE_ID), settings.pop("oa_id", DEMO_OA_ID)
        chunk_size = settings.pop("chunk_size", self.chunk_size)
        channel = ZnsChannel(
            client or self.client(), template_id, oa_id, chunk_size=chunk_size, **_of_channel(settings)
        )
        return self._send(channel, recipients, settings)

    def send_sms(self, recipients: Any = None, *, client: EsmsClient | None = None, **settings: Any) -> RunResult:
        kind = AdvertisingChannel if settings.pop("advertising", False) else CareSmsChannel
        # Small batches, so that a small run has many.
        more = {"chunk_size": self.chunk_size} if kind is AdvertisingChannel else {}
        text, brandname = settings.pop("text", TEXT), settings.pop("brandname", DEMO_BRANDNAME)
        channel = kind(client or self.client(), text, brandname, **more, **_of_channel(settings))
        return self._send(channel, recipients, settings)

    def _send(self, channel: Channel, recipients: Any, settings: dict[str, Any]) -> RunResult:
        source = self.recipients if recipients is None else recipients
        rows = Recipients(source, settings.pop("key_column", "phone"))
        settings["ledger"] = settings.get("ledger") or self.ledger()
        try:
            return send_bulk(channel, rows, **{"run_key": self.run_key, "threads": self.threads, **settings})
        except BulkIncompleteError as error:
            return error.summary
        finally:
            self.look()

    def start(self, **job: Any) -> Sender:
        """A sender in a process of its own."""
        result = self.folder / f"result-{uuid.uuid4().hex}.json"
        made = Job(
            **{
                "base_url": self.server.base_url,
                "ledger_url": self.ledger_url,
                "run_key": self.run_key,
                "began": self.clock.began - self.offset_seconds,
                "api_key": DEMO_API_KEY,
                "secret_key": DEMO_SECRET_KEY,
                "people": [
                    [one.phone, list(one.template_params), one.row_key, one.line]
                    for one in job.pop("recipients", self.recipients)
                ],
                "result": str(result),
                "template_id": DEMO_TEMPLATE_ID,
                "oa_id": DEMO_OA_ID,
                "brandname": DEMO_BRANDNAME,
                "text": TEXT,
                "threads": self.threads,
                "chunk_size": self.chunk_size,
                "lease_seconds": LEASE_SECONDS if self.lease_seconds == _OWN_LEASE_SECONDS else self.lease_seconds,
                "read_seconds": self.read_seconds,
                "attempts": self.attempts,
                "phone_secret": self.phone_secret,
                **job,
            }
        )
        return self.factory.start(made, result)

    def reconcile(self, not_sent_after_seconds: float | None = None) -> ReconcileResult:
        return reconcile(self.client(), self.ledger(), self.run_key, not_sent_after_seconds=not_sent_after_seconds)

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self) -> Counter[str]:
        """Deliveries by phone; fails when somebody got more messages than the run has rows for."""
        delivered = self.gateway.deliveries_by_phone()
        wanted = Counter(one.phone for one in self.recipients)
        twice = {phone: count for phone, count in delivered.items() if count > wanted[phone]}
        self.most = max([self.most, *delivered.values()])
        assert not twice, f"{len(twice)} phones got more than their rows: {list(twice.items())[:5]}"
        return delivered

    def states(self) -> dict[str, str]:
        """State by row key."""
        rows = list(self.books.rows(self.run_key))
        keys = {self.books.request_id(self.run_key, one.row_key): one.row_key for one in self.recipients}
        return {keys[row["request_id"]]: row["state"] for row in rows}

    def lose_every_call(self, *, taken: bool) -> None:
        """Every call of one run is lost, after the gateway took the messages or before."""
        self.gateway.faults.add(ZNS, "drop_after" if taken else "drop_before")
        self.send(threads=4)
        self.gateway.faults.clear()
        # Minutes before midnight they are held at once.
        assert set(self.states().values()) <= {"unknown", "held"}

    def check_agreement(self) -> None:
        """Row by row: what the ledger calls accepted was taken, what it calls rejected or not sent was not."""
        delivered = self.look()
        states = self.states()
        by_phone: dict[str, list[str]] = {}
        for one in self.recipients:
            by_phone.setdefault(one.phone, []).append(states.get(one.row_key, "absent"))
        for phone, found in by_phone.items():
            accepted, open_ = found.count("accepted"), sum(state in ("unknown", "held", "claimed") for state in found)
            assert accepted <= delivered[phone] <= accepted + open_, f"{phone}: {found}, {delivered[phone]} delivered"

    def check_complete(self) -> None:
        """Everybody exactly once, the blocked never; ledger, summary and gateway agree."""
        self.check_agreement()
        delivered, states = self.look(), self.states()
        assert len(states) == len(self.recipients)
        for one in self.recipients:
            expected = "rejected" if one.phone in self.blocked else "accepted"
            assert states[one.row_key] == expected, f"{one.row_key} is {states[one.row_key]}"
        wanted = Counter(one.phone for one in self.recipients if one.phone not in self.blocked)
        assert delivered == wanted
        summary = self.books.summary(self.run_key)
        assert summary.total == len(self.recipients)
        assert summary.unsettled == 0
        assert summary.rejected_by_code == ({"99": len(self.blocked)} if self.blocked else {})


def _of_channel(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings.pop(name) for name in ("send_at", "callback_url", "sending_mode") if name in settings}


class Sender:
    """A process that sends."""

    def __init__(self, factory: SenderFactory, pid: int, result: Path) -> None:
        self.factory, self.pid, self._result = factory, pid, result
        self.exit_code: int | None = None

    def wait(self, seconds: float = 60) -> int:
        """Its exit code: negative for a signal."""
        if self.exit_code is None:
            self.exit_code = self.factory.wait(self.pid, seconds)
        assert self.exit_code is not None, "the sender hangs"
        return self.exit_code

    @property
    def result(self) -> dict[str, Any]:
        assert self.wait() == 0
        return json.loads(self._result.read_text(encoding="utf-8"))

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def is_stopped(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T"


class SenderFactory(ForkServer):
    """Forks senders off one process that has everything loaded."""

    def __init__(self) -> None:
        super().__init__(Path(__file__).with_name("sender_child.py"))
        self._alive: set[int] = set()

    def start(self, job: Job, result: Path) -> Sender:
        pid = self.fork(json.dumps(dataclasses.asdict(job)))
        self._alive.add(pid)
        return Sender(self, pid, result)

    def wait(self, pid: int, seconds: float) -> int | None:
        ended = self.ended(pid, seconds)
        if ended is None:
            return None
        self._alive.discard(pid)
        return ended[0]

    def close(self) -> None:
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super().close()


def new_ledger(server: PostgresServer) -> tuple[str, str]:
    """The URL of an empty ledger, and the name that its connections go by."""
    name = server.new_schema()
    return f"{server.uri}&options=-csearch_path%3D{name}&application_name={name}", name


@contextlib.contextmanager
def open_bench(
    ledger_url: str,
    factory: SenderFactory,
    folder: Path,
    recipients: Sequence[Recipient] = (),
    config: EmulatorConfig | None = None,
    *,
    proven: bool = True,
) -> Iterator[Bench]:
    emulator = Emulator(config, clock=VirtualClock(NOON))
    with emulator.serve() as server:
        bench = Bench(emulator, server, ledger_url, factory, folder, recipients)
        if proven:
            bench.prove_request_ids()
        try:
            yield bench
        finally:
            bench.close()
