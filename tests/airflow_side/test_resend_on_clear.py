"""`resend_on_clear`: a second message is what somebody asked for by "Clear", and nothing else brings one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from task_runs import Runs

from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.operators import SendSmsOperator, SmsBulkOperator
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator

PHONE = "0901888484"
SMS = {"phone": PHONE, "content": "Xin chao", "brandname": DEMO_BRANDNAME}


def of_one_sms(**more: Any) -> SendSmsOperator:
    return SendSmsOperator(task_id="send", phones=PHONE, text="Xin chao", brandname=DEMO_BRANDNAME, **more)


def of_a_campaign(**more: Any) -> SmsBulkOperator:
    source = [{"phone": PHONE}]
    return SmsBulkOperator(task_id="send", source=source, text="Xin chao", brandname=DEMO_BRANDNAME, **more)


def of_a_call(**more: Any) -> EsmsOperator:
    return EsmsOperator(task_id="send", operation="send_customer_care_sms", arguments=SMS, **more)


def of_a_ladder(**more: Any) -> AlertLadderOperator:
    # The last of a ladder is waited for by nobody.
    return AlertLadderOperator(task_id="send", phones=[PHONE], text="Xin chao", brandname=DEMO_BRANDNAME, **more)


@pytest.fixture(params=[of_one_sms, of_a_campaign, of_a_call, of_a_ladder])
def send(
    request: pytest.FixtureRequest, connect: Callable[..., None], runs: Runs, ledger_url: str
) -> Callable[[], Any]:
    """Runs a fresh operator, as each try does."""
    connect({"ledger_url": ledger_url})
    return lambda: runs(request.param(resend_on_clear=True, retries=2))


def test_a_try_that_dies_behind_its_last_message_is_no_cleared_task(
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


def test_a_task_that_failed_behind_its_last_message_goes_on_when_it_is_cleared(
    send: Callable[[], Any], runs: Runs, gateway: Emulator
) -> None:
    """Cleared after a failure it continues, and has nothing left to send."""
    runs.ends = False
    send()
    runs.instance.max_tries = runs.instance.try_number + 1
    runs.ends = True
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_a_try_that_was_taken_for_dead_is_no_cleared_task(
    send: Callable[[], Any], runs: Runs, gateway: Emulator
) -> None:
    """It left its mark, and Airflow had begun another try: as many tries as before, so nobody cleared anything."""
    send()
    runs._succeeded = False
    send()
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_what_the_task_was_given_to_call_is_called_too(
    connect: Callable[..., None], runs: Runs, ledger_url: str
) -> None:
    """Callbacks of the DAG stay, one or several."""
    connect({"ledger_url": ledger_url})
    told: list[str] = []
    runs(of_one_sms(resend_on_clear=True, on_success_callback=lambda context: told.append("one")))
    runs(of_one_sms(resend_on_clear=True, on_success_callback=[lambda context: told.append("of several")]))
    assert told == ["one", "of several"]
