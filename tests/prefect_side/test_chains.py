"""The flow `campaign`: any channel, and what those get whom it does not reach; the ladder of an alert."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import name_of, save_as, start
from prefect import flow

from esms_connectors import EsmsError, InvalidRequestError
from esms_connectors.emulator import DEMO_TEMPLATE_ID, Emulator, Progress
from esms_connectors.prefect import (
    ChannelCampaign,
    EsmsCredentials,
    EsmsLedger,
    campaign,
    delivery_report,
    tell_by_ladder,
)
from esms_connectors.prefect.pool import borrow_account

VALUES = ["customer_name", "service", "code", "date"]


@pytest.fixture
def progress() -> Progress:
    """What is sent stays on its way."""
    return Progress(0, 0, never_final_share=1, queue_seconds=(0.1, 0.1), report_seconds=(0.1, 0.1))


@pytest.fixture
def ordered(
    credentials: EsmsCredentials, ledger_block: EsmsLedger, customers: Callable[[int], Path]
) -> Callable[..., ChannelCampaign]:
    """A campaign to three customers."""

    def make(**fields: Any) -> ChannelCampaign:
        given = {"run_key": "evening", "credentials": name_of(credentials), "ledger": name_of(ledger_block)}
        return ChannelCampaign(**{"source": str(customers(3)), **given, **fields})

    return make


def test_undelivered_zns_recipients_get_the_fallback_sms_once(
    ordered: Callable[..., ChannelCampaign], gateway: Emulator
) -> None:
    """Whom the ZNS does not reach in time gets the SMS; another run of the flow sends nothing."""
    asked = ordered(
        channel="zns",
        options={"template_id": DEMO_TEMPLATE_ID},
        params=VALUES,
        fallback=[{"channel": "sms", "text": "Chao {customer_name}", "after": "1s"}],
        poll_seconds=1,
    )
    told = campaign(asked)
    assert [step["accepted"] for step in told["steps"]] == [3, 3]
    assert (told["people"]["sent"], told["chain_complete"]) == (3, True)
    assert campaign(asked)["sent_by_this_try"] == 0
    assert set(gateway.deliveries_by_phone().values()) == {2}
    late = next(iter(gateway.messages())).message_id
    for message in gateway.messages():
        if message.message_id == late or message.function == "send_customer_care_sms":
            gateway.set_status(message.message_id, 5, 1)
    # People, each once, whichever step reached them.
    report = delivery_report("evening", credentials=asked.credentials, ledger=asked.ledger, poll_seconds=1)
    assert (report["expected"], report["delivered"], report["reached"]) == (3, 3, True)
    assert report["people"]["delivered"] == 3
    assert [(step["handed_on"], step["delivered"], step["late"]) for step in report["steps"]] == [(3, 1, 1), (3, 3, 0)]


@pytest.mark.in_turn
def test_guard_rules_apply_to_the_campaign_and_its_fallback_steps(
    ordered: Callable[..., ChannelCampaign], gateway: Emulator
) -> None:
    """Rules of the form and of the block are those of the run, and of what follows it."""
    sms = {"channel": "sms", "options": {"text": "Chao"}}
    with pytest.raises(EsmsError, match="segments"):
        campaign(ordered(**{**sms, "options": {"text": "Chao " * 100}}, guard={"max_segments": 2}))
    assert list(gateway.messages()) == []
    told = campaign(ordered(**sms, guard={"care_cap": 1}))
    assert (told["sent_by_this_try"], told["skipped"]) == (3, 0)
    later = {"run_key": "night", "guard": {"care_cap": 1, "transaction_cap": 1}}
    steps = [{"channel": "sms", "text": "Chao lai", "after": "1s"}]
    zns = {"channel": "zns", "options": {"template_id": DEMO_TEMPLATE_ID}, "params": VALUES, "poll_seconds": 1}
    told = campaign(ordered(**zns, **later, fallback=steps))
    assert [(step["accepted"], step["skipped"]) for step in told["steps"]] == [(3, 0), (0, 3)]
    assert set(gateway.deliveries_by_phone().values()) == {2}


@pytest.mark.in_turn
def test_rerun_after_kill_in_the_fallback_sends_each_step_once(
    ordered: Callable[..., ChannelCampaign], gateway: Emulator, tmp_path: Path
) -> None:
    """`kill -9` of the flow's process when the second SMS was taken; another run of the flow: each step once."""
    asked = ordered(
        channel="zns",
        options={"template_id": DEMO_TEMPLATE_ID},
        params=VALUES,
        fallback=[{"channel": "sms", "text": "Chao {customer_name}", "after": "1s"}],
        poll_seconds=1,
    )
    children: list[subprocess.Popen[str]] = []
    known = threading.Event()
    taken: list[Any] = []

    def strike(call: Any) -> None:
        taken.append(call)
        if len(taken) == 2:
            known.wait(60)
            os.kill(children[0].pid, signal.SIGKILL)

    gateway.on_call("send_customer_care_sms", strike, when="after")
    children.append(start(asked, tmp_path))
    known.set()
    _, said = children[0].communicate(timeout=280)
    assert children[0].returncode == -signal.SIGKILL, said
    told = campaign(asked)
    assert ([step["accepted"] for step in told["steps"]], told["chain_complete"]) == ([3, 3], True)
    assert set(gateway.deliveries_by_phone().values()) == {2}


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("channel", "options", "params"),
    [("sms", {"text": "Chao {customer_name}"}, []), ("zns-name", {"template_id": DEMO_TEMPLATE_ID}, VALUES)],
)
def test_campaign_flow_sends_on_the_given_channel(
    ordered: Callable[..., ChannelCampaign], gateway: Emulator, channel: str, options: dict[str, Any], params: Any
) -> None:
    """With the sender of the credentials."""
    told = campaign(ordered(channel=channel, options=options, params={one: one for one in params}))
    assert (told["channel"], told["accepted"]) == (channel, 3)
    assert gateway.message_count == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channel": "fax"}, "no channel 'fax'"),
        ({"channel": "sms", "fallback": [{"channel": "sms", "text": "x"}]}, "needs after"),
    ],
)
def test_invalid_campaign_is_rejected_on_creation(
    ordered: Callable[..., ChannelCampaign], fields: dict[str, Any], words: str
) -> None:
    """Before any run."""
    with pytest.raises(ValueError, match=words):
        ordered(**fields)


