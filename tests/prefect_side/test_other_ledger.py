"""A try of a flow run that finds another ledger than the try before, or an empty one, sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import everybody_once, name_of, phone_of
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.progress import RealClock
from esms_connectors.gateway.redaction import redact
from esms_connectors.ledger.run_memory import ForgottenRunError
from esms_connectors.prefect import (
    ChannelCampaign,
    EsmsCredentials,
    EsmsLedger,
    ZnsCampaign,
    call_gateway,
    run_memory,
    send_campaign,
    send_sms,
    tell_by_ladder,
    zns_campaign,
)
from esms_connectors.prefect.pool import borrow_ledger
from esms_connectors.prefect.runs import RunNotReadError

TWICE: dict[str, Any] = {"retries": 1, "retry_delay_seconds": 0}
REFUSED = "does not have: it is another ledger, or it was lost"


@pytest.fixture
def blocks(credentials: EsmsCredentials, ledger_block: EsmsLedger) -> dict[str, Any]:
    return {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}


@pytest.fixture
def lose(noon: RealClock, blocks: dict[str, Any], tmp_path: Path) -> Callable[[], None]:
    """The ledger, overnight: the next day not even the gateway knows the message."""

    def lose() -> None:
        for part in tmp_path.glob("ledger.sqlite*"):
            part.rename(tmp_path / f"kept-{part.name}")
        noon._shift_ms += 24 * 60 * 60 * 1000

    return lose


def labels() -> dict[str, Any]:
    with get_client(sync_client=True) as api:
        return api.read_flow_run(flow_run.id).labels


def of_one_sms(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    send_sms(phone_of(0), "x", **blocks)


def of_one_sms_with_a_key(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    send_sms(phone_of(0), "x", message_key=phone_of(0), **blocks)


def of_a_subflow(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    """Prefect makes another one for the second try."""
    zns_campaign.with_options(persist_result=False)(campaign.model_copy(update={"chunk_size": flow_run.run_count}))


def of_any_channel(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    options = {"text": "x", "brandname": DEMO_BRANDNAME}
    shared = campaign.model_dump(exclude={"template_id", "sending_mode", "chunk_size", "params"})
    send_campaign(ChannelCampaign(channel="sms", options=options, **shared))


def of_a_call(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    call = {"brandname": DEMO_BRANDNAME, "content": "x", "phone": phone_of(0)}
    call_gateway("send_customer_care_sms", call, **blocks)


def of_a_ladder(campaign: ZnsCampaign, blocks: dict[str, Any]) -> None:
    tell_by_ladder([phone_of(0)], "x", after="1s", poll_seconds=0.1, **blocks)


@pytest.mark.parametrize(
    "send",
    [
        of_one_sms,
        *(
            pytest.param(send, marks=pytest.mark.in_turn)
            for send in (of_one_sms_with_a_key, of_a_subflow, of_any_channel, of_a_call, of_a_ladder)
        ),
    ],
)
def test_retry_with_a_lost_ledger_is_rejected(
    gateway: Emulator,
    make_campaign: Callable[..., ZnsCampaign],
    blocks: dict[str, Any],
    lose: Callable[[], None],
    send: Callable[[ZnsCampaign, dict[str, Any]], None],
) -> None:
    """In every kind of message; and no label contains a phone or a key."""
    campaign, kept = make_campaign(1), {}

    @flow(**TWICE)
    def twice() -> None:
        if flow_run.run_count > 1:
            lose()
        send(campaign, blocks)
        kept.update(labels())
        raise RuntimeError("behind the send")

    with pytest.raises(ForgottenRunError, match=REFUSED) as error:
        twice()
    assert not error.value.retryable
    everybody_once(gateway, 1)
    ours = {name: text for name, text in kept.items() if name.startswith("esms.")}
    assert ours
    assert redact(str(ours)) == str(ours)


@pytest.mark.in_turn
def test_restored_ledger_is_accepted_and_resumes(
    gateway: Emulator, blocks: dict[str, Any], lose: Callable[[], None], tmp_path: Path
) -> None:
    """A new run is another message; one under a new key in a run that is retried is new too."""

    @flow(retries=2, retry_delay_seconds=0)
    def thrice(fails: bool) -> None:
        if fails and flow_run.run_count == 2:
            lose()
            send_sms(phone_of(2), "new", message_key=f"new-{flow_run.id}", **blocks)
        if fails and flow_run.run_count == 3:
            for part in tmp_path.glob("kept-*"):
                part.replace(tmp_path / part.name.removeprefix("kept-"))
        send_sms(phone_of(0), "x", **blocks)
        if fails and flow_run.run_count < 3:
            raise RuntimeError("behind the send")

    thrice(True)
    assert gateway.deliveries_by_phone() == {phone_of(0): 1, phone_of(2): 1}
    thrice(False)
    assert gateway.deliveries_by_phone() == {phone_of(0): 2, phone_of(2): 1}


@pytest.mark.in_turn
def test_limited_number_of_labels_still_detects_a_lost_ledger(
    gateway: Emulator, blocks: dict[str, Any], lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those are missing in another ledger, which is then refused for each message; the earlier one takes new ones."""
    monkeypatch.setattr(run_memory, "_MOST", 2)
    told: list[int] = []

    @flow(retries=2, retry_delay_seconds=0)
    def many() -> None:
        if flow_run.run_count == 3:
            lose()
        people = range(flow_run.run_count * 4)
        states = [send_sms.submit(phone_of(number), "x", **blocks).wait() or number for number in people]
        told.append(len([name for name in labels() if name.startswith("esms.")]))
        assert len(states) < 0

    with pytest.raises(AssertionError):
        many()
    assert told == [3, 3, 3]
    everybody_once(gateway, 8)


