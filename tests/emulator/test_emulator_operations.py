"""Every operation of the catalogue: a good request, a wrong key, a missing member."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gateway_caller import ALL_DELIVERED, KEYS
from operation_requests import PARAMS, PHONE, REQUESTS, XML_KEYS, ZNS, Asked, xml

from esms_connectors.emulator import Emulator, EmulatorConfig, VirtualClock
from esms_connectors.emulator.adapter import EmulatorAdapter
from esms_connectors.emulator.handlers import HANDLERS
from esms_connectors.emulator.world import DEMO_RECORDING_ID
from esms_connectors.emulator.zns_reports import partner_id

DOCUMENTED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "gateway" / "documented_operations.json").read_text(encoding="utf-8")
)
INBOUND = "receive_shortcode_message"
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array[object]": list,
    "array[string]": list,
    "integer|null": (int, type(None)),
    "string|null": (str, type(None)),
}


class Gateway:
    """An emulator, called as the catalogue says."""

    def __init__(self, emulator: Emulator, base_url: str, session: requests.Session) -> None:
        self.emulator, self.base_url, self.session = emulator, base_url, session

    def call(self, name: str, members: dict[str, Any], numbers: list[str], keys: dict[str, str]) -> requests.Response:
        documented = DOCUMENTED[name]
        path = "/" + documented["address"].partition("/")[2]
        if documented["request_format"] == "path":
            path = re.sub(r"\{(\w+)\}", lambda place: keys.get(place[1], ""), path)
            return self.session.get(self.base_url + path, timeout=60)
        if documented["request_format"] == "xml":
            own = {XML: keys[name] for XML, name in (("APIKEY", "ApiKey"), ("SECRETKEY", "SecretKey")) if name in keys}
            body = xml({**own, **members}, numbers).encode()
            return self.session.post(self.base_url + path, data=body, timeout=60)
        place = {"query": "params", "form": "data", "json": "json"}[documented["request_format"]]
        given = {member: value for member, value in {**keys, **members}.items() if value is not None}
        return self.session.request(documented["method"], self.base_url + path, **{place: given}, timeout=60)

    def prepared(self, name: str) -> dict[str, Any]:
        """The members of the good request, with what an earlier call has made."""
        members = dict(REQUESTS[name].members)
        if name == "check_code":
            self.call("send_auto_otp_sms", REQUESTS["send_auto_otp_sms"].members, [], KEYS)
            members["Code"] = self.emulator.account().codes[-1].text
        elif name == "get_voice_call_status":
            members["ReferenceId"] = self.answer("make_call_from_recording")["SMSID"]
        elif "RefId" in members:
            members["RefId"] = self.answer("send_customer_care_sms")["SMSID"]
        elif name in ("get_callback_data", "get_zns_delivery_status", "list_zns_ratings"):
            body = {**ZNS, "Phone": PHONE, "Params": PARAMS, "CallbackUrl": "http://127.0.0.1:9/"}
            message_id = self.call("send_zns_v4", body, [], KEYS).json()["SMSID"]
            number = self.emulator.message(message_id).number
            self.emulator.advance(hours=3)
            if name == "get_callback_data":
                members["ListRefid"] = [message_id]
            elif name == "get_zns_delivery_status":
                members["MessageId"] = partner_id(self.emulator.state, number)
        return members

    def answer(self, name: str) -> dict[str, Any]:
        response = self.call(name, self.prepared(name), REQUESTS[name].phones, KEYS)
        assert response.status_code == 200
        return response.json()


@pytest.fixture(name="gateway")
def fixture_gateway() -> Iterator[Gateway]:
    emulator = Emulator(EmulatorConfig(progress=ALL_DELIVERED), VirtualClock())
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", EmulatorAdapter(emulator))
        yield Gateway(emulator, "https://rest.esms.vn", session)


def code_of(name: str, answer: dict[str, Any]) -> str | None:
    for member in (DOCUMENTED[name]["code_field"], "CodeResult", "CodeResponse"):
        if member in answer:
            return str(answer[member])
    return None


def members_of(answer: Any, prefix: str = "") -> dict[str, Any]:
    """Every member of an answer under its documented path, `List[].Name` for those of list items."""
    found: dict[str, Any] = {}
    for name, value in answer.items():
        path = f"{prefix}{name}"
        found[path] = value
        if isinstance(value, dict):
            found.update(members_of(value, f"{path}."))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found.update(members_of(value[0], f"{path}[]."))
    return found


def test_requests_and_handlers_cover_every_documented_operation() -> None:
    """One request for each operation that the gateway answers; the inbound one is a call that it makes."""
    assert set(REQUESTS) | {INBOUND} == set(DOCUMENTED)
    assert set(HANDLERS) | {INBOUND} == set(DOCUMENTED)


@pytest.mark.parametrize("name", REQUESTS)
def test_valid_request_gets_the_documented_response(gateway: Gateway, name: str) -> None:
    """The code of success; every member is documented, with the type of its samples."""
    answer = gateway.answer(name)
    documented = DOCUMENTED[name]
    assert code_of(name, answer) == str(documented["success_code"])
    for member, value in members_of(answer).items():
        kind = documented["response"].get(member)
        assert kind is not None, f"{member} is not documented"
        assert isinstance(value, TYPES[kind]), (member, value)
    assert gateway.emulator.call_count(name) or name == "make_voice_otp_call"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", REQUESTS)
def test_wrong_secret_key_gives_code_101_and_stores_nothing(gateway: Gateway, name: str) -> None:
    """In whichever place the keys stand."""
    wrong = gateway.call(name, REQUESTS[name].members, REQUESTS[name].phones, {**KEYS, "SecretKey": "wrong"})
    assert (wrong.status_code, code_of(name, wrong.json())) == (200, "101")
    assert gateway.emulator.message_count == 0


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", REQUESTS)
def test_missing_member_is_refused_and_not_charged(gateway: Gateway, name: str) -> None:
    """With the code of its kind, or in a body without one; nothing is taken and nothing charged."""
    asked: Asked = REQUESTS[name]
    left_out, code = asked.missing
    members = {member: value for member, value in asked.members.items() if member != left_out}
    keys = {key: value for key, value in KEYS.items() if key != left_out}
    before = gateway.emulator.account().balance_vnd
    response = gateway.call(name, members, asked.phones, keys)
    if code == "404":
        assert response.status_code == 404
    elif code is None and name != "get_voice_call_status":
        assert response.json() == {"error": "Invalid request"}
    else:
        # Without ReferenceId nothing tells it from the SMS call of the same address, which knows no such message.
        assert code_of(name, response.json()) == (code or "105")
    assert gateway.emulator.message_count == 0
    assert gateway.emulator.account().balance_vnd == before


def test_xml_keys_match_the_account_keys() -> None:
    """The table's own keys."""
    assert list(XML_KEYS.values()) == list(KEYS.values())


