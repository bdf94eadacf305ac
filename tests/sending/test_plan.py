"""Plan before apply: what a run would do and cost, and nothing sent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pendulum
import pytest

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import ReadReport, Recipient
from esms_connectors.sending.plan import plan_sms_bulk, plan_zns_bulk

MakeClient = Callable[..., EsmsClient]
NINE = pendulum.tomorrow("Asia/Ho_Chi_Minh").at(9)


def test_sms_segments_and_what_makes_them_unicode(gateway: Emulator, client: EsmsClient) -> None:
    """A plain text and one with two Vietnamese letters: segments, which characters, and the cost of the segments."""
    texts = ["a" * 161, "Đơn " + "a" * 67]
    plan = plan_sms_bulk(client, texts, ReadReport(), price_vnd=Decimal(300), send_at=NINE)
    assert (plan.recipients, plan.segments, plan.longest_segments, plan.unicode_messages) == (2, 4, 2, 1)
    assert dict(plan.forced_by) == {"Đ": 1, "ơ": 1}
    assert plan.cost_vnd == 1200
    assert plan.problems == []
    assert gateway.message_count == 0


def test_advertising_at_night_to_too_few(client: EsmsClient) -> None:
    """29 numbers, and an hour in which advertising is not allowed: both are told before anything is sent."""
    plan = plan_sms_bulk(client, ["Khuyen mai"] * 29, ReadReport(), advertising=True, send_at=NINE.at(23))
    assert any("at least 30" in problem for problem in plan.problems)
    assert any("23:00" in problem and "not allowed" in problem for problem in plan.problems)


def test_a_short_balance_is_told(gateway: Emulator, client: EsmsClient) -> None:
    """The estimate is held against the account."""
    gateway.set_balance(1_000)
    plan = plan_sms_bulk(client, ["Xin chao"] * 10, ReadReport(), price_vnd=Decimal(300), send_at=NINE)
    assert plan.left_vnd == -2000
    assert any("2,000 VND short" in problem for problem in plan.problems)


def test_what_is_settled_is_not_counted_again(gateway: Emulator, client: EsmsClient, tmp_path: Path) -> None:
    """After a run the plan of the same run key is empty, and costs nothing."""
    from esms_connectors.sending.bulk import send_bulk
    from esms_connectors.sending.channels import ZnsChannel

    people = [
        Recipient(f"0901{number:06d}", ("Chị A", "Gội đầu", "KH1", "19/03/2025"), f"0901{number:06d}", number)
        for number in range(20)
    ]
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        before = plan_zns_bulk(client, people, ReadReport(), ledger=ledger, run_key="r", price_vnd=Decimal(300))
        send_bulk(ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID), people, ledger=ledger, run_key="r")
        after = plan_zns_bulk(client, people, ReadReport(), ledger=ledger, run_key="r", price_vnd=Decimal(300))
    assert (before.to_send, before.cost_vnd, before.chunks) == (20, 6000, 1)
    assert (after.to_send, after.cost_vnd, after.chunks) == (0, 0, 0)


@pytest.mark.parametrize("known", [True, False])
def test_the_last_known_price_is_used_and_named(make_client: MakeClient, known: bool) -> None:
    """Without a price the last message of the kind tells it; without any message it is unknown, not zero."""
    with Emulator().serve() as server:
        client = make_client(server.base_url)
        if known:
            client.send_customer_care_sms("0901888484", "Xin chao", "Baotrixemay")
        plan = plan_sms_bulk(client, ["Xin chao"], ReadReport(), send_at=NINE)
    assert (plan.price_vnd is not None) == known
    assert ("last message" in plan.price_from) == known
    assert (plan.cost_vnd is not None) == known
