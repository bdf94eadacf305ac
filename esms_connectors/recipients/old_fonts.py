"""
Converts Vietnamese text from before Unicode: TCVN3 (the fonts .VnTime and others) and VNI.

Both appear as Latin letters in programs that do not know the font: `NguyÔn`, `Nguyeãn`. TCVN3 has its letters at the
positions of TCVN 5712:1993, the charmap TCVN5712-1 of glibc and libiconv; VNI writes a vowel and a second letter for
its accents, as in the tables of UniKey and of Wikipedia's article on VNI.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable

# From 0xA1 on; a blank where TCVN3 has no letter.
_TCVN3_LETTERS = "ĂÂÊÔƠƯĐăâêôơưđ      àảãáạ ằẳẵắ       ặầẩẫấậè ẻẽéẹềểễếệìỉ   ĩíịò ỏõóọồổỗốộờởỡớợù ủũúụừửữứựỳỷỹýỵ"
_TCVN3 = {chr(0xA1 + at): letter for at, letter in enumerate(_TCVN3_LETTERS) if letter != " "}

# The accents that the second letter of VNI denotes.
_GRAVE, _ACUTE, _HOOK, _TILDE, _DOT, _ROOF, _BOWL = "\u0300\u0301\u0309\u0303\u0323\u0302\u0306"
_VNI_SECOND = {
    "ù": _ACUTE, "ø": _GRAVE, "û": _HOOK, "õ": _TILDE, "ï": _DOT,
    "â": _ROOF, "á": _ROOF + _ACUTE, "à": _ROOF + _GRAVE, "å": _ROOF + _HOOK, "ã": _ROOF + _TILDE, "ä": _ROOF + _DOT,
    "ê": _BOWL, "é": _BOWL + _ACUTE, "è": _BOWL + _GRAVE, "ú": _BOWL + _HOOK, "ü": _BOWL + _TILDE, "ë": _BOWL + _DOT,
}  # fmt: skip
_VNI_ALONE = {"ô": "ơ", "ö": "ư", "ñ": "đ", "í": "í", "ì": "ì", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}
_VNI = re.compile(r"(?P<vowel>[aeouy]|[ôö])(?P<second>[ùøûõïâáàåãäêéèúüë])|(?P<alone>[ôöñíìæóòî])", re.IGNORECASE)
# A breve fits only an a, and a circumflex only a, e and o.
_BOWLED, _ROOFED = frozenset("êéèúüë"), frozenset("âáàåãä")
# Typographic signs that Windows has besides Latin letters; a text with any other character is already Unicode.
_BEYOND_LATIN = re.compile("[^\x00-\xff‘’“”–—…•€]")

LATIN_1_BYTES = "esms-latin-1"


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(LATIN_1_BYTES, _as_latin_1)


def from_old_font(text: str, font: str) -> str:
    """
    A text of the font (tcvn3, vni) in Unicode; a text that has letters which only Unicode has is left unchanged.

    TCVN3 has capitals with tones only in separate fonts, so a letter with a tone becomes a capital if the other letters
    of its word are capitals.
    """
    if text.isascii() or _BEYOND_LATIN.search(text):
        return text
    return unicodedata.normalize("NFC", OLD_FONTS[font](text))


def _from_tcvn3(text: str) -> str:
    return " ".join(_tcvn3_word(word) for word in text.split(" "))


def _tcvn3_word(word: str) -> str:
    plain = [one for one in word if one.isascii() and one.isalpha()]
    converted = "".join(_TCVN3.get(one, one) for one in word)
    return converted.upper() if len(plain) > 1 and all(one.isupper() for one in plain) else converted


def _from_vni(text: str) -> str:
    return _VNI.sub(_vni_letter, text)


def _vni_letter(match: re.Match[str]) -> str:
    if match["alone"]:
        letter = _VNI_ALONE[match["alone"].lower()]
        return letter.upper() if match["alone"].isupper() else letter
    vowel, second = match["vowel"], match["second"].lower()
    fits = (second not in _BOWLED or vowel in "aA") and (second not in _ROOFED or vowel in "aeoAEO")
    base = _VNI_ALONE.get(vowel.lower(), vowel.lower())
    letter = base + _VNI_SECOND[second] if fits else base + match["second"].lower()
    return letter.upper() if vowel.isupper() else letter


OLD_FONTS: dict[str, Callable[[str], str]] = {"tcvn3": _from_tcvn3, "vni": _from_vni}
