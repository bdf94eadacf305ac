"""Stop marks for a run, an account or everything, which every worker checks before its next chunk; and overrides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pendulum
import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.journeys import JOURNEY_OF
from esms_connectors.ledger.keys import check_run_key

if TYPE_CHECKING:
    from sqlalchemy import Row

RUN, ACCOUNT, ALL = "run", "account", "all"
# How long one check of an account is valid, so that hundreds of retries do not each call the gateway.
LOOK_SECONDS = 60
_COLUMNS = "scope, key, at_ms, reason, who, code"


@dataclass(frozen=True, slots=True)
class StopMark:
    """
    The reason why nothing is sent.

    Attributes:
        scope: run, account or all; key: the run key, or the account's hash.
        who: who set it; code: the gateway's code for a refused account.
    """

    scope: str
    key: str
    at: DateTime
    reason: str
    who: str
    code: str | None = None


class Stops:
    """
    The marks of one ledger. Lifted marks are kept as a record.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def mark_run(self, run_key: str, *, reason: str, who: str) -> bool:
        """Stop a run, also one that has not begun; False if it is already stopped."""
        return self._mark(RUN, check_run_key(run_key), _checked(reason), who)

    def mark_all(self, *, reason: str, who: str) -> bool:
        """Stop every run of this ledger; False if they are already stopped."""
        return self._mark(ALL, "", _checked(reason), who)

    def mark_account(self, account: str, *, code: str, reason: str) -> bool:
        """Mark an account that the gateway refuses as a whole; False if it is already marked."""
        return self._mark(ACCOUNT, account, reason, "the gateway", code)

    def _mark(self, scope: str, key: str, reason: str, who: str, code: str | None = None) -> bool:
        statement = sa.text(
            "INSERT INTO esms_stops (scope, key, at_ms, reason, who, code, looked_ms) "
            "SELECT CAST(:scope AS text), CAST(:key AS text), :now, CAST(:reason AS text), CAST(:who AS text), "
            "CAST(:code AS text), 0 "
            "WHERE NOT EXISTS (SELECT 1 FROM esms_stops WHERE scope = :scope AND key = :key AND lifted_ms IS NULL) "
            "ON CONFLICT (scope, key, at_ms) DO NOTHING"
        )
        values = {
            "scope": scope, "key": key, "reason": reason[:300], "who": who[:100], "code": code,
            "now": self._database.now_ms(),
        }  # fmt: skip
        with self._database.writing() as connection:
            self._database.begin_to_write(connection)
            self._database.acquire_lock(connection, "stops")
            return connection.execute(statement, values).rowcount == 1

    def in_force(self, run_key: str, account: str) -> StopMark | None:
        """The mark that stops this run or its campaign, or None; marks set by a person come first."""
        statement = sa.text(
            f"SELECT {_COLUMNS} FROM esms_stops WHERE lifted_ms IS NULL AND (scope = 'all' "
            f"OR (scope = 'run' AND (key = CAST(:run_key AS text) OR key IN ({JOURNEY_OF}))) "
            "OR (scope = 'account' AND key = :account)) ORDER BY scope DESC"
        )
        with self._database.reading() as connection:
            found = connection.execute(statement, {"run_key": run_key, "account": account}).first()
        return None if found is None else _mark_of(found)

    def marks(self) -> list[StopMark]:
        """All marks in force, the oldest first."""
        statement = sa.text(f"SELECT {_COLUMNS} FROM esms_stops WHERE lifted_ms IS NULL ORDER BY at_ms, key")
        with self._database.reading() as connection:
            return [_mark_of(row) for row in connection.execute(statement)]

    def lift_run(self, run_key: str, *, who: str) -> bool:
        return self._lift(RUN, check_run_key(run_key), who)

    def lift_all(self, *, who: str) -> bool:
        return self._lift(ALL, "", who)

    def lift_account(self, account: str, *, who: str) -> bool:
        """Lift the mark of an account that works again; returns whether it was marked."""
        return self._lift(ACCOUNT, account, who)

    def _lift(self, scope: str, key: str, who: str) -> bool:
        statement = sa.text(
            "UPDATE esms_stops SET lifted_ms = :now, lifted_by = :who "
            "WHERE scope = :scope AND key = :key AND lifted_ms IS NULL"
        )
        values = {"scope": scope, "key": key, "who": who[:100], "now": self._database.now_ms()}
        with self._database.writing() as connection:
            return connection.execute(statement, values).rowcount > 0

    def may_look(self, account: str) -> bool:
        """Whether this caller may check the account at the gateway: one caller every `LOOK_SECONDS`."""
        statement = sa.text(
            "UPDATE esms_stops SET looked_ms = :now WHERE scope = 'account' AND key = :account "
            # A time in the future was written by a machine with a wrong clock.
            "AND lifted_ms IS NULL AND (looked_ms <= :now - :pause OR looked_ms > :now)"
        )
        values = {"account": account, "now": self._database.now_ms(), "pause": LOOK_SECONDS * 1000}
        with self._database.writing() as connection:
            return connection.execute(statement, values).rowcount > 0


class Overrides:
    """Rules that a person has overridden for a run: who, when, why. Raises (every method): LedgerError."""

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def record(self, run_key: str, rule: str, *, who: str, reason: str) -> None:
        """Record an override, once per reason however often the run is called. InvalidRequestError: no reason."""
        statement = sa.text(
            "INSERT INTO esms_overrides (run_key, rule, at_ms, who, reason) "
            "SELECT CAST(:run_key AS text), CAST(:rule AS text), :now, CAST(:who AS text), CAST(:reason AS text) "
            "WHERE NOT EXISTS (SELECT 1 FROM esms_overrides WHERE run_key = :run_key AND rule = :rule "
            "AND who = :who AND reason = :reason) ON CONFLICT DO NOTHING"
        )
        values = {
            "run_key": check_run_key(run_key), "rule": rule, "who": who[:100], "reason": _checked(reason)[:300],
            "now": self._database.now_ms(),
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(statement, values)

    def of_run(self, run_key: str) -> list[dict[str, Any]]:
        """`rule`, `at_ms`, `who`, `reason`, in order."""
        statement = sa.text(
            "SELECT rule, at_ms, who, reason FROM esms_overrides WHERE run_key = :run_key ORDER BY at_ms, rule"
        )
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(statement, {"run_key": run_key}).mappings()]


def _mark_of(row: Row[Any]) -> StopMark:
    return StopMark(row.scope, row.key, pendulum.from_timestamp(row.at_ms / 1000), row.reason, row.who, row.code)


def _checked(reason: str) -> str:
    if not reason.strip():
        raise InvalidRequestError("Give a reason; the ledger records it.", field="reason")
    return reason.strip()
