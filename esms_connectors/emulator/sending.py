"""The sends: one SMS, one text to many, one ZNS, ZNS in bulk. Each answers as the pages of that function show."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from .calls import Call, caller, sms_type_of
from .config import (
    SMS_TYPE_ADVERTISING,
    SMS_TYPE_CUSTOMER_CARE,
    SMS_TYPE_JOURNEY,
    SMS_TYPE_PRIORITY_ZNS,
    SMS_TYPE_ZNS,
    ZnsTemplate,
)
from .rules import (
    MAX_ADVERTISING_PHONES,
    MAX_BULK_ITEMS,
    MIN_ADVERTISING_PHONES,
    InvalidRequestError,
    RefusedError,
    authorize,
    brandname_for,
    check_balance,
    check_content,
    checked_phone,
    checked_request_id,
    checked_send_at,
    keyed_values,
    positional_values,
    rendered,
    segments,
    zns_template_for,
)
from .state import AccountState, Recipient, State, Submission
from .wire import UnreadableRequestError, bool_member, json_members, text_member, texts_member, xml_send


def _accepted(message_id: str) -> dict[str, Any]:
    return {"CodeResult": "100", "CountRegenerate": 0, "SMSID": message_id}


def _is_sandbox(members: Mapping[str, Any]) -> bool:
    # Only this spelling counts: the service ignores members it does not know, so `SandBox` sends for real.
    return text_member(members, "Sandbox") == "1"


def _request_id(
    state: State, call: Call, account: AccountState, request_id: str, *, sandbox: bool, **extra: Any
) -> str | None:
    if request_id and not sandbox:
        call.burnable = account, request_id
    return checked_request_id(state, account, call.function, request_id, **extra)


def _store(
    state: State,
    call: Call,
    submission: Submission,
    recipients: list[Recipient],
    request_id: str | None = None,
    *,
    sandbox: bool = False,
) -> list[str]:
    if sandbox:
        count = 1 if submission.shared_id else len(recipients)
        return [state.next_sandbox_id(submission.sms_type) for _ in range(count)]
    call.accepted = len(recipients)
    return state.add(submission, recipients, request_id=request_id)


def send_customer_care_sms(state: State, call: Call) -> Any:
    """One customer-care SMS. Source: send-otp-customer-care-message."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname"), advertising=False)
    phone = checked_phone(state, text_member(members, "Phone"))
    content = text_member(members, "Content")
    if not content:
        raise InvalidRequestError
    sandbox = _is_sandbox(members)
    request_id = _request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox, SendStatus="5")
    send_at_ms = checked_send_at(text_member(members, "SendDate"))
    check_content(state, brandname, content, sms_type)
    price = brandname.price_vnd * segments(content)
    check_balance(account, price)
    submission = Submission(
        number=0,
        function=call.function,
        api_key=account.account.api_key,
        sms_type=sms_type,
        price_vnd=price,
        created_ms=call.at_ms,
        send_at_ms=send_at_ms,
        campaign=text_member(members, "campaignid"),
        brandname=brandname.name,
        callback_url=text_member(members, "CallbackUrl"),
    )
    return _accepted(_store(state, call, submission, [Recipient(phone, content)], request_id, sandbox=sandbox)[0])


def _checked_batch(state: State, phones: list[str]) -> list[str]:
    """Distinct numbers in their given order: 120 over 5000, 108 / 99 for a bad one, 107 under 30."""
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
    brandname = brandname_for(account, text_member(members, "Brandname"), advertising=True)
    phones = _checked_batch(state, texts_member(members, "Phones") or [])
    content = text_member(members, "Content")
    if not content:
        raise InvalidRequestError
    sandbox = _is_sandbox(members)
    request_id = _request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    send_at_ms = checked_send_at(text_member(members, "SendDate"))
    price = brandname.price_vnd * segments(content)
    check_balance(account, price * len(phones))
    submission = Submission(
        number=0,
        function=call.function,
        api_key=account.account.api_key,
        sms_type=sms_type,
        price_vnd=price,
        created_ms=call.at_ms,
        send_at_ms=send_at_ms,
        campaign=text_member(members, "campaignid"),
        brandname=brandname.name,
        callback_url=text_member(members, "CallbackUrl"),
        shared_id=True,
    )
    recipients = [Recipient(phone, content) for phone in _up_to_the_cut(call, phones)]
    return _accepted(_store(state, call, submission, recipients, request_id, sandbox=sandbox)[0])


