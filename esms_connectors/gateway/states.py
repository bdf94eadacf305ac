"""
Is it final, and did it arrive? One rule for every channel and for everyone who asks.

Source: get-the-message-status for rows, get-sms-by-smsid and the callbacks for totals.
"""

from __future__ import annotations

import enum


class DeliveryState(enum.StrEnum):
    """Where a message stands."""

    PENDING = "pending"  # not out yet: composing, on review, queued
    SENT = "sent"  # out, the last report is still to come
    DELIVERED = "delivered"
    FAILED = "failed"
    REJECTED = "rejected"  # refused at review
    UNDOCUMENTED = "undocumented"  # a status in no table: reported, never guessed at

    @property
    def is_final(self) -> bool:
        """Whether it is not expected to change. A row may still be corrected later, so keep upserting."""
        return self in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.REJECTED)


_PENDING = (0, 1, 2)
_REJECTED, _SENT, _AWAITING_REPORT = 4, 5, 7


def state_of_row(send_status: int | str | None, send_result: int | str | None) -> DeliveryState:
    """
    The state of one row of `get_sms_sent_data`.

    `send_status` 5 only says that sending is over; the result decides. A result of 0 means nothing before that: it may
    be a default that nobody has set yet.
    """
    if send_status == _REJECTED:
        return DeliveryState.REJECTED
    if send_status in _PENDING:
        return DeliveryState.PENDING
    if send_status == _AWAITING_REPORT:
        return DeliveryState.SENT
    if send_status == _SENT:
        match send_result:
            case 1:
                return DeliveryState.DELIVERED
            case 0:
                return DeliveryState.FAILED
            case 2:
                return DeliveryState.SENT
    return DeliveryState.UNDOCUMENTED


def state_of_totals(
    send_status: int | str | None, receivers: int | None, succeeded: int | None, failed: int | None
) -> DeliveryState:
    """
    The state of a message id by its counts, from `get_send_status` or a callback.

    A batch is final when every recipient is accounted for; it counts as delivered when none failed.
    """
    if send_status == _REJECTED:
        return DeliveryState.REJECTED
    if send_status in _PENDING:
        return DeliveryState.PENDING
    if send_status == _AWAITING_REPORT:
        return DeliveryState.SENT
    if send_status == _SENT:
        if receivers is None or succeeded is None or failed is None or receivers < 1:
            return DeliveryState.SENT
        if succeeded + failed < receivers:
            return DeliveryState.SENT
        return DeliveryState.FAILED if failed else DeliveryState.DELIVERED
    return DeliveryState.UNDOCUMENTED
