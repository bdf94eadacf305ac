"""The sends: what is accepted, what is refused and with which code, and what it leaves behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from gateway_caller import KEYS, element, phones

from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, OfficialAccount, default_account
from esms_connectors.emulator.world import (
    DEMO_INACTIVE_OA_ID,
    DEMO_JOURNEY_TEMPLATE_ID,
    DEMO_OTP_TEMPLATE_ID,
    DEMO_TEMPLATED_BRANDNAME,
)


def test_customer_care_sms_is_stored_and_charged(caller):
    """An accepted SMS is one message with its campaign and RequestId, and costs the brandname's price."""
    before = caller.emulator.account().balance_vnd
    answer = caller.care(RequestId="r-1", campaignid="chien dich 1", CallbackUrl="https://example.com/x")

    assert answer == {"CodeResult": "100", "CountRegenerate": 0, "SMSID": answer["SMSID"]}
    message = caller.emulator.message(answer["SMSID"])
    assert (message.phone, message.campaign, message.request_id) == ("0901888484", "chien dich 1", "r-1")
    assert caller.emulator.account().balance_vnd == before - Decimal(790)


def test_long_and_vietnamese_texts_cost_more_segments(caller):
    """161 GSM characters are two parts, 71 characters with diacritics too."""
    caller.care(Content="a" * 161)
    caller.care(Content="ệ" * 71)
    caller.care(Content="ệ" * 70)
    assert [message.price_vnd for message in caller.emulator.messages()] == [1580, 1580, 790]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"SecretKey": "wrong"}, "101"),
        ({"ApiKey": None}, "101"),
        ({"SmsType": None}, "300"),
        ({"SmsType": "7"}, "118"),
        ({"Brandname": "Nobody"}, "104"),
        ({"Brandname": "QC-TiemToc"}, "104"),
        ({"Phone": "097469188"}, "108"),
        ({"Phone": "0121888484"}, "108"),
        ({"Phone": "+84901888484"}, "108"),
        ({"Phone": "0901888484\n1"}, "108"),
        ({"Phone": "0909999999"}, "99"),
        ({"Phone": "84909999999"}, "99"),
    ],
)
def test_customer_care_refusals_have_documented_codes(make_caller, members, code):
    """Each broken rule has its code, an HTTP 200, and leaves nothing behind."""
    caller = make_caller(blocked_phones=frozenset({"0909999999"}))
    answer = caller.care(**members)
    assert (answer["CodeResult"], answer["CountRegenerate"]) == (code, 0)
    assert "SMSID" not in answer
    assert caller.emulator.message_count == 0


def test_refusal_texts_match_the_documentation(caller):
    """The words of the pages, letter for letter."""
    caller.care(RequestId="r")
    assert caller.care(SecretKey="x")["ErrorMessage"] == "Authorize Failed"
    assert caller.care(Brandname="x")["ErrorMessage"] == "Brand name code is not exist"
    assert caller.care(Phone="097469188")["ErrorMessage"] == "The phone number 097469188 is not valid."
    assert caller.care(RequestId="r") == {
        "CodeResult": "124",
        "CountRegenerate": 0,
        "ErrorMessage": "Request exist 1",
        "SendStatus": "5",
    }


def test_text_outside_the_template_gives_code_146_with_an_smsid(caller):
    """146 carries an SMSID although nothing was sent, and no status call knows it."""
    answer = caller.care(Brandname=DEMO_TEMPLATED_BRANDNAME, Content="Khuyen mai")
    assert (answer["CodeResult"], answer["ErrorMessage"]) == ("146", "Sai template Brandname CSKH")
    assert caller.status(answer["SMSID"])["CodeResponse"] == "105"
    assert caller.care(Brandname=DEMO_TEMPLATED_BRANDNAME, Content="123456 la ma xac thuc cua ban")["SMSID"]
    assert caller.emulator.message_count == 1


def test_malformed_request_gives_an_error_without_a_code(caller):
    """The body is only an error word, as under the tab named 99."""
    assert caller.care(Content="") == {"error": "Invalid request"}
    assert caller.care(SendDate="15/05/2024") == {"error": "Invalid request"}
    assert caller.care(RequestId="x" * 51) == {"error": "Invalid request"}
    assert caller.care(RequestId="x" * 50)["CodeResult"] == "100"


def test_insufficient_balance_gives_103_and_unlisted_address_140(caller):
    """103 when the balance is below the price, 140 when the IP list is on without us."""
    caller.emulator.set_balance(789)
    assert caller.care()["CodeResult"] == "103"
    caller.emulator.set_balance(790)
    assert caller.care()["CodeResult"] == "100"
    assert caller.emulator.account().balance_vnd == 0
    caller.emulator.set_allowed_ips(frozenset({"203.0.113.7"}))
    assert caller.care()["CodeResult"] == "140"
    caller.emulator.set_allowed_ips(None)
    assert caller.care()["CodeResult"] == "103"


