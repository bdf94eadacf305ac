"""What is special about PostgreSQL: its URL, its rights, connections that are lost, transactions that meet."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import pyarrow as pa
import pytest
from pgbouncer import MISSING, PGBOUNCER, PgBouncer, new_database
from postgres_server import PostgresServer
from psycopg import pq
from targets import (
    DELIVERED,
    NEXT_WINDOW,
    PLANNED,
    PRIVACY,
    SENT,
    WINDOW,
    Target,
    key_of,
    load_of,
    many,
    merge,
    row,
)

from esms_connectors.databases.postgresql import LIBPQ_OPTIONS
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.warehouse.contract import COLUMNS, HISTORY, LOADS, MESSAGES, TABLES, MergeCounts, Person
from esms_connectors.warehouse.contract import WarehouseError as Refused
from esms_connectors.warehouse.postgresql import PostgresWarehouse
from esms_connectors.warehouse.querying import query_warehouse

PASSWORD = "s3cr:t/p@ss word"


@pytest.fixture
def target(postgresql_target: Target) -> Target:
    postgresql_target.warehouse.prepare()
    return postgresql_target


def schema_of(target: Target) -> str:
    return target.address.split("schema=")[1].split("&")[0]


def one_line(call: Callable[[], object], kind: type[EsmsError]) -> str:
    """What an error says, which is one line without the password, without psycopg's own attached to it."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    said = str(caught.value)
    assert "\n" not in said
    assert PASSWORD not in said
    assert quote(PASSWORD, safe="") not in said
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return said


def prepare(url: str) -> Callable[[], None]:
    def call() -> None:
        with PostgresWarehouse(url) as warehouse:
            warehouse.prepare()

    return call


def address(server: PostgresServer, *, user: str = "postgres", database: str = "postgres", **options: str) -> str:
    query = "".join(f"&{name}={quote(value)}" for name, value in options.items())
    folder = quote(server.uri.split("host=")[1], safe="")
    return f"postgresql://{user}:{quote(PASSWORD, safe='')}@/{database}?host={folder}{query}"


@pytest.fixture
def weak_user(postgres: PostgresServer, target: Target) -> Iterator[str]:
    """Somebody who may look into the schema of `target` and no more."""
    name = "weak_" + schema_of(target)[-8:]
    postgres.execute(f"CREATE ROLE {name} LOGIN")
    postgres.execute(f"GRANT USAGE ON SCHEMA {schema_of(target)} TO {name}")
    yield name
    postgres.execute(f"DROP OWNED BY {name}")
    postgres.execute(f"DROP ROLE {name}")


def test_refused_connection_gives_retryable_one_line_error() -> None:
    """A refused connection may pass."""
    url = f"postgresql://esms:{quote(PASSWORD, safe='')}@127.0.0.1:1/warehouse"
    with pytest.raises(Refused) as caught:
        prepare(url)()
    assert caught.value.retryable
    assert "postgresql://127.0.0.1/warehouse cannot be reached" in one_line(prepare(url), Refused)


def test_unknown_database_or_user_gives_configuration_error(postgres: PostgresServer) -> None:
    """These do not pass by themselves."""
    assert "nowhere" in one_line(prepare(address(postgres, database="nowhere")), ConfigurationError)
    assert "nobody" in one_line(prepare(address(postgres, user="nobody")), ConfigurationError)


def test_wrong_password_gives_configuration_error(postgres: PostgresServer) -> None:
    """Refused by a server that asks for one."""
    postgres.execute("CREATE ROLE asked LOGIN PASSWORD 'another'")
    try:
        said = one_line(prepare(f"postgresql://asked:{quote(PASSWORD, safe='')}@{_tcp(postgres)}"), ConfigurationError)
    finally:
        postgres.execute("DROP ROLE asked")
    assert "password authentication failed" in said


def _tcp(server: PostgresServer) -> str:
    """A place that asks for passwords: the socket again, by a rule of its own."""
    (path,) = server.execute("SHOW hba_file")[0]
    (hba,) = server.execute("SELECT pg_read_file('pg_hba.conf')")[0]
    if "asked" not in hba:
        with open(path, "r+") as rules:
            rules.write("local all asked scram-sha-256\n" + hba)
        server.execute("SELECT pg_reload_conf()")
    return f"/postgres?host={quote(server.uri.split('host=')[1], safe='')}"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://esms:{PASSWORD}@host/db",
        "postgresql://esms:a@b:c@host:port/db",
        "postgresql://host/db?no_such_option=1",
        "postgresql://[::1/db",
    ],
)
def test_malformed_url_is_rejected_without_quoting_it(url: str) -> None:
    """The URL is not quoted, because it may hold a password."""
    said = one_line(prepare(url), ConfigurationError)
    assert "cannot be" in said
    assert "a@b" not in said


