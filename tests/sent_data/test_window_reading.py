"""A window that was read equals the gateway's own, whatever happens while its pages are read."""

from __future__ import annotations

import itertools
import pickle
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from disturbing_gateway import DAY, NEXT, insert_during, spoil

from esms_connectors import EsmsClient, InvalidRequestError, OutcomeUnknownError
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code as result_code
from esms_connectors.emulator.faults import http_status
from esms_connectors.gateway.errors import AuthenticationError
from esms_connectors.sent_data.fetching import WindowReading
from esms_connectors.sent_data.reader import (
    SENT_MESSAGE_SCHEMA,
    IncompleteWindowError,
    SentDataReader,
    read_sent_messages,
    windows_between,
)

Key = tuple[str, str]


def keys_of(batches: Iterator[pa.RecordBatch]) -> list[Key]:
    keys: list[Key] = []
    for batch in batches:
        assert batch.schema == SENT_MESSAGE_SCHEMA
        keys += zip(batch["message_id"].to_pylist(), batch["phone"].to_pylist(), strict=True)
    return keys


def keys_at(gateway: Emulator, sms_type: int = 2) -> list[Key]:
    return [
        (row.ReferenceId, row.Phone)
        for row, created_ms in zip(gateway.state.rows, gateway.state.created, strict=True)
        if row.SmsType == sms_type and DAY.timestamp() * 1000 <= created_ms <= NEXT.timestamp() * 1000
    ]


def read_day(client: EsmsClient, **settings: Any) -> list[Key]:
    return keys_of(read_sent_messages(client, DAY, NEXT, [2], **settings))


def naive_pages(client: EsmsClient) -> list[Key]:
    """What fifty lines of requests do: page after page until CountTotal is reached."""
    keys: list[Key] = []
    number = 1
    while True:
        page = client.get_sms_sent_data_page(DAY, NEXT, 2, page=number)
        keys += [(message.message_id or "", message.phone or "") for message in page.messages]
        if number * 500 >= (page.count_total or 0):
            return keys
        number += 1


@pytest.mark.parametrize("threads", [1, 4])
def test_undisturbed_window_is_read_completely(gateway: Emulator, client: EsmsClient, threads: int) -> None:
    gateway.populate(2_345, start=DAY, end=NEXT)
    keys = read_day(client, threads=threads)
    assert Counter(keys) == Counter(keys_at(gateway))


@pytest.mark.in_turn
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_changes_while_paging_cause_no_lost_or_duplicate_rows(
    gateway: Emulator, client: EsmsClient, order: Any, threads: int
) -> None:
    gateway.populate(2_600, start=DAY, end=NEXT)
    gateway.quirks.page_order = order
    insert_during(gateway)
    keys = read_day(client, threads=threads)
    assert max(Counter(keys).values()) == 1
    # The day's rows before the last answer; what is created behind it is no row of this reading.
    assert set(keys) >= set(keys_at(gateway)[:2_600])
    assert Counter(read_day(client)) == Counter(keys_at(gateway))


