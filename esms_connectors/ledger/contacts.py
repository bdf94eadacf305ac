"""How often a phone was written to, over all runs of a ledger: messages that count for a cap."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.ledger.dating import milliseconds
from esms_connectors.ledger.guard_database import GuardDatabase

# Messages of the same class to the phone of `given`, in the hours before and after.
_OTHERS = (
    "esms_contacts AS other WHERE other.phone = given.phone AND other.message_class = CAST(:class AS text) "
    "AND other.arrives_ms > CAST(:arrives AS bigint) - CAST(:span AS bigint) "
    "AND other.arrives_ms < CAST(:arrives AS bigint) + CAST(:span AS bigint)"
)


class Contacts:
    """
    Messages of capped classes, by row: each counts from before it is claimed until it was refused for good.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def reserve(
        self,
        run_key: str,
        rows: Sequence[tuple[str, str]],
        message_class: str,
        *,
        most: int,
        hours: int,
        arrives: DateTime,
    ) -> set[int]:
        """
        Count one message more for each row whose phone has room for it, never more than `most` in `hours` before or
        after it, whoever else counts at the same time. Counting a row again changes nothing but its time.

        Args:
            rows: row key and phone of each, no phone twice.

        Returns:
            Places in the list given of the rows that found no room.
        """
        ids, records = self._records(run_key, rows)
        given = self._database.given(request_id="text", phone="text")
        statement = sa.text(
            # Names of columns only; the values are parameters.
            "INSERT INTO esms_contacts (request_id, phone, message_class, arrives_ms) "  # noqa: S608
            f"SELECT request_id, phone, CAST(:class AS text), CAST(:arrives AS bigint) FROM {given} "
            f"WHERE (SELECT count(*) FROM {_OTHERS} AND other.request_id <> given.request_id) < :most "
            # Another worker may have been told meanwhile that nobody gets it.
            "AND NOT EXISTS (SELECT 1 FROM esms_sends WHERE esms_sends.request_id = given.request_id "
            "AND esms_sends.state = 'rejected') "
            "ON CONFLICT (request_id) DO UPDATE SET arrives_ms = excluded.arrives_ms RETURNING request_id"
        )
        parameters = _parameters(records, message_class, most, hours, arrives)
        with self._database.writing() as connection:
            # Two that count the same phones at once would each find room for the last message.
            self._database.take_turn(connection, "contacts")
            with_room = set(connection.execute(statement, parameters).scalars())
        return {place for place, request_id in enumerate(ids) if request_id not in with_room}

    def full(
        self,
        run_key: str,
        rows: Sequence[tuple[str, str]],
        message_class: str,
        *,
        most: int,
        hours: int,
        arrives: DateTime,
    ) -> set[int]:
        """As `reserve` would tell now, and nothing is counted: places of the rows that would find no room."""
        ids, records = self._records(run_key, rows)
        statement = sa.text(
            f"SELECT request_id FROM {self._database.given(request_id='text', phone='text')} "  # noqa: S608
            f"WHERE (SELECT count(*) FROM {_OTHERS} AND other.request_id <> given.request_id) >= :most"
        )
        parameters = _parameters(records, message_class, most, hours, arrives)
        with self._database.reading() as connection:
            found = set(connection.execute(statement, parameters).scalars())
        return {place for place, request_id in enumerate(ids) if request_id in found}

    def _records(self, run_key: str, rows: Sequence[tuple[str, str]]) -> tuple[list[str], str]:
        """The request ids, and the rows as `given` takes them."""
        keys = self._database.keys
        ids = list(keys.request_ids(run_key, [row_key for row_key, _ in rows]))
        records = [
            {"request_id": request_id, "phone": keys.stored(phone)}
            for request_id, (_, phone) in zip(ids, rows, strict=True)
        ]
        return ids, json.dumps(records)

    def release(self, request_ids: Sequence[str]) -> None:
        """These were refused for good: nobody got them."""
        given = self._database.given(request_id="text")
        statement = sa.text(f"DELETE FROM esms_contacts WHERE request_id IN (SELECT request_id FROM {given})")  # noqa: S608
        with self._database.writing() as connection:
            connection.execute(statement, {"rows": json.dumps([{"request_id": one} for one in request_ids])})


def _parameters(records: str, message_class: str, most: int, hours: int, arrives: DateTime) -> dict[str, object]:
    return {
        "rows": records,
        "class": message_class,
        "arrives": milliseconds(arrives),
        "span": hours * 3_600_000,
        "most": most,
    }
