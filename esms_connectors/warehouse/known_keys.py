"""Hashes of the keys in a DuckDB, eight bytes each, which are searched much faster than the keys themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.warehouse.contract import MESSAGES

if TYPE_CHECKING:
    from esms_connectors.warehouse.merging import Session

_HASHES = "SELECT hash(row_key) FROM {rows}"
_COUNT = f"SELECT count(*) FROM {MESSAGES}"


def _stored_rows(session: Session) -> int:
    """The number of rows in the table."""
    return int(next(iter(list(session.read(_COUNT))))[0])


class KnownKeys:
    """
    Hashes of the keys stored for some windows, for the duration of a merge. They are read on first use.

    A hash collision only costs a lookup in the rows themselves.

    Args:
        where: the windows, as a condition on `stored`.
        parameters: the parameters of the condition.
    """

    def __init__(self, session: Session, where: str, parameters: dict[str, object]) -> None:
        self._session, self._where, self._parameters = session, where, parameters
        self._stored: int | None = None

    def may_have(self, rows: str) -> bool:
        """
        Return False if none of these rows is in the table.

        Args:
            rows: a FROM clause whose rows have a `row_key`.
        """
        # The caller may have added rows to the table meanwhile, see `moved_rows`.
        if _stored_rows(self._session) != self._stored:
            self._session.change("CREATE OR REPLACE TEMPORARY TABLE esms_known (key_hash ubigint)")
            self._put(f"{MESSAGES} AS stored WHERE true {self._where}")
        found = f"SELECT 1 FROM esms_known WHERE key_hash IN ({_HASHES.format(rows=rows)}) LIMIT 1"
        return bool(list(self._session.read(found)))

    def add(self, rows: str) -> None:
        """Note rows that have just been written."""
        if self._stored is not None:
            self._put(rows)

    def _put(self, rows: str) -> None:
        self._session.change(f"INSERT INTO esms_known {_HASHES.format(rows=rows)}", **self._parameters)
        self._stored = _stored_rows(self._session)
