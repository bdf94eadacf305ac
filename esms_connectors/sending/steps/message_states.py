"""
What is known of each message of one step, and whether its person may be handed on to the next.

A person is handed on only on the gateway's own report: it refused the message, reports it as failed, or shows it, read
at or after the deadline, as not delivered. A message that is in doubt, or that the gateway does not show, does not
count as failed: it waits until there is evidence.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.echoes import folded_id
from esms_connectors.gateway.errors import IncompleteAnswerError, InvalidRequestError, MessageNotFoundError
from esms_connectors.gateway.models import SentMessage
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.states import DeliveryState, better_of, receivers_by_state, state_of_row, state_of_totals
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND, rule_of
from esms_connectors.ledger.runs import send_at_of
from esms_connectors.sending.durations import duration_words
from esms_connectors.sending.reconcile import REFUSED_SETTLING, reconcile
from esms_connectors.sent_data.windows import CLOCK_SLACK, messages_between

# Added to the time by which the gateway should know: other workers may be sending while it is read.
_PATIENCE = timedelta(minutes=10)
_ERASED = "erased"


class Finding(enum.StrEnum):
    """What is known of one person in one step."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # by the gateway, for good
    FAILED = "failed"
    UNDELIVERED = "undelivered"  # shown by the gateway as not delivered, at or after the deadline
    WAITING = "waiting"  # accepted; the deadline is still to come
    UNSEEN = "unseen"  # accepted; the gateway does not report its state
    SKIPPED = "skipped"  # a rule of the guard skipped the person, and does so in every step with the same phone
    IN_DOUBT = "in_doubt"  # it is not known whether it was accepted
    UNSENT = "unsent"  # certainly not accepted: its own step sends it

    @property
    def hands_on(self) -> bool:
        """Whether the next step is due."""
        return self in (Finding.REFUSED, Finding.FAILED, Finding.UNDELIVERED)


