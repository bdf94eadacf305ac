"""Messages that are listed twice, and totals that count attempts: each message has one state."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pendulum
import pytest

from esms_connectors import DeliveryState, EsmsClient
from esms_connectors.delivery.callbacks import Callback, confirm
from esms_connectors.delivery.polling import DeliveryPoller
from esms_connectors.delivery.target import DeliveryTarget
from esms_connectors.gateway.models import SendStatus, SentMessage

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
DELIVERED, FAILED, SENT = (5, 1), (5, 0), (7, 2)


class Listing:
    """A client whose sent data has these rows of one phone, per type; `totals` answers for any id."""

    def __init__(self, **rows: tuple[int, int]) -> None:
        self.rows = rows
        self.totals = SendStatus("m-1", 5, 1, 1, 1, 1, None)

    def get_sms_sent_data(self, start: Any, end: Any, sms_type: int) -> list[SentMessage]:
        if (status := self.rows.get(f"type_{sms_type}")) is None:
            return []
        phone = "84901000001" if sms_type == 24 else "0901000001"
        return [SentMessage("m-1", phone, sms_type, "march", "", None, *status, start, None)]

    def get_send_status(self, message_id: str) -> SendStatus:
        return self.totals


def polled(poller: DeliveryPoller, **rows: tuple[int, int]) -> dict[str, int]:
    counts = poller.poll(cast("EsmsClient", Listing(**rows)), now=NOON)
    assert counts.total == 1
    return {state.value: number for state, number in counts.by_state.items() if number}


def target(campaign: str | None) -> DeliveryTarget:
    ids = ("m-1",) if campaign else tuple(f"m-{number}" for number in range(1, 31))
    return DeliveryTarget(len(ids) if campaign else 1, ids, campaign, NOON.subtract(minutes=2), NOON, (25, 24))


@pytest.mark.parametrize("campaign", ["march", None])
@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (FAILED, DELIVERED, "delivered"),
        (DELIVERED, FAILED, "delivered"),
        (FAILED, SENT, "sent"),
        (SENT, FAILED, "sent"),
        (FAILED, FAILED, "failed"),
    ],
)
def test_two_attempts_under_one_id_are_one_message(
    campaign: str | None, first: tuple[int, int], second: tuple[int, int], state: str
) -> None:
    """In whatever order they are listed, with a phone in another spelling; the list of failed ids agrees."""
    poller = DeliveryPoller(target(campaign))
    client = cast("EsmsClient", Listing(type_25=first, type_24=second))
    counts = poller.poll(client, now=NOON)
    assert Counter(counts.by_state) == {DeliveryState(state): 1}
    assert counts.failed_ids == (("m-1",) if state == "failed" else ())


def test_newest_state_counts_until_the_message_is_delivered() -> None:
    """What was on its way may fail later; a delivery is not taken back by the end of another attempt."""
    poller = DeliveryPoller(target("march"))
    assert polled(poller, type_25=FAILED, type_24=SENT) == {"sent": 1}
    assert polled(poller, type_25=FAILED, type_24=FAILED) == {"failed": 1}
    assert polled(poller, type_25=FAILED, type_24=DELIVERED) == {"delivered": 1}
    assert polled(poller, type_25=FAILED) == {"delivered": 1}


def test_earlier_failed_attempt_is_not_counted_as_a_recipient() -> None:
    """One recipient, one success and one failure: one message, delivered; in a wait and in a confirmed callback."""
    client = cast("EsmsClient", Listing())
    counts = DeliveryPoller(DeliveryTarget(1, ("m-1",))).poll(client)
    assert (counts.total, counts.delivered, counts.failed_ids) == (1, 1, ())
    confirmed = confirm(client, [Callback("m-1")])
    assert (confirmed.by_state, confirmed.failed_ids) == ({DeliveryState.DELIVERED: 1}, ())


def test_message_listed_late_in_a_final_piece_is_seen_while_another_piece_is_open() -> None:
    """One message never ends, so its piece stays open; the other is listed long after its piece was read."""
    start = NOON.subtract(hours=2)
    open_row = SentMessage("m-1", "0901000001", 25, "march", "", None, *SENT, start, None)
    late_row = SentMessage("m-2", "0901000002", 25, "march", "", None, *DELIVERED, NOON, None)
    listed = [open_row]

    def rows(since: Any, until: Any, sms_type: int) -> list[SentMessage]:
        return [one for one in listed if one.sent_at is not None and since <= one.sent_at <= until]

    poller = DeliveryPoller(DeliveryTarget(2, (), "march", start, NOON.add(minutes=1), (25,)))
    client = cast("EsmsClient", SimpleNamespace(get_sms_sent_data=rows))
    assert poller.poll(client, now=NOON.add(hours=1)).unseen == 1
    listed.append(late_row)
    for _ in range(10):
        counts = poller.poll(client, now=NOON.add(hours=1))
    assert (counts.delivered, counts.unseen) == (1, 0)
