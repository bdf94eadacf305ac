"""SentMessagesToWarehouseOperator into a real DuckDB file and a real PostgreSQL, by address and by connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pendulum
import pytest
from airflow.sdk import Asset
from databases import Database
from fsspec.implementations.memory import MemoryFileSystem
from postgres_server import PostgresServer
from task_runs import Runs

from esms_connectors.airflow.operators import SendSmsOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator, TakeSnapshotOperator
from esms_connectors.airflow.warehouse import store_connection, warehouse_address
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import http_status
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.warehouse.mysql import MySqlWarehouse

TODAY = datetime(2024, 5, 15, tzinfo=UTC)
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def runs() -> Runs:
    """A run whose data interval is yesterday."""
    return Runs(interval=(YESTERDAY, TODAY))


@pytest.fixture
def export(connect: Callable[..., None], runs: Runs, gateway: Emulator) -> Callable[..., Any]:
    """Runs a fresh operator over 700 messages of yesterday and 300 of the day before."""
    gateway.populate(700, start=YESTERDAY.isoformat(), end=TODAY.isoformat(), sms_type=25)
    gateway.populate(300, start=(YESTERDAY - timedelta(days=1)).isoformat(), end=YESTERDAY.isoformat(), sms_type=2)

    def run(**arguments: Any) -> Any:
        return runs(SentMessagesToWarehouseOperator(task_id="load", threads=2, **arguments))

    return run


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as database:
        return int(database.execute("SELECT count(*) FROM esms_sent_messages").fetchall()[0][0])


def test_data_interval_is_loaded_once_and_rerun_changes_nothing(
    export: Callable[..., Any], runs: Runs, tmp_path: Path
) -> None:
    """Twice changes nothing; the asset event has the window and the counts, and nobody's number."""
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    first, again = export(warehouse=address), export(warehouse=address)
    assert (first["rows"], first["inserted"]) == (700, 700)
    assert (again["inserted"], again["changed"]) == (0, 0)
    assert count(tmp_path / "w.duckdb") == 700
    told = runs.outlet_events.said["esms_sent_messages"].extra
    assert (told["rows"], told["start"]) == (700, YESTERDAY.isoformat())
    json.dumps(told)


@pytest.mark.in_turn
def test_start_and_end_may_be_templates(export: Callable[..., Any], tmp_path: Path) -> None:
    """And go before the data interval; outlets of one's own get the event."""
    path = tmp_path / "w.duckdb"
    export(
        warehouse=f"duckdb:///{path}",
        start="{{ data_interval_start.subtract(days=1).isoformat() }}",
        end="{{ data_interval_end.isoformat() }}",
        outlets=[Asset("mine")],
    )
    assert count(path) == 1000


@pytest.mark.in_turn
@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=3)])
def test_relative_window_is_based_on_the_due_time_in_vietnam(
    export: Callable[..., Any], runs: Runs, gateway: Emulator, tmp_path: Path, late: timedelta
) -> None:
    """In Vietnam, where it is a day later already; a retry or a clear days later means the same."""
    runs.due = YESTERDAY + timedelta(hours=23)
    gateway.advance(late.total_seconds())
    told = export(warehouse=f"duckdb:///{tmp_path / 'w.duckdb'}", start="-1d", end="today")
    assert (told["start"], told["end"]) == ("2024-05-14T00:00:00+07:00", "2024-05-15T00:00:00+07:00")
    # From five in the afternoon to five in the afternoon of UTC.
    sent = [pendulum.from_timestamp(message.created_ms / 1000).add(hours=7).day for message in gateway.messages()]
    assert told["rows"] == sent.count(14) > 700 / 2


@pytest.mark.in_turn
def test_export_loads_into_postgresql_by_connection(
    export: Callable[..., Any], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password of the connection is shown nowhere."""
    database = Database(postgres)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(database.connection))
    assert export(warehouse_conn_id="warehouse")["inserted"] == 700
    assert database.rows("SELECT count(*) FROM esms_sent_messages") == [(700,)]


@pytest.mark.in_turn
def test_export_loads_into_duckdb_by_connection(
    export: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow has no type for it: a generic connection does."""
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})  # it keeps what other tests have opened
    conn = {"conn_type": "generic", "extra": {"path": str(tmp_path / "w.duckdb")}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(conn))
    assert export(warehouse_conn_id="lake")["inserted"] == 700
    assert count(tmp_path / "w.duckdb") == 700


