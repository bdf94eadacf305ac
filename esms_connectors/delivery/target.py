"""The messages to wait for: a few by id, or those of a run, identified by its campaign in the sent data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.arguments import check_message_id
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.times import parse_iso
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND
from esms_connectors.ledger.runs import send_at_of
from esms_connectors.sent_data.windows import CLOCK_SLACK

# As many as fit into an XCom or the arguments of a trigger; for more, use a ledger.
MAX_IDS = 5_000


class NothingSentError(InvalidRequestError):
    """None of the messages of a run was sent, so there is nothing to wait for."""

    def __init__(self, run_key: str) -> None:
        super().__init__(
            f"Run {run_key!r} has no message that was sent: there is nothing to wait for.", field="run_key"
        )


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """
    The messages to wait for: by id, or those of a campaign in a window. `as_dict` gives plain data.

    Attributes:
        expected: number of messages; at least one per id.
        message_ids: the gateway's; with a campaign the known ones, for a gateway that does not return the campaign.
        campaign: as in the sent data.
        start, end: time span of their creation, with some tolerance; None if only ids are known.
        sms_types: the types under which the sent data lists them.
        oa_id: of ZNS that were sent with a callback URL; their reports are read 200 ids per call.
        voice: calls from a script or a recording, which have their own status function.
    """

    expected: int
    message_ids: tuple[str, ...] = ()
    campaign: str | None = field(default=None, repr=False)
    start: DateTime | None = None
    end: DateTime | None = None
    sms_types: tuple[int, ...] = ()
    oa_id: str | None = None
    voice: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Compact data for JSON, read by `target_from_dict`. With a campaign, more ids than `MAX_IDS` are omitted."""
        return {
            "expected": self.expected,
            "message_ids": [] if self.campaign is not None and len(self.message_ids) > MAX_IDS else [*self.message_ids],
            "campaign": self.campaign,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "sms_types": list(self.sms_types),
            "oa_id": self.oa_id,
            "voice": self.voice,
        }


def target_from_dict(plain: Mapping[str, Any]) -> DeliveryTarget:
    """The target from the result of `DeliveryTarget.as_dict`."""
    start, end = plain.get("start"), plain.get("end")
    return DeliveryTarget(
        expected=int(plain["expected"]),
        message_ids=tuple(plain.get("message_ids") or ()),
        campaign=plain.get("campaign"),
        start=None if start is None else parse_iso(start),
        end=None if end is None else parse_iso(end),
        sms_types=tuple(int(one) for one in plain.get("sms_types") or ()),
        oa_id=plain.get("oa_id"),
        voice=bool(plain.get("voice")),
    )


def target_of_ids(
    message_ids: Sequence[str],
    *,
    sent_after: DateTime | None = None,
    sent_before: DateTime | None = None,
    sms_types: Sequence[int] = (),
    oa_id: str | None = None,
) -> DeliveryTarget:
    """
    A target of message ids.

    Args:
        message_ids: 1 to 5000; duplicates count once.
        sent_after, sent_before, sms_types: time span and types of their creation, for ids of single messages. With
            these, more than a few ids are looked up in the sent data, 500 rows per call; without, each id takes one
            call. Advertising is always looked up by id, because one id is a whole batch.
        oa_id: for ZNS that were sent with a callback URL; their reports are read 200 ids per call.

    Raises:
        InvalidRequestError: no ids, too many, or an invalid one.
    """
    if isinstance(message_ids, str) or not isinstance(message_ids, Sequence):
        raise InvalidRequestError("message_ids takes a list of ids, not a single text.", field="message_ids")
    # A duplicate (code 124) has no id: an earlier attempt was accepted, and its answer is lost.
    if not message_ids or not all(message_ids):
        raise InvalidRequestError(
            "There is no message id to wait for. A send that was answered 124 has none: wait by run key instead.",
            field="message_ids",
        )
    ids = tuple(dict.fromkeys(check_message_id(one) for one in message_ids))
    if len(ids) > MAX_IDS:
        raise InvalidRequestError(
            f"{len(ids)} ids are too many to pass on (at most {MAX_IDS}): wait by run key, from the ledger.",
            field="message_ids",
        )
    end = sent_before if sent_before is not None or sent_after is None else machine_clock.now()
    if SmsType.ADVERTISING in sms_types:
        sms_types = ()
    return DeliveryTarget(
        expected=len(ids),
        message_ids=ids,
        start=sent_after,
        end=end,
        sms_types=tuple(int(one) for one in sms_types),
        oa_id=oa_id,
    )


def target_of_run(ledger: Ledger, run_key: str) -> DeliveryTarget:
    """
    A target of the messages of a run: accepted ones, and those in doubt, which may have been accepted.

    They are found in the sent data by the run's campaign, which includes messages without an id (answered 124), and by
    their id if the gateway does not return the campaign.

    Raises:
        NothingSentError: none of its messages was sent. InvalidRequestError: no such run, or one of the sandbox.
    """
    run_key = check_run_key(run_key)
    about = ledger.run_about(run_key)
    if about.get("sandbox"):
        raise InvalidRequestError(
            f"Run {run_key!r} is a sandbox run: nothing was sent, so there is nothing to wait for.", field="run_key"
        )
    summary = ledger.summary(run_key)
    expected = summary.accepted + summary.unknown + summary.held + summary.claimed
    span = ledger.span(run_key)
    if not expected or span is None:
        raise NothingSentError(run_key)
    rows = ledger.rows(run_key, SendState.ACCEPTED)
    ids = dict.fromkeys(row["message_id"] for row in rows if row["message_id"])
    if about["kind"] not in SMS_TYPES_OF_KIND:
        # Messages without a campaign are found by id; one id of advertising is a batch of up to thousands.
        return DeliveryTarget(expected=expected, message_ids=tuple(ids), voice=about["kind"] == "call")
    start, end = span
    if (send_at := send_at_of(about)) is not None:
        # Whether the sent data is selected by the time of creation or of sending is not documented.
        end = max(end, send_at)
    return DeliveryTarget(
        expected=expected,
        message_ids=tuple(ids),
        campaign=about["campaign"],
        start=start - CLOCK_SLACK,
        end=end + CLOCK_SLACK,
        sms_types=tuple(int(one) for one in SMS_TYPES_OF_KIND[about["kind"]]),
    )
