"""Counts the messages per phone over all runs of a ledger, for frequency caps."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.row_rules import SAME_PHONE
from esms_connectors.ledger.rows import RULE_CODE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from esms_connectors.ledger.row_rules import RowRules

# Messages of the class to the phone of `given`: claimed, accepted and doubtful rows, and messages outside of runs.
_OTHERS = """
    (SELECT count(*) FROM esms_sends AS other WHERE other.phone = given.phone AND other.arrives_ms > :after
        AND other.arrives_ms < :before AND other.message_class = :class AND other.request_id <> given.request_id
        AND other.state NOT IN ('rejected', 'not_sent'))
    + (SELECT count(*) FROM esms_contacts AS single WHERE single.phone = given.phone AND single.arrives_ms > :after
        AND single.arrives_ms < :before AND single.message_class = :class AND single.request_id <> given.request_id)
"""


# A row that is skipped for this very reason does not count, or none of the two would ever be sent.
_UNDER_ANOTHER_KEY = """
SELECT request_id FROM {given} WHERE EXISTS (SELECT 1 FROM esms_sends AS other WHERE other.phone = given.phone
    AND other.run_key = :run_key AND other.request_id <> given.request_id
    AND other.state <> 'not_sent' AND coalesce(other.code, '') <> :skipped)
"""


def under_another_key(
    database: GuardDatabase, connection: Connection, records: Sequence[Mapping[str, Any]], run_key: str
) -> list[str]:
    """Request ids of the rows whose phone another row of the run has got, or may still get, a message for."""
    if not records:
        return []
    statement = sa.text(_UNDER_ANOTHER_KEY.format(given=database.given(request_id="text", phone="text")))
    rows = json.dumps([{"request_id": one["request_id"], "phone": one["phone"]} for one in records])
    parameters = {"rows": rows, "run_key": run_key, "skipped": f"{RULE_CODE}{SAME_PHONE}"}
    return list(connection.execute(statement, parameters).scalars())


def full(
    database: GuardDatabase, connection: Connection, records: Sequence[Mapping[str, Any]], rules: RowRules
) -> list[str]:
    """Request ids of the rows whose phone has reached the cap; `records` as in `row_checks.held_back`."""
    if rules.cap is None or rules.message_class is None:
        return []
    arrives, span = milliseconds(rules.arrives), rules.cap_hours * 3_600_000
    parameters = {
        # Only what the statement needs, because the JSON is parsed in each call.
        "rows": json.dumps([[one["request_id"], one["phone"], one.get("more", 0)] for one in records]),
        "class": rules.message_class,
        "after": arrives - span,
        "before": arrives + span,
        "most": rules.cap,
    }
    return list(connection.execute(_full(database.postgresql), parameters).scalars())


@functools.cache
def _full(postgresql: bool) -> sa.TextClause:
    """Cached, because SQLAlchemy parses a text for its parameters each time one is created."""
    if postgresql:
        given = (
            "(SELECT one ->> 0 AS request_id, one ->> 1 AS phone, CAST(one ->> 2 AS bigint) AS more "
            "FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS listed(one)) AS given"
        )
    else:
        given = (
            "(SELECT value ->> 0 AS request_id, value ->> 1 AS phone, value ->> 2 AS more "
            "FROM json_each(:rows)) AS given"
        )
    return sa.text(f"SELECT request_id FROM {given} WHERE {_OTHERS} + given.more >= :most")


class Contacts:
    """
    Messages of a capped class that are sent outside of runs. Each is counted before it is sent.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def reserve(self, key: str, phones: Sequence[str], rules: RowRules) -> set[int]:
        """
        Count one more message for each phone, if the cap of `rules` allows it for all of them; safe against concurrent
        callers. Counting the same message again only updates its time.

        Args:
            key: of the message; a repeat has the same.
            phones: in the form that is sent, without duplicates.

        Returns:
            Positions of the phones that have reached the cap; if there are any, no phone is counted.
        """
        records, given = self._records(key, phones), self._database.given(request_id="text", phone="text")
        insert = sa.text(
            # Names of columns only; the values are parameters.
            "INSERT INTO esms_contacts (request_id, phone, message_class, arrives_ms) "
            f"SELECT request_id, phone, CAST(:class AS text), CAST(:arrives AS bigint) FROM {given} "
            "WHERE true ORDER BY request_id ON CONFLICT (request_id) DO UPDATE SET arrives_ms = excluded.arrives_ms"
        )
        with self._database.writing() as connection:
            self._database.begin_to_write(connection)
            # Without this, two concurrent callers would both count the last message that the cap allows.
            self._database.acquire_lock(connection)
            without_room = set(full(self._database, connection, records, rules))
            if not without_room:
                parameters = {"class": rules.message_class, "arrives": milliseconds(rules.arrives)}
                connection.execute(insert, {**parameters, "rows": json.dumps(records)})
        return {place for place, one in enumerate(records) if one["request_id"] in without_room}

    def release(self, key: str, phones: Sequence[str]) -> None:
        """Uncount a message that was refused permanently."""
        given = self._database.given(request_id="text")
        statement = sa.text(f"DELETE FROM esms_contacts WHERE request_id IN (SELECT request_id FROM {given})")
        with self._database.writing() as connection:
            self._database.begin_to_write(connection)
            self._database.acquire_lock(connection)
            connection.execute(statement, {"rows": json.dumps(self._records(key, phones))})

    def _records(self, key: str, phones: Sequence[str]) -> list[dict[str, str]]:
        keys = self._database.keys
        ids = keys.request_ids(key, phones)
        return [
            {"request_id": request_id, "phone": keys.stored(phone)}
            for request_id, phone in zip(ids, phones, strict=True)
        ]
