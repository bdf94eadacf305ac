"""Delivery reports that the emulator pushes, over sockets both ways: nothing in them is believed without a look."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from esms_connectors import AuthenticationError, ConfigurationError, EsmsClient
from esms_connectors.delivery.callbacks import (
    Callback,
    CallbackReceiver,
    Confirmations,
    Confirmed,
    confirm,
    read_callback,
)
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    VirtualClock,
)
from esms_connectors.emulator.faults import code, http_status
from esms_connectors.gateway.models import ZnsRecipient

TOKEN = "a-secret-of-this-test-4711"
PARAMS = ["Chị Hương", "Gội đầu", "KH1", "19/03/2025"]


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < ends:
        time.sleep(0.01)
    return found


@pytest.fixture
def gateway() -> Emulator:
    """Whose messages all arrive, a minute after they were taken."""
    return Emulator(
        EmulatorConfig(progress=Progress(failed_share=0, rejected_share=0)), VirtualClock("2024-05-15T12:00:00+07:00")
    )


@pytest.fixture
def reports() -> list[Confirmed]:
    return []


@pytest.fixture
def confirmations(make_client: Callable[..., EsmsClient], reports: list[Confirmed]) -> Iterator[Confirmations]:
    found = Confirmations(make_client, reports.append, gather_seconds=0.05, look_again_seconds=(0.05, 0.1))
    yield found
    found.close()


class Server(ThreadingHTTPServer):
    """As much of a web server as the receiver needs; `logged` is what it would write into its access log."""

    def __init__(self, application: CallbackReceiver) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.application = application
        self.logged: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}/esms/callback/{TOKEN}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, scope = ask(self.server.application, self.path, self.command)
        self.server.logged.append(f"{scope['path']} {scope['raw_path']!r} {scope['query_string']!r}")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def ask(application: CallbackReceiver, target: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
    """The status of one request, and the scope as the receiver leaves it to those that log."""
    parts, sent = urlsplit(target), []
    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "root_path": "/esms",
        "query_string": parts.query.encode("latin-1"),
    }

    async def receive() -> dict[str, Any]:
        raise AssertionError("a body is never read")

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], scope


@pytest.fixture
def receiver(confirmations: Confirmations) -> Iterator[Server]:
    server = Server(CallbackReceiver(TOKEN, confirmations))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sent(client: EsmsClient, receiver: Server, number: int = 0) -> str:
    """The id of an SMS whose report goes to the receiver."""
    done = client.send_customer_care_sms(
        f"0901{number:06d}", "Ma cua ban la 123456", DEMO_BRANDNAME, callback_url=receiver.address
    )
    assert done.message_id is not None
    return done.message_id


def test_delivered_message_is_confirmed_and_reported_once(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """The gateway calls, it is looked up, and it is told once; no number is told or logged."""
    message_id = sent(client, receiver)
    gateway.advance(60)
    assert until(lambda: reports) == [Confirmed((message_id,), {"delivered": 1})]
    assert [attempt.outcome for attempt in gateway.callbacks.attempts] == ["200"]
    assert gateway.call_count("get_send_status") == 1
    assert receiver.logged == ["/esms/*** b'/esms/***' b''"]


def test_many_callbacks_are_looked_up_in_batches(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """ZNS of one OA: a call for 200 of them, not 200 calls."""
    people = [ZnsRecipient(f"0902{number:06d}", PARAMS) for number in range(40)]
    done = client.send_zns_bulk(people, DEMO_TEMPLATE_ID, DEMO_OA_ID, callback_url=receiver.address)
    gateway.advance(60)
    assert until(lambda: sum(len(one.message_ids) for one in reports) == 40)
    assert {one for report in reports for one in report.message_ids} == {row.message_id for row in done.rows}
    assert gateway.call_count("get_callback_data") + gateway.call_count("get_send_status") < 20


def test_forged_callback_is_not_reported(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """It says delivered, of a message that is on its way and of one that never was: nothing is told of either."""
    message_id = sent(client, receiver)
    for forged in (message_id, "no-such-message"):
        query = f"SMSID={forged}&SendStatus=5&SendSuccess=1&SendFailed=0&TotalReceiver=1&phonenumber=0901888484"
        assert ask(receiver.application, f"/esms/callback/{TOKEN}?{query}")[0] == 200
    # Each is looked at three times, then forgotten.
    assert until(lambda: gateway.call_count("get_send_status") == 6)
    assert reports == []
    gateway.advance(60)
    assert until(lambda: reports) == [Confirmed((message_id,), {"delivered": 1})]


def test_status_lagging_behind_its_callback_is_polled_again(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """The first look finds it on its way, the second one delivered."""
    message_id = sent(client, receiver)
    ask(receiver.application, f"/esms/callback/{TOKEN}?SMSID={message_id}")
    until(lambda: gateway.call_count("get_send_status") == 1)
    gateway.set_status(message_id, 5, 0)
    assert until(lambda: reports) == [Confirmed((message_id,), {"failed": 1}, (message_id,))]


def test_repeated_callback_is_reported_once(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """The gateway repeats itself, by its own words up to five times."""
    message_id = sent(client, receiver)
    gateway.advance(60)
    assert until(lambda: reports)
    for _ in range(4):
        assert ask(receiver.application, f"/esms/callback/{TOKEN}?SMSID={message_id}")[0] == 200
    time.sleep(0.2)
    assert (len(reports), gateway.call_count("get_send_status")) == (1, 1)


def test_second_attempt_that_is_delivered_is_reported_after_the_failed_one(
    gateway: Emulator, client: EsmsClient, receiver: Server, reports: list[Confirmed]
) -> None:
    """The first attempt failed and was reported; repeated callbacks about it are not, the delivery is."""
    message_id = sent(client, receiver)
    failed = Confirmed((message_id,), {"failed": 1}, (message_id,))
    gateway.set_status(message_id, 5, 0)
    target = f"/esms/callback/{TOKEN}?SMSID={message_id}"
    ask(receiver.application, target)
    assert until(lambda: reports) == [failed]
    seen = gateway.call_count("get_send_status")
    ask(receiver.application, target)
    assert until(lambda: gateway.call_count("get_send_status") > seen)
    gateway.set_status(message_id, 5, 1)
    ask(receiver.application, target)
    assert until(lambda: len(reports) == 2)
    assert reports == [failed, Confirmed((message_id,), {"delivered": 1})]


def test_gateway_outage_loses_no_report(
    gateway: Emulator,
    client: EsmsClient,
    receiver: Server,
    reports: list[Confirmed],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged in one line, and the next look finds everything."""
    message_id = sent(client, receiver)
    gateway.faults.add("get_send_status", http_status(503), next_calls=3)
    with caplog.at_level(logging.WARNING):
        gateway.advance(60)
        assert until(lambda: reports) == [Confirmed((message_id,), {"delivered": 1})]
    assert "1 delivery reports could not be looked up" in caplog.text
    assert "Traceback" not in caplog.text


