"""Rules about single rows: plan, look and claim say the same, and asking costs no transaction of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from bulk_bench import CARE, Bench, people
from sender_child import NOON

from esms_connectors.emulator import DEMO_BRANDNAME
from esms_connectors.emulator.faults import drop_after, slow
from esms_connectors.gateway.counted import counted
from esms_connectors.ledger import SendState
from esms_connectors.ledger.row_rules import OverBudgetError, RowRules
from esms_connectors.ledger.rows import Claim, LedgerRow, Settlement
from esms_connectors.ledger.schema import SCHEMA_VERSION
from esms_connectors.recipients import Columns
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.resend import RowChoice, release_rows
from esms_connectors.sending.result import Counters

TEXT = "[QC] Giam gia 20%. Tu choi: soan TC gui 8041"
KINDS = {"advertising": AdvertisingChannel, "care": CareSmsChannel}


class Case:
    """Campaigns of one bench under rules that hold rows of either kind back."""

    def __init__(self, bench: Bench, kind: str, **rules: Any) -> None:
        self.bench, self.kind = bench, kind
        settings = {"suppress_care": True, f"{kind}_cap": 2, **rules}
        self.guard = GuardSettings().changed(settings)
        # Who is written to twice would be too many for the bench.
        bench.look = bench.gateway.deliveries_by_phone

    def campaign(self, run_key: str, phones: list[str], **more: Any) -> Campaign:
        rows = [{"phone": phone, "order": f"o{number}"} for number, phone in enumerate(phones)]
        channel = KINDS[self.kind](self.bench.client(), TEXT, DEMO_BRANDNAME, chunk_size=60)
        settings: dict[str, Any] = {
            "run_key": run_key, "guard": self.guard, "threads": 1, "at_least": None, "price_vnd": Decimal(300), **more,
        }  # fmt: skip
        return Campaign(channel, rows, Columns(key_column="order"), ledger=self.bench.ledger(), **settings)


def suppressed(case: Case, phones: list[str]) -> list[str]:
    case.bench.books.guard.suppression.add(phones[:3], reason="refused")
    case.bench.books.guard.suppression.add(phones[3:5], reason="for an hour", expires=case.bench.now().add(hours=1))
    case.bench.clock.move(3700)
    return phones


def capped_by_two_runs(case: Case, phones: list[str]) -> list[str]:
    for number, some in enumerate((phones[:40], phones[:36], phones[:33])):
        case.campaign(f"before-{number}", some).send()
    return phones


def the_same_phone_again_and_again(case: Case, phones: list[str]) -> list[str]:
    """Four rows of one phone, three of another, the last far behind the first."""
    return [phones[0], phones[1], *phones, phones[0], phones[1], phones[0]]


def once_before_and_twice_now(case: Case, phones: list[str]) -> list[str]:
    case.campaign("before", phones[:30]).send()
    return [*phones, *phones[:2]]


def both(case: Case, phones: list[str]) -> list[str]:
    case.bench.books.guard.suppression.add(phones[:3], reason="refused")
    return capped_by_two_runs(case, phones)


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("prepare", "skipped"),
    [
        (suppressed, {"suppression": 3}),
        (capped_by_two_runs, {"frequency": 36}),
        (the_same_phone_again_and_again, {"frequency": 3}),
        (once_before_and_twice_now, {"frequency": 2}),
        (both, {"suppression": 3, "frequency": 33}),
    ],
)
def test_plan_and_run_skip_the_same_rows(
    make_bench: Callable[..., Bench],
    ledger_url: str,
    kind: str,
    prepare: Callable[[Case, list[str]], list[str]],
    skipped: dict[str, int],
) -> None:
    """In calls that must stay as they are, and in others; nobody has more than two messages."""
    bench = make_bench(ledger_url, people(100))
    # Hours from where the gateway is, and all of them within the hours.
    bench.offset_seconds = -7 * 3600.0
    case = Case(bench, kind)
    rows = prepare(case, [one.phone for one in bench.recipients])
    plan = case.campaign("now", rows).plan()
    assert plan.skipped_by_rule == skipped
    assert plan.to_send == len(rows) - sum(skipped.values())
    result = case.campaign("now", rows).send()
    assert result.as_dict()["skipped_by_rule"] == skipped
    assert (result.accepted, result.complete) == (plan.to_send, True)
    assert max(bench.gateway.deliveries_by_phone().values()) <= 2
    again = case.campaign("now", rows).plan()
    assert (again.already_settled, again.skipped_by_rule) == (len(rows), {})


@pytest.mark.in_turn
def test_rules_do_not_settle_rows_in_doubt(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Their first attempt may have arrived, so a rule that holds them back does not settle them."""
    bench = make_bench(ledger_url, people(40))
    bench.attempts = 1
    case = Case(bench, "care")
    phones = [one.phone for one in bench.recipients]
    bench.gateway.faults.add("send_customer_care_sms", drop_after(), every=4)
    settled = case.campaign("now", phones[:20]).send().accepted
    doubtful = [row["row_key"] for row in bench.books.rows("now", SendState.UNKNOWN)]
    assert doubtful
    bench.books.guard.suppression.add(phones, reason="refused")
    plan = case.campaign("now", phones).plan()
    assert plan.skipped_by_rule == {"suppression": 40 - settled - len(doubtful)}
    assert [words for words in plan.problems if words.startswith(f"{counted(len(doubtful), 'row')} in doubt held back")]
    result = case.campaign("now", phones).send()
    assert result.as_dict()["skipped_by_rule"] == plan.skipped_by_rule
    left = {row["row_key"] for row in bench.books.rows("now", SendState.UNKNOWN, SendState.HELD)}
    assert left == {*doubtful}
    assert not result.complete
    # Nor are they touched: what is looked up is concluded about when nobody was at it for a while.
    touched = [row["updated_ms"] for row in bench.books.rows("now", SendState.UNKNOWN, SendState.HELD)]
    bench.clock.move(600)
    case.campaign("now", phones).send()
    assert [row["updated_ms"] for row in bench.books.rows("now", SendState.UNKNOWN, SendState.HELD)] == touched
    assert set(bench.gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.in_turn(every=3)
def test_cap_window_uses_the_scheduled_arrival_time(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """At 23:00 for the next morning: what arrived yesterday at noon is too long ago, what arrives then is not."""
    bench = make_bench(ledger_url, people(60))
    case = Case(bench, "advertising", advertising_cap=1, cap_hours=12, hours="reschedule")
    phones = [one.phone for one in bench.recipients]
    case.campaign("noon", phones[:30]).send()
    bench.clock.move_to(NOON.add(hours=11))
    plan = case.campaign("night", phones).plan()
    assert plan.skipped_by_rule == {}
    assert case.campaign("night", phones).send().accepted == 60
    plan = case.campaign("later", phones).plan()
    assert plan.skipped_by_rule == {"frequency": 60}
    assert case.campaign("later", phones).send().skipped == 60


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", KINDS)
def test_unclaimed_rows_do_not_count_towards_caps(make_bench: Callable[..., Bench], ledger_url: str, kind: str) -> None:
    """A run that its budget stops before its first call keeps nobody from another one."""
    bench = make_bench(ledger_url, people(60))
    case = Case(bench, kind, **{f"{kind}_cap": 1})
    phones = [one.phone for one in bench.recipients]
    case.guard, rules = case.guard.changed({"max_cost_vnd": 100}), case.guard
    with pytest.raises(BulkIncompleteError):
        case.campaign("stopped", phones, at_least=1.0).send()
    assert bench.books.guard.spend.of_run("stopped") == 0
    case.guard = rules
    assert case.campaign("other", phones).send().accepted == 60


@pytest.mark.in_turn
def test_refused_message_does_not_count_towards_cap_or_budget(
    make_bench: Callable[..., Bench], ledger_url: str
) -> None:
    """Neither for the cap nor for the budget, from the moment at which it is known to be refused."""
    bench = make_bench(ledger_url, people(40))
    bench.block(2)
    case = Case(bench, "care", care_cap=1, max_cost_month_vnd=300 * 40)
    phones = [one.phone for one in bench.recipients]
    assert case.campaign("first", phones).send().rejected == 20
    assert bench.books.guard.spend.of_month(bench.now()) == 300 * 20
    bench.gateway.state.blocked_phones.clear()
    assert case.campaign("second", phones).plan().skipped_by_rule == {"frequency": 20}
    assert case.campaign("second", phones).send().accepted == 20
    assert bench.books.guard.spend.of_month(bench.now()) == 300 * 40


@pytest.mark.in_turn
def test_calls_within_the_budget_are_completed(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """The call that would exceed it is not begun; those beside it, which are paid for, are sent to their end."""
    bench = make_bench(ledger_url, people(200))
    bench.lease_seconds = 3600.0  # on a slow machine claims are not lost to time, which would leave rows unsent too
    case = Case(bench, "care", max_cost_vnd=300 * 150)
    phones = [one.phone for one in bench.recipients]
    result = case.campaign("now", phones, threads=4).send()
    assert (result.accepted, result.run.not_sent) == (140, 0)
    assert bench.books.guard.spend.of_run("now") == 300 * 140


def test_interrupt_ends_a_run_already_stopped_by_its_budget(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Another stop ends the calls that are paid for as well."""
    bench = make_bench(ledger_url, people(100))
    bench.lease_seconds = 3600.0
    bench.gateway.faults.add(CARE, slow(0.5))

    def interrupt(counters: Counters) -> None:
        if counters.not_tried:
            calls.append(bench.gateway.call_count(CARE))
            raise KeyboardInterrupt

    calls: list[int] = []
    case = Case(bench, "care", max_cost_vnd=300 * 70)
    run = case.campaign("now", [one.phone for one in bench.recipients], threads=2)
    with pytest.raises(KeyboardInterrupt):
        run.send(progress=interrupt)
    assert bench.gateway.call_count(CARE) - calls[0] <= 15
    assert bench.books.summary("now").accepted == bench.gateway.call_count(CARE)


def test_not_sent_rows_are_refunded_and_checked_against_the_budget_again(
    make_bench: Callable[..., Bench], ledger_url: str
) -> None:
    """A budget that is smaller by the next call is kept by it too; what is in doubt stays charged."""
    ledger = make_bench(ledger_url, people(1)).books
    rules = rules_of(6, cap=None, most_run=600, most_month=600)
    claims = ledger.claim("run", rows_of([*range(6)]), worker="w", chunk="1", rules=rules).claims
    states = [SendState.ACCEPTED, SendState.UNKNOWN, *[SendState.NOT_SENT] * 4]
    ledger.settle([Settlement(one.request_id, state) for one, state in zip(claims, states, strict=True)], worker="w")
    assert (ledger.guard.spend.of_run("run"), ledger.guard.spend.of_month(NOON)) == (200, 200)
    with pytest.raises(OverBudgetError):
        ledger.claim("run", rows_of([*range(2, 6)]), worker="w", chunk="2", rules=replace(rules_of(4), most_run=500))
    ledger.claim("run", rows_of([*range(2, 6)]), worker="w", chunk="2", rules=replace(rules_of(4), most_run=600))
    assert ledger.guard.spend.of_run("run") == 600


def test_rows_reconciled_as_not_sent_are_refunded(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """What was found at the gateway stays spent, and so does what is still in doubt."""
    ledger = make_bench(ledger_url, people(1)).books
    rules = rules_of(3, cap=None, most_run=300, most_month=300)
    claims = ledger.claim("run", rows_of([*range(3)]), worker="w", chunk="1", rules=rules).claims
    ledger.settle([Settlement(one.request_id, SendState.UNKNOWN) for one in claims], worker="w")
    found = zip(claims, (SendState.ACCEPTED, SendState.NOT_SENT), strict=False)
    assert ledger.settle_found([Settlement(one.request_id, state) for one, state in found]) == 2
    assert (ledger.guard.spend.of_run("run"), ledger.guard.spend.of_month(NOON)) == (200, 200)


def test_released_row_is_charged_again_on_resend(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """What the first one cost stays spent."""
    bench = make_bench(ledger_url, people(3))
    case = Case(bench, "care", max_cost_vnd=300 * 4)
    phones = [one.phone for one in bench.recipients]
    case.campaign("now", phones).send()
    release_rows(bench.books, "now", RowChoice(row_keys=("o0", "o1")), reason="they never got it", even_accepted=True)
    result = case.campaign("now", phones).send()
    assert result.stopped_by is not None
    assert bench.books.guard.spend.of_run("now") == 300 * 3
    case.guard = case.guard.changed({"max_cost_vnd": 300 * 5})
    assert case.campaign("now", phones).send().accepted == 3
    assert bench.books.guard.spend.of_run("now") == 300 * 5


# --- transactions ----------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
def test_guard_rules_add_no_extra_transactions(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """With a list, a cap and a budget a run commits as often as without: once for a claim, once for its answers."""
    bench = make_bench(ledger_url, people(300))
    commits = {}
    bench.lease_seconds = 3600.0  # no heartbeats
    bench.look = bench.gateway.deliveries_by_phone
    # What is learned of a gateway once is written down once.
    bench.send(run_key="before", threads=1, chunk_size=20, price_vnd=Decimal(300))
    for name, rules in (
        ("without", {"suppression": False}),
        ("with", {"suppress_care": True, "transaction_cap": 3, "max_cost_vnd": 10**9, "max_cost_month_vnd": 10**9}),
    ):
        ledger, count = bench.ledger(), []
        sa.event.listen(ledger._engine, "commit", lambda _, count=count: count.append(1))
        guard = GuardSettings().changed(rules)
        result = bench.send(ledger=ledger, run_key=name, threads=1, chunk_size=20, guard=guard, price_vnd=Decimal(300))
        assert result.accepted == 300
        commits[name] = len(count)
    assert commits["with"] <= commits["without"]


def test_cap_and_phone_queries_use_an_index(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """The cap, and everything about a person: never by reading all rows."""
    ledger = make_bench(sqlite_url, people(1)).books
    asked: list[tuple[str, Any]] = []

    def listen(_c: Any, _u: Any, statement: str, given: Any, *_: Any) -> None:
        asked.append((statement, given))

    sa.event.listen(ledger._engine, "before_cursor_execute", listen)
    rules = RowRules(NOON, NOON, message_class="care", suppresses=True, cap=1)
    ledger.guard.held_back("run", [("k", "0901234567")], rules)
    ledger.people.held("0901234567")
    ledger.find(phone="0901234567")
    ledger.erase("0901234567")
    sa.event.remove(ledger._engine, "before_cursor_execute", listen)
    with ledger._engine.connect() as connection:
        for statement, given in [one for one in asked if "esms_sends" in one[0] and "PRAGMA" not in one[0]]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
            assert not [row for row in plan if "SCAN" in row[3] and ("sends" in row[3] or "other" in row[3])], plan


def rows_of(numbers: list[int]) -> list[LedgerRow]:
    return [LedgerRow(f"k{number}", f"09{number:08d}", "text", number) for number in numbers]


def rules_of(count: int, **more: Any) -> RowRules:
    return replace(RowRules(NOON, NOON, message_class="care", cap=2, costs=[100] * count), **more)


def test_claim_over_budget_is_rolled_back(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """No row, no charge, nobody skipped; a part that fits is claimed."""
    ledger = make_bench(ledger_url, people(1)).books
    ledger.guard.suppression.add(["0900000001"], reason="refused")
    rules = rules_of(10, suppresses=True, most_run=500)
    with pytest.raises(OverBudgetError) as over:
        ledger.claim("run", rows_of([*range(10)]), worker="w", chunk="1", rules=rules)
    assert (over.value.asked_vnd, over.value.run_vnd) == (900, 0)
    assert [*ledger.rows("run")] == []
    found = ledger.claim("run", rows_of([*range(6)]), worker="w", chunk="1", rules=replace(rules, costs=[100] * 6))
    assert (len(found.claims), found.left_out) == (5, 1)
    assert ledger.guard.spend.of_run("run") == 500
    # Charged already, so claiming them again costs nothing more.
    ledger.give_back(found.claims, worker="w")
    again = ledger.claim("run", rows_of([*range(6)]), worker="w", chunk="1", rules=replace(rules, costs=[100] * 6))
    assert (len(again.claims), again.settled, again.skipped) == (5, 1, 1)
    assert ledger.guard.spend.of_run("run") == 500


@pytest.mark.in_turn
def test_concurrent_claims_never_exceed_cap_or_budget(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Runs that claim, settle and refuse the same people in any order: no deadlock, never over cap or budget."""
    bench = make_bench(ledger_url, people(1))
    limit, failures, without_rules = 100 * 150, [], set()

    def work(number: int) -> None:
        draw, ledger = random.Random(number), bench.ledger()
        try:
            for _ in range(12):
                numbers = draw.sample(range(40), 15)
                run_key = f"run-{draw.randrange(4)}"
                rules = rules_of(15, most_month=limit, most_run=limit) if number else None
                found = ledger.claim(run_key, rows_of(numbers), worker=f"w{number}", chunk="1", rules=rules)
                ledger.settle([settlement(draw, one) for one in found.claims], worker=f"w{number}")
                if rules is None:
                    without_rules.update(f"09{numbers[one.place]:08d}" for one in found.claims)
        except OverBudgetError:
            return
        except Exception as error:  # told below
            failures.append(error)

    def settlement(draw: random.Random, one: Claim) -> Settlement:
        state = draw.choice([SendState.ACCEPTED, SendState.REJECTED, SendState.NOT_SENT])
        return Settlement(one.request_id, state, code="99" if state is SendState.REJECTED else None)

    # The first goes by no rules: it takes no turns, and must not stand in the way either.
    workers = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not failures
    ledger = bench.books
    with ledger._engine.connect() as connection:
        charged = connection.execute(sa.text("SELECT coalesce(sum(charged_vnd), 0) FROM esms_sends")).scalar_one()
        taken = connection.execute(
            sa.text("SELECT phone, count(*) FROM esms_sends WHERE state = 'accepted' GROUP BY phone")
        ).fetchall()
    assert charged == ledger.guard.spend.of_month(NOON) <= limit
    assert charged == sum(ledger.guard.spend.of_run(f"run-{number}") for number in range(4))
    assert max((count for phone, count in taken if phone not in without_rules), default=0) <= 2


# --- ledgers of before -----------------------------------------------------------------------------------------------


@pytest.mark.in_turn
def test_version_2_ledger_is_migrated_with_its_counts(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """What counted for caps and was charged in tables of its own stands with the rows, and counts once."""
    bench = make_bench(ledger_url, people(40))
    case = Case(bench, "care", care_cap=1, max_cost_vnd=300 * 40)
    phones = [one.phone for one in bench.recipients]
    case.campaign("before", phones[:30]).send()
    with bench.books._engine.begin() as connection:
        for statement in (
            "CREATE TABLE esms_charges (request_id VARCHAR(50), run_key VARCHAR(200), month VARCHAR(7), vnd BIGINT)",
            "INSERT INTO esms_charges SELECT request_id, run_key, charged_month, charged_vnd FROM esms_sends",
            "INSERT INTO esms_contacts SELECT request_id, phone, message_class, arrives_ms FROM esms_sends",
            "INSERT INTO esms_contacts VALUES ('by itself', '0999999999', 'care', 0)",
            "DROP INDEX esms_sends_phone",
            *(
                f"ALTER TABLE esms_sends DROP COLUMN {name}"
                for name in ("message_class", "arrives_ms", "charged_vnd", "charged_month")
            ),
            "UPDATE esms_ledger_version SET version = 2",
        ):
            connection.execute(sa.text(statement))
    assert case.campaign("now", phones).plan().skipped_by_rule == {"frequency": 30}
    with bench.books._engine.connect() as connection:
        inspector = sa.inspect(connection)
        assert "esms_sends_phone" in {one["name"] for one in inspector.get_indexes("esms_sends")}
        assert not inspector.has_table("esms_charges")
        assert connection.execute(sa.text("SELECT version FROM esms_ledger_version")).scalar() == SCHEMA_VERSION
        assert connection.execute(sa.text("SELECT request_id FROM esms_contacts")).scalars().all() == ["by itself"]
        charged = connection.execute(
            sa.text("SELECT charged_vnd, charged_month, count(*) FROM esms_sends GROUP BY 1, 2")
        )
        assert [tuple(row) for row in charged] == [(300, NOON.format("YYYY-MM"), 30)]
    assert case.campaign("now", phones).send().accepted == 10
