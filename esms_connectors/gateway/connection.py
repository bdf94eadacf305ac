"""
Connections that record whether any byte of a request was sent, ask for permission just before, and enforce the deadline
of an attempt.

Whether a byte was sent separates "certainly not sent" from "outcome unknown". The exceptions of the HTTP library do not
say: the same SSLError is raised for a failed handshake and for a connection that broke after the request was written.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

from esms_connectors.gateway.forks import register_for_forks
from esms_connectors.gateway.name_resolution import resolve

_PIECE_BYTES = 64 * 1024
# The shortest timeout of a read: data that has already arrived is read even after the deadline.
_LEAST_SECONDS = 0.001
# How long after the deadline data that has already arrived is still read.
_GRACE_SECONDS = 1.0


class HeldBackError(Exception):
    """Permission was denied just before the request was sent; no byte of it was."""


class CurrentRequest(threading.local):
    """
    The request that this thread is making.

    Attributes:
        connecting: a connection is being set up; bytes written now (a proxy's CONNECT) are not part of the request.
        begun: a byte of the request has been handed to the network.
        wait_seconds: limit for the wait for a free connection.
        total_seconds: limit for the rest, from before the connect to the end of the body.
        deadline: `time.monotonic` value by which the whole body must have arrived.
    """

    connecting: bool = False
    begun: bool = False
    wait_seconds: float = float("inf")
    total_seconds: float = float("inf")
    deadline: float = float("inf")
    _may_send: Callable[[], bool] | None = None

    def prepare(self, wait_seconds: float, total_seconds: float, may_send: Callable[[], bool]) -> None:
        """
        Start a new attempt.

        Args:
            may_send: called when the connection is ready: the permission to send may have been lost during the wait.
        """
        self.begun, self._may_send = False, may_send
        self.wait_seconds, self.total_seconds = wait_seconds, total_seconds
        self.restart()

    def restart(self) -> None:
        self.deadline = time.monotonic() + self.total_seconds

    def begin_sending(self, connected: Callable[[], bool] = lambda: True) -> None:
        """
        Called just before the first byte is written.

        Args:
            connected: whether the connection can still be used; asked last, because the permission may take a while.

        Raises:
            HeldBackError: sending is no longer permitted.
            ConnectionResetError: the connection cannot be used any more.
        """
        if self._may_send is not None and not self._may_send():
            raise HeldBackError
        if not connected():
            raise ConnectionResetError
        self.begun = True

    def seconds_left(self) -> float:
        """
        Raises:
            TimeoutError: the deadline of the attempt has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


CURRENT_REQUEST = CurrentRequest()


class _InTime(io.RawIOBase):
    """Reads a socket until the deadline: a server that sends a byte now and then never triggers a read timeout."""

    def __init__(self, sock: Any, read_seconds: float | None) -> None:
        self._sock, self._stream = sock, sock.makefile("rb", buffering=0)
        self._read_seconds = float("inf") if read_seconds is None else read_seconds
        self._deadline = CURRENT_REQUEST.deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left < -_GRACE_SECONDS:
            raise TimeoutError  # an endless response head, or 1xx after 1xx
        seconds = min(self._read_seconds, max(_LEAST_SECONDS, left))
        self._sock.settimeout(None if seconds == float("inf") else seconds)
        count: int | None = self._stream.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Socket:
    """The part of a socket that http.client needs: `makefile`."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_InTime(self._sock, self._sock.gettimeout()))


class _ResponseInTime(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **settings: Any) -> None:
        stand_in: Any = _Socket(sock)
        super().__init__(stand_in, *args, **settings)

    def _read_status(self) -> tuple[str, int, str]:
        """
        Interim answers (102, 103, as proxies send them) are skipped like 100, the only one that http.client skips.
        Otherwise the answer that follows would be read as that of the next request, about another message.
        """
        read: Callable[[], tuple[str, int, str]] = super()._read_status  # type: ignore[misc]
        version, status, reason = read()
        return version, http.client.CONTINUE if 100 <= status < 200 else status, reason


class _MarkingHTTPConnection(HTTPConnection):
    sock: Any
    timeout: Any
    port: int
    _dns_host: str
    response_class = _ResponseInTime
    # http.client prints whole requests, keys included, when its global debug level is set.
    debuglevel = 0

    _parts: list[bytes] | None = None
    _kept_alive = False  # a request was sent on it before

    def connect(self) -> None:
        CURRENT_REQUEST.connecting, self._kept_alive = True, False
        try:
            left = CURRENT_REQUEST.seconds_left()
            if isinstance(self.timeout, int | float):
                self.timeout = min(self.timeout, left)
            # Includes a proxy's CONNECT and the TLS handshake, which are not part of our request.
            super().connect()
            CURRENT_REQUEST.seconds_left()
        finally:
            CURRENT_REQUEST.connecting = False

    def _new_conn(self) -> socket.socket:
        """Run urllib3's own for one address at a time: it resolves the name and tries all of them without a limit."""
        host: str = self._dns_host
        try:
            addresses = resolve(host.strip("[]"), self.port, self._seconds_to_connect())
        except TimeoutError:
            raise ConnectTimeoutError(self, "name resolution") from None
        except (OSError, UnicodeError):
            raise NameResolutionError(host, self, socket.gaierror()) from None
        failed: Exception = NameResolutionError(host, self, socket.gaierror())
        usual = self.timeout
        for address in addresses:
            try:
                self._dns_host, self.timeout = address, self._seconds_to_connect()
                return super()._new_conn()
            except (HTTPError, TimeoutError) as error:
                failed = error
            finally:
                # The certificate is verified against the host name, not the address.
                self._dns_host, self.timeout = host, usual
        raise failed

    def _seconds_to_connect(self) -> float:
        left = CURRENT_REQUEST.seconds_left()
        return min(self.timeout, left) if isinstance(self.timeout, int | float) else left

    def request(self, *args: Any, **settings: Any) -> None:
        """Send head and body together, so that permission is asked exactly once, before the first byte."""
        self._parts = []
        try:
            super().request(*args, **settings)
            whole = b"".join(self._parts)
        finally:
            self._parts = None
        if self.sock is None:
            self.connect()
        # Ended by the server, or with an answer that nobody asked for, which would be taken for this request's. Only a
        # connection that was used before: on a new one, data may be waiting that belongs to TLS.
        CURRENT_REQUEST.begin_sending(lambda: not self._kept_alive or (self.is_connected and not self._has_decrypted()))
        self._kept_alive = True
        for start in range(0, len(whole), _PIECE_BYTES):
            self.sock.settimeout(CURRENT_REQUEST.seconds_left() if CURRENT_REQUEST.deadline < float("inf") else None)
            self.sock.sendall(whole[start : start + _PIECE_BYTES])

    def _has_decrypted(self) -> bool:
        """Whether TLS holds bytes that came with the answer before: the socket itself has nothing to read then."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def send(self, data: Any) -> None:
        if self._parts is not None and not CURRENT_REQUEST.connecting:
            self._parts.append(bytes(data))
        else:
            super().send(data)


class _MarkingHTTPSConnection(_MarkingHTTPConnection, HTTPSConnection):
    """The same; its `super()` is urllib3's HTTPS connection."""


class _MarkingHTTPPool(HTTPConnectionPool):
    """Limits the wait for a free connection."""

    ConnectionCls = _MarkingHTTPConnection

    def _get_conn(self, timeout: float | None = None) -> Any:
        if timeout is None and CURRENT_REQUEST.wait_seconds < float("inf"):
            timeout = CURRENT_REQUEST.wait_seconds
        connection = super()._get_conn(timeout)
        # The wait for a busy connection does not count against the attempt.
        CURRENT_REQUEST.restart()
        return connection


class _MarkingHTTPSPool(_MarkingHTTPPool, HTTPSConnectionPool):
    ConnectionCls = _MarkingHTTPSConnection


_POOLS = {"http": _MarkingHTTPPool, "https": _MarkingHTTPSPool}


class MarkingAdapter(HTTPAdapter):
    """
    The transport adapter: never retries by itself, opens at most `max_connections` sockets per host.

    `CURRENT_REQUEST.begun` is true after a failed `send` exactly when part of the request was handed to the network.
    """

    def __init__(self, max_connections: int) -> None:
        # Blocking pool: when there are more threads than connections, they wait instead of opening throw-away sockets.
        super().__init__(pool_connections=4, pool_maxsize=max_connections, pool_block=True, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Connections:
    """The session of a client; a forked process gets a new one."""

    def __init__(self, make: Callable[[], Session]) -> None:
        self._make = make
        self.session = make()
        register_for_forks(self)

    def after_fork(self) -> None:
        self.session = self._make()
