"""Messages without a key: an orchestrator's run sends each once, however often it is tried and whatever changes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import wait_until

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code, drop_before
from esms_connectors.ledger import Ledger
from esms_connectors.sending import once_per_run
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.once_per_run import OtherContentError, Try
from esms_connectors.sending.one_sms import send_sms_once
from esms_connectors.sending.operations import call_in_run
from esms_connectors.sending.sms_message import SmsMessage

PHONE = "0901888484"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests asked for is not known here, and nobody else is about to ask."""
    monkeypatch.setattr(once_per_run, "_memory", once_per_run._Memory())
    monkeypatch.setattr(once_per_run, "_PATIENCE_SECONDS", 0.0)


# By try, each in the order in which it asks; a text with "!" is refused. "|": in another process.
@pytest.mark.parametrize(
    ("tries", "sent"),
    [
        (["a a b"], "ab"),
        (["a", "a", "| a"], "a"),
        (["a", "b!"], "a"),
        (["a", "| b!"], "a"),
        (["a b", "b a c"], "abc"),
        (["a b", "| b a c"], "abc"),
        (["a b", "b c! a c"], "abc"),
        (["a b", "| a c!"], "ab"),
        (["a", "a b", "b c! a c"], "abc"),
    ],
)
def test_other_content_is_sent_only_after_the_earlier_content_was_requested(
    client: EsmsClient,
    gateway: Emulator,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    tries: list[str],
    sent: str,
) -> None:
    """In whatever order; otherwise it might be the earlier one with a changed text, and is refused."""
    for number, asked in enumerate(tries, 1):
        this = Try("run", {"run": number})
        for text in asked.split():
            if text == "|":
                monkeypatch.setattr(once_per_run, "_memory", once_per_run._Memory())
                continue
            message = SmsMessage(PHONE, text[0], DEMO_BRANDNAME, row_key="sms")
            if text.endswith("!"):
                with pytest.raises(OtherContentError, match="another text before in the same run"):
                    send_sms_once(client, message, ledger=ledger, named=this)
            else:
                send_sms_once(client, message, ledger=ledger, named=this)
    assert "".join(message.content for message in gateway.messages()) == sent


def test_task_retry_does_not_affect_messages_of_other_tasks(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """A task that is retried replaces what it sent itself, not what the tasks before it sent."""
    for text, task, number in (("a", "first", 1), ("b", "second", 1), ("b", "second", 2), ("c", "second", 2)):
        this = Try("flow", {"flow": 1, task: number})
        send_sms_once(client, SmsMessage(PHONE, text, DEMO_BRANDNAME, row_key="sms"), ledger=ledger, named=this)
    assert [message.content for message in gateway.messages()] == ["a", "b", "c"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_threads_may_request_messages_of_one_try_in_any_order(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    """As by `gather`: a new one that is asked for first waits until the earlier one is, before it is refused."""

    def send(text: str, number: int) -> None:
        message = SmsMessage(PHONE, text, DEMO_BRANDNAME, row_key="sms")
        send_sms_once(client, message, ledger=ledger, named=Try("run", {"run": number}))

    send("a", 1)
    if elsewhere:
        monkeypatch.setattr(once_per_run, "_memory", once_per_run._Memory())
    monkeypatch.setattr(once_per_run, "_PATIENCE_SECONDS", 60.0)
    with ThreadPoolExecutor() as threads:
        later = threads.submit(send, "b", 2)
        wait_until(lambda: once_per_run._memory._changed._waiters or later.done(), 60)
        send("a", 2)
        later.result()
    assert [message.content for message in gateway.messages()] == ["a", "b"]


@pytest.mark.parametrize("replaced", [True, False])
def test_different_content_is_rejected_only_from_a_superseded_try(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """
    A run that was taken for dead goes on beside the try that replaced it, which was first with its text. Processes of
    one try do not doubt each other.
    """
    first, other = Try("run", {"run": 1}, superseded=lambda: replaced), Try("run", {"run": 2 if replaced else 1})
    for text, this in (("b", other), ("a", first), ("b", first)):
        monkeypatch.setattr(once_per_run, "_memory", once_per_run._Memory())
        message = SmsMessage(PHONE, text, DEMO_BRANDNAME, row_key="sms")
        with pytest.raises(OtherContentError) if replaced and text == "a" else nullcontext():
            send_sms_once(client, message, ledger=ledger, named=this)
    assert [message.content for message in gateway.messages()] == (["b"] if replaced else ["b", "a"])


def test_changed_sender_counts_as_changed_content(client: EsmsClient, gateway: Emulator, ledger: Ledger) -> None:
    """Two senders in one try are two messages; one that changed between tries is none."""
    brandnames = gateway.account(DEMO_API_KEY).brandnames
    brandnames["Other"] = replace(brandnames[DEMO_BRANDNAME], name="Other")

    def send(brandname: str, number: int) -> None:
        message = SmsMessage(PHONE, "a", brandname, row_key="sms")
        send_sms_once(client, message, ledger=ledger, named=Try("run", {"run": number}))

    send(DEMO_BRANDNAME, 1)
    with pytest.raises(OtherContentError):
        send("Other", 2)
    send(DEMO_BRANDNAME, 2)
    send("Other", 2)
    assert [message.brandname for message in gateway.messages()] == [DEMO_BRANDNAME, "Other"]


@pytest.mark.parametrize(("fault", "corrected"), [(code("146"), True), (drop_before(), False)])
def test_text_can_be_corrected_only_after_a_refusal(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, fault: object, corrected: bool
) -> None:
    """A text that the gateway refused, but not one whose answer was lost."""
    gateway.faults.add("send_customer_care_sms", fault, every=1)  # type: ignore[arg-type]
    wrong, right = (SmsMessage(PHONE, text, DEMO_BRANDNAME, row_key="sms") for text in ("wrong", "right"))
    with pytest.raises(BulkIncompleteError):
        send_sms_once(client, wrong, ledger=ledger, named=Try("run", {"run": 1}))
    gateway.faults.clear()
    if corrected:
        send_sms_once(client, right, ledger=ledger, named=Try("run", {"run": 2}))
    else:
        with pytest.raises(OtherContentError):
            send_sms_once(client, right, ledger=ledger, named=Try("run", {"run": 2}))
    assert [message.content for message in gateway.messages()] == ["right"] * corrected


@pytest.mark.parametrize("whom", [{"phone": PHONE}, {"phones": [PHONE]}])
def test_function_calls_follow_the_same_content_rule(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, whom: dict[str, object]
) -> None:
    """To one person, or to a list."""
    name = "send_viber" if "phones" in whom else "send_customer_care_sms"

    def call(content: str, number: int) -> None:
        arguments = {**whom, "brandname": DEMO_BRANDNAME, "content": content}
        call_in_run(client, name, arguments, ledger=ledger, named=Try("run", {"run": number}))

    call("a", 1)
    with pytest.raises(OtherContentError, match="Another call was made before"):
        call("b", 2)
    call("a", 2)
    call("b", 2)
    assert gateway.deliveries_by_phone() == {PHONE: 2}
