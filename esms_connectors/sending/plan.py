"""
Plan before apply: what a run would do, what it would cost, and what is wrong with it. Sends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.sms_text import SmsText
from esms_connectors.gateway.times import read_time
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.recipients import ReadReport, Recipient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.result import money

if TYPE_CHECKING:
    from esms_connectors.sending.guard.settings import GuardSettings

__all__ = ["Plan", "PlanChangedError"]

# Advertising may be delivered only from 7 to 22 o'clock (Decree 91/2020, article 13); for the rest it is a courtesy.
QUIET_FROM_HOUR, QUIET_TO_HOUR = 22, 7
_PRICES_OF_DAYS = 3
# How many recipients the price estimate covers: prices differ by network.
_PRICED_RECIPIENTS = 100


class PlanChangedError(InvalidRequestError):
    """What would be sent differs from the plan. Nothing was sent: look at the new plan, and approve that one."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A message as it would arrive; shown to the person who plans it, and never part of the JSON."""

    what: str
    line: int
    segments: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a run would do.

    Attributes:
        channel, run_key, about, key_column: what would be sent, under which key, and which column identifies the rows.
        fingerprint: of the rows that would be sent, in any order; it changes with any row, phone or text.
        report: of the reading; its `conflicts` are rows that were sent with other content in the same run.
        recipients: rows that would be sent, including those that are already settled.
        already_settled: of these, rows that the ledger has as accepted or rejected; they would be skipped.
        skipped_by_rule: of these, rows that a rule of the guard would skip at present, by rule.
        chunks: calls to the gateway.
        segments, longest_segments: SMS only: segments of all messages, and of the longest.
        unicode_messages: SMS only: messages that are sent as Unicode; `forced_by` counts the characters that cause it.
        send_at_text: the text that the time of sending was given as, such as `+2h`; the time itself is in `about`.
        price_vnd: of one message (one segment for SMS); None if unknown; `price_from` says where it comes from.
        cost_vnd, balance_vnd, left_vnd: estimate; None if the price is unknown.
        previews: SMS only: the first message, the longest and the one with the most segments; not part of the JSON.
        sandbox: the account checks messages and sends none.
        ledger, rejects: where they are; for display.
        problems: what would go wrong, one line each.
        good: no problem keeps messages from being accepted or is against the law. Mere advice (a sandbox account, hours
            when people sleep, rows that were sent as something else) is listed in `problems` but does not count here.
    """

    channel: str
    run_key: str
    about: Mapping[str, str]
    key_column: str
    fingerprint: str
    report: ReadReport
    recipients: int = 0
    already_settled: int = 0
    skipped_by_rule: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0
    segments: int = 0
    longest_segments: int = 0
    unicode_messages: int = 0
    forced_by: Mapping[str, int] = field(default_factory=dict)
    send_at_text: str | None = None
    price_vnd: Decimal | None = None
    price_from: str = ""
    balance_vnd: Decimal | None = None
    previews: tuple[Preview, ...] = field(default=(), repr=False)
    sandbox: bool = False
    ledger: str = ""
    rejects: str | None = field(default=None, repr=False)
    problems: tuple[str, ...] = ()
    good: bool = True

    @property
    def empty(self) -> bool:
        """Whether the source has no rows at all, as on a quiet day."""
        return self.report.rows == 0 and self.recipients == 0

    @property
    def rows(self) -> int:
        """Rows of the source that are meant to be sent: includes rows that cannot be sent, but not repeated rows."""
        return self.recipients + self.report.rejected

    @property
    def to_send(self) -> int:
        return self.recipients - self.already_settled - sum(self.skipped_by_rule.values())

    @property
    def cost_vnd(self) -> Decimal | None:
        if self.price_vnd is None:
            return None
        share = Decimal(self.to_send) / self.recipients if self.recipients else Decimal(0)
        units = Decimal(self.segments) * share if self.segments else Decimal(self.to_send)
        return (self.price_vnd * units).quantize(Decimal(1))

    @property
    def left_vnd(self) -> Decimal | None:
        return None if self.cost_vnd is None or self.balance_vnd is None else self.balance_vnd - self.cost_vnd

    def as_dict(self) -> dict[str, Any]:
        """For JSON, the same for every front end; without full phones or texts. `check_plan` accepts it."""
        return {
            "channel": self.channel,
            "run_key": self.run_key,
            "about": dict(self.about),
            "key_column": self.key_column,
            "fingerprint": self.fingerprint,
            "sandbox": self.sandbox,
            "rows": self.report.as_dict(),
            "recipients": self.recipients,
            "already_settled": self.already_settled,
            "skipped_by_rule": dict(self.skipped_by_rule),
            "to_send": self.to_send,
            "conflicts": self.report.conflicts,
            "chunks": self.chunks,
            "segments": self.segments,
            "longest_segments": self.longest_segments,
            "unicode_messages": self.unicode_messages,
            "forced_by": dict(self.forced_by),
            "send_at_text": self.send_at_text,
            "price_vnd": money(self.price_vnd),
            "price_from": self.price_from,
            "cost_vnd": money(self.cost_vnd),
            "balance_vnd": money(self.balance_vnd),
            "left_vnd": money(self.left_vnd),
            "good": self.good,
            "problems": list(self.problems),
            "ledger": self.ledger,
            "rejects": self.rejects,
        }


def planned_time(approved: Plan | Mapping[str, Any] | None, send_at_text: str | None) -> DateTime | None:
    """
    The approved time of sending, if it was given by the same text: `+2h` means two hours after the plan was made. None
    if there is no such time.
    """
    plan = approved.as_dict() if isinstance(approved, Plan) else approved
    if not isinstance(plan, Mapping) or send_at_text is None or plan.get("send_at_text") != send_at_text:
        return None
    about = plan.get("about")
    planned = about.get("send_at") if isinstance(about, Mapping) else None
    return None if planned is None else read_time(planned, "send_at", needs_zone=True)


def check_plan(approved: Plan | Mapping[str, Any], now: Plan) -> None:
    """
    Check that what would be sent now is what was planned.

    Args:
        approved: a plan, or its JSON.

    Raises:
        PlanChangedError: it is not; the message says in one line what changed.
        InvalidRequestError: `approved` is not a plan.
    """
    before: Mapping[str, Any] = approved.as_dict() if isinstance(approved, Plan) else approved
    if not isinstance(before, Mapping) or not before.get("fingerprint"):
        raise InvalidRequestError("This is not a plan: a plan is the output of --plan --json or plan().", field="plan")
    if before["fingerprint"] == now.fingerprint and not _changes(before, now.as_dict()):
        return
    raise _changed(_changes(before, now.as_dict()) or [_changed_rows(before, now)])


def check_message(approved: Mapping[str, Any], channel: Channel, run_key: str) -> None:
    """
    The part of `check_plan` that needs no reading of the rows: settings may have changed since the plan was made.

    Args:
        approved: the JSON of a plan.

    Raises:
        PlanChangedError: another message or account would be sent with; nothing was sent.
    """
    client = channel.client
    now = {"channel": channel.kind, "run_key": run_key, "about": channel.about(), "sandbox": client.sandbox}
    if changes := _changes(approved, {**approved, **now}):
        raise _changed(changes)


def _changed(changes: Sequence[str]) -> PlanChangedError:
    return PlanChangedError(
        f"This differs from the plan: {'; '.join(changes)}. Nothing was sent: create a new plan, and approve it.",
        field="plan",
    )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs apart from the rows, by name."""
    flat = [
        {
            **{name: plan.get(name) for name in ("channel", "run_key", "sandbox", "key_column")},
            **(plan.get("about") or {}),
        }
        for plan in (before, now)
    ]
    names = dict.fromkeys((*flat[0], *flat[1]))
    return [
        f"{name} is {flat[1].get(name)!r} and was {flat[0].get(name)!r}"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    ]


