"""Campaigns and people, limits, mistakes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import everybody_once, name_of, phone_of
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort

from esms_connectors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.emulator import DEMO_API_KEY, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import (
    EsmsCredentials,
    ZnsCampaign,
    local_files,
    plan_zns_bulk,
    send_sms,
    send_zns_bulk,
    zns_campaign,
)
from esms_connectors.prefect.approval import Approval, ApprovalTimeoutError
from esms_connectors.prefect.local_files import is_lost_with_container
from esms_connectors.prefect.sending import read_shards

# --- people, limits, mistakes ----------------------------------------------------------------------------------------


def _answer(approve: bool, run_key: str, seen: list[tuple[int, str]], gateway: Emulator) -> None:
    with get_client(sync_client=True) as api:
        until = time.monotonic() + 180
        while time.monotonic() < until:
            for run in api.read_flow_runs(sort=FlowRunSort.START_TIME_DESC):
                if run.name == f"zns-campaign {run_key}" and run.state is not None and run.state.is_paused():
                    question = api.read_flow_run_input(run.id, run.state.state_details.run_input_keyset["description"])
                    seen.append((gateway.message_count, question))
                    api.resume_flow_run(run.id, run_input={"approve": approve})
                    return
            time.sleep(0.2)


@pytest.mark.parametrize("approve", [True, False])
def test_campaign_waits_for_approval_and_sends_only_if_approved(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], approve: bool
) -> None:
    """Nothing leaves before the answer; after a no nothing at all."""
    campaign = make_campaign(700)
    seen: list[tuple[int, str]] = []
    person = threading.Thread(target=_answer, args=(approve, campaign.run_key, seen, gateway))
    person.start()
    state = zns_campaign(campaign, approval="pause", return_state=True)
    person.join()
    [(sent, question)] = seen
    assert sent == 0
    for words in (
        f"id: `{campaign.template_id}`",
        "status: `ENABLE`",
        "`customer_name`: `Khách 0`",
        "**700**",
        " VND |",
    ):
        assert words in question
    assert phone_of(0) not in question
    if approve:
        assert state.is_completed()
        everybody_once(gateway, 700)
    else:
        assert state.is_cancelled()
        assert gateway.message_count == 0
    assert Approval.model_fields["approve"].default is False


@pytest.mark.parametrize(("around", "what"), [(True, "a subflow"), (False, "not a run of a deployment")])
def test_suspend_approval_is_rejected_for_subflows_and_local_runs(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], around: bool, what: str
) -> None:
    """One line, before the source is read and the gateway asked; it was an error of Prefect's after the plan."""
    run = flow(lambda: zns_campaign(make_campaign(10), approval="suspend"), name="around")
    with pytest.raises(InvalidRequestError, match=f"this one is {what}.*approval='pause'") as error:
        run() if around else zns_campaign(make_campaign(10), approval="suspend")
    assert "\n" not in str(error.value)
    assert gateway.call_count("get_zns_template") == 0


