"""
Parses times and prices in formats other than the documented ones, if they are unambiguous.

Times: ISO 8601, with or without a zone; milliseconds since 1970; day before month, as on other pages, if the first
number cannot be a month. A time without a zone is Vietnamese local time, like all times of the gateway. Prices: with
thousands separators, and with the currency after them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import pendulum

_VIETNAM = pendulum.timezone("Asia/Ho_Chi_Minh")
_DATE = re.compile(r"\\?/Date\((-?\d{1,18})(?:[+-]\d{4})?\)\\?/", re.ASCII)
_EPOCH_MS = re.compile(r"\d{13}", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s*(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})[ T](\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_CURRENCY = re.compile(r"\s*(?:vnd|vnđ|đ|₫)\.?$", re.IGNORECASE)
# A single group might be decimals, so 1,250 is not parsed.
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+|[+-]?\d{1,3}(?:,\d{3}){2,}", re.ASCII)
_THOUSANDS_BY_POINT = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d{1,3}(?:\.\d{3}){2,}", re.ASCII)
# The years 1, which means "no time", and 2199. Later times are not plausible.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 7_258_118_399_999


def milliseconds_of(text: str) -> int | None:
    """Milliseconds since 1970 in UTC; None if the text is no time or is ambiguous."""
    found = None
    if match := _DATE.fullmatch(text):
        found = int(match[1])  # the offset only tells how to display it
    elif _EPOCH_MS.fullmatch(text):
        found = int(text)
    elif _ISO.fullmatch(text):
        found = _written(text)
    elif match := _DAY_FIRST.fullmatch(text):
        day, month, year, hour, minute = map(int, match.groups()[:5])
        if day > 12 or day == month:
            found = _milliseconds(year, month, day, hour, minute, int(match[6] or 0))
    return found if found is not None and _FIRST_MS <= found <= _LAST_MS else None


def _written(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(re.sub(r"\s+(?=[Z+-])", "", text))
    except ValueError:
        return None
    return _since_1970(moment if moment.tzinfo is not None else moment.replace(tzinfo=_VIETNAM))


def _milliseconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    try:
        return _since_1970(datetime(year, month, day, hour, minute, second, tzinfo=_VIETNAM))
    except ValueError:
        return None


def _since_1970(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def price_of(text: str) -> Decimal | None:
    """The amount in VND; None if the text is no amount or is ambiguous."""
    text = _CURRENCY.sub("", text.strip())
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif _THOUSANDS_BY_POINT.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() else None
