"""Fixed number, Viber, Zalo then SMS, messages to Zalo users, calls: what is taken and what it leaves behind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from gateway_caller import Caller

from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    OfficialAccount,
    default_account,
)
from esms_connectors.emulator.world import DEMO_CALL_TEMPLATE_ID, DEMO_RECORDING_ID

USER_ID = "31215806834323092"
VALUES = ["Chị A", "Gội đầu", "KH001", "19/03/2025"]


def fixed(caller: Caller, **members: Any) -> dict[str, Any]:
    usual = {"Phone": "0901888484", "Content": "Ma cua ban la 123456", "SmsType": "8"}
    return caller.post("SendMultipleMessage_V4_post_json/", **{**usual, **members})


def viber(caller: Caller, **members: Any) -> dict[str, Any]:
    usual = {"Phones": ["0901888484", "0901888485"], "Content": "Xin chao", "Brandname": DEMO_BRANDNAME, "SmsType": 23}
    return caller.post("Send_Multiple_Sms_OTT/", **{**usual, **members})


def zalo_then_sms(
    caller: Caller, zalo: dict[str, Any] | None = None, sms: dict[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    first = {"TempID": DEMO_TEMPLATE_ID, "Params": VALUES, "OAID": DEMO_OA_ID, "campaignid": "c", **(zalo or {})}
    second = {"Content": "Xin chao", "SmsType": "2", "Brandname": DEMO_BRANDNAME, **(sms or {})}
    usual = {"Phone": "0901888484", "Channels": ["zalo", "sms"], "Data": [first, second]}
    return caller.post("MultiChannelMessage/", **{**usual, **members})


def payload(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"OAID": DEMO_OA_ID, "Payload": {"recipient": {"user_id": USER_ID}, "message": message}, **members}


PHOTO = {
    "text": "Xin chào",
    "attachment": {
        "type": "template",
        "payload": {
            "template_type": "media",
            "elements": [{"media_type": "image", "url": "https://example.com/a.png"}],
        },
    },
}
BUTTONS = {
    "text": "Xin chào",
    "attachment": {
        "type": "template",
        "payload": {"buttons": [{"title": "Mở", "type": "oa.open.url", "payload": {"url": "https://example.com"}}]},
    },
}
TRANSACTION = {
    "attachment": {
        "type": "template",
        "payload": {
            "template_type": "transaction_order",
            "language": "VI",
            "elements": [
                {"type": "banner", "image_url": "https://example.com/a.png"},
                {"type": "header", "content": "Đơn hàng"},
                {"type": "table", "content": [{"key": "Mã đơn", "value": "DH01"}]},
            ],
            "buttons": BUTTONS["attachment"]["payload"]["buttons"],
        },
    },
}
USER_INFO = {
    "attachment": {
        "type": "template",
        "payload": {
            "template_type": "request_user_info",
            "elements": [{"title": "Cho xin số", "subtitle": "để giao hàng", "image_url": "https://example.com/a.png"}],
        },
    },
}


def test_fixed_number_sms_is_listed_and_priced_as_type_8(caller):
    """SmsType 8 needs no brandname, has a price of its own and is a row of type 8."""
    before = caller.emulator.account().balance_vnd
    answer = fixed(caller, RequestId="r", campaignid="c")
    assert fixed(caller, RequestId="r")["CodeResult"] == "124"
    assert fixed(caller, Sandbox="1")["CodeResult"] == "100"
    caller.emulator.advance(60)
    (row,) = caller.sent(8)["SentData"]
    assert (row["ReferenceId"], row["SmsType"], row["Campaign"], row["SellPrice"]) == (answer["SMSID"], 8, "c", 250)
    assert before - caller.emulator.account().balance_vnd == Decimal(250)
    assert caller.sent(2)["CountTotal"] == 0


def test_type_8_quirk_selects_sms_or_voice(caller):
    """The pages of fixed-number SMS and voice OTP call are one request; the log names what was made of it."""
    fixed(caller)
    caller.emulator.quirks.type_8_is = "voice"
    fixed(caller)
    assert [record.function for record in caller.emulator.calls] == ["send_fixed_number_sms", "make_voice_otp_call"]


def test_viber_uses_one_id_per_call_and_its_own_sandbox_flag(caller):
    """One SMSID, one price each; `Sandbox` is not its flag, `IsSandBox` is."""
    answer = viber(caller, RequestId="r")
    assert viber(caller, RequestId="r") == {
        "CodeResult": "124",
        "CountRegenerate": 0,
        "ErrorMessage": "Request exist 1",
    }
    assert viber(caller, IsSandBox="1")["CodeResult"] == "100"
    assert viber(caller, Brandname="QC-TiemToc")["CodeResult"] == "104"
    assert viber(caller, Phones=[])["CodeResult"] == "108"
    assert viber(caller, Content="") == {"error": "Invalid request"}
    assert viber(caller, Content="", OttImgUrl="https://example.com/a.png", Sandbox="1")["CodeResult"] == "100"
    assert caller.status(answer["SMSID"])["TotalReceiver"] == 2
    assert caller.status(answer["SMSID"])["TotalPrice"] == 1200
    assert caller.sent(23)["CountTotal"] == 4


def test_multi_channel_stops_after_delivery_by_zalo(caller):
    """Zalo delivers: one message, one charge, and the SMS is never made."""
    before = caller.emulator.account().balance_vnd
    answer = zalo_then_sms(caller, {"RequestId": "r"}, {"RequestId": "r"})
    caller.emulator.advance(60)
    (row,) = caller.sent(25)["SentData"]
    assert (row["ReferenceId"], row["Campaign"], row["SendResult"]) == (answer["SMSID"], "c", 1)
    assert caller.sent(2)["CountTotal"] == 0
    assert before - caller.emulator.account().balance_vnd == Decimal(300)
    assert zalo_then_sms(caller, {"RequestId": "r"})["CodeResult"] == "124"
    assert zalo_then_sms(caller, {"RequestId": "new"}, {"RequestId": "r"})["CodeResult"] == "124"


def failing_zalo(make_caller: Any) -> Caller:
    """Zalo fails (its quota is used up), SMS is delivered."""
    account = default_account()
    oas = (OfficialAccount(DEMO_OA_ID, daily_quota=0),)
    changed = type(account)(
        account.api_key, account.secret_key, account.balance_vnd, 1, account.brandnames, oas, account.templates
    )
    return make_caller(accounts=(changed,))


def test_multi_channel_falls_back_to_sms_when_zalo_fails(make_caller):
    """The SMS is a message of type 2 made when Zalo has failed; its id is its own, callbacks name the first."""
    caller = failing_zalo(make_caller)
    answer = zalo_then_sms(caller, {"RequestId": "r1"}, {"RequestId": "r2", "campaignid": "c"})
    caller.emulator.advance(60)
    (zalo,), (sms,) = caller.sent(25)["SentData"], caller.sent(2)["SentData"]
    assert (zalo["ReferenceId"], zalo["SendStatus"], zalo["SendResult"]) == (answer["SMSID"], 5, 0)
    assert (sms["Phone"], sms["SendStatus"], sms["SendResult"], sms["Campaign"]) == ("0901888484", 5, 1, "c")
    assert sms["ReferenceId"] != answer["SMSID"]
    assert caller.emulator.message(sms["ReferenceId"]).switched_from == answer["SMSID"]
    assert caller.status(answer["SMSID"])["SendFailed"] == 1
    assert caller.care(RequestId="r2")["CodeResult"] == "124"


def test_fallback_id_quirk_reuses_the_first_message_id(make_caller):
    """The switch: the answered SMSID tells of the second try once there is one."""
    caller = failing_zalo(make_caller)
    caller.emulator.quirks.fallback_id = "same"
    answer = zalo_then_sms(caller)
    caller.emulator.advance(60)
    (sms,) = caller.sent(2)["SentData"]
    assert sms["ReferenceId"] == answer["SMSID"]
    assert caller.status(answer["SMSID"])["SendSuccess"] == 1


def test_manually_failed_zalo_message_triggers_the_sms_at_once(caller):
    """The SMS is made now, not when Zalo would have ended by itself."""
    answer = zalo_then_sms(caller)
    caller.emulator.set_status(answer["SMSID"], 5, 0)
    now = caller.emulator.clock.now_ms()
    assert [(message.sms_type, message.created_ms <= now) for message in caller.emulator.messages()] == [
        (25, True),
        (2, True),
    ]


def test_fallback_collides_quirk_suppresses_the_sms(make_caller):
    """The switch: with one request id for both channels nobody gets the SMS."""
    caller = failing_zalo(make_caller)
    caller.emulator.quirks.fallback_collides = True
    zalo_then_sms(caller, {"RequestId": "r"}, {"RequestId": "r"})
    caller.emulator.advance(60)
    assert caller.sent(2)["CountTotal"] == 0


def test_multi_channel_sandbox_requires_the_flag_in_every_element(caller):
    """`Sandbox` stands in each element; in one alone it protects from nothing."""
    assert zalo_then_sms(caller, {"Sandbox": "1"}, {"Sandbox": "1"})["CodeResult"] == "100"
    assert caller.emulator.message_count == 0
    zalo_then_sms(caller, {"Sandbox": "1"})
    assert caller.emulator.message_count == 1


@pytest.mark.parametrize(
    ("members", "answer"),
    [
        ({"Phone": "1"}, "108"),
        ({"Channels": ["zalo"]}, None),
        ({"Channels": ["zalo", "fax"]}, "118"),
        ({"Data": None}, None),
        ({"SecretKey": "x"}, "101"),
    ],
)
def test_invalid_multi_channel_request_is_refused(caller, members, answer):
    """Nothing is taken; without channels or data the request has no code."""
    refused = zalo_then_sms(caller, **members)
    assert refused.get("CodeResult") == answer
    assert caller.emulator.message_count == 0


def test_multi_channel_checks_every_channel_before_sending(caller):
    """Template and brandname are checked before anything goes out."""
    assert zalo_then_sms(caller, {"TempID": "1"})["CodeResult"] == "789"
    assert zalo_then_sms(caller, None, {"Brandname": "nobody"})["CodeResult"] == "104"
    assert caller.emulator.message_count == 0


@pytest.mark.parametrize(
    ("message", "function"),
    [
        (PHOTO, "send_zalo_consulting_photo"),
        (BUTTONS, "send_zalo_consulting_buttons"),
        (TRANSACTION, "send_zalo_transaction"),
        (USER_INFO, "send_zalo_user_info_request"),
    ],
)
def test_zalo_user_messages_are_listed_as_type_26(caller, message, function):
    """The shape of the payload decides which function it is; the row's Phone is the user id."""
    answer = caller.post("SendZaloFollowerMessage_V5_post_json/", **payload(message, RequestId="r"))
    again = caller.post("SendZaloFollowerMessage_V5_post_json/", **payload(message, RequestId="r"))
    assert (answer["CodeResult"], again["CodeResult"]) == ("100", "124")
    caller.emulator.advance(60)
    (row,) = caller.sent(26)["SentData"]
    assert (row["ReferenceId"], row["Phone"], row["SmsType"]) == (answer["SMSID"], USER_ID, 26)
    assert caller.emulator.calls[0].function == function
    caller.emulator.quirks.user_id_as_phone = "cut"
    assert caller.sent(26)["SentData"][0]["Phone"] == USER_ID[:15]