def _changed_rows(before: Mapping[str, Any], now: Plan) -> str:
    planned = before.get("recipients")
    if planned != now.recipients:
        return f"{counted(now.recipients, 'row')} would be sent to, the plan has {planned}"
    return f"as many rows ({planned}), but other phones, keys, values or texts"


@dataclass(slots=True)
class _Tally:
    """Totals and previews of the texts of a run."""

    recipients: int = 0
    segments: int = 0
    longest: int = 0
    unicode_messages: int = 0
    forced_by: Counter[str] = field(default_factory=Counter)
    priced: list[Recipient] = field(default_factory=list)
    _first: Preview | None = None
    _longest: Preview | None = None
    _dearest: Preview | None = None

    def add(self, channel: Channel, recipient: Recipient) -> None:
        self.recipients += 1
        if self.recipients <= _PRICED_RECIPIENTS:
            self.priced.append(recipient)
        text = channel.text_of(recipient)
        if text is None:
            return
        self._preview(channel, recipient, text)
        self.segments += text.segments
        self.longest = max(self.longest, text.segments)
        self.unicode_messages += text.encoding == "ucs2"
        self.forced_by.update({forced.character: forced.count for forced in text.forced_by})

    def _preview(self, channel: Channel, recipient: Recipient, text: SmsText) -> None:
        def shown(what: str) -> Preview:
            return Preview(what, recipient.line, text.segments, channel.rendered(recipient) or "")

        if self._first is None:
            self._first = shown("first")
        if self._longest is None or text.characters > len(self._longest.text):
            self._longest = shown("longest")
        if self._dearest is None or text.segments > self._dearest.segments:
            self._dearest = shown("most segments")

    def previews(self) -> tuple[Preview, ...]:
        """The previews, each message once."""
        found = (self._first, self._longest, self._dearest)
        by_line: dict[int, Preview] = {}
        for one in found:
            if one is not None:
                by_line.setdefault(one.line, one)
        return tuple(by_line.values())


