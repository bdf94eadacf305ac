"""The tables of a report in display order, and their columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from esms_connectors.reports.model import Column, Kind

# Counts of a set of messages. `open`: neither delivered, failed nor rejected. `delivered_share`: of all messages, so
# that it can only grow while open messages become final.
_MEASURES = (
    Column("messages", Kind.COUNT),
    Column("delivered", Kind.COUNT),
    Column("failed", Kind.COUNT),
    Column("rejected", Kind.COUNT),
    Column("open", Kind.COUNT),
    Column("delivered_share", Kind.SHARE),
    Column("cost", Kind.MONEY),
    Column("cost_per_delivered", Kind.MONEY),
)

TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        # Each stage is a subset of the previous one; `lost` is the difference. `share`: of the first stage.
        "funnel": (
            Column("stage", Kind.TERM),
            Column("messages", Kind.COUNT),
            Column("share", Kind.SHARE),
            Column("lost", Kind.COUNT),
        ),
        # Reasons for the losses; for each stage the rows add up to its `lost`.
        "losses": (
            Column("stage", Kind.TERM),  # the stage not reached
            Column("reason", Kind.TERM),
            Column("code", Kind.TEXT),
            Column("messages", Kind.COUNT),
            Column("share", Kind.SHARE),
            Column("to_do", Kind.TERM),
        ),
        # Rows held back by a rule of the guard, in all runs that began in the period; present only if there are any.
        "guard": (
            Column("rule", Kind.TERM),
            Column("messages", Kind.COUNT),
            Column("source", Kind.TEXT),
            Column("to_do", Kind.TERM),
        ),
        # Present only if a budget is set. `name`: of the month or the run. `used`, `left`: of the budget, by the prices
        # that the gateway lists; `charged`: the cost counted by the guard.
        "budget": (
            Column("scope", Kind.TERM),
            Column("name", Kind.TEXT),
            Column("budget", Kind.MONEY),
            Column("cost", Kind.MONEY),
            Column("used", Kind.SHARE),
            Column("left", Kind.MONEY),
            Column("charged", Kind.MONEY),
        ),
        "days": (Column("day", Kind.DAY), *_MEASURES),
        "types": (Column("sms_type", Kind.TERM), *_MEASURES),
        # The last row may be the Term `others`; a name of None is the Term `no_campaign`.
        # The runs of a campaign, such as those of each night, are one row.
        "campaigns": (Column("campaign", Kind.TEXT), Column("runs", Kind.COUNT), *_MEASURES),
        # Campaigns with a fallback. The last row of each, the Term `chain.people`, counts each person once. `late`:
        # delivered after the next step was sent; `handed_on`: passed on to the next step.
        "chains": (
            Column("run_key", Kind.TEXT),
            Column("step", Kind.TEXT),
            Column("people", Kind.COUNT),
            Column("delivered", Kind.COUNT),
            Column("late", Kind.COUNT),
            Column("handed_on", Kind.COUNT),
            Column("cost", Kind.MONEY),
        ),
        # Why people reached a step.
        "handed_on": (
            Column("run_key", Kind.TEXT),
            Column("step", Kind.TEXT),
            Column("reason", Kind.TERM),
            Column("code", Kind.TEXT),
            Column("people", Kind.COUNT),
        ),
        "carriers": (Column("carrier", Kind.TEXT), *_MEASURES),
        # Reasons for final non-delivery, most messages first. `share`: of all messages.
        "reasons": (
            Column("reason", Kind.TERM),
            Column("sms_type", Kind.TERM),
            Column("code", Kind.TEXT),
            Column("messages", Kind.COUNT),
            Column("share", Kind.SHARE),
            Column("to_do", Kind.TERM),
        ),
        # From sending until a load saw the final state.
        "speed": (
            Column("sms_type", Kind.TERM),
            Column("messages", Kind.COUNT),
            Column("median", Kind.DURATION),
            Column("p90", Kind.DURATION),
            Column("p99", Kind.DURATION),
        ),
        "open": (
            Column("age", Kind.TERM),
            Column("state", Kind.TERM),
            Column("messages", Kind.COUNT),
            Column("cost", Kind.MONEY),
            Column("oldest", Kind.MOMENT),
        ),
        # Only on request: recipients whose message was not delivered, or not yet.
        "recipients": (
            Column("phone", Kind.TEXT),
            Column("sms_type", Kind.TERM),
            Column("campaign", Kind.TEXT),
            Column("state", Kind.TERM),
            Column("sent_at", Kind.MOMENT),
            Column("cost", Kind.MONEY),
        ),
    }
)
