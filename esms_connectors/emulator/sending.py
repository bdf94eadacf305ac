"""SMS: one customer-care or fixed-number message by JSON, query or form, one text to many, and the XML sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .accepting import accepted, before_cut, claimed_request_id, is_sandbox, store, submission_of
from .accounts import AccountState
from .calls import Call, caller, form_caller, query_caller, sms_type_of
from .config import SMS_TYPE_ADVERTISING, SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_FIXED_NUMBER
from .records import Recipient
from .rules import (
    MAX_ADVERTISING_PHONES,
    MIN_ADVERTISING_PHONES,
    InvalidRequestError,
    RefusedError,
    authorize,
    brandname_for,
    check_balance,
    check_content,
    check_same_text,
    checked_phone,
    written,
)
from .state import State
from .wire import UnreadableRequestError, json_members, text_member, texts_member, xml_send


def _send_customer_care(
    state: State, call: Call, account: AccountState, members: Mapping[str, Any], *, sandbox: bool
) -> Any:
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname"))
    phone = checked_phone(state, text_member(members, "Phone"))
    content, parts = written(state, members)
    request_id = claimed_request_id(
        state, call, account, text_member(members, "RequestId"), sandbox=sandbox, SendStatus="5"
    )
    check_content(state, brandname, content, sms_type)
    submission = submission_of(state, call, account, members, sms_type, brandname.price_vnd * parts)
    check_balance(account, submission.price_vnd)
    check_same_text(state, account, phone, content, sandbox=sandbox)
    return accepted(store(state, call, submission, [Recipient(phone, content)], request_id, sandbox=sandbox)[0])


def send_customer_care_sms(state: State, call: Call) -> Any:
    """One customer-care SMS. Source: send-otp-customer-care-message."""
    members = json_members(call.request.body)
    return _send_customer_care(state, call, caller(state, call, members), members, sandbox=is_sandbox(members))


def send_customer_care_sms_get(state: State, call: Call) -> Any:
    """The same with all members in the query string, whose names are case-insensitive."""
    account, members = query_caller(state, call)
    return _send_customer_care(state, call, account, members, sandbox=is_sandbox(members))


def send_customer_care_sms_form(state: State, call: Call) -> Any:
    """The same as a form, without sandbox, schedule, campaign and callback."""
    account, members = form_caller(state, call)
    known = ("Phone", "Content", "SmsType", "Brandname", "RequestId")
    return _send_customer_care(state, call, account, {name: members.get(name) for name in known}, sandbox=False)


def _send_fixed_number(
    state: State, call: Call, account: AccountState, members: Mapping[str, Any], *, sandbox: bool
) -> Any:
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_FIXED_NUMBER)
    phone = checked_phone(state, text_member(members, "Phone"))
    content, parts = written(state, members)
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    submission = submission_of(state, call, account, members, sms_type, account.account.prices.fixed_number * parts)
    check_balance(account, submission.price_vnd)
    check_same_text(state, account, phone, content, sandbox=sandbox)
    return accepted(store(state, call, submission, [Recipient(phone, content)], request_id, sandbox=sandbox)[0])


def send_fixed_number_sms(state: State, call: Call) -> Any:
    """One SMS from the shared fixed number, without a brandname. Source: send-fixed-number-message."""
    members = json_members(call.request.body)
    return _send_fixed_number(state, call, caller(state, call, members), members, sandbox=is_sandbox(members))


def make_voice_otp_call(state: State, call: Call) -> Any:
    """The same request as the fixed-number SMS; `Quirks.type_8_is` decides which of the two is sent."""
    return send_fixed_number_sms(state, call)


def send_fixed_number_sms_get(state: State, call: Call) -> Any:
    """The fixed-number SMS with all members in the query string; it has no sandbox."""
    account, members = query_caller(state, call)
    return _send_fixed_number(state, call, account, members, sandbox=False)


def checked_batch(state: State, phones: list[str]) -> list[str]:
    """Distinct numbers in the given order; refused with 120 over 5000, 108 / 99 for an invalid one, 107 under 30."""
    if len(phones) > MAX_ADVERTISING_PHONES:
        raise RefusedError("120")
    distinct = list(dict.fromkeys(checked_phone(state, phone) for phone in phones))
    if len(distinct) < MIN_ADVERTISING_PHONES:
        raise RefusedError("107")
    return distinct


def send_advertising_sms(state: State, call: Call) -> Any:
    """One text to 30..5000 numbers under one SMSID. Source: send-advertising-message."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_ADVERTISING)
    brandname = brandname_for(account, text_member(members, "Brandname"), "advertising")
    phones = checked_batch(state, texts_member(members, "Phones") or [])
    content, parts = written(state, members)
    sandbox = is_sandbox(members)
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    submission = submission_of(state, call, account, members, sms_type, brandname.price_vnd * parts)
    submission.shared_id = True
    check_balance(account, submission.price_vnd * len(phones))
    recipients = [Recipient(phone, content) for phone in before_cut(call, phones)]
    return accepted(store(state, call, submission, recipients, request_id, sandbox=sandbox)[0])


_XML_NAMES = {"SENDDATE": "SendDate", "BRANDNAME": "Brandname", "CALLBACKURL": "CallbackUrl", "CONTENT": "Content"}


def send_customer_care_sms_xml(state: State, call: Call) -> Any:
    """
    The XML send, on both of its URLs.

    SMSTYPE 1, and anything on the advertising URL, requires 30..5000 numbers. There is no sandbox flag.
    Sources: send-customer-care-message-using-post-text, send-advertising-message-using-post-text.
    """
    try:
        sent = xml_send(call.request.body)
    except UnreadableRequestError:
        raise InvalidRequestError from None
    account = authorize(
        state, sent.members.get("APIKEY", ""), sent.members.get("SECRETKEY", ""), call.request.client_ip
    )
    sms_type = sms_type_of(sent.members.get("SMSTYPE", ""), SMS_TYPE_ADVERTISING, SMS_TYPE_CUSTOMER_CARE)
    advertising = sms_type == SMS_TYPE_ADVERTISING
    brandname = brandname_for(
        account, sent.members.get("BRANDNAME", ""), "advertising" if advertising else "customer_care"
    )
    if advertising or call.function == "send_advertising_sms_xml":
        phones = checked_batch(state, sent.phones)
    else:
        phones = list(dict.fromkeys(checked_phone(state, phone) for phone in sent.phones or [""]))
    members = {name: sent.members.get(element) for element, name in _XML_NAMES.items()}
    # IsUnicode is not documented here: the text decides.
    content, parts = written(state, {**members, "IsUnicode": ""})
    given_id = sent.members.get("REQUESTID", "") if state.config.quirks.xml_request_id_honoured else ""
    request_id = claimed_request_id(state, call, account, given_id, sandbox=False)
    submission = submission_of(state, call, account, members, sms_type, brandname.price_vnd * parts)
    submission.shared_id = True
    if not advertising:
        check_content(state, brandname, content, sms_type)
    check_balance(account, submission.price_vnd * len(phones))
    recipients = [Recipient(phone, content) for phone in before_cut(call, phones)]
    return accepted(store(state, call, submission, recipients, request_id)[0])


def send_advertising_sms_xml(state: State, call: Call) -> Any:
    """One text to 30..5000 numbers by XML: the same body on the advertising URL."""
    return send_customer_care_sms_xml(state, call)