def test_sandbox_validates_and_stores_nothing(caller):
    """A sandbox send answers 100 with an id nobody knows, costs nothing and leaves its RequestId free."""
    before = caller.emulator.account().balance_vnd
    answer = caller.care(Sandbox="1", RequestId="r")
    assert answer["CodeResult"] == "100"
    assert caller.status(answer["SMSID"])["CodeResponse"] == "105"
    assert caller.care(Sandbox=1, Brandname="Nobody")["CodeResult"] == "104"
    assert (caller.emulator.message_count, caller.emulator.account().balance_vnd) == (0, before)
    assert caller.care(RequestId="r")["CodeResult"] == "100"


@pytest.mark.parametrize("spelling", ["SandBox", "sandbox", "IsSandBox"])
def test_misspelled_sandbox_flag_sends_for_real(caller, spelling):
    """Unknown members are ignored without a word, so the message goes out."""
    caller.care(**{spelling: "1"})
    assert caller.emulator.message_count == 1


def test_member_names_are_case_sensitive(caller):
    """`requestid` is no RequestId: both messages are sent."""
    caller.care(requestid="r")
    caller.care(requestid="r")
    assert caller.emulator.deliveries_by_phone() == {"0901888484": 2}


def test_malformed_http_requests_give_400_404_or_405(caller):
    """WCF answers what it cannot read with a web page."""
    response = caller.session.post(caller.base_url + "/MainService.svc/json/GetBalance_json", data=b"{", timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert caller.response("POST", "/MainService.svc/json/SendMultipleMessage_V9_post_json/", {}).status_code == 404
    assert caller.response("GET", "/MainService.svc/json/GetBalance_json", {}).status_code == 405


def test_date_header_is_the_emulator_time(either):
    """A client that compares clocks sees the virtual one."""
    response = either.response("POST", "/MainService.svc/json/GetBalance_json", {})
    assert response.headers["Date"] == "Wed, 15 May 2024 02:00:00 GMT"


def test_request_id_blocks_duplicates_for_24_hours(caller):
    """124 until the 24 hours are over, across functions; then the id is new again."""
    assert caller.care(RequestId="r")["CodeResult"] == "100"
    caller.emulator.advance(hours=23.99)
    assert caller.care(RequestId="r")["CodeResult"] == "124"
    assert "SendStatus" not in caller.zns(RequestId="r")
    assert caller.zns(RequestId="r")["CodeResult"] == "124"
    caller.emulator.advance(hours=0.02)
    assert caller.care(RequestId="r")["CodeResult"] == "100"
    assert caller.care(RequestId="r")["CodeResult"] == "124"


def test_calendar_day_window_ends_at_midnight_in_vietnam(make_caller):
    """Two minutes can be enough for a second message."""
    caller = make_caller("2024-05-15 23:59:00", duplicate_window="calendar_day")
    assert caller.care(RequestId="r")["CodeResult"] == "100"
    caller.emulator.advance(59)
    assert caller.care(RequestId="r")["CodeResult"] == "124"
    caller.emulator.advance(1)
    assert caller.care(RequestId="r")["CodeResult"] == "100"


def test_refused_request_consumes_its_id_only_if_configured(make_caller):
    """Not documented, so both are possible."""
    for burns, code in ((False, "100"), (True, "124")):
        caller = make_caller(refused_burns_request_id=burns)
        caller.care(RequestId="r", Brandname=DEMO_TEMPLATED_BRANDNAME)
        caller.bulk([element("0901888484", "b", ["only one"])])
        assert caller.care(RequestId="r")["CodeResult"] == code
        assert caller.bulk([element("0901888484", "b")])["detail"][0]["CodeResult"] == code


def test_eight_threads_with_one_request_id_send_once(either):
    """The check and the storing are one step."""
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: either.care(RequestId="same")["CodeResult"], range(40)))
    assert codes.count("100") == 1
    assert codes.count("124") == 39
    assert either.emulator.deliveries_by_phone() == {"0901888484": 1}


def test_advertising_batch_has_one_message_id(caller):
    """30 distinct numbers are one SMSID, 30 rows, one RequestId."""
    answer = caller.advertising(phones(30), RequestId="r")
    assert answer["CodeResult"] == "100"
    assert {message.message_id for message in caller.emulator.messages()} == {answer["SMSID"]}
    assert caller.emulator.message_count == 30
    assert caller.advertising(phones(30), RequestId="r")["CodeResult"] == "124"


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        (phones(29), "107"),
        (phones(29) + phones(1), "107"),
        (phones(5001), "120"),
        ([*phones(30), "097469188"], "108"),
        (phones(5000), "100"),
    ],
)
def test_advertising_counts_distinct_numbers(caller, numbers, code):
    """107 under 30 distinct numbers, 120 over 5000."""
    assert caller.advertising(numbers)["CodeResult"] == code


