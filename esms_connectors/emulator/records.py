"""Records of the emulated gateway: rows, requests, recipients, and messages as tests see them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import msgspec

from .config import SMS_TYPE_JOURNEY, SMS_TYPE_ZNS

ON_REVIEW, QUEUED, STATUS_REJECTED, SENT, AT_OPERATOR = 1, 2, 4, 5, 7
RESULT_FAILED, RESULT_DELIVERED, RESULT_UNKNOWN = 0, 1, 2
FIRST_PORTAL_ID = 29_028_845


class SentRow(msgspec.Struct, gc=False):
    """One row of get_sms_sent_data, in the spelling of its sample."""

    Campaign: str
    Content: str
    Phone: str
    ReferenceId: str
    SellPrice: float
    SendResult: int
    SendStatus: int
    SentTime: str
    SmsId: int
    SmsType: int


class Submission(msgspec.Struct, gc=False):
    """
    The common data of the messages of one accepted request.

    `shared_id`: all messages have the id of the first (advertising, XML with several phones). Times in epoch ms;
    `send_at_ms` 0 means immediately.

    `fallback`: what is sent if the message fails (multi-channel). `switched_from`: the SMSID of the failed attempt.
    """

    number: int
    function: str
    api_key: str
    sms_type: int
    price_vnd: Decimal
    created_ms: int
    send_at_ms: int = 0
    campaign: str = ""
    brandname: str = ""
    oa_id: str = ""
    template_id: str = ""
    order_id: str = ""
    callback_url: str = ""
    shared_id: bool = False
    first: int = 0
    count: int = 0
    open: int = 0
    fallback: Fallback | None = None
    switched_from: str = ""

    @property
    def listed_type(self) -> int:
        """The type under which get_sms_sent_data lists these messages; 27 cannot be asked for."""
        return SMS_TYPE_ZNS if self.sms_type == SMS_TYPE_JOURNEY else self.sms_type


class Recipient(NamedTuple):
    """One accepted element of a send."""

    phone: str
    content: str
    request_id: str | None = None
    later_failure: tuple[int, str] | None = None
    """Zalo's (error, message) if the message is accepted but will fail."""


class Fallback(NamedTuple):
    """The second attempt of a multi-channel message."""

    submission: Submission
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message, as tests see it. Times in epoch ms; `send_status`/`send_result` as in sent data."""

    number: int
    message_id: str
    phone: str
    content: str
    function: str
    sms_type: int
    campaign: str
    brandname: str
    oa_id: str
    template_id: str
    request_id: str | None
    created_ms: int
    send_at_ms: int
    send_status: int
    send_result: int
    price_vnd: Decimal
    callback_url: str
    switched_from: str = ""
    """For the second attempt of a multi-channel message: the SMSID of the first."""
    delivered_ms: int | None = None
    """When it is delivered, possibly in the future; None for never."""


class Totals(NamedTuple):
    """Counters of the messages with one id, as reported by the lookups by SMSID and by callbacks."""

    receivers: int
    sent: int
    succeeded: int
    failed: int
    on_review: int
    queued: int
    rejected: int
    price_vnd: Decimal

    @property
    def is_final(self) -> bool:
        """Whether every message has a final status."""
        return self.succeeded + self.failed >= self.receivers
