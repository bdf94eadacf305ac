"""What breaks in the middle: the table is as before or as after, one line says so, and the same command heals it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT
from esms_processes import Done, Esms
from postgres_server import PostgresServer
from pulling_bench import Load, Place, Puller, rows_at

from esms_connectors.cli.exit_codes import exit_code_of
from esms_connectors.emulator import Account, Emulator, EmulatorConfig, EmulatorServer
from esms_connectors.emulator.faults import code, http_status
from esms_connectors.warehouse import WarehouseError
from esms_connectors.warehouse.spool import WindowSpool

SPAN = ("--from", "2024-05-13", "--to", "2024-05-15", "--types", "2")


@pytest.fixture
def in_postgresql(make_place: Any) -> Place:
    place: Place = make_place("postgresql")
    return place


def end_connections(postgres: PostgresServer, place: Place) -> None:
    name = place.address.rpartition("application_name=")[2]
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'")


@pytest.mark.in_turn(every=3)
def test_connection_lost_during_merge_rolls_back_and_rerun_succeeds(
    gateway: Emulator, postgres: PostgresServer, in_postgresql: Place, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (DAY.subtract(days=1), DAY):
        gateway.populate(1_300, start=day.add(seconds=1), end=day.add(days=1))
    load(in_postgresql, DAY.subtract(days=1), DAY)
    before = in_postgresql.messages()
    batches = WindowSpool.__iter__

    def cut_off(spool: WindowSpool) -> Iterator[Any]:
        for batch in batches(spool):
            end_connections(postgres, in_postgresql)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(WindowSpool, "__iter__", cut_off)
        with pytest.raises(WarehouseError, match="connection was lost") as failure:
            load(in_postgresql)
    assert exit_code_of(failure.value) == 4
    assert "\n" not in str(failure.value)
    assert in_postgresql.messages() == before
    assert [line["loaded_at"] is not None for line in in_postgresql.loads()] == [True, False]
    assert load(in_postgresql).inserted == 1_300
    assert in_postgresql.messages() == rows_at(gateway)


def test_connection_lost_between_windows_is_reopened_transparently(
    gateway: Emulator, postgres: PostgresServer, in_postgresql: Place, load: Load
) -> None:
    gateway.populate(1_000, start=DAY.subtract(days=2), end=NEXT)
    load(
        in_postgresql,
        DAY.subtract(days=2),
        NEXT,
        progress=lambda at: end_connections(postgres, in_postgresql) if at.rows_at_hand == 0 else None,
    )
    assert in_postgresql.messages() == rows_at(gateway)


@pytest.mark.in_turn
def test_full_temporary_folder_keeps_loaded_windows_and_rerun_resumes(
    gateway: Emulator, esms: Esms, server: EmulatorServer, in_postgresql: Place
) -> None:
    """The window that does not fit is not loaded, the smaller one before it stays."""
    gateway.populate(300, start=DAY.subtract(days=1), end=DAY.subtract(seconds=1))
    gateway.populate(24_000, start=DAY.add(seconds=2), end=NEXT)
    pull = Puller(esms, server.base_url, in_postgresql, server.emulator.clock)
    done = pull(span=SPAN, file_limit=100_000)
    assert done.code == 4
    assert (done.json["error"], "\n" in done.json["message"]) == ("WarehouseError", False)
    assert "TMPDIR" in done.json["message"]
    assert done.err == ""
    assert len(in_postgresql.messages()) == 300
    again = pull(span=SPAN)
    assert (again.code, again.json["skipped"], again.json["inserted"]) == (0, 1, 24_000)
    assert in_postgresql.messages() == rows_at(gateway)


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_full_disk_leaves_the_table_unchanged_and_rerun_succeeds(
    gateway: Emulator, esms: Esms, server: EmulatorServer, make_place: Any, kind: str
) -> None:
    """Whole windows or nothing of them; exit code 1 or 4."""
    gateway.populate(300, start=DAY.subtract(days=1), end=DAY.subtract(seconds=1))
    gateway.populate(9_000, start=DAY.add(seconds=2), end=NEXT)
    place: Place = make_place(kind)
    pull = Puller(esms, server.base_url, place, server.emulator.clock)
    assert pull(span=("--from", "2024-05-13", "--to", "2024-05-14", "--types", "2")).code == 0
    before = place.messages()
    done = pull(file_limit=30_000)
    assert done.code in (1, 4), done
    assert done.err == ""
    assert done.json["error"] == "WarehouseError"
    assert "\n" not in done.json["message"]
    assert place.messages() == before
    again = pull()
    assert again.code == 0
    assert place.messages() == rows_at(gateway)


# --- secrets ---------------------------------------------------------------------------------------------------------

API_KEY, SECRET_KEY, PHONE_SECRET = "CANARY+api/key==0001", "CANARY&secret%key=0002", "canary-phone-secret-0003"


@pytest.fixture
def gateway_of_canaries() -> Emulator:
    """Its account has keys that are seen wherever they turn up."""
    account = EmulatorConfig().accounts[0]
    settings = {name: getattr(account, name) for name in Account.__slots__}
    made = Emulator(EmulatorConfig(accounts=(Account(**{**settings, "api_key": API_KEY, "secret_key": SECRET_KEY}),)))
    for day in range(3):
        made.populate(600, start=DAY.subtract(days=day), end=NEXT.subtract(days=day, seconds=1), api_key=API_KEY)
    return made


def assert_nothing_leaks(done: Done, gateway: Emulator, *more: str) -> None:
    said = done.out + done.err
    for secret in (API_KEY, SECRET_KEY, PHONE_SECRET, *more):
        assert secret not in said
    for phone in gateway.deliveries_by_phone():
        assert phone not in said
        assert f"84{phone[1:]}" not in said
    assert "Cam on quy khach" not in said


@pytest.mark.in_turn
def test_output_and_logs_never_contain_keys_phones_or_texts(
    gateway_of_canaries: Emulator, esms: Esms, place: Place
) -> None:
    """With every logger at DEBUG: success, refused keys, no answers, no end of counting, a full disk, another form."""
    gateway = gateway_of_canaries
    keys = {"ESMS_API_KEY": API_KEY, "ESMS_SECRET_KEY": SECRET_KEY, "ESMS_PHONE_SECRET": PHONE_SECRET}
    span = ("--from", "2024-05-12", "--to", "2024-05-14", "--types", "2", "--phones", "hashed")
    with gateway.serve() as server:
        pull = Puller(esms, server.base_url, place, server.emulator.clock)

        def run(*arguments: str, **job: Any) -> Done:
            done = pull(*arguments, environment={**keys, **job.pop("environment", {})}, debug=True, **job)
            assert_nothing_leaks(done, gateway)
            assert "Traceback" not in done.err
            return done

        good = run(span=span)
        assert good.code == 0
        assert "DEBUG" in good.err
        assert run("--phones", "masked", span=span).code == 2
        assert run(span=span, environment={"ESMS_SECRET_KEY": "CANARY-wrong"}).code == 3
        gateway.faults.add("get_sms_sent_data", code("101"), predicate=lambda call: call.number % 3 == 0)
        assert run(span=span).code == 3
        gateway.faults.clear()
        gateway.faults.add("get_sms_sent_data", code("99999", "Lỗi với 0901888484"))
        done = run(span=span)
        assert done.code in (3, 4)
        assert "0901888484" not in done.out + done.err
        gateway.faults.clear()
        gateway.quirks.count_total = "zero"
        incomplete = run(span=("--from", "2024-05-13 12:00", "--to", "2024-05-13 12:00:01", *span[4:]))
        gateway.quirks.count_total = "exact"
        assert incomplete.code in (0, 4)
        assert run("--again", span=span, file_limit=20_000).code in (0, 1, 4)
    assert run(span=span).code == 4


@pytest.mark.in_turn(every=3)
def test_log_reports_row_counts_without_phone_numbers(
    gateway: Emulator, duckdb_only: Place, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.populate(70, start=DAY, end=NEXT)
    gateway.faults.add("get_sms_sent_data", http_status(503), calls=[1])
    with caplog.at_level(logging.DEBUG):
        load(duckdb_only)
    assert "70 rows, 70 new" in caplog.text
    for phone in gateway.deliveries_by_phone():
        assert phone not in caplog.text
