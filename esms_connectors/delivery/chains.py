"""Delivery of a chain of steps. Each person counts once, whichever step reaches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from pendulum import DateTime

from esms_connectors.delivery.polling import DeliveryCounts, DeliveryPoller, Poller
from esms_connectors.delivery.target import NothingSentError, target_of_run
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.ledger import Ledger
from esms_connectors.sending.steps.message_states import Seen
from esms_connectors.sending.steps.people import links_of, people_of
from esms_connectors.sending.steps.result import PEOPLE

OpenLedger = Callable[[], AbstractContextManager[Ledger]]


class ChainPoller:
    """
    Polls the people of a chain like messages: a person is final once reached, or once that is no longer possible.

    Args:
        run_key: of the first step.
        open_ledger: opens the ledger for one poll.
        expected: number of people, before the first poll.
    """

    def __init__(self, run_key: str, open_ledger: OpenLedger, expected: int = 0) -> None:
        self._run_key, self._open_ledger = run_key, open_ledger
        self._known: dict[str, Mapping[str, Seen]] = {}
        self._counts = DeliveryCounts(expected)

    def poll(self, client: EsmsClient, *, now: DateTime | None = None) -> DeliveryCounts:
        """
        Poll every step once; uses the gateway's clock and ignores `now`.

        Raises:
            InvalidRequestError: no such run.
            GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
        """
        with self._open_ledger() as ledger:
            people = people_of(client, ledger, self._run_key, known=self._known)
            steps = people.results(links_of(ledger, self._run_key))
        self._known = {view.run_key: view.seen for view in people.views if view is not None}
        found = people.counts()
        states = {
            DeliveryState.DELIVERED: found["delivered"],
            DeliveryState.FAILED: found["not_reached"],
            DeliveryState.SENT: found["sent"] + found["waiting"],
        }
        chain = {"people": {name: found[name] for name in PEOPLE}, "steps": [step.as_dict() for step in steps]}
        self._counts = DeliveryCounts(found.total() - found["skipped"], states, chain=chain)
        return self._counts

    def counts(self) -> DeliveryCounts:
        """The result of the last poll."""
        return self._counts


def poller_of_run(ledger: Ledger, run_key: str, open_ledger: OpenLedger | None = None) -> Poller:
    """
    A poller for the messages of a run, or for the people of the chain that starts with it.

    Args:
        ledger: queried now.
        open_ledger: opens the ledger for each poll of a chain; None uses `ledger`, which must stay open.

    Raises:
        NothingSentError: none of its messages was sent. InvalidRequestError: no such run.
    """
    if not ledger.journeys.steps_of(run_key):
        return DeliveryPoller(target_of_run(ledger, run_key))
    people = ledger.summary(run_key).total
    if not people:
        raise NothingSentError(run_key)
    return ChainPoller(run_key, open_ledger or (lambda: nullcontext(ledger)), people)
