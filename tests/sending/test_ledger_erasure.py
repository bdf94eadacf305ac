"""What is left of an erased person in a ledger: nothing in its rows, and in a SQLite file not a byte."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from bulk_bench import Bench, people, phone_of

from esms_connectors.ledger import storage

ERASED = phone_of(7)


def bytes_of(folder: Path) -> bytes:
    """Of the file and of what stands beside it."""
    return b"".join(one.read_bytes() for one in sorted(folder.glob("ledger.sqlite*")))


def leave_pages_behind(folder: Path) -> None:
    """Free ones, with the phones of all rows."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as careless:
        careless.execute("PRAGMA secure_delete = OFF")
        careless.execute("CREATE TABLE moved AS SELECT phone FROM esms_sends")
        careless.execute("DROP TABLE moved")


def test_erased_phone_is_absent_from_the_ledger_files(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """Rows were written anew several times by then, each time with another length, so that they moved."""
    rows = people(300)
    rows[8] = replace(rows[8], row_key=f"{ERASED} order-17")
    rows[9] = replace(rows[9], row_key=f"+84{ERASED[1:]}/late")
    rows[8], rows[9] = replace(rows[8], phone=ERASED), replace(rows[9], phone=ERASED)
    bench = make_bench(sqlite_url, rows)
    bench.chunk_size = 20
    bench.send(key_column="order")
    books = bench.books
    ids = [books.request_id(bench.run_key, one.row_key) for one in rows[:20]]
    books.release(bench.run_key, ids, "a long reason that makes the row longer " * 6)
    bench.recipients += rows[:20]
    bench.send(rows, key_column="order")
    assert ERASED.encode() in bytes_of(tmp_path)

    assert books.erase(ERASED) == {"erased": 3, "unsettled": 0, "counted": 3, "suppressed": 0}

    assert ERASED.encode() not in bytes_of(tmp_path)
    assert ERASED[1:].encode() not in bytes_of(tmp_path)
    assert phone_of(6).encode() in bytes_of(tmp_path)


def test_erased_phone_is_absent_from_free_pages(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """SQLite overwrites what is deleted, and not what it has moved: pages that were given up stand for that."""
    bench = make_bench(sqlite_url, people(30))
    bench.send()
    leave_pages_behind(tmp_path)
    assert bytes_of(tmp_path).count(ERASED.encode()) > 1

    assert bench.books.erase(ERASED)["erased"] == 1
    assert ERASED[1:].encode() not in bytes_of(tmp_path)

    leave_pages_behind(tmp_path)
    assert bench.books.people.forget(bench.now().add(days=1))["erased"] == 29
    assert phone_of(6).encode() not in bytes_of(tmp_path)


def test_erasure_during_a_read_warns_about_the_journal(
    sqlite_url: str,
    make_bench: Callable[..., Bench],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader of an old state needs the journal; the phone is out of the rows all the same."""
    bench = make_bench(sqlite_url, people(30))
    bench.send()
    monkeypatch.setattr(storage, "_JOURNAL_SECONDS", 0.05)
    engine = sa.create_engine(sqlite_url)
    with engine.connect() as reader, caplog.at_level(logging.WARNING):
        reader.exec_driver_sql("BEGIN")
        assert reader.exec_driver_sql("SELECT count(*) FROM esms_sends").scalar_one() == 30
        assert bench.books.erase(ERASED)["erased"] == 1
    engine.dispose()
    assert "remains in the journal" in caplog.text
    assert ERASED not in caplog.text


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("secret", [None, "a secret of the tests"])
def test_row_key_containing_the_phone_is_erased(
    ledger_url: str, make_bench: Callable[..., Bench], secret: str | None
) -> None:
    """Keys of one-off messages begin with the phone: `0901… order-17`."""
    rows = [replace(one, row_key=f"{one.phone} order-17") for one in people(3)]
    bench = make_bench(ledger_url, rows)
    bench.phone_secret = secret
    bench.send(key_column="message_key")
    phone = rows[1].phone
    assert bench.books.erase(phone)["erased"] == 1
    shown = str(list(bench.books.rows(bench.run_key)))
    assert phone not in shown
    assert bench.send(key_column="message_key").complete
    assert bench.gateway.message_count == 3
