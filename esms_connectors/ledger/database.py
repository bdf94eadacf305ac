"""Connections to the ledger's database, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import database_words

if TYPE_CHECKING:
    from sqlalchemy import Connection


class LedgerError(EsmsError):
    """
    The database did not answer, or refused. Rows that were being sent are in doubt; repeating the call settles them.
    """

    retryable = True


@contextmanager
def guarded(connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
    """Convert the database's errors, whose texts quote statements, to a `LedgerError` of one line."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise LedgerError(
            f"The ledger did not answer: {database_words(error)}. Run the same call again once it does: it resumes."
        ) from None
