"""
Requests as other people's clients send them, by plain `requests` over plain http, with the answers of the pages.

The forms are those of public PHP, .NET, Node and Java clients: integer types, `84...` phones, no request id, JSON at
the form's address, the older balance and sent data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from gateway_caller import ALL_DELIVERED

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    VirtualClock,
)

KEYS = {"ApiKey": DEMO_API_KEY, "SecretKey": DEMO_SECRET_KEY}
CARE: dict[str, Any] = {
    **KEYS,
    "Phone": "84901888484",
    "Content": "123456 la ma xac minh cua ban",
    "Brandname": DEMO_BRANDNAME,
    "SmsType": 2,
    "IsUnicode": 0,
    "Sandbox": 0,
}
TAKEN = ["CodeResult", "CountRegenerate", "SMSID"]


class Served:
    """The emulator and how to reach it."""

    def __init__(self, emulator: Emulator, base_url: str) -> None:
        self.emulator, self.base_url = emulator, base_url

    def call(self, method: str, path: str, **options: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, self.base_url + path, timeout=60, **options)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(name="served")
def fixture_served() -> Iterator[Served]:
    emulator = Emulator(EmulatorConfig(progress=ALL_DELIVERED), VirtualClock("2024-05-15 09:00:00"))
    with emulator.serve() as server:
        yield Served(emulator, server.base_url)


@pytest.mark.parametrize(
    "path",
    [
        "/MainService.svc/json/SendMultipleMessage_V4_post_json/",
        "/MainService.svc/json/SendMultipleMessage_V4_post_json",
        "/mainservice.svc/JSON/sendmultiplemessage_v4_post_json",
        "//MainService.svc/json/SendMultipleMessage_V4_post_json/",
        "/MainService.svc/json/SendMultipleMessage_V4_post",
    ],
)
def test_json_with_integers_and_no_request_id_is_accepted(served: Served, path: str) -> None:
    """Whatever the spelling of the path; two equal requests are two messages, and the phone is one."""
    first, second = (served.call("POST", path, json=CARE) for _ in range(2))
    assert list(first) == list(second) == TAKEN
    assert (first["CodeResult"], first["CountRegenerate"]) == ("100", 0)
    assert served.emulator.deliveries_by_phone() == {"0901888484": 2}


@pytest.mark.parametrize("changed", [{}, {"SmsType": 8, "Brandname": ""}, {"Phone": "0901888484", "RequestId": "r"}])
def test_get_with_keys_in_the_query_is_accepted(served: Served, changed: dict[str, Any]) -> None:
    """As most public clients send; names match in any case."""
    members = {name.lower(): value for name, value in {**CARE, **changed}.items()}
    assert list(served.call("GET", "/MainService.svc/json/SendMultipleMessage_V4_get", params=members)) == TAKEN
    assert served.emulator.deliveries_by_phone() == {"0901888484": 1}


def test_form_with_sample_spelling_of_the_api_key_is_accepted(served: Served) -> None:
    """`Apikey`, not `ApiKey`."""
    members = {"Apikey": DEMO_API_KEY, **{name: CARE[name] for name in CARE if name != "ApiKey"}}
    assert list(served.call("POST", "/MainService.svc/json/SendMultipleMessage_V4_post/", data=members)) == TAKEN


def xml(**elements: str) -> str:
    inner = "".join(f"\n <{name}>{value}</{name}>" for name, value in elements.items())
    return f"<RQST>\n <APIKEY>{DEMO_API_KEY}</APIKEY>\n <SECRETKEY>{DEMO_SECRET_KEY}</SECRETKEY>{inner}\n</RQST>"


def test_xml_in_a_text_body_is_accepted(served: Served) -> None:
    """A text body with the contacts inside."""
    contacts = "<CUSTOMER><PHONE>84901888484</PHONE></CUSTOMER>"
    body = xml(CONTENT="Xin chao", SMSTYPE="2", BRANDNAME=DEMO_BRANDNAME, CONTACTS=contacts)
    headers = {"Content-Type": "text/plain", "Cookie": "ASP.NET_SessionId=x"}
    answer = served.call("POST", "/MainService.svc/json/SendMultipleMessage_V4/", data=body, headers=headers)
    assert list(answer) == TAKEN


@pytest.mark.parametrize("path", ["/MainService.svc/json/GetBalance/{}/{}", "/mainservice.svc/json/getbalance/{}/{}/"])
def test_keys_in_the_path_are_accepted_for_balance(served: Served, path: str) -> None:
    """The older call; keys keep their case although the path need not."""
    served.emulator.set_balance(36693)
    answer = served.call("GET", path.format(DEMO_API_KEY, DEMO_SECRET_KEY))
    assert answer == {"Balance": 36693, "CodeResponse": "100", "UserID": 80201}
    refused = served.call("GET", path.format(DEMO_API_KEY, "wrong"))
    assert refused == {"Balance": 0, "CodeResponse": "101", "ErrorMessage": "Authorize Failed"}


def test_keys_in_the_path_are_accepted_for_brandname_list(served: Served) -> None:
    """One row for each type a name may be used for."""
    answer = served.call("GET", f"/MainService.svc/json/GetListBrandname/{DEMO_API_KEY}/{DEMO_SECRET_KEY}")
    assert answer["CodeResponse"] == "100"
    assert {"Brandname": DEMO_BRANDNAME, "Type": 2} in answer["ListBrandName"]
    assert {"Brandname": DEMO_BRANDNAME, "Type": 23} in answer["ListBrandName"]


def test_older_sent_data_format_is_supported(served: Served) -> None:
    """XML in, dates with slashes, three days at most; `SentResult` is a boolean and SentTime a local date."""
    sent = served.call("POST", "/MainService.svc/json/SendMultipleMessage_V4_post_json/", json=CARE)
    served.emulator.advance(60)
    path = "/MainService.svc/json/GetSmsSentData_V1"
    span = {"FROM": "2024/05/15 00:00:00", "TO": "2024/05/15 23:59:59"}
    answer = served.call("POST", path, data=xml(**span, PAGE="1", PAGESIZE="500", SMSTYPE="2"))
    (row,) = answer["SentData"]
    assert (answer["CodeResult"], answer["CountTotal"]) == ("100", 1)
    assert (row["ReferenceId"], row["SentResult"], row["SellPrice"]) == (sent["SMSID"], True, 790)
    assert row["SentTime"].startswith("15/05/2024 09:00:0")
    assert served.call("POST", path, data=xml(**span))["CountTotal"] == 1
    long = {"FROM": "2024/05/12 00:00:00", "TO": "2024/05/15 00:00:00"}
    assert served.call("POST", path, data=xml(**long))["CodeResult"] == "110"
    assert served.call("POST", path, data=xml(**span).replace(DEMO_SECRET_KEY, "x"))["CodeResult"] == "101"


def test_zns_with_numeric_ids_and_a_stray_query_is_accepted(served: Served) -> None:
    """Template and OA as numbers, a stray query parameter behind the path."""
    members = {
        **KEYS,
        "Phone": "84901888484",
        "OAID": int(DEMO_OA_ID),
        "TempID": int(DEMO_TEMPLATE_ID),
        "Params": ["Chị A", "Gội đầu", "KH001", "19/03/2025"],
    }
    answer = served.call("POST", "/MainService.svc/json/SendZaloMessage_V4_post_json?n8n=1", json=members)
    assert list(answer) == TAKEN
    (row,) = served.emulator.messages()
    assert (row.phone, row.sms_type, row.content[:13]) == ("0901888484", 25, "Xin chào Chị ")
