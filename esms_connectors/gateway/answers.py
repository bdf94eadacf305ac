"""
What came back, or did not: reads an answer of the gateway, and says in our own words why there is none.

No text of the HTTP library is ever quoted: it holds full URLs, and some functions carry the keys in the URL.
"""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum
import requests
import urllib3.exceptions
from pendulum import DateTime

from esms_connectors.gateway import wire
from esms_connectors.gateway.codes import CODES, ERROR_BY_CODE
from esms_connectors.gateway.endpoints import Effect, Endpoint
from esms_connectors.gateway.errors import GatewayError, RateLimitedError, UnlistedCodeError, UnlistedSendCodeError
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.retry import Failure


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A successful answer.

    Attributes:
        fields: the JSON object.
        server_time: the HTTP `Date` of the answer.
        attempts: requests made.
        in_doubt: an earlier attempt of the same call may have been taken too.
    """

    fields: Mapping[str, Any]
    server_time: DateTime | None
    attempts: int = 1
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that brought no result."""

    failure: Failure
    reason: str
    error: GatewayError | None = None
    retry_after_seconds: float | None = None


# Bytes of a body -> the members of its object; raises `wire.UnreadableAnswerError`.
AnswerReader = Callable[[bytes], Mapping[str, Any]]


def judge(
    endpoint: Endpoint, response: requests.Response, content: bytes, read: AnswerReader = wire.read_answer
) -> Answer | FailedAttempt:
    """What an answer means. Only the code decides: texts, message ids and HTTP 200 stand on errors too."""
    status = response.status_code
    retry_after = _retry_after_seconds(response.headers.get("Retry-After"), date_of(response))
    if status == 429:
        return FailedAttempt(Failure.LIMITED, "HTTP 429", error_of(endpoint, "160", {}, retry_after), retry_after)
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
        reason = f"HTTP {status} with {error}"
        if "web page" in reason or status >= 400:
            reason += "; is the base URL right?"
        return FailedAttempt(Failure.MISDIRECTED if status >= 400 else Failure.LOST, reason)
    if code == endpoint.success_code:
        if status >= 400:
            return FailedAttempt(Failure.MISDIRECTED, f"HTTP {status} with a success code")
        return Answer(answer, date_of(response))
    error_of_code = error_of(endpoint, code, answer, retry_after)
    failure = Failure.LIMITED if isinstance(error_of_code, RateLimitedError) else Failure.REFUSED
    return FailedAttempt(failure, f"code {code}", error_of_code, retry_after)


def date_of(response: requests.Response) -> DateTime | None:
    """When the gateway answered, by its own clock; None where it does not say, or a cache answered for it."""
    return None if response.headers.get("Age", "0") != "0" else _date(response.headers.get("Date"))


def error_of(
    endpoint: Endpoint, code: str, answer: wire.Fields, retry_after_seconds: float | None = None
) -> GatewayError:
    said = redact(wire.as_text(wire.pick(answer, "ErrorMessage", "Message")) or "")[:200]
    unlisted = UnlistedCodeError if endpoint.effect is Effect.READ else UnlistedSendCodeError
    error_class = ERROR_BY_CODE.get(code, unlisted)
    known = CODES.get(code)
    text = f"{endpoint.name} was refused with code {redact(code)}: "
    text += f"{known.english} / {known.vietnamese}" if known else "a code that stands in no table of the gateway's."
    if said:
        text += f" The gateway said: {said}"
    about: dict[str, Any] = {"retry_after_seconds": retry_after_seconds} if error_class is RateLimitedError else {}
    return error_class(
        text,
        code=redact(code),
        gateway_message=said,
        message_id=wire.as_text(wire.pick(answer, "SMSID")),
        endpoint=endpoint.name,
        **about,
    )


# --- what the HTTP library says, without its texts -------------------------------------------------------------------


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
    """For adapters of the caller's, which cannot tell whether anything left: only what never had a connection."""
    kinds = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, requests.ConnectTimeout)
    return any(isinstance(link, kinds) for link in _chain(error))


def why(error: BaseException, left: bool) -> str:
    """In our own words: theirs hold the URL."""
    links = list(_chain(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in links)

    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the TLS certificate was not accepted ({link.verify_message or 'not trusted'})"
    if has(urllib3.exceptions.ProxyError):
        return "the proxy could not be reached or refused"
    if has(urllib3.exceptions.NameResolutionError):
        return "the host name is not known; is the base URL right, is there a network?"
    if has(ConnectionRefusedError):
        return "the connection was refused; is the base URL right, is a server running there?"
    # urllib3 makes NewConnectionError a kind of ConnectTimeoutError, though it says that there was no waiting.
    if has(urllib3.exceptions.ConnectTimeoutError) and not has(urllib3.exceptions.NewConnectionError):
        return "no connection in time; is the host reachable from here?"
    if has(requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return "no answer in time"
    if has(ssl.SSLError):
        return "the TLS connection broke" if left else "the TLS handshake failed"
    if has(urllib3.exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut off"
    return "the connection was dropped" if left else "the host could not be reached"


def _retry_after_seconds(value: str | None, date: DateTime | None) -> float | None:
    """`Retry-After`: seconds, or a date by the clock of whoever answered."""
    if not value:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(value)
    moment = _date(value)
    now = time.time() if date is None else date.timestamp()
    return None if moment is None else max(0.0, moment.timestamp() - now)


def _date(value: str | None) -> DateTime | None:
    try:
        moment = pendulum.instance(email.utils.parsedate_to_datetime(value or ""))
        # At either end of the calendar nothing can be added to it or taken from it.
        return moment if 1971 <= moment.year <= 9000 else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
