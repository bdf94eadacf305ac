"""
Applies the suppression list, caps and budgets to rows.

`held_back` is used both by read-only checks and by the claim. Claimed rows count for the caps and store their charges,
so a rule needs no transaction of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from esms_connectors.ledger import contacts, spend, suppression
from esms_connectors.ledger.guard_database import GuardDatabase
from esms_connectors.ledger.row_rules import FREQUENCY, SAME_PHONE, SUPPRESSION, HeldBack, LeftOut, RowRules
from esms_connectors.ledger.rows import RULE_CODE, SendState

if TYPE_CHECKING:
    from sqlalchemy import Connection

# For rows claimed in the same transaction, so no other worker has them. Rows in doubt stay in doubt.
_LEAVE_OUT = """
UPDATE esms_sends SET state = CASE WHEN in_doubt <> 0 THEN 'unknown' ELSE 'rejected' END,
    code = CASE WHEN in_doubt <> 0 THEN esms_sends.code ELSE given.code END,
    reason = CASE WHEN in_doubt <> 0 THEN esms_sends.reason ELSE given.reason END,
    chunk = CASE WHEN in_doubt <> 0 THEN chunk ELSE 'skipped' END,
    claimed_by = NULL, lease_until_ms = 0, updated_ms = :now
FROM {given} WHERE esms_sends.request_id = given.request_id RETURNING esms_sends.request_id, esms_sends.state
"""


def held_back(
    rules: RowRules, database: GuardDatabase, connection: Connection, records: Sequence[Mapping[str, Any]]
) -> dict[str, HeldBack]:
    """
    Which rows a rule holds back, by request id, as seen in this transaction. Nothing is written.

    Args:
        records: `request_id` and stored `phone` of each row, without duplicate phones; `more`, additional messages to
            count for the phone.
    """
    held: dict[str, HeldBack] = {}
    if rules.suppresses and records:
        listed = suppression.listed(database, connection, [one["phone"] for one in records], rules.at)
        for one in records:
            if (reason := listed.get(one["phone"])) is not None:
                held[one["request_id"]] = HeldBack(SUPPRESSION, reason)
    left = [one for one in records if one["request_id"] not in held]
    if rules.once_in is not None:
        why = HeldBack(SAME_PHONE, f"run {rules.once_in}")
        held |= dict.fromkeys(contacts.under_another_key(database, connection, left, rules.once_in), why)
        left = [one for one in left if one["request_id"] not in held]
    if left:
        why = HeldBack(FREQUENCY, f"{rules.cap} in {rules.cap_hours} h")
        held |= dict.fromkeys(contacts.full(database, connection, left, rules), why)
    return held


def apply(
    rules: RowRules,
    database: GuardDatabase,
    connection: Connection,
    run_key: str,
    records: Sequence[Mapping[str, Any]],
    charged: Mapping[str, int | None],
) -> LeftOut:
    """
    Skip claimed rows that a rule holds back, and charge the others.

    Args:
        records: those of the whole call.
        charged: request ids of the rows claimed in this transaction -> their earlier charge.

    Raises:
        OverBudgetError: the rows would exceed a budget; the caller must then roll back the claim.
    """
    if rules.cap is not None or rules.costs is not None or rules.once_in is not None:
        # Taken after the row locks, as everywhere. The next transaction sees what is claimed here.
        database.acquire_lock(connection)
    ours = [one for one in records if one["request_id"] in charged]
    left_out = _leave_out(rules, database, connection, held_back(rules, database, connection, ours))
    if rules.costs is not None:
        costs = {
            one["request_id"]: vnd
            for one, vnd in zip(records, rules.costs, strict=True)
            if one["request_id"] in charged and charged[one["request_id"]] is None
        }
        due = {name: vnd for name, vnd in costs.items() if name not in left_out.skipped | left_out.in_doubt}
        limits = spend.Limits(rules.most_run, rules.most_month)
        spend.charge(database, connection, run_key, due, rules.at, limits)
    return left_out


def _leave_out(
    rules: RowRules, database: GuardDatabase, connection: Connection, held: Mapping[str, HeldBack]
) -> LeftOut:
    if not held:
        return LeftOut()
    rows = [
        {"request_id": one, "code": f"{RULE_CODE}{why.rule}", "reason": rules.reason(why)} for one, why in held.items()
    ]
    given = database.given(request_id="text", code="text", reason="text")
    parameters = {"rows": json.dumps(rows), "now": database.now_ms()}
    found = connection.execute(sa.text(_LEAVE_OUT.format(given=given)), parameters)
    states = {row.request_id: row.state for row in found}
    skipped = frozenset(one for one, state in states.items() if state == SendState.REJECTED)
    return LeftOut(skipped, frozenset(states) - skipped)
