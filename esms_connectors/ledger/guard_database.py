"""The guard's access to the ledger's database: connections, lists as one parameter, skipped rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.keys import LedgerKeys, check_run_key
from esms_connectors.ledger.rows import RULE_CODE

if TYPE_CHECKING:
    from pendulum import DateTime
    from sqlalchemy import Connection

    from esms_connectors.ledger.rows import LedgerRow

_TYPES = {"text": "text", "int": "bigint"}


class GuardDatabase:
    """Connections of one ledger, its stored form of phones, and JSON lists as rows for both databases."""

    def __init__(
        self,
        dialect: str,
        keys: LedgerKeys,
        reading: Callable[..., AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[Connection]],
        now: Callable[[], DateTime],
    ) -> None:
        self.postgresql = dialect == "postgresql"
        self.keys, self.reading, self.writing, self._now = keys, reading, writing, now

    def now(self) -> DateTime:
        return self._now()

    def now_ms(self) -> int:
        return milliseconds(self._now())

    def given(self, **columns: str) -> str:
        """A FROM clause `given` with the objects of the JSON list `:rows`; `columns` maps names to text or int."""
        if self.postgresql:
            typed = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
            return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({typed})"
        picked = ", ".join(f"value ->> '{name}' AS {name}" for name in columns)
        return f"(SELECT {picked} FROM json_each(:rows)) AS given"

    def phones(self, phones: Iterable[str]) -> str:
        """The stored forms of phones as the JSON list of a statement."""
        return json.dumps([{"phone": self.keys.stored(phone)} for phone in phones])

    def acquire_lock(self, connection: Connection, name: str = "guard") -> None:
        """
        Take an exclusive lock until the end of the transaction, so that the next reads see the results of others.
        Always taken after row locks, never before; SQLite has only one writer anyway.
        """
        if self.postgresql:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"esms-{name}"})

    def begin_to_write(self, connection: Connection) -> None:
        """Start a transaction that reads before it writes: in SQLite, it must hold the write lock from the start."""
        if not self.postgresql:
            # The driver would only begin at the first write.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def skip(self, run_key: str, rows: Sequence[LedgerRow], rule: str, reason: str) -> set[int]:
        """
        Settle rows that a rule skips, in one statement: new rows, and rows that were certainly not sent.

        Returns:
            Positions of the rows that are now settled as skipped; the others were settled before, are claimed by
            another worker, or are in doubt.
        """
        records = self.keys.records(check_run_key(run_key), rows)
        places = {record["request_id"]: place for place, record in enumerate(records)}
        columns = {"request_id": "text", "row_key": "text", "phone": "text", "payload_hash": "text", "line": "int"}
        statement = sa.text(
            # Names of columns only; the values are parameters.
            "INSERT INTO esms_sends AS old (request_id, run_key, row_key, line, phone, payload_hash, chunk, state, "
            "generation, in_doubt, id_refused, duplicate, code, reason, lease_until_ms, first_attempt_ms, updated_ms) "
            "SELECT request_id, :run_key, row_key, line, phone, payload_hash, 'skipped', 'rejected', 0, 0, 0, 0, "
            f":code, :reason, 0, :now, :now FROM {self.given(**columns)} WHERE true ORDER BY request_id "
            "ON CONFLICT (request_id) DO UPDATE SET state = 'rejected', code = excluded.code, "
            "reason = excluded.reason, updated_ms = excluded.updated_ms WHERE old.state = 'not_sent' "
            "AND old.payload_hash = excluded.payload_hash AND old.phone = excluded.phone "
            "RETURNING request_id"
        )
        parameters = {
            "rows": json.dumps(records),
            "run_key": run_key,
            "code": f"{RULE_CODE}{rule}",
            "reason": reason[:300],
            "now": self.now_ms(),
        }
        with self.writing() as connection:
            return {places[request_id] for request_id in connection.execute(statement, parameters).scalars()}
