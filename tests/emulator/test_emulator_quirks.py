"""The spelling quirks: each switch changes the wire, and only when it is on."""

from __future__ import annotations

from gateway_caller import SERVICE, element, phones


def test_numbers_as_strings_quirk_quotes_numbers(caller):
    """As the tables say; codes keep their kind."""
    caller.care()
    caller.emulator.quirks.numbers_as_strings = True
    answer = caller.sent()
    row = answer["SentData"][0]
    assert answer["CountTotal"] == "1"
    assert (row["SellPrice"], row["SendStatus"], row["SendResult"], row["SmsType"]) == ("790.0", "2", "2", "2")
    assert caller.balance()["Balance"] == "999999210"
    assert caller.missed([])["Code"] == 100
    assert caller.receivers(row["ReferenceId"])["ReceiverList"][0]["IsSent"] is False


def test_table_spelling_quirk_renames_members(caller):
    """RefercenceId and Sellprice."""
    caller.care()
    caller.emulator.quirks.table_spelling = True
    row = caller.sent()["SentData"][0]
    assert {"RefercenceId", "Sellprice"} < set(row)
    assert not {"ReferenceId", "SellPrice"} & set(row)


def test_escaped_dates_quirk_escapes_slashes(caller):
    """The bytes have backslashes; JSON takes them away."""
    caller.care()
    caller.emulator.quirks.escaped_dates = True
    members = {"SmsType": "2", "From": "2024-05-01 00:00:00", "To": "2024-05-31 00:00:00", "Page": 1, "PageSize": 9}
    response = caller.response("POST", SERVICE + "GetSmsSentData_V2", members)
    assert rb'"\/Date(1715738400000+0700)\/"' in response.content
    assert response.json()["SentData"][0]["SentTime"] == "/Date(1715738400000+0700)/"


def test_quirks_pad_ids_and_add_or_drop_members(caller):
    """Blanks behind ids, members nobody knows, members that are not there."""
    quirks = caller.emulator.quirks
    quirks.padded_ids = quirks.unknown_members = True
    quirks.missing_members = ("Campaign", "CountRegenerate")
    answer = caller.care()
    assert answer["SMSID"].endswith(" ")
    assert "CountRegenerate" not in answer
    assert answer["RedisWalletId"] == 0
    row = caller.sent()["SentData"][0]
    assert row["ReferenceId"] == answer["SMSID"]
    assert "Campaign" not in row
    assert caller.status(answer["SMSID"])["CodeResponse"] == "100"


def test_count_total_quirk_changes_the_reported_total(caller):
    """Missing, a string, absurd, zero, that of the page."""
    for _ in range(3):
        caller.care()
    seen = []
    for kind in ("exact", "missing", "string", "absurd", "zero", "page"):
        caller.emulator.quirks.count_total = kind
        seen.append(caller.sent(page_size=2).get("CountTotal"))
    assert seen == [3, None, "3", 2_147_483_647, 0, 2]


def listed(caller, **members) -> list[str]:
    return sorted(row["Phone"] for row in caller.sent(**members)["SentData"])


def test_listed_late_quirk_delays_a_fixed_share_of_rows(caller):
    """The same share of them each time, and all of them once the time is over."""
    given = phones(200)
    for phone in given:
        caller.care(Phone=phone)
    caller.emulator.quirks.listed_late_share = 0.3
    early = listed(caller)
    assert 100 < len(early) < 180
    assert set(early) < set(given)
    assert listed(caller) == early
    caller.emulator.advance(minutes=10)
    assert listed(caller) == given


def test_listed_from_send_at_quirk_hides_scheduled_messages(caller):
    """SendDate is an hour ahead."""
    now = caller.emulator.clock.now
    caller.care(SendDate=now.add(hours=1).format("YYYY-MM-DD HH:mm:ss"))
    caller.emulator.quirks.listed_from_send_at = True
    assert listed(caller) == []
    caller.emulator.advance(hours=1)
    assert len(listed(caller)) == 1


def test_leaving_rows_quirk_removes_rows_during_paging(caller):
    """For good, and the count falls with them."""
    for phone in phones(10):
        caller.care(Phone=phone)
    caller.emulator.quirks.leaving_rows = 3
    counts = [caller.sent(page=page, page_size=4)["CountTotal"] for page in (1, 2, 3)]
    assert counts == [10, 7, 4]
    caller.emulator.quirks.leaving_rows = 0
    assert len(listed(caller)) == 4


