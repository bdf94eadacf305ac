"""
Polls the delivery of messages: what to query next, what is final, when to stop.

    poller = DeliveryPoller(target_of_run(ledger, run_key))
    while (verdict := goal.judge(poller.poll(client))) is Verdict.WAIT: ...

Nothing here sleeps or depends on a framework, except for `wait_for_delivery`, a blocking loop. All calls only read, so
after a restart polling can start from scratch.
"""

from __future__ import annotations

import enum
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pendulum import DateTime

from esms_connectors.delivery.queries import ReportsQuery, SentDataQuery, StateQuery, StatusQuery, pieces_of
from esms_connectors.delivery.target import DeliveryTarget, target_of_ids, target_of_run
from esms_connectors.gateway.arguments import check_share
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.echoes import folded_campaign, folded_id
from esms_connectors.gateway.errors import (
    EsmsError,
    IncompleteAnswerError,
    MessageNotFoundError,
)
from esms_connectors.gateway.machine_clock import machine_time
from esms_connectors.gateway.models import SendStatus, SentMessage
from esms_connectors.gateway.states import DeliveryState, better_of, receivers_by_state, state_of_row
from esms_connectors.sent_data.windows import CLOSED_AFTER

__all__ = [
    "DeliveryCounts",
    "DeliveryGoal",
    "DeliveryTarget",
    "DeliveryTimeoutError",
    "PollBackoff",
    "TooFewDeliveredError",
    "target_of_ids",
    "target_of_run",
    "wait_for_delivery",
]

# Up to this number, one call per id is cheaper than the pages of a window, which list the messages of all runs.
FEW_IDS = 20
LISTED_FAILURES = 100
# While messages are missing, every so many polls final pieces are read again beside the others.
_POLLS_OF_FINAL_PIECES = 10
LONGEST_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """
    Messages by delivery state.

    Attributes:
        expected: number of messages waited for.
        by_state: messages that the gateway has listed.
        failed_ids: ids of the first hundred that failed or were rejected.
        chain: for a chain of steps, which counts people instead: `people` by state, and `steps`, as in
            `JourneyResult.as_dict`.
    """

    expected: int
    by_state: Mapping[DeliveryState, int] = field(default_factory=dict)
    failed_ids: tuple[str, ...] = ()
    chain: Mapping[str, Any] | None = None

    def of(self, *states: DeliveryState) -> int:
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        """The number of messages; the gateway may list more than expected."""
        return max(self.expected, self.of(*DeliveryState))

    @property
    def unseen(self) -> int:
        return self.total - self.of(*DeliveryState)

    @property
    def delivered(self) -> int:
        return self.of(DeliveryState.DELIVERED)

    @property
    def failed(self) -> int:
        return self.of(DeliveryState.FAILED, DeliveryState.REJECTED)

    @property
    def final(self) -> int:
        return self.delivered + self.failed

    @property
    def open(self) -> int:
        return self.total - self.final

    def as_dict(self) -> dict[str, Any]:
        """Data for JSON: counts and ids, no phone numbers."""
        return {
            "expected": self.total,
            **{state.value: self.by_state.get(state, 0) for state in DeliveryState},
            "unseen": self.unseen,
            "final": self.final,
            "failed_ids": list(self.failed_ids),
            **(self.chain or {}),
        }

    def __str__(self) -> str:
        parts = [f"{count} {state.value}" for state in DeliveryState if (count := self.by_state.get(state, 0))]
        if self.unseen:
            parts.append(f"{self.unseen} not seen yet")
        words = f"{self.final} of {self.total} final ({', '.join(parts) or 'none seen'})"
        return "; ".join((words, *map(_step_words, (self.chain or {}).get("steps", ()))))


def _step_words(step: Mapping[str, Any]) -> str:
    """`2. sms: 3 people (2 failed, 1 not delivered within 15 minutes), 1 delivered`."""
    because = ", ".join(f"{count} {reason}" for reason, count in step["reasons"].items())
    late = f" ({step['late']} after the next step was sent)" if step["late"] else ""
    people = f"{counted(step['handed_on'], 'person', 'people')}{f' ({because})' if because else ''}"
    return f"{step['step']}. {step['channel']}: {people}, {step['delivered']} delivered{late}"