def test_zalo_text_message_limits_and_refusal_codes(caller):
    """The V4 page has its members at the top; 2000 characters at most."""
    path = "SendZaloFollowerMessage_V4_post_json/"
    assert caller.post(path, OAID=DEMO_OA_ID, User_id=USER_ID, Content="a" * 2000)["CodeResult"] == "100"
    assert caller.post(path, OAID=DEMO_OA_ID, User_id=USER_ID, Content="a" * 2001)["CodeResult"] == "210"
    assert caller.post(path, OAID=DEMO_OA_ID, User_id="Lan", Content="a")["CodeResult"] == "210"
    assert caller.post(path, OAID="1", User_id=USER_ID, Content="a")["CodeResult"] == "204"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": "x"},
        {"attachment": {"type": "file"}},
        {**PHOTO, "text": ""},
        {"text": "x", "attachment": {"type": "template", "payload": {"buttons": []}}},
        {"attachment": {"type": "template", "payload": {"template_type": "transaction_x", "elements": []}}},
        {"attachment": {"type": "template", "payload": {"template_type": "transaction_order", "elements": [{}]}}},
    ],
)
def test_invalid_zalo_payload_gives_code_210(caller, message):
    """Whatever shape is wrong."""
    assert caller.post("SendZaloFollowerMessage_V5_post_json/", **payload(message))["CodeResult"] == "210"
    assert caller.emulator.message_count == 0


