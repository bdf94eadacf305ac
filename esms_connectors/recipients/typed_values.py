"""
Values in the form that Zalo requires for the type of a template variable.

Source: Zalo's page on formats of template data: dates are `dd/mm/yyyy`, with a time of day before them (`hh:mm` or
`hh:mm:ss`); amounts of money are digits only. An unambiguous value is converted to that form, one that looks like such
a value but is invalid is refused; words are left to the gateway.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import pendulum

from esms_connectors.gateway.characters import plain_ascii
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.recipients.phones import NarrowFloat, is_narrow

_DATE_FORM = "dd/mm/yyyy, with hh:mm or hh:mm:ss before it if it has a time"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?"
_BEFORE = re.compile(
    rf"(?:{_TIME}[ ,]+)?(?P<day>\d{{1,2}})(?P<sign>[/.\-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}})"
)
_BEHIND = re.compile(rf"(?P<day>\d{{1,2}})(?P<sign>[/.\-])(?P<month>\d{{1,2}})(?P=sign)(?P<year>\d{{4}})[ ,]+{_TIME}")
_ISO = re.compile(rf"(?P<year>\d{{4}})(?P<sign>[/.\-])(?P<month>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}})(?:[T ]{_TIME})?")
_MONTH = re.compile(r"(?P<month>\d{1,2})/(?P<year>\d{4})")
_ISO_WITH_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)")
# Digits, and the separators of dates.
_LIKE_DATE = re.compile(r"[\d\s/.,:\-+TZ]*\d[\d\s/.,:\-+TZ]*")
_CURRENCY_SIGN = re.compile(r"\s*(?:₫|đ|d|vnđ|vnd|đồng|dong)\.?\s*$|^\s*(?:₫|vnđ|vnd)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?P<sign>[., \u00a0\u202f'’])\d{3}(?:(?P=sign)\d{3})*")
# 1.250.000,00 and 1,250.00: with two signs it is clear which one is the decimal point.
_GROUPED_AND_PARTED = re.compile(
    r"(?P<whole>[+-]?\d{1,3}(?P<sign>[., \u00a0\u202f'’])\d{3}(?:(?P=sign)\d{3})*)(?P<rest>(?!(?P=sign))[.,]\d+)"
)
_LINK = re.compile(r"(?!(?:javascript|data|file|vbscript):)\S+", re.IGNORECASE)


class Typed(NamedTuple):
    """
    The result of reading a value.

    Attributes:
        text: what is sent; empty if `reason` says why it is refused.
        doubtful: it is sent unchanged, although it does not look like its type.
    """

    text: str
    reason: str = ""
    doubtful: bool = False


def typed_reader(param_type: str | None) -> Callable[[object], Typed] | None:
    """The reader for values of one of the gateway's types; None for text."""
    return _READERS.get((param_type or "").strip().upper())


def _date(value: object) -> Typed:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(pendulum.timezone(VIETNAM))
        return Typed(_written(moment.date(), moment.time() if moment.time() != time() else None))
    if isinstance(value, date):
        return Typed(_written(value, None))
    return _date_text(value) if isinstance(value, str) else _no_date()


def _plain_digits(text: str) -> str:
    """The text with ASCII digits and signs instead of full-width ones, or digits of other scripts."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in plain_ascii(text))


@lru_cache(maxsize=4096)
def _date_text(written: str) -> Typed:
    text = _plain_digits(written)
    if _ISO_WITH_ZONE.fullmatch(text):
        try:
            return _date(datetime.fromisoformat(text))
        except ValueError:
            return _no_date()
    found = _BEFORE.fullmatch(text) or _BEHIND.fullmatch(text) or _ISO.fullmatch(text)
    if found is None:
        month = _MONTH.fullmatch(text)
        if month is not None and 1 <= int(month["month"]) <= 12:
            return Typed(text)
        return _no_date() if _LIKE_DATE.fullmatch(text) else Typed(written, doubtful=bool(text))
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        has_time = found["hour"] is not None
        moment = time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0)) if has_time else None
    except ValueError:
        return _no_date()
    if found.re is _ISO and moment == time():
        moment = None  # programs write a day as a timestamp in this way
    return Typed(_written(day, moment))


def _written(day: date, moment: time | None) -> str:
    before = "" if moment is None else f"{moment:%H:%M:%S} " if moment.second else f"{moment:%H:%M} "
    return f"{before}{day.day:02}/{day.month:02}/{day.year:04}"


def _no_date() -> Typed:
    return Typed("", f"is not a date in the form that Zalo accepts ({_DATE_FORM})")


def _number(value: object) -> Typed:
    return _plain_number(value, "is not a number")


def _currency(value: object) -> Typed:
    if isinstance(value, str):
        value = _CURRENCY_SIGN.sub("", value)
    found = _plain_number(value, "is not an amount of money (digits only, such as 1250000)")
    if found.reason or not found.text:
        return found
    whole, sign, fraction = found.text.replace(",", ".").partition(".")
    if sign and len(fraction) == 3 and isinstance(value, str) and len(whole) <= 3:
        return Typed(whole + fraction)  # 1.250 is how 1250 is written in Vietnam
    if fraction.strip("0") or whole.startswith("-"):
        return Typed("", "is not an amount of money (digits only, such as 1250000)")
    return Typed(whole)


def _plain_number(value: object, reason: str) -> Typed:
    if isinstance(value, bool):
        return Typed("", reason)
    if isinstance(value, float):
        if not math.isfinite(value) or (isinstance(value, NarrowFloat) and is_narrow(value)):
            return Typed("", "came as a float that has lost digits" if math.isfinite(value) else reason)
        value = Decimal(repr(float(value)))
    if isinstance(value, int | Decimal):
        text = f"{value:f}"
        return Typed(text.rstrip("0").rstrip(".") if "." in text else text)
    if not isinstance(value, str):
        return Typed("", reason)
    text = _plain_digits(value).strip()
    if not text:
        return Typed("")
    if apart := _GROUPED_AND_PARTED.fullmatch(text):
        return Typed(apart["whole"].replace(apart["sign"], "") + apart["rest"])
    if (grouped := _GROUPED.fullmatch(text)) and (text.count(grouped["sign"]) > 1 or grouped["sign"] not in ".,"):
        return Typed(text.replace(grouped["sign"], ""))
    return Typed(text) if _NUMBER.fullmatch(text) else Typed("", reason)


def _link(value: object) -> Typed:
    text = value if isinstance(value, str) else ""
    return (
        Typed(text)
        if not text or _LINK.fullmatch(text)
        else Typed("", "is not a link: it contains a space, or runs a script")
    )


_READERS: dict[str, Callable[[object], Typed]] = {
    "DATE": _date,
    "DATETIME": _date,
    "NUMBER": _number,
    "CURRENCY": _currency,
    "URL": _link,
    "LINK": _link,
}
