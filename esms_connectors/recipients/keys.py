"""Keys of rows, messages and calls: one spelling, whichever program wrote them."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.request_ids import MAX_KEY_LENGTH
from esms_connectors.recipients.cells import UnreadableCell
from esms_connectors.recipients.phones import FORMULA_TEXT, POINT_ZERO, has_exponent, loses_digits

_DIGITS_OF_A_FLOAT = 15


class CleanKey(NamedTuple):
    """
    The result of reading a key.

    Attributes:
        text: in its one spelling; empty if it was refused.
        reason: why it was refused, suitable for counting.
    """

    text: str
    reason: str = ""


def clean_key(value: object, *, longest: int = MAX_KEY_LENGTH) -> CleanKey:
    """
    The key as people read it: composed (NFC), without the marks by which spreadsheets denote text, and `1001` for the
    `1001.0` of a float column and the `1001.000` of a decimal column. Never raises.

    A type or spelling that loses digits is refused: the key could differ each time, or be that of another row.
    """
    if isinstance(value, UnreadableCell):
        return CleanKey("", value.reason)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | UUID):
        return CleanKey("", "is empty" if value is None else f"is {type(value).__name__}, not text")
    key = _as_read(value)
    if not key:
        return CleanKey("", "is empty")
    whole = POINT_ZERO.fullmatch(key)
    if has_exponent(value) and not loses_digits(value):
        return CleanKey("", "is a number with an exponent: format the column as text")
    if has_exponent(value) or (whole is not None and len(whole[1]) > _DIGITS_OF_A_FLOAT):
        return CleanKey("", f"is a number with {'a point' if whole else 'an exponent'}, whose last digits are lost")
    if whole is not None:
        key = whole[1]
    if len(key) > longest or not key.isprintable():
        return CleanKey("", f"is longer than {longest} characters, or not printable")
    return CleanKey(key)


def doubt_of(key: str) -> str:
    """How a key may become another one on its way; empty for none."""
    if key.isascii():
        dropped = len(key) > 1 and key[0] == "0" and key.isdecimal()
        return "with a leading 0: a spreadsheet drops it, which makes it a different key" if dropped else ""
    odd = any(one.isdecimal() and not one.isascii() for one in key)
    return "with digits other than 0-9: the same number in 0-9 is a different key" if odd else ""


def read_key(value: object, name: str, *, longest: int = MAX_KEY_LENGTH) -> str:
    """
    The key of a message or a call, as `clean_key` reads it; `name` is the argument that it was given as.

    Raises:
        InvalidRequestError: it is not a key.
    """
    found = clean_key(value, longest=longest)
    if found.reason:
        raise InvalidRequestError(f"{name} {found.reason}.", field=name)
    return found.text


def _as_read(value: str | int | Decimal | UUID) -> str:
    if isinstance(value, Decimal):
        # The digits of a decimal are exact, so a fraction other than zero is kept.
        return f"{int(value)}.0" if _has_zero_fraction(value) else str(value)
    text = str(value).strip()
    if formula := FORMULA_TEXT.fullmatch(text):
        text = formula[1].strip()
    text = text.removeprefix("'").strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _has_zero_fraction(value: Decimal) -> bool:
    return value.is_finite() and int(value.as_tuple().exponent) < 0 and value == value.to_integral_value()
