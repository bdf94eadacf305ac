"""The database of a ledger: opening, closing, forks and transactions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.forks import register_for_forks
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger.database import LedgerError, guarded
from esms_connectors.ledger.existence import check_exists
from esms_connectors.ledger.facts import GatewayFacts
from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.journeys import Journeys
from esms_connectors.ledger.keys import LedgerKeys

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from esms_connectors.ledger.guard_database import GuardDatabase
    from esms_connectors.ledger.guard_store import GuardStore
    from esms_connectors.ledger.people import People
    from esms_connectors.ledger.run_memory import RunMemory

logger = get_logger(__name__)

LEASE_SECONDS = 60.0
# Wait for readers of an old snapshot, which block the truncation of a SQLite file's journal.
_JOURNAL_SECONDS = 5.0


class LedgerStorage:
    """Base class of `Ledger`; arguments as there."""

    def __init__(
        self,
        engine: Engine,
        *,
        phone_secret: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        now: Callable[[], DateTime] | None = None,
        run_memory: RunMemory | None = None,
    ) -> None:
        ledger_schema, engines, schema_setup = _schema()
        self._engine = engines.for_ledger(engine)
        self._keys = LedgerKeys(phone_secret)
        self.lease_seconds = lease_seconds
        self._now = now or machine_clock.now
        self._run_memory = run_memory
        self._remembered: set[str] = set()
        # The row claimed last. Rows are never deleted, so a ledger without it has lost what was sent.
        self._last_claimed: str | None = None
        self._sql = ledger_schema.statements_for(self._engine.dialect.name)
        schema_setup.create_or_check(self._engine)
        register_for_forks(self)

    @classmethod
    def open(cls, url: str | Path | None = None, *, create: bool = True, **settings: Any) -> Self:
        """
        Open a ledger; create it on first use.

        Args:
            url: `sqlite:///path`, a path, `postgresql://…`, or None for a file in the user's data folder.
            create: False for callers that only read, such as a report: a missing ledger is not created, and a file that
                cannot be written is opened read-only.
            settings: arguments of the constructor.

        Raises:
            ConfigurationError: it cannot be used, or with `create=False` does not exist.
        """
        _, engines, _ = _schema()
        if not create:
            check_exists(url)
        return cls(engines.engine_for(url, create=create), **settings)

    @classmethod
    def from_env(cls, url: str | Path | None = None, *, create: bool = True, **settings: Any) -> Self:
        """
        Like `open`, with `ESMS_LEDGER` as the default URL, and with the phone secret `ESMS_LEDGER_SECRET`: if it is
        set, phones and row keys are stored as keyed hashes.
        """
        settings.setdefault("phone_secret", os.environ.get("ESMS_LEDGER_SECRET") or None)
        return cls.open(url or os.environ.get("ESMS_LEDGER") or None, create=create, **settings)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # Not the URL, whose options may contain a password. Must work on a half-constructed ledger, for error trackers.
        return f"Ledger({self.name if hasattr(self, '_engine') else '?'})"

    def after_fork(self) -> None:
        """In a forked process: use new connections, because the present ones belong to the parent."""
        _, engines, _ = _schema()
        engines.forget_connections(self._engine)

    @property
    def facts(self) -> GatewayFacts:
        """Facts learned about gateways."""
        return GatewayFacts(self._sql, self._reading, self._writing)

    @property
    def guard(self) -> GuardStore:
        """Suppressed phones, caps, charges, stop marks, overrides."""
        from esms_connectors.ledger.guard_store import GuardStore

        return GuardStore(self._guard_database())

    @property
    def people(self) -> People:
        """Personal data in the ledger, and its erasure."""
        from esms_connectors.ledger.people import People

        return People(self._guard_database(), self._clear_file)

    @property
    def journeys(self) -> Journeys:
        """Which runs are steps of one journey."""
        return Journeys(self._reading, self._writing)

    @property
    def name(self) -> str:
        """The location of the database for display, without a password."""
        _, _, schema_setup = _schema()
        return str(schema_setup.place_of(self._engine.url))

    def now(self) -> DateTime:
        return self._now()

    def hash_phone(self, phone: str) -> str:
        """A phone in this ledger's stored form."""
        return self._keys.stored(phone)

    def digest(self, text: str) -> str:
        """A hash of `text`, keyed if this ledger stores phones as keyed hashes."""
        return self._keys.hash(text)

    def check_phone_secret(self, run_key: str, about: Mapping[str, str]) -> None:
        """
        Check that phones can be compared with those of a run: with another secret none would ever match.

        Raises:
            InvalidRequestError: the run was begun with another secret, or without one.
        """
        if about.get("phones") != self._keys.mark:
            raise InvalidRequestError(
                f"run {run_key!r} was started with another secret for its phones, or with none. Use the same; nothing "
                "was sent.",
                field="phone_secret",
            )

    def _guard_database(self) -> GuardDatabase:
        from esms_connectors.ledger.guard_database import GuardDatabase

        return GuardDatabase(self._engine.dialect.name, self._keys, self._reading, self._writing, self._now)

    def _clear_file(self, traces: Sequence[str] = ()) -> None:
        """
        Remove old versions of rows from a SQLite file. They remain in the journal until it is truncated, and in pages
        that rows have moved out of until the file is vacuumed: `secure_delete` does not cover those.

        Args:
            traces: the file is vacuumed if it still contains one of them; always if none is given.
        """
        if self._engine.dialect.name != "sqlite":
            return
        self._empty_journal()
        if traces and not _is_in_file(str(self._engine.url.database), traces):
            return
        try:
            with guarded(lambda: self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")) as connection:
                connection.exec_driver_sql("VACUUM")
        except LedgerError as error:
            logger.warning(
                "%s: it could not be rewritten, so erased data may remain in its free pages; erase again when nobody "
                "else uses it and there is room for a second copy: %s",
                self.name,
                error,
            )
            return
        self._empty_journal()

    def _empty_journal(self) -> None:
        with guarded(lambda: self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")) as connection:
            usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(_JOURNAL_SECONDS * 1000)}")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {usual}")
        if busy:
            logger.warning(
                "%s: another process is reading, so erased data remains in the journal next to the file until the "
                "last process closes it",
                self.name,
            )

    def _now_ms(self) -> int:
        return milliseconds(self._now())

    def _writing(self) -> AbstractContextManager[Connection]:
        return guarded(self._engine.begin)

    def _reading(self, **options: Any) -> AbstractContextManager[Connection]:
        return guarded(lambda: self._engine.connect().execution_options(esms_reading=True, **options))


# Runs in a separate process: closing a SQLite file in this one would drop the POSIX locks of its connections.
_LOOK = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
    sys.exit(any(content.find(word) >= 0 for word in sys.stdin.buffer.read().splitlines()))
"""


def _is_in_file(file: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in the file; also True if the check fails."""
    command, said = [sys.executable, "-I", "-S", "-c", _LOOK, file], "\n".join(words).encode()
    return subprocess.run(command, input=said, capture_output=True, check=False).returncode != 0


def _schema() -> tuple[ModuleType, ModuleType, ModuleType]:
    """The modules `schema`, `engines` and `schema_setup`, loaded on first use because they import SQLAlchemy."""
    try:
        from esms_connectors.ledger import engines, schema, schema_setup
    except ImportError:
        raise ConfigurationError("The ledger needs the extra [ledger]: pip install 'esms-connectors[ledger]'") from None
    return schema, engines, schema_setup
