"""A campaign with a fallback in a report: from ledger and warehouse, each person once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from journeys import AT_ONCE, Chain, opened_chain

from esms_connectors.gateway import machine_clock
from esms_connectors.reports import make_report, render_report
from esms_connectors.reports.model import Report
from esms_connectors.warehouse import PhoneForm, Privacy, load_sent_messages, open_warehouse


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty warehouse of each kind."""
    if request.param == "duckdb":
        return f"duckdb:///{tmp_path / 'esms.duckdb'}"
    server = request.getfixturevalue("postgres")
    return f"{server.uri}&schema={server.new_schema()}"


def report_of(chain: Chain, address: str) -> Report:
    """Load the day, and report on it."""
    start = chain.now().start_of("day")
    with open_warehouse(address) as warehouse:
        load_sent_messages(
            chain.client(), warehouse, start, start.add(days=1), sms_types=[2, 25], now=chain.now,
            privacy=Privacy(PhoneForm.MASKED, "s" * 32),
        )  # fmt: skip
        return make_report(warehouse, start, start.add(days=1), ledger=chain.ledger(), now=chain.now())


@pytest.mark.in_turn
def test_report_counts_each_recipient_of_a_chain_once(
    sqlite_url: str, warehouse_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came to the SMS and why, which ZNS was late, what it cost; no phone, in both languages."""
    with opened_chain(sqlite_url, AT_ONCE) as chain:
        monkeypatch.setattr(machine_clock, "source", chain.now)
        chain.gateway.block_phone(chain.phone(0))
        journey = chain.journey()
        journey.start()
        chain.gateway.state.blocked_phones.clear()
        chain.hold(1)
        chain.hold(2)
        chain.run(journey)
        # One of those who were told by SMS gets the ZNS after all.
        late = chain.got(1)[0]
        chain.gateway.set_status(late.message_id, 5, 1)
        chain.gateway.advance(minutes=30)
        report = report_of(chain, warehouse_address)
        phones = [chain.phone(place) for place in range(4)]
    zns, sms, people = report.tables["chains"].rows
    assert zns[:6] == ("evening", "1. zns", 4, 2, 1, 3)
    assert sms[:6] == ("evening", "2. sms", 3, 3, 0, None)
    assert people[:6] == ("evening", "chain.people", 4, 4, None, None)
    costs = [zns[6], sms[6]]
    assert all(isinstance(cost, Decimal) and cost > 0 for cost in costs)
    assert people[6] == sum(cost for cost in costs if isinstance(cost, Decimal))
    assert report.tables["handed_on"].rows == (
        ("evening", "2. sms", "chain.undelivered", None, 2),
        ("evening", "2. sms", "chain.refused", "99", 1),
    )
    for language in ("en", "vi"):
        shown = render_report(report, ".md", language=language)[""].decode()
        assert not any(phone[1:] in shown for phone in phones)
    assert "mỗi người một lần" in shown


@pytest.mark.in_turn
def test_report_without_a_fallback_has_no_chain_tables(sqlite_url: str, tmp_path: Path) -> None:
    """It would be empty in nearly every report."""
    with opened_chain(sqlite_url, AT_ONCE, kinds=("zns",), afters=()) as chain:
        chain.journey().first.send()
        report = report_of(chain, f"duckdb:///{tmp_path / 'esms.duckdb'}")
    assert not {"chains", "handed_on"} & set(report.tables)
