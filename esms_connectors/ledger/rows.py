"""What goes into the ledger and comes out of it: rows, claims, settlements, summaries."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType

if TYPE_CHECKING:
    from sqlalchemy import Row

# Under which types the messages of a channel are listed in the sent data with their campaign. Not there: what carries
# no campaign (advertising, Viber, follower messages of Zalo, calls from a script), what is listed under a type that
# cannot be asked for (journeys), and multi-channel, whose SMS carries none.
SMS_TYPES_OF_KIND = {
    "zns": (SmsType.ZNS, SmsType.ZNS_PRIORITY),
    "zns-name": (SmsType.ZNS, SmsType.ZNS_PRIORITY),
    "sms": (SmsType.CUSTOMER_CARE,),
    "fixed-number": (SmsType.FIXED_NUMBER,),
    "voice-otp": (SmsType.FIXED_NUMBER,),
}

# Answers to a repeat, which say nothing of what became of the row: its first code stays.
REPEAT_CODES = frozenset(("124", "199"))

# What the codes of rows begin with that no call was made for: a rule of the guard left them out, and its name follows.
RULE_CODE = "rule:"

# `in_doubt` of a row that no attempt of was ever lost: each was refused with its whole call.
REFUSED_WHOLE = 2


class SendState(enum.StrEnum):
    """What the ledger knows of a row."""

    CLAIMED = "claimed"  # a worker is at it, or died over it
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # refused for good, by a code about this row
    UNKNOWN = "unknown"  # sent, and no answer accounts for it
    HELD = "held"  # in doubt for too long to be repeated safely
    NOT_SENT = "not_sent"  # certainly not taken: never left, or refused for the account's sake


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row to be claimed. `payload` is what is sent, in any canonical spelling; only its hash is kept."""

    row_key: str = field(repr=False)
    phone: str = field(repr=False)
    payload: str = field(repr=False)
    line: int


class Claim(NamedTuple):
    """
    A row that is now ours to send.

    Attributes:
        place: in the list given to `claim`.
        request_id: its key in the ledger.
        wire_id: the request id to send it under; differs from the key after a refusal, which may have consumed that.
        in_doubt: an earlier attempt may have been accepted.
    """

    place: int
    request_id: str
    wire_id: str
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """
    What became of the rows given.

    Attributes:
        claims: ours now, in the order given.
        settled: accepted or rejected before; accepted, skipped: of these, the accepted, and those that a rule left out.
        held: in doubt for too long.
        busy: another worker is at them, until its lease ends.
        doubtful: places in the list given of those in doubt that were not given out, and that no waiting brings back.
        left_out: rows that a rule held back and that are settled as skipped now.
        left_in_doubt: rows that a rule held back and that stay in doubt.
    """

    claims: tuple[Claim, ...]
    settled: int = 0
    held: int = 0
    busy: int = 0
    doubtful: tuple[int, ...] = ()
    accepted: int = 0
    skipped: int = 0
    left_out: int = 0
    left_in_doubt: int = 0

    @classmethod
    def of(
        cls, claims: Iterable[Claim], others: Sequence[tuple[int, str, bool]], *, repeat: bool, **more: int
    ) -> ClaimResult:
        """Of the rows that were claimed, and of place, state and "only refused with its whole call" of the `others`."""
        states = [state for _, state, _ in others]
        unknown = [(index, refused) for index, state, refused in others if state == SendState.UNKNOWN]
        doubtful = tuple(sorted(index for index, refused in unknown if refused or not repeat))
        return cls(
            claims=tuple(sorted(claims, key=lambda claim: claim.place)),
            settled=states.count("accepted") + states.count("rejected"),
            held=states.count("held"),
            # In doubt, and still not given out: its chunk is another one, or another worker was quicker.
            busy=states.count("claimed") + states.count("not_sent") + len(unknown) - len(doubtful),
            doubtful=doubtful,
            accepted=states.count("accepted"),
            **more,
        )

    def counts(self) -> dict[str, int]:
        """Of the rows that are not ours, by the names of a run's counters."""
        return {
            "settled_before": self.settled,
            "accepted_before": self.accepted,
            "rejected_before": self.settled - self.accepted - self.skipped,
            "skipped_before": self.skipped,
            "skipped": self.left_out,
            # What a rule holds back is not repeated: only a look at the sent data settles it.
            "held": self.held + self.left_in_doubt,
            "busy": self.busy,
            "unknown": len(self.doubtful),
            "done": self.settled + self.left_out,
        }


