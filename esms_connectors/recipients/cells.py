"""Cells of spreadsheets: numbers and dates as the sheet shows them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

# ECMA-376 part 1, 18.8.30: formats that are identified by number. 14 is the short date of the reader's own locale.
_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 14: "dd/mm/yyyy", 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "dd/mm/yyyy h:mm",
    37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mmss.0",
}  # fmt: skip
# What is not a placeholder: quoted texts, single characters after a backslash, _ or *, colours and locales.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_LONGEST_WHOLE = 10**15  # a cell keeps 15 digits
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone
_LOST_DIGITS = "is a number of more than 15 digits, but spreadsheets keep only 15: format the column as text"


class UnreadableCell:
    """A cell whose displayed value cannot be read; `reason` goes into the reject."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return ""


class SheetDate(date):
    """A date of a sheet. Its author chose to show it as a date, so it may become text."""

    def __str__(self) -> str:
        return f"{self:%d/%m/%Y}"


class SheetDateTime(datetime):
    """As `SheetDate`, with the time of day."""

    def __str__(self) -> str:
        return f"{self:%H:%M:%S %d/%m/%Y}" if self.second else f"{self:%H:%M %d/%m/%Y}"


class SheetInfo(NamedTuple):
    name: str
    hidden: bool


class SheetRow(NamedTuple):
    """A row: its number as the program shows it, from 1; its cells from column A on."""

    number: int
    cells: list[object]
    hidden: bool


class MergedRange(NamedTuple):
    """Cells that are shown as one; rows from 1, columns from 0, both ends inclusive."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """
    How a number is shown.

    Attributes:
        is_date: as a date, a time or both; `has` contains its parts, out of y, m, d, h.
        digits: pad with zeros to this many digits, as in the id 00123.
        decimals: digits after the point; None shows as many as there are.
    """

    is_date: bool = False
    has: frozenset[str] = frozenset()
    percent: bool = False
    digits: int = 0
    decimals: int | None = None


def format_of(number: int, code: str | None) -> NumberFormat | None:
    """The format of that number or code; None for the general one."""
    return _read_format(code if code is not None else _BUILT_IN.get(number, ""))


@lru_cache(maxsize=1_000)
def _read_format(code: str) -> NumberFormat | None:
    plain = _LITERAL.sub("", code.split(";")[0])
    folded = plain.casefold().replace("am/pm", "h").replace("a/p", "h")
    if not plain or "general" in folded or folded == "@":
        return None
    if not re.search("[0#?]", plain) and re.search("[ymdhs]", folded):
        return NumberFormat(is_date=True, has=_date_parts(folded))
    whole, _, fraction = plain.partition(".")
    zeros = re.sub("[^0]", "", whole)
    return NumberFormat(
        percent="%" in plain,
        # In 0000 the zeros are part of what is shown; in #,##0 and 0 they are not.
        digits=len(zeros) if len(zeros) > 1 and "," not in whole else 0,
        decimals=None if "e+" in folded else len(re.sub("[^0#?]", "", fraction)),
    )


def _date_parts(folded: str) -> frozenset[str]:
    parts = {letter for letter in "ydhs" if letter in folded}
    # An m next to hours or seconds means minutes.
    without_minutes = re.sub(r"h+\W*m+|m+\W*s+", "", folded)
    if "m" in without_minutes:
        parts.add("m")
    if "s" in parts or ("m" in folded and not parts & {"y", "d"} and "m" not in without_minutes):
        parts.add("h")
    return frozenset(parts - {"s"})


def number_as_shown(content: str, shown: NumberFormat | None) -> object:
    """
    The number of a cell: whole numbers as int, others as Decimal, and as text if its format requires it (`00123`,
    `50%`). Without thousands separators, and with a decimal point.
    """
    value = float(content)
    if not math.isfinite(value):
        return UnreadableCell("is not a readable number")
    if abs(value) >= _LONGEST_WHOLE:
        return UnreadableCell(_LOST_DIGITS)
    # A cell holds fifteen digits: 0.1+0.2 is 0.3.
    exact = Decimal(f"{value:.15g}")
    if shown is None:
        return _plain(exact)
    if shown.percent:
        exact *= 100
    if shown.decimals is not None:
        exact = exact.quantize(Decimal(1).scaleb(-shown.decimals), ROUND_HALF_UP)
    if shown.percent:
        return f"{_plain(exact)}%"
    number = _plain(exact)
    if shown.digits and isinstance(number, int) and number >= 0:
        return f"{number:0{shown.digits}}"
    return number


def _plain(exact: Decimal) -> int | Decimal:
    """Without an exponent, and without zeros at the end of a fraction."""
    if exact == exact.to_integral_value():
        return int(exact)
    return Decimal(f"{exact.normalize():f}")


def date_of_serial(serial: float, shown: NumberFormat, begin: timedelta = timedelta()) -> object:
    """
    The date or time that a number represents, as its format shows it.

    Args:
        begin: offset of day 0 from 30 December 1899, for files that count from 1904.
    """
    if not 0 <= serial < 2_958_466:
        return UnreadableCell("is a date that does not exist")
    if not begin and serial < 61:
        serial += serial >= 1  # day 60 is 29 February 1900, which did not exist
    moment = _EPOCH + begin + timedelta(seconds=round(serial * 86_400))
    return moment_as_shown(moment, shown.has)


def moment_as_shown(moment: datetime, has: frozenset[str]) -> object:
    if not has & {"y", "d", "m"}:
        return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    if "h" in has and "d" in has:
        return SheetDateTime.combine(moment.date(), moment.time())
    if "d" in has and "y" in has:
        return SheetDate(moment.year, moment.month, moment.day)
    shown = {frozenset("my"): "%m/%Y", frozenset("dm"): "%d/%m", frozenset("y"): "%Y"}.get(has & frozenset("dmy"))
    return moment.strftime(shown) if shown else SheetDate(moment.year, moment.month, moment.day)


def sheet_value(value: object) -> object:
    """A cell as calamine returns it, in our form; how a number is shown is not known."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return number_as_shown(repr(value), None)
    if isinstance(value, datetime):
        return SheetDateTime.combine(value.date(), value.time().replace(microsecond=0))
    if isinstance(value, date):
        return SheetDate(value.year, value.month, value.day)
    if isinstance(value, time):
        return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"
    if isinstance(value, timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return value
