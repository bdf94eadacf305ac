"""File systems of folders and objects, opened by an address of fsspec."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from esms_connectors.gateway.errors import ConfigurationError, foreign_errors


def open_file_system(address: str, what: str, **options: Any) -> tuple[Any, str]:
    """
    The file system of an address, and the path in it.

    Args:
        what: names the address in errors.
        options: for the file system, such as its keys.

    Raises:
        ConfigurationError: a package is missing, or the address cannot be used.
    """
    scheme = urlsplit(address).scheme if "://" in address else "file"

    def unusable(error: Exception) -> ConfigurationError:
        if isinstance(error, ImportError):  # fsspec itself, or s3fs, gcsfs, adlfs: fsspec says which
            package = error.name or error
            problem = f"files on {scheme}:// need the extra [files], and a package for the scheme ({package})"
        else:
            problem = f"the address {scheme}://… cannot be used ({type(error).__name__})"
        return ConfigurationError(f"{what}: {problem}.")

    with foreign_errors(unusable):
        from fsspec.core import url_to_fs

        file_system, path = url_to_fs(address, **options)
    return file_system, str(path)


def is_local(file_system: Any) -> bool:
    """Whether its files are those of this machine."""
    protocols = file_system.protocol
    return "file" in ([protocols] if isinstance(protocols, str) else protocols)


def shown_address(address: str, path: str) -> str:
    """The address of a path, without what it says of the user."""
    return f"{urlsplit(address).scheme}://{path.rpartition('://')[2].rpartition('@')[2].lstrip('/')}"
