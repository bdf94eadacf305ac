"""Delivery reports to a CallbackUrl: HTTP GET with all data in the query string, five attempts, no signature."""

from __future__ import annotations

import heapq
import http.client
import ipaddress
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .config import (
    SMS_TYPE_ADVERTISING,
    SMS_TYPE_CALL,
    SMS_TYPE_CUSTOMER_CARE,
    SMS_TYPE_FIXED_NUMBER,
    SMS_TYPE_FOLLOWER,
    SMS_TYPE_JOURNEY,
    SMS_TYPE_VIBER,
)
from .records import ON_REVIEW, QUEUED, SENT, STATUS_REJECTED, Totals
from .rules import network
from .state import State
from .voice import call_outcome
from .zns_reports import error_info_twice_encoded, error_info_twice_json, partner_id, zalo_user_id

_KEPT_ATTEMPTS = 100_000


@dataclass(frozen=True, slots=True)
class CallbackAttempt:
    """
    One attempt. `outcome` is the HTTP status as text, the name of a connection error, or "not allowed".

    `number` counts the attempts of one report from 1 (0: not allowed, so never tried); `at_ms` is the emulator's time.
    """

    message_id: str
    url: str
    number: int
    at_ms: int
    outcome: str

    @property
    def delivered(self) -> bool:
        """Whether the receiver answered 200."""
        return self.outcome == "200"


