"""The folder of a demonstration. What an earlier one left there is replaced; what is anybody else's stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError

_MARK = ".esms-demo"


def claim_folder(folder: Path, names: Iterable[str]) -> None:
    """
    Make the folder, or see that the demonstration may replace `names` in it.

    Raises:
        ConfigurationError: one of them is there, and no demonstration made the folder its own.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _MARK
    if not mark.exists():
        for name in names:
            if (folder / name).exists():
                raise ConfigurationError(f"{folder / name} is of no demo and would be lost: choose another --output.")
    mark.touch()
