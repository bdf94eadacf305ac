"""Answers as the gateway really writes them, and as nobody should: read, or refused in one of our own errors."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from canned import client_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from raw_server import RawServer, http_answer
from samples import (
    DAY,
    NEXT_DAY,
    SENDS,
    get_balance,
    get_callback_data,
    get_sms_sent_data,
    get_zns_template,
    send_customer_care_sms,
    send_zns_bulk,
)

from esms_connectors import (
    NO_RETRIES,
    BulkSubmission,
    EsmsClient,
    EsmsError,
    GatewayError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    SmsType,
    Submission,
)
from esms_connectors.emulator import Emulator
from esms_connectors.gateway import wire

MakeClient = Callable[..., EsmsClient]


ALL_CALLS = {
    **SENDS,
    "get_sms_sent_data": get_sms_sent_data,
    "get_send_status": lambda client: client.get_send_status("id"),
    "get_sms_receiver_status": lambda client: client.get_sms_receiver_status("id"),
    "get_balance": get_balance,
    "get_callback_data": get_callback_data,
    "get_zns_template": get_zns_template,
}


@pytest.mark.parametrize(
    "answer",
    [
        {"CodeResult": "100", "SMSID": "id"},
        {"CodeResult": 100, "SMSID": "id"},
        {"CodeResult": " 100 ", "SMSID": "id "},
        {"CodeResult": "100.0", "SMSID": "\tid\n"},
        {"CodeResponse": "100", "SMSID": "id"},
        {"Code": 100, "SMSID": "id"},
        {"CodeResult": "100", "CodeResponse": 100, "Code": "100", "SMSID": "id"},
        {"CodeResult": "100", "ErrorMessage": "success", "SMSID": "id"},
        {"CodeResult": "100", "ErrorMessage": "ViHAT is censoring trademark ownership", "SMSID": "id"},
        {"CodeResult": "100", "SmsID": "id", "CountRegenerate": None, "RedisWalletId": 10**30, "x": {"y": [1]}},
        {"CodeResult": "100", "CodeResponse": None, "smsid": "id"},
        {"CodeResult": "100", "CodeResponse": "", "smsid": "id"},
    ],
)
def test_every_variant_of_success_is_accepted(answer: Any) -> None:
    """Only the code counts: texts, casing, padding and strange members do not matter."""
    assert send_customer_care_sms(client_of(answer)).message_id == "id"


@pytest.mark.parametrize("message_id", [None, "", " ", {}, [], True, 1.5])
def test_success_without_a_usable_message_id_is_still_accepted(message_id: Any) -> None:
    """The message is out all the same; its id is not known."""
    submission = send_customer_care_sms(client_of({"CodeResult": "100", "SMSID": message_id}))
    assert submission.message_id in (None, "1.5")


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        100,
        "100",
        [{"CodeResult": "100"}],
        {"error": "Invalid request"},
        {"coderesult": "100"},
        {"CodeResult": None},
        {"CodeResult": True},
        {"CodeResult": ["100"]},
        {"CodeResult": {"CodeResult": "100"}},
        {"CodeResult": ""},
        {"CodeResult": "100", "CodeResponse": "101"},
        {"CodeResult": "100", "Code": 0},
        {"CodeResult": "the request was accepted with code 100"},
        {"Error": 0},
        {"SMSID": "id", "ErrorMessage": "success"},
        b"",
        b" \r\n ",
        b"\xef\xbb\xbf",
        b"\xff\xfe{\x00}\x00",
        b'{"CodeResult":"100"',
        b'{"CodeResult":"100"}}',
        b'{"CodeResult":"100"}{"CodeResult":"100"}',
        b"{'CodeResult':'100'}",
        b'{"CodeResult":"100","x":"\xe0\xff"}',
        b'{"CodeResult":"100","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"CodeResult":"100","x":1e99999999999999999999}',
        b'{"CodeResult":' + b"1" * 5000 + b"}",
        b'{"CodeResult":NaN}',
        b'{"CodeResult":Infinity}',
        b'<?xml version="1.0"?><CodeResult>100</CodeResult>',
        b"  \n<!DOCTYPE html><title>100</title>",
        b'callback({"CodeResult":"100"})',
    ],
)
@pytest.mark.parametrize("name", ["send_customer_care_sms", "send_customer_care_sms_xml", "send_zns_bulk"])
def test_unreadable_answer_leaves_a_send_unknown(name: str, answer: Any) -> None:
    """Never a success, never a refusal, never an error of the reader's own."""
    with pytest.raises(OutcomeUnknownError) as caught:
        SENDS[name](client_of(answer))
    assert not isinstance(caught.value, GatewayError)


