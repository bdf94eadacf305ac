"""Plan before apply: what a run would do and cost, and nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pendulum
import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, ZnsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.plan import Plan

MakeClient = Callable[..., EsmsClient]
NINE = pendulum.tomorrow("Asia/Ho_Chi_Minh").at(9)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def sms_plan(client: EsmsClient, ledger: Ledger, texts: list[str], price_vnd: Decimal | None = None) -> Plan:
    rows = [{"phone": f"0901{number:06d}", "t": text} for number, text in enumerate(texts)]
    channel = CareSmsChannel(client, "{t}", DEMO_BRANDNAME, send_at=NINE)
    campaign = Campaign(channel, rows, Columns(params={"t": "t"}), ledger=ledger, run_key="r", price_vnd=price_vnd)
    return campaign.plan()


def test_plan_counts_segments_and_names_unicode_characters(
    gateway: Emulator, client: EsmsClient, ledger: Ledger
) -> None:
    """A plain text and one with two Vietnamese letters: segments, which characters, and the cost of the segments."""
    plan = sms_plan(client, ledger, ["a" * 161, "Đơn " + "a" * 67], Decimal(300))
    assert (plan.recipients, plan.segments, plan.longest_segments, plan.unicode_messages) == (2, 4, 2, 1)
    assert plan.forced_by == {"Đ": 1, "ơ": 1}
    assert plan.cost_vnd == 1200
    assert plan.problems == ()
    assert (plan.chunks, gateway.message_count) == (2, 0)


def test_non_ascii_gsm_letters_are_counted_as_unicode(gateway: Emulator, client: EsmsClient, ledger: Ledger) -> None:
    """The gateway is told Unicode for whatever is not ASCII, so that is what the plan counts and names."""
    plan = sms_plan(client, ledger, ["à" + "a" * 100])
    assert (plan.segments, plan.unicode_messages, plan.forced_by) == (2, 1, {"à": 1})


def test_plan_reports_night_hours_and_too_few_advertising_recipients(client: EsmsClient, ledger: Ledger) -> None:
    """29 numbers, and an hour in which advertising is not allowed: both are alerted before anything is sent."""
    rows = [{"phone": f"0901{number:06d}"} for number in range(29)]
    channel = AdvertisingChannel(client, "Khuyen mai", DEMO_BRANDNAME, send_at=NINE.at(23))
    plan = Campaign(channel, rows, Columns(), ledger=ledger, run_key="r").plan()
    assert any("at least 30" in problem for problem in plan.problems)
    assert any("23:00" in problem and "its hours are 07:00-22:00" in problem for problem in plan.problems)


@pytest.mark.parametrize("text", ["[QC] Chao {ten}. Tu choi: TC gui 8041", "[QC] Chao {ten. Tu choi: TC gui 8041"])
def test_placeholder_in_advertising_is_rejected(client: EsmsClient, text: str) -> None:
    """Everybody gets the same text: it would be sent as it stands."""
    with pytest.raises(InvalidRequestError, match=r"\{ten|belongs to no"):
        AdvertisingChannel(client, text, DEMO_BRANDNAME)
    channel = AdvertisingChannel(client, text.replace("{", "{{").replace("}", "}}"), DEMO_BRANDNAME)
    assert channel.text == text


def test_plan_reports_rows_skipped_by_the_guard(gateway: Emulator, client: EsmsClient, ledger: Ledger) -> None:
    """Three are on the suppression list, two had their messages of the day: nobody of these is sent to, or paid for."""
    rows = [{"phone": f"0901{number:06d}"} for number in range(40)]
    text = "[QC] Khuyen mai. Tu choi: soan TC gui 8041"

    def campaign(run_key: str, some: list[dict[str, str]]) -> Campaign:
        channel = AdvertisingChannel(client, text, DEMO_BRANDNAME, send_at=NINE)
        guard = GuardSettings().changed({"advertising_cap": 1})
        price = Decimal(300)
        return Campaign(channel, some, Columns(), ledger=ledger, run_key=run_key, guard=guard, price_vnd=price)

    assert campaign("before", [*rows[38:], *({"phone": f"0902{n:06d}"} for n in range(30))]).send().accepted == 32
    ledger.guard.suppression.add([row["phone"] for row in rows[:3]], reason="Do-Not-Call list")
    plan = campaign("now", rows).plan()
    assert plan.skipped_by_rule == {"suppression": 3, "frequency": 2}
    assert (plan.recipients, plan.to_send, plan.cost_vnd, plan.good) == (40, 35, 35 * 300, True)
    assert [words for words in plan.problems if words.startswith("3 rows would be skipped")]
    result = campaign("now", rows).send(plan=plan)
    assert (result.accepted, result.as_dict()["skipped_by_rule"]) == (35, plan.skipped_by_rule)
    # Those are settled now.
    again = campaign("now", rows).plan()
    assert (again.already_settled, again.to_send, again.skipped_by_rule) == (40, 0, {})


def test_plan_reports_an_insufficient_balance(gateway: Emulator, client: EsmsClient, ledger: Ledger) -> None:
    """The estimate is held against the account."""
    gateway.set_balance(1_000)
    plan = sms_plan(client, ledger, ["Xin chao"] * 10, Decimal(300))
    assert plan.left_vnd == -2000
    assert any("2,000 VND short" in problem for problem in plan.problems)


def test_plan_after_a_run_excludes_settled_rows(gateway: Emulator, client: EsmsClient, ledger: Ledger) -> None:
    """After a run the plan of the same run key is empty, and costs nothing."""
    rows = [{"phone": f"0901{number:06d}", "a": "A", "b": "B", "c": "C", "d": "D"} for number in range(20)]
    channel, price = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID), Decimal(300)
    campaign = Campaign(channel, rows, Columns(params=tuple("abcd")), ledger=ledger, run_key="r", price_vnd=price)
    before = campaign.plan()
    campaign.send()
    after = campaign.plan()
    assert (before.to_send, before.cost_vnd, before.chunks) == (20, 6000, 1)
    assert (after.to_send, after.cost_vnd, after.chunks) == (0, 0, 0)
    assert before.fingerprint == after.fingerprint


@pytest.mark.parametrize("known", [True, False])
def test_price_without_an_estimate_is_the_last_known_one_or_unknown(
    make_client: MakeClient, ledger: Ledger, known: bool
) -> None:
    """Without a price and an estimate the last message of the kind tells it; without any it is unknown, not zero."""
    gateway = Emulator()
    gateway.faults.add("estimate_customer_care_sms", code("99"), every=1)
    with gateway.serve() as server:
        client = make_client(server.base_url)
        if known:
            client.send_customer_care_sms("0901888484", "Xin chao", "Baotrixemay")
        plan = sms_plan(client, ledger, ["Xin chao"])
    assert (plan.price_vnd is not None) == known
    assert ("last message" in plan.price_from) == known
    assert (plan.cost_vnd is not None) == known
    assert "no estimate" in plan.price_from


def test_plan_reports_the_sandbox(gateway: Emulator, make_client: MakeClient, ledger: Ledger) -> None:
    """Its plan is a plan, of messages that will not be."""
    with gateway.serve() as server:
        plan = sms_plan(make_client(server.base_url, sandbox=True), ledger, ["Xin chao"])
    assert plan.as_dict()["sandbox"] is True
    assert any("sandbox" in problem for problem in plan.problems)


def test_previews_begin_with_the_first_message(client: EsmsClient, ledger: Ledger) -> None:
    """Also if it is the one with the most segments."""
    plan = sms_plan(client, ledger, ["Chào chị", "Chao chi Huong"], Decimal(300))
    assert [(one.what, one.line) for one in plan.previews] == [("first", 1), ("longest", 2)]
