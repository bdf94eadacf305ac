"""
Steps one after the other: a person not reached by one step gets the next, once.

Each step is a separate run, `key`, `key#2`, `key#3`, so that it is claimed, resumed and held back like any other: the
ledger, not this module, ensures that nobody gets a step twice. This module decides who is due. The decision is made
anew at each look, from what the gateway reports, and one that was not acted upon is forgotten: after a crash, a person
who has received a message meanwhile gets nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import SendState
from esms_connectors.ledger.journeys import StepLink, step_run_key
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.recipients import Columns, Recipient, Recipients, RejectsFile
from esms_connectors.recipients.sources import Source
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, send_bulk
from esms_connectors.sending.campaign import Campaign, Watch
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.durations import read_duration
from esms_connectors.sending.guard.preflight import check_message
from esms_connectors.sending.plan import Plan
from esms_connectors.sending.policy import is_enough
from esms_connectors.sending.reconcile import REFUSED_SETTLING
from esms_connectors.sending.result import Progress
from esms_connectors.sending.steps.message_states import Seen, StepView, look_at_step
from esms_connectors.sending.steps.people import People, name_of_people
from esms_connectors.sending.steps.result import JourneyIncompleteError, JourneyResult

logger = get_logger(__name__)

POLL_SECONDS = 30.0
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """
    A further step, for people that the step before did not reach.

    Attributes:
        channel: any but advertising, which goes to at least 30 numbers at once.
        after: how much time the step before has to be delivered: `15m`, `2h`, a timedelta or seconds.
        columns: if they differ from those of the campaign, such as another phone column.
        source: other people under the same row keys, as in the ladder of an alert; None uses the campaign's source.
    """

    channel: Channel
    after: str | timedelta | float
    columns: Columns | None = None
    source: Source | None = field(default=None, repr=False)


@dataclass(slots=True)
class Journey:
    """
    A campaign, and further steps for the people that it does not reach.

    Attributes:
        first: the first step; its run key identifies the journey, and its `at_least` counts people who were sent to by
            any step.
        steps: the further steps; if there are none, it is the campaign alone.
        settling: how long a row in doubt must be missing from the sent data to count as not sent, as in `reconcile`.
        poll_seconds: between two looks at the gateway.

    Raises:
        InvalidRequestError: a channel that cannot be used for its step, or steps that cannot identify the same people.
    """

    first: Campaign
    steps: Sequence[Step]
    settling: timedelta = field(default=REFUSED_SETTLING, kw_only=True)
    poll_seconds: float = field(default=POLL_SECONDS, kw_only=True)
    _campaigns: list[Campaign] = field(init=False, repr=False)
    _afters: list[timedelta] = field(init=False, repr=False)
    _people: People = field(init=False, repr=False)
    _seen: list[Mapping[str, Seen]] = field(init=False, repr=False)
    _prices: dict[str, Decimal | None] = field(default_factory=dict, init=False, repr=False)
    _sent_first: RunResult | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_run_key(step_run_key(self.first.run_key, len(self.steps) + 1))
        self._afters = [read_duration(step.after, "after") for step in self.steps]
        self._campaigns = [self.first, *(self._campaign_of(step, number) for number, step in enumerate(self.steps, 2))]
        self._check_channels()
        run_keys = [campaign.run_key for campaign in self._campaigns]
        other_phones = any(step.source is not None for step in self.steps)
        self._people = People(self.first.ledger, run_keys, self._afters, other_phones=other_phones)
        self._seen = [{}] * len(self._campaigns)

    def _campaign_of(self, step: Step, number: int) -> Campaign:
        columns = step.columns or Columns(self.first.columns.phone, (), self.first.columns.key_column)
        if columns.phone != self.first.columns.phone and columns.key_column is None:
            raise InvalidRequestError(
                "Steps that reach people by different columns need a key column, which identifies a person.",
                field="key_column",
            )
        return replace(
            self.first,
            channel=step.channel,
            columns=columns,
            run_key=step_run_key(self.first.run_key, number),
            source=self.first.source if step.source is None else step.source,
            price_vnd=None,
        )

    def _check_channels(self) -> None:
        for number, campaign in enumerate(self._campaigns, 1):
            channel = campaign.channel
            if channel.frozen and number > 1:
                raise InvalidRequestError(
                    f"{channel.kind} goes to {channel.smallest_chunk} numbers or more at once, so it cannot follow "
                    "another step.",
                    field="channel",
                )
            if not channel.tells_who and number < len(self._campaigns):
                raise InvalidRequestError(
                    f"The gateway does not report which messages of {channel.kind} were delivered, so nothing can "
                    "follow it.",
                    field="channel",
                )

    @property
    def _links(self) -> list[StepLink]:
        spans = [timedelta(), *self._afters]
        return [
            StepLink(number, campaign.run_key, campaign.channel.kind, span.total_seconds())
            for number, (campaign, span) in enumerate(zip(self._campaigns, spans, strict=True), 1)
        ]

    # --- plan and send -----------------------------------------------------------------------------------------------

    def plan(self, rejects: RejectsFile | None = None, **more: Any) -> tuple[Plan, ...]:
        """
        The plan of each step, as if everybody got it; only the first one is binding. Sends nothing.

        Args:
            rejects: receives the rows that cannot be sent in the first step.
            more: as in `Campaign.plan`.
        """
        return (self.first.plan(rejects, **more), *(campaign.plan() for campaign in self._campaigns[1:]))

    def run(
        self,
        plan: Plan | Mapping[str, Any] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        told: Callable[[JourneyResult], None] | None = None,
        **more: Any,
    ) -> JourneyResult:
        """
        Send the first step, wait, and send the others to the people who are due. Calling it again resumes the chain.

        Args:
            plan: as in `Campaign.send`, of the first step.
            told: called after each look.
            more: `rejects`, `watch`, `on_plan`, `progress` of `Campaign.send`.

        Raises:
            As `start` and `finish`.
        """
        self.start(plan, **more)
        while True:
            result, pause = self.advance()
            if told is not None:
                told(result)
            if pause is None:
                return self.finish(result)
            sleep(pause)

    def start(
        self,
        plan: Plan | Mapping[str, Any] | None = None,
        *,
        progress: Progress | None = None,
        on_plan: Callable[[Plan], None] | None = None,
        watch: Watch | None = None,
        **more: Any,
    ) -> RunResult:
        """
        Check every row for every step, and send the first one.

        Raises:
            BulkIncompleteError: the first step was stopped; nothing is lost, and the same call resumes it.
            The rest as `Campaign.send`.
        """

        def tell(planned: Plan) -> None:
            if on_plan is not None:
                on_plan(planned)
            if not planned.empty:
                self._check_later_steps()

        # Registered before anything is sent, so that every look at the run finds the chain.
        self._people.own.clear()
        if not self.first.channel.client.sandbox:
            self.first.ledger.journeys.register(self.first.run_key, self._links)
        try:
            sent = self.first.send(plan, progress=progress, on_plan=tell, watch=self._noting(watch), **more)
        except BulkIncompleteError as error:
            if error.summary.stopped_by is not None:
                raise
            # People who were refused get the next step, and those in doubt are looked up.
            sent = error.summary
        self._sent_first = sent
        return sent

    def _noting(self, watch: Watch | None) -> Watch:
        """Note the rows of this call: a run may have others, such as those of mapped tasks, which handle their own."""

        def see(recipients: Iterable[Recipient]) -> Iterator[Recipient]:
            rows = iter(recipients if watch is None else watch(recipients))
            while batch := list(islice(rows, _BATCH)):
                keys = [row.row_key for row in batch]
                self._people.own.update(self.first.ledger.request_ids(self.first.run_key, keys))
                yield from batch

        return see

    def _check_later_steps(self) -> None:
        """Report mistakes in a later step before the first message is sent, not when the step is due."""
        for campaign in self._campaigns[1:]:
            checked = campaign.plan()
            check_message(campaign.guard, campaign.channel, checked.longest_segments)
            self._prices[campaign.run_key] = checked.price_vnd
            if checked.report.conflicts:
                raise InvalidRequestError(
                    f"In run {campaign.run_key!r} {counted(checked.report.conflicts, 'row was', 'rows were')} sent "
                    "with other content before. Use a new run key; this call sent nothing.",
                    field="conflicts",
                )
            if checked.report.rejected:
                logger.warning(
                    "run %s: %s cannot get the step %s",
                    campaign.run_key, counted(checked.report.rejected, "row"), checked.channel,
                )  # fmt: skip

    def advance(self) -> tuple[JourneyResult, float | None]:
        """
        Look at all steps once, and send to the people who are due.

        Returns:
            The progress, and the seconds until it is worth looking again: None if nothing more is expected, or if
            waiting does not help.

        Raises:
            BulkIncompleteError: a step was stopped, for example by an empty balance.
            GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
        """
        first = self._sent_first
        if first is None:
            raise InvalidRequestError("The first step was not sent: call start.", field="steps")
        if first.sandbox:
            return self._result(first, {"sent": first.accepted}), None
        self._refresh(0)
        if any(row.state is SendState.NOT_SENT for row in self._people.rows(0)):
            self._resend_first()
        for index in range(1, len(self._campaigns)):
            self._send_due(index)
        result = self._result(first, self._people.counts())
        logger.info("run %s: %s", self.first.run_key, result)
        return result, self._people.pause(self.poll_seconds)

    def _result(self, first: RunResult, people: Mapping[str, int]) -> JourneyResult:
        return JourneyResult(first, self._people.results(self._links), dict(people))

    @property
    def unreachable(self) -> str:
        """Names the people who are due but cannot get their step, as of the last `advance`; see `quiet_seconds`."""
        return name_of_people(self._people.unreachable)

    def finish(self, result: JourneyResult) -> JourneyResult:
        """
        Judge whether the final result is enough.

        Raises:
            JourneyIncompleteError: people are in doubt, or fewer were sent to than the campaign's `at_least` requires.
        """
        at_least = self.first.at_least
        if at_least is None:
            return result
        if not result.complete:
            raise JourneyIncompleteError(
                f"Run {result.run_key}: {result}. People in doubt got no further step: run the same command again, "
                "which looks them up and continues.",
                result=result,
            )
        reached = sum(result.people.get(name, 0) for name in ("delivered", "sent"))
        # On a ladder, all steps alert for one event: with every phone skipped, nobody is alerted.
        skipped = 0 if self._people.other_phones else result.people.get("skipped", 0)
        wanted = result.first.rows - skipped
        if not is_enough(reached, wanted, at_least):
            raise JourneyIncompleteError(
                f"Run {result.run_key}: {result}. {reached} of {counted(wanted, 'row')} were sent to, fewer than "
                f"at_least={at_least:g} asks for.",
                result=result,
            )
        return result

    # --- one step ----------------------------------------------------------------------------------------------------

    def _refresh(self, index: int) -> StepView | None:
        campaign = self._campaigns[index]
        try:
            view = look_at_step(
                campaign.channel.client,
                campaign.ledger,
                campaign.run_key,
                known=self._seen[index],
                settling=self.settling,
            )
        except InvalidRequestError as error:
            if error.field != "run_key" or index == 0:
                raise
            view = None  # nobody has reached this step yet
        self._people.update(index, view)
        if view is not None:
            self._seen[index] = view.seen
        return view

    def _resend_first(self) -> None:
        """Send the rows that a look-up has shown not to have been sent."""
        try:
            self._sent_first = self.first.send()
        except BulkIncompleteError as error:
            if error.summary.stopped_by is not None:
                raise
            self._sent_first = error.summary
        self._refresh(0)

    def _send_due(self, index: int) -> None:
        """Send step `index` to the people that the step before did not reach, and continue with its open rows."""
        view = self._refresh(index)
        due, reached = self._people.due(index), self._people.reached(index)
        open_ids = {
            row.request_id
            for row in (() if view is None else view.rows.values())
            # A row that was never accepted is sent only if its person is still due, and one in doubt is repeated only
            # if no earlier step has been delivered meanwhile.
            if row.state not in (SendState.ACCEPTED, SendState.REJECTED, SendState.NOT_SENT)
            and row.row_key not in reached
        }
        if not due and not open_ids:
            return
        campaign = self._campaigns[index]
        campaign.ledger.journeys.hand_on(campaign.run_key, due, round(campaign.ledger.now().timestamp() * 1000))
        self._send(campaign, {*due, *open_ids})
        self._refresh(index)

    def _send(self, campaign: Campaign, chosen: set[str]) -> None:
        found: set[str] = set()

        def read() -> Iterator[Recipient]:
            rows = iter(campaign.recipients())
            while batch := list(islice(rows, _BATCH)):
                ids = campaign.ledger.request_ids(campaign.run_key, [row.row_key for row in batch])
                found.update(ids)
                yield from (row for row, one in zip(batch, ids, strict=True) if one in chosen)

        result = send_bulk(
            campaign.channel,
            Recipients(read, campaign.columns.key_name, merged=campaign.one_per_phone),
            ledger=campaign.ledger,
            run_key=campaign.run_key,
            campaign=campaign.campaign,
            at_least=None,
            on_empty="skip",
            reconcile_before_repeat=campaign.reconcile_before_repeat,
            threads=campaign.threads,
            guard=campaign.guard,
            price_vnd=self._prices.get(campaign.run_key),
        )
        if missing := chosen - found:
            self._people.unreachable |= missing
            people = counted(len(missing), "person", "people")
            logger.warning("run %s: %s due who cannot get this step", campaign.run_key, people)
        if result.stopped_by is not None:
            raise BulkIncompleteError(
                f"Run {campaign.run_key}: {result}. Stopped: {result.stopped_by}. The same command continues.",
                summary=result,
            )