def test_failed_report_handler_is_retried(
    gateway: Emulator, client: EsmsClient, make_client: Callable[..., EsmsClient]
) -> None:
    """Whoever is told has troubles of his own at times."""
    told: list[Confirmed] = []

    def report(confirmed: Confirmed) -> None:
        told.append(confirmed)
        if len(told) == 1:
            raise OSError("database is locked, and here stands a password")

    message_id = gateway.insert_message(send_status=5, send_result=1, sms_type=2)
    confirmations = Confirmations(make_client, report, gather_seconds=0.01, look_again_seconds=(0.01,))
    assert confirmations.take(Callback(message_id))
    assert until(lambda: len(told) == 2)
    confirmations.close()


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (f"/esms/callback/{TOKEN}x?SMSID=1", "GET"),
        (f"/esms/callback/{TOKEN[:-1]}?SMSID=1", "GET"),
        (f"/esms/callback/{TOKEN}/?SMSID=1", "GET"),
        (f"/esms/{TOKEN}?SMSID=1", "GET"),
        (f"/esms/callback/{TOKEN}?SMSID=1", "POST"),
        (f"/esms/callback/{TOKEN}?SMSID=1&{'x' * 20_000}", "GET"),
        ("/esms/callback/?SMSID=1", "GET"),
        ("/esms", "GET"),
        ("/esms/callback/\u1ea1", "GET"),
    ],
)
def test_invalid_callback_requests_get_404_and_are_masked(
    confirmations: Confirmations, target: str, method: str
) -> None:
    """And whatever was asked for stands in no log, since it may be the address with a mistake in it."""
    status, scope = ask(CallbackReceiver(TOKEN, confirmations), target, method)
    assert (status, scope["path"], scope["query_string"]) == (404, "/esms/***", b"")


