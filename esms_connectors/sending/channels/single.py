"""Channels whose messages are sent one by one, each in its own request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, TypedDict

from esms_connectors.ledger import SendState
from esms_connectors.ledger.rows import Claim, Settlement
from esms_connectors.sending.channels.base import Channel, ChunkOutcome, MaySend
from esms_connectors.sending.channels.settlement import send_single

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.models import Submission
    from esms_connectors.recipients import Recipient


class Scheduled(TypedDict):
    """When a message is sent, its campaign, where its reports go, and its request id."""

    send_at: datetime | None
    campaign: str
    callback_url: str | None
    request_id: str


@dataclass
class SingleChannel(Channel):
    """One request per row, which a subclass defines."""

    # Rows that are settled together; few, because after a crash all of them are in doubt.
    chunk_size: int = field(default=20, kw_only=True)

    largest_chunk: ClassVar[int] = 500

    def calls(self, rows: int) -> int:
        return rows

    def scheduled(self, campaign: str, request_id: str) -> Scheduled:
        """The options for a method that takes all of them."""
        return {
            "send_at": self.send_at,
            "campaign": campaign,
            "callback_url": self.callback_url,
            "request_id": request_id,
        }

    @abstractmethod
    def submit(self, client: EsmsClient, recipient: Recipient, campaign: str, request_id: str) -> Submission:
        """
        Send one message.

        Args:
            client: checks the permission to send before each attempt; use no other.
            campaign: as in `send`.
            request_id: of the row, at most 50 characters; the same if the row is sent again.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError, InvalidRequestError: as the client raises them.
        """

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_send: MaySend
    ) -> ChunkOutcome:
        settlements: list[Settlement] = []
        for position, (claim, recipient) in enumerate(zip(claims, recipients, strict=True)):
            outcome = self._send_one(claim, recipient, campaign, may_send)
            settlements += outcome.settlements
            if outcome.stop is not None or not outcome.answered or outcome.late:
                # The rest was not tried, and certainly not sent.
                rest = [Settlement(untried.request_id, SendState.NOT_SENT) for untried in claims[position + 1 :]]
                return replace(outcome, settlements=settlements + rest)
        return ChunkOutcome(settlements)

    def _send_one(self, claim: Claim, recipient: Recipient, campaign: str, may_send: MaySend) -> ChunkOutcome:
        client = self.client.only_while(lambda: may_send([claim]))
        return send_single(claim, lambda: self.submit(client, recipient, campaign, claim.wire_id))
