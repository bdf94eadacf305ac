"""
Clients and ledgers shared by the tasks of a process: a connection per chunk would cost more than the chunk itself.

They are kept for one attempt of a flow run. A client stops permanently when the gateway refuses the account (101, 103,
140), and the next attempt, for example after a top-up, must not get a stopped client.
"""

from __future__ import annotations

import atexit
import contextvars
import itertools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import rate_limit as take_slot
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger
from esms_connectors.prefect.blocks.base import EsmsBlock, load_block
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger, open_default_ledger
from esms_connectors.prefect.run_memory import memory_of_this_run

logger = get_logger(__name__)

_KEPT = 4
_LOOK_SECONDS = 2.0


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


@dataclass(slots=True)
class _Entry(Generic[T]):
    users: int = 0
    used: int = 0
    thing: T | None = None
    opening: threading.Lock = field(default_factory=threading.Lock)


class Pool(Generic[T]):
    """Opens one resource per key, lends it to any number of threads, and closes it some time after its last use."""

    def __init__(self, keep: int = _KEPT) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._clock = itertools.count(1)
        atexit.register(self.close)

    @contextmanager
    def borrow(self, key: Hashable, make: Callable[[], T]) -> Iterator[T]:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            with entry.opening:
                if entry.thing is None:
                    entry.thing = make()
            yield entry.thing
        finally:
            with self._lock:
                entry.users -= 1
                entry.used = next(self._clock)
                dropped = self._surplus()
            for one in dropped:
                one.close()

    def _surplus(self) -> list[T]:
        idle = sorted((one.used, key) for key, one in self._entries.items() if not one.users) if self._entries else []
        gone = [self._entries.pop(key) for _, key in idle[: max(0, len(idle) - self._keep)]]
        return [one.thing for one in gone if one.thing is not None]

    def close(self) -> None:
        """Close everything that is not in use."""
        with self._lock:
            idle = [key for key, one in self._entries.items() if not one.users]
            gone = [self._entries.pop(key) for key in idle]
        for one in gone:
            if one.thing is not None:
                with suppress(Exception):
                    one.thing.close()


@dataclass(slots=True)
class Account:
    """
    A client and its account.

    Attributes:
        stop: set when the run is told to stop; no further request is sent.
    """

    block: EsmsCredentials
    client: EsmsClient
    stop: threading.Event
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.client = self.client.only_while(lambda: not self.stop.is_set())

    def sleep(self, seconds: float) -> None:
        """
        Wait between two steps.

        Raises:
            EsmsError: the run was told to stop.
        """
        if self.stop.wait(seconds):
            raise EsmsError("The run was told to stop; the same run started again continues.")

    def stop_with(self, flow_run_id: UUID) -> None:
        """Set `stop` when that run is cancelled or has ended. Its own process gets a signal; workers do not."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._watch, flow_run_id), name="esms-run", daemon=True).start()

    def _watch(self, flow_run_id: UUID) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                with get_client(sync_client=True) as api:
                    state = api.read_flow_run(flow_run_id).state
            except Exception as error:  # noqa: BLE001 - an error of httpx or the server; it is retried
                logger.debug("the flow run could not be read: %s", type(error).__name__)
                continue
            if state is not None and (state.is_cancelling() or state.is_final()):
                self.stop.set()
                return

    def close(self) -> None:
        self._closed.set()
        self.client.close()


_accounts: Pool[Account] = Pool()
_ledgers: Pool[Ledger] = Pool()


@contextmanager
def borrow_account(credentials: str | EsmsCredentials, rate_limit: str | None = None) -> Iterator[Account]:
    """The client of a block, shared by the tasks of this attempt of the flow run."""

    def make() -> Account:
        block = load_block(EsmsCredentials, credentials)
        settings: dict[str, Any] = {} if rate_limit is None else {"throttle": GlobalRateLimit(rate_limit)}
        account = Account(block, block.get_client(**settings), threading.Event())
        run = _run_elsewhere()
        if run is not None:
            account.stop_with(run)
        return account

    with _accounts.borrow((_attempt(), _key_of(credentials), rate_limit or ""), make) as account:
        yield account


@contextmanager
def borrow_ledger(ledger: str | EsmsLedger | None, *, create: bool = True) -> Iterator[Ledger]:
    """
    The ledger of a block or the default one, shared likewise; with `create=False` it must exist. Otherwise messages are
    sent through it, and the flow run remembers which.
    """

    def make() -> Ledger:
        memory = memory_of_this_run(name_of(ledger)) if create else None
        if ledger is None:
            return open_default_ledger(create=create, run_memory=memory)
        return load_block(EsmsLedger, ledger).open(create=create, run_memory=memory)

    with _ledgers.borrow((_attempt(), _key_of(ledger)), make) as opened:
        yield opened


def name_of(block: str | EsmsBlock | None) -> str:
    """The identity of a block given by name or as an object, if it was saved."""
    if block is None or isinstance(block, str):
        return f"name:{block or ''}"
    return f"id:{block._block_document_id}"


def _key_of(block: str | EsmsBlock | None) -> Hashable:
    if isinstance(block, EsmsBlock) and block._block_document_id is None:
        return _Itself(block)
    return name_of(block)


@dataclass(frozen=True, slots=True, eq=False)
class _Itself:
    """An unsaved block; the reference keeps its id() from being reused."""

    block: EsmsBlock

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.block is other.block

    def __hash__(self) -> int:
        return id(self.block)


def _attempt() -> str:
    """This attempt of the flow run, or of the task run if there is no flow."""
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return f"flow {flow.flow_run.id} {flow.flow_run.run_count}"
    if task is not None:
        return f"task {task.task_run.flow_run_id or task.task_run.id} {task.task_run.run_count}"
    return "outside"


def _run_elsewhere() -> UUID | None:
    """The flow run of this task if another process runs the flow, as with Dask and Ray."""
    task = TaskRunContext.get()
    run = None if task is None else task.task_run.flow_run_id
    return None if run in _flows_here else run


def runs_here() -> None:
    """Called by a flow before its tasks to record that it runs in this process and is stopped by signals."""
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        _flows_here.add(flow.flow_run.id)


_flows_here: set[UUID] = set()


class GlobalRateLimit:
    """
    A throttle shared by all workers: a global concurrency limit of the Prefect server with slot decay.

    Raises:
        ConfigurationError: the limit does not exist, is inactive or has no slot decay, or the server cannot be reached.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # The settings of the run are context variables, and clients call from other threads.
        self._context = contextvars.copy_context()
        try:
            with get_client(sync_client=True) as api:
                limit = api.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            problem = "does not exist"
        except Exception as error:  # noqa: BLE001 - errors of httpx or the server; their messages contain addresses
            problem = f"could not be read from the Prefect server ({type(error).__name__})"
        else:
            if limit.active and limit.slot_decay_per_second:
                return
            problem = "has no slot decay, so it limits nothing" if limit.active else "is switched off"
        raise ConfigurationError(
            f"The rate limit {name!r} {problem}. Create one: prefect gcl create {name} --limit 10 "
            "--slot-decay-per-second 10"
        )

    def acquire(self, timeout_seconds: float) -> bool:
        def take() -> None:
            take_slot(self._name, timeout_seconds=max(0.01, timeout_seconds), strict=True)

        try:
            self._context.copy().run(take)
        except TimeoutError:
            return False
        return True
