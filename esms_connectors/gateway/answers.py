"""
Classifies the answer of the gateway, or describes why there is none.

Texts of the HTTP library are never quoted: they contain full URLs, and some functions have the keys in the URL.
"""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pendulum
import requests
import urllib3.exceptions
from pendulum import DateTime

from esms_connectors.gateway import wire
from esms_connectors.gateway.codes import CODES, CODES_OF_SENDS, ERROR_BY_CODE
from esms_connectors.gateway.endpoints import Effect, Endpoint
from esms_connectors.gateway.errors import (
    DuplicateRequestError,
    EsmsError,
    GatewayError,
    RateLimitedError,
    UnlistedCodeError,
    UnlistedSendCodeError,
)
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.retry import Failure

# Upper bound of `Retry-After`: callers add it to times, and a longer wait is not useful.
_LONGEST_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of the gateway.

    Attributes:
        fields: the JSON object.
        server_time: the HTTP `Date` of the answer.
        attempts: requests made.
        in_doubt: an earlier attempt of the same call may have been accepted too.
        refused_before: the code of a refusal of such an attempt, which may have used up the request id.
        refusal: the refusal of the whole call; set only if rows of the answer are evidence nevertheless.
    """

    fields: Mapping[str, Any] = field(repr=False)
    server_time: DateTime | None
    attempts: int = 1
    in_doubt: bool = False
    refused_before: str | None = None
    refusal: EsmsError | None = None


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt without a result; `fields` has the members of a refusal."""

    failure: Failure
    reason: str
    error: GatewayError | None = None
    retry_after_seconds: float | None = None
    fields: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def lost(self) -> bool:
        """Whether it was sent and its outcome is unknown."""
        return self.failure in (Failure.LOST, Failure.MISDIRECTED)

    @property
    def perhaps_taken(self) -> bool:
        """Whether messages of it may have been accepted."""
        return self.lost or (self.error is not None and not self.error.nothing_taken)


# Bytes of a body -> the members of its object; raises `wire.UnreadableAnswerError`.
AnswerReader = Callable[[bytes], Mapping[str, Any]]


# The gateway checks keys and address before it looks at any message.
_CODES_AT_THE_DOOR = frozenset({"101", "140"})
# HTTP states that a later attempt may not get.
_TRY_AGAIN = {
    408: "the server did not wait for the whole request",
    421: "the connection reached a server that is not responsible for this host",
    425: "the server refuses a request that may be a replay",
}
# The only refusal that is documented to have the id of a message that was not accepted.
_CODE_WITH_MESSAGE_ID = "146"


def judge(
    endpoint: Endpoint,
    response: requests.Response,
    content: bytes,
    read: AnswerReader = wire.read_answer,
    recipients: int = 1,
) -> Answer | FailedAttempt:
    """
    Classify an answer. Only the code decides: errors can have texts, message ids and HTTP 200 too.

    Args:
        recipients: number of messages in the call.
    """
    status = response.status_code
    retry_after = _retry_after_seconds(response.headers.get("Retry-After"), date_of(response))
    if status >= 500:
        hint = "; is the base URL right?" if status in (501, 505) else ""
        return FailedAttempt(Failure.LOST, f"HTTP {status}{hint}", retry_after_seconds=retry_after)
    if 300 <= status < 400:
        return FailedAttempt(
            Failure.MISDIRECTED, f"HTTP {status}, a redirect, which is never followed; is the base URL right?"
        )
    try:
        answer = read(content)
        code = wire.read_code(answer, endpoint.code_fields)
    except wire.UnreadableAnswerError as error:
        if status == 429 and endpoint.effect is Effect.READ:
            return FailedAttempt(Failure.LIMITED, "HTTP 429", error_of(endpoint, "160", {}, retry_after), retry_after)
        if status == 429:
            # Not from the gateway but from a proxy in front of it, which may have forwarded an earlier attempt.
            return FailedAttempt(Failure.LOST, "HTTP 429", retry_after_seconds=retry_after)
        if status in _TRY_AGAIN:
            # Not from the gateway either, so it proves nothing about the messages.
            return FailedAttempt(Failure.LOST, f"HTTP {status}, {_TRY_AGAIN[status]}", retry_after_seconds=retry_after)
        reason = f"HTTP {status} with {error}"
        if "web page" in reason or status >= 400:
            reason += "; is the base URL right?"
        return FailedAttempt(Failure.MISDIRECTED if status >= 400 else Failure.LOST, reason)
    if code == endpoint.success_code:
        if status >= 400:
            return FailedAttempt(Failure.MISDIRECTED, f"HTTP {status} with a success code")
        return Answer(answer, date_of(response))
    error_of_code = error_of(endpoint, code, answer, retry_after, recipients)
    failure = Failure.LIMITED if isinstance(error_of_code, RateLimitedError) else Failure.REFUSED
    return FailedAttempt(failure, f"code {code}", error_of_code, retry_after, answer)