def test_verification_code_is_valid_once_until_it_expires(gateway: Gateway) -> None:
    """171 for a wrong, a used and an expired code; the text of success holds the phone."""
    members = gateway.prepared("check_code")

    def check(**changed: str) -> dict[str, Any]:
        return gateway.call("check_code", {**members, **changed}, [], KEYS).json()

    assert check(Code="000000")["CodeResult"] == "171"
    assert check(Phone="0901888485")["CodeResult"] == "171"
    assert check() == {"CodeResult": "100", "CountRegenerate": 0, "ErrorMessage": f"{PHONE}, Content: Success!"}
    assert check()["CodeResult"] == "171"
    members = gateway.prepared("check_code")
    assert members["Code"] in gateway.emulator.message(list(gateway.emulator.messages())[-1].message_id).content
    gateway.emulator.advance(minutes=5)
    assert check()["CodeResult"] == "171"


@pytest.mark.parametrize(
    ("estimate", "send"),
    [
        ("estimate_customer_care_sms", "send_customer_care_sms"),
        ("estimate_zns", "send_zns_v4"),
    ],
)
@pytest.mark.parametrize("text", ["Xin chao", "Xin chào " * 20])
def test_estimates_equal_the_charged_price(gateway: Gateway, estimate: str, send: str, text: str) -> None:
    """For short texts and for long ones."""
    members = {**REQUESTS[estimate].members, **({"Content": text} if "Content" in REQUESTS[estimate].members else {})}
    price = gateway.call(estimate, members, [], KEYS).json()["TotalPrice"]
    before = gateway.emulator.account().balance_vnd
    sent = {**REQUESTS[send].members, **({"Content": text} if "Content" in members else {})}
    assert gateway.call(send, sent, [], KEYS).json()["CodeResult"] == "100"
    assert before - gateway.emulator.account().balance_vnd == price


