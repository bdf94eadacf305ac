"""The guard's checks of a campaign before anything is sent: the plan reports the problems, the send refuses them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.times import in_vietnam
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.rules import GuardRefusalError, GuardStopError, RuleName, in_both_languages
from esms_connectors.sending.guard.text import has_label, has_opt_out, labelled

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger
    from esms_connectors.ledger.stops import StopMark
    from esms_connectors.sending.channels import Channel
    from esms_connectors.sending.guard.settings import GuardSettings
    from esms_connectors.sending.plan import Plan


_TOLD_TO = timedelta(seconds=2)


def present_time(channel: Channel, ledger: Ledger) -> DateTime:
    """The gateway's time, or this machine's if no answer of the gateway has confirmed it yet."""
    clock = channel.client.clock
    return clock.earliest() if clock.confirmed else ledger.now()


def learn_time(settings: GuardSettings, channel: Channel) -> None:
    """Learn the gateway's time if hours, a cap or a budget are in force."""
    kind = channel.message_class
    counts = settings.cap(kind) is not None or settings.has_budget
    if counts or settings.hours_policy(kind) is not HoursPolicy.ALLOW:
        channel.client.learn_time()


def arrival(now: DateTime, channel: Channel) -> DateTime:
    """When a message that leaves now arrives."""
    return now if channel.send_at is None else max(now, pendulum.instance(channel.send_at))


def is_open(settings: GuardSettings, channel: Channel) -> bool:
    """
    Whether a message that leaves now arrives within its hours, by the gateway's clock. If no answer has confirmed it,
    this machine's clock is only trusted to within an hour, and all of that hour must be open.
    """
    clock, hours = channel.client.clock, settings.open_hours(channel.message_class)
    earliest, latest = clock.earliest(), clock.latest()
    # Two clocks count since the last answer, and may have drifted apart; an answer itself has whole seconds.
    ends = (earliest, max(earliest, latest - _TOLD_TO) if clock.confirmed else latest)
    return all(hours.contain(arrival(end, channel)) for end in ends)


def check_hours(settings: GuardSettings, channel: Channel) -> None:
    """
    Raises:
        GuardRefusalError: a message that leaves now would arrive outside its hours, and that is not allowed.
    """
    if settings.hours_policy(channel.message_class) is not HoursPolicy.ALLOW and not is_open(settings, channel):
        raise GuardRefusalError(RuleName.HOURS, *closed_words(settings, channel), field="send_at")


def closed_words(settings: GuardSettings, channel: Channel) -> tuple[str, str]:
    """In English and Vietnamese."""
    clock, kind = channel.client.clock, channel.message_class
    now = clock.earliest() if clock.confirmed else clock.mark().local
    shown, hours = arrival(now, channel).in_timezone(VIETNAM).format("HH:mm"), settings.open_hours(kind)
    why = (
        ""
        if clock.confirmed
        else (" (the gateway reported no time, this machine's clock is trusted only to within an hour)")
    )
    return (
        f"A message of class {kind.value} would arrive at {shown} in Vietnam, its hours are {hours}{why}",
        f"Tin loại {kind.value} sẽ đến lúc {shown}, ngoài khung giờ {hours}",
    )


def check_stops(ledger: Ledger, key: str, client: EsmsClient) -> None:
    """
    Args:
        key: the run key, or the request id of a message outside a run.

    Raises:
        GuardStopError: the run or everything was stopped, or the account was refused.
    """
    mark = ledger.guard.stops.in_force(key, client.account)
    if mark is not None:
        raise GuardStopError(RuleName.STOP, *_stopped_words(mark))


def _stopped_words(mark: StopMark) -> tuple[str, str]:
    """In English and Vietnamese."""
    when = in_vietnam(mark.at)
    what = {"run": f"Run {mark.key}", "all": "Everything", "account": "The account"}[mark.scope]
    return (
        f"{what} was stopped by {mark.who} at {when}: {mark.reason}",
        f"Đã bị dừng bởi {mark.who} lúc {when}: {mark.reason}",
    )


