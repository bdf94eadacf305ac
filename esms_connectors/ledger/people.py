"""Personal data in a ledger: reports, and erasure on demand or by age."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pendulum
import sqlalchemy as sa

from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.guard_database import GuardDatabase

_PHONE = re.compile(r"0\d{9}", re.ASCII)
# Rows per transaction, so that senders do not wait long.
_AT_ONCE = 10_000
_SETTLED = "state IN ('accepted', 'rejected')"
_SELECTED = """
SELECT sends.run_key, about, sends.request_id, row_key, line, state, code, sends.reason, message_id, first_attempt_ms,
    updated_ms, charged_vnd AS vnd, handed.reason AS handed_on
FROM esms_sends AS sends LEFT JOIN esms_runs ON esms_runs.run_key = sends.run_key
LEFT JOIN esms_handed_on AS handed ON handed.request_id = sends.request_id
WHERE {condition} ORDER BY first_attempt_ms, sends.request_id
"""
_RESENDS = """
SELECT request_id, at_ms, was, reason FROM esms_resends
WHERE request_id IN (SELECT request_id FROM esms_sends AS sends WHERE {condition}) ORDER BY at_ms, request_id
"""
_THEIRS = "sends.phone = :phone"
_NAMED = (
    "sends.message_id IN :names OR sends.request_id IN :names OR sends.row_key IN :names OR sends.row_key = :stored"
)
# Messages that count for a cap: rows of runs, and messages outside of runs.
_COUNTED = """
SELECT run_key, message_class, arrives_ms FROM esms_sends WHERE phone = :phone AND message_class IS NOT NULL
    AND state NOT IN ('rejected', 'not_sent')
