"""Exclusive locks among the threads of a process and, through a lock file, among the processes of a machine."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse.contract import WarehouseError

if sys.platform != "win32":
    import fcntl

# Not `filelock`: it leaves its files in the user's folder, and without kernel locks it falls back to marker files that
# outlive a killed process.
_LOOK_AGAIN_SECONDS = 0.02

_locks_guard = threading.Lock()
_locks: dict[tuple[str, str], threading.Lock] = {}


@contextlib.contextmanager
def exclusive_lock(name: str, key: str, lock_file: Path | None, wait_seconds: float) -> Iterator[None]:
    """
    Hold the exclusive lock of `key` in the warehouse `name`.

    Args:
        lock_file: exists only while the lock is held; the kernel frees it when the holder dies. Unused on Windows, and
            None where there is no shared disk.

    Raises:
        WarehouseError: the lock was not free in time.
        ConfigurationError: no file can be created or locked there.
    """
    deadline = time.monotonic() + wait_seconds
    busy = f"{name} is in use by another load ({key}): try again later."
    with _locks_guard:
        lock = _locks.setdefault((name, key), threading.Lock())
    if not lock.acquire(timeout=max(0.0, wait_seconds)):
        raise WarehouseError(busy, retryable=True)
    try:
        if lock_file is None or sys.platform == "win32":
            yield
            return
        held = _take(lock_file)
        while held is None and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_SECONDS)
            held = _take(lock_file)
        if held is None:
            raise WarehouseError(busy, retryable=True)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock_file.unlink()
            os.close(held)
    finally:
        lock.release()


def _take(path: Path) -> int | None:
    """The lock's file descriptor, or None while another process holds it."""
    if sys.platform == "win32":
        raise NotImplementedError
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ConfigurationError(f"{path.parent} cannot be written to: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have removed the file in between; the lock would then be on a deleted file.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise ConfigurationError(f"{path.parent} cannot be locked: {error.strerror}.") from None
    os.close(descriptor)
    return None