def test_oa_quota_decreases_per_zns_and_resets_daily(gateway: Gateway) -> None:
    """A refused ZNS takes nothing of it."""
    full = gateway.answer("get_oa_quota")["RemainingQuota"]
    gateway.answer("send_zns_bulk")
    gateway.answer("send_zns")
    gateway.call("send_zns", {**REQUESTS["send_zns"].members, "Phone": "1"}, [], KEYS)
    assert gateway.answer("get_oa_quota")["RemainingQuota"] == full - 2
    gateway.emulator.advance(days=1)
    assert gateway.answer("get_oa_quota")["RemainingQuota"] == full


def test_registrations_are_recorded_charged_once_and_take_effect(gateway: Gateway) -> None:
    """A package costs its months once; a template can be used after its review; the same again is 199."""
    before = gateway.emulator.account().balance_vnd
    assert gateway.answer("purchase_oa_package")["ErrorMessage"] == "ViHAT is censoring trademark ownership"
    assert gateway.answer("purchase_oa_package")["CodeResult"] == "199"
    assert before - gateway.emulator.account().balance_vnd == 3 * 59_000

    number = gateway.answer("register_zns_template")["ServicePreviewId"]
    sent = {**ZNS, "TempID": str(900_000 + number), "Phone": PHONE, "Params": ["An"]}
    assert gateway.call("send_zns_v4", sent, [], KEYS).json()["CodeResult"] == "790"
    gateway.emulator.advance(minutes=5)
    assert gateway.call("send_zns_v4", sent, [], KEYS).json()["CodeResult"] == "100"
    listed = gateway.answer("list_zns_templates")["ZNSTemplates"]
    assert {"TempId": 900_000 + number, "TempContent": "<p>Chào {{name}}</p>"}.items() <= listed[-1].items()
    assert [mark.what for mark in gateway.emulator.account().registrations] == ["package 2", "ZNS template"]


def test_ratings_and_delivery_status_refer_to_sent_zns(gateway: Gateway) -> None:
    """A rating names Zalo's message id, by which the delivery status is asked for; an unknown id is status -1."""
    members = gateway.prepared("list_zns_ratings")
    (rating,) = gateway.call("list_zns_ratings", members, [], KEYS).json()["Data"]
    asked = {**REQUESTS["get_zns_delivery_status"].members, "MessageId": rating["msgId"]}
    assert gateway.call("get_zns_delivery_status", asked, [], KEYS).json()["Data"]["status"] == 1
    unknown = gateway.call("get_zns_delivery_status", {**asked, "MessageId": "12"}, [], KEYS).json()
    assert (unknown["CodeResult"], unknown["Data"]["status"]) == ("100", -1)


def test_recording_id_is_rejected_as_call_template(gateway: Gateway) -> None:
    """The two pages have ids of their own."""
    members = {"Phone": PHONE, "TemplateId": DEMO_RECORDING_ID}
    assert gateway.call("make_call_from_template", members, [], KEYS).json()["CodeResult"] == "104"
