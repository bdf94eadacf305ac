"""
The HTTP transport: session, timeouts, throttle, the stop of a client whose account is refused, and the retry loop.

No exception of the HTTP library leaves this module or stays attached to one of ours: their texts contain full URLs,
and some functions have the keys in the URL.
"""

from __future__ import annotations

import copy
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import requests
import urllib3.exceptions
from pendulum import DateTime
from requests.adapters import BaseAdapter
from requests.utils import get_environ_proxies

from esms_connectors.gateway import wire
from esms_connectors.gateway.addresses import Addresses, is_loopback
from esms_connectors.gateway.answers import Answer, AnswerReader, FailedAttempt, date_of, is_connect_error, judge, why
from esms_connectors.gateway.call import Call, final_error
from esms_connectors.gateway.clock import GatewayClock
from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.connection import CURRENT_REQUEST, Connections, HeldBackError, MarkingAdapter
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import GET_BALANCE, Effect, Endpoint, RequestFormat
from esms_connectors.gateway.errors import (
    ConfigurationError,
    GatewayError,
    InvalidRequestError,
)
from esms_connectors.gateway.paths import kind_at
from esms_connectors.gateway.redaction import get_logger, redact_other_loggers
from esms_connectors.gateway.request_ids import KnownRequestIds
from esms_connectors.gateway.retry import Failure, RetryPolicy, may_repeat, wait_seconds
from esms_connectors.gateway.throttle import PyrateThrottle, Throttle, as_throttle

logger = get_logger(__name__)

# A page of 500 rows is about 180 kB; a larger answer than this cannot be the gateway's.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Seconds to wait: for a connection, for the next bytes of an answer, and for one attempt as a whole.

    The gateway takes a while for bulk sends; a short `read_seconds` turns slow answers into unknown outcomes.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    total_seconds: float = 120.0

    def __post_init__(self) -> None:
        # Written so that NaN is rejected too.
        if not all(0 < one <= _DAY_SECONDS for one in (self.connect_seconds, self.read_seconds, self.total_seconds)):
            raise ConfigurationError("Timeouts must be above 0 seconds and at most a day.")

    @classmethod
    def of(cls, connect_seconds: float | None, read_seconds: float | None) -> Timeouts:
        """The given timeouts, with defaults for the others; the total allows for both."""
        usual = cls()
        connect, read = connect_seconds or usual.connect_seconds, read_seconds or usual.read_seconds
        return cls(connect, read, max(usual.total_seconds, connect + read))


class RunStop:
    """
    Stops every thread of a client once the account itself is refused, so that no thread keeps calling the gateway.

    101 (keys) and 140 (address) stop all calls; 103 (balance) stops sends only.
    """

    def __init__(self) -> None:
        self._error: GatewayError | None = None

    def trip(self, error: GatewayError) -> None:
        # The first refusal is kept, except that one for sends only is replaced by one that stops everything.
        if error.stops_run and (self._error is None or self._error.code == "103"):
            self._error = error

    def reset(self) -> None:
        self._error = None

    def error_for(self, endpoint: Endpoint, request_id: str | None) -> GatewayError | None:
        error = self._error
        if error is None or (endpoint.effect is Effect.READ and error.code == "103"):
            return None
        return type(error)(
            f"{endpoint.name} was not tried: code {error.code} stopped this client. {CODES[error.code].english} Fix "
            "it, then use a new client or resume().",
            code=error.code,
            endpoint=endpoint.name,
            request_id=request_id,
            attempts=0,
        )