def test_url_options_are_decoded_and_plus_signs_kept(postgres: PostgresServer) -> None:
    """A plus is a plus, and what stands for a sign is that sign."""
    url = address(postgres, application_name="a+b c&d")
    with PostgresWarehouse(url) as warehouse:
        assert warehouse._settings["application_name"] == "a+b c&d"
    with PostgresWarehouse(url.replace("%2B", "+")) as warehouse:
        assert warehouse._settings["application_name"] == "a+b c&d"


def test_missing_create_privilege_gives_one_line_error(postgres: PostgresServer, weak_user: str) -> None:
    """One line names the right that is missing."""
    schema = postgres.new_schema()
    postgres.execute(f"GRANT USAGE ON SCHEMA {schema} TO {weak_user}")
    said = one_line(prepare(address(postgres, user=weak_user, schema=schema)), ConfigurationError)
    assert "may not create" in said


def test_read_only_user_can_list_loads_but_not_merge(postgres: PostgresServer, target: Target, weak_user: str) -> None:
    """Reading the loads is allowed, a merge is one line."""
    merge(target, [row(1)])
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema_of(target)} TO {weak_user}")
    with PostgresWarehouse(address(postgres, user=weak_user, schema=schema_of(target))) as warehouse:
        warehouse.prepare()
        assert [load.window for load in warehouse.loads()] == [WINDOW]
        assert "may not" in one_line(lambda: merge(warehouse, [row(2)]), ConfigurationError)
    assert set(target.messages()) == {key_of(1)}


def test_missing_schema_gives_configuration_error(postgres: PostgresServer) -> None:
    assert "schema" in one_line(prepare(address(postgres, schema="nowhere")), ConfigurationError)


def test_schema_name_with_quotes_and_spaces_works(postgres: PostgresServer) -> None:
    """Quotes, capitals and blanks are part of the name."""
    postgres.execute('CREATE SCHEMA "Báo cáo ""1"""')
    with PostgresWarehouse(address(postgres, schema='Báo cáo "1"')) as warehouse:
        warehouse.prepare()
        assert merge(warehouse, [row(1)]) == MergeCounts(inserted=1)
    assert postgres.execute(f'SELECT count(*) FROM "Báo cáo ""1""".{MESSAGES}') == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TABLE {MESSAGES} (message_id text)",
        f"CREATE TABLE {LOADS} (one integer)",
        f"CREATE VIEW {HISTORY} AS SELECT 1 AS row_key",
    ],
)
def test_foreign_tables_with_our_names_are_rejected(postgres: PostgresServer, statement: str) -> None:
    schema = postgres.new_schema()
    postgres.execute(f"SET search_path = {schema}; {statement}")
    assert "not created by esms-connectors" in one_line(prepare(address(postgres, schema=schema)), ConfigurationError)


def test_missing_tables_give_an_error_that_mentions_prepare(postgresql_target: Target) -> None:
    """A merge without `prepare` says what is missing."""
    assert "prepare" in one_line(lambda: merge(postgresql_target, [row(1)]), ConfigurationError)
    assert "prepare" in one_line(lambda: list(postgresql_target.warehouse.loads()), ConfigurationError)


def test_tables_and_columns_have_comments(postgres: PostgresServer, target: Target) -> None:
    found = postgres.execute(
        "SELECT class.relname::text, attribute.attname::text, col_description(class.oid, attribute.attnum), "
        "obj_description(class.oid, 'pg_class') FROM pg_class AS class "
        "JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid "
        f"WHERE class.relnamespace = '{schema_of(target)}'::regnamespace AND class.relkind = 'r' "
        "AND attribute.attnum > 0"
    )
    assert {table: about for table, _, _, about in found} == TABLES
    assert {table: {name: comment for of, name, comment, _ in found if of == table} for table in COLUMNS} == COLUMNS


