"""
From plan to phone: how many messages reached each stage, and why the others did not.

With a ledger, these are the campaigns that began in the period, matched with the warehouse by the campaign id of each
run. Without one, these are the messages that the gateway lists, and the number planned is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND, SendState, rule_of
from esms_connectors.reports.masking import without_phones
from esms_connectors.reports.model import Cell, Note, Period, Row, Table, Term
from esms_connectors.reports.queries import Outcome
from esms_connectors.reports.tables import TABLES
from esms_connectors.sending.guard.rules import RULES, RuleName

PLANNED, ACCEPTED, SENT, DELIVERED = (Term(f"stage.{name}") for name in ("planned", "accepted", "sent", "delivered"))

_LONGEST_STATUS = 40
_ZALO = (SmsType.ZNS_PRIORITY, SmsType.ZNS, SmsType.ZALO_FOLLOWER, SmsType.ZNS_JOURNEY)
_NOT_SENT_YET = (DeliveryState.PENDING, DeliveryState.REJECTED, DeliveryState.UNDOCUMENTED)
# Ledger states, most likely first, of a message that the gateway lists although the ledger has no acceptance of it.
_MAY_BE_THERE = (SendState.UNKNOWN, SendState.HELD, SendState.CLAIMED, SendState.NOT_SENT, SendState.REJECTED)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a message did not reach the next stage, and what to do."""

    name: Term
    to_do: Term
    code: str | None = None


@dataclass(slots=True)
class LedgerCounts:
    """
    Rows of the runs that began in a period.

    Attributes:
        rows: (state, code) -> rows.
        campaigns: campaign ids of the runs.
        without_campaign: runs whose messages have no campaign id, such as advertising; their rows are not counted.
        skipped: rule of the guard -> rows that it held back, in all runs.
    """

    rows: Counter[tuple[SendState, str | None]] = field(default_factory=Counter)
    campaigns: set[str] = field(default_factory=set)
    without_campaign: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)


def count_ledger(ledger: Ledger, period: Period) -> LedgerCounts:
    counts = LedgerCounts()
    for about, state, code, rows in ledger.count_sends(period.start, period.end):
        campaign = about.get("campaign") or ""
        if (rule := rule_of(code)) is not None:
            counts.skipped[rule] += rows
        if not campaign or about.get("kind") not in SMS_TYPES_OF_KIND:
            counts.without_campaign.add(campaign)
            continue
        counts.campaigns.add(campaign)
        if state is not None:
            counts.rows[SendState(state), code] += rows
    return counts


def funnel_tables(counts: LedgerCounts | None, outcomes: Sequence[Outcome]) -> tuple[Table, Table]:
    """
    The tables `funnel` and `losses`.

    Args:
        outcomes: those of the campaigns of `counts`, or without them of the period.
    """
    listed = sum(one.messages for one in outcomes)
    lost: dict[Term, Counter[Reason]] = {}
    notes: list[Note] = []
    stages: list[tuple[Term, int]] = []
    if counts is not None and counts.campaigns:
        planned = counts.rows.total()
        accepted = sum(rows for (state, _), rows in counts.rows.items() if state is SendState.ACCEPTED)
        lost[ACCEPTED] = _not_accepted(counts, found=listed - accepted)
        if listed > planned:
            notes.append(Note("more_than_planned", {"messages": listed - planned}, warning=True))
        stages = [(PLANNED, max(planned, listed)), (ACCEPTED, max(accepted, listed))]
        notes.append(Note("ledger", {"runs": len(counts.campaigns)}))
    else:
        stages = [(ACCEPTED, listed)]
    if counts is not None and counts.without_campaign:
        notes.append(Note("no_campaign_runs", {"runs": len(counts.without_campaign)}))
    lost[SENT], lost[DELIVERED] = Counter(), Counter()
    if (missing := stages[-1][1] - listed) > 0:
        lost[SENT][Reason(Term("reason.not_listed"), Term("to_do.not_listed"))] = missing
    for one in outcomes:
        if one.state in _NOT_SENT_YET:
            lost[SENT][reason_of(one)] += one.messages
        elif one.state is not DeliveryState.DELIVERED:
            lost[DELIVERED][reason_of(one)] += one.messages
    stages.append((SENT, stages[-1][1] - lost[SENT].total()))
    stages.append((DELIVERED, stages[-1][1] - lost[DELIVERED].total()))
    whole = stages[0][1]
    before = [stages[0][1], *(count for _, count in stages)]
    funnel = [
        (stage, count, share_of(count, whole), last - count)
        for (stage, count), last in zip(stages, before, strict=False)
    ]
    losses: list[Row] = [
        (stage, reason.name, reason.code, messages, share_of(messages, whole), reason.to_do)
        for stage, _ in stages[1:]
        for reason, messages in worst_first(lost[stage].items())
    ]
    return (
        Table("funnel", TABLES["funnel"], tuple(funnel), notes=tuple(notes)),
        Table("losses", TABLES["losses"], tuple(losses)),
    )


