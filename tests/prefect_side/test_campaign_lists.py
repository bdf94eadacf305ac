"""What a campaign makes of its list: rows that conflict, that cannot be sent, none at all, and lists in a store."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
import requests
from conftest import everybody_once
from deployed_runs import wait_for
from fsspec.implementations.memory import MemoryFileSystem
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.flow_engine import run_flow
from prefect.settings import get_current_settings
from prefect.states import Scheduled

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.prefect import ZnsCampaign, zns_campaign

NOBODY = "12,Nobody,Cắt tóc,M,15/05/2024\n"


@pytest.mark.in_turn
def test_changed_rows_are_skipped_on_request_and_listed_as_rejects(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path], tmp_path: Path
) -> None:
    """Those who got another content keep what they got; the new ones get theirs."""
    zns_campaign(make_campaign(2, run_key="changed"))
    path = customers(5)
    path.write_text(path.read_text(encoding="utf-8").replace("Khách 1,", "Chị Lan,"), encoding="utf-8")
    rejects = tmp_path / "rejects.csv"
    result = zns_campaign(make_campaign(0, run_key="changed", source=str(path), conflicts="skip", rejects=str(rejects)))
    assert (result["accepted"], result["sent_by_this_try"], result["recipients"]) == (4, 3, 4)
    everybody_once(gateway, 5)
    listed = rejects.read_text(encoding="utf-8-sig").splitlines()
    assert len(listed) == 2
    assert "Chị Lan" in listed[1]


@pytest.mark.in_turn
def test_invalid_rows_count_against_at_least(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """A share of all rows: one of ten cannot be sent, so 0.95 is out of reach, and nobody is sent to."""
    path = customers(9)
    path.write_text(path.read_text(encoding="utf-8") + NOBODY, encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="1 of 10 rows cannot be sent") as error:
        zns_campaign(make_campaign(0, source=str(path), at_least=0.95))
    assert (error.value.field, gateway.message_count) == ("at_least", 0)
    assert zns_campaign(make_campaign(0, source=str(path), at_least=0.9))["accepted"] == 9


@pytest.fixture
def store() -> Iterator[dict[str, Any]]:
    """What is in an object store that fsspec knows."""
    MemoryFileSystem.store.clear()
    yield MemoryFileSystem.store
    MemoryFileSystem.store.clear()


@pytest.mark.in_turn
def test_source_and_rejects_may_be_in_an_object_store(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    customers: Callable[[int], Path],
    store: dict[str, Any],
) -> None:
    """As on a disk: the rows that can be sent are, the others are listed there."""
    text = customers(3).read_text(encoding="utf-8") + NOBODY
    fsspec.filesystem("memory").pipe_file("/lists/customers.csv", text.encode())
    campaign = make_campaign(
        0, source="memory://lists/customers.csv", rejects="memory://lists/rejects.csv", at_least=0.5
    )
    assert zns_campaign(campaign)["accepted"] == 3
    everybody_once(gateway, 3)
    assert sorted(store) == ["/lists/customers.csv", "/lists/rejects.csv"]
    assert NOBODY.strip() in store["/lists/rejects.csv"].getvalue().decode("utf-8-sig")


@pytest.mark.in_turn
def test_on_empty_skip_completes_without_asking_for_approval(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """A list without rows may be right by hand, too; nobody is asked to approve it."""
    campaign = make_campaign(0, source=str(customers(0)), on_empty="skip")
    result = zns_campaign(campaign, approval="pause", approval_timeout_seconds=1)
    assert (result["accepted"], result["recipients"], result["complete"]) == (0, 0, True)
    assert gateway.message_count == 0


def _by_hand(deployment_id: uuid.UUID) -> FlowRun:
    with get_client(sync_client=True) as api:
        return api.create_flow_run_from_deployment(deployment_id)


def _by_schedule(deployment_id: uuid.UUID) -> FlowRun:
    every = IntervalSchedule(interval=timedelta(hours=1))
    this = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]))
    with get_client(sync_client=True) as api:
        api.create_deployment_schedules(deployment_id, [(every, True)])
        until = time.monotonic() + 60
        while not (runs := api.read_flow_runs(flow_run_filter=this)):
            assert time.monotonic() < until, "the server scheduled nothing within 60 s"
            time.sleep(0.2)
        # Its hour comes at once.
        api.set_flow_run_state(runs[0].id, Scheduled(), force=True)
        return api.read_flow_run(runs[0].id)


def _by_automation(deployment_id: uuid.UUID) -> FlowRun:
    """As the server's own action asks for a run."""
    name = base64.b64encode(b"campaign of the evening").decode()

    def ask() -> requests.Response | None:
        answer = requests.post(
            f"{get_current_settings().api.url}/deployments/{deployment_id}/create_flow_run",
            json={},
            headers={"Prefect-Automation-ID": str(uuid.uuid4()), "Prefect-Automation-Name": name},
            timeout=60,
        )
        # Its database is busy; Prefect's own client asks again, too.
        return None if answer.status_code == 503 else answer

    answer = wait_for(ask)
    answer.raise_for_status()
    return FlowRun.model_validate(answer.json())


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("began", "skips"),
    [(_by_hand, False), (_by_schedule, True), (_by_automation, True)],
    ids=["hand", "schedule", "automation"],
)
def test_empty_source_fails_a_manual_run_but_not_an_automatic_one(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    customers: Callable[[int], Path],
    began: Callable[[uuid.UUID], FlowRun],
    skips: bool,
) -> None:
    """A quiet day of a schedule is no failure, also for a campaign in a subflow; by hand the list is a wrong one."""
    campaign = make_campaign(0, source=str(customers(0)))

    @flow
    def evening() -> dict[str, Any]:
        result: dict[str, Any] = zns_campaign(campaign)
        return result

    with get_client(sync_client=True) as api:
        deployment_id = api.create_deployment(api.create_flow(evening), name=uuid.uuid4().hex)
        run = began(deployment_id)
        try:
            if skips:
                assert run_flow(evening, flow_run=run)["accepted"] == 0
            else:
                with pytest.raises(InvalidRequestError, match="on_empty=skip"):
                    run_flow(evening, flow_run=run)
        finally:
            api.delete_deployment(deployment_id)
    assert gateway.message_count == 0
