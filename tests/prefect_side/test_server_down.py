"""The Prefect server is down while a run takes place: what is sent does not depend on what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import prefect.task_engine
import pytest
from conftest import everybody_once
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

from esms_connectors.emulator import Emulator
from esms_connectors.prefect import ZnsCampaign, artifacts, delivery_report, zns_campaign
from esms_connectors.prefect.artifacts import ProgressArtifact
from esms_connectors.prefect.retry import ServerNotReachedError, as_ours
from esms_connectors.sending.bulk import BulkIncompleteError


def refused(**_: Any) -> None:
    raise httpx.ConnectError("All connection attempts failed")


def test_failing_artifact_calls_do_not_fail_the_run(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan, the bar, and the tables of outcomes."""
    for name in ("create_markdown_artifact", "create_progress_artifact", "create_table_artifact"):
        monkeypatch.setattr(artifacts, name, refused)
    campaign = make_campaign(3)
    assert zns_campaign(campaign)["accepted"] == 3
    everybody_once(gateway, 3)
    told = delivery_report(campaign.run_key, credentials=campaign.credentials, ledger=campaign.ledger, poll_seconds=0.3)
    assert told["delivered"] == 3


def test_slow_progress_updates_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Prefect takes to give up: between two updates the run goes on, and at its end the bar is right."""
    now, told = [1000.0], list[float]()

    def slow(*, progress: float, **_: Any) -> None:
        told.append(progress)
        now[0] += 60

    monkeypatch.setattr(artifacts.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda **_: "id")
    monkeypatch.setattr(artifacts, "update_progress_artifact", slow)
    with ProgressArtifact("esms-test", "Rows", 2000) as bar:
        for second in range(1000):
            bar.update(second)
            now[0] += 1
        assert told == [0.0, 30.0]
        bar.update(2000)
    assert told == [0.0, 30.0, 100.0]


@pytest.mark.in_turn
def test_unreachable_server_stops_the_campaign_and_rerun_resumes(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks the server for the limits of its tags. Those under way are settled, and the next run sends the rest."""
    slots, asked = prefect.task_engine._concurrency, list[object]()

    def from_a_server(**settings: Any) -> Any:
        asked.append(settings)
        if len(asked) > 2:  # the plan takes the first
            raise ConcurrencySlotAcquisitionError("Unable to acquire concurrency slots on ['tag:esms']")
        return slots(**settings)

    campaign = make_campaign(40, chunk_size=5)
    stopped = r"Prefect server did not answer \(ConcurrencySlotAcquisitionError\).* continues"
    with monkeypatch.context() as patched:
        patched.setattr(prefect.task_engine, "_concurrency", from_a_server)
        with pytest.raises(BulkIncompleteError, match=stopped) as caught:
            zns_campaign(campaign, shards_at_a_time=2)
    assert "\n" not in str(caught.value)
    assert caught.value.summary.counters.accepted == gateway.message_count > 0
    assert zns_campaign(campaign)["accepted"] == 40
    everybody_once(gateway, 40)


def test_prefect_client_errors_become_retryable_errors_without_password() -> None:
    """In one line, without the address."""
    request = httpx.Request("POST", "http://user:password@prefect:4200/api/artifacts/")
    for error in (httpx.ConnectError("x", request=request), httpx.ReadTimeout("x", request=request)):
        ours = as_ours(error)
        assert isinstance(ours, ServerNotReachedError)
        assert str(ours).startswith(f"The Prefect server did not answer ({type(error).__name__}). ")
        assert (ours.retryable, "password" in str(ours)) == (True, False)
