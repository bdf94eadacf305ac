"""What is asked of the gateway about messages that are waited for, and the window of a run in pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pendulum import DateTime

from esms_connectors.delivery.target import DeliveryTarget

_PIECES, _SHORTEST_PIECE_SECONDS, _LONGEST_PIECE_SECONDS = 24, 300, 86_400


@dataclass(frozen=True, slots=True)
class StateQuery:
    """The totals of one id."""

    message_id: str


@dataclass(frozen=True, slots=True)
class ReportsQuery:
    """The delivery reports of many ids of one OA."""

    message_ids: tuple[str, ...]
    oa_id: str


@dataclass(frozen=True, slots=True)
class SentDataQuery:
    """The messages of one type in one piece of the window."""

    start: DateTime
    end: DateTime
    sms_type: int


StatusQuery = StateQuery | ReportsQuery | SentDataQuery


def pieces_of(target: DeliveryTarget) -> Iterator[SentDataQuery]:
    """The window in pieces, so that a piece with only final messages is not read again."""
    start, end = target.start, target.end
    if start is None or end is None or not target.sms_types:
        return
    seconds = max(0.0, (end - start).total_seconds()) / _PIECES
    step = min(max(seconds, _SHORTEST_PIECE_SECONDS), _LONGEST_PIECE_SECONDS)
    while start < end:
        until = min(start.add(seconds=math.ceil(step)), end)
        for sms_type in target.sms_types:
            yield SentDataQuery(start, until, sms_type)
        start = until
