"""An SMS when something happened: exactly one for each event, and every problem as Prefect wants it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from contract.alerts import PEOPLE, SPELLINGS
from prefect import flow
from prefect.blocks.abstract import NotificationError

from esms_connectors import EsmsError, RetryPolicy
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code, drop_after, http_status
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.sms_text import describe
from esms_connectors.prefect import EsmsCredentials, EsmsNotification, notify_by_sms
from esms_connectors.sending import alerts

PHONE, OTHER_PHONE = "0901234567", "0987654321"


@pytest.fixture
def make_notification(credentials: EsmsCredentials) -> Callable[..., EsmsNotification]:
    def make(**fields: object) -> EsmsNotification:
        settings: dict[str, object] = {"phones": PHONE, "brandname": DEMO_BRANDNAME, **fields}
        return EsmsNotification(credentials=credentials, **settings)

    return make


def test_subject_and_body_are_sent_as_one_sms_without_diacritics(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """Subject and body in one SMS, without diacritics."""
    make_notification().notify("Chạy lỗi lúc 03:00", subject="Nightly")
    (message,) = gateway.messages()
    assert (message.phone, message.content) == (PHONE, "Nightly: Chay loi luc 03:00")


def test_phone_in_two_spellings_gets_one_message(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """One a line, with a country code, with blanks; and one that is none keeps the alarm from nobody else."""
    block = make_notification(phones=f"{PHONE}\n+84 {PHONE[1:]}; {OTHER_PHONE}, 12345")
    with block.raise_on_failure(), pytest.raises(NotificationError) as error:
        block.notify("x")
    assert "is not a Vietnamese mobile number" in error.value.log
    assert gateway.deliveries_by_phone() == {PHONE: 1, OTHER_PHONE: 1}


@pytest.mark.in_turn
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_phones_are_accepted_in_any_spelling(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], spelling: str
) -> None:
    """As in the core and in Airflow."""
    make_notification(phones=spelling).notify("x")
    assert gateway.deliveries_by_phone() == dict.fromkeys(PEOPLE, 1)


def test_repeated_phone_gets_one_message(gateway: Emulator, make_notification: Callable[..., EsmsNotification]) -> None:
    """However often it is listed."""
    make_notification(phones=f"{PHONE}, {OTHER_PHONE},{PHONE} ").notify("x")
    assert gateway.deliveries_by_phone() == {PHONE: 1, OTHER_PHONE: 1}


def test_repeated_text_is_suppressed_within_the_period(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same text a moment later carries the same request id; another text, or much later, is another event."""
    clock = [pendulum.now("UTC")]
    monkeypatch.setattr(machine_clock, "source", lambda: clock[0])
    make_notification().notify("failed", subject="Run 1")
    make_notification().notify("failed", subject="Run 1")
    assert gateway.message_count == 1
    make_notification().notify("failed", subject="Run 2")
    clock[0] = clock[0].add(seconds=601)
    make_notification().notify("failed", subject="Run 1")
    assert gateway.message_count == 3


