"""Account data and cost estimates: brandnames, templates, OAs with quota and quality, prices of messages."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .accounts import AccountState
from .calls import Call, caller, query_caller, sms_type_of
from .config import SMS_TYPE_ADVERTISING, SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_VIBER, SMS_TYPE_ZNS
from .progress import local_day, local_text_ms, mix
from .records import RESULT_DELIVERED
from .rules import (
    InvalidRequestError,
    RefusedError,
    authorize,
    brandname_for,
    checked_phone,
    normal_phone,
    segments,
    written,
)
from .state import State
from .wire import UnreadableRequestError, json_members, text_member, xml_send
from .world import Brandname, OfficialAccount, ZnsTemplate
from .zns_reports import number_of_partner_id, partner_id
from .zns_rules import official_account_for, positional_values, rendered, zns_template_for

_NETWORK_IDS = (1, 2, 3, 4, 5, 6, 7)
_SUCCESS = {"CodeResult": "100", "ErrorMessage": "success"}
_FEEDBACKS = ("Giao hàng nhanh", "Nhân viên thân thiện", "Dễ đặt lịch")


def path_caller(state: State, call: Call) -> AccountState:
    """The account of a request whose last two path segments are the keys."""
    segments_of_path = call.request.path.strip("/").split("/")
    api_key, secret_key = segments_of_path[-2:]
    return authorize(state, api_key, secret_key, call.request.client_ip)


def list_brandnames(state: State, call: Call) -> Any:
    """Every brandname, once per message type; the keys are the last two segments of the path."""
    account = path_caller(state, call)
    names = [
        {"Brandname": brandname.name, "Type": sms_type}
        for brandname in account.brandnames.values()
        for sms_type, usable in _uses(brandname)
        if usable
    ]
    return {"CodeResponse": "100", "ListBrandName": names}


def _uses(brandname: Brandname) -> tuple[tuple[int, bool], ...]:
    return (
        (SMS_TYPE_ADVERTISING, brandname.advertising),
        (SMS_TYPE_CUSTOMER_CARE, brandname.customer_care),
        (SMS_TYPE_VIBER, brandname.viber),
    )


def list_customer_care_templates(state: State, call: Call) -> Any:
    """The registered texts of a brandname, one row per network, with slots like `{P1,20}`."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname") or text_member(members, "BrandName"))
    rows = [
        {"NetworkID": network_id, "TempContent": _with_slots(text), "TempId": 100_000 + 10 * place + network_id}
        for place, text in enumerate(brandname.templates, 1)
        for network_id in _NETWORK_IDS
    ]
    return {**_SUCCESS, "BrandnameTemplates": rows}


def _with_slots(text: str) -> str:
    parts = re.split(r"\{[^{}]*\}", text)
    return "".join(f"{{P{place},20}}{part}" if place else part for place, part in enumerate(parts))


def list_oas(state: State, call: Call) -> Any:
    """The OAs of the account."""
    account = caller(state, call, json_members(call.request.body))
    rows = [{"OAID": oa.oa_id, "OAName": oa.name} for oa in account.official_accounts.values()]
    return {**_SUCCESS, "ZOAList": rows}