def counts_from_dict(plain: Mapping[str, Any]) -> DeliveryCounts:
    """The counts from the result of `DeliveryCounts.as_dict`."""
    by_state = {state: int(plain[state.value]) for state in DeliveryState if plain.get(state.value)}
    chain = {name: plain[name] for name in ("people", "steps")} if "steps" in plain else None
    return DeliveryCounts(int(plain["expected"]), by_state, tuple(plain.get("failed_ids") or ()), chain)


class Verdict(enum.StrEnum):
    """The verdict on a poll."""

    WAIT = "wait"
    REACHED = "reached"
    UNREACHABLE = "unreachable"  # too many have failed to reach the delivered share
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class DeliveryGoal:
    """
    When to stop waiting.

    Attributes:
        final_share: share of the messages that must be final, 0 to 1.
        delivered_share: share that must be delivered; None accepts any outcome. Reached as soon as enough messages are
            delivered, missed as soon as too many have failed.

    Raises:
        InvalidRequestError: an invalid share.
    """

    final_share: float = 1.0
    delivered_share: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("final_share", self.final_share), ("delivered_share", self.delivered_share)):
            if share is not None:
                check_share(share, name, may_be_zero=False)

    def judge(
        self, counts: DeliveryCounts, *, now: DateTime | None = None, deadline: DateTime | None = None
    ) -> Verdict:
        """
        The verdict on `counts`.

        Args:
            now, deadline: aware; from the deadline on TIMED_OUT, if the goal is neither reached nor unreachable.
        """
        total = counts.total
        if self.delivered_share is not None:
            wanted = _least(self.delivered_share, total)
            if counts.delivered >= wanted:
                return Verdict.REACHED
            if total - counts.failed < wanted:
                return Verdict.UNREACHABLE
        elif counts.final >= _least(self.final_share, total):
            return Verdict.REACHED
        if now is not None and deadline is not None and now >= deadline:
            return Verdict.TIMED_OUT
        return Verdict.WAIT


def _least(share: float, total: int) -> int:
    return math.ceil(share * total - 1e-9)


# --- what to query ---------------------------------------------------------------------------------------------------


class Poller(Protocol):
    """An object that can be polled until its messages are final."""

    def poll(self, client: EsmsClient, *, now: DateTime | None = None) -> DeliveryCounts:
        """Poll everything that is open once, and count."""

    def counts(self) -> DeliveryCounts:
        """The result of the last polls."""


class _Listed(NamedTuple):
    """The state of a message, and the poll that read it; messages of one poll and state share it."""

    state: DeliveryState
    poll: int


