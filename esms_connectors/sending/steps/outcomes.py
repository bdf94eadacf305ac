"""The outcome of each row of a run, and of its further steps, by the caller's own key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.journeys import StepLink
from esms_connectors.ledger.rows import rule_of
from esms_connectors.sending.steps.message_states import StepRow, StepView
from esms_connectors.sending.steps.people import People, links_of, people_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One row in one step.

    Attributes:
        journey, run_key, step: the run that was asked for, and its step; a run without further steps is step 1.
        row_key: as in the ledger: the key column, or the phone if there is none.
        because: why this step was sent, such as `not delivered within 15 minutes`; empty for the first.
        accepted: whether the gateway accepted it.
        state: for an accepted message, what the gateway shows (pending, sent, delivered, failed, rejected,
            undocumented), or unseen; for others, what the ledger has (rejected, skipped, unknown, held, claimed,
            not_sent).
        late: it was delivered, but the next step had been sent before that was known.
        code, reason: the gateway's, if it was refused.
        sent_at: the time that the gateway reports, otherwise the first attempt; UTC.
        price_vnd: if the gateway reports it.
    """

    journey: str
    run_key: str
    step: int
    row_key: str = field(repr=False)
    channel: str
    because: str
    accepted: bool
    state: str
    late: bool
    code: str | None
    reason: str
    message_id: str | None
    sent_at: DateTime
    price_vnd: Decimal | None


OUTCOME_COLUMNS = tuple(one.name for one in fields(Outcome))


def outcomes_of(client: EsmsClient, ledger: Ledger, run_key: str) -> Iterator[Outcome]:
    """
    Look at every message of a run and of its further steps, now.

    Raises:
        InvalidRequestError: no such run.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    people = people_of(client, ledger, run_key)
    for link in links_of(ledger, run_key):
        if (view := people.views[link.step - 1]) is None:
            continue  # nobody has reached this step
        reasons = ledger.journeys.reasons(link.run_key) if link.step > 1 else {}
        for row in sorted(view.rows.values(), key=lambda row: (row.line, row.request_id)):
            yield _outcome(run_key, link, view, row, reasons, people)


def _outcome(
    journey: str, link: StepLink, view: StepView, row: StepRow, reasons: Mapping[str, str], people: People
) -> Outcome:
    accepted = row.state is SendState.ACCEPTED
    seen = view.seen.get(view.key_of(row)) if accepted else None
    state = row.state.value
    if accepted:
        state = "unseen" if seen is None else seen.state.value
    elif rule_of(row.code) is not None:
        state = "skipped"
    began = pendulum.from_timestamp(row.first_attempt_ms / 1000)
    return Outcome(
        journey,
        link.run_key,
        link.step,
        row.row_key,
        link.channel,
        reasons.get(row.request_id, ""),
        accepted,
        state,
        state == "delivered" and people.row_after(link.step - 1, row) is not None,
        None if accepted else row.code,
        "" if accepted else row.reason,
        row.message_id,
        (seen.sent_at if seen is not None else None) or began,
        None if seen is None else seen.price_vnd,
    )
