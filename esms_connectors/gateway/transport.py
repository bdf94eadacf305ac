"""
One way to the gateway: session, timeouts, throttle, the run-wide stop and the one retry loop.

No exception of the HTTP library leaves this module, nor stays attached to one of ours: their texts hold full URLs,
and some functions carry the keys in the URL.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from pendulum import DateTime
from requests.adapters import BaseAdapter
from requests.utils import get_environ_proxies

from esms_connectors.gateway import wire
from esms_connectors.gateway.addresses import Addresses, is_loopback
from esms_connectors.gateway.answers import Answer, AnswerReader, FailedAttempt, is_connect_error, judge, why
from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.connection import DEPARTURE, MarkingAdapter
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import Effect, Endpoint, RequestFormat
from esms_connectors.gateway.errors import (
    ConfigurationError,
    DuplicateRequestError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
)
from esms_connectors.gateway.redaction import get_logger, guard_loggers_of_others
from esms_connectors.gateway.retry import Failure, RetryPolicy, may_repeat, wait_seconds
from esms_connectors.gateway.throttle import PyrateThrottle, Throttle, as_throttle

logger = get_logger(__name__)

# A page of 500 rows is about 180 kB; an answer beyond this is none of the gateway's.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Seconds to wait: for a connection, for the next bytes of an answer, and for one attempt as a whole.

    Bulk sends take the gateway a while; a short `read_seconds` turns slow answers into unknown outcomes.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    total_seconds: float = 120.0

    def __post_init__(self) -> None:
        if min(self.connect_seconds, self.read_seconds, self.total_seconds) <= 0:
            raise ConfigurationError("Timeouts must be more than 0 seconds.")


class RunStop:
    """
    Stops every thread of a client once the account itself is refused, so that none goes on hammering it.

    101 (keys) and 140 (address) stop everything; 103 (balance) stops sends, reading goes on.
    """

    def __init__(self) -> None:
        self._error: GatewayError | None = None

    def trip(self, error: GatewayError) -> None:
        # The first refusal is kept, but one that stops only sends gives way to one that stops everything.
        if error.stops_run and (self._error is None or self._error.code == "103"):
            self._error = error

    def reset(self) -> None:
        self._error = None

    def error_for(self, endpoint: Endpoint, request_id: str | None) -> GatewayError | None:
        error = self._error
        if error is None or (endpoint.effect is Effect.READ and error.code == "103"):
            return None
        return type(error)(
            f"{endpoint.name} was not tried: code {error.code} stopped this client. {CODES[error.code].english} "
            "Put it right, then use a new client or resume().",
            code=error.code,
            endpoint=endpoint.name,
            request_id=request_id,
            attempts=0,
        )


class Transport:
    """
    Makes calls. Safe to share between threads.

    Args:
        proxy: URL of an HTTP proxy; None takes the environment's (`HTTPS_PROXY`, `NO_PROXY`). Never used for loopback.
        ca_bundle: file or folder of CA certificates; None takes the environment's (`REQUESTS_CA_BUNDLE`) or the
            system's. Verification cannot be switched off.
        adapter: a transport adapter of `requests` to use instead of the network, such as an emulator's.
        now: the clock that the duplicate window is judged by.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str,
        *,
        timeouts: Timeouts,
        retries: RetryPolicy,
        throttle: float | Throttle | None,
        max_connections: int,
        proxy: str | None,
        ca_bundle: str | Path | None,
        environ: Mapping[str, str],
        adapter: BaseAdapter | None,
        now: Callable[[], DateTime],
    ) -> None:
        if max_connections < 1:
            raise ConfigurationError("max_connections must be at least 1.")
        self._credentials = credentials
        self._addresses = Addresses(base_url)
        self._timeouts = timeouts
        self._retries = retries
        self._throttle = as_throttle(throttle)
        self._owns_throttle = self._throttle is not throttle
        self._endpoint_throttles: dict[str, PyrateThrottle] = {}
        self._lock = threading.Lock()
        self._now = now
        self._verify = _ca_bundle(ca_bundle, environ)
        self._proxies = _proxies(self._addresses.base_url, proxy)
        self._adapter = adapter
        self._session = self._new_session(max_connections)
        self.stop = RunStop()

    @property
    def base_url(self) -> str:
        return self._addresses.base_url

    def close(self) -> None:
        """Close the connections and the limiter made here."""
        self._session.close()
        if self._owns_throttle and isinstance(self._throttle, PyrateThrottle):
            self._throttle.close()
        for throttle in self._endpoint_throttles.values():
            throttle.close()

    def call(
        self,
        endpoint: Endpoint,
        fields: Mapping[str, Any],
        *,
        request_id: str | None = None,
        phones: Sequence[str] = (),
        read: AnswerReader = wire.read_answer,
    ) -> Answer:
        """
        Call `endpoint`, repeating as far as that can do no harm.

        Args:
            fields: members of the JSON object, elements of the XML document or parameters of the query, without keys.
            request_id: set when `fields` carry request ids, for the errors.
            phones: the CUSTOMER elements of an XML document.
            read: turns a body into its members, for answers that are read another way than most.

        Raises:
            GatewayError: a subclass by code.
            NotSentError, OutcomeUnknownError: see there.
        """
        started, first_attempt_at = time.monotonic(), self._now()
        idempotent = endpoint.idempotent and request_id is not None
        in_doubt, attempt = False, 0
        failed: FailedAttempt | None = None

        def may_go_again(failure: Failure) -> bool:
            return may_repeat(
                endpoint.effect,
                failure,
                in_doubt=in_doubt,
                idempotent=idempotent,
                first_attempt_at=first_attempt_at,
                now=self._now(),
            )

        while True:
            result: Answer | FailedAttempt | None = self._hold_back(endpoint, request_id, started)
            if result is None:
                if failed is not None and not may_go_again(failed.failure):
                    # The duplicate window may have closed during a long wait.
                    raise _final_error(endpoint, failed, request_id, attempt, in_doubt=in_doubt)
                attempt += 1
                result = self._attempt(endpoint, fields, phones, read)
            if isinstance(result, Answer):
                return replace(result, attempts=attempt, in_doubt=in_doubt)
            if result.error is not None:
                self.stop.trip(result.error)
            in_doubt = in_doubt or result.failure in (Failure.LOST, Failure.MISDIRECTED)
            failed, wait = result, None
            if may_go_again(result.failure):
                wait = wait_seconds(
                    self._retries,
                    attempt,
                    elapsed_seconds=time.monotonic() - started,
                    retry_after_seconds=result.retry_after_seconds,
                    chance=random.random(),
                )
            if wait is None:
                raise _final_error(endpoint, result, request_id, attempt, in_doubt=in_doubt)
            logger.info("%s: %s; attempt %d follows in %.1f s", endpoint.name, result.reason, attempt + 1, wait)
            time.sleep(wait)

    # --- before an attempt -------------------------------------------------------------------------------------------

    def _hold_back(self, endpoint: Endpoint, request_id: str | None, started: float) -> FailedAttempt | None:
        """Wait for leave to send; a failure when there is none."""
        for throttle in self._throttles(endpoint):
            patience = self._retries.budget_seconds - (time.monotonic() - started)
            if not throttle.acquire(max(0.0, patience)):
                return FailedAttempt(
                    Failure.NOT_SENT, "the limit of requests per second of this client left no time for it"
                )
        # Looked at after the wait: another thread may have been refused meanwhile.
        stopped = self.stop.error_for(endpoint, request_id)
        return None if stopped is None else FailedAttempt(Failure.REFUSED, "the run was stopped", stopped)

    def _throttles(self, endpoint: Endpoint) -> Iterator[Throttle]:
        if endpoint.requests_per_second is not None:
            with self._lock:
                if endpoint.name not in self._endpoint_throttles:
                    self._endpoint_throttles[endpoint.name] = PyrateThrottle.per_second(endpoint.requests_per_second)
            yield self._endpoint_throttles[endpoint.name]
        if self._throttle is not None:
            yield self._throttle

    def _encode(self, endpoint: Endpoint, fields: Mapping[str, Any], phones: Sequence[str]) -> bytes | dict[str, str]:
        # The keys get no name of their own here: error trackers show the local variables of every frame.
        keys = self._credentials
        try:
            match endpoint.request_format:
                case RequestFormat.JSON:
                    return wire.json_body({"ApiKey": keys.api_key, "SecretKey": keys.secret_key, **fields})
                case RequestFormat.XML:
                    wire.check_xml(fields)
                    elements = (("APIKEY", keys.api_key), ("SECRETKEY", keys.secret_key), *fields.items())
                    return wire.xml_body(elements, phones)
                case RequestFormat.QUERY:
                    return {**fields, "ApiKey": keys.api_key, "SecretKey": keys.secret_key}
        except UnicodeEncodeError:
            pass
        raise InvalidRequestError("A text has half a character: it was cut inside an emoji.", field="content")

    def _new_session(self, max_connections: int) -> requests.Session:
        session = requests.Session()
        # No netrc, no proxies behind our back; what is taken from the environment was taken once, at the start.
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = self._adapter or MarkingAdapter(max_connections)
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return session

    # --- one attempt -------------------------------------------------------------------------------------------------

    def _attempt(
        self, endpoint: Endpoint, fields: Mapping[str, Any], phones: Sequence[str], read: AnswerReader
    ) -> Answer | FailedAttempt:
        """One request: the answer, or what went wrong."""
        guard_loggers_of_others()
        url = self._addresses.url_of(endpoint)
        self._addresses.check(url)
        deadline = time.monotonic() + self._timeouts.total_seconds
        session = self._session
        if endpoint.effect is not Effect.READ and not endpoint.idempotent and self._adapter is None:
            # A kept-alive connection may have died unnoticed, and then nobody knows whether the request arrived. What
            # cannot be repeated therefore goes out on a connection of its own.
            session = self._new_session(max_connections=1)
        try:
            DEPARTURE.left = False
            try:
                response = session.send(
                    _prepare(endpoint, url, self._encode(endpoint, fields, phones)),
                    stream=True,
                    allow_redirects=False,
                    timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
                    verify=self._verify,
                    proxies=self._proxies,
                )
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                left = DEPARTURE.left if self._adapter is None else not is_connect_error(error)
                return FailedAttempt(Failure.LOST if left else Failure.NOT_SENT, why(error, left))
            with response:
                try:
                    content = _read(response, deadline)
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                    return FailedAttempt(Failure.LOST, why(error, left=True))
                return judge(endpoint, response, content, read)
        finally:
            if session is not self._session:
                session.close()


