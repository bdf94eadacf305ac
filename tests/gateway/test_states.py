"""Is it final, did it arrive: the one rule, line by line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors import DeliveryState
from esms_connectors.gateway.states import state_of_row, state_of_totals

PENDING, SENT, DELIVERED = DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.DELIVERED
FAILED, REJECTED, UNDOCUMENTED = DeliveryState.FAILED, DeliveryState.REJECTED, DeliveryState.UNDOCUMENTED


@pytest.mark.parametrize(
    ("send_status", "by_result"),
    [
        # send_result:  1          0         2         None          9
        (0, (PENDING, PENDING, PENDING, PENDING, PENDING)),
        (1, (PENDING, PENDING, PENDING, PENDING, PENDING)),
        (2, (PENDING, PENDING, PENDING, PENDING, PENDING)),
        (4, (REJECTED, REJECTED, REJECTED, REJECTED, REJECTED)),
        (5, (DELIVERED, FAILED, SENT, UNDOCUMENTED, UNDOCUMENTED)),
        (7, (SENT, SENT, SENT, SENT, SENT)),
        (3, (UNDOCUMENTED,) * 5),
        (6, (UNDOCUMENTED,) * 5),
        ("new", (UNDOCUMENTED,) * 5),
        (None, (UNDOCUMENTED,) * 5),
    ],
)
def test_row_state_depends_on_send_status_and_result(send_status: Any, by_result: tuple[DeliveryState, ...]) -> None:
    """5 is not success and 0 is not failure: the pair decides."""
    assert tuple(state_of_row(send_status, result) for result in (1, 0, 2, None, 9)) == by_result


@pytest.mark.parametrize(
    ("totals", "state"),
    [
        ((5, 1, 1, 0), DELIVERED),
        ((5, 1, 0, 1), FAILED),
        ((5, 2, 0, 2), FAILED),
        ((5, 2, 1, 1), FAILED),
        ((5, 1, 1, 1), DELIVERED),
        ((5, 2, 2, 1), DELIVERED),
        ((5, 2, 1, 3), FAILED),
        ((5, 2, 1, 0), SENT),
        ((5, 1, 0, 0), SENT),
        ((5, 0, 0, 0), SENT),
        ((5, None, 1, 0), SENT),
        ((5, 1, None, 0), SENT),
        ((5, 1, 1, None), SENT),
        ((7, 1, 1, 0), SENT),
        ((1, 1, 0, 0), PENDING),
        ((2, 1, 1, 0), PENDING),
        ((4, 1, 0, 0), REJECTED),
        ((3, 1, 1, 0), UNDOCUMENTED),
        ((None, 1, 1, 0), UNDOCUMENTED),
        (("5x", 1, 1, 0), UNDOCUMENTED),
    ],
)
def test_totals_state_depends_on_status_and_counts(totals: Any, state: DeliveryState) -> None:
    """Final when everybody is accounted for; delivered when everybody was reached, whatever attempts failed before."""
    assert state_of_totals(*totals) is state


@pytest.mark.in_turn(every=3)
@given(
    status=st.none() | st.integers(-1, 9) | st.text(max_size=3),
    counts=st.lists(st.none() | st.integers(0, 4), min_size=3, max_size=3),
)
def test_delivered_and_failed_require_status_5_and_full_counts(status: Any, counts: list[int | None]) -> None:
    """Delivered and failed need status 5 and full counts."""
    state = state_of_totals(status, *counts)
    if state in (DELIVERED, FAILED):
        receivers, succeeded, failed = counts
        assert (status, receivers is not None and receivers > 0) == (5, True)
        assert (succeeded or 0) + (failed or 0) >= (receivers or 0)
        assert (state is DELIVERED) == ((succeeded or 0) >= (receivers or 0))


def test_final_states_are_delivered_failed_and_rejected() -> None:
    """Three states are; the others may still change."""
    assert {state for state in DeliveryState if state.is_final} == {DELIVERED, FAILED, REJECTED}
