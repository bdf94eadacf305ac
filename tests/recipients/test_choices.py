"""What people choose about cells that cannot simply be sent: several phones, damaged texts."""

from __future__ import annotations

from typing import Any

import pytest

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns, ReadReport, read_recipients

NAME = Columns(params=("name",))
BY_CODE = Columns(params=("name",), key_column="code")
TWO = [
    {"phone": "0901888484 / 0902888484", "name": "An", "code": "A"},
    {"phone": "0902888484", "name": "Bình", "code": "B"},
]


def read(
    rows: list[dict[str, Any]], columns: Columns = NAME, **options: Any
) -> tuple[list[tuple[str, str]], ReadReport]:
    report = ReadReport()
    people = list(read_recipients(rows, columns, report=report, **options))
    return [(one.phone, one.row_key) for one in people], report


def test_two_phones_option_rejects_the_row_or_takes_first_or_both() -> None:
    """Nobody guesses; by choice the first, or each of them once."""
    people, report = read(TWO)
    assert people == [("0902888484", "0902888484")]
    assert dict(report.rejected_by) == {("phone", "contains several numbers"): 1}
    assert "two_phones" in report.first_rejects[0].text

    people, report = read(TWO, two_phones="first")
    assert people == [("0901888484", "0901888484"), ("0902888484", "0902888484")]
    assert (report.accepted, report.further_phones, report.rejected) == (2, 0, 0)

    people, report = read(TWO, two_phones="both")
    assert people == [("0901888484", "0901888484"), ("0902888484", "0902888484")]
    assert (report.rows, report.accepted, report.further_phones, report.duplicates) == (2, 2, 1, 1)

    people, _ = read(TWO, BY_CODE, two_phones="both", duplicates="keep")
    assert people == [("0901888484", "A"), ("0902888484", "A#2"), ("0902888484", "B")]
    people, _ = read(TWO, two_phones="both", duplicates="keep")
    assert people == [("0901888484", "0901888484"), ("0902888484", "0902888484"), ("0902888484", "0902888484#2")]
    with pytest.raises(InvalidRequestError, match="refuse, first or both"):
        read(TWO, two_phones="second")


def test_further_phone_with_the_key_of_another_row_is_rejected() -> None:
    """A#2 may be the key of another row: then the further phone is refused, never sent under it."""
    rows = [{"phone": "0903888484", "name": "Chi", "code": "A#2"}, *TWO]
    people, report = read(rows, BY_CODE, two_phones="both", duplicates="keep")
    assert people == [("0903888484", "A#2"), ("0901888484", "A"), ("0902888484", "B")]
    assert [why for _, why in report.rejected_by] == ["is that of an earlier row"]

    people, report = read([{**TWO[0], "code": "k" * 199}], BY_CODE, two_phones="both", duplicates="keep")
    assert people == [("0901888484", "k" * 199)]
    assert [why for _, why in report.rejected_by] == ["is too long"]


DAMAGED = [
    {"phone": "0901888484", "name": "Nguyen Ch? H??ng"},
    {"phone": "0901888485", "name": "Nguy\ufffdn"},
    {"phone": "0901888486", "name": "A\x07B"},
    {"phone": "0901888487", "name": "Hương"},
]


def test_damaged_texts_are_rejected_with_a_sample_unless_as_is_is_set() -> None:
    """A word shows the damage; control characters are never sent."""
    people, report = read(DAMAGED)
    assert [phone for phone, _ in people] == ["0901888487"]
    assert report.samples[("name", "has ? where letters were lost")] == "Ch?"
    assert {one["sample"] for one in report.as_dict()["rejected_by"]} == {"Ch?", "Nguy\ufffdn", "A\x07B"}

    people, report = read(DAMAGED, as_is=True)
    assert [phone for phone, _ in people] == ["0901888484", "0901888485", "0901888487"]
    assert sum(report.sent_damaged.values()) == 2
    assert [reason for _, reason in report.rejected_by] == ["has a control character"]
