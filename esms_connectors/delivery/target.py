"""Which messages to wait for: a few by id, or those of a run, which its campaign tells in the sent data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.arguments import check_message_id
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.rows import SMS_TYPES_OF_KIND

# What still fits an XCom or the arguments of a trigger; more belong into a ledger.
MAX_IDS = 5_000

# The gateway's clock and ours, and whole seconds on the wire.
_SLACK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """
    The messages to wait for: by id, or those of a campaign in a window. Plain data by `as_dict`.

    Attributes:
        expected: messages that should turn up; of ids at least one each.
        message_ids: the gateway's; beside a campaign those that are known, for a gateway that does not give it back.
        campaign: as it stands in the sent data.
        start, end: when they were created, with some slack; None where only ids are known.
        sms_types: the lists of the sent data that they stand in.
        oa_id: of ZNS that were sent with a callback URL: their reports are then asked for, 200 ids a call.
        voice: calls from a script or a recording, which another function knows.
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
        """For JSON, small; `target_from_dict` reads it. More ids than `MAX_IDS` are left to the campaign."""
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
    """What `DeliveryTarget.as_dict` gave."""
    start, end = plain.get("start"), plain.get("end")
    return DeliveryTarget(
        expected=int(plain["expected"]),
        message_ids=tuple(plain.get("message_ids") or ()),
        campaign=plain.get("campaign"),
        start=None if start is None else _moment(start),
        end=None if end is None else _moment(end),
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
    Wait for these ids.

    Args:
        message_ids: 1 to 5000 of them; repeated ones count once.
        sent_after, sent_before, sms_types: when and as what they were created, for ids that stand for one message
            each. With them, more than a few are looked up in the sent data, 500 rows a call; without, every id costs a
            call. Advertising is always looked up by id: one of its ids stands for a whole batch.
        oa_id: ZNS that were sent with a callback URL: their reports are asked for, 200 ids a call.

    Raises:
        InvalidRequestError: none, too many, or something that is no id.
    """
    if isinstance(message_ids, str) or not isinstance(message_ids, Sequence):
        raise InvalidRequestError("message_ids takes a list of ids, not one text.", field="message_ids")
    # An empty id is what a duplicate has (code 124): an earlier attempt won, and its answer is lost.
    if not message_ids or not all(message_ids):
        raise InvalidRequestError(
            "There is no message id to wait for. A send that was answered 124 has none: wait by run key instead.",
            field="message_ids",
        )
    ids = tuple(dict.fromkeys(check_message_id(one) for one in message_ids))
    if len(ids) > MAX_IDS:
        raise InvalidRequestError(
            f"{len(ids)} ids are too many to be handed around (at most {MAX_IDS}): wait by run key, from the ledger.",
            field="message_ids",
        )
    end = sent_before if sent_before is not None or sent_after is None else pendulum.now("UTC")
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
    Wait for the messages of a run: accepted ones, and those in doubt, which may have been.

    They are found in the sent data by the run's campaign, so ones without an id (answered 124) are found too; by their
    id also where the campaign is not given back.

    Raises:
        InvalidRequestError: no such run, or none of its messages went out.
    """
    run_key = check_run_key(run_key)
    about = ledger.run_about(run_key)
    if about.get("sandbox"):
        raise InvalidRequestError(
            f"Run {run_key!r} is of a sandbox: nothing left, so there is nothing to wait for.", field="run_key"
        )
    summary = ledger.summary(run_key)
    expected = summary.accepted + summary.unknown + summary.held + summary.claimed
    span = ledger.span(run_key)
    if not expected or span is None:
        raise InvalidRequestError(
            f"Run {run_key!r} has no message that went out: nothing to wait for.", field="run_key"
        )
    rows = ledger.rows(run_key, SendState.ACCEPTED)
    ids = dict.fromkeys(row["message_id"] for row in rows if row["message_id"])
    if about["kind"] not in SMS_TYPES_OF_KIND:
        # Without a campaign by id; of advertising one id stands for thousands of messages.
        return DeliveryTarget(expected=expected, message_ids=tuple(ids), voice=about["kind"] == "call")
    start, end = span
    if about.get("send_at"):
        # Whether the sent data goes by the creation of a message or by its sending is not documented.
        end = max(end, _moment(about["send_at"]))
    return DeliveryTarget(
        expected=expected,
        message_ids=tuple(ids),
        campaign=about["campaign"],
        start=start.subtract(seconds=_SLACK_SECONDS),
        end=end.add(seconds=_SLACK_SECONDS),
        sms_types=tuple(int(one) for one in SMS_TYPES_OF_KIND[about["kind"]]),
    )


def _moment(text: str) -> DateTime:
    return pendulum.parse(text)  # type: ignore[return-value]
