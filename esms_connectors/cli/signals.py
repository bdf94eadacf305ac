"""Ctrl-C and termination signals; with all of them a command first settles the calls in flight."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from esms_connectors.interrupts import repeated_interrupts

# Sent when a container, a service or a CI job is stopped, or a terminal is closed.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """
    The signal that ended the command, if any.

    Attributes:
        words: text for humans.
        exit_code: 128 plus the signal number, as in shells.
    """

    def __init__(self) -> None:
        self._signal: signal.Signals = signal.SIGINT
        self._received = False

    @property
    def words(self) -> str:
        return "interrupted" if self._signal is signal.SIGINT else f"terminated ({self._signal.name})"

    @property
    def exit_code(self) -> int:
        return 128 + self._signal

    @contextmanager
    def handled(self) -> Iterator[None]:
        """
        Treat the signals as Ctrl-C, only once: a repeated signal must not interrupt settling. Ignored signals, as under
        nohup, stay ignored.

        Ctrl-C is not lost where Python ignores exceptions: in a finalizer, such as that of a connection.

        Raises:
            KeyboardInterrupt: immediately, shortly afterwards, or at the end.
        """
        earlier = self._listen()
        try:
            with repeated_interrupts(KeyboardInterrupt, self._interrupt_again) as again:
                yield
                for timer in again:
                    timer.join()
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _interrupt_again(self) -> None:
        self._received = False
        _thread.interrupt_main(self._signal)

    def _listen(self) -> dict[signal.Signals, signal.Handlers]:
        """Handle the signals that have no other handler, and return their previous handlers."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
        for number in ours:
            signal.signal(number, self._end)
        return dict.fromkeys(ours, signal.SIG_DFL)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if not self._received:
            self._received, self._signal = True, signal.Signals(number)
            raise KeyboardInterrupt
