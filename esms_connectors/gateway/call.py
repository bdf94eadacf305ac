"""The state of a call across its attempts, and its final error when no attempt had a result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from esms_connectors.gateway.answers import AnswerReader, FailedAttempt
from esms_connectors.gateway.clock import Moment
from esms_connectors.gateway.endpoints import Effect, Endpoint
from esms_connectors.gateway.errors import (
    DuplicateRequestError,
    EsmsError,
    NotAllowedToLeaveError,
    NotSentError,
    OutcomeUnknownError,
)
from esms_connectors.gateway.retry import Failure


@dataclass(slots=True)
class Call:
    """
    The state of a call across its attempts.

    Attributes:
        first: when the first attempt began.
        recipients: number of messages in the call.
        tries: counted for the waits; attempts: requests of this call that were started.
        lost: an attempt was sent and its outcome is unknown.
        in_doubt: an attempt may have been accepted: it was lost, or its refusal does not prove the opposite.
        refused: the code of such a refusal. It may have used up the request id, so a later 124 settles nothing.
        failed: the last attempt without a result.
    """

    endpoint: Endpoint
    fields: Mapping[str, Any] = field(repr=False)
    request_id: str | None
    phones: Sequence[str] = field(repr=False)
    read: AnswerReader
    first: Moment
    recipients: int = 1
    started: float = field(default_factory=time.monotonic)
    tries: int = 0
    attempts: int = 0
    lost: bool = False
    in_doubt: bool = False
    refused: str | None = None
    failed: FailedAttempt | None = None

    @property
    def doubtful_send(self) -> bool:
        return self.in_doubt and self.endpoint.effect is not Effect.READ

    def fail(self, result: FailedAttempt) -> None:
        """Record a failed attempt, which may be followed by another."""
        self.tries += 1
        self.lost = self.lost or result.lost
        self.in_doubt = self.in_doubt or result.perhaps_taken
        self.failed = result


def final_error(call: Call, failed: FailedAttempt, *, repeatable: bool) -> EsmsError:
    """
    The error for a call that had no result and is not repeated.

    Args:
        repeatable: a later repeat would certainly be rejected as a duplicate.
    """
    endpoint, in_doubt, refused = call.endpoint, call.in_doubt or failed.lost, call.refused
    reading = endpoint.effect is Effect.READ
    # A check that the gateway makes before it looks up the request id (keys, balance, template, text) may refuse a
    # repeat. That says nothing about the attempt whose answer was lost; only "that id was used" does.
    duplicate = isinstance(failed.error, DuplicateRequestError)
    if failed.error is not None and (reading or (refused is None if duplicate else not call.lost)):
        failed.error.request_id, failed.error.attempts = call.request_id, call.attempts
        if in_doubt and not reading:
            failed.error.nothing_taken = failed.error.retryable = False
        return failed.error
    tries = f" ({call.attempts} attempts)" if call.attempts > 1 else ""
    reason = failed.reason if failed.reason.endswith("?") else f"{failed.reason}."
    held_back = failed.failure is Failure.HELD_BACK
    about: dict[str, Any] = {
        "endpoint": endpoint.name,
        "request_id": call.request_id,
        "attempts": call.attempts - held_back,
    }
    if not in_doubt:
        kind = NotAllowedToLeaveError if held_back else NotSentError
        return kind(f"{endpoint.name} was not sent{tries}: {reason}", **about)
    if reading:
        return OutcomeUnknownError(
            f"{endpoint.name} returned no readable answer{tries}: {reason} Reading again is safe.",
            retryable=failed.failure is not Failure.MISDIRECTED,
            **about,
        )
    advice = (
        "Repeat it only with the same request id and on the same day, or look it up in the sent data first."
        if repeatable
        else "Do not repeat it: the gateway might not hold back a second message. Look it up in the sent data."
    )
    return OutcomeUnknownError(
        f"{endpoint.name} may have been accepted, the outcome is unknown{tries}: {reason} {advice}",
        refusal_code=refused if failed.error is None or duplicate else failed.error.code,
        **about,
    )