class DeliveryPoller:
    """
    The states known so far. `poll` polls everything that is open once; final messages are not queried again.

    Takes about 100 bytes per message, 100 MB for a million.
    """

    def __init__(self, target: DeliveryTarget) -> None:
        self.target = target
        self._by_id: dict[str, Counter[DeliveryState]] = {}
        self._rows: dict[int, _Listed] = {}
        self._rows_of_id: dict[str, dict[int, _Listed]] = {}
        self._polls = 0
        self._listed: dict[DeliveryState, _Listed] = {}
        self._failed: dict[str, None] = {}
        self._wanted = {folded_id(one): one for one in target.message_ids}
        self._campaign = None if target.campaign is None else folded_campaign(target.campaign)
        self._pieces = list(pieces_of(target))
        self._settled: set[SentDataQuery] = set()

    def queries(self) -> list[StatusQuery]:
        """The cheapest queries that cover all open messages."""
        ids = self._open_ids()
        if self._pieces and (self.target.campaign is not None or len(ids) > FEW_IDS):
            left = [piece for piece in self._pieces if piece not in self._settled]
            # Missing messages may have been listed late, in pieces that seemed final.
            if not left or (self._polls % _POLLS_OF_FINAL_PIECES == 0 and self.counts().unseen):
                return list(self._pieces)
            return [*left]
        if self.target.oa_id is not None and len(ids) > FEW_IDS:
            return [ReportsQuery(tuple(ids), self.target.oa_id)]
        return [StateQuery(one) for one in ids]

    def poll(self, client: EsmsClient, *, now: DateTime | None = None) -> DeliveryCounts:
        """
        Poll once, and count.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError, IncompleteAnswerError: earlier results are kept.
        """
        now = now or machine_time()
        self._polls += 1
        self._listed = {state: _Listed(state, self._polls) for state in DeliveryState}
        for question in self.queries():
            match question:
                case SentDataQuery(start=start) if start > now + CLOSED_AFTER:
                    continue  # for a run that is scheduled for later
                case StateQuery(message_id):
                    self._ask_status(client, message_id)
                case ReportsQuery(message_ids, oa_id):
                    found = client.get_callback_data(message_ids, oa_id)
                    for message_id, report in found.reports.items():
                        self._take_totals(message_id, report.totals)
                    # A message without a callback URL never gets a report.
                    for message_id in found.missing[:FEW_IDS]:
                        self._ask_status(client, message_id)
                case SentDataQuery():
                    self._read(client, question, now)
        return self.counts()

    def counts(self) -> DeliveryCounts:
        """The result of the last polls."""
        by_state = Counter(one.state for one in self._rows.values())
        for states in self._by_id.values():
            by_state.update(states)
        # An id may be a batch of thousands of messages, whose number is unknown until the gateway lists it.
        expected = self.target.expected
        if self._by_id:
            expected = max(expected, by_state.total() + len(self._wanted) - len(self._by_id))
        return DeliveryCounts(expected, dict(by_state), tuple(self._failed)[:LISTED_FAILURES])

    def _open_ids(self) -> list[str]:
        final = {one for one, counted in self._by_id.items() if all(state.is_final for state in counted)}
        return [one for one in self.target.message_ids if one not in final]

    def _ask_status(self, client: EsmsClient, message_id: str) -> None:
        try:
            if self.target.voice:
                call = client.get_voice_call_status(message_id)
                self._by_id[message_id] = Counter({(state := state_of_row(call.send_status, call.sent_result)): 1})
                self._note(message_id, failed=state is DeliveryState.FAILED)
                return
            self._take_totals(message_id, client.get_send_status(message_id))
        except MessageNotFoundError:
            return  # too early, or older than 7 days: it stays unseen

    def _take_totals(self, message_id: str, totals: SendStatus) -> None:
        counted = receivers_by_state(totals.send_status, totals.receivers, totals.succeeded, totals.failed)
        self._by_id[message_id] = counted
        self._note(message_id, failed=bool(counted[DeliveryState.FAILED] or counted[DeliveryState.REJECTED]))

    def _read(self, client: EsmsClient, piece: SentDataQuery, now: DateTime) -> None:
        all_final = True
        try:
            for message in client.get_sms_sent_data(piece.start, piece.end, piece.sms_type):
                if message.message_id is None:
                    continue
                folded = folded_id(message.message_id)
                if folded not in self._wanted and not self._is_of_campaign(message):
                    continue
                state = state_of_row(message.send_status, message.send_result)
                all_final = all_final and state.is_final
                self._take_row(folded, message, state)
        except IncompleteAnswerError:
            # Rows moved because messages were sent meanwhile. The states read are valid; the piece is read again.
            return
        if all_final and now - piece.end >= CLOSED_AFTER:
            self._settled.add(piece)

    def _take_row(self, folded: str, message: SentMessage, state: DeliveryState) -> None:
        message_id = self._wanted.get(folded, message.message_id or "")
        rows = self._rows if self._campaign is not None else self._rows_of_id.setdefault(message_id, {})
        # Two attempts at one message may write the phone differently.
        key = hash((folded, (message.phone or "")[-9:]))
        known = rows.get(key)
        if known is not None and (known.poll == self._polls or known.state is DeliveryState.DELIVERED):
            state = better_of(known.state, state)
        rows[key] = self._listed[state]
        if self._campaign is None:
            self._by_id[message_id] = Counter(one.state for one in rows.values())
        self._note(message_id, failed=state in (DeliveryState.FAILED, DeliveryState.REJECTED))

    def _is_of_campaign(self, message: SentMessage) -> bool:
        return self._campaign is not None and folded_campaign(message.campaign) == self._campaign

    def _note(self, message_id: str, *, failed: bool) -> None:
        if not failed:
            self._failed.pop(message_id, None)
        elif len(self._failed) < LISTED_FAILURES:
            self._failed[message_id] = None


