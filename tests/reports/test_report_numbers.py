"""The numbers of a report, against a count of its own over the gateway, on DuckDB and PostgreSQL."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pendulum
import pytest
from counting import Counted, measured, measured_by, messages_of
from places import (
    DELIVERED,
    FAILED,
    MONDAY,
    ODD,
    PENDING,
    REJECTED,
    WAITING,
    WEDNESDAY,
    Place,
    day_window,
    report_on,
    row,
    rows_of,
)

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import drop_after
from esms_connectors.gateway import clock
from esms_connectors.gateway.phones import read_phone
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient
from esms_connectors.reports import Report, render_report
from esms_connectors.reports.carriers import CARRIERS
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.warehouse import Privacy
from esms_connectors.warehouse.marts import create_marts
from esms_connectors.warehouse.privacy import PhoneForm

PHONES = ("0961", "0912", "0903", "0561", "0592", "0559", "0871", "0332", "0773", "0844")

Load = Callable[..., None]
MakePlace = Callable[..., Place]


def populate(gateway: Emulator) -> None:
    """Two days of ZNS and customer care: every state, many campaigns, carriers and hours."""
    dice = random.Random(7)
    for number in range(900):
        gateway.insert_message(
            MONDAY.add(seconds=dice.randrange(2 * 86_400)),
            phone=f"{dice.choice(PHONES)}{number:06d}",
            sms_type=dice.choice((2, 25)),
            campaign=f"Chiến dịch {min(int(dice.expovariate(0.06)), 60)}" if number % 9 else "",
            send_status=(status := dice.choice((DELIVERED, DELIVERED, FAILED, REJECTED, WAITING, PENDING, ODD)))[0],
            send_result=status[1],
        )
    for stored in gateway.state.rows[::3]:
        stored.SellPrice = 790.5


# --- against the gateway ---------------------------------------------------------------------------------------------


def test_report_tables_match_a_count_over_the_gateway(gateway: Emulator, address: str, load: Load) -> None:
    populate(gateway)
    load(address, MONDAY, WEDNESDAY)
    report = report_on(address, MONDAY, WEDNESDAY)
    messages = messages_of(gateway, MONDAY, WEDNESDAY)
    assert len(messages) == 900
    whole = measured(messages)
    assert rows_of(report, "days") == measured_by(messages, lambda one: one.day)
    assert rows_of(report, "types") == measured_by(messages, lambda one: f"type.{one.sms_type}")
    assert rows_of(report, "carriers") == measured_by(messages, carrier_of)
    for table in ("days", "types", "carriers"):
        assert report.tables[table].total == ("total", *whole)
    campaigns = len({one.campaign for one in messages} - {""})
    assert report.tables["campaigns"].total == ("total", campaigns, *whole)
    states = Counter(one.state for one in messages)
    failed = states["failed"] + states["rejected"]
    assert {one.name: one.value for one in report.headline if one.name != "median"} == {
        "messages": 900,
        "delivered": whole[1],
        "delivered_share": whole[5],
        "failed": failed,
        "open": whole[4],
        "cost": whole[6],
        "cost_per_delivered": whole[7],
    }
    open_now = Counter(row[1] for row in report.tables["open"].rows for _ in range(int(str(row[2]))))
    assert open_now == Counter(
        f"state.{one.state}" for one in messages if one.state in ("sent", "pending", "undocumented")
    )
    assert sum(Decimal(str(row[3])) for row in report.tables["open"].rows) == sum(
        one.price for one in messages if one.state in ("sent", "pending", "undocumented")
    )


def carrier_of(one: Counted) -> str:
    if one.phone.startswith("087"):
        # The library names the network that it is on.
        return "iTel"
    # As people write them.
    return {"Vinaphone": "VinaPhone", "Reddi": "Wintel", "G-Mobile": "Gmobile", "Indochina Telecom": "iTel"}.get(
        one.carrier, one.carrier
    )


@pytest.mark.in_turn
def test_campaign_table_lists_the_largest_and_sums_the_others(gateway: Emulator, address: str, load: Load) -> None:
    populate(gateway)
    load(address, MONDAY, WEDNESDAY)
    rows = report_on(address, MONDAY, WEDNESDAY).tables["campaigns"].rows
    expected = measured_by(messages_of(gateway, MONDAY, WEDNESDAY), lambda one: one.campaign)
    assert len(expected) > 31
    expected["no_campaign"] = expected.pop("")
    assert {row[1] for row in rows[:-1]} == {1, None}
    shown = {row[0]: row[2:] for row in rows[:-1]}
    assert len(shown) == 30
    assert shown == {name: expected[name] for name in shown}
    sizes = [int(str(row[2])) for row in rows[:-1]]
    assert sizes == sorted(sizes, reverse=True)
    left = [one for name, one in expected.items() if name not in shown]
    assert max(one[0] for one in left) <= sizes[-1]
    assert rows[-1][:7] == ("others", len(left), *(sum(one[position] for one in left) for position in range(5)))
    assert rows[-1][8] == sum(one[6] for one in left)


@pytest.mark.in_turn
def test_funnel_without_a_ledger_matches_the_gateway(gateway: Emulator, address: str, load: Load) -> None:
    populate(gateway)
    load(address, MONDAY, WEDNESDAY)
    report = report_on(address, MONDAY, WEDNESDAY)
    messages = messages_of(gateway, MONDAY, WEDNESDAY)
    states = Counter(one.state for one in messages)
    sent = states["delivered"] + states["failed"] + states["sent"]
    assert [row[:2] for row in report.tables["funnel"].rows] == [
        ("stage.accepted", 900),
        ("stage.sent", sent),
        ("stage.delivered", states["delivered"]),
    ]
    check_funnel_adds_up(report)
    found = {(row[0], row[1], row[2]): row[3] for row in report.tables["reasons"].rows}
    bad = Counter(
        (f"reason.row.{one.state}", f"type.{one.sms_type}", None if one.state == "rejected" else one.status)
        for one in messages
        if one.state in ("failed", "rejected", "undocumented")
    )
    assert found == bad
    to_do = {(row[0], row[1]): row[5] for row in report.tables["reasons"].rows}
    assert to_do["reason.row.failed", "type.25"] == "to_do.row.failed.zalo"
    assert to_do["reason.row.failed", "type.2"] == "to_do.row.failed.sms"


def check_funnel_adds_up(report: Report) -> None:
    """What a stage loses is what the reasons for it say, and what the next one lacks."""
    stages = report.tables["funnel"].rows
    lost = Counter[Any]()
    for stage, _, _, messages, _, to_do in report.tables["losses"].rows:
        lost[stage] += messages
        assert to_do
    for (_, before, *_), (stage, count, share, missing) in pairwise(stages):
        assert int(str(before)) - int(str(count)) == missing == lost[stage]
        assert share == pytest.approx(int(str(count)) / int(str(stages[0][1])))


@pytest.mark.in_turn
def test_duckdb_and_postgresql_give_the_same_report(
    gateway: Emulator, make_address: Callable[[str], str], load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(gateway)
    # A load that takes longer than the other sees final states seconds later.
    monkeypatch.setattr(clock, "elapsed_seconds", lambda: 1000.0)
    reports = []
    for kind in ("duckdb", "postgresql"):
        address = make_address(kind)
        load(address, MONDAY, WEDNESDAY, now=lambda: WEDNESDAY.add(hours=1))
        gateway_now = WEDNESDAY.add(days=1)
        made = report_on(address, MONDAY, WEDNESDAY, with_phones=True, now=gateway_now)
        reports.append(replace(made, sources=()))
    assert reports[0].tables == reports[1].tables
    # Both loads were read at about the same time of the gateway's clock.
    read_at = [dict(note.values)["read_at"] for report in reports for note in report.notes if note.name == "loaded"]
    assert abs(read_at[0] - read_at[1]) < pendulum.duration(seconds=30)
    for place, report in enumerate(reports):
        notes = tuple(
            replace(note, values={**note.values, "read_at": read_at[0]}) if note.name == "loaded" else note
            for note in report.notes
        )
        reports[place] = replace(report, notes=notes)
    assert reports[0] == reports[1]


@pytest.mark.in_turn(every=3)
def test_runs_of_a_campaign_are_grouped_in_one_row(make_place: MakePlace, address: str) -> None:
    """Under the names that the view for analysts has, in either database; a later step stays apart."""
    place = make_place(address)
    mark = " #0123456789ab"
    names = {
        "visits-2026-11-02" + mark: "visits",
        "visits-2026-11-03 #BA9876543210": "visits",
        "visits_20261104 #00000000000f": "visits",
        "visits-2026-11-03#2" + mark: "visits#2",
        "airflow/dag/scheduled__2026-11-02T12:00:00+00:00/send" + mark: "airflow/dag/send",
        "airflow/dag/manual__2026-11-03T12:00:00+00:00/send #ffffffffffff": "airflow/dag/send",
        "20261103" + mark: "20261103",
        "sale 2026" + mark: "sale 2026",
        "": "no_campaign",
    }
    rows = [row(number, campaign=name, price_vnd=Decimal(100 + number)) for number, name in enumerate(names)]
    place.merge(day_window(), rows, MONDAY.add(days=1))
    create_marts(place.warehouse)
    table = place.report(MONDAY, MONDAY.add(days=1)).tables["campaigns"]
    runs = {line[0]: line[1] for line in table.rows}
    assert runs == {
        "visits": 3, "visits#2": 1, "airflow/dag/send": 2, "20261103": 1, "sale 2026": 1, "no_campaign": None,
    }  # fmt: skip
    [visits] = (line for line in table.rows if line[0] == "visits")
    assert (visits[2], visits[8]) == (3, Decimal(303))
    views = place.warehouse.ask(
        lambda reader: [*reader.read("SELECT coalesce(campaign, ''), campaign_name FROM esms_message_facts")]
    )
    assert {name: shown or "no_campaign" for name, shown in views} == names


# --- with a ledger ---------------------------------------------------------------------------------------------------


def people(count: int, first: int = 0) -> list[Recipient]:
    numbers = [f"090{1_000_000 + number:07d}" for number in range(first, first + count)]
    return [
        Recipient(phone, (f"Khách {phone[-4:]}", "Cắt tóc", "M1", "15/05/2024"), phone, line)
        for line, phone in enumerate(numbers)
    ]


@pytest.mark.in_turn
@pytest.mark.parametrize(("database", "lost_calls"), [("sqlite", [2]), ("sqlite", [2, 3, 4]), ("postgresql", [2])])
def test_funnel_includes_the_planned_messages_of_the_ledger(
    database: str,
    lost_calls: list[int],
    gateway: Emulator,
    client: EsmsClient,
    duckdb_address: str,
    load: Load,
    request: pytest.FixtureRequest,
    tmp_path: Any,
) -> None:
    """400 planned: some refused by code, an answer lost once or for good, the rest with the fates of the gateway."""
    url = str(tmp_path / "ledger.sqlite")
    if database == "postgresql":
        server = request.getfixturevalue("postgres")
        url = f"{server.uri}&options=-csearch_path%3D{server.new_schema()}"
    today = gateway.clock.now.start_of("day")
    planned = people(400)
    for one in planned[::40]:
        gateway.block_phone(one.phone)
    gateway.faults.add("send_zns_bulk", drop_after(), calls=lost_calls)
    with Ledger.open(url, now=lambda: gateway.clock.now) as ledger:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, chunk_size=100)
        # An iterator, which is read once: what is in doubt stays so.
        send_bulk(channel, iter(planned), ledger=ledger, run_key="tháng năm", threads=1, at_least=None)
        # Sent otherwise: not part of any plan.
        gateway.insert_message(today.add(hours=9), phone="0901888484", sms_type=25, campaign="khác")
        gateway.advance(hours=3)
        load(duckdb_address, today, today.add(days=1), sms_types=[25])
        report = report_on(duckdb_address, today, today.add(days=1), ledger=ledger, now=gateway.clock.now)
        assert report.sources[1] == ledger.name
    ours = [one for one in messages_of(gateway, today, today.add(days=1)) if one.campaign != "khác"]
    states = Counter(one.state for one in ours)
    stages = {row[0]: row[1] for row in report.tables["funnel"].rows}
    assert list(stages) == ["stage.planned", "stage.accepted", "stage.sent", "stage.delivered"]
    assert stages["stage.planned"] == 400
    assert stages["stage.accepted"] == len(ours)
    assert stages["stage.delivered"] == states["delivered"]
    check_funnel_adds_up(report)
    # Of the ten refused, two were in the call whose answer is unknown; whoever else was in it the gateway lists.
    assert {row[1]: (row[3], row[5]) for row in report.tables["losses"].rows if row[0] == "stage.accepted"} == {
        "code.99": (8, "recovery.FIX_ROW"),
        "reason.ledger.unknown": (2, "to_do.ledger.unknown"),
    }
    assert {row[0]: row[3] for row in report.tables["reasons"].rows if row[2] == "99"} == {"code.99": 8}
    assert report.headline[0].value == len(ours) + 1


@pytest.mark.in_turn(every=3)
def test_recipients_excluded_by_the_guard_have_their_own_section(
    gateway: Emulator, duckdb_address: str, load: Load, client: EsmsClient, tmp_path: Any
) -> None:
    """By rule, with its source and what to do, in either language; no code of the gateway's, and none of the sent."""
    today = gateway.clock.now.start_of("day")
    planned = people(40)
    rules = GuardSettings().changed({"suppress_care": True, "transaction_cap": 1})
    with Ledger.open(tmp_path / "ledger.sqlite", now=lambda: gateway.clock.now) as ledger:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        send_bulk(channel, planned[:4], ledger=ledger, run_key="first", guard=rules)
        ledger.guard.suppression.add([one.phone for one in planned[-7:]], reason="refused")
        send_bulk(channel, planned, ledger=ledger, run_key="second", guard=rules)
        gateway.advance(hours=3)
        load(duckdb_address, today, today.add(days=1), sms_types=[25])
        report = report_on(duckdb_address, today, today.add(days=1), ledger=ledger, now=gateway.clock.now)
    assert [(row[0], row[1]) for row in report.tables["guard"].rows] == [("rule.suppression", 7), ("rule.frequency", 4)]
    check_funnel_adds_up(report)
    lost = {row[1]: (row[2], row[3]) for row in report.tables["losses"].rows if row[0] == "stage.accepted"}
    assert lost == {"rule.suppression": (None, 7), "rule.frequency": (None, 4)}
    shown = {code: render_report(report, ".md", language=code)[""].decode() for code in ("en", "vi")}
    assert "Phones on the suppression list get no advertising" in shown["en"]
    assert "articles 7 and 11" in shown["en"]
    assert "Số trong danh sách từ chối không nhận tin quảng cáo" in shown["vi"]
    assert "Không gửi theo quy định" in shown["vi"]
    assert "rule" not in shown["vi"].lower()