@pytest.mark.parametrize(
    ("conn", "expected"),
    [
        ({"conn_type": "duckdb", "host": "/data/w.db"}, "duckdb:////data/w.db"),
        ({"conn_type": "duckdb", "extra": {"path": "/data/w.db"}}, "duckdb:////data/w.db"),
        ({"conn_type": "generic", "host": "/data/w.duckdb"}, "duckdb:////data/w.duckdb"),
        ({"conn_type": "generic", "schema": "/data/w.duckdb"}, "duckdb:////data/w.duckdb"),
        ({"host": "w.ddb"}, "duckdb:///w.ddb"),
        ({"conn_type": "generic", "host": "dlt://bigquery?dataset=esms"}, "dlt://bigquery?dataset=esms"),
        ({"conn_type": "fs", "extra": {"path": "/data/rows"}}, "/data/rows"),
    ],
)
def test_connection_without_a_server_gives_a_warehouse_address(
    conn: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, a folder, or an address of any kind."""
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(conn))
    assert warehouse_address("lake", None) == expected


MYSQL = {"conn_type": "mysql", "login": "etl", "password": "p@ss/PASSWORD1234", "schema": "dwh"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"host": "db", "port": 3307}, {"host": "db", "port": 3307}),
        ({"extra": {"unix_socket": "/run/my sqld.sock", "charset": "utf8"}}, {"unix_socket": "/run/my sqld.sock"}),
        ({"host": "db", "extra": {"ssl": {"ca": "/etc/ca.pem"}}}, {"host": "db", "ssl": {"ca": "/etc/ca.pem"}}),
        ({"host": "db", "extra": {"ssl": '{"ca": "/etc/ca.pem"}'}}, {"host": "db", "ssl": {"ca": "/etc/ca.pem"}}),
    ],
    ids=["port", "socket", "encrypted", "encrypted, as text"],
)
def test_mysql_connection_settings_reach_the_warehouse_driver(
    changed: dict[str, Any], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its driver gets what the connection says, password and encryption included."""
    monkeypatch.setenv("AIRFLOW_CONN_DWH", json.dumps(MYSQL | changed))
    settings = MySqlWarehouse(warehouse_address("dwh", None))._settings
    expected |= {"user": "etl", "password": "p@ss/PASSWORD1234", "database": "dwh"}
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("conn", "words"),
    [
        (MYSQL, "needs a host and a schema"),
        (MYSQL | {"host": "db", "schema": ""}, "needs a host and a schema"),
        (MYSQL | {"host": "db", "extra": {"iam": True}}, "the extra has iam, known are ssl, unix_socket"),
        (MYSQL | {"host": "db", "extra": {"ssl": "on"}}, "an object with ca, cert and key"),
        ({"conn_type": "aws"}, "give warehouse='s3://dwh@bucket/prefix"),
        ({"conn_type": "generic"}, "put the path of the file there"),
        ({"conn_type": "generic", "host": "db"}, "a file that ends in .duckdb"),
        ({"conn_type": "generic", "host": "postgresql://u:PASSWORD1234@h/d"}, "contains an address with a password"),
        ({"conn_type": "snowflake", "host": "db"}, "give warehouse='dlt://snowflake?dataset=esms'"),
        ({"conn_type": "mssql", "host": "db"}, "postgres, mysql and duckdb can be used"),
    ],
)
def test_unusable_warehouse_connection_gives_one_line_error(
    conn: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extra that would be left out, such as encryption, is refused."""
    monkeypatch.setenv("AIRFLOW_CONN_DWH", json.dumps(conn))
    with pytest.raises(ConfigurationError) as error:
        warehouse_address("dwh", None)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert "PASSWORD" not in str(error.value)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "postgresql", "mysql+pymysql"])
def test_user_in_database_url_is_not_taken_as_a_connection_id(scheme: str) -> None:
    """Only what comes before the bucket of an object store is."""
    assert store_connection(f"{scheme}://etl@db/warehouse")[1] is None
    assert store_connection("s3://lake@bucket/prefix")[1] == "lake"


@pytest.mark.in_turn
def test_export_loads_into_an_object_store_by_connection(
    export: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the provider of the store makes of the connection is what the files are written with."""
    opened: list[dict[str, Any]] = []

    class Store(MemoryFileSystem):
        cachable = False

        def __init__(self, **options: Any) -> None:
            opened.append(options)
            super().__init__(**options)

    fsspec.register_implementation("memory", Store, clobber=True)
    known = {"memory": lambda conn_id, options=None: Store(key=f"of {conn_id}")}
    monkeypatch.setattr("airflow.sdk.io.fs._register_filesystems", lambda: known)
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "login": "k", "password": "PASSWORD1234"}))
    try:
        assert export(warehouse="memory://lake@bucket/esms?format=jsonl")["rows"] == 700
        assert {options.get("key") for options in opened} == {"of lake"}
        assert any("bucket/esms/" in path for path in Store.store)
        with pytest.raises(EsmsError, match="nowhere"):
            export(warehouse="memory://nowhere@bucket/esms")
        with pytest.raises(EsmsError, match="install its provider"):
            export(warehouse="s3://lake@bucket/esms")
    finally:
        fsspec.register_implementation("memory", MemoryFileSystem, clobber=True)
        Store.store.clear()


