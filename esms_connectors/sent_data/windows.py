"""Splits time spans into windows for requests. Imports nothing heavy, because schedulers use it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.arguments import check_sms_type
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.wire import VIETNAM

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.models import SentMessage

# All types that can be queried; the gateway has no "all". Journey messages are listed as ZNS.
ALL_SMS_TYPES = tuple(int(one) for one in SmsType if one is not SmsType.ZNS_JOURNEY)

# The older function rejected more than three days. No limit of this one is documented, so the same one is used.
LONGEST_WINDOW = timedelta(days=3)
# For the difference between the gateway's clock and ours, and for whole seconds on the wire.
CLOCK_SLACK = timedelta(minutes=5)
# A window that ended this long ago gets no new rows: the gateway may list the latest messages late, and clocks differ.
CLOSED_AFTER = timedelta(minutes=2)
_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _LAST_YEAR = 2000, 2200  # a typo such as 0224 would make a million windows


@dataclass(frozen=True, slots=True, order=True)
class SentWindow:
    """
    The messages of one type that were created from `start` to `end`.

    Attributes:
        sms_type: one of the gateway's listed types.
        start, end: aware, UTC, whole seconds. The second of `end` is requested too, because it is not documented
            whether the gateway excludes it; the next window begins with it.
    """

    sms_type: int
    start: DateTime
    end: DateTime

    def __str__(self) -> str:
        start, end = (moment.in_timezone(VIETNAM).format("YYYY-MM-DD HH:mm:ss") for moment in (self.start, self.end))
        return f"type {self.sms_type}, {start} to {end} in Vietnam"

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())

    def cut(self, pieces: int) -> list[SentWindow]:
        """Split into this number of windows of about equal length; fewer if they would be shorter than a second."""
        pieces = min(pieces, self.seconds)
        edges = [self.start.add(seconds=self.seconds * piece // pieces) for piece in range(pieces)]
        return [SentWindow(self.sms_type, start, end) for start, end in zip(edges, [*edges[1:], self.end], strict=True)]


def windows_between(
    start: datetime,
    end: datetime,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    longest: timedelta = timedelta(days=1),
) -> Iterator[SentWindow]:
    """
    Split `start` to `end` into windows for each type, at midnight in Vietnam.

    Args:
        start, end: aware; widened to whole seconds.
        sms_types: types to request, without duplicates.
        longest: maximum length of a window: whole days up to three, or a fraction of a day.

    Yields:
        The windows, type by type, each type in order of time. The same span always gives the same windows.

    Raises:
        InvalidRequestError: a time without a zone or out of range, an empty span, an unlisted type, or a length out of
            range.
    """
    for name, moment in (("start", start), ("end", end)):
        check_moment(moment, name)
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise InvalidRequestError(
                f"{name} is out of range: the year {moment.year} looks like a typing error.", field=name
            )
    first, last = _whole_second(start), _whole_second(end)
    if last < end:
        last = last.add(seconds=1)
    if first >= last:
        raise InvalidRequestError("start is not earlier than end: the span is empty.", field="start")
    whole_days = longest.seconds == 0 and longest.microseconds == 0
    if not _SECOND <= longest <= LONGEST_WINDOW or (longest > timedelta(days=1) and not whole_days):
        raise InvalidRequestError("A window is whole days, three at most, or a part of a day.", field="longest")
    types = list(dict.fromkeys(check_sms_type(sms_type) for sms_type in sms_types))
    if not types:
        raise InvalidRequestError("No message type is given.", field="sms_types")
    return (window for sms_type in types for window in _windows_of_type(sms_type, first, last, longest))


def messages_between(
    client: EsmsClient, start: datetime, end: datetime, sms_types: Iterable[int]
) -> Iterator[SentMessage]:
    """
    Every message of these types that was created from `start` to `end`, in windows that the gateway is known to serve;
    without the proof of `sent_data.reader` that no row is missing.

    Raises:
        IncompleteAnswerError: rows moved while they were read; those read are true.
        GatewayError, NotSentError, OutcomeUnknownError: reading again is safe.
    """
    types = tuple(sms_types)
    while start < end:
        until = min(start + LONGEST_WINDOW, end)
        for sms_type in types:
            yield from client.get_sms_sent_data(start, until, sms_type)
        start = until


def check_moment(moment: datetime, name: str) -> DateTime:
    """
    An aware time, in UTC.

    Raises:
        InvalidRequestError: not a time, or one without a zone.
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise InvalidRequestError(
            f"{name} needs a date and time with a zone, such as pendulum.datetime(2026, 11, 1, tz='{VIETNAM}').",
            field=name,
        )
    return pendulum.instance(moment).in_timezone("UTC")


def _whole_second(moment: datetime) -> DateTime:
    return pendulum.instance(moment).in_timezone("UTC").replace(microsecond=0)


def _windows_of_type(sms_type: int, first: DateTime, last: DateTime, longest: timedelta) -> Iterator[SentWindow]:
    start = first
    while start < last:
        midnight = start.in_timezone(VIETNAM).start_of("day")
        edge = midnight.add(days=longest.days) if longest.days else min(start + longest, midnight.add(days=1))
        end = min(edge.in_timezone("UTC").replace(microsecond=0), last)
        yield SentWindow(sms_type, start, end)
        start = end
