"""A wait behind senders whose messages were accepted for nobody: there is nothing to wait for, so it is skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG
from task_runs import Runs
from to_one import of_a_campaign

from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import InvalidRequestError


@pytest.fixture
def waiting(connect: Callable[..., None], ledger_url: str, runs: Runs) -> Callable[..., DeliveryStatusSensor]:
    """The wait behind a campaign that ran."""
    connect({"ledger_url": ledger_url})

    def wait(**of_the_campaign: Any) -> DeliveryStatusSensor:
        with DAG("campaigns", schedule=None):
            sender = of_a_campaign(at_least=None, **of_the_campaign)
            sensor = DeliveryStatusSensor(task_id="wait", sent=sender.output, poke_interval=60, timeout=120)
        sensor.sent = runs(sender)
        return sensor

    return wait


def test_wait_without_accepted_messages_is_skipped(
    waiting: Callable[..., DeliveryStatusSensor], gateway: Emulator, runs: Runs
) -> None:
    """Beside a task that sent to somebody it is not."""
    gateway.faults.add("send_customer_care_sms", code("146"), every=1)
    sensor = waiting()
    with pytest.raises(AirflowSkipException, match="there is nothing to wait for"):
        runs(sensor)
    gateway.faults.clear()
    sent = waiting(run_key="another").sent
    gateway.advance(60)
    sensor.sent = [sensor.sent, sent]
    assert runs(sensor)["delivered"] == 1


def test_run_key_without_messages_is_rejected(
    waiting: Callable[..., DeliveryStatusSensor], gateway: Emulator, runs: Runs
) -> None:
    """It may be a wrong one."""
    gateway.faults.add("send_customer_care_sms", code("146"), every=1)
    run_key = waiting().sent["run_key"]
    with pytest.raises(InvalidRequestError, match="there is nothing to wait for"):
        runs(DeliveryStatusSensor(task_id="other", run_key=run_key, poke_interval=60, timeout=120))
