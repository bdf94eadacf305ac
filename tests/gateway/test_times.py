"""Times as people write them, at hours where a day is another one elsewhere."""

from __future__ import annotations

import pendulum
import pytest

from esms_connectors import InvalidRequestError
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.times import read_time

# In UTC and in New York it is the day before.
LEAP_DAY = pendulum.datetime(2028, 2, 29, 0, 1, 30, tz="Asia/Ho_Chi_Minh")
# In UTC it is the same year, in Vietnam the next one.
NEW_YEAR = pendulum.datetime(2026, 12, 31, 17, 0, tz="UTC")


@pytest.mark.parametrize(
    ("text", "now", "meant"),
    [
        ("now", LEAP_DAY, "2028-02-29T00:01:30+07:00"),
        ("today", LEAP_DAY, "2028-02-29T00:00:00+07:00"),
        ("today", LEAP_DAY.subtract(minutes=2), "2028-02-28T00:00:00+07:00"),
        ("yesterday", LEAP_DAY.add(days=1), "2028-02-29T00:00:00+07:00"),
        ("tomorrow", LEAP_DAY, "2028-03-01T00:00:00+07:00"),
        ("tomorrow 08:30", NEW_YEAR, "2027-01-02T08:30:00+07:00"),
        ("today 8:30:05", NEW_YEAR, "2027-01-01T08:30:05+07:00"),
        ("-7d", LEAP_DAY, "2028-02-22T00:00:00+07:00"),
        ("-7d 22:00", LEAP_DAY, "2028-02-22T22:00:00+07:00"),
        ("-366d", LEAP_DAY, "2027-02-28T00:00:00+07:00"),
        ("-0d", NEW_YEAR, "2027-01-01T00:00:00+07:00"),
        ("+2w", LEAP_DAY, "2028-03-14T00:00:00+07:00"),
        ("-36h", LEAP_DAY, "2028-02-27T12:01:30+07:00"),
        ("+2h", LEAP_DAY.subtract(hours=1), "2028-02-29T01:01:30+07:00"),
        (" YESTERDAY ", NEW_YEAR, "2026-12-31T00:00:00+07:00"),
        ("−7d", NEW_YEAR, "2026-12-25T00:00:00+07:00"),  # the minus of an office program
        ("2026-11-21", LEAP_DAY, "2026-11-21T00:00:00+07:00"),
        ("2026-11-21 08:30", LEAP_DAY, "2026-11-21T08:30:00+07:00"),
        ("2026-11-21T08:30:00Z", LEAP_DAY, "2026-11-21T15:30:00+07:00"),
        ("2026-11-21T08:30+09:00", LEAP_DAY, "2026-11-21T06:30:00+07:00"),
    ],
)
def test_time_expressions_are_read_in_vietnam_time(text: str, now: pendulum.DateTime, meant: str) -> None:
    """Whatever zone the time of asking comes in."""
    for zone in ("UTC", "America/New_York", "Asia/Ho_Chi_Minh"):
        found = read_time(text, "--from", now=now.in_timezone(zone))
        assert found.in_timezone("Asia/Ho_Chi_Minh").isoformat() == meant


@pytest.mark.parametrize(
    "text",
    ["", " ", "soon", "7d", "-7", "-d", "-7x", "-7 d", "--7d", "-7d-2h", "-1.5d", "today 25:00", "today 24:00",
     "today8:30", "now 08:30", "-2h 08:30", "14/05/2024", "2026-02-29", "2026-11-21 08:30 or so", "20261121",
     "2026-W47", "08:30"],
)  # fmt: skip
def test_invalid_time_gives_one_line_error_in_both_languages(text: str) -> None:
    """With its option, and with what can be given; in Vietnamese where that is asked for."""
    with pytest.raises(InvalidRequestError) as error:
        read_time(text, "--from", now=LEAP_DAY)
    assert str(error.value).startswith(f"--from {text!r} is not a valid time. Give 2026-11-21, ")
    assert error.value.field == "from"
    with pytest.raises(InvalidRequestError) as error:
        read_time(text, "--from", now=LEAP_DAY, language="vi")
    assert str(error.value).startswith(f"--from {text!r} không phải là thời gian. Hãy ghi 2026-11-21, ")


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "-99999w", "-99999d", "-999999h", "1969-12-31"])
def test_implausible_years_are_out_of_range(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^start '.*' is out of range"):
        read_time(text, "start", now=LEAP_DAY)
    with pytest.raises(InvalidRequestError, match="nằm ngoài"):
        read_time(text, "start", now=LEAP_DAY, language="vi")


@pytest.mark.parametrize("text", ["today", "-7d", "+1d", "2026-11-21"])
def test_send_time_requires_an_hour(text: str) -> None:
    """A day is no time of sending; with an hour it is."""
    with pytest.raises(InvalidRequestError, match="is not a valid time"):
        read_time(text, "--at", now=LEAP_DAY, whole_days=False)
    read_time(f"{text} 08:30", "--at", now=LEAP_DAY, whole_days=False)


@pytest.mark.parametrize("text", ["2026-11-21", "2026-11-21 08:30", "2026-11-21T08:30", "2026-11-40"])
def test_absolute_time_requires_a_zone_when_needs_zone_is_set(text: str) -> None:
    """Words are Vietnam's everywhere."""
    with pytest.raises(InvalidRequestError, match=r"is not a valid time with a zone\. Give 2026-11-21T08:30:00"):
        read_time(text, "start", now=LEAP_DAY, needs_zone=True)
    assert read_time("today", "start", now=LEAP_DAY, needs_zone=True) == LEAP_DAY.start_of("day")


def test_relative_time_defaults_to_the_machine_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_clock, "source", lambda: LEAP_DAY)
    assert read_time("yesterday", "--from") == LEAP_DAY.start_of("day").subtract(days=1)
    assert machine_clock.now() == LEAP_DAY
    assert machine_clock.now().timezone_name == "UTC"