def test_lost_response_sends_no_duplicate(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """The client asks again under the same id, and that is all."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    block = make_notification()
    with block.raise_on_failure():
        block.notify("x")
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_notify_is_awaitable_on_a_running_event_loop(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """A server awaits it; the block that only had the other form would be sent four times."""

    async def as_a_server_does() -> None:
        block = make_notification()
        with block.raise_on_failure():
            await block.notify(subject="Prefect", body="x")
        await block.anotify("y")
        block.notify("z", _sync=True)

    asyncio.run(as_a_server_does())
    assert sorted(message.content for message in gateway.messages()) == ["Prefect: x", "y", "z"]


@pytest.mark.in_turn
def test_notify_is_sync_in_sync_flows_and_awaitable_in_async_flows(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """Sync in a sync flow, a coroutine in an async one."""
    block = make_notification()

    @flow
    def plain() -> None:
        assert block.notify("sync") is None

    @flow
    async def waiting() -> None:
        await block.notify("async")

    plain()
    asyncio.run(waiting())
    assert gateway.message_count == 2


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (code("101"), "101"),
        (code("146"), "146"),
        (http_status(503), "send_customer_care_sms"),
    ],
)
def test_gateway_failures_raise_notification_error_with_masked_phones(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], fault: object, words: str
) -> None:
    """Prefect repeats an action that fails with anything else; the text is kept by the server, so it names nobody."""
    gateway.faults.add("send_customer_care_sms", fault, every=1)
    block = make_notification(patience_seconds=0)
    with block.raise_on_failure(), pytest.raises(NotificationError) as error:
        block.notify("x")
    assert words in error.value.log
    assert "090*****67" in error.value.log
    assert PHONE not in error.value.log


def test_failure_outside_of_raise_on_failure_is_only_logged(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], caplog: pytest.LogCaptureFixture
) -> None:
    """As the base class promises."""
    gateway.faults.add("send_customer_care_sms", code("146"), every=1)
    logger = logging.getLogger("prefect.EsmsNotification")
    logger.addHandler(caplog.handler)
    try:
        make_notification().notify("x")
    finally:
        logger.removeHandler(caplog.handler)
    assert "146" in caplog.text
    assert PHONE not in caplog.text


def test_short_outage_loses_no_alert_and_sends_no_duplicate(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again, for minutes; each phone gets one message all the same."""
    monkeypatch.setattr(alerts, "_PAUSES", (0.05,))
    monkeypatch.setattr(EsmsCredentials, "get_client", _once(EsmsCredentials.get_client))
    gateway.faults.add("send_customer_care_sms", http_status(503), calls=[1])
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[2])
    block = make_notification(phones=f"{PHONE};{OTHER_PHONE}")
    with block.raise_on_failure():
        block.notify("x")
    assert gateway.deliveries_by_phone() == {PHONE: 1, OTHER_PHONE: 1}


@pytest.mark.parametrize(("body", "subject", "text"), [("", "Nightly", "Nightly"), ("", None, "A notification")])
def test_empty_or_incomplete_text_still_gives_a_message(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification], body: str, subject: str | None, text: str
) -> None:
    """An empty template or body, or a template that wants another name."""
    for template in ("", "{body}"):
        make_notification(text=template).notify(body, subject=subject)
    assert all(message.content.startswith(text) for message in gateway.messages())
    assert gateway.message_count > 0
    assert make_notification(text="{nobody} {body}").message("x") == "{nobody} x"


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phones": f"{PHONE}, 12345"}, "phone 2 .* has only 5 digits"),
        ({"phones": " "}, "phones"),
        ({"brandname": " "}, "brandname"),
    ],
)
def test_invalid_block_is_rejected_on_save(
    credentials: EsmsCredentials,
    make_notification: Callable[..., EsmsNotification],
    fields: dict[str, object],
    words: str,
) -> None:
    """And not when something is broken and nobody is told of it."""
    credentials.brandname = None
    with pytest.raises(EsmsError, match=words) as error:
        make_notification(**fields).save("never")
    assert "\n" not in str(error.value)


