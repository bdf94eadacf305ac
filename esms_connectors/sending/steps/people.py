"""The state of each person in a chain of steps, as of the last look at each step."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.journeys import StepLink
from esms_connectors.sending.steps.message_states import OPEN, Finding, Seen, StepRow, StepView, look_at_step
from esms_connectors.sending.steps.result import StepResult, person_of


def name_of_people(request_ids: Iterable[str]) -> str:
    """A short name for these rows: the same rows have the same name, and no rows have the empty one."""
    listed = "".join(sorted(request_ids))
    return hashlib.blake2b(listed.encode(), digest_size=8).hexdigest() if listed else ""


@dataclass(slots=True)
class People:
    """
    Attributes:
        run_keys: of the steps.
        afters: how much time each step but the last one has.
        views: the last look at each step; None if nobody has reached it yet.
        own: request ids, in the first step, of the people concerned; all of the run if it is empty.
        unreachable: request ids, in a further step, of people who cannot get it.
        other_phones: each step has other phones, as in the ladder of an alert: one that a rule of the guard skips says
            nothing about the next.
    """

    ledger: Ledger
    run_keys: Sequence[str]
    afters: Sequence[timedelta]
    views: list[StepView | None] = field(init=False)
    own: set[str] = field(default_factory=set, init=False, repr=False)
    unreachable: set[str] = field(default_factory=set, init=False, repr=False)
    other_phones: bool = False

    def __post_init__(self) -> None:
        self.views = [None] * len(self.run_keys)

    def update(self, index: int, view: StepView | None) -> None:
        """Take in a new look at a step, without the rows of other calls."""
        if view is not None and self.own:
            ids = self.own if index == 0 else set(self.next_ids(index, [row for row in self.rows(0) if not row.erased]))
            view.rows = {key: row for key, row in view.rows.items() if key in ids}
        self.views[index] = view

    def rows(self, index: int) -> Iterable[StepRow]:
        view = self.views[index]
        return () if view is None else view.rows.values()

    def next_ids(self, index: int, rows: Sequence[StepRow]) -> list[str]:
        """The request ids of these people in step `index`."""
        return self.ledger.request_ids(self.run_keys[index], [row.row_key for row in rows], stored=True)

    def row_after(self, index: int, row: StepRow) -> StepRow | None:
        """The row of the next step, if the person has reached it."""
        if index + 1 >= len(self.run_keys) or row.erased or (view := self.views[index + 1]) is None:
            return None
        found = view.rows.get(self.next_ids(index + 1, [row])[0])
        return None if found is None or found.state is SendState.NOT_SENT else found

    def due(self, index: int) -> dict[str, str]:
        """People to hand on to step `index` who were not handed on yet: the reason, by request id in that step."""
        before, view = self.views[index - 1], self.views[index]
        if before is None:
            return {}
        after, reached = self.afters[index - 1], self.reached(index)
        found = {row.request_id: before.finding(row, after) for row in before.rows.values() if not row.erased}
        skips = self.other_phones
        failed = (
            before.rows[key]
            for key, finding in found.items()
            if finding.hands_on or (skips and finding is Finding.SKIPPED)
        )
        # A late delivery of an earlier step ends the chain as well.
        rows = [row for row in failed if row.row_key not in reached]
        due = {}
        for row, next_id in zip(rows, self.next_ids(index, rows), strict=True):
            known = None if view is None else view.rows.get(next_id)
            if next_id in self.unreachable:
                continue
            if known is None or known.state is SendState.NOT_SENT:
                due[next_id] = before.reason(row, found[row.request_id], after)
        return due

    def reached(self, steps: int | None = None) -> set[str]:
        """Row keys, as they are stored, of people to whom one of the first `steps` steps was delivered."""
        return {
            row.row_key
            for view in self.views[:steps]
            if view is not None
            for row in view.rows.values()
            if not row.erased and view.finding(row, None) is Finding.DELIVERED
        }

    def counts(self) -> Counter[str]:
        """The number of people in each state, see `PEOPLE`."""
        people: Counter[str] = Counter()
        for after, finding, _ in self._open_or_not():
            people[person_of(finding, last=after is None)] += 1
        return people

    def present(self) -> Iterator[tuple[StepRow, int, StepRow]]:
        """For each person: the row of the first step, the last step that they got, counted from 0, and its row."""
        for row in self.rows(0):
            index, present = 0, row
            while (following := self.row_after(index, present)) is not None:
                index, present = index + 1, following
            yield row, index, present

    def _open_or_not(self) -> Iterator[tuple[timedelta | None, Finding, DateTime]]:
        """For each person, of the last step that they got: its time, what is known of it, and `StepView.known_by`."""
        reached = self.reached()
        for row, index, present in self.present():
            if (view := self.views[index]) is None:
                continue
            after = self.afters[index] if index < len(self.afters) else None
            if after is not None and not present.erased and self.next_ids(index + 1, [present])[0] in self.unreachable:
                after = None  # nothing can follow
            finding = Finding.DELIVERED if row.row_key in reached else view.finding(present, after)
            yield after, finding, view.known_by(present, finding, after or timedelta())

    def pause(self, poll_seconds: float) -> float | None:
        """Seconds until it is worth looking again; None if waiting cannot settle anything that is open."""
        open_until = [
            (finding, known_by)
            for after, finding, known_by in self._open_or_not()
            if finding in OPEN and not (finding is Finding.WAITING and after is None)
        ]
        if not open_until:
            return None
        now = max(view.read_at for view in self.views if view is not None)
        if now >= max(known_by for _, known_by in open_until):
            return None
        nearest = min((one for finding, one in open_until if finding is Finding.WAITING and one > now), default=None)
        pause = poll_seconds if nearest is None else min(poll_seconds, (nearest - now).total_seconds())
        return max(pause, 0.05)

    def results(self, links: Sequence[StepLink]) -> tuple[StepResult, ...]:
        return tuple(self._result(link) for link in links)

    def _result(self, link: StepLink) -> StepResult:
        view = self.views[link.step - 1]
        delivered = [row for row in self.rows(link.step - 1) if view and view.finding(row, None) is Finding.DELIVERED]
        reasons: Mapping[str, str] = self.ledger.journeys.reasons(link.run_key) if link.step > 1 else {}
        came = {row.request_id for row in self.rows(link.step - 1) if row.state is not SendState.NOT_SENT}
        return StepResult(
            link.step,
            link.channel,
            self.ledger.summary(link.run_key),
            link.after_seconds,
            len(came),
            Counter(reason for one, reason in sorted(reasons.items()) if one in came),
            len(delivered),
            sum(self.row_after(link.step - 1, row) is not None for row in delivered),
        )


def people_of_steps(ledger: Ledger, links: Sequence[StepLink]) -> People:
    """The people of a chain with these steps, before any look at them."""
    afters = [timedelta(seconds=link.after_seconds) for link in links[1:]]
    return People(ledger, [link.run_key for link in links], afters)


def people_of(
    client: EsmsClient, ledger: Ledger, run_key: str, *, known: Mapping[str, Mapping[str, Seen]] | None = None
) -> People:
    """
    Look at every step of the chain `run_key`. A run without further steps is a chain of one step.

    Args:
        known: what earlier looks saw, by run key of the step; see `look_at_step`.

    Returns:
        `counts()` has the number of people in each state, each counted once; `results(links)` the result of each step.

    Raises:
        InvalidRequestError: no such run.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    people = people_of_steps(ledger, links_of(ledger, run_key))
    for index, step in enumerate(people.run_keys):
        try:
            people.views[index] = look_at_step(client, ledger, step, known=(known or {}).get(step))
        except InvalidRequestError:
            if index == 0:
                raise
    return people