class Settlement(NamedTuple):
    """
    The outcome of a claimed row.

    Attributes:
        reason: redacted, one line.
        id_refused: the gateway refused this very row, so its request id may be used up; a new one is due.
        refused_whole: unknown only because its call was refused as a whole, and no attempt of it was lost.
    """

    request_id: str
    state: SendState
    code: str | None = None
    message_id: str | None = None
    duplicate: bool = False
    reason: str = ""
    id_refused: bool = False
    refused_whole: bool = False

    @property
    def simply_accepted(self) -> bool:
        """Whether it says no more than that the gateway took the row."""
        return self.state is SendState.ACCEPTED and not (
            self.duplicate or self.id_refused or self.refused_whole or self.code in REPEAT_CODES
        )

    def told(self) -> tuple[str | None, str | None, str | None]:
        """`code`, `message_id` and `reason` as the ledger keeps them."""
        message_id = _storable(self.message_id, 64)
        # Half an id would find another message, or none.
        return (
            _storable(self.code, 20),
            message_id if message_id == self.message_id else None,
            _storable(self.reason, 300),
        )

    def record(self) -> dict[str, str | int | None]:
        """As the ledger's statements take it."""
        code, message_id, reason = self.told()
        return {
            "request_id": self.request_id,
            "state": self.state.value,
            "code": code,
            "message_id": message_id,
            "duplicate": int(self.duplicate),
            "reason": reason,
            "id_refused": int(self.id_refused),
            "refused_whole": int(self.refused_whole),
        }


@dataclass(frozen=True, slots=True)
class RunSummary:
    """
    A run as the ledger sees it: rows by state. `rejected_by_code` explains the rejected, `refused_by_code` the rows
    that were refused for the account's sake and may go again; `claimed_alive` are those of the claimed whose worker
    has given a heartbeat lately.
    """

    run_key: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unknown: int = 0
    held: int = 0
    not_sent: int = 0
    claimed: int = 0
    rejected_by_code: Mapping[str, int] = field(default_factory=dict)
    refused_by_code: Mapping[str, int] = field(default_factory=dict)
    claimed_alive: int = 0
    # By rule of the guard; rows that it left out are none of the rejected, nor of the total.
    skipped_by_rule: Mapping[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        return sum(self.skipped_by_rule.values())

    @property
    def total(self) -> int:
        return self.accepted + self.rejected + self.unsettled

    @property
    def unsettled(self) -> int:
        return self.unknown + self.held + self.not_sent + self.claimed


def difference(given: Mapping[str, Any], known: Row[Any]) -> str:
    """How a row differs from what its key stood for before, one phone and one content; empty where it does not."""
    # Empty for a row that was refused and may come back repaired.
    if known.payload_hash not in (given["payload_hash"], ""):
        return "other content"
    return "another phone" if known.phone not in (given["phone"], "erased") else ""


def check_same(run_key: str, row: LedgerRow, given: Mapping[str, Any], known: Row[Any]) -> None:
    """
    Whether a row is what it was before.

    Raises:
        InvalidRequestError: with the line and what differs; nothing may be sent of it.
    """
    if what := difference(given, known):
        raise InvalidRequestError(
            f"The row in line {row.line} was sent in run {run_key!r} with {what} before. "
            "Use a new run key, or take the row out; it was not sent again.",
            field="phone" if what == "another phone" else "row_key",
            row=row.line,
        )


def rule_of(code: str | None) -> str | None:
    """The rule that left a row out, by its code; None for another code."""
    return code.removeprefix(RULE_CODE) if code is not None and code.startswith(RULE_CODE) else None


def _storable(text: str | None, length: int) -> str | None:
    """What fits a column of either database: PostgreSQL takes no NUL, no half character and nothing too long."""
    if not text or (text.isascii() and len(text) <= length and "\0" not in text):
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]
