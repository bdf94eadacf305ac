"""Code shared by all sends: sandbox, request id, answer and storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from .accounts import AccountState
from .calls import Call
from .records import Recipient, Submission
from .rules import checked_request_id, checked_send_at
from .state import State
from .wire import text_member


def accepted(message_id: str) -> dict[str, Any]:
    """The answer of an accepted send."""
    return {"CodeResult": "100", "CountRegenerate": 0, "SMSID": message_id}


def is_sandbox(members: Mapping[str, Any], name: str = "Sandbox") -> bool:
    """Whether the sandbox member is set. Only this function's spelling counts; with any other the send is real."""
    return text_member(members, name) == "1"


def claimed_request_id(
    state: State, call: Call, account: AccountState, request_id: str, *, sandbox: bool, **extra: Any
) -> str | None:
    """Check the RequestId, and note it on the call in case a refusal consumes it."""
    if request_id and not sandbox:
        call.burnable = account, request_id
    return checked_request_id(state, account, call.function, request_id, **extra)


def submission_of(
    state: State, call: Call, account: AccountState, members: Mapping[str, Any], sms_type: int, price_vnd: Decimal
) -> Submission:
    """A submission with the members that most sends share: SendDate, campaignid, Brandname, CallbackUrl."""
    return Submission(
        number=0,
        function=call.function,
        api_key=account.account.api_key,
        sms_type=sms_type,
        price_vnd=price_vnd,
        created_ms=call.at_ms,
        send_at_ms=checked_send_at(state, text_member(members, "SendDate")),
        campaign=text_member(members, "campaignid"),
        brandname=text_member(members, "Brandname"),
        callback_url=text_member(members, "CallbackUrl"),
    )


def store(
    state: State,
    call: Call,
    submission: Submission,
    recipients: Sequence[Recipient],
    request_id: str | None = None,
    *,
    sandbox: bool = False,
) -> list[str]:
    """Store and charge, except in the sandbox. Returns the message ids, a single one if all messages share it."""
    if sandbox:
        count = 1 if submission.shared_id else len(recipients)
        return [state.next_sandbox_id(submission.sms_type) for _ in range(count)]
    call.accepted += len(recipients)
    return state.add(submission, recipients, request_id=request_id)


def before_cut(call: Call, phones: list[str]) -> Sequence[str]:
    """The phones accepted before a scripted refusal of the whole call."""
    return phones if call.cut is None else call.cut.taken(phones)
