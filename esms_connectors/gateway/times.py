"""
Points in time as people write them: `yesterday`, `-7d`, `today 08:30`, `-36h`, `2026-11-21`, `2026-11-21 08:30`.

Days are Vietnamese; a day without an hour means the midnight at its start.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final, Literal

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM

_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_DAY: Final = re.compile(rf"({'|'.join(_DAYS)}|[+-]\d{{1,5}}[dw])(?:\s+(\d\d?):(\d\d)(?::(\d\d))?)?", re.ASCII)
_HOURS: Final = re.compile(r"([+-]\d{1,6})h", re.ASCII)
# ISO only: 01/02/2027 is ambiguous.
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII | re.DOTALL)
_ISO_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
# Office programs replace a minus by these.
_DASHES: Final = str.maketrans("−–", "--")

_WORDS: Final = {
    "en": {
        "no time": "{name} {text!r} is not a valid time. Give {example}.",
        "range": "{name} {text!r} is out of range.",
        "zone": "{name} {text!r} is not a valid time with a zone. Give {example}.",
    },
    "vi": {
        "no time": "{name} {text!r} không phải là thời gian. Hãy ghi {example}.",
        "range": "{name} {text!r} nằm ngoài khoảng thời gian cho phép.",
        "zone": "{name} {text!r} thiếu múi giờ. Hãy ghi {example}.",
    },
}
_EXAMPLES: Final = {
    "span": "2026-11-21, '2026-11-21 08:30', today, yesterday, -7d, -36h, now",
    "send": "'2026-11-21 08:30', 'tomorrow 08:30', +2h",
    "span zone": "2026-11-21T08:30:00+07:00, today, yesterday, -7d, -36h, now",
    "send zone": "2026-11-21T08:30:00+07:00, 'tomorrow 08:30', +2h",
}


def read_time(
    given: datetime | str,
    name: str,
    *,
    now: DateTime | None = None,
    whole_days: bool = True,
    needs_zone: bool = False,
    language: Literal["en", "vi"] = "en",
) -> DateTime:
    """
    Parse a point in time.

    Args:
        given: `today`, `yesterday`, `tomorrow`, `-7d` and `+2w` are days; `now`, `-36h` and `+2h` times; ISO has both.
            A datetime must have a zone.
        name: of the option or argument, for the error.
        now: the reference for the words; default: the clock.
        whole_days: False rejects a day without an hour, because a send at midnight is not intended.
        needs_zone: reject ISO without a zone; otherwise it is Vietnamese local time.
        language: of the error.

    Raises:
        InvalidRequestError: it cannot be parsed, or its year is out of range.
    """
    example = _EXAMPLES[("span" if whole_days else "send") + (" zone" if needs_zone else "")]

    def refusal(what: str) -> InvalidRequestError:
        words = _WORDS[language][what].format(name=name, text=str(given), example=example)
        return InvalidRequestError(words, field=name.lstrip("-"))

    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise refusal("zone")
        return pendulum.instance(given)
    plain = given.strip()
    try:
        moment = _by_words(plain.translate(_DASHES).casefold(), now or machine_clock.now(), whole_days=whole_days)
        if moment is None and (_ISO.fullmatch(plain) or (whole_days and _ISO_DAY.fullmatch(plain))):
            moment = _by_calendar(plain, None if needs_zone else VIETNAM)
            if moment is None:
                raise refusal("zone")
    except OverflowError:
        raise refusal("range") from None
    except ValueError:
        moment = None
    if moment is None:
        raise refusal("zone" if needs_zone else "no time")
    # Near the limits, adding a day or converting the zone would overflow.
    if not 1970 <= moment.year < 9999:
        raise refusal("range")
    return moment


def _by_words(text: str, now: DateTime, *, whole_days: bool) -> DateTime | None:
    if text == "now":
        return now
    if (hours := _HOURS.fullmatch(text)) is not None:
        return now.add(hours=int(hours[1]))
    day = _DAY.fullmatch(text)
    if day is None or (day[2] is None and not whole_days):
        return None
    steps = _DAYS.get(day[1])
    if steps is None:
        steps = int(day[1][:-1]) * (7 if day[1].endswith("w") else 1)
    midnight = now.in_timezone(VIETNAM).start_of("day").add(days=steps)
    return midnight.replace(hour=int(day[2] or 0), minute=int(day[3] or 0), second=int(day[4] or 0))


def _by_calendar(text: str, zone: str | None) -> DateTime | None:
    """None for a text without a zone if `zone` is None."""
    found = pendulum.parse(text.replace(" ", "T", 1), tz=zone)
    if not isinstance(found, DateTime):
        raise ValueError("no time")
    return None if found.tzinfo is None else found


def in_vietnam(moment: datetime) -> str:
    """A time for display: `2026-11-21 08:30`, in Vietnam."""
    return pendulum.instance(moment).in_timezone(VIETNAM).format("YYYY-MM-DD HH:mm")


def parse_iso(text: str) -> DateTime:
    """An ISO timestamp that this package wrote; `ValueError` for anything else."""
    return pendulum.instance(datetime.fromisoformat(text))


def read_month(text: str) -> date:
    """
    The first day of a month.

    Raises:
        InvalidRequestError: the text has another format.
    """
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidRequestError(f"A month is written like 2026-11, not {text!r}.", field="month")
    return date(int(found[1]), int(found[2]), 1)
