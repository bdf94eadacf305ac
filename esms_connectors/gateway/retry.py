"""
Whether and when a call may be repeated: pure decisions without clock, sleep or network.

They depend on what the call does (`Effect`), on what is known about the attempt (`Failure`) and on the gateway's
duplicate window; never on the HTTP verb.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pendulum import DateTime

from esms_connectors.gateway.endpoints import Effect
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.wire import VIETNAM

# One page of the documentation says 24 hours, another "within the day", which may end at midnight in Vietnam. We rely
# on the shorter of the two; the margin allows for clock skew and for the latency of a request.
DUPLICATE_WINDOW_HOURS = 24
DUPLICATE_WINDOW_MARGIN_MINUTES = 5


class Failure(enum.Enum):
    """What is known about an attempt without a result."""

    NOT_SENT = "not sent"  # nothing left this machine
    LIMITED = "limited"  # refused because of too many requests: not accepted
    LOST = "lost"  # sent, without a readable answer: may have been accepted
    MISDIRECTED = "misdirected"  # an answer that a repeat will not change (404, redirect): may have been accepted
    REFUSED = "refused"  # the gateway refused it with a code
    HELD_BACK = "held back"  # the permission to send was lost: nothing left this machine


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    How often and how long a call is repeated. Short by default, because an orchestrator's retries multiply with these.

    Attributes:
        attempts: maximum number, the first included.
        first_wait_seconds: upper bound of the first wait; it doubles with each attempt.
        max_wait_seconds: upper bound of any wait that the gateway did not ask for.
        budget_seconds: no attempt begins later than this after the first.
    """

    attempts: int = 4
    first_wait_seconds: float = 0.5
    max_wait_seconds: float = 8.0
    budget_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_wait_seconds, self.max_wait_seconds, self.budget_seconds) < 0:
            raise ConfigurationError("A retry policy needs at least one attempt and no negative seconds.")


NO_RETRIES = RetryPolicy(attempts=1)


def inside_duplicate_window(first_attempt_at: DateTime, now: DateTime) -> bool:
    """Whether the gateway certainly still rejects a second request with the id of one made at `first_attempt_at`."""
    soon = now.in_timezone(VIETNAM).add(minutes=DUPLICATE_WINDOW_MARGIN_MINUTES)
    first = first_attempt_at.in_timezone(VIETNAM)
    return soon.date() == first.date() and soon < first.add(hours=DUPLICATE_WINDOW_HOURS)


def may_repeat(
    effect: Effect,
    failure: Failure,
    *,
    in_doubt: bool,
    idempotent: bool,
    window_open: bool,
) -> bool:
    """
    Whether another attempt is safe and may succeed.

    Args:
        in_doubt: this attempt or an earlier one of the same call may have been accepted.
        idempotent: the call has a request id that the gateway is known to honour.
        window_open: the first attempt is inside the gateway's duplicate window.
    """
    if failure in (Failure.REFUSED, Failure.MISDIRECTED, Failure.HELD_BACK):
        return False
    match effect:
        case Effect.READ:
            return True
        case Effect.CHARGE:
            return False
        case Effect.SEND:
            return not in_doubt or (idempotent and window_open)


def wait_seconds(
    policy: RetryPolicy, attempt: int, *, elapsed_seconds: float, retry_after_seconds: float | None, chance: float
) -> float | None:
    """
    How long to wait before the next attempt, or None when there must be none.

    Args:
        attempt: number of attempts made.
        elapsed_seconds: since the first attempt began.
        retry_after_seconds: the wait that the gateway asked for; honoured, or the call ends.
        chance: a random number in [0, 1) for full jitter, so that many workers do not retry at the same moment.
    """
    if attempt >= policy.attempts:
        return None
    # The exponent is capped against overflow; `max_wait_seconds` applies long before.
    wait = chance * min(policy.max_wait_seconds, policy.first_wait_seconds * 2 ** min(attempt - 1, 30))
    if retry_after_seconds is not None:
        wait += retry_after_seconds
    return wait if wait <= policy.budget_seconds - elapsed_seconds else None


def duplicate_window_start(now: DateTime) -> DateTime:
    """First attempts from this time on are certainly inside the window at `now`; see `inside_duplicate_window`."""
    return now.in_timezone(VIETNAM).add(minutes=DUPLICATE_WINDOW_MARGIN_MINUTES).start_of("day")
