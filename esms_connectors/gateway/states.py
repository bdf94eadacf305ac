"""
Whether a message is final and whether it was delivered: one rule for all channels.

Source: get-the-message-status for rows, get-sms-by-smsid and the callbacks for totals.
"""

from __future__ import annotations

import enum


class DeliveryState(enum.StrEnum):
    """The delivery state of a message."""

    PENDING = "pending"  # not sent yet: composing, in review, queued
    SENT = "sent"  # sent, the last report is missing
    DELIVERED = "delivered"
    FAILED = "failed"
    REJECTED = "rejected"  # refused in review
    UNDOCUMENTED = "undocumented"  # an undocumented status: reported, never interpreted

    @property
    def is_final(self) -> bool:
        """Whether it is not expected to change. A row may still be corrected later, so keep upserting."""
        return self in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.REJECTED)


_PENDING = (0, 1, 2)
_REJECTED, _SENT, _AWAITING_REPORT = 4, 5, 7


def state_of_row(send_status: int | str | None, send_result: int | str | None) -> DeliveryState:
    """
    The state of one row of `get_sms_sent_data`.

    `send_status` 5 only says that sending is finished; the result decides. Before that a result of 0 means nothing: it
    may be an unset default.
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
    The state of a message id from its counts, as returned by `get_send_status` or a callback.

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
