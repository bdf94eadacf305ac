"""A load of rows whose values are spelled otherwise: read where certain, kept as text and counted where not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest
import requests
from answering_server import Answer, answering

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator
from esms_connectors.sent_data.columns import PageReader
from esms_connectors.warehouse import load_sent_messages, open_warehouse

DAY = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")


@pytest.mark.in_turn(every=3)
def test_unparsable_values_are_kept_in_status_text_and_counted(
    gateway: Emulator, make_client: Callable[..., EsmsClient], tmp_path: Path
) -> None:
    """What is certain stands in its column; what is not in `status_text`, and the summary counts the rows."""
    gateway.populate(5, start=DAY, end=DAY.add(days=1), sms_type=2)
    rows: list[Any] = list(gateway.state.rows)
    for number, (price, time) in enumerate(
        [("1,250.5", "2024-05-14 08:00:00"), ("1,250", "03/04/2024 08:00"), (300, "lúc 0901000001")]
    ):
        rows[number].SellPrice, rows[number].SentTime = price, time
    place = f"duckdb:///{tmp_path / 'w.duckdb'}"
    with gateway.serve() as server, make_client(server.base_url) as client, open_warehouse(place) as warehouse:
        summary = load_sent_messages(client, warehouse, DAY, DAY.add(days=1), sms_types=[2])
    assert (summary.rows, summary.unread) == (5, 2)
    assert summary.as_dict()["unread"] == 2
    assert "2 with a value that could not be parsed" in str(summary)
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as found:
        stored = found.execute(
            "SELECT message_id, price_vnd::double, sent_at AT TIME ZONE 'Asia/Ho_Chi_Minh', status_text "
            "FROM esms_sent_messages"
        ).fetchall()
    told = {message_id: rest for message_id, *rest in stored}
    first, second, third = (told[row.ReferenceId] for row in rows[:3])
    assert (first[0], str(first[1]), first[2]) == (1250.5, "2024-05-14 08:00:00", None)
    assert second == [None, None, "price_vnd=1,250; sent_at=03/04/2024 08:00"]
    assert (third[0], third[1]) == (300, None)
    assert third[2].startswith("sent_at=lúc ")
    assert "0901000001" not in third[2]
    assert [told[row.ReferenceId][2] for row in rows[3:]] == [None, None]


@pytest.mark.in_turn
def test_message_id_is_the_same_as_text_and_as_number(
    gateway: Emulator, make_client: Callable[..., EsmsClient], tmp_path: Path
) -> None:
    """Also one that a double cannot hold."""
    gateway.populate(2, start=DAY, end=DAY.add(days=1), sms_type=2)
    rows: list[Any] = list(gateway.state.rows)
    spellings = [("12345", "9007199254740993"), (12345.0, 9007199254740993), (12345, "9007199254740993")]
    place = f"duckdb:///{tmp_path / 'w.duckdb'}"
    with gateway.serve() as server, make_client(server.base_url) as client, open_warehouse(place) as warehouse:
        for spelled in spellings:
            for row, message_id in zip(rows, spelled, strict=True):
                row.ReferenceId = message_id
            load_sent_messages(client, warehouse, DAY, DAY.add(days=1), sms_types=[2])
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as found:
        stored = found.execute("SELECT message_id FROM esms_sent_messages ORDER BY 1").fetchall()
    assert stored == [("12345",), ("9007199254740993",)]


def test_long_float_message_id_keeps_all_digits() -> None:
    reader = PageReader()
    row = b'{"ReferenceId": %s, "Phone": "0901000001", "SellPrice": 1, "SendStatus": 5, "SendResult": 1}'
    body = b'{"CodeResult": "100", "CountTotal": 2, "SentData": [' + row % b"9007199254740993.0" + b", "
    page = reader.columns(reader.read(body + row % b"9007199254740992.0" + b"]}"))
    assert page.batch["message_id"].to_pylist() == ["9007199254740993", "9007199254740992"]


def test_fractional_numbers_in_integer_fields_are_not_truncated() -> None:
    """Arrow does so when numbers become whole ones; a status of 5 and a result of 1 would be final."""
    reader = PageReader()
    row = b'{"ReferenceId": "a%d", "Phone": "0901000001", "SellPrice": 1, "SmsType": %s, "SendStatus": %s, '
    row += b'"SendResult": %s, "SmsId": %s}'
    body = b'{"CodeResult": "100", "CountTotal": 2, "SentData": [' + row % (1, b"2.5", b"5.5", b"1.5", b"1.5") + b", "
    page = reader.columns(reader.read(body + row % (2, b"2.0", b"5.0", b"1.0", b"17.0") + b"]}"))
    names = ("portal_id", "sms_type", "send_status", "send_result", "state", "status_text")
    assert list(zip(*(page.batch[name].to_pylist() for name in names), strict=True)) == [
        ("1.5", None, None, None, "undocumented", "5.5/1.5; sms_type=2.5"),
        ("17", 2, 5, 1, "delivered", None),
    ]


_ROW = {
    "ReferenceId": "id-1", "Phone": "0901000001", "SmsType": 2, "Campaign": "Khai trương", "Content": "Xin chào",
    "SellPrice": 300, "SendStatus": 5, "SendResult": 1, "SentTime": "/Date(1715619600000+0700)/", "SmsId": 7,
}  # fmt: skip


def page_with(name: str, spelled: str, count: str = "2") -> dict[str, list[Any]]:
    """Two rows, the first with a value spelled so: column -> values."""
    rows = [json.dumps({**_ROW, name: "MARK"}), json.dumps({**_ROW, "ReferenceId": "id-2"})]
    body = f'{{"CodeResult": "100", "CountTotal": {count}, "SentData": [{", ".join(rows)}]}}'
    reader = PageReader()
    page = reader.columns(reader.read(body.replace('"MARK"', spelled).encode("utf-8")))
    assert page.rows_received == len(page.keys) == 2
    return page.batch.to_pydict()


@pytest.mark.parametrize("spelled", ["Infinity", "-Infinity", "NaN", "1e999", "true"])
@pytest.mark.parametrize("name", [*_ROW])
def test_non_finite_and_boolean_values_do_not_drop_rows(name: str, spelled: str) -> None:
    """Before, an Infinity ended the load with a traceback, NaN was an id, and the price `true` was 1 VND."""
    page = page_with(name, spelled)
    assert len(set(page["message_id"])) == 2
    assert page["price_vnd"][1] == 300
    assert page["price_vnd"][0] == (None if name == "SellPrice" else 300)
    assert page["send_status"][0] == (None if name == "SendStatus" else 5)
    assert {"SellPrice": "price_vnd=", "SentTime": "sent_at="}.get(name, "") in (page["status_text"][0] or "")


@pytest.mark.parametrize("count", ["Infinity", "-Infinity", "NaN", "1e999", "true"])
def test_non_numeric_count_is_ignored(count: str) -> None:
    page_with("SmsId", "7", count)


def test_text_with_truncated_utf8_is_loaded_with_a_replacement_character(
    gateway: Emulator, make_client: Callable[..., EsmsClient], tmp_path: Path
) -> None:
    """Somebody on the way counts bytes, not letters. Before, every load of the day ended there."""
    gateway.populate(3, start=DAY, end=DAY.add(days=1), sms_type=2)
    place = f"duckdb:///{tmp_path / 'w.duckdb'}"
    with gateway.serve() as server, open_warehouse(place) as warehouse:
        [first, *_] = list[Any](gateway.state.rows)
        first.Content = "CUT"

        def answer(target: str, body: bytes) -> Answer:
            whole = requests.post(f"{server.base_url}{target}", data=body, timeout=30)
            return Answer(200, whole.content.replace(b"CUT", "Tiếng Việ".encode()[:-1]))

        with answering(answer) as address, make_client(address) as through:
            summary = load_sent_messages(through, warehouse, DAY, DAY.add(days=1), sms_types=[2])
    assert summary.rows == 3
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as found:
        stored = dict(found.execute("SELECT message_id, content FROM esms_sent_messages").fetchall())
    assert stored[first.ReferenceId] == "Tiếng Vi\ufffd"
