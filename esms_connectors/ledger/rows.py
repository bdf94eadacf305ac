"""The ledger's data types: rows, claims, settlements, summaries."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType

if TYPE_CHECKING:
    from sqlalchemy import Row

# The types under which the messages of a channel are in the sent data with their campaign. Not included: messages
# without a campaign (advertising, Viber, follower messages of Zalo, calls from a script), types that cannot be queried
# (journeys), and multi-channel, whose SMS has no campaign.
SMS_TYPES_OF_KIND = {
    "zns": (SmsType.ZNS, SmsType.ZNS_PRIORITY),
    "zns-name": (SmsType.ZNS, SmsType.ZNS_PRIORITY),
    "sms": (SmsType.CUSTOMER_CARE,),
    "fixed-number": (SmsType.FIXED_NUMBER,),
    "voice-otp": (SmsType.FIXED_NUMBER,),
}

# Codes that answer a repeat and say nothing about the outcome of the row, so its first code is kept.
REPEAT_CODES = frozenset(("124", "199"))

# Prefix of the code of a skipped row, for which no call was made; the name of the guard's rule follows.
RULE_CODE = "rule:"

# `in_doubt` of a row without a lost attempt: each was refused together with its whole call.
REFUSED_WHOLE = 2
# `in_doubt` of a row that counts as not sent because a look-up did not find it: it may be listed after all.
NOT_LISTED = 3


class SendState(enum.StrEnum):
    """The state of a row in the ledger."""

    CLAIMED = "claimed"  # a worker is sending it, or died while doing so
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # refused permanently, by a code about this row
    UNKNOWN = "unknown"  # sent, without an answer for this row
    HELD = "held"  # in doubt for too long to be repeated safely
    NOT_SENT = "not_sent"  # certainly not accepted: never sent, or refused because of the account


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row to be claimed. `payload` is the content to send in any canonical form; only its hash is stored."""

    row_key: str = field(repr=False)
    phone: str = field(repr=False)
    payload: str = field(repr=False)
    line: int


class Claim(NamedTuple):
    """
    A row claimed by this worker.

    Attributes:
        place: its position in the list given to `claim`.
        request_id: its key in the ledger.
        wire_id: the request id to send it with; differs from the key after a refusal, which may have used that up.
        in_doubt: an earlier attempt may have been accepted.
    """

    place: int
    request_id: str
    wire_id: str
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """
    The result of a claim.

    Attributes:
        claims: the claimed rows, in the given order.
        settled: accepted or rejected before; accepted, skipped: those of them that were accepted, or skipped by a rule.
        held: in doubt for too long.
        busy: claimed by another worker until its lease ends.
        doubtful: positions of rows in doubt that were not claimed and that will not become available by waiting.
        left_out: rows that a rule held back and that are now settled as skipped.
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
        """Build the result from the claims and, of the `others`, position, state and "only refused with its call"."""
        states = [state for _, state, _ in others]
        unknown = [(index, refused) for index, state, refused in others if state == SendState.UNKNOWN]
        doubtful = tuple(sorted(index for index, refused in unknown if refused or not repeat))
        return cls(
            claims=tuple(sorted(claims, key=lambda claim: claim.place)),
            settled=states.count("accepted") + states.count("rejected"),
            held=states.count("held"),
            # Rows in doubt that are not doubtful: they belong to another chunk, or another worker was faster.
            busy=states.count("claimed") + states.count("not_sent") + len(unknown) - len(doubtful),
            doubtful=doubtful,
            accepted=states.count("accepted"),
            **more,
        )

    def counts(self) -> dict[str, int]:
        """The numbers of rows that were not claimed, by the names of a run's counters."""
        return {
            "settled_before": self.settled,
            "accepted_before": self.accepted,
            "rejected_before": self.settled - self.accepted - self.skipped,
            "skipped_before": self.skipped,
            "skipped": self.left_out,
            # A row in doubt that a rule holds back is not repeated: it can only be settled by the sent data.
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
        id_refused: the gateway refused this row, so its request id may be used up and a new one is needed.
        refused_whole: unknown only because its call was refused as a whole; no attempt of it was lost.
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
        """Whether the row was accepted and nothing else has to be recorded."""
        return self.state is SendState.ACCEPTED and not (
            self.duplicate or self.id_refused or self.refused_whole or self.code in REPEAT_CODES
        )

    def gateway_answer(self) -> tuple[str | None, str | None, str | None]:
        """`code`, `message_id` and `reason` in their stored form."""
        message_id = _storable(self.message_id, 64)
        # A truncated id would match another message or none, so it is not stored.
        return (
            _storable(self.code, 20),
            message_id if message_id == self.message_id else None,
            _storable(self.reason, 300),
        )

    def record(self) -> dict[str, str | int | None]:
        """The parameters for the ledger's statements."""
        code, message_id, reason = self.gateway_answer()
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
    The rows of a run by state. `rejected_by_code` breaks down the rejected rows, `refused_by_code` those that were
    refused because of the account and may be sent again; `claimed_alive` counts claimed rows whose worker has sent a
    recent heartbeat.
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
    # By rule of the guard; skipped rows are neither in the rejected nor in the total.
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
    """How a row differs from the earlier row with its key, in phone or content; empty if it does not."""
    # The stored hash is empty for a refused row that may be sent with corrected content.
    if known.payload_hash not in (given["payload_hash"], ""):
        return "other content"
    return "another phone" if known.phone not in (given["phone"], "erased") else ""


def check_same(run_key: str, row: LedgerRow, given: Mapping[str, Any], known: Row[Any]) -> None:
    """
    Check that a row is unchanged.

    Raises:
        InvalidRequestError: with the line and the difference; the row must not be sent.
    """
    if what := difference(given, known):
        raise InvalidRequestError(
            f"The row in line {row.line} was sent in run {run_key!r} with {what} before. "
            "Use a new run key, or take the row out; it was not sent again.",
            field="phone" if what == "another phone" else "row_key",
            row=row.line,
        )


def rule_of(code: str | None) -> str | None:
    """The rule that skipped a row, from its code; None for any other code."""
    return code.removeprefix(RULE_CODE) if code is not None and code.startswith(RULE_CODE) else None


def _storable(text: str | None, length: int) -> str | None:
    """The text as both databases accept it: PostgreSQL rejects NUL, lone surrogates and texts that are too long."""
    if not text or (text.isascii() and len(text) <= length and "\0" not in text):
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:length]
