"""Campaigns with a fallback: people and deliveries by step, and why people reached a step; each person once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from esms_connectors.gateway.states import DeliveryState
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.reports.masking import without_phones
from esms_connectors.reports.model import Note, Period, Row, Table, Term
from esms_connectors.reports.queries import seen_messages
from esms_connectors.reports.tables import TABLES
from esms_connectors.sending.steps import StepResult
from esms_connectors.sending.steps.message_states import Seen, view_of_step
from esms_connectors.sending.steps.people import links_of, people_of_steps
from esms_connectors.warehouse.contract import Reader

MOST_CHAINS = 20
PEOPLE = Term("chain.people")


def chain_tables(ledger: Ledger, reader: Reader, period: Period, read_at: datetime) -> Iterator[Table]:
    """
    The tables `chains` and `handed_on` of the campaigns with a fallback that began in the period; empty if none did.

    Args:
        reader: the warehouse, for the state of each message.
        read_at: when these states were read from the gateway.
    """
    keys = ledger.journeys.begun(period.start, period.end, MOST_CHAINS + 1)
    if not keys:
        return
    chains: list[Row] = []
    handed_on: list[Row] = []
    for run_key in keys[-MOST_CHAINS:]:
        some, why = _chain(ledger, reader, run_key, period.start, read_at)
        chains += some
        handed_on += why
    cut = (Note("latest_chains", {"shown": MOST_CHAINS}),) if len(keys) > MOST_CHAINS else ()
    yield Table("chains", TABLES["chains"], tuple(chains), notes=(Note("late"), *cut))
    yield Table("handed_on", TABLES["handed_on"], tuple(handed_on))


def _chain(
    ledger: Ledger, reader: Reader, run_key: str, since: datetime, read_at: datetime
) -> tuple[list[Row], list[Row]]:
    links = links_of(ledger, run_key)
    people = people_of_steps(ledger, links)
    name = without_phones(run_key)
    costs: list[Decimal | None] = []
    for index, link in enumerate(links):
        view = view_of_step(ledger, link.run_key, read_at=read_at)
        cost = None
        if view is not None:
            ids = sorted(
                row.message_id for row in view.rows.values() if row.message_id and row.state is SendState.ACCEPTED
            )
            view.seen = {
                message_id: Seen(DeliveryState(state), price)
                for message_id, state, price in seen_messages(reader, since, ids)
            }
            prices = [one.price_vnd for one in view.seen.values() if one.price_vnd is not None]
            cost = sum(prices, Decimal(0)) if prices else None
            people.views[index] = view
        costs.append(cost)
    results = people.results(links)
    counts = people.counts()
    known = [one for one in costs if one is not None]
    rows: list[Row] = [
        (name, f"{one.step}. {one.channel}", one.handed_on, one.delivered, one.late, _next_of(results, one), cost)
        for one, cost in zip(results, costs, strict=True)
    ]
    rows.append(
        (name, PEOPLE, counts.total(), counts["delivered"], None, None, sum(known, Decimal(0)) if known else None)
    )
    why: list[Row] = [
        (name, f"{one.step}. {one.channel}", *reason, count)
        for one in results
        for reason, count in sorted(_reasons(one).items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    ]
    return rows, why


def _next_of(results: tuple[StepResult, ...], step: StepResult) -> int | None:
    return results[step.step].handed_on if step.step < len(results) else None


def _reasons(step: StepResult) -> Counter[tuple[Term, str | None]]:
    """The ledger's reasons as terms, each with the gateway's code."""
    found: Counter[tuple[Term, str | None]] = Counter()
    for reason, count in step.reasons.items():
        words, _, code = reason.partition(" with code ")
        kind = {"refused": "refused", "failed": "failed"}.get(words)
        if kind is None:
            kind = "undelivered" if reason.startswith("not delivered") else "cannot"
        found[Term(f"chain.{kind}"), code or None] += count
    return found