@pytest.mark.parametrize(
    "code",
    [
        "1_00",
        "１００",
        "١٠٠",
        "1e2",
        "+100",
        "0100",
        "100.",
        "1OO",
        "-100",
        "0x64",
        "100\u200b0",
        1000,
        99.5,
        "00",
        "0",
    ],
)
def test_codes_resembling_100_are_not_success(code: Any) -> None:
    """Underscores, other scripts, exponents and padding are unlisted codes: unknown."""
    with pytest.raises(EsmsError) as caught:
        send_customer_care_sms(client_of({"CodeResult": code, "SMSID": "id"}))
    assert isinstance(caught.value, OutcomeUnknownError)


def test_byte_order_mark_is_accepted() -> None:
    """UTF-8 with a byte order mark is still UTF-8."""
    assert send_customer_care_sms(client_of(b'\xef\xbb\xbf{"CodeResult":"100","SMSID":"id"}')).message_id == "id"


def test_extreme_numbers_in_other_members_are_ignored() -> None:
    """NaN, infinities and huge exponents in other members are read past."""
    body = b'{"CodeResult":"100","SMSID":"id","a":NaN,"b":-Infinity,"c":1e400,"d":' + b"9" * 4000 + b"}"
    assert send_customer_care_sms(client_of(body)).message_id == "id"


def test_refusal_with_a_message_id_is_still_a_refusal() -> None:
    """146 has an SMSID; the message was not taken."""
    with pytest.raises(GatewayError) as caught:
        send_customer_care_sms(client_of({"CodeResult": "146", "SMSID": "id", "ErrorMessage": "success"}))
    assert (caught.value.code, caught.value.message_id) == ("146", "id")


def test_undocumented_code_is_kept_verbatim() -> None:
    """A send with it is unknown, a read is refused with it."""
    with pytest.raises(OutcomeUnknownError) as send:
        send_customer_care_sms(client_of({"CodeResult": "E-77"}))
    with pytest.raises(GatewayError) as read:
        get_balance(client_of({"CodeResponse": "E-77"}))
    assert (getattr(send.value, "code", None), read.value.code) == ("E-77", "E-77")


@pytest.mark.parametrize(
    ("status", "error"),
    [(204, OutcomeUnknownError), (304, OutcomeUnknownError), (400, OutcomeUnknownError), (500, OutcomeUnknownError)],
)
def test_success_code_under_an_http_error_status_is_unknown(status: int, error: type[EsmsError]) -> None:
    """4xx, 5xx and redirects with 100 in the body stay unknown; 204 has no body worth the name."""
    body = b"" if status in (204, 304) else b'{"CodeResult":"100","SMSID":"id"}'
    with pytest.raises(error):
        send_customer_care_sms(client_of(body, status))


def test_refusal_code_under_an_http_error_status_is_a_refusal() -> None:
    """HTTP 401 with a code in the body is what the code says."""
    with pytest.raises(GatewayError) as caught:
        get_balance(client_of({"CodeResponse": "101"}, 401))
    assert caught.value.code == "101"


