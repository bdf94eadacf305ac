"""Phones with characters that nobody sees, or sees as others: read, or refused in a line that shows them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.recipients.phone_lists import numbers_in_cell
from esms_connectors.recipients.phones import clean_phone

# Where Unicode has blanks, dashes and format characters.
RANGES = ((0, 0x3300), (0xFE00, 0x10000), (0x10E00, 0x11100), (0x1BCA0, 0x1D200), (0xE0000, 0xE0080))
PLACES = [range(*one) for one in RANGES]


def of_category(category: str) -> list[str]:
    return [chr(number) for place in PLACES for number in place if unicodedata.category(chr(number)) == category]


# The only format characters that are seen: signs that span digits of Arabic, Syriac and Kaithi.
SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


def test_invisible_format_characters_are_ignored_except_direction_override() -> None:
    """At the beginning, inside and at the end; the one that turns digits around is shown instead."""
    invisible = [one for one in of_category("Cf") if one not in SEEN]
    assert len(invisible) > 130
    for one in invisible:
        found = clean_phone(f"{one}0901{one}888 484{one}")
        if one == "\u202e":
            assert (found.number, found.reason) == ("", "it contains something other than digits: U+202E")
        else:
            assert found.number == "0901888484", ascii(one)
        assert clean_phone(f"0901{one}88848").number == "", ascii(one)


def test_dashes_are_separators_and_a_leading_minus_is_rejected() -> None:
    """Typographic ones, the minus sign, the no-break hyphen; in front they make a negative number."""
    dashes = [*of_category("Pd"), "\u2212", "\u2011"]
    for one in dashes:
        assert clean_phone(f"0901{one}888{one}484").number == "0901888484", ascii(one)
        assert normalise_phone(f"0901 {one} 888484") == "0901888484"
    assert clean_phone("\u2212901888484").reason == "it is a negative number, not a phone number"


@pytest.mark.parametrize("one", ["\u30fc", "\u2043", "\u041e", "\u0660", "\u02d7", "\u0338"])
def test_look_alike_characters_are_reported_by_code_point(one: str) -> None:
    """Of Japanese, Cyrillic and Arabic; a letter of Vietnamese needs no number."""
    assert clean_phone(f"0901{one}888484").reason == f"it contains something other than digits: U+{ord(one):04X}"
    assert clean_phone("0901888ệ484").reason == "it contains something other than digits"


@pytest.mark.parametrize(
    "cell",
    [
        "0901888484-0901888485",
        "0901-888-484-0901888485",
        "0901.888.484.0901.888.485",
        "09018884840901888485",
        "84901888484\u2013+84901888485",
    ],
)
def test_two_adjacent_numbers_in_a_cell_are_separated(cell: str) -> None:
    """Each way to part them that leaves no digit over; the signs of one number make no second."""
    assert numbers_in_cell(cell) == ["0901888484", "0901888485"]
    assert numbers_in_cell("0901-888-484") == []
    assert numbers_in_cell("0901888484-090188848") == []


def test_spreadsheet_error_in_the_phone_column_is_reported_as_such() -> None:
    """What a look-up left in the column of phones."""
    assert clean_phone("#N/A").reason == "it is a spreadsheet error"


def test_every_unicode_space_is_a_separator() -> None:
    """No-break, thin and ideographic ones."""
    for one in of_category("Zs"):
        assert clean_phone(f"0901{one}888{one}484").number == "0901888484", ascii(one)


@pytest.mark.parametrize(
    "written",
    [
        "０９０１８８８４８４",
        "＋８４９０１８８８４８４",
        "(＋８４) ９０１．８８８．４８４",
        "'0901888484",
        '"0901888484"',
        "“0901888484”",
        "‘0901 888 484’",
        "0901888484,",
        "0901888484;",
        "'+84901888484',",
        "0901·888·484",
        "\u202d0901888484\u202c",
        "\u2068+84 901 888 484\u2069",
        "901888484,",
        "0901888484\ufe0f",
    ],
)
def test_common_phone_notations_are_normalised(written: str) -> None:
    """Contacts of phones, typographic quotes, lists that were cut apart."""
    assert clean_phone(written).number == "0901888484"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("٠٩٠١٨٨٨٤٨٤", "U+0660"),
        ("0901\x00888484", "U+0000"),
        ("0901☎888484", "U+260E"),
        ("\u202e4848881090", "U+202E"),
        ("09O1888484", "it contains something other than digits"),
    ],
)
def test_phones_with_invalid_characters_are_rejected_with_a_reason(written: str, reason: str) -> None:
    """The character by its number, because nobody could tell it from another; letters are seen anyway."""
    assert clean_phone(written).reason.endswith(reason)
    assert clean_phone(written).number == ""


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("0901888484 / 0902888484", ["0901888484", "0902888484"]),
        ("0901888484, 0902 888 484", ["0901888484", "0902888484"]),
        ("0901888484;0902888484;", ["0901888484", "0902888484"]),
        ("0901888484\n0902888484", ["0901888484", "0902888484"]),
        ("0901.888.484 - 0902.888.484", ["0901888484", "0902888484"]),
        ("0901888484 hoặc 0902888484", ["0901888484", "0902888484"]),
        ("0901 888 484 0902 888 484", ["0901888484", "0902888484"]),
        ("0901888484 / +84 901 888 484", ["0901888484"]),
        ("0901888484 / 024 3823 4567", ["0901888484"]),
        ("0901888484", []),
        ("0901 - 888 - 484", []),
        ("0901888484 (chị Lan)", []),
        ("chị Lan / anh Nam", []),
        (901888484, []),
        (None, []),
    ],
)
def test_numbers_in_cell_returns_each_of_several_numbers_once(cell: object, numbers: list[str]) -> None:
    """Each once; a landline is a second number, and none to send to."""
    assert numbers_in_cell(cell) == numbers


def test_additional_mobile_prefixes_can_be_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The numbering plan grows between two versions of this package."""
    new, other = "0551234567", "0571234567"
    assert clean_phone(new).number == ""

    monkeypatch.setenv("ESMS_MOBILE_PREFIXES", "055, 0572")
    assert [clean_phone(spelled).number for spelled in (new, "+84 551 234 567", 551234567)] == [new] * 3
    assert normalise_phone("84551234567") == new
    assert (clean_phone(other).number, clean_phone("0572234567").number) == ("", "0572234567")
    assert clean_phone("055123456").number == ""
    assert clean_phone("0901888484").number == "0901888484"

    prefixes = tmp_path / "prefixes.txt"
    prefixes.write_text("\ufeff# of 2027\n057  # Gmobile\n\n", encoding="utf-8")
    monkeypatch.setenv("ESMS_MOBILE_PREFIXES", str(prefixes))
    assert (clean_phone(other).number, clean_phone(new).number) == (other, "")

    wrong_values = (
        ("55", "not '55'|no.* readable"),
        ("0", "not a readable"),
        (str(tmp_path / "none"), "not a readable"),
    )
    for wrong, words in wrong_values:
        monkeypatch.setenv("ESMS_MOBILE_PREFIXES", wrong)
        with pytest.raises(ConfigurationError, match=words):
            clean_phone(new)


def test_errors_mask_numbers_written_in_wide_digits() -> None:
    """Masked digits only."""
    with pytest.raises(InvalidRequestError) as caught:
        normalise_phone("\u202d０９０１８８８４８４５５\u202c")
    assert "888" not in str(caught.value)
    assert "８" not in str(caught.value)
