"""ZnsBulkOperator against the emulator: every source, resume, clear, and what never happens."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem
from task_runs import Runs

from esms_connectors import Credentials
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorServer,
)
from esms_connectors.emulator.faults import code, drop_after, refuse_before
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger import Ledger

COLUMNS = "customer_name,service,code,date"
ROWS = 1200


def row(number: int) -> dict[str, str]:
    return {
        "phone": f"0901{number:06d}",
        "customer_name": f"Chị Hương {number}",
        "service": "Gội đầu",
        "code": f"KH{number}",
        "date": "19/03/2025",
    }


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    lines = [",".join(["phone", *COLUMNS.split(",")]), *(",".join(row(number).values()) for number in range(ROWS))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def send(
    connect: Callable[..., None], runs: Runs, ledger_url: str, customers: Path, server: EmulatorServer
) -> Callable[..., Any]:
    """Runs a fresh operator, as another try does; the account was tested once, as `esms check --probe-ids` does."""
    connect({"oa_id": DEMO_OA_ID})
    with Ledger.open(ledger_url) as ledger:
        account = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY).account_at(server.base_url)
        ledger.facts.learn(account, SEND_ZNS_BULK.name, IdFact(True, ledger.now()))

    def run(**arguments: Any) -> Any:
        given = {
            "template_id": DEMO_TEMPLATE_ID,
            "template_params": COLUMNS,
            "ledger_url": ledger_url,
            "threads": 2,
            **({} if "sql" in arguments else {"source": str(customers)}),
            **arguments,
        }
        operator = ZnsBulkOperator(task_id="send", **given)
        run.operator = operator
        return runs(operator)

    return run


def everybody_once(gateway: Emulator, count: int = ROWS) -> bool:
    return gateway.deliveries_by_phone() == {f"0901{number:06d}": 1 for number in range(count)}


def test_each_row_is_sent_once_and_the_result_contains_no_phones(send: Callable[..., Any], gateway: Emulator) -> None:
    """Counts, cost, run key and campaign; no id, no phone."""
    result = send()
    assert everybody_once(gateway)
    assert (result["accepted"], result["rejected"], result["cost_vnd"]) == (ROWS, 0, 300 * ROWS)
    assert result["run_key"].startswith("airflow/campaigns/manual__")
    assert "0901" not in json.dumps(result)


def test_clearing_a_successful_task_sends_nothing(send: Callable[..., Any], gateway: Emulator) -> None:
    """The ledger has every row settled."""
    send()
    calls = gateway.call_count("send_zns_bulk")
    assert send()["sent_by_this_try"] == 0
    assert (gateway.call_count("send_zns_bulk"), everybody_once(gateway)) == (calls, True)


def test_resend_on_clear_sends_once_more_and_resumes_after_a_failure(
    send: Callable[..., Any], gateway: Emulator
) -> None:
    """The second campaign is one campaign, however often it is tried."""
    send(resend_on_clear=True)
    gateway.faults.add("send_zns_bulk", refuse_before(), next_calls=40)
    with pytest.raises(EsmsError):
        send(resend_on_clear=True)
    gateway.faults.clear()
    send(resend_on_clear=True)
    assert gateway.deliveries_by_phone() == {f"0901{number:06d}": 2 for number in range(ROWS)}


def test_lost_responses_are_resolved_by_the_retry(send: Callable[..., Any], gateway: Emulator) -> None:
    """Retry is worth it, and says so."""
    gateway.faults.add("send_zns_bulk", drop_after(), next_calls=40)
    with pytest.raises(EsmsError) as error:
        send()
    assert error.value.retryable
    gateway.faults.clear()
    assert send()["accepted"] == ROWS
    assert everybody_once(gateway)


def test_insufficient_balance_fails_without_retry_and_rerun_resumes(
    send: Callable[..., Any], gateway: Emulator
) -> None:
    """103 is not cured by waiting; after the money has come, Clear sends the rest."""
    gateway.faults.add("send_zns_bulk", code("103"), calls=[2])
    with pytest.raises(EsmsError, match="103") as error:
        send(threads=1)
    assert not error.value.retryable
    gateway.faults.clear()
    assert send()["accepted"] == ROWS
    assert everybody_once(gateway)


def test_retry_after_send_at_sends_the_remaining_rows(send: Callable[..., Any], gateway: Emulator) -> None:
    """A worker died, or money came, and meanwhile the time was over; a plan is no beginning."""
    at = machine_clock.now().add(minutes=1)
    gateway.faults.add("send_zns_bulk", code("103"), calls=[2])
    assert send(send_at=at, dry_run=True)["to_send"] == ROWS
    with pytest.raises(EsmsError, match="103"):
        send(send_at=at, threads=1)
    gateway.faults.clear()
    gateway.advance(11 * 60)
    for arguments in ({"dry_run": True}, {}):
        with pytest.raises(EsmsError, match="lies in the past"):
            send(send_at=at, run_key="another", **arguments)
    assert send(send_at=at)["sent_by_this_try"] == ROWS - 500
    assert everybody_once(gateway)


def test_unreachable_gateway_gives_a_retryable_error(send: Callable[..., Any], gateway: Emulator) -> None:
    """The run stops itself before everything is tried in vain; Airflow may try again later."""
    gateway.faults.add("send_zns_bulk", refuse_before(), next_calls=400)
    with pytest.raises(EsmsError) as error:
        send(chunk_size=50)
    assert error.value.retryable


def test_dry_run_returns_the_plan_and_sends_nothing(send: Callable[..., Any], gateway: Emulator) -> None:
    """What it would do and cost; nothing is sent."""
    plan = send(dry_run=True, price_vnd=300)
    assert (plan["recipients"], plan["cost_vnd"], plan["chunks"]) == (ROWS, 360_000, 3)
    json.dumps(plan)
    assert gateway.call_count("send_zns_bulk") == 0


def test_sql_query_is_accepted_as_source(
    send: Callable[..., Any], gateway: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the connection of its database, with parameters and a templated date."""
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as database, database:
        database.execute("CREATE TABLE vip (phone, customer_name, service, code, date, born)")
        database.executemany(
            "INSERT INTO vip VALUES (?, ?, ?, ?, ?, ?)",
            [(*row(number).values(), "2024-05-15" if number < 30 else "x") for number in range(50)],
        )
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "crm.sqlite")}))
    query = "SELECT * FROM vip WHERE born = '{{ ds }}' AND code <> :code ORDER BY phone"
    result = send(sql=query, sql_conn_id="crm", sql_parameters={"code": "none"})
    assert result["accepted"] == 30
    assert everybody_once(gateway, 30)


