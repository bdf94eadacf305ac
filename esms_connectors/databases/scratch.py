"""
Temporary folders for personal data: readable by their owner only, and removed by the next process if the one that
created them was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

_PREFIX = "esms-"
_LOCK = ".esms-scratch.lock"

_swept_in: set[str] = set()


@contextlib.contextmanager
def scratch_folder(prefix: str = _PREFIX) -> Iterator[Path]:
    """
    A temporary folder, removed at the end of the block; after kill -9, when the next process creates its first one.

    Args:
        prefix: of its name; begins with `esms-`.

    Raises:
        ConfigurationError: it cannot be created.
    """
    root = tempfile.gettempdir()
    if root not in _swept_in:
        _swept_in.add(root)
        sweep(Path(root))
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        lock = _lock(folder)
        inside = folder / "files"
        inside.mkdir()
    except OSError as error:
        raise ConfigurationError(
            f"No temporary folder can be created ({error.strerror}): set TMPDIR to another."
        ) from None
    try:
        yield inside
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep(root: Path) -> None:
    """Remove the folders that killed processes of this user left among the temporary files."""
    if sys.platform == "win32":
        return
    for folder in root.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        with contextlib.suppress(OSError):
            if folder.is_symlink() or lock.lstat().st_uid != os.getuid():
                continue
            descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                # The kernel releases the lock of a dead process; that of a live one cannot be taken.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """A lock held until this process ends. The file is renamed when locked, so nobody finds it unlocked before."""
    if sys.platform == "win32":
        return None
    unnamed = folder / f"{_LOCK}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return descriptor
