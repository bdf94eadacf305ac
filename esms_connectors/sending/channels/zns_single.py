"""ZNS one by one: with values by name, in a journey, and with an SMS as the gateway's own fallback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from esms_connectors.gateway.endpoints import SEND_MULTI_CHANNEL, SEND_ZNS, SEND_ZNS_JOURNEY, Endpoint
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission, ZnsTemplate
from esms_connectors.gateway.sms_text import SmsText, without_diacritics
from esms_connectors.recipients.headers import fold
from esms_connectors.sending.channels.single import SingleChannel
from esms_connectors.sending.channels.zns import TemplateChannel, spelled
from esms_connectors.sending.texts import check_placeholders, describe_as_sent, fill_text, placeholders, sms_text

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.recipients import Recipient


@dataclass
class ZnsByNameChannel(SingleChannel, TemplateChannel):
    """
    ZNS with values by variable name: one request per row. Its request id is documented to be honoured.

    Attributes:
        sending_mode: as in `EsmsClient.send_zns`.
    """

    sending_mode: int | None = field(default=None, kw_only=True)

    names_needed: ClassVar[bool] = True

    kind: ClassVar[str] = "zns-name"
    endpoint: ClassVar[Endpoint] = SEND_ZNS
    priced_as: ClassVar[SmsType] = SmsType.ZNS

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_zns(
            recipient.phone,
            self.template_id,
            self.oa_id,
            self.named(recipient),
            sending_mode=self.sending_mode,
            **self.scheduled(campaign, request_id),
        )


@dataclass
class ZnsJourneyChannel(SingleChannel, TemplateChannel):
    """
    ZNS of a journey, a priced chain of messages about one order: the key column holds the id of the order.

    The gateway lists them under a type that the sent data cannot be queried for, so rows in doubt cannot be looked up.
    """

    kind: ClassVar[str] = "zns-journey"
    endpoint: ClassVar[Endpoint] = SEND_ZNS_JOURNEY
    schedulable: ClassVar[bool] = False
    key_is: ClassVar[str] = "the id of the order"

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_zns_journey(
            recipient.phone,
            self.template_id,
            self.oa_id,
            self.positional(recipient),
            recipient.row_key,
            campaign=campaign,
            callback_url=self.callback_url,
            request_id=request_id,
        )


@dataclass
class MultiChannelChannel(SingleChannel, TemplateChannel):
    """
    A ZNS, with an SMS as fallback if the gateway cannot reach Zalo: one request per row.

    Only the ZNS carries a campaign, and it is not documented whether its row remains when the SMS is sent: rows in
    doubt cannot be looked up. Request ids are not documented to be honoured, so a lost answer stays unknown.

    Attributes:
        text: of the SMS; `{name}` stands for the value of that variable of the template.
        brandname: the sender of the SMS.
        plain: send the SMS without diacritics.
        sending_mode: of the ZNS.
    """

    text: str = field(repr=False)
    brandname: str
    plain: bool = field(default=False, kw_only=True)
    sending_mode: int | None = field(default=None, kw_only=True)
    # After a crash all rows of a chunk stay in doubt, permanently.
    chunk_size: int = field(default=1, kw_only=True)

    names_needed: ClassVar[bool] = True
    identity: ClassVar[tuple[str, ...]] = ("brandname", *TemplateChannel.identity)

    kind: ClassVar[str] = "multi-channel"
    endpoint: ClassVar[Endpoint] = SEND_MULTI_CHANNEL
    priced_as: ClassVar[SmsType] = SmsType.ZNS
    schedulable: ClassVar[bool] = False
    # The answered id is that of the first try; the id of the SMS is not reported.
    tells_who: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.text = sms_text(self.text)
        check_placeholders(self.text)

    def row_rules(self) -> ZnsTemplate | None:
        template = super().row_rules()
        known = set() if template is None else {fold(param.name).casefold() for param in template.params}
        for name in placeholders(self.text):
            if template is not None and fold(name).casefold() not in known:
                listed = ", ".join(param.name for param in template.params)
                raise InvalidRequestError(
                    f"The text has {{{name}}}, which is not a variable of template {template.template_id}. It has: "
                    f"{listed}.",
                    field="text",
                )
        return template

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        return None  # a ZNS or an SMS: it is not known beforehand which

    def rendered(self, recipient: Recipient) -> str:
        text = fill_text(self.text, replace(recipient, template_params=self.named(recipient)))
        return without_diacritics(text) if self.plain else text

    def payload(self, recipient: Recipient) -> str:
        return spelled((*self.positional(recipient), self.rendered(recipient)))

    def text_of(self, recipient: Recipient) -> SmsText:
        return describe_as_sent(self.rendered(recipient))

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_multi_channel(
            recipient.phone,
            self.template_id,
            self.oa_id,
            self.positional(recipient),
            self.rendered(recipient),
            self.brandname,
            campaign=campaign,
            sending_mode=self.sending_mode,
            callback_url=self.callback_url,
            request_id=request_id,
        )