@pytest.mark.in_turn
def test_budget_table_compares_costs_with_budgets(
    gateway: Emulator, duckdb_address: str, load: Load, client: EsmsClient, tmp_path: Any
) -> None:
    """Of the period, of the month and of each run; a month that is not loaded as a whole has no cost."""
    now = gateway.clock.now
    today, tomorrow = now.start_of("day"), now.start_of("day").add(days=1)
    budgets = GuardSettings().changed({"max_cost_vnd": 20_000, "max_cost_month_vnd": 9_000})
    with Ledger.open(tmp_path / "ledger.sqlite", now=lambda: gateway.clock.now) as ledger:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        send_bulk(channel, people(20), ledger=ledger, run_key="tối", guard=budgets, price_vnd=Decimal(400))
        # Sent otherwise: the gateway lists it, and the guard knows nothing of it.
        gateway.insert_message(today.add(hours=9), phone="0901888484", sms_type=25, campaign="khác")
        gateway.advance(hours=3)
        load(duckdb_address, today, today.add(days=1), sms_types=[25])

        def budget_rows(**settings: Any) -> tuple[Report, list[tuple[Any, ...]]]:
            report = report_on(duckdb_address, today, tomorrow, ledger=ledger, now=gateway.clock.now, **settings)
            return report, [*report.tables["budget"].rows] if "budget" in report.tables else []

        report, rows = budget_rows(guard=budgets, budget_vnd="4000")
        listed = messages_of(gateway, today, today.add(days=1))
        cost = sum(one.price for one in listed)
        ours = sum(one.price for one in listed if one.campaign != "khác")
        month = f"{today:%Y-%m}"
        assert rows == [
            ("budget.period", None, Decimal(4000), cost, float(cost / 4000), 4000 - cost, None),
            ("budget.month", month, Decimal(9000), None, None, None, Decimal(8000)),
            ("budget.run", "tối", Decimal(20000), ours, float(ours / 20000), 20000 - ours, Decimal(8000)),
        ]
        assert cost > 4000
        assert {one.name: one.value for one in report.headline}["budget_used"] == float(cost / 4000)
        assert [note.name for note in report.tables["budget"].notes] == ["charged", "budget_month"]
        shown = {code: render_report(report, ".md", language=code)[""].decode() for code in ("en", "vi")}
        assert f"{month} is only partly loaded" in shown["en"]
        assert "Chi phí so với ngân sách" in shown["vi"]
        # Days that list nothing two weeks later may have been dropped by the gateway.
        begin = today.start_of("month")
        load(duckdb_address, begin, today, sms_types=[25])
        assert budget_rows(guard=budgets)[1][0][3] is None
        # With all of the month so far, its cost is known.
        gateway.insert_message(begin.add(hours=9), phone="0901888484", sms_type=25, campaign="khác")
        load(duckdb_address, begin, today, sms_types=[25])
        cost = sum(one.price for one in messages_of(gateway, begin, today.add(days=1)))
        assert budget_rows(guard=budgets)[1][0] == (
            "budget.month", month, Decimal(9000), cost, float(cost / 9000), 9000 - cost, Decimal(8000)
        )  # fmt: skip
        # No budget, no table; and budgets of the guard are about a ledger's runs.
        assert budget_rows()[1] == []
    without = report_on(duckdb_address, today, today.add(days=1), guard=budgets, now=now.add(hours=3))
    assert "budget" not in without.tables


