"""Viber messages, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from esms_connectors.gateway.calls.channels import viber_parts
from esms_connectors.gateway.endpoints import SEND_VIBER, Endpoint
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.sending.channels.text import TextChannel
from esms_connectors.sending.channels.zns import spelled

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.recipients import Recipient


@dataclass
class ViberChannel(TextChannel):
    """
    Viber: one request per row. Its messages carry no campaign, so rows in doubt cannot be looked up.

    Attributes:
        brandname: registered for Viber.
        image_url: https; requires a button.
        button_url, button_label: both or neither.
    """

    brandname: str
    image_url: str | None = field(default=None, kw_only=True)
    button_url: str | None = field(default=None, kw_only=True)
    button_label: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "viber"
    endpoint: ClassVar[Endpoint] = SEND_VIBER
    priced_as: ClassVar[SmsType] = SmsType.VIBER
    schedulable: ClassVar[bool] = False
    identity: ClassVar[tuple[str, ...]] = ("brandname",)

    def __post_init__(self) -> None:
        super().__post_init__()
        viber_parts(self.text, self.image_url, self.button_url, self.button_label, spelling="Ott")

    def payload(self, recipient: Recipient) -> str:
        more = (self.image_url or "", self.button_url or "", self.button_label or "")
        return spelled((self.rendered(recipient), *more))

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_viber(
            [recipient.phone],
            self.brandname,
            content=self.rendered(recipient),
            image_url=self.image_url,
            button_url=self.button_url,
            button_label=self.button_label,
            callback_url=self.callback_url,
            request_id=request_id,
        )