def test_file_url_is_accepted_as_source(send: Callable[..., Any], gateway: Emulator, customers: Path) -> None:
    """Copied first, so that what is sent is what was checked."""
    assert send(source=f"file://{customers}")["accepted"] == ROWS
    assert everybody_once(gateway)


def test_list_source_is_sent_but_hidden_from_rendered_fields(send: Callable[..., Any], gateway: Emulator) -> None:
    """Rendered fields stand in Airflow's database: of a list they say how long it is."""
    send(source=[row(number) for number in range(7)])
    assert everybody_once(gateway, 7)
    shown = {name: str(getattr(send.operator, name)) for name in ZnsBulkOperator.template_fields}
    assert shown["source"] == "<7 rows>"
    assert "0901" not in json.dumps(shown)


def test_plan_from_another_task_determines_the_run_key(send: Callable[..., Any], gateway: Emulator, runs: Runs) -> None:
    """Without a run key of its own, whoever sends a plan sends that campaign; as JSON the plan is the same."""
    plan = send(dry_run=True)
    runs.instance.task_id = "approved"
    assert send(plan=plan)["run_key"] == plan["run_key"]
    assert send(plan=json.dumps(plan))["sent_by_this_try"] == 0
    assert everybody_once(gateway)
    with pytest.raises(InvalidRequestError, match="dry_run=True"):
        send(plan="approved")


def test_overlapping_shards_with_one_run_key_send_no_duplicates(
    send: Callable[..., Any], gateway: Emulator, runs: Runs, customers: Path
) -> None:
    """Two shards that overlap by mistake: the ledger gives each person to one of them."""
    for index in range(2):
        runs.instance.map_index = index
        send(run_key="march-{{ ds }}")
    assert everybody_once(gateway)


def test_key_column_allows_two_messages_to_one_phone(send: Callable[..., Any], gateway: Emulator) -> None:
    """One phone with two orders gets two messages."""
    rows = [{**row(1), "code": "KH1"}, {**row(1), "code": "KH2"}]
    named = {name: name for name in COLUMNS.split(",")}
    assert send(source=rows, template_params=named, key_column="code")["accepted"] == 2
    assert gateway.deliveries_by_phone() == {"0901000001": 2}


def test_invalid_rows_fail_the_task_before_the_first_message(
    send: Callable[..., Any], gateway: Emulator, customers: Path, tmp_path: Path
) -> None:
    """Never a green task with failed rows; and they stand in a file that can be repaired."""
    customers.write_text(customers.read_text(encoding="utf-8") + "0283812345,x,y,z,19/03/2025\n", encoding="utf-8")
    rejects = tmp_path / "rejects.csv"
    with pytest.raises(EsmsError, match="1 of 1,201 rows") as error:
        send(rejects=str(rejects))
    assert not error.value.retryable
    assert "0283812345" not in str(error.value)
    assert list(gateway.messages()) == []
    assert "0283812345" in rejects.read_text(encoding="utf-8-sig")
    assert send(at_least=0.99)["rows"]["rejected"] == 1
    assert everybody_once(gateway)


