"""Every channel through the one loop: plan, send, resume, lost answers, wait, and what a look-up may conclude."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from channel_samples import SAMPLES, SINGLE, sample_campaign

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.delivery.polling import DeliveryPoller, target_of_run
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import drop_after
from esms_connectors.gateway.endpoints import Effect, RequestIds
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels.factory import CHANNELS, make_channel
from esms_connectors.sending.reconcile import reconcile


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("kind", SAMPLES)
def test_rows_are_sent_once_and_rerun_sends_only_new_rows(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, kind: str
) -> None:
    """The plan sends nothing, a run sends to each, a longer list under the same key to the new row only."""
    campaign = sample_campaign(kind, client, ledger)
    plan = campaign.plan()
    assert (plan.channel, plan.to_send, gateway.message_count) == (kind, 3, 0)
    assert campaign.send(plan).accepted == 3
    again = sample_campaign(kind, client, ledger, count=4).send()
    assert (again.accepted, again.counters.accepted, again.counters.accepted_before) == (4, 1, 3)
    assert sorted(gateway.deliveries_by_phone().values()) == [1, 1, 1, 1]
    assert set(gateway.deliveries_by_phone()) == {row["phone"] for row in SAMPLES[kind].rows(4)}
    assert {call.function for call in gateway.calls if call.accepted} == {SAMPLES[kind].operation}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in SAMPLES for name in CHANNELS[kind].identity])
def test_identifier_with_trailing_blank_is_rejected_at_channel_creation(
    client: EsmsClient, kind: str, name: str
) -> None:
    """Before the list is read; and what a run key stands for holds the id."""
    assert make_channel(kind, client, SAMPLES[kind].options).about()[name] == SAMPLES[kind].options[name]
    with pytest.raises(InvalidRequestError, match=name):
        make_channel(kind, client, {**SAMPLES[kind].options, name: f"{SAMPLES[kind].options[name]} "})


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("kind", SINGLE)
def test_lost_response_never_causes_a_duplicate(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, kind: str
) -> None:
    """Where ids are documented the repeat is held back; elsewhere the row stays in doubt, and no call is made again."""
    gateway.faults.add(SAMPLES[kind].operation, drop_after(), calls=[2])
    endpoint = CHANNELS[kind].endpoint
    safe = endpoint.effect is Effect.SEND and endpoint.request_ids is RequestIds.DOCUMENTED
    campaign = sample_campaign(kind, client, ledger)
    if safe or SAMPLES[kind].listed:
        assert campaign.send().accepted == 3
    else:
        for _ in range(2):
            with pytest.raises(BulkIncompleteError):
                campaign.send()
        assert (ledger.summary("march").accepted, ledger.summary("march").unknown) == (2, 1)
    assert sorted(gateway.deliveries_by_phone().values()) == [1, 1, 1]


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", SAMPLES)
def test_reconcile_supports_only_channels_listed_with_their_campaign(
    client: EsmsClient, ledger: Ledger, kind: str
) -> None:
    """Only of messages that come back with their campaign."""
    sample_campaign(kind, client, ledger).send()
    if SAMPLES[kind].listed:
        assert reconcile(client, ledger, "march").still_unknown == 0
        return
    with pytest.raises(InvalidRequestError, match="without a campaign"):
        reconcile(client, ledger, "march")


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", SAMPLES)
def test_delivery_of_any_channel_can_be_polled(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, kind: str
) -> None:
    """By campaign where there is one, else by id."""
    sample_campaign(kind, client, ledger).send()
    gateway.advance(hours=12)
    counts = DeliveryPoller(target_of_run(ledger, "march")).poll(client)
    assert (counts.total, counts.final) == (3, 3)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("sms", {"options": {"brandname": None}}, "sms needs brandname"),
        ("sms", {"options": {"template_id": "1"}}, "sms takes no template_id"),
        ("zalo-text", {"options": {"image_url": "https://x.vn/a.png", "buttons": [{"title": "x"}]}}, "button 1"),
        ("zalo-transaction", {"options": {"template_type": "order"}}, "template_type must be one of"),
        ("call", {"options": {"voice": "loud"}}, "voice"),
        ("multi-channel", {"options": {"text": "Chao {name}"}}, "not a variable of template"),
        ("zns-journey", {"columns": Columns(params=("customer_name", "code", "service"))}, "needs a key column"),
        ("viber", {"options": {"button_url": "https://x.vn"}}, "button_label"),
    ],
)
def test_invalid_options_are_rejected_before_sending(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, kind: str, changes: dict[str, Any], words: str
) -> None:
    """One line, and nothing was sent."""
    with pytest.raises(InvalidRequestError, match=words):
        sample_campaign(kind, client, ledger, **changes).send()
    assert gateway.message_count == 0


def test_send_at_is_rejected_by_channels_without_scheduling(client: EsmsClient) -> None:
    """A time that the gateway would not be told must not be taken."""
    import pendulum

    for kind in ("zns-journey", "viber", "multi-channel", "zalo-text", "zalo-transaction"):
        with pytest.raises(InvalidRequestError, match="cannot be scheduled"):
            make_channel(kind, client, {**SAMPLES[kind].options, "send_at": pendulum.now().add(hours=1)})


def test_unknown_channel_name_gives_a_suggestion(client: EsmsClient) -> None:
    """With the one that was meant."""
    with pytest.raises(InvalidRequestError, match=r"no channel 'zns-jorney' \(did you mean zns-journey\?\)"):
        make_channel("zns-jorney", client, {})


@pytest.mark.parametrize(("cell", "reason"), [("", "is empty"), (4.5e18, "is float"), ("9" * 65, "longer than 64")])
def test_invalid_zalo_user_id_is_rejected_with_its_reason(
    client: EsmsClient, ledger: Ledger, make_campaign: Callable[..., Campaign], cell: object, reason: str
) -> None:
    """As a bad phone is."""
    rows: list[dict[str, Any]] = [*SAMPLES["zalo-text"].rows(1), {**SAMPLES["zalo-text"].rows(1)[0], "phone": cell}]
    report = make_campaign("zalo-text", source=rows).plan().report
    assert (report.accepted, report.rejected) == (1, 1)
    assert reason in report.first_rejects[0].text


@pytest.fixture
def make_campaign(client: EsmsClient, ledger: Ledger) -> Callable[..., Campaign]:
    """Of a sample, with what is changed in it."""
    return lambda kind, **more: sample_campaign(kind, client, ledger, **more)
