"""Scripted faults: which call fails, and how.

    emulator.faults.add("send_zns_bulk", "drop_after", calls=[2])   # the 2nd call is processed, its answer lost
    emulator.faults.add("*", "http_status", {"status": 503, "retry_after": 1}, next_calls=3)
    emulator.faults.add("get_sms_sent_data", "slow", {"seconds": 2.5}, every=10)
    emulator.faults.add("send_zns", "cut_body", probability=0.05)         # seeded: the same calls fail in every run

"before": the call is not processed. "after": the call is processed as usual, and only the answer is affected.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import msgspec

from .calls import Call, Cut
from .handlers import HANDLERS
from .progress import mix
from .rules import MESSAGES
from .wire import HTML_TYPE, Reply, encode, web_page

When = Literal["before", "after"]
Predicate = Callable[[Call], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One kind of fault; create it with the functions of this module.

    Args:
        make_reply: maps the usual answer (None if nothing was processed) to the faulty one.
        seconds: time to wait before or after processing.
        code, message: a refusal in the form of the function called.
        cut: how much of the call is processed.
    """

    kind: str
    when: When
    make_reply: Callable[[Reply | None], Reply] | None = None
    seconds: float = 0.0
    code: str = ""
    message: str = ""
    cut: Cut | None = None


def refuse_before() -> Fault:
    """A refused connection (in process), or a reset one (over a socket). Nothing is processed."""
    return Fault("refuse_before", "before", lambda _: Reply(connection="refuse"))


def drop_before() -> Fault:
    """The connection ends without an answer; nothing is processed."""
    return Fault("drop_before", "before", lambda _: Reply(connection="drop"))


def drop_after() -> Fault:
    """The connection ends without an answer; the call has been processed."""
    return Fault("drop_after", "after", lambda _: Reply(connection="drop"))


