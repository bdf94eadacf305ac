"""The spelling quirks: each switch changes the wire, and only when it is on."""

from __future__ import annotations

from gateway_caller import SERVICE, element, phones


def test_numbers_as_strings(caller):
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


def test_table_spelling(caller):
    """RefercenceId and Sellprice."""
    caller.care()
    caller.emulator.quirks.table_spelling = True
    row = caller.sent()["SentData"][0]
    assert {"RefercenceId", "Sellprice"} < set(row)
    assert not {"ReferenceId", "SellPrice"} & set(row)


def test_escaped_dates(caller):
    """The bytes have backslashes; JSON takes them away."""
    caller.care()
    caller.emulator.quirks.escaped_dates = True
    members = {"SmsType": "2", "From": "2024-05-01 00:00:00", "To": "2024-05-31 00:00:00", "Page": 1, "PageSize": 9}
    response = caller.response("POST", SERVICE + "GetSmsSentData_V2", members)
    assert rb'"\/Date(1715738400000+0700)\/"' in response.content
    assert response.json()["SentData"][0]["SentTime"] == "/Date(1715738400000+0700)/"


def test_padded_ids_unknown_and_missing_members(caller):
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


def test_count_total(caller):
    """Missing, a string, absurd, zero."""
    caller.care()
    seen = []
    for kind in ("exact", "missing", "string", "absurd", "zero"):
        caller.emulator.quirks.count_total = kind
        seen.append(caller.sent().get("CountTotal"))
    assert seen == [1, None, "1", 2_147_483_647, 0]


def test_odd_bulk_details(caller):
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


def test_an_old_service_ignores_request_ids_inside_bulk(caller):
    """Both calls send."""
    caller.emulator.quirks.bulk_request_id_ignored = True
    for _ in range(2):
        assert caller.bulk([element("0901888484", "r")])["TotalSuccess"] == 1
    assert caller.emulator.deliveries_by_phone() == {"0901888484": 2}


def test_a_duplicate_may_bring_the_earlier_id(caller):
    """Singly and in bulk."""
    caller.emulator.quirks.duplicate_with_smsid = True
    message_id = caller.care(RequestId="r")["SMSID"]
    assert caller.care(RequestId="r")["SMSID"] == message_id
    assert caller.bulk([element("0901888484", "r")])["detail"][0]["SMSID"] == message_id
