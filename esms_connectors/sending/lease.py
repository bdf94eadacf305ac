"""The claims of one worker: kept alive while it sends, and checked again before anything is sent on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.clock import Moment, Times
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger, LedgerError
from esms_connectors.ledger.rows import Claim
from esms_connectors.sending.channels.base import MaySend

logger = get_logger(__name__)

_POLL_SECONDS = 1.0


def checked_first(may_begin: Callable[[], bool], may_send: MaySend) -> MaySend:
    """`may_send`, preceded by `may_begin` for the first attempt of a call: a call that has begun is continued."""
    begun: set[str] = set()

    def may_go(claims: Sequence[Claim]) -> bool:
        ids = {claim.request_id for claim in claims}
        if not (ids <= begun or may_begin()) or not may_send(claims):
            return False
        begun.update(ids)
        return True

    return may_go


def wait_for_claims(ledger: Ledger, run_key: str, *, least: float = 0.0, most: float) -> float:
    """Sleep until the present claims are settled or expired; return the seconds slept, `least` to `most`."""
    moment, waited = ledger.now(), 0.0
    while waited < most:
        nap = min(poll_seconds_of(ledger), most - waited)
        time.sleep(nap)
        waited += nap
        try:
            if waited >= least and not ledger.has_live_claims(run_key, moment):
                break
        except LedgerError:
            # The database may be back at the next attempt; otherwise the reading reports the error.
            continue
    return waited


def poll_seconds_of(ledger: Ledger) -> float:
    """The pause between two checks of other workers' claims."""
    return min(_POLL_SECONDS, ledger.lease_seconds / 4)


class Lease:
    """
    A context manager whose thread renews the claims of `worker` until the end.

    The renewals end if a call takes longer than any call may (because a resolver or the caller's throttle hangs): other
    workers may then take over the rows.
    """

    def __init__(self, client: EsmsClient, ledger: Ledger, run_key: str, worker: str) -> None:
        self._clock, self._ledger, self._run_key, self._worker = client.clock, ledger, run_key, worker
        self._longest_call_seconds = client.longest_call_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, name="esms-lease", daemon=True)
        self._renewed_at = self._clock.mark()
        self._slept_until: Moment | None = None
        # By thread: when its current call began, or was last allowed to continue.
        self._under_way: dict[int, Moment] = {}

    def __enter__(self) -> Self:
        self._renewed_at = self._clock.mark()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self) -> Times:
        """This thread is about to claim rows, and to send them at once."""
        times = self._clock.times()
        self._under_way[threading.get_ident()] = times.moment
        return times

    def end(self) -> None:
        """The rows that this thread claimed are settled, or it will not send them."""
        self._under_way.pop(threading.get_ident(), None)

    def holds(self, claims: Sequence[Claim], claimed: Times) -> bool:
        """
        Whether rows may be sent now: they are still this worker's, by its clocks and by the ledger, and rows in doubt
        are sent only on the day that their request ids are valid for.
        """
        try:
            ours = self._ledger.are_claimed([claim.request_id for claim in claims], worker=self._worker)
        except LedgerError as error:
            logger.warning("nothing is sent on claims that cannot be checked: %s", error)
            return False
        if not ours or not self._alive_since(claimed.moment):
            return False
        now = self._clock.times()
        self._under_way[threading.get_ident()] = now.moment
        # A row that was in doubt when it was claimed was begun before that; a day that has begun since is not its day.
        return now.window_start <= claimed.window_start or not any(claim.in_doubt for claim in claims)

    def _alive_since(self, moment: Moment) -> bool:
        """Claimed just now, or renewed since without a gap in which other workers could have taken over the rows."""
        if self._fresh(moment):
            return True
        slept_until = self._slept_until
        return self._fresh(self._renewed_at) and (slept_until is None or moment.elapsed > slept_until.elapsed)

    def _fresh(self, moment: Moment) -> bool:
        return self._clock.seconds_since(moment) < self._ledger.lease_seconds / 2

    def _heartbeat(self) -> None:
        while not self._ended.wait(self._ledger.lease_seconds / 4):
            if self._hangs():
                logger.warning("run %s: a call hangs; its rows are left to other workers", self._run_key)
                return
            try:
                now = self._clock.mark()
                if self._clock.seconds_since(self._renewed_at) >= self._ledger.lease_seconds:
                    self._slept_until = now
                self._ledger.renew(self._run_key, self._worker)
                self._renewed_at = now
            except Exception as error:  # noqa: BLE001 - claims and settlements report it; this thread must not raise
                logger.warning("the lease could not be renewed: %s", type(error).__name__)

    def _hangs(self) -> bool:
        longest = self._longest_call_seconds
        return any(self._clock.seconds_since(moment) > longest for moment in list(self._under_way.values()))
