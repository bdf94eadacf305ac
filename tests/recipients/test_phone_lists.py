"""A list of phones in every spelling that forms, connections and DAG files hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from esms_connectors.recipients.phone_lists import read_phone_list

ONE, TWO = "0901888484", "0902888485"
BOTH = (ONE, TWO)


@pytest.mark.parametrize(
    "written",
    [
        f"{ONE},{TWO}",
        f"{ONE}, {TWO},",
        f"{ONE};{TWO}",
        f"{ONE}\n{TWO}\n",
        f"{ONE}\r\n{TWO}",
        f"{ONE} | {TWO}",
        "0901 888 484, 0902 888 485",
        "0901 888 484; +84 902.888.485",
        f"{ONE} {TWO}",
        "0901 888 484 0902 888 485",
        "(0901) 888 484, (0902) 888 485",
        f'["{ONE}", "{TWO}"]',
        f"['{ONE}', '{TWO}']",
        f"('{ONE}', '{TWO}')",
        f"[{ONE},\n {TWO}]",
        "[901888484, 84902888485]",
        [ONE, TWO],
        (ONE, TWO),
        [f"{ONE}, {TWO}"],
        [901888484, 84902888485],
        [Decimal(901888484), TWO],
        pytest.param(iter([ONE, TWO, ONE]), id="an iterator"),
        f"{ONE},{ONE},{TWO},0084 901 888 484".encode(),
    ],
    ids=str,
)
def test_two_phones_are_read_from_any_list_format(written: object) -> None:
    """However they are written."""
    found = read_phone_list(written)
    assert sorted(found.numbers) == sorted(BOTH)
    assert found.problems == ()


@pytest.mark.parametrize("written", [ONE, "0901 888 484", "(0901) 888 484", "+84 (0)901-888-484", 901888484, [ONE]])
def test_single_phone_is_read_from_any_format(written: object) -> None:
    """Its own blanks and brackets part nothing."""
    assert read_phone_list(written) == read_phone_list(ONE)
    assert read_phone_list(written).numbers == (ONE,)


@pytest.mark.parametrize("written", [None, "", "  ", ",;\n", "[]", [], (), [""], "['']"])
def test_empty_phone_list_gives_no_phones_and_no_problems(written: object) -> None:
    """An empty form names nobody, and nothing is wrong with it."""
    found = read_phone_list(written)
    assert (found.numbers, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("written", "numbers", "problems"),
    [
        (f"{ONE}, 12, {TWO}", BOTH, 1),
        (f"{ONE} 12 {TWO}", BOTH, 1),
        ([ONE, None, 9.0e8 + 0.5, {"phone": TWO}, True], (ONE,), 4),
        ([ONE, "028 3822 1234", "+1 202 555 0100"], (ONE,), 2),
        ({"phone": ONE}, (), 1),
        ("[9.01888E+08]", (), 1),
        (f"{ONE},09028884850902888485", (ONE,), 1),
    ],
)
def test_invalid_entry_is_reported_masked_and_valid_ones_are_kept(
    written: object, numbers: tuple[str, ...], problems: int
) -> None:
    """And is told of, masked."""
    found = read_phone_list(written)
    assert found.numbers == numbers
    assert len(found.problems) == problems
    assert ONE not in "".join(found.problems)
    assert "3822 1234" not in "".join(found.problems)
