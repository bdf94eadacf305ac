"""Which allocator Arrow uses while a load runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pyarrow as pa

_guard = threading.Lock()
_running = 0
_before: pa.MemoryPool | None = None


@contextlib.contextmanager
def system_allocator() -> Iterator[None]:
    """
    Makes the system's allocator Arrow's default until the last of the loads that run at once has ended.

    Arrow's own keeps freed memory: 20 MB of the peak of a load into DuckDB. Only allocations of pyarrow are affected;
    for all of Arrow set `ARROW_DEFAULT_MEMORY_POOL=system` in the environment, as `esms` does.
    """
    global _running, _before
    with _guard:
        if not _running:
            _before = pa.default_memory_pool()
            pa.set_memory_pool(pa.system_memory_pool())
        _running += 1
    try:
        yield
    finally:
        with _guard:
            _running -= 1
            if not _running:
                pa.set_memory_pool(_before)
