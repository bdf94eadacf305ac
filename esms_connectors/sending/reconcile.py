"""
Settles what no answer settled: rows that are unknown or held are looked up at the gateway, by campaign and phone.

Each run sends under a campaign of its own, and the gateway gives it back with every row of the sent data. What is found
there was accepted. What is not found counts as not sent only where the gateway is seen to list this campaign, and only
after a time that the caller gives, from the last attempt or the time that the message was scheduled for: the sent data
may lag behind, for single rows too. Run it as often as you like; it only reads the gateway.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import SMS_TYPES_OF_KIND, Ledger, RunSummary, SendState, Settlement, check_run_key

logger = get_logger(__name__)

# The gateway's clock and ours, and whole seconds on the wire.
_SLACK_SECONDS = 300
# Attempts may be dated by the gateway's clock, which is known to a second or two.
_TICK = timedelta(seconds=3)
# The gateway is known to serve ranges of three days.
_LONGEST_WINDOW_DAYS = 3
# How far back the sent data goes is not documented; the gateway's other look-ups end after seven days.
_LISTED_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """
    What a reconciliation did.

    Attributes:
        looked_for: rows in doubt, and accepted rows without a message id.
        accepted: rows in doubt that the gateway has.
        identified: accepted rows that got their message id.
        not_sent: rows that the gateway does not have after the settling time; the next call of the run sends them.
        still_unknown: rows that the gateway does not have yet.
        run: the run afterwards.
        open_because: a line that says why missing rows were not taken for not sent; empty where there are none, or
            where nobody asked for it.
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
    in_doubt: bool
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
        not_sent_after_seconds: a row that the gateway does not have this long after its last attempt, and after the
            run's `send_at`, counts as not sent, if the gateway lists at least one row under the run's campaign and the
            attempt is not older than seven days. None, the default, never concludes that. The gateway says nothing of
            how late its data may be; an hour is cautious.
        progress: called with the number of rows read.

    Raises:
        InvalidRequestError: no such run, or one of advertising, whose messages carry no campaign.
        IncompleteAnswerError: the gateway's data changed while it was read; nothing was concluded. Run it again.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read; nothing was concluded.
    """
    if not_sent_after_seconds is not None and not_sent_after_seconds < 0:
        raise InvalidRequestError("not_sent_after_seconds must not be negative.", field="not_sent_after_seconds")
    run_key = check_run_key(run_key)
    about = ledger.run_about(run_key)
    # With another secret no phone would be found, and everything in doubt would look as if it had not been sent.
    ledger.check_phone_secret(run_key, about)
    if about["kind"] not in SMS_TYPES_OF_KIND:
        raise InvalidRequestError(
            f"Run {run_key!r} is advertising: its messages carry no campaign and cannot be looked up. "
            "Look at the campaign in the portal, then use `esms resend` or leave the rows held.",
            field="run_key",
        )
    now = ledger.now()
    waiting: dict[str, list[_Open]] = {}
    looked_for, earliest = 0, None
    found: list[Settlement] = []
    for row in ledger.unresolved(run_key):
        looked_for += 1
        # Whichever clock says later: the one is the gateway's where it was known, the other this machine's.
        last_attempt_ms = max(row["updated_ms"], row["first_attempt_ms"])
        one = _Open(
            row["request_id"], row["state"] != SendState.ACCEPTED, pendulum.from_timestamp(last_attempt_ms / 1000)
        )
        if one.in_doubt and row["message_id"] and _is_known(client, row["message_id"]):
            found.append(
                Settlement(one.request_id, SendState.ACCEPTED, message_id=row["message_id"], reason="found by id")
            )
            continue
        waiting.setdefault(row["phone"], []).append(one)
        earliest = min(earliest or row["first_attempt_ms"], row["first_attempt_ms"])
    accepted, identified = len(found), 0
    missing: list[_Open] = []
    campaign_seen = False
    if earliest is not None:
        since = pendulum.from_timestamp(earliest / 1000).subtract(seconds=_SLACK_SECONDS)
        known_ids = ledger.message_ids(run_key, list(waiting))
        new_ids: dict[str, list[str]] = {}
        # Messages are listed by the gateway's clock: one that is behind here would end the window before they came.
        client.learn_time()
        until = max(now, client.clock.latest()).add(seconds=_SLACK_SECONDS)
        for phone, message_id in _sent_under(client, about, since, until, progress):
            campaign_seen = True
            stored = ledger.hash_phone(phone)
            if stored in waiting and message_id not in known_ids:
                known_ids.add(message_id)
                new_ids.setdefault(stored, []).append(message_id)
        for stored, rows in waiting.items():
            matched, absent = _matched(rows, new_ids.get(stored, []))
            for one, message_id in matched:
                found.append(
                    Settlement(one.request_id, SendState.ACCEPTED, "100", message_id, reason="found in the sent data")
                )
                accepted += one.in_doubt
                identified += not one.in_doubt
            missing += absent
    judged = _Judged([], "")
    if missing and not_sent_after_seconds is not None:
        settling = timedelta(seconds=not_sent_after_seconds)
        # A machine whose clock is ahead must not shorten the settling time.
        gateways = client.clock.latest()
        is_ahead = (now - gateways).total_seconds() > _SLACK_SECONDS
        judged = _judge(missing, about, gateways if is_ahead else now, settling, campaign_seen=campaign_seen)
    # At the very end: a reading that broke off must not have concluded anything.
    ledger.settle_found(found)
    not_sent = ledger.settle_found(
        [
            Settlement(one.request_id, SendState.NOT_SENT, reason="not in the sent data after the settling time")
            for one in judged.not_sent
        ],
        looked_at=now,
    )
    summary = ledger.summary(run_key)
    result = ReconcileResult(
        looked_for,
        accepted,
        identified,
        not_sent,
        summary.unknown + summary.held + summary.claimed,
        summary,
        judged.open_because,
    )
    logger.info(
        "reconcile %s: %d looked for, %d accepted, %d identified, %d not sent, %d still unknown",
        run_key, looked_for, accepted, identified, not_sent, result.still_unknown,
    )  # fmt: skip
    if result.open_because:
        logger.warning("reconcile %s: %s", run_key, result.open_because)
    return result


@dataclass(frozen=True, slots=True)
class _Judged:
    """Rows that were not sent, and why the others stay open."""

    not_sent: list[_Open]
    open_because: str


def _judge(
    missing: list[_Open], about: Mapping[str, str], now: DateTime, settling: timedelta, *, campaign_seen: bool
) -> _Judged:
    """What it means that the sent data does not have these rows."""
    if not campaign_seen:
        return _Judged(
            [],
            f"{len(missing)} rows are not in the sent data, but no other row of the campaign {about['campaign']!r} is "
            "either, so that proves nothing: they stay in doubt. If the portal shows that they were not sent, "
            "release them with `esms resend`.",
        )
    scheduled = pendulum.parse(about["send_at"]) if about.get("send_at") else None
    if isinstance(scheduled, DateTime) and now < scheduled + settling:
        return _Judged(
            [],
            f"{len(missing)} rows are not in the sent data, but the run is scheduled for {about['send_at']}: reconcile "
            "again when the settling time behind that is over.",
        )
    old = [one for one in missing if now - one.last_attempt > _LISTED_FOR]
    not_sent = [one for one in missing if settling - _TICK <= now - one.last_attempt <= _LISTED_FOR]
    open_because = ""
    if old:
        open_because = (
            f"{len(old)} rows are not in the sent data, but were sent more than {_LISTED_FOR.days} days ago, and it is "
            "not known how far back it goes: they stay in doubt. If the portal shows that they were not sent, release "
            "them with `esms resend`."
        )
    return _Judged(not_sent, open_because)


def _matched(rows: list[_Open], ids: list[str]) -> tuple[list[tuple[_Open, str]], list[_Open]]:
    """
    Which row of one phone has which message, and which rows in doubt have none.

    Accepted rows have theirs for sure, so they come first. Where fewer messages are left than rows in doubt, and not
    none, nobody can tell whose they are: those rows stay in doubt.
    """
    sure = [one for one in rows if not one.in_doubt]
    doubtful = [one for one in rows if one.in_doubt]
    matched = list(zip(sure, ids, strict=False))
    left = ids[len(sure) :]
    if left and len(left) >= len(doubtful):
        return [*matched, *zip(doubtful, left, strict=False)], []
    # An accepted row without its message: the sent data lags behind, and proves nothing.
    return matched, doubtful if not left and len(ids) >= len(sure) else []


def _is_known(client: EsmsClient, message_id: str) -> bool:
    """Whether the gateway has the message; "not found" may also mean too early or too old, and proves nothing."""
    try:
        client.get_send_status(message_id)
    except MessageNotFoundError:
        return False
    return True


def _sent_under(
    client: EsmsClient,
    about: Mapping[str, str],
    since: DateTime,
    until: DateTime,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[str, str]]:
    """(phone, message id) of every message of the run's campaign, in windows that the gateway is known to serve."""
    read, campaign = 0, _folded(about["campaign"])
    while since < until:
        end = min(since.add(days=_LONGEST_WINDOW_DAYS), until)
        for sms_type in SMS_TYPES_OF_KIND[about["kind"]]:
            for message in client.get_sms_sent_data(since, end, sms_type):
                read += 1
                if progress is not None and read % 500 == 0:
                    progress(read)
                phone = read_phone(message.phone or "")[0]
                if _folded(message.campaign) == campaign and phone and message.message_id:
                    yield phone, message.message_id
        since = end


def _folded(campaign: str) -> str:
    """
    Letters and digits alone, without case and diacritics: a gateway may change the rest on the way.

    The campaign of a run ends with a mark of its own (`campaign_of`), so that no two become the same by this.
    """
    plain = unicodedata.normalize("NFKD", campaign.casefold().replace("đ", "d"))
    return "".join(character for character in plain if character.isalnum())
