"""
Host names -> addresses within a time limit. `getaddrinfo` has none: with a name server that is silent it takes the
resolver's own patience, half a minute and more, which no timeout of a socket knows of.
"""

from __future__ import annotations

import socket
import threading

from urllib3.util.connection import allowed_gai_family

from esms_connectors.gateway.forks import tell_of_forks


class _LookUp:
    """One look-up in a thread of its own, for as many as wait for it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._done = threading.Event()
        self._found: list[str] = []
        self._error: tuple[type[Exception], tuple[object, ...]] | None = None
        # A daemon: a process that ends does not wait for a resolver that hangs.
        threading.Thread(target=self._run, name="esms-resolve", daemon=True).start()

    @property
    def over(self) -> bool:
        return self._done.is_set()

    def _run(self) -> None:
        try:
            answer = socket.getaddrinfo(self._host, self._port, allowed_gai_family(), socket.SOCK_STREAM)
            self._found = list(dict.fromkeys(str(address[0]) for *_, address in answer))
        except Exception as error:  # noqa: BLE001 - raised anew for each who waits
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
    """Repeats wait for a look-up that has not come back, so that hung threads do not pile up."""

    def __init__(self) -> None:
        self.after_fork()
        tell_of_forks(self)

    def after_fork(self) -> None:
        """The threads that would answer are the other process's."""
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
