"""What may change between two tries of a run: texts, blocks, warehouses. Nobody is sent to twice, no row is missed."""

from __future__ import annotations

import csv
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pendulum
import pytest
from conftest import everybody_once, name_of, phone_of
from prefect import Flow, flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import TaskRunContext
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run
from prefect.states import Pending, Running

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import (
    EsmsCredentials,
    EsmsLedger,
    EsmsWarehouse,
    ZnsCampaign,
    call_gateway,
    load_sent_messages,
    plan_zns_bulk,
    read_shards,
    send_sms,
    send_zns_bulk,
    zns_campaign,
)
from esms_connectors.sending import once_per_run
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.once_per_run import Try
from esms_connectors.sending.one_sms import send_sms_once
from esms_connectors.sending.plan import PlanChangedError
from esms_connectors.sending.sms_message import SmsMessage

TWICE: dict[str, Any] = {"retries": 1, "retry_delay_seconds": 0}


@pytest.fixture
def blocks(credentials: EsmsCredentials, ledger_block: EsmsLedger) -> dict[str, Any]:
    return {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}


def attempt() -> int:
    """Of this flow run."""
    return int(flow_run.run_count)


def test_changed_text_between_tries_is_rejected(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """The second text is refused and says what to do; with a key, or to somebody else, it is another message."""

    @flow(**TWICE)
    def changing() -> None:
        send_sms(phone_of(1), "the same", **blocks)
        send_sms(phone_of(attempt() + 1), "who is on call", **blocks)
        send_sms(phone_of(1), f"attempt {attempt()} failed", message_key=f"{flow_run.id}-{attempt()}", **blocks)
        send_sms(phone_of(1), f"it is 10:0{attempt()}", **blocks)
        raise RuntimeError("behind the sends")

    with pytest.raises(InvalidRequestError, match="sent another text before in the same run"):
        changing()
    told = sorted((message.phone, message.content) for message in gateway.messages())
    assert told == sorted(
        [
            (phone_of(1), "the same"),
            (phone_of(1), "attempt 1 failed"),
            (phone_of(1), "attempt 2 failed"),
            (phone_of(1), "it is 10:01"),
            (phone_of(2), "who is on call"),
            (phone_of(3), "who is on call"),
        ]
    )


@pytest.mark.in_turn
def test_superseded_try_with_changed_text_is_rejected(
    gateway: Emulator,
    credentials: EsmsCredentials,
    books: Ledger,
    blocks: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server started the run again in another process, which was first; both go on."""

    def next_try(run: str) -> None:
        with get_client(sync_client=True) as api:
            assert api.set_flow_run_state(uuid.UUID(run), Running(), force=True).status == SetStateStatus.ACCEPT
        message = SmsMessage(phone_of(1), "it is 10:02", DEMO_BRANDNAME, row_key="sms")
        with credentials.get_client() as client:
            send_sms_once(client, message, ledger=books, named=Try(f"flow {run}", {run: 2}))
        monkeypatch.setattr(once_per_run, "_memory", once_per_run._Memory())

    @flow
    def taken_for_dead() -> None:
        next_try(str(flow_run.id))
        send_sms(phone_of(1), "it is 10:01", **blocks)

    with pytest.raises(InvalidRequestError, match="sent another text before in the same run"):
        taken_for_dead()
    assert [message.content for message in gateway.messages()] == ["it is 10:02"]


@pytest.mark.in_turn
def test_new_text_is_sent_once_the_earlier_ones_were_repeated(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """In threads, in any order, in a task that was retried itself; and the first try of a flow is never in doubt."""

    @task(**TWICE)
    def fragile(text: str) -> None:
        send_sms(phone_of(1), text, **blocks)
        context = TaskRunContext.get()
        if context is not None and context.task_run.run_count < 2:
            raise RuntimeError("behind the send")

    @flow(**TWICE)
    def steps() -> None:
        texts = ["one", "two", "three"][:: 3 - 2 * attempt()]
        for future in [send_sms.submit(phone_of(1), text, **blocks) for text in texts]:
            future.result()
        fragile("four")
        if attempt() < 2:
            raise RuntimeError("behind four messages")
        send_sms(phone_of(1), "five", **blocks)

    steps()
    assert sorted(message.content for message in gateway.messages()) == ["five", "four", "one", "three", "two"]


@pytest.mark.in_turn
def test_rejected_text_may_be_corrected_by_the_retry(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """Nothing left under the first one."""
    gateway.faults.add("send_customer_care_sms", code("146"), calls=[1])

    @flow(**TWICE)
    def corrected() -> None:
        send_sms(phone_of(1), "wrong" if attempt() < 2 else "right", **blocks)

    corrected()
    assert [message.content for message in gateway.messages()] == ["right"]


@pytest.mark.in_turn
def test_changed_call_arguments_between_tries_are_rejected(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """As for an SMS: to one person, and to a list."""

    @flow(**TWICE)
    def calling(**arguments: Any) -> None:
        told = {"brandname": DEMO_BRANDNAME, "content": f"it is 10:0{attempt()}"}
        call_gateway("send_viber" if "phones" in arguments else "send_customer_care_sms", arguments | told, **blocks)
        raise RuntimeError("behind the call")

    for arguments in ({"phones": [phone_of(1)]}, {"phone": phone_of(2)}):
        with pytest.raises(InvalidRequestError, match="Another call was made before"):
            calling(**arguments)
    assert gateway.deliveries_by_phone() == {phone_of(1): 1, phone_of(2): 1}


@pytest.mark.in_turn
def test_renaming_an_account_is_rejected_and_causes_no_duplicate(
    gateway: Emulator, credentials: EsmsCredentials, blocks: dict[str, Any]
) -> None:
    """Keys of messages belong to it; without a key the name does not matter. Another account may take its place."""

    @flow(**TWICE)
    def renamed() -> None:
        send_sms(phone_of(1), "x", **blocks)
        if attempt() < 2:
            # As in the UI, where nothing can be refused.
            EsmsCredentials._check_replaces, kept = lambda *_: None, EsmsCredentials._check_replaces  # type: ignore[method-assign]
            try:
                save(credentials, account="other")
            finally:
                EsmsCredentials._check_replaces = kept  # type: ignore[method-assign]
            raise RuntimeError("behind the send")

    with pytest.raises(ConfigurationError, match="the stored block calls this account 'demo'"):
        save(credentials, account="other")
    renamed()
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}
    save(credentials, account="third", api_key="another-key-of-another-account")


def save(credentials: EsmsCredentials, **changes: Any) -> None:
    """The stored block with something else in it."""
    name = name_of(credentials)
    values = {**{field: getattr(credentials, field) for field in type(credentials).model_fields}, **changes}
    EsmsCredentials(**values).save(name, overwrite=True)


# --- a sandbox that becomes the real account ---------------------------------------------------------------------


@pytest.mark.in_turn
def test_plan_approved_in_the_sandbox_is_not_sent_for_real(
    gateway: Emulator, credentials: EsmsCredentials, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """It was approved, the run ended before its first message, and the block is the real one when it starts again."""
    save(credentials, sandbox=True)
    campaign = make_campaign(3)
    gateway.faults.add("send_zns_bulk", code("101"), every=1)
    run, state = approved_run(zns_campaign, campaign)
    assert isinstance(state.result(raise_on_failure=False), BulkIncompleteError)
    gateway.faults.clear()
    save(credentials, sandbox=False)
    again = restarted(run, zns_campaign, campaign).result(raise_on_failure=False)
    assert isinstance(again, PlanChangedError)
    assert "sandbox is False and was True" in str(again)
    assert gateway.message_count == 0
    assert zns_campaign(campaign)["accepted"] == 3
    everybody_once(gateway, 3)


@pytest.mark.in_turn
def test_approved_plan_needs_no_second_approval_on_retry(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """By Prefect and then by a person: Prefect forgets that it was asked, and fails when it is to ask again."""
    campaign = make_campaign(3)
    gateway.faults.add("send_zns_bulk", code("101"), calls=[1, 2])
    # Prefect counts the resumption as a try.
    twice = zns_campaign.with_options(retries=2, retry_delay_seconds=0)
    run, state = approved_run(twice, campaign)
    assert isinstance(state.result(raise_on_failure=False), BulkIncompleteError)
    assert gateway.call_count("send_zns_bulk") == 2
    assert restarted(run, twice, campaign).result()["accepted"] == 3
    everybody_once(gateway, 3)


def approved_run(started: Flow[..., Any], campaign: ZnsCampaign) -> tuple[FlowRun, State[Any]]:
    """A run whose plan is approved once, and how it ended."""
    parameters = {"campaign": campaign, "approval": "pause", "approval_timeout_seconds": 120}
    with get_client(sync_client=True) as api:
        run = api.create_flow_run(started, parameters=started.serialize_parameters(parameters))
    person = threading.Thread(target=approve_when_asked, args=(run,))
    person.start()
    state = run_flow(started, flow_run=run, parameters=parameters, return_type="state")
    person.join()
    return run, state


def restarted(run: FlowRun, started: Flow[..., Any], campaign: ZnsCampaign) -> State[Any]:
    """As by "Retry" in the UI; Prefect itself allows it to deployments only."""
    with get_client(sync_client=True) as api:
        assert api.set_flow_run_state(run.id, Pending()).status == SetStateStatus.ACCEPT
        run = api.read_flow_run(run.id)
    parameters = {"campaign": campaign, "approval": "pause", "approval_timeout_seconds": 3}
    return run_flow(started, flow_run=run, parameters=parameters, return_type="state")


@pytest.mark.in_turn
@pytest.mark.parametrize("in_memory", [False, True])
def test_reordered_subflows_of_a_retry_are_not_confused(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    customers: Callable[[int, str], Path],
    in_memory: bool,
) -> None:
    """Prefect knows those of a retried flow by their order, in which the second one has become the first."""

    def of(count: int) -> ZnsCampaign:
        source = customers(count, f"{count}.csv")
        return make_campaign(
            count, source=list(csv.DictReader(source.read_text().splitlines())) if in_memory else str(source)
        )

    first, second = of(1), of(2)

    @flow(**TWICE)
    def segments() -> list[str]:
        told = [zns_campaign(one)["run_key"] for one in ([first] if attempt() < 2 else [second, first])]
        if attempt() < 2:
            raise RuntimeError("behind the first segment")
        return told

    assert segments() == [second.run_key, first.run_key]
    assert gateway.deliveries_by_phone() == {phone_of(0): 2, phone_of(1): 1}


@pytest.mark.in_turn
def test_subflow_whose_stored_result_is_gone_runs_again(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int, str], Path]
) -> None:
    """As in another container: the flow around it would fail in every retry; nobody gets a second message."""
    first, second = (make_campaign(count, source=str(customers(count, f"{count}.csv"))) for count in (1, 2))

    @flow(**TWICE)
    def segments() -> list[dict[str, Any]]:
        told = [zns_campaign(first), zns_campaign(second, return_state=True).result()]
        if attempt() < 2:
            shutil.rmtree(os.environ["PREFECT_LOCAL_STORAGE_PATH"])
            raise RuntimeError("behind the segments")
        return told

    assert [(told["accepted"], told["sent_by_this_try"]) for told in segments()] == [(1, 0), (2, 0)]
    assert gateway.deliveries_by_phone() == {phone_of(0): 2, phone_of(1): 1}


def approve_when_asked(run: FlowRun) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with get_client(sync_client=True) as api:
            state = api.read_flow_run(run.id).state
            if state is not None and state.is_paused():
                api.resume_flow_run(run.id, run_input={"approve": True})
                return
        time.sleep(0.2)


@pytest.mark.in_turn
def test_sandbox_receipts_do_not_count_for_the_real_run(
    gateway: Emulator, credentials: EsmsCredentials, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Tasks without the flow: the real run is no no-op, and a shard is not sent by other credentials than planned."""
    campaign = make_campaign(3)
    save(credentials, sandbox=True)

    @flow
    def mine(change: bool = False) -> int:
        plan = plan_zns_bulk(campaign)
        with read_shards(campaign, plan) as shards:
            (shard,) = shards
        if change:
            save(credentials, sandbox=True)
            return int(flow(lambda: send_zns_bulk(shard, campaign), name="elsewhere")()["sent_by_this_try"])
        return int(send_zns_bulk(shard, campaign)["sent_by_this_try"])

    assert mine() == 3
    assert gateway.message_count == 0
    save(credentials, sandbox=False)
    with pytest.raises(ConfigurationError, match="the block was changed since"):
        mine(change=True)
    save(credentials, sandbox=False)
    assert mine() == 3
    everybody_once(gateway, 3)


# --- a warehouse that is another one --------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("change", ["moved", "lost"])
def test_window_missing_in_the_warehouse_is_loaded_again(
    gateway: Emulator, blocks: dict[str, Any], tmp_path: Path, change: str
) -> None:
    """The result of the first try says that it is loaded, but the warehouse counts."""
    day = pendulum.datetime(2024, 5, 14, tz="Asia/Ho_Chi_Minh")
    gateway.populate(20, start=day, end=day.add(days=1))
    name = f"between-{uuid.uuid4().hex[:8]}"
    place = tmp_path / "first.duckdb"
    EsmsWarehouse(url=f"duckdb:///{place}").save(name)
    now = place if change == "lost" else tmp_path / "second.duckdb"

    @flow(**TWICE)
    def loading() -> int:
        for _ in range(2):
            told = load_sent_messages(
                day, day.add(days=1), [2], credentials=blocks["credentials"], warehouse=name, threads=1
            )
        if attempt() < 2:
            if change == "lost":
                place.unlink()
            else:
                EsmsWarehouse(url=f"duckdb:///{now}").save(name, overwrite=True)
            raise RuntimeError("behind the load")
        return told["rows"]

    assert loading() == 20
    with EsmsWarehouse(url=f"duckdb:///{now}").open() as warehouse:
        (load,) = warehouse.loads()
    assert load.row_count == 20
