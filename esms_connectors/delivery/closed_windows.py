"""Detects when all messages of a time span are final, for event-driven pipelines. It only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pendulum import DateTime

from esms_connectors.delivery.polling import LISTED_FAILURES, DeliveryCounts
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.states import DeliveryState, state_of_row
from esms_connectors.sent_data.windows import CLOSED_AFTER

# Waits between two polls of a span that is not settled; they double.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Settled:
    """
    A span whose messages are final, or too old to wait for.

    Attributes:
        start, end: of their creation; the next span begins at `end`.
        counts: of its messages; `open` ones are too old to wait for.
    """

    start: DateTime
    end: DateTime
    counts: DeliveryCounts


class SpanWatch:
    """
    Polls one span after the other, and polls spans with open messages again: a message that is scheduled for tomorrow
    belongs to the span in which it was submitted, and does not delay other spans.

    Args:
        cursor: start of the next span.
        held: starts of the spans to be polled again.
        sms_types: the types to query.
        campaign: prefix of the campaign, in any letter case; None for all messages.
        step: length of a span.
        give_up_after: a span that ended longer ago is returned even with open messages.
    """

    def __init__(
        self,
        cursor: DateTime,
        held: Iterable[DateTime] = (),
        *,
        sms_types: Sequence[int],
        campaign: str | None = None,
        step: timedelta = timedelta(minutes=15),
        give_up_after: timedelta = timedelta(hours=24),
    ) -> None:
        self.cursor = cursor
        self._held: dict[DateTime, tuple[DateTime | None, timedelta]] = dict.fromkeys(held, (None, _FIRST_WAIT))
        self._sms_types, self._campaign, self._step, self._give_up_after = sms_types, campaign, step, give_up_after

    @property
    def held(self) -> tuple[DateTime, ...]:
        return tuple(self._held)

    def next(self, client: EsmsClient, now: DateTime) -> Settled | None:
        """
        The next span whose messages are all final, or that has none; None if there is no such span now.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError, IncompleteAnswerError: reading again is safe.
        """
        for start, (due, wait) in tuple(self._held.items()):
            if due is not None and now < due:
                continue
            if (settled := self._read_span(client, start, now)) is not None:
                del self._held[start]
                return settled
            self._held[start] = (now + wait, min(2 * wait, _LONGEST_WAIT))
        while self.cursor + self._step <= now - CLOSED_AFTER:
            start = self.cursor
            settled = self._read_span(client, start, now)
            self.cursor = start + self._step
            if settled is not None:
                return settled
            self._held[start] = (None, _FIRST_WAIT)
        return None

    def _read_span(self, client: EsmsClient, start: DateTime, now: DateTime) -> Settled | None:
        end = start + self._step
        counts = _counts(client, start, end, self._sms_types, self._campaign)
        return None if counts.open and now - end < self._give_up_after else Settled(start, end, counts)


def _counts(
    client: EsmsClient, start: DateTime, end: DateTime, sms_types: Sequence[int], campaign: str | None
) -> DeliveryCounts:
    by_state: Counter[DeliveryState] = Counter()
    failed: list[str] = []
    for sms_type in sms_types:
        # Whether the range includes the second of `end` is not documented; it belongs to the next span.
        for message in client.get_sms_sent_data(start, end.subtract(seconds=1), sms_type):
            if campaign is not None and not message.campaign.strip().casefold().startswith(campaign.casefold()):
                continue
            state = state_of_row(message.send_status, message.send_result)
            by_state[state] += 1
            is_failure = state in (DeliveryState.FAILED, DeliveryState.REJECTED)
            if is_failure and message.message_id and len(failed) < LISTED_FAILURES:
                failed.append(message.message_id)
    return DeliveryCounts(by_state.total(), dict(by_state), tuple(failed))