def _up_to_the_cut(call: Call, phones: list[str]) -> Sequence[str]:
    return phones if call.cut is None else call.cut.taken(phones)


def send_customer_care_sms_xml(state: State, call: Call) -> Any:
    """
    The XML send, on both of its URLs.

    SMSTYPE 1, and anything on the advertising URL, falls under the rule of 30..5000 numbers. There is no sandbox flag.
    Sources: send-customer-care-message-using-post-text, send-advertising-message-using-post-text.
    """
    try:
        sent = xml_send(call.request.body)
    except UnreadableRequestError:
        raise InvalidRequestError from None
    members = sent.members
    account = authorize(state, members.get("APIKEY", ""), members.get("SECRETKEY", ""), call.request.client_ip)
    sms_type = sms_type_of(members.get("SMSTYPE", ""), SMS_TYPE_ADVERTISING, SMS_TYPE_CUSTOMER_CARE)
    advertising = sms_type == SMS_TYPE_ADVERTISING
    brandname = brandname_for(account, members.get("BRANDNAME", ""), advertising=advertising)
    if advertising or call.request.path.endswith("SendMultipleSMSBrandname"):
        phones = _checked_batch(state, sent.phones)
    else:
        phones = list(dict.fromkeys(checked_phone(state, phone) for phone in sent.phones or [""]))
    content = members.get("CONTENT", "")
    if not content:
        raise InvalidRequestError
    given_id = members.get("REQUESTID", "") if state.config.quirks.xml_request_id_honoured else ""
    request_id = _request_id(state, call, account, given_id, sandbox=False)
    send_at_ms = checked_send_at(members.get("SENDDATE", ""))
    if not advertising:
        check_content(state, brandname, content, sms_type)
    price = brandname.price_vnd * segments(content)
    check_balance(account, price * len(phones))
    submission = Submission(
        number=0,
        function=call.function,
        api_key=account.account.api_key,
        sms_type=sms_type,
        price_vnd=price,
        created_ms=call.at_ms,
        send_at_ms=send_at_ms,
        brandname=brandname.name,
        callback_url=members.get("CALLBACKURL", ""),
        shared_id=True,
    )
    recipients = [Recipient(phone, content) for phone in _up_to_the_cut(call, phones)]
    return _accepted(_store(state, call, submission, recipients, request_id)[0])


def _zns_submission(
    call: Call, account: AccountState, members: Mapping[str, Any], oa_id: str, template: ZnsTemplate
) -> Submission:
    if template.journey:
        sms_type = SMS_TYPE_JOURNEY
    else:
        sms_type = SMS_TYPE_PRIORITY_ZNS if template.tag == "OTP" else SMS_TYPE_ZNS
    return Submission(
        number=0,
        function=call.function,
        api_key=account.account.api_key,
        sms_type=sms_type,
        price_vnd=template.price_vnd,
        created_ms=call.at_ms,
        send_at_ms=checked_send_at(text_member(members, "SendDate")),
        campaign=text_member(members, "campaignid"),
        oa_id=oa_id,
        template_id=template.template_id,
        order_id=text_member(members, "OrderId"),
        callback_url=text_member(members, "CallbackUrl"),
    )


def _send_one_zns(
    state: State, call: Call, members: Mapping[str, Any], *, journey: bool, keyed: bool
) -> dict[str, Any]:
    account = caller(state, call, members)
    oa_id, template = zns_template_for(state, account, members, journey=journey)
    phone = checked_phone(state, text_member(members, "Phone"))
    sandbox = _is_sandbox(members)
    request_id = _request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    values = keyed_values(members, template) if keyed else positional_values(members, template, wrong_count="790")
    content = rendered(template, values)
    check_balance(account, template.price_vnd)
    submission = _zns_submission(call, account, members, oa_id, template)
    return _accepted(_store(state, call, submission, [Recipient(phone, content)], request_id, sandbox=sandbox)[0])


def send_zns(state: State, call: Call) -> Any:
    """One ZNS with values by key. Source: send-message-via-zalo (V5)."""
    return _send_one_zns(state, call, json_members(call.request.body), journey=False, keyed=True)


