"""A caller that speaks the gateway's wire format by hand, for the emulator's own tests."""

from __future__ import annotations

from typing import Any

import requests

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    Progress,
)
from esms_connectors.emulator.world import DEMO_JOURNEY_TEMPLATE_ID

KEYS = {"ApiKey": DEMO_API_KEY, "SecretKey": DEMO_SECRET_KEY}
SERVICE = "/MainService.svc/json/"
ALL_DELIVERED = Progress(failed_share=0, rejected_share=0)


class Caller:
    """Calls an emulator the way the pages say. Members given as None are left out."""

    def __init__(self, emulator: Emulator, session: requests.Session, base_url: str) -> None:
        self.emulator = emulator
        self.session = session
        self.base_url = base_url

    def response(self, method: str, path: str, members: dict[str, Any], timeout: float = 5) -> requests.Response:
        members = {name: value for name, value in {**KEYS, **members}.items() if value is not None}
        place = "params" if method == "GET" else "json"
        return self.session.request(
            method, self.base_url + path, **{place: members}, timeout=timeout, allow_redirects=False
        )

    def post(self, name: str, **members: Any) -> dict[str, Any]:
        return self.response("POST", SERVICE + name, members).json()

    def get(self, name: str, **members: Any) -> dict[str, Any]:
        return self.response("GET", SERVICE + name, members).json()

    def care(self, **members: Any) -> dict[str, Any]:
        usual = {"Phone": "0901888484", "Content": "Xin chao", "Brandname": DEMO_BRANDNAME, "SmsType": "2"}
        return self.post("SendMultipleMessage_V4_post_json/", **{**usual, **members})

    def advertising(self, phones: list[str], **members: Any) -> dict[str, Any]:
        usual = {"Phones": phones, "Content": "Giam gia", "Brandname": DEMO_BRANDNAME, "SmsType": "1"}
        return self.post("SendMultipleSMSBrandname_json/", **{**usual, **members})

    def xml(self, phones: list[str], path: str = "SendMultipleMessage_V4/", **elements: Any) -> dict[str, Any]:
        usual = {
            "APIKEY": DEMO_API_KEY,
            "SECRETKEY": DEMO_SECRET_KEY,
            "CONTENT": "Xin chao &amp; cam on",
            "SMSTYPE": "2",
            "BRANDNAME": DEMO_BRANDNAME,
        }
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in {**usual, **elements}.items())
        contacts = "".join(f"<CUSTOMER><PHONE>{phone}</PHONE></CUSTOMER>" for phone in phones)
        body = f"<RQST>{inner}<CONTACTS>{contacts}</CONTACTS></RQST>"
        headers = {"Content-Type": "text/plain"}
        return self.session.post(self.base_url + SERVICE + path, data=body, headers=headers, timeout=60).json()

    def zns(self, **members: Any) -> dict[str, Any]:
        values = {"customer_name": "Chị A", "service": "Gội đầu", "code": "KH001", "date": "19/03/2025"}
        usual = {
            "Phone": "0901888484",
            "OAID": DEMO_OA_ID,
            "TempID": DEMO_TEMPLATE_ID,
            "TempData": [{"key": key, "value": value} for key, value in values.items()],
        }
        return self.post("SendZaloMessage_V5_post/", **{**usual, **members})

    def journey(self, **members: Any) -> dict[str, Any]:
        usual = {
            "Phone": "0901888484",
            "Params": ["Chị A", "DH01", "đang giao"],
            "IsJourney": True,
            "OrderId": "DH01",
            "OAID": DEMO_OA_ID,
            "TempID": DEMO_JOURNEY_TEMPLATE_ID,
        }
        return self.post("SendZaloMessage_V4_post_json/", **{**usual, **members})

    def bulk(self, elements: list[Any], **members: Any) -> dict[str, Any]:
        usual = {"OAID": DEMO_OA_ID, "TempID": DEMO_TEMPLATE_ID, "Data": elements}
        return self.post("Send_zns_bulk_v4_post_json/", **{**usual, **members})

    def sent(self, sms_type: int = 2, page: Any = 1, page_size: Any = 500, **members: Any) -> dict[str, Any]:
        usual = {"From": "2024-05-01 00:00:00", "To": "2024-05-31 23:59:59"}
        return self.post(
            "GetSmsSentData_V2", **{"SmsType": str(sms_type), "Page": page, "PageSize": page_size, **usual, **members}
        )

    def status(self, message_id: str, **members: Any) -> dict[str, Any]:
        return self.get("GetSendStatus", **{"RefId": message_id, **members})

    def receivers(self, message_id: str, **members: Any) -> dict[str, Any]:
        return self.get("GetSmsReceiverStatus_get", **{"RefId": message_id, **members})

    def balance(self, **members: Any) -> dict[str, Any]:
        return self.post("GetBalance_json", **members)

    def missed(self, ids: list[str], oa_id: str = DEMO_OA_ID, **members: Any) -> dict[str, Any]:
        return self.response("POST", "/ZaloCallback/GetCallback", {"ListRefid": ids, "OAId": oa_id, **members}).json()

    def template(self, template_id: str = DEMO_TEMPLATE_ID, **members: Any) -> dict[str, Any]:
        return self.get("GetZnsTemplateInfo", **{"TemplateId": template_id, "OAId": DEMO_OA_ID, **members})

    def statuses(self) -> list[tuple[int, int]]:
        return [(message.send_status, message.send_result) for message in self.emulator.messages()]


def phones(count: int, first: int = 0) -> list[str]:
    return [f"090{number:07d}" for number in range(first, first + count)]


def element(phone: str, request_id: str | None = None, params: list[str] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"Phone": phone, "Params": params or ["Chị A", "Gội đầu", "KH001", "19/03/2025"]}
    if request_id is not None:
        made["RequestId"] = request_id
    return made
