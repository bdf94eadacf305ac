"""Spans of time as people write them: 90s, 15m, 2h, 1d."""

from __future__ import annotations

import re
from datetime import timedelta

from esms_connectors.gateway.errors import InvalidRequestError

_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|min|h|d)", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=6)


def read_duration(given: str | timedelta | float, name: str) -> timedelta:
    """
    A span of time.

    Args:
        given: `15m`, `2h`, `1d`, `90s`; a timedelta; or seconds.

    Raises:
        InvalidRequestError: none of these, not positive, or longer than the gateway reliably reports on a message (six
            days).
    """
    span: timedelta | None = None
    if isinstance(given, timedelta):
        span = given
    elif isinstance(given, str):
        match = _SPAN.fullmatch(given.strip())
        span = None if match is None else timedelta(seconds=float(match[1]) * _SECONDS[match[2].lower()])
    elif isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < 1e9:
        span = timedelta(seconds=given)
    if span is None:
        raise InvalidRequestError(f"{name} {given!r} is not a time span; write it like 15m, 2h, 90s or 1d.", field=name)
    if not timedelta() < span <= _LONGEST:
        raise InvalidRequestError(
            f"{name} must be positive, and {_LONGEST.days} days at most: after a week the gateway no longer reports "
            "the outcome of a message.",
            field=name,
        )
    return span


def duration_words(span: timedelta) -> str:
    """For display: `15 minutes`, `2 hours`, `90 seconds`."""
    seconds = span.total_seconds()
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {word}" + ("s" if count > 1 else "")
    return f"{seconds:g} seconds"