def _prepare(endpoint: Endpoint, url: str, body: bytes | dict[str, str]) -> requests.PreparedRequest:
    headers = {"Accept": "application/json", "User-Agent": "esms-connectors"}
    if isinstance(body, dict):
        return requests.Request(endpoint.method, url, params=body, headers=headers).prepare()
    # The XML function wants text/plain; it names no charset, so the header does.
    media_type = "text/plain" if endpoint.request_format is RequestFormat.XML else "application/json"
    headers["Content-Type"] = f"{media_type}; charset=utf-8"
    return requests.Request(endpoint.method, url, data=body, headers=headers).prepare()


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, as long as it comes in time: a server that drips a byte now and then must not hold a thread."""
    chunks, size = [], 0
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        # A complete answer is never thrown away for being late: it may have waited here for a free connection.
        if time.monotonic() > deadline and response.raw.length_remaining != 0:
            raise TimeoutError
        if size > MAX_ANSWER_BYTES:
            raise OSError
    return b"".join(chunks)


def _final_error(
    endpoint: Endpoint, failed: FailedAttempt, request_id: str | None, attempts: int, *, in_doubt: bool
) -> EsmsError:
    """The error for a call that brought no result and is not repeated."""
    reading = endpoint.effect is Effect.READ
    # Whatever the gateway looks at before it looks for the request id (keys, balance, template, text) may refuse a
    # repeat. That says nothing about the attempt whose answer was lost; only "that id was used" does.
    settled = reading or not in_doubt or isinstance(failed.error, DuplicateRequestError)
    if failed.error is not None and settled:
        failed.error.request_id, failed.error.attempts = request_id, attempts
        return failed.error
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    reason = failed.reason if failed.reason.endswith("?") else f"{failed.reason}."
    about: dict[str, Any] = {"endpoint": endpoint.name, "request_id": request_id, "attempts": attempts}
    if not in_doubt:
        return NotSentError(f"{endpoint.name} was not sent{tries}: {reason}", **about)
    if reading:
        return OutcomeUnknownError(
            f"{endpoint.name} brought no readable answer{tries}: {reason} Reading again is safe.",
            retryable=failed.failure is not Failure.MISDIRECTED,
            **about,
        )
    advice = (
        "Repeat it only with the same request id and on the same day, or look it up in the sent data first."
        if endpoint.idempotent
        else "Do not repeat it: this function does not hold back a second message. Look it up in the sent data."
    )
    return OutcomeUnknownError(
        f"{endpoint.name} may have been accepted, nobody knows{tries}: {reason} {advice}", **about
    )


def _ca_bundle(ca_bundle: str | Path | None, environ: Mapping[str, str]) -> str | bool:
    if isinstance(ca_bundle, bool):
        raise ConfigurationError("TLS verification cannot be switched off; give ca_bundle the file of your own CA.")
    chosen = ca_bundle or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if not chosen:
        return True
    if not Path(chosen).exists():
        raise ConfigurationError(f"The CA bundle {chosen} does not exist.")
    return str(chosen)


def _proxies(base_url: str, proxy: str | None) -> dict[str, str]:
    if is_loopback(urlsplit(base_url).hostname or ""):
        return {}
    if proxy is None:
        return {scheme: url for scheme, url in get_environ_proxies(base_url).items() if scheme in ("https", "all")}
    if urlsplit(proxy).scheme not in ("http", "https") or not urlsplit(proxy).hostname:
        raise ConfigurationError("The proxy needs a scheme and a host, such as http://proxy.example:3128.")
    return {"https": proxy}
