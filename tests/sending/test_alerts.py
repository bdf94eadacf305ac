"""Alerts: one message an event and phone, whatever else is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pendulum
import pytest

from esms_connectors import ConfigurationError, EsmsClient, InvalidRequestError, RetryPolicy
from esms_connectors.emulator import DEMO_BRANDNAME, Emulator
from esms_connectors.emulator.faults import code, drop_after, drop_before, http_status
from esms_connectors.gateway.sms_text import describe
from esms_connectors.sending.alerts import AlertEvent, alert_text, end_of_quiet_hours, send_alert

ONE, TWO = "0901888484", "0902888485"
NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
FAILED = AlertEvent(("production", "nightly", "scheduled__2024-05-15"), "failed", "2024-05-15T02:00:00")


@dataclass
class Clock:
    """Time that passes only by sleeping; what `on_sleep` does happens meanwhile."""

    seconds: float = 0.0
    on_sleep: Callable[[], Any] = lambda: None
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds
        self.on_sleep()

    def arguments(self, begin: pendulum.DateTime = NOON) -> dict[str, Any]:
        return {
            "sleep": self.sleep,
            "monotonic": lambda: self.seconds,
            "now": lambda: begin.add(seconds=self.seconds),
        }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def impatient(make_client: Callable[..., EsmsClient]) -> EsmsClient:
    """A client that tries once: the patience is the alert's."""
    return make_client(retries=RetryPolicy(attempts=1))


def tell(client: EsmsClient, phones: object = (ONE, TWO), clock: Clock | None = None, **changed: Any) -> Any:
    arguments: dict[str, Any] = {
        "text": "nightly hong roi",
        "brandname": DEMO_BRANDNAME,
        "event": FAILED,
        "fallback": "Airflow: nightly failed",
        **(clock or Clock()).arguments(),
        **changed,
    }
    return send_alert(client, phones, arguments.pop("text"), arguments.pop("brandname"), **arguments)


def test_repeated_event_is_alerted_once(client: EsmsClient, gateway: Emulator) -> None:
    """Of retries and mapped tasks; a run that was cleared and fails again is another event."""
    assert str(tell(client)) == "2 sent"
    assert str(tell(client, text="another text of the same event")) == "0 sent, 2 alerted before"
    again = AlertEvent(FAILED.subject, FAILED.what, "2024-05-15T09:00:00")
    assert str(tell(client, event=again)) == "2 sent"
    assert gateway.deliveries_by_phone() == {ONE: 2, TWO: 2}


def test_invalid_numbers_do_not_block_alerts_to_other_phones(client: EsmsClient, gateway: Emulator) -> None:
    """Whether we or the gateway know that it is bad."""
    gateway.faults.add("send_customer_care_sms", code("99"), calls=[1])
    result = tell(client, f"12; {ONE}\n{TWO}")
    assert gateway.deliveries_by_phone() == {TWO: 1}
    assert (result.sent, result.retryable) == (1, False)
    assert len(result.problems) == 2
    assert "it has only 2 digits" in str(result.failure)
    assert "090*****84" in str(result.failure)
    assert ONE not in str(result.failure)


def test_alert_is_retried_until_gateway_recovers(impatient: EsmsClient, gateway: Emulator, clock: Clock) -> None:
    """Each round under the same request id."""
    gateway.faults.add("send_customer_care_sms", drop_before(), every=1)
    clock.on_sleep = lambda: gateway.faults.clear() if clock.seconds > 60 else None
    assert str(tell(impatient, clock=clock)) == "2 sent"
    assert gateway.deliveries_by_phone() == {ONE: 1, TWO: 1}
    assert 60 < clock.seconds < 100


def test_exhausted_patience_returns_retryable_failure(impatient: EsmsClient, gateway: Emulator, clock: Clock) -> None:
    """With the failure of each phone."""
    gateway.faults.add("send_customer_care_sms", http_status(503), every=1)
    result = tell(impatient, clock=clock, patience_seconds=120)
    assert 60 < clock.seconds <= 120
    assert result.failure is not None
    assert result.failure.retryable
    assert (result.sent, len(result.problems)) == (0, 2)


