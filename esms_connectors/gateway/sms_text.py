"""
How a text is sent as SMS: its alphabet, its number of segments, and the characters that raise its price.

One character outside the GSM alphabet turns the whole text into UCS-2, where a segment holds 70 characters instead of
160. The gateway's `IsUnicode` is 0 for plain text and 1 for text with diacritics; `EsmsClient` sends 1 for any text
that is not ASCII. `without_diacritics` makes a Vietnamese text plain.

Source: 3GPP TS 23.038 (alphabet), TS 23.040 (concatenation).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["SmsText", "describe", "without_diacritics"]

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is sent as an escape and a second septet, which are never split across segments.
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")

# Units in a single segment, and in each of several, which have a header of six bytes.
_SIZES = {"gsm7": (160, 153), "ucs2": (70, 67)}

_MARKS_ON_LATIN = re.compile("([A-Za-z])[\u0300-\u036f]+")
_PLAIN = str.maketrans(
    {
        # Old Vietnamese fonts and some keyboards produce ð and Ð for đ and Đ.
        **dict.fromkeys("đð", "d"),
        **dict.fromkeys("ĐÐ", "D"),
        "₫": "d",
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−•", "-"),
        "…": "...",
        "×": "x",
        **dict.fromkeys(
            "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
        ),
        **dict.fromkeys("\u2028\u2029", "\n"),
        # Invisible: soft hyphen, zero-width signs, direction marks, byte order mark.
        **dict.fromkeys("\u00ad\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u2060\ufeff", ""),
    }
)


@dataclass(frozen=True, slots=True)
class ForcedUnicode:
    """
    A character that the GSM alphabet lacks, listed once, at its first position.

    Attributes:
        name: its Unicode name, or U+XXXX if it has none.
        position: counted from 0, in characters.
        count: occurrences in the text.
        suggestion: its replacement by `without_diacritics` ("" removes it), or None if there is none.
    """

    character: str
    name: str
    position: int
    count: int
    suggestion: str | None


@dataclass(frozen=True, slots=True)
class SmsText:
    """
    The size of a text.

    Attributes:
        encoding: the alphabet it is sent in.
        characters: as Python counts them: an emoji is one, a letter with a separate accent two.
        units: septets (`^{}\\[~]|€` are two each) or UTF-16 units (an emoji is two).
        segments: messages that are charged; 0 for an empty text.
        forced_by: the characters that GSM lacks, in order of appearance; empty for a text that needs no Unicode.
    """

    encoding: Literal["gsm7", "ucs2"]
    characters: int
    units: int
    segments: int
    forced_by: tuple[ForcedUnicode, ...]


def describe(text: str, *, is_unicode: bool = False, as_sent: bool = False) -> SmsText:
    """
    Alphabet and segments of `text`.

    Args:
        is_unicode: count it as Unicode even if GSM would suffice, as for a send with `IsUnicode` 1.
        as_sent: as `EsmsClient` sends it, which uses Unicode for any text that is not ASCII, even for `à`.
    """
    strange = {
        character: None
        for character in text
        if (character not in _GSM_BASIC and character not in _GSM_EXTENDED) or (as_sent and character > "\x7f")
    }
    encoding: Literal["gsm7", "ucs2"] = "ucs2" if strange or is_unicode else "gsm7"
    if encoding == "gsm7":
        double = sum(map(text.count, _GSM_EXTENDED))
        sizes: Iterable[int] = (2 if character in _GSM_EXTENDED else 1 for character in text)
    else:
        double = sum(character > "\uffff" for character in text)
        sizes = (2 if character > "\uffff" else 1 for character in text)
    units = len(text) + double
    return SmsText(
        encoding=encoding,
        characters=len(text),
        units=units,
        segments=_segments(units, sizes if double else None, *_SIZES[encoding]),
        forced_by=tuple(_forced(text, character) for character in strange),
    )


def _segments(units: int, sizes: Iterable[int] | None, lone: int, each: int) -> int:
    """Segments needed; `sizes` are the units per character if some have two, which are never split."""
    if units <= lone:
        return 1 if units else 0
    if sizes is None:
        return -(-units // each)
    segments, used = 1, 0
    for size in sizes:
        used += size
        if used > each:
            segments, used = segments + 1, size
    return segments


def _forced(text: str, character: str) -> ForcedUnicode:
    # A separate accent is removed together with its letter's diacritics.
    plain = "" if "\u0300" <= character <= "\u036f" else without_diacritics(character)
    known = all(one in _GSM_BASIC or one in _GSM_EXTENDED for one in plain)
    return ForcedUnicode(
        character=character,
        name=unicodedata.name(character, f"U+{ord(character):04X}"),
        position=text.index(character),
        count=text.count(character),
        suggestion=plain if known else None,
    )


def without_diacritics(text: str) -> str:
    """
    `text` with plain letters: "Chào bạn Đặng" becomes "Chao ban Dang", composed or not.

    Typographic quotes, dashes, blanks and the đồng sign become their ASCII equivalents, invisible characters are
    removed. Other scripts and emoji are kept, because a person must decide about them; `describe` lists them.
    """
    if text.isascii():
        return text.translate(_PLAIN)
    decomposed = unicodedata.normalize("NFD", text.translate(_PLAIN))
    # Composed again, because NFD decomposed Korean and Cyrillic letters too.
    return unicodedata.normalize("NFC", _MARKS_ON_LATIN.sub(r"\1", decomposed))
