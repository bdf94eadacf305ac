"""Each function of the catalogue with every argument that it takes, and what the gateway then answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pendulum

from esms_connectors import SmsType, ZnsRecipient
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.gateway.zalo_payloads import ZaloButton

DOCUMENTED: Mapping[str, Mapping[str, Any]] = json.loads(
    (Path(__file__).parent / "documented_operations.json").read_text(encoding="utf-8")
)
"""What the gateway's documentation says of each function, written down by hand."""

PHONE = "0901888484"
AT = pendulum.datetime(2024, 5, 15, 18, tz="Asia/Ho_Chi_Minh")
CALLBACK = "https://example.vn/callback"
IMAGE, LINK = "https://example.vn/a.png", "https://example.vn/shop"
USER_ID = "1234567890123456789"
_LATER = {"send_at": AT, "callback_url": CALLBACK, "request_id": "r-1"}
_SMS = {"phone": PHONE, "content": "Xin chao", "is_unicode": False, **_LATER}
_CARE = {**_SMS, "brandname": DEMO_BRANDNAME, "campaign": "c-1"}
_ZNS = {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID, "campaign": "c-1"}
_POSITIONAL, _NAMED = ["Lan", "KH-1"], {"customer_name": "Lan"}
_ZALO = {"zalo_user_id": USER_ID, "oa_id": DEMO_OA_ID, "callback_url": CALLBACK, "request_id": "r-1"}
_VIBER = {
    "brandname": DEMO_BRANDNAME,
    "content": "Xin chao",
    "image_url": IMAGE,
    "button_url": LINK,
    "button_label": "Xem",
    "callback_url": CALLBACK,
    "request_id": "r-1",
}
_BUTTON = ZaloButton("Xem", "oa.open.url", {"url": LINK}, IMAGE)
_PHONES = [f"09018884{number:02}" for number in range(30)]
_PHONES_TEXT = {"phones": _PHONES, "content": "Giam gia", "brandname": DEMO_BRANDNAME}
_RANGE = {"start": AT.subtract(days=1), "end": AT}

