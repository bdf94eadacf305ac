"""The emulator itself: answers requests and keeps the state. Transports (server, adapter) pass requests to it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal

import pendulum

from .accounts import AccountState
from .callbacks import CallbackAttempt, CallbackDesk
from .calls import Call, refusal
from .config import EmulatorConfig, Quirks
from .faults import Fault, FaultScript
from .handlers import HANDLERS, OLDER_HANDLERS
from .message_source import insert_message, populate
from .progress import Clock, RealClock, VirtualClock, moment_ms
from .records import Message
from .registering import settle_registrations
from .routing import route_of
from .rules import MESSAGES, InvalidRequestError, RefusedError
from .shortcode import ShortcodeReply, send_shortcode_message
from .state import State
from .wire import HTML_TYPE, Reply, Request, UnreadableRequestError, encode, spell, split_target, web_page
from .world import DEMO_API_KEY

if TYPE_CHECKING:
    from .server import EmulatorServer

Hook = Callable[[Call], object]
Sleep = Callable[[float], object]

_KEPT_CALLS = 100_000
_UNBURNING_CODES = frozenset({"101", "124", "140"})


@dataclass(frozen=True, slots=True)
class CallRecord:
    """
    One entry of the call log. Contains no keys, phones or texts.

    `code` is the result code as text (`Error: 0` as "0"), "" if there was none; `status` the HTTP status, 0 if the
    connection was dropped; `fault` the scripted fault that applied, "" for none.
    """

    function: str
    number: int
    at_ms: int
    code: str
    status: int
    fault: str
    accepted: int


class Emulator:
    """
    An emulated gateway with state, validation rules and, on demand, faults.

    Args:
        config: seed, accounts, delays, quirks; the default has one account with the `DEMO_*` keys.
        clock: `RealClock()` by default; a `VirtualClock` lets tests decide when messages progress.

    Thread safe. Calls are processed one at a time, under one lock.
    """

    def __init__(self, config: EmulatorConfig | None = None, clock: Clock | None = None) -> None:
        self.config = config or EmulatorConfig()
        self.clock = clock or RealClock()
        self._began_ms = self.clock.now_ms()
        self.faults = FaultScript(self.config.seed)
        self._hook_lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self.state = State(self.config, self.clock)
        self.callbacks = CallbackDesk(self.state)
        self.calls: deque[CallRecord] = deque(maxlen=_KEPT_CALLS)
        """The last 100 000 calls, oldest first."""
        self.codes: Counter[tuple[str, str]] = Counter()
        """(function, code) -> number of calls with this result."""
        self._call_numbers: Counter[str] = Counter()
        self._hooks: defaultdict[tuple[str, str], list[Hook]] = defaultdict(list)
        self._second = -1
        self._calls_this_second = 0

    def reset(self) -> None:
        """Return to the initial state without messages, calls, faults and hooks; the clock keeps its time."""
        with self.state.lock:
            self.faults.clear()
            self._start()

    @property
    def quirks(self) -> Quirks:
        """The quirks; they may be changed at any time."""
        return self.config.quirks

    # -- answering ------------------------------------------------------------------------------------------------

    def answer(self, request: Request, sleep: Sleep | None = None) -> Reply:
        """
        Process one request.

        Args:
            sleep: how the transport waits for the `slow` fault; by default the clock's `sleep`.
        """
        reply = self._routed(request, sleep or self.clock.sleep)
        self._add_date(reply)
        return reply

    def _add_date(self, reply: Reply) -> None:
        """Add the `Date` header: the emulator's time, unless quirks change it."""
        match self.quirks.date_header:
            case "exact":
                seconds = self.clock.now_ms() / 1000 + self.quirks.date_offset_seconds
                reply.headers["Date"] = formatdate(seconds, usegmt=True)
            case "frozen":
                reply.headers["Date"] = formatdate(self._began_ms / 1000, usegmt=True)
            case "nonsense":
                reply.headers["Date"] = "Sat, 31 Feb 24:61"
            case "missing":
                pass

    def _routed(self, request: Request, sleep: Sleep) -> Reply:
        request.path, request.query = split_target(request.path + (f"?{request.query}" if request.query else ""))
        route = route_of(request.path)
        if route is None:
            return Reply(404, web_page("Endpoint not found.", "The emulator has no such function."), HTML_TYPE)
        if request.method != route.method:
            allowed = web_page("Method not allowed.", f"Use {route.method}.")
            return Reply(405, allowed, HTML_TYPE, {"Allow": route.method})
        return self._answer(route.choose(request, self.quirks), request, sleep)

    def _answer(self, function: str, request: Request, sleep: Sleep) -> Reply:
        with self.state.lock:
            self._call_numbers[function] += 1
            call = Call(function, self._call_numbers[function], self.clock.now_ms(), request)
            too_fast = self._over_the_rate(call.at_ms)
        self._run_hooks("before", call)
        faults = self.faults.strike(call)
        struck = "+".join(fault.kind for fault in faults)
        for fault in faults:
            if fault.kind == "slow" and fault.when == "before":
                sleep(fault.seconds)
        reply = self._prevented(call, faults) or (self._rate_limited(call) if too_fast else None)
        if reply is None:
            call.cut = next((fault.cut for fault in faults if fault.cut is not None), None)
            reply = self._process(call)
            for fault in faults:
                if fault.when == "after" and fault.make_reply is not None:
                    reply = fault.make_reply(reply)
        self._note(call, reply, struck)
        self._run_hooks("after", call)
        for fault in faults:
            if fault.kind == "slow" and fault.when == "after":
                sleep(fault.seconds)
        return reply

    def _prevented(self, call: Call, faults: list[Fault]) -> Reply | None:
        for fault in faults:
            if fault.when == "before" and fault.make_reply is not None:
                return fault.make_reply(None)
            if fault.code:
                call.code = fault.code
                return Reply(body=encode(refusal(call, fault.code, fault.message or self._text(fault.code))))
        return None

    @staticmethod
    def _text(code: str) -> str:
        return MESSAGES.get(code, "Error").format(detail="")

    def _over_the_rate(self, now_ms: int) -> bool:
        limit = self.config.max_requests_per_second
        if limit is None:
            return False
        if now_ms // 1000 != self._second:
            self._second, self._calls_this_second = now_ms // 1000, 0
        self._calls_this_second += 1
        return self._calls_this_second > limit

    def _rate_limited(self, call: Call) -> Reply:
        if self.config.rate_limit_as == "http_429":
            return Reply(429, web_page("HTTP 429", "Too many requests."), HTML_TYPE, {"Retry-After": "1"})
        call.code = "160"
        return Reply(body=encode(refusal(call, "160", MESSAGES["160"])))

    def _process(self, call: Call) -> Reply:
        with self.state.lock:
            call.at_ms = self.clock.now_ms()
            self.state.settle()
            for account in self.state.accounts.values():
                settle_registrations(account, call.at_ms)
            try:
                handler = HANDLERS.get(call.function) or OLDER_HANDLERS[call.function]
                body = handler(self.state, call)
                call.code = _code_of(body)
            except RefusedError as refused:
                call.code = refused.code
                if self.config.refused_burns_request_id and call.burnable and refused.code not in _UNBURNING_CODES:
                    account, request_id = call.burnable
                    self.state.burn(account, call.function, request_id, call.at_ms)
                body = refusal(call, refused.code, refused.message, refused.extra)
            except InvalidRequestError:
                return Reply(body=b'{"error":"Invalid request"}')
            except UnreadableRequestError as unreadable:
                return Reply(400, web_page("Request Error", f"The request is unreadable: {unreadable}."), HTML_TYPE)
            # Encoded under the lock: the rows of a page are the stored objects and must not change meanwhile.
            return Reply(body=spell(body, self.quirks))

    def _note(self, call: Call, reply: Reply, struck: str) -> None:
        status = reply.status if reply.connection == "open" else 0
        record = CallRecord(call.function, call.number, call.at_ms, call.code, status, struck, call.accepted)
        with self.state.lock:
            self.calls.append(record)
            self.codes[call.function, call.code] += 1

    # -- hooks ----------------------------------------------------------------------------------------------------

    def on_call(self, function: str, hook: Hook, *, when: Literal["before", "after"] = "before") -> None:
        """
        Run `hook(call)` around every call of a function (`*` = all), outside the lock, in the thread of the call.

        A hook may use everything here: insert rows while a client pages, change a status, move the clock.

        Args:
            hook: called with the call.
            when: before the call is processed, or after it, before its answer is sent.
        """
        with self._hook_lock:
            self._hooks[when, function].append(hook)

    def _run_hooks(self, when: str, call: Call) -> None:
        if not self._hooks:
            return
        with self._hook_lock:
            hooks = [*self._hooks.get((when, call.function), ()), *self._hooks.get((when, "*"), ())]
        for hook in hooks:
            hook(call)

    # -- changing the world ---------------------------------------------------------------------------------------

    def account(self, api_key: str = DEMO_API_KEY) -> AccountState:
        """The state of one account."""
        return self.state.accounts[api_key]

    def set_balance(self, balance_vnd: Decimal | int, api_key: str = DEMO_API_KEY) -> None:
        """Set the balance of the account, in VND."""
        with self.state.lock:
            self.account(api_key).balance_vnd = Decimal(balance_vnd)

    def set_allowed_ips(self, ips: frozenset[str] | None, api_key: str = DEMO_API_KEY) -> None:
        """Enable the IP allowlist with these addresses, or disable it (None)."""
        with self.state.lock:
            self.account(api_key).allowed_ips = ips

    def block_phone(self, phone: str) -> None:
        """Answer 99 for this number (in its `0...` form) from now on."""
        with self.state.lock:
            self.state.blocked_phones.add(phone)

    def change_template(self, template_id: str, api_key: str = DEMO_API_KEY, **changes: Any) -> None:
        """
        Change a ZNS template from now on: `status`, `quality`, `daily_quota`, `params` ... (see `ZnsTemplate`).

        Raises:
            KeyError: no such template.
        """
        with self.state.lock:
            templates = self.account(api_key).templates
            if template_id not in templates:
                raise KeyError(f"no template {template_id!r}")
            templates[template_id] = replace(templates[template_id], **changes)

    def change_official_account(self, oa_id: str, api_key: str = DEMO_API_KEY, **changes: Any) -> None:
        """
        Change an OA from now on: `active`, `daily_quota`, `quality` ... (see `OfficialAccount`).

        Raises:
            KeyError: no such OA.
        """
        with self.state.lock:
            accounts = self.account(api_key).official_accounts
            if oa_id not in accounts:
                raise KeyError(f"no OA {oa_id!r}")
            accounts[oa_id] = replace(accounts[oa_id], **changes)

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """
        Move a `VirtualClock` forward; messages progress accordingly.

        Raises:
            TypeError: the emulator uses the real clock. ValueError: a negative sum.
        """
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("this emulator uses the real clock; give it a VirtualClock to move time")
        self.clock.advance(seconds, minutes=minutes, hours=hours, days=days)
        self.state.settle()

    def insert_message(
        self, created_at: pendulum.DateTime | str | int | None = None, phone: str = "0901888484", **details: Any
    ) -> str:
        """
        Insert a message, now or in the past, without a call; returns its message id.

        Args:
            created_at: aware datetime, epoch ms, or ISO text in Vietnamese time; None = now.
            details: `sms_type`, `campaign`, `content`, `request_id`, `callback_url`, `send_status` and `send_result`
                (fixed if given; otherwise the message progresses as usual), `api_key`.
        """
        created_ms = None if created_at is None else moment_ms(created_at)
        return insert_message(self.state, created_ms, phone, **details)

    def set_status(self, message_id: str, send_status: int, send_result: int, *, phone: str | None = None) -> None:
        """
        Set the status of a message; its own progress ends there.

        Args:
            send_status, send_result: as the gateway lists them: 5 and 1 for delivered, 5 and 0 for failed.
            phone: only the message to this phone (in its `0...` form), if several share the id.

        Raises:
            KeyError: no such message.
        """
        with self.state.lock:
            numbers = self.state.numbers_of(message_id)
            if not numbers:
                raise KeyError(f"no message {message_id!r}")
            for number in numbers:
                if phone in (None, self.state.rows[number].Phone):
                    self.state.put_status(number, send_status, send_result)

    def populate(
        self,
        count: int,
        *,
        start: pendulum.DateTime | str | int | None = None,
        end: pendulum.DateTime | str | int | None = None,
        **details: Any,
    ) -> None:
        """
        Add many messages spread evenly over [start, end), by default over yesterday in Vietnam.

        Args:
            details: `sms_type` (2), `campaigns` (number of different campaign names, 20), `api_key`.
        """
        start_ms = None if start is None else moment_ms(start)
        end_ms = None if end is None else moment_ms(end)
        populate(self.state, count, start_ms, end_ms, **details)

    # -- looking at it --------------------------------------------------------------------------------------------

    def messages(self) -> Iterator[Message]:
        """Every stored message in order of acceptance."""
        return self.state.messages()

    def message(self, message_id: str) -> Message:
        """
        The message with this id (the first one of a shared id).

        Raises:
            KeyError: no such message.
        """
        with self.state.lock:
            self.state.settle()
            numbers = self.state.numbers_of(message_id)
            if not numbers:
                raise KeyError(f"no message {message_id!r}")
            return self.state.message(numbers[0])

    @property
    def message_count(self) -> int:
        """Number of stored messages."""
        return len(self.state.rows)

    def deliveries_by_phone(self) -> Counter[str]:
        """Phone (`0...` form) -> accepted messages. More than intended means that a message was sent twice."""
        with self.state.lock:
            return Counter(row.Phone for row in self.state.rows)

    def deliveries_by_campaign(self) -> Counter[str]:
        """Campaign -> messages accepted under it."""
        with self.state.lock:
            return Counter(row.Campaign for row in self.state.rows)

    def call_count(self, function: str) -> int:
        """Number of calls of a function, including those with faults."""
        return self._call_numbers[function]

    def counts_by_state(self) -> dict[tuple[int, int], int]:
        """(SendStatus, SendResult) -> current number of messages, maintained incrementally."""
        with self.state.lock:
            self.state.settle()
            return {state: count for state, count in self.state.by_state.items() if count}

    def send_shortcode_message(self, url: str, phone: str, content: str, **details: str) -> ShortcodeReply:
        """
        Call a partner's server as the gateway does when a subscriber writes to a short code.

        Args:
            url: the partner's URL, e.g. `http://127.0.0.1:8000/receive_mo`; only loopback addresses are called.
            phone: the subscriber, `0...` or `84...`.
            details: `service_number` ("8041"), `partner_id` ("1"), `private_key` ("").

        Raises:
            ValueError: not a loopback host, or not a mobile number.
        """
        return send_shortcode_message(self.state, url, phone, content, **details)

    def deliver_callbacks(self) -> list[CallbackAttempt]:
        """Make the callbacks that are due, in this thread. While serving, a worker thread makes them."""
        return self.callbacks.run_due()

    # -- serving --------------------------------------------------------------------------------------------------

    def serve(
        self, port: int = 0, *, host: str = "127.0.0.1", latency_seconds: float = 0.0
    ) -> AbstractContextManager[EmulatorServer]:
        """
        Serve over HTTP in background threads: `with emulator.serve() as server: server.base_url`.

        Args:
            port: 0 = any free port; a port in use raises `PortInUseError`.
            latency_seconds: added to every answer, in real time.
        """
        from .server import EmulatorServer

        return EmulatorServer(self, port=port, host=host, latency_seconds=latency_seconds)


def _code_of(body: Any) -> str:
    if not isinstance(body, dict):
        return str(body.CodeResult)
    for name in ("CodeResult", "CodeResponse", "Code", "Error"):
        if name in body:
            return str(body[name])
    return ""
