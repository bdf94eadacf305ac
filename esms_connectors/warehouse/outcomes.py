"""The table `esms_outcomes`: the outcome of each row of a campaign, by the caller's key."""

from __future__ import annotations

from collections.abc import Mapping

from esms_connectors.warehouse.grouped import GroupedTable

OUTCOMES = "esms_outcomes"
OUTCOME_TYPES: Mapping[str, str] = {
    "journey": "varchar",
    "run_key": "varchar",
    "step": "integer",
    "row_key": "varchar",
    "channel": "varchar",
    "because": "varchar",
    "accepted": "boolean",
    "state": "varchar",
    "late": "boolean",
    "code": "varchar",
    "reason": "varchar",
    "message_id": "varchar",
    "sent_at": "timestamptz",
    "price_vnd": "decimal(18, 2)",
}
OUTCOMES_TABLE = GroupedTable(OUTCOMES, OUTCOME_TYPES, group="journey", keys=("journey", "run_key", "row_key"))
OUTCOME_SCHEMA = OUTCOMES_TABLE.schema
