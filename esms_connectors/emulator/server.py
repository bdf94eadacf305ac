"""The emulator on a real socket on loopback, including faults at the level of connections."""

from __future__ import annotations

import contextlib
import errno
import http.client
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType, TracebackType
from typing import Any, cast

from .callbacks import CallbackWorker, is_loopback
from .control import control_reply
from .emulator import Emulator
from .progress import RealClock, VirtualClock
from .settings import configured
from .wire import Reply, Request
from .world import DEMO_API_KEY, DEMO_SECRET_KEY

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class PortInUseError(OSError):
    """The port is in use. Stop the other process, or choose another port (0 = any free one)."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"port {port} on {host} is already in use; stop what listens there, or choose another (0 = any free one)",
        )
        self.host = host
        self.port = port


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    @property
    def _listener(self) -> _Listener:
        return cast("_Listener", self.server)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read_body(headers)
        request = Request(self.command, path, query, headers, body, self.client_address[0])
        listener = self._listener
        if listener.latency_seconds:
            listener.wait(listener.latency_seconds)
        reply = control_reply(listener.emulator, request)
        if reply is None:
            reply = listener.emulator.answer(request, sleep=listener.wait)
        self._send(reply)

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, reply: Reply) -> None:
        if reply.connection != "open":
            self.close_connection = True
            if reply.connection == "refuse":
                self._listener.reset_on_close(self.connection)
            return
        length = len(reply.body) if reply.declared_length is None else reply.declared_length
        lines = [
            f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, 'Unknown')}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        if reply.declared_length is not None:
            self.close_connection = True
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        # One write for head and body: Nagle's algorithm would delay the second of two small writes.
        self.wfile.write(head + reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: request lines contain keys, and the call log has more details."""


class _Listener(ThreadingHTTPServer):
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], emulator: Emulator, latency_seconds: float) -> None:
        self.emulator = emulator
        self.latency_seconds = latency_seconds
        self.stopping = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._resetting: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer resolves the host's name here, which may take seconds on a machine without a resolver.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def wait(self, seconds: float) -> None:
        """Sleep, at most until the server stops."""
        self.stopping.wait(seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Daemon threads, so that an unclosed server does not keep the program alive; closing joins all of them.
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="esms-emulator-call", daemon=True
        )
        with self._connections_lock:
            self._connections[request] = thread
        thread.start()

    def reset_on_close(self, connection: socket.socket) -> None:
        """Close this connection with a reset instead of an orderly shutdown."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._resetting.add(connection)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.pop(request, None)
        if request in self._resetting:
            self._resetting.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the port and every open connection, including idle keep-alive ones, and join their threads."""
        super().server_close()
        with self._connections_lock:
            open_now = dict(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in open_now.values():
            # A hook may stop the server from within a call.
            if thread is not threading.current_thread():
                thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or time out, which is expected; report other errors as usual."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class EmulatorServer:
    """
    An emulator listening on an address. A context manager; alternatively call `start` and `stop`.

    After the start, `port` is the actual port. Starting raises `PortInUseError` if the port is in use.
    """

    def __init__(
        self, emulator: Emulator, *, port: int = 0, host: str = "127.0.0.1", latency_seconds: float = 0.0
    ) -> None:
        self.emulator = emulator
        self.host = host
        self._latency_seconds = latency_seconds
        self.port = port
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._worker: CallbackWorker | None = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:port`, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    @property
    def latency_seconds(self) -> float:
        """Real seconds added to every answer; may be changed while serving."""
        return self._latency_seconds

    @latency_seconds.setter
    def latency_seconds(self, seconds: float) -> None:
        self._latency_seconds = seconds
        if self._listener is not None:
            self._listener.latency_seconds = seconds

    def start(self) -> EmulatorServer:
        """Start serving."""
        self._accept()
        self._worker = CallbackWorker(lambda stopping: self.emulator.callbacks.run_due(stopping))
        self._worker.start()
        return self

    def stop(self) -> None:
        """Stop serving, close every connection, and wait for all threads."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._hang_up()

    def refuse_connections(self) -> None:
        """Close the port, as if the gateway were down: clients get "connection refused" until `accept_connections`."""
        self._hang_up()

    def accept_connections(self) -> None:
        """Open the same port again."""
        if self._thread is None:
            self._accept()

    def _accept(self) -> None:
        try:
            listener = _Listener((self.host, self.port), self.emulator, self._latency_seconds)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(self.host, self.port) from None
            raise
        self._listener, self.port = listener, listener.server_port
        self._thread = threading.Thread(
            target=listener.serve_forever, kwargs={"poll_interval": 0.01}, name="esms-emulator", daemon=True
        )
        self._thread.start()

    def _hang_up(self) -> None:
        listener, thread = self._listener, self._thread
        if listener is None or thread is None:
            return
        listener.stopping.set()
        listener.shutdown()
        thread.join()
        listener.server_close()
        self._listener = self._thread = None

    def __enter__(self) -> EmulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def run_server(
    port: int = 8089,
    host: str = "127.0.0.1",
    *,
    seed: int = 2024,
    latency_seconds: float = 0.0,
    populate: int = 0,
    virtual_clock: str | None = None,
    settings: Sequence[str] = (),
    emulator: Emulator | None = None,
) -> None:
    """
    Serve until SIGTERM or SIGINT (Ctrl-C), as `esms emulator` and `python -m esms_connectors.emulator` do.

    Args:
        seed: seed of a new emulator; latency_seconds: added to every answer.
        populate: initial number of finished customer-care messages, dated yesterday.
        virtual_clock: ISO text (Vietnamese time) for a clock that moves only through the control endpoints.
        settings: `name=value` for a new emulator, see `settings.configured`.
        emulator: serve this one instead of a new one.

    Raises:
        PortInUseError: the port is in use.
        SettingError: an unknown setting, or an invalid value.
        ValueError: the time of the virtual clock cannot be parsed.
    """
    clock = VirtualClock(virtual_clock) if virtual_clock else RealClock()
    emulator = emulator or Emulator(configured(settings, seed=seed), clock)
    server = EmulatorServer(emulator, port=port, host=host, latency_seconds=latency_seconds)
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    earlier = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with server:
            if populate:
                emulator.populate(populate)
            _say(
                f"eSMS emulator on {server.base_url} (seed {emulator.config.seed}); a live page is at the same address"
            )
            if not is_loopback(server.base_url):
                _say("  anyone who reaches this address can send, read and change: there is no password")
            _say(f"  export ESMS_BASE_URL={server.base_url}")
            _say(f"  export ESMS_API_KEY={DEMO_API_KEY}")
            _say(f"  export ESMS_SECRET_KEY={DEMO_SECRET_KEY}")
            ended.wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    _say("eSMS emulator stopped")


def _say(line: str) -> None:
    # The parent process may have closed the pipe; that is not an error.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