class Lake(MemoryFileSystem):
    """Airflow keeps the file system of a connection, so it is one for all tests."""

    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An object store that Airflow opens by the connection `lake`; gives what is in it."""
    Lake.store.clear()
    monkeypatch.setattr("airflow.sdk.io.fs._register_filesystems", lambda: {"memory": lambda *_, **__: Lake()})
    fsspec.register_implementation("memory", Lake, clobber=True)
    yield Lake.store
    fsspec.register_implementation("memory", MemoryFileSystem, clobber=True)


@pytest.mark.parametrize("given", ["memory://lake@bucket/{}", ObjectStoragePath], ids=["url", "object"])
def test_source_and_rejects_may_be_object_storage_paths(
    send: Callable[..., Any], gateway: Emulator, store: dict[str, Any], customers: Path, given: Any
) -> None:
    """As text or as Airflow's own object; rejects that somebody has repaired are kept, and the source is no target."""

    def path(name: str) -> Any:
        return given.format(name) if isinstance(given, str) else given(f"memory://bucket/{name}", conn_id="lake")

    def put(name: str, content: bytes) -> None:
        with ObjectStoragePath(f"memory://lake@bucket/{name}").open("wb") as file:
            file.write(content)

    lines = customers.read_text(encoding="utf-8").splitlines()[:4]
    put("list.csv", "\n".join([*lines, "0283812345,x,y,z,19/03/2025"]).encode())
    put("rejects.csv", b"repaired by hand")
    arguments = {"source": path("list.csv"), "at_least": 0.5}
    assert send(rejects=path("rejects.csv"), **arguments)["accepted"] == 3
    assert everybody_once(gateway, 3)
    found = {name.rpartition("/")[2]: file.getvalue() for name, file in store.items()}
    assert sorted(found) == ["list.csv", "rejects.csv", "rejects.csv.old"]
    assert b"0283812345" in found["rejects.csv"]
    assert found["rejects.csv.old"] == b"repaired by hand"
    with pytest.raises(InvalidRequestError, match=r"list\.csv is both the source and the rejects file"):
        send(rejects=path("list.csv"), run_key="another", **arguments)
    assert gateway.message_count == 3


def test_changed_rows_are_rejected_unless_skipping_is_requested(
    send: Callable[..., Any], gateway: Emulator, tmp_path: Path
) -> None:
    """Those who got another content keep what they got; by default nobody is sent to, and the plan tells how many."""
    send(source=[row(1), row(2)])
    rows = [row(1), {**row(2), "customer_name": "Chị Lan"}, row(3)]
    plan = send(source=rows, dry_run=True)
    assert (plan["conflicts"], plan["to_send"], plan["already_settled"]) == (1, 1, 1)
    with pytest.raises(InvalidRequestError, match="conflicts=skip"):
        send(source=rows)
    rejects = tmp_path / "rejects.csv"
    assert send(source=rows, conflicts="skip", rejects=rejects)["sent_by_this_try"] == 1
    assert gateway.deliveries_by_phone() == {f"090100000{number}": 1 for number in (1, 2, 3)}
    assert "Chị Lan" in rejects.read_text(encoding="utf-8-sig")


