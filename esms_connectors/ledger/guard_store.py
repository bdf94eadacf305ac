"""The guard's tables in the ledger's database, available as `Ledger.guard`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esms_connectors.ledger import row_checks, spend
from esms_connectors.ledger.contacts import Contacts
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.pace import Canaries, Pace
from esms_connectors.ledger.spend import Spend
from esms_connectors.ledger.stops import Overrides, Stops
from esms_connectors.ledger.suppression import Suppression

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from esms_connectors.ledger.row_rules import HeldBack, LeftOut, RowRules
    from esms_connectors.ledger.rows import LedgerRow


@dataclass(frozen=True, slots=True)
class GuardStore:
    """One attribute for each table of the guard."""

    _database: GuardDatabase

    @property
    def suppression(self) -> Suppression:
        return Suppression(self._database)

    @property
    def contacts(self) -> Contacts:
        return Contacts(self._database)

    @property
    def spend(self) -> Spend:
        return Spend(self._database)

    @property
    def stops(self) -> Stops:
        return Stops(self._database)

    @property
    def overrides(self) -> Overrides:
        return Overrides(self._database)

    @property
    def pace(self) -> Pace:
        return Pace(self._database)

    @property
    def canaries(self) -> Canaries:
        return Canaries(self._database)

    def skip(self, run_key: str, rows: Sequence[LedgerRow], rule: str, reason: str) -> set[int]:
        """See `GuardDatabase.skip`."""
        return self._database.skip(run_key, rows, rule, reason)

    def held_back(
        self, run_key: str, rows: Sequence[tuple[str, str]], rules: RowRules, more: Sequence[int] | None = None
    ) -> dict[int, HeldBack]:
        """
        Which rows a claim under these rules would skip now; nothing is claimed, counted or settled.

        Args:
            rows: row key and phone of each, without duplicate phones.
            more: additional messages to count for the phone of each row.

        Returns:
            Position -> reason.
        """
        keys = self._database.keys
        ids = keys.request_ids(run_key, [row_key for row_key, _ in rows])
        records = [
            {"request_id": one, "phone": keys.stored(phone), "more": count}
            for one, (_, phone), count in zip(ids, rows, more or [0] * len(rows), strict=True)
        ]
        with self._database.reading() as connection:
            held = row_checks.held_back(rules, self._database, connection, records)
        return {place: held[one] for place, one in enumerate(ids) if one in held}

    def apply(
        self,
        rules: RowRules,
        connection: Connection,
        run_key: str,
        records: Sequence[Mapping[str, Any]],
        charged: Mapping[str, int | None],
    ) -> LeftOut:
        """In the transaction of a claim, see `row_checks.apply`."""
        return row_checks.apply(rules, self._database, connection, run_key, records, charged)

    def refund(self, connection: Connection, request_ids: Sequence[str]) -> None:
        """In the transaction of a settlement, see `spend.refund`."""
        spend.refund(self._database, connection, request_ids)
