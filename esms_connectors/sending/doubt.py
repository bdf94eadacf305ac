"""
How a run treats rows in doubt: rows that were sent without an answer that accounts for them.

If the gateway is known to hold back a second request with the same id, they are sent again under their ids. If it is
not, they are looked up in the sent data, and one of the rows that are not found is sent again as a probe: code 124
proves that ids are honoured, which is recorded in the ledger. Any other answer settles only that row, and the others
stay in doubt.

Rows refused together with their whole call (balance used up, a number blocked) were most likely not accepted, and this
can be shown: an hour later the sent data lists other rows of the run but not these. They are then sent without further
intervention.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.clock import Times
from esms_connectors.gateway.endpoints import Effect
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger import Ledger, LedgerError
from esms_connectors.ledger.row_rules import OverBudgetError, RowRules
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND, Claim, LedgerRow
from esms_connectors.recipients import Recipient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.channels.base import ChunkOutcome
from esms_connectors.sending.policy import OTHERS_DOUBT
from esms_connectors.sending.reconcile import settle_refused

logger = get_logger(__name__)

# How many rows in doubt are remembered as candidates for the probe.
_MOST_CANDIDATES = 1000
# A known fact is recorded again when it is confirmed this much later.
_OLD = timedelta(days=1)

# Sends claimed rows, settles and counts them.
SendClaimed = Callable[[list[Claim], list[Recipient], Times], ChunkOutcome]
# The rules that a claim of these rows has to check.
RulesOf = Callable[[Sequence[Recipient]], RowRules]


class Doubt:
    """
    Args:
        careful: every row in doubt is looked up before it is repeated, and no customer's row is used as a probe.
        others: see `sent_by_others`; if True, no row in doubt is repeated.

    Attributes:
        found: rows in doubt that the sent data has shown to be accepted so far.
        advice: what to do about rows that stay in doubt.
    """

    def __init__(self, channel: Channel, ledger: Ledger, run_key: str, *, careful: bool, others: bool = False) -> None:
        self._others = others
        self._channel, self._ledger, self._run_key, self._careful = channel, ledger, run_key, careful
        self._client: EsmsClient = channel.client
        self._endpoint = channel.endpoint
        self._saved: IdFact | None = None
        self._looked_up = False
        self._needs_look_up = False
        self._over = False
        self._candidates: dict[str, Recipient] = {}
        self._lock = threading.Lock()
        self._open_because = ""
        self.found = 0
        self.advice = ""

    def load(self) -> None:
        """Load what is known about this account and function; another worker may have learned it meanwhile."""
        known = self._ledger.facts.known(self._client.account, self._endpoint.name)
        if known is not None:
            self._saved = known
            self._client.request_ids.learn(self._endpoint, known)

    def save(self) -> None:
        """Record what the client has learned since."""
        fact = self._client.request_ids.fact(self._endpoint)
        with self._lock:
            saved = self._saved
            if fact is None or (
                saved is not None and fact.honoured == saved.honoured and fact.seen_at - saved.seen_at < _OLD
            ):
                return
            self._saved = fact
        self._ledger.facts.learn(self._client.account, self._endpoint.name, fact)

    @property
    def repeats(self) -> bool:
        """Whether rows in doubt may be sent again now under their ids; calls that charge are never repeated."""
        if self._endpoint.effect is not Effect.SEND or self._others:
            return False
        return self._client.request_ids.honoured(self._endpoint) and (self._looked_up or not self._careful)

    @property
    def waits_for_a_repeat(self) -> bool:
        """Whether everything in doubt is sent again when the rows are read again."""
        return self.repeats and not self._needs_look_up

    def note(self, recipients: Iterable[Recipient], *, not_repeatable: bool = False) -> None:
        """
        Note rows that are in doubt.

        Args:
            not_repeatable: these cannot be repeated even if rows in doubt are: it is too late for their request ids, or
                the call that they were in has changed.
        """
        with self._lock:
            for recipient in recipients:
                self._needs_look_up = self._needs_look_up or not_repeatable
                if len(self._candidates) < _MOST_CANDIDATES:
                    self._candidates.setdefault(recipient.row_key, recipient)

    def resolve(self, worker: str, send_claimed: SendClaimed, begin: Callable[[], Times], rules: RulesOf) -> bool:
        """Look up the rows in doubt, and probe if needed; return whether another reading may settle more of them."""
        self.load()
        if self.waits_for_a_repeat and not self._careful:
            return True
        if self._over:
            return False
        settled = self._look_up()
        self._looked_up = settled is not None
        if settled or self.waits_for_a_repeat:
            return True
        if (
            settled is not None
            and self._may_probe()
            and (self._probe(worker, send_claimed, begin, rules) or self._look_up())
        ):
            return True
        self._candidates.clear()
        self._over = True
        self._advise()
        return False

    @property
    def _sends_evidence(self) -> bool:
        """Whether a row in doubt may be sent again just to learn how the gateway behaves."""
        return not self._careful and not self._others and self._endpoint.effect is Effect.SEND

    def _look_up(self) -> int | None:
        """The number of rows settled; None if they cannot be looked up, which proves nothing."""
        if self._channel.kind not in SMS_TYPES_OF_KIND:
            return None
        try:
            found = settle_refused(
                self._client,
                self._ledger,
                self._run_key,
                may_send_one=self._begin_probe if self._sends_evidence else None,
            )
        except LedgerError:
            raise
        except EsmsError as error:
            logger.warning("run %s: rows in doubt could not be looked up: %s", self._run_key, error)
            return None
        self._open_because = found.open_because
        self.found += found.accepted
        return found.accepted + found.not_sent

    def _may_probe(self) -> bool:
        return (
            self._sends_evidence and not self._channel.frozen and self._client.request_ids.fact(self._endpoint) is None
        )

    def _probe(self, worker: str, send_claimed: SendClaimed, begin: Callable[[], Times], rules: RulesOf) -> bool:
        """Send one row that is still in doubt again, under its id; return whether that proved that ids are honoured."""
        self._client.learn_time()
        # Asked before a row is claimed: touching a row delays what can be concluded about it.
        if not self._begin_probe():
            return False
        self._ledger.remember(self._run_key)
        for recipient in list(self._candidates.values()):
            times = begin()
            row = LedgerRow(recipient.row_key, recipient.phone, self._channel.payload(recipient), recipient.line)
            try:
                found = self._ledger.claim(
                    self._run_key,
                    [row],
                    worker=worker,
                    chunk="probe",
                    repeat=times.answered,
                    times=times,
                    rules=rules([recipient]),
                )
            except OverBudgetError:
                break
            if not found.claims:
                continue
            if not found.claims[0].in_doubt:
                self._ledger.give_back(found.claims, worker=worker)
                continue
            outcome = send_claimed(list(found.claims), [recipient], times)
            if outcome.nothing_taken:
                # Nothing was learned, and nothing was risked.
                self._abandon_probe()
            return self.repeats
        self._abandon_probe()
        return False

    def _begin_probe(self) -> bool:
        return self._ledger.facts.begin_probe(
            self._run_key, self._client.account, self._endpoint.name, self._client.clock.latest()
        )

    def _abandon_probe(self) -> None:
        self._ledger.facts.abandon_probe(self._run_key, self._client.account, self._endpoint.name)

    def _advise(self) -> None:
        parts = [self._open_because] if self._open_because else []
        if self._others:
            parts = [OTHERS_DOUBT]
        elif self._endpoint.effect is not Effect.SEND:
            parts.append(
                f"{self._channel.kind} in doubt are not repeated: a second call cannot be undone. Settle them with "
                "`esms reconcile`, or check the portal and use `esms resend`."
            )
        elif self._channel.kind not in SMS_TYPES_OF_KIND:
            batches = "A batch is repeated only unchanged, on the same day, and these rows are now in other batches. "
            parts.append(
                f"{batches if self._channel.frozen else ''}{self._channel.kind} in doubt cannot be looked up in the "
                f"sent data. If the portal shows that it was not sent, release it: `esms resend {self._run_key} --rows "
                "unknown --reason …`."
            )
        elif not self._client.request_ids.honoured(self._endpoint):
            parts.append(
                "Rows in doubt are not sent again, because it has not been verified that eSMS holds back a second "
                f"{self._endpoint.name} with the same request id. Settle them with `esms reconcile`; `esms check "
                "--probe-ids --to` a number of your own tests the account once, for all later runs."
            )
        self.advice = " ".join(parts)
        if self.advice:
            logger.warning("run %s: %s", self._run_key, self.advice)
