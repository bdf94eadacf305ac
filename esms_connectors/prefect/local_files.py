"""Checks that files of a run outlive it, and that stored paths name the same file in every run."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from esms_connectors.gateway.errors import ConfigurationError

_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
# Folders that process workers create for a run, and runners for fetched code; both are deleted when it ends.
_MADE_FOR_A_RUN = re.compile(r"tmp[^/]{8}prefect|runner_storage")


def check_lasts(path: Path | None, what: str) -> None:
    """
    Check that a file outlives the run that writes it.

    Raises:
        ConfigurationError: it is in the folder that a worker created for this run.
    """
    folder = None if path is None else _folder_of_a_run(path)
    if folder is not None:
        raise ConfigurationError(
            f"{what} would be in {folder}, which the worker deletes after the run. Give an absolute path elsewhere."
        )


def check_stored(path: Path | None, what: str) -> None:
    """
    Check that a stored path names the same file wherever it is read.

    Raises:
        ConfigurationError: it is relative, and each worker runs in a separate folder.
    """
    if path is not None and not path.is_absolute():
        raise ConfigurationError(
            f"{what} is the relative path {path}, which is another file in each working folder. Save it again with an "
            "absolute path, or from Python, which makes the path absolute."
        )


def in_container() -> bool:
    """Whether this process runs in a container."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) or any(map(os.path.exists, _CONTAINER_MARKS))


def is_lost_with_container(path: Path | None) -> bool:
    """Whether a file is removed with the container of this process; one on a volume is not."""
    return path is not None and in_container() and not _is_on_volume(path)


def _is_on_volume(path: Path) -> bool:
    absolute = path.absolute()
    folder = next(one for one in (absolute, *absolute.parents) if one.exists())
    return folder.stat().st_dev != Path(absolute.anchor).stat().st_dev


def local_file(target: str) -> Path | None:
    """The path that `target` names on this machine; None for an object store or a server."""
    if target.lower().startswith("file://"):
        return Path(unquote(urlsplit(target).path))
    return None if "://" in target else Path(target)


def _folder_of_a_run(path: Path) -> Path | None:
    temporary = Path(tempfile.gettempdir()).resolve()
    absolute = path.absolute().resolve()
    if not absolute.is_relative_to(temporary) or absolute == temporary:
        return None
    first = absolute.relative_to(temporary).parts[0]
    return temporary / first if _MADE_FOR_A_RUN.fullmatch(first) else None
