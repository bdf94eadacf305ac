"""
Delivery reports that the gateway pushes: a small ASGI application, and a thread that makes sure of them.

    receiver = CallbackReceiver(token, Confirmations(connect, report))    # then e.g. uvicorn.run(receiver)

A callback carries no signature, so nothing in it is believed but one thing: that it may be worth looking up this
message id now. It is answered at once - the gateway drops a report for good after a few slow answers - and looked up a
little later, together with others. What is final at the gateway is reported. A callback that was lost is no message
lost: whoever waits asks by himself too.

The ledger is not touched: it keeps what was accepted, and callbacks tell what arrived. They cannot settle a row in
doubt either, because they bring no request id back; `reconcile` looks those up by campaign and phone.
"""

from __future__ import annotations

import heapq
import hmac
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, GatewayError, RateLimitedError
from esms_connectors.gateway.redaction import get_logger, register_secret
from esms_connectors.gateway.states import DeliveryState, state_of_totals

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.models import SendStatus

__all__ = ["CallbackReceiver", "Confirmations", "Confirmed"]

logger = get_logger(__name__)

SHORTEST_TOKEN = 16
# As many as one call of `get_callback_data` takes, and as many as still fit an event.
BATCH = 200
_LONGEST_QUERY = 16_384
_LONGEST_ID = 64
_REMEMBERED = 100_000

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Callback:
    """What is taken from a callback: whose report it claims to be, and the OA that can be asked about it."""

    message_id: str
    oa_id: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """
    Messages that are final by the gateway's own word.

    Attributes:
        message_ids: of all of them, 200 at most.
        by_state: receivers by state; an id of advertising stands for many.
        failed_ids: ids with a receiver that was not reached.
    """

    message_ids: tuple[str, ...]
    by_state: Mapping[DeliveryState, int]
    failed_ids: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: counts and ids, nobody's number."""
        return {
            "message_ids": list(self.message_ids),
            **{state.value: self.by_state.get(state, 0) for state in DeliveryState if state.is_final},
            "failed_ids": list(self.failed_ids),
        }


def read_callback(query: str) -> Callback | None:
    """The callback in a query string; None where there is no id in it. Whatever else it says is not looked at."""
    try:
        pairs = parse_qsl(query, max_num_fields=100)
    except ValueError:
        return None
    # The gateway's tables and samples spell the names differently, and a call names its id another way.
    found = {name.lower(): value.strip() for name, value in reversed(pairs)}
    message_id, oa_id = found.get("smsid") or found.get("referenceid"), found.get("oaid")
    if not message_id or not _is_id(message_id):
        return None
    return Callback(message_id, oa_id if oa_id and _is_id(oa_id) else None)


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def confirm(client: EsmsClient, callbacks: Iterable[Callback]) -> Confirmed:
    """
    Which of these messages are final, asked of the gateway: many of one OA at a time, the others one by one.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: it could not be read. Asking again is safe.
    """
    totals = _totals(client, callbacks)
    by_state: Counter[DeliveryState] = Counter()
    final, failed = [], []
    for message_id, one in totals.items():
        state = state_of_totals(one.send_status, one.receivers, one.succeeded, one.failed)
        if not state.is_final:
            continue
        final.append(message_id)
        if state is DeliveryState.REJECTED:
            by_state[state] += max(1, one.receivers or 0)
        else:
            by_state[DeliveryState.DELIVERED] += one.succeeded or 0
            by_state[DeliveryState.FAILED] += one.failed or 0
        if state is not DeliveryState.DELIVERED:
            failed.append(message_id)
    return Confirmed(tuple(final), +by_state, tuple(failed))


def _totals(client: EsmsClient, callbacks: Iterable[Callback]) -> dict[str, SendStatus]:
    """Message id -> totals, of those that the gateway knows."""
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
            # Whoever makes up a callback makes up its OA: what came with it must not be lost for it.
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
    A bounded memory of callbacks, and a thread that looks them up. The thread begins with the first callback.

    Args:
        connect: gives a client, which is closed after the look.
        report: is told what became final, in that thread. What raises there is told again later.
        gather_seconds: how long callbacks are gathered, to be looked up and reported together.
        look_again_seconds: when those that were not final are looked at again; then they are forgotten. The gateway's
            tables may lag behind its callbacks.
        capacity: callbacks that wait at most.
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
        """A heap of (when to look, message id)."""
        self._done: OrderedDict[str, None] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, callback: Callback) -> bool:
        """Remember to look it up. False when there is no room, or no time any more: the gateway may come again."""
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
                # Not earlier: servers fork their workers after they made the application.
                self._thread = threading.Thread(target=self._run, name="esms-callbacks", daemon=True)
                self._thread.start()
            elif self._due[0][1] == message_id:
                self._changed.notify()
        return True

    def close(self) -> None:
        """End the thread. What still waits is forgotten."""
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
                    confirmed = confirm(client, [one.callback for one in batch])
                if confirmed.message_ids:
                    self._report(confirmed)
            except EsmsError as error:
                failure = str(error)
            except Exception as error:  # noqa: BLE001 - a receiver that died would take callbacks and do nothing
                failure = type(error).__name__
            if failure is not None:
                logger.warning("%d delivery reports could not be looked up: %s", len(batch), failure)
            self._put_back(batch, () if failure is not None else confirmed.message_ids)
            if len(batch) < BATCH:
                # Others come in meanwhile, and one event says it of all of them.
                self._pause()

    def _next_batch(self) -> list[_Waiting] | None:
        """Those that are due, when some are; None at the end."""
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

    def _put_back(self, batch: Sequence[_Waiting], confirmed: Sequence[str]) -> None:
        final, forgotten = set(confirmed), 0
        with self._changed:
            for one in batch:
                message_id = one.callback.message_id
                if message_id in final:
                    del self._waiting[message_id]
                    self._done[message_id] = None
                elif one.looks >= len(self._look_again_seconds):
                    del self._waiting[message_id]
                    forgotten += 1
                else:
                    again = time.monotonic() + self._look_again_seconds[one.looks]
                    heapq.heappush(self._due, (again, message_id))
                    one.looks += 1
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
        if final:
            logger.info("%d messages are final, as the gateway called to say", len(final))
        if forgotten:
            logger.info("%d messages are forgotten: the gateway called, but does not show them as final", forgotten)


class CallbackReceiver:
    """
    An ASGI application for `…/callback/<token>`; anything else is not found. It reads no body.

    Args:
        token: the last part of the path, a secret of 16 characters or more; compared in constant time.
        confirmations: what takes the callbacks.

    The path and the query are taken out of the request's scope first of all, because servers and frameworks log them,
    and the query holds a phone.

    Raises:
        ConfigurationError: the token is too short, or no part of a path.
    """

    def __init__(self, token: str, confirmations: Confirmations) -> None:
        if len(token) < SHORTEST_TOKEN or not _is_token(token):
            raise ConfigurationError(
                f"The token of the callback address must have {SHORTEST_TOKEN} letters, digits, - or _ at least: it is "
                "all that keeps strangers out."
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
        # One that cannot be read would not be better the next time.
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