def list_zns_templates(state: State, call: Call) -> Any:
    """The enabled ZNS templates of an OA and type, as HTML with `{{name}}` slots."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS)
    oa = official_account_for(state, account, text_member(members, "OAId"))
    priority = sms_type == SMS_TYPE_PRIORITY_ZNS
    rows = [
        _template_row(template)
        for template in account.templates.values()
        if template.oa_id == oa.oa_id and template.status == "ENABLE" and (template.tag == "OTP") == priority
    ]
    return {**_SUCCESS, "ZNSTemplates": rows}


def _template_row(template: ZnsTemplate) -> dict[str, Any]:
    text = html.escape(template.text, quote=False)
    for param in template.params:
        text = text.replace(f"&lt;{param.name}&gt;", f"{{{{{param.name}}}}}")
    return {
        "TempContent": f"<p>{text}</p>",
        "TempId": int(template.template_id) if template.template_id.isdigit() else template.template_id,
        "TempName": template.name,
        "ZNSTempDetail": [
            {"Limit": param.max_length, "Param": param.name, "ParamLevel": place, "RequireType": "type_text"}
            for place, param in enumerate(template.params, 1)
        ],
    }


def _oa_of(state: State, call: Call) -> tuple[AccountState, OfficialAccount, Mapping[str, Any]]:
    members = json_members(call.request.body)
    account = caller(state, call, members)
    return account, official_account_for(state, account, text_member(members, "OAID")), members


def get_oa_quota(state: State, call: Call) -> Any:
    """The quota of an OA on this Vietnamese day, and what remains of it."""
    account, oa, _ = _oa_of(state, call)
    left = account.left_of_oa(oa.oa_id, local_day(call.at_ms))
    return {**_SUCCESS, "DailyQuota": oa.daily_quota, "RemainingQuota": left}


def get_oa_quality(state: State, call: Call) -> Any:
    """The sending quality of an OA."""
    _, oa, _ = _oa_of(state, call)
    return {**_SUCCESS, "Oa7dayQuality": oa.quality_7_days, "OaCurrentQuality": oa.quality}


def _place(members: Mapping[str, Any], name: str, *, least: int) -> int:
    text = text_member(members, name)
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise RefusedError("110", f"{name} is not valid")
    return int(text)


def list_oa_followers(state: State, call: Call) -> Any:
    """A page of the followers of an OA; the page size is `Count` (`Limit` in the documented table)."""
    _, oa, members = _oa_of(state, call)
    offset = _place(members, "Offset", least=0)
    count = _place(members, "Count" if "Count" in members else "Limit", least=1)
    numbers = range(offset, min(oa.followers, offset + count))
    seed = state.config.seed ^ int(oa.oa_id) if oa.oa_id.isdigit() else state.config.seed
    users = [{"User_Id": f"{10**18 + mix(number ^ seed & (1 << 64) - 1) % 10**18}"} for number in numbers]
    return {**_SUCCESS, "Followers": users, "Total": oa.followers}


def _moment(members: Mapping[str, Any], name: str) -> int:
    """Epoch milliseconds, or a date and time: the format is not documented."""
    text = text_member(members, name)
    if text.isascii() and text.isdigit():
        return int(text)
    moment_ms = local_text_ms(text)
    if moment_ms is None:
        raise RefusedError("110", f"{name} is not valid")
    return moment_ms


def list_zns_ratings(state: State, call: Call) -> Any:
    """Ratings of one template: every fifth delivered ZNS is rated one hour after delivery."""
    account, oa, members = _oa_of(state, call)
    template_id = text_member(members, "TemplateID")
    from_ms, to_ms = _moment(members, "FromTime"), _moment(members, "ToTime")
    offset, limit = _place(members, "Offset", least=0), _place(members, "Limit", least=1)
    ratings = []
    for number, row in enumerate(state.rows):
        submission = state.submission_of[number]
        own = submission.api_key == account.account.api_key and submission.oa_id == oa.oa_id
        if not own or submission.template_id != template_id or row.SendResult != RESULT_DELIVERED or number % 5:
            continue
        rated_ms = (state.timeline(number).final_ms or state.created[number]) + 3_600_000
        if from_ms <= rated_ms <= min(to_ms, call.at_ms):
            ratings.append(_rating(state, number, rated_ms))
    return {**_SUCCESS, "Data": ratings[offset : offset + limit], "Total": len(ratings)}


def _rating(state: State, number: int, rated_ms: int) -> dict[str, Any]:
    lot = state.fates.of(number).lot
    return {
        "feedbacks": [_FEEDBACKS[lot % len(_FEEDBACKS)]],
        "msgId": partner_id(state, number),
        "note": "",
        "rate": 1 + lot % 5,
        "submitDate": str(rated_ms),
        "trackingId": "",
    }


def get_zns_delivery_status(state: State, call: Call) -> Any:
    """Whether one ZNS has reached the phone, by Zalo's message id (the Partnerids of a callback)."""
    account, oa, members = _oa_of(state, call)
    message_id = text_member(members, "MessageId")
    if not message_id:
        raise RefusedError("851")
    if _too_many(state, call):
        raise RefusedError("160")
    data: dict[str, Any] = {"delivery_time": "", "message": "Message is not exist", "status": -1}
    number = number_of_partner_id(state, message_id)
    if number is not None:
        submission = state.submission_of[number]
        if submission.api_key == account.account.api_key and submission.oa_id == oa.oa_id:
            data = _delivery(state, number)
    return {"CodeResult": "100", "ErrorMessage": "success. ", "Data": data}


def _too_many(state: State, call: Call) -> bool:
    limit = state.config.delivery_status_per_second
    second = call.at_ms // 1000
    if state.delivery_calls[0] != second:
        state.delivery_calls = (second, 0)
    state.delivery_calls = (second, state.delivery_calls[1] + 1)
    return limit is not None and state.delivery_calls[1] > limit


def _delivery(state: State, number: int) -> dict[str, Any]:
    if state.rows[number].SendResult != RESULT_DELIVERED:
        return {"delivery_time": "", "message": "The message is not delivered to the phone", "status": 0}
    delivered_ms = state.timeline(number).final_ms or state.created[number]
    return {"delivery_time": str(delivered_ms), "message": "The message is delivered to the phone", "status": 1}


def _estimate(price_vnd: Decimal, receivers: int) -> dict[str, Any]:
    return {**_SUCCESS, "TotalPrice": price_vnd, "TotalReceiver": receivers}


def estimate_customer_care_sms(state: State, call: Call) -> Any:
    """The cost of one customer-care SMS, exactly as a send would charge it."""
    account, members = query_caller(state, call)
    sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE)
    brandname = brandname_for(account, text_member(members, "Brandname"))
    checked_phone(state, text_member(members, "Phone"))
    return _estimate(brandname.price_vnd * written(state, members)[1], 1)


def estimate_advertising_sms(state: State, call: Call) -> Any:
    """The cost of an advertising SMS to all valid numbers, without a minimum number of them; XML in, JSON out."""
    try:
        sent = xml_send(call.request.body)
    except UnreadableRequestError:
        raise InvalidRequestError from None
    account = authorize(
        state, sent.members.get("APIKEY", ""), sent.members.get("SECRETKEY", ""), call.request.client_ip
    )
    sms_type_of(sent.members.get("SMSTYPE", ""), SMS_TYPE_ADVERTISING)
    brandname = brandname_for(account, sent.members.get("BRANDNAME", ""), "advertising")
    content = sent.members.get("CONTENT", "")
    if not content:
        raise InvalidRequestError
    receivers = len({phone for text in sent.phones if (phone := normal_phone(text))})
    return _estimate(brandname.price_vnd * segments(content) * receivers, receivers)


def estimate_zns(state: State, call: Call) -> Any:
    """The cost of one ZNS."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    journey = any(
        template.journey and template.template_id == text_member(members, "TempID")
        for template in account.templates.values()
    )
    template = zns_template_for(state, account, members, journey=journey)
    checked_phone(state, text_member(members, "Phone"))
    rendered(template, positional_values(members, template, wrong_count="790"))
    return _estimate(template.price_vnd, 1)
