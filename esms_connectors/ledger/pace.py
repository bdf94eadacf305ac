"""The pace of a run over all its workers, and whether its first messages were delivered."""

from __future__ import annotations

import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.ledger.first_attempts import milliseconds
from esms_connectors.ledger.guard_database import GuardDatabase


class Pace:
    """
    Time slots of a run. The length of a slot follows from its rows, and slots of all workers follow one another.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def reserve_turn(self, run_key: str, rows: int, now: DateTime, *, per_hour: int) -> float:
        """Reserve a slot for this number of rows; returns the seconds from `now` until it begins."""
        moment = milliseconds(now)
        statement = sa.text(
            "INSERT INTO esms_pace AS old (run_key, next_ms) VALUES (:run_key, :now + :span) "
            "ON CONFLICT (run_key) DO UPDATE SET next_ms = "
            "CASE WHEN old.next_ms > :now THEN old.next_ms ELSE :now END + :span RETURNING next_ms"
        )
        span = -(-rows * 3_600_000 // per_hour)
        with self._database.writing() as connection:
            found = connection.execute(statement, {"run_key": run_key, "now": moment, "span": span})
            ends = int(found.scalar_one())
        return max(0.0, (ends - span - moment) / 1000)


class Canaries:
    """Runs whose first messages were delivered. Raises (every method): LedgerError."""

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def passed(self, run_key: str) -> bool:
        statement = sa.text("SELECT count(*) FROM esms_canaries WHERE run_key = :run_key")
        with self._database.reading() as connection:
            return bool(connection.execute(statement, {"run_key": run_key}).scalar_one())

    def record(self, run_key: str, *, sent: int, delivered: int) -> None:
        statement = sa.text(
            "INSERT INTO esms_canaries (run_key, passed_ms, sent, delivered) "
            "VALUES (:run_key, :now, :sent, :delivered) ON CONFLICT (run_key) DO NOTHING"
        )
        values = {"run_key": run_key, "now": self._database.now_ms(), "sent": sent, "delivered": delivered}
        with self._database.writing() as connection:
            connection.execute(statement, values)
