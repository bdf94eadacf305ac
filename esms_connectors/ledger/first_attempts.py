"""How the ledger dates first attempts, so that a machine with a wrong clock never makes another repeat too late."""

from __future__ import annotations

from typing import Any

from pendulum import DateTime

from esms_connectors.gateway.clock import UNCONFIRMED_HOURS, Moment, Times, boot_clock
from esms_connectors.gateway.retry import DUPLICATE_WINDOW_MARGIN_MINUTES, duplicate_window_start


def times_of(now: DateTime) -> Times:
    """Times for callers without a gateway: this machine's clock is trusted."""
    return Times(Moment(0.0, now), now, now, duplicate_window_start(now), answered=True)


def window_parameters(database: str, times: Times) -> dict[str, Any]:
    """
    The parameters about first attempts for the statements that claim and hold.

    A first attempt with an unconfirmed time is also dated by a second clock, the database's or the one that counts from
    the boot of this machine. Only a worker that can read the same clock may repeat it.
    """
    witness, witness_ms = ("database", 0) if database == "postgresql" else boot_clock()
    first = times.first_attempt
    if not times.answered and witness is None:
        first = first.subtract(hours=UNCONFIRMED_HOURS)
    return {
        "first_attempt": milliseconds(first),
        # Without the gateway's time no row becomes held either.
        "window_start": milliseconds(times.window_start) if times.answered else 0,
        "window_end": milliseconds(times.latest.add(minutes=DUPLICATE_WINDOW_MARGIN_MINUTES)),
        "since_start": milliseconds(times.latest) - milliseconds(times.window_start),
        "witness": None if times.answered else witness,
        "this_witness": witness,
        "witness_ms": witness_ms,
    }


def milliseconds(moment: DateTime) -> int:
    return int(moment.timestamp() * 1000)
