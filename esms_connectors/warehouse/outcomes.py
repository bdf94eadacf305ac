"""The table `esms_outcomes`: what became of each row of a campaign, by the caller's own key."""

from __future__ import annotations

from collections.abc import Mapping

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
CREATE_OUTCOMES = (
    f"CREATE TABLE IF NOT EXISTS {OUTCOMES} ("
    + ", ".join(f"{name} {kind}" for name, kind in OUTCOME_TYPES.items())
    + ")"
)


def insert_outcomes(mark: str) -> str:
    """The statement for one row; `mark` is the driver's placeholder."""
    return f"INSERT INTO {OUTCOMES} VALUES ({', '.join([mark] * len(OUTCOME_TYPES))})"  # noqa: S608 - our own names


def forget_outcomes(mark: str) -> str:
    """The statement that makes way for those of one journey."""
    return f"DELETE FROM {OUTCOMES} WHERE journey = {mark}"  # noqa: S608 - our own names