def test_tables_have_the_expected_keys_and_indexes(postgres: PostgresServer, target: Target) -> None:
    """What follow-up, reports and erasing look for."""
    found = postgres.execute(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema_of(target)}'")
    columns = sorted(
        (line.split(" ON ")[1].split(".")[1].replace(" USING btree", ""), "UNIQUE" in line) for (line,) in found
    )
    assert columns == [
        (f"{LOADS} (sms_type, window_start, window_end)", True),
        (f"{MESSAGES} (row_key)", True),
        (f"{MESSAGES} (sent_at)", False),
        (f"{MESSAGES} (window_start)", False),
        (f"{HISTORY} (row_key)", False),
    ]


@pytest.mark.in_turn
def test_connection_lost_during_merge_rolls_back_and_can_be_retried(postgres: PostgresServer, target: Target) -> None:
    """Nothing of the window is there; the same warehouse loads it later, over a new connection."""
    merge(target, [row(1, SENT)])

    def rows() -> Iterator[pa.RecordBatch]:
        yield from many(110_000)
        name = schema_of(target)
        assert postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        ) == [(True,)]

    with pytest.raises(Refused) as caught:
        target.warehouse.merge(load_of(110_000, minute=5), rows())
    assert caught.value.retryable
    assert "connection was lost" in str(caught.value)
    assert caught.value.__context__ is None
    assert set(target.messages()) == {key_of(1)}
    assert target.loads()[0]["load_count"] == 1
    assert target.warehouse.merge(load_of(110_000, minute=5), many(110_000)) == MergeCounts(inserted=110_000)


def test_connection_lost_while_idle_is_replaced(postgres: PostgresServer, target: Target) -> None:
    """The next call takes a new one."""
    merge(target, [row(1)])
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{schema_of(target)}'"
    )
    assert merge(target, [row(1)], minute=1) == MergeCounts(unchanged=1)


def test_loads_are_streamed_without_blocking_other_calls(target: Target) -> None:
    """Other calls go on while they are read, and a reader who stops early leaves the warehouse in order."""
    target.warehouse.plan([WINDOW, NEXT_WINDOW], planned_at=PLANNED, privacy=PRIVACY)
    with closing(target.warehouse.loads()) as lines:
        assert next(lines).window == WINDOW
        assert merge(target, [row(1)]) == MergeCounts(inserted=1)
    assert len(list(target.warehouse.loads())) == 2
    assert merge(target, [row(1)], minute=1) == MergeCounts(unchanged=1)


@pytest.mark.in_turn(every=3)
def test_concurrent_erase_and_load_do_not_fail(target: Target) -> None:
    """They take turns: neither fails, and who was loaded again after being erased is there with one row."""
    merge(target, [row(number, SENT) for number in range(200)])
    start = threading.Barrier(3)

    def load(minute: int) -> None:
        start.wait()
        for step in range(5):
            merge(target, [row(number, (SENT, DELIVERED)[step % 2]) for number in range(200)], minute=minute + step)

    def erase() -> None:
        start.wait()
        for number in range(20):
            target.warehouse.erase(Person(row(number)["phone"], lambda message_id: ""))

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(load, 10), pool.submit(load, 20), pool.submit(erase)]:
            done.result()
    assert {key_of(number) for number in range(20, 200)} <= set(target.messages())


def test_repeatable_read_default_does_not_hide_concurrent_loads(postgres: PostgresServer, target: Target) -> None:
    """With REPEATABLE READ as the user's default, a load that waited for its turn still sees the one before it."""
    url = f"{target.address}&options=" + quote("-cdefault_transaction_isolation=repeatable\\ read")
    with PostgresWarehouse(url) as strict, ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: merge(strict, [row(number) for number in range(50)]), range(2)))
    assert sorted(one.inserted for one in told) == [0, 50]


@pytest.mark.in_turn(every=3)
def test_loads_through_pgbouncer_work_with_serializable_default(postgres: PostgresServer) -> None:
    """Three loaders share two sessions, a transaction each; the limits of time are those of the loads."""
    if PGBOUNCER is None:
        pytest.skip(MISSING)
    database = new_database(
        postgres, "default_transaction_isolation = 'serializable'", "statement_timeout = 300", "lock_timeout = 300"
    )
    with PgBouncer(postgres, sessions=2) as pooler, PostgresWarehouse(pooler.url(database)) as warehouse:
        warehouse.prepare()
        with ThreadPoolExecutor(3) as pool:
            told = list(pool.map(lambda _: merge(warehouse, [row(number) for number in range(200)]), range(9)))
        assert sorted(one.inserted for one in told) == [0] * 8 + [200]
        assert len(list(warehouse.loads())) == 1


