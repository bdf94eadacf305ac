"""
Settles rows without an answer: unknown and held rows are looked up at the gateway, by campaign and phone.

Each run sends under its own campaign, which the gateway returns with every row of the sent data. A row found there was
accepted. A row not found there counts as not sent only if the gateway is seen to list this campaign, and only after a
time that the caller sets, counted from the last attempt or from the time that the message was scheduled for: the sent
data may lag behind, even for single rows. It only reads from the gateway and may be repeated at any time.

A run itself does the same for rows that were refused together with their whole call (balance used up, a number
blocked): no answer about them was lost, and the gateway refused the call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.echoes import folded_campaign, folded_id
from esms_connectors.gateway.errors import InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.models import SentMessage
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger, RunSummary, SendState
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.rows import NOT_LISTED, REFUSED_WHOLE, SMS_TYPES_OF_KIND, Settlement
from esms_connectors.ledger.runs import send_at_of
from esms_connectors.sending.policy import OTHERS_DOUBT, sent_by_others
from esms_connectors.sent_data.windows import CLOCK_SLACK, messages_between

__all__ = ["ReconcileResult", "reconcile"]

logger = get_logger(__name__)

_RELEASE = "If the portal shows that a row was not sent, release it with `esms resend`."
# Attempts may be dated by the gateway's clock, which is known to a second or two.
_TICK = timedelta(seconds=3)
# How far back the sent data goes is not documented; the gateway's other look-ups end after seven days.
_LISTED_FOR = timedelta(days=7)
_LONGEST_SETTLING = 366 * 86_400
# A row that was refused with its whole call and is not listed this long after was not accepted.
REFUSED_SETTLING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """
    What a reconciliation did.

    Attributes:
        looked_for: rows in doubt, rows that an earlier look-up counted as not sent and that were not sent again, and
            accepted rows without a message id.
        accepted: rows that had been accepted, as the gateway lists them.
        identified: accepted rows whose message id was found.
        not_sent: rows that the gateway does not list after the settling time; the next call of the run sends them.
        still_unknown: rows that the gateway does not list yet.
        run: the run afterwards.
        open_because: one line that says why missing rows do not count as not sent; empty if there are none, or if this
            was not requested.
    """

    looked_for: int
    accepted: int
    identified: int
    not_sent: int
    still_unknown: int
    run: RunSummary
    open_because: str = ""


@dataclass(slots=True)
class _Open:
    """A row to be looked up."""

    request_id: str
    phone: str
    in_doubt: bool
    refused_whole: bool
    not_listed: bool  # an earlier look-up did not find it
    last_attempt: DateTime


def reconcile(
    client: EsmsClient,
    ledger: Ledger,
    run_key: str,
    *,
    not_sent_after_seconds: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> ReconcileResult:
    """
    Look up the rows of a run that are unknown or held, or claimed by a worker that died.

    Args:
        not_sent_after_seconds: a row that the gateway does not list this long after its last attempt, and after the
            run's `send_at`, counts as not sent, if the gateway lists at least one row under the run's campaign and the
            attempt is at most seven days old. None, the default, never concludes that. How late the gateway's data may
            be is not documented; an hour is cautious.
        progress: called with the number of rows read.

    Raises:
        InvalidRequestError: no such run, or its channel's messages are listed without a campaign.
        IncompleteAnswerError: the gateway's data changed while it was read; nothing was concluded. Run it again.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read; nothing was concluded.
    """
    # Written so that NaN is rejected too.
    if not_sent_after_seconds is not None and not 0 <= not_sent_after_seconds <= _LONGEST_SETTLING:
        raise InvalidRequestError(
            f"not_sent_after_seconds is a number from 0 to {_LONGEST_SETTLING}.", field="not_sent_after_seconds"
        )
    settling = None if not_sent_after_seconds is None else timedelta(seconds=not_sent_after_seconds)
    return _LookUp(client, ledger, run_key, progress).settle(_Rule(settling))


def settle_refused(
    client: EsmsClient, ledger: Ledger, run_key: str, *, may_send_one: Callable[[], bool] | None
) -> ReconcileResult:
    """
    As `reconcile`; rows that were refused with their whole call also count as not sent, after `REFUSED_SETTLING`.

    Args:
        may_send_one: called if the gateway lists nothing of the run, so that a missing row proves nothing: whether one
            of those rows may count as not sent all the same. Once it is sent, the gateway either lists it or does not.
    """
    return _LookUp(client, ledger, run_key, None).settle(_Rule(None, REFUSED_SETTLING, may_send_one))


@dataclass(frozen=True, slots=True)
class _Rule:
    """
    What to conclude about a row that the sent data does not have.

    Attributes:
        settling: after this time it was not sent; None concludes nothing.
        refused_settling: the same for rows that were refused with their whole call.
        may_send_one: see `settle_refused`.
    """

    settling: timedelta | None
    refused_settling: timedelta | None = None
    may_send_one: Callable[[], bool] | None = None

    def settling_of(self, one: _Open) -> timedelta | None:
        return self.refused_settling if one.refused_whole and self.settling is None else self.settling


class _LookUp:
    """One reconciliation of one run."""

    def __init__(
        self, client: EsmsClient, ledger: Ledger, run_key: str, progress: Callable[[int], None] | None
    ) -> None:
        self._client, self._ledger, self._progress = client, ledger, progress
        self._run_key = check_run_key(run_key)
        self._about = ledger.run_about(self._run_key)
        # With another secret no phone would be found, and every row in doubt would seem not to have been sent.
        ledger.check_phone_secret(self._run_key, self._about)
        if self._about.get("sandbox"):
            raise InvalidRequestError(
                f"Run {self._run_key!r} is a sandbox run: nothing was sent, so there is nothing to look up.",
                field="run_key",
            )
        if (kind := self._about["kind"]) not in SMS_TYPES_OF_KIND:
            raise InvalidRequestError(
                f"Run {self._run_key!r} is {kind}: its messages are listed without a campaign and cannot be looked up. "
                "Check them in the portal, then use `esms resend` or leave the rows held.",
                field="run_key",
            )
        self._began = ledger.now()
        self._looked_for = 0
        self._found: list[Settlement] = []
        self._missing: list[_Open] = []
        self._campaign_seen = False
        # Messages of the campaign that cannot be assigned: without a readable phone, or without an id.
        self._nameless = 0
        # Phones in doubt that are listed under any campaign.
        self._listed: set[str] = set()

    def settle(self, rule: _Rule) -> ReconcileResult:
        """Look up everything before concluding anything, so that an interrupted reading concludes nothing."""
        waiting, since = self._read_ledger()
        by_id = len(self._found)
        accepted, identified = self._match(waiting, since) if since is not None else (0, 0)
        judged = self._judge(rule)
        self._ledger.settle_found(self._found)
        not_sent = self._ledger.settle_found(
            [
                Settlement(one.request_id, SendState.NOT_SENT, reason="not in the sent data after the settling time")
                for one in judged.not_sent
            ],
            looked_at=self._began,
        )
        summary = self._ledger.summary(self._run_key)
        result = ReconcileResult(
            looked_for=self._looked_for,
            accepted=by_id + accepted,
            identified=identified,
            not_sent=not_sent,
            still_unknown=summary.unknown + summary.held + summary.claimed,
            run=summary,
            open_because=judged.open_because,
        )
        logger.info(
            "reconcile %s: %d looked for, %d accepted, %d identified, %d not sent, %d still unknown",
            self._run_key, self._looked_for, result.accepted, identified, not_sent, result.still_unknown,
        )  # fmt: skip
        if result.open_because:
            logger.warning("reconcile %s: %s", self._run_key, result.open_because)
        return result

    def _read_ledger(self) -> tuple[dict[str, list[_Open]], DateTime | None]:
        """Open rows by phone, and when the first of them was sent; rows that are found by their id are settled."""
        waiting: dict[str, list[_Open]] = {}
        earliest: int | None = None
        oldest_listed_ms = (self._began - _LISTED_FOR).timestamp() * 1000
        for row in self._ledger.unresolved(self._run_key):
            not_listed = row["in_doubt"] == NOT_LISTED
            if not_listed and row["first_attempt_ms"] < oldest_listed_ms:
                continue
            self._looked_for += 1
            # The later of two clocks: one time is the gateway's where it was known, the other this machine's.
            last_attempt_ms = max(row["updated_ms"], row["first_attempt_ms"])
            one = _Open(
                row["request_id"],
                row["phone"],
                row["state"] != SendState.ACCEPTED,
                row["state"] == SendState.UNKNOWN and row["in_doubt"] == REFUSED_WHOLE,
                not_listed,
                pendulum.from_timestamp(last_attempt_ms / 1000),
            )
            if one.in_doubt and row["message_id"] and _is_known(self._client, row["message_id"]):
                self._found.append(
                    Settlement(one.request_id, SendState.ACCEPTED, message_id=row["message_id"], reason="found by id")
                )
                continue
            waiting.setdefault(one.phone, []).append(one)
            earliest = min(earliest or row["first_attempt_ms"], row["first_attempt_ms"])
        return waiting, None if earliest is None else pendulum.from_timestamp(earliest / 1000)

    def _match(self, waiting: Mapping[str, list[_Open]], first_sent: DateTime) -> tuple[int, int]:
        """Match open rows with what the gateway lists; how many in doubt were found, and how many got an id."""
        since = first_sent - CLOCK_SLACK
        identified_rows = self._ledger.identified(self._run_key, list(waiting))
        # Together with the phone, because messages of one call may share an id.
        known_ids = {(row["phone"], folded_id(row["message_id"])) for row in identified_rows}
        new_ids: dict[str, list[str]] = {}
        listed_ids: set[tuple[str, str]] = set()
        # Messages are listed by the gateway's clock: if ours is behind, the window would end before they were sent.
        self._client.learn_time()
        until = max(self._began, self._client.clock.latest()) + CLOCK_SLACK
        campaign = folded_campaign(self._about["campaign"])
        for message in self._sent_data(since, until):
            number = read_phone(message.phone or "")[0]
            phone = self._ledger.hash_phone(number) if number else None
            is_ours = folded_campaign(message.campaign) == campaign
            if phone is not None and phone in waiting:
                self._listed.add(phone)
            if is_ours and (phone is None or (phone in waiting and not message.message_id)):
                self._nameless += 1
            if not is_ours or phone is None or not message.message_id:
                continue
            self._campaign_seen = True
            if phone in waiting:
                own_id = (phone, folded_id(message.message_id))
                listed_ids.add(own_id)
                if own_id not in known_ids:
                    known_ids.add(own_id)
                    new_ids.setdefault(phone, []).append(message.message_id)
        # Accepted rows of these phones that are not listed under their id: a message with another id may be theirs.
        unlisted = Counter(
            row["phone"]
            for row in identified_rows
            if row["state"] == SendState.ACCEPTED
            and row["first_attempt_ms"] >= since.timestamp() * 1000
            and (row["phone"], folded_id(row["message_id"])) not in listed_ids
        )
        accepted = identified = 0
        for phone, rows in waiting.items():
            matched, absent = _matched(rows, new_ids.get(phone, []), unlisted[phone])
            for one, message_id in matched:
                self._found.append(
                    Settlement(one.request_id, SendState.ACCEPTED, "100", message_id, reason="found in the sent data")
                )
                accepted += one.in_doubt
                identified += not one.in_doubt
            self._missing += absent
        return accepted, identified

    def _sent_data(self, since: DateTime, until: DateTime) -> Iterator[SentMessage]:
        """Every message of the run's types."""
        types = SMS_TYPES_OF_KIND[self._about["kind"]]
        for read, message in enumerate(messages_between(self._client, since, until, types), 1):
            if self._progress is not None and read % 500 == 0:
                self._progress(read)
            yield message

    def _judge(self, rule: _Rule) -> _Judged:
        """What to conclude about the rows that the sent data does not have."""
        judged = [one for one in self._missing if not one.not_listed and rule.settling_of(one) is not None]
        if not judged:
            return _Judged([], "")
        if sent_by_others(self._about, self._client):
            return _Judged([], OTHERS_DOUBT)
        if self._nameless:
            return _Judged(
                [],
                f"Still in doubt: {counted(len(judged), 'row')} not in the sent data under the campaign "
                f"{self._about['campaign']!r}, where {counted(self._nameless, 'message has', 'messages have')} no "
                f"readable phone, or no id, and may belong to such a row. {_RELEASE}",
            )
        # A clock of this machine that is ahead must not shorten the settling time.
        gateways = self._client.clock.latest()
        now = gateways if self._began - gateways > CLOCK_SLACK else self._began
        scheduled = send_at_of(self._about)

        def due(one: _Open) -> DateTime:
            settling = rule.settling_of(one) or timedelta()
            return max(one.last_attempt, scheduled or one.last_attempt) + settling

        due_rows = [one for one in judged if due(one) - _TICK <= now and now - one.last_attempt <= _LISTED_FOR]
        why_open = _why_open(judged, now, due, self._about.get("send_at", ""))
        if self._campaign_seen:
            return _Judged(due_rows, why_open)
        return self._judge_unlisted(rule, judged, due_rows) if due_rows or not why_open else _Judged([], why_open)

    def _judge_unlisted(self, rule: _Rule, judged: list[_Open], due_rows: list[_Open]) -> _Judged:
        """Nothing of the run is listed, which proves nothing, but one row may be sent to see whether it is listed."""
        evidence = [one for one in due_rows if one.refused_whole and one.phone not in self._listed]
        if evidence and rule.may_send_one is not None and (rule.may_send_one() or self._nothing_was_taken()):
            return _Judged(evidence[:1], "")
        return _Judged(
            [],
            f"Still in doubt: {counted(len(judged), 'row')} not in the sent data, where no other row of the campaign "
            f"{self._about['campaign']!r} is either, so that proves nothing. {_RELEASE}",
        )

    def _nothing_was_taken(self) -> bool:
        """Whether a row that was sent as evidence before was refused as well."""
        summary = self._ledger.summary(self._run_key)
        refused = sum(one.refused_whole for one in self._missing)
        return summary.accepted == 0 and summary.unknown + summary.held + summary.claimed == refused


