"""
The hours in which a message may reach its recipient.

Source: Decree 91/2020/ND-CP, article 13 (advertising SMS from 07:00 to 22:00, Vietnam time); Zalo's error -133 (some
templates not from 22:00 to 06:00).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM

_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_DAY_MINUTES = 24 * 60


class HoursPolicy(enum.StrEnum):
    """What happens to a message outside its hours."""

    REFUSE = "refuse"  # an error; a run that has begun stops
    RESCHEDULE = "reschedule"  # the gateway gets it now and sends it in the next open hours
    DEFER = "defer"  # the rest of the run waits; the error says until when
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class OpenHours:
    """
    The hours of a day in Vietnam in which messages may arrive: from the first minute, up to but excluding the last.

    Attributes:
        opens, closes: minutes since midnight; `opens` is less than `closes`, which is at most 1440.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: object, *, field: str) -> OpenHours:
        """
        Raises:
            InvalidRequestError: not like `07:00-22:00`.
        """
        found = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is not None:
            hours = cls(int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4]))
            if hours.opens < hours.closes <= _DAY_MINUTES:
                return hours
        raise InvalidRequestError(f"{field} is a span of hours of one day, such as 07:00-22:00.", field=field)

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.opens, self.closes))

    def contain(self, moment: DateTime) -> bool:
        local = moment.in_timezone(VIETNAM)
        return self.opens <= local.hour * 60 + local.minute < self.closes

    def next_open(self, moment: DateTime) -> DateTime:
        """The first open minute from `moment` on, in Vietnam's zone; `moment` itself if it is open."""
        local = moment.in_timezone(VIETNAM)
        if self.contain(local):
            return local
        opening = local.start_of("day").add(minutes=self.opens)
        return opening if opening > local else opening.add(days=1)

    def spread(self, moment: DateTime, number: int, minutes: int) -> DateTime:
        """When the chunk of this number is sent: spread evenly over `minutes` from the next opening on."""
        opening = self.next_open(moment)
        room = max(1, min(minutes, self.closes - opening.hour * 60 - opening.minute))
        return opening.add(minutes=number % room)
