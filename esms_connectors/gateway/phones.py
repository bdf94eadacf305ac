"""Normalisation of Vietnamese mobile numbers."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from esms_connectors.gateway.characters import code_point, is_vietnamese_letter, plain_ascii
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.redaction import mask_phone

# The nine digits after the 0. Ranges: the national numbering plan as published by the phonenumbers library.
_MOBILE = re.compile(
    r"(?:3\d|7[06-9])\d{7}|(?:5(?:[1689]\d|2[238]|59)|8(?:[1-8]\d|9[6-9])|9(?:[0-8]\d|9[013-9]))\d{6}",
    re.ASCII,
)
# The part before the last six digits, in the spellings of clean data -> its normal form. This look-up handles most
# numbers, about three times as fast as the regular expressions.
_HEADS = {
    before + head: "0" + head
    for head in (f"{number:03}" for number in range(1000))
    if _MOBILE.fullmatch(head + "000000")
    for before in ("0", "84", "+84", "")
}
SEPARATORS = re.compile(r"[\s.\-()\u00b7\u2022]+")
# Prefixes added to the numbering plan after this version: `055, 0599`, or a file with one per line.
PREFIXES_VARIABLE = "ESMS_MOBILE_PREFIXES"
# One point in bare digits: 9000000.01 or 901888484.0. A phone number written with a single point as separator starts
# with 0 and has more than two digits after the point.
_DECIMAL = re.compile(r"(?:[1-9]\d*|0)\.\d+|\d+\.\d{1,2}", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_PREFIX = re.compile(r"0[1-9]\d{1,3}", re.ASCII)


def normalise_phone(phone: str, *, row: int | None = None) -> str:
    """
    The form that is sent and stored: ten digits that begin with 0, such as `0901888484`.

    Accepts `0…`, `84…`, `+84…`, `0084…`, blanks, dots, dashes and brackets, and the nine digits that a spreadsheet
    leaves. Rejects everything that is not a Vietnamese mobile number.

    Raises:
        InvalidRequestError: with the masked number and the reason.
    """
    number, reason = read_phone(phone)
    if number:
        return number
    compact = SEPARATORS.sub("", plain_ascii(phone)) if isinstance(phone, str) else ""
    shown = mask_phone(compact) if compact else "(empty)"
    where = "" if row is None else f" in row {row}"
    raise InvalidRequestError(
        f"phone {shown}{where} is not a Vietnamese mobile number: {reason}. Give ten digits such as 09xxxxxxxx.",
        field="phone",
        row=row,
    )


def match_common_spelling(phone: str) -> str | None:
    """`normalise_phone` for bare digits after `0`, `84`, `+84` or nothing; None for any other spelling."""
    head, tail = _HEADS.get(phone[:-6]), phone[-6:]
    # isdecimal() alone would accept digits of other scripts.
    return head + tail if head is not None and tail.isdecimal() and tail.isascii() else None


def read_phone(phone: object) -> tuple[str, str]:
    """The number as `normalise_phone` returns it and "", or "" and the reason of the rejection."""
    if not isinstance(phone, str):
        return "", "it is empty" if phone is None else f"it is {type(phone).__name__}, not text"
    if number := match_common_spelling(phone):
        return number, ""
    phone = plain_ascii(phone)
    if reason := why_no_phone(phone):
        return "", reason
    compact = SEPARATORS.sub("", phone)
    digits = compact.removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return "", f"it contains something other than digits{_first_odd(digits)}" if compact else "it is empty"
    subscriber = _subscriber(compact, digits)
    if _MOBILE.fullmatch(subscriber) or _is_of_new_prefix(subscriber):
        return "0" + subscriber, ""
    return "", _why_not(compact, digits)


def _first_odd(text: str) -> str:
    """The first unusual character, neither ASCII nor a Vietnamese letter, for the error message."""
    typed = (one for one in text if not (one.isascii() and one.isprintable()))
    odd = next((one for one in typed if not is_vietnamese_letter(one)), "")
    return f": {code_point(odd)}" if odd else ""


def _is_of_new_prefix(subscriber: str) -> bool:
    told = os.environ.get(PREFIXES_VARIABLE, "").strip()
    return bool(told) and len(subscriber) == 9 and f"0{subscriber}".startswith(_read_prefixes(told))


@lru_cache(maxsize=4)
def _read_prefixes(told: str) -> tuple[str, ...]:
    """
    Raises:
        ConfigurationError: the variable has another format, or the file cannot be read.
    """
    prefixes = told.replace(",", " ").split()
    if not all(map(_PREFIX.fullmatch, prefixes)):
        try:
            with open(told, encoding="utf-8-sig") as file:
                prefixes = [line for text in file if (line := text.partition("#")[0].strip())]
        except (OSError, ValueError):
            prefixes = [""]
    if wrong := [one for one in prefixes if not _PREFIX.fullmatch(one)]:
        raise ConfigurationError(
            f"{PREFIXES_VARIABLE} takes prefixes such as 055, 0599, or a file with one per "
            f"line{f', not {wrong[0]!r}' if wrong[0] else f'; {told} is not a readable file'}."
        )
    return tuple(prefixes)


def _subscriber(compact: str, digits: str) -> str:
    """The digits after the 0 or the country code; empty if there is neither."""
    subscriber = ""
    if compact.startswith("0084"):
        subscriber = digits[4:]
    elif digits.startswith("84") and len(digits) in (11, 12):
        subscriber = digits[2:]
    elif digits.startswith("0") and compact == digits:
        subscriber = digits[1:]
    elif len(digits) == 9 and compact == digits:
        subscriber = digits
    # +84 (0)901 888 484 is common on business cards.
    return subscriber[1:] if len(subscriber) == 10 and subscriber.startswith("0") else subscriber


def why_no_phone(text: str) -> str:
    """Why a decimal or negative number is no phone, or "". Without its point or sign it could be another person's."""
    text = text.strip()
    if _DECIMAL.fullmatch(text):
        return "it was written as a decimal number, as spreadsheets do"
    return "it is a negative number, not a phone number" if text[:1] == "-" else ""


def _why_not(compact: str, digits: str) -> str:
    if compact.startswith("+") and not digits.startswith("84"):
        return "it belongs to another country"
    if re.match(r"(?:84|0)?1(?:2\d|6[2-9]|86|88|99)\d{7}$", digits):
        return "it has a prefix that was replaced in 2018"
    if re.match(r"(?:84|0)2\d{8,9}$", digits):
        return "it is a landline"
    if len(digits) < 9:
        return f"it has only {counted(len(digits), 'digit')}"
    if len(digits) > 12:
        return f"it has {len(digits)} digits"
    return "no network has this prefix and length"