@pytest.mark.in_turn
def test_phones_are_hashed_and_texts_dropped_on_request(
    export: Callable[..., Any], connect: Callable[..., None], tmp_path: Path
) -> None:
    """Hashed by the secret of the connection, and without texts."""
    connect({"ledger_secret": "a long secret of the shop"})
    export(warehouse=f"duckdb:///{tmp_path / 'w.duckdb'}", phone="hashed", content=False)
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as database:
        rows = database.execute("SELECT phone, content FROM esms_sent_messages").fetchall()
    assert all(len(phone) >= 32 and not content for phone, content in rows)


@pytest.mark.in_turn
def test_late_status_change_is_loaded_by_the_next_run(
    export: Callable[..., Any], gateway: Emulator, tmp_path: Path, runs: Runs
) -> None:
    """The next day's run brings yesterday's late report."""
    sent = YESTERDAY + timedelta(hours=5)
    message_id = gateway.insert_message(
        created_at=sent.isoformat(), phone="0901000001", sms_type=25, send_status=7, send_result=2
    )
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    assert export(warehouse=address)["open_rows"] >= 1
    gateway.set_status(message_id, 5, 1)
    runs.interval = (TODAY, TODAY + timedelta(days=1))
    runs.instance.run_id = "scheduled__next"
    today = export(warehouse=address)
    assert (today["changed"], today["follow_up"]["changed"]) == (0, 1)


@pytest.mark.in_turn
def test_backfill_does_not_follow_up_open_rows_of_later_days(
    export: Callable[..., Any], gateway: Emulator, tmp_path: Path, runs: Runs
) -> None:
    """Yesterday has an open row; the runs of earlier days leave it to the run of the latest one."""
    created = (YESTERDAY + timedelta(hours=5)).isoformat()
    gateway.insert_message(created_at=created, sms_type=25, send_status=7, send_result=2)
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    export(warehouse=address)
    for days in (3, 2):
        runs.interval = (YESTERDAY - timedelta(days=days), YESTERDAY - timedelta(days=days - 1))
        runs.instance.run_id = f"backfill__{days}"
        assert export(warehouse=address)["follow_up"]["windows"] == 0
    runs.interval = (TODAY, TODAY + timedelta(days=1))
    runs.instance.run_id = "scheduled__next"
    assert export(warehouse=address)["follow_up"]["windows"] > 0


@pytest.mark.in_turn
def test_outage_is_retryable_and_the_retry_loads_all_rows(
    export: Callable[..., Any], gateway: Emulator, tmp_path: Path
) -> None:
    """And the next try goes on."""
    gateway.faults.add("get_sms_sent_data", http_status(503))
    with pytest.raises(EsmsError) as error:
        export(warehouse=f"duckdb:///{tmp_path / 'w.duckdb'}")
    assert error.value.retryable
    gateway.faults.clear()
    assert export(warehouse=f"duckdb:///{tmp_path / 'w.duckdb'}")["rows"] == 700


