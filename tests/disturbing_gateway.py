"""An emulator that does, while it is read, everything at once that the gateway is known or suspected to do."""

from __future__ import annotations

import pendulum

from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import http_status, slow

# The day before that on which the tests' clock stands.
DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
NEXT = DAY.add(days=1)


def insert_during(gateway: Emulator, most: int = 60, status: tuple[int, int] = (7, 2)) -> None:
    """With each page asked for, rows are created all over the day and old ones change their status."""
    left = iter(range(most))

    def disturb(call: object) -> None:
        for _ in range(3):
            if (turn := next(left, None)) is None:
                return
            gateway.insert_message(
                DAY.add(minutes=(turn * 97) % 1440, seconds=turn % 60), phone=f"09018{turn:05d}", sms_type=2
            )
            row = gateway.state.rows[(turn * 37) % 1000]
            gateway.set_status(row.ReferenceId, *status)

    gateway.on_call("get_sms_sent_data", disturb)


def spoil(gateway: Emulator, status: tuple[int, int] = (7, 2)) -> None:
    """Faults, delays, disorder, other spellings, and rows that come and change."""
    gateway.faults.add("get_sms_sent_data", http_status(503), every=7)
    gateway.faults.add("get_sms_sent_data", slow(0.02), every=5)
    gateway.quirks.page_order = "shuffled"
    gateway.quirks.numbers_as_strings = True
    gateway.quirks.table_spelling = True
    gateway.quirks.padded_ids = True
    gateway.quirks.escaped_dates = True
    gateway.quirks.unknown_members = True
    gateway.quirks.count_total = "string"
    insert_during(gateway, status=status)