@pytest.mark.in_turn(every=3)
def test_reading_equals_the_gateway_under_all_disturbances_combined(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(3_100, start=DAY, end=NEXT)
    spoil(gateway)
    keys = read_day(client, threads=4)
    assert Counter(keys) == Counter(keys_at(gateway))


@pytest.mark.in_turn(every=3)
def test_naive_paging_loses_and_duplicates_rows_under_the_same_disturbances(
    gateway: Emulator, client: EsmsClient
) -> None:
    """A test of the test: the disturbance is one that loses and doubles rows."""
    gateway.populate(3_100, start=DAY, end=NEXT)
    spoil(gateway)
    keys = naive_pages(client)
    assert Counter(keys) != Counter(keys_at(gateway))
    assert max(Counter(keys).values()) == 2
    assert set(keys_at(gateway)) - set(keys)


@pytest.mark.in_turn(every=3)
def test_inserts_at_every_request_cause_no_lost_or_duplicate_rows(gateway: Emulator, client: EsmsClient) -> None:
    """Even where no reading of the whole ever adds up: small windows are one answer each, and that is a snapshot."""
    gateway.populate(2_000, start=DAY, end=NEXT)
    gateway.quirks.page_order = "oldest_first"
    before = set(keys_at(gateway))
    turn = iter(range(1_000_000))
    gateway.on_call(
        "get_sms_sent_data",
        lambda call: gateway.insert_message(DAY.add(seconds=next(turn) * 7919 % 86_400), phone="0901888484"),
    )
    keys = read_day(client, threads=4)
    assert set(keys) >= before
    assert max(Counter(keys).values()) == 1


@pytest.mark.in_turn(every=3)
def test_window_larger_than_a_part_is_read_in_parts(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> None:
    gateway.populate(4_000, start=DAY, end=NEXT)
    with SentDataReader(
        make_client(), windows_between(DAY, NEXT, [2]), threads=3, page_size=100, part_rows=700
    ) as reader:
        (reading,) = [reading for reading in reader if Counter(keys_of(iter(reading))) == Counter(keys_at(gateway))]
    assert (reading.rows, reading.count_total, reading.is_settled) == (4_000, 4_000, True)
    assert reading.states.total() == 4_000


@pytest.mark.in_turn(every=3)
def test_all_rows_of_one_second_are_read(gateway: Emulator, client: EsmsClient) -> None:
    noon = DAY.add(hours=12)
    gateway.populate(1_300, start=noon, end=noon.add(microseconds=900_000))
    with SentDataReader(client, windows_between(DAY, NEXT, [2]), page_size=100, part_rows=200) as reader:
        for reading in reader:
            assert Counter(keys_of(iter(reading))) == Counter(keys_at(gateway))


def test_row_on_a_window_boundary_is_read_once(gateway: Emulator, client: EsmsClient) -> None:
    for second in range(-2, 3):
        gateway.insert_message(NEXT.add(seconds=second), phone="0901888484", sms_type=2)
        gateway.insert_message(NEXT.add(seconds=second), phone="0901888485", sms_type=2)
    keys = keys_of(read_sent_messages(client, DAY, NEXT.add(days=1), [2], longest=timedelta(days=1)))
    assert len(keys) == len(set(keys)) == 10
    assert len(keys_of(read_sent_messages(client, DAY, NEXT.add(days=1), [2], longest=timedelta(hours=1)))) == 10


def test_rows_sharing_a_message_id_are_kept_apart(gateway: Emulator, client: EsmsClient) -> None:
    """Advertising: one id for all phones."""
    gateway.populate(700, start=DAY, end=NEXT, sms_type=1)
    keys = keys_of(read_sent_messages(client, DAY, NEXT, [1]))
    assert Counter(keys) == Counter(keys_at(gateway, 1))
    assert len({message_id for message_id, _ in keys}) < len(keys)


def test_all_message_types_are_read_by_default(gateway: Emulator, client: EsmsClient) -> None:
    for sms_type in (1, 2, 24, 25):
        gateway.populate(120, start=DAY, end=NEXT, sms_type=sms_type)
    batches = list(read_sent_messages(client, DAY, NEXT))
    counted = Counter(value for batch in batches for value in batch["sms_type"].to_pylist())
    assert counted == {1: 120, 2: 120, 24: 120, 25: 120}


# --- counts that help nobody -----------------------------------------------------------------------------------------


def test_empty_range_is_recognized_in_every_response_form(gateway: Emulator, client: EsmsClient) -> None:
    assert read_day(client) == []
    gateway.quirks.empty_range_is_105 = True
    assert read_day(client) == []
    gateway.quirks.count_total = "missing"
    assert read_day(client) == []


def test_missing_count_is_accepted_for_one_page_and_rejected_for_several(gateway: Emulator, client: EsmsClient) -> None:
    gateway.quirks.count_total = "missing"
    gateway.populate(499, start=DAY, end=NEXT)
    assert Counter(read_day(client)) == Counter(keys_at(gateway))
    gateway.populate(700, start=DAY, end=NEXT)
    with pytest.raises(IncompleteWindowError, match="does not say how many") as failure:
        read_day(client)
    assert failure.value.expected is None


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("count", ["absurd", "zero"])
def test_impossible_count_quickly_gives_one_line_error(gateway: Emulator, client: EsmsClient, count: Any) -> None:
    gateway.populate(1_200, start=DAY, end=NEXT)
    gateway.quirks.count_total = count
    with pytest.raises(IncompleteWindowError, match=r"counts [\d,]+ rows .* and returned [\d,]+ distinct") as failure:
        read_day(client, threads=4)
    assert "\n" not in str(failure.value)
    assert gateway.call_count("get_sms_sent_data") < 300
    copy = pickle.loads(pickle.dumps(failure.value))
    assert (copy.window, copy.expected, copy.received) == (
        failure.value.window,
        failure.value.expected,
        failure.value.received,
    )


@pytest.mark.in_turn(every=3)
def test_count_off_by_one_gives_incomplete_window_error(
    gateway: Emulator, client: EsmsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.populate(1_200, start=DAY, end=NEXT)
    page = gateway.state.page

    def one_more(*about: Any, **more: Any) -> Any:
        total, rows = page(*about, **more)
        return total + 1, rows

    monkeypatch.setattr(gateway.state, "page", one_more)
    with pytest.raises(IncompleteWindowError):
        read_day(client)


@pytest.mark.in_turn(every=3)
def test_windows_after_an_incomplete_one_are_still_read(gateway: Emulator, client: EsmsClient) -> None:
    noon = DAY.add(hours=12)
    gateway.populate(1_200, start=noon, end=noon.add(microseconds=900_000))
    gateway.populate(900, start=NEXT, end=NEXT.add(days=1))
    windows = list(windows_between(DAY, NEXT.add(days=1), [2]))
    gateway.faults.add(
        "get_sms_sent_data",
        result_code("105"),
        predicate=lambda call: b'"Page":2,' in call.request.body and b'"From":"2024-05-14' in call.request.body,
    )
    read: list[WindowReading] = []
    with SentDataReader(client, windows) as reader:
        for reading in reader:
            try:
                keys = keys_of(iter(reading))
            except IncompleteWindowError:
                continue
            read.append(reading)
            assert len(keys) == 900
    assert [reading.window for reading in read] == windows[1:]


@pytest.mark.parametrize("total", [5, 0])
def test_code_105_with_rows_gives_outcome_unknown_error(gateway: Emulator, client: EsmsClient, total: int) -> None:
    """Code 105 is an empty range; with rows in the same answer it is nothing that could be believed."""
    row = '{"ReferenceId":"a","Phone":"0901888484","SmsType":2,"SendStatus":5,"SendResult":1}'
    body = f'{{"CodeResult":"105","CountTotal":{total},"SentData":[{row}]}}'
    gateway.faults.add("get_sms_sent_data", http_status(200, body=body))
    with pytest.raises(OutcomeUnknownError):
        read_day(client)


def test_rows_with_identical_id_and_phone_are_merged_and_logged(
    gateway: Emulator, client: EsmsClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One is kept, as everywhere; that another one was there is no secret."""
    gateway.populate(5, start=DAY, end=NEXT)
    rows = gateway.state.rows
    rows[1].ReferenceId, rows[1].Phone = rows[0].ReferenceId, rows[0].Phone
    assert len(read_day(client)) == 4
    assert "1 row with the id and phone of another" in caplog.text


# --- errors half way -------------------------------------------------------------------------------------------------


def test_keys_rejected_midway_stop_the_reading(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(5_000, start=DAY, end=NEXT)
    gateway.faults.add("get_sms_sent_data", result_code("101"), predicate=lambda call: call.number > 4)
    with pytest.raises(AuthenticationError):
        read_day(client, threads=2)
    assert gateway.call_count("get_sms_sent_data") < 12


def test_persistent_gateway_outage_gives_retryable_error(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(2_000, start=DAY, end=NEXT)
    gateway.faults.add("get_sms_sent_data", http_status(503), predicate=lambda call: call.number > 2)
    with pytest.raises(OutcomeUnknownError) as failure:
        read_day(client, threads=2)
    assert failure.value.retryable


@pytest.mark.in_turn(every=3)
def test_closing_the_reader_early_stops_the_requests(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(50_000, start=DAY, end=NEXT)
    batches = read_sent_messages(client, DAY, NEXT, [2], threads=2)
    next(batches)
    batches.close()
    assert gateway.call_count("get_sms_sent_data") <= 12


# --- rows ------------------------------------------------------------------------------------------------------------


def test_all_fields_of_a_row_are_kept(gateway: Emulator, client: EsmsClient) -> None:
    content = 'Chào chị Nguyễn Thị Hoà, đơn hàng "12" đã giao.\n\\ \t 🚀'
    message_id = gateway.insert_message(
        DAY.add(hours=8), phone="0901888484", sms_type=25, campaign="tết", content=content, send_status=5, send_result=1
    )
    (batch,) = read_sent_messages(client, DAY, NEXT, [25])
    (row,) = batch.to_pylist()
    assert row == {
        "message_id": message_id,
        "phone": "0901888484",
        "sms_type": 25,
        "campaign": "tết",
        "content": content,
        "price_vnd": Decimal("300.0000"),
        "send_status": 5,
        "send_result": 1,
        "status_text": None,
        "state": "delivered",
        "sent_at": row["sent_at"],
        "portal_id": row["portal_id"],
        "window_start": DAY,
        "window_end": NEXT,
    }
    assert row["sent_at"].timestamp() * 1000 == int(gateway.state.rows[0].SentTime[6:19])
    assert row["portal_id"].isdigit()


def test_rows_without_an_id_get_stable_generated_ids(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(300, start=DAY, end=NEXT)
    gateway.quirks.missing_members = ("ReferenceId",)
    first, second = sorted(read_day(client)), sorted(read_day(client))
    assert len(set(first)) == 300
    assert first == second
    assert all(message_id.startswith("unnamed-") for message_id, _ in first)


@pytest.mark.in_turn(every=3)
def test_many_rows_without_an_id_are_all_read(gateway: Emulator, client: EsmsClient) -> None:
    """They cannot be told apart across pages, so only an answer that holds all of its window proves them."""
    gateway.populate(2_000, start=DAY, end=NEXT)
    gateway.quirks.missing_members = ("ReferenceId",)
    assert len(set(read_day(client))) == 2_000


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("member", ["Campaign", "Content", "SellPrice", "SendResult", "SentTime", "SmsId", "Phone"])
def test_missing_field_loses_no_rows(gateway: Emulator, client: EsmsClient, member: str) -> None:
    gateway.populate(700, start=DAY, end=NEXT)
    gateway.quirks.missing_members = (member,)
    assert len(read_day(client)) == 700


def test_digest_depends_on_the_rows_and_not_on_their_order(gateway: Emulator, client: EsmsClient) -> None:
    gateway.populate(1_500, start=DAY, end=NEXT)

    def digest() -> str:
        with SentDataReader(client, windows_between(DAY, NEXT, [2])) as reader:
            for reading in reader:
                for _ in reading:
                    pass
        return reading.digest

    first = digest()
    gateway.quirks.page_order = "shuffled"
    assert digest() == first
    gateway.set_status(gateway.state.rows[7].ReferenceId, 5, 2)
    assert digest() != first


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((datetime(2024, 5, 14), NEXT, [2]), "start needs a date and time with a zone"),
        ((DAY, "2024-05-15", [2]), "end needs a date and time with a zone"),
        ((NEXT, DAY, [2]), "start is not earlier than end"),
        ((DAY, DAY, [2]), "start is not earlier than end"),
        ((DAY, NEXT, [27]), "sms_type must be one of"),
        ((DAY, NEXT, []), "No message type"),
    ],
)
def test_invalid_spans_are_rejected_before_any_request(
    gateway: Emulator, client: EsmsClient, arguments: Any, says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        list(read_sent_messages(client, *arguments))
    assert gateway.call_count("get_sms_sent_data") == 0


def test_windows_are_vietnam_days_and_cover_the_span_without_gaps() -> None:
    start, end = datetime(2024, 2, 27, 20, 15, 30, 999, tzinfo=UTC), datetime(2024, 3, 2, 1, 0, 0, 1, tzinfo=UTC)
    windows = list(windows_between(start, end, [2, 25]))
    for sms_type in (2, 25):
        mine = [window for window in windows if window.sms_type == sms_type]
        assert mine[0].start == datetime(2024, 2, 27, 20, 15, 30, tzinfo=UTC)
        assert mine[-1].end == datetime(2024, 3, 2, 1, 0, 1, tzinfo=UTC)
        assert all(left.end == right.start for left, right in itertools.pairwise(mine))
        assert all(window.start.in_timezone("Asia/Ho_Chi_Minh").hour == 0 for window in mine[1:])
    assert len(list(windows_between(start, end, [2], timedelta(days=3)))) == 2


def test_page_behind_a_full_last_page_is_requested_in_parallel(
    gateway: Emulator, client: EsmsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waited for at the end of a window whose last page is full, it was a way to the gateway by itself."""
    gateway.populate(200, start=DAY, end=NEXT.subtract(seconds=1))
    behind, waited = threading.Event(), []
    fetch = client.read_sent_data_page

    def read_page(*about: Any, page: int, **more: Any) -> Any:
        if page == 3:
            behind.set()
        if page == 2:
            waited.append(behind.wait(240))
        return fetch(*about, page=page, **more)

    monkeypatch.setattr(client, "read_sent_data_page", read_page)
    keys = read_day(client, threads=2, page_size=100)
    assert Counter(keys) == Counter(keys_at(gateway))
    assert waited == [True]


@pytest.mark.in_turn
def test_memory_does_not_grow_with_the_window(gateway: Emulator, client: EsmsClient) -> None:
    """Parts of 1 000 rows: ten times the rows, the same memory."""

    def peak(rows: int) -> int:
        gateway.reset()
        gateway.populate(rows, start=DAY, end=NEXT)
        tracemalloc.start()
        with SentDataReader(
            client, windows_between(DAY, NEXT, [2]), threads=2, page_size=100, part_rows=1_000
        ) as reader:
            assert sum(batch.num_rows for reading in reader for batch in reading) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1_000)
    small, big = peak(2_000), peak(20_000)
    assert big < small * 2 + 2_000_000