def test_lost_response_does_not_cause_a_second_alert(impatient: EsmsClient, gateway: Emulator, clock: Clock) -> None:
    """What comes back as a duplicate was sent by this very alert."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    assert str(tell(impatient, ONE, clock)) == "1 sent"
    assert gateway.deliveries_by_phone() == {ONE: 1}


def test_refusal_after_lost_response_keeps_alert_in_doubt(
    impatient: EsmsClient, gateway: Emulator, clock: Clock
) -> None:
    """The first attempt was taken; that the second was refused does not undo it."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    gateway.faults.add("send_customer_care_sms", code("146"), calls=[2])
    result = tell(impatient, ONE, clock)
    assert "may have been accepted" in result.problems[0]
    assert not result.retryable
    assert gateway.deliveries_by_phone() == {ONE: 1}


def test_duplicate_after_a_refusal_is_not_reported_as_alerted(
    impatient: EsmsClient, gateway: Emulator, clock: Clock
) -> None:
    """The refusal used up the request id, and nobody was alerted."""
    gateway.faults.add("send_customer_care_sms", code("160"), calls=[1])
    gateway.faults.add("send_customer_care_sms", code("124"), calls=[2])
    result = tell(impatient, ONE, clock)
    assert (result.sent, result.told_before, result.retryable) == (0, 0, False)
    assert "may not have been sent" in result.problems[0]


def test_lost_alert_is_not_retried_close_to_midnight(impatient: EsmsClient, gateway: Emulator, clock: Clock) -> None:
    """It holds back a second message until midnight in Vietnam; an answer is lost shortly before."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    result = send_alert(
        impatient, ONE, "x", DEMO_BRANDNAME, event=FAILED, fallback="x",
        **clock.arguments(NOON.at(23, 54, 58)),
    )  # fmt: skip
    assert clock.naps == []
    assert len(result.problems) == 1
    assert gateway.deliveries_by_phone() == {ONE: 1}


@pytest.mark.parametrize("text", [None, "", "  \n", "None", 12])
def test_missing_or_invalid_text_falls_back_to_plain_text(client: EsmsClient, gateway: Emulator, text: object) -> None:
    """A template that fails, or gives nothing, costs its words and not the alert."""
    tell(client, ONE, text=text)
    assert [message.content for message in gateway.messages()] == ["Airflow: nightly failed"]


def test_sandbox_result_reports_checked_and_not_sent(make_client: Callable[..., EsmsClient], gateway: Emulator) -> None:
    """Nobody was told, and the result does not say otherwise."""
    assert str(tell(make_client(sandbox=True))) == "2 checked in the sandbox, not sent"
    assert gateway.message_count == 0


@pytest.mark.parametrize(
    ("phones", "brandname"), [("", DEMO_BRANDNAME), (None, DEMO_BRANDNAME), (ONE, ""), (ONE, None)]
)
def test_missing_phones_or_brandname_is_rejected(client: EsmsClient, phones: object, brandname: str | None) -> None:
    """In one line that says which is missing."""
    with pytest.raises((ConfigurationError, InvalidRequestError), match=r"needs (phones|a brandname)"):
        tell(client, phones, brandname=brandname)


def test_long_texts_are_truncated_to_two_segments() -> None:
    """To what they may cost, counted as the gateway is told to count."""
    odd = "a\x00b\x1b[0m\ud800"
    for text in ("x" * 100_000, "{^}" * 500, "ắ" * 1000, "😀" * 1000, "a" * 307, "é£" * 200, odd * 99):
        for plain in (True, False):
            cut = alert_text(text, "", plain_text=plain)
            assert describe(cut, is_unicode=not cut.isascii()).segments <= 2
            assert cut.endswith("...")
    assert alert_text("a" * 306, "") == "a" * 306
    assert alert_text("Chạy lỗi\r\n\tlúc 03:00\x00", "") == "Chay loi luc 03:00"
    assert alert_text("Chạy lỗi", "", plain_text=False) == "Chạy lỗi"


@pytest.mark.parametrize(
    ("now", "hours", "told"),
    [
        ("2026-11-21T23:30", (22, 7), "2026-11-22T07:00"),
        ("2026-11-21T03:30", (22, 7), "2026-11-21T07:00"),
        ("2026-11-21T07:00", (22, 7), None),
        ("2026-11-21T21:59", (22, 7), None),
        ("2026-11-21T12:30", (12, 14), "2026-11-21T14:00"),
        ("2026-11-21T03:30", None, None),
    ],
)
def test_quiet_hours_end_in_vietnam_time(now: str, hours: tuple[int, int] | None, told: str | None) -> None:
    """In Vietnam's hours, across midnight, whatever the zone of the clock."""
    moment = pendulum.parse(now, tz="Asia/Ho_Chi_Minh").in_timezone("America/New_York")
    end = end_of_quiet_hours(hours, moment)
    assert (end and end.strftime("%Y-%m-%dT%H:%M")) == told
