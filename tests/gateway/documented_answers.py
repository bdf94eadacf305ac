"""An answer of each function with every member that the gateway's documentation names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from every_argument import DOCUMENTED, PHONE

_SUCCESS = {"CodeResult": "100", "ErrorMessage": "success"}
_SENT = {"CodeResult": "100", "CountRegenerate": 0, "SMSID": "d533459ee42b2b9525ba9eabf6a8156"}
_CALLED = {"CodeResult": "100", "SMSID": "9f0c-1 "}
_REGISTERED = {"CodeResult": "100", "ErrorMessage": "ViHAT is moderating your template", "ServicePreviewId": 1234}
_PRICED = {**_SUCCESS, "TotalPrice": 345.5, "TotalReceiver": 17}

_READ: Mapping[str, Any] = {
    "get_balance": {"CodeResponse": "100", "Balance": 36693, "UserID": 4711},
    "get_sms_sent_data": {
        **_SUCCESS,
        "CountTotal": 1,
        "SentData": [
            {
                "Campaign": "Chiến dịch 02/10/2023",
                "Content": "Cam on quy khach",
                "Phone": PHONE,
                "ReferenceId": "0aac72e0-ba9b-4348-8530-d18d105778db18",
                "SellPrice": 790.25,
                "SendResult": 1,
                "SendStatus": 5,
                "SentTime": "/Date(1705484048995+0700)/",
                "SmsId": 29028845,
                "SmsType": 2,
            }
        ],
    },
    "get_send_status": {
        "CodeResponse": "100",
        "SMSID": "m-9",
        "SendFailed": 3,
        "SendStatus": 5,
        "SendSuccess": 4,
        "TotalPrice": 790.5,
        "TotalReceiver": 8,
        "TotalSent": 7,
    },
    "get_sms_receiver_status": {
        **_SUCCESS,
        "ReceiverList": [
            {"IsSent": True, "NetworkName": "Viettel", "Phone": PHONE, "Retry": 6, "SentResult": False},
        ],
    },
    "get_callback_data": {
        "Code": 100,
        "Message": "Success",
        "Data_callback": [
            {
                "SMSID": "m-1",
                "SendFailed": 3,
                "SendSuccess": 4,
                "SendStatus": 5,
                "TotalPrice": 300.5,
                "TotalReceiver": 8,
                "TotalSent": 7,
                "RequestId": "r-1",
                "TypeId": 25,
                "Telcoid": 1,
                "PhoneNumber": PHONE,
                "CallbackUrl": "https://esms.vn/webhook/",
                "Partnerids": "z-1",
                "ErrorInfo": '{"error": -114, "message": "User is inactive"} 24/04/2024 16:58:01',
                "OAId": "4097311281936189049",
                "ZnsTempId": "267247",
            }
        ],
    },
    "get_zns_delivery_status": {
        "CodeResult": "100",
        "ErrorMessage": "success. ",
        "Data": {"delivery_time": "1767678030984", "message": "User received the message", "status": 1},
    },
    "get_voice_call_status": {
        "CodeResponse": "100",
        "CallDuration": 21,
        "CallStatus": "ANSWERED",
        "Ivr": "3",
        "SendStatus": 5,
        "ReferenceId": "9F0C5F4E-64D8-4C5E-8D0B-1D1B2C3D4E5F",
        "SentResult": 1,
        "CountRegenerate": 0,
    },
    "list_brandnames": {
        "CodeResponse": "100",
        "ListBrandName": [{"Brandname": "BAOTRIXE", "Type": 23}],
    },
    "list_customer_care_templates": {
        **_SUCCESS,
        "BrandnameTemplates": [{"NetworkID": 4, "TempContent": "Cam on {P1,20}", "TempId": 205644}],
    },
    "list_oas": {**_SUCCESS, "ZOAList": [{"OAID": "4097311281936189049", "OAName": "Bảo trì xe"}]},
    "list_zns_templates": {
        **_SUCCESS,
        "ZNSTemplates": [
            {
                "TempContent": "<p>{{name}}</p>",
                "TempId": 267247,
                "TempName": "Nhắc lịch",
                "ZNSTempDetail": [{"Limit": 30, "Param": "name", "ParamLevel": 1, "RequireType": "type_text"}],
            }
        ],
    },
    "get_zns_template": {
        "Error": 0,
        "Message": "Success",
        "Data": {
            "ApplyTemplateQuota": True,
            "PreviewUrl": "https://zalo.example/preview",
            "Status": "ENABLE",
            "TemplateDailyQuota": 500,
            "TemplateRemainingQuota": 499,
            "TemplateId": 267247,
            "TemplateName": "Nhắc lịch",
            "TemplateQuality": "HIGH",
            "TemplateTag": "FOLLOW_UP",
            "Timeout": 15000,
            "ListParams": [
                {
                    "AcceptNull": False,
                    "MaxLength": 30,
                    "MinLength": 2,
                    "Name": "name",
                    "Require": True,
                    "Type": "STRING",
                }
            ],
        },
    },
    "get_oa_quota": {**_SUCCESS, "DailyQuota": 500, "RemainingQuota": 321},
    "get_oa_quality": {**_SUCCESS, "Oa7dayQuality": "MEDIUM", "OaCurrentQuality": "HIGH"},
    "list_zns_ratings": {
        **_SUCCESS,
        "Total": 12,
        "Data": [
            {
                "feedbacks": ["Nhanh", "Vui vẻ"],
                "msgId": "z-1",
                "note": "Rất tốt",
                "rate": 5,
                "submitDate": "1659750276218",
                "trackingId": "t-1",
            }
        ],
    },
    "list_oa_followers": {**_SUCCESS, "Total": 20, "Followers": [{"User_Id": "1234567890123456789"}]},
}
_OTHERS: Mapping[str, Any] = {
    "send_zns_bulk": {
        "CodeResult": "100",
        "Message": "Sucess",
        "TotalSuccess": 1,
        "TotalFail": 0,
        "CountRegenerate": 0,
        "detail": [{"CodeResult": "100", "Phone": PHONE, "SMSID": "a037b928-cb7e-4bfc-bdf9-0286318163aa264"}],
    },
    "check_code": {"CodeResult": "100", "CountRegenerate": 0, "ErrorMessage": f"{PHONE}, Content: Success!"},
    **dict.fromkeys(("make_call_from_template", "make_call_from_recording"), _CALLED),
    **dict.fromkeys(("purchase_oa_package", "register_zns_template", "register_sms_template"), _REGISTERED),
    **dict.fromkeys(("estimate_customer_care_sms", "estimate_advertising_sms", "estimate_zns"), _PRICED),
}

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    name: {**_READ, **_OTHERS}.get(name, _SENT) for name in DOCUMENTED if name != "receive_shortcode_message"
}
"""A success of each function."""

ONLY_ON_ERRORS = {
    "get_balance": {"ErrorMessage"},
    "list_brandnames": {"CodeResult", "ErrorMessage"},
    "get_voice_call_status": {"CodeResult", "ErrorMessage"},
    "estimate_advertising_sms": {"CountRegenerate"},
    "send_zns_bulk": {"ErrorMessage", "detail[].ErrorMessage"},
    **{name: {"ErrorMessage"} for name, answer in ANSWERS.items() if answer.get("SMSID")},
}
"""Members that the documentation shows on refusals."""
