"""Waiting for delivery, against the emulator over a real socket; its clock is virtual, so no test sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest
from pendulum import DateTime

from esms_connectors import (
    AuthenticationError,
    Credentials,
    DeliveryState,
    EsmsClient,
    InvalidRequestError,
    OutcomeUnknownError,
    SmsType,
)
from esms_connectors.delivery.polling import (
    DeliveryGoal,
    DeliveryPoller,
    DeliveryTimeoutError,
    PollBackoff,
    ReportsQuery,
    SentDataQuery,
    StateQuery,
    TooFewDeliveredError,
    Verdict,
    target_of_ids,
    target_of_run,
    wait_for_delivery,
)
from esms_connectors.delivery.target import target_from_dict
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    VirtualClock,
)
from esms_connectors.emulator.faults import drop_after, http_status
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, ZnsChannel

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
ALL_ARRIVE = Progress(failed_share=0.0, rejected_share=0.0)


@pytest.fixture
def progress() -> Progress:
    return ALL_ARRIVE


@pytest.fixture
def gateway(progress: Progress) -> Emulator:
    """At noon; messages fare as `progress` says."""
    return Emulator(EmulatorConfig(progress=progress), VirtualClock(NOON))


@pytest.fixture
def clock(gateway: Emulator) -> Callable[[], DateTime]:
    """The gateway's clock, for everything that has one."""
    return lambda: pendulum.from_timestamp(gateway.clock.now_ms() / 1000)


@pytest.fixture
def ledger(tmp_path: Path, clock: Callable[[], DateTime]) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite", now=clock) as opened:
        yield opened


def people(count: int) -> list[Recipient]:
    return [
        Recipient(f"0901{number:06d}", (f"Chị {number}", "Gội đầu", "KH", "19/03/2025"), f"0901{number:06d}", number)
        for number in range(count)
    ]


def send_zns(client: EsmsClient, ledger: Ledger, count: int, run_key: str = "march", **more: object) -> None:
    rows = people(count)
    send_bulk(ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, **more), rows, ledger=ledger, run_key=run_key)


@pytest.mark.in_turn(every=3)
def test_run_delivery_is_polled_by_campaign(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """First none is final, then all are; other messages of the same hour do not count."""
    send_zns(client, ledger, 1200)
    send_zns(client, ledger, 100, "april")
    poller = DeliveryPoller(target_of_run(ledger, "march"))
    before = poller.poll(client, now=clock())
    gateway.advance(60)
    after = poller.poll(client, now=clock())
    assert (before.total, before.final) == (1200, 0)
    assert (after.total, after.delivered, after.unseen) == (1200, 1200, 0)
    assert [DeliveryGoal().judge(before), DeliveryGoal().judge(after)] == [Verdict.WAIT, Verdict.REACHED]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "echo", [{"campaign_echo": "upper"}, {"campaign_echo": "empty"}, {"id_echo": "upper"}], ids=str
)
@pytest.mark.parametrize("count", [10, 40])
def test_altered_campaign_or_id_echo_is_matched(
    gateway: Emulator,
    client: EsmsClient,
    ledger: Ledger,
    clock: Callable[[], DateTime],
    echo: dict[str, Any],
    count: int,
) -> None:
    """By the campaign, and by the ids of the answers; each counts once, in whatever case it was listed before."""
    send_zns(client, ledger, count)
    by_run = target_of_run(ledger, "march")
    ids = [row["message_id"] for row in ledger.rows("march")]
    by_ids = target_of_ids(ids, sent_after=NOON.subtract(hours=1), sms_types=[25])
    pollers = [DeliveryPoller(one) for one in (by_run, target_from_dict(by_run.as_dict()), by_ids)]
    for poller in pollers:
        poller.poll(client, now=clock())
    for name, value in echo.items():
        setattr(gateway.quirks, name, value)
    gateway.advance(60)
    for poller in pollers:
        after = poller.poll(client, now=clock())
        assert (after.total, after.delivered, after.unseen) == (count, count, 0)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("listed_by", ["created", "sent"])
def test_scheduled_run_is_found_by_creation_or_send_time(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime], listed_by: str
) -> None:
    gateway.quirks.listed_by = listed_by
    send_zns(client, ledger, 10, send_at=clock().add(hours=5))
    poller = DeliveryPoller(target_of_run(ledger, "march"))
    assert poller.poll(client, now=clock()).final == 0
    gateway.advance(hours=5, minutes=1)
    assert poller.poll(client, now=clock()).delivered == 10


