"""Shared code of the databases that merge in their own transaction."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from esms_connectors.sent_data.reader import SentWindow
from esms_connectors.warehouse.contract import MergeCounts, Person, Warehouse, WindowLoad
from esms_connectors.warehouse.merging import Session, merge_window, note_counted, plan_windows
from esms_connectors.warehouse.retention import erase_person, forget_rows

_T = TypeVar("_T")


class TransactionalWarehouse(Warehouse):
    """PostgreSQL and MySQL."""

    @abc.abstractmethod
    def _in_transaction(self, work: Callable[[Session], _T]) -> _T:
        """Run `work` in a transaction and commit it; writers take turns. Returns its result."""

    def plan(self, windows: Sequence[SentWindow], *, planned_at: datetime, privacy: str) -> int:
        return self._in_transaction(
            lambda session: plan_windows(session, windows, planned_at=planned_at, privacy=privacy)
        )

    def note_counted(self, windows: Sequence[SentWindow], *, counted_at: datetime) -> None:
        self._in_transaction(lambda session: note_counted(session, windows, counted_at))

    def merge(self, load: WindowLoad, rows: Iterable[pa.RecordBatch]) -> MergeCounts:
        return self._in_transaction(lambda session: merge_window(session, load, rows))

    def erase(self, person: Person) -> dict[str, int]:
        return self._in_transaction(lambda session: erase_person(session, person))

    def forget(self, before: datetime, runs: Sequence[str] = ()) -> dict[str, int]:
        return self._in_transaction(lambda session: forget_rows(session, before, runs))
