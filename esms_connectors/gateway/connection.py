"""
Connections that remember whether anything left this machine.

That one fact separates "certainly not sent" from "outcome unknown". The exceptions of the HTTP library do not tell it:
the same SSLError is raised for a failed handshake and for a connection that broke after the request was written.
"""

from __future__ import annotations

import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Departure(threading.local):
    """Of the request that this thread is making: has a byte of it been handed to the network?"""

    connecting: bool = False
    left: bool = False


DEPARTURE = Departure()


class _Marking:
    """Mixed into urllib3's connections."""

    sock: Any

    # http.client prints whole requests, keys included, when somebody sets its global debug level.
    debuglevel = 0

    def connect(self) -> None:
        DEPARTURE.connecting = True
        try:
            # Also speaks to a proxy (CONNECT) and makes the TLS handshake: no part of our request yet.
            super().connect()  # type: ignore[misc]
        finally:
            DEPARTURE.connecting = False

    def send(self, data: Any) -> None:
        if not DEPARTURE.connecting:
            if self.sock is None:
                self.connect()
            DEPARTURE.left = True
        super().send(data)  # type: ignore[misc]


class _MarkingHTTPConnection(_Marking, HTTPConnection):
    pass


class _MarkingHTTPSConnection(_Marking, HTTPSConnection):
    pass


class _MarkingHTTPPool(HTTPConnectionPool):
    ConnectionCls = _MarkingHTTPConnection


class _MarkingHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _MarkingHTTPSConnection


_POOLS = {"http": _MarkingHTTPPool, "https": _MarkingHTTPSPool}


class MarkingAdapter(HTTPAdapter):
    """
    The transport adapter: never retries by itself, at most `max_connections` sockets a host.

    `DEPARTURE.left` is true after a failed `send` exactly when part of the request was handed to the network.
    """

    def __init__(self, max_connections: int) -> None:
        # Blocking pool: more threads than connections wait for one instead of opening and throwing away sockets.
        super().__init__(pool_connections=4, pool_maxsize=max_connections, pool_block=True, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
