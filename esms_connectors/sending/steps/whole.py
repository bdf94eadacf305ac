"""Where the people of a chain stand, for whoever only looks."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.sending.steps.looking import look_at_step
from esms_connectors.sending.steps.people import People
from esms_connectors.sending.steps.result import StepResult


def people_of(client: EsmsClient, ledger: Ledger, run_key: str) -> tuple[Counter[str], tuple[StepResult, ...]]:
    """
    Look at every step of the chain `run_key`: people by where they stand, each once, and what each step came to.

    Raises:
        InvalidRequestError: the run is no chain.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    links = ledger.journeys.steps_of(run_key)
    if not links:
        raise InvalidRequestError(f"Run {run_key!r} has no steps behind it.", field="run_key")
    afters = [timedelta(seconds=link.after_seconds) for link in links[1:]]
    people = People(ledger, [link.run_key for link in links], afters)
    for index, link in enumerate(links):
        try:
            people.views[index] = look_at_step(client, ledger, link.run_key)
        except InvalidRequestError:
            if index == 0:
                raise
    return people.counts(), people.results(links)
