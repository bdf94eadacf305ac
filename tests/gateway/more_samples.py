"""One small call of each further function that succeeds against the emulator, under the name of the function."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from samples import ADVERTISING_PHONES, DAY, NEXT_DAY, PHONE, VALUES

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.world import DEMO_CALL_TEMPLATE_ID, DEMO_MULTI_CHANNEL_TEMPLATE_ID, DEMO_RECORDING_ID
from esms_connectors.gateway.zalo_payloads import ZaloButton

USER_ID = "31215806834323092"
PICTURE, LINK = "https://example.com/a.png", "https://example.com"
_ZALO = {"zalo_user_id": USER_ID, "oa_id": DEMO_OA_ID}
_ZNS = {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID}
_SMS = {"phone": PHONE, "content": "Ma 123456"}
_BRANDED = {**_SMS, "brandname": DEMO_BRANDNAME}
_NAMED = dict(zip(("customer_name", "service", "code", "date"), VALUES, strict=True))
_FULL_TEXT = "Xin chào An, dịch vụ cắt tóc (mã K1) đã được xác nhận ngày 19/03/2025."
_FULL = {"phone": PHONE, "oa_id": DEMO_OA_ID, "content": _FULL_TEXT}

MORE_SENDS: Mapping[str, Mapping[str, Any]] = {
    "send_fixed_number_sms": _SMS,
    "send_zns_by_uid": {"zalo_user_id": USER_ID, **_ZNS, "template_params": _NAMED},
    "send_zalo_consulting_text": {**_ZALO, "content": "Xin chào"},
    "send_zalo_consulting_photo": {**_ZALO, "content": "Xin chào", "image_url": PICTURE},
    "send_zalo_consulting_buttons": {
        **_ZALO,
        "content": "Xin chào",
        "buttons": [ZaloButton("Mở", "oa.open.url", {"url": LINK})],
    },
    "send_zalo_transaction": {
        **_ZALO,
        "template_type": "transaction_order",
        "elements": [{"type": "header", "content": "Đơn hàng"}],
    },
    "send_zalo_user_info_request": {**_ZALO, "title": "Xin số", "subtitle": "để giao", "image_url": PICTURE},
    "send_viber": {"phones": [PHONE], "brandname": DEMO_BRANDNAME, "content": "Xin chao"},
    "send_multi_channel": {**_BRANDED, **_ZNS, "template_params": list(VALUES)},
    "send_auto_otp_sms": {"phone": PHONE, "content": "Ma {OTP}", "brandname": DEMO_BRANDNAME},
    "send_auto_otp_multi_channel": {"phone": PHONE, "multi_channel_template_id": DEMO_MULTI_CHANNEL_TEMPLATE_ID},
    "make_voice_otp_call": _SMS,
    "make_call_from_template": {"phone": PHONE, "template_id": DEMO_CALL_TEMPLATE_ID},
    "make_call_from_recording": {"phone": PHONE, "template_id": DEMO_RECORDING_ID},
    "purchase_oa_package": {"oa_id": DEMO_OA_ID, "package": 2, "starts_on": date(2024, 6, 1), "duration": "3"},
    "register_zns_template": {"oa_id": DEMO_OA_ID, "content": "Chào {{name}}", "image_url": PICTURE},
    "register_sms_template": {"brandname": DEMO_BRANDNAME, "content": "Chao {P1,20}"},
    "send_customer_care_sms_get": _BRANDED,
    "send_customer_care_sms_form": _BRANDED,
    "send_fixed_number_sms_get": _SMS,
    "send_advertising_sms_xml": {"phones": ADVERTISING_PHONES, "content": "Giam gia", "brandname": DEMO_BRANDNAME},
    "send_zns_v4": {"phone": PHONE, **_ZNS, "template_params": list(VALUES)},
    "send_zns_form": _FULL,
    "send_zns_full_template": _FULL,
    "send_viber_get": _BRANDED,
    "check_code": {"phone": PHONE, "code": "(of the last code sent)"},
}
MORE_READS: Mapping[str, Mapping[str, Any]] = {
    "get_zns_delivery_status": {"zalo_message_id": "(of a ZNS)", "oa_id": DEMO_OA_ID},
    "get_voice_call_status": {"message_id": "(of a call)"},
    "list_brandnames": {},
    "list_customer_care_templates": {"brandname": DEMO_BRANDNAME},
    "list_oas": {},
    "list_zns_templates": {"oa_id": DEMO_OA_ID},
    "get_oa_quota": {"oa_id": DEMO_OA_ID},
    "get_oa_quality": {"oa_id": DEMO_OA_ID},
    "list_zns_ratings": {**_ZNS, "start": DAY, "end": NEXT_DAY},
    "list_oa_followers": {"oa_id": DEMO_OA_ID},
    "estimate_customer_care_sms": _BRANDED,
    "estimate_advertising_sms": {"phones": ADVERTISING_PHONES, "content": "Giam gia", "brandname": DEMO_BRANDNAME},
    "estimate_zns": {"phone": PHONE, **_ZNS, "template_params": list(VALUES)},
}
# One request, and nothing in it says that it is to be a call.
SEEN_AS = {"make_voice_otp_call": "send_fixed_number_sms"}


def prepared(name: str, client: EsmsClient, gateway: Emulator) -> dict[str, Any]:
    """The arguments of the sample, with what an earlier call has made."""
    arguments = dict({**MORE_SENDS, **MORE_READS}[name])
    if name == "check_code":
        client.send_auto_otp_sms(**MORE_SENDS["send_auto_otp_sms"])
        (account,) = gateway.state.accounts.values()
        arguments["code"] = account.codes[-1].text
    elif name == "get_voice_call_status":
        arguments["message_id"] = client.make_call_from_recording(PHONE, DEMO_RECORDING_ID).message_id
    elif name == "get_zns_delivery_status":
        sent = client.send_zns_v4(
            PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES, callback_url="http://127.0.0.1:9/"
        ).message_id
        gateway.advance(hours=3)
        arguments["zalo_message_id"] = (
            client.get_callback_data([str(sent)], DEMO_OA_ID).reports[str(sent)].zalo_message_id
        )
    return arguments
