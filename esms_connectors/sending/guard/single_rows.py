"""The guard's rules for single rows, the same for a plan, for a check and for the claim of a run."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from esms_connectors.ledger.row_rules import FREQUENCY, SAME_PHONE, SUPPRESSION, RowRules
from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.preflight import arrival, present_time
from esms_connectors.sending.guard.rules import RULES, RuleName

if TYPE_CHECKING:
    from esms_connectors.ledger import Ledger
    from esms_connectors.recipients import Recipient
    from esms_connectors.sending.channels import Channel
    from esms_connectors.sending.guard.settings import GuardSettings

_REASONS = {
    name: f"{RULES[RuleName(name)].english} / {RULES[RuleName(name)].vietnamese}"
    for name in (SUPPRESSION, SAME_PHONE, FREQUENCY)
}


def row_rules(
    settings: GuardSettings,
    channel: Channel,
    ledger: Ledger,
    *,
    price_vnd: Decimal | None = None,
    recipients: Sequence[Recipient] = (),
    once_in: str | None = None,
) -> RowRules:
    """
    The rules in force for rows that are sent by `channel` now.

    Args:
        price_vnd, recipients: the rows to be charged if there is a budget.
        once_in: the run in which each phone gets one message.
    """
    kind, now = channel.message_class, present_time(channel, ledger)
    arrives = arrival(now, channel)
    if settings.hours_policy(kind) is HoursPolicy.RESCHEDULE:
        arrives = settings.open_hours(kind).next_open(arrives)
    charges = settings.has_budget and price_vnd is not None and not channel.client.sandbox
    return RowRules(
        at=now,
        arrives=arrives,
        # Messages in a sandbox reach nobody.
        message_class=None if channel.client.sandbox else kind.value,
        suppresses=settings.suppresses(kind),
        cap=settings.cap(kind),
        cap_hours=settings.cap_hours,
        once_in=once_in,
        reasons=_REASONS,
        costs=[_cost(channel, one, price_vnd) for one in recipients] if charges and price_vnd is not None else None,
        most_run=_whole(settings.max_cost_vnd),
        most_month=_whole(settings.max_cost_month_vnd),
    )


def _cost(channel: Channel, recipient: Recipient, price_vnd: Decimal) -> int:
    """The cost in đồng, rounded up."""
    text = channel.text_of(recipient)
    return int((Decimal(price_vnd) * (1 if text is None else text.segments)).to_integral_value(ROUND_CEILING))


def _whole(most: Decimal | None) -> int | None:
    return None if most is None else int(most.to_integral_value(ROUND_FLOOR))