def http_status(
    status: int, when: When = "before", *, retry_after: float | None = None, body: str | None = None
) -> Fault:
    """An HTTP error with a web page, or with `body`, which may be empty."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    content = web_page(f"HTTP {status}", "The service is unavailable.") if body is None else body.encode()
    return Fault("http_status", when, lambda _: Reply(status, content, HTML_TYPE, dict(headers)))


def slow(seconds: float, when: When = "after") -> Fault:
    """The answer takes `seconds` longer. The call is processed either way, before or after the wait."""
    return Fault("slow", when, seconds=seconds)


def html(processed: bool = False) -> Fault:
    """HTTP 200 with a web page, as from a captive portal or a maintenance proxy."""
    page = web_page("Maintenance", "We will be back soon.")
    return Fault("html", "after" if processed else "before", lambda _: Reply(200, page, HTML_TYPE))


def empty_body(processed: bool = True) -> Fault:
    """HTTP 200 with an empty body."""
    return Fault("empty_body", "after" if processed else "before", lambda _: Reply(200, b""))


def cut_body(keep: float = 0.5) -> Fault:
    """A truncated answer: Content-Length covers the whole body, of which only the share `keep` is sent. Processed."""

    def cut(reply: Reply | None) -> Reply:
        body = reply.body if reply else b"{}"
        return Reply(200, body[: min(int(len(body) * keep), len(body) - 1)], declared_length=len(body))

    return Fault("cut_body", "after", cut)


def not_utf8() -> Fault:
    """JSON that contains a text in Windows-1258, so that it cannot be decoded as UTF-8. Processed."""

    def spoil(reply: Reply | None) -> Reply:
        body = reply.body if reply and reply.body.endswith(b"}") else b'{"Code":0}'
        return Reply(200, body[:-1] + b',"Note":"Th\xe0nh c\xf4ng \xff"}')

    return Fault("not_utf8", "after", spoil)


def code(code: str, message: str = "") -> Fault:
    """A refusal with this result code in the form of the function called. Nothing is processed."""
    return Fault("code", "before", code=str(code), message=message)


def rate_limit(
    as_: Literal["code_160", "http_429"] = "code_160", retry_after: float = 1.0, when: When = "before"
) -> Fault:
    """
    Too many requests: code 160 (documented for one read only, not processed), or HTTP 429 with Retry-After from a
    proxy in front of the gateway, which may have forwarded the call.
    """
    if as_ == "http_429":
        return http_status(429, when, retry_after=retry_after)
    return code("160", "Too many requests")


def refuse_taken(
    code: str = "103",
    share: float = 0.5,
    *,
    detail: Literal["none", "taken", "all"] = "none",
    total_success: Literal["missing", "right", "wrong"] = "missing",
    with_id: bool = False,
    message: str = "",
) -> Fault:
    """
    The call is refused as a whole after some of its messages were accepted, see `Cut`. These are processed.

    `detail` and `total_success` are for bulk ZNS, `with_id` for the other sends, whose single message is accepted
    unless the share is 0. Such an answer is undocumented, but not ruled out.
    """
    cut = Cut(share, str(code), message, detail, total_success, with_id)

    def refuse(reply: Reply | None) -> Reply:
        answer = msgspec.json.decode(reply.body) if reply and reply.body else {}
        return Reply(body=encode(_refused(cut, answer)))

    return Fault("refuse_taken", "after", refuse, cut=cut)


def _refused(cut: Cut, answer: Mapping[str, Any]) -> dict[str, Any]:
    refused: dict[str, Any] = {"CodeResult": cut.code, "CountRegenerate": 0}
    refused["ErrorMessage"] = cut.message or MESSAGES.get(cut.code, "Error").format(detail="")
    if cut.with_id and answer.get("SMSID"):
        refused["SMSID"] = answer["SMSID"]
    rows = answer.get("detail", [])
    if cut.detail != "none":
        refused["detail"] = [row for row in rows if cut.detail == "all" or row["CodeResult"] == "100"]
    if cut.total_success != "missing":
        taken = int(answer.get("TotalSuccess", 0))
        refused["TotalSuccess"] = taken if cut.total_success == "right" else 0 if taken else len(rows)
    return refused


def redirect(location: str = "/", status: int = 307) -> Fault:
    """A redirect, which a client must not follow on a send. Nothing is processed."""
    return Fault("redirect", "before", lambda _: Reply(status, b"", HTML_TYPE, {"Location": location}))


FAULTS: Mapping[str, Callable[..., Fault]] = {
    maker.__name__: maker
    for maker in (
        refuse_before,
        drop_before,
        drop_after,
        http_status,
        slow,
        html,
        empty_body,
        cut_body,
        not_utf8,
        code,
        rate_limit,
        redirect,
        refuse_taken,
    )
}
"""Fault makers by name, for the control endpoints."""


SAME_REQUEST = frozenset({"send_fixed_number_sms", "make_voice_otp_call"})
"""Functions with identical requests."""


@dataclass(slots=True)
class Rule:
    """One rule of the script; `hits` counts the calls that it applied to."""

    function: str
    fault: Fault
    calls: frozenset[int] | None = None
    remaining: int | None = None
    every: int | None = None
    probability: float | None = None
    predicate: Predicate | None = None
    salt: int = 0
    hits: int = 0

    def _is_about(self, function: str) -> bool:
        # Two functions have the same request, so a rule for one of them applies to both.
        return self.function in ("*", function) or {self.function, function} == SAME_REQUEST

    def strikes(self, call: Call) -> bool:
        """Whether this rule applies to the call (calls are numbered from 1, per function)."""
        if not self._is_about(call.function) or self.remaining == 0:
            return False
        if self.calls is not None and call.number not in self.calls:
            return False
        if self.every is not None and call.number % self.every:
            return False
        if self.probability is not None:
            # A function of (seed, rule, call) rather than a generator, so that threads cannot change the selection.
            lot = mix(self.salt ^ crc32(call.function.encode()) << 32 ^ call.number)
            if (lot >> 11) / (1 << 53) >= self.probability:
                return False
        return self.predicate is None or self.predicate(call)


class FaultScript:
    """The rules in force. Thread safe."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.rules: list[Rule] = []

    def add(
        self,
        function: str,
        fault: Fault | str,
        options: Mapping[str, Any] | None = None,
        *,
        calls: Collection[int] | None = None,
        next_calls: int | None = None,
        every: int | None = None,
        probability: float | None = None,
        predicate: Predicate | None = None,
    ) -> Rule:
        """
        Add a rule; all given conditions must hold. Without conditions it applies to every call until `clear`.

        Args:
            function: a function name, or `*` for all.
            fault: a name, such as `drop_after`, with its `options`; or a fault created by a function of this module.
            calls: call numbers of the function since the emulator started, from 1.
            next_calls: only this many of the next calls that meet the other conditions.
            every: every nth call. probability: 0..1, decided by the seed and the call number.
            predicate: sees the `Call` (its `request` has the body) before it is processed.

        If several rules apply to one call, waits add up, and the first fault that prevents processing wins.
        """
        if function != "*" and function not in HANDLERS:
            raise ValueError(f"no such function: {function!r}")
        if isinstance(fault, str):
            fault = fault_from_options(fault, options or {})
        with self._lock:
            rule = Rule(
                function,
                fault,
                frozenset(calls) if calls is not None else None,
                next_calls,
                every,
                probability,
                predicate,
                salt=mix(self._seed ^ len(self.rules) << 40),
            )
            self.rules.append(rule)
            return rule

    def clear(self, function: str | None = None) -> None:
        """Drop the rules of one function, or all of them."""
        with self._lock:
            self.rules = [] if function is None else [rule for rule in self.rules if rule.function != function]

    def strike(self, call: Call) -> list[Fault]:
        """The faults of this call, in the order in which they were added."""
        if not self.rules:
            return []
        with self._lock:
            struck = [rule for rule in self.rules if rule.strikes(call)]
            for rule in struck:
                rule.hits += 1
                if rule.remaining is not None:
                    rule.remaining -= 1
            return [rule.fault for rule in struck]


def fault_from_options(kind: str, options: Mapping[str, Any]) -> Fault:
    """A fault from its name and keyword arguments, as the control endpoints receive them."""
    maker = FAULTS.get(kind)
    if maker is None:
        raise ValueError(f"no such fault: {kind!r}; there are {', '.join(FAULTS)}")
    return maker(**options)
