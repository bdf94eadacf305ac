"""Maps errors of file systems and readers to one-line errors without the original text, which may quote rows."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from functools import partial

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, foreign_errors, raise_without_context
from esms_connectors.warehouse.contract import WarehouseError

# The user must fix these; a retry does not help.
_SET_UP = {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EEXIST,
}
# From a query, a streamed result, or streamed input. The word alone would not do: a text or a path may contain it.
_INTERRUPTED = re.compile(
    r"^Query interrupted$|^INTERRUPT Error|object registered as '\w+' failed: KeyboardInterrupt: ?$"
    r"|^(Failed to create view '\w+': )?KeyboardInterrupt: <EMPTY MESSAGE>\n"  # DuckDB 1.5; the traceback follows
)


@contextlib.contextmanager
def name_is_free(warehouse: str, name: str, *errors: type[Exception]) -> Iterator[None]:
    """
    Raises:
        ConfigurationError: the database reported, by one of `errors`, that the name of a view is taken.
    """
    try:
        yield
        return
    except errors:
        pass
    raise ConfigurationError(
        f"{warehouse}: {name} already exists and is not a view with these columns: drop or rename it, then try again."
    )


@contextlib.contextmanager
def refusals(subject: str, did: str) -> Iterator[None]:
    """
    Raises:
        ConfigurationError, WarehouseError: "`subject` `did`", with the reason.
    """
    with foreign_errors(partial(_refusal, subject, did)), interrupts():
        yield


@contextlib.contextmanager
def interrupts() -> Iterator[None]:
    """
    Raises:
        KeyboardInterrupt: where DuckDB or Arrow turned it into an error of their own.
    """
    try:
        yield
        return
    except EsmsError:
        raise
    except Exception as error:
        if not _INTERRUPTED.search(str(error)):
            raise
    raise_without_context(KeyboardInterrupt())


def _refusal(subject: str, did: str, error: Exception) -> EsmsError:
    if not isinstance(error, OSError):  # each store has errors of its SDK
        return WarehouseError(f"{subject} {did} ({type(error).__name__}).", retryable=True)
    number = error.errno
    if number is None:
        # s3fs and others raise these without an errno.
        number = {PermissionError: errno.EACCES, FileNotFoundError: errno.ENOENT}.get(type(error))
    reason = os.strerror(number) if number else type(error).__name__
    if number in _SET_UP:
        return ConfigurationError(f"{subject} {did}: {reason}.")
    return WarehouseError(f"{subject} {did}: {reason}.", retryable=True)
