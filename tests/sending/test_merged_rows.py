"""Rows of one phone that are merged, under keys of their own: a phone gets one message, whichever row comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from bulk_bench import Bench, people

from esms_connectors.emulator import DEMO_BRANDNAME
from esms_connectors.emulator.faults import drop_after, drop_before, slow
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel

PHONES = [one.phone for one in people(40)]
# Each phone twice, under keys of its own.
ROWS = [{"phone": phone, "order": f"{phone}-{number}"} for number in (1, 2) for phone in PHONES]
KINDS = {"advertising": AdvertisingChannel, "care": CareSmsChannel}


def campaign(bench: Bench, rows: Sequence[dict[str, str]], kind: str = "care") -> Campaign:
    channel = KINDS[kind](bench.client(), "[QC] Giam gia. Tu choi: soan TC gui 8041", DEMO_BRANDNAME, chunk_size=40)
    return Campaign(
        channel,
        rows,
        Columns(key_column="order"),
        ledger=bench.ledger(),
        run_key="merged",
        duplicates="merge",
        threads=1,
        at_least=None,
        price_vnd=Decimal(300),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rerun_in_another_order_sends_no_duplicates(
    ledger_url: str, make_bench: Callable[..., Bench], kind: str
) -> None:
    """A query without ORDER BY: the next call finds the second rows first; its plan says so, and a third is as good."""
    bench = make_bench(ledger_url)
    bench.offset_seconds = -7 * 3600.0
    bench.look = bench.gateway.deliveries_by_phone
    assert campaign(bench, ROWS, kind).send().accepted == 40
    plan = campaign(bench, ROWS[::-1], kind).plan()
    assert (plan.to_send, plan.skipped_by_rule) == (0, {"same_phone": 40})
    result = campaign(bench, ROWS[::-1], kind).send()
    assert result.complete
    assert result.as_dict()["skipped_by_rule"] == {"same_phone": 40}
    assert campaign(bench, ROWS, kind).send().accepted == 40
    assert bench.gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


@pytest.mark.in_turn
def test_retries_in_another_order_after_losses_send_each_phone_once(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """The rows in doubt of the first reading keep their phones; those that were not sent are sent under either key."""
    bench = make_bench(sqlite_url)
    bench.gateway.faults.add("send_customer_care_sms", drop_after(), every=3)
    campaign(bench, ROWS).send()
    bench.gateway.faults.clear()
    bench.gateway.faults.add("send_customer_care_sms", drop_before(), every=4)
    campaign(bench, ROWS[::-1]).send()
    bench.gateway.faults.clear()
    for rows in (ROWS, ROWS[::-1]):
        campaign(bench, rows).send()
    assert bench.gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)


@pytest.mark.in_turn
def test_concurrent_runs_in_opposite_orders_send_each_phone_once(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Decided in the claim: neither has to have sent anything yet."""
    bench = make_bench(ledger_url)
    bench.gateway.faults.add("send_customer_care_sms", slow(0.01))
    workers = [threading.Thread(target=campaign(bench, rows).send) for rows in (ROWS, ROWS[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert bench.gateway.deliveries_by_phone() == dict.fromkeys(PHONES, 1)
    summary = bench.books.summary("merged")
    assert summary.accepted == 40
    assert summary.unknown + summary.held + summary.claimed == 0


def test_duplicate_rows_are_all_sent_with_keep(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """The rule is only for rows that are merged."""
    bench = make_bench(sqlite_url)
    one = campaign(bench, ROWS[::40])
    one.duplicates = "keep"
    assert one.send().accepted == 2
    assert bench.gateway.deliveries_by_phone() == {PHONES[0]: 2}
