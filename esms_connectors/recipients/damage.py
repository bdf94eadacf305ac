"""
Text that was damaged before it was read: nobody should receive `Nguyá»…n`, `Ch? H??ng` or `nan` in a message.

Damage is what no Vietnamese text contains. Where a foreign name could look the same, the text is accepted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

# Correct text hardly ever has these; only a text with one of them is examined closely.
_SUSPICIOUS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff\ufff0-\uffff"
    "?#%&=_{\\\\¡-¿×÷ÄÅÆÇËÎÏÑÖØÛÜÞßäåæçëîïñöøûüþÿ€‚ƒ„†‡ˆ‰Š‹Œ˜™š›œŸ√∫∆]"
)
_SUSPICIOUS_PAIR = re.compile("[aeAE][âêáàéèùúăơÂÊÁÀÉÈÙÚ]|[a-z][À-ÖØ-ÞĂĐƠƯ][a-z]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINE_ENDS = re.compile("\r\n|[\r\n\v\f\x85\u2028\u2029]")

# The Vietnamese letters that neither windows-1252 nor windows-1258 has: a text that kept these lost nothing to a `?`.
_ONLY_UNICODE = re.compile("[ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹẠ-Ỹ]")
_LOST_LETTER = re.compile(r"\?[^\W\d_]")
_LOST_VOWEL = re.compile(r"(?:[BCDĐGHKLMNPQRSTVX]|(?i:ch|gh|kh|nh|ng|ngh|ph|th|tr|qu|gi))\?+[.,;:!]?", re.ASCII)

# TCVN3 (.VnTime): its letters are where other alphabets have signs, or capitals within a word.
_TCVN3 = re.compile(
    r"[A-Za-z](?:[¡¢£¤¥¦§¨©ª«¬®°±²³´µ¶¸¹»¼½¾][A-Za-z]|·[a-z])|(?<![^\W\d_])[®§][^\W\d_]|[A-Za-z][µ¸¹¶¬¨](?![^\W\d_])"
    r"|[a-z][À-ÖØ-ÞĂĐƠƯ][a-z]"
)
# VNI: a second letter after the vowel denotes its accent. Pairs that other languages have count only together.
_VNI = re.compile(
    r"[ae](?:[ùøûõâêáàåãäéèăơ])|[ou][øåäâ]|u[ùïõ]|[ôöơư][ùøûõï]|(?<![^\W\d_])ñ(?=[^\W\d_])", re.IGNORECASE
)
_VNI_OR_FOREIGN = re.compile(r"[ae][ïëüú]|[ou][ùûë]", re.IGNORECASE)

_ESCAPES = re.compile(
    r"&(?:#\d{2,6}|#x[0-9a-f]{2,5}|amp|lt|gt|quot|apos|nbsp|[aeiouy](?:acute|grave|circ|tilde));"
    r"|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|_x00[0-9a-f]{2}_|%(?:C3|C4|C6|E1)%[89AB][0-9A-F]|=(?:C3|C4|C6|E1)=[89AB][0-9A-F]",
    re.IGNORECASE,
)
_UNFILLED = re.compile(r"\$?\{\{?[^{}]*\}?\}|\{%.*%\}|%\(\w+\)s|#\{[^{}]*\}")
SPREADSHEET_ERROR = "is a spreadsheet error"
SPREADSHEET_ERRORS = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!")
)
CONTROL_CHARACTER = "has a control character"
_LONGEST_SAMPLE = 24
_MISSING = frozenset(("nan", "NaN", "NAN", "None", "null", "NULL", "NaT", "<NA>", "undefined", "#N/A"))


def is_suspicious(text: str) -> bool:
    """Whether `damage_of` has to examine a text; fast."""
    return _SUSPICIOUS.search(text) is not None or (not text.isascii() and _SUSPICIOUS_PAIR.search(text) is not None)


def damage_of(text: str) -> str:
    """
    The damage of a text, suitable for counting, such as "has ? where letters were lost"; empty if there is none.

    Line breaks, tabs and question marks at the end of words are not damage.
    """
    if not is_suspicious(text):
        return ""
    return next((reason for reason, found in _DAMAGES if found(text)), "")


def message_damage(text: str) -> str:
    """As `damage_of`, for a text that a person wrote for others: its question marks and escapes are intended."""
    return next((reason for reason, found in _DAMAGES[:-2] if found(text)), "") if is_suspicious(text) else ""


def are_suspicious(values: Sequence[str]) -> bool:
    """Whether `value_damage` has to examine some of the values; fast."""
    return not _MISSING.isdisjoint(values) or is_suspicious("|".join(values))


def value_damage(text: str) -> str:
    """As `damage_of`, for a cell of a table: also detects errors and placeholders in place of a value."""
    if text in SPREADSHEET_ERRORS:
        return SPREADSHEET_ERROR
    if text in _MISSING:
        return "is a word for a missing value"
    if _UNFILLED.fullmatch(text):
        return "is a placeholder that was never filled in"
    return damage_of(text)


def sample_of(text: str, reason: str) -> str:
    """The word of a damaged text that shows the damage, at most 24 characters; no other words are shown."""
    found = next((found for known, found in _DAMAGES if known == reason), None)
    words = text.split()
    word = next((word for word in words if found is not None and found(word)), None)
    if word is None:
        word = next((word for word in words if is_suspicious(word)), words[0] if words else text)
    return word if len(word) <= _LONGEST_SAMPLE else f"{word[: _LONGEST_SAMPLE - 1]}…"


def is_vietnamese(text: str) -> bool:
    """Whether its letters are Vietnamese, composed or decomposed, and its other signs ASCII or typographic."""
    composed = unicodedata.normalize("NFC", text)
    return all(one.isascii() or one in _VIETNAMESE or one in _LIKELY or one == "\u00a0" for one in composed)


def plain_lines(text: str, *, one_line: bool) -> str:
    """
    A text whose line ends are `\\n`; with `one_line`, they and tabs become blanks. Other control characters are kept.
    """
    if one_line:
        return " ".join(part for line in _LINE_ENDS.split(text) if (part := line.replace("\t", " ").strip()))
    return "\n".join(_LINE_ENDS.split(text))


# --- the kinds of damage ---------------------------------------------------------------------------------------------


def _lost_letters(text: str) -> bool:
    """Whether a `?` stands for a letter: before a letter, or after consonants alone; not in addresses."""
    if "?" not in text or _ONLY_UNICODE.search(text):
        return False
    words = [word for word in text.split() if not set("/=@").intersection(word)]
    if words and all(set(word) == {"?"} for word in words):
        return True
    return any(_LOST_LETTER.search(word) or _LOST_VOWEL.fullmatch(word) for word in words)


def _is_vni(text: str) -> bool:
    return _VNI.search(text) is not None or len(_VNI_OR_FOREIGN.findall(text)) > 1


def _is_mojibake(text: str) -> bool:
    """Whether a part of the text becomes Vietnamese when its letters are taken as bytes of UTF-8."""
    return any(_misread(text, pattern, to_byte) for pattern, to_byte in _MISREADINGS)


def _misread(text: str, pattern: re.Pattern[str], to_byte: dict[str, int]) -> bool:
    certain = possible = 0
    for match in pattern.finditer(text):
        try:
            letter = bytes(to_byte[character] for character in match[0]).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if letter not in _LIKELY:
            continue
        # A capital before a closing quote or a dash, such as XÃ”, may be correct.
        if match[0][0] in _VIETNAMESE_CAPITALS and match[0][1] in "’”“‘–—…•\u00a0":
            possible += 1
        else:
            certain += 1
    return certain > 0 or possible > 1


def _misreadings() -> Iterator[tuple[re.Pattern[str], dict[str, int]]]:
    for encoding in ("cp1252", "cp1258", "mac_roman", "latin-1"):
        to_byte = {}
        for number in range(0x80, 0x100):
            try:
                character = bytes([number]).decode(encoding)
            except UnicodeDecodeError:
                character = chr(number)  # as browsers and Excel do with the bytes that windows-1252 does not define
            to_byte[character] = number

        def among(first: int, last: int, known: dict[str, int] = to_byte) -> str:
            return "[" + "".join(re.escape(one) for one, number in known.items() if first <= number <= last) + "]"

        rest = among(0x80, 0xBF)
        yield re.compile(f"{among(0xC3, 0xC6)}{rest}|{among(0xE1, 0xE2)}{rest}{rest}"), to_byte


_LETTERS = "aăâeêioôơuưy"
_TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
_VIETNAMESE = {unicodedata.normalize("NFC", letter + tone) for letter in _LETTERS for tone in _TONES} | {"đ"}
_VIETNAMESE = {one for letter in _VIETNAMESE for one in (letter, letter.upper())}
_VIETNAMESE_CAPITALS = frozenset(one for one in _VIETNAMESE if one.isupper())
_LIKELY = frozenset({one for one in _VIETNAMESE if not one.isascii()} | set("“”‘’–—…•₫"))
_MISREADINGS = tuple(_misreadings())

# The last two do not apply to a text that was written for others.
_DAMAGES: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("has UTF-8 that was decoded with another encoding", _is_mojibake),
    (CONTROL_CHARACTER, _CONTROL.search),
    ("has � where letters were lost", re.compile("[\ufff0-\uffff]").search),
    ("has a character of a private font", re.compile("[\ue000-\uf8ff]").search),
    ("is written in TCVN3 (.VnTime fonts), not in Unicode", _TCVN3.search),
    ("is written in VNI, not in Unicode", _is_vni),
    ("has ? where letters were lost", _lost_letters),
    ("has escaped letters, as in HTML or JSON", _ESCAPES.search),
)