def test_forked_process_uses_its_own_connections(target: Target) -> None:
    """What the new process does is not said on the connection of the old one."""
    merge(target, [row(1)])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            merge(target, [row(1), row(2)], 1)
            code = 0
        finally:
            os._exit(code)
    merge(target, [row(3)], 2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert set(target.messages()) == {key_of(1), key_of(2), key_of(3)}


def test_session_with_reset_settings_still_loads_correctly(target: Target) -> None:
    """As a pooler may hand it out: times stay the same, and the tables are found, whatever zone and path it has."""
    merge(target, [row(1)])
    stored = target.messages()
    (connection,) = target.warehouse._idle
    connection.execute("DISCARD ALL")
    connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
    assert merge(target, [row(1), row(2)], minute=5) == MergeCounts(inserted=1, unchanged=1)
    after = target.messages()
    assert after[key_of(1)] == stored[key_of(1)]
    assert after[key_of(2)]["sent_at"] == row(2)["sent_at"]
    assert [(load.window, load.load_count) for load in target.warehouse.loads()] == [(WINDOW, 2)]


@pytest.mark.parametrize(
    "key", ["", ", ADD PRIMARY KEY (row_key) DEFERRABLE", ", ADD PRIMARY KEY (row_key, window_start)"]
)
def test_merge_works_with_a_dropped_or_changed_primary_key(postgres: PostgresServer, target: Target, key: str) -> None:
    """Restored without it, or made anew to be partitioned: rows are told apart all the same."""
    table = f"{schema_of(target)}.{MESSAGES}"
    postgres.execute(f"ALTER TABLE {table} DROP CONSTRAINT {MESSAGES}_pkey{key}")
    assert merge(target, [row(1, SENT), row(2)]) == MergeCounts(inserted=2)
    shared = [row(1, window=NEXT_WINDOW), row(3, window=NEXT_WINDOW)]
    assert merge(target, shared, window=NEXT_WINDOW, minute=5) == MergeCounts(inserted=1, changed=1)
    assert set(target.messages()) == {key_of(1), key_of(2), key_of(3)}


def test_temporary_tables_do_not_outlive_a_load(target: Target) -> None:
    """The connection is used again, by whatever comes next."""
    merge(target, [row(1)])
    (connection,) = target.warehouse._idle
    assert connection.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").fetchone() == (0,)


def test_warehouse_name_omits_the_password() -> None:
    warehouse = PostgresWarehouse(f"postgresql://esms:{quote(PASSWORD, safe='')}@db.example:5433/dwh?schema=zalo")
    assert warehouse.name == "postgresql://db.example/dwh?schema=zalo"
    assert repr(warehouse) == "PostgresWarehouse('postgresql://db.example/dwh?schema=zalo')"


@pytest.mark.in_turn
def test_stale_statistics_do_not_slow_down_large_merges(postgres: PostgresServer, target: Target) -> None:
    """
    PostgreSQL believes that the table has one row in much room, as autovacuum finds it after a load was taken back.

    With each staged row compared with each stored one, 60 000 rows took 100 s, and more of them hours.
    """
    merge(target, [row(1, SENT)])

    def cut_off() -> Iterator[pa.RecordBatch]:
        yield from many(60_000)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        target.warehouse.merge(load_of(60_000, minute=1), cut_off())
    postgres.execute(f"ANALYZE {schema_of(target)}.{MESSAGES}")
    started = time.monotonic()
    for minute, status in enumerate((SENT, DELIVERED, SENT), start=2):
        target.warehouse.merge(load_of(60_000, minute), many(60_000, status))
    assert time.monotonic() - started < 60  # 1.5 s a merge where nothing else runs
    assert len(target.messages()) == 60_001


def test_query_uses_schema_and_options_of_the_address(target: Target) -> None:
    """`schema` is ours, the rest goes to libpq beside what a query needs itself."""
    merge(target, [row(1)])
    asked = "SELECT count(*), current_setting('work_mem'), current_setting('TimeZone') FROM esms_sent_messages"
    for address in (target.address, target.address + "&options=-cwork_mem%3D77kB"):
        found = query_warehouse(address, asked, 10)
        assert found.rows[0][0] == 1
        assert found.rows[0][2] == "Asia/Ho_Chi_Minh"
    assert found.rows[0][1] == "77kB"


def test_libpq_knows_all_forwarded_options() -> None:
    """One name too many would be refused by it, for everybody."""
    assert {one.keyword.decode() for one in pq.Conninfo.get_defaults()} >= LIBPQ_OPTIONS - {
        "sslnegotiation"
    }  # since libpq 17
