"""When all messages of a span of time have come to their end: what event-driven pipelines wait for. It only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pendulum import DateTime

from esms_connectors.delivery.polling import LISTED_FAILURES, DeliveryCounts
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.states import DeliveryState, state_of_row

# Messages of the last moment may still be on their way into the gateway's tables, and clocks differ.
CLOSED_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Settled:
    """
    A span whose messages are final, or too old to wait for.

    Attributes:
        start, end: of their creation; the next span begins at `end`.
        counts: of its messages; `open` ones were too old to wait for.
    """

    start: DateTime
    end: DateTime
    counts: DeliveryCounts


def closed_windows_of(
    client: EsmsClient,
    since: DateTime,
    now: DateTime,
    *,
    sms_types: Sequence[int],
    campaign: str | None = None,
    step: timedelta = timedelta(minutes=15),
    give_up_after: timedelta = timedelta(hours=24),
) -> Iterator[Settled]:
    """
    Yield one span after the other from `since`, as long as each is closed and settled; empty ones too.

    Args:
        campaign: messages whose campaign begins so, in either case; None for all.
        give_up_after: a span that ended longer ago is given out with what is still open.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError, IncompleteAnswerError: reading again is safe.
    """
    start = since
    while (end := start + step) <= now - CLOSED_AFTER:
        counts = _counts(client, start, end, sms_types, campaign)
        if counts.open and now - end < give_up_after:
            return
        yield Settled(start, end, counts)
        start = end


def _counts(
    client: EsmsClient, start: DateTime, end: DateTime, sms_types: Sequence[int], campaign: str | None
) -> DeliveryCounts:
    by_state: Counter[DeliveryState] = Counter()
    failed: list[str] = []
    for sms_type in sms_types:
        # The second of `end` may belong to the range or not; it is the first one of the next span.
        for message in client.get_sms_sent_data(start, end.subtract(seconds=1), sms_type):
            if campaign is not None and not message.campaign.strip().casefold().startswith(campaign.casefold()):
                continue
            state = state_of_row(message.send_status, message.send_result)
            by_state[state] += 1
            is_failure = state in (DeliveryState.FAILED, DeliveryState.REJECTED)
            if is_failure and message.message_id and len(failed) < LISTED_FAILURES:
                failed.append(message.message_id)
    return DeliveryCounts(by_state.total(), dict(by_state), tuple(failed))
