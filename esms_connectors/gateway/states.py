"""
Whether a message is final and whether it was delivered: one rule for all channels.

Source: get-the-message-status for rows, get-sms-by-smsid and the callbacks for totals.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping


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


def better_of(one: DeliveryState, other: DeliveryState) -> DeliveryState:
    """
    The state of a message that is listed twice, or that was tried twice under one id: whoever has received it, or may
    still receive it, by either of the two has not been missed.
    """
    if DeliveryState.DELIVERED in (one, other):
        return DeliveryState.DELIVERED
    return one if other.is_final else other


_SENT = 5
_BY_STATUS: Mapping[int | str | None, DeliveryState] = {
    **dict.fromkeys((0, 1, 2), DeliveryState.PENDING),
    4: DeliveryState.REJECTED,
    7: DeliveryState.SENT,  # awaiting the report
}
_BY_RESULT: Mapping[int | str | None, DeliveryState] = {
    1: DeliveryState.DELIVERED,
    0: DeliveryState.FAILED,
    2: DeliveryState.SENT,
}


def state_of_row(send_status: int | str | None, send_result: int | str | None) -> DeliveryState:
    """
    The state of one row of `get_sms_sent_data`.

    `send_status` 5 only says that sending is finished; the result decides. Before that a result of 0 means nothing: it
    may be an unset default.
    """
    if send_status == _SENT:
        return _BY_RESULT.get(send_result, DeliveryState.UNDOCUMENTED)
    return _BY_STATUS.get(send_status, DeliveryState.UNDOCUMENTED)


def state_of_totals(
    send_status: int | str | None, receivers: int | None, succeeded: int | None, failed: int | None
) -> DeliveryState:
    """
    The state of a message id from its counts, as returned by `get_send_status` or a callback.

    A batch is final when every recipient is accounted for; it counts as delivered when all of them were reached, also
    if an attempt before that is counted as failed.
    """
    if send_status != _SENT:
        return _BY_STATUS.get(send_status, DeliveryState.UNDOCUMENTED)
    if receivers is None or succeeded is None or failed is None or receivers < 1 or succeeded + failed < receivers:
        return DeliveryState.SENT
    return DeliveryState.DELIVERED if succeeded >= receivers else DeliveryState.FAILED


def receivers_by_state(
    send_status: int | str | None, receivers: int | None, succeeded: int | None, failed: int | None
) -> Counter[DeliveryState]:
    """The recipients of a message id by state, each once, whatever number of attempts is counted."""
    state, total = state_of_totals(send_status, receivers, succeeded, failed), max(1, receivers or 0)
    if state is not DeliveryState.FAILED:
        return Counter({state: total})
    reached = min(succeeded or 0, total)
    return +Counter({DeliveryState.DELIVERED: reached, DeliveryState.FAILED: total - reached})