def is_refused_row(code: str, message_id: str | None) -> bool:
    """Whether a code about one message proves that it was not accepted; an unexpected message id contradicts it."""
    is_refusal = code in CODES_OF_SENDS and ERROR_BY_CODE.get(code) is not DuplicateRequestError
    return is_refusal and (message_id is None or code == _CODE_WITH_MESSAGE_ID)


def date_of(response: requests.Response) -> DateTime | None:
    """When the gateway answered, by its own clock; None without a `Date`, or when the answer came from a cache."""
    return None if response.headers.get("Age", "0") != "0" else _date(response.headers.get("Date"))


def error_of(
    endpoint: Endpoint,
    code: str,
    answer: wire.Fields,
    retry_after_seconds: float | None = None,
    recipients: int = 1,
) -> GatewayError:
    said = redact(wire.as_text(wire.pick(answer, "ErrorMessage", "Message")) or "")[:200]
    unlisted = UnlistedCodeError if endpoint.effect is Effect.READ else UnlistedSendCodeError
    is_listed = endpoint.effect is Effect.READ or code in CODES_OF_SENDS
    error_class = ERROR_BY_CODE.get(code, unlisted) if is_listed else unlisted
    known = CODES.get(code)
    text = f"{endpoint.name} was refused with code {redact(code)}: "
    text += f"{known.english} / {known.vietnamese}" if known else "a code that the gateway does not document."
    if said:
        text += f" The gateway said: {said}"
    if known and known.advice:
        text += f"{'' if text.endswith(('.', '!', '?')) else '.'} {known.advice}"
    about: dict[str, Any] = {"retry_after_seconds": retry_after_seconds} if error_class is RateLimitedError else {}
    message_id = wire.as_text(wire.pick(answer, "SMSID"))
    # The recipients are unknown here, so an id that looks like a phone is dropped: errors are shown and pickled.
    shown_id = message_id if message_id and redact(message_id) == message_id else None
    error = error_class(
        text,
        code=redact(code),
        gateway_message=said,
        message_id=shown_id,
        nothing_taken=endpoint.effect is Effect.READ
        or (is_refused_row(code, message_id) and (recipients == 1 or code in _CODES_AT_THE_DOOR)),
        endpoint=endpoint.name,
        **about,
    )
    if not error.nothing_taken:
        error.retryable = False
    return error


# --- errors of the HTTP library, described without their texts --------------------------------------------------------


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything wrapped in it; requests and urllib3 hide the origin in args, reason and context."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def is_connect_error(error: BaseException) -> bool:
    """Whether no connection was made; for the caller's own adapters, which do not report whether anything was sent."""
    kinds = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, requests.ConnectTimeout)
    return any(isinstance(link, kinds) for link in _chain(error))


def why(error: BaseException, left: bool) -> str:
    """The reason of a failure in our own words, because the library's texts contain the URL."""
    links = list(_chain(error))
    return _why_no_connection(links) or _why_no_answer(links, left)


def _has(links: Iterable[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in links)


def _why_no_connection(links: Sequence[BaseException]) -> str | None:
    """Why no connection was made, or None if that was not the problem."""
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the TLS certificate was not accepted ({link.verify_message or 'not trusted'})"
    if _has(links, urllib3.exceptions.ProxyError):
        return "the proxy could not be reached or refused"
    if _has(links, urllib3.exceptions.NameResolutionError):
        return "the host name is not known; is the base URL right, is there a network?"
    if _has(links, ConnectionRefusedError):
        return "the connection was refused; is the base URL right, is a server running there?"
    # In urllib3 NewConnectionError is a subclass of ConnectTimeoutError, although nothing timed out.
    waited = _has(links, urllib3.exceptions.ConnectTimeoutError)
    if waited and not _has(links, urllib3.exceptions.NewConnectionError):
        return "no connection in time; is the host reachable from here?"
    return None


def _why_no_answer(links: Sequence[BaseException], left: bool) -> str:
    if _has(links, requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return "no answer in time"
    if _has(links, ssl.SSLError):
        return "the TLS connection broke" if left else "the TLS handshake failed"
    if _has(links, urllib3.exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut off"
    return "the connection was dropped" if left else "the host could not be reached"


def _retry_after_seconds(value: str | None, date: DateTime | None) -> float | None:
    """`Retry-After` in seconds; a date in it is compared with the `Date` of the same answer."""
    if not value:
        return None
    if value.isascii() and value.strip().isdigit():
        return min(float(value), _LONGEST_SECONDS)
    moment = _date(value)
    now = time.time() if date is None else date.timestamp()
    return None if moment is None else min(max(0.0, moment.timestamp() - now), _LONGEST_SECONDS)


def _date(value: str | None) -> DateTime | None:
    try:
        moment = pendulum.instance(email.utils.parsedate_to_datetime(value or ""))
        # Dates near either end of the calendar overflow in date arithmetic.
        return moment if 1971 <= moment.year <= 9000 else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
