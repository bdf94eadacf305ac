"""The table of codes is complete, and a phone has one spelling."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors import InvalidRequestError, explain, normalise_phone
from esms_connectors.gateway.codes import CODES, ERROR_BY_CODE, Recovery

CLASS_BY_CODE = {
    "RecipientError": "99 108 115 146 171 177",
    "AuthenticationError": "101",
    "BalanceError": "103",
    "AddressNotAllowedError": "140",
    "AccountSetupError": "102 104 106 204 789 790 799 802",
    "MessageNotFoundError": "105",
    "RequestRefusedError": "107 110 118 120 210 300 301 687 791 801 851",
    "DuplicateRequestError": "124 199",
    "RateLimitedError": "160",
}
VIETNAMESE = re.compile("[ăâđêôơưáàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ]", re.IGNORECASE)


def test_all_thirty_three_codes_map_to_their_error_class() -> None:
    """27 of the founding page, 6 of the later edition; each with what to do."""
    expected = {code: name for name, codes in CLASS_BY_CODE.items() for code in codes.split()}
    assert {code: error.__name__ for code, error in ERROR_BY_CODE.items()} == expected
    assert set(CODES) == {*expected, "100"}
    assert len(CODES) == 33


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_in_both_languages(code: str) -> None:
    """One sentence each, on one line, and where it applies."""
    row = CODES[code]
    assert row.code == code
    assert row.english.isascii()
    assert VIETNAMESE.search(row.vietnamese)
    assert row.english.endswith(".")
    assert row.vietnamese.endswith(".")
    assert row.applies_to
    assert explain(code) == f"{row.english} / {row.vietnamese}"
    assert "\n" not in explain(code)
    assert (row.recovery is Recovery.ACCEPTED) == (row.error is None) == (code == "100")


@pytest.mark.parametrize("code", ["555", "", "abc", "1000", " 100"])
def test_undocumented_code_is_explained_as_undocumented(code: str) -> None:
    """It is not explained away."""
    assert "not a documented code" in explain(code)


@pytest.mark.parametrize("prefix", [*range(32, 40), 70, *range(76, 80), *range(81, 89), 90, 96, 97, 98])
def test_every_format_of_a_mobile_number_is_normalised(prefix: int) -> None:
    """People, spreadsheets and business cards."""
    nine = f"{prefix}1888484"
    for spelling in (
        *(f"0{nine}", f"84{nine}", f"+84{nine}", f"0084{nine}", nine, f"+84 (0){nine}", f" 0{nine}\n"),
        *(f"0{nine[:3]} {nine[3:6]} {nine[6:]}", f"0{nine[:3]}.{nine[3:6]}.{nine[6:]}", f"(0{nine[:2]}) {nine[2:]}"),
        *(f"+84-{nine[:3]}-{nine[3:]}", f"\u202a+84{nine}\u202c", f"\ufeff0{nine}", f"0{nine[:4]}\u200b{nine[4:]}"),
    ):
        assert normalise_phone(spelling) == f"0{nine}"


@pytest.mark.parametrize(
    ("phone", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("09018884", "only 8 digits"),
        ("090188848", "prefix"),
        ("09018884844", "no network has"),
        ("0243812345", "landline"),
        ("02438123456", "landline"),
        ("842438123456", "landline"),
        ("01234567890", "2018"),
        ("841234567890", "2018"),
        ("+14155552671", "another country"),
        ("+0901888484", "another country"),
        ("0901888484a", "other than digits"),
        ("0901888484;0912345678", "other than digits"),
        ("٠٩٠١٨٨٨٤٨٤", "other than digits: U\\+0660"),
        ("9.01888484E+8", "other than digits"),
        ("++84901888484", "other than digits"),
        ("0000000000", "no network has"),
        ("113", "only 3 digits"),
        ("19001234", "only 8 digits"),
    ],
)
def test_invalid_mobile_number_is_rejected_with_the_reason(phone: str, why: str) -> None:
    """One line, masked, with its row."""
    with pytest.raises(InvalidRequestError, match=why) as caught:
        normalise_phone(phone, row=3)
    assert (caught.value.field, caught.value.row) == ("phone", 3)
    assert not phone.isascii() or len(phone) < 8 or phone not in str(caught.value)


@pytest.mark.in_turn(every=3)
@given(text=st.text(max_size=20) | st.text("0123456789+ .-()", max_size=16))
def test_any_text_is_normalised_or_rejected(text: str) -> None:
    """Ten digits come out, and the same ones when they go in again; or our own error."""
    try:
        number = normalise_phone(text)
    except InvalidRequestError:
        return
    assert re.fullmatch(r"0[35789][0-9]{8}", number)
    assert normalise_phone(number) == number


# Ranges that `phonenumbers` counts as mobile although nobody's phone has such a number: since 2018 those of people
# begin with 3, 5, 7, 8 or 9, and before then what began with 1 was a digit longer.
MOBILE_WITHOUT_SUBSCRIBERS = ("140", "160", "1210", "1211", "1212", "1213")


@pytest.mark.in_turn(every=3)
def test_mobile_ranges_agree_with_the_phonenumbers_library() -> None:
    """The ranges are those of the national plan as `phonenumbers` publishes it: four digits tell them all apart."""

    def is_ours(nine: str) -> bool:
        try:
            return normalise_phone(f"+84{nine}") == f"0{nine}"
        except InvalidRequestError:
            return False

    numbers = [f"{prefix}{tail}" for prefix in range(1000, 10_000) for tail in ("00000", "31888", "99999")]
    mobile = phonenumbers.PhoneNumberType.MOBILE
    theirs = {nine for nine in numbers if phonenumbers.number_type(phonenumbers.parse(f"+84{nine}")) == mobile}
    without = {nine for nine in theirs if nine.startswith(MOBILE_WITHOUT_SUBSCRIBERS)}
    assert len(without) == 3 * (10 + 10 + 4)
    assert {nine for nine in numbers if is_ours(nine)} == theirs - without


def test_spreadsheet_decimal_is_rejected_as_phone() -> None:
    """`90188848.0` without its point would be a stranger's number."""
    with pytest.raises(InvalidRequestError, match="decimal number"):
        normalise_phone("90188848.0")