def send_zns_journey(state: State, call: Call) -> Any:
    """
    One journey ZNS with positional values; without IsJourney the same URL sends an ordinary ZNS.

    Source: send-journey-zns-message.
    """
    members = json_members(call.request.body)
    journey = bool_member(members, "IsJourney")
    if journey and not text_member(members, "OrderId"):
        caller(state, call, members)
        raise InvalidRequestError
    return _send_one_zns(state, call, members, journey=journey, keyed=False)


def send_zns_bulk(state: State, call: Call) -> Any:
    """
    Up to 500 ZNS of one template; every element has its own outcome in `detail`.

    Whole-request refusals take nothing: 687 over 500 elements, 110 without a usable list.
    Source: send-personized-message-via-zalo.
    """
    members = json_members(call.request.body)
    account = caller(state, call, members)
    elements = members.get("Data")
    if not isinstance(elements, list) or not elements:
        raise RefusedError("110")
    if len(elements) > MAX_BULK_ITEMS:
        raise RefusedError("687")
    oa_id, template = zns_template_for(state, account, members)
    check_balance(account, template.price_vnd)
    submission = _zns_submission(call, account, members, oa_id, template)
    sandbox = _is_sandbox(members)
    affordable = int(account.balance_vnd // template.price_vnd) if template.price_vnd else len(elements)
    recipients: list[Recipient] = []
    details: list[dict[str, Any]] = []
    taken: list[dict[str, Any]] = []
    seen: set[str] = set()
    reached = len(elements) if call.cut is None else len(call.cut.taken(elements))
    for element in elements[:reached]:
        phone_text = text_member(element, "Phone") if isinstance(element, dict) else ""
        try:
            recipient = _bulk_recipient(state, call, account, template, element, seen)
            if len(recipients) >= affordable:
                raise RefusedError("103")
        except RefusedError as error:
            _burn_element(state, account, element, error, sandbox=sandbox)
            details.append(
                {"CodeResult": error.code, "Phone": phone_text, "ErrorMessage": error.message, **error.extra}
            )
            continue
        if recipient.request_id:
            seen.add(recipient.request_id)
        recipients.append(recipient)
        detail = {"CodeResult": "100", "Phone": phone_text}
        taken.append(detail)
        details.append(detail)
    if recipients:
        message_ids = _store(state, call, submission, recipients, sandbox=sandbox)
        for detail, message_id in zip(taken, message_ids, strict=True):
            detail["SMSID"] = message_id
    for element in elements[reached:]:
        phone_text = text_member(element, "Phone") if isinstance(element, dict) else ""
        details.append({"CodeResult": call.cut.code if call.cut else "", "Phone": phone_text, "ErrorMessage": "Error"})
    return {
        "CodeResult": "100",
        "Message": "Sucess",
        "TotalSuccess": len(taken),
        "TotalFail": len(details) - len(taken),
        "detail": _odd_detail(state, call, details),
    }


def _bulk_recipient(
    state: State, call: Call, account: AccountState, template: ZnsTemplate, element: Any, seen: set[str]
) -> Recipient:
    if not isinstance(element, dict):
        raise RefusedError("110")
    phone = checked_phone(state, text_member(element, "Phone"))
    given_id = text_member(element, "RequestId")
    try:
        request_id = checked_request_id(state, account, call.function, given_id)
    except InvalidRequestError:
        raise RefusedError("110") from None
    if request_id and given_id in seen:
        raise RefusedError("124")
    return Recipient(phone, rendered(template, positional_values(element, template, wrong_count="110")), request_id)


def _burn_element(state: State, account: AccountState, element: Any, error: RefusedError, *, sandbox: bool) -> None:
    if state.config.refused_burns_request_id and not sandbox and error.code != "124" and isinstance(element, dict):
        request_id = text_member(element, "RequestId")
        if request_id:
            state.burn(account, request_id, state.clock.now_ms())


def _odd_detail(state: State, call: Call, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    quirk = state.config.quirks.bulk_detail
    if quirk == "complete":
        return details
    dice = random.Random(state.config.seed * 1_000_003 + call.number)
    if quirk == "shuffled":
        return dice.sample(details, len(details))
    if quirk == "without_rejected":
        return [detail for detail in details if detail["CodeResult"] == "100"]
    if quirk == "random_rows_missing":
        # At least one row is missing, or a test with a small list would see nothing.
        lost = dice.randrange(len(details))
        return [detail for place, detail in enumerate(details) if place != lost and dice.random() > 0.1]
    return [{name: value for name, value in detail.items() if name != "SMSID"} for detail in details]
