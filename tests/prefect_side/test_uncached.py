"""Prefect's cache never answers for a message that was not sent or a window that was not loaded."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest
from conftest import name_of, phone_of
from prefect import Task, flow
from prefect.cache_policies import DEFAULT, INPUTS, NO_CACHE
from prefect.task_worker import TaskWorker

import esms_connectors.prefect as collection
from esms_connectors import InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, gateway_task, plan_zns_bulk, send_sms

TASKS = [one for name in collection.__all__ if isinstance(one := getattr(collection, name), Task)]
# A plan sends nothing, and what it counted is checked again by what sends.
PLANS = {plan_zns_bulk.name}


@pytest.mark.parametrize("one", [*TASKS, gateway_task("send_viber")], ids=lambda one: one.fn.__name__)
def test_caching_across_runs_is_rejected_for_all_tasks_except_plans(one: Task[..., Any]) -> None:
    """Also on a task that has other options already; what only stores its result is accepted."""
    stored = one.with_options(retries=2, persist_result=True, result_storage_key=None).with_options(
        cache_policy=NO_CACHE, refresh_cache=True
    )
    assert (stored.retries, stored.persist_result) == (2, True)
    across_runs: list[dict[str, Any]] = [
        {"cache_policy": INPUTS},
        {"cache_policy": DEFAULT},
        {"cache_key_fn": str},
        {"result_storage_key": "x"},
    ]
    for options in across_runs:
        refusal = rf"^{one.name} takes no {next(iter(options))}: .*Leave it out"
        for made in (one, stored):
            with nullcontext() if one.name in PLANS else pytest.raises(InvalidRequestError, match=refusal):
                made.with_options(**options)


def test_read_operation_may_be_cached_but_a_send_may_not() -> None:
    """Which needs the name of the operation."""
    assert gateway_task("get_balance", cache_policy=INPUTS).cache_policy is INPUTS
    with pytest.raises(InvalidRequestError, match="send-viber takes no cache_policy"):
        gateway_task("send_viber", cache_policy=INPUTS)


def test_task_worker_accepts_every_sending_task(prefect_server: str) -> None:
    """It sets a cache policy to store results; what is asked for again is not taken for the first."""

    async def policies() -> dict[str, Any]:
        return {one.name: one.cache_policy for one in TaskWorker(*TASKS).tasks}

    served = asyncio.run(policies())
    assert served.keys() == {one.name for one in TASKS}
    assert {name for name, policy in served.items() if policy is DEFAULT} <= PLANS


@pytest.mark.in_turn
def test_delayed_task_within_a_flow_is_rejected(
    gateway: Emulator, credentials: EsmsCredentials, ledger_block: EsmsLedger
) -> None:
    """In one line; Prefect says that a dict cannot be serialized. What is submitted is one message in both tries."""
    blocks = {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}
    tries = list[str]()

    @flow(retries=1, retry_delay_seconds=0)
    def told() -> None:
        send_sms.with_options(persist_result=True).submit(phone_of(1), "x", **blocks).result()
        for delayed in (send_sms.delay, send_sms.with_options(retries=1).delay):
            with pytest.raises(InvalidRequestError, match=r"In a flow use .submit\(\)"):
                delayed(phone_of(2), "x", **blocks)
        tries.append("done")
        if len(tries) < 2:
            raise RuntimeError("behind the send")

    told()
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}
