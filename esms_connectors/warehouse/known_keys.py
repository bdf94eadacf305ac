"""Which keys a DuckDB has, in eight bytes each: looked through at once where the keys themselves would take long."""

# ruff: noqa: S608 - what is put into these texts are names of ours

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.warehouse.contract import MESSAGES

if TYPE_CHECKING:
    from esms_connectors.warehouse.merging import Session

_HASHES = "SELECT hash(row_key) FROM {rows}"
_COUNT = f"SELECT count(*) FROM {MESSAGES}"


class KnownKeys:
    """
    Hashes of the keys that the table has of some windows, for the time of a merge. They are read when first asked for.

    Two keys with one hash cost a look at the rows themselves, nothing else.

    Args:
        where: the windows, as a condition on `stored`.
        parameters: those of the condition.
    """

    def __init__(self, session: Session, where: str, parameters: dict[str, object]) -> None:
        self._session, self._where, self._parameters = session, where, parameters
        self._stored: int | None = None

    def may_have(self, rows: str) -> bool:
        """
        False: none of these is in the table.

        Args:
            rows: with a `row_key`, as they stand behind a FROM.
        """
        # Whoever hands over the rows may have put others into the table meanwhile: files fetch days that touch.
        if self._count() != self._stored:
            self._session.change("CREATE OR REPLACE TEMPORARY TABLE esms_known (key_hash ubigint)")
            self._put(f"{MESSAGES} AS stored WHERE true {self._where}")
        found = f"SELECT 1 FROM esms_known WHERE key_hash IN ({_HASHES.format(rows=rows)}) LIMIT 1"
        return bool(list(self._session.read(found)))

    def add(self, rows: str) -> None:
        """These have just been written."""
        if self._stored is not None:
            self._put(rows)

    def _put(self, rows: str) -> None:
        self._session.change(f"INSERT INTO esms_known {_HASHES.format(rows=rows)}", **self._parameters)
        self._stored = self._count()

    def _count(self) -> int:
        return int(next(iter(list(self._session.read(_COUNT))))[0])
