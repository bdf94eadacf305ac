"""How a text travels as SMS."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors.gateway.sms_text import describe, without_diacritics

GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà\f^{}\\[~]|€"
any_texts = st.text(st.sampled_from("ab ếĐ😀€[" + GSM), max_size=300)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "gsm7", 0, 0),
        ("a", "gsm7", 1, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("a" * 459, "gsm7", 459, 3),
        ("a" * 460, "gsm7", 460, 4),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        # The 153rd septet would be an escape: it goes to the next segment, so two of 152 hold 152 signs, not 153.
        ("€" * 152, "gsm7", 304, 2),
        ("€" * 153, "gsm7", 306, 3),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 306, 3),
        ("a" * 151 + "€" + "a" * 153, "gsm7", 306, 2),
        ("\f", "gsm7", 2, 1),
        ("ç", "ucs2", 1, 1),
        ("Ç", "gsm7", 1, 1),
        ("`", "ucs2", 1, 1),
        ("\t", "ucs2", 1, 1),
        ("ế" * 70, "ucs2", 70, 1),
        ("ế" * 71, "ucs2", 71, 2),
        ("ế" * 134, "ucs2", 134, 2),
        ("ế" * 135, "ucs2", 135, 3),
        ("😀" * 35, "ucs2", 70, 1),
        ("😀" * 36, "ucs2", 72, 2),
        # 67 is odd: a segment holds 33 emoji, its last unit stays free.
        ("😀" * 66, "ucs2", 132, 2),
        ("😀" * 67, "ucs2", 134, 3),
        ("a" * 66 + "😀" + "a" * 66, "ucs2", 134, 3),
        # In UCS-2 the extension table means nothing: a bracket is one unit.
        ("[" * 69 + "ế", "ucs2", 70, 1),
    ],
)
def test_encoding_units_and_segments_of_known_texts(text: str, encoding: str, units: int, segments: int) -> None:
    """The limits of 160/153 and 70/67, and what may not be torn apart at them."""
    found = describe(text)

    assert (found.encoding, found.characters, found.units, found.segments) == (encoding, len(text), units, segments)


@pytest.mark.in_turn
def test_gsm_alphabet_is_complete() -> None:
    """127 signs and the escape in the basic table, ten in the extension; nothing else in Unicode is GSM."""
    plain = [chr(number) for number in range(0x10000) if describe(chr(number)).encoding == "gsm7"]

    assert len(plain) == 127 + 10
    assert sum(describe(character).units for character in plain) == 127 + 2 * 10


def test_characters_that_force_unicode_are_listed_with_a_suggestion() -> None:
    """Each strange character once, where it first stands, with what to write instead."""
    found = describe("Chào bạn, giảm 50% – bạn ơi 😀")

    assert [(one.character, one.position, one.count, one.suggestion) for one in found.forced_by] == [
        ("ạ", 6, 2, "a"),
        ("ả", 12, 1, "a"),
        ("–", 19, 1, "-"),
        ("ơ", 25, 1, "o"),
        ("😀", 28, 1, None),
    ]
    assert found.forced_by[2].name == "EN DASH"
    assert describe(without_diacritics("Chào bạn, giảm 50% – bạn ơi")).forced_by == ()


def test_combining_accents_are_listed_for_removal() -> None:
    """A text typed on a Mac may hold a bare letter and an accent behind it; removing the accent is the remedy."""
    (accent,) = describe(unicodedata.normalize("NFD", "ạ")).forced_by

    assert (accent.name, accent.suggestion) == ("COMBINING DOT BELOW", "")


def test_unnamed_character_is_listed_by_code_point() -> None:
    """Control and private characters have none; their number stands in."""
    assert describe("\ue000").forced_by[0].name == "U+E000"


def test_unicode_can_be_forced() -> None:
    """A send with IsUnicode 1 is charged as Unicode even if plain."""
    assert describe("a" * 71, is_unicode=True).segments == 2
    assert describe("a" * 71, is_unicode=True).forced_by == ()


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_vietnamese_diacritics_are_removed_in_every_normalisation_form(form: str) -> None:
    """Every letter with every tone, composed or not."""
    tones = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ"
    plain = "a" * 18 + "e" * 12 + "i" * 6 + "o" * 18 + "u" * 12 + "y" * 6

    assert without_diacritics(unicodedata.normalize(form, tones)) == plain
    assert without_diacritics(unicodedata.normalize(form, tones.upper())) == plain.upper()
    assert without_diacritics(unicodedata.normalize(form, "Đường Đặng Văn Đỗ, đồng")) == "Duong Dang Van Do, dong"


def test_typographic_characters_become_plain() -> None:
    """What word processors put in: quotes, dashes, dots, blanks, and signs nobody sees."""
    assert without_diacritics("“Ưu đãi” – ‘50.000₫’…\u00a0\u200bhết") == "\"Uu dai\" - '50.000d'... het"


@pytest.mark.parametrize("text", ["한국어", "Привет, йод", "ไทย", "日本語 が", "😀👨‍👩‍👧"])
def test_other_scripts_are_unchanged(text: str) -> None:
    """What is not Latin is not ours to change."""
    assert without_diacritics(text) == text


@given(any_texts, any_texts)
def test_longer_text_never_needs_fewer_segments_or_units(first: str, second: str) -> None:
    """Segments grow with the text, as long as the alphabet stays the same."""
    whole, part = describe(first + second), describe(first)

    if whole.encoding == part.encoding:
        assert whole.segments >= part.segments
    assert whole.units >= len(first + second)


@given(any_texts)
def test_segment_count_fits_the_units(text: str) -> None:
    """Never fewer segments than the units need, and never more than one unit lost in each."""
    found = describe(text)
    lone, each = {"gsm7": (160, 153), "ucs2": (70, 67)}[found.encoding]

    if found.units <= lone:
        assert found.segments == (1 if text else 0)
    else:
        assert -(-found.units // each) <= found.segments <= -(-found.units // (each - 1))


@given(any_texts)
def test_units_match_the_encoding(text: str) -> None:
    """UCS-2 counts as UTF-16 does; GSM as the sum of its characters."""
    found = describe(text)

    if found.encoding == "ucs2":
        assert found.units == len(text.encode("utf-16-le")) // 2
    else:
        assert found.units == sum(describe(character).units for character in text)


@pytest.mark.in_turn(every=3)
@given(st.text())
def test_removing_diacritics_is_idempotent(text: str) -> None:
    """Running it again changes nothing, and it never invents a need for Unicode."""
    once = without_diacritics(text)

    assert without_diacritics(once) == once
    if text.isascii():
        assert once == text.replace("`", "'").replace("\t", " ")
