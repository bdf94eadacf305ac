"""Connections to the ledger's database, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from esms_connectors.databases import postgresql
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import database_words

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

# A standby server, a missing grant, a file or disk mounted for reading.
_NOT_WRITABLE = ("25006", "42501", "attempt to write a readonly database")
_PASSING_IN_SQLITE = ("database is locked", "database or disk is full", "disk I/O error")


class LedgerError(EsmsError):
    """
    The database did not answer, or refused. Rows that were being sent are in doubt; repeating the call settles them.
    """

    retryable = True


class LedgerMovedError(LedgerError):
    """
    The file of the ledger is not the one that was opened. Its connections would still accept what no other process, and
    after this one nobody, can read.
    """

    retryable = False


@contextmanager
def guarded(connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
    """Convert the database's errors, whose texts quote statements, to a `LedgerError` of one line."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise no_answer(error) from None


def no_answer(error: SQLAlchemyError) -> LedgerError:
    said = getattr(error, "orig", None)
    if _state_of(said) in _NOT_WRITABLE or str(said) in _NOT_WRITABLE:
        failure = LedgerError(
            f"The ledger cannot be written: {database_words(error)}. Name one that can be, or grant it."
        )
        failure.retryable = False
        return failure
    return LedgerError(
        f"The ledger did not answer: {database_words(error)}. Run the same call again once it does: it resumes."
    )


def is_passing(error: DBAPIError) -> bool:
    """Whether the database did not open for a temporary reason, such as a restart."""
    said = error.orig
    if type(said).__module__.startswith("sqlite3"):
        return str(said) in _PASSING_IN_SQLITE
    return postgresql.is_passing(_state_of(said), str(said))


def _state_of(said: object) -> str | None:
    return getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
