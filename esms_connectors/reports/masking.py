"""Masks phones in names and texts from outside. It masks more than the logs do, because reports are passed on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.redaction import mask_phone, mask_phones, redact

# Whole words that are an id or a hash, to be kept; or digits that may be a mobile number, even between letters.
_CANDIDATE = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{16,}|[0-9A-F]{16,})(?![0-9A-Za-z])"
    r"|(?<!\d)(?P<number>(?:(?:00)?84(?: ?\(?0\)?)?|0)(?:[ .\-\u200b]{0,2}\d){9})(?!\d)",
    re.ASCII,
)
_GROUP = re.compile(r"\d+", re.ASCII)
# Usual groupings of phones, as the number of digits after each gap: 0901 888 484 has gaps before the last six and the
# last three digits. Dates with a time, such as 03.11.2026 09 and 031126-0900, have other groupings.
_GAPS = {(), (3,), (5,), (6,), (7,), (6, 3), (7, 4), (7, 3), (6, 4, 2), (7, 4, 2)}


def without_phones(text: str) -> str:
    """
    `text` without control characters, keys and Vietnamese phones.

    In addition to `redact`, this masks mobile numbers adjacent to letters (`KH0901888484A`), and recognizes digits,
    signs and spaces of any script or width. Dates, amounts, ids and nine bare digits are kept.
    """
    text = redact("".join(" " if unicodedata.category(one) == "Cc" else one for one in text))
    # Character by character, so that unmasked characters stay unchanged.
    plain = "".join(map(_plain, text))
    masked = _CANDIDATE.sub(_mask, mask_phones(plain))
    return "".join(was if before == after else after for was, before, after in zip(text, plain, masked, strict=True))


def _plain(character: str) -> str:
    """The equivalent ASCII character, if there is one."""
    if character.isascii():
        return character
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    match unicodedata.category(character):
        case "Cf":
            return "\u200b"
        case "Zs":
            return " "
        case "Pd":
            return "-"
    composed = unicodedata.normalize("NFKC", character)
    return composed if len(composed) == 1 else character


def _mask(match: re.Match[str]) -> str:
    found = match["number"]
    if found is None:
        return match.group()
    groups = _GROUP.findall(found.replace("\u200b", ""))
    digits = "".join(groups)
    # Among the nine digits that follow a country code.
    gaps = tuple(left for left in _left_behind(groups) if left < 9)
    return mask_phone(found) if gaps in _GAPS and read_phone(digits)[0] else found


def _left_behind(groups: list[str]) -> Iterator[int]:
    left = sum(map(len, groups))
    for group in groups[:-1]:
        left -= len(group)
        yield left
