"""The output folder of a demo. Files of an earlier demo are replaced; other files are kept."""

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
    Create the folder, or check that the demo may replace the files `names` in it, and lock it until the end.

    Raises:
        ConfigurationError: one of the files exists and was not written by a demo, or another demo is using the folder.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if not mark.exists():
        for name in names:
            if (folder / name).exists():
                raise ConfigurationError(
                    f"{folder / name} does not belong to a demo and would be lost: choose another --output."
                )
    # A kernel lock, so that a killed demo leaves none behind. Child servers do not inherit the file.
    with mark.open("ab") as file:
        in_use = False
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                in_use = True
        if in_use:
            raise ConfigurationError(
                f"{folder} is in use by another demo: wait until it ends, or choose another --output."
            )
        yield
