"""
Hashes of the keys in a DuckDB, eight bytes each, which are searched much faster than the keys themselves; and keys
stored with windows that a merge would not search.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from esms_connectors.warehouse.contract import MESSAGES
from esms_connectors.warehouse.merge_sql import CHUNK, FINAL, NEW, TOUCHES, Staged

if TYPE_CHECKING:
    from esms_connectors.warehouse.merging import Session

_HASHES = "SELECT hash(row_key) FROM {rows}"
_COUNT = f"SELECT count(*) FROM {MESSAGES}"

NEAR = timedelta(days=31)  # older rows that are not final are not searched for in other windows: they may be many
# The gateway reports the year 1 for "no time".
SENT_OUTSIDE = "{0}.sent_at > TIMESTAMPTZ '2000-01-01' AND NOT {0}.sent_at BETWEEN {0}.window_start AND {0}.window_end"
_OTHERS = f"{MESSAGES} AS stored WHERE NOT ({TOUCHES})"
# As hashes, because a day may leave a million rows that are not final; a collision only costs a lookup.
_MOVABLE = Staged("esms_movable", "key_hash ubigint")
# Rows that may be listed under another window later: not final, or sent outside their window.
MOVABLE = f"(stored.state NOT IN ({FINAL}) OR {SENT_OUTSIDE.format('stored')})"
_KEEP_MOVABLE = f"""
SELECT hash(stored.row_key) AS key_hash FROM {_OTHERS}
    AND stored.window_start <= $near_end AND stored.window_end >= $near_start AND {MOVABLE}
"""
_SUSPECTS = f"""
SELECT row_key FROM {CHUNK.name} AS chunk
WHERE (hash(row_key) IN (SELECT key_hash FROM {_MOVABLE.name}) OR {SENT_OUTSIDE.format("chunk")}) {{which}}
"""
_ELSEWHERE = Staged("esms_elsewhere", "row_key text")
_KEEP_ELSEWHERE = f"""
SELECT stored.row_key FROM {_OTHERS} AND stored.row_key IN ({_SUSPECTS.format(which="{which}")})
EXCEPT SELECT stored.row_key FROM {MESSAGES} AS stored WHERE {TOUCHES}
"""
OF_THOSE_NEW = f"AND row_key IN (SELECT row_key FROM {NEW})"
_TOUCHING_OR_ELSEWHERE = f"AND ({TOUCHES} OR stored.row_key IN (SELECT row_key FROM {_ELSEWHERE.name}))"


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


class OtherWindows:
    """
    Finds rows of a window that are stored with other windows than those that touch it.

    According to the gateway's documentation there are none: a window holds what was created in it. But a gateway that
    filters by the time of sending moves a row, and one that filters by neither lists it in every window. Such a row was
    sent outside the window that brought it, or was not final when stored; only such rows are searched for everywhere.

    Args:
        parameters: those of the merge, with the edges of the window.
    """

    def __init__(self, session: Session, parameters: dict[str, Any]) -> None:
        near = {"near_start": parameters["window_start"] - NEAR, "near_end": parameters["window_end"] + NEAR}
        self._session, self._parameters = session, parameters | near
        self._stored: int | None = None

    def condition(self, which: str = "") -> str:
        """A condition on `stored` that selects the chunk's rows, if some are stored elsewhere; else empty."""
        # Others than the merge may have added rows to the table meanwhile, see `moved_rows`.
        if (stored := _stored_rows(self._session)) != self._stored:
            self._session.keep(_MOVABLE, _KEEP_MOVABLE, **self._parameters)
            self._stored = stored
        if not list(self._session.read(f"{_SUSPECTS.format(which=which)} LIMIT 1")):
            return ""
        found = self._session.keep(_ELSEWHERE, _KEEP_ELSEWHERE.format(which=which), **self._parameters)
        return _TOUCHING_OR_ELSEWHERE if found else ""

    def add(self, rows: int) -> None:
        """Note that rows of this window have just been written."""
        if self._stored is not None:
            self._stored += rows
