"""The emulator inside the calling process: a `requests` transport adapter that opens no socket."""

from __future__ import annotations

import errno
import http.client
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from .emulator import Emulator
from .progress import VirtualClock
from .wire import Reply, Request


class EmulatorAdapter(BaseAdapter):
    """
    Mount it on a session and every request of that session is answered by the emulator:

        session.mount("https://rest.esms.vn", EmulatorAdapter(emulator))

    Faults raise the same exceptions as a real socket. A `slow` answer that exceeds the read timeout raises
    `ReadTimeout` without waiting; a shorter one advances the emulator's clock (a `VirtualClock` without waiting).
    """

    def __init__(self, emulator: Emulator, *, client_ip: str = "127.0.0.1") -> None:
        super().__init__()
        self._emulator = emulator
        self._client_ip = client_ip
        self._responses = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Answer one prepared request."""
        parts = urlsplit(request.url or "")
        patience = _Patience(self._emulator, timeout[1] if isinstance(timeout, tuple) else timeout)
        reply = self._emulator.answer(
            Request(
                request.method or "GET",
                parts.path,
                parts.query,
                {name.lower(): str(value) for name, value in request.headers.items()},
                _body_bytes(request.body),
                self._client_ip,
            ),
            sleep=patience.sleep,
        )
        if reply.connection != "open" or patience.exhausted:
            raise _failure(request, reply, patience.timeout_seconds)
        return self._responses.build_response(request, _response(reply, request.method or "GET"))

    def close(self) -> None:
        """Nothing to close."""


class _Patience:
    """Sums the waits of one call and compares them with the read timeout."""

    def __init__(self, emulator: Emulator, timeout_seconds: float | None) -> None:
        self.timeout_seconds = timeout_seconds
        self._clock = emulator.clock
        self._waited = 0.0

    @property
    def exhausted(self) -> bool:
        return self.timeout_seconds is not None and self._waited >= self.timeout_seconds

    def sleep(self, seconds: float) -> None:
        left = seconds if self.timeout_seconds is None else max(0.0, self.timeout_seconds - self._waited)
        self._waited += seconds
        if not self.exhausted or isinstance(self._clock, VirtualClock):
            self._clock.sleep(min(seconds, left))


def _failure(
    request: requests.PreparedRequest, reply: Reply, timeout_seconds: float | None
) -> requests.RequestException:
    """The exception that requests would raise for this failure; like theirs, its text holds the whole URL."""
    parts = urlsplit(request.url or "")
    pool = HTTPConnectionPool(parts.hostname or "localhost", parts.port)
    if reply.connection == "refuse":
        refused = NewConnectionError(
            HTTPConnection(pool.host, pool.port),
            "Failed to establish a new connection: [Errno 111] Connection refused",
        )
        refused.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return requests.ConnectionError(MaxRetryError(pool, request.path_url, reason=refused), request=request)
    if reply.connection == "drop":
        lost = http.client.RemoteDisconnected("Remote end closed connection without response")
        return requests.ConnectionError(ProtocolError("Connection aborted.", lost), request=request)
    late = ReadTimeoutError(pool, request.path_url, f"Read timed out. (read timeout={timeout_seconds})")
    return requests.ReadTimeout(late, request=request)


def _body_bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    return b"".join(body) if not hasattr(body, "read") else body.read()


def _response(reply: Reply, method: str) -> HTTPResponse:
    length = len(reply.body) if reply.declared_length is None else reply.declared_length
    return HTTPResponse(
        body=BytesIO(reply.body),
        headers={"Content-Type": reply.content_type, "Content-Length": str(length), **reply.headers},
        status=reply.status,
        version=11,
        reason=http.client.responses.get(reply.status, ""),
        preload_content=False,
        decode_content=False,
        enforce_content_length=True,
        request_method=method,
    )