@pytest.mark.parametrize(
    "value",
    [
        *("1", "0", "2.5", "-1", "²", "１", "9" * 400, "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT"),
        *("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
        *("Mon, 99 Foo 2024 99:99:99 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "\x00", "NaN", "inf", "1e9"),
    ],
)
def test_malformed_retry_after_and_date_headers_are_tolerated(value: str) -> None:
    """Retry-After and Date may hold anything; the answer counts."""
    headers = {"Retry-After": value, "Date": value}
    assert get_balance(client_of({"CodeResponse": "100", "Balance": 1}, headers=headers)).balance_vnd == 1
    assert send_customer_care_sms(client_of({"CodeResult": "100", "SMSID": "id"}, headers=headers)).message_id == "id"
    with pytest.raises(RateLimitedError):
        get_balance(client_of(b"", 429, headers))
    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(client_of(b"", 429, headers))


@pytest.mark.parametrize("kind", ["numbers_as_strings", "table_spelling", "escaped_dates", "padded_ids"])
def test_known_sent_data_quirks_give_the_same_row(gateway: Emulator, client: EsmsClient, kind: str) -> None:
    """The same row comes out, however it is spelled."""
    gateway.insert_message("2024-05-15 10:00:00.123", "0901888484", campaign="Tết", send_status=5, send_result=1)
    plain = get_sms_sent_data(client)
    setattr(gateway.quirks, kind, True)
    gateway.quirks.unknown_members = True

    assert get_sms_sent_data(client) == plain
    assert plain[0].sent_at is not None
    assert plain[0].sent_at.to_datetime_string()[:18] == "2024-05-15 10:00:0"
    assert (plain[0].send_status, plain[0].send_result, plain[0].price_vnd) == (5, 1, Decimal(790))


def test_missing_or_invalid_members_of_a_row_become_none() -> None:
    """No row is dropped over a member."""
    rows = [{}, {"Phone": "0901888484"}, {"SendStatus": "?"}, {"SentTime": "yesterday", "SellPrice": "free"}]
    page = client_of({"CodeResult": "100", "CountTotal": "4", "SentData": rows}).get_sms_sent_data_page(
        DAY, NEXT_DAY, SmsType.ZNS
    )
    assert (page.count_total, page.rows_received, len(page.messages)) == (4, 4, 4)
    assert page.messages[0].message_id is page.messages[0].sent_at is page.messages[3].price_vnd is None
    assert page.messages[2].send_status == "?"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("/Date(1705484048995+0700)/", "2024-01-17T16:34:08.995+07:00"),
        (r"\/Date(1705484048995+0700)\/", "2024-01-17T16:34:08.995+07:00"),
        ("/Date(1705484048995-0500)/", "2024-01-17T16:34:08.995+07:00"),
        ("/Date(1705484048995)/", "2024-01-17T16:34:08.995+07:00"),
        (" /Date(0)/ ", "1970-01-01T07:00:00+07:00"),
        ("/Date(-1+0700)/", "1970-01-01T06:59:59.999+07:00"),
        ("/Date(9999999999999999)/", None),
        ("/Date(99999999999999999999)/", None),
        ("/Date()/", None),
        ("2024-01-17", None),
        (1705484048995, None),
        (None, None),
        ({}, None),
    ],
)
def test_dotnet_dates_are_parsed_and_others_become_none(text: Any, moment: str | None) -> None:
    """Milliseconds are UTC, the offset is decoration; what is no date is None."""
    assert wire.as_time(text) == (None if moment is None else pendulum.parse(moment))


MEMBERS = [
    *("CodeResult", "CodeResponse", "Code", "Error", "SMSID", "detail", "Phone", "SentData", "CountTotal", "Balance"),
    *("ReceiverList", "Data", "Data_callback", "ErrorInfo", "ListParams", "SendStatus", "TotalReceiver", "SentTime"),
    *("ErrorMessage", "Message"),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["100", 100, "0", 0, "124", "101", "/Date(1705484048995+0700)/", "0901888484", "1E+999999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
FUZZ = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])


def is_success(answer: Any, codes: tuple[str, ...]) -> bool:
    """An independent reading of when a send may be called accepted."""
    if not isinstance(answer, dict):
        return False
    said = {str(answer[name]).strip() for name in ("CodeResult", "CodeResponse", "Code") if _is_code(answer.get(name))}
    return len(said) == 1 and said.pop().removesuffix(".0") in codes


def _is_code(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and bool(str(value).strip())


@pytest.mark.in_turn
@pytest.mark.parametrize("name", ALL_CALLS)
@FUZZ
@example(answer={"CodeResult": "124"}, status=200)
@example(answer={"Code": 199.0}, status=200)
@given(answer=json_values, status=st.sampled_from([200, 200, 200, 200, 204, 302, 404, 429, 500, 503]))
def test_any_json_answer_gives_a_model_or_an_esms_error(name: str, answer: Any, status: int) -> None:
    """Each function returns its model or raises one of our errors; a submission only for a success code."""
    try:
        result = ALL_CALLS[name](client_of(answer, status))
    except EsmsError:
        return
    assert status < 300
    if isinstance(result, Submission):
        assert is_success(answer, ("124", "199") if result.duplicate else ("100",))
    if isinstance(result, BulkSubmission):
        # A duplicate of the whole call says of no row what became of it.
        assert is_success(answer, ("100",)) or (is_success(answer, ("124", "199")) and not result.accepted)
        assert result.accepted == sum(row.outcome is Outcome.ACCEPTED for row in result.rows)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", ["send_customer_care_sms", "get_sms_sent_data", "get_zns_template"])
@FUZZ
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_random_bytes_give_an_esms_error(name: str, body: bytes) -> None:
    """Nothing random is ever a success."""
    with pytest.raises(EsmsError):
        ALL_CALLS[name](client_of(body))


@pytest.mark.in_turn(every=3)
@FUZZ
@given(data=st.data())
def test_truncated_success_answer_is_unknown(data: st.DataObject) -> None:
    """However much of the answer arrived, short of all of it the outcome is unknown."""
    body = '{"CodeResult":"100","CountRegenerate":0,"SMSID":"id","ErrorMessage":"thành công"}'.encode()
    kept = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(client_of(body[:kept]))


@pytest.mark.in_turn(every=3)
@given(text=st.text(max_size=80) | st.sampled_from(['"' * 5, "[" * 100_000, '{"error":1e999}', '"\\"', "%7B%22" * 9]))
def test_any_error_info_text_is_read_without_error(text: str) -> None:
    """A report is never lost over Zalo's own words."""
    number, words = wire.read_error_info(text)
    assert number is None or isinstance(number, (int, str))
    assert isinstance(words, str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"{\"error\":-114,\"message\":\"User is inactive, ...\"}"', (-114, "User is inactive, ...")),
        (
            '{"error":-124,"message":"Access token is invalid"}Object reference not set.',
            (-124, "Access token is invalid"),
        ),
        ("%7B%22error%22:0,%22message%22:%22Success%22%7D____24/04/2024%2016:58:01", (0, "Success")),
        ("%257B%2522error%2522:0,%2522message%2522:%2522Success%2522%257D", (0, "Success")),
        ("", (None, "")),
    ],
)
def test_every_encoding_of_error_info_is_decoded(text: str, expected: tuple[int | None, str]) -> None:
    """Plain, JSON inside JSON, and percent-encoded once or twice."""
    assert wire.read_error_info(text) == expected