def links_of(ledger: Ledger, run_key: str) -> tuple[StepLink, ...]:
    """
    The steps of a run; the run itself if it has no further steps.

    Raises:
        InvalidRequestError: no such run.
    """
    kind = ledger.run_about(run_key)["kind"]
    return ledger.journeys.steps_of(run_key) or (StepLink(1, run_key, kind, 0.0),)


def quiet_seconds(
    client: EsmsClient, ledger: Ledger, run_key: str, *, poll_seconds: float, unreachable: str = ""
) -> float | None:
    """
    Look at a chain that has begun, without its source: returns the seconds until it is worth looking again.

    Args:
        unreachable: `Journey.unreachable` from the last call that sent.
        poll_seconds: as in `Journey`.

    Returns:
        None if there is something to do (a person is due, a message is in doubt or was not sent), or if there is
        nothing more to wait for.

    Raises:
        InvalidRequestError: no such run.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    people = people_of(client, ledger, run_key)
    due: set[str] = set()
    for index in range(len(people.run_keys)):
        if any(row.state not in (SendState.ACCEPTED, SendState.REJECTED) for row in people.rows(index)):
            return None
        if index:
            due |= set(people.due(index))
    if name_of_people(due) != unreachable:
        return None
    people.unreachable = due
    return people.pause(poll_seconds)
