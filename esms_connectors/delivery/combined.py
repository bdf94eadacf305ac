"""Combines several pollers into one: the messages of many runs, counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pendulum import DateTime

from esms_connectors.delivery.polling import LISTED_FAILURES, DeliveryCounts, Poller
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.states import DeliveryState


class CombinedPoller:
    """Polls all `pollers`, which must not share messages or people."""

    def __init__(self, pollers: Sequence[Poller]) -> None:
        self.pollers = tuple(pollers)

    def poll(self, client: EsmsClient, *, now: DateTime | None = None) -> DeliveryCounts:
        """
        Poll everything that is open, and count.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError: earlier results are kept.
        """
        for poller in self.pollers:
            before = poller.counts()
            if before.open or not before.total:
                poller.poll(client, now=now)
        return self.counts()

    def counts(self) -> DeliveryCounts:
        """The combined result of the last polls."""
        by_state: Counter[DeliveryState] = Counter()
        found = [poller.counts() for poller in self.pollers]
        for counts in found:
            by_state.update(counts.by_state)
        failed = [one for counts in found for one in counts.failed_ids]
        return DeliveryCounts(sum(counts.total for counts in found), dict(by_state), tuple(failed[:LISTED_FAILURES]))


def combined(pollers: Sequence[Poller]) -> Poller:
    """One poller for all `pollers`, of which there is at least one."""
    return pollers[0] if len(pollers) == 1 else CombinedPoller(pollers)
