"""
Values come back exactly as they went in, whatever they are.

All of them are in one window, which is loaded four times: through dlt a load takes a second of a processor.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from targets import Row, Target, key_of, load_of, merge, row

from esms_connectors.warehouse.contract import MESSAGES, ROW_SCHEMA, MergeCounts

TEXTS = [
    "",
    " ",
    "NULL",
    "null",
    "\\N",
    "\\.",
    "a\n\\.\nb",
    "\n",
    "\r",
    "a\r\nb",
    "\t a\tb",
    '"',
    '""',
    '"quoted", with; commas',
    "it's 'quoted'",
    "\\",
    "\\\\n\\t\\x41",
    "a\\",
    "$$ $name {name} %(name)s %s :name ?",
    "'; DROP TABLE esms_sent_messages; --",
    "1,2",
    "-",
    "=1+1",
    "\ufeffbom",
    "\x01\x02\x1b\x7f",
    "\x85\u2028\u2029",
    "👋🏽 👨‍👩‍👧‍👦 🇻🇳",
    "\U0010ffff",
    unicodedata.normalize("NFC", "Kính gửi quý khách, đơn hàng đã được xác nhận"),
    unicodedata.normalize("NFD", "Kính gửi quý khách, đơn hàng đã được xác nhận"),
    "ữ" * 5_000,
    "x,\"\n'\\" * 2_000,
]


PRICES = ["0.0000", "-12.5000", "99999999999999.9999", "-99999999999999.9999", "0.0001"]

MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC),
    datetime(1945, 9, 2, 14, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2026, 11, 2, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
]
# From the first year to the last that Python knows, and each a millisecond away from what it was.
LATER = [
    moment - timedelta(milliseconds=1) if moment.year > 1 else moment + timedelta(milliseconds=1) for moment in MOMENTS
]

NUMBERS = [-(2**31), -1, 0, 2**31 - 1]

TEXT_COLUMNS = ["message_id", "phone", "campaign", "content", "status_text", "portal_id"]
# Key, state and window are all that a row must have.
NEEDED = ("row_key", "state", "window_start", "window_end")
NOTHING: Row = {name: None for name in ROW_SCHEMA.names if name not in NEEDED}

_numbers = count(1)
# What each row has of its own, by its number.
IN_TEXT_COLUMNS = {next(_numbers): text for text in TEXTS}
WITH_PRICE = {next(_numbers): Decimal(price) for price in PRICES}
AT_MOMENT = {next(_numbers): moment for moment in MOMENTS}
WITH_STATUS = {next(_numbers): number for number in NUMBERS}
NULL, EMPTY, BARE, HALF, NUL = (next(_numbers) for _ in range(5))


def rows(key_length: int) -> list[Row]:
    return [
        *(row(0, row_key=text) for text in TEXTS if len(text) <= key_length),
        *(row(number, **dict.fromkeys(TEXT_COLUMNS, text)) for number, text in IN_TEXT_COLUMNS.items()),
        *(row(number, price_vnd=price) for number, price in WITH_PRICE.items()),
        *(row(number, sent_at=moment) for number, moment in AT_MOMENT.items()),
        *(row(number, (status, status), status_text=f"{status}/?") for number, status in WITH_STATUS.items()),
        row(NULL, content=None),
        row(EMPTY, content=""),
        row(BARE, **NOTHING),
    ]


def broken() -> pa.RecordBatch:
    """Half a character, a NUL and a byte that is none: no database takes them all."""
    content = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.array([0, 5, 10], pa.int32()).buffers()[1], pa.py_buffer(b"a\xed\xa0\x80b" + b"c\0d\xffe")],
    )
    whole = pa.RecordBatch.from_pylist([row(HALF), row(NUL)], schema=ROW_SCHEMA)
    return whole.set_column(ROW_SCHEMA.get_field_index("content"), ROW_SCHEMA.field("content"), content)


def load(target: Target, minute: int) -> MergeCounts:
    """All rows, in batches of any size: empty ones, single rows, slices of larger ones."""
    whole = pa.RecordBatch.from_pylist(rows(target.key_length), schema=ROW_SCHEMA)
    parts = [whole.slice(0, 0), whole.slice(0, 1), whole.slice(1, 6), whole.slice(7, 0), whole.slice(7), broken()]
    return target.warehouse.merge(load_of(whole.num_rows + 2, minute), parts)


@pytest.mark.in_turn
def test_values_survive_a_round_trip(target: Target) -> None:
    """A second load of the same finds nothing changed, and a third one the smallest changes."""
    everything = len(rows(target.key_length)) + 2
    assert load(target, 0) == MergeCounts(inserted=everything)
    # Not every reader can name the first and the last day in another zone: times are read at the end.
    stored = target.messages(*(name for name in ROW_SCHEMA.names if name not in ("row_key", "sent_at")))
    check_texts(stored, target.key_length)
    check_nulls(stored)
    check_numbers(stored)
    check_what_no_database_takes(stored)
    assert len(target.read(MESSAGES, "row_key")) == everything

    assert load(target, 5) == MergeCounts(unchanged=everything)

    changes = [row(number, sent_at=moment) for number, moment in zip(AT_MOMENT, LATER, strict=True)]
    changes += [row(NULL, content=""), row(EMPTY, content=None)]
    assert merge(target, changes, minute=6) == MergeCounts(changed=len(LATER) + 2)
    first, *_, last = AT_MOMENT
    merge(target, [row(number, sent_at=MOMENTS[1]) for number in (first, last)], minute=7)
    stored = target.messages()
    assert [stored[key_of(number)]["content"] for number in (NULL, EMPTY)] == ["", None]
    for number, moment in list(zip(AT_MOMENT, LATER, strict=True))[1:-1]:
        assert stored[key_of(number)]["sent_at"] == moment
    assert stored[key_of(BARE)]["sent_at"] is None


def check_texts(stored: dict[str, Row], key_length: int) -> None:
    """In each text column; and any text may be a key. (An empty one, too.)"""
    for number, text in IN_TEXT_COLUMNS.items():
        assert [stored[key_of(number)][column] for column in TEXT_COLUMNS] == [text] * len(TEXT_COLUMNS)
    assert {text for text in TEXTS if len(text) <= key_length} <= set(stored)


def check_nulls(stored: dict[str, Row]) -> None:
    """The empty text is not NULL."""
    assert [stored[key_of(number)]["content"] for number in (NULL, EMPTY)] == [None, ""]
    read: dict[str, Any] = {name: stored[key_of(BARE)][name] for name in NOTHING if name != "sent_at"}
    assert set(read.values()) == {None}


def check_numbers(stored: dict[str, Row]) -> None:
    """Prices are exact, and statuses in no table are kept as they came."""
    for number, price in WITH_PRICE.items():
        assert isinstance(stored[key_of(number)]["price_vnd"], Decimal)
        assert stored[key_of(number)]["price_vnd"] == price
    for number, status in WITH_STATUS.items():
        found = [stored[key_of(number)][name] for name in ("send_status", "send_result", "status_text")]
        assert found == [status, status, f"{status}/?"]


def check_what_no_database_takes(stored: dict[str, Row]) -> None:
    """It becomes the replacement character, and the rest of the row is there."""
    assert stored[key_of(HALF)]["content"] == "a\ufffd\ufffd\ufffdb"
    assert stored[key_of(NUL)]["content"] == "c\ufffdd\ufffde"
    assert stored[key_of(NUL)]["campaign"] == row(NUL)["campaign"]
