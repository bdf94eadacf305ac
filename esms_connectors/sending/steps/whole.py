"""The state of the people in a chain, for callers that only look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.journeys import StepLink
from esms_connectors.ledger.rows import SendState
from esms_connectors.sending.steps.looking import Seen, look_at_step
from esms_connectors.sending.steps.people import People, name_of_people


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
