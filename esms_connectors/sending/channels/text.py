"""Channels that send a text per row, with values of the row in it, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esms_connectors.gateway.sms_text import SmsText, without_diacritics
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.channels.single import SingleChannel
from esms_connectors.sending.texts import check_placeholders, describe_as_sent, fill_text, placeholders, sms_text

if TYPE_CHECKING:
    from esms_connectors.recipients import Recipient


@dataclass
class TextChannel(SingleChannel):
    """
    A text for each row.

    Attributes:
        text: may hold `{name}` for each named param of a recipient.
        plain: send without diacritics.
    """

    text: str = field(repr=False)
    plain: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.text = sms_text(self.text)
        check_placeholders(self.text)

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.CARE

    @property
    def placeholders(self) -> tuple[str, ...]:
        return placeholders(self.text)

    def rendered(self, recipient: Recipient) -> str:
        text = fill_text(self.text, recipient)
        return without_diacritics(text) if self.plain else text

    def payload(self, recipient: Recipient) -> str:
        return self.rendered(recipient)


@dataclass
class SmsChannel(TextChannel):
    """A text that is counted and charged in SMS segments."""

    def text_of(self, recipient: Recipient) -> SmsText:
        return describe_as_sent(self.rendered(recipient))
