"""`@task.esms` against the emulator: a function says to whom, each is sent to once, and Airflow sees nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from task_runs import Runs

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError

TEXT = "Xin chao {name}, don hang da giao"
SMS: dict[str, Any] = {"channel": "sms", "text": TEXT, "brandname": DEMO_BRANDNAME, "template_params": "name"}


@pytest.fixture(autouse=True)
def connection(connect: Callable[..., None], ledger_url: str) -> None:
    connect({"ledger_url": ledger_url})


def people(first: int, count: int) -> list[dict[str, str]]:
    return [{"phone": f"090100000{number}", "name": "Huong {{ 7*7 }}"} for number in range(first, first + count)]


def test_returned_rows_are_sent_once_and_rerun_sends_only_new_rows(gateway: Emulator, runs: Runs) -> None:
    """Also to whom it returns only then; what a customer is called is no template."""
    found = people(0, 2)
    with DAG("campaigns", schedule=None) as dag:

        @task.esms(**SMS)
        def send(day: str, ds: str) -> list[dict[str, str]]:
            assert day == ds == "2024-05-15"
            return found

        send("{{ ds }}")
    operator = dag.get_task("send")
    assert runs(operator)["accepted"] == 2
    found += people(2, 1)
    again = runs(operator)
    assert (again["accepted"], again["sent_by_this_try"]) == (3, 1)
    assert gateway.deliveries_by_phone() == {row["phone"]: 1 for row in found}
    assert {message.content for message in gateway.messages()} == {"Xin chao Huong {{ 7*7 }}, don hang da giao"}
    shown = str({name: str(getattr(operator, name)) for name in operator.template_fields})
    assert "<3 rows>" in shown
    assert "0901" not in shown


def test_mapped_functions_share_a_run_key_and_hide_the_text(gateway: Emulator, ledger_url: str) -> None:
    """Two shards of people; the text is stored as little as that of an operator."""
    with DAG("campaigns", schedule=None) as dag:

        @task.esms(**SMS, ledger_url=ledger_url)
        def send(first: int) -> list[dict[str, str]]:
            return people(first, 2)

        send.expand(first=[0, 2])
    stored = json.dumps(DagSerialization.to_dict(dag))
    assert [one for one in ("Xin chao", ledger_url) if one in stored] == []
    outcomes = Runs().mapped(dag.task_dict["send"], {}, 2)
    assert [one["accepted"] for one in outcomes] == [2, 2], outcomes
    assert len({one["run_key"] for one in outcomes}) == 1
    assert gateway.deliveries_by_phone() == {row["phone"]: 1 for row in people(0, 4)}


def test_invalid_arguments_and_function_errors_send_nothing(gateway: Emulator, runs: Runs) -> None:
    """When the DAG is parsed, or before anything is sent; an error of the function is shown as it is."""
    for wrong, words in (({"at_least": 5}, "at_least is a share"), ({"source": "a.csv"}, "the function returns")):
        with pytest.raises(InvalidRequestError, match=words):
            task.esms(**SMS, **wrong)
    with DAG("campaigns", schedule=None) as dag:

        @task.esms(**SMS)
        def nothing() -> None:
            """Forgets to return."""

        @task.esms(**SMS)
        def broken() -> None:
            raise ValueError("no such table")

        nothing()
        broken()
    with pytest.raises(EsmsError, match="nothing returned nothing: return a list of rows"):
        runs(dag.get_task("nothing"))
    with pytest.raises(ValueError, match="no such table"):
        runs(dag.get_task("broken"))
    assert list(gateway.messages()) == []


def test_override_arguments_are_hidden_and_validated(gateway: Emulator) -> None:
    """Of mapped tasks the stored DAG has every argument; one from another task puts that task upstream."""
    secret = "postgresql://etl:sesame@database.example/esms"
    with DAG("campaigns", schedule=None) as dag:

        @task
        def words() -> str:
            return TEXT

        @task.esms(**SMS)
        def send(first: int) -> list[dict[str, str]]:
            return people(first, 1)

        send.override(task_id="shards", text="Chao {name}, moi", ledger_url=secret).expand(first=[0])
        send.override(task_id="told", text=words()).expand(first=[0])
        for wrong in ({"at_least": 5}, {"source": "a.csv"}):
            with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
                send.override(**wrong)
    stored = json.dumps(DagSerialization.to_dict(dag))
    assert [one for one in ("Chao", "sesame") if one in stored] == []
    assert dag.task_dict["told"].upstream_task_ids == {"words"}
    with DAG("defaults", schedule=None, default_args={"text": TEXT}), pytest.raises(InvalidRequestError, match="text"):
        send.expand(first=[0])