def test_zns_by_zalo_user_id_requires_template_data_as_object(caller):
    """V6 names the recipient by a user id and the values by key in one object."""
    values = dict(zip(("customer_name", "service", "code", "date"), VALUES, strict=True))
    members = {"OAID": DEMO_OA_ID, "TempID": DEMO_TEMPLATE_ID, "ZaloUid": USER_ID, "TempData": values}
    assert caller.post("SendZaloMessage_V6/zalo_uid/", **members)["CodeResult"] == "100"
    pairs = [{"key": key, "value": value} for key, value in values.items()]
    assert caller.post("SendZaloMessage_V6/zalo_uid/", **{**members, "TempData": pairs})["CodeResult"] == "790"
    assert caller.sent(25)["SentData"][0]["Phone"] == USER_ID


def test_full_text_zns_must_match_a_template(caller):
    """Types 24 and 25 at the SMS address take the whole text; a text of no template is 789."""
    members = {"OAID": DEMO_OA_ID, "Phone": "0901888484", "SmsType": "25"}
    text = "Xin chào An, dịch vụ cắt tóc (mã K1) đã được xác nhận ngày 19/03/2025."
    answer = caller.post("SendMultipleMessage_V4_post_json/", Content=text, **members)
    assert answer["CodeResult"] == "100"
    assert caller.emulator.message(answer["SMSID"]).template_id == DEMO_TEMPLATE_ID
    assert caller.post("SendMultipleMessage_V4_post_json/", Content="Xin chào", **members)["CodeResult"] == "789"


