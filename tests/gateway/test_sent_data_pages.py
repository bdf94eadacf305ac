"""Every row of a range, page after page; what moves meanwhile is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from canned import Canned, client_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from raw_server import RawServer, http_answer
from samples import DAY, NEXT_DAY, get_sms_sent_data

from esms_connectors import EsmsClient, IncompleteAnswerError, InvalidRequestError, OutcomeUnknownError, SmsType
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import drop_before

MakeClient = Callable[..., EsmsClient]


def fill(gateway: Emulator, count: int) -> None:
    gateway.populate(count, start="2024-05-15 08:00:00", end="2024-05-15 11:00:00")


def read(client: EsmsClient, page_size: int = 100) -> list[str | None]:
    rows = client.get_sms_sent_data(DAY, NEXT_DAY, SmsType.CUSTOMER_CARE, page_size=page_size)
    return [row.message_id for row in rows]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 300, 301])
def test_every_row_is_returned_once_in_any_page_order(
    gateway: Emulator, client: EsmsClient, count: int, order: Any
) -> None:
    """Whatever the order inside the pages; exact multiples of the page size too."""
    fill(gateway, count)
    gateway.quirks.page_order = order
    ids = read(client)
    assert sorted(map(str, ids)) == sorted(message.message_id for message in gateway.messages())
    assert gateway.call_count("get_sms_sent_data") <= count // 100 + 1


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("quirk", ["missing", "string", "zero"])
@pytest.mark.parametrize("count", [0, 1, 200, 250])
def test_missing_or_wrong_count_loses_no_row(gateway: Emulator, client: EsmsClient, count: int, quirk: Any) -> None:
    """The pages themselves say when it is over."""
    fill(gateway, count)
    gateway.quirks.count_total = quirk
    assert len(set(read(client))) == count


def test_too_high_count_raises_incomplete_answer_error(gateway: Emulator, client: EsmsClient) -> None:
    """Rows that were announced and never came are not passed over."""
    fill(gateway, 150)
    gateway.quirks.count_total = "absurd"
    with pytest.raises(IncompleteAnswerError) as caught:
        read(client)
    assert (caught.value.expected, caught.value.received, caught.value.retryable) == (2_147_483_647, 150, True)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
@pytest.mark.parametrize("new_at", ["2024-05-15 07:00:00", "2024-05-15 09:30:00", "2024-05-15 11:30:00"])
@pytest.mark.parametrize(("count", "new_rows"), [(250, 1), (300, 1), (300, 100), (300, 250)])
@pytest.mark.parametrize("total", ["exact", "missing"])
def test_rows_inserted_while_paging_are_read_or_reported_incomplete(
    gateway: Emulator, client: EsmsClient, order: Any, new_at: str, count: int, new_rows: int, total: Any
) -> None:
    """Either all rows that exist at the end came, or IncompleteAnswerError says that they did not."""
    fill(gateway, count)
    gateway.quirks.page_order, gateway.quirks.count_total = order, total

    def insert(call: Any) -> None:
        if call.number == 2:
            for _ in range(new_rows):
                gateway.insert_message(new_at)

    gateway.on_call("get_sms_sent_data", insert)
    stored_before = {message.message_id for message in gateway.messages()}
    came: set[str | None] = set()
    try:
        for row in client.get_sms_sent_data(DAY, NEXT_DAY, SmsType.CUSTOMER_CARE, page_size=100):
            came.add(row.message_id)
    except IncompleteAnswerError:
        return
    # Without a count, a row put before the place already read is not to be known; nothing that was there is lost.
    assert came >= (stored_before if total == "missing" else {one.message_id for one in gateway.messages()})


@pytest.mark.in_turn(every=3)
@settings(max_examples=examples(60))
@given(data=st.data())
def test_rows_shifting_between_pages_are_never_lost_silently(data: st.DataObject) -> None:
    """Rows come and go between pages of a gateway that counts right: all of them were given, or it is said."""
    rows = list(range(data.draw(st.integers(0, 9))))
    # One as often as the other between two pages would leave the count as it was: no client could notice.
    rows_are_added = data.draw(st.booleans())
    client = client_of(b"")
    adapter = client._transport._adapter
    assert isinstance(adapter, Canned)
    send = adapter.send

    def answer(request: Any, **options: Any) -> Any:
        asked = json.loads(request.body)
        for _ in range(data.draw(st.integers(0, 2)) if asked["Page"] > 1 else 0):
            if rows and not rows_are_added:
                rows.pop(data.draw(st.integers(0, len(rows) - 1)))
            elif rows_are_added:
                rows.insert(data.draw(st.integers(0, len(rows))), 100 + len(rows) + max(rows, default=0))
        first = (asked["Page"] - 1) * asked["PageSize"]
        page = [{"ReferenceId": f"m{row}", "Phone": "0901888484"} for row in rows[first : first + asked["PageSize"]]]
        adapter.body = json.dumps({"CodeResult": "100", "CountTotal": len(rows), "SentData": page}).encode()
        return send(request, **options)

    adapter.send = answer
    steady = set(rows)
    came = set()
    try:
        for row in client.get_sms_sent_data(DAY, NEXT_DAY, SmsType.ZNS, page_size=3):
            came.add(row.message_id)
    except IncompleteAnswerError:
        return
    assert came >= {f"m{row}" for row in steady & set(rows)}


def page_of(first: int, count: int, total: Any, **others: Any) -> bytes:
    rows = [{"ReferenceId": f"id-{number}", "Phone": "0901888484"} for number in range(first, first + count)]
    body = {"CodeResult": "100", "CountTotal": total, "SentData": rows, **others}
    return http_answer(json.dumps({name: value for name, value in body.items() if value is not None}))


@pytest.mark.parametrize(
    ("pages", "outcome"),
    [
        # The same page again and again, with a right, a missing and a high count.
        ([page_of(0, 100, 100)], 100),
        ([page_of(0, 100, None)], IncompleteAnswerError),
        ([page_of(0, 100, 1000)], IncompleteAnswerError),
        # A row vanishes between two pages and takes another one along.
        ([page_of(0, 100, 200), page_of(101, 99, 199), page_of(0, 0, 199)], IncompleteAnswerError),
        # 105, or nothing, in the middle.
        ([page_of(0, 100, 200), http_answer('{"CodeResult":"105"}')], IncompleteAnswerError),
        ([page_of(0, 100, 200), http_answer('{"CodeResult":"100"}')], OutcomeUnknownError),
        # 105, and yet rows, or a number of them.
        ([http_answer('{"CodeResult":"105","CountTotal":1,"SentData":[{"ReferenceId":"a"}]}')], OutcomeUnknownError),
        ([http_answer('{"CodeResult":105,"CountTotal":3}')], OutcomeUnknownError),
        ([http_answer('{"CodeResult":"105","CountTotal":0,"SentData":[]}')], 0),
        (
            [page_of(0, 100, 200), http_answer('{"CodeResult":"100","SentData":null,"CountTotal":200}')],
            IncompleteAnswerError,
        ),
        # Shorter pages than asked for.
        ([page_of(0, 50, 150), page_of(50, 50, 150), page_of(100, 50, 150)], IncompleteAnswerError),
        # A count that its own page proves wrong.
        ([page_of(0, 50, 0), page_of(50, 50, 0), page_of(0, 0, 0)], 100),
        # Rows that are no objects.
        ([http_answer('{"CodeResult":"100","CountTotal":3,"SentData":[{},5,null]}')], IncompleteAnswerError),
        ([http_answer('{"CodeResult":"100","SentData":["x"]}')], IncompleteAnswerError),
        # Rows without an id count one by one.
        ([http_answer('{"CodeResult":"100","CountTotal":3,"SentData":[{},{},{}]}')], 3),
        ([http_answer('{"CodeResult":"100","CountTotal":0,"SentData":[]}')], 0),
        ([http_answer('{"CodeResult":"100","CountTotal":"0"}')], 0),
        ([http_answer('{"CodeResult":"100","SentData":[]}')], 0),
    ],
)
def test_irregular_pages_are_read_or_reported_incomplete_in_bounded_calls(
    make_client: MakeClient, pages: list[bytes], outcome: Any
) -> None:
    """Complete, or said to be incomplete; never for ever."""
    with RawServer(*pages) as server:
        client = make_client(server.base_url)
        if isinstance(outcome, int):
            assert len(read(client)) >= outcome
        else:
            with pytest.raises(outcome):
                read(client)
        assert len(server.requests) <= 4


def test_lost_page_is_retried(gateway: Emulator, client: EsmsClient) -> None:
    """Reading is free of consequences."""
    fill(gateway, 250)
    gateway.faults.add("get_sms_sent_data", drop_before(), calls=[2, 3])
    assert len(set(read(client))) == 250
    assert gateway.call_count("get_sms_sent_data") == 5


def test_rows_are_identified_by_message_id_and_phone(gateway: Emulator, client: EsmsClient) -> None:
    """An advertising batch shares one id; its rows are still thirty."""
    client.send_advertising_sms([f"0901{number:06}" for number in range(30)], "Giam gia", "Baotrixemay")
    rows = list(client.get_sms_sent_data(DAY, NEXT_DAY, SmsType.ADVERTISING, page_size=7))
    assert (len({row.message_id for row in rows}), len({row.phone for row in rows}), len(rows)) == (1, 30, 30)


def test_code_105_is_an_empty_range(gateway: Emulator, client: EsmsClient) -> None:
    """Both spellings of nothing are nothing."""
    assert get_sms_sent_data(client) == []
    gateway.quirks.empty_range_is_105 = True
    assert get_sms_sent_data(client) == []


def test_range_given_in_utc_is_converted_to_vietnam_time(gateway: Emulator, client: EsmsClient) -> None:
    """The same instants, given in UTC, find the same rows."""
    gateway.insert_message("2024-05-15 00:30:00")
    gateway.insert_message("2024-05-15 23:30:00")
    gateway.insert_message("2024-05-16 00:30:00")
    in_utc = client.get_sms_sent_data(DAY.in_timezone("UTC"), NEXT_DAY.in_timezone("UTC"), SmsType.CUSTOMER_CARE)
    assert len(list(in_utc)) == 2


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start": DAY.naive()}, "start"),
        ({"end": "2024-05-16"}, "end"),
        ({"start": NEXT_DAY, "end": DAY}, "start"),
        ({"sms_type": 27}, "sms_type"),
        ({"sms_type": 3}, "sms_type"),
        ({"sms_type": "ZNS"}, "sms_type"),
        ({"sms_type": None}, "sms_type"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 501}, "page_size"),
        ({"page": 0}, "page"),
    ],
)
def test_invalid_range_is_rejected_without_calling_the_gateway(
    gateway: Emulator, client: EsmsClient, arguments: dict[str, Any], field: str
) -> None:
    """Naive times above all: nobody could say which instant is meant."""
    asked = {"start": DAY, "end": NEXT_DAY, "sms_type": SmsType.ZNS, **arguments}
    with pytest.raises(InvalidRequestError) as caught:
        client.get_sms_sent_data_page(**asked)
    assert (caught.value.field, gateway.call_count("get_sms_sent_data")) == (field, 0)