def test_sandbox_notification_sends_nothing_and_is_logged(
    gateway: Emulator,
    credentials: EsmsCredentials,
    make_notification: Callable[..., EsmsNotification],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a warning: somebody counts on it."""
    credentials.sandbox = True
    logger = logging.getLogger("prefect.EsmsNotification")
    logger.addHandler(caplog.handler)
    try:
        make_notification().notify("x")
    finally:
        logger.removeHandler(caplog.handler)
    assert "1 checked in the sandbox, not sent" in caplog.text
    assert gateway.message_count == 0


@pytest.mark.in_turn
@pytest.mark.parametrize("fields", [{"brandname": None}, {"phones": " , "}, {"phones": "12345"}])
def test_incomplete_block_raises_one_line_notification_error(
    credentials: EsmsCredentials, make_notification: Callable[..., EsmsNotification], fields: dict[str, object]
) -> None:
    """As a NotificationError too."""
    credentials.brandname = None
    block = make_notification(**fields)
    with block.raise_on_failure(), pytest.raises(NotificationError) as error:
        block.notify("x")
    assert "\n" not in error.value.log


def test_internal_error_raises_notification_error_without_its_text(
    make_notification: Callable[..., EsmsNotification], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug must not send an alarm four times; its text may hold anything, so it is left out."""
    monkeypatch.setattr(EsmsNotification, "message", lambda *_: 1 / 0)
    block = make_notification()
    with block.raise_on_failure(), pytest.raises(NotificationError) as error:
        block.notify("x")
    assert error.value.log == "SMS alert: internal error (ZeroDivisionError)"


def test_long_texts_are_truncated_to_max_segments(make_notification: Callable[..., EsmsNotification]) -> None:
    """A traceback in the body costs no more than the segments allowed."""
    block = make_notification(max_segments=2)
    for body in ("x" * 100_000, "{^}" * 500, "ắ" * 1000, "😀" * 1000, "a" * 306):
        text = block.message(body, "Subject")
        assert describe(text).segments <= 2
        assert text.endswith("...")
    assert block.message("a" * 295, "Subject").endswith("a")


def test_braces_in_the_body_are_not_treated_as_placeholders(make_notification: Callable[..., EsmsNotification]) -> None:
    """JSON in a body stays as it is, and a subject cannot pull the body in twice."""
    block = make_notification(text="[{subject}] {body}")
    assert block.message('{"a": 1} {0} {x}', "{body}") == '[{body}] {"a": 1} {0} {x}'
    assert make_notification().message("only a body") == "only a body"


@pytest.mark.in_turn
def test_notify_by_sms_flow_sends_the_alert_and_reports_failures(
    gateway: Emulator, make_notification: Callable[..., EsmsNotification]
) -> None:
    """An automation runs its deployment; a problem fails the run in one line."""
    make_notification().save("alarm", overwrite=True)
    notify_by_sms("Chạy lỗi", subject="Nightly", notification="alarm")
    assert [message.content for message in gateway.messages()] == ["Nightly: Chay loi"]
    gateway.faults.add("send_customer_care_sms", code("146"), every=1)
    with pytest.raises(Exception, match=r"^SMS alert: 0 sent, 1 not told: 090\*+67: .*146") as error:
        notify_by_sms("again", notification="alarm")
    assert "\n" not in str(error.value)


@pytest.mark.in_turn
@pytest.mark.parametrize("same_day", [True, False])
def test_retried_alert_after_a_lost_response_sends_no_duplicate(
    gateway: Emulator,
    make_notification: Callable[..., EsmsNotification],
    monkeypatch: pytest.MonkeyPatch,
    same_day: bool,
) -> None:
    """The answer is lost, the next period has begun: the same run is the same message. After midnight nobody knows."""
    make_notification(patience_seconds=0).save("alarm-again", overwrite=True)
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    monkeypatch.setattr("esms_connectors.prefect.alerts._notify.retry_delay_seconds", [0.1])
    periods = itertools.count()
    monkeypatch.setattr(machine_clock, "source", lambda: pendulum.now("UTC").add(minutes=20 * next(periods)))
    monkeypatch.setattr(EsmsNotification, "may_repeat", lambda _moment: same_day)
    monkeypatch.setattr(EsmsCredentials, "get_client", _once(EsmsCredentials.get_client))
    state = notify_by_sms("It failed", notification="alarm-again", return_state=True)
    assert state.is_completed() is same_day
    assert [message.content for message in gateway.messages()] == ["It failed"]
    assert gateway.call_count("send_customer_care_sms") == (2 if same_day else 1)


@pytest.mark.in_turn
@pytest.mark.parametrize("same_day", [True, False])
def test_retried_flow_sends_no_duplicate_alert(
    gateway: Emulator,
    make_notification: Callable[..., EsmsNotification],
    monkeypatch: pytest.MonkeyPatch,
    same_day: bool,
) -> None:
    """One phone got it, the other was refused. Its new task is no first attempt: after midnight none is made."""
    make_notification(phones=f"{PHONE}, {OTHER_PHONE}").save("alarm-retried", overwrite=True)
    gateway.faults.add("send_customer_care_sms", code("146"), calls=[2])
    monkeypatch.setattr(EsmsNotification, "may_repeat", lambda _moment: same_day)
    state = notify_by_sms.with_options(retries=1)("It failed", notification="alarm-retried", return_state=True)
    assert state.is_completed() is same_day
    assert gateway.deliveries_by_phone() == ({PHONE: 1, OTHER_PHONE: 1} if same_day else {PHONE: 1})
    assert gateway.call_count("send_customer_care_sms") == (4 if same_day else 2)


def test_alert_may_be_repeated_only_on_the_same_day() -> None:
    """It holds back what it got on the same day."""
    assert not EsmsNotification.may_repeat(pendulum.now("UTC").subtract(hours=25).timestamp())
    assert EsmsNotification.may_repeat(pendulum.now("UTC").add(hours=1).timestamp())


def _once(get_client: Callable[..., Any]) -> Callable[..., Any]:
    """Clients that leave trying again to the flow."""
    return lambda block, **settings: get_client(block, retries=RetryPolicy(attempts=1), **settings)
