"""A server that answers with given bytes, one canned answer after the other; the last one again and again."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

Answer = bytes | Callable[[socket.socket, bytes], None]


def http_answer(body: bytes | str, *, status: str = "200 OK", headers: Iterable[str] = ()) -> bytes:
    """A complete HTTP answer that ends its connection."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


class RawServer:
    """
    Listens on loopback and keeps count of connections and requests; a context manager.

    Args:
        answers: bytes to send, or a function of (socket, request) that does as it likes. Bytes whose head says
            "Connection: close" end the connection.
        tls: speaks TLS with this context.
        greeting: says this at once and hangs up, whoever calls.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._tls = tls
        self._greeting = greeting
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(1)
        self.port = self._listener.getsockname()[1]
        scheme = "http" if tls is None else "https"
        self.base_url = f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        # Wakes the accepting thread, which would otherwise wait for its next look.
        socket.create_connection(("127.0.0.1", self.port)).close()
        with self._lock:
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self.stopping.is_set():
                connection.close()
                return
            connection.settimeout(5)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self.connections += 1
                self._sockets.add(connection)
            if self._greeting:
                connection.sendall(self._greeting)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65536)
                return
            while request := read_request(connection):
                with self._lock:
                    self.requests.append(request)
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if callable(answer):
                    answer(connection, request)
                    return
                connection.sendall(answer)
                if b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower():
                    return
        except OSError:
            return
        finally:
            with self._lock:
                self._sockets.discard(connection)
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    """One request with its body; empty when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


def drip(
    head: bytes, *, seconds_apart: float = 0.03, count: int = 400, byte: bytes = b" "
) -> Callable[[socket.socket, bytes], None]:
    """An answer whose rest comes a byte at a time."""

    def send(connection: socket.socket, request: bytes) -> None:
        connection.sendall(head)
        for _ in range(count):
            time.sleep(seconds_apart)
            connection.sendall(byte)

    return send
