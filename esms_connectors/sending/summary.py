"""What a bulk run came to: the counters of a call, the summary of the run, the error when it is not enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.ledger.rows import RunSummary


@dataclass(slots=True)
class Counters:
    """
    Rows of this call, as it goes.

    Attributes:
        read: taken from the source in the first reading.
        done: settled by this call, or found settled.
        accepted, duplicates, rejected, unknown, not_sent: outcomes of this call.
        settled_before, held, busy: found so in the ledger, in the last reading; busy rows are another worker's.
        accepted_before, rejected_before: rows of this call that another call settled, such as an earlier try.
        not_tried: read, and not tried because the run was stopped.
    """

    read: int = 0
    done: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unknown: int = 0
    not_sent: int = 0
    settled_before: int = 0
    accepted_before: int = 0
    rejected_before: int = 0
    held: int = 0
    busy: int = 0
    not_tried: int = 0

    @property
    def left(self) -> int:
        """Rows that this call was given and did not see settled; too many rather than too few."""
        return self.unknown + self.not_sent + self.held + self.busy


@dataclass(frozen=True, slots=True)
class BulkSummary:
    """
    The whole run after this call.

    Attributes:
        run: rows by state as the ledger has them, all calls for this run key together.
        counters: what this call did.
        stopped_by: the refusal that stopped it, None when it came to its end.
        campaign: under which the messages stand in the sent data.
    """

    run: RunSummary
    counters: Counters
    campaign: str
    stopped_by: EsmsError | None = None
    seconds: float = 0.0

    @property
    def elsewhere(self) -> int:
        """
        Rows that another worker is at and that this call was not given: it settles them, and tells who called it. Rows
        whose worker gives no heartbeat are nobody's; those count here, whoever was given them.
        """
        return max(0, self.run.claimed_alive - self.counters.left)

    @property
    def elsewhere_words(self) -> str:
        return (
            f"{self.elsewhere} open rows are another worker's and none of this call's; look at the run again when it "
            "is done, or if it died"
        )

    @property
    def accepted_share(self) -> float:
        """Accepted rows among all rows, those that were not tried included; 1.0 for none."""
        total = self.run.total - self.elsewhere + self.counters.not_tried
        return self.run.accepted / total if total else 1.0

    @property
    def complete(self) -> bool:
        """Whether every row that no other worker answers for is settled, one way or the other."""
        return self.run.unsettled == self.elsewhere and self.counters.not_tried == 0 and self.stopped_by is None

    @property
    def accepted(self) -> int:
        """Rows of this call that are accepted, whichever call sent them; other rows of the run do not count."""
        return self.counters.accepted + self.counters.accepted_before

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what became of this call's rows, and apart from that of all rows of the run; nobody's number."""
        counters, run = self.counters, self.run
        return {
            "run_key": run.run_key,
            "campaign": self.campaign,
            "accepted": self.accepted,
            "sent_by_this_try": counters.accepted,
            "duplicates": counters.duplicates,
            "rejected": counters.rejected + counters.rejected_before,
            "unknown": counters.unknown,
            "held": counters.held,
            "not_sent": counters.not_sent,
            "at_other_workers": counters.busy,
            "not_tried": counters.not_tried,
            "run": {
                "accepted": run.accepted,
                "duplicates": run.duplicates,
                "rejected": run.rejected,
                "rejected_by_code": dict(run.rejected_by_code),
                "unknown": run.unknown,
                "held": run.held,
                "not_sent": run.not_sent,
                "claimed": run.claimed,
            },
            "seconds": round(self.seconds, 2),
        }

    def __str__(self) -> str:
        run = self.run
        parts = [f"{run.accepted} accepted" + (f" ({run.duplicates} of them answered 124)" if run.duplicates else "")]
        parts += [
            f"{count} rejected" + (f" with code {code}" if code else ", for they cannot be sent")
            for code, count in sorted(run.rejected_by_code.items())
        ]
        parts += [
            f"{count} {name}"
            for name, count in (
                ("unknown", run.unknown),
                ("held", run.held),
                ("not sent", run.not_sent),
                ("claimed by another worker", run.claimed),
                ("not tried", self.counters.not_tried),
            )
            if count
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """What a call for a part of a run did; attributes as in `BulkSummary`."""

    counters: Counters
    campaign: str
    stopped_by: EsmsError | None = None

    @property
    def complete(self) -> bool:
        """Whether every row of this part is settled, one way or the other."""
        return self.counters.left + self.counters.not_tried == 0 and self.stopped_by is None


class BulkIncompleteError(EsmsError):
    """
    Fewer rows were accepted than the caller asked for, or some are not settled. The ledger has each of them.

    Attributes:
        summary: what happened. `retryable` says whether the same call again may settle more.
    """

    def __init__(self, message: str, *, summary: BulkSummary) -> None:
        super().__init__(message)
        self.summary = summary
        run = summary.run
        # A gateway that was down comes back; keys, balance and template do not by themselves.
        self.retryable = (summary.stopped_by is None or summary.stopped_by.retryable) and bool(
            run.unknown + run.not_sent + run.claimed + summary.counters.not_tried
        )
