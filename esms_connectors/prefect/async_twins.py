"""
Sync and async forms of tasks and block methods. Prefect's own collections use a private decorator for blocks; it is
imported only here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from prefect._internal.compatibility.async_dispatch import async_dispatch

__all__ = ["async_dispatch", "async_twin", "in_sync"]

P = ParamSpec("P")
R = TypeVar("R")


def async_twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The function for async flows, with the same arguments; it runs in a thread so as not to block the event loop."""

    @wraps(function)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(function, *args, **kwargs)

    twin.__name__ = f"a{function.__name__}"
    twin.__qualname__ = f"a{function.__qualname__}"
    twin.__doc__ = f"`{function.__name__}` for async flows; it does not block the event loop."
    return twin


def in_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    """A Prefect function that never returns a coroutine, although our threads may belong to an async flow."""
    return partial(function, _sync=True)
