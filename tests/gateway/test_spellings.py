"""Times and prices in another form than on the gateway's pages: read where that is certain, else left to the text."""

from __future__ import annotations

from decimal import Decimal

import pytest

from esms_connectors.gateway import wire

EIGHT = 1_711_069_200_000  # 22 March 2024, 8:00 in Vietnam


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        (f"/Date({EIGHT}+0700)/", EIGHT),
        (f"\\/Date({EIGHT})\\/", EIGHT),
        (str(EIGHT), EIGHT),
        (EIGHT, EIGHT),
        ("2024-03-22T08:00:00+07:00", EIGHT),
        ("2024-03-22T01:00:00Z", EIGHT),
        ("2024-03-22 01:00:00.250 +0000", EIGHT + 250),
        ("2024-03-22 08:00:00", EIGHT),
        ("2024-03-22T08:00", EIGHT),
        ("22/03/2024 08:00:00", EIGHT),
        ("22/3/2024 8:00", EIGHT),
        # One number may be the month as well as the other, a day that is none, words: nobody knows.
        ("03/04/2024 08:00:00", None),
        ("31/02/2024 08:00:00", None),
        ("2024-13-01 08:00:00", None),
        ("yesterday", None),
        # No time at all, as .NET and people write it: it would be in no month's report.
        ("/Date(253402300799999)/", None),
        ("9999-12-31T23:59:59", None),
        ("1711069200", None),
        ("", None),
        (True, None),
    ],
)
def test_time_formats_are_parsed_or_left_unread_when_ambiguous(written: object, milliseconds: int | None) -> None:
    """Without a zone they are Vietnam's."""
    assert wire.as_milliseconds(written) == milliseconds


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("300.0000", Decimal(300)),
        ("300 VND", Decimal(300)),
        ("300đ", Decimal(300)),
        ("1,250,000", Decimal(1_250_000)),
        ("1,250.5", Decimal("1250.5")),
        ("1.250.000 ₫", Decimal(1_250_000)),
        ("1.250,5", Decimal("1250.5")),
        # As the gateway writes decimals, whatever Vietnam means by it.
        ("1.250", Decimal("1.25")),
        ("1,250", None),
        ("12,5", None),
        ("about 300", None),
        ("NaN", None),
    ],
)
def test_price_formats_are_parsed_or_left_unread_when_ambiguous(written: str, price: Decimal | None) -> None:
    """A single comma may part thousands or decimals."""
    assert wire.as_price(written) == price
