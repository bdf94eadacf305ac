"""`fallback` of the operators: deferred until somebody is due, one step after the other, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from task_runs import Runs

from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.triggers import LookAgainTrigger
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import InvalidRequestError

VALUES = {"customer_name": "Lan", "service": "Goi dau", "code": "M1", "date": "15/05/2024"}
ROWS = [{"phone": f"090100000{number}", **VALUES} for number in range(3)]
SMS = {"channel": "sms", "text": "Chao {customer_name}", "after": "15m"}


@pytest.fixture
def task(connect: Callable[..., None], ledger_url: str) -> Callable[..., Any]:
    """Makes the operator anew, as another process does."""
    connect({"brandname": DEMO_BRANDNAME, "oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID})

    def make(**more: Any) -> Any:
        given = {"source": ROWS, "template_params": list(VALUES), "ledger_url": ledger_url, "deferrable": True}
        return ZnsBulkOperator(task_id="send", **{**given, "fallback": [SMS], **more})

    return make


def test_who_is_not_delivered_to_gets_the_sms_once(task: Callable[..., Any], gateway: Emulator, runs: Runs) -> None:
    """Deferred while nobody is due; behind the deadline the fallback; the result has the chain, nobody's number."""
    with pytest.raises(TaskDeferred) as defer:
        runs(task())
    path, kwargs = defer.value.trigger.serialize()
    assert path.endswith(LookAgainTrigger.__name__)
    assert LookAgainTrigger(**kwargs).moment == kwargs["moment"]
    first = [message.message_id for message in gateway.messages()]
    for message_id in first[1:]:
        gateway.set_status(message_id, 7, 2)
    gateway.advance(minutes=16)
    operator = task()
    operator.render_template_fields(runs.context())
    told = operator.execute_again(runs.context(), {"moment": ""})
    assert [step["accepted"] for step in told["steps"]] == [3, 2]
    assert told["steps"][1]["reasons"] == {"not delivered within 15 minutes": 2}
    assert (told["people"]["delivered"], told["people"]["sent"]) == (1, 2)
    assert "0901000" not in str(told)
    assert sorted(gateway.deliveries_by_phone().values()) == [1, 2, 2]
    # Another try of a task that is done.
    assert runs(task())["steps"][1]["accepted"] == 2
    assert gateway.message_count == 5


def test_a_ladder_tells_one_after_the_other_until_one_is_delivered(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """In their order; whose message fails is not waited for; another try tells nobody."""
    connect({"brandname": DEMO_BRANDNAME})
    told = 0

    def report(call: Any) -> None:
        nonlocal told
        for message in list(gateway.messages())[told:]:
            told += 1
            gateway.set_status(message.message_id, 5, int(told == 2))

    gateway.on_call("get_balance", report)
    for _ in range(2):
        task = AlertLadderOperator(
            task_id="alert", phones=["0901 000 001", "0901000002", "0901000003"], text="Het cho", ledger_url=ledger_url
        )
        steps = runs(task)["steps"]
        assert [step["accepted"] for step in steps] == [1, 1, 0]
    assert [message.phone for message in gateway.messages()] == ["0901000001", "0901000002"]


def test_a_fallback_that_is_none_is_told_when_the_dag_is_parsed(task: Callable[..., Any]) -> None:
    """By the name of its channel."""
    with pytest.raises(InvalidRequestError, match="channel of a fallback"):
        task(fallback=[{"channel": "fax", "after": "15m"}])


def test_the_texts_of_a_fallback_are_shown_nowhere(task: Callable[..., Any]) -> None:
    """As the text of an SMS is not."""
    operator = task()
    assert "fallback" not in type(operator).template_fields
    assert "Chao" not in repr(operator)