@pytest.mark.in_turn
def test_alert_ladder_sends_in_order_and_rerun_sends_nothing(
    credentials: EsmsCredentials, ledger_block: EsmsLedger, gateway: Emulator
) -> None:
    """In their order, and again under the same key nobody."""

    @flow
    def alert() -> Any:
        phones = ["0901 000 001", "0901000002"]
        return tell_by_ladder(
            phones, "Het cho {}", after="1s", alert_key="disk", credentials=credentials, ledger=ledger_block
        )

    for _ in range(2):
        assert [step["accepted"] for step in alert()["steps"]] == [1, 1]
    assert [message.phone for message in gateway.messages()] == ["0901000001", "0901000002"]


def test_alert_key_spellings_are_equivalent_and_empty_key_is_rejected(
    credentials: EsmsCredentials, ledger_block: EsmsLedger, gateway: Emulator
) -> None:
    """And what is no key is not taken for none."""
    tell = partial(tell_by_ladder.fn, ["0901000001"], "Het cho", credentials=credentials, ledger=ledger_block)
    for key in ("17", " 17", "17.0"):
        tell(alert_key=key)
    with pytest.raises(InvalidRequestError, match="alert_key is empty"):
        tell(alert_key="")
    assert gateway.deliveries_by_phone() == {"0901000001": 1}


def test_alert_ladder_applies_guard_rules_of_the_block(
    credentials: EsmsCredentials, ledger_block: EsmsLedger, gateway: Emulator
) -> None:
    credentials.guard = {"max_segments": 1}
    with pytest.raises(EsmsError, match="2 segments"):
        tell_by_ladder.fn(["0901000001"], "Het cho. " * 30, alert_key="x", credentials=credentials, ledger=ledger_block)
    assert list(gateway.messages()) == []


@pytest.mark.in_turn
def test_fallback_example_sends_sms_once_to_undelivered_recipients(
    credentials: EsmsCredentials,
    ledger_block: EsmsLedger,
    gateway: Emulator,
    customers: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ZNS to each, an SMS to whom it does not reach, once; with the blocks that it names."""
    save_as(credentials, "default")
    save_as(ledger_block, "default")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "flows_examples"))
    from zns_else_sms import zns_else_sms

    def fate(call: Any) -> None:
        """The first ZNS fails, all else arrives."""
        for number, message in enumerate(list(gateway.messages())):
            gateway.set_status(message.message_id, 5, int(number > 0))

    gateway.on_call("get_balance", fate)
    for _ in range(2):
        told = zns_else_sms(str(customers(3)), "march")
        assert (told["expected"], told["delivered"]) == (3, 3)
        assert [step["accepted"] for step in told["steps"]] == [3, 1]
        assert told["steps"][1]["reasons"] == {"failed": 1}
    assert gateway.message_count == 4


def test_stop_request_ends_the_wait_between_steps(credentials: EsmsCredentials) -> None:
    with borrow_account(credentials) as account:
        account.sleep(0)
        account.stop.set()
        with pytest.raises(EsmsError, match="told to stop"):
            account.sleep(3600)
