"""
A sender in a process of its own, which may kill, stop or interrupt itself at a chosen moment.

    python tests/sending/sender_child.py

Each line on standard input is a job (see `Job`); fork_server.py has the answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import pendulum
from channel_samples import sample_campaign
from fork_server import serve

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.gateway import connection
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.engines import engine_for
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.bulk import BulkIncompleteError, send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel, ZnsChannel
from esms_connectors.sending.guard import GuardSettings

# Noon in Vietnam: near midnight a lost answer is, rightly, not repeated.
NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")

# Between claim and send, where a sender may wait long: for the limit of requests, and for a connection.
IN_THROTTLE, CONNECTED = "in the throttle", "with the connection ready"
BEFORE_CLAIM, AFTER_CLAIM, BEFORE_SETTLE = "before claim", "between claim and send", "between answer and settle"


@dataclass
class Job:
    """
    What a sender does.

    Attributes:
        people: the recipients, as `Recipient` takes them.
        began: epoch seconds that count as noon, the same for all processes of a test.
        moment, nth, signal: when the moment comes for the nth time, this process sends itself this signal.
        result: file for what came of it.
        largest_file_bytes: no file grows beyond, as on a disk that is full; 0: any.
        guard: settings of the guard by name, over the defaults.
        price_vnd: of a message, where a budget is in force.
        sample: sends so many rows of the sample of `channel` in place of `people`.
    """

    base_url: str
    ledger_url: str
    run_key: str
    began: float
    api_key: str
    secret_key: str
    people: list[list[Any]]
    result: str = ""
    channel: str = "zns"
    template_id: str = ""
    oa_id: str = ""
    text: str = ""
    brandname: str = ""
    threads: int = 1
    chunk_size: int = 100
    lease_seconds: float = 1.0
    read_seconds: float = 30.0
    attempts: int = 2
    phone_secret: str | None = None
    moment: str = ""
    nth: int = 1
    signal: int = int(signal.SIGKILL)
    slow_reader_seconds: float = 0.0
    largest_file_bytes: int = 0
    guard: dict[str, Any] = dataclasses.field(default_factory=dict)
    price_vnd: int | None = None
    sample: int = 0


class Trap:
    """Calls `strike` at the nth passage of one moment, in whatever thread that is."""

    def __init__(self, moment: str, nth: int, strike: Callable[[], object]) -> None:
        self._moment, self._nth, self._strike = moment, nth, strike
        self._passed = 0
        self._lock = threading.Lock()

    def pass_by(self, moment: str) -> None:
        if moment != self._moment:
            return
        with self._lock:
            self._passed += 1
            struck = self._passed == self._nth
        if struck:
            self._strike()


class TrappedThrottle:
    """Gives leave to everything, with a trap."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def acquire(self, timeout_seconds: float) -> bool:
        self._trap.pass_by(IN_THROTTLE)
        return True


def trap_connections(trap: Trap) -> None:
    """Every connection of this process passes the trap once it stands."""
    connect = connection._MarkingHTTPConnection.connect

    def connect_and_pass(self: Any) -> None:
        connect(self)
        trap.pass_by(CONNECTED)

    connection._MarkingHTTPConnection.connect = connect_and_pass


class TrappedLedger(Ledger):
    """The ledger, with a trap around claims and settlements."""

    trap: Trap

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # A process that is frozen within a transaction keeps the others out of a SQLite file; not what is tested.
        self.quiet = threading.Lock()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Any]:
        with self.quiet, super()._writing() as connection:
            yield connection

    def claim(self, *args: Any, **named: Any) -> Any:
        self.trap.pass_by(BEFORE_CLAIM)
        found = super().claim(*args, **named)
        self.trap.pass_by(AFTER_CLAIM)
        return found

    def settle(self, *args: Any, **named: Any) -> Any:
        self.trap.pass_by(BEFORE_SETTLE)
        return super().settle(*args, **named)


def _send_itself(ledger: TrappedLedger, number: int) -> None:
    if number == signal.SIGSTOP:
        with ledger.quiet:
            os.kill(os.getpid(), number)
            time.sleep(0.05)
        return
    os.kill(os.getpid(), number)
    # The signal may take a moment to arrive, and this thread must not get any further.
    time.sleep(5)


def now_since(began: float) -> Callable[[], pendulum.DateTime]:
    return lambda: pendulum.from_timestamp(NOON.timestamp() + time.time() - began)


def recipients_of(people: list[list[Any]]) -> list[Recipient]:
    return [Recipient(phone, tuple(params), key, line) for phone, params, key, line in people]


def channel_of(job: Job, client: EsmsClient) -> Channel:
    match job.channel:
        case "zns":
            return ZnsChannel(client, job.template_id, job.oa_id, chunk_size=job.chunk_size)
        case "customer_care":
            return CareSmsChannel(client, job.text, job.brandname)
    # Small batches, so that a small run has many.
    return AdvertisingChannel(client, job.text, job.brandname, chunk_size=job.chunk_size)


def run(job: Job) -> dict[str, Any]:
    now = now_since(job.began)
    rows = recipients_of(job.people)

    def read() -> Any:
        for position, one in enumerate(rows):
            if job.slow_reader_seconds and position % job.chunk_size == 0:
                time.sleep(job.slow_reader_seconds)
            yield one

    if job.largest_file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file_bytes, resource.RLIM_INFINITY))
    ledger = TrappedLedger(
        engine_for(job.ledger_url),
        lease_seconds=job.lease_seconds,
        now=now,
        phone_secret=job.phone_secret,
    )
    trap = ledger.trap = Trap(job.moment, job.nth, lambda: _send_itself(ledger, job.signal))
    trap_connections(trap)
    client = EsmsClient(
        Credentials(job.api_key, job.secret_key),
        job.base_url,
        retries=RetryPolicy(job.attempts, first_wait_seconds=0.001, max_wait_seconds=0.002, budget_seconds=20),
        timeouts=Timeouts(30, job.read_seconds, 60),
        throttle=TrappedThrottle(trap),
        now=now,
    )
    common: dict[str, Any] = {
        "ledger": ledger,
        "run_key": job.run_key,
        "threads": job.threads,
        "guard": GuardSettings().changed(job.guard),
        "price_vnd": None if job.price_vnd is None else Decimal(job.price_vnd),
    }
    with client, ledger:
        try:
            if job.sample:
                summary = sample_campaign(job.channel, client, count=job.sample, **common).send()
            else:
                summary = send_bulk(channel_of(job, client), Recipients(read), **common)
        except BulkIncompleteError as error:
            summary, raised = error.summary, type(error).__name__
        except BaseException as error:  # what ended it is what the test asks for
            if job.largest_file_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return {"raised": type(error).__name__, "text": str(error)}
        else:
            raised = ""
    return {
        "raised": raised,
        "run": {name: value for name, value in dataclasses.asdict(summary.run).items() if isinstance(value, int)},
        "counters": dataclasses.asdict(summary.counters),
        "stopped_by": type(summary.stopped_by).__name__ if summary.stopped_by else None,
        "rule": str(getattr(summary.stopped_by, "rule", "")),
    }


def work(text: str) -> int:
    try:
        job = Job(**json.loads(text))
        result = run(job)
        if job.result:
            Path(job.result).write_text(json.dumps(result), encoding="utf-8")
    except BaseException:  # a fork must not return into the loop of the server
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    serve(work)
