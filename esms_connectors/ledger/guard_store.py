"""What the guard keeps in the ledger's database; `Ledger.guard` is it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esms_connectors.ledger.contacts import Contacts
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.pace import Canaries, Pace
from esms_connectors.ledger.spend import Spend
from esms_connectors.ledger.stops import Overrides, Stops
from esms_connectors.ledger.suppression import Suppression

if TYPE_CHECKING:
    from esms_connectors.ledger.rows import LedgerRow


@dataclass(frozen=True, slots=True)
class GuardStore:
    """One part for each table of the guard."""

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
