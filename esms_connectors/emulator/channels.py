"""Viber, and multi-channel messages, which try Zalo first and then SMS (or the reverse)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .accepting import accepted, before_cut, claimed_request_id, is_sandbox, store, submission_of
from .accounts import AccountState
from .calls import Call, caller, query_caller, sms_type_of
from .config import SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_VIBER
from .records import Fallback, Recipient, Submission
from .rules import (
    InvalidRequestError,
    RefusedError,
    brandname_for,
    check_balance,
    check_content,
    checked_phone,
    written,
)
from .state import State
from .wire import UnreadableRequestError, json_members, text_member, texts_member
from .zns_rules import Allowance, positional_values, rendered, zns_template_for
from .zns_sending import zns_submission


def _send_viber(
    state: State,
    call: Call,
    account: AccountState,
    members: Mapping[str, Any],
    phones: list[str],
    *,
    image: str,
    sandbox: bool,
) -> Any:
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_VIBER)
    brandname = brandname_for(account, text_member(members, "Brandname"), "viber")
    distinct = list(dict.fromkeys(checked_phone(state, phone) for phone in phones or [""]))
    content = text_member(members, "Content")
    if not content and not image:
        raise InvalidRequestError
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    submission = submission_of(state, call, account, members, sms_type, brandname.viber_price_vnd)
    submission.shared_id = True
    check_balance(account, submission.price_vnd * len(distinct))
    recipients = [Recipient(phone, content) for phone in before_cut(call, distinct)]
    return accepted(store(state, call, submission, recipients, request_id, sandbox=sandbox)[0])


def send_viber(state: State, call: Call) -> Any:
    """One Viber message to one or more numbers under one SMSID; only `IsSandBox` enables the sandbox. Source: viber."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    phones = texts_member(members, "Phones") or []
    sandbox = is_sandbox(members, "IsSandBox")
    image = text_member(members, "OttImgUrl")
    return _send_viber(state, call, account, members, phones, image=image, sandbox=sandbox)


def send_viber_get(state: State, call: Call) -> Any:
    """One Viber message to one number, with all members in the query string."""
    account, members = query_caller(state, call)
    phones = [text_member(members, "Phone")]
    image, sandbox = text_member(members, "OTTImgUrl"), is_sandbox(members)
    return _send_viber(state, call, account, members, phones, image=image, sandbox=sandbox)


Try = tuple[Submission, Recipient, Callable[[], object]]
"""One channel of a multi-channel message: what it would store, and what to do after storing."""


def _zalo_try(state: State, call: Call, account: AccountState, phone: str, members: Mapping[str, Any]) -> Try:
    template = zns_template_for(state, account, members)
    content = rendered(template, positional_values(members, template, wrong_count="790"))
    submission = zns_submission(state, call, account, members, template)
    allowance = Allowance(state, account, template, submission, members)
    return submission, Recipient(phone, content, later_failure=allowance.later_failure()), lambda: allowance.use(1)


def _sms_try(state: State, call: Call, account: AccountState, phone: str, members: Mapping[str, Any]) -> Try:
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname"))
    content, parts = written(state, members)
    check_content(state, brandname, content, sms_type)
    submission = submission_of(state, call, account, members, sms_type, brandname.price_vnd * parts)
    return submission, Recipient(phone, content), lambda: None


_TRIES = {"zalo": _zalo_try, "sms": _sms_try}


def _channels(members: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    names, data = texts_member(members, "Channels") or [], members.get("Data")
    if not names or not isinstance(data, list) or len(names) != len(data):
        raise InvalidRequestError
    if not all(isinstance(element, dict) for element in data):
        raise UnreadableRequestError("Data contains something other than objects")
    if len(names) > len(_TRIES) or len(set(names)) != len(names) or not set(names) <= set(_TRIES):
        raise RefusedError("118")
    return list(zip(names, data, strict=True))


def send_multi_channel(state: State, call: Call) -> Any:
    """
    One message over the first channel that delivers it; `RequestId`, `CallbackUrl` and `Sandbox` are in each element.

    The answer has the SMSID of the first attempt; the second is made and charged after the first has failed. It is a
    sandbox call only if every element says so.
    """
    members = json_members(call.request.body)
    account = caller(state, call, members)
    phone = checked_phone(state, text_member(members, "Phone"))
    channels = _channels(members)
    sandbox = all(is_sandbox(element) for _, element in channels)
    request_ids = [
        claimed_request_id(state, call, account, text_member(element, "RequestId"), sandbox=sandbox)
        for _, element in channels
    ]
    tries = [_TRIES[name](state, call, account, phone, element) for name, element in channels]
    check_balance(account, max(submission.price_vnd for submission, *_ in tries))
    (submission, recipient, done), *second = tries
    if second:
        submission.fallback = _second_try(state, second[0], request_ids)
    message_id = store(state, call, submission, [recipient], request_ids[0], sandbox=sandbox)[0]
    if not sandbox:
        done()
        for request_id in filter(None, request_ids):
            account.request_ids[state.request_key(call.function, request_id)] = submission.first
    return accepted(message_id)


def _second_try(state: State, second: Try, request_ids: list[str | None]) -> Fallback | None:
    if state.config.quirks.fallback_collides and request_ids[0] and request_ids[0] == request_ids[1]:
        return None
    submission, recipient, _ = second
    return Fallback(submission, recipient)
