"""
How a block's method comes in two forms. Prefect's own collections use this private decorator; it is imported here only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from prefect._internal.compatibility.async_dispatch import async_dispatch

__all__ = ["async_dispatch", "in_sync"]


def in_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Prefect's that never becomes a coroutine: our threads may belong to an async flow."""
    return partial(function, _sync=True)