OPEN = (Finding.WAITING, Finding.IN_DOUBT, Finding.UNSEEN, Finding.UNSENT)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gateway shows of a message; `price_vnd` and `sent_at` if it reports them."""

    state: DeliveryState
    price_vnd: Decimal | None = None
    sent_at: DateTime | None = None


@dataclass(frozen=True, slots=True)
class StepRow:
    """
    A row of the ledger, as far as it is needed here.

    Attributes:
        row_key: as it is stored.
        phone: as it is stored.
    """

    request_id: str
    row_key: str = field(repr=False)
    phone: str = field(repr=False)
    state: SendState
    code: str | None
    message_id: str | None
    first_attempt_ms: int
    line: int
    reason: str = ""
    alive: bool = False

    @property
    def erased(self) -> bool:
        return self.phone == _ERASED


@dataclass(slots=True)
class StepView:
    """
    One look at a step.

    Attributes:
        run_key, kind: of the step.
        read_at: the gateway's time before the look: whatever is shown was true then or later.
        rows: by request id.
        seen: what the gateway shows, by message id; for messages that share one, by id and phone.
        send_at: the time that the messages are scheduled for.
        settling: how long a row in doubt must be missing from the sent data to count as not sent.
    """

    run_key: str
    kind: str
    read_at: DateTime
    rows: dict[str, StepRow]
    seen: dict[str, Seen] = field(default_factory=dict)
    send_at: DateTime | None = None
    settling: timedelta = REFUSED_SETTLING
    _shared: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        ids = Counter(row.message_id for row in self.rows.values() if row.message_id)
        self._shared = frozenset(one for one, rows in ids.items() if rows > 1)

    def key_of(self, row: StepRow) -> str:
        """The key of its message in `seen`; empty if there is none."""
        return f"{row.message_id} {row.phone}" if row.message_id in self._shared else row.message_id or ""

    def deadline_of(self, row: StepRow, after: timedelta) -> DateTime:
        """When this row must be delivered by: `after` its first attempt, or the time that it is scheduled for."""
        began = pendulum.from_timestamp(row.first_attempt_ms / 1000)
        return (began if self.send_at is None else max(began, self.send_at)) + after

    def known_by(self, row: StepRow, finding: Finding, after: timedelta) -> DateTime:
        """
        Until when waiting may settle an open row. An accepted row: until its deadline, and a little longer if it is not
        shown. A row in doubt: until its look-up concludes, whatever its deadline; if such messages are not listed
        anywhere, only another worker may still settle it.
        """
        began = self.deadline_of(row, timedelta())
        if finding is Finding.WAITING:
            return began + after
        if finding is Finding.UNSEEN:
            return max(began + after, began + self.settling) + _PATIENCE
        if finding is Finding.IN_DOUBT and self.kind not in SMS_TYPES_OF_KIND:
            return began + _PATIENCE
        return began + self.settling + _PATIENCE

    def finding(self, row: StepRow, after: timedelta | None) -> Finding:
        """What is known of a row; `after`: how much time it has, None for the last step."""
        match row.state:
            case SendState.REJECTED:
                return Finding.REFUSED if rule_of(row.code) is None else Finding.SKIPPED
            case SendState.NOT_SENT:
                return Finding.UNSENT
            case SendState.ACCEPTED:
                return self._of_accepted(row, after)
        return Finding.IN_DOUBT

    def _of_accepted(self, row: StepRow, after: timedelta | None) -> Finding:
        seen = self.seen.get(self.key_of(row))
        if seen is not None and seen.state is DeliveryState.DELIVERED:
            return Finding.DELIVERED
        if seen is not None and seen.state.is_final:
            return Finding.FAILED
        if after is None or self.deadline_of(row, after) > self.read_at:
            return Finding.WAITING
        if seen is None or seen.state is DeliveryState.UNDOCUMENTED:
            return Finding.UNSEEN
        return Finding.UNDELIVERED

    def reason(self, row: StepRow, finding: Finding, after: timedelta) -> str:
        """Why the person is handed on."""
        if finding is Finding.REFUSED:
            return f"refused with code {row.code}" if row.code else "cannot be sent on this channel"
        if finding is Finding.SKIPPED:
            return f"skipped by the rule {rule_of(row.code)}"
        if finding is Finding.FAILED:
            return "failed"
        return f"not delivered within {duration_words(after)}"

    def counts(self) -> Counter[DeliveryState]:
        """Accepted rows by the state that the gateway shows."""
        return Counter(
            seen.state
            for row in self.rows.values()
            if row.state is SendState.ACCEPTED and (seen := self.seen.get(self.key_of(row))) is not None
        )


def view_of_step(ledger: Ledger, run_key: str, *, read_at: datetime) -> StepView | None:
    """
    What the ledger alone knows of a step; `seen` may be filled with what was read about its messages at `read_at`.

    Returns:
        None if nobody has reached the step.
    """
    try:
        about = ledger.run_about(run_key)
    except InvalidRequestError:
        return None
    rows = {row.request_id: row for row in _rows(ledger, run_key)}
    return StepView(run_key, about["kind"], pendulum.instance(read_at), rows, send_at=send_at_of(about))


def look_at_step(
    client: EsmsClient,
    ledger: Ledger,
    run_key: str,
    *,
    known: Mapping[str, Seen] | None = None,
    settling: timedelta = REFUSED_SETTLING,
) -> StepView:
    """
    Look at every message of a run.

    Args:
        known: what an earlier look saw; messages that were delivered are not looked up again.
        settling: a row in doubt that the gateway does not list this long after its last attempt was not sent, by the
            rules of `reconcile`.

    Raises:
        InvalidRequestError: no such run.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    about = ledger.run_about(run_key)
    kind = about["kind"]
    if about.get("sandbox"):
        # Nothing was sent, so nothing is shown.
        return StepView(run_key, kind, ledger.now(), {row.request_id: row for row in _rows(ledger, run_key)})
    _settle_doubt(client, ledger, run_key, kind, settling)
    # A new answer contains the gateway's time, however long this machine has slept since the last one.
    client.get_balance()
    read_at = client.clock.earliest() if client.clock.confirmed else ledger.now()
    rows = {row.request_id: row for row in _rows(ledger, run_key)}
    view = StepView(
        run_key,
        kind,
        read_at,
        rows,
        # Any other state may have changed since, and must have been read after the deadline to count.
        {key: seen for key, seen in (known or {}).items() if seen.state is DeliveryState.DELIVERED},
        send_at_of(about),
        settling,
    )
    _read_states(client, ledger, view)
    return view


