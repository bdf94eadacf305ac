"""Submits the shards of a campaign to the task runner, and submits those that were not settled again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import Any

from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.prefect.campaigns import ZnsCampaign, ZnsShard
from esms_connectors.prefect.pool import Account
from esms_connectors.prefect.retry import ServerNotReachedError, as_ours
from esms_connectors.prefect.sending import ShardIncompleteError, oa_id_of, read_shards, send_zns_bulk
from esms_connectors.sending.bulk import Counters, ShardResult, send_canary
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.lease import wait_for_claims
from esms_connectors.sending.policy import SilenceBreaker

_OPEN = (SendState.CLAIMED, SendState.UNKNOWN, SendState.HELD, SendState.NOT_SENT)
_READINGS = 3


class Dispatch:
    """
    One attempt of a campaign's flow.

    Only a window of shards is in flight at a time, so neither memory nor the load on Prefect's server depends on the
    size of the list.

    Args:
        window: number of shards in flight at a time.
        progress: called with the number of settled rows.
        stop: set when the run is told to stop, for the shards that are still queued.

    Attributes:
        stopped_by: the error that every further shard would get; None if the campaign ran to its end.
        not_tried: rows that were read but not submitted, because the campaign was stopped.
    """

    def __init__(
        self,
        campaign: ZnsCampaign,
        plan: Mapping[str, Any],
        ledger: Ledger,
        *,
        window: int,
        progress: Callable[[int], None],
        stop: Event,
    ) -> None:
        self._campaign, self._plan, self._ledger = campaign, plan, ledger
        self._window, self._progress, self._stop = window, progress, stop
        self._in_flight: deque[tuple[ZnsShard, PrefectFuture[Any]]] = deque()
        self._left: dict[int, tuple[BaseException, int]] = {}
        self._settled: dict[int, dict[str, int]] = {}
        self._sent = self._duplicates = 0
        self._rows_done = 0
        self._silence = SilenceBreaker(window, "shards", "campaign")
        self._canary: ShardResult | None = None
        self.stopped_by: EsmsError | None = None
        self.not_tried = 0
        self.passed_over = 0
        # Rows in the ledger that are not settled, for example because `esms resend` released them. Their earlier
        # receipts are ignored.
        self._known_open = {row["request_id"] for row in ledger.rows(campaign.run_key, *_OPEN)}

    def counters(self, recipients: int) -> Counters:
        """
        Outcomes of the rows of this attempt, including those that earlier runs settled. A task that ended without
        reporting its rows may not have claimed them, so they count as not tried.
        """
        if self._canary is not None and self._canary.stopped_by is not None:
            return replace(self._canary.counters, read=recipients)
        told = [error for error, _ in self._left.values() if isinstance(error, ShardIncompleteError)]
        untold = sum(rows for error, rows in self._left.values() if not isinstance(error, ShardIncompleteError))
        total = Counter[str]()
        for counted in (*self._settled.values(), *(error.counters for error in told)):
            total.update(counted)
        accepted = total["accepted"] + total["accepted_before"]
        return Counters(
            read=recipients,
            accepted=self._sent,
            duplicates=self._duplicates,
            accepted_before=accepted - self._sent,
            rejected=total["rejected"] + total["rejected_before"],
            skipped=total["skipped"] + total["skipped_before"],
            unknown=total["unknown"],
            not_sent=total["not_sent"],
            held=total["held"],
            busy=total["busy"],
            not_tried=self.not_tried + untold + total["not_tried"],
        )

    def send_canary(self, account: Account, guard: GuardSettings) -> None:
        """Send only the first rows if `guard` has a canary; no shard follows unless enough of them are delivered."""
        if guard.canary is None:
            return
        oa_id = oa_id_of(self._campaign, account.block)
        with self._campaign.opened(account.client, self._ledger, oa_id, guard) as opened:
            self._canary = send_canary(
                opened.channel,
                opened.recipients(),
                ledger=self._ledger,
                run_key=self._campaign.run_key,
                campaign=self._campaign.campaign,
                guard=guard,
                price_vnd=opened.price_vnd,
            )
        self.stopped_by = self._canary.stopped_by
        self._sent += self._canary.counters.accepted

    def run(self) -> None:
        """
        Send every shard, and read the source again for those that were not settled.

        Raises:
            InvalidRequestError, ConfigurationError: as in the tasks; shards in flight are settled first.
        """
        if self.stopped_by is not None:
            return
        wanted: set[int] | None = None
        for reading in range(_READINGS):
            if reading:
                wanted = {number for number, (error, _) in self._left.items() if getattr(error, "retryable", True)}
                if not wanted or self.stopped_by is not None:
                    return
                self._wait_for_others()
            self._read(wanted)

    def _read(self, wanted: set[int] | None) -> None:
        with read_shards(self._campaign, self._plan) as shards:
            try:
                for shard in shards:
                    if wanted is not None and shard.number not in wanted:
                        continue
                    if self.stopped_by is not None:
                        self.not_tried += len(shard.rows)
                        continue
                    self._submit(shard)
                    while len(self._in_flight) >= self._window:
                        self._collect_next()
            except BaseException as error:
                if not isinstance(error, Exception):
                    # Cancelled, or the worker is stopping: queued shards are not sent, calls in flight are settled.
                    self._stop.set()
                raise
            finally:
                while self._in_flight:
                    # Shards in flight are settled before an error about a refused row is raised.
                    with suppress(InvalidRequestError, ConfigurationError):
                        self._collect_next()
        if isinstance(self.stopped_by, InvalidRequestError | ConfigurationError):
            raise self.stopped_by

    def _submit(self, shard: ZnsShard) -> None:
        task = send_zns_bulk
        if self._known_open and any(
            self._ledger.request_id(self._campaign.run_key, row.row_key) in self._known_open for row in shard.rows
        ):
            task = _AGAIN
        self._in_flight.append((shard, task.submit(shard, self._campaign)))

    def _collect_next(self) -> None:
        shard, future = self._in_flight.popleft()
        error = _error_of(future)
        if error is None:
            self._left.pop(shard.number, None)
            self._silence.note(answered=True)
            self._rows_done += len(shard.rows)
            self._add_counts(shard, future.result(), passed_over=future.state.name == "Cached")
            self._progress(self._rows_done)
            return
        self._left[shard.number] = error, len(shard.rows)
        if isinstance(error, ShardIncompleteError):
            self._sent += error.counters["accepted"]
            self._duplicates += error.counters["duplicates"]
        if isinstance(error, InvalidRequestError | ConfigurationError) and not error.retryable:
            self.stopped_by = self.stopped_by or error
            raise error
        # Without Prefect's server each further task would fail like this one, after a minute of attempts.
        if isinstance(error, ServerNotReachedError) or (isinstance(error, ShardIncompleteError) and error.stops_run):
            self.stopped_by = self.stopped_by or error
        silence = self._silence.note(answered=getattr(error, "answered", False))
        self.stopped_by = self.stopped_by or silence

    def _add_counts(self, shard: ZnsShard, told: Mapping[str, Any], *, passed_over: bool) -> None:
        self._settled[shard.number] = {name: told.get(name, 0) for name in ("accepted", "rejected", "skipped")}
        self.passed_over += passed_over
        if not passed_over:
            self._sent += told["sent_by_this_try"]
            self._duplicates += told["duplicates"]

    def _wait_for_others(self) -> None:
        """Wait until no row is claimed any more: live workers settle their rows, and the leases of dead ones expire."""
        if not any(getattr(error, "counters", {}).get("busy") for error, _ in self._left.values()):
            return
        get_run_logger().info(
            "rows are claimed by another worker, alive or dead; waiting %.0f s at most for its lease",
            self._ledger.lease_seconds,
        )
        wait_for_claims(self._ledger, self._campaign.run_key, most=self._ledger.lease_seconds + 0.1)


def _error_of(future: PrefectFuture[Any]) -> BaseException | None:
    """Wait for a task, and return its error; None if it has a result."""
    try:
        future.wait()
    except Exception as error:  # noqa: BLE001 - Prefect could not run it, so it has no state
        return as_ours(error)
    if future.state.is_completed():
        return None
    try:
        future.result(raise_on_failure=True)
    except BaseException as error:  # noqa: BLE001 - any error from any machine
        return error
    return EsmsError("the task ended without an error and without a result")


_AGAIN = send_zns_bulk.with_options(refresh_cache=True)
