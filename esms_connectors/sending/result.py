"""The result of a run: the counters of a call, its outcome, and the error that is raised if that is not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger.rows import RunSummary
from esms_connectors.recipients import ReadReport
from esms_connectors.sending.policy import is_enough
from esms_connectors.sent_data.windows import CLOCK_SLACK

logger = get_logger(__name__)


def latest_of_now() -> DateTime:
    """An upper limit for the dates of everything that the gateway has done by now."""
    return machine_clock.now().in_timezone("UTC") + CLOCK_SLACK


@dataclass(slots=True)
class Counters:
    """
    Rows of this call, counted as it proceeds.

    Attributes:
        read: read from the source in the first reading.
        done: settled by this call, or found settled.
        accepted, duplicates, rejected, unknown, not_sent: outcomes of this call.
        settled_before, held, busy: found in this state by the last reading; busy rows belong to another worker.
        accepted_before, rejected_before: rows of this call that another call settled, such as an earlier try.
        skipped: rows that a rule of the guard skipped; skipped_before: found skipped.
        found: rows in doubt of the run that a look-up of this call found to be accepted; its last reading counts them
            as accepted before.
        not_tried: read, but not tried because the run was stopped.
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
    skipped: int = 0
    skipped_before: int = 0
    found: int = 0

    @property
    def left(self) -> int:
        """Rows that this call was given and did not see settled; an upper bound."""
        return self.unknown + self.not_sent + self.held + self.busy


Progress = Callable[[Counters], None]


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    The outcome for the rows of one call, and for the whole run after it.

    Attributes:
        run: all rows under the run key by state, as the ledger has them, over all calls and lists.
        counters: the rows of this call.
        campaign: the campaign of the messages in the sent data.
        stopped_by: the error that stopped the run, None if it was not stopped.
        channel: the kind of message.
        report: of the reading that checked the rows; None if they were checked elsewhere.
        at_least: the share of all rows that was required.
        price_vnd: of one message, None if it is not known.
        ledger, rejects: where they are; for display.
        sandbox: nothing was sent: the account checks messages and sends none.
        sent_until: an upper limit for the dates of the messages of this call, with a margin for a gateway whose clock
            is ahead; the end of the span for a load that follows, whenever the call took place.
    """

    run: RunSummary
    counters: Counters
    campaign: str
    stopped_by: EsmsError | None = None
    seconds: float = 0.0
    channel: str = ""
    report: ReadReport | None = None
    at_least: float | None = None
    price_vnd: Decimal | None = None
    ledger: str = ""
    rejects: str | None = field(default=None, repr=False)
    sandbox: bool = False
    sent_until: DateTime = field(default_factory=latest_of_now)

    @property
    def rows(self) -> int:
        """Rows of the source that are meant to be sent: includes rows that cannot be sent, but not repeated rows."""
        return self.counters.read + (0 if self.report is None else self.report.rejected)

    @property
    def accepted(self) -> int:
        """Rows of this call that are accepted, whichever call sent them; other rows of the run are not counted."""
        return self.counters.accepted + self.counters.accepted_before

    @property
    def rejected(self) -> int:
        """Rows of this call that the gateway refused for good, whichever call sent them."""
        return self.counters.rejected + self.counters.rejected_before

    @property
    def skipped(self) -> int:
        """Rows of this call that a rule of the guard skipped, in this call or an earlier one; they are not missing."""
        return self.counters.skipped + self.counters.skipped_before

    @property
    def accepted_share(self) -> float:
        """Accepted rows as a share of all `rows` that no rule skipped; 1.0 if there are none."""
        wanted = self.rows - self.skipped
        return self.accepted / wanted if wanted else 1.0

    @property
    def elsewhere(self) -> int:
        """
        Open rows that a live worker has claimed and that this call was not given: that worker settles and reports them.
        Rows of a worker without a heartbeat do not count: they leave the run incomplete, whichever call they belong to.
        """
        return max(0, self.run.claimed_alive - self.counters.left)

    @property
    def elsewhere_words(self) -> str:
        return (
            f"{counted(self.elsewhere, 'open row belongs', 'open rows belong')} to another worker and not to this "
            "call; check the run again when that worker is done, or if it died"
        )

    @property
    def complete(self) -> bool:
        """Whether every row that is not left to another worker is settled, one way or the other."""
        return self.run.unsettled == self.elsewhere and self.counters.not_tried == 0 and self.stopped_by is None

    @property
    def enough(self) -> bool:
        """Whether the outcome satisfies `at_least`; always with None."""
        return self.at_least is None or (
            self.complete and is_enough(self.accepted, self.rows - self.skipped, self.at_least)
        )

    def as_dict(self) -> dict[str, Any]:
        """
        For JSON, the same for every front end; without phones. One count for each thing that can happen to a row: the
        `rows` of the source as they were checked, then the recipients among them, and separately the whole `run`.
        """
        counters, run = self.counters, self.run
        report = self.report or ReadReport(rows=counters.read, accepted=counters.read)
        return {
            "channel": self.channel,
            "run_key": run.run_key,
            "campaign": self.campaign,
            "sandbox": self.sandbox,
            "rows": report.as_dict(),
            "recipients": counters.read,
            "accepted": self.accepted,
            "sent_by_this_try": counters.accepted,
            "duplicates": counters.duplicates,
            "rejected": self.rejected,
            "skipped": self.skipped,
            "skipped_by_rule": dict(run.skipped_by_rule),
            "unknown": counters.unknown,
            "held": counters.held,
            "not_sent": counters.not_sent,
            "at_other_workers": counters.busy,
            "not_tried": counters.not_tried,
            "complete": self.complete,
            "at_least": self.at_least,
            "accepted_share": round(self.accepted_share, 6),
            "stopped_by": None if self.stopped_by is None else str(self.stopped_by),
            "price_vnd": money(self.price_vnd),
            "cost_vnd": None if self.price_vnd is None else money(self.price_vnd * self.accepted),
            "run": {
                "total": run.total,
                "accepted": run.accepted,
                "duplicates": run.duplicates,
                "rejected": run.rejected,
                "rejected_by_code": dict(run.rejected_by_code),
                "unknown": run.unknown,
                "held": run.held,
                "not_sent": run.not_sent,
                "claimed": run.claimed,
                "open_elsewhere": self.elsewhere,
            },
            "sent_until": self.sent_until.isoformat(),
            "ledger": self.ledger,
            "rejects": self.rejects,
            "seconds": round(self.seconds, 2),
        }

    def __str__(self) -> str:
        """One line: this call's rows, and the whole run if it has others."""
        counters, run = self.counters, self.run
        alone = run.total <= counters.read - counters.not_tried
        words = self._accepted_words()
        words += _rejected_words(self.rejected, run if run.rejected == self.rejected else None)
        words += _counted(
            skipped_by_a_rule=self.skipped,
            unknown=counters.unknown,
            held=counters.held,
            not_sent=counters.not_sent,
            claimed_by_another_worker=counters.busy,
            not_tried=counters.not_tried,
        )
        if self.report is not None and self.report.rejected:
            words.append(f"{counted(self.report.rejected, 'row')} that cannot be sent")
        line = ("sandbox, nothing sent: " if self.sandbox else "") + ", ".join(words)
        return line if alone else f"{line}; the run in all: {run_words(run)}"

    def _accepted_words(self) -> list[str]:
        counters = self.counters
        notes = []
        if counters.accepted_before:
            notes.append(f"{counters.accepted} now, {counters.accepted_before} before")
        if counters.duplicates:
            notes.append(f"{counters.duplicates} of them answered 124")
        return [f"{self.accepted} accepted" + (f" ({'; '.join(notes)})" if notes else "")]


