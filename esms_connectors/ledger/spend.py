"""What runs cost: charged before a call leaves, taken back for rows that were refused for good."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger.guard_database import GuardDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection


# Another worker may have been told meanwhile that a row is refused for good.
_NOT_REFUSED = (
    " AND NOT EXISTS (SELECT 1 FROM esms_sends WHERE esms_sends.request_id = given.request_id "
    "AND esms_sends.state = 'rejected')"
)


@dataclass(frozen=True, slots=True)
class Spent:
    """
    VND: what a run and its month have cost, and what was asked for.

    Attributes:
        allowed: whether what was asked for is charged now; if not, it would have exceeded a limit.
    """

    run_vnd: int
    month_vnd: int
    asked_vnd: int
    allowed: bool


class Spend:
    """
    Charges by row, and their sums. Only runs that are sent under a budget are charged.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def charge(
        self,
        run_key: str,
        costs: Mapping[str, Decimal],
        at: DateTime,
        *,
        most_run: Decimal | None,
        most_month: Decimal | None,
    ) -> Spent:
        """
        Charge rows that were not charged before, all of them or none: never beyond a limit, whoever else charges at the
        same time.

        Args:
            costs: VND by row key; parts of a đồng are rounded up.
        """
        month = month_of(at)
        ids = self._database.keys.request_ids(run_key, costs)
        records = [
            {"request_id": request_id, "vnd": int(Decimal(vnd).to_integral_value(ROUND_CEILING))}
            for request_id, vnd in zip(ids, costs.values(), strict=True)
        ]
        given = self._database.given(request_id="text", vnd="int")
        new = sa.text(
            f"SELECT coalesce(sum(given.vnd), 0) FROM {given} "  # noqa: S608
            "WHERE NOT EXISTS (SELECT 1 FROM esms_charges WHERE esms_charges.request_id = given.request_id)"
            f"{_NOT_REFUSED}"
        )
        insert = sa.text(
            "INSERT INTO esms_charges (request_id, run_key, month, vnd) "  # noqa: S608
            f"SELECT request_id, :run_key, :month, vnd FROM {given} WHERE true{_NOT_REFUSED} ORDER BY request_id "
            "ON CONFLICT (request_id) DO NOTHING"
        )
        parameters = {"rows": json.dumps(records), "run_key": run_key, "month": month}
        with self._database.writing() as connection:
            self._database.take_turn(connection, "spend")
            asked = int(connection.execute(new, parameters).scalar_one())
            run, in_month = self._sum(connection, "run", run_key), self._sum(connection, "month", month)
            allowed = _fits(run + asked, most_run) and _fits(in_month + asked, most_month)
            if allowed and asked:
                connection.execute(insert, parameters)
                self._add(connection, "run", run_key, asked)
                self._add(connection, "month", month, asked)
        more = asked if allowed else 0
        return Spent(run + more, in_month + more, asked, allowed)

    def release(self, request_ids: Sequence[str]) -> None:
        """These were refused for good: they cost nothing."""
        rows = json.dumps([{"request_id": one} for one in request_ids])
        given = self._database.given(request_id="text")
        delete = sa.text(
            f"DELETE FROM esms_charges WHERE request_id IN (SELECT request_id FROM {given}) "  # noqa: S608
            "RETURNING run_key, month, vnd"
        )
        with self._database.writing() as connection:
            self._database.take_turn(connection, "spend")
            for run_key, month, vnd in connection.execute(delete, {"rows": rows}).fetchall():
                self._add(connection, "run", run_key, -vnd)
                self._add(connection, "month", month, -vnd)

    def of_run(self, run_key: str) -> int:
        with self._database.reading() as connection:
            return self._sum(connection, "run", run_key)

    def of_month(self, at: DateTime) -> int:
        with self._database.reading() as connection:
            return self._sum(connection, "month", month_of(at))

    @staticmethod
    def _sum(connection: Connection, scope: str, key: str) -> int:
        found = connection.execute(
            sa.text("SELECT vnd FROM esms_spent WHERE scope = :scope AND key = :key"), {"scope": scope, "key": key}
        )
        return int(found.scalar() or 0)

    @staticmethod
    def _add(connection: Connection, scope: str, key: str, vnd: int) -> None:
        connection.execute(
            sa.text(
                "INSERT INTO esms_spent AS old (scope, key, vnd) VALUES (:scope, :key, :vnd) "
                "ON CONFLICT (scope, key) DO UPDATE SET vnd = old.vnd + excluded.vnd"
            ),
            {"scope": scope, "key": key, "vnd": vnd},
        )


def month_of(at: DateTime) -> str:
    return str(at.in_timezone(VIETNAM).format("YYYY-MM"))


def _fits(vnd: int, most: Decimal | None) -> bool:
    return most is None or vnd <= most