class CallbackDesk:
    """Turns finished messages into callbacks and remembers every attempt."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rules = state.config.callbacks
        self._jobs: list[tuple[int, int, int]] = []
        """(due in epoch ms, message number, tries so far), soonest first."""
        self._running = threading.Lock()
        self._reported_batches: set[int] = set()
        self.attempts: deque[CallbackAttempt] = deque(maxlen=_KEPT_ATTEMPTS)
        """The last 100 000 attempts, oldest first, including reports to hosts that are not allowed."""
        self.tried = 0
        """Number of calls actually made."""

    def attempts_for(self, message_id: str) -> list[CallbackAttempt]:
        """The attempts for one message id."""
        return [attempt for attempt in list(self.attempts) if attempt.message_id == message_id]

    @property
    def waiting(self) -> int:
        """Number of reports with attempts left."""
        return len(self._jobs) + len(self._state.finished)

    def run_due(self, stopping: Callable[[], bool] = lambda: False) -> list[CallbackAttempt]:
        """Make the calls that are due now, one after the other; returns the attempts."""
        made = []
        with self._running:
            self._take_finished()
            now_ms = self._state.clock.now_ms()
            while self._jobs and self._jobs[0][0] <= now_ms and not stopping():
                _, number, tries = heapq.heappop(self._jobs)
                attempt = self._call(number, tries + 1)
                self.attempts.append(attempt)
                self.tried += 1
                made.append(attempt)
                if not attempt.delivered and attempt.number < self._rules.tries:
                    due_ms = self._state.clock.now_ms() + max(1, round(self._rules.spacing_seconds * 1000))
                    heapq.heappush(self._jobs, (due_ms, number, attempt.number))
        return made

    def _take_finished(self) -> None:
        state = self._state
        with state.lock:
            state.settle()
            now_ms = state.clock.now_ms()
            while state.finished:
                number = state.finished.popleft()
                submission = state.submission_of[number]
                if not self._rules.enabled:
                    continue
                if submission.shared_id:
                    # One report for the whole batch, once its last message is final.
                    if submission.open or submission.number in self._reported_batches:
                        continue
                    self._reported_batches.add(submission.number)
                if self._rules.any_host or is_loopback(submission.callback_url):
                    heapq.heappush(self._jobs, (now_ms, number, 0))
                else:
                    message_id = state.rows[number].ReferenceId
                    self.attempts.append(CallbackAttempt(message_id, submission.callback_url, 0, now_ms, "not allowed"))

    def _call(self, number: int, tries: int) -> CallbackAttempt:
        state = self._state
        with state.lock:
            url, message_id = callback_url(state, number), state.rows[number].ReferenceId
        outcome = _get(url, self._rules.timeout_seconds)
        return CallbackAttempt(message_id, url, tries, state.clock.now_ms(), outcome)


def callback_url(state: State, number: int) -> str:
    """
    The address called for a message, parameters included.

    `?SMSID=` is appended as the samples show it, even when the CallbackUrl already has a query string.
    """
    submission = state.submission_of[number]
    if submission.sms_type == SMS_TYPE_CALL:
        return f"{submission.callback_url}?{urlencode(_call_parameters(state, number))}"
    first = submission.first
    numbers = range(first, first + submission.count) if submission.shared_id else range(number, number + 1)
    totals = state.totals(numbers)
    row = state.rows[number]
    telcoid = str(network(row.Phone)[0])
    parameters = [
        ("SMSID", row.ReferenceId),
        ("SendFailed", str(totals.failed)),
        ("SendStatus", str(_status(totals))),
        ("SendSuccess", str(totals.succeeded)),
        ("TotalPrice", str(totals.price_vnd.quantize(Decimal("0.0001")))),
        ("TotalReceiver", str(totals.receivers)),
        ("TotalSent", str(totals.sent)),
        # Empty in every sample, even if the send had a RequestId.
        ("RequestId", ""),
        ("TypeId", str(submission.sms_type)),
    ]
    if submission.sms_type in (SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_FIXED_NUMBER):
        parameters += [("telcoid", telcoid), ("phonenumber", row.Phone), ("switchsmsid", submission.switched_from)]
    elif submission.sms_type == SMS_TYPE_VIBER:
        parameters += [("telcoid", telcoid), ("phonenumber", row.Phone)]
    elif submission.sms_type in (SMS_TYPE_JOURNEY, SMS_TYPE_FOLLOWER):
        # The samples have a Zalo user id here, truncated to 15 characters.
        user_id = row.Phone if submission.sms_type == SMS_TYPE_FOLLOWER else zalo_user_id(state, number)
        parameters += [("phonenumber", user_id[:15]), ("partnerids", partner_id(state, number))]
    elif submission.sms_type != SMS_TYPE_ADVERTISING:
        parameters += [("telcoid", telcoid), ("phonenumber", row.Phone), ("partnerids", partner_id(state, number))]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
    if submission.sms_type in (SMS_TYPE_JOURNEY, SMS_TYPE_FOLLOWER):
        query += f"&error_info={error_info_twice_encoded(state, number)}&oaid={submission.oa_id}"
    elif submission.oa_id:
        query += f"&error_info={error_info_twice_json(state, number)}&oaid={submission.oa_id}"
        query += f"&tempid={submission.template_id}"
    return f"{submission.callback_url}?{query}"


def _call_parameters(state: State, number: int) -> dict[str, Any]:
    """Parameters of a voice call: neither RequestId nor phone, and a different spelling of "not answered"."""
    row, outcome = state.rows[number], call_outcome(state, number)
    status = "NO ANSWER" if outcome["CallStatus"] == "NOANSWERED" else outcome["CallStatus"]
    price = state.submission_of[number].price_vnd.quantize(Decimal("0.0001"))
    own = {"ReferenceId": row.ReferenceId, "CallStatus": status, "Price": price, "CID": "02871002454"}
    return {**outcome, **own}


def _status(totals: Totals) -> int:
    if totals.on_review:
        return ON_REVIEW
    if totals.queued:
        return QUEUED
    return STATUS_REJECTED if totals.rejected == totals.receivers else SENT


@lru_cache(maxsize=1024)
def is_loopback(url: str) -> bool:
    """Whether the URL has a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _get(url: str, timeout_seconds: float) -> str:
    """One GET; the HTTP status as text, or the name of the error."""
    try:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
        try:
            # Not by a client library, which would normalize the odd escapes that receivers must handle.
            connection.request("GET", f"{parts.path or '/'}?{parts.query}", headers={"User-Agent": "esms-callback"})
            response = connection.getresponse()
            response.read(65_536)
            return str(response.status)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__


class CallbackWorker:
    """A thread that makes due callbacks while a server runs. `stop()` ends and joins it."""

    def __init__(self, run_due: Callable[[Callable[[], bool]], object], poll_seconds: float = 0.02) -> None:
        self._run_due = run_due
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="esms-emulator-callbacks", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the call in progress, and wait for it."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            self._run_due(self._stopping.is_set)