def test_xml_request_sends_to_several_phones_under_one_id(caller):
    """Customer care by XML: escapes are undone, several CUSTOMER elements share one SMSID."""
    answer = caller.xml(["0901888484", "84901888485"], REQUESTID="r")
    assert [message.phone for message in caller.emulator.messages()] == ["0901888484", "0901888485"]
    assert {message.content for message in caller.emulator.messages()} == {"Xin chao & cam on"}
    assert caller.status(answer["SMSID"])["TotalReceiver"] == 2
    assert caller.xml(["0901888484"], REQUESTID="r") == {
        "CodeResult": "124",
        "CountRegenerate": 0,
        "ErrorMessage": "Request exist 1",
    }


def test_xml_request_id_quirk_allows_duplicates(caller):
    """With the switch off, REQUESTID protects nobody."""
    caller.emulator.quirks.xml_request_id_honoured = False
    caller.xml(["0901888484"], REQUESTID="r")
    caller.xml(["0901888484"], REQUESTID="r")
    assert caller.emulator.message_count == 2


def test_xml_refusals_have_documented_codes(caller):
    """One number on the advertising URL is 107, so is SMSTYPE 1; the printed sample is not even XML."""
    assert caller.xml(["0901888484"], path="SendMultipleSMSBrandname")["CodeResult"] == "107"
    assert caller.xml(["0901888484"], SMSTYPE="1")["CodeResult"] == "107"
    assert caller.xml(["0901888484"], SECRETKEY="x")["CodeResult"] == "101"
    assert caller.xml(["1"])["CodeResult"] == "108"
    assert caller.xml([])["CodeResult"] == "108"
    assert caller.xml(["0901888484"], APIKEY="<broken") == {"error": "Invalid request"}
    assert caller.xml(phones(30), path="SendMultipleSMSBrandname", SMSTYPE="1")["CodeResult"] == "100"
    assert caller.emulator.message_count == 30


def test_zns_with_named_values_renders_the_template(caller):
    """TempData goes by name, in any order; the row shows the filled text."""
    caller.zns(campaignid="c")
    (message,) = caller.emulator.messages()
    assert message.content == "Xin chào Chị A, dịch vụ Gội đầu (mã KH001) đã được xác nhận ngày 19/03/2025."
    assert (message.sms_type, message.template_id, message.price_vnd) == (25, DEMO_TEMPLATE_ID, 300)


def test_otp_template_gives_zns_of_type_24(caller):
    """Type 24 is decided by the template, not by the caller."""
    caller.zns(TempID=DEMO_OTP_TEMPLATE_ID, TempData=[{"key": "otp", "value": "123456"}])
    assert caller.sent(24)["CountTotal"] == 1


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"SecretKey": "x"}, "101"),
        ({"OAID": None}, "791"),
        ({"TempID": ""}, "791"),
        ({"OAID": "1"}, "204"),
        ({"OAID": DEMO_INACTIVE_OA_ID}, "799"),
        ({"OAID": "77"}, "799"),
        ({"TempID": "1"}, "789"),
        ({"TempID": DEMO_JOURNEY_TEMPLATE_ID}, "790"),
        ({"TempData": []}, "790"),
        ({"TempData": {"customer_name": "A"}}, "790"),
        ({"TempData": [{"key": "customer_name", "value": "A" * 31}]}, "790"),
        ({"SendingMode": "3", "SendDate": "2024-05-16 00:00:00"}, "801"),
        ({"SendingMode": "3"}, "802"),
        ({"Phone": "1"}, "108"),
    ],
)
def test_zns_refusals_have_documented_codes(make_caller, members, code):
    """204 for an OA nobody has, 799 for one that is another account's or inactive, 789 and 790 for templates."""
    other = default_account()
    stranger = type(other)("other", "other", Decimal(0), 2, official_accounts=(OfficialAccount("77"),))
    caller = make_caller(accounts=(other, stranger))
    assert caller.zns(**members)["CodeResult"] == code
    assert caller.emulator.message_count == 0