def test_sent_data_span_quirk_widens_the_range(caller):
    """From and To are asked for an hour; the day before and the days after lie outside of it."""
    for day in ("2024-05-13", "2024-05-14", "2024-05-15"):
        caller.emulator.insert_message(f"{day} 10:00:00", phone=f"090188848{day[-1]}")
    hour = {"From": "2024-05-14 20:00:00", "To": "2024-05-14 21:00:00"}
    assert listed(caller, **hour) == []
    caller.emulator.quirks.sent_data_span = "days"
    assert listed(caller, **hour) == ["0901888484"]
    caller.emulator.quirks.sent_data_span = "all"
    assert len(listed(caller, **hour)) == 3


def test_rows_older_than_the_retention_are_not_listed(caller):
    caller.care()
    caller.emulator.advance(days=3)
    caller.care()
    caller.emulator.quirks.retention_days = 2
    assert len(listed(caller)) == 1


def test_campaign_echo_quirk_changes_the_listed_campaign(caller):
    caller.care(campaignid="tết #1")
    seen = []
    for kind in ("exact", "upper", "empty"):
        caller.emulator.quirks.campaign_echo = kind
        seen.append(caller.sent()["SentData"][0]["Campaign"])
    assert seen == ["tết #1", "TẾT #1", ""]
    assert [message.campaign for message in caller.emulator.messages()] == ["tết #1"]


def test_id_echo_quirk_changes_the_listed_id(caller):
    sent = caller.care()["SMSID"]
    caller.emulator.quirks.id_echo = "upper"
    assert [row["ReferenceId"] for row in caller.sent()["SentData"]] == [sent.upper()]
    assert sent != sent.upper()


def test_bulk_detail_quirk_alters_rows_but_not_counts(caller):
    """Shuffled, without refused rows, with rows missing, without ids; the counts stay true."""
    elements = [element(phone) for phone in [*phones(40), "1"]]
    seen = {}
    for kind in ("complete", "shuffled", "without_rejected", "random_rows_missing", "without_smsid"):
        caller.emulator.quirks.bulk_detail = kind
        answer = caller.bulk(elements)
        assert (answer["TotalSuccess"], answer["TotalFail"]) == (40, 1)
        seen[kind] = answer["detail"]
    given = [item["Phone"] for item in elements]
    assert [row["Phone"] for row in seen["complete"]] == given
    assert [row["Phone"] for row in seen["shuffled"]] != given
    assert sorted(row["Phone"] for row in seen["shuffled"]) == sorted(given)
    assert [row["Phone"] for row in seen["without_rejected"]] == given[:-1]
    assert 20 < len(seen["random_rows_missing"]) < 41
    assert not any("SMSID" in row for row in seen["without_smsid"])


def test_bulk_request_id_ignored_quirk_sends_duplicates(caller):
    """Both calls send."""
    caller.emulator.quirks.bulk_request_id_ignored = True
    for _ in range(2):
        assert caller.bulk([element("0901888484", "r")])["TotalSuccess"] == 1
    assert caller.emulator.deliveries_by_phone() == {"0901888484": 2}


def test_request_ids_ignored_quirk_applies_per_function(caller):
    """Of the functions named both calls send, of the others one."""
    caller.emulator.quirks.request_ids_ignored = ("send_customer_care_sms",)
    assert [caller.care(RequestId="r")["CodeResult"] for _ in range(2)] == ["100", "100"]
    assert caller.bulk([element("0901888484", "s")])["TotalSuccess"] == 1
    assert caller.bulk([element("0901888484", "s")])["TotalSuccess"] == 0
    assert caller.emulator.message_count == 3


def test_repeat_refused_with_quirk_replaces_code_124(caller):
    """What is looked at before the request id may have changed since: no 124, and no second message."""
    caller.care(RequestId="r")
    caller.bulk([element("0901888484", "s")])
    caller.emulator.quirks.repeat_refused_with = "99"
    assert caller.care(RequestId="r")["CodeResult"] == "99"
    assert caller.bulk([element("0901888484", "s")])["detail"][0]["CodeResult"] == "99"
    assert caller.emulator.message_count == 2


def test_duplicate_with_smsid_quirk_returns_the_earlier_id(caller):
    """Singly and in bulk."""
    caller.emulator.quirks.duplicate_with_smsid = True
    message_id = caller.care(RequestId="r")["SMSID"]
    assert caller.care(RequestId="r")["SMSID"] == message_id
    assert caller.bulk([element("0901888484", "r")])["detail"][0]["SMSID"] == message_id