@pytest.mark.in_turn(every=3)
def test_rows_accepted_with_code_124_are_polled(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """A lost answer leaves accepted rows without a message id; the campaign finds them."""
    gateway.faults.add("send_zns_bulk", drop_after(), calls=[1])
    send_zns(client, ledger, 600)
    assert ledger.summary("march").duplicates > 0
    gateway.advance(60)
    assert DeliveryPoller(target_of_run(ledger, "march")).poll(client, now=clock()).delivered == 600


@pytest.mark.in_turn(every=3)
def test_final_windows_are_not_queried_again(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """Two campaigns of one run, an hour apart: once the first hour is final, only the second is read."""
    send_zns(client, ledger, 500)
    gateway.advance(7200)
    rows = people(1000)
    send_bulk(ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID), rows, ledger=ledger, run_key="march")
    poller = DeliveryPoller(target_of_run(ledger, "march"))
    everything = len(poller.queries())
    assert poller.poll(client, now=clock()).final == 500
    left = poller.queries()
    assert 0 < len(left) < everything / 2
    assert all(isinstance(one, SentDataQuery) and one.end > clock().subtract(hours=1) for one in left)
    gateway.advance(60)
    assert DeliveryGoal().judge(poller.poll(client, now=clock())) is Verdict.REACHED


def test_few_ids_are_queried_individually_until_final(gateway: Emulator, client: EsmsClient) -> None:
    """An id of the gateway's costs a call until it is final."""
    sent = [client.send_customer_care_sms(f"090100000{n}", "xin chao", DEMO_BRANDNAME).message_id for n in range(3)]
    poller = DeliveryPoller(target_of_ids([one for one in sent if one]))
    assert poller.poll(client).final == 0
    gateway.set_status(sent[0] or "", 5, 1)
    assert poller.poll(client).final == 1
    assert poller.queries() == [StateQuery(one) for one in sent[1:] if one]
    gateway.advance(60)
    assert poller.poll(client).delivered == 3
    assert poller.queries() == []


def test_many_ids_with_a_window_are_queried_through_sent_data(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """300 ids cost a page or two, not 300 calls."""
    send_zns(client, ledger, 300)
    ids = sorted(message.message_id for message in gateway.messages())
    target = target_of_ids(ids, sent_after=NOON.subtract(minutes=5), sent_before=clock().add(minutes=5), sms_types=[25])
    gateway.advance(60)
    assert DeliveryPoller(target).poll(client, now=clock()).delivered == 300
    assert gateway.call_count("get_sms_sent_data") <= 4
    assert gateway.call_count("get_send_status") == 0


def test_many_ids_of_an_oa_are_queried_through_reports(gateway: Emulator, client: EsmsClient, ledger: Ledger) -> None:
    """200 ids a call; the few without a report are asked for by status."""
    send_zns(client, ledger, 250, callback_url="https://example.test/dlr")
    gateway.advance(60)
    poller = DeliveryPoller(target_of_ids([message.message_id for message in gateway.messages()], oa_id=DEMO_OA_ID))
    assert isinstance(poller.queries()[0], ReportsQuery)
    counts = poller.poll(client)
    assert counts.delivered == 250
    assert gateway.call_count("get_callback_data") == 2


def test_advertising_id_covers_its_whole_batch(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """Forty people under one id; they are target as forty."""
    rows = [Recipient(f"0901{number:06d}", (), f"0901{number:06d}", number) for number in range(40)]
    send_bulk(AdvertisingChannel(client, "sale", DEMO_BRANDNAME), rows, ledger=ledger, run_key="ads")
    poller = DeliveryPoller(target_of_run(ledger, "ads"))
    assert (poller.poll(client).total, poller.poll(client).final) == (40, 0)
    gateway.advance(60)
    assert poller.poll(client).delivered == 40


def test_target_round_trips_through_json(client: EsmsClient, ledger: Ledger) -> None:
    """A trigger gets it as plain data."""
    send_zns(client, ledger, 3)
    target = target_of_run(ledger, "march")
    assert target_from_dict(json.loads(json.dumps(target.as_dict()))) == target


@pytest.mark.parametrize("progress", [Progress(failed_share=1.0, rejected_share=0.0)])
def test_unreachable_goal_ends_the_wait_early(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """95 % cannot arrive any more: that is said at once, with the ids of those that failed."""
    send_zns(client, ledger, 150)
    gateway.advance(60)
    with pytest.raises(TooFewDeliveredError, match="95%") as error:
        wait_for_delivery(
            client,
            target_of_run(ledger, "march"),
            DeliveryGoal(delivered_share=0.95),
            deadline=clock().add(hours=1),
            now=clock,
        )
    assert error.value.counts.failed == 150
    assert len(error.value.counts.failed_ids) == 100
    assert set(error.value.counts.failed_ids) <= {message.message_id for message in gateway.messages()}


@pytest.mark.parametrize("progress", [Progress(failed_share=0.0, rejected_share=0.0, never_final_share=1.0)])
def test_wait_times_out_at_the_absolute_deadline(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """Messages without a last report end in a timeout that says how far it came; the last sleep ends with it."""
    send_zns(client, ledger, 30)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        gateway.advance(seconds)

    with pytest.raises(DeliveryTimeoutError, match="0 of 30 final") as error:
        wait_for_delivery(
            client, target_of_run(ledger, "march"), deadline=clock().add(seconds=150), sleep=sleep, now=clock
        )
    assert error.value.counts.of(DeliveryState.SENT) == 30
    assert slept == pytest.approx([60, 60, 30], abs=1)


def test_temporary_gateway_failures_are_retried_with_backoff(
    gateway: Emulator, client: EsmsClient, ledger: Ledger, clock: Callable[[], DateTime]
) -> None:
    """Three looks in a row bring nothing, the waits grow, the fourth is answered."""
    send_zns(client, ledger, 30)
    gateway.faults.add("get_sms_sent_data", http_status(503), next_calls=9)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        gateway.advance(seconds)

    counts = wait_for_delivery(
        client, target_of_run(ledger, "march"), deadline=clock().add(hours=1), sleep=sleep, now=clock
    )
    assert counts.delivered == 30
    assert slept == [60, 120, 240]


def test_backoff_raises_after_max_failures_and_at_once_for_wrong_credentials() -> None:
    """Two failures in a row are borne, the third is raised; wrong keys are raised at once."""
    backoff = PollBackoff(poll_seconds=10, max_failures=3)
    lost = OutcomeUnknownError("no answer", retryable=True)
    assert [backoff.after_failure(lost), backoff.after_failure(lost, chance=0.0)] == [10, 10]
    with pytest.raises(OutcomeUnknownError):
        backoff.after_failure(lost)
    with pytest.raises(AuthenticationError):
        PollBackoff().after_failure(AuthenticationError("wrong keys", code="101"))
    backoff.after_answer()
    assert backoff.after_failure(lost) == 10


@pytest.mark.parametrize("hours", [1, 0])
def test_wrong_credentials_end_the_wait(
    client: EsmsClient,
    make_client: Callable[..., EsmsClient],
    ledger: Ledger,
    clock: Callable[[], DateTime],
    hours: int,
) -> None:
    """And not after ten tries; at the deadline they are no timeout either, whose message would be about unseen rows."""
    send_zns(client, ledger, 3)
    stranger = make_client(credentials=Credentials("SOMEBODY0ELSES0KEY", "SOMEBODY0ELSES0SECRET"))
    with pytest.raises(AuthenticationError):
        wait_for_delivery(stranger, target_of_run(ledger, "march"), deadline=clock().add(hours=hours), now=clock)


@pytest.mark.parametrize(
    ("share", "delivered", "failed", "verdict"),
    [
        (None, 90, 5, Verdict.WAIT),
        (None, 90, 10, Verdict.REACHED),
        (0.95, 94, 0, Verdict.WAIT),
        (0.95, 95, 0, Verdict.REACHED),
        (0.95, 0, 5, Verdict.WAIT),
        (0.95, 0, 6, Verdict.UNREACHABLE),
    ],
)
def test_delivery_goal_is_exact_at_its_threshold(
    share: float | None, delivered: int, failed: int, verdict: Verdict
) -> None:
    """95 of 100 are 95 %, 94 are not."""
    from esms_connectors.delivery.polling import DeliveryCounts

    counts = DeliveryCounts(100, {DeliveryState.DELIVERED: delivered, DeliveryState.FAILED: failed})
    assert DeliveryGoal(delivered_share=share).judge(counts) is verdict


@pytest.mark.parametrize("ids", [[], [""], "F1E2D3C4", ["a"] * 1 + [None], [f"id-{n}" for n in range(5001)]])
def test_invalid_or_too_many_message_ids_are_rejected(ids: object) -> None:
    """None, an empty one (124 has none), one text, too many."""
    with pytest.raises(InvalidRequestError):
        target_of_ids(ids)


@pytest.mark.parametrize("share", [0, -1, 1.1, 95])
def test_invalid_delivered_share_is_rejected(share: float) -> None:
    """95 is refused, 0.95 is meant."""
    with pytest.raises(InvalidRequestError, match=r"0\.95"):
        DeliveryGoal(delivered_share=share)


def test_unknown_or_empty_run_is_rejected(ledger: Ledger) -> None:
    """Neither an unknown run nor an empty one."""
    with pytest.raises(InvalidRequestError, match="no run"):
        target_of_run(ledger, "never-begun")
    ledger.begin_run("empty", "zns", {"campaign": "c"})
    with pytest.raises(InvalidRequestError, match="nothing to wait for"):
        target_of_run(ledger, "empty")


def test_advertising_ids_are_queried_by_status_only() -> None:
    """One of its ids stands for many rows: a listed one would not mean that all of them are there."""
    target = target_of_ids(
        [f"id-{n}" for n in range(50)], sent_after=NOON, sent_before=NOON.add(hours=1), sms_types=[SmsType.ADVERTISING]
    )
    assert isinstance(DeliveryPoller(target).queries()[0], StateQuery)
