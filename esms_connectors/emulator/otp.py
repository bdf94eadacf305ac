"""One-time codes that the gateway generates, sends and verifies: they expire, and each can be verified once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .accepting import accepted, store, submission_of
from .accounts import AccountState, OtpCode
from .calls import Call, caller, query_caller, sms_type_of
from .config import SMS_TYPE_CUSTOMER_CARE
from .progress import mix
from .records import Fallback, Recipient
from .rules import (
    InvalidRequestError,
    RefusedError,
    brandname_for,
    check_balance,
    check_content,
    checked_phone,
    segments,
)
from .state import State
from .wire import json_members, text_member
from .zns_rules import Allowance, rendered, zns_template_for
from .zns_sending import zns_submission

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LEAST_MINUTES, _MOST_MINUTES, _USUAL_MINUTES, _USUAL_LENGTH = 2, 15, 5, 6
_MOST_LENGTH = 10


def _number(members: Mapping[str, Any], name: str, usual: int, least: int, most: int) -> int:
    text = text_member(members, name)
    if not text:
        return usual
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise RefusedError("110", f"{name} is not valid")
    return int(text)


def _new_code(state: State, account: AccountState, length: int, *, digits: bool) -> str:
    alphabet = "0123456789" if digits else _LETTERS
    lot = mix(state.config.seed ^ len(account.codes) + 1)
    return "".join(alphabet[(lot >> 5 * place) % len(alphabet)] for place in range(length))


def _lifetime_ms(members: Mapping[str, Any]) -> int:
    return 60_000 * _number(members, "TimeAlive", _USUAL_MINUTES, _LEAST_MINUTES, _MOST_MINUTES)


def send_auto_otp_sms(state: State, call: Call) -> Any:
    """A generated code in an SMS whose text contains `{OTP}`. Source: SendMessageAutoGenCode_V4_get."""
    account, members = query_caller(state, call)
    sms_type = sms_type_of(text_member(members, "Type"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname"))
    phone = checked_phone(state, text_member(members, "Phone"))
    text = text_member(members, "message")
    if "{OTP}" not in text:
        raise InvalidRequestError
    lifetime_ms = _lifetime_ms(members)
    length = _number(members, "NumCharOfCode", _USUAL_LENGTH, 1, _MOST_LENGTH)
    code = _new_code(state, account, length, digits=text_member(members, "IsNumber") != "0")
    content = text.replace("{OTP}", code)
    check_content(state, brandname, content, sms_type)
    known = {"Brandname": brandname.name}
    submission = submission_of(state, call, account, known, sms_type, brandname.price_vnd * segments(content))
    check_balance(account, submission.price_vnd)
    message_id = store(state, call, submission, [Recipient(phone, content)])[0]
    account.codes.append(OtpCode(phone, code, call.at_ms + lifetime_ms))
    return accepted(message_id)


def send_auto_otp_multi_channel(state: State, call: Call) -> Any:
    """A generated code by ZNS, or by SMS if that fails; TypeId 1 only generates it. Source: ..._V5."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    kind = text_member(members, "TypeId")
    if kind not in ("1", "2"):
        raise RefusedError("110", "TypeId is not valid")
    phone = checked_phone(state, text_member(members, "Phone"))
    pair = account.multi_channel_templates.get(text_member(members, "MultiChannelTempId"))
    if pair is None:
        raise RefusedError("789")
    lifetime_ms = _lifetime_ms(members)
    code = _new_code(state, account, _USUAL_LENGTH, digits=True)
    template = zns_template_for(state, account, {"OAID": pair.oa_id, "TempID": pair.zns_template_id})
    brandname = brandname_for(account, pair.brandname)
    text = pair.text.replace("{OTP}", code)
    zns = zns_submission(state, call, account, {}, template)
    sms = submission_of(
        state,
        call,
        account,
        {"Brandname": brandname.name},
        SMS_TYPE_CUSTOMER_CARE,
        brandname.price_vnd * segments(text),
    )
    check_balance(account, max(zns.price_vnd, sms.price_vnd))
    if kind == "1":
        message_id = state.next_sandbox_id(zns.sms_type)
    else:
        zns.fallback = Fallback(sms, Recipient(phone, text))
        allowance = Allowance(state, account, template, zns, {})
        recipient = Recipient(phone, rendered(template, [code]), later_failure=allowance.later_failure())
        message_id = store(state, call, zns, [recipient])[0]
        allowance.use(1)
    account.codes.append(OtpCode(phone, code, call.at_ms + lifetime_ms))
    return accepted(message_id)


def check_code(state: State, call: Call) -> Any:
    """100, once, for a valid code; 171 for a used, expired or wrong one. Source: CheckCodeGen_V4_get."""
    account, members = query_caller(state, call)
    phone, given = checked_phone(state, text_member(members, "Phone")), text_member(members, "Code")
    if not given:
        raise InvalidRequestError
    for code in account.codes:
        if code.phone == phone and code.text == given and not code.used and call.at_ms < code.expires_ms:
            code.used = True
            return {"CodeResult": "100", "CountRegenerate": 0, "ErrorMessage": f"{phone}, Content: Success!"}
    raise RefusedError("171")
