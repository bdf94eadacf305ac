"""Phones as tables hold them: what spreadsheets did to them, and the numbers of before 2018."""

from __future__ import annotations

import math
import operator
import re
from decimal import Decimal
from typing import NamedTuple, SupportsIndex

from esms_connectors.gateway.phones import SEPARATORS, match_common_spelling, read_phone

# Old prefix -> new one; the seven digits behind it stayed. The change of September 2018.
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
# 9.01888E+08, or with the decimal comma of a Vietnamese Excel: digits are gone, and what is left looks like a number.
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+")
_POINT_ZERO = re.compile(r"(\+?\d+)[.,]0{1,2}")
_FORMULA_TEXT = re.compile(r'="([^"]*)"')
_EXCEL = "Excel wrote it with an exponent and its last digits are lost: format the column as text and export it again"


class CleanPhone(NamedTuple):
    """
    A phone cell, read.

    Attributes:
        number: `0…`, ten digits; empty when the cell was refused.
        reason: why it was refused, fit to be counted: it names no digits.
        migrated: the number is the successor of one with a prefix of before 2018.
    """

    number: str
    reason: str = ""
    migrated: bool = False

    def __repr__(self) -> str:
        return f"CleanPhone(reason={self.reason!r}, migrated={self.migrated})"


def clean_phone(value: object, *, migrate_2018: bool = True) -> CleanPhone:
    """
    The number in a cell, whatever a spreadsheet, a database or pandas made of it. Never raises.

    Beyond what `normalise_phone` takes: whole numbers as int, float or Decimal, `901888484.0`, a leading apostrophe,
    `="0901888484"`, and with `migrate_2018` the 11-digit numbers whose prefix was replaced in 2018.
    """
    if isinstance(value, str):
        text = value.strip()
    elif value is None:
        return CleanPhone("", "it is empty")
    elif isinstance(value, float | Decimal):
        if value.is_nan() if isinstance(value, Decimal) else math.isnan(value):  # what pandas puts for nothing
            return CleanPhone("", "it is empty")
        if not (0 <= value < 10**15 and value == int(value)):
            return CleanPhone("", "it is no whole number")
        text = str(int(value))
    elif isinstance(value, SupportsIndex) and not isinstance(value, bool):
        whole_number = operator.index(value)
        if whole_number < 0:  # its sign would pass for a dash
            return CleanPhone("", "it is no phone number but a negative one")
        text = str(whole_number)
    else:
        return CleanPhone("", f"it is {type(value).__name__}, not text")
    if number := match_common_spelling(text):
        return CleanPhone(number)
    if formula := _FORMULA_TEXT.fullmatch(text):
        text = formula[1].strip()
    text = text.lstrip("'’").strip()
    if _EXPONENT.fullmatch(text):
        return CleanPhone("", _EXCEL)
    if whole := _POINT_ZERO.fullmatch(text):
        # Taken off before normalise_phone sees it: that drops dots, and 90188848.0 would become someone's number.
        text = whole[1]
    if migrate_2018 and (old := _OLD_NUMBER.fullmatch(SEPARATORS.sub("", text))):
        new = MIGRATED_PREFIXES.get("0" + old[1])
        if new is not None:
            return CleanPhone(new + old[2], migrated=True)
    return CleanPhone(*read_phone(text))
