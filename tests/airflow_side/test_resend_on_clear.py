"""`resend_on_clear`: a second message is what somebody asked for by "Clear", and nothing else brings one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from task_runs import Runs
from to_one import KINDS, PHONE, of_a_campaign, of_one_sms

from esms_connectors.emulator import Emulator


@pytest.fixture(params=KINDS)
def send(
    request: pytest.FixtureRequest, connect: Callable[..., None], runs: Runs, ledger_url: str
) -> Callable[[], Any]:
    """Runs a fresh operator, as each try does."""
    connect({"ledger_url": ledger_url})
    return lambda: runs(request.param(resend_on_clear=True, retries=2))


def test_try_that_died_after_sending_is_retried_without_resending(
    send: Callable[[], Any], runs: Runs, gateway: Emulator
) -> None:
    """Its result could not be stored, or its worker was killed: Airflow tries again, and everybody was told."""
    runs.ends = False
    for _ in range(2):
        send()
    runs.ends = True
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 1}
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 2}


def test_clearing_a_failed_task_resumes_without_resending(
    send: Callable[[], Any], runs: Runs, gateway: Emulator
) -> None:
    """Cleared after a failure it continues, and has nothing left to send."""
    runs.ends = False
    send()
    runs.instance.max_tries = runs.instance.try_number + 1
    runs.ends = True
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_retry_of_a_task_presumed_dead_does_not_resend(send: Callable[[], Any], runs: Runs, gateway: Emulator) -> None:
    """It left its mark, and Airflow had begun another try: as many tries as before, so nobody cleared anything."""
    send()
    runs._succeeded = False
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_success_callbacks_of_the_dag_are_still_called(
    connect: Callable[..., None], runs: Runs, ledger_url: str
) -> None:
    """Callbacks of the DAG stay, one or several."""
    connect({"ledger_url": ledger_url})
    told: list[str] = []
    runs(of_one_sms(resend_on_clear=True, on_success_callback=lambda context: told.append("one")))
    runs(of_one_sms(resend_on_clear=True, on_success_callback=[lambda context: told.append("of several")]))
    assert told == ["one", "of several"]


def test_cleared_campaign_with_fallback_resends_from_its_first_step(
    connect: Callable[..., None], ledger_url: str, gateway: Emulator, runs: Runs
) -> None:
    """What it sends after a clear is no step of what it sent before."""
    connect({"ledger_url": ledger_url})

    def try_it() -> Any:
        fallback = [{"channel": "sms", "text": "Xin chao", "after": "15m"}]
        return runs(of_a_campaign(fallback=fallback, deferrable=True, resend_on_clear=True))

    for sent in (1, 3):
        with pytest.raises(TaskDeferred):
            try_it()
        assert gateway.message_count == sent
        gateway.set_status(list(gateway.messages())[-1].message_id, 5, 0)
        gateway.advance(minutes=16)
        assert [step["accepted"] for step in try_it()["steps"]] == [1, 1]
    assert gateway.message_count == 4
