"""Phones as tables hold them, held against the phonenumbers library."""

from __future__ import annotations

from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import match_common_spelling, normalise_phone, read_phone
from esms_connectors.recipients.phones import MIGRATED_PREFIXES, clean_phone

# Where the oracle says mobile and we do not: numbers of machines (M2M), which take no SMS of a brand and no ZNS.
_MACHINES = ("0140", "0160", "01210", "01211", "01212", "01213")

# Leading digits of every kind, so that valid numbers are not a rarity.
subscribers = st.one_of(
    st.builds(str.__add__, st.integers(10, 99).map(str), st.text("0123456789", min_size=6, max_size=8)),
    st.integers(10**6, 10**11).map(str),
)
separators = st.sampled_from(["", " ", ".", "-", " - ", "\u00a0"])


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A subscriber number, and one of the spellings that people use for it."""
    subscriber = draw(subscribers)
    before = draw(st.sampled_from(["0", "+84", "+84 ", "(0)", "0084"]))
    separator = draw(separators)
    cuts = draw(st.sampled_from([(2, 5), (3, 6), (1, 4)]))
    parts = [subscriber[: cuts[0]], subscriber[cuts[0] : cuts[1]], subscriber[cuts[1] :]]
    return subscriber, before + separator.join(parts)


def oracle(international: str) -> str | None:
    """What phonenumbers makes of it: `0…` for a Vietnamese mobile number, else None."""
    try:
        parsed = phonenumbers.parse(international, "VN")
    except phonenumbers.NumberParseException:
        return None
    national = "0" + str(parsed.national_number)
    if parsed.country_code != 84 or phonenumbers.number_type(parsed) != phonenumbers.PhoneNumberType.MOBILE:
        return None
    return None if national.startswith(_MACHINES) else national


@given(spelled())
def test_formatted_numbers_agree_with_phonenumbers(case: tuple[str, str]) -> None:
    """Whatever the spelling, we accept exactly the mobile numbers of the library, and write them alike."""
    subscriber, spelling = case

    assert read_phone(spelling)[0] == (oracle("+84" + subscriber) or "")
    assert clean_phone(spelling, migrate_2018=False).number == read_phone(spelling)[0]


@pytest.mark.in_turn(every=3)
def test_accepted_prefixes_agree_with_phonenumbers() -> None:
    """Each of the 10 000 leading digit groups of a nine-digit number is judged as the library judges it."""
    ours = {head for head in range(10_000) if read_phone(f"0{head:04}00000")[0]}
    theirs = {head for head in range(1_000, 10_000) if oracle(f"+84{head:04}00000")}

    assert ours == theirs


@given(
    st.sampled_from(["1", "44", "65", "66", "81", "86", "855", "856"]), st.text("0123456789", min_size=7, max_size=10)
)
def test_foreign_numbers_are_rejected(country: str, rest: str) -> None:
    """A number that names another country is refused, even where its digits could be Vietnamese."""
    assert oracle(f"+{country}{rest}") is None
    assert clean_phone(f"+{country}{rest}").number == ""


@given(st.text("0123456789", min_size=7, max_size=8))
def test_landlines_are_rejected(rest: str) -> None:
    """Area codes begin with 2; SMS and ZNS do not reach them."""
    assert clean_phone("02" + rest).number == ""
    assert clean_phone("+842" + rest).number == ""


@given(st.text("0123456789+-. ()84\u0660\u06f1\u00b2", max_size=14))
def test_fast_path_agrees_with_the_full_parser(text: str) -> None:
    """Dressed with a blank, a number misses the look-up table and takes the slow path, with the same outcome."""
    assert read_phone(text)[0] == read_phone(text + " ")[0]
    quick = match_common_spelling(text)
    assert quick is None or quick == read_phone(" " + text)[0]


@pytest.mark.in_turn
@given(st.text(max_size=20))
def test_any_text_gives_a_number_or_a_reason(text: str) -> None:
    """No text makes it raise, and the reason repeats none of it."""
    found = clean_phone(text)

    assert bool(found.number) != bool(found.reason)
    assert not found.number or normalise_phone(found.number) == found.number


@pytest.mark.parametrize(
    "spelling",
    [
        "0901888484",
        "84901888484",
        "+84901888484",
        "901888484",
        "0084901888484",
        "+84 (0)901 888 484",
        "0901.888.484",
        "0901-888-484",
        " 0901 888 484\u00a0",
        "\ufeff0901888484",
        "'0901888484",
        "’0901888484",
        '="0901888484"',
        "901888484.0",
        "84901888484.0",
        "901888484,00",
        901888484,
        84901888484,
        901888484.0,
        Decimal("901888484"),
    ],
)
def test_every_representation_of_a_phone_is_normalised(spelling: object) -> None:
    """Everything that people, spreadsheets and databases make of a number is read as that number."""
    assert clean_phone(spelling).number == "0901888484"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        (None, "it is empty"),
        (float("nan"), "it is empty"),
        (Decimal("sNaN"), "it is empty"),
        (float("inf"), "it is not a whole number"),
        (Decimal("1E+999999"), "it is not a whole number"),
        (901888484.5, "it is not a whole number"),
        (-901888484, "it is a negative number, not a phone number"),
        (-901888484.0, "it is not a whole number"),
        (True, "it is bool, not text"),
        (b"0901888484", "it is bytes, not text"),
        (["0901888484"], "it is list, not text"),
        ("9.01888E+08", "Excel wrote it"),
        ("9,01888E+08", "Excel wrote it"),
        ("9.01888484E+08", "it is written with an exponent"),
        ("8.49019E+10", "Excel wrote it"),
        ("90188848.0", "it has only 8 digits"),
        ("02838123456", "it is a landline"),
        ("19001234", "it has only 8 digits"),
        ("8099", "it has only 4 digits"),
        ("+12025550123", "it belongs to another country"),
        ("0901888484 / 0901888485", "it contains something other than digits"),
        ("09018884840", "no network has this prefix and length"),
        ("090188848", "no network has this prefix and length"),
        ("٠٩٠١٨٨٨٤٨٤", "it contains something other than digits"),
        ("0901٨٨٨٤٨٤", "it contains something other than digits"),
        ("0951234567x", "it contains something other than digits"),
    ],
)
def test_invalid_phones_are_rejected_with_a_reason(cell: object, reason: str) -> None:
    """What is no mobile number is refused with a reason that can be counted."""
    found = clean_phone(cell)

    assert found.number == ""
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(("old", "new"), MIGRATED_PREFIXES.items())
def test_numbers_from_before_2018_are_migrated_unless_disabled(old: str, new: str) -> None:
    """The 11-digit prefixes become today's in every spelling; told not to, they are refused, as the client does."""
    for spelling in (
        f"{old}1234567",
        f"84{old[1:]}1234567",
        f"+84{old[1:]}1234567",
        f"{old[1:]}1234567",
        f"{old} 123 4567",
        f"+84 (0){old[1:]}.1234567",
        int(f"{old}1234567"),
    ):
        assert clean_phone(spelling) == (new + "1234567", "", True)
        assert clean_phone(spelling, migrate_2018=False).number == ""
    assert clean_phone(f"{old}1234567", migrate_2018=False).reason == "it has a prefix that was replaced in 2018"
    with pytest.raises(InvalidRequestError, match="replaced in 2018"):
        normalise_phone(f"{old}1234567")


def test_migrated_prefixes_are_valid_and_unique() -> None:
    """Every new prefix is one that the library knows as mobile, and no two old ones share it."""
    assert all(oracle(f"+84{new[1:]}1234567") for new in MIGRATED_PREFIXES.values())
    assert len(set(MIGRATED_PREFIXES.values())) == len(MIGRATED_PREFIXES) == 21


@pytest.mark.parametrize("text", ["0130123456", "01301234567", "01991234", "1800123456", "019912345678"])
def test_unlisted_old_prefixes_are_rejected(text: str) -> None:
    """Only the listed prefixes, with exactly seven digits behind them, are taken for old numbers."""
    assert clean_phone(text).number == ""


def test_repr_of_a_clean_phone_hides_the_number() -> None:
    """A repr ends up in logs."""
    assert "0901888484" not in repr(clean_phone("0901888484"))