@pytest.mark.in_turn(every=3)
def test_each_ledger_of_a_flow_run_is_remembered(
    gateway: Emulator, blocks: dict[str, Any], lose: Callable[[], None], tmp_path: Path
) -> None:
    """The ledger that is used second is lost; the run keys of the first one prove nothing about it."""
    other = EsmsLedger(url=f"sqlite:///{tmp_path / 'other.sqlite'}")
    other.save("second-ledger", overwrite=True)
    first, second = {**blocks, "ledger": "second-ledger"}, blocks

    @flow(**TWICE)
    def two() -> None:
        if flow_run.run_count == 2:
            lose()
        send_sms(phone_of(0), "x", **first)
        send_sms(phone_of(1), "x", **second)
        raise RuntimeError("behind the sends")

    with pytest.raises(ForgottenRunError, match=REFUSED):
        two()
    everybody_once(gateway, 2)


def test_run_memory_is_not_used_outside_of_a_flow(prefect_server: str, blocks: dict[str, Any]) -> None:
    """Nothing is tried again there."""
    with borrow_ledger(blocks["ledger"]) as ledger:
        assert ledger._run_memory is None


@pytest.mark.in_turn(every=3)
def test_deleted_flow_run_is_named_and_a_new_run_sends(blocks: dict[str, Any], gateway: Emulator) -> None:
    @flow
    def notify(deleted: bool) -> None:
        if not deleted:
            send_sms(phone_of(0), "x", message_key="order-1", **blocks)
            return
        with get_client(sync_client=True) as api:
            api.delete_flow_run(flow_run.id)
        try:
            send_sms(phone_of(0), "x", message_key="order-1", **blocks)
        except RunNotReadError as error:
            told.append(str(error))

    told: list[str] = []
    with pytest.raises(ObjectNotFound):
        notify(True)  # Prefect cannot store the end of this run either
    assert ["it was deleted" in line for line in told] == [True]
    assert gateway.deliveries_by_phone() == {}
    notify(False)
    everybody_once(gateway, 1)
