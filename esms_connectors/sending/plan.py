"""
Plan before apply: what a run would do, what it would cost, and what is wrong with it. Sends nothing.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pendulum

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import SEND_ADVERTISING_SMS, SEND_ZNS_BULK
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.sms_text import describe
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import ReadReport, Recipient

# Advertising may reach people from 7 to 22 o'clock only (Decree 91/2020, article 13); for the rest it is courtesy.
QUIET_FROM_HOUR, QUIET_TO_HOUR = 22, 7
_LOOKED_BACK_DAYS = 3


@dataclass(slots=True)
class Plan:
    """
    What a run would do.

    Attributes:
        recipients: rows that would be sent to, those that are settled already included. Rows that were sent as other
            content in the same run are none of them, see `report.conflicts`.
        already_settled: of these, rows that the ledger has as accepted or rejected; they would be skipped.
        chunks: calls to the gateway.
        segments, longest_segments: SMS only: segments of all messages, and of the longest.
        unicode_messages: SMS only: messages that a character outside GSM makes Unicode, with `forced_by` saying which.
        price_vnd: of one message (one segment for SMS); `price_from` says where it comes from, None when unknown.
        cost_vnd, balance_vnd, left_vnd: estimate; None when the price is unknown.
        problems: what would go wrong, one line each.
    """

    kind: str
    recipients: int = 0
    already_settled: int = 0
    chunks: int = 0
    report: ReadReport = field(default_factory=ReadReport)
    segments: int = 0
    longest_segments: int = 0
    unicode_messages: int = 0
    forced_by: Counter[str] = field(default_factory=Counter)
    price_vnd: Decimal | None = None
    price_from: str = ""
    balance_vnd: Decimal | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether the source has no row at all, as on a day on which nothing happened."""
        return self.report.rows == 0 and self.recipients == 0

    @property
    def to_send(self) -> int:
        return self.recipients - self.already_settled

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
        """For JSON; without a phone or text in full."""
        return {
            "kind": self.kind,
            "recipients": self.recipients,
            "already_settled": self.already_settled,
            "to_send": self.to_send,
            "conflicts": self.report.conflicts,
            "chunks": self.chunks,
            "rows": self.report.as_dict(),
            "segments": self.segments,
            "longest_segments": self.longest_segments,
            "unicode_messages": self.unicode_messages,
            "forced_by": dict(self.forced_by),
            "price_vnd": self.price_vnd,
            "price_from": self.price_from,
            "cost_vnd": self.cost_vnd,
            "balance_vnd": self.balance_vnd,
            "left_vnd": self.left_vnd,
            "problems": self.problems,
        }


def plan_zns_bulk(
    client: EsmsClient,
    recipients: Iterable[Recipient],
    report: ReadReport,
    *,
    ledger: Ledger | None = None,
    run_key: str | None = None,
    already_settled: Callable[[], int] | None = None,
    send_at: datetime | None = None,
    price_vnd: Decimal | None = None,
    chunk_size: int = SEND_ZNS_BULK.max_items or 500,
) -> Plan:
    """
    Read all recipients and say what sending a ZNS to each would do.

    Args:
        report: the one that the reading of `recipients` fills.
        ledger, run_key: count what is settled already.
        already_settled: asked at the end instead, by those who have counted that while the rows went by.
        price_vnd: of one message; None takes that of the last ZNS in the sent data.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: balance or price could not be read.
    """
    plan = Plan("zns", report=report)
    keys: list[str] = []
    for recipient in recipients:
        plan.recipients += 1
        if ledger is not None and run_key is not None:
            keys.append(recipient.row_key)
            if len(keys) == 1000:
                plan.already_settled += len(keys) - len(ledger.unsettled(run_key, keys))
                keys.clear()
    if keys and ledger is not None and run_key is not None:
        plan.already_settled += len(keys) - len(ledger.unsettled(run_key, keys))
    if already_settled is not None:
        plan.already_settled = already_settled()
    plan.chunks = -(-plan.to_send // chunk_size)
    _add_money(client, plan, price_vnd, SmsType.ZNS)
    _add_problems(plan, send_at)
    return plan


def plan_sms_bulk(
    client: EsmsClient,
    texts: Iterable[str],
    report: ReadReport,
    *,
    advertising: bool = False,
    send_at: datetime | None = None,
    price_vnd: Decimal | None = None,
) -> Plan:
    """
    Read all texts, one a recipient, and say what sending them would do.

    Args:
        texts: as they would be sent; for customer care with each recipient's own values.
        price_vnd: of one segment; None takes that of the last SMS in the sent data.
        The rest as in `plan_zns_bulk`.
    """
    plan = Plan("advertising" if advertising else "customer_care", report=report)
    for text in texts:
        described = describe(unicodedata.normalize("NFC", text))
        plan.recipients += 1
        plan.segments += described.segments
        plan.longest_segments = max(plan.longest_segments, described.segments)
        if described.forced_by:
            plan.unicode_messages += 1
            plan.forced_by.update({forced.character: forced.count for forced in described.forced_by})
    largest = SEND_ADVERTISING_SMS.max_items or 5000
    plan.chunks = -(-plan.recipients // largest) if advertising else plan.recipients
    if advertising and 0 < plan.recipients < SEND_ADVERTISING_SMS.min_items:
        plan.problems.append(f"advertising needs at least 30 numbers, there are {plan.recipients}")
    _add_money(client, plan, price_vnd, SmsType.ADVERTISING if advertising else SmsType.CUSTOMER_CARE)
    _add_problems(plan, send_at)
    return plan


def _add_money(client: EsmsClient, plan: Plan, price_vnd: Decimal | None, sms_type: SmsType) -> None:
    plan.balance_vnd = client.get_balance().balance_vnd
    plan.price_vnd, plan.price_from = price_vnd, "given"
    if price_vnd is None:
        now = machine_clock.now()
        page = client.get_sms_sent_data_page(now.subtract(days=_LOOKED_BACK_DAYS), now, sms_type, page_size=50)
        prices = [
            (message.sent_at, message.price_vnd)
            for message in page.messages
            if message.sent_at is not None and message.price_vnd
        ]
        plan.price_vnd = max(prices)[1] if prices else None
        plan.price_from = "the last message of this kind" if prices else "unknown: give a price"


def _add_problems(plan: Plan, send_at: datetime | None) -> None:
    if plan.report.conflicts:
        shown = "; ".join(f"line {one.line} {one.text}" for one in plan.report.first_conflicts[:3])
        plan.problems.append(f"{plan.report.conflicts} rows were sent as something else in this run: {shown}")
    if plan.recipients == 0:
        plan.problems.append("there is nobody to send to")
    if plan.left_vnd is not None and plan.left_vnd < 0:
        plan.problems.append(f"the balance is {-plan.left_vnd:,.0f} VND short; sends would stop with code 103")
    when = (pendulum.instance(send_at) if send_at else machine_clock.now()).in_timezone(VIETNAM)
    if when.hour >= QUIET_FROM_HOUR or when.hour < QUIET_TO_HOUR:
        rule = "advertising is not allowed then" if plan.kind == "advertising" else "people sleep then"
        plan.problems.append(f"it would arrive at {when.format('HH:mm')} in Vietnam: {rule}")