def _rows(ledger: Ledger, run_key: str) -> Iterator[StepRow]:
    now_ms = ledger.now().timestamp() * 1000
    for row in ledger.rows(run_key):
        yield StepRow(
            row["request_id"],
            row["row_key"],
            row["phone"],
            SendState(row["state"]),
            row["code"],
            row["message_id"],
            row["first_attempt_ms"],
            row["line"] or 0,
            row["reason"] or "",
            row["state"] == SendState.CLAIMED and row["lease_until_ms"] >= now_ms,
        )


def _settle_doubt(client: EsmsClient, ledger: Ledger, run_key: str, kind: str, settling: timedelta) -> None:
    """Look up rows in doubt, and the message ids of rows that were answered with 124."""
    # Counted to the end: a PostgreSQL cursor that is not exhausted stays open.
    if kind not in SMS_TYPES_OF_KIND or not sum(1 for _ in ledger.unresolved(run_key)):
        return
    try:
        reconcile(client, ledger, run_key, not_sent_after_seconds=settling.total_seconds())
    except IncompleteAnswerError:
        return  # messages are being sent while it is read; the next look asks again


def _read_states(client: EsmsClient, ledger: Ledger, view: StepView) -> None:
    wanted = [
        row
        for row in view.rows.values()
        if row.state is SendState.ACCEPTED and row.message_id and not _is_delivered(view, view.key_of(row))
    ]
    if not wanted:
        return
    found = _read_sent_data(client, ledger, view, wanted) if view.kind in SMS_TYPES_OF_KIND else set()
    # A query by an id that messages share returns their totals, which say nothing about a single one.
    asked = {key for row in wanted if (key := view.key_of(row)) == row.message_id}
    for message_id in sorted(asked - found):
        _read_status(client, view, message_id)


def _is_delivered(view: StepView, key: str) -> bool:
    seen = view.seen.get(key)
    return seen is not None and seen.state is DeliveryState.DELIVERED


def _read_sent_data(client: EsmsClient, ledger: Ledger, view: StepView, wanted: Sequence[StepRow]) -> set[str]:
    """Return the keys of the messages that were found."""
    found: set[str] = set()
    # With the phone if messages share their id.
    keys = {
        (folded_id(row.message_id or ""), None if key == row.message_id else row.phone): key
        for row in wanted
        if (key := view.key_of(row))
    }
    shared = {folded for folded, phone in keys if phone is not None}
    # A row of another phone under the same id is another message.
    phones = {view.key_of(row): row.phone for row in wanted if not row.erased}
    span = ledger.span(view.run_key)
    if span is None:
        return found  # nothing was sent
    last = max(span[1], view.read_at, view.send_at or span[1])
    try:
        for message in messages_between(
            client, span[0] - CLOCK_SLACK, last + CLOCK_SLACK, SMS_TYPES_OF_KIND[view.kind]
        ):
            folded = folded_id(message.message_id or "")
            shown = keys.get((folded, None))
            phone = _stored_phone(ledger, message)
            if shown is None and folded in shared:
                shown = keys.get((folded, phone))
            if shown is not None and phone in ("", phones.get(shown, phone)):
                state = state_of_row(message.send_status, message.send_result)
                seen = Seen(state, message.price_vnd, message.sent_at)
                view.seen[shown] = _better_of(view.seen[shown], seen) if shown in found else seen
                found.add(shown)
    except IncompleteAnswerError:
        pass  # messages are being sent while it is read: what was seen is true, the rest is queried by id
    return found


def _better_of(one: Seen, other: Seen) -> Seen:
    return one if better_of(one.state, other.state) is one.state else other


def _stored_phone(ledger: Ledger, message: SentMessage) -> str:
    number = read_phone(message.phone or "")[0]
    return ledger.hash_phone(number) if number else ""


def _read_status(client: EsmsClient, view: StepView, message_id: str) -> None:
    try:
        if view.kind == "call":
            call = client.get_voice_call_status(message_id)
            view.seen[message_id] = Seen(state_of_row(call.send_status, call.sent_result))
            return
        totals = client.get_send_status(message_id)
    except MessageNotFoundError:
        return  # too early, too late, or not listed yet: this proves nothing
    counts = (totals.send_status, totals.receivers, totals.succeeded, totals.failed)
    # Of several receivers, the totals do not say which one was not reached.
    several = len(receivers_by_state(*counts)) > 1
    view.seen[message_id] = Seen(DeliveryState.UNDOCUMENTED if several else state_of_totals(*counts), totals.price_vnd)
