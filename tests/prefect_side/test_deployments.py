"""What a server does by itself: schedules, automations, runs that were suspended. Served by a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pendulum
import pytest
from conftest import demo_credentials, name_of, phone_of
from deployed_runs import approve, completed, deployment_id, state_of, stop, wait_for
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.states import Scheduled

from esms_connectors.emulator import (
    DEMO_TEMPLATE_ID,
    Emulator,
)
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, EsmsNotification, EsmsWarehouse, ZnsCampaign

pytestmark = pytest.mark.in_turn(on=1)

PHONE = "0901234567"


@dataclass
class Served:
    """A served set of deployments, its gateway, and the blocks they use."""

    gateway: Emulator
    credentials: EsmsCredentials
    notification: EsmsNotification
    warehouse: EsmsWarehouse
    folder: Path

    def told_by(self, runs: list[FlowRun]) -> str:
        """How they ended, and the last words of the process that runs them."""
        states = [(run.state.name, run.state.message) for run in runs if run.state]
        return f"{states}\n{(self.folder / 'serve.log').read_text()[-3000:]}"


@pytest.fixture(scope="module")
def served(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    gateway = Emulator()
    yesterday = pendulum.yesterday("Asia/Ho_Chi_Minh")
    gateway.populate(50, start=yesterday, end=yesterday.add(days=1))
    with gateway.serve() as server:
        credentials = demo_credentials(server.base_url)
        notification = EsmsNotification(credentials=credentials, phones=PHONE, text="{body}")
        warehouse = EsmsWarehouse(url=f"duckdb:///{folder / 'rows.duckdb'}")
        for block in (credentials, notification, warehouse):
            block.save(f"served-{uuid.uuid4().hex[:8]}")
        blocks = {
            "credentials": name_of(credentials),
            "notification": name_of(notification),
            "warehouse": name_of(warehouse),
        }
        child = Path(__file__).with_name("serving_child.py")
        with (folder / "serve.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(child), json.dumps(blocks)], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield Served(gateway, credentials, notification, warehouse, folder)
        finally:
            stop(process)


def runs_of(name: str) -> list[FlowRun]:
    deployment = deployment_id(name)
    with get_client(sync_client=True) as api:
        return [run for run in api.read_flow_runs() if run.deployment_id == deployment]


def ended_runs(name: str) -> list[FlowRun]:
    return [run for run in runs_of(name) if run.state and run.state.is_final()]


def trigger_on(event: str) -> EventTrigger:
    return EventTrigger(expect={event}, posture=Posture.Reactive, threshold=1, within=0)


def messages_with(gateway: Emulator, words: str) -> list[str]:
    return [message.content for message in gateway.messages() if words in message.content]


def test_automation_sends_one_sms_per_event(served: Served) -> None:
    """The server loads the block by itself; the form that is usual elsewhere sends four."""
    event = f"test.failed.{uuid.uuid4().hex[:6]}"
    action = SendNotification(
        block_document_id=served.notification._block_document_id,
        subject="Prefect",
        body="Block: {{ event.resource.id }}",
    )
    Automation(name=event, trigger=trigger_on(event), actions=[action]).create()
    time.sleep(1)  # the trigger service hears of it
    for number in (1, 2):
        emit_event(event, resource={"prefect.resource.id": f"test.thing.{number}"})
    wait_for(lambda: len(messages_with(served.gateway, "Block:")) >= 2)
    time.sleep(3)  # a repetition would follow within a second or two
    assert sorted(messages_with(served.gateway, "Block:")) == ["Block: test.thing.1", "Block: test.thing.2"]


def test_automation_runs_the_notify_deployment_once_per_event(served: Served) -> None:
    """`notify-by-sms` runs where the package is; one event, one message."""
    event = f"test.failed.{uuid.uuid4().hex[:6]}"
    action = RunDeployment(
        source="selected",
        deployment_id=deployment_id("notify-by-sms/bell"),
        parameters={
            "body": {"__prefect_kind": "jinja", "template": "Flow: {{ event.resource.id }}"},
            "notification": name_of(served.notification),
        },
    )
    Automation(name=event, trigger=trigger_on(event), actions=[action]).create()
    time.sleep(1)
    emit_event(event, resource={"prefect.resource.id": "test.thing.3"})
    ended = wait_for(lambda: ended_runs("notify-by-sms/bell"), 90)
    assert messages_with(served.gateway, "Flow:") == ["Flow: test.thing.3"], served.told_by(ended)


def test_scheduled_export_deployment_runs_and_creates_the_warehouse(served: Served) -> None:
    """Nobody asked for it, and yesterday's rows are in the warehouse."""

    def finished() -> list[FlowRun]:
        return [
            run
            for run in runs_of("daily-sent-messages-export/nightly")
            if run.auto_scheduled and run.state and run.state.is_final()
        ]

    run = wait_for(finished, 90)[0]
    assert run.state.is_completed(), run.state.message
    assert (served.folder / "rows.duckdb").exists()


