"""Mapped tasks: who gets a message does not hang on a place in a list, and data is never rendered, stored or shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from task_runs import Runs

from esms_connectors.airflow.framework import AirflowFailException
from esms_connectors.airflow.notifications import EsmsNotifier
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import EsmsError

COLUMNS = "customer_name,service,code,date"


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], ledger_url: str) -> None:
    connect(
        {"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID, "brandname": DEMO_BRANDNAME, "ledger_url": ledger_url}
    )


def customer(number: int, name: str = "Chị Hương") -> dict[str, str]:
    return {"phone": f"0901{number:06d}", "customer_name": name, "service": "Gội", "code": "K", "date": "19/03/2025"}


def dag_of(make: Callable[[Any], Any], **settings: Any) -> Any:
    """The mapped task that `make` makes of what the task `rows` pushes."""
    with DAG("campaigns", schedule=None, start_date=pendulum.datetime(2024, 1, 1), **settings):

        @task
        def rows() -> list[Any]:
            return []

        return make(rows())


def sms_by_list(rows: Any) -> Any:
    return SendSmsOperator.partial(task_id="send", text="Don hang da giao").expand(phones=rows)


def sms_by_rows(rows: Any) -> Any:
    return SendSmsOperator.partial(task_id="send").expand_kwargs(rows)


def zns_by_rows(rows: Any) -> Any:
    return ZnsBulkOperator.partial(task_id="send", template_params=COLUMNS).expand(source=rows)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("make", "rows", "new"),
    [
        (sms_by_list, [f"090100000{n}" for n in range(3)], "0901000009"),
        (
            sms_by_rows,
            [{"phones": f"090100000{n}", "text": f"Don {n}"} for n in range(3)],
            {"phones": "0901000009", "text": "Don 9"},
        ),
        (zns_by_rows, [[customer(n)] for n in range(3)], [customer(9)]),
    ],
)
def test_row_inserted_in_front_sends_no_duplicate_after_clear(
    make: Callable[[Any], Any], rows: list[Any], new: Any, gateway: Emulator
) -> None:
    """The run is cleared after the list was shifted: only the new one is sent to."""
    mapped, runs = dag_of(make), Runs()
    runs.mapped(mapped, {"rows": rows}, 3)
    outcomes = runs.mapped(mapped, {"rows": [new, *rows]}, 4)
    assert gateway.deliveries_by_phone() == dict.fromkeys([*(f"090100000{n}" for n in range(3)), "0901000009"], 1)
    assert [one["sent_by_this_try"] for one in outcomes] == [1, 0, 0, 0]


def test_two_messages_to_one_recipient_require_a_message_key(gateway: Emulator) -> None:
    """Without one the second text is refused, in a line that says so; whichever stands first."""
    mapped = dag_of(sms_by_rows)
    rows = [{"phones": "0901000001", "text": f"Don {n} da giao"} for n in range(2)]
    first, second = Runs().mapped(mapped, {"rows": rows}, 2)
    assert first["accepted"] == 1
    assert isinstance(second, EsmsError)
    assert "message_key" in str(second)
    assert "\n" not in str(second)
    assert not second.retryable
    keyed = [{**row, "message_key": f"order-{n}"} for n, row in enumerate(rows)]
    for order in (keyed, keyed[::-1]):
        outcomes = Runs().mapped(mapped, {"rows": order}, 2)
        assert [one["accepted"] for one in outcomes] == [1, 1]
    assert gateway.deliveries_by_phone() == {"0901000001": 3}


HOSTILE = ["Xin chao {{ conn.esms_default.password }}", "50% {{ 7*7 }}", "{% khong dong"]


@pytest.mark.in_turn
@pytest.mark.parametrize("native", [False, True])
def test_texts_from_task_outputs_are_sent_without_rendering(gateway: Emulator, native: bool) -> None:
    """Of what a task pushed nothing is a template: not by `expand`, not by `expand_kwargs`."""
    settings = {"render_template_as_native_obj": native}
    to_one = SendSmsOperator.partial
    by_list = dag_of(
        lambda texts: to_one(task_id="send", phones="0901000001", run_key="a-{{ ti.map_index }}").expand(text=texts),
        **settings,
    )
    Runs().mapped(by_list, {"rows": HOSTILE}, 3)
    rows = [{"phones": f"090200000{n}", "text": text} for n, text in enumerate(HOSTILE)]
    Runs().mapped(dag_of(sms_by_rows, **settings), {"rows": rows}, 3)
    assert sorted(message.content for message in gateway.messages()) == sorted(HOSTILE * 2)


def test_expand_kwargs_arguments_from_task_outputs_are_not_rendered(gateway: Emulator) -> None:
    """Airflow itself would, with `expand_kwargs`: campaign, keys and rows too."""
    name = "{{ conn.esms_default.password }}"
    row = {"source": [customer(1, "Chi {{ 7*7 }}")], "campaign": name, "run_key": f"a {name}"}
    mapped = dag_of(lambda rows: ZnsBulkOperator.partial(task_id="send", template_params=COLUMNS).expand_kwargs(rows))
    [outcome] = Runs().mapped(mapped, {"rows": [row]}, 1)
    [message] = gateway.messages()
    assert outcome["run_key"] == f"a {name}"
    assert message.campaign.startswith(name)
    assert DEMO_SECRET_KEY not in json.dumps([outcome, message.campaign, message.content], default=str)


def test_templates_in_the_dag_file_are_rendered(gateway: Emulator) -> None:
    """In `partial`, in a literal list, in `default_args`."""
    mapped = dag_of(
        lambda _: SendSmsOperator.partial(task_id="send", text="Ngay {{ ds }}").expand(
            phones=["{{ '0901' }}000001", ["0901000002", "{{ '0901' }}000003"]]
        ),
        default_args={"run_key": "march-{{ ds }}"},
    )
    outcomes = Runs().mapped(mapped, {}, 2)
    assert [(one["accepted"], one["run_key"]) for one in outcomes] == [(1, "march-2024-05-15"), (2, "march-2024-05-15")]
    assert {message.content for message in gateway.messages()} == {"Ngay 2024-05-15"}


def test_argument_from_another_task_makes_it_upstream(gateway: Emulator) -> None:
    """Also where it is an argument that is never shown, in `partial` and as an argument."""
    with DAG("campaigns", schedule=None) as dag:

        @task
        def text() -> str:
            return "x"

        words = text()
        SendSmsOperator.partial(task_id="mapped", text=words).expand(phones=["0901000001"])
        SendSmsOperator(task_id="plain", phones="0901000001", text=words)
        DeliveryStatusSensor.partial(task_id="wait", ledger_url=words).expand(run_key=["a"])
        SentMessagesToWarehouseOperator(task_id="load", warehouse=words)
    assert dag.get_task("text").downstream_task_ids == {"mapped", "plain", "wait", "load"}


PASSWORD = "S3cr3tPassw0rd"
URL = f"postgresql://u:{PASSWORD}@h/db"
CALLBACK = f"https://shop.vn/{PASSWORD}"


def secretive_dag() -> DAG:
    with DAG("secretive", schedule=None) as dag:

        @task
        def rows() -> list[Any]:
            return []

        people = [customer(5, "Kim Chi")]
        SendSmsOperator.partial(task_id="m1", phones="0901000001", ledger_url=URL, callback_url=CALLBACK).expand(
            text=rows()
        )
        SendSmsOperator.partial(task_id="m2", text="Noi dung rieng").expand(phones=["0901000002", ["0901000003"]])
        SendSmsOperator.partial(task_id="m3").expand_kwargs([{"phones": "0901000004", "text": "Noi dung rieng"}])
        SendSmsOperator(
            task_id="p1", phones=["0901000005"], text="Noi dung rieng", ledger_url=URL, callback_url=CALLBACK
        )
        ZnsBulkOperator.partial(task_id="z1", source=people, template_params=["a"]).expand(run_key=["a", "b"])
        ZnsBulkOperator.partial(task_id="z2", template_params=["a"]).expand(source=[people, people])
        ZnsBulkOperator(
            task_id="z3",
            template_params=["a"],
            source=people,
            on_failure_callback=EsmsNotifier(phones="0901000009", text="Noi dung rieng"),
        )
        DeliveryStatusSensor.partial(task_id="s1", ledger_url=URL).expand(run_key=["a", "b"])
        SentMessagesToWarehouseOperator.partial(task_id="w1", warehouse=URL, secret=PASSWORD).expand(
            start=["-2d", "-1d"]
        )
        SentMessagesReportOperator.partial(task_id="r1", warehouse=URL).expand(targets=["a.html", "b.html"])
    return dag


def test_serialized_dag_contains_no_password_phone_or_text() -> None:
    """Of plain and of mapped tasks; and the scheduler still knows how many there are."""
    stored = DagSerialization.to_dict(secretive_dag())
    words = json.dumps(stored, ensure_ascii=False)
    assert [one for one in (PASSWORD, "09010000", "Noi dung rieng", "Kim Chi") if one in words] == []
    again = DagSerialization.from_dict(stored)
    assert {
        name: len(next(iter(again.get_task(name).expand_input.value.values()))) for name in ("m2", "z2", "s1")
    } == dict.fromkeys(("m2", "z2", "s1"), 2)
    # The same file parsed twice is the same version of the DAG.
    assert json.dumps(DagSerialization.to_dict(secretive_dag()), sort_keys=True) == json.dumps(stored, sort_keys=True)


@pytest.mark.parametrize("name", ["ledger_url", "text", "callback_url"])
@pytest.mark.parametrize("mapped", [False, True])
def test_secret_in_default_args_is_rejected_at_parse_time(name: str, mapped: bool) -> None:
    """Airflow stores those of the DAG as they are, whatever the task makes of them; a template may stand there."""

    def parse(value: str) -> DAG:
        with DAG("campaigns", schedule=None, default_args={name: value}) as dag:
            given = {} if name == "text" else {"text": "x"}
            if mapped:
                SendSmsOperator.partial(task_id="send", **given).expand(phones=["0901000001"])
            else:
                SendSmsOperator(task_id="send", phones="0901000001", **given)
        return dag

    with pytest.raises(EsmsError, match=f"default_args has {name}") as error:
        parse(URL)
    assert PASSWORD not in str(error.value)
    assert parse("{{ var.value.one }}").task_ids == ["send"]


def test_tasks_can_be_copied() -> None:
    """As Airflow does for partial subsets and for each run under `dag.test()`."""
    for one in secretive_dag().tasks:
        assert copy.deepcopy(one).task_id == one.task_id


def test_partial_operator_repr_contains_no_secrets(gateway: Emulator) -> None:
    """What a partial or an argument is called in an error or a log."""
    partial = SendSmsOperator.partial(task_id="a", phones="0901000001", text="Noi dung rieng", ledger_url=URL)
    words = repr(partial)
    partial.expand(run_key=["a"])
    assert [one for one in (PASSWORD, "0901000001", "Noi dung rieng") if one in words] == []


def test_invalid_mapped_data_fails_without_retry(gateway: Emulator) -> None:
    """Airflow makes the operator of such data, and would try again and show what it was given."""
    send = dag_of(lambda rows: SendSmsOperator.partial(task_id="send", text="a").expand_kwargs(rows))
    rows = [{"phones": []}, {"phone": "0901000001", "phones": "0901000001"}, {"phones": "0901000001", "sms_type": "no"}]
    outcomes = Runs().mapped(send, {"rows": rows}, 3)
    assert [type(one) for one in outcomes] == [AirflowFailException] * 3
    assert [str(one).split(",")[0].split(":")[0] for one in outcomes] == [
        "phones is empty",
        "SendSmsOperator has no argument phone.",
        "sms_type is customer_care or advertising",
    ]