UNION ALL SELECT NULL, message_class, arrives_ms FROM esms_contacts WHERE phone = :phone ORDER BY arrives_ms
"""
_COUNT_SETTLED = (
    "SELECT count(*) FROM esms_sends WHERE phone = :phone AND message_class IS NOT NULL AND state = 'accepted'"
)
# Keys of one-off messages begin with the phone; keys and reasons of the caller may contain it in any spelling.
_WITHOUT = "replace(replace(replace({column}, :phone, 'erased'), :name, 'erased'), :international, 'erased')"
_ERASE = (
    f"UPDATE esms_sends SET phone = 'erased', row_key = {_WITHOUT.format(column='row_key')}, "
    f"reason = {_WITHOUT.format(column='reason')} WHERE phone = :phone AND {_SETTLED}"
)
_ERASE_WORDS = (
    f"UPDATE esms_resends SET reason = {_WITHOUT.format(column='reason')} "
    "WHERE request_id IN (SELECT request_id FROM esms_sends WHERE phone = :phone)"
)
_UNCOUNT = "DELETE FROM esms_contacts WHERE phone = :phone"
_OLD_RUNS = "SELECT run_key FROM esms_runs WHERE began_ms < :before ORDER BY began_ms, run_key"
_OLD_ROWS = (
    f"SELECT request_id FROM esms_sends WHERE run_key = :run_key AND updated_ms < :before AND {_SETTLED} "
    "AND (phone <> 'erased' OR row_key <> 'erased') ORDER BY request_id LIMIT :most"
)
_COUNTED_ROWS = (
    f"SELECT count(*) FROM esms_sends WHERE run_key = :run_key AND updated_ms < :before AND {_SETTLED} "
    "AND phone <> 'erased' AND message_class IS NOT NULL AND state = 'accepted'"
)
_OPEN_ROWS = f"SELECT count(*) FROM esms_sends WHERE run_key = :run_key AND NOT {_SETTLED} AND updated_ms < :before"


class People:
    """
    `Ledger.people`. Raises (every method): LedgerError.

    Args:
        clear_file: called after data was erased, with the texts that must be gone; without, if many were erased.
    """

    def __init__(self, database: GuardDatabase, clear_file: Callable[..., None]) -> None:
        self._database, self._clear_file = database, clear_file

    def held(self, name: str) -> dict[str, Any]:
        """
        All data about a person, named as in `person_name`.

        Returns:
            `messages`: rows of runs, the oldest first, each with its `resends`; `suppressed`: the entry on the
            suppression list, or None; `counted`: messages that count for a cap. Times are aware.
        """
        stored = {"phone": self._database.keys.stored(name)}
        with self._database.reading() as connection:
            messages = _messages(connection, _THEIRS, stored)
            suppressed = connection.execute(
                sa.text("SELECT reason, source, added_ms, expires_ms FROM esms_suppressed WHERE phone = :phone"), stored
            ).mappings()
            entries = [_dated(row) for row in suppressed]
            counted = connection.execute(sa.text(_COUNTED), stored).mappings()
            contacts = [_dated(row) for row in counted]
        return {"messages": messages, "suppressed": entries[0] if entries else None, "counted": contacts}

    def named(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """
        Rows of runs by message id, request id or the caller's key, as `messages` of `held`.

        Args:
            names: the first one may be a key that the ledger stores hashed.
        """
        asked = {"names": [*names], "stored": self._database.keys.stored(names[0])}
        with self._database.reading() as connection:
            return _messages(connection, _NAMED, asked)

    def erase(self, name: str, *, keep_suppressed: bool = False) -> dict[str, int]:
        """See `Ledger.erase`."""
        stored = self._database.keys.stored(name)
        international = f"84{name[1:]}" if _PHONE.fullmatch(name) else name
        parameters = {"phone": stored, "name": name, "international": international}
        with self._database.writing() as connection:
            connection.execute(sa.text(_ERASE_WORDS), parameters)
            counted = connection.execute(sa.text(_COUNT_SETTLED), parameters).scalar_one()
            erased = connection.execute(sa.text(_ERASE), parameters).rowcount
            counted += connection.execute(sa.text(_UNCOUNT), parameters).rowcount
            suppressed = 0
            if not keep_suppressed:
                forget = sa.text("DELETE FROM esms_suppressed WHERE phone = :phone")
                suppressed = connection.execute(forget, parameters).rowcount
            left = connection.execute(sa.text("SELECT count(*) FROM esms_sends WHERE phone = :phone"), parameters)
            unsettled = left.scalar_one()
        self._clear_file([stored, international[2:] if _PHONE.fullmatch(name) else name])
        return {"erased": erased, "unsettled": unsettled, "counted": counted, "suppressed": suppressed}

    def old_runs(self, before: datetime) -> list[str]:
        """Runs that began before that time."""
        with self._database.reading() as connection:
            return list(connection.execute(sa.text(_OLD_RUNS), {"before": _ms(before)}).scalars())

    def forget(self, before: datetime) -> dict[str, int]:
        """
        Erase personal data from all rows that were settled before that time and have not changed since. The rows are
        kept without phone, key and reason, because they prevent the same run from sending again. Entries of the
        suppression list are kept while they are in force.

        Returns:
            `erased` and `unsettled`: anonymised rows, and rows that must be reconciled first; `counted`: messages that
            counted for a cap; `suppressed`: entries that had expired before that time.
        """
        at = _ms(before)
        done = {"erased": 0, "unsettled": 0, "counted": 0, "suppressed": 0}
        for run_key in self.old_runs(before):
            of_run = {"run_key": run_key, "before": at}
            done["counted"] += self._count(_COUNTED_ROWS, of_run)
            done["erased"] += self._in_parts(
                "UPDATE esms_sends SET phone = 'erased', row_key = 'erased', line = NULL, reason = NULL",
                _OLD_ROWS,
                of_run,
            )
            done["unsettled"] += self._count(_OPEN_ROWS, of_run)
        with self._database.writing() as connection:
            words = "UPDATE esms_resends SET reason = 'erased' WHERE at_ms < :before AND reason <> 'erased'"
            connection.execute(sa.text(words), {"before": at})
        for name, table, key, moment in (
            ("counted", "esms_contacts", "request_id", "arrives_ms"),
            ("suppressed", "esms_suppressed", "phone", "expires_ms"),
        ):
            old = f"SELECT {key} FROM {table} WHERE {moment} < :before ORDER BY {key} LIMIT :most"
            done[name] += self._in_parts(f"DELETE FROM {table}", old, {"before": at}, key=key)
        # Also if nothing was erased: the previous call may have been interrupted.
        self._clear_file()
        return done

    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(sa.text(statement), parameters).scalar_one())

    def _in_parts(self, change: str, chosen: str, parameters: Mapping[str, object], *, key: str = "request_id") -> int:
        """Change the rows that `chosen` finds, in batches, until it finds none."""
        # Locked in the same order as everywhere, to avoid deadlocks.
        locked = f"{chosen} FOR UPDATE" if self._database.postgresql else chosen
        statement = sa.text(f"{change} WHERE {key} IN ({locked})")
        changed = 0
        while True:
            with self._database.writing() as connection:
                here = connection.execute(statement, {**parameters, "most": _AT_ONCE}).rowcount
            changed += here
            if here < _AT_ONCE:
                return changed


def _messages(connection: sa.Connection, condition: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    def rows(statement: str) -> list[Mapping[Any, Any]]:
        text = sa.text(statement.format(condition=condition))
        if "names" in asked:
            text = text.bindparams(sa.bindparam("names", expanding=True))
        return list(connection.execute(text, asked).mappings())

    messages, resends = [_message(row) for row in rows(_SELECTED)], rows(_RESENDS)
    for one in messages:
        theirs = [row for row in resends if row["request_id"] == one["request_id"]]
        one["resends"] = [_dated({name: row[name] for name in ("at_ms", "was", "reason")}) for row in theirs]
    return messages


def _message(row: Mapping[Any, Any]) -> dict[str, Any]:
    about = json.loads(row["about"]) if row["about"] else {}
    more = {"channel": about.get("kind", ""), "campaign": about.get("campaign", "")}
    return {**more, **_dated({name: value for name, value in row.items() if name != "about"})}


def _dated(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row with columns of milliseconds converted to aware times."""
    dated = {}
    for name, value in row.items():
        if not name.endswith("_ms"):
            dated[name] = value
            continue
        called = "at" if name == "at_ms" else f"{name.removesuffix('_ms')}_at"
        dated[called] = None if value is None else pendulum.from_timestamp(value / 1000)
    return dated


def _ms(moment: datetime) -> int:
    return milliseconds(pendulum.instance(moment))
