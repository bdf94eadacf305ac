"""Drops connections after a fork: two processes that share a connection corrupt each other's data."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An owner of connections."""

    def after_fork(self) -> None:
        """In the child process: drop all connections without writing to them."""
        ...


_ALL: weakref.WeakSet[Forkable] = weakref.WeakSet()


def register_for_forks(owner: Forkable) -> None:
    """Call `owner.after_fork` in each forked process for as long as `owner` exists."""
    _ALL.add(owner)


def _after_fork() -> None:
    for owner in list(_ALL):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
