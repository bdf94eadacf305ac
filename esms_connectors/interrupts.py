"""Interrupts that arrive in a finalizer, such as that of a connection, where Python ignores exceptions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MOMENT_SECONDS = 0.02


@contextmanager
def repeated_interrupts(kind: type[BaseException], repeat: Callable[[], None]) -> Iterator[list[threading.Timer]]:
    """
    Repeat an interrupt that Python ignored; yields the repeats that are under way, which end with the block.

    Args:
        kind: what the handler of the signal raises.
        repeat: sends the signal again; called in another thread.
    """
    before = sys.unraisablehook
    again: list[threading.Timer] = []

    def repeat_ignored(ignored: sys.UnraisableHookArgs) -> None:
        if issubclass(ignored.exc_type, kind):
            again.append(threading.Timer(_MOMENT_SECONDS, repeat))
            again[-1].start()
        # The process end closes what the interrupted finalizer would have closed.
        elif not (again and issubclass(ignored.exc_type, ResourceWarning)):
            before(ignored)

    sys.unraisablehook = repeat_ignored
    try:
        yield again
    finally:
        for timer in again:
            timer.cancel()
        sys.unraisablehook = before
