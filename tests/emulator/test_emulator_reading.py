"""The reads: pages of sent data while the world changes, status by id, missed callbacks, templates."""

from __future__ import annotations

import pytest
from gateway_caller import KEYS, element, phones

from esms_connectors.emulator import Progress
from esms_connectors.emulator.world import DEMO_JOURNEY_TEMPLATE_ID

FAILING = Progress(failed_share=1.0, rejected_share=0)


def rows_of(caller, page_size, **members):
    """Every row of a window, page by page until a short page."""
    rows, page = [], 1
    while True:
        answer = caller.sent(page=page, page_size=page_size, **members)
        rows += answer["SentData"]
        if len(answer["SentData"]) < page_size:
            return rows
        page += 1


def test_balance_response_with_correct_and_wrong_keys(caller):
    """A number of VND under CodeResponse; 0 with a wrong key, which must not be read as a poor account."""
    assert caller.balance() == {"Balance": 1_000_000_000, "CodeResponse": "100", "UserID": 80201}
    assert caller.balance(SecretKey="x") == {"Balance": 0, "CodeResponse": "101", "ErrorMessage": "Authorize Failed"}


def test_sent_data_row_has_the_documented_members(caller):
    """Numbers are numbers, the time is a `/Date(ms+0700)/`, SmsId is shared by a request."""
    ids = [caller.care(campaignid="c")["SMSID"], caller.xml(["0901888485", "0901888486"])["SMSID"]]
    caller.emulator.advance(10)
    answer = caller.sent()
    assert (answer["CodeResult"], answer["CountTotal"]) == ("100", 3)
    row = answer["SentData"][-1]
    assert list(row) == [
        *("Campaign", "Content", "Phone", "ReferenceId", "SellPrice"),
        *("SendResult", "SendStatus", "SentTime", "SmsId", "SmsType"),
    ]
    assert (row["Campaign"], row["ReferenceId"], row["SellPrice"], row["SmsType"]) == ("c", ids[0], 790.0, 2)
    assert row["SentTime"].startswith("/Date(17157384")
    assert row["SentTime"].endswith("+0700)/")
    assert len({row["SmsId"] for row in answer["SentData"]}) == 2
    assert {row["ReferenceId"] for row in answer["SentData"]} == set(ids)


def test_invalid_sent_data_requests_are_refused_by_code(caller):
    """101 has a full stop here; a missing type is 300, an unreadable range or page 110."""
    assert caller.sent(SecretKey="x") == {"CodeResult": "101", "ErrorMessage": "Authorize Failed."}
    assert caller.sent(SmsType=None)["CodeResult"] == "300"
    assert caller.sent(sms_type=27)["CodeResult"] == "118"
    assert caller.sent(From="15/05/2024")["CodeResult"] == "110"
    assert caller.sent(From="2024-02-30 00:00:00")["CodeResult"] == "110"
    assert caller.sent(page=0)["CodeResult"] == "110"


def test_sent_data_window_includes_both_ends_in_whole_seconds(caller):
    """A message of 09:00:00.999 belongs to the window that ends at 09:00:00, in Vietnamese time."""
    for created_at in ("08:59:59.999", "09:00:00.000", "09:00:00.999", "09:00:01.000"):
        caller.emulator.insert_message(f"2024-05-15T{created_at}")
    one_second = {"From": "2024-05-15 09:00:00", "To": "2024-05-15 09:00:00"}
    assert caller.sent(**one_second)["CountTotal"] == 2
    assert caller.sent(From="2024-05-15 08:59:59", To="2024-05-15 09:00:01")["CountTotal"] == 4
    assert caller.sent(From="2024-05-15 09:00:02")["SentData"] == []


def test_scheduled_message_is_listed_by_creation_time(caller):
    """The filter is the creation time, not SentTime."""
    caller.care(SendDate="2024-05-16 08:00:00")
    caller.emulator.advance(days=1)
    assert caller.sent(To="2024-05-15 23:59:59")["CountTotal"] == 1
    assert caller.sent(From="2024-05-16 00:00:00")["CountTotal"] == 0


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_pages_cover_a_window_without_repeats(caller, order):
    """Whatever the order, 1234 rows come once each while nothing changes, 500 a page at most."""
    caller.emulator.quirks.page_order = order
    caller.emulator.populate(1234, start="2024-05-14 00:00:00", end="2024-05-15 00:00:00")
    rows = rows_of(caller, 100)
    assert len({row["ReferenceId"] for row in rows}) == len(rows) == 1234
    assert len(caller.sent(page_size=501)["SentData"]) == 500
    assert caller.sent(page=99)["SentData"] == []
    assert caller.sent(page="3", page_size="500")["SentData"] == caller.sent(page=3)["SentData"]
    times = [row["SentTime"] for row in rows]
    assert (times == sorted(times, reverse=True)) == (order == "newest_first")


