"""
Results of the functions that read and register. Frozen; a repr shows no personal data: no phone or text.

Money is a Decimal in VND, times are aware, ids are opaque text; a missing value is None.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal

from pendulum import DateTime


class OaPackage(enum.IntEnum):
    """The packages of a Zalo Official Account."""

    TRIAL = 1
    ADVANCED = 2
    PREMIUM = 3


@dataclass(frozen=True, slots=True)
class Brandname:
    """A registered sender ID; `sms_type` 1 advertising, 2 customer care, 23 Viber."""

    name: str
    sms_type: int | str | None


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """
    A text registered for a brandname at one network.

    Attributes:
        network_id: 1 Viettel, 2 Mobifone, 3 Vinaphone, 4 Vietnamobile, 5 Gmobile, 6 Itel, 7 Reddi.
        content: with slots such as `{P1,20}`, which takes at most 20 characters.
    """

    template_id: str
    network_id: int | str | None
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PriceEstimate:
    """What a send would cost; `receivers` counts the numbers that can be reached."""

    price_vnd: Decimal
    receivers: int | None


@dataclass(frozen=True, slots=True)
class OfficialAccount:
    """A connected Zalo Official Account."""

    oa_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ZnsTemplateSlot:
    """
    One variable of a listed template.

    Attributes:
        position: counted from 1; the order of positional values.
        param_type: Zalo's name, such as `type_text`.
    """

    name: str
    position: int | None
    max_length: int | None
    param_type: str | None


@dataclass(frozen=True, slots=True)
class ZnsTemplateSummary:
    """A ZNS template in the list of its OA; `slots` in the order of positional values."""

    template_id: str
    name: str
    content: str = field(repr=False)
    slots: tuple[ZnsTemplateSlot, ...]


@dataclass(frozen=True, slots=True)
class OaQuota:
    """The number of ZNS that an OA may send per day, and how many are left today."""

    daily: int | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class OaQuality:
    """HIGH, MEDIUM, LOW or UNDEFINED: of the last 48 hours, and of the last 7 days."""

    current: str | None
    last_7_days: str | None


@dataclass(frozen=True, slots=True)
class ZnsRating:
    """
    One customer's rating of a ZNS.

    Attributes:
        zalo_message_id: Zalo's own id of the message.
        feedbacks: the chosen phrases.
        tracking_id: may be empty.
    """

    zalo_message_id: str | None
    stars: int | str | None
    feedbacks: tuple[str, ...] = field(repr=False)
    note: str = field(repr=False)
    submitted_at: DateTime | None
    tracking_id: str | None


@dataclass(frozen=True, slots=True)
class ZnsRatingsPage:
    """Ratings of a template, and their total number."""

    total: int | None
    ratings: tuple[ZnsRating, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OaFollowersPage:
    """Zalo user ids of followers, and their total number."""

    total: int | None
    zalo_user_ids: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ZnsDeliveryStatus:
    """
    The delivery status of one ZNS.

    Attributes:
        status: 1 on the phone, 0 at Zalo but not on the phone, -1 unknown message.
        message: the same in Zalo's words.
        delivered_at: when it reached the phone.
    """

    status: int | str | None
    message: str | None
    delivered_at: DateTime | None

    @property
    def delivered(self) -> bool:
        return self.status == 1


@dataclass(frozen=True, slots=True)
class VoiceCallStatus:
    """
    The status of a voice call.

    Attributes:
        send_status: 5 finished.
        sent_result: 1 success, 0 failed.
        call_status: ANSWERED or NOANSWERED; None before that.
        key_pressed: by the listener.
    """

    message_id: str
    send_status: int | str | None
    sent_result: int | str | None
    call_status: str | None
    duration_seconds: int | None
    key_pressed: str | None


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """Whether a code was right; also False for a code that was used or has expired (171)."""

    valid: bool
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Registration:
    """
    A registration or purchase: received by the gateway, not yet approved.

    Attributes:
        endpoint: the function that was called.
        registration_id: the gateway's id of it.
        gateway_message: the gateway's message, such as that it is under review.
    """

    endpoint: str
    registration_id: str | None
    gateway_message: str


@dataclass(frozen=True, slots=True)
class ShortcodeMessage:
    """
    A text message received at a short code.

    Attributes:
        message_id: unique; the gateway may deliver a message more than once.
        phone: as received, with 84.
        service_number: the short code.
        keyword: the first word of the text.
        partner_id: your id at the gateway.
        signature_ok: None when no private key was given.
    """

    message_id: str
    phone: str = field(repr=False)
    content: str = field(repr=False)
    service_number: str
    keyword: str
    partner_id: str
    received_at: DateTime
    signature_ok: bool | None
