"""Rows about a person, and the removal of old rows, in the databases among the warehouses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from esms_connectors.warehouse.contract import HISTORY, LOADS, MESSAGES, Person, Reader
from esms_connectors.warehouse.merge_sql import ERASE, ERASE_KEYS, ERASED, KEYS, TYPES, Staged
from esms_connectors.warehouse.outcomes import OUTCOME_TYPES, OUTCOMES

if TYPE_CHECKING:
    from esms_connectors.warehouse.merging import Session

_HAS_OUTCOMES = f"""
SELECT 1 FROM information_schema.tables WHERE table_name = '{OUTCOMES}' AND table_schema = current_schema()
"""
_KEY = ("run_key", "row_key")
_NAMED = Staged("esms_named", "run_key text, row_key text")
_OLD_RUNS = Staged("esms_old_runs", "run_key text")
# Unless the caller chose another one, the key of a row is the phone or contains it.
_NAMES = "($name <> '' AND (strpos(row_key, $name) > 0 OR strpos(row_key, $international) > 0))"
_ERASE_OUTCOMES = f"""
DELETE FROM {OUTCOMES} WHERE {_NAMES} OR EXISTS (SELECT 1 FROM esms_named AS named
    WHERE named.run_key = {OUTCOMES}.run_key AND named.row_key = {OUTCOMES}.row_key)
"""
# Created and sent before that time: a message may be created long before it is sent.
_OLD = "window_end <= $before AND (sent_at IS NULL OR sent_at < $before)"
_REACHED = f"""
(SELECT sms_type, reached FROM (SELECT sms_type, max(window_end) AS reached FROM {LOADS} GROUP BY sms_type) AS newest)
"""
_FORGET = (
    (HISTORY, f"DELETE FROM {HISTORY} WHERE row_key IN (SELECT row_key FROM {MESSAGES} WHERE {_OLD})"),
    (MESSAGES, f"DELETE FROM {MESSAGES} WHERE {_OLD}"),
    # A window whose rows were removed must not look like one that had none. The last one of a type stays: it tells from
    # when on days are missing. Without it, the first pull after a long pause would load only yesterday.
    (LOADS, f"DELETE FROM {LOADS} WHERE window_end <= $before AND (sms_type, window_end) NOT IN {_REACHED}"),
)
# A message that was never accepted has no time; the start of its run is used.
_FORGET_OUTCOMES = f"""
DELETE FROM {OUTCOMES} WHERE sent_at < $before OR (sent_at IS NULL AND EXISTS (
    SELECT 1 FROM esms_old_runs AS old WHERE old.run_key = {OUTCOMES}.journey))
"""
_GIVEN = "(SELECT unnest(CAST($names AS text[])))"
_IDS_GIVEN = "(SELECT unnest(CAST($ids AS text[])))"
_KEYS_GIVEN = "row_key IN (SELECT unnest(CAST($keys AS text[])))"
_PAIRS_GIVEN = "(run_key || chr(31) || row_key) IN (SELECT unnest(CAST($pairs AS text[])))"


def erase_person(session: Session, person: Person) -> dict[str, int]:
    """`Warehouse.erase`, in the transaction of the session."""
    removed = {MESSAGES: 0, HISTORY: 0}
    if person.stored_phone is not None:
        for table, statement in ERASE:
            removed[table] += session.change(statement, phone=person.stored_phone)
        return removed | _erase_outcomes(session, person)
    keys = [key for key, message_id in session.read(KEYS) if person.has_key(key, message_id)]
    session.stage(ERASED, pa.table({"row_key": pa.array(keys, pa.string())}))
    for table, statement in ERASE_KEYS:
        removed[table] += session.change(statement)
    return removed | _erase_outcomes(session, person)


def _erase_outcomes(session: Session, person: Person) -> dict[str, int]:
    """Remove a person from the outcomes of campaigns; empty if there is no such table."""
    if not list(session.read(_HAS_OUTCOMES)):
        return {}
    rows = {name: pa.array([one[place] for one in person.rows], pa.string()) for place, name in enumerate(_KEY)}
    session.stage(_NAMED, pa.table(rows))
    names = {"name": person.name, "international": person.international}
    return {OUTCOMES: session.change(_ERASE_OUTCOMES, **names)}


def forget_rows(session: Session, before: datetime, runs: Sequence[str]) -> dict[str, int]:
    """`Warehouse.forget`, in the transaction of the session."""
    removed = {MESSAGES: 0}
    removed |= {table: session.change(statement, before=before) for table, statement in _FORGET}
    if list(session.read(_HAS_OUTCOMES)):
        session.stage(_OLD_RUNS, pa.table({"run_key": pa.array(runs, pa.string())}))
        removed[OUTCOMES] = session.change(_FORGET_OUTCOMES, before=before)
    return removed


def rows_about(reader: Reader, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Table -> the rows about a person, by column."""
    if person.stored_phone is not None:
        theirs = f"SELECT row_key FROM {MESSAGES} WHERE phone = $phone"
        keys = [key for (key,) in reader.read(theirs, phone=person.stored_phone)]
    else:
        keys = [key for key, message_id in reader.read(KEYS) if person.has_key(key, message_id)]
    pairs = ["\x1f".join(pair) for pair in person.rows]
    about = {"name": person.name, "international": person.international, "pairs": pairs}
    return _rows_of(reader, keys, f"{_NAMES} OR {_PAIRS_GIVEN}", about)


def in_any_case(names: Iterable[str]) -> list[str]:
    """Each id or campaign also in upper and lower case, because a gateway may return it in capitals."""
    return sorted({spelled for one in names for spelled in (one, one.upper(), one.lower())})


def rows_named(reader: Reader, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows by message id, in any letter case, or row key; outcomes by message id or the caller's key."""
    about = {"names": [*names], "ids": in_any_case(names)}
    which = f"message_id IN {_IDS_GIVEN} OR row_key IN {_GIVEN}"
    keys = [key for (key,) in reader.read(f"SELECT row_key FROM {MESSAGES} WHERE {which}", **about)]
    return _rows_of(reader, keys, which, about)


def _rows_of(
    reader: Reader, keys: Sequence[str], outcomes: str, about: Mapping[str, object]
) -> dict[str, list[dict[str, Any]]]:
    """Messages and history with these keys, and the outcomes that match a condition."""
    by_key = {
        MESSAGES: f"{_KEYS_GIVEN} ORDER BY window_start, row_key",
        HISTORY: f"{_KEYS_GIVEN} ORDER BY observed_at, row_key",
    }
    found = {table: _rows(reader, table, [*TYPES[table]], which, keys=keys) for table, which in by_key.items()}
    if list(reader.read(_HAS_OUTCOMES)):
        found[OUTCOMES] = _rows(reader, OUTCOMES, [*OUTCOME_TYPES], f"{outcomes} ORDER BY run_key, row_key", **about)
    return found


def _rows(
    reader: Reader, table: str, columns: Sequence[str], condition: str, **parameters: Any
) -> list[dict[str, Any]]:
    statement = f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}"
    return [dict(zip(columns, row, strict=True)) for row in reader.read(statement, **parameters)]