def reasons_table(counts: LedgerCounts | None, outcomes: Iterable[Outcome], most: int) -> Table:
    """Reasons for final non-delivery, most messages first."""
    found: Counter[tuple[Reason, int | None]] = Counter()
    whole = 0
    for one in outcomes:
        whole += one.messages
        if one.state in (DeliveryState.FAILED, DeliveryState.REJECTED, DeliveryState.UNDOCUMENTED):
            found[reason_of(one), one.sms_type] += one.messages
    for (state, code), rows in (counts.rows if counts else Counter()).items():
        if state is SendState.REJECTED or (state is SendState.NOT_SENT and code):
            whole += rows
            found[_ledger_reason(state, code), None] += rows
    rows_ = sorted(found.items(), key=lambda one: (-one[1], one[0][0].name, one[0][0].code or "", one[0][1] or 0))
    shown: tuple[Row, ...] = tuple(
        (reason.name, None if sms_type is None else type_term(sms_type), reason.code, count, share_of(count, whole),
         reason.to_do)
        for (reason, sms_type), count in rows_[:most]
    )  # fmt: skip
    cut = (Note("cut", {"shown": most, "rows": len(rows_)}),) if len(rows_) > most else ()
    return Table("reasons", TABLES["reasons"], shown, notes=cut)


def guard_tables(counts: LedgerCounts | None) -> tuple[Table, ...]:
    """Rows held back by the guard, by rule, most first; no table if there are none."""
    if counts is None or not counts.skipped:
        return ()
    rows: list[Row] = [
        (Term(f"rule.{rule}"), messages, RULES[RuleName(rule)].source, Term(f"rule_to_do.{rule}"))
        for rule, messages in sorted(counts.skipped.items(), key=lambda one: (-one[1], one[0]))
    ]
    return (Table("guard", TABLES["guard"], tuple(rows)),)


def reason_of(outcome: Outcome) -> Reason:
    """Why a message in the warehouse was not delivered."""
    name = outcome.state.value
    to_do = f"to_do.row.{name}"
    if outcome.state is DeliveryState.FAILED:
        to_do += ".zalo" if outcome.sms_type in _ZALO else ".sms"
    code = None
    if outcome.state in (DeliveryState.FAILED, DeliveryState.UNDOCUMENTED):
        code = "/".join("?" if part is None else str(part) for part in (outcome.send_status, outcome.send_result))
        if outcome.status_text:
            # Mask before truncating: half a phone would not be recognized.
            code = without_phones(outcome.status_text)[:_LONGEST_STATUS]
    return Reason(Term(f"reason.row.{name}"), Term(to_do), code)


def type_term(sms_type: int | None) -> Term:
    return Term("type.none" if sms_type is None else f"type.{sms_type}")


def share_of(count: int, whole: int) -> Cell:
    return count / whole if whole else None


def worst_first(reasons: Iterable[tuple[Reason, int]]) -> Iterator[tuple[Reason, int]]:
    yield from sorted(reasons, key=lambda one: (-one[1], one[0].name, one[0].code or "", one[0].to_do))


def _not_accepted(counts: LedgerCounts, found: int) -> Counter[Reason]:
    """
    Args:
        found: number of messages that the gateway lists beyond those accepted in the ledger; they are not losses.
    """
    lost: Counter[Reason] = Counter()
    left = Counter({key: rows for key, rows in counts.rows.items() if key[0] is not SendState.ACCEPTED})
    for state in _MAY_BE_THERE:
        for key in sorted((key for key in left if key[0] is state), key=str):
            taken = min(left[key], max(found, 0))
            left[key] -= taken
            found -= taken
    for (state, code), rows in left.items():
        if rows:
            lost[_ledger_reason(state, code)] += rows
    return lost


def _ledger_reason(state: SendState, code: str | None) -> Reason:
    if (rule := rule_of(code)) is not None:
        return Reason(Term(f"rule.{rule}"), Term(f"rule_to_do.{rule}"))
    if code and state in (SendState.REJECTED, SendState.NOT_SENT):
        known = CODES.get(code)
        to_do = f"to_do.ledger.{state.value}" if known is None else f"recovery.{known.recovery.name}"
        return Reason(Term(f"code.{code}"), Term(to_do), code)
    return Reason(Term(f"reason.ledger.{state.value}"), Term(f"to_do.ledger.{state.value}"), code)
