"""The guard's rules for single rows, as plain values; `row_checks.py` applies them in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pendulum import DateTime

from esms_connectors.gateway.errors import EsmsError

SUPPRESSION: Final = "suppression"
SAME_PHONE: Final = "same_phone"
FREQUENCY: Final = "frequency"


class HeldBack(NamedTuple):
    """Why a row is held back: the rule, and its reason for this row."""

    rule: str
    detail: str


class LeftOut(NamedTuple):
    """Request ids of claimed rows that a rule holds back: now settled as skipped, or in doubt again."""

    skipped: frozenset[str] = frozenset()
    in_doubt: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RowRules:
    """
    The rules for rows that are in force for a call.

    Attributes:
        at: now, by the gateway's clock if that is known.
        arrives: when the messages are delivered.
        message_class: the class they count for; None for messages that count for no cap, such as those of a sandbox.
        suppresses: whether the suppression list holds rows back.
        once_in: the run in which a phone gets one message, whatever the keys of its rows; None if it may get several.
        cap: maximum messages of the class to a phone in `cap_hours` before or after; None for no limit.
        reasons: by rule, the reason stored with a skipped row.
        costs: VND of each row of the call, if there is a budget.
        most_run, most_month: VND, None for no limit.
    """

    at: DateTime
    arrives: DateTime
    message_class: str | None = None
    suppresses: bool = False
    once_in: str | None = None
    cap: int | None = None
    cap_hours: int = 24
    reasons: Mapping[str, str] = field(default_factory=dict, repr=False)
    costs: Sequence[int] | None = field(default=None, repr=False)
    most_run: int | None = None
    most_month: int | None = None

    def reason(self, why: HeldBack) -> str:
        """The reason stored with a skipped row."""
        return f"{self.reasons.get(why.rule, why.rule)} ({why.detail})"[:300]


class OverBudgetError(EsmsError):
    """
    Rows would exceed a budget; none of them is claimed or charged.

    Attributes:
        run_vnd, month_vnd: amounts already spent; asked_vnd: the cost of the rows.
    """

    def __init__(self, run_vnd: int, month_vnd: int, asked_vnd: int) -> None:
        super().__init__(f"{asked_vnd:,} VND are more than a budget has left")
        self.run_vnd, self.month_vnd, self.asked_vnd = run_vnd, month_vnd, asked_vnd
