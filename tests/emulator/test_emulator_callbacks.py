"""Callbacks: what arrives at the CallbackUrl, how often it is tried, and where it may go."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from answering_server import Answer, answering
from gateway_caller import phones

from esms_connectors.emulator import Callbacks, Emulator, EmulatorConfig, Progress

FAILING = Progress(failed_share=1.0, rejected_share=0)


class Receiver:
    """Keeps the targets of the requests it gets; answers with `statuses` in turn, then 200."""

    url: str

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.statuses: list[int] = []

    def answer(self, target: str, _: bytes) -> Answer:
        self.targets.append(target)
        return Answer(self.statuses.pop(0) if self.statuses else 200)

    def queries(self) -> list[dict[str, str]]:
        return [
            {name: values[0] for name, values in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}
            for target in self.targets
        ]


@pytest.fixture(name="receiver")
def fixture_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with answering(receiver.answer) as address:
        receiver.url = f"{address}/cb"
        yield receiver


def test_sms_callback_is_sent_once_the_message_is_final(caller, receiver):
    """By GET once the message is final, RequestId empty, four decimals."""
    message_id = caller.care(CallbackUrl=receiver.url, RequestId="r")["SMSID"]
    assert caller.emulator.deliver_callbacks() == []
    caller.emulator.advance(60)
    (attempt,) = caller.emulator.deliver_callbacks()
    assert attempt.delivered
    assert attempt.number == 1
    assert receiver.queries() == [
        {
            "SMSID": message_id,
            "SendFailed": "0",
            "SendStatus": "5",
            "SendSuccess": "1",
            "TotalPrice": "790.0000",
            "TotalReceiver": "1",
            "TotalSent": "1",
            "RequestId": "",
            "TypeId": "2",
            "telcoid": "2",
            "phonenumber": "0901888484",
            "switchsmsid": "",
        }
    ]
    caller.emulator.advance(3600)
    assert caller.emulator.deliver_callbacks() == []


def test_advertising_batch_gets_a_single_callback(caller, receiver):
    """Totals, and no number."""
    caller.advertising(phones(30), CallbackUrl=receiver.url)
    caller.emulator.advance(60)
    caller.emulator.deliver_callbacks()
    (query,) = receiver.queries()
    assert (query["TotalReceiver"], query["SendSuccess"], query["TypeId"]) == ("30", "30", "1")
    assert not {"phonenumber", "telcoid"} & set(query)


def test_zns_callback_contains_nested_json(make_caller, receiver):
    """With bare braces in the raw query."""
    caller = make_caller(progress=FAILING)
    caller.zns(CallbackUrl=receiver.url)
    caller.emulator.advance(60)
    caller.emulator.deliver_callbacks()
    (query,) = receiver.queries()
    assert "error_info=%22{%5C%22error" in receiver.targets[0]
    assert json.loads(json.loads(query["error_info"]))["error"] < 0
    assert (query["SendFailed"], query["tempid"], query["oaid"]) == ("1", "267247", "4097311281936189049")


def test_journey_callback_is_double_encoded_with_truncated_user_id(caller, receiver):
    """A date behind four underscores, a Zalo user id of 15 characters instead of the number."""
    caller.journey(CallbackUrl=receiver.url)
    caller.emulator.advance(60)
    caller.emulator.deliver_callbacks()
    (query,) = receiver.queries()
    assert query["TypeId"] == "27"
    assert len(query["phonenumber"]) == 15
    text, _, date = unquote(query["error_info"]).partition("____")
    outcome = json.loads(text)
    assert outcome["message"] == "Success"
    assert outcome["data"]["user_id"].startswith(query["phonenumber"])
    assert date.startswith("15/05/2024 09:00:0")


def test_failed_callback_is_tried_five_times_with_spacing(make_caller, receiver):
    """Anything but 200 is tried again, five times in all, then dropped for good."""
    caller = make_caller(callbacks=Callbacks(spacing_seconds=10))
    receiver.statuses = [500] * 9
    message_id = caller.care(CallbackUrl=receiver.url)["SMSID"]
    caller.emulator.advance(60)
    per_step = []
    for _ in range(8):
        per_step.append(len(caller.emulator.deliver_callbacks()))
        assert caller.emulator.deliver_callbacks() == []
        caller.emulator.advance(10)
    assert per_step == [1, 1, 1, 1, 1, 0, 0, 0]
    attempts = caller.emulator.callbacks.attempts_for(message_id)
    assert [(attempt.number, attempt.outcome) for attempt in attempts] == [(number, "500") for number in range(1, 6)]
    assert caller.emulator.callbacks.waiting == 0


def test_callback_retries_stop_after_success(caller, receiver):
    """Two failures, then 200."""
    receiver.statuses = [500, 204]
    caller.care(CallbackUrl=receiver.url)
    for _ in range(6):
        caller.emulator.advance(60)
        caller.emulator.deliver_callbacks()
    assert [attempt.outcome for attempt in caller.emulator.callbacks.attempts] == ["500", "204", "200"]


def test_callbacks_are_sent_only_to_loopback_and_when_enabled(make_caller):
    """Other hosts are recorded, never contacted; nor anything when callbacks are off."""
    caller = make_caller()
    for url in ("https://example.com/cb", "http://10.0.0.1/cb", "http://[bad", "nonsense"):
        caller.care(CallbackUrl=url)
    caller.emulator.advance(60)
    assert caller.emulator.deliver_callbacks() == []
    assert {attempt.outcome for attempt in caller.emulator.callbacks.attempts} == {"not allowed"}
    assert caller.emulator.callbacks.tried == 0
    silent = make_caller(callbacks=Callbacks(enabled=False))
    silent.care(CallbackUrl="http://127.0.0.1:1/cb")
    silent.emulator.advance(60)
    assert silent.emulator.deliver_callbacks() == []
    assert not silent.emulator.callbacks.attempts


def test_callback_url_with_query_gets_a_second_question_mark(caller, receiver):
    """As the samples append it; a receiver has to cope."""
    caller.care(CallbackUrl=receiver.url + "?token=1")
    caller.emulator.advance(60)
    caller.emulator.deliver_callbacks()
    assert "/cb?token=1?SMSID=" in receiver.targets[0]


def test_running_server_sends_callbacks_automatically(receiver):
    """With the real clock, within a moment."""
    quick = Progress(0, 0, 0, (0, 0), (0.01, 0.02), (0.01, 0.02))
    emulator = Emulator(EmulatorConfig(progress=quick, callbacks=Callbacks(spacing_seconds=0.05)))
    receiver.statuses = [500]
    with emulator.serve():
        emulator.insert_message(callback_url=receiver.url)
        deadline = time.monotonic() + 60
        while len(emulator.callbacks.attempts) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [attempt.outcome for attempt in emulator.callbacks.attempts] == ["500", "200"]
