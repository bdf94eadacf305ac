"""The folder of a demonstration. What an earlier one left there is replaced; what is anybody else's stays."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

_MARK = ".esms-demo"


@contextlib.contextmanager
def claim_folder(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """
    Make the folder, or see that the demonstration may replace `names` in it; it is this one's until the end.

    Raises:
        ConfigurationError: one of them is there, and no demonstration made the folder its own; or another demonstration
            is at work in it.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if not mark.exists():
        for name in names:
            if (folder / name).exists():
                raise ConfigurationError(f"{folder / name} is of no demo and would be lost: choose another --output.")
    # The lock is the kernel's: a demonstration that is killed leaves none behind. Servers do not inherit the file.
    with mark.open("ab") as file:
        in_use = False
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                in_use = True
        if in_use:
            raise ConfigurationError(
                f"{folder} is in use by another demo: wait for its end, or choose another --output."
            )
        yield
