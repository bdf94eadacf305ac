"""A ledger in PostgreSQL whatever its defaults are and whatever stands between: pools, isolation, locks, forks."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from bulk_bench import Bench, people
from pgbouncer import MISSING, PGBOUNCER, PgBouncer, direct_url, new_database
from postgres_server import PostgresServer

from esms_connectors.databases.postgresql import sqlalchemy_driver
from esms_connectors.ledger import Ledger, LedgerError
from esms_connectors.ledger import engines as ledger_engines
from esms_connectors.ledger.rows import LedgerRow

STRICT = (
    "default_transaction_isolation = 'serializable'",
    "default_transaction_isolation = 'repeatable read'",
)
ROWS = [LedgerRow(f"k{number}", f"09{number:08d}", "p", number) for number in range(20)]


@pytest.fixture
def pooler(postgres: PostgresServer) -> Iterator[PgBouncer]:
    if PGBOUNCER is None:
        pytest.skip(MISSING)
    with PgBouncer(postgres) as running:
        yield running


@pytest.mark.in_turn
def test_run_completes_through_pgbouncer(
    postgres: PostgresServer, pooler: PgBouncer, make_bench: Callable[..., Bench]
) -> None:
    """Eight threads share three sessions of the server, which change with each transaction; nothing is prepared."""
    database = new_database(postgres)
    bench = make_bench(pooler.url(database), people(600))
    bench.block(97)
    bench.chunk_size = 20
    assert bench.send().complete
    bench.check_complete()
    # The same statement so often that psycopg would have prepared it, now in this session and now in that.
    with bench.ledger() as other:
        for _ in range(20):
            with other._reading() as held:
                held.exec_driver_sql("SELECT 1")
                bench.books.summary(bench.run_key)
            bench.books.summary(bench.run_key)
    assert len(list(bench.books.rows(bench.run_key))) == 600


@pytest.mark.in_turn
@pytest.mark.parametrize("setting", STRICT)
@pytest.mark.parametrize("behind", ["a pooler", "nothing"])
def test_concurrent_runs_complete_under_strict_default_isolation(
    request: pytest.FixtureRequest,
    postgres: PostgresServer,
    make_bench: Callable[..., Bench],
    setting: str,
    behind: str,
) -> None:
    """Workers that wait for each other's rows are not told that they came too late."""
    database = new_database(postgres, setting)
    url = direct_url(postgres, database)
    if behind == "a pooler":
        url = request.getfixturevalue("pooler").url(database)
    bench = make_bench(url, people(400))
    ledger, client = bench.ledger(), bench.client()
    calls = [
        threading.Thread(
            target=lambda size=size: bench.send(ledger=ledger, client=client, threads=3, chunk_size=size, at_least=None)
        )
        for size in (31, 43)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("setting", STRICT)
def test_concurrent_first_opens_of_a_ledger_succeed(postgres: PostgresServer, setting: str) -> None:
    """Ten workers find no tables: one makes them, and all go on."""
    url = direct_url(postgres, new_database(postgres, setting))
    failures: list[BaseException] = []

    def begin() -> None:
        try:
            Ledger.open(url).close()
        except BaseException as error:  # told by the test
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_ledger_settings_are_applied_to_a_supplied_engine(postgres: PostgresServer) -> None:
    """It gets the same settings, connection by connection and transaction by transaction."""
    url = direct_url(postgres, new_database(postgres, STRICT[0], "synchronous_commit = off", "statement_timeout = 999"))
    engine = sa.create_engine(url.replace("postgresql", sqlalchemy_driver(), 1))
    with Ledger(engine) as ledger, ledger._writing() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("transaction_isolation", "synchronous_commit", "lock_timeout", "statement_timeout")
        }
        driver = connection.connection.driver_connection
        assert driver is not None
        assert getattr(driver, "prepare_threshold", None) is None
    assert shown == {
        "transaction_isolation": "read committed",
        "synchronous_commit": "on",
        "lock_timeout": "1min",
        "statement_timeout": "10min",
    }


def test_available_postgresql_driver_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """psycopg2 of Airflow's provider will do: psycopg 3 beside it would change the hooks of a whole deployment."""
    (tmp_path / "psycopg2.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    if not sa.__version__.startswith("1."):  # which knows psycopg2 only
        assert ledger_engines.parse_url("postgresql://db/ledger").drivername == "postgresql+psycopg"
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert ledger_engines.parse_url("postgresql://db/ledger").drivername == "postgresql+psycopg2"


def test_ledger_is_found_in_a_later_search_path_schema(postgres: PostgresServer) -> None:
    """As PostgreSQL finds its tables. A second one, without the rows of the first, would send everything again."""
    mine, other = postgres.new_schema(), postgres.new_schema()
    row = LedgerRow("k", "0901888484", "x", 1)
    with Ledger.open(f"{postgres.uri}&options=-csearch_path%3D{mine}") as ledger:
        assert ledger.claim("run", [row], worker="w", chunk="1").claims
    with Ledger.open(f"{postgres.uri}&options=-csearch_path%3D{other},{mine}") as ledger:
        assert not ledger.claim("run", [row], worker="v", chunk="2").claims
    assert postgres.execute(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{other}'") == [(0,)]


def test_keepalives_and_timeouts_are_passed_to_libpq(postgres: PostgresServer) -> None:
    """Keepalives and limits of time reach libpq, and what the URL says goes before them."""
    url = direct_url(postgres, new_database(postgres))
    for given, idle in ((url, "30"), (f"{url}&keepalives_idle=5", "5")):
        with Ledger.open(given) as ledger, ledger._reading() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            told = getattr(driver, "get_dsn_parameters", None) or driver.info.get_parameters
            assert (told()["keepalives_idle"], told()["tcp_user_timeout"]) == (idle, "60000")
            assert told()["connect_timeout"] == "30"


def test_lock_wait_behind_a_frozen_transaction_times_out(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks end with the limit for idle transactions, or the others' wait ends in one line."""
    url = direct_url(postgres, new_database(postgres))
    limits = ledger_engines.transaction_settings(lock_seconds=1, statement_seconds=60, idle_seconds=60)
    monkeypatch.setattr(ledger_engines, "_WRITES", limits)
    with Ledger.open(url) as ledger, Ledger.open(url) as other:
        ledger.begin_run("r", "zns", {"campaign": "c"})
        with ledger._writing() as connection:
            connection.exec_driver_sql("LOCK TABLE esms_sends IN EXCLUSIVE MODE")
            started = time.monotonic()
            with pytest.raises(LedgerError, match="lock timeout"):
                other.claim("r", ROWS, worker="w", chunk="c")
            assert time.monotonic() - started < 50
        assert len(other.claim("r", ROWS, worker="w", chunk="c").claims) == 20


@pytest.mark.in_turn(every=3)
def test_forked_process_uses_its_own_connections(ledger_url: str) -> None:
    """Parent and child write at the same time and neither gets the other's answers."""
    with Ledger.open(ledger_url) as ledger:
        ledger.begin_run("r", "zns", {"campaign": "c"})
        assert len(ledger.claim("r", ROWS, worker="parent", chunk="c").claims) == 20
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in range(50):
                    assert ledger.claim("r", ROWS, worker="child", chunk="c").busy == 20
                code = 0
            finally:
                os._exit(code)
        for _ in range(50):
            assert ledger.are_claimed([ledger.request_id("r", row.row_key) for row in ROWS], worker="parent")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert ledger.summary("r").claimed == 20
