"""What is at a path that a person gave."""

from __future__ import annotations

import os
import stat
from typing import Literal

from esms_connectors.gateway.errors import ConfigurationError


def kind_at(path: str | os.PathLike[str]) -> Literal["file", "folder", "other", "nothing"]:
    """
    Unlike `Path.exists`, which raises other errors or, in later Python versions, says that a file without permission
    does not exist: a ledger that is taken for missing would be created anew.

    Raises:
        ConfigurationError: it cannot be told: no permission, or a name that is too long.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except OSError as error:
        reason = error.strerror
    else:
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"
    raise ConfigurationError(f"{os.fspath(path)} cannot be read: {reason}.")