def test_rejects_are_written_to_an_object_store(
    send: Callable[..., Any], gateway: Emulator, store: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not into a folder that is called `memory:`; a store that nobody knows is alerted before the first message."""
    monkeypatch.chdir(tmp_path)
    rows = [row(1), {**row(2), "phone": "0283812345"}]
    assert send(source=rows, at_least=0.5, rejects="memory://lake@bucket/rejects.csv")["accepted"] == 1
    [(path, file)] = store.items()
    assert path.endswith("bucket/rejects.csv")
    assert b"0283812345" in file.getvalue()
    with pytest.raises(EsmsError, match="rejects"):
        send(source=rows, at_least=0.5, rejects="s3://lake@bucket/rejects.csv", run_key="another")
    assert gateway.deliveries_by_phone() == {"0901000001": 1}
    assert not [one for one in tmp_path.iterdir() if ":" in one.name]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("on_empty", "run_type", "skips"),
    [
        (None, "scheduled", True),
        (None, "backfill", True),
        (None, "manual", False),
        ("skip", "manual", True),
        ("fail", "scheduled", False),
    ],
)
@pytest.mark.parametrize("at_least", [None, 1.0])
@pytest.mark.parametrize("dry_run", [False, True])
def test_empty_source_is_handled_by_on_empty_and_run_type(
    send: Callable[..., Any], runs: Runs, on_empty: Any, run_type: str, skips: bool, at_least: Any, dry_run: bool
) -> None:
    """A quiet day of a schedule skips the task and what hangs on it; whoever starts a run by hand meant some rows."""
    runs.run_type = run_type
    arguments = {"source": [], "on_empty": on_empty, "at_least": at_least, "dry_run": dry_run}
    if skips:
        with pytest.raises(AirflowSkipException):
            send(**arguments)
    elif dry_run:
        assert send(**arguments)["to_send"] == 0
    else:
        with pytest.raises(EsmsError, match="No row"):
            send(**arguments)


def test_unexpected_error_gives_one_line_error_without_its_text(
    send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may quote rows, or a part of a password; where it came from is told."""

    def breaks(*_: Any, **__: Any) -> Any:
        raise ValueError("row 0901888484 of postgresql://u:PASSWORD1234@h\nsecond line")

    monkeypatch.setattr("esms_connectors.sending.campaign.read_recipients", breaks)
    with pytest.raises(AirflowException, match=r"Unexpected ValueError \(airflow_side/test_zns_bulk.py, line") as error:
        send()
    assert [one for one in ("\n", "0901888484", "PASSWORD1234") if one in str(error.value)] == []
    assert error.value.__suppress_context__


def test_changed_row_under_the_same_run_key_is_rejected(
    send: Callable[..., Any], gateway: Emulator, customers: Path
) -> None:
    """A row that changed between two tries is no second message."""
    send()
    customers.write_text(customers.read_text(encoding="utf-8").replace("Hương 7,", "Lan 7,"), encoding="utf-8")
    with pytest.raises(EsmsError, match="other content"):
        send()
    assert everybody_once(gateway)


def test_ledger_connection_with_secret_stores_no_phones(
    send: Callable[..., Any],
    connect: Callable[..., None],
    gateway: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ledger_secret` in the eSMS connection hashes phones."""
    path = tmp_path / "by-connection.sqlite"
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    connect({"oa_id": DEMO_OA_ID, "ledger_conn_id": "ledger", "ledger_secret": "a long secret"})
    result = send(ledger_url=None)
    assert everybody_once(gateway)
    for file in tmp_path.glob("by-connection.sqlite*"):
        assert b"0901000" not in file.read_bytes()
    with Ledger.open(path, phone_secret="a long secret") as ledger:
        assert ledger.summary(result["run_key"]).accepted == ROWS


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"ledger_url": "mysql://u:PASSWORD1234@h/d"}, "ledger"),
        ({"source": None}, "source"),
        ({"sql": "SELECT 1", "source": "x.csv"}, "source"),
        ({"sql": "SELECT 1"}, "sql_conn_id"),
        ({"sql": "SELECT 1", "sql_conn_id": "nowhere"}, "nowhere"),
        ({"source": "nowhere.csv"}, "nowhere.csv"),
        ({"source": "s3://bucket/nowhere.csv"}, "nowhere.csv|s3"),
        ({"source": []}, "No row"),
        ({"source": {"phone": "0901000001"}}, "one row"),
        ({"source": ["a.csv", "b.csv"]}, "map the operator"),
        ({"template_params": "customer_name,service"}, "4 params"),
        ({"template_params": "customer_name,service,code,datum"}, "date"),
        ({"template_id": "999"}, "789"),
        ({"oa_id": "1"}, "789"),
        ({"at_least": 95}, "0.95"),
        ({"chunk_size": 501}, "chunk_size"),
        ({"price_vnd": -1}, "price_vnd"),
    ],
)
def test_invalid_arguments_give_one_line_error_and_send_nothing(
    send: Callable[..., Any], gateway: Emulator, arguments: dict[str, Any], fragment: str
) -> None:
    """Waiting does not cure it; no password and no phone is shown."""
    with pytest.raises(EsmsError, match=fragment) as error:
        send(**arguments)
    assert not error.value.retryable
    assert "\n" not in str(error.value)
    assert "PASSWORD1234" not in str(error.value)
    assert "0901" not in str(error.value)
    assert list(gateway.messages()) == []


def test_distributed_executor_requires_a_named_ledger(
    send: Callable[..., Any], gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an SMS; where tasks run on one machine the ledger is a file in Airflow's home."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(EsmsError, match="ledger_conn_id"):
        send(ledger_url=None)
    assert list(gateway.messages()) == []


def test_sandbox_connection_sends_nothing(
    send: Callable[..., Any], connect: Callable[..., None], gateway: Emulator
) -> None:
    """It is checked as a whole, and marked as what it is."""
    connect({"oa_id": DEMO_OA_ID, "sandbox": True})
    result = send()
    assert result["sandbox"] is True
    assert result["run_key"].startswith("sandbox/")
    assert gateway.message_count == 0
