"""Voice calls from a script or a recording, and their status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .accepting import accepted, claimed_request_id, store, submission_of
from .accounts import AccountState
from .calls import Call, query_caller
from .config import SMS_TYPE_CALL
from .records import AT_OPERATOR, QUEUED, RESULT_DELIVERED, SENT, Recipient
from .rules import RefusedError, check_balance, checked_phone, checked_send_at
from .state import State
from .wire import query_members, text_member
from .world import CallScript


def _call(state: State, call: Call, account: AccountState, members: Mapping[str, Any], content: str) -> Any:
    phone = checked_phone(state, text_member(members, "Phone"))
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=False)
    known = {"CallbackUrl": members.get("CallbackUrl")}
    submission = submission_of(state, call, account, known, SMS_TYPE_CALL, account.account.prices.call)
    submission.send_at_ms = checked_send_at(state, text_member(members, "SendDate"), slashes=True)
    submission.template_id = text_member(members, "TemplateId")
    check_balance(account, submission.price_vnd)
    message_id = store(state, call, submission, [Recipient(phone, content)], request_id)[0]
    answer = accepted(message_id)
    del answer["CountRegenerate"]
    # The documented samples of both functions end with a space.
    answer["SMSID"] = f"{message_id} "
    return answer


def make_call_from_template(state: State, call: Call) -> Any:
    """A call that reads out a script with values; 104 for an unknown script. Source: MakeCallTemplate_V2."""
    account, members = query_caller(state, call)
    script = account.call_scripts.get(text_member(members, "TemplateId"))
    if script is None or script.recording:
        raise RefusedError("104", "Template not found")
    return _call(state, call, account, members, _spoken(script, text_member(members, "VariableListStr")))


def _spoken(script: CallScript, values: str) -> str:
    text = script.text
    for value in values.split("||") if values else []:
        text = text.replace("{}", value, 1)
    return text


def make_call_from_recording(state: State, call: Call) -> Any:
    """A call that plays a recording; 106 for an unknown one. Source: MakeCallRecord_V2."""
    account, members = query_caller(state, call)
    script = account.call_scripts.get(text_member(members, "TemplateId"))
    if script is None or not script.recording:
        raise RefusedError("106")
    return _call(state, call, account, members, "")


def call_outcome(state: State, number: int) -> dict[str, Any]:
    """The current status of a call, in the members that status and callback share."""
    row, lot = state.rows[number], state.fates.of(number).lot
    answered = row.SendResult == RESULT_DELIVERED
    over = row.SendStatus not in (QUEUED, AT_OPERATOR)
    return {
        "CallDuration": 5 + lot % 56 if answered else 0,
        "CallStatus": "" if not over else "ANSWERED" if answered else "NOANSWERED",
        "Ivr": str(lot % 10) if answered and state.submission_of[number].function.endswith("recording") else "",
        "SendStatus": SENT if over else row.SendStatus,
        "SentResult": int(answered),
    }


def get_voice_call_status(state: State, call: Call) -> Any:
    """The status of one call; the id is returned in capitals. Source: GetSendStatus of the voice host."""
    account, members = query_caller(state, call)
    given = text_member(members, "ReferenceId") or query_members(call.request.query).get("refid", "")
    numbers = state.numbers_of(given.lower(), account.account.api_key)
    if not numbers or state.submission_of[numbers[0]].sms_type != SMS_TYPE_CALL:
        raise RefusedError("105", "ReferenceId is not exist")
    outcome = call_outcome(state, numbers[0])
    return {"CodeResponse": "100", "ReferenceId": given.strip().upper(), **outcome}
