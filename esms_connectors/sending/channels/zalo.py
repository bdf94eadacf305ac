"""Messages of an Official Account to its followers, addressed by Zalo user id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from esms_connectors.gateway import zalo_payloads as payloads
from esms_connectors.gateway.endpoints import SEND_ZALO_CONSULTING_TEXT, SEND_ZALO_TRANSACTION, Endpoint
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.zalo_payloads import ZaloButton
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.channels.single import SingleChannel
from esms_connectors.sending.channels.text import TextChannel
from esms_connectors.sending.texts import check_placeholders, fill_text, placeholders

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.recipients import Recipient

Elements = Sequence[Mapping[str, object]]


def read_buttons(given: Sequence[ZaloButton | Mapping[str, Any]]) -> tuple[ZaloButton, ...]:
    """
    Buttons as they are, or from mappings with `title`, `type`, `payload` and optionally `image_icon`.

    Raises:
        InvalidRequestError: one is neither.
    """
    if isinstance(given, str | Mapping):
        raise InvalidRequestError("buttons takes a list of buttons.", field="buttons")
    return tuple(one if isinstance(one, ZaloButton) else _button(one, number) for number, one in enumerate(given, 1))


def _button(given: Mapping[str, Any], number: int) -> ZaloButton:
    try:
        return ZaloButton(**given)
    except TypeError:
        raise InvalidRequestError(
            f"buttons: button {number} takes title, type, payload and perhaps image_icon.", field="buttons"
        ) from None


@dataclass
class FollowerChannel(SingleChannel):
    """Messages of an Official Account to its followers, who are addressed by user id; they cannot be scheduled."""

    buttons: Sequence[ZaloButton | Mapping[str, Any]] = field(default=(), kw_only=True)

    priced_as: ClassVar[SmsType] = SmsType.ZALO_FOLLOWER
    schedulable: ClassVar[bool] = False
    addressed_by: ClassVar[str] = "zalo_user_id"
    identity: ClassVar[tuple[str, ...]] = ("oa_id",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.buttons = read_buttons(self.buttons)


@dataclass
class ZaloTextChannel(TextChannel, FollowerChannel):
    """
    A consulting message to a Zalo user: a text, alone or with a picture or buttons. It carries no campaign, so rows in
    doubt cannot be looked up.

    Attributes:
        oa_id: of the Official Account.
        image_url: https; not with buttons.
        buttons: `ZaloButton`, or mappings with title, type and payload.
    """

    oa_id: str
    image_url: str | None = field(default=None, kw_only=True)
    # A text alone has no documented request id: after a crash all rows of a chunk stay in doubt.
    chunk_size: int = field(default=1, kw_only=True)

    kind: ClassVar[str] = "zalo-text"
    endpoint: ClassVar[Endpoint] = SEND_ZALO_CONSULTING_TEXT

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_url is not None and self.buttons:
            raise InvalidRequestError("A consulting message has a picture or buttons, not both.", field="image_url")
        self._message(self.text)

    def _message(self, text: str) -> Mapping[str, object]:
        """The message as it is sent, checked."""
        if self.image_url is not None:
            return payloads.photo(text, self.image_url)
        if self.buttons:
            return payloads.text_with_buttons(text, read_buttons(self.buttons))
        return {"text": payloads.check_length(text, payloads.MAX_TEXT, "text")}

    def payload(self, recipient: Recipient) -> str:
        return json.dumps(self._message(self.rendered(recipient)), sort_keys=True, ensure_ascii=False)

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        text, options = self.rendered(recipient), {"callback_url": self.callback_url, "request_id": request_id}
        if self.image_url is not None:
            return client.send_zalo_consulting_photo(recipient.phone, self.oa_id, text, self.image_url, **options)
        if self.buttons:
            buttons = read_buttons(self.buttons)
            return client.send_zalo_consulting_buttons(recipient.phone, self.oa_id, text, buttons, **options)
        return client.send_zalo_consulting_text(recipient.phone, self.oa_id, text, **options)


@dataclass
class ZaloTransactionChannel(FollowerChannel):
    """
    A transaction card for a Zalo user: banner, header, text, table, buttons. It carries no campaign, so rows in doubt
    cannot be looked up.

    Attributes:
        oa_id: of the Official Account.
        template_type: such as `transaction_order`.
        elements: as in `EsmsClient.send_zalo_transaction`; texts in them may hold `{name}` for values of the row.
        buttons: as in `ZaloTextChannel`.
        language: VI or EN.
    """

    oa_id: str
    template_type: str
    elements: Elements = field(repr=False)
    language: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "zalo-transaction"
    endpoint: ClassVar[Endpoint] = SEND_ZALO_TRANSACTION
    identity: ClassVar[tuple[str, ...]] = ("oa_id", "template_type")

    def __post_init__(self) -> None:
        super().__post_init__()
        payloads.transaction(self.template_type, self.elements, read_buttons(self.buttons), self.language)
        for text in _texts_in(self.elements):
            check_placeholders(text)

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.TRANSACTION

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for text in _texts_in(self.elements) for name in placeholders(text)))

    def _filled(self, recipient: Recipient) -> Elements:
        return [_filled(element, recipient) for element in self.elements]

    def rendered(self, recipient: Recipient) -> str:
        return json.dumps(self._filled(recipient), ensure_ascii=False)

    def payload(self, recipient: Recipient) -> str:
        message = payloads.transaction(
            self.template_type, self._filled(recipient), read_buttons(self.buttons), self.language
        )
        return json.dumps(message, sort_keys=True, ensure_ascii=False)

    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        return client.send_zalo_transaction(
            recipient.phone,
            self.oa_id,
            self.template_type,
            self._filled(recipient),
            buttons=read_buttons(self.buttons),
            language=self.language,
            callback_url=self.callback_url,
            request_id=request_id,
        )


def _texts_in(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case Mapping():
            return [text for one in value.values() for text in _texts_in(one)]
        case list() | tuple():
            return [text for one in value for text in _texts_in(one)]
    return []


def _filled(value: Any, recipient: Recipient) -> Any:
    match value:
        case str():
            return fill_text(value, recipient)
        case Mapping():
            return {name: _filled(one, recipient) for name, one in value.items()}
        case list() | tuple():
            return [_filled(one, recipient) for one in value]
    return value