def test_page_size_quirk_refuses_more_than_500(caller):
    """The documentation says only "max"."""
    caller.emulator.quirks.page_size_over_limit = "refuse"
    assert caller.sent(page_size=501)["CodeResult"] == "110"


def test_row_inserted_during_paging_shifts_newest_first_pages(caller):
    """The hook inserts one row before page 2, so a row of page 1 comes again, and none is lost."""
    caller.emulator.populate(300, start="2024-05-14 00:00:00", end="2024-05-15 00:00:00")

    def insert(call):
        if call.number == 2:
            caller.emulator.insert_message("2024-05-15 08:00:00", phone="0911111111")

    caller.emulator.on_call("get_sms_sent_data", insert)
    rows = rows_of(caller, 100)
    assert len(rows) == 301
    assert len({row["ReferenceId"] for row in rows}) == 300
    assert "0911111111" not in {row["Phone"] for row in rows}


def test_row_inserted_into_the_past_is_listed_in_order(caller):
    """Even in the middle of what is stored already."""
    caller.emulator.populate(10, start="2024-05-14 00:00:00", end="2024-05-15 00:00:00")
    caller.emulator.populate(10, start="2024-05-12 00:00:00", end="2024-05-13 00:00:00")
    caller.emulator.populate(10, start="2024-05-12 00:00:00", end="2024-05-15 00:00:00")
    message_id = caller.emulator.insert_message("2024-05-12 12:00:00", phone="0911111111", campaign="late")
    window = caller.sent(From="2024-05-12 12:00:00", To="2024-05-12 12:00:00")["SentData"]
    assert message_id in {row["ReferenceId"] for row in window}
    assert caller.sent()["CountTotal"] == 31
    assert list(caller.emulator.state.index(caller.emulator.config.accounts[0].api_key, 2).times) == sorted(
        message.created_ms for message in caller.emulator.messages()
    )


def test_journey_messages_are_listed_as_ordinary_zns(caller):
    """27 cannot be asked for; 25 has them."""
    journey_id, zns_id = caller.journey()["SMSID"], caller.zns()["SMSID"]
    assert [row["ReferenceId"] for row in caller.sent(25)["SentData"]] == [zns_id, journey_id]


def test_empty_range_quirk_answers_code_105(caller):
    """A switch, because the code table lists 105 for this call."""
    assert caller.sent() == {"CodeResult": "100", "CountTotal": 0, "SentData": []}
    caller.emulator.quirks.empty_range_is_105 = True
    assert caller.sent()["CodeResult"] == "105"
    caller.care()
    assert caller.sent()["CodeResult"] == "100"


def test_send_status_aggregates_a_batch(caller):
    """Counters over all numbers; 1 in review, 2 waiting, 5 handed over."""
    message_id = caller.advertising(phones(40))["SMSID"]
    assert caller.status(message_id)["SendStatus"] == 1
    caller.emulator.advance(60)
    assert caller.status(message_id) == {
        "CodeResponse": "100",
        "SMSID": message_id,
        "SendFailed": 0,
        "SendStatus": 5,
        "SendSuccess": 40,
        "TotalPrice": 31600,
        "TotalReceiver": 40,
        "TotalSent": 40,
    }


def test_send_status_code_101_has_no_error_text(caller):
    """Only the code and the echo."""
    assert caller.status("abc", SecretKey="x") == {"CodeResponse": "101", "SMSID": "abc"}


def test_query_names_are_case_insensitive(caller):
    """And a stray `&` in front does no harm, as in the printed address."""
    message_id = caller.care()["SMSID"]
    url = f"{caller.base_url}/MainService.svc/json/GetSmsReceiverStatus_get?&REFID={message_id}"
    url += "".join(f"&{name.lower()}={value}" for name, value in KEYS.items())
    assert caller.session.get(url, timeout=60).json()["CodeResult"] == "100"


