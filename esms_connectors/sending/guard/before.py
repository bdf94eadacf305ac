"""What the guard says of a campaign before anything of it is sent: the plan tells it, and the send refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum

from esms_connectors.ledger import Ledger
from esms_connectors.sending.channels import AdvertisingChannel, Channel
from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.rules import RULES, GuardRefusalError, RuleName
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.sending.guard.text import has_label, has_opt_out, labelled

if TYPE_CHECKING:
    from esms_connectors.sending.plan import Plan


def refusals(settings: GuardSettings, channel: Channel, longest_segments: int) -> list[GuardRefusalError]:
    """Why no message of this text may be sent; empty where all may."""
    found = []
    if isinstance(channel, AdvertisingChannel):
        if settings.label and not has_label(channel.text):
            fix = labelled(channel.text)[:24]
            found.append(
                GuardRefusalError(
                    RuleName.LABEL,
                    f"The advertising text has no label; it would begin: {fix}...",
                    f"Nội dung quảng cáo chưa có nhãn; nên bắt đầu bằng: {fix}...",
                    field="text",
                )
            )
        if settings.opt_out and not has_opt_out(channel.text, settings.opt_out_words):
            found.append(
                GuardRefusalError(
                    RuleName.OPT_OUT,
                    "The advertising text does not say how to refuse further ones",
                    "Nội dung quảng cáo chưa có hướng dẫn từ chối",
                    field="text",
                )
            )
    if longest_segments > settings.max_segments:
        found.append(
            GuardRefusalError(
                RuleName.SEGMENTS,
                f"The longest text has {longest_segments} segments, {settings.max_segments} are allowed",
                f"Nội dung dài nhất có {longest_segments} đoạn tin, giới hạn là {settings.max_segments}",
                field="text",
            )
        )
    return found


def problems(settings: GuardSettings, channel: Channel, ledger: Ledger, plan: Plan) -> list[str]:
    """What the guard would do about this campaign, one line each."""
    lines = [str(refusal) for refusal in refusals(settings, channel, plan.longest_segments)]
    mark = ledger.guard.stops.in_force(plan.run_key, channel.client.account)
    if mark is not None:
        lines.append(f"stopped by {mark.who}: {mark.reason}. {RULES[RuleName.STOP].what_to_do}")
    now = ledger.now()
    arrives = now if channel.send_at is None else max(now, pendulum.instance(channel.send_at))
    policy, hours = settings.hours_policy(channel.message_class), settings.open_hours(channel.message_class)
    if policy is not HoursPolicy.ALLOW and not hours.contain(arrives):
        opening = hours.next_open(arrives).format("YYYY-MM-DD HH:mm")
        lines.append(
            f"outside the hours {hours} of {channel.message_class.value} ({RULES[RuleName.HOURS].source}): "
            f"{policy.value}; next open {opening} in Vietnam"
        )
    return lines + _over_budget(settings, ledger, plan)


def _over_budget(settings: GuardSettings, ledger: Ledger, plan: Plan) -> list[str]:
    lines: list[str] = []
    if plan.cost_vnd is None:
        return lines
    spend = ledger.guard.spend
    for name, most, spent in (
        ("the run", settings.max_cost_vnd, spend.of_run(plan.run_key)),
        ("the month", settings.max_cost_month_vnd, spend.of_month(ledger.now())),
    ):
        if most is not None and spent + plan.cost_vnd > most:
            lines.append(
                f"the budget of {name} is {most:,.0f} VND, {spent:,} are spent and {plan.cost_vnd:,.0f} are needed: it "
                "would stop before the call that exceeds it"
            )
    return lines