def test_journey_requires_flag_order_id_and_template(caller):
    """IsJourney is a JSON boolean; without it the URL sends an ordinary ZNS."""
    assert caller.journey()["CodeResult"] == "100"
    assert caller.journey(IsJourney="true")["CodeResult"] == "100"
    assert caller.journey(IsJourney=False)["CodeResult"] == "790"
    assert caller.journey(OrderId=None) == {"error": "Invalid request"}
    assert caller.journey(Params=["A", "B"])["CodeResult"] == "790"
    path = "/MainService.svc/json/SendZaloMessage_V4_post_json/"
    assert caller.response("POST", path, {"IsJourney": "True"}).status_code == 400
    ordinary = caller.journey(IsJourney=None, TempID=DEMO_TEMPLATE_ID, Params=["A", "B", "C", "D"])
    assert ordinary["CodeResult"] == "100"
    assert [message.sms_type for message in caller.emulator.messages()] == [27, 27, 25]


def test_double_slash_in_the_path_is_accepted(caller):
    """`//MainService.svc` is the same service."""
    assert caller.response("POST", "//MainService.svc/json/GetBalance_json", {}).json()["CodeResponse"] == "100"


def test_bulk_response_has_an_outcome_per_element(make_caller):
    """Top-level 100 with refused elements inside; `Sucess`, no RequestId, no SMSID on refused rows."""
    caller = make_caller(blocked_phones=frozenset({"0900000009"}))
    caller.care(RequestId="used")
    answer = caller.bulk(
        [
            element("0901888484", "r1"),
            element("097469188", "r2"),
            element("0901888485", "used"),
            element("0901888486", "r1"),
            element("0901888487", "r4", ["one"]),
            element("0901888488", "r5", ["A" * 31, "b", "c", "d"]),
            element("0900000009", "r6"),
            "nonsense",
        ],
        campaignid="c",
    )
    assert (answer["CodeResult"], answer["Message"], answer["TotalSuccess"], answer["TotalFail"]) == (
        "100",
        "Sucess",
        1,
        7,
    )
    assert [row["CodeResult"] for row in answer["detail"]] == ["100", "108", "124", "124", "110", "790", "99", "110"]
    assert ["SMSID" in row for row in answer["detail"]] == [True] + [False] * 7
    assert not any("RequestId" in row for row in answer["detail"])
    assert caller.emulator.deliveries_by_campaign() == {"": 1, "c": 1}


def test_repeated_bulk_call_gives_124_per_element(caller):
    """Nothing is sent twice, and no id comes back."""
    elements = [element(phone, f"r-{phone}") for phone in phones(500)]
    assert caller.bulk(elements)["TotalSuccess"] == 500
    again = caller.bulk(elements)
    assert (again["CodeResult"], again["TotalSuccess"], again["TotalFail"]) == ("100", 0, 500)
    assert {row["CodeResult"] for row in again["detail"]} == {"124"}
    assert max(caller.emulator.deliveries_by_phone().values()) == 1


@pytest.mark.parametrize(
    ("elements", "members", "code"),
    [
        ([element(phone) for phone in phones(501)], {}, "687"),
        ([], {}, "110"),
        ({}, {}, "110"),
        ([element("0901888484")], {"TempID": "1"}, "789"),
        ([element("0901888484")], {"ApiKey": "x"}, "101"),
    ],
)
def test_bulk_call_refused_as_a_whole_stores_nothing(caller, elements, members, code):
    """These take nothing and have the other shape."""
    answer = caller.bulk(elements, **members)
    assert (answer["CodeResult"], answer["CountRegenerate"]) == (code, 0)
    assert not {"detail", "TotalSuccess", "Message"} & set(answer)
    assert caller.emulator.message_count == 0


def test_bulk_sends_until_the_balance_is_exhausted(caller):
    """The rest is 103, row by row; without money for one the whole request is."""
    caller.emulator.set_balance(650)
    answer = caller.bulk([element(phone) for phone in phones(3)])
    assert [row["CodeResult"] for row in answer["detail"]] == ["100", "100", "103"]
    assert caller.bulk([element("0901888484")])["CodeResult"] == "103"


def test_bulk_sandbox_stores_nothing(caller):
    """Ids come back, messages do not exist."""
    answer = caller.bulk([element("0901888484", "r")], Sandbox="1", OAID=DEMO_OA_ID)
    assert answer["TotalSuccess"] == 1
    assert caller.emulator.message_count == 0
    assert caller.bulk([element("0901888484", "r")])["detail"][0]["CodeResult"] == "100"


def test_call_log_contains_no_keys_phones_or_request_ids(caller):
    """The calls log has function, number, time and code, and nothing to hide."""
    caller.care(RequestId="secret-id")
    shown = repr(list(caller.emulator.calls)) + repr(caller.emulator.config.accounts)
    assert not any(value in shown for value in (*KEYS.values(), "0901888484", "secret-id"))
    (record,) = caller.emulator.calls
    assert (record.function, record.number, record.code, record.accepted) == ("send_customer_care_sms", 1, "100", 1)