def test_receiver_status_reports_pending_as_not_sent(caller):
    """Before the report it looks like a failure; afterwards it is told per number."""
    message_id = caller.xml(["0901888484", "0971888484"])["SMSID"]
    before = caller.receivers(message_id)["ReceiverList"]
    assert [(row["IsSent"], row["SentResult"]) for row in before] == [(False, False)] * 2
    caller.emulator.advance(60)
    after = caller.receivers(message_id)["ReceiverList"]
    assert after[1] == {
        "IsSent": True,
        "NetworkName": "Viettel",
        "Phone": "0971888484",
        "Retry": 0,
        "SentResult": True,
    }
    assert caller.receivers(message_id, ApiKey="x") == {"CodeResult": "101", "ErrorMessage": "Authorize Failed"}


def test_status_lookup_gives_105_outside_the_lookup_window(make_caller):
    """105 in both cases, and for ids that never were."""
    caller = make_caller(lookup_delay_seconds=30)
    message_id = caller.care()["SMSID"]
    assert caller.status(message_id) == {"CodeResponse": "105", "SMSID": message_id}
    caller.emulator.advance(30)
    assert caller.status(message_id)["CodeResponse"] == "100"
    caller.emulator.advance(days=7)
    assert caller.status(message_id)["CodeResponse"] == "105"
    assert caller.receivers(message_id)["CodeResult"] == "105"
    assert caller.sent()["CountTotal"] == 1
    for unknown in ("", "x" * 40, "0" * 32, message_id[:-1]):
        assert caller.status(unknown)["CodeResponse"] == "105"


def test_missed_callbacks_are_returned_only_for_zns_with_callback_url(caller):
    """Absence is not failure; Code is a number."""
    with_url = caller.zns(CallbackUrl="https://example.com/cb")["SMSID"]
    without = caller.zns()["SMSID"]
    sms = caller.care(CallbackUrl="https://example.com/cb")["SMSID"]
    assert caller.missed([with_url])["Data_callback"][0]["SendStatus"] == 2
    caller.emulator.advance(60)
    answer = caller.missed([without, sms, "nonsense", with_url])
    assert (answer["Code"], answer["Message"]) == (100, "Success")
    (replayed,) = answer["Data_callback"]
    assert (replayed["SMSID"], replayed["SendStatus"], replayed["SendSuccess"]) == (with_url, 5, 1)
    assert replayed["RequestId"] is None
    assert replayed["ZnsTempId"] == "267247"
    assert caller.missed([with_url], oa_id="1")["Data_callback"] == []
    assert caller.missed([with_url], ApiKey="x") == {"Code": 101, "Message": "Authorize Failed"}


def test_missed_callbacks_beyond_200_ids_are_dropped_silently(caller):
    """In order, without a word."""
    elements = [element(phone) for phone in phones(250)]
    ids = [row["SMSID"] for row in caller.bulk(elements, CallbackUrl="https://example.com/cb")["detail"]]
    assert [row["SMSID"] for row in caller.missed(ids)["Data_callback"]] == ids[:200]


def test_error_info_of_failed_zns_has_trailing_text(make_caller):
    """JSON text followed by a stray sentence."""
    caller = make_caller(progress=FAILING)
    message_id = caller.zns(CallbackUrl="https://example.com/cb")["SMSID"]
    caller.emulator.advance(60)
    (replayed,) = caller.missed([message_id])["Data_callback"]
    assert replayed["ErrorInfo"].startswith('{"error":-')
    assert replayed["ErrorInfo"].endswith("}Object reference not set to an instance of an object.")


def test_template_details_and_refusal_codes(caller):
    """Success is Error 0, and Data comes first."""
    answer = caller.template()
    assert list(answer) == ["Data", "Error", "Message"]
    assert (answer["Error"], answer["Data"]["TemplateId"]) == (0, 267247)
    assert [param["Name"] for param in answer["Data"]["ListParams"]] == ["customer_name", "service", "code", "date"]
    assert caller.template(DEMO_JOURNEY_TEMPLATE_ID)["Data"]["ListParams"][2]["AcceptNull"] is True
    assert caller.template("1")["Error"] == 789
    assert caller.template(OAId="")["Error"] == 791
    assert caller.template(SecretKey="x") == {"Data": None, "Error": 101, "Message": "Authorize Failed"}