def test_suspended_run_resumes_after_approval_and_sends_each_row_once(
    served: Served, customers: Callable[[int], Path], tmp_path: Path
) -> None:
    """The process ends while a person thinks; another one sends, to everybody once."""
    ledger = EsmsLedger(url=f"sqlite:///{tmp_path / 'ledger.sqlite'}", lease_seconds=2)
    ledger.save(f"suspended-{uuid.uuid4().hex[:8]}")
    campaign = ZnsCampaign(
        run_key=f"suspended-{uuid.uuid4().hex[:6]}",
        source=str(customers(700)),
        template_id=DEMO_TEMPLATE_ID,
        params=["customer_name", "service", "code", "date"],
        credentials=name_of(served.credentials),
        ledger=name_of(ledger),
    )
    deployment_id("zns-campaign/campaign")
    run = run_deployment(
        "zns-campaign/campaign",
        parameters={"campaign": campaign.model_dump(mode="json"), "approval": "suspend"},
        timeout=0,
    )

    approve(run, lambda: served.told_by([]))
    completed(run, lambda: served.told_by([]))
    delivered = served.gateway.deliveries_by_phone()
    assert [delivered[phone_of(number)] for number in range(700)] == [1] * 700


def test_run_outside_of_sending_hours_is_rescheduled_and_then_sends(
    served: Served, customers: Callable[[int], Path], tmp_path: Path
) -> None:
    """It ends in AwaitingHours, scheduled for the opening, and holds no process; then another one sends."""
    now = pendulum.now("Asia/Ho_Chi_Minh")
    hour = 20 if now.hour < 12 else 2
    opening = now.at(hour).add(days=int(now.hour >= 12))
    ledger = EsmsLedger(url=f"sqlite:///{tmp_path / 'ledger.sqlite'}", lease_seconds=2)
    ledger.save(f"hours-{uuid.uuid4().hex[:8]}")
    campaign = ZnsCampaign(
        run_key=f"hours-{uuid.uuid4().hex[:6]}",
        source=str(customers(40)),
        template_id=DEMO_TEMPLATE_ID,
        params=["customer_name", "service", "code", "date"],
        credentials=name_of(served.credentials),
        ledger=name_of(ledger),
        hours="defer",
        guard={"transaction_open": f"{hour:02d}:00-{hour + 1:02d}:00"},
    )
    before = served.gateway.deliveries_by_phone()
    deployment_id("zns-campaign/campaign")
    parameters = {"campaign": campaign.model_dump(mode="json")}
    run = run_deployment("zns-campaign/campaign", parameters=parameters, timeout=0)
    wait_for(lambda: state_of(run).name == "AwaitingHours" or state_of(run).is_final())
    state = state_of(run)
    assert (state.name, state.is_scheduled()) == ("AwaitingHours", True), f"{state.message}\n{served.told_by([])}"
    assert state.state_details.scheduled_time == opening
    assert served.gateway.deliveries_by_phone() == before
    # Half an hour later by the gateway, and the server starts what is due.
    served.gateway.quirks.date_offset_seconds = (opening.add(minutes=30) - now).total_seconds()
    try:
        with get_client(sync_client=True) as api:
            api.set_flow_run_state(run.id, Scheduled(name="AwaitingHours"), force=True)
        completed(run, lambda: served.told_by([]))
    finally:
        served.gateway.quirks.date_offset_seconds = 0.0
    delivered = served.gateway.deliveries_by_phone()
    assert [delivered[phone_of(number)] - before.get(phone_of(number), 0) for number in range(40)] == [1] * 40
