"""Checks whether a ledger exists without creating one, for callers that only read."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.paths import kind_at
from esms_connectors.ledger.addresses import ledger_file, not_a_ledger, read_only

# The process that closes a file last removes its journal, possibly between the check for it and the opening.
_TRIES = 3


class NoLedgerError(ConfigurationError):
    """There is no ledger at this address."""


def check_exists(url: str | Path | None) -> None:
    """
    Check that a ledger exists, so that a mistyped address does not create an empty one.

    Raises:
        NoLedgerError: there is none. ConfigurationError: something else is there.
    """
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    from esms_connectors.ledger.engines import engine_for
    from esms_connectors.ledger.schema import version

    path = ledger_file(url)
    if path is not None:
        _check_file(path, version.name)
        return
    try:
        engine = engine_for(url)
        found = sa.inspect(engine).has_table(version.name)
        engine.dispose()
    except SQLAlchemyError:
        return  # opening the ledger reports the error
    if not found:
        raise NoLedgerError("There is no ledger in that database: give another address, or leave it out.")


def _check_file(path: Path, table: str) -> None:
    if kind_at(path) != "file":
        raise NoLedgerError(f"There is no ledger at {path}: give another path, or leave it out.")
    # Not with the ledger's engine, which would switch the file to WAL mode.
    for _ in range(_TRIES):
        try:
            with contextlib.closing(sqlite3.connect(read_only(path), uri=True)) as connection:
                found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [table]).fetchall()
        except sqlite3.Error as error:
            failure = error
        else:
            break
    else:
        if failure.sqlite_errorcode & 0xFF != sqlite3.SQLITE_NOTADB:
            raise ConfigurationError(f"The ledger {path} cannot be opened: {_reason(path, failure)}.")
        found = []
    if not found:
        raise not_a_ledger(path)


def _reason(path: Path, failure: sqlite3.Error) -> str:
    """SQLite's words, which do not say that a file was copied with its journal to where nothing can be written."""
    journal, index = (path.with_name(f"{path.name}-{suffix}") for suffix in ("wal", "shm"))
    if journal.exists() and not index.exists():
        return f"its journal {journal.name} can only be read in a folder that can be written; copy both files"
    return str(failure)
