"""
What nearly every row is, in SQLite: never seen before when it is claimed, and simply accepted when it is settled.

A list of values for a prepared statement costs two thirds of what one statement costs that judges every case and gives
each row back. Both do what the statement of `schema.py` does with such rows; where a single row is another one, the
transaction begins anew, and that statement does them all. PostgreSQL takes one statement sooner than many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from esms_connectors.ledger.schema import CLAIMED_COLUMNS, NEWLY_CLAIMED

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from esms_connectors.ledger.rows import Settlement

_OF_ROW = ("request_id", "row_key", "phone", "payload_hash", "line")
_OF_CALL = (
    "run_key", "chunk", "worker", "lease_until", "first_attempt", "witness", "witness_ms", "now", "message_class",
    "arrives",
)  # fmt: skip

# Both in the order of the columns.
_CLAIM_NEW = f"""
INSERT INTO esms_sends ({CLAIMED_COLUMNS}) VALUES ({"?, " * len((*_OF_ROW, *_OF_CALL))}{NEWLY_CLAIMED})
"""  # noqa: S608 - names of columns

# As the statement of a settlement does with rows that are accepted, neither as a duplicate nor after a refusal of this
# very row: they are accepted whatever they are now.
_SETTLE_ACCEPTED = """
UPDATE esms_sends SET state = 'accepted', code = coalesce(?, code), message_id = coalesce(?, message_id), reason = ?,
    duplicate = 0, claimed_by = NULL, lease_until_ms = 0, updated_ms = ?
WHERE request_id = ? AND state <> 'accepted'
"""


def claim_new(connection: Connection, records: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> bool:
    """
    Claim rows that are not there yet; False, and nothing is claimed, where one of them is.

    Args:
        connection: with nothing written or read in its transaction.
        records, parameters: as the statement of the claim takes them.
    """
    if connection.dialect.name != "sqlite" or not records:
        return False
    given = {**parameters, "witness_ms": None if parameters["witness"] is None else parameters["witness_ms"]}
    of_row, of_call = itemgetter(*_OF_ROW), tuple(given[name] for name in _OF_CALL)
    rows = [of_row(record) + of_call for record in records]
    _begin(connection)
    try:
        connection.exec_driver_sql(_CLAIM_NEW, rows)
    except IntegrityError:
        _begin_anew(connection)
        return False
    return True


def settle_accepted(
    connection: Connection, settlements: Sequence[Settlement], now_ms: int
) -> tuple[list[str], Sequence[Settlement]]:
    """
    Settle the rows that are simply accepted; none, where one of them is not there or was accepted before.

    Args:
        connection: with nothing written or read in its transaction.

    Returns:
        Request ids of those that are settled, and the settlements that are left.
    """
    if connection.dialect.name != "sqlite":
        return [], settlements
    simple = [one for one in settlements if one.simply_accepted]
    if not simple:
        return [], settlements
    rows = [(*one.told(), now_ms, one.request_id) for one in simple]
    _begin(connection)
    if connection.exec_driver_sql(_SETTLE_ACCEPTED, rows).rowcount < len(rows):
        _begin_anew(connection)
        return [], settlements
    left = [] if len(simple) == len(settlements) else [one for one in settlements if not one.simply_accepted]
    return [one.request_id for one in simple], left


def _begin(connection: Connection) -> None:
    # Also where each statement would be a transaction of its own.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_anew(connection: Connection) -> None:
    connection.exec_driver_sql("ROLLBACK")
    _begin(connection)
