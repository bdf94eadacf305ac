"""
Delivery reports that the gateway pushes: a small ASGI application, and a thread that verifies them.

    receiver = CallbackReceiver(token, Confirmations(connect, report))    # then e.g. uvicorn.run(receiver)

A callback has no signature, so its content is not trusted; it is only a hint to look up this message id. It is answered
at once, because the gateway drops a report after a few slow answers, and looked up a little later in a batch. Messages
that are final at the gateway are reported. A lost callback does no harm, because waiting tasks also poll.

The ledger is not changed: it records what was accepted, and callbacks report deliveries. They cannot settle a row in
doubt either, because they have no request id; `reconcile` looks up such rows by campaign and phone.
"""

from __future__ import annotations

import heapq
import hmac
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, GatewayError, RateLimitedError
from esms_connectors.gateway.redaction import get_logger, register_secret
from esms_connectors.gateway.states import DeliveryState, receivers_by_state, state_of_totals

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.models import SendStatus

__all__ = ["CallbackReceiver", "Confirmations", "Confirmed"]

logger = get_logger(__name__)

SHORTEST_TOKEN = 16
# The maximum of one call of `get_callback_data`; also fits into an event.
BATCH = 200
_LONGEST_QUERY = 16_384
_LONGEST_ID = 64
_REMEMBERED = 100_000

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Callback:
    """The data taken from a callback: its message id, and the OA under which it can be looked up."""

    message_id: str
    oa_id: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """
    Messages whose final state was confirmed by the gateway.

    Attributes:
        message_ids: of all of them, 200 at most.
        by_state: receivers by state; an id of advertising has many.
        failed_ids: ids with a receiver that was not reached.
    """

    message_ids: tuple[str, ...]
    by_state: Mapping[DeliveryState, int]
    failed_ids: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Data for JSON: counts and ids, no phone numbers."""
        return {
            "message_ids": list(self.message_ids),
            **{state.value: self.by_state.get(state, 0) for state in DeliveryState if state.is_final},
            "failed_ids": list(self.failed_ids),
        }


def read_callback(query: str) -> Callback | None:
    """The callback in a query string; None if it has no id. Its other content is ignored."""
    try:
        pairs = parse_qsl(query, max_num_fields=100)
    except ValueError:
        return None
    # The gateway's tables and samples spell the names differently, and voice calls have another name for the id.
    found = {name.lower(): value.strip() for name, value in reversed(pairs)}
    message_id, oa_id = found.get("smsid") or found.get("referenceid"), found.get("oaid")
    if not message_id or not _is_id(message_id):
        return None
    return Callback(message_id, oa_id if oa_id and _is_id(oa_id) else None)


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def confirm(client: EsmsClient, callbacks: Iterable[Callback], known_failed: Container[str] = ()) -> Confirmed:
    """
    Look up which of these messages are final: in batches per OA, the others one by one.

    Args:
        known_failed: ids that are left out unless they have been delivered since.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: the look-up failed. Repeating it is safe.
    """
    totals = _totals(client, callbacks)
    by_state: Counter[DeliveryState] = Counter()
    final, failed = [], []
    for message_id, one in totals.items():
        state = state_of_totals(one.send_status, one.receivers, one.succeeded, one.failed)
        if not state.is_final or (state is not DeliveryState.DELIVERED and message_id in known_failed):
            continue
        final.append(message_id)
        by_state += receivers_by_state(one.send_status, one.receivers, one.succeeded, one.failed)
        if state is not DeliveryState.DELIVERED:
            failed.append(message_id)
    return Confirmed(tuple(final), by_state, tuple(failed))


def _totals(client: EsmsClient, callbacks: Iterable[Callback]) -> dict[str, SendStatus]:
    """Message id -> totals, for the ids that the gateway knows."""
    totals: dict[str, SendStatus] = {}
    of_oa: dict[str, list[str]] = {}
    singly: list[str] = []
    for callback in callbacks:
        group = singly if callback.oa_id is None else of_oa.setdefault(callback.oa_id, [])
        group.append(callback.message_id)
    for oa_id, ids in of_oa.items():
        if len(ids) == 1:
            singly += ids
            continue
        try:
            found = client.get_callback_data(ids, oa_id)
        except GatewayError as error:
            # A forged callback may have a forged OA; the other ids of the batch must still be looked up.
            if _is_about_everything(error):
                raise
            singly += ids
            continue
        totals |= {message_id: report.totals for message_id, report in found.reports.items()}
        singly += found.missing
    for message_id in singly:
        try:
            totals[message_id] = client.get_send_status(message_id)
        except GatewayError as error:
            if _is_about_everything(error):
                raise
            continue  # forged, too early, or too old
    return totals


def _is_about_everything(error: GatewayError) -> bool:
    return error.stops_run or isinstance(error, RateLimitedError)


@dataclass(slots=True)
class _Waiting:
    callback: Callback
    looks: int = 0


class Confirmations:
    """
    A bounded queue of callbacks, and a thread that looks them up. The thread starts with the first callback.

    Args:
        connect: returns a client, which is closed after the look-up.
        report: called with final messages in that thread. If it raises, they are reported again later.
        gather_seconds: how long callbacks are collected, to be looked up and reported together.
        look_again_seconds: delays of further look-ups of messages that are not final; after the last one they are
            dropped. The gateway's tables may lag behind its callbacks.
        capacity: maximum number of waiting callbacks.
    """

    def __init__(
        self,
        connect: Callable[[], EsmsClient],
        report: Callable[[Confirmed], None],
        *,
        gather_seconds: float = 10.0,
        look_again_seconds: Sequence[float] = (30.0, 300.0, 1800.0),
        capacity: int = 50_000,
    ) -> None:
        self._connect = connect
        self._report = report
        self._gather_seconds = gather_seconds
        self._look_again_seconds = tuple(look_again_seconds)
        self._capacity = capacity
        self._waiting: dict[str, _Waiting] = {}
        self._due: list[tuple[float, str]] = []
        """A heap of (time of the look-up, message id)."""
        self._done: OrderedDict[str, None] = OrderedDict()
        self._failed: OrderedDict[str, None] = OrderedDict()
        """Reported as failed; another attempt under the id may still be delivered, which a further callback reports."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, callback: Callback) -> bool:
        """Queue a look-up. False if the queue is full or closed; the gateway may repeat the callback."""
        message_id = callback.message_id
        with self._changed:
            if self._closed:
                return False
            if message_id in self._done or message_id in self._waiting:
                return True
            if len(self._waiting) >= self._capacity:
                return False
            self._waiting[message_id] = _Waiting(callback)
            heapq.heappush(self._due, (time.monotonic() + self._gather_seconds, message_id))
            if self._thread is None:
                # Started lazily, because servers fork their workers after creating the application.
                self._thread = threading.Thread(target=self._run, name="esms-callbacks", daemon=True)
                self._thread.start()
            elif self._due[0][1] == message_id:
                self._changed.notify()
        return True

    def close(self) -> None:
        """Stop the thread. Waiting callbacks are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            confirmed, failure = Confirmed((), {}), None
            try:
                with self._connect() as client:
                    # Only this thread changes the failed ones.
                    confirmed = confirm(client, [one.callback for one in batch], self._failed)
                if confirmed.message_ids:
                    self._report(confirmed)
            except EsmsError as error:
                failure = str(error)
            except Exception as error:  # noqa: BLE001 - if the thread died, callbacks would be accepted and never looked up
                failure = type(error).__name__
            if failure is not None:
                logger.warning("%d delivery reports could not be looked up: %s", len(batch), failure)
            self._put_back(batch, confirmed if failure is None else Confirmed((), {}))
            if len(batch) < BATCH:
                # Collect more callbacks, to report them in one event.
                self._pause()

    def _next_batch(self) -> list[_Waiting] | None:
        """Wait for due callbacks and return them; None after `close`."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                batch: list[_Waiting] = []
                while self._due and self._due[0][0] <= now and len(batch) < BATCH:
                    batch.append(self._waiting[heapq.heappop(self._due)[1]])
                if batch:
                    return batch
                self._changed.wait(self._due[0][0] - now if self._due else None)
        return None

    def _pause(self) -> None:
        until = time.monotonic() + self._gather_seconds
        with self._changed:
            while not self._closed and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _put_back(self, batch: Sequence[_Waiting], confirmed: Confirmed) -> None:
        final, failed, forgotten = set(confirmed.message_ids), set(confirmed.failed_ids), 0
        with self._changed:
            for one in batch:
                message_id = one.callback.message_id
                if message_id in final:
                    del self._waiting[message_id]
                    (self._failed if message_id in failed else self._done)[message_id] = None
                elif one.looks >= len(self._look_again_seconds):
                    del self._waiting[message_id]
                    forgotten += message_id not in self._failed
                else:
                    again = time.monotonic() + self._look_again_seconds[one.looks]
                    heapq.heappush(self._due, (again, message_id))
                    one.looks += 1
            for remembered in (self._done, self._failed):
                while len(remembered) > _REMEMBERED:
                    remembered.popitem(last=False)
        if final:
            logger.info("%s final, after a delivery report", counted(len(final), "message is", "messages are"))
        if forgotten:
            logger.info(
                "%s dropped: the gateway sent a report, but does not list a final state",
                counted(forgotten, "message is", "messages are"),
            )


