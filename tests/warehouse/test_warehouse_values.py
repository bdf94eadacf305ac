"""Values come back exactly as they went in, whatever they are."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from targets import Target, key_of, load_of, merge, row

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


def test_texts_come_back_as_they_went_in(target: Target) -> None:
    """In each text column; a second load of the same finds nothing changed."""
    columns = ["message_id", "phone", "campaign", "content", "status_text", "portal_id"]
    rows = [row(number, **dict.fromkeys(columns, text)) for number, text in enumerate(TEXTS)]
    assert merge(target, rows) == MergeCounts(inserted=len(TEXTS))
    stored = target.messages()
    for number, text in enumerate(TEXTS):
        assert [stored[key_of(number)][column] for column in columns] == [text] * len(columns)
    assert merge(target, rows, minute=5) == MergeCounts(unchanged=len(TEXTS))


def test_keys_come_back_as_they_went_in(target: Target) -> None:
    """Any text may be a key, and meets itself again. (An empty one, too.)"""
    rows = [row(number, row_key=text) for number, text in enumerate(TEXTS)]
    merge(target, rows)
    assert set(target.messages()) == set(TEXTS)
    assert merge(target, rows, minute=5) == MergeCounts(unchanged=len(TEXTS))


def test_the_empty_text_is_not_null(target: Target) -> None:
    """NULL, empty and back are changes, each of which is seen."""
    merge(target, [row(1, content=None), row(2, content="")])
    assert [target.messages()[key_of(number)]["content"] for number in (1, 2)] == [None, ""]
    assert merge(target, [row(1, content=""), row(2, content=None)], minute=5) == MergeCounts(changed=2)
    assert [target.messages()[key_of(number)]["content"] for number in (1, 2)] == ["", None]


def test_a_row_of_nothing_but_nulls(target: Target) -> None:
    """Key, state and window are all that a row must have."""
    needed = ("row_key", "state", "window_start", "window_end")
    empty: dict[str, Any] = {name: None for name in ROW_SCHEMA.names if name not in needed}
    merge(target, [row(1, **empty)])
    stored = target.messages()[key_of(1)]
    assert {name: stored[name] for name in empty} == empty
    assert merge(target, [row(1, **empty)], minute=5) == MergeCounts(unchanged=1)


PRICES = ["0.0000", "-12.5000", "99999999999999.9999", "-99999999999999.9999", "0.0001"]


def test_prices_are_exact(target: Target) -> None:
    rows = [row(number, price_vnd=Decimal(price)) for number, price in enumerate(PRICES)]
    merge(target, rows)
    stored = target.messages()
    for number, price in enumerate(PRICES):
        assert isinstance(stored[key_of(number)]["price_vnd"], Decimal)
        assert stored[key_of(number)]["price_vnd"] == Decimal(price)
    assert merge(target, rows, minute=5) == MergeCounts(unchanged=len(PRICES))


MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC),
    datetime(1945, 9, 2, 14, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2026, 11, 2, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
]


def test_times_are_exact_to_the_millisecond(target: Target) -> None:
    """From the first year to the last that Python knows."""
    rows = [row(number, sent_at=moment) for number, moment in enumerate(MOMENTS)]
    merge(target, rows)
    assert merge(target, rows, minute=5) == MergeCounts(unchanged=len(MOMENTS))
    step = timedelta(milliseconds=1)
    later = [moment - step if moment.year > 1 else moment + step for moment in MOMENTS]
    counts = merge(target, [row(number, sent_at=moment) for number, moment in enumerate(later)], minute=6)
    assert counts == MergeCounts(changed=len(MOMENTS))
    # Not every reader can name the first and the last day in another zone, so those two are left out of the reading.
    merge(target, [row(number, sent_at=MOMENTS[1]) for number in (0, len(MOMENTS) - 1)], minute=7)
    stored = target.messages()
    for number, moment in enumerate(later):
        if 1 < moment.year < 9999:
            assert stored[key_of(number)]["sent_at"] == moment


NUMBERS = [-(2**31), -1, 0, 2**31 - 1]


def test_statuses_in_no_table_are_kept_as_they_came(target: Target) -> None:
    merge(target, [row(place, (number, number), status_text=f"{number}/?") for place, number in enumerate(NUMBERS)])
    messages = target.messages()
    for place, number in enumerate(NUMBERS):
        stored = messages[key_of(place)]
        found = (stored["send_status"], stored["send_result"], stored["status_text"])
        assert found == (number, number, f"{number}/?")


def test_nul_bytes_and_half_characters_do_not_break_a_load(target: Target) -> None:
    """No database takes them all: they become the replacement character, and the rest of the row is there."""
    broken = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.array([0, 5, 10], pa.int32()).buffers()[1], pa.py_buffer(b"a\xed\xa0\x80b" + b"c\0d\xffe")],
    )
    whole = pa.RecordBatch.from_pylist([row(1), row(2)], schema=ROW_SCHEMA)
    batch = whole.set_column(ROW_SCHEMA.get_field_index("content"), ROW_SCHEMA.field("content"), broken)
    for minute in range(2):
        target.warehouse.merge(load_of(2, minute), [batch])
    stored = target.messages()
    assert stored[key_of(1)]["content"] == "a\ufffd\ufffd\ufffdb"
    assert stored[key_of(2)]["content"] == "c\ufffdd\ufffde"
    assert stored[key_of(2)]["campaign"] == row(2)["campaign"]


def test_batches_of_any_size_are_taken(target: Target) -> None:
    """Empty ones, single rows, slices of larger ones."""
    whole = pa.RecordBatch.from_pylist([row(number) for number in range(10)], schema=ROW_SCHEMA)
    parts = [whole.slice(0, 0), whole.slice(0, 1), whole.slice(1, 6), whole.slice(7, 0), whole.slice(7)]
    assert target.warehouse.merge(load_of(10), parts) == MergeCounts(inserted=10)
    assert {key: stored["content"] for key, stored in target.messages().items()} == {
        key_of(number): row(number)["content"] for number in range(10)
    }
    assert len(target.read(MESSAGES)) == 10
