"""A ledger whose disk is full, whose server is killed during a run, that is older than it was, or one of two."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bulk_bench import Bench, new_ledger, people
from postgres_server import PostgresServer
from sender_child import AFTER_CLAIM, BEFORE_CLAIM, BEFORE_SETTLE
from sqlalchemy import event
from waiting import wait_until

from esms_connectors.emulator.faults import drop_after
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.database import LedgerError, LedgerMovedError

pytestmark = pytest.mark.slow

CARE = "send_customer_care_sms"


def finish(bench: Bench) -> None:
    """The same call until nothing is open: after a lease of whoever ended in the middle."""
    for _ in range(4):
        if bench.send().complete:
            break
    bench.check_complete()


# Where the journal of the file may not grow any more: at the start, at a claim, at a settlement.
@pytest.mark.in_turn
@pytest.mark.parametrize("kilobytes", [30, 120, 121, 130, 170, 250])
def test_full_disk_stops_the_run_and_rerun_completes(
    sqlite_url: str, make_bench: Callable[..., Bench], kilobytes: int
) -> None:
    """One line, no message without a claim; with room again the same call goes on where it was."""
    bench = make_bench(sqlite_url, people(300))
    bench.chunk_size, bench.threads = 20, 3
    bench.books.close()
    result = bench.start(largest_file_bytes=kilobytes * 1024).result
    assert result["raised"] in ("LedgerError", "ConfigurationError"), result
    assert "\n" not in result["text"]
    taken = bench.look()
    assert len(taken) < 300
    assert {one for one in taken if one not in {row["phone"] for row in bench.books.rows(bench.run_key)}} == set()
    finish(bench)


@pytest.mark.parametrize("how", ["removed", "moved", "replaced", "journal removed"])
def test_moved_or_replaced_ledger_file_stops_the_run(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path, how: str
) -> None:
    """Else the rest would be recorded where nobody looks, and the same call would send it again to everybody."""
    bench = make_bench(sqlite_url, people(200))
    bench.chunk_size = 20
    bench.books.close()
    file, elsewhere = tmp_path / "ledger.sqlite", tmp_path / "elsewhere.sqlite"

    def take_away(call: Any) -> None:
        if call.number > 1:
            return
        match how:
            case "removed":
                file.unlink()
            case "moved":
                file.rename(elsewhere)
            case "replaced":
                Ledger.open(elsewhere).close()
                elsewhere.replace(file)
            case "journal removed":
                for suffix in ("-wal", "-shm"):
                    (tmp_path / f"ledger.sqlite{suffix}").unlink()

    bench.look = bench.gateway.deliveries_by_phone
    bench.gateway.on_call("send_zns_bulk", take_away)
    with pytest.raises(LedgerMovedError, match="moved or replaced"):
        bench.send(threads=1)
    # Those of the call that was under way, and no others.
    assert len(bench.gateway.deliveries_by_phone()) == 20
    assert file.exists() == (how in ("replaced", "journal removed"))
    if how in ("moved", "journal removed"):
        if how == "moved":
            elsewhere.rename(file)
        bench.close()  # a process whose journal is gone cannot open it again
        bench.clock.move(3600.0)
        bench.send()
        assert Counter(bench.gateway.deliveries_by_phone().values()) == {1: 200}


@pytest.mark.parametrize("when", ["in use", "while opening", "idle"])
def test_further_connection_is_refused_once_the_journal_is_gone(tmp_path: Path, when: str) -> None:
    """
    SQLite would report an I/O error, and the same call would go on without what only the journal has. A connection that
    is refused is closed, which does not make the next one good.
    """

    def remove(*_: object) -> None:
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"ledger.sqlite{suffix}").unlink(missing_ok=True)

    with Ledger.open(tmp_path / "ledger.sqlite") as ledger, ledger._engine.connect() as other:
        if when == "idle":
            other.close()
        if when == "while opening":
            event.listen(ledger._engine, "do_connect", remove)
        else:
            remove()
        for _ in range(2):
            with pytest.raises(LedgerMovedError, match="moved or replaced"), ledger._reading() as connection:
                connection.exec_driver_sql("SELECT 1 FROM esms_sends")


def test_ledger_that_loses_rows_during_a_run_stops_it(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """Somebody restores a backup in place: a further reading of the list would send to everybody again."""
    bench = make_bench(sqlite_url, people(200))
    bench.chunk_size = 20
    bench.books.close()

    def restore(call: Any) -> None:
        if call.number == 3:
            with (
                closing(sqlite3.connect(":memory:")) as backup,
                closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as it,
            ):
                it.backup(backup)
                backup.execute("DELETE FROM esms_sends")
                backup.commit()
                backup.backup(it)

    bench.gateway.on_call("send_zns_bulk", restore)
    with pytest.raises(LedgerMovedError, match="has lost rows"):
        bench.send(threads=1)
    assert len(bench.gateway.deliveries_by_phone()) == 60


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One of these tests' own: it is killed."""
    running = PostgresServer()
    yield running
    running.close()


def answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", [BEFORE_CLAIM, AFTER_CLAIM, BEFORE_SETTLE])
@pytest.mark.parametrize("fault", ["none", "answers lost"])
def test_run_completes_after_postgresql_crash_recovery(
    server: PostgresServer, make_bench: Callable[..., Bench], moment: str, fault: str
) -> None:
    """Every connection is gone, the server recovers: rows under way are in doubt, and the same call settles them."""
    bench = make_bench(new_ledger(server)[0], people(300))
    bench.chunk_size, bench.threads = 20, 3
    if fault == "answers lost":
        bench.gateway.faults.add("send_zns_bulk", drop_after(), every=4)

    def kill() -> None:
        with psycopg.connect(server.uri) as killed, psycopg.connect(server.uri, autocommit=True) as other:
            os.kill(killed.info.backend_pid, signal.SIGKILL)
            # Until the server has noticed, it goes on for everybody else.
            wait_until(lambda: not answers(lambda: other.execute("SELECT 1")))
        wait_until(lambda: answers(lambda: server.execute("SELECT 1")))

    ended: list[str] = []
    try:
        bench.send(ledger=bench.trapped_ledger(moment, 4, kill))
    except LedgerError as error:
        ended.append(str(error))
    assert all("\n" not in text and "postgres" not in text for text in ended)
    bench.look()
    bench.gateway.faults.clear()
    finish(bench)


@pytest.mark.in_turn
@pytest.mark.parametrize("what", ["an older copy", "another ledger"])
def test_outdated_or_new_ledger_causes_no_duplicates_on_the_same_day(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path, what: str
) -> None:
    """Ids are made of run key and row alone, so both ledgers send under the same ones, and a 124 comes back."""
    bench = make_bench(sqlite_url, people(60))
    bench.send_sms(people(20))
    copy = tmp_path / "copy.sqlite"
    if what == "an older copy":
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger, closing(sqlite3.connect(copy)) as backup:
            ledger.backup(backup)
    bench.send_sms()
    assert Counter(bench.look().values()) == {1: 60}

    bench.ledger_url, bench._looking = f"sqlite:///{copy}", None
    result = bench.send_sms()
    assert result.complete
    assert result.run.duplicates == (40 if what == "an older copy" else 60)
    assert Counter(bench.look().values()) == {1: 60}