# --- when to poll ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class PollBackoff:
    """
    The wait until the next poll, and the number of consecutive failures that are tolerated.

    Raises (by `after_failure`): the error itself, if it is not retryable or there were too many failures.
    """

    poll_seconds: float = 60.0
    max_failures: int = 10
    failures: int = 0

    def after_answer(self) -> float:
        """Seconds until the next poll after a successful one."""
        self.failures = 0
        return self.poll_seconds

    def after_failure(self, error: EsmsError, *, chance: float = 1.0) -> float:
        """
        Seconds until the next poll after a failed one.

        Args:
            chance: a random number in [0, 1]; half of the wait is jitter, so that many waiters do not poll at once.

        Raises:
            EsmsError: `error` itself, if it is not retryable or is the last one that is tolerated.
        """
        self.failures += 1
        if not error.retryable or self.failures >= self.max_failures:
            raise error from None
        wait = min(LONGEST_WAIT_SECONDS, self.poll_seconds * 2.0 ** min(self.failures - 1, 20))
        return wait * (0.5 + chance / 2)


class DeliveryTimeoutError(EsmsError):
    """
    The deadline passed before the goal was reached. The messages have been sent; waiting can be repeated.

    Attributes:
        counts: at the last poll.
    """

    def __init__(self, message: str, *, counts: DeliveryCounts) -> None:
        super().__init__(message)
        self.counts = counts


class TooFewDeliveredError(EsmsError):
    """
    Fewer messages can be delivered than the goal requires. Waiting longer does not help.

    Attributes:
        counts: at the last poll.
    """

    def __init__(self, message: str, *, counts: DeliveryCounts) -> None:
        super().__init__(message)
        self.counts = counts


def check_verdict(verdict: Verdict, counts: DeliveryCounts, goal: DeliveryGoal) -> DeliveryCounts:
    """
    The counts, if the goal was reached.

    Raises:
        TooFewDeliveredError, DeliveryTimeoutError: it was not.
    """
    if verdict is Verdict.UNREACHABLE:
        raise TooFewDeliveredError(
            f"At most {counts.total - counts.failed} of {counted(counts.total, 'message')} can still arrive, fewer "
            f"than the {goal.delivered_share:.0%} wanted: {counts}.",
            counts=counts,
        )
    if verdict is not Verdict.REACHED:
        hint = (
            " Messages that the gateway never lists may never have been accepted: `esms reconcile` checks."
            if counts.unseen
            else ""
        )
        raise DeliveryTimeoutError(f"The deadline came first: {counts}.{hint}", counts=counts)
    return counts


def wait_for_delivery(
    client: EsmsClient,
    target: DeliveryTarget | Poller,
    goal: DeliveryGoal | None = None,
    *,
    deadline: DateTime,
    backoff: PollBackoff | None = None,
    progress: Callable[[DeliveryCounts], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], DateTime] = machine_time,
) -> DeliveryCounts:
    """
    Poll until the goal is reached.

    Args:
        target: the messages to wait for, or another poller, such as that of a chain of steps.
        deadline: absolute, so that a restart does not extend the wait.
        progress: called after each poll.

    Raises:
        TooFewDeliveredError, DeliveryTimeoutError: the goal was not reached.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read repeatedly.
    """
    goal, backoff = goal or DeliveryGoal(), backoff or PollBackoff()
    poller: Poller = DeliveryPoller(target) if isinstance(target, DeliveryTarget) else target
    while True:
        try:
            counts = poller.poll(client, now=now())
        except EsmsError as error:
            if error.retryable and now() >= deadline:
                return check_verdict(Verdict.TIMED_OUT, poller.counts(), goal)
            wait = backoff.after_failure(error)
        else:
            if progress is not None:
                progress(counts)
            verdict = goal.judge(counts, now=now(), deadline=deadline)
            if verdict is not Verdict.WAIT:
                return check_verdict(verdict, counts, goal)
            wait = backoff.after_answer()
        sleep(max(0.0, min(wait, (deadline - now()).total_seconds())))