def test_sent_data_without_rows_and_count_is_unknown() -> None:
    """100 without rows and without a count is an answer to ask for again, not an empty window."""
    with pytest.raises(OutcomeUnknownError) as caught:
        get_sms_sent_data(client_of({"CodeResult": "100"}))
    assert caught.value.retryable


def test_missing_balance_is_unknown_instead_of_zero() -> None:
    """No number is made up."""
    with pytest.raises(OutcomeUnknownError):
        get_balance(client_of({"CodeResponse": "100"}))


@pytest.mark.parametrize(
    ("balance", "expected"), [(1.5, "1.5"), ("790.0000", "790.0000"), (0, "0"), ("36693", "36693")]
)
def test_balance_keeps_its_exact_decimal_value(balance: Any, expected: str) -> None:
    """Money is never a float."""
    assert get_balance(client_of({"CodeResponse": "100", "Balance": balance})).balance_vnd == Decimal(expected)


# --- over a socket: what only HTTP itself can get wrong --------------------------------------------------------------

GOOD = b'{"CodeResult":"100","SMSID":"id"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9999\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(GOOD, mtime=0)[:-12],
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nX: " + b"y" * 70_000 + b"\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + b"X: y\r\n" * 200 + b"\r\n" + GOOD,
        CHUNKED + b"zz\r\n" + GOOD,
        CHUNKED + b"21\r\n" + GOOD,
        CHUNKED + b"10\r\n" + GOOD[:16] + b"\r\n",
        b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:70])[2:-1],
)
def test_malformed_http_answer_leaves_a_send_unknown(make_client: MakeClient, answer: bytes) -> None:
    """The request has left; what came back is no whole answer."""
    answer = answer.replace(b"HTTP/1.1 abc\r\n", b"HTTP/1.1 abc\r\nConnection: close\r\n")

    def reply(connection: Any, request: bytes) -> None:
        connection.sendall(answer)

    with RawServer(reply) as server:
        with pytest.raises(OutcomeUnknownError):
            send_customer_care_sms(make_client(server.base_url, retries=NO_RETRIES))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 200\r\nConnection: close\r\n\r\n" + GOOD,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: x\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html; charset=windows-1258\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(GOOD, mtime=0),
        CHUNKED + b"10\r\n" + GOOD[:16] + b"\r\n11\r\n" + GOOD[16:] + b"\r\n0\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:70])[2:-1],
)
def test_unusual_but_complete_http_answer_is_read(make_client: MakeClient, answer: bytes) -> None:
    """Old versions, chunks, compression and wrong content types do not matter."""

    def reply(connection: Any, request: bytes) -> None:
        connection.sendall(answer)

    with RawServer(reply) as server:
        assert send_customer_care_sms(make_client(server.base_url)).message_id == "id"


def test_web_page_answer_suggests_a_wrong_base_url(make_client: MakeClient) -> None:
    """A web page instead of the gateway asks the right question."""
    page = http_answer("<html>Welcome to nginx!</html>")
    with RawServer(page) as server, pytest.raises(OutcomeUnknownError, match="is the base URL right"):
        get_balance(make_client(server.base_url))


def test_code_105_for_an_empty_range_gives_no_rows() -> None:
    """Some answer an empty window so."""
    assert get_sms_sent_data(client_of({"CodeResult": "105"})) == []


def test_bulk_success_without_detail_leaves_all_rows_unknown() -> None:
    """100 for the call, nothing for its rows."""
    outcome = send_zns_bulk(client_of({"CodeResult": "100", "Message": "Sucess"}))
    assert (outcome.unknown, outcome.all_accepted) == (2, False)
