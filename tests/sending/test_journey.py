"""Who is not reached by one step gets the next, once: by the gateway's own record of deliveries over time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from channel_samples import SAMPLES, VALUES
from journeys import AT_ONCE, NEVER, Chain, minutes, opened_chain

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, Progress, Quirks
from esms_connectors.emulator.faults import code, drop_after, drop_before
from esms_connectors.gateway import machine_clock
from esms_connectors.recipients import Columns
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.channels.factory import make_channel
from esms_connectors.sending.guard import GuardRefusalError, GuardSettings, canary
from esms_connectors.sending.steps import Journey, JourneyIncompleteError, Step, alert_ladder, undelivered

ZNS, SMS = "send_zns_bulk", "send_customer_care_sms"


def test_delivered_recipients_get_no_fallback(chain: Callable[..., Chain]) -> None:
    """And the run ends as soon as everybody is, not at the deadline."""
    world = chain()
    result = world.run()
    assert [world.functions(place) for place in range(4)] == [[ZNS]] * 4
    assert result.people == {"delivered": 4}
    assert result.complete
    assert (world.now() - world.ledger().runs()[0][1]).total_seconds() < minutes(5)


def test_refused_failed_and_undelivered_rows_get_one_fallback_sms(chain: Callable[..., Chain]) -> None:
    """With the reason of each; who was delivered to does not; all of it in the result."""
    world = chain()
    world.gateway.block_phone(world.phone(0))
    journey = world.journey()
    journey.start()
    world.gateway.set_status(world.got(1)[0].message_id, 5, 0)
    world.hold(2)
    # The block of the number is over by then: it was of Zalo.
    world.gateway.state.blocked_phones.clear()
    result = world.run(journey)
    assert [world.functions(place) for place in range(4)] == [[SMS], [ZNS, SMS], [ZNS, SMS], [ZNS]]
    assert result.steps[1].reasons == {
        "refused with code 99": 1,
        "failed": 1,
        "not delivered within 15 minutes": 1,
    }
    # Two of the SMS were sent at once, and have arrived by the end.
    assert result.people == {"delivered": 3, "sent": 1}
    assert (result.complete, result.as_dict()["chain_complete"]) == (True, True)
    world.check()
    assert world.run().people["delivered"] >= 1
    assert world.gateway.message_count == 6


@pytest.mark.in_turn(every=3)
def test_messages_sharing_an_id_are_matched_by_phone(chain: Callable[..., Chain]) -> None:
    """Each person is known by id and phone: one who failed hands nobody else on, one who has it keeps nobody back."""
    world = chain()
    journey = world.journey()
    journey.start()
    world.gateway.set_status(world.got(0)[0].message_id, 5, 0)
    for row in world.gateway.state.rows:
        row.ReferenceId = "of-the-call"
    with world.ledger()._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE esms_sends SET message_id = 'of-the-call'")
    result = world.run(journey)
    assert [world.functions(place) for place in range(4)] == [[ZNS, SMS], [ZNS], [ZNS], [ZNS]]
    assert result.steps[1].reasons == {"failed": 1}


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(("first", "then"), [(25, 24), (24, 25)])
@pytest.mark.parametrize(("status", "gets"), [((5, 1), [ZNS]), ((7, 2), [ZNS, SMS]), ((5, 0), [ZNS, SMS])])
def test_status_of_a_second_message_under_the_same_id_determines_the_fallback(
    chain: Callable[..., Chain], first: int, then: int, status: tuple[int, int], gets: list[str]
) -> None:
    """Whoever has the message by either of the two is delivered to; while one is under way there is time."""
    world = chain(people=1)
    journey = world.journey()
    journey.start()
    [row] = world.gateway.state.rows
    world.gateway.set_status(row.ReferenceId, 5, 0)
    row.SmsType = first
    about = {"sms_type": then, "campaign": row.Campaign, "send_status": status[0], "send_result": status[1]}
    world.gateway.insert_message(world.now(), phone=row.Phone, **about)
    world.gateway.state.rows[1].ReferenceId = row.ReferenceId
    began = world.now()
    world.run(journey)
    got = [one for one in world.functions(0) if one]
    assert got == gets
    waited = world.gateway.state.rows[-1].SmsType == 2 and (world.got(0)[-1].created_ms / 1000 - began.timestamp())
    assert (waited >= minutes(15)) is (status == (7, 2))


@pytest.mark.in_turn(every=3)
def test_delivery_after_the_fallback_is_counted_as_late(chain: Callable[..., Chain]) -> None:
    """Delivered after the fallback was sent: nothing is undone, and the report says so."""
    world = chain()
    journey = world.journey()
    journey.start()
    world.hold(0)
    result = world.run(journey)
    assert result.steps[0].late == 0
    world.gateway.set_status(world.got(0)[0].message_id, 5, 1)
    again = world.run()
    assert (again.steps[0].delivered, again.steps[0].late, again.people) == (4, 1, {"delivered": 4})
    assert world.functions(0) == [ZNS, SMS]


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("kinds", [("zns", "viber", "sms"), ("sms", "fixed-number", "call")])
def test_three_step_chain_honours_each_deadline(chain: Callable[..., Chain], kinds: tuple[str, ...]) -> None:
    """Each step has a deadline of its own."""
    world = chain(NEVER, kinds=kinds, afters=("15m", "10m"), people=2)
    world.run()
    world.check()
    for place in range(2):
        first, second, third = world.got(place)
        assert minutes(15) <= (second.created_ms - first.created_ms) / 1000 < minutes(17)
        assert minutes(10) <= (third.created_ms - second.created_ms) / 1000 < minutes(12)


@pytest.mark.in_turn
def test_first_deadline_counts_from_the_scheduled_time(chain: Callable[..., Chain]) -> None:
    """It counts from the time of sending, not from that of the call."""
    world = chain(NEVER, people=1)
    journey = world.journey(options={"send_at": world.now().add(hours=2)})
    world.run(journey)
    first, second = world.got(0)
    assert second.created_ms - first.send_at_ms >= minutes(15) * 1000


@pytest.mark.in_turn
@pytest.mark.parametrize("taken", [True, False])
def test_row_in_doubt_does_not_trigger_the_fallback(chain: Callable[..., Chain], taken: bool) -> None:
    """
    A lost answer at the deadline: where the message was taken, it counts by its delivery; where it was not, the person
    is told by the first step once the sent data shows that it has none. Never by the deadline alone.
    """
    world = chain(people=3, knows_ids=False)
    if taken:
        world.gateway.faults.add(ZNS, drop_after(), every=1)
    else:
        world.gateway.faults.add(ZNS, drop_before(), every=1)
    journey = world.journey()
    journey.start()
    world.gateway.faults.clear()
    if taken:
        assert world.run(journey).people == {"delivered": 3}
    else:
        # Nothing of the campaign is listed: that proves nothing, so nobody gets anything.
        with pytest.raises(JourneyIncompleteError, match="in doubt"):
            world.run(journey)
    assert {one.function for one in world.gateway.messages()} <= {ZNS}
    world.check()


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("kind", "operation", "waited"), [("zns", ZNS, minutes(71)), ("call", "make_call_from_template", minutes(11))]
)
def test_rows_in_doubt_are_awaited_only_while_a_lookup_can_settle_them(
    chain: Callable[..., Chain], kind: str, operation: str, waited: float
) -> None:
    """Until the look-up behind the attempt, whatever the deadline; not for what nothing lists."""
    world = chain(people=2, kinds=(kind, "sms"), afters=("1d",), knows_ids=False)
    world.gateway.faults.add(operation, drop_before(), every=1)
    journey = world.journey()
    journey.start()
    world.gateway.faults.clear()
    with pytest.raises(JourneyIncompleteError, match="in doubt"):
        world.run(journey)
    assert (world.now() - world.ledger().runs()[0][1]).total_seconds() < waited
    assert world.gateway.message_count == 0


@pytest.mark.in_turn
def test_unlisted_messages_do_not_trigger_the_fallback(chain: Callable[..., Chain]) -> None:
    """A message that is accepted and listed nowhere: delivered or not, nobody knows, so nothing follows."""
    world = chain(AT_ONCE, people=2)
    journey = world.journey()
    journey.start()
    world.gateway.faults.add("get_sms_sent_data", code("105"), every=1)
    world.gateway.faults.add("get_send_status", code("105"), every=1)
    with pytest.raises(JourneyIncompleteError, match="2 unseen"):
        world.run(journey)
    world.gateway.faults.clear()
    assert world.run().people == {"delivered": 2}
    assert world.gateway.message_count == 2


@pytest.mark.in_turn(every=3)
def test_stopped_fallback_step_resumes_later(chain: Callable[..., Chain]) -> None:
    """No money for the SMS: the same call sends the rest after the top-up, and whoever was reached since gets none."""
    world = chain(people=3)
    journey = world.journey()
    journey.start()
    for place in range(3):
        world.hold(place)
    world.gateway.faults.add(SMS, code("103"), every=1)
    with pytest.raises(BulkIncompleteError, match="103"):
        world.run(journey)
    world.gateway.faults.clear()
    world.gateway.set_status(world.got(0)[0].message_id, 5, 1)
    result = world.run()
    assert [len(world.got(place)) for place in range(3)] == [1, 2, 2]
    assert result.people == {"delivered": 1, "sent": 2}


def test_two_workers_in_one_process_send_each_step_once(chain: Callable[..., Chain]) -> None:
    """Both look, both find the same people due."""
    world = chain(NEVER)
    one, two = world.journey(), world.journey()
    one.start()
    two.start()
    world.gateway.advance(minutes=16)
    one.advance()
    two.advance()
    assert [world.functions(place) for place in range(4)] == [[ZNS, SMS]] * 4


def undelivered_at(ledger_url: str, stack: ExitStack, **more: Any) -> tuple[Chain, Journey]:
    """Four people who have the first step, and will not be delivered to."""
    world = stack.enter_context(opened_chain(ledger_url, NEVER))
    journey = world.journey(**more)
    journey.start()
    return world, journey


@pytest.mark.in_turn(every=3)
def test_stopped_campaign_sends_no_further_steps(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that people know it by, which is that of its first step."""
    with ExitStack() as stack:
        world, journey = undelivered_at(ledger_url, stack)
        monkeypatch.setattr(machine_clock, "source", world.now)
        stops = world.ledger().guard.stops
        stops.mark_run("evening", reason="wrong price", who="Lan")
        with pytest.raises(BulkIncompleteError, match="Run evening was stopped by Lan"):
            world.run(journey)
        assert [world.functions(place) for place in range(4)] == [[ZNS]] * 4
        stops.lift_run("evening", who="Lan")
        assert world.run().people == {"sent": 4}
        assert [world.functions(place) for place in range(4)] == [[ZNS, SMS]] * 4


