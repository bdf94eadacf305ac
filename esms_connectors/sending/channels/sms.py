"""SMS: customer care and from a fixed number one by one, advertising in frozen batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from esms_connectors.gateway.endpoints import (
    SEND_ADVERTISING_SMS,
    SEND_CUSTOMER_CARE_SMS,
    SEND_FIXED_NUMBER_SMS,
    Endpoint,
)
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.sms_text import SmsText, without_diacritics
from esms_connectors.sending.channels.base import Channel, ChunkOutcome, MaySend, MessageClass, price_of_one
from esms_connectors.sending.channels.settlement import settle_accepted, whole_chunk
from esms_connectors.sending.channels.text import SmsChannel
from esms_connectors.sending.texts import describe_as_sent, sms_text, text_for_all

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger.rows import Claim
    from esms_connectors.recipients import Recipient


@dataclass
class CareSmsChannel(SmsChannel):
    """
    Customer-care SMS: one request per row.

    Attributes:
        text: must match a text registered for the brandname.
        brandname: the sender.
        plain: send without diacritics, which make most texts more expensive.
    """

    brandname: str

    kind: ClassVar[str] = "sms"
    endpoint: ClassVar[Endpoint] = SEND_CUSTOMER_CARE_SMS
    priced_as: ClassVar[SmsType] = SmsType.CUSTOMER_CARE
    identity: ClassVar[tuple[str, ...]] = ("brandname",)

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        text = self.rendered(recipients[0])
        price = self.client.estimate_customer_care_sms(recipients[0].phone, text, self.brandname).price_vnd
        return price_of_one(price, describe_as_sent(text).segments)

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_customer_care_sms(
            recipient.phone,
            self.rendered(recipient),
            self.brandname,
            **self.scheduled(campaign, request_id),
        )


@dataclass
class FixedNumberChannel(SmsChannel):
    """SMS from a number that many senders share, without a brandname: one request per row."""

    kind: ClassVar[str] = "fixed-number"
    endpoint: ClassVar[Endpoint] = SEND_FIXED_NUMBER_SMS
    priced_as: ClassVar[SmsType] = SmsType.FIXED_NUMBER

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_fixed_number_sms(
            recipient.phone, self.rendered(recipient), **self.scheduled(campaign, request_id)
        )


@dataclass
class AdvertisingChannel(Channel):
    """
    Advertising SMS: one text to 30 to 5000 numbers under one request id; a chunk is repeated whole or not at all. The
    gateway reviews it, and lists it without a campaign: rows in doubt cannot be looked up.
    """

    text: str = field(repr=False)
    brandname: str
    plain: bool = field(default=False, kw_only=True)
    chunk_size: int = field(default=SEND_ADVERTISING_SMS.max_items or 5000, kw_only=True)

    kind: ClassVar[str] = "advertising"
    endpoint: ClassVar[Endpoint] = SEND_ADVERTISING_SMS
    priced_as: ClassVar[SmsType] = SmsType.ADVERTISING
    largest_chunk: ClassVar[int] = SEND_ADVERTISING_SMS.max_items or 5000
    smallest_chunk: ClassVar[int] = SEND_ADVERTISING_SMS.min_items
    frozen: ClassVar[bool] = True
    identity: ClassVar[tuple[str, ...]] = ("brandname",)
    # The gateway reports only totals for a batch.
    tells_who: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.text = text_for_all(sms_text(self.text))
        if self.plain:
            self.text = without_diacritics(self.text)

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.ADVERTISING

    def rendered(self, recipient: Recipient) -> str:
        return self.text

    def payload(self, recipient: Recipient) -> str:
        return self.text

    def text_of(self, recipient: Recipient) -> SmsText:
        return describe_as_sent(self.text)

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        phones = [recipient.phone for recipient in recipients]
        found = self.client.estimate_advertising_sms(phones, self.text, self.brandname)
        # For reachable numbers; prices differ by network, so this is their mean.
        return price_of_one(found.price_vnd, (found.receivers or len(phones)) * describe_as_sent(self.text).segments)

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_send: MaySend
    ) -> ChunkOutcome:
        # Derived from the rows' own ids, which include the run: the same rows give the same id, other rows another.
        request_id = make_request_id("chunk", *(claim.wire_id for claim in claims))
        try:
            sent = self.client.only_while(lambda: may_send(claims)).send_advertising_sms(
                [recipient.phone for recipient in recipients],
                self.text,
                self.brandname,
                send_at=self.send_at,
                callback_url=self.callback_url,
                request_id=request_id,
            )
        except InvalidRequestError:
            raise
        except EsmsError as error:
            return whole_chunk(claims, error)
        return ChunkOutcome([settle_accepted(claim, sent) for claim in claims])
