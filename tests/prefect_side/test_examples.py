"""The examples, run as they stand against the emulator."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import phone_of
from prefect.automations import Automation
from prefect.client.orchestration import get_client

from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.prefect import EsmsWarehouse, daily_sent_messages_export, zns_campaign

EXAMPLES = Path(__file__).parents[2] / "flows_examples"


@pytest.fixture(autouse=True)
def _saved_blocks(prefect_server: str, server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import blocks

    blocks.save_blocks(server.base_url, tmp_path)


def test_failure_alert(gateway: Emulator) -> None:
    """One failing run, one SMS."""
    command = [sys.executable, str(EXAMPLES / "failure_alert.py")]
    subprocess.run(command, capture_output=True, timeout=90, check=True)
    (message,) = gateway.messages()
    assert message.content.startswith("Prefect: ")
    assert message.content.endswith(": Failed, attempt 1")


def test_the_campaign_of_the_nightly_example(gateway: Emulator, customers: Callable[[int], Path]) -> None:
    """The same that its deployment gets, without the person."""
    from nightly_campaign import campaign_for

    assert zns_campaign(campaign_for(str(customers(20))))["accepted"] == 20
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(20)}


def test_the_export_of_the_daily_example() -> None:
    """With the blocks of the examples."""
    assert daily_sent_messages_export(follow_up_days=14, sms_types=[2])["windows"] == 1
    with EsmsWarehouse.load("default").open() as warehouse:
        assert len(list(warehouse.loads())) == 1


def test_the_automations_can_be_created() -> None:
    """And read back."""
    from automation_on_event import by_deployment, create_automations

    made = create_automations()
    try:
        assert [Automation.read(id=one.id).name for one in made] == [one.name for one in made]
        assert by_deployment("00000000-0000-0000-0000-000000000000").parameters
    finally:
        for one in made:
            one.delete()


def test_prefect_yaml_deploys(tmp_path: Path) -> None:
    """All of its deployments, with their schedules in Vietnamese time."""
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    subprocess.run([*prefect, "work-pool", "create", "esms", "--type", "process"], capture_output=True, check=True)
    done = subprocess.run(
        [*prefect, "deploy", "--all", "--prefect-file", str(EXAMPLES / "prefect.yaml")],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=EXAMPLES.parent,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    time.sleep(0.2)
    with get_client(sync_client=True) as api:
        found = {one.name: one for one in api.read_deployments() if one.work_pool_name == "esms"}
    assert set(found) == {"morning", "evening", "alarm"}
    assert found["morning"].schedules[0].schedule.timezone == "Asia/Ho_Chi_Minh"