def plan_bulk(
    channel: Channel,
    recipients: Iterable[Recipient],
    report: ReadReport,
    *,
    run_key: str,
    key_column: str,
    known: Callable[[], tuple[int, Mapping[str, int], str]],
    ledger: str = "",
    rejects: str | None = None,
    price_vnd: Decimal | None = None,
) -> Plan:
    """
    Read all recipients and report what sending to each would do.

    Args:
        report: the report that reading `recipients` fills.
        known: called at the end: how many of the rows are settled, how many a rule would skip, and the fingerprint of
            all rows.
        price_vnd: of one message or segment; None uses the gateway's estimate, or without one the price of the last
            message of this kind in the sent data.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: balance or price could not be read.
    """
    tally = _Tally()
    for recipient in recipients:
        tally.add(channel, recipient)
    settled, skipped, fingerprint = known()
    to_send = tally.recipients - settled - sum(skipped.values())
    price_vnd, price_from = price_of(channel, tally.priced, price_vnd)
    view = channel.account_view(to_send)
    report.notes += view.notes
    about = channel.about()
    plan = Plan(
        channel=channel.kind,
        run_key=run_key,
        about=about,
        key_column=key_column,
        fingerprint=fingerprint,
        report=report,
        recipients=tally.recipients,
        already_settled=settled,
        skipped_by_rule=skipped,
        chunks=channel.calls(to_send),
        segments=tally.segments,
        longest_segments=tally.longest,
        unicode_messages=tally.unicode_messages,
        forced_by=dict(tally.forced_by),
        price_vnd=price_vnd,
        price_from=price_from,
        balance_vnd=channel.client.get_balance().balance_vnd,
        previews=tally.previews(),
        sandbox=channel.client.sandbox,
        ledger=ledger,
        rejects=rejects,
    )
    return _with_problems(plan, channel, view.problems)


def price_of(
    channel: Channel, recipients: Sequence[Recipient] = (), price_vnd: Decimal | None = None
) -> tuple[Decimal | None, str]:
    """The price of a message (of a segment for SMS), and where it comes from."""
    if price_vnd is not None:
        return price_vnd, "given"
    why_none = ""
    if recipients:
        try:
            price_vnd = channel.estimate(recipients)
        except EsmsError as error:
            if getattr(error, "stops_run", False):
                raise
            why_none = f"; no estimate: {error}"
        if price_vnd is not None:
            return price_vnd, "the gateway's estimate"
    if channel.priced_as is None:
        return None, f"unknown: give price_vnd{why_none}"
    now = machine_clock.now()
    page = channel.client.get_sms_sent_data_page(
        now.subtract(days=_PRICES_OF_DAYS), now, channel.priced_as, page_size=50
    )
    prices = [
        (message.sent_at, message.price_vnd)
        for message in page.messages
        if message.sent_at is not None and message.price_vnd
    ]
    if not prices:
        return None, f"unknown: give price_vnd{why_none}"
    return max(prices)[1], f"the last message of this kind{why_none}"


def price_for_budget(channel: Channel, guard: GuardSettings, price_vnd: Decimal | None) -> Decimal | None:
    """The price of a message, looked up if a budget needs it and it was not given."""
    return price_of(channel)[0] if price_vnd is None and guard.has_budget else price_vnd


def _with_problems(plan: Plan, channel: Channel, told: Sequence[str]) -> Plan:
    problems, advice = list(told), []
    if plan.sandbox:
        advice.append("the account is a sandbox: it checks messages, sends none, and marks the run in the ledger")
    if plan.report.conflicts:
        shown = "; ".join(f"line {one.line} {one.text}" for one in plan.report.first_conflicts[:3])
        # Advice only: `Campaign.conflicts` decides what happens to these rows.
        advice.append(
            f"{counted(plan.report.conflicts, 'row was', 'rows were')} sent as something else in this run: {shown}"
        )
    if plan.recipients == 0:
        (advice if plan.empty else problems).append("there is nobody to send to")
    elif plan.recipients < channel.smallest_chunk:
        problems.append(
            f"{plan.channel} needs at least {channel.smallest_chunk} numbers, the plan has {plan.recipients}"
        )
    if plan.left_vnd is not None and plan.left_vnd < 0:
        problems.append(f"the balance is {-plan.left_vnd:,.0f} VND short; sends would stop with code 103")
    when = (pendulum.instance(channel.send_at) if channel.send_at else machine_clock.now()).in_timezone(VIETNAM)
    # The hours of advertising are checked by the guard.
    advertising = channel.message_class in (MessageClass.ADVERTISING, MessageClass.PROMOTION)
    if not advertising and (when.hour >= QUIET_FROM_HOUR or when.hour < QUIET_TO_HOUR):
        advice.append(f"it would arrive at {when.format('HH:mm')} in Vietnam: people are asleep then")
    return replace(plan, problems=(*problems, *advice), good=not problems)