def call(caller: Caller, name: str, **members: Any) -> dict[str, Any]:
    return caller.get(name, **{"Phone": "0901888484", **members})


def test_voice_calls_report_codes_charges_and_status(caller):
    """104 for an unknown script, 106 for an unknown recording; the id has a blank behind it."""
    before = caller.emulator.account().balance_vnd
    template = {"TemplateId": DEMO_CALL_TEMPLATE_ID, "VariableListStr": "Trung||20000", "RequestId": "r"}
    answer = call(caller, "MakeCallTemplate_V2", **template)
    assert answer == {"CodeResult": "100", "SMSID": answer["SMSID"]}
    assert answer["SMSID"].endswith(" ")
    assert call(caller, "MakeCallTemplate_V2", **template)["CodeResult"] == "124"
    assert call(caller, "MakeCallTemplate_V2", TemplateId="1")["ErrorMessage"] == "Template not found"
    assert call(caller, "MakeCallRecord_V2", TemplateId="1")["CodeResult"] == "106"
    assert call(caller, "MakeCallRecord_V2", TemplateId=DEMO_RECORDING_ID)["CodeResult"] == "100"
    assert before - caller.emulator.account().balance_vnd == Decimal(800)
    assert caller.emulator.message(answer["SMSID"]).content == "Xin chào Trung, quý khách có hóa đơn 20000 đồng."

    waiting = caller.get("GetSendStatus", ReferenceId=answer["SMSID"])
    caller.emulator.advance(60)
    over = caller.get("GetSendStatus", ReferenceId=answer["SMSID"].strip().upper())
    assert (waiting["SendStatus"], waiting["SentResult"]) == (2, 0)
    assert (over["SendStatus"], over["SentResult"], over["CallStatus"]) == (5, 1, "ANSWERED")
    assert over["ReferenceId"] == answer["SMSID"].strip().upper()
    assert over["CallDuration"] > 0
    assert caller.get("GetSendStatus", ReferenceId="nobody")["CodeResult"] == "105"


def test_callback_parameters_differ_by_channel(make_caller):
    """Each type has its parameters: a call has neither number nor RequestId, a Zalo user id is cut."""
    from esms_connectors.emulator.callbacks import callback_url

    caller = make_caller()
    url = "http://127.0.0.1:9/x"
    call(caller, "MakeCallRecord_V2", TemplateId=DEMO_RECORDING_ID, CallbackUrl=url)
    viber(caller, CallbackUrl=url, Phones=["0901888484"])
    caller.post("SendZaloFollowerMessage_V5_post_json/", **payload(PHOTO, CallbackUrl=url))
    fixed(caller, CallbackUrl=url)
    caller.emulator.advance(60)
    caller.emulator.state.settle()
    queries = [callback_url(caller.emulator.state, number) for number in range(4)]
    assert "CallStatus=ANSWERED" in queries[0]
    assert "RequestId" not in queries[0]
    assert "TypeId=23" in queries[1]
    assert "partnerids" not in queries[1]
    assert f"phonenumber={USER_ID[:15]}&" in queries[2]
    assert "TypeId=8&telcoid=2&phonenumber=0901888484&switchsmsid=" in queries[3]
