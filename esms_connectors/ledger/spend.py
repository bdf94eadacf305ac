"""The cost of runs: charged when a row is claimed, refunded when it is permanently refused or was not sent."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from pendulum import DateTime

from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.journeys import JOURNEY_OF
from esms_connectors.ledger.row_rules import OverBudgetError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ADD = sa.text(
    "INSERT INTO esms_spent AS old (scope, key, vnd) VALUES (:scope, :key, :vnd) "
    "ON CONFLICT (scope, key) DO UPDATE SET vnd = old.vnd + excluded.vnd"
)
# A run and the other steps of its campaign, which share one budget.
_RUNS = f"CAST(:run_key AS text) UNION SELECT step_run_key FROM esms_journeys WHERE run_key IN ({JOURNEY_OF})"
_OF_RUN = sa.text(f"SELECT sum(vnd) FROM esms_spent WHERE scope = 'run' AND key IN (SELECT {_RUNS})")
_OF_MONTH = sa.text("SELECT vnd FROM esms_spent WHERE scope = 'month' AND key = :month")
_OF_RUNS = sa.text(
    "SELECT run.run_key, run.about, sum(spent.vnd) AS vnd FROM esms_spent AS spent "
    "LEFT JOIN esms_journeys AS step ON step.step_run_key = spent.key "
    "JOIN esms_runs AS run ON run.run_key = coalesce(step.run_key, spent.key) "
    "WHERE spent.scope = 'run' AND run.began_ms >= :start AND run.began_ms < :end AND spent.vnd > 0 "
    "GROUP BY run.run_key, run.about ORDER BY vnd DESC, run.run_key LIMIT :most"
)


class Limits(NamedTuple):
    """VND of a run with the other steps of its journey, and of all runs of the month; None for no limit."""

    run: int | None
    month: int | None


def charge(
    database: GuardDatabase,
    connection: Connection,
    run_key: str,
    costs: Mapping[str, int],
    at: DateTime,
    limits: Limits,
) -> None:
    """
    Charge rows that are claimed in this transaction, which must hold the lock of `acquire_lock`.

    Args:
        costs: VND by request id, for rows that were not charged before.

    Raises:
        OverBudgetError: they would exceed a limit.
    """
    asked, month = sum(costs.values()), month_of(at)
    if not asked:
        return
    run_vnd, month_vnd = _of_run(connection, run_key), _of_month(connection, month)
    if not (_fits(run_vnd + asked, limits.run) and _fits(month_vnd + asked, limits.month)):
        raise OverBudgetError(run_vnd, month_vnd, asked)
    rows = json.dumps([{"request_id": one, "vnd": vnd} for one, vnd in costs.items()])
    connection.execute(_charging(database.given(request_id="text", vnd="int")), {"rows": rows, "month": month})
    _add(connection, {("run", run_key): asked, ("month", month): asked})


def refund(database: GuardDatabase, connection: Connection, request_ids: Sequence[str]) -> None:
    """Refund rows that this transaction settles as permanently refused or certainly not sent."""
    rows = {"rows": json.dumps([{"request_id": one} for one in request_ids])}
    chosen = f"request_id IN (SELECT request_id FROM {database.given(request_id='text')}) AND charged_vnd IS NOT NULL"
    sums: Counter[tuple[str, str]] = Counter()
    for run_key, month, vnd in connection.execute(
        sa.text(f"SELECT run_key, charged_month, charged_vnd FROM esms_sends WHERE {chosen}"),
        rows,
    ):
        sums[("run", run_key)] -= vnd
        sums[("month", month)] -= vnd
    if not sums:
        return
    connection.execute(sa.text(f"UPDATE esms_sends SET charged_vnd = NULL, charged_month = NULL WHERE {chosen}"), rows)
    database.acquire_lock(connection)
    _add(connection, sums)


class Spend:
    """
    The amounts spent. Only runs with a budget are charged.

    Raises (every method): LedgerError.
    """

    def __init__(self, database: GuardDatabase) -> None:
        self._database = database

    def of_run(self, run_key: str) -> int:
        """VND spent by the run and the other steps of its campaign."""
        with self._database.reading() as connection:
            return _of_run(connection, run_key)

    def of_month(self, at: DateTime) -> int:
        with self._database.reading() as connection:
            return _of_month(connection, month_of(at))

    def of_runs(self, start: datetime, end: datetime, most: int) -> list[tuple[str, str, int]]:
        """(run key, campaign or "", VND) of the most expensive runs that began in [start, end), steps included."""
        span = {"start": round(start.timestamp() * 1000), "end": round(end.timestamp() * 1000), "most": most}
        with self._database.reading() as connection:
            return [
                (run_key, json.loads(about).get("campaign") or "", int(vnd))
                for run_key, about, vnd in connection.execute(_OF_RUNS, span)
            ]


def month_of(at: DateTime) -> str:
    return str(at.in_timezone(VIETNAM).format("YYYY-MM"))


def _of_run(connection: Connection, run_key: str) -> int:
    return int(connection.execute(_OF_RUN, {"run_key": run_key}).scalar() or 0)


def _of_month(connection: Connection, month: str) -> int:
    return int(connection.execute(_OF_MONTH, {"month": month}).scalar() or 0)


def _add(connection: Connection, sums: Mapping[tuple[str, str], int]) -> None:
    connection.execute(_ADD, [{"scope": scope, "key": key, "vnd": vnd} for (scope, key), vnd in sorted(sums.items())])


@functools.cache
def _charging(given: str) -> sa.TextClause:
    """Cached, because SQLAlchemy parses a text for its parameters each time one is created."""
    return sa.text(
        f"UPDATE esms_sends SET charged_vnd = given.vnd, charged_month = :month FROM {given} "
        "WHERE esms_sends.request_id = given.request_id"
    )


def _fits(vnd: int, most: int | None) -> bool:
    return most is None or vnd <= most
