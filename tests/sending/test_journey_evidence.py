"""Evidence about other messages, later or of several recipients hands nobody on, and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from journeys import NEVER, NOON, Chain

from esms_connectors import DeliveryState, EsmsClient
from esms_connectors.emulator import DEMO_BRANDNAME, Quirks
from esms_connectors.emulator.faults import drop_before
from esms_connectors.gateway.models import SendStatus
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.steps import JourneyIncompleteError, alert_ladder
from esms_connectors.sending.steps.message_states import StepView, _read_status

ZNS, SMS = "send_zns_bulk", "send_customer_care_sms"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("delivered", [True, False])
def test_row_in_doubt_is_not_repeated_after_the_earlier_step_was_delivered(
    chain: Callable[..., Chain], delivered: bool
) -> None:
    """The second step's answer was lost; whoever has the first message by then gets no second one."""
    world = chain(NEVER, people=1, kinds=("sms", "zns"))
    journey = world.journey()
    journey.start()
    world.gateway.advance(minutes=16)
    world.gateway.faults.add(ZNS, drop_before(), every=1)
    journey.advance()
    world.gateway.faults.clear()
    assert [row["state"] for row in world.ledger().rows("evening#2")] == ["unknown"]
    if delivered:
        world.gateway.set_status(world.got(0)[0].message_id, 5, 1)
        assert world.run(world.journey()).people == {"delivered": 1}
        assert world.functions(0) == [SMS]
    else:
        assert world.run(world.journey()).people == {"sent": 1}
        assert world.functions(0) == [SMS, ZNS]


@pytest.mark.in_turn(every=3)
def test_ladder_continues_after_a_phone_skipped_by_a_rule(chain: Callable[..., Chain]) -> None:
    """Each step has another phone: one on the suppression list does not keep the others from being alerted."""
    world = chain()
    ledger = world.ledger()
    ledger.guard.suppression.add(["0901000001"], reason="stop")
    phones = ["0901000001", "0901000002", "0901000003"]

    def ladder() -> Any:
        rules = GuardSettings(suppress_care=True)
        return alert_ladder(
            world.client(), ledger, phones, "Het cho", DEMO_BRANDNAME, run_key="alert", after="5m", guard=rules
        )

    result = world.run(ladder())
    assert result.people == {"delivered": 1}
    assert result.steps[1].reasons == {"skipped by the rule suppression": 1}
    assert world.run(ladder()).people == {"delivered": 1}
    assert [message.phone for message in world.gateway.messages()] == ["0901000002"]


def test_ladder_with_all_phones_skipped_is_an_error(chain: Callable[..., Chain]) -> None:
    """Nobody was alerted, which must not look like success."""
    world = chain()
    ledger, phones = world.ledger(), ["0901000001", "0901000002"]
    ledger.guard.suppression.add(phones, reason="stop")
    ladder = alert_ladder(
        world.client(), ledger, phones, "Het cho", DEMO_BRANDNAME, run_key="alert",
        guard=GuardSettings(suppress_care=True),
    )  # fmt: skip
    with pytest.raises(JourneyIncompleteError, match="0 of 1 row were sent to"):
        world.run(ladder)


@pytest.mark.in_turn(every=3)
def test_failed_row_of_another_phone_does_not_trigger_the_next_step(chain: Callable[..., Chain]) -> None:
    """The gateway lists the other's row before the person's own, which is under way."""
    world = chain(NEVER, Quirks(listed_late_share=1, listed_late_seconds=200), people=1)
    journey = world.journey()
    journey.start()
    world.gateway.advance(minutes=1)
    about = {"sms_type": 25, "send_status": 5, "send_result": 0}
    world.gateway.insert_message(NOON.subtract(minutes=4), phone="0901999999", **about)
    world.gateway.state.rows[1].ReferenceId = world.gateway.state.rows[0].ReferenceId
    journey.advance()
    assert [one.function for one in world.gateway.messages() if one.function] == [ZNS]


def test_totals_of_several_recipients_do_not_decide_for_one() -> None:
    """One of two was reached; it may be this person."""
    totals = SendStatus("m-1", 5, 2, 2, 1, 1, None)
    client = cast("EsmsClient", SimpleNamespace(get_send_status=lambda message_id: totals))
    view = StepView("evening", "viber", NOON, {})
    _read_status(client, view, "m-1")
    assert view.seen["m-1"].state is DeliveryState.UNDOCUMENTED
