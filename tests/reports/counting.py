"""The same numbers, counted once more: in plain Python, over what the emulator stores, without any code of ours."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import phonenumbers
from phonenumbers import carrier

from esms_connectors.emulator import Emulator

NAMES = {
    (5, 1): "delivered",
    (5, 0): "failed",
    (5, 2): "sent",
    (7, 2): "sent",
    (1, 2): "pending",
    (2, 2): "pending",
    (4, 0): "rejected",
}


@dataclass(frozen=True)
class Counted:
    """A message as the gateway has it."""

    phone: str
    sms_type: int
    campaign: str
    state: str
    status: str
    sent: datetime
    price: Decimal

    @property
    def day(self) -> Any:
        return (self.sent + timedelta(hours=7)).date()

    @property
    def carrier(self) -> str:
        number = phonenumbers.parse(self.phone, "VN")
        return carrier.name_for_number(number, "en")


def messages_of(gateway: Emulator, start: datetime, end: datetime) -> list[Counted]:
    """Those sent in the span."""
    found = []
    for row in gateway.state.rows:
        milliseconds = re.fullmatch(r"/Date\((\d+)\+0700\)/", row.SentTime)
        assert milliseconds is not None
        sent = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds[1]))
        status = (row.SendStatus, row.SendResult)
        state = NAMES.get(status, "undocumented")
        price = Decimal(str(row.SellPrice))
        name = f"{row.SendStatus}/{row.SendResult}"
        found.append(Counted(row.Phone, row.SmsType, row.Campaign, state, name, sent, price))
    return [one for one in found if start <= one.sent < end]


def measured(messages: Iterable[Counted]) -> tuple[Any, ...]:
    """The cells that a report has of any set of messages."""
    chosen = list(messages)
    count = {state: sum(one.state == state for one in chosen) for state in {*NAMES.values(), "undocumented"}}
    cost = sum((one.price for one in chosen), Decimal(0))
    return (
        len(chosen),
        count["delivered"],
        count["failed"],
        count["rejected"],
        count["pending"] + count["sent"] + count["undocumented"],
        count["delivered"] / len(chosen) if chosen else None,
        cost,
        (cost / count["delivered"]).quantize(Decimal("0.0001")) if count["delivered"] else None,
    )


def measured_by(messages: Iterable[Counted], key: Callable[[Counted], Hashable]) -> dict[Any, tuple[Any, ...]]:
    groups = defaultdict(list)
    for one in messages:
        groups[key(one)].append(one)
    return {name: measured(group) for name, group in groups.items()}
