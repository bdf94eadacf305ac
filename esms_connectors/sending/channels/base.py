"""What a channel says of its messages, and what a run asks of it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import pendulum

from esms_connectors.gateway.arguments import check_callback_url, check_label
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import GatewayError, InvalidRequestError
from esms_connectors.gateway.models import SmsType, ZnsTemplate
from esms_connectors.gateway.sms_text import SmsText
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND, Claim, Settlement
from esms_connectors.recipients import Recipient


class MessageClass(enum.StrEnum):
    """What kind of message it is to the law and to Zalo: which hours, lists and limits apply to it."""

    CARE = "care"
    TRANSACTION = "transaction"
    ADVERTISING = "advertising"
    PROMOTION = "promotion"


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """
    What came of a chunk.

    Attributes:
        settlements: one for each claim.
        stop: the refusal that would meet every further row too.
        answered: whether the gateway answered at all.
        late: the rows that were not sent were not allowed to leave any more.
        nothing_taken: nothing left, or each row was refused; a row in doubt from before keeps its doubt all the same.
    """

    settlements: list[Settlement]
    stop: GatewayError | None = None
    answered: bool = True
    late: bool = False
    nothing_taken: bool = False


@dataclass(frozen=True, slots=True)
class AccountView:
    """
    What the gateway says of a sender.

    Attributes:
        problems: what would go wrong, one line each.
        notes: what could not be found out, one line each.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def price_of_one(total_vnd: Decimal, units: int) -> Decimal | None:
    """Of one of several; None for nothing, which is no price but one that the gateway does not know."""
    return (total_vnd / units).quantize(Decimal("0.01")) if total_vnd > 0 else None


# Whether claimed rows may leave now; asked with the connection ready, for each attempt of each call.
MayLeave = Callable[[Sequence[Claim]], bool]


@dataclass
class Channel(ABC):
    """
    One kind of message: what it is, how a row becomes one, and how one chunk of claimed rows is sent.

    A new channel is a subclass and a row in `CHANNELS`.

    Attributes:
        client: sends it.
        send_at: when the gateway is to send it; None for now.
        callback_url: gets the delivery reports.
        chunk_size: rows that are claimed, sent and settled together.
        kind: its name in `CHANNELS`, and in the ledger.
        endpoint: the gateway's function.
        largest_chunk, smallest_chunk: rows a chunk.
        frozen: whether a chunk can only be repeated as a whole, with exactly the rows of its first try.
        priced_as: the type whose messages in the sent data say what one costs; None where none does.
        schedulable: whether the gateway sends it later, at `send_at`.
        addressed_by: what names a recipient: phone, or zalo_user_id.
        key_is: what the key column stands for where the channel needs one.
        tells_who: whether the gateway tells of each message whether it was delivered.
        by_position: whether values of a row may go by the order of a template; else they go by name.
        identity: names of its attributes that a run key stands for, beside the time: ids and names.
    """

    client: EsmsClient
    send_at: datetime | None = field(default=None, kw_only=True)
    callback_url: str | None = field(default=None, kw_only=True, repr=False)
    chunk_size: int = field(default=1, kw_only=True)

    kind: ClassVar[str]
    endpoint: ClassVar[Endpoint]
    largest_chunk: ClassVar[int]
    smallest_chunk: ClassVar[int] = 1
    frozen: ClassVar[bool] = False
    priced_as: ClassVar[SmsType | None] = None
    schedulable: ClassVar[bool] = True
    addressed_by: ClassVar[str] = "phone"
    key_is: ClassVar[str] = ""
    tells_who: ClassVar[bool] = True
    by_position: ClassVar[bool] = False
    identity: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.identity:
            check_label(getattr(self, name), name)
        if self.send_at is not None and self.send_at.tzinfo is None:
            raise InvalidRequestError(
                "send_at needs a time with a zone, such as 2026-12-24T08:00+07:00.", field="send_at"
            )
        if self.send_at is not None and not self.schedulable:
            raise InvalidRequestError(
                f"{self.kind} cannot be scheduled: the gateway has no time of sending for it.", field="send_at"
            )
        if self.callback_url is not None:
            check_callback_url(self.callback_url)
        if not 1 <= self.chunk_size <= self.largest_chunk:
            raise InvalidRequestError(f"chunk_size is 1 to {self.largest_chunk}.", field="chunk_size")

    @property
    @abstractmethod
    def message_class(self) -> MessageClass:
        """Which rules of the law and of Zalo apply."""

    @property
    def sms_types(self) -> tuple[SmsType, ...]:
        """
        Under which types its messages come back in the sent data with their campaign. None: they carry no campaign, and
        rows in doubt cannot be looked up there.
        """
        return SMS_TYPES_OF_KIND.get(self.kind, ())

    def about(self) -> dict[str, str]:
        """What is the same for all rows of a run; a run key stands for one of it."""
        told = {name: str(getattr(self, name)) for name in self.identity}
        # Until then a message may not be listed anywhere, so its absence proves nothing.
        if self.send_at is not None:
            told["send_at"] = pendulum.instance(self.send_at).in_timezone("UTC").to_iso8601_string()
        return told

    def row_rules(self) -> ZnsTemplate | None:
        """The template that every row is held against, where the channel has one; asked for once."""
        return None

    def check_sendable(self) -> None:  # noqa: B027 - most channels have nothing to say here
        """
        Whether the gateway takes messages of this kind at all, as far as it is known; asks nothing.

        Raises:
            InvalidRequestError: it would refuse every row.
        """

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        """
        What the gateway says that one message, or one segment of an SMS, costs; None where it does not say.

        Args:
            recipients: some of those to send to, one at least.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError: as the client raises them.
        """
        return None

    def account_view(self, to_send: int) -> AccountView:
        """What the gateway says of the sender and of its limits, for so many messages; asked each time."""
        return AccountView()

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names that a row's columns stand for in its text; see `texts.columns_of`."""
        return ()

    def rendered(self, recipient: Recipient) -> str | None:
        """The text that this row gets, for a preview; None for messages without a text of their own."""
        return None

    def text_of(self, recipient: Recipient) -> SmsText | None:
        """What the text of an SMS to this row comes to, as the gateway is told to send it; None for other messages."""
        return None

    def calls(self, rows: int) -> int:
        """Calls of the gateway that so many rows take."""
        return -(-rows // self.chunk_size)

    @abstractmethod
    def payload(self, recipient: Recipient) -> str:
        """What this row would get, in one spelling; another one under the same run key is an error."""

    @abstractmethod
    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_leave: MayLeave
    ) -> ChunkOutcome:
        """
        Send the claimed rows.

        Raises:
            InvalidRequestError: they cannot be sent as they are; never for what the gateway or the network do.
        """