@pytest.mark.in_turn
def test_ledger_without_runs_in_the_period_does_not_change_the_funnel(
    gateway: Emulator, duckdb_address: str, load: Load, tmp_path: Any
) -> None:
    populate(gateway)
    load(duckdb_address, MONDAY, WEDNESDAY)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        report = report_on(duckdb_address, MONDAY, WEDNESDAY, ledger=ledger)
    assert report.tables["funnel"].rows[0][:2] == ("stage.accepted", 900)


# --- rows put there by hand ------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_time_to_final_state_ends_at_the_load_that_observed_it(make_place: MakePlace, address: str) -> None:
    """From the history where the state changed, from the first sight where it was final at once; median, p90, p99."""
    place = make_place(address)
    first, second, third = (MONDAY.add(hours=hours) for hours in (10, 12, 20))
    sent = {number: MONDAY.add(seconds=37 * number) for number in range(200)}
    at_once, later, latest = range(80), range(80, 150), range(150, 190)

    def rows(final: set[int], failed: tuple[int, ...] = ()) -> list[dict[str, Any]]:
        status = {number: DELIVERED if number in final else WAITING for number in sent}
        return [row(number, FAILED if number in failed else status[number], sent[number]) for number in sent]

    place.merge(day_window(), rows({*at_once}), first)
    place.merge(day_window(), rows({*at_once, *later}), second)
    # A correction from final to final is not the first sight of it; the last ten stay open.
    place.merge(day_window(), rows({*at_once, *later, *latest}, failed=(0, 1, 100)), third)
    report = place.report(MONDAY, MONDAY.add(days=1))
    seen = {number: first if number < 80 else second if number < 150 else third for number in range(190)}
    seconds = sorted((seen[number] - sent[number]).total_seconds() for number in seen)
    expected = tuple(seconds[-(-len(seconds) * share // 100) - 1] for share in (50, 90, 99))
    assert report.tables["speed"].rows == (("type.25", 190, *expected),)
    assert report.tables["speed"].total == ("total", 190, *expected)
    assert {one.name: one.value for one in report.headline}["median"] == expected[0]


@pytest.mark.in_turn(every=3)
def test_time_to_final_state_counts_a_twice_listed_message_once(make_place: MakePlace, duckdb_address: str) -> None:
    """Each lists it first as waiting and then as delivered: the history has it becoming final twice."""
    place = make_place(duckdb_address)
    for day in (0, 4):
        for hour, status in ((10, WAITING), (12, DELIVERED)):
            place.merge(day_window(day), [row(1, status, MONDAY.add(hours=9))], MONDAY.add(days=day, hours=hour))
    for days in (1, 5):
        report = place.report(MONDAY, MONDAY.add(days=days))
        assert report.tables["speed"].rows == (("type.25", 1, *[3 * 3600] * 3),)
        assert report.headline[0].value == 1


@pytest.mark.in_turn
@pytest.mark.parametrize("sent_at", [None, datetime(1, 1, 1, tzinfo=UTC), MONDAY.subtract(days=400)])
def test_message_without_usable_sending_time_counts_on_its_creation_day(
    make_place: MakePlace, address: str, sent_at: datetime | None
) -> None:
    place = make_place(address)
    place.merge(day_window(), [row(1, sent_at=sent_at), row(2, PENDING, sent_at)], MONDAY.add(days=1))
    report = place.report(MONDAY, MONDAY.add(days=2))
    assert [line[:2] for line in report.tables["days"].rows] == [(date(2024, 5, 13), 2), (date(2024, 5, 14), 0)]
    assert report.tables["speed"].rows == ()
    assert [note.values for note in report.tables["speed"].notes if note.name == "untimed"] == [{"messages": 1}]


@pytest.mark.in_turn(every=3)
def test_days_follow_vietnam_time_to_the_millisecond(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    moments = [MONDAY, MONDAY.add(days=1).subtract(microseconds=1000), MONDAY.add(days=1), MONDAY.add(hours=7)]
    place.merge(
        day_window(), [row(number, sent_at=moment) for number, moment in enumerate(moments)], MONDAY.add(days=2)
    )
    assert [line[:2] for line in place.report(MONDAY, WEDNESDAY).tables["days"].rows] == [
        (date(2024, 5, 13), 3),
        (date(2024, 5, 14), 1),
    ]
    assert place.report(MONDAY, MONDAY.add(days=1)).headline[0].value == 3
    assert place.report(MONDAY.add(hours=7), WEDNESDAY).headline[0].value == 3


@pytest.mark.in_turn
def test_open_messages_are_grouped_by_age(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    now = MONDAY.add(days=10)
    hours = {1: 0.5, 2: 2, 3: 30, 4: 100, 5: 200, 6: 230}
    for day in range(11):
        in_it = [
            row(number, WAITING, moment)
            for number, age in hours.items()
            if (moment := now.subtract(minutes=int(age * 60))).start_of("day") == MONDAY.add(days=day)
        ]
        place.merge(day_window(day), in_it, now)
    table = place.report(MONDAY, now.add(hours=1), now=now).tables["open"]
    assert [(line[0], line[1], line[2]) for line in table.rows] == [
        ("age.hour", "state.sent", 1),
        ("age.hours", "state.sent", 1),
        ("age.days", "state.sent", 1),
        ("age.week", "state.sent", 1),
        ("age.older", "state.sent", 2),
    ]
    assert table.rows[-1][4] == now.subtract(hours=230)


@pytest.mark.in_turn
def test_carrier_table_appears_only_when_phone_prefixes_are_stored(
    make_place: MakePlace, make_address: Callable[[str], str]
) -> None:
    for form, expected in (("masked", {"Viettel": 2}), ("hashed", None), ("omitted", None)):
        address = make_address("duckdb").replace("esms.duckdb", f"{form}.duckdb")
        place = make_place(address, Privacy(PhoneForm(form), "a secret of the test"))
        place.merge(day_window(), [row(1), row(2)], MONDAY.add(days=1))
        report = place.report(MONDAY, MONDAY.add(days=1))
        table = report.tables.get("carriers")
        assert (None if table is None else {line[0]: line[1] for line in table.rows}) == expected


@pytest.mark.in_turn(every=3)
def test_mobile_prefixes_match_the_carriers_of_the_numbering_plan() -> None:
    """As the phonenumbers library publishes it, four digits deep."""
    for head in range(3000, 10_000):
        phone = f"0{head}00000"
        if read_phone(phone)[0]:
            expected = carrier_of(Counted(phone, 25, "", "", "", MONDAY, Decimal(0)))
            # Of some blocks the library knows no carrier.
            assert not expected or expected in CARRIERS[phone[:3]].split(" / "), phone