def test_account_snapshot_writes_requested_or_all_tables(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path
) -> None:
    """Tables by a template; all of them where none is named, and one line for an unknown one."""
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    gateway.set_balance(777)
    tables = "{{ 'balances' }}"
    assert runs(TakeSnapshotOperator(task_id="one", warehouse=address, tables=[tables])) == {"esms_balances": 1}
    told = runs(TakeSnapshotOperator(task_id="all", warehouse=address))
    assert {*told} == {"esms_balances", "esms_oa_quota", "esms_templates", "esms_ratings"}
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as database:
        assert set(database.execute("SELECT balance_vnd::integer FROM esms_balances").fetchall()) == {(777,)}
        assert database.execute("SELECT count(*) FROM esms_templates").fetchall() == [(told["esms_templates"],)]
    with pytest.raises(EsmsError, match="'balance' is not a snapshot table"):
        runs(TakeSnapshotOperator(task_id="none", warehouse=address, tables="balance"))


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({}, "warehouse"),
        ({"warehouse": "duckdb:///x.duckdb", "warehouse_conn_id": "y"}, "warehouse"),
        ({"warehouse_conn_id": "nowhere"}, "nowhere"),
        ({"warehouse_conn_id": "esms_default"}, "type 'esms'"),
        ({"warehouse": "oracle://u:PASSWORD1234@h/d"}, "mysql|unknown|address|known"),
        ({"warehouse": "duckdb:///x.duckdb", "phone": "secret"}, "plain"),
        ({"warehouse": "duckdb:///x.duckdb", "phone": "hashed"}, "secret"),
        ({"warehouse": "duckdb:///x.duckdb", "start": "2999-01-01T00:00:00Z", "end": "2999-01-02T00:00:00Z"}, "future"),
        (
            {"warehouse": "duckdb:///x.duckdb", "start": "2024-01-02T00:00:00Z", "end": "2024-01-02T00:00:00Z"},
            "between",
        ),
        ({"warehouse": "duckdb:///x.duckdb", "start": "soon"}, "zone"),
    ],
)
def test_invalid_arguments_give_one_line_error_before_any_call(
    export: Callable[..., Any], gateway: Emulator, arguments: dict[str, Any], fragment: str
) -> None:
    """Waiting does not cure it, and no password is shown."""
    with pytest.raises(EsmsError, match=fragment) as error:
        export(**arguments)
    assert not error.value.retryable
    assert "\n" not in str(error.value)
    assert "PASSWORD1234" not in str(error.value)
    assert gateway.call_count("get_sms_sent_data") == 0


@pytest.mark.in_turn
@pytest.mark.parametrize("interval", [None, (TODAY, TODAY)])
def test_run_without_an_interval_loads_missing_days(
    export: Callable[..., Any], runs: Runs, gateway: Emulator, tmp_path: Path, interval: Any
) -> None:
    """A cron trigger, or a person: the last whole day in Vietnam at first, later the days on which nothing ran, too."""
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    runs.interval = interval
    first = export(warehouse=address, sms_types=[2, 25])
    assert (first["start"], first["end"]) == ("2024-05-13T17:00:00+00:00", "2024-05-14T17:00:00+00:00")
    assert 0 < first["rows"] == count(tmp_path / "w.duckdb") < 1000
    again = export(warehouse=address, sms_types=[2, 25])
    assert (again["windows"], again["rows"]) == (0, 0)
    gateway.advance(3 * 86_400)
    runs.due = TODAY + timedelta(days=3)
    later = export(warehouse=address, sms_types=[2, 25])
    assert (later["start"], later["end"]) == ("2024-05-14T17:00:00+00:00", "2024-05-17T17:00:00+00:00")


@pytest.mark.in_turn
def test_missed_days_are_loaded_with_the_next_interval(export: Callable[..., Any], runs: Runs, tmp_path: Path) -> None:
    """A span that is written down stays that span; clearing a run loads its day again, and what it reads anew apart."""
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    first = YESTERDAY - timedelta(days=3)
    runs.interval = (first, first + timedelta(days=1))
    export(warehouse=address, sms_types=[2, 25])
    explicit = export(warehouse=address, start=YESTERDAY.isoformat(), end=TODAY.isoformat(), sms_types=[25])
    assert (explicit["start"], explicit["rows"]) == (YESTERDAY.isoformat(), 700)
    runs.interval = (YESTERDAY, TODAY)
    filled = export(warehouse=address, sms_types=[2, 25])
    assert (filled["start"], filled["end"]) == ((first + timedelta(days=1)).isoformat(), TODAY.isoformat())
    assert count(tmp_path / "w.duckdb") == 1000
    cleared = export(warehouse=address, sms_types=[2, 25])
    assert (cleared["start"], cleared["rows"], cleared["inserted"]) == (YESTERDAY.isoformat(), 700, 0)
    assert cleared["follow_up"]["rows"] == 0


def test_load_after_a_late_campaign_includes_its_rows(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, ledger_url: str, tmp_path: Path
) -> None:
    """Its task was cleared once there was balance again; the load goes by when that was, not the run's due time."""
    gateway.advance(days=3)
    text = {"phones": "0901000001", "text": "xin chao", "brandname": DEMO_BRANDNAME}
    runs.instance.pushed["send"] = runs(SendSmsOperator(task_id="send", ledger_url=ledger_url, **text))
    address, end = f"duckdb:///{tmp_path / 'w.duckdb'}", "{{ ti.xcom_pull('send')['sent_until'] }}"
    load = SentMessagesToWarehouseOperator(task_id="load", warehouse=address, start="-1h", end=end, sms_types=[2])
    assert runs(load)["rows"] == count(tmp_path / "w.duckdb") == 1
