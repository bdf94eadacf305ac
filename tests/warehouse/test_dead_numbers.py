"""Dead numbers: who failed in so many runs, and was not reached since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from targets import DELIVERED, FAILED, SENT, WINDOW, Target, load_of, merge, row

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.warehouse.dead_numbers import dead_phones


def phone_of(number: int) -> str:
    return f"0901{number:06d}"


@pytest.mark.in_turn(every=3)
def test_dead_phones_failed_in_n_runs_without_a_later_delivery(sql_target: Target) -> None:
    """Counted by campaign, SMS alone; a delivery in between begins anew; what is not final proves nothing."""
    rows = []

    def sent(number: int, state: object, hour: int, campaign: str | None, sms_type: int = 2) -> None:
        moment = WINDOW.start + timedelta(hours=hour)
        told = {"phone": phone_of(number), "campaign": campaign, "sent_at": moment, "sms_type": sms_type}
        rows.append(row(len(rows) + 1, state, **told))

    for hour in (1, 2, 3):
        sent(1, FAILED, hour, f"run {hour}")  # dead
        sent(2, FAILED, hour, "the same run")
        sent(3, DELIVERED if hour == 2 else FAILED, hour, f"run {hour}")
        sent(4, SENT if hour == 3 else FAILED, hour, f"run {hour}")
        sent(5, FAILED, hour, f"run {hour}", 25)  # no Zalo
        sent(6, FAILED, hour, None, 1)  # advertising carries no campaign
        sent(7, DELIVERED if hour == 1 else FAILED, hour, f"run {hour}")
    merge(sql_target, rows)
    assert dead_phones(sql_target.warehouse, 3) == [phone_of(1), phone_of(6)]
    assert dead_phones(sql_target.warehouse, 2) == [phone_of(number) for number in (1, 4, 6, 7)]
    with pytest.raises(InvalidRequestError, match="at least"):
        dead_phones(sql_target.warehouse, 1)


@pytest.mark.in_turn(every=3)
def test_hashed_phones_give_configuration_error(sql_target: Target) -> None:
    sql_target.warehouse.merge(load_of(0, privacy="phone=hashed:1234 content=kept"), [])
    with pytest.raises(ConfigurationError, match="does not store phones plain"):
        dead_phones(sql_target.warehouse, 3)