EVERY_ARGUMENT: Mapping[str, Mapping[str, Any]] = {
    "send_customer_care_sms": _CARE,
    "send_advertising_sms": {**_PHONES_TEXT, **_LATER},
    "send_fixed_number_sms": {**_SMS, "campaign": "c-1"},
    "send_zns": {"phone": PHONE, **_ZNS, **_LATER, "template_params": _NAMED, "sending_mode": 1},
    "send_zns_by_uid": {"zalo_user_id": USER_ID, **_ZNS, **_LATER, "template_params": _NAMED},
    "send_zns_journey": {
        "phone": PHONE,
        **_ZNS,
        "template_params": _POSITIONAL,
        "order_id": "DH-1",
        "is_journey": False,
        "callback_url": CALLBACK,
        "request_id": "r-1",
    },
    "send_zns_bulk": {
        "recipients": [ZnsRecipient(PHONE, _POSITIONAL, "r-1")],
        **_ZNS,
        "sending_mode": 1,
        "send_at": AT,
        "callback_url": CALLBACK,
    },
    "send_zalo_consulting_text": {**_ZALO, "content": "Xin chao"},
    "send_zalo_consulting_photo": {**_ZALO, "content": "Xin chao", "image_url": IMAGE},
    "send_zalo_consulting_buttons": {**_ZALO, "content": "Xin chao", "buttons": [_BUTTON]},
    "send_zalo_transaction": {
        **_ZALO,
        "template_type": "transaction_order",
        "language": "VI",
        "elements": [
            {"type": "banner", "image_url": IMAGE},
            {"type": "header", "content": "Don hang", "align": "left"},
            {"type": "table", "content": [{"key": "Mã khách hàng", "value": "KH-1"}]},
        ],
        "buttons": [_BUTTON],
    },
    "send_zalo_user_info_request": {**_ZALO, "title": "Chia se", "subtitle": "So dien thoai", "image_url": IMAGE},
    "send_viber": {"phones": [PHONE], **_VIBER},
    "send_multi_channel": {
        "phone": PHONE,
        **_ZNS,
        "template_params": _POSITIONAL,
        "content": "Xin chao",
        "brandname": DEMO_BRANDNAME,
        "channels": ["zalo", "sms"],
        "is_unicode": False,
        "sending_mode": 1,
        "callback_url": CALLBACK,
        "request_id": "r-1",
    },
    "send_auto_otp_sms": {
        "phone": PHONE,
        "content": "Ma {OTP}",
        "brandname": DEMO_BRANDNAME,
        "lifetime_minutes": 5,
        "code_length": 6,
        "digits_only": True,
    },
    "send_auto_otp_multi_channel": {
        "phone": PHONE,
        "multi_channel_template_id": "mc-1",
        "lifetime_minutes": 5,
        "send": True,
    },
    "check_code": {"phone": PHONE, "code": "123456"},
    "make_voice_otp_call": {**_SMS, "campaign": "c-1"},
    "make_call_from_template": {
        "phone": PHONE,
        "template_id": "kb-1",
        "template_params": _POSITIONAL,
        "voice": "female",
        "speed": 0,
        **_LATER,
    },
    "make_call_from_recording": {
        "phone": PHONE,
        "template_id": "ga-1",
        "forward_to": "0912345678",
        "forward_key": 1,
        "key_wait": 5,
        "max_repeat": 2,
        "max_retry": 1,
        "retry_wait_seconds": 60,
        **_LATER,
    },
    "get_sms_sent_data": {**_RANGE, "sms_type": 2, "page_size": 500},
    "get_send_status": {"message_id": "m-9"},
    "get_sms_receiver_status": {"message_id": "m-1"},
    "get_callback_data": {"message_ids": ["m-1"], "oa_id": DEMO_OA_ID},
    "get_zns_delivery_status": {"zalo_message_id": "z-1", "oa_id": DEMO_OA_ID},
    "get_voice_call_status": {"message_id": "9f0c5f4e-64d8-4c5e-8d0b-1d1b2c3d4e5f"},
    "receive_shortcode_message": {
        "parameters": {
            "sender": "84901888484",
            "content": "DK qua tang",
            "serviceNumber": "8079",
            "keyword": "DK",
            "sign": "c2lnbmF0dXJl",
            "cpid": "cp-1",
            "smsid": "mo-1",
            "receiverTime": "20240515130101",
        },
        "private_key": "key-of-the-short-code",
    },
    "get_balance": {},
    "list_brandnames": {},
    "list_customer_care_templates": {"brandname": DEMO_BRANDNAME},
    "list_oas": {},
    "list_zns_templates": {"oa_id": DEMO_OA_ID, "sms_type": 25},
    "get_zns_template": {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID},
    "get_oa_quota": {"oa_id": DEMO_OA_ID},
    "get_oa_quality": {"oa_id": DEMO_OA_ID},
    "list_zns_ratings": {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID, **_RANGE, "offset": 0, "limit": 10},
    "list_oa_followers": {"oa_id": DEMO_OA_ID, "offset": 0, "count": 10},
    "estimate_customer_care_sms": {
        "phone": PHONE,
        "content": "Xin chao",
        "brandname": DEMO_BRANDNAME,
        "is_unicode": False,
    },
    "estimate_advertising_sms": _PHONES_TEXT,
    "estimate_zns": {
        "phone": PHONE,
        "template_id": DEMO_TEMPLATE_ID,
        "oa_id": DEMO_OA_ID,
        "template_params": _POSITIONAL,
    },
    "purchase_oa_package": {"oa_id": DEMO_OA_ID, "package": 1, "starts_on": date(2024, 5, 16), "duration": "6"},
    "register_zns_template": {
        "oa_id": DEMO_OA_ID,
        "content": "Cam on {{name}}",
        "image_url": IMAGE,
        "sms_type": 25,
        "first_link": LINK,
        "second_link": LINK,
        "callback_url": CALLBACK,
    },
    "register_sms_template": {
        "brandname": DEMO_BRANDNAME,
        "content": "Cam on {P1,20}",
        "sms_type": 2,
        "is_unicode": False,
        "assets_url": LINK,
        "customer_name": "Lan",
        "customer_phone": PHONE,
        "customer_email": "lan@example.vn",
        "callback_url": CALLBACK,
    },
    "send_customer_care_sms_get": _CARE,
    "send_customer_care_sms_form": {
        "phone": PHONE,
        "content": "Xin chao",
        "brandname": DEMO_BRANDNAME,
        "request_id": "r-1",
    },
    "send_customer_care_sms_xml": {
        "phones": [PHONE],
        "content": "Xin chao",
        "brandname": DEMO_BRANDNAME,
        **_LATER,
        "sms_type": SmsType.CUSTOMER_CARE,
    },
    "send_fixed_number_sms_get": _SMS,
    "send_advertising_sms_xml": _PHONES_TEXT,
    "send_zns_v4": {
        "phone": PHONE,
        **_ZNS,
        **_LATER,
        "template_params": _POSITIONAL,
        "sending_mode": 1,
    },
    "send_zns_form": {"phone": PHONE, "oa_id": DEMO_OA_ID, "content": "Cam on Lan", "sms_type": 25},
    "send_zns_full_template": {
        "phone": PHONE,
        "oa_id": DEMO_OA_ID,
        "content": "Cam on Lan",
        "sms_type": 25,
        "is_unicode": False,
    },
    "send_viber_get": {"phone": PHONE, **_VIBER},
}