class Transport:
    """
    Makes calls. Safe to share between threads.

    Args:
        proxy: URL of an HTTP proxy; None uses the environment's (`HTTPS_PROXY`, `NO_PROXY`). Never used for loopback.
        ca_bundle: file or folder of CA certificates; None uses the environment's (`REQUESTS_CA_BUNDLE`) or the
            system's. Verification cannot be disabled.
        adapter: a transport adapter of `requests` to use instead of the network, such as an emulator's.
        now: this machine's clock. The duplicate window is computed from the gateway's clock, see `clock`.
    """

    _may_send: Callable[[], bool] | None = None
    _repeats = True

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
        adapter: BaseAdapter | None,
        now: Callable[[], DateTime],
    ) -> None:
        if max_connections < 1:
            raise ConfigurationError("max_connections must be at least 1.")
        self.credentials = credentials
        self._addresses = Addresses(base_url, secret_keys=not credentials.of_emulator)
        self._timeouts = timeouts
        self._retries = retries
        self._throttle = as_throttle(throttle)
        self._owns_throttle = self._throttle is not throttle
        self._endpoint_throttles: dict[str, PyrateThrottle] = {}
        self._lock = threading.Lock()
        self.clock = GatewayClock(now)
        self._verify = _ca_bundle(ca_bundle)
        self._proxies = _proxies(self._addresses.base_url, proxy)
        self._adapter = adapter
        self._connections = Connections(lambda: self._new_session(max_connections))
        self.stop = RunStop()
        self.request_ids = KnownRequestIds()

    @property
    def account(self) -> str:
        return self.credentials.account_at(self._addresses.base_url)

    @property
    def base_url(self) -> str:
        return self._addresses.base_url

    def close(self) -> None:
        """Close the connections and the limiter made here."""
        self._connections.session.close()
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
        recipients: int = 1,
        has_rows: Callable[[wire.Fields], bool] | None = None,
    ) -> Answer:
        """
        Call `endpoint`, and repeat the call where that is safe.

        Args:
            fields: members of the JSON object, elements of the XML document or parameters of the query, without keys.
            request_id: None if `fields` have no request id, so that the call is not idempotent; shown in errors.
            phones: the CUSTOMER elements of an XML document.
            read: parses a body into its members, for answers in an unusual format.
            recipients: number of messages in the call; the refusal of a call for several says nothing about each.
            has_rows: whether the members of a refusal report on single messages; they are then returned as an answer.

        Raises:
            GatewayError: a subclass by code.
            NotSentError, OutcomeUnknownError: see `gateway.errors`.
        """
        call = Call(endpoint, fields, request_id, phones, read, self.clock.mark(), recipients)
        while True:
            result: Answer | FailedAttempt | None = self._hold_back(endpoint, request_id, call.started)
            if result is None:
                result = self._look_before_repeat(call)
            if result is None:
                call.attempts += 1
                result = self._attempt(call)
            if isinstance(result, Answer):
                return replace(result, attempts=call.attempts, in_doubt=call.in_doubt, refused_before=call.refused)
            if result.error is not None:
                self.stop.trip(result.error)
            if has_rows is not None and result.fields is not None and has_rows(result.fields):
                refusal = final_error(call, result, repeatable=self.request_ids.honoured(endpoint))
                return Answer(result.fields, None, call.attempts, call.in_doubt, call.refused, refusal)
            call.fail(result)
            wait = None
            if self._may_go_again(call, result.failure):
                wait = wait_seconds(
                    self._retries,
                    call.tries,
                    elapsed_seconds=time.monotonic() - call.started,
                    retry_after_seconds=result.retry_after_seconds,
                    chance=random.random(),
                )
            if wait is None:
                raise final_error(call, result, repeatable=self.request_ids.honoured(endpoint))
            if result.error is not None:
                call.refused = result.error.code
            logger.info("%s: %s; attempt %d follows in %.1f s", endpoint.name, result.reason, call.attempts + 1, wait)
            time.sleep(wait)

    @property
    def longest_call_seconds(self) -> float:
        """Upper bound of the duration of one call, unless a throttle or an adapter hangs."""
        total, budget = self._timeouts.total_seconds, self._retries.budget_seconds
        return self._retries.attempts * (total + max(total, budget)) + budget

    def only_while(self, may_send: Callable[[], bool]) -> Self:
        """The same transport, which also calls `may_send` before each attempt is sent; on False nothing is sent."""
        view, before = copy.copy(self), self._may_send
        view._may_send = may_send if before is None else lambda: before() and may_send()
        return view

    def without_repeats(self) -> Self:
        """The same transport, which never repeats a send that may have been accepted."""
        view = copy.copy(self)
        view._repeats = False
        return view

    def learn_time(self, started: float | None = None) -> None:
        """Learn the gateway's time by one reading call, unless it is known or an earlier answer had none."""
        begun = time.monotonic() if started is None else started
        if self.clock.answered or self._hold_back(GET_BALANCE, None, begun) is not None:
            return
        result = self._attempt(Call(GET_BALANCE, {}, None, (), wire.read_answer, self.clock.mark()))
        if isinstance(result, FailedAttempt) and result.error is not None:
            self.stop.trip(result.error)

    # --- between attempts --------------------------------------------------------------------------------------------

    def _may_go_again(self, call: Call, failure: Failure) -> bool:
        # An unknown gateway time is learned later, after the wait and only if there is a repeat.
        window_open = not self.clock.answered or self.clock.holds_back(call.first)
        return may_repeat(
            call.endpoint.effect,
            failure,
            in_doubt=call.in_doubt,
            # Looked up each time: another thread may have learned it meanwhile.
            idempotent=self._repeats and call.request_id is not None and self.request_ids.honoured(call.endpoint),
            window_open=window_open,
        )

    def _look_before_repeat(self, call: Call) -> FailedAttempt | None:
        """Why another attempt must not be made now, if so; the duplicate window may have closed during the wait."""
        if call.failed is None:
            return None
        if call.doubtful_send:
            self.learn_time(call.started)
            if not self.clock.answered:
                return FailedAttempt(Failure.LOST, call.failed.reason)
        if not self._may_go_again(call, call.failed.failure):
            raise final_error(call, call.failed, repeatable=self.request_ids.honoured(call.endpoint))
        return None

    def _still_allowed(self, call: Call) -> bool:
        """Checked just before the first byte of an attempt is sent."""
        if call.doubtful_send and not self.clock.holds_back(call.first):
            return False
        return self._may_send is None or self._may_send()

    # --- before an attempt -------------------------------------------------------------------------------------------

    def _hold_back(self, endpoint: Endpoint, request_id: str | None, started: float) -> FailedAttempt | None:
        """Wait for the rate limits; a failure when they leave no time or the client was stopped."""
        for throttle in self._throttles(endpoint):
            patience = self._retries.budget_seconds - (time.monotonic() - started)
            try:
                admitted = throttle.acquire(max(0.0, patience))
            except Exception as error:  # noqa: BLE001 - a shared limit is kept by another server, which may be down
                reason = f"the limit of requests per second is unavailable ({type(error).__name__})"
                return FailedAttempt(Failure.NOT_SENT, reason)
            if not admitted:
                return FailedAttempt(
                    Failure.NOT_SENT, "the limit of requests per second of this client left no time for it"
                )
        # Checked after the wait: another thread may have been refused meanwhile.
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

    def _encode(self, endpoint: Endpoint, fields: Mapping[str, Any], phones: Sequence[str]) -> _Encoded:
        # The keys are not bound to local variables, because error trackers show those of every frame.
        keys = self.credentials
        try:
            match endpoint.request_format:
                case RequestFormat.JSON:
                    return _Encoded(
                        body=wire.json_body({"ApiKey": keys.api_key, "SecretKey": keys.secret_key, **fields})
                    )
                case RequestFormat.FORM:
                    members = {**fields, "ApiKey": keys.api_key, "SecretKey": keys.secret_key}
                    return _Encoded(body=urlencode(members).encode("ascii"))
                case RequestFormat.XML:
                    wire.check_xml(fields)
                    elements = (("APIKEY", keys.api_key), ("SECRETKEY", keys.secret_key), *fields.items())
                    return _Encoded(body=wire.xml_body(elements, phones))
                case RequestFormat.QUERY:
                    return _Encoded(query={**fields, "ApiKey": keys.api_key, "SecretKey": keys.secret_key})
                case RequestFormat.PATH:
                    return _Encoded(path=f"/{quote(keys.api_key, safe='')}/{quote(keys.secret_key, safe='')}")
                case RequestFormat.INBOUND:
                    raise InvalidRequestError(f"{endpoint.name} is called by the gateway, not here.", field="endpoint")
        except UnicodeEncodeError:
            pass
        raise InvalidRequestError("A text contains half a character: it was cut inside an emoji.", field="content")

    def _new_session(self, max_connections: int) -> requests.Session:
        session = requests.Session()
        # No netrc and no implicit proxies: the environment is read once, in the constructor.
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = self._adapter or MarkingAdapter(max_connections)
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return session

    # --- one attempt -------------------------------------------------------------------------------------------------

    def _attempt(self, call: Call) -> Answer | FailedAttempt:
        """Make one request; returns the answer or the failure."""
        redact_other_loggers()
        url = self._addresses.url_of(call.endpoint)
        self._addresses.check(url)
        request = _prepare(call.endpoint, url, self._encode(call.endpoint, call.fields, call.phones))
        session = self._connections.session
        sends_once = call.endpoint.effect is not Effect.READ and not self.request_ids.honoured(call.endpoint)
        if sends_once and self._adapter is None:
            # A kept-alive connection may have died unnoticed, which leaves the outcome unknown. A request that cannot
            # be repeated therefore uses a new connection.
            session = self._new_session(max_connections=1)
        total = self._timeouts.total_seconds
        CURRENT_REQUEST.prepare(max(total, self._retries.budget_seconds), total, lambda: self._still_allowed(call))
        asked = self.clock.mark()
        try:
            if self._adapter is not None:
                CURRENT_REQUEST.begin_sending()
            try:
                response = session.send(
                    request,
                    stream=True,
                    allow_redirects=False,
                    timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
                    verify=self._verify,
                    proxies=self._proxies,
                )
            except HeldBackError:
                raise
            except Exception as error:  # noqa: BLE001 - libraries raise anything for a bad proxy, certificate or header
                left = CURRENT_REQUEST.begun if self._adapter is None else not is_connect_error(error)
                return FailedAttempt(Failure.LOST if left else Failure.NOT_SENT, why(error, left))
            with response:
                try:
                    content = _read(response)
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                    return FailedAttempt(Failure.LOST, why(error, left=True))
                result = judge(call.endpoint, response, content, call.read, call.recipients)
                # Error pages of proxies have a Date too, so only answers of the gateway itself count.
                if isinstance(result, Answer) or (result.error is not None and response.status_code != 429):
                    self.clock.learn(date_of(response), asked)
                return result
        except HeldBackError:
            return FailedAttempt(Failure.HELD_BACK, "it was no longer allowed to be sent")
        finally:
            if session is not self._connections.session:
                session.close()


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An encoded request, with the keys where its format puts them."""

    body: bytes | None = field(default=None, repr=False)
    query: Mapping[str, str] | None = field(default=None, repr=False)
    path: str = field(default="", repr=False)


# The XML functions require text/plain.
_MEDIA_TYPES = {
    RequestFormat.JSON: "application/json",
    RequestFormat.FORM: "application/x-www-form-urlencoded",
    RequestFormat.XML: "text/plain",
}


def _prepare(endpoint: Endpoint, url: str, encoded: _Encoded) -> requests.PreparedRequest:
    headers = {"Accept": "application/json", "User-Agent": "esms-connectors"}
    if encoded.body is None:
        return requests.Request(endpoint.method, url + encoded.path, params=encoded.query, headers=headers).prepare()
    media_type = endpoint.media_type or _MEDIA_TYPES[endpoint.request_format]
    headers["Content-Type"] = f"{media_type}; charset=utf-8"
    return requests.Request(endpoint.method, url, data=encoded.body, headers=headers).prepare()


def _read(response: requests.Response) -> bytes:
    """Read the body until the deadline: a server that trickles bytes must not block a thread."""
    chunks, size = [], 0
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        # A complete answer is never discarded for being late.
        if time.monotonic() > CURRENT_REQUEST.deadline and response.raw.length_remaining != 0:
            raise TimeoutError
        if size > MAX_ANSWER_BYTES:
            raise OSError
    return b"".join(chunks)


def _ca_bundle(ca_bundle: str | Path | None) -> str | bool:
    if isinstance(ca_bundle, bool):
        raise ConfigurationError("TLS verification cannot be switched off; give ca_bundle the file of your own CA.")
    chosen = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not chosen:
        return True
    if (kind := kind_at(chosen)) == "nothing":
        raise ConfigurationError(f"The CA bundle {chosen} does not exist.")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(**{"capath" if kind == "folder" else "cafile": str(chosen)})
    except (OSError, ValueError):
        raise ConfigurationError(
            f"The CA bundle {chosen} contains no readable certificates. They must be text (PEM), after BEGIN "
            "CERTIFICATE; convert a binary file (DER) with openssl x509 -inform der."
        ) from None
    return str(chosen)


def _proxies(base_url: str, proxy: str | None) -> dict[str, str]:
    if proxy is not None:
        _check_proxy(proxy)
    if is_loopback(urlsplit(base_url).hostname or ""):
        return {}
    if proxy is None:
        found = {scheme: url for scheme, url in get_environ_proxies(base_url).items() if scheme in ("https", "all")}
    else:
        found = {"https": proxy}
    for url in found.values():
        _check_proxy(url)
    return found


def _check_proxy(url: str) -> None:
    hint = "Give scheme, host and port, such as http://proxy.example:3128; in its password special characters are %XX."
    scheme = url.partition("://")[0].strip().lower()
    if scheme.startswith("socks"):
        raise ConfigurationError(f"The proxy speaks {scheme}, which is not supported here. {hint}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        urllib3.util.parse_url(url)
    except (ValueError, urllib3.exceptions.HTTPError):
        usable = False
    # User and password are sent in a header, which is limited to ASCII, and libraries disagree on how to split
    # http://user:p@ss@host.
    plain = url.isascii() and url.isprintable() and " " not in url and url.count("@") < 2
    if not usable or not plain:
        raise ConfigurationError(f"The proxy cannot be used. {hint}")