def run_words(run: RunSummary) -> str:
    """A whole run in one line."""
    words = [f"{run.accepted} accepted" + (f" ({run.duplicates} of them answered 124)" if run.duplicates else "")]
    words += _rejected_words(run.rejected, run)
    words += [f"{count} skipped by the rule {rule}" for rule, count in sorted(run.skipped_by_rule.items())]
    words += _counted(unknown=run.unknown, held=run.held, not_sent=run.not_sent, claimed_by_another_worker=run.claimed)
    return ", ".join(words)


def _rejected_words(rejected: int, codes_of: RunSummary | None) -> list[str]:
    if codes_of is None:
        return [f"{rejected} rejected"] if rejected else []
    return [
        f"{count} rejected" + (f" with code {code}" if code else ", because they cannot be sent")
        for code, count in sorted(codes_of.rejected_by_code.items())
    ]


def _counted(**counts: int) -> list[str]:
    return [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]


def money(value: Decimal | None) -> int | float | None:
    """An amount in VND for JSON: an integer where it is whole."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def finish_run(result: RunResult, *, advice: str = "") -> RunResult:
    """
    The end of every run: log the outcome, and judge whether it is enough.

    Args:
        advice: what to do about rows in doubt.

    Raises:
        BulkIncompleteError: fewer rows were accepted than `result.at_least` requires, or rows are not settled.
    """
    run_key = result.run.run_key
    logger.info("run %s: %s", run_key, result)
    if result.elsewhere:
        # A worker that has just died looks alive until its lease ends, and nobody may be left to report its rows.
        logger.warning("run %s: %s", run_key, result.elsewhere_words)
    if result.enough:
        return result
    because = f" Stopped: {result.stopped_by}" if result.stopped_by else ""
    because += f" {advice}" if advice else ""
    if not result.complete and not because and not result.counters.left + result.counters.not_tried:
        because = " The open rows do not belong to this call: another call under this run key has claimed or left them."
    if result.complete:
        because += f" That is fewer of {counted(result.rows, 'row')} than at_least={result.at_least:g} asks for."
    raise BulkIncompleteError(f"Run {run_key}: {result}.{because}", summary=result)


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The outcome of a call for one shard of a run; attributes as in `RunResult`."""

    counters: Counters
    campaign: str
    stopped_by: EsmsError | None = None

    @property
    def complete(self) -> bool:
        """Whether every row of this shard is settled, one way or the other."""
        return self.counters.left + self.counters.not_tried == 0 and self.stopped_by is None


class BulkIncompleteError(EsmsError):
    """
    Fewer rows were accepted than required, or some are not settled. The ledger has the state of each row.

    Attributes:
        summary: what happened. `retryable` says whether repeating the call may settle more rows.
    """

    def __init__(self, message: str, *, summary: RunResult) -> None:
        super().__init__(message)
        self.summary = summary
        run = summary.run
        # A gateway that was down recovers; keys, balance and templates need somebody to fix them.
        self.retryable = (summary.stopped_by is None or summary.stopped_by.retryable) and bool(
            run.unknown + run.not_sent + run.claimed + summary.counters.not_tried
        )
