"""Phones as found in tables: changed by spreadsheets, or from before 2018."""

from __future__ import annotations

import math
import operator
import re
import struct
from decimal import Decimal
from typing import NamedTuple, SupportsIndex

from esms_connectors.gateway.characters import plain_ascii
from esms_connectors.gateway.phones import SEPARATORS, match_common_spelling, read_phone, why_no_phone
from esms_connectors.recipients.cells import UnreadableCell
from esms_connectors.recipients.damage import SPREADSHEET_ERROR, SPREADSHEET_ERRORS

# Old prefix -> new one, by the change of September 2018; the seven digits after it stayed the same.
# fmt: off
MIGRATED_PREFIXES = {
    # MobiFone
    "0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",
    # VinaPhone
    "0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",
    # Viettel
    "0162": "032", "0163": "033", "0164": "034", "0165": "035",
    "0166": "036", "0167": "037", "0168": "038", "0169": "039",
    # Vietnamobile, Gmobile
    "0186": "056", "0188": "058", "0199": "059",
}
# fmt: on
_OLD_NUMBER = re.compile(r"(?:0|\+?84|0084|\+?840)?(1[0-9]{2})([0-9]{7})")
# 9.01888E+08, or with the decimal comma of a Vietnamese Excel: digits are lost, and the rest looks like a number.
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+")
POINT_ZERO = re.compile(r"(\+?\d+)[.,]0{1,2}")
# Quotes around a number, and the separator after the last entry of a list.
_AROUND = " '\"‘’“”‚„«»‹›`´,;"
FORMULA_TEXT = re.compile(r'="([^"]*)"')
_EXCEL = "Excel wrote it with an exponent and its last digits are lost: format the column as text and export it again"


_EXCEL_WHOLE = "it is written with an exponent: format the column as text and export it again"
_EXPONENT_LOST = "it came as a number with an exponent and its last digits are lost: give it as text"
_NARROW = "it came as a float, perhaps of 32 bits, which keep seven digits: give it as text"
# Whole numbers up to this are exact in 32 bits too, and are not phones.
_WHOLE_IN_32_BITS = 2**24


class NarrowFloat(float):
    """A number from a column of 32-bit floats, or of floats of unknown width. Python itself only has 64-bit ones."""


# Error messages name its type, as they do for bool and bytes.
NarrowFloat.__name__ = "float"


def has_exponent(value: object) -> bool:
    """Whether a number was written with an exponent, so that its last digits may be gone."""
    if isinstance(value, Decimal):
        return value.is_finite() and int(value.as_tuple().exponent) > 0
    return isinstance(value, str) and _EXPONENT.fullmatch(value.strip()) is not None


def loses_digits(value: object) -> bool:
    """Of a number with an exponent: whether digits are gone; `9.01888486E+08` has all nine of them."""
    if not isinstance(value, str):
        return True
    mantissa, _, exponent = value.strip().upper().partition("E")
    decimals, places = len(mantissa.replace(",", ".").partition(".")[2]), exponent.lstrip("+0")
    return not places.startswith("-") and (len(places) > 3 or decimals < int(places or 0))


def is_narrow(value: float) -> bool:
    """Whether 32 bits hold `value` exactly: true of one phone in 64 by chance, and of every one stored in 32 bits."""
    try:
        return value > _WHOLE_IN_32_BITS and struct.unpack("f", struct.pack("f", value))[0] == value
    except OverflowError:
        return False


def float_like(cell: object) -> float | None:
    """The number of a cell that may come from a float column: a float, or `901888484.0` as text or as Decimal."""
    if isinstance(cell, str):
        whole = POINT_ZERO.fullmatch(cell.strip())
        return float(whole[1]) if whole else None
    if isinstance(cell, Decimal):
        return float(cell) if cell.is_finite() and int(cell.as_tuple().exponent) < 0 else None
    return cell if isinstance(cell, float) and math.isfinite(cell) else None


class CleanPhone(NamedTuple):
    """
    The result of reading a phone cell.

    Attributes:
        number: `0…`, ten digits; empty if the cell was refused.
        reason: why it was refused, suitable for counting: it contains no digits.
        migrated: the number replaces one with a prefix from before 2018.
    """

    number: str
    reason: str = ""
    migrated: bool = False

    def __repr__(self) -> str:
        return f"CleanPhone(reason={self.reason!r}, migrated={self.migrated})"


def clean_phone(value: object, *, migrate_2018: bool = True, narrow: bool = False) -> CleanPhone:
    """
    The number in a cell, whatever form a spreadsheet, a database or pandas gave it. Never raises.

    Accepts, beyond what `normalise_phone` does: whole numbers as int, float or Decimal, `901888484.0`, quotes around
    it, a comma after it, `="0901888484"`, and with `migrate_2018` the 11-digit numbers whose prefix was replaced in
    2018. A type or spelling that loses digits is refused, whatever digits are left: they may be another person's.

    Args:
        narrow: the floats of this column, even as text, have only 32 bits.
    """
    if narrow and float_like(value) is not None:
        return CleanPhone("", _NARROW)
    text, reason = (plain_ascii(value).strip(), "") if isinstance(value, str) else _digits(value)
    if reason:
        return CleanPhone("", reason)
    if number := match_common_spelling(text):
        return CleanPhone(number)
    if formula := FORMULA_TEXT.fullmatch(text):
        text = formula[1].strip()
    text = text.strip(_AROUND).strip()
    if _EXPONENT.fullmatch(text):
        return CleanPhone("", _EXCEL if loses_digits(text) else _EXCEL_WHOLE)
    if whole := POINT_ZERO.fullmatch(text):
        # Removed before normalise_phone, which drops dots: 90188848.0 would become somebody else's number.
        text = whole[1]
    elif reason := f"it {SPREADSHEET_ERROR}" if text in SPREADSHEET_ERRORS else why_no_phone(text):
        return CleanPhone("", reason)
    if migrate_2018 and (old := _OLD_NUMBER.fullmatch(SEPARATORS.sub("", text))):
        new = MIGRATED_PREFIXES.get("0" + old[1])
        if new is not None:
            return CleanPhone(new + old[2], migrated=True)
    return CleanPhone(*read_phone(text))


def _digits(value: object) -> tuple[str, str]:
    """The digits of a cell that is not text, or why it has none."""
    if value is None:
        return "", "it is empty"
    if isinstance(value, UnreadableCell):
        return "", f"it {value.reason}"
    if isinstance(value, float | Decimal):
        if value.is_nan() if isinstance(value, Decimal) else math.isnan(value):  # pandas' missing value
            return "", "it is empty"
        if isinstance(value, NarrowFloat):
            return "", _NARROW
        if not (0 <= value < 10**15 and value == int(value)):
            return "", "it is not a whole number"
        return ("", _EXPONENT_LOST) if has_exponent(value) else (str(int(value)), "")
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        whole_number = operator.index(value)
        # A minus sign would be taken for a dash.
        return (str(whole_number), "") if whole_number >= 0 else ("", "it is a negative number, not a phone number")
    return "", f"it is {type(value).__name__}, not text"