@dataclass(frozen=True, slots=True)
class _Judged:
    """Rows that were not sent, and why the others stay open."""

    not_sent: list[_Open]
    open_because: str


def _why_open(judged: list[_Open], now: DateTime, due: Callable[[_Open], DateTime], send_at: str) -> str:
    """Why missing rows may have been sent after all; empty if they are only too recent."""
    old = [one for one in judged if now - one.last_attempt > _LISTED_FOR]
    if old:
        return (
            f"Still in doubt: {counted(len(old), 'row')} not in the sent data, but sent more than {_LISTED_FOR.days} "
            f"days ago, and it is unknown how far back the sent data goes. {_RELEASE}"
        )
    early = [one for one in judged if due(one) - _TICK > now]
    refused = [one for one in early if one.refused_whole]
    if send_at and early:
        return (
            f"{counted(len(early), 'row is', 'rows are')} not in the sent data, but the run is scheduled for "
            f"{send_at}: reconcile again when the settling time after that is over."
        )
    if refused:
        at = max(due(one) for one in refused).in_timezone(VIETNAM).format("HH:mm on D MMMM", locale="en")
        return (
            f"{counted(len(refused), 'row was', 'rows were')} refused with the whole call and not in the sent data: "
            f"unless found there, the same command sends them again from {at} (Vietnam) on."
        )
    return ""


def _matched(rows: list[_Open], ids: list[str], unlisted: int) -> tuple[list[tuple[_Open, str]], list[_Open]]:
    """
    Assign the messages of one phone to its rows, and return the rows in doubt that have none.

    Accepted rows certainly have a message, so they come first. If some messages are left, but fewer than rows in doubt,
    they cannot be assigned: those rows stay in doubt.

    Args:
        ids: of messages that are not assigned yet.
        unlisted: further accepted rows of the phone that are not listed under the id that they have.
    """
    sure = [one for one in rows if not one.in_doubt]
    doubtful = [one for one in rows if one.in_doubt]
    matched = list(zip(sure, ids, strict=False))
    left = ids[len(sure) :]
    if left and len(left) >= len(doubtful) + unlisted:
        return [*matched, *zip(doubtful, left, strict=False)], []
    # An accepted row without its message means that the sent data lags behind, and proves nothing.
    return matched, doubtful if not left and not unlisted and len(ids) >= len(sure) else []


def _is_known(client: EsmsClient, message_id: str) -> bool:
    """Whether the gateway has the message; "not found" may also mean too early or too old, and proves nothing."""
    try:
        client.get_send_status(message_id)
    except MessageNotFoundError:
        return False
    return True
