"""Connections do not survive a fork: two processes that use one garble what the other says."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Somebody who holds connections."""

    def after_fork(self) -> None:
        """In the new process: forget all connections, without a word on any of them."""
        ...


_ALL: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_of_forks(owner: Forkable) -> None:
    """From now on, as long as `owner` lives, each forked process calls its `after_fork`."""
    _ALL.add(owner)


def _after_fork() -> None:
    for owner in list(_ALL):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
