"""The first rows of a run, sent alone: the others follow only when enough of these have arrived."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice

from esms_connectors.delivery.polling import (
    DeliveryGoal,
    DeliveryTimeoutError,
    PollBackoff,
    TooFewDeliveredError,
    wait_for_delivery,
)
from esms_connectors.delivery.target import target_of_run
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.rows import LedgerRow
from esms_connectors.recipients import Recipient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.guard.rules import GuardStopError, RuleName
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.sending.result import Counters

logger = get_logger(__name__)


class Canary:
    """
    The canary of one run. The ledger records that it passed; until then every call checks again, also after a crash.

    Args:
        rows: how many are sent first; at least the size of the smallest call.
    """

    def __init__(self, settings: GuardSettings, channel: Channel, ledger: Ledger, run_key: str, rows: int) -> None:
        self._settings, self._channel, self._ledger, self._run_key = settings, channel, ledger, run_key
        self._rows = max(rows, channel.smallest_chunk)

    @property
    def passed(self) -> bool:
        return self._ledger.guard.canaries.passed(self._run_key)

    def rows_to_send(self, recipients: Iterable[Recipient]) -> list[Recipient] | None:
        """
        The first rows, with no more new ones than the run may still send: a later call may be given other rows, such as
        those due by then. None if too few rows would remain to be held back.
        """
        rows = iter(recipients)
        first = list(islice(rows, self._rows))
        rest = list(islice(rows, self._channel.smallest_chunk))
        chosen = first if self._channel.frozen else self._within(first)
        left = len(first) - len(chosen) + len(rest)
        return chosen if left >= self._channel.smallest_chunk else None

    def _within(self, first: list[Recipient]) -> list[Recipient]:
        run = self._ledger.summary(self._run_key)
        room = max(0, self._rows - run.total - run.skipped)
        rows = [LedgerRow(one.row_key, one.phone, self._channel.payload(one), one.line) for one in first]
        states = [state for state, _ in self._ledger.compare(self._run_key, rows)]
        new = [one for one, state in zip(first, states, strict=True) if state is None]
        held_back = {one.row_key for one in new[room:]}
        return [one for one in first if one.row_key not in held_back]

    def wait(self, check_stops: Callable[[], None]) -> GuardStopError | None:
        """
        Wait until enough of what was sent has arrived.

        Args:
            check_stops: called after each poll; an exception from it ends the wait.

        Returns:
            Why the others must not follow: too few messages arrived, or their states were not known in time.
        """
        try:
            self._wait(check_stops)
        except GuardStopError as stop:
            return stop
        return None

    def count_remaining(self, recipients: Iterable[Recipient], counters: Counters) -> None:
        """Read also the rows that are not sent, so that the counters cover the whole list."""
        counters.read = sum(1 for _ in recipients)
        counters.not_tried = max(0, counters.read - counters.done - counters.left)

    def _wait(self, check_stops: Callable[[], None]) -> None:
        run = self._ledger.summary(self._run_key)
        taken = run.accepted + run.unknown + run.held + run.claimed
        wanted = math.ceil(self._settings.canary_share * (taken + run.rejected) - 1e-9)
        if taken < wanted or not taken:
            raise self._stopped(f"{taken} of {taken + run.rejected} were accepted by the gateway", taken)
        logger.info("run %s: waiting for the first %s, of which %d must arrive",
            self._run_key, counted(taken, "message"), wanted)  # fmt: skip
        deadline = self._ledger.now() + timedelta(minutes=self._settings.canary_wait_minutes)
        try:
            counts = wait_for_delivery(
                self._channel.client,
                target_of_run(self._ledger, self._run_key),
                DeliveryGoal(delivered_share=min(1.0, wanted / taken) if wanted else None),
                deadline=deadline,
                backoff=PollBackoff(self._settings.canary_poll_seconds),
                progress=lambda _: check_stops(),
                now=self._ledger.now,
            )
        except (TooFewDeliveredError, DeliveryTimeoutError) as error:
            raise self._stopped(str(error.counts), error.counts.delivered) from None
        except GuardStopError:
            raise
        except EsmsError as error:
            raise self._stopped(f"their states cannot be read: {error}", 0) from None
        self._ledger.guard.canaries.record(self._run_key, sent=taken, delivered=counts.delivered)

    def _stopped(self, what: str, arrived: int) -> GuardStopError:
        share = self._settings.canary_share
        return GuardStopError(
            RuleName.CANARY,
            f"Run {self._run_key} stops after its first {counted(self._rows, 'row')}, of which {share:.0%} must "
            f"arrive: {what}",
            f"Lần chạy {self._run_key} dừng sau {self._rows} dòng đầu: cần {share:.0%} đến nơi, mới có {arrived}",
        )
