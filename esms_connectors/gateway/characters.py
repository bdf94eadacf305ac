"""Characters that are invisible or look like other characters."""

from __future__ import annotations

import re
import unicodedata

# Contents of regex character classes. Format characters, variation selectors and fillers:
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f\U000e0100-\U000e01ef"
)
CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
DASHES = (
    "\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2212\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d\u301c\u3030\u30a0\ufe31\ufe32"
    "\ufe58\ufe63\uff0d\U00010ead"
)
# Right-to-left override: the digits after it are displayed in reverse order.
REVERSING = "\u202e"
# Full-width letters, digits and signs -> ASCII.
_FULL_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
_DASH = re.compile(f"[{DASHES}]")
_HIDDEN = re.compile(f"[{INVISIBLE}{CONTROL}]")


def is_hidden(character: str) -> bool:
    """Whether it is invisible or looks like a plain blank."""
    return _HIDDEN.match(character) is not None or (character.isspace() and character != " ")


def is_vietnamese_letter(character: str) -> bool:
    """Whether it is a Latin letter, with or without accents, and not a lookalike from another script."""
    return character in "đĐ" or (character.isalpha() and unicodedata.normalize("NFD", character)[0].isascii())


def code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def plain_ascii(text: str) -> str:
    """A number or code as it is displayed: full-width characters and dashes as ASCII, invisible characters removed."""
    if text.isascii():
        return text
    kept = _HIDDEN.sub(lambda match: match[0] if match[0] == REVERSING else "", text)
    return _DASH.sub("-", kept.translate(_FULL_WIDTH))
