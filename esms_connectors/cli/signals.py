"""Ctrl-C, and the signals of those who end a command from outside: all let it settle what is under way."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_MOMENT_SECONDS = 0.02
# A container, a service or a CI job that is stopped; a terminal that is closed.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """
    What ended the command, if anything did from outside.

    Attributes:
        words: for people.
        exit_code: 128 and the number of the signal, as shells have it.
    """

    def __init__(self) -> None:
        self._signal: signal.Signals = signal.SIGINT
        self._told = False

    @property
    def words(self) -> str:
        return "interrupted" if self._signal is signal.SIGINT else f"told to end ({self._signal.name})"

    @property
    def exit_code(self) -> int:
        return 128 + self._signal

    @contextmanager
    def heard(self) -> Iterator[None]:
        """
        The signals count as Ctrl-C, once each: whoever sends one again does not mean that less should be settled. One
        that is ignored, as under nohup, stays ignored.

        Ctrl-C counts also where Python ignores what is raised: in a finalizer, such as that of a connection.

        Raises:
            KeyboardInterrupt: at once, a moment later, or at the end.
        """
        before = sys.unraisablehook
        again: list[threading.Timer] = []

        def tell(ignored: sys.UnraisableHookArgs) -> None:
            if issubclass(ignored.exc_type, KeyboardInterrupt):
                self._told = False
                again.append(threading.Timer(_MOMENT_SECONDS, _thread.interrupt_main, [self._signal]))
                again[-1].start()
            # What the finalizer would have closed, the end of the process does.
            elif not (again and issubclass(ignored.exc_type, ResourceWarning)):
                before(ignored)

        sys.unraisablehook = tell
        earlier = self._listen()
        try:
            yield
            for timer in again:
                timer.join()
        finally:
            for timer in again:
                timer.cancel()
            sys.unraisablehook = before
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _listen(self) -> dict[signal.Signals, signal.Handlers]:
        """The signals that nobody else handles, and what happened on them before."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
        for number in ours:
            signal.signal(number, self._end)
        return dict.fromkeys(ours, signal.SIG_DFL)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if not self._told:
            self._told, self._signal = True, signal.Signals(number)
            raise KeyboardInterrupt