class CallbackReceiver:
    """
    An ASGI application for `…/callback/<token>`; answers 404 to other paths. It does not read bodies.

    Args:
        token: the last part of the path, a secret of 16 characters or more; compared in constant time.
        confirmations: the queue for the callbacks.

    The path and the query are removed from the request's scope first, because servers and frameworks log them, and the
    query contains a phone.

    Raises:
        ConfigurationError: the token is too short, or not valid in a path.
    """

    def __init__(self, token: str, confirmations: Confirmations) -> None:
        if len(token) < SHORTEST_TOKEN or not _is_token(token):
            raise ConfigurationError(
                f"The token of the callback address must have {SHORTEST_TOKEN} letters, digits, - or _ at least: it is "
                "the only protection from strangers."
            )
        register_secret(token)
        self._token = token.encode()
        self._confirmations = confirmations

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path, query = str(scope.get("path", "")), bytes(scope.get("query_string", b""))
        scope["path"] = f"{scope.get('root_path', '')}/***"
        scope["raw_path"], scope["query_string"] = scope["path"].encode(), b""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        await self._answer(send, self._status(scope.get("method"), path, query))

    def _status(self, method: object, path: str, query: bytes) -> int:
        folder, _, token = path.rpartition("/")
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        if not known or not folder.endswith("/callback") or method != "GET" or len(query) > _LONGEST_QUERY:
            return 404
        callback = read_callback(query.decode("latin-1"))
        # An unreadable callback is answered 200, because a repeat would not be better.
        return 200 if callback is None or self._confirmations.take(callback) else 503

    async def _answer(self, send: _Send, status: int) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def _live(self, receive: _Receive, send: _Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                self._confirmations.close()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return


def _is_token(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace("_", "").isalnum()
