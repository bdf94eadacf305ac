"""One SMS, independent of how it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.request_ids import MAX_KEY_LENGTH
from esms_connectors.recipients.keys import read_key
from esms_connectors.recipients.phone_lists import read_phone_list
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """
    One text for one phone or a few.

    Attributes:
        phones: in any spelling that `read_phone_list` accepts; each phone gets the message once.
        text: as it is sent; braces have no special meaning.
        key: distinguishes several messages to one phone within a run, such as an order number.
        row_key: identifies the message regardless of its phone, of which there must be only one: another phone or text
            under the same row_key is refused.
        advertising: to at least 30 numbers, under one id.
        The rest as in the channels.

    Raises:
        InvalidRequestError: it cannot be sent as it is; raised before anything is claimed.
    """

    phones: object = field(repr=False)
    text: str = field(repr=False)
    brandname: str
    key: str | None = None
    row_key: str | None = None
    advertising: bool = False
    send_at: datetime | None = None
    campaign: str | None = None
    callback_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.key is not None:
            longest = MAX_KEY_LENGTH - len("0901888484 ")  # the row key is the phone and this key
            object.__setattr__(self, "key", read_key(self.key, "message_key", longest=longest))

    def numbers(self) -> tuple[str, ...]:
        if isinstance(self.phones, dict) or self.phones is None:
            raise InvalidRequestError("phones takes a number or a list of numbers.", field="phones")
        found = read_phone_list(self.phones)
        if found.problems:
            raise InvalidRequestError(f"phones: {'; '.join(found.problems)}.", field="phones")
        if not found.numbers:
            raise InvalidRequestError("phones is empty: there is nobody to send to.", field="phones")
        if self.row_key is not None and len(found.numbers) > 1:
            raise InvalidRequestError("phones takes one number here: the message has one key.", field="phones")
        return found.numbers

    def row_keys(self, numbers: tuple[str, ...]) -> list[str]:
        """The row keys of these phones in the ledger."""
        if self.row_key is not None:
            return [self.row_key]
        return [phone if self.key is None else f"{phone} {self.key}" for phone in numbers]

    def channel(self, client: EsmsClient, send_at: datetime | None) -> Channel:
        # The channels are made for lists, where braces name a value of the recipient.
        text = self.text.replace("{", "{{").replace("}", "}}")
        kind = AdvertisingChannel if self.advertising else CareSmsChannel
        return kind(client, text, self.brandname, send_at=send_at, callback_url=self.callback_url)
