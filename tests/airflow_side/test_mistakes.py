"""What people get wrong about the operators: each mistake is one line, at once, and nothing is sent because of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from task_runs import Instance, Runs, StateStore

from esms_connectors.airflow.arguments import read_types
from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.warehouse.privacy import PhoneForm

PASSWORD = "HUNTER2HUNTER2"
MISSING = "{{ none }}"  # what the XCom of a skipped task is to a template


def people(first: int, count: int) -> list[dict[str, str]]:
    about = {"customer_name": "Chị Hương", "service": "Gội đầu", "code": "KH", "date": "19/03/2025"}
    return [{"phone": f"0901{number:06d}", **about} for number in range(first, first + count)]


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    connect({"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID, "brandname": DEMO_BRANDNAME})
    for name, conn_type in (("MY", "mysql"), ("SHOP", "http")):
        conn = {"conn_type": conn_type, "host": "h", "password": PASSWORD}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(conn))


def bulk(ledger: str, **arguments: Any) -> ZnsBulkOperator:
    source = {} if "sql" in arguments else {"source": people(0, 3)}
    columns = "customer_name,service,code,date"
    return ZnsBulkOperator(
        **{"task_id": "send", "template_params": columns, "ledger_url": ledger, **source, **arguments}
    )


def sms(ledger: str, **arguments: Any) -> SendSmsOperator:
    return SendSmsOperator(task_id="send", **{"phones": "0901000001", "text": "xin chao", **arguments})


def wait(ledger: str, **arguments: Any) -> DeliveryStatusSensor:
    return DeliveryStatusSensor(task_id="wait", **{"ledger_url": ledger, "timeout": 1, **arguments})


def load(ledger: str, **arguments: Any) -> SentMessagesToWarehouseOperator:
    return SentMessagesToWarehouseOperator(task_id="load", **{"warehouse": "duckdb:///never.duckdb", **arguments})


def ladder(ledger: str, **arguments: Any) -> AlertLadderOperator:
    return AlertLadderOperator(task_id="tell", **{"phones": "0901000001", "text": "xin chao", **arguments})


def report(ledger: str, **arguments: Any) -> SentMessagesReportOperator:
    return SentMessagesReportOperator(task_id="report", **{"warehouse": "duckdb:///never.duckdb", **arguments})


@pytest.mark.parametrize(
    ("make", "arguments", "fragment"),
    [
        # Values that a template did not find.
        (bulk, {"source": MISSING}, "source is the word None"),
        (bulk, {"run_key": MISSING}, "run_key is the word None"),
        (bulk, {"ledger_url": MISSING}, "ledger_url is the word None"),
        (bulk, {"rejects": MISSING}, "rejects is the word None"),
        (bulk, {"campaign": MISSING}, "campaign is the word None"),
        (bulk, {"ledger_url": "{{ a.b.c }}"}, "template of ledger_url fails"),
        (sms, {"text": MISSING}, "text is the word None"),
        (sms, {"text": "{{ a.b.c }}"}, "template of text fails"),
        (sms, {"phones": MISSING}, "phone"),
        (sms, {"phones": None}, "phones takes"),
        (sms, {"phones": [None]}, "phone"),
        (wait, {"sent": None}, "one of sent"),
        (wait, {"sent": MISSING}, "send.output"),
        (wait, {"message_ids": MISSING}, "message_ids is the word None"),
        (wait, {"run_key": "a", "ledger_url": "{{ a.b.c }}"}, "template of ledger_url fails"),
        (load, {"warehouse": MISSING}, "warehouse is the word None"),
        (load, {"warehouse": "{{ a.b.c }}"}, "template of warehouse fails"),
        # Connections of another kind.
        (bulk, {"sql": "SELECT 1", "sql_conn_id": "my"}, "type 'mysql'"),
        (bulk, {"sql": "SELECT 1", "sql_conn_id": "shop"}, "type 'http'"),
        (bulk, {"ledger_url": None, "ledger_conn_id": "shop"}, "type 'http'"),
        (bulk, {"esms_conn_id": "shop"}, "type 'http'"),
        (load, {"warehouse": None, "warehouse_conn_id": "shop"}, "type 'http'"),
        (bulk, {"source": "s3://bucket/key.csv"}, "install its provider"),
        # Values of another type.
        (bulk, {"run_key": 5.5}, "run_key must be text"),
        (bulk, {"campaign": True}, "campaign must be text"),
        (bulk, {"threads": 0}, "threads is a whole number"),
        (bulk, {"threads": 1.5}, "threads is a whole number"),
        (bulk, {"threads": "many"}, "threads 'many' is not a number"),
        (bulk, {"chunk_size": 0}, "chunk_size is a whole number"),
        (bulk, {"at_least": "most"}, "at_least 'most' is not a number"),
        (bulk, {"price_vnd": "cheap"}, "price_vnd"),
        (bulk, {"template_params": 5}, "names of columns"),
        (bulk, {"template_params": [1, 2, 3, 4]}, "names of columns"),
        (bulk, {"phone_column": None}, "phone_column is the name of a column"),
        (bulk, {"source": 5}, "source takes"),
        (sms, {"text": [1]}, "text must be text"),
        (sms, {"run_key": True}, "run_key must be text"),
        (wait, {"message_ids": ["a"], "final_share": "all"}, "final_share 'all' is not a number"),
        (wait, {"message_ids": ["a"], "max_failures": "x"}, "max_failures 'x' is not a number"),
        (wait, {"message_ids": ["a"], "sms_types": ["x"]}, "sms_types are numbers"),
        (wait, {"sent": {"run_key": "k", "message_ids": [], "sandbox": True}}, "sandbox"),
        (load, {"sms_types": "ZNS"}, "sms_types are numbers"),
        (load, {"sms_types": ["x"]}, "sms_types are numbers"),
        (load, {"threads": 0}, "threads is a whole number"),
        (load, {"max_age_days": "long"}, "max_age_days 'long' is not a number"),
    ],
)
def test_invalid_arguments_give_one_line_error_without_retry(
    make: Callable[..., Any],
    arguments: dict[str, Any],
    fragment: str,
    ledger_url: str,
    gateway: Emulator,
    runs: Runs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waiting does not cure it, no password is shown, and no file called None is left behind."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EsmsError, match=fragment) as error:
        runs(make(ledger_url, **arguments))
    assert not error.value.retryable
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)
    assert list(gateway.messages()) == []
    assert not (tmp_path / "None").exists()


@pytest.mark.parametrize(
    ("make", "arguments", "fragment"),
    [
        (bulk, {"at_least": 5}, "at_least is a share from 0 to 1, such as 0.95, not 5"),
        (bulk, {"at_least": "{{ var.value.share }}"}, "at_least '{{ var.value.share }}' is not a number"),
        (bulk, {"threads": 0}, "threads is a whole number, 1 or more"),
        (bulk, {"chunk_size": 1.5}, "chunk_size is a whole number, 1 or more"),
        (bulk, {"header_row": 0}, "header_row is a whole number, 1 or more"),
        (wait, {"message_ids": ["a"], "delivered_share": 95}, "delivered_share is a share above 0 and up to 1"),
        (wait, {"message_ids": ["a"], "final_share": -1}, "final_share is a share above 0 and up to 1"),
        (wait, {"message_ids": ["a"], "max_failures": "x"}, "max_failures 'x' is not a number"),
        (bulk, {"price_vnd": "cheap"}, "price_vnd 'cheap' is not an amount of VND"),
        (bulk, {"poll_seconds": 0}, "poll_seconds is a number of seconds above 0"),
        (ladder, {"poll_seconds": "often"}, "poll_seconds 'often' is not a number"),
        (load, {"threads": 0}, "threads is a whole number"),
        (load, {"max_age_days": "long"}, "max_age_days 'long' is not a number"),
        (load, {"phone": "none"}, "phone is plain or hashed or masked or omitted"),
        # Templates, which are none here.
        (bulk, {"send_at": "tomorow 8:30"}, "send_at 'tomorow 8:30' is not a valid time"),
        (sms, {"send_at": datetime(2030, 1, 1, 9)}, "send_at"),
        (wait, {"message_ids": ["a"], "deadline": "soon"}, "deadline 'soon' is not a valid time"),
        (wait, {"message_ids": ["a"], "sms_types": ["x"]}, "sms_types are numbers"),
        (load, {"start": "last week"}, "start 'last week' is not a valid time"),
        (load, {"sms_types": "ZNS"}, "sms_types are numbers"),
        (report, {"mail_to": "the boss"}, "mail_to takes an e-mail address"),
        (report, {"mail_to": ["boss@example.com", 5]}, "mail_to takes an e-mail address"),
        (report, {"budget_vnd": "little"}, "a positive amount of VND in digits"),
    ],
)
def test_invalid_arguments_are_rejected_at_parse_time(
    make: Callable[..., Any], arguments: dict[str, Any], fragment: str, ledger_url: str
) -> None:
    """Nothing that comes later makes them right."""
    with pytest.raises(InvalidRequestError) as error:
        make(ledger_url, **arguments)
    assert fragment in str(error.value)


@pytest.mark.parametrize("given", ["{{ ds }}", "{% if x %}a{% endif %}", None])
def test_templates_and_task_outputs_are_accepted_at_parse_time(given: str | None, ledger_url: str) -> None:
    """Templates, and what another task gives."""
    with DAG("later", schedule=None):
        value: Any = sms("").output if given is None else given
        assert report(ledger_url, mail_to=value, budget_vnd=value, start=value).mail_to is value
        assert load(ledger_url, start=value, sms_types=value).start is value
        assert bulk(ledger_url, send_at=value, task_id="bulk").send_at is value


def test_export_accepts_every_phone_form(ledger_url: str) -> None:
    """The operator names them itself: a DAG that is parsed loads no warehouse."""
    for form in PhoneForm:
        assert load(ledger_url, phone=form.value).phone == form.value


def test_numeric_arguments_may_be_given_as_text(ledger_url: str, gateway: Emulator, runs: Runs) -> None:
    """As variables and parameters of a run give them."""
    result = runs(bulk(ledger_url, threads="2", chunk_size="2", at_least="1"))
    assert result["accepted"] == 3
    with pytest.raises(TaskDeferred) as deferral:
        runs(wait(ledger_url, sent=result, final_share="0.9", max_failures="3", deferrable=True))
    kwargs = deferral.value.trigger.serialize()[1]
    assert (kwargs["final_share"], kwargs["max_failures"]) == (0.9, 3)
    gateway.advance(60)
    assert runs(wait(ledger_url, sent=result, final_share="0.9", max_failures="3"))["final"] == 3


@pytest.mark.parametrize("given", ["2, 25", "[2, 25]", "(2,25)", ["2", 25], (2, 25)])
def test_sms_types_may_be_given_as_text_or_list(given: Any) -> None:
    """A template gives nothing else."""
    assert read_types(given) == [2, 25]
    assert read_types(None) == read_types("") == read_types(()) == []


def test_export_reads_sms_types_from_a_template(ledger_url: str, gateway: Emulator, runs: Runs, tmp_path: Path) -> None:
    """Two types and two days: four windows."""
    warehouse = f"duckdb:///{tmp_path / 'w.duckdb'}"
    assert runs(load(ledger_url, warehouse=warehouse, sms_types="{{ [2, 25] }}"))["windows"] == 4


def test_concurrent_mapped_tasks_with_one_run_key_send_no_duplicates(
    ledger_url: str, gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the advice, and over people that overlap: a task may wait for another's rows, no message is repeated."""
    monkeypatch.setitem(Ledger.__init__.__kwdefaults__, "lease_seconds", 3.0)
    outcomes: list[Any] = []

    def shard(index: int) -> None:
        runs = Runs(store=StateStore(), instance=Instance(map_index=index))
        for _ in range(5):
            try:
                outcomes.append(runs(bulk(ledger_url, source=people(index * 300, 900), run_key="march", threads=2)))
                return
            except EsmsError as error:
                outcomes.append(error)
                if not error.retryable:
                    return

    threads = [threading.Thread(target=shard, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(one, Exception) for one in outcomes) == 3, outcomes
    assert gateway.deliveries_by_phone() == {row["phone"]: 1 for row in people(0, 1500)}