@pytest.mark.in_turn(every=3)
def test_budget_is_shared_by_all_steps(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four ZNS at 300 VND are 1 200; the SMS behind them would each be 790."""
    with ExitStack() as stack:
        world, journey = undelivered_at(
            ledger_url, stack, price_vnd=Decimal(300), guard=GuardSettings().changed({"max_cost_vnd": 1200 + 790 * 3})
        )
        monkeypatch.setattr(machine_clock, "source", world.now)
        with pytest.raises(BulkIncompleteError, match="of 3,570"):
            world.run(journey)
        spent = 300 * 4 + 790 * (world.gateway.message_count - 4)
        assert spent <= 3570
        spend = world.ledger().guard.spend
        assert {spend.of_run(key) for key in ("evening", "evening#2")} == {spent}
        assert [(key, vnd) for key, _, vnd in spend.of_runs(world.now().subtract(days=1), world.now(), 9)] == [
            ("evening", spent)
        ]


def test_delivery_before_the_fallback_is_sent_cancels_it(chain: Callable[..., Chain]) -> None:
    """A decision that was not acted upon is forgotten."""
    world = chain(NEVER, people=1)
    journey = world.journey()
    journey.start()
    world.gateway.advance(minutes=16)
    due_before_the_crash = {world.ledger().request_id("evening#2", world.phone(0)): "not delivered"}
    world.ledger().journeys.hand_on("evening#2", due_before_the_crash, 0)
    world.gateway.set_status(world.got(0)[0].message_id, 5, 1)
    assert world.run().people == {"delivered": 1}
    assert world.functions(0) == [ZNS]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("zns", "advertising"), "cannot follow another step"),
        (("multi-channel", "sms"), "nothing can follow"),
    ],
)
def test_invalid_step_combinations_are_rejected(
    chain: Callable[..., Chain], kinds: tuple[str, ...], words: str
) -> None:
    """It is told when the chain is made."""
    world = chain(kinds=(kinds[0], "sms"))
    journey = world.journey
    if kinds[1] == "advertising":
        first = world.journey().first
        step = Step(make_channel("advertising", world.client(), {"text": "x", "brandname": DEMO_BRANDNAME}), "15m")
        with pytest.raises(InvalidRequestError, match=words):
            Journey(first, [step])
        return
    with pytest.raises(InvalidRequestError, match=words):
        journey()


def test_run_key_of_another_chains_step_is_rejected(chain: Callable[..., Chain]) -> None:
    """Its people would count as sent to; one line says whose it is."""
    world = chain(kinds=("sms", "sms", "sms"), afters=("15m", "15m"))
    world.journey().start()
    world.run_key = "evening#2"
    with pytest.raises(InvalidRequestError, match=r"Run 'evening#2' is a step of run 'evening'"):
        world.journey().start()
    assert world.gateway.message_count == world.people


@pytest.mark.parametrize("after", ["15", "", "soon", "-5m", 0, True, "8d", "0s"])
def test_invalid_step_delay_is_rejected(chain: Callable[..., Chain], after: Any) -> None:
    """One line, before anything is sent."""
    world = chain(afters=(after,))
    with pytest.raises(InvalidRequestError, match="after"):
        world.journey()


def test_unknown_placeholder_in_the_last_step_is_rejected_before_sending(chain: Callable[..., Chain]) -> None:
    """A placeholder that is no column."""
    world = chain()
    journey = world.journey()
    step = Step(make_channel("sms", world.client(), {"text": "Chao {ten}", "brandname": "Baotrixemay"}), "15m")
    with pytest.raises(InvalidRequestError, match="ten"):
        Journey(journey.first, [step]).run()
    assert world.gateway.message_count == 0


@pytest.mark.in_turn(every=3)
def test_overlong_text_of_a_later_step_is_refused_before_sending(chain: Callable[..., Chain]) -> None:
    """As that of the first step; the plan says it, and an override lets it go."""
    world = chain(NEVER, people=2)
    long = {"text": "Chao {customer_name} " + "a" * 320, "brandname": "Baotrixemay"}

    def journey(**settings: Any) -> Journey:
        rules = GuardSettings().changed({"max_segments": 2})
        first = world.journey(guard=rules.overriding(**settings) if settings else rules).first
        columns = Columns(params={"customer_name": "customer_name"}, key_column=first.columns.key_column)
        return Journey(first, [Step(make_channel("sms", world.client(), long), "15m", columns)], poll_seconds=60)

    assert any("segments" in problem for problem in journey().plan()[1].problems)
    with pytest.raises(GuardRefusalError, match="The longest text has 3 segments"):
        world.run(journey())
    assert world.gateway.message_count == 0
    rules = {"rules": ["segments"], "who": "Lan", "reason": "the terms must be in it"}
    assert world.run(journey(**rules)).people == {"sent": 2}


@pytest.mark.in_turn
def test_later_step_has_its_own_canary(chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve get no ZNS: three SMS leave, do not arrive, and hold the other nine back; again looks again."""
    world = chain(NEVER, people=12)
    wait = canary.wait_for_delivery
    monkeypatch.setattr(
        canary, "wait_for_delivery", lambda *given, **more: wait(*given, **{**more, "sleep": world.gateway.advance})
    )
    rules = GuardSettings().changed({"canary": 3, "canary_wait_minutes": 5, "canary_poll_seconds": 60})
    # Of the first step it is another matter.
    world.ledger().guard.canaries.record(world.run_key, sent=3, delivered=3)
    for _ in range(2):
        with pytest.raises(BulkIncompleteError, match="after its first 3 rows"):
            world.run(world.journey(guard=rules))
        assert sum(len(world.got(place)) == 2 for place in range(12)) == 3
    for place in range(12):
        if len(world.got(place)) == 2:
            world.gateway.set_status(world.got(place)[-1].message_id, 5, 1)
    result = world.run(world.journey(guard=rules))
    assert result.people == {"delivered": 3, "sent": 9}
    assert {len(world.got(place)) for place in range(12)} == {2}


def test_undelivered_returns_unreached_rows_with_reasons(chain: Callable[..., Chain]) -> None:
    """Of any campaign: those whom a run did not reach, with the reason; nobody in doubt."""
    world = chain()
    journey = world.journey()
    journey.first.send()
    world.gateway.advance(minutes=1)
    world.gateway.set_status(world.got(0)[0].message_id, 5, 0)
    world.hold(1)
    client, ledger = world.client(), world.ledger()
    rows = undelivered(client, ledger, "evening")
    assert [(row["phone"], row["reason"]) for row in rows] == [
        (world.phone(0), "failed"),
        (world.phone(1), "not delivered"),
    ]
    assert len(undelivered(client, ledger, "evening", after="15m")) == 1
    world.gateway.advance(minutes=15)
    assert undelivered(client, ledger, "evening", after="15m")[1]["reason"] == "not delivered within 15 minutes"


@pytest.mark.in_turn(every=3)
def test_chain_completes_when_sent_data_is_listed_late(chain: Callable[..., Chain]) -> None:
    """Ten minutes late in the sent data: asked for by id meanwhile."""
    world = chain(
        Progress(0, 0, never_final_share=0.5, queue_seconds=(0.1, 0.1), report_seconds=(0.1, 0.1)),
        Quirks(listed_late_share=0.5, listed_late_seconds=1800),
        people=12,
    )
    result = world.run()
    assert result.complete
    world.check()
    assert 0 < result.steps[1].handed_on < 12


@pytest.mark.in_turn(every=3)
def test_alert_ladder_stops_at_the_first_delivered_phone(chain: Callable[..., Chain]) -> None:
    """The first never gets it, the second does; the third is not woken; a number that is none is passed over."""
    world = chain(NEVER)

    def ladder() -> Journey:
        phones = ["0901000001", "khong so", "0901000002", "0901000003"]
        return alert_ladder(
            world.client(), world.ledger(), phones, "Het cho {}", DEMO_BRANDNAME, run_key="alert", after="5m"
        )

    journey = ladder()
    journey.start()
    world.gateway.advance(minutes=6)
    journey.advance()
    world.gateway.set_status([*world.gateway.messages()][-1].message_id, 5, 1)
    assert world.run(journey).people == {"delivered": 1}
    assert world.run(ladder()).people == {"delivered": 1}
    assert [message.phone for message in world.gateway.messages()] == ["0901000001", "0901000002"]


@pytest.mark.in_turn(every=3)
def test_suppressed_recipient_gets_no_step(chain: Callable[..., Chain]) -> None:
    """A person on the suppression list is not reached by the fallback either, and nobody waits for them."""
    world = chain(NEVER, people=2)
    ledger = world.ledger()
    journey = world.journey(ledger, guard=GuardSettings(suppress_care=True))
    ledger.guard.suppression.add([world.phone(0)], reason="stop")
    assert world.run(journey).people == {"skipped": 1, "sent": 1}
    assert world.functions(0) == []


@pytest.mark.in_turn(every=3)
def test_recipient_with_invalid_fallback_phone_is_not_waited_for(chain: Callable[..., Chain]) -> None:
    """A number of the second column that is none: told in the log; the first step was their last, and the run ends."""
    world = chain(NEVER, people=2)
    rows = [
        {**row, "parent": phone} for row, phone in zip(SAMPLES["zns"].rows(2), ("02838", "0908000001"), strict=True)
    ]
    columns = Columns(params=VALUES, key_column="code")
    journey = world.journey(source=rows, columns=columns)
    step = Step(journey.steps[0].channel, "15m", Columns("parent", {"customer_name": "customer_name"}, "code"))
    journey.first.at_least = 0.5
    result = world.run(Journey(journey.first, [step]))
    assert result.people == {"sent": 2}
    assert [message.function for message in world.gateway.messages()] == [ZNS, ZNS, SMS]


@pytest.mark.in_turn
def test_partial_runs_send_the_fallback_to_their_own_rows(chain: Callable[..., Chain]) -> None:
    """As mapped tasks do: each sends the fallback to its own rows, and counts those."""
    world = chain(NEVER)
    rows = SAMPLES["zns"].rows(4)
    parts = [world.journey(source=rows[:1]), world.journey(source=rows[1:])]
    for part in parts:
        part.start()
    assert [world.run(part).people for part in parts] == [{"sent": 1}, {"sent": 3}]
    assert [world.functions(place) for place in range(4)] == [[ZNS, SMS]] * 4
