"""
Maps requests to functions.

Paths match case-insensitively and with or without a trailing slash, as in the gateway's web framework. If functions
share an address, a member of the request decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from .config import Quirks
from .wire import Request, form_members, query_members

Choose = Callable[[Request, Quirks], str]


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its method, its functions, and how to choose among them."""

    method: str
    functions: tuple[str, ...]
    choose: Choose


class _Members(msgspec.Struct):
    """The members that select among the functions of one address; all others are skipped."""

    SmsType: Any = None
    IsJourney: Any = None
    Payload: Any = None


def _members(request: Request) -> _Members:
    try:
        return msgspec.json.decode(request.body, type=_Members)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The function cannot read it either and reports that.
        return _Members()


def _type_8(quirks: Quirks) -> str:
    return "make_voice_otp_call" if quirks.type_8_is == "voice" else "send_fixed_number_sms"


def _by_json_type(request: Request, quirks: Quirks) -> str:
    sms_type = str(_members(request).SmsType).strip()
    if sms_type == "8":
        return _type_8(quirks)
    return "send_zns_full_template" if sms_type in ("24", "25") else "send_customer_care_sms"


def _by_query_type(request: Request, _: Quirks) -> str:
    by_type = {"8": "send_fixed_number_sms_get", "23": "send_viber_get"}
    return by_type.get(query_members(request.query).get("smstype", "").strip(), "send_customer_care_sms_get")


def _by_form_type(request: Request, _: Quirks) -> str:
    sms_type = form_members(request.body).get("smstype", "").strip()
    return "send_zns_form" if sms_type in ("24", "25") else "send_customer_care_sms_form"


def _by_journey(request: Request, _: Quirks) -> str:
    return "send_zns_v4" if _members(request).IsJourney in (None, False, "false", "0", 0) else "send_zns_journey"


def _by_payload(request: Request, _: Quirks) -> str:
    payload: Any = _members(request).Payload
    for name in ("message", "attachment", "payload"):
        payload = payload.get(name) if isinstance(payload, dict) else None
    kind = str(payload.get("template_type", "")) if isinstance(payload, dict) else ""
    if kind.startswith("transaction_"):
        return "send_zalo_transaction"
    by_kind = {"request_user_info": "send_zalo_user_info_request", "media": "send_zalo_consulting_photo"}
    return by_kind.get(kind, "send_zalo_consulting_buttons")


def _by_template_kind(request: Request, _: Quirks) -> str:
    return (
        "list_zns_templates"
        if str(_members(request).SmsType).strip() in ("24", "25")
        else "list_customer_care_templates"
    )


def _by_status_id(request: Request, _: Quirks) -> str:
    members = query_members(request.query)
    if "refid" not in members and (
        "referenceid" in members or request.headers.get("host", "").lower().startswith("voiceapi.")
    ):
        return "get_voice_call_status"
    return "get_send_status"


def _one(method: str, function: str) -> Route:
    return Route(method, (function,), lambda _request, _quirks: function)


_SERVICE_ROUTES: Mapping[str, Route] = {
    "SendMultipleMessage_V4_post_json": Route(
        "POST",
        ("send_customer_care_sms", "send_fixed_number_sms", "make_voice_otp_call", "send_zns_full_template"),
        _by_json_type,
    ),
    "SendMultipleMessage_V4_get": Route(
        "GET", ("send_customer_care_sms_get", "send_fixed_number_sms_get", "send_viber_get"), _by_query_type
    ),
    "SendMultipleMessage_V4_post": Route("POST", ("send_customer_care_sms_form", "send_zns_form"), _by_form_type),
    "SendMultipleMessage_V4": _one("POST", "send_customer_care_sms_xml"),
    "SendMultipleSMSBrandname": _one("POST", "send_advertising_sms_xml"),
    "SendMultipleSMSBrandname_json": _one("POST", "send_advertising_sms"),
    "SendZaloMessage_V4_post_json": Route("POST", ("send_zns_journey", "send_zns_v4"), _by_journey),
    "SendZaloMessage_V5_post": _one("POST", "send_zns"),
    "SendZaloMessage_V6/zalo_uid": _one("POST", "send_zns_by_uid"),
    "Send_zns_bulk_v4_post_json": _one("POST", "send_zns_bulk"),
    "Send_Multiple_Sms_OTT": _one("POST", "send_viber"),
    "MultiChannelMessage": _one("POST", "send_multi_channel"),
    "SendZaloFollowerMessage_V4_post_json": _one("POST", "send_zalo_consulting_text"),
    "SendZaloFollowerMessage_V5_post_json": Route(
        "POST",
        (
            "send_zalo_consulting_photo",
            "send_zalo_consulting_buttons",
            "send_zalo_transaction",
            "send_zalo_user_info_request",
        ),
        _by_payload,
    ),
    "MakeCallTemplate_V2": _one("GET", "make_call_from_template"),
    "MakeCallRecord_V2": _one("GET", "make_call_from_recording"),
    "GetSmsSentData_V2": _one("POST", "get_sms_sent_data"),
    "GetSendStatus": Route("GET", ("get_send_status", "get_voice_call_status"), _by_status_id),
    "GetSmsReceiverStatus_get": _one("GET", "get_sms_receiver_status"),
    "GetBalance_json": _one("POST", "get_balance"),
    "GetZnsTemplateInfo": _one("GET", "get_zns_template"),
    "GetZaloMessageStatus": _one("POST", "get_zns_delivery_status"),
    "GetTemplate": Route("POST", ("list_customer_care_templates", "list_zns_templates"), _by_template_kind),
    "ZNS/GetListZOA": _one("POST", "list_oas"),
    "ZNS/GetQuota": _one("POST", "get_oa_quota"),
    "ZNS/GetQuality": _one("POST", "get_oa_quality"),
    "ZNS/GetRating": _one("POST", "list_zns_ratings"),
    "ZNS/GetFollowers": _one("POST", "list_oa_followers"),
    "SummaryMultipleMessage_V4_get": _one("GET", "estimate_customer_care_sms"),
    "SummaryMultipleSMSBrandname": _one("POST", "estimate_advertising_sms"),
    "SummaryZaloMessage_V4_post_json": _one("POST", "estimate_zns"),
    "SendMessageAutoGenCode_V4_get": _one("GET", "send_auto_otp_sms"),
    "SendMessageAutoGenCode_V5": _one("POST", "send_auto_otp_multi_channel"),
    "CheckCodeGen_V4_get": _one("GET", "check_code"),
    "RegisOAPackageJson": _one("POST", "purchase_oa_package"),
    "RegisZNSTemplateJson": _one("POST", "register_zns_template"),
    "SubServicePreviewJson": _one("POST", "register_sms_template"),
    "GetSmsSentData_V1": _one("POST", "get_sms_sent_data_v1"),
}

ROUTES: Mapping[str, Route] = {
    **{f"/mainservice.svc/json/{name.lower()}": route for name, route in _SERVICE_ROUTES.items()},
    "/zalocallback/getcallback": _one("POST", "get_callback_data"),
    "/mainservice.svc/json/getlistbrandname/*": _one("GET", "list_brandnames"),
    "/mainservice.svc/json/getbalance/*": _one("GET", "get_balance_by_path"),
}
"""Lower-case path without a trailing slash -> route; `*` stands for two segments with the keys."""


def route_of(path: str) -> Route | None:
    """The route of a path; None if the gateway has no such address."""
    plain = path.lower().rstrip("/")
    head, *keys = plain.rsplit("/", 2)
    return ROUTES.get(plain) or (ROUTES.get(f"{head}/*") if len(keys) == 2 else None)
