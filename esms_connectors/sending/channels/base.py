"""The interface of a channel: what it states about its messages, and what a run requires of it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import pendulum

from esms_connectors.gateway.arguments import check_callback_url, check_label
from esms_connectors.gateway.errors import GatewayError, InvalidRequestError
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND, Claim, Settlement

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.endpoints import Endpoint
    from esms_connectors.gateway.models import SmsType, ZnsTemplate
    from esms_connectors.gateway.sms_text import SmsText
    from esms_connectors.recipients import Recipient


class MessageClass(enum.StrEnum):
    """The kind of message under the law and Zalo's rules: it decides which hours, lists and limits apply."""

    CARE = "care"
    TRANSACTION = "transaction"
    ADVERTISING = "advertising"
    PROMOTION = "promotion"


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """
    The outcome of a chunk.

    Attributes:
        settlements: one for each claim.
        stop: the refusal that every further row would get too.
        answered: whether the gateway answered at all.
        late: the rows that were not sent were no longer allowed to leave.
        nothing_taken: nothing was sent, or each row was refused; a row that was in doubt before stays in doubt.
    """

    settlements: list[Settlement]
    stop: GatewayError | None = None
    answered: bool = True
    late: bool = False
    nothing_taken: bool = False


@dataclass(frozen=True, slots=True)
class AccountView:
    """
    What the gateway reports about a sender.

    Attributes:
        problems: what would go wrong, one line each.
        notes: what could not be determined, one line each.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def price_of_one(total_vnd: Decimal, units: int) -> Decimal | None:
    """The price of one of `units`; None for a total of zero, which means that the gateway does not know the price."""
    return (total_vnd / units).quantize(Decimal("0.01")) if total_vnd > 0 else None


# Whether claimed rows may leave now; called when the connection is ready, for each attempt of each call.
MaySend = Callable[[Sequence[Claim]], bool]


@dataclass
class Channel(ABC):
    """
    One kind of message: what it is, how a row becomes one, and how one chunk of claimed rows is sent.

    A new channel is a subclass and a row in `CHANNELS`.

    Attributes:
        client: the client that sends it.
        send_at: when the gateway is to send it; None for now.
        callback_url: receives the delivery reports.
        chunk_size: rows that are claimed, sent and settled together.
        kind: its name in `CHANNELS`, and in the ledger.
        endpoint: the gateway's function.
        largest_chunk, smallest_chunk: rows per chunk.
        frozen: whether a chunk can only be repeated as a whole, with exactly the rows of its first try.
        priced_as: the type of messages in the sent data that show the price of one; None if there is none.
        schedulable: whether the gateway can send it later, at `send_at`.
        addressed_by: what identifies a recipient: phone or zalo_user_id.
        key_is: what the key column holds, for a channel that needs one.
        tells_who: whether the gateway reports of each message whether it was delivered.
        by_position: whether values of a row may be given in the order of a template; otherwise they are given by name.
        identity: attributes (ids and names) that, like the time, cannot change under one run key.
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
                f"{self.kind} cannot be scheduled: the gateway does not support a send time for it.", field="send_at"
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
        The types under which its messages appear in the sent data with their campaign. If there are none, the messages
        carry no campaign, and rows in doubt cannot be looked up there.
        """
        return SMS_TYPES_OF_KIND.get(self.kind, ())

    def about(self) -> dict[str, str]:
        """What all rows of a run have in common; another value under the same run key is an error."""
        told = {name: str(getattr(self, name)) for name in self.identity}
        # Before that time a message may not be listed anywhere, so its absence proves nothing.
        if self.send_at is not None:
            told["send_at"] = pendulum.instance(self.send_at).in_timezone("UTC").to_iso8601_string()
        return told

    def row_rules(self) -> ZnsTemplate | None:
        """The template that every row is checked against, if the channel has one; requested once."""
        return None

    def check_sendable(self) -> None:  # noqa: B027 - most channels have nothing to check
        """
        Check, as far as it is known, that the gateway accepts messages of this kind; makes no request.

        Raises:
            InvalidRequestError: it would refuse every row.
        """

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        """
        The gateway's price for one message, or for one segment of an SMS; None if it gives none.

        Args:
            recipients: some of the recipients, at least one.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError: as the client raises them.
        """
        return None

    def account_view(self, to_send: int) -> AccountView:
        """What the gateway reports about the sender and its limits, for `to_send` messages; requested each time."""
        return AccountView()

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names in its text that stand for columns of a row; see `texts.columns_of`."""
        return ()

    def rendered(self, recipient: Recipient) -> str | None:
        """The text for this row, for a preview; None for messages without a text of their own."""
        return None

    def text_of(self, recipient: Recipient) -> SmsText | None:
        """Alphabet and segments of the SMS text for this row, as it is sent; None for other messages."""
        return None

    def calls(self, rows: int) -> int:
        """The number of gateway calls that `rows` rows take."""
        return -(-rows // self.chunk_size)

    @abstractmethod
    def payload(self, recipient: Recipient) -> str:
        """The content for this row, in canonical form; other content for the row under the same run key is an error."""

    @abstractmethod
    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_send: MaySend
    ) -> ChunkOutcome:
        """
        Send the claimed rows.

        Args:
            claims, recipients: of the same rows, in the same order; at most `chunk_size`.
            campaign: that of the run, as the gateway returns it in the sent data.
            may_send: asked just before each request leaves; on False the rows are certainly not sent.

        Returns:
            A settlement for every claim; a lost answer is an unknown outcome, never an error.

        Raises:
            InvalidRequestError: they cannot be sent as they are; never because of the gateway or the network.
        """