def refusals(settings: GuardSettings, channel: Channel, longest_segments: int) -> list[GuardRefusalError]:
    """Why no message with this text may be sent; empty if there is no objection."""
    found = []
    text = getattr(channel, "text", None)
    if channel.message_class is MessageClass.ADVERTISING and isinstance(text, str):
        if settings.label and not has_label(text):
            fix = labelled(text)[:24]
            found.append(
                GuardRefusalError(
                    RuleName.LABEL,
                    f"The advertising text has no label; it would begin: {fix}...",
                    f"Nội dung quảng cáo chưa có nhãn; nên bắt đầu bằng: {fix}...",
                    field="text",
                )
            )
        if settings.opt_out and not has_opt_out(text, settings.opt_out_words):
            found.append(
                GuardRefusalError(
                    RuleName.OPT_OUT,
                    "The advertising text does not say how to opt out",
                    "Nội dung quảng cáo chưa có hướng dẫn từ chối",
                    field="text",
                )
            )
    if longest_segments > settings.max_segments:
        found.append(
            GuardRefusalError(
                RuleName.SEGMENTS,
                f"The longest text has {counted(longest_segments, 'segment')}, more than "
                f"max_segments={settings.max_segments}",
                f"Nội dung dài nhất có {longest_segments} đoạn tin, giới hạn là {settings.max_segments}",
                field="text",
            )
        )
    return found


def balance_refusal(settings: GuardSettings, plan: Plan) -> GuardRefusalError | None:
    """The refusal of a run that its balance does not cover, if the settings ask for that."""
    if settings.low_balance != "refuse" or not plan.to_send:
        return None
    if plan.left_vnd is None:
        words = (
            "It is unknown whether the balance covers the run: the price of a message is not known, give price_vnd",
            "Không biết số dư có đủ hay không: chưa có giá mỗi tin, hãy cho biết price_vnd",
        )
    elif plan.left_vnd < 0:
        words = (
            f"The balance is {-plan.left_vnd:,.0f} VND less than what the run needs",
            f"Số dư thiếu {-plan.left_vnd:,.0f} VND so với chi phí của lần chạy",
        )
    else:
        return None
    return GuardRefusalError(RuleName.BALANCE, *words, field="low_balance")


def check_plan_of(settings: GuardSettings, channel: Channel, plan: Plan) -> None:
    """
    Raises:
        GuardRefusalError: a rule refuses the whole campaign; raised for the first such rule.
    """
    low = balance_refusal(settings, plan)
    for refusal in (*refusals(settings, channel, plan.longest_segments), *([low] if low else [])):
        raise refusal


def check_message(settings: GuardSettings, channel: Channel, longest_segments: int) -> None:
    """
    Check a message that is sent without a plan.

    Raises:
        GuardRefusalError: a rule refuses it.
    """
    for refusal in refusals(settings, channel, longest_segments):
        raise refusal


def problems(settings: GuardSettings, channel: Channel, ledger: Ledger, plan: Plan) -> tuple[list[str], list[str]]:
    """What the guard would do about this campaign, one line each: what stops it, and what only delays it."""
    advice: list[str] = []
    lines = [str(refusal) for refusal in refusals(settings, channel, plan.longest_segments)]
    if (low := balance_refusal(settings, plan)) is not None:
        lines.append(str(low))
    mark = ledger.guard.stops.in_force(plan.run_key, channel.client.account)
    if mark is not None:
        lines.append(in_both_languages(RuleName.STOP, *_stopped_words(mark)))
    policy, hours = settings.hours_policy(channel.message_class), settings.open_hours(channel.message_class)
    if policy is not HoursPolicy.ALLOW and not is_open(settings, channel):
        opening = in_vietnam(hours.next_open(arrival(channel.client.clock.latest(), channel)))
        line = in_both_languages(RuleName.HOURS, *closed_words(settings, channel))
        refused = policy is HoursPolicy.REFUSE
        (lines if refused else advice).append(f"{line} hours={policy.value}; next open {opening} (Vietnam)")
    if settings.has_budget and plan.price_vnd is None:
        lines.append("a budget needs the price of a message, which is unknown: give price_vnd")
    return lines + _over_budget(settings, channel, ledger, plan), advice


def _over_budget(settings: GuardSettings, channel: Channel, ledger: Ledger, plan: Plan) -> list[str]:
    lines: list[str] = []
    if plan.cost_vnd is None:
        return lines
    spend = ledger.guard.spend
    for name, most, spent in (
        ("the run", settings.max_cost_vnd, spend.of_run(plan.run_key)),
        ("the month", settings.max_cost_month_vnd, spend.of_month(present_time(channel, ledger))),
    ):
        if most is not None and spent + plan.cost_vnd > most:
            lines.append(
                f"the budget of {name} is {most:,.0f} VND, {spent:,} are spent and {plan.cost_vnd:,.0f} are needed: it "
                "would stop before the call that exceeds it"
            )
    return lines
