"""Calls: a text that is read out, or a registered script. A call is never dialled again because its answer was lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from esms_connectors.gateway.arguments import check_choice, check_range
from esms_connectors.gateway.calls.voice import VOICES
from esms_connectors.gateway.endpoints import MAKE_CALL_FROM_TEMPLATE, MAKE_VOICE_OTP_CALL, Endpoint
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.channels.single import SingleChannel
from esms_connectors.sending.channels.text import TextChannel
from esms_connectors.sending.channels.zns import spelled

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.recipients import Recipient

_SLOWEST, _FASTEST = -3, 3


@dataclass
class VoiceOtpChannel(TextChannel):
    """
    A call that reads out a text with a code. The request is that of the fixed number: test it with your own number.
    """

    # After a crash all rows of a chunk stay in doubt.
    chunk_size: int = field(default=1, kw_only=True)

    kind: ClassVar[str] = "voice-otp"
    endpoint: ClassVar[Endpoint] = MAKE_VOICE_OTP_CALL
    priced_as: ClassVar[SmsType] = SmsType.FIXED_NUMBER

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.TRANSACTION

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.make_voice_otp_call(
            recipient.phone, self.rendered(recipient), **self.scheduled(campaign, request_id)
        )


@dataclass
class CallChannel(SingleChannel):
    """
    A call that reads out a registered script. It carries no campaign, so rows in doubt cannot be looked up.

    Attributes:
        template_id: of the script, from the portal; the row's values are used from left to right.
        voice: male, female, hatieumai or ngoclam.
        speed: from -3 (very slow) to 3 (very fast).
    """

    template_id: str
    voice: str | None = field(default=None, kw_only=True)
    speed: int | None = field(default=None, kw_only=True)
    chunk_size: int = field(default=1, kw_only=True)

    kind: ClassVar[str] = "call"
    endpoint: ClassVar[Endpoint] = MAKE_CALL_FROM_TEMPLATE
    by_position: ClassVar[bool] = True
    identity: ClassVar[tuple[str, ...]] = ("template_id",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voice is not None:
            check_choice(self.voice, VOICES, "voice")
        if self.speed is not None:
            check_range(self.speed, _SLOWEST, _FASTEST, "speed")

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.CARE

    def payload(self, recipient: Recipient) -> str:
        return spelled(_values(recipient))

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.make_call_from_template(
            recipient.phone,
            self.template_id,
            template_params=_values(recipient),
            send_at=self.send_at,
            voice=self.voice,
            speed=self.speed,
            callback_url=self.callback_url,
            request_id=request_id,
        )


def _values(recipient: Recipient) -> tuple[str, ...]:
    if not isinstance(recipient.template_params, tuple):
        raise InvalidRequestError(
            "The values of a call are given by position: give columns in their order.", field="params"
        )
    return recipient.template_params
