"""
Resolves host names within a time limit. `getaddrinfo` has none: with an unresponsive name server it takes half a minute
or more, and socket timeouts do not apply to it.
"""

from __future__ import annotations

import socket
import threading

from urllib3.util.connection import allowed_gai_family

from esms_connectors.gateway.forks import register_for_forks


class _LookUp:
    """One look-up in its own thread, shared by all callers that wait for it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._done = threading.Event()
        self._found: list[str] = []
        self._error: tuple[type[Exception], tuple[object, ...]] | None = None
        # A daemon thread, so that process exit does not wait for a hanging resolver.
        threading.Thread(target=self._run, name="esms-resolve", daemon=True).start()

    @property
    def over(self) -> bool:
        return self._done.is_set()

    def _run(self) -> None:
        try:
            answer = socket.getaddrinfo(self._host, self._port, allowed_gai_family(), socket.SOCK_STREAM)
            self._found = list(dict.fromkeys(str(address[0]) for *_, address in answer))
        except Exception as error:  # noqa: BLE001 - raised again for each waiting caller
            self._error = type(error), error.args
        finally:
            self._done.set()

    def wait(self, seconds: float) -> list[str]:
        if not self._done.wait(seconds):
            raise TimeoutError
        if self._error is not None:
            kind, args = self._error
            raise kind(*args)
        return self._found


class _Resolver:
    """Shares pending look-ups between callers, so that hanging threads do not pile up."""

    def __init__(self) -> None:
        self.after_fork()
        register_for_forks(self)

    def after_fork(self) -> None:
        """Forget pending look-ups: their threads exist only in the parent process."""
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], _LookUp] = {}

    def resolve(self, host: str, port: int, seconds: float) -> list[str]:
        """
        Addresses of a host, in the resolver's order.

        Raises:
            TimeoutError: the resolver did not answer in time.
            OSError, UnicodeError: as `socket.getaddrinfo`.
        """
        with self._lock:
            look_up = self._pending.get((host, port))
            if look_up is None or look_up.over:
                look_up = self._pending[host, port] = _LookUp(host, port)
        return look_up.wait(seconds)


resolve = _Resolver().resolve
