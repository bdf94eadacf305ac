"""
One call for one run: a reader, senders, and the claims that they hold.

The rows of a run are read as a stream and cut into chunks; each chunk is claimed in the ledger, sent and settled.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice

from esms_connectors.gateway.clock import Times
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.row_rules import OverBudgetError
from esms_connectors.ledger.rows import Claim, ClaimResult, Settlement, rule_of
from esms_connectors.ledger.run_memory import UnrememberedRunError
from esms_connectors.recipients import ReadReport, Recipient, Recipients
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.channels.base import ChunkOutcome
from esms_connectors.sending.chunks import balance_last_chunk, cut_chunks
from esms_connectors.sending.doubt import Doubt
from esms_connectors.sending.guard import GuardSettings, GuardStopError
from esms_connectors.sending.guard.canary import Canary
from esms_connectors.sending.guard.rules import RuleName
from esms_connectors.sending.guard.run_guard import RunGuard
from esms_connectors.sending.lease import Lease, checked_first, poll_seconds_of, wait_for_claims
from esms_connectors.sending.policy import (
    OnEmpty,
    SilenceBreaker,
    account_of,
    campaign_of,
    check_at_least,
    check_not_sandbox,
    check_on_empty,
    refuse_empty,
    sandbox_run_key,
    sent_by_others,
)
from esms_connectors.sending.result import Counters, Progress, RunResult, finish_run

logger = get_logger(__name__)

_LOG_EVERY_SECONDS = 10.0
# Further readings for rows without an answer.
_MORE_READINGS = 2


@dataclass(slots=True)
class Run:
    """One call for one run: a reader (the calling thread), senders, and a heartbeat for the claims."""

    channel: Channel
    recipients: Recipients
    ledger: Ledger
    run_key: str
    campaign: str | None
    threads: int
    progress: Progress | None
    careful: bool = False
    # Whether to wait for the rows of other workers and read again; a caller that shards a run does that itself.
    rereads: bool = True
    # Send only the canary, the rows that show whether messages arrive, and wait for them.
    canary_only: bool = False
    guard: GuardSettings = field(default_factory=GuardSettings)
    price_vnd: Decimal | None = None
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)
    counters: Counters = field(default_factory=Counters)
    stopped_by: EsmsError | None = None
    first_report: ReadReport | None = None
    _may_begin: bool = True  # whether a call may still begin for claimed rows
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lease: Lease = field(init=False)
    _doubt: Doubt = field(init=False)
    _silence: SilenceBreaker = field(init=False)
    _run_guard: RunGuard = field(init=False)
    _in_doubt: bool = False
    _reported_at: float = 0.0
    _logged_at: float = 0.0

    def run(
        self,
        at_least: float | None,
        on_empty: OnEmpty,
        *,
        report: ReadReport | None = None,
        rejects: str | None = None,
    ) -> RunResult:
        """Execute and judge the outcome; `report` is of the reading that checked the rows, if it was another."""
        check_on_empty(on_empty)
        check_at_least(at_least)
        started = time.monotonic()
        self.execute()
        self.counters.found = self._doubt.found
        report = report or self.first_report
        if not self.counters.read and not (report is not None and report.rejected):
            refuse_empty(on_empty)
        result = RunResult(
            run=self.ledger.summary(self.run_key),
            counters=self.counters,
            campaign=self.campaign or "",
            stopped_by=self.stopped_by,
            seconds=time.monotonic() - started,
            channel=self.channel.kind,
            report=report,
            at_least=at_least,
            price_vnd=self.price_vnd,
            ledger=self.ledger.name,
            rejects=rejects,
            sandbox=self.channel.client.sandbox,
        )
        return finish_run(result, advice=self._doubt.advice)

    def _enter_sandbox(self) -> None:
        """Use a separate run key: the real run must not treat these rows as sent, and no rule may count them."""
        if self.channel.endpoint.sandbox_field is None:
            raise InvalidRequestError(
                f"{self.channel.kind} has no sandbox, and would be sent for real: use a plan instead.", field="sandbox"
            )
        self.run_key = check_run_key(sandbox_run_key(self.run_key))
        self.guard = self.guard.uncounted()

    def execute(self) -> None:
        """Read and send; the counters say what this call did."""
        if self.threads < 1:
            raise InvalidRequestError("threads must be at least 1.", field="threads")
        self.run_key = check_run_key(self.run_key)
        if self.channel.client.sandbox:
            self._enter_sandbox()
        else:
            check_not_sandbox(self.run_key)
        if self.careful:
            self.channel = replace(self.channel, client=self.channel.client.without_repeats())
        rules = (self.guard, self.channel, self.ledger, self.run_key, self.price_vnd)
        self._run_guard = RunGuard(*rules, once_per_phone=self.recipients.merged)
        self.channel = self._run_guard.paced(self.channel)
        self._run_guard.begin(looks=self.rereads)
        about = {
            **self.channel.about(),
            "key_column": self.recipients.key_column,
            "campaign": campaign_of(self.run_key, self.campaign),
            "accounts": account_of(self.channel.client),
            **({"sandbox": "yes"} if self.channel.client.sandbox else {}),
        }
        # The campaign of the first call is kept: its messages already carry it.
        known = self.ledger.begin_run(self.run_key, self.channel.kind, about)
        self.campaign = known["campaign"]
        self._silence = SilenceBreaker(self.threads)
        others = sent_by_others(known, self.channel.client)
        self._doubt = Doubt(self.channel, self.ledger, self.run_key, careful=self.careful, others=others)
        self._doubt.load()
        self._lease = Lease(self.channel.client, self.ledger, self.run_key, self.worker)
        try:
            with self._lease:
                self._read_all()
        except InvalidRequestError as error:
            if self.counters.accepted + self.counters.unknown:
                # Nothing was sent for this row, but the error must not say "nothing was sent" once other rows were.
                error.others_sent = True
                error.args = (
                    f"{error} Other rows were: {self.ledger.summary(self.run_key).accepted} accepted so far.",
                )
            raise
        self._report_progress(always=True)

    def _read_all(self) -> None:
        may_go_on = not self.rereads or self.guard.canary is None or self._send_canary(self.guard.canary)
        if may_go_on and not self.canary_only:
            self._read_and_send(first=True)
        self.first_report = self.recipients.report
        if may_go_on and not self.canary_only:
            self._retry_unsettled()

    def _send_canary(self, rows: int) -> bool:
        """Send the first rows alone, and return whether the others may follow."""
        canary = Canary(self.guard, self.channel, self.ledger, self.run_key, rows)
        if canary.passed or (first := canary.rows_to_send(self.recipients)) is None:
            return True
        self._read_and_send(first=False, only=first)
        self._stop(canary.wait(self._run_guard.check_stops))
        if self.stopped_by is None:
            self._forget_reading()
        else:
            canary.count_remaining(self.recipients, self.counters)
        return self.stopped_by is None

    def _retry_unsettled(self) -> None:
        """
        Read again, for rows without an answer and for rows that another worker has claimed. A live worker settles them
        or leaves them in doubt; the lease of a dead one ends. Waits for others for two leases in total at most.
        """
        if not self.rereads or not self.recipients.repeatable:
            self._resolve_unrepeatable()
            return
        lease = self.ledger.lease_seconds + 0.1
        poll_seconds = poll_seconds_of(self.ledger)
        patience, pause, readings = 2 * lease, poll_seconds, 0
        while (self.counters.busy or self.counters.unknown) and self.stopped_by is None:
            if readings >= _MORE_READINGS and (self.counters.unknown or patience < poll_seconds):
                return
            if self.counters.unknown and not self._resolve_doubt() and not self.counters.busy:
                return
            if self.counters.busy:
                if patience == 2 * lease:
                    logger.warning(
                        "run %s: %s claimed by another worker, alive or dead; continuing when they are free, in %.0f "
                        "s at the latest",
                        self.run_key, counted(self.counters.busy, "row is", "rows are"), lease,
                    )  # fmt: skip
                patience -= wait_for_claims(
                    self.ledger, self.run_key, least=min(pause, patience), most=min(lease, patience)
                )
                # Back off: rows may have been claimed anew by then, and reading a long list is expensive.
                pause *= 2
            self._read_again()
            readings += 1

    def _read_again(self) -> None:
        self._forget_reading()
        self._read_and_send(first=False)

    def _forget_reading(self) -> None:
        self.counters.busy = self.counters.unknown = self.counters.held = self.counters.not_sent = 0
        self.counters.settled_before = self.counters.done = 0
        # The next reading finds the rows that this call has settled so far as settled before.
        self.counters.accepted_before = -self.counters.accepted
        self.counters.rejected_before = -self.counters.rejected
        self.counters.skipped_before = -self.counters.skipped

    def _resolve_unrepeatable(self) -> None:
        """For a shard: resolve the rows in doubt that the next call may not simply repeat."""
        if not self.counters.unknown or self.stopped_by is not None or self._doubt.waits_for_a_repeat:
            return
        if self._resolve_doubt() and self.recipients.repeatable:
            self._read_again()

    def _resolve_doubt(self) -> bool:
        try:
            return self._doubt.resolve(self.worker, self._send_in_doubt, self._lease.begin, self._run_guard.rules)
        finally:
            self._lease.end()

    def _read_and_send(self, *, first: bool, only: list[Recipient] | None = None) -> None:
        self._in_doubt = self.ledger.has_doubt(self.run_key)
        if self._in_doubt:
            self.channel.client.learn_time()
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="esms-send") as pool:
            try:
                for number, chunk in enumerate(self._chunks(first=first, only=only)):
                    if self.stopped_by is not None:
                        if first:
                            self.counters.not_tried += len(chunk)
                        continue
                    running.add(pool.submit(self._handle, number, chunk))
                    # Twice as many as there are senders: they never wait for the reader, and memory use stays constant.
                    while len(running) >= 2 * self.threads:
                        running = self._collect(running)
                while running:
                    running = self._collect(running)
            except BaseException:
                # Also on Ctrl-C: chunks that have not begun are dropped, those in progress are settled.
                self._stop(EsmsError("interrupted"))
                for future in running:
                    future.cancel()
                raise

    def _collect(self, running: set[Future[None]]) -> set[Future[None]]:
        done, left = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
        self._report_progress()
        for future in done:
            future.result()
        return left

    def _chunks(self, *, first: bool, only: list[Recipient] | None) -> Iterator[list[Recipient]]:
        """Chunks in reading order, without a repeated phone: an answer identifies its rows only by phone."""
        rows = self._counted(self.recipients) if first else self.recipients if only is None else only
        if self.channel.frozen:
            yield from balance_last_chunk(
                cut_chunks(self._unsettled(rows), self.channel.chunk_size), self.channel.smallest_chunk
            )
        else:
            yield from cut_chunks(rows, self.channel.chunk_size)

    def _counted(self, source: Iterable[Recipient]) -> Iterator[Recipient]:
        for recipient in source:
            self.counters.read += 1
            yield recipient

    def _unsettled(self, source: Iterable[Recipient]) -> Iterator[Recipient]:
        """The rows that are not settled, so that a call has the same rows after a crash as before it."""
        rows = iter(source)
        while batch := list(islice(rows, 1000)):
            left = self.ledger.unsettled(self.run_key, [recipient.row_key for recipient in batch])
            self._count_settled({one.row_key for one in batch} - {batch[position].row_key for position in left})
            for chunk in cut_chunks((batch[position] for position in left), len(left) or 1):
                yield from self._not_skipped(chunk)

    def _count_settled(self, row_keys: Iterable[str]) -> int:
        """Count the rows that are settled, and return their number."""
        found = self.ledger.rows_of(self.run_key, [*row_keys])
        accepted = sum(row["state"] == SendState.ACCEPTED for row in found)
        refused = [row["code"] for row in found if row["state"] == SendState.REJECTED]
        skipped = sum(rule_of(code) is not None for code in refused)
        settled: int = accepted + len(refused)
        self._count(
            settled_before=settled,
            accepted_before=accepted,
            rejected_before=len(refused) - skipped,
            skipped_before=skipped,
            done=settled,
        )
        return settled

    def _not_skipped(self, recipients: list[Recipient]) -> list[Recipient]:
        """Without the rows that a rule skips, before rows are grouped into calls that must not change."""
        if self.stopped_by is not None:
            return recipients
        settled, left = self._run_guard.skip(recipients)
        self._count(skipped=len(settled), done=len(settled), held=len(left))
        return [one for place, one in enumerate(recipients) if place not in settled | left]

    def _handle(self, number: int, recipients: list[Recipient]) -> None:
        """Claim, send and settle one chunk."""
        try:
            self._send_chunk(number, recipients)
        finally:
            self._lease.end()

    def _send_chunk(self, number: int, recipients: list[Recipient]) -> None:
        if self.stopped_by is not None:
            self._count(not_tried=len(recipients))
            return
        # Rows in doubt that a rule holds back are not even claimed: a claim delays what can be concluded about them.
        left = [*self._unsettled(recipients)] if self._in_doubt and not self.channel.frozen else recipients
        try:
            self._run_guard.wait_for_turn(left, lambda: self.stopped_by is not None)
            channel = self._run_guard.channel_for(recipients[0].row_key)
            while left:
                left = self._claim_and_send(number, left, channel)
        except GuardStopError as stop:
            # If all rows are settled, there is nothing to stop.
            if not_tried := len(left) - self._count_settled(one.row_key for one in left):
                self._stop(stop)
                self._count(not_tried=not_tried)

    def _stop(self, by: EsmsError | None) -> None:
        """None stops nothing. After a budget stop, rows that are already claimed, and thus charged, are still sent."""
        within_budget = isinstance(by, GuardStopError) and by.rule is RuleName.BUDGET
        with self._lock:
            self.stopped_by = self.stopped_by or by
            self._may_begin = self._may_begin and (by is None or within_budget)

    def _claim(self, number: int, recipients: list[Recipient], channel: Channel, times: Times) -> ClaimResult:
        """
        Raises:
            GuardStopError: the rows would exceed a budget.
        """
        rows, frozen = [self._run_guard.row(recipient) for recipient in recipients], self.channel.frozen
        repeat = times.answered and self._doubt.repeats
        try:
            found = self.ledger.claim(
                self.run_key,
                rows,
                worker=self.worker,
                chunk=make_request_id("chunk", *(row.row_key for row in rows)) if frozen else str(number),
                frozen=frozen,
                repeat=repeat,
                times=times,
                rules=self._run_guard.rules(recipients, channel),
            )
        except OverBudgetError as error:
            raise self._run_guard.stop_of(error) from None
        self._doubt.note((recipients[index] for index in found.doubtful), not_repeatable=repeat)
        self._count(**found.counts())
        return found

    def _claim_and_send(self, number: int, recipients: list[Recipient], channel: Channel) -> list[Recipient]:
        """Return the rows to claim again as a call of their own: those that remain when a rule holds others back."""
        times = self._lease.begin()
        try:
            found = self._claim(number, recipients, channel, times)
        except UnrememberedRunError:
            self.ledger.remember(self.run_key)
            return recipients
        if not found.claims:
            return []
        chosen = [recipients[claim.place] for claim in found.claims]
        if self.channel.frozen and len(chosen) < len(recipients):
            self.ledger.give_back(found.claims, worker=self.worker)
            held_back = found.left_out + found.left_in_doubt
            if held_back + len(chosen) == len(recipients) and len(chosen) >= self.channel.smallest_chunk:
                return chosen
            # The remaining rows are grouped into calls anew, so that a repeated call has the rows of its first try.
            self._count(busy=len(chosen))
            return []
        outcome = self._send_claimed(found.claims, chosen, times, channel)
        unknown = {one.request_id: one.code for one in outcome.settlements if one.state is SendState.UNKNOWN}
        for claim, recipient in zip(found.claims, chosen, strict=True):
            if claim.request_id in unknown:
                # If the id was seen before, another repeat does not settle the row either.
                self._doubt.note([recipient], not_repeatable=unknown[claim.request_id] == "124")
        return []

    def _send_in_doubt(self, claims: list[Claim], recipients: list[Recipient], times: Times) -> ChunkOutcome:
        """Send them as a separate chunk, which a stop or the permitted hours may hold back like any other."""
        try:
            channel = self._run_guard.channel_for(recipients[0].row_key)
        except GuardStopError as stop:
            self._stop(stop)
            self.ledger.give_back(claims, worker=self.worker)
            return ChunkOutcome([Settlement(claim.request_id, SendState.NOT_SENT) for claim in claims])
        outcome = self._send_claimed(claims, recipients, times, channel)
        # They were counted as unknown when they were read; their new state is counted now.
        self._count(unknown=-len(claims))
        return outcome

    def _send_claimed(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], times: Times, channel: Channel
    ) -> ChunkOutcome:
        """Send the claimed rows, then settle and count them."""
        try:
            outcome = channel.send(
                claims,
                recipients,
                self.campaign or "",
                checked_first(
                    lambda: self._may_begin,
                    lambda claims: self._run_guard.may_send(channel) and self._lease.holds(claims, times),
                ),
            )
        except (InvalidRequestError, ConfigurationError):
            self.ledger.give_back(claims, worker=self.worker)
            raise
        if not times.answered:
            self._date(claims, outcome, times)
        outcome = self._settle(outcome)
        self._doubt.save()
        states = [settlement.state.value for settlement in outcome.settlements]
        self._count(
            accepted=states.count("accepted"),
            duplicates=sum(settlement.duplicate for settlement in outcome.settlements),
            rejected=states.count("rejected"),
            unknown=states.count("unknown"),
            # Rows that came too late are picked up again like those of other workers, unless the run has ended.
            **{"busy" if outcome.late and self.stopped_by is None else "not_sent": states.count("not_sent")},
            done=states.count("accepted") + states.count("rejected"),
        )
        with self._lock:
            silence = self._silence.note(answered=outcome.answered)
        self._stop(outcome.stop or silence)
        if outcome.stop is not None:
            self._run_guard.refused(outcome.stop)
        return outcome

    def _settle(self, outcome: ChunkOutcome) -> ChunkOutcome:
        """The outcome as recorded in the ledger: the refusal of a repeat does not settle a row in doubt."""
        states = self.ledger.settle(outcome.settlements, worker=self.worker)
        changed = [
            one
            if (state := states.get(one.request_id, one.state)) is one.state
            else one._replace(state=state, duplicate=False)
            for one in outcome.settlements
        ]
        nothing_taken = all(one.state in (SendState.NOT_SENT, SendState.REJECTED) for one in outcome.settlements)
        return replace(outcome, settlements=changed, nothing_taken=nothing_taken)

    def _date(self, claims: Sequence[Claim], outcome: ChunkOutcome, times: Times) -> None:
        """Date rows in doubt by the gateway's time, by which other machines will judge them too."""
        client = self.channel.client
        if any(settlement.state is SendState.UNKNOWN for settlement in outcome.settlements):
            client.learn_time()
        if client.clock.answered:
            self.ledger.date(claims, client.clock.earliest(times.moment), worker=self.worker)

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                setattr(self.counters, name, getattr(self.counters, name) + count)

    def _report_progress(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if self.progress is not None and (always or now - self._reported_at >= 0.1):
            self._reported_at = now
            self.progress(self.counters)
        if now - self._logged_at >= _LOG_EVERY_SECONDS:
            self._logged_at = now
            logger.info(
                "run %s: %s read, %d done", self.run_key, counted(self.counters.read, "row"), self.counters.done
            )
