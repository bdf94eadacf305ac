"""A try that finds another ledger than the try before, or an empty one, sends nothing; nor does a renamed task."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import airflow.sdk
import pytest
from airflow.sdk import DAG
from task_runs import Runs
from to_one import KINDS, PHONE, of_a_campaign, of_one_sms

from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import EsmsError


@pytest.mark.parametrize("made", KINDS)
def test_retry_with_a_different_ledger_is_rejected(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path, made: Callable[..., Any]
) -> None:
    """On another worker, in another container: the next day not even the gateway knows the message."""
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    runs(made())
    gateway.advance(minutes=24 * 60)
    connect({"ledger_url": f"sqlite:///{tmp_path}/two.sqlite"})
    for _ in range(2):
        with pytest.raises(EsmsError, match=r"does not have: it is another ledger, or it was lost") as error:
            runs(made())
        assert not error.value.retryable
    assert gateway.deliveries_by_phone() == {PHONE: 1}
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    runs(made())
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_retry_may_change_a_ledger_that_was_not_yet_used(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path
) -> None:
    """Nothing can have been sent."""
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    with pytest.raises(EsmsError, match="budget"):
        runs(of_a_campaign(max_cost_vnd=1))
    connect({"ledger_url": f"sqlite:///{tmp_path}/two.sqlite"})
    runs(of_a_campaign())
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_run_key_is_written_once_to_the_task_state(connect: Callable[..., None], runs: Runs, ledger_url: str) -> None:
    """Not at each try: a write takes a call to the API server."""
    connect({"ledger_url": ledger_url})
    for _ in range(2):
        runs(of_one_sms(run_key="march"))
    assert runs.store is not None
    assert (runs.store.writes, runs.store.get("esms_runs")) == (1, ["march"])


@pytest.mark.parametrize("made", KINDS)
def test_task_sends_on_an_airflow_without_task_state(
    connect: Callable[..., None],
    runs: Runs,
    gateway: Emulator,
    ledger_url: str,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[..., Any],
) -> None:
    """Before 3.3 there is neither the store nor what belongs to it."""
    names = vars(airflow.sdk)
    for place in (names, names["__lazy_imports"]):
        monkeypatch.delitem(place, "NEVER_EXPIRE", raising=False)
    connect({"ledger_url": ledger_url})
    runs.store = None
    runs(made())
    assert gateway.deliveries_by_phone() == {PHONE: 1}


@pytest.mark.parametrize("made", KINDS)
def test_renamed_task_is_rejected_until_a_run_key_is_given(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, ledger_url: str, made: Callable[..., Any]
) -> None:
    """Its run was cleared: those who have the message get no second one, before somebody says that it is another."""
    connect({"ledger_url": ledger_url})

    def try_it(task_id: str, **more: Any) -> None:
        with DAG("campaigns", schedule=None):
            operator = made(task_id=task_id, **more)
        Runs(instance=replace(runs.instance, task_id=task_id))(operator)

    try_it("send")
    with pytest.raises(EsmsError, match=r"may be run 'airflow/campaigns/.*/send'") as error:
        try_it("group.send")
    assert not error.value.retryable
    assert gateway.deliveries_by_phone() == {PHONE: 1}
    try_it("group.send", run_key="airflow/campaigns/{{ ti.run_id }}/send")
    assert gateway.deliveries_by_phone() == {PHONE: 1}
    try_it("group.send", run_key="another")
    assert gateway.deliveries_by_phone() == {PHONE: 2}


@pytest.mark.parametrize(("state", "again"), [("success", True), ("removed", False)])
def test_second_task_sends_unless_the_first_was_removed_from_the_run(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, ledger_url: str, state: str, again: bool
) -> None:
    """As `get_parsing_context` allows: Airflow knows which tasks the run has."""
    connect({"ledger_url": ledger_url})
    for task_id in ("first", "second"):
        with DAG("campaigns", schedule=None):
            operator = of_one_sms(task_id=task_id)
        instance = replace(runs.instance, task_id=task_id)
        instance.get_task_states = lambda dag_id, task_ids, run_ids: {run_ids[0]: {task_ids[0]: state}}
        with nullcontext() if again or task_id == "first" else pytest.raises(EsmsError, match="renamed"):
            Runs(instance=instance)(operator)
    assert gateway.deliveries_by_phone() == {PHONE: 1 + again}


def test_task_added_beside_the_original_sends_its_own_messages(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, ledger_url: str
) -> None:
    """It is another message to the same people; and a task that sent nothing may be renamed."""
    connect({"ledger_url": ledger_url})
    gateway.faults.add("send_customer_care_sms", code(104), next_calls=1)
    for tasks in (["first"], ["send"], ["send", "beside"]):
        with DAG("campaigns", schedule=None):
            made = [of_a_campaign(task_id=one) for one in tasks]
        with suppress(EsmsError):
            Runs(instance=replace(runs.instance, task_id=tasks[-1]))(made[-1])
    assert gateway.deliveries_by_phone() == {PHONE: 2}
