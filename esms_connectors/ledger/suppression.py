"""Phones that get no advertising: opt-outs, the Do-Not-Call list, dead numbers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pendulum
import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.guard_database import GuardDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BATCH = 1000


def listed(database: GuardDatabase, connection: Connection, phones: Sequence[str], at: DateTime) -> dict[str, str]:
    """Which of these phones, in their stored form, are on the list at that time: phone -> reason."""
    statement = _listed(database.given(phone="text"))
    parameters = {"rows": json.dumps([{"phone": one} for one in phones]), "now": milliseconds(at)}
    return {row.phone: row.reason for row in connection.execute(statement, parameters)}


@functools.cache
def _listed(given: str) -> sa.TextClause:
    """Cached, because SQLAlchemy parses a text for its parameters each time one is created."""
    return sa.text(
        f"SELECT phone, reason FROM esms_suppressed WHERE phone IN (SELECT phone FROM {given}) "
        "AND (expires_ms IS NULL OR expires_ms > :now)"
    )


class Suppression:
    """
    The list of one ledger. Phones are stored as in the ledger: plain, or hashed with its secret.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def add(
        self, phones: Iterable[str], *, reason: str, source: str = "by hand", expires: datetime | None = None
    ) -> int:
        """
        Add phones, in any spelling; an existing entry gets the new reason and expiry.

        Returns:
            The number of new entries.

        Raises:
            InvalidRequestError: no reason, an expiry in the past, or not a Vietnamese mobile number; phones before that
                one may have been added already.
        """
        if not reason.strip():
            raise InvalidRequestError("Give a reason why the phone is suppressed.", field="reason")
        now = self._database.now_ms()
        expires_ms = None if expires is None else milliseconds(pendulum.instance(expires))
        if expires_ms is not None and expires_ms <= now:
            raise InvalidRequestError("expires lies in the past: the entry would never apply.", field="expires")
        self._check_secret()
        statement = sa.text(
            # Names of columns only; the values are parameters.
            "INSERT INTO esms_suppressed (phone, phones, reason, source, added_ms, expires_ms) "
            f"SELECT phone, :mark, :reason, :source, :now, :expires FROM {self._database.given(phone='text')} "
            "WHERE true ORDER BY phone ON CONFLICT (phone) DO UPDATE SET reason = excluded.reason, "
            "source = excluded.source, expires_ms = excluded.expires_ms"
        )
        parameters = {
            "mark": self._database.keys.mark,
            "reason": reason.strip()[:300],
            "source": source[:100],
            "now": now,
            "expires": expires_ms,
        }
        added, numbers = 0, (normalise_phone(phone) for phone in phones)
        while batch := list(dict.fromkeys(islice(numbers, _BATCH))):
            rows = self._database.phones(batch)
            with self._database.writing() as connection:
                known = connection.execute(self._known(), {"rows": rows}).scalar_one()
                connection.execute(statement, {**parameters, "rows": rows})
            added += len(batch) - known
        return added

    def _known(self) -> sa.TextClause:
        given = self._database.given(phone="text")
        return sa.text(f"SELECT count(*) FROM esms_suppressed WHERE phone IN (SELECT phone FROM {given})")

    def remove(self, phones: Iterable[str]) -> int:
        """Remove phones, in any spelling; returns how many were listed. InvalidRequestError: not a mobile number."""
        rows = self._database.phones([normalise_phone(phone) for phone in phones])
        given = self._database.given(phone="text")
        statement = sa.text(f"DELETE FROM esms_suppressed WHERE phone IN (SELECT phone FROM {given})")
        with self._database.writing() as connection:
            return connection.execute(statement, {"rows": rows}).rowcount

    def found(self, phones: Sequence[str]) -> dict[int, str]:
        """Which of these phones, in the form that is sent, are on the list now: position -> reason."""
        stored = [self._database.keys.stored(phone) for phone in phones]
        with self._database.reading() as connection:
            reasons = listed(self._database, connection, stored, self._database.now())
        return {place: reasons[one] for place, one in enumerate(stored) if one in reasons}

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries, streamed, in the order of their addition; phones in their stored form."""
        statement = sa.text(
            "SELECT phone, reason, source, added_ms, expires_ms FROM esms_suppressed ORDER BY added_ms, phone"
        )
        with self._database.reading(yield_per=1000) as connection:
            for row in connection.execute(statement).mappings():
                yield dict(row)

    def check(self) -> None:
        """
        Check that the list can be used.

        Raises:
            ConfigurationError: its phones were hashed with another secret, or without one, so none would ever match.
        """
        self._check_secret()

    def _check_secret(self) -> None:
        statement = sa.text("SELECT min(phones) AS low, max(phones) AS high FROM esms_suppressed")
        with self._database.reading() as connection:
            marks = connection.execute(statement).one()
        if any(mark not in (None, self._database.keys.mark) for mark in marks):
            raise ConfigurationError(
                "The suppression list was created with another secret for its phones, or with none: nobody on it "
                "would be found. Use the same secret; nothing was sent."
            )