def test_full_queue_answers_503(make_client: Callable[..., EsmsClient]) -> None:
    """With 503, so that it comes again."""
    confirmations = Confirmations(make_client, lambda _: None, gather_seconds=60, capacity=2)
    receiver = CallbackReceiver(TOKEN, confirmations)
    statuses = [ask(receiver, f"/esms/callback/{TOKEN}?SMSID=m{number}")[0] for number in (1, 2, 2, 3)]
    confirmations.close()
    assert statuses == [200, 200, 200, 503]
    assert ask(receiver, f"/esms/callback/{TOKEN}?SMSID=m4")[0] == 503


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SMSID=a-1&SendStatus=5", Callback("a-1")),
        ("smsid=a-1&OAID=4711", Callback("a-1", "4711")),
        ("ReferenceId=a-1&CallStatus=ANSWERED", Callback("a-1")),
        ('SMSID=a-1&error_info="{\\"error\\":-114}"&oaid=1', Callback("a-1", "1")),
        ("SMSID=a-1&error_info=%257B%2522data%2522%257D____24/04/2024%252016:58:01", Callback("a-1")),
        ("SMSID=a-1&oaid=1%27%20OR%201", Callback("a-1")),
        ("SMSID=", None),
        ("SMSID=" + "9" * 65, None),
        ("SMSID=a%0Ab", None),
        ("", None),
        ("&".join(f"x{number}=1" for number in range(200)), None),
    ],
)
def test_callback_query_yields_only_message_id_and_oa_id(query: str, expected: Callback | None) -> None:
    """In every spelling that is known; what is no id is none."""
    assert read_callback(query) == expected


@pytest.mark.parametrize("fault", [None, code("789"), code("99")])
def test_unknown_oa_does_not_affect_other_callbacks(gateway: Emulator, client: EsmsClient, fault: Any) -> None:
    """What cannot be asked by OA is asked one by one, and an id that is refused stands for itself."""
    real = [gateway.insert_message(phone=f"0904{number:06d}", send_status=5, send_result=1) for number in range(2)]
    if fault is not None:
        gateway.faults.add("get_callback_data", fault, probability=1.0)
        gateway.faults.add("get_send_status", fault, next_calls=1)
    batch = [Callback("made-up", "4711"), *(Callback(message_id, "4711") for message_id in real)]
    assert confirm(client, batch).message_ids == tuple(real)


def test_wrong_credentials_raise_authentication_error(gateway: Emulator, client: EsmsClient) -> None:
    """Nothing is concluded about any message."""
    gateway.faults.add("get_send_status", code("101"), probability=1.0)
    with pytest.raises(AuthenticationError):
        confirm(client, [Callback("any")])


def test_advertising_batch_counts_all_receivers(gateway: Emulator, client: EsmsClient) -> None:
    """One id stands for all of them."""
    phones = [f"0903{number:06d}" for number in range(30)]
    done = client.send_advertising_sms(phones, "Khuyen mai", DEMO_BRANDNAME)
    assert confirm(client, [Callback(done.message_id or "")]).message_ids == ()
    gateway.advance(120)
    confirmed = confirm(client, [Callback(done.message_id or "")])
    assert confirmed.as_dict() == {
        "message_ids": [done.message_id],
        "delivered": 30,
        "failed": 0,
        "rejected": 0,
        "failed_ids": [],
    }


@pytest.mark.parametrize("token", ["", "short", "with/slash/in/the/token", "with blank in the token"])
def test_weak_or_malformed_token_is_rejected(confirmations: Confirmations, token: str) -> None:
    """In one line that says what it must be."""
    with pytest.raises(ConfigurationError, match="16 letters"):
        CallbackReceiver(token, confirmations)
