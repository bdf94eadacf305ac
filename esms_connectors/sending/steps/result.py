"""The result of a chain of steps, as one JSON, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pendulum import DateTime

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.ledger import RunSummary
from esms_connectors.sending.result import RunResult, latest_of_now, run_words
from esms_connectors.sending.steps.message_states import Finding

# The final states of a person, in the order of the report; `sent`: the last step was accepted and is not known to be
# delivered.
PEOPLE = ("delivered", "sent", "waiting", "not_reached", "skipped", "in_doubt", "unseen", "unsent")


@dataclass(frozen=True, slots=True)
class StepResult:
    """
    One step.

    Attributes:
        handed_on: people who got this step because the one before did not reach them; for the first step, all people.
        reasons: how many of them for which reason; empty for the first step.
        delivered: messages of this step that were delivered.
        late: of these, messages delivered after their person had been handed on to the next step.
    """

    step: int
    channel: str
    run: RunSummary
    after_seconds: float = 0.0
    handed_on: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    delivered: int = 0
    late: int = 0

    def as_dict(self) -> dict[str, Any]:
        run = self.run
        return {
            "step": self.step,
            "channel": self.channel,
            "run_key": run.run_key,
            "after_seconds": self.after_seconds,
            "handed_on": self.handed_on,
            "reasons": dict(self.reasons),
            "accepted": run.accepted,
            "rejected": run.rejected,
            "rejected_by_code": dict(run.rejected_by_code),
            "skipped": run.skipped,
            "skipped_by_rule": dict(run.skipped_by_rule),
            "unknown": run.unknown + run.held + run.claimed,
            "not_sent": run.not_sent,
            "delivered": self.delivered,
            "late": self.late,
        }

    def __str__(self) -> str:
        words = f"{self.step}. {self.channel}: {run_words(self.run)}, {self.delivered} delivered"
        if self.late:
            words += f" ({self.late} after the next step was sent)"
        if self.reasons:
            words += "; because " + ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return words


@dataclass(frozen=True, slots=True)
class JourneyResult:
    """
    A chain of steps, counting each person once.

    Attributes:
        first: the result of sending the first step.
        steps: each step.
        people: the number of people in each state, see `PEOPLE`.
        sent_until: as in `RunResult`, of all steps.
    """

    first: RunResult
    steps: tuple[StepResult, ...]
    people: Mapping[str, int]
    sent_until: DateTime = field(default_factory=latest_of_now)

    @property
    def run_key(self) -> str:
        return self.first.run.run_key

    @property
    def open(self) -> int:
        """People for whom it is not known yet whether they were sent to, or whose deadline has not passed."""
        return sum(self.people.get(name, 0) for name in ("waiting", "in_doubt", "unseen", "unsent"))

    @property
    def complete(self) -> bool:
        """Whether every person has received a message, or got the last step."""
        return self.open == 0 and self.first.stopped_by is None and self.first.counters.not_tried == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON, the same for every front end: the JSON of the first step, and the chain."""
        return {
            **self.first.as_dict(),
            "sent_until": self.sent_until.isoformat(),
            "people": {name: self.people.get(name, 0) for name in PEOPLE},
            "steps": [step.as_dict() for step in self.steps],
            "chain_complete": self.complete,
        }

    @property
    def people_words(self) -> str:
        """The number of people in each state, for display."""
        shown = (f"{count} {name.replace('_', ' ')}" for name in PEOPLE if (count := self.people.get(name, 0)))
        return ", ".join(shown) or "nobody"

    def __str__(self) -> str:
        return "; ".join((self.people_words, *map(str, self.steps)))


class JourneyIncompleteError(EsmsError):
    """
    For some people it is not known whether a step reached them, or too few could be sent to. The same call resumes.

    Attributes:
        result: the progress so far.
    """

    def __init__(self, message: str, *, result: JourneyResult) -> None:
        super().__init__(message)
        self.result = result
        self.retryable = result.open > 0


def person_of(finding: Finding, *, last: bool) -> str:
    """The state of a person whose current step has led to `finding`."""
    match finding:
        case Finding.SKIPPED | Finding.DELIVERED | Finding.IN_DOUBT | Finding.UNSEEN | Finding.UNSENT:
            return finding.value
        case Finding.REFUSED | Finding.FAILED if last:
            return "not_reached"
        case Finding.WAITING if last:
            return "sent"
    return "waiting"
