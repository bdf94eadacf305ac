"""
One good request for each operation of the catalogue, as its page shows it, and a member whose lack is refused.

`missing` is (member to leave out, code of the refusal); None as the code is the body without a code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway_caller import KEYS, phones

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.emulator.world import (
    DEMO_CALL_TEMPLATE_ID,
    DEMO_JOURNEY_TEMPLATE_ID,
    DEMO_MULTI_CHANNEL_TEMPLATE_ID,
    DEMO_RECORDING_ID,
)

PHONE, USER_ID = "0901888484", "31215806834323092"
PARAMS = ["Chị A", "Gội đầu", "KH001", "19/03/2025"]
VALUES = dict(zip(("customer_name", "service", "code", "date"), PARAMS, strict=True))
FULL_TEXT = "Xin chào An, dịch vụ cắt tóc (mã K1) đã được xác nhận ngày 19/03/2025."
OA, ZNS = {"OAID": DEMO_OA_ID}, {"OAID": DEMO_OA_ID, "TempID": DEMO_TEMPLATE_ID}
CARE = {"Phone": PHONE, "Content": "Xin chao", "Brandname": DEMO_BRANDNAME, "SmsType": "2"}
FIXED = {"Phone": PHONE, "Content": "Ma 123456", "SmsType": "8"}
SPAN = {"From": "2024-05-15 00:00:00", "To": "2024-05-15 23:59:59", "Page": 1, "PageSize": 500}
XML_CARE = {"CONTENT": "Xin chao", "SMSTYPE": "2", "BRANDNAME": DEMO_BRANDNAME}
XML_ADVERTISING = {**XML_CARE, "SMSTYPE": "1"}
BUTTON = {"title": "Mở", "type": "oa.open.url", "payload": {"url": "https://example.com"}}


def payload(kind: str | None, text: str | None = None, **inner: Any) -> dict[str, Any]:
    body = {**({"template_type": kind} if kind else {}), **inner}
    message = {**({"text": text} if text else {}), "attachment": {"type": "template", "payload": body}}
    return {**OA, "Payload": {"recipient": {"user_id": USER_ID}, "message": message}}


@dataclass(frozen=True)
class Asked:
    """One request: the members besides the keys, and for XML the phones."""

    members: dict[str, Any]
    missing: tuple[str, str | None]
    phones: list[str] = field(default_factory=list)


REQUESTS: dict[str, Asked] = {
    "send_customer_care_sms": Asked(CARE, ("Brandname", "104")),
    "send_customer_care_sms_get": Asked(CARE, ("Content", None)),
    "send_customer_care_sms_form": Asked(CARE, ("Phone", "108")),
    "send_customer_care_sms_xml": Asked(XML_CARE, ("CONTENT", None), [PHONE]),
    "send_advertising_sms": Asked(
        {"Phones": phones(30), "Content": "Giam gia", "Brandname": DEMO_BRANDNAME, "SmsType": "1"}, ("Phones", "107")
    ),
    "send_advertising_sms_xml": Asked(XML_ADVERTISING, ("SMSTYPE", "300"), phones(30)),
    "send_fixed_number_sms": Asked(FIXED, ("Content", None)),
    "send_fixed_number_sms_get": Asked(FIXED, ("Phone", "108")),
    "make_voice_otp_call": Asked({**FIXED, "IsUnicode": 0, "Sandbox": 0}, ("Phone", "108")),
    "send_zns": Asked(
        {**ZNS, "Phone": PHONE, "TempData": [{"key": key, "value": value} for key, value in VALUES.items()]},
        ("TempData", "790"),
    ),
    "send_zns_by_uid": Asked({**ZNS, "ZaloUid": USER_ID, "TempData": VALUES}, ("ZaloUid", "210")),
    "send_zns_v4": Asked({**ZNS, "Phone": PHONE, "Params": PARAMS}, ("TempID", "791")),
    "send_zns_journey": Asked(
        {
            **OA,
            "TempID": DEMO_JOURNEY_TEMPLATE_ID,
            "Phone": PHONE,
            "Params": PARAMS[:3],
            "IsJourney": True,
            "OrderId": "DH01",
        },
        ("OrderId", None),
    ),
    "send_zns_bulk": Asked({**ZNS, "Data": [{"Phone": PHONE, "Params": PARAMS}]}, ("Data", "110")),
    "send_zns_full_template": Asked({**OA, "Phone": PHONE, "SmsType": "25", "Content": FULL_TEXT}, ("OAID", "791")),
    "send_zns_form": Asked({**OA, "Phone": PHONE, "Smstype": "25", "Content": FULL_TEXT}, ("Content", None)),
    "send_viber": Asked(
        {"Phones": [PHONE], "Content": "Xin chao", "Brandname": DEMO_BRANDNAME, "SmsType": "23"}, ("Content", None)
    ),
    "send_viber_get": Asked({**CARE, "SmsType": "23"}, ("Brandname", "104")),
    "send_multi_channel": Asked(
        {
            "Phone": PHONE,
            "Channels": ["zalo", "sms"],
            "Data": [{**ZNS, "Params": PARAMS}, {**CARE, "Phone": None}],
        },
        ("Channels", None),
    ),
    "send_zalo_consulting_text": Asked({**OA, "User_id": USER_ID, "Content": "Xin chào"}, ("Content", "210")),
    "send_zalo_consulting_photo": Asked(
        payload("media", "Xin chào", elements=[{"media_type": "image", "url": "https://example.com/a.png"}]),
        ("OAID", "791"),
    ),
    "send_zalo_consulting_buttons": Asked(payload(None, "Xin chào", buttons=[BUTTON]), ("Payload", "210")),
    "send_zalo_transaction": Asked(
        payload("transaction_order", elements=[{"type": "header", "content": "Đơn hàng"}]), ("OAID", "791")
    ),
    "send_zalo_user_info_request": Asked(
        payload(
            "request_user_info",
            elements=[{"title": "Xin số", "subtitle": "để giao", "image_url": "https://example.com/a.png"}],
        ),
        ("OAID", "791"),
    ),
    "send_auto_otp_sms": Asked(
        {"Phone": PHONE, "Brandname": DEMO_BRANDNAME, "Type": "2", "message": "Ma {OTP}"}, ("message", None)
    ),
    "send_auto_otp_multi_channel": Asked(
        {"Phone": PHONE, "MultiChannelTempId": DEMO_MULTI_CHANNEL_TEMPLATE_ID, "TypeId": "2"},
        ("MultiChannelTempId", "789"),
    ),
    "check_code": Asked({"Phone": PHONE, "Code": "(of the last code sent)"}, ("Code", None)),
    "make_call_from_template": Asked({"Phone": PHONE, "TemplateId": DEMO_CALL_TEMPLATE_ID}, ("TemplateId", "104")),
    "make_call_from_recording": Asked({"Phone": PHONE, "TemplateId": DEMO_RECORDING_ID}, ("TemplateId", "106")),
    "get_voice_call_status": Asked({"ReferenceId": "(of a call)"}, ("ReferenceId", None)),
    "get_balance": Asked({}, ("SecretKey", "101")),
    "get_sms_sent_data": Asked({"SmsType": "2", **SPAN}, ("SmsType", "300")),
    "get_send_status": Asked({"RefId": "(of an SMS)"}, ("RefId", "105")),
    "get_sms_receiver_status": Asked({"RefId": "(of an SMS)"}, ("RefId", "105")),
    "list_brandnames": Asked({}, ("SecretKey", "404")),
    "list_customer_care_templates": Asked({"SmsType": "2", "Brandname": DEMO_BRANDNAME}, ("Brandname", "104")),
    "list_oas": Asked({}, ("ApiKey", "101")),
    "list_zns_templates": Asked({"SmsType": "25", "OAId": DEMO_OA_ID}, ("OAId", "791")),
    "estimate_customer_care_sms": Asked(
        {"Phone": PHONE, "Content": "Xin chao", "BrandName": DEMO_BRANDNAME, "SmsType": "2"}, ("SmsType", "300")
    ),
    "estimate_advertising_sms": Asked(XML_ADVERTISING, ("BRANDNAME", "104"), phones(6)),
    "estimate_zns": Asked({**ZNS, "Phone": PHONE, "Params": PARAMS}, ("Params", "790")),
    "get_oa_quota": Asked(OA, ("OAID", "791")),
    "get_oa_quality": Asked(OA, ("OAID", "791")),
    "list_zns_ratings": Asked(
        {
            **OA,
            "TemplateID": DEMO_TEMPLATE_ID,
            "FromTime": "1715700000000",
            "ToTime": "1715900000000",
            "Offset": "0",
            "Limit": "10",
        },
        ("FromTime", "110"),
    ),
    "list_oa_followers": Asked({**OA, "Offset": 0, "Count": 10}, ("Offset", "110")),
    "get_callback_data": Asked({"OAId": DEMO_OA_ID, "ListRefid": ["(of a ZNS)"]}, ("SecretKey", "101")),
    "get_zns_template": Asked({"OAId": DEMO_OA_ID, "TemplateId": DEMO_TEMPLATE_ID}, ("TemplateId", "791")),
    "get_zns_delivery_status": Asked({**OA, "MessageId": "(of a ZNS)"}, ("MessageId", "851")),
    "purchase_oa_package": Asked(
        {**OA, "Package": 2, "Dateactive": "2024-06-01", "Duaration": "3"}, ("Dateactive", None)
    ),
    "register_zns_template": Asked(
        {**OA, "SmsType": "25", "Content": "Chào {{name}}", "ImageUrl": "https://example.com/a.png"}, ("Content", None)
    ),
    "register_sms_template": Asked(
        {"Brandname": DEMO_BRANDNAME, "Content": "Chao {P1,20}", "ServiceType": 2, "SmsType": 2}, ("ServiceType", "301")
    ),
}


def xml(members: dict[str, Any], numbers: list[str]) -> str:
    """The body of the XML pages."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    contacts = "".join(f"<CUSTOMER><PHONE>{phone}</PHONE></CUSTOMER>" for phone in numbers)
    return f"<RQST>{inner}<CONTACTS>{contacts}</CONTACTS></RQST>"


XML_KEYS = {"APIKEY": KEYS["ApiKey"], "SECRETKEY": KEYS["SecretKey"]}