@pytest.mark.in_turn
def test_approval_timeout_fails_the_run_without_sending(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """The run fails in one line, and nothing was sent."""
    with pytest.raises(ApprovalTimeoutError, match="within 1 s; nothing was sent") as error:
        zns_campaign(make_campaign(10), approval="pause", approval_timeout_seconds=1)
    assert "\n" not in str(error.value)
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_campaign_obeys_the_rate_limit_of_the_server(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """A dozen requests at four a second, two at once, take more than two seconds."""
    with get_client(sync_client=True) as api:
        api.upsert_global_concurrency_limit_by_name("esms-slow", 2, 4.0)
    campaign = make_campaign(500, chunk_size=50, rate_limit="esms-slow")
    began = time.monotonic()
    assert zns_campaign(campaign)["accepted"] == 500
    assert time.monotonic() - began > 2
    everybody_once(gateway, 500)


@pytest.mark.in_turn
def test_missing_rate_limit_is_rejected_before_sending(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Prefect would let everything through."""
    with pytest.raises(ConfigurationError, match="rate limit 'nobody-made-it' does not exist"):
        zns_campaign(make_campaign(10, rate_limit="nobody-made-it"))
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_changed_content_under_the_same_run_key_is_rejected(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """One line, and nobody gets a second message."""
    campaign = make_campaign(600)
    zns_campaign(campaign)
    path = Path(campaign.source or "")
    path.write_text(path.read_text(encoding="utf-8").replace("Cắt tóc", "Gội đầu"), encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="with other content before") as error:
        zns_campaign(campaign)
    assert "\n" not in str(error.value)
    everybody_once(gateway, 600)


@pytest.mark.in_turn
def test_changed_rows_are_rejected_before_new_rows_are_sent(
    gateway: Emulator,
    books: Ledger,
    make_campaign: Callable[..., ZnsCampaign],
    customers: Callable[[int], Path],
) -> None:
    """The plan sees the conflict, so no shard is handed out."""
    campaign = make_campaign(200, chunk_size=50)
    zns_campaign(campaign)
    path = customers(900)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([line.replace("Cắt tóc", "Gội đầu") for line in lines[:201]] + lines[201:]), "utf-8")
    with pytest.raises(InvalidRequestError, match="with other content before"):
        zns_campaign(campaign, shards_at_a_time=8)
    run = books.summary(campaign.run_key)
    assert (run.unsettled, run.accepted, gateway.message_count) == (0, 200, 200)


@pytest.mark.in_turn
def test_event_of_a_stopped_run_is_marked_incomplete(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    customers: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong keys stop it, and most rows were never tried: automations must hear of it all the same."""
    told: list[str] = []
    monkeypatch.setattr(
        "esms_connectors.prefect.artifacts.emit_event",
        lambda _event, resource, payload: told.append(resource["esms.complete"]),
    )
    campaign = make_campaign(100, chunk_size=50)
    zns_campaign(campaign)
    customers(400)
    gateway.faults.add("send_zns_bulk", code("101"))
    with pytest.raises(EsmsError, match="101"):
        zns_campaign(campaign)
    assert told == ["true", "false"]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "settings", [{"chunks_per_shard": 0}, {"chunks_per_shard": -1}, {"shards_at_a_time": 0}, {"approval": "maybe"}]
)
def test_invalid_settings_are_rejected_before_the_first_message(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], settings: dict[str, Any]
) -> None:
    """And named."""
    with pytest.raises(Exception, match=next(iter(settings))):
        zns_campaign(make_campaign(3), **settings)
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_source_changed_after_the_plan_is_not_sent(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """What was not planned, and perhaps approved, does not go out."""
    campaign = make_campaign(1000)

    @flow
    def planned_then_changed() -> None:
        plan = plan_zns_bulk(campaign)
        path = Path(campaign.source or "")
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([*lines[:700], lines[950], *lines[701:]]) + "\n", encoding="utf-8")
        with read_shards(campaign, plan) as shards:
            for shard in shards:
                send_zns_bulk(shard, campaign)

    with pytest.raises(InvalidRequestError, match="shard 2 of 2 has changed"):
        planned_then_changed()
    everybody_once(gateway, 500)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "nobody.csv"}, "nobody.csv"),
        ({"params": ["customer_name"]}, "takes 4 params"),
        ({"params": ["customer_name", "service", "code", "dat"]}, "did you mean date"),
        ({"template_id": "999"}, "789"),
        ({"rejects": "nowhere://bucket/rejects.csv"}, "rejects: .*nowhere://"),
        ({"rejects": "memory://bucket/"}, "rejects: the address names no file"),
        ({"credentials": "nobody"}, "There is no block esms-credentials/nobody"),
        ({"ledger": "nobody"}, "There is no block esms-ledger/nobody"),
        ({"send_at": "2020-01-01T08:00+07:00"}, "lies in the past"),
        ({"source": None, "query": "select 1", "database": "secret/nobody"}, "The database block 'secret/nobody'"),
    ],
)
def test_invalid_campaign_fields_give_one_line_error_and_send_nothing(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], fields: dict[str, Any], words: str
) -> None:
    """And nothing was sent."""
    with pytest.raises(Exception, match=words) as error:
        zns_campaign(make_campaign(3, **fields))
    assert "\n" not in str(error.value)
    assert gateway.message_count == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"run_key": ""},
        {"source": None},
        {"source": "a.csv", "query": "select 1", "database": "secret/x"},
        {"source": "postgresql://me:hunter2hunter2@db/crm"},
        {"source": "HTTPS://me:hunter2hunter2@files/customers.csv"},
        {"rejects": "sftp://me:hunter2hunter2@files/rejects.csv"},
        {"on_empty": "ignore"},
        {"conflicts": "overwrite"},
        {"chunk_size": 501},
        {"at_least": 1.5},
        {"price_vnd": -1},
        {"phones": ["0901234567"]},
    ],
)
def test_invalid_campaign_is_rejected_without_quoting_secrets(fields: dict[str, Any]) -> None:
    """What is refused may hold a password or a phone."""
    with pytest.raises(ValueError, match="ZnsCampaign") as error:
        ZnsCampaign(**{"run_key": "r", "source": "a.csv", "template_id": "1", **fields})
    assert "hunter2" not in str(error.value)
    assert "0901234567" not in str(error.value)


@pytest.mark.in_turn
def test_wrong_keys_give_one_line_error_without_the_api_key(
    gateway: Emulator, credentials: EsmsCredentials, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """101, without the keys."""
    gateway.faults.add("*", code("101"), every=1)
    with pytest.raises(Exception, match="101") as error:
        zns_campaign(make_campaign(3))
    assert "\n" not in str(error.value)
    assert name_of(credentials)
    assert DEMO_API_KEY not in str(error.value)


@pytest.mark.in_turn
def test_flow_warns_once_about_files_lost_with_the_container(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Results in its files are only slower to do without; a ledger there is worth a warning of its own."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(local_files, "_is_on_volume", lambda path: path.parent == tmp_path)
    campaign = make_campaign(3)
    zns_campaign(campaign)
    assert caplog.text.count("Results are kept in this container") == 1
    assert "The ledger is a file in this container" not in caplog.text
    caplog.clear()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("ESMS_LEDGER", raising=False)
    again = campaign.model_copy(update={"ledger": None, "run_key": campaign.run_key + "-again"})
    assert zns_campaign(again)["accepted"] == 3
    assert caplog.text.count("The ledger is a file in this container") == 1
    caplog.clear()
    monkeypatch.setattr(local_files, "_is_on_volume", lambda _: False)
    flow(lambda: send_sms(phone_of(9), "x", credentials=campaign.credentials, ledger=campaign.ledger), name="one")()
    assert caplog.text.count("The ledger is a file in this container") == 1


def test_only_paths_on_the_root_file_system_are_lost_with_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the file is there yet or not."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert [is_lost_with_container(path) for path in (None, Path("/dev/ledger.sqlite"))] == [False, False]
    assert is_lost_with_container(Path("/not-there/ledger.sqlite"))
