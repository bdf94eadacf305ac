"""What is missing from the sent data is "not sent" only where the gateway is seen to list this campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from bulk_bench import Bench, people

from esms_connectors.emulator.faults import drop_after, drop_before
from esms_connectors.gateway.echoes import folded_campaign

ZNS = "send_zns_bulk"
HOURS = 3600.0


def lose_answers(bench: Bench, recipients: Any = None, *, taken: bool = True, **settings: Any) -> None:
    """A call whose answers are all lost, behind or before what the gateway does."""
    bench.gateway.faults.add(ZNS, drop_after() if taken else drop_before())
    bench.send(recipients, threads=1, **settings)
    bench.gateway.faults.clear()


def settle_and_send_again(bench: Bench, settling_hours: float = 1, **settings: Any) -> Any:
    """The recipe of the pages: look up, and run the same command again. `look` fails when somebody got two."""
    result = bench.reconcile(not_sent_after_seconds=settling_hours * HOURS)
    bench.send(**settings)
    bench.look()
    return result


@pytest.fixture
def bench(ledger_url: str, make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(ledger_url, people(120))


@pytest.mark.in_turn
def test_rows_stay_in_doubt_without_a_campaign_echo(bench: Bench) -> None:
    """Every answer of the run was lost, and nothing says which rows of the sent data are its own."""
    bench.gateway.quirks.campaign_echo = "empty"
    lose_answers(bench)
    bench.clock.move(13 * HOURS)
    result = settle_and_send_again(bench)
    assert (result.not_sent, result.still_unknown) == (0, 120)
    assert "esms resend" in result.open_because
    assert "\n" not in result.open_because
    assert bench.look().total() == 120


@pytest.mark.in_turn(every=3)
def test_uppercase_campaign_echo_is_matched(bench: Bench) -> None:
    bench.gateway.quirks.campaign_echo = "upper"
    lose_answers(bench, campaign="Khai trương tháng 3")
    bench.clock.move(13 * HOURS)
    result = settle_and_send_again(bench)
    assert (result.accepted, result.not_sent, result.open_because) == (120, 0, "")
    bench.check_complete()


@pytest.mark.parametrize(
    ("echoed", "is_same"),
    [
        ("TẾT 2026 #0A1B2C3D4E5F", True),
        ("tet 2026 #0a1b2c3d4e5f", True),
        (" tết  2026 #0a1b2c3d4e5f ", True),
        ("te\u0302\u0301t 2026 #0a1b2c3d4e5f", True),
        ("tết 2026 #0a1b2c3d4e5e", False),
        ("tết 2026", False),
        ("", False),
    ],
)
def test_campaign_matching_ignores_case_diacritics_and_blanks(echoed: str, is_same: bool) -> None:
    """Case, diacritics and blanks; never a letter or digit of its mark."""
    assert (folded_campaign(echoed) == folded_campaign("tết 2026 #0a1b2c3d4e5f")) is is_same


@pytest.mark.in_turn
def test_empty_sent_data_keeps_rows_in_doubt_until_released(bench: Bench) -> None:
    """Also where it is true: an empty answer proves nothing, and `resend` is how a person decides."""
    lose_answers(bench, taken=False)
    bench.clock.move(13 * HOURS)
    assert settle_and_send_again(bench).not_sent == 0
    ids = [row["request_id"] for row in bench.books.rows(bench.run_key)]
    bench.books.release(bench.run_key, ids, "the portal shows none of them")
    assert bench.send().complete
    bench.check_complete()


@pytest.mark.in_turn
def test_missing_rows_of_a_listed_campaign_count_as_not_sent_after_settling_time(bench: Bench) -> None:
    bench.send(bench.recipients[:40])
    lose_answers(bench, taken=False)
    bench.clock.move(13 * HOURS)
    assert bench.reconcile(not_sent_after_seconds=14 * HOURS).not_sent == 0
    assert settle_and_send_again(bench).not_sent == 80
    bench.check_complete()


@pytest.mark.in_turn
def test_scheduled_run_is_not_reconciled_before_its_send_time(bench: Bench) -> None:
    """
    A part was sent at once and is listed; the rest is scheduled for tomorrow and is listed from then on only. Another
    send time for the same run key is no other campaign.
    """
    bench.gateway.quirks.listed_from_send_at = True
    bench.send(bench.recipients[:40])
    tomorrow = bench.clock.now().add(hours=20)
    lose_answers(bench, send_at=tomorrow)
    lose_answers(bench, bench.recipients[:50], send_at=tomorrow.subtract(hours=2))
    bench.clock.move(13 * HOURS)
    result = settle_and_send_again(bench, send_at=tomorrow)
    assert (result.accepted, result.not_sent) == (0, 0)
    assert "scheduled for" in result.open_because
    bench.clock.move(6.5 * HOURS)
    assert bench.reconcile(not_sent_after_seconds=HOURS).not_sent == 0
    bench.clock.move(1 * HOURS)
    assert settle_and_send_again(bench, send_at=tomorrow).accepted == 80
    bench.check_complete()


@pytest.mark.in_turn
def test_late_listed_rows_are_not_counted_as_not_sent(bench: Bench) -> None:
    """Some rows of the campaign are listed at once, others two hours later: the settling time is there for these."""
    bench.gateway.quirks.listed_late_share = 0.4
    bench.gateway.quirks.listed_late_seconds = 2 * HOURS
    lose_answers(bench)
    bench.clock.move(1.5 * HOURS)
    result = settle_and_send_again(bench, settling_hours=3)
    assert 0 < result.accepted < 120
    assert result.not_sent == 0
    bench.clock.move(12 * HOURS)
    settle_and_send_again(bench, settling_hours=3)
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_row_listed_after_it_counted_as_not_sent_is_settled_by_the_next_look_up(bench: Bench) -> None:
    """The settling time was too short: whoever looks again before sending finds that the message exists."""
    bench.gateway.quirks.listed_late_share = 0.4
    bench.gateway.quirks.listed_late_seconds = 2 * HOURS
    lose_answers(bench, bench.recipients[:40])
    bench.clock.move(1.5 * HOURS)
    not_sent = bench.reconcile(not_sent_after_seconds=HOURS).not_sent
    assert 0 < not_sent < 40
    assert bench.reconcile(not_sent_after_seconds=HOURS).run.not_sent == not_sent
    bench.clock.move(1 * HOURS)
    result = bench.reconcile()
    assert (result.looked_for, result.accepted, result.run.not_sent) == (not_sent, not_sent, 0)
    calls = bench.gateway.call_count(ZNS)
    bench.send(bench.recipients[:40])
    assert bench.gateway.call_count(ZNS) == calls
    assert bench.look().total() == 40


@pytest.mark.in_turn
def test_rows_older_than_seven_days_are_not_reconciled(bench: Bench) -> None:
    """The gateway keeps eight days: the first rows are gone, others of the campaign are still listed."""
    bench.gateway.quirks.retention_days = 8
    lose_answers(bench, bench.recipients[:60])
    bench.clock.move(5 * 24 * HOURS)
    bench.send(bench.recipients[60:])
    bench.clock.move(4 * 24 * HOURS)
    result = settle_and_send_again(bench)
    assert (result.accepted, result.not_sent) == (0, 0)
    assert "more than 7 days ago" in result.open_because
    assert bench.look().total() == 120


@pytest.mark.in_turn(every=3)
def test_machine_clock_ahead_does_not_shorten_the_settling_time(bench: Bench) -> None:
    """The machine that reconciles is a day ahead of the gateway, whose rows are listed two hours late."""
    bench.gateway.quirks.listed_late_share = 0.4
    bench.gateway.quirks.listed_late_seconds = 2 * HOURS
    lose_answers(bench)
    bench.clock.began -= 24 * HOURS
    result = bench.reconcile(not_sent_after_seconds=3 * HOURS)
    assert result.not_sent == 0
    bench.clock.began += 24 * HOURS
    bench.clock.move(12 * HOURS)
    settle_and_send_again(bench, settling_hours=3)
    bench.check_complete()


def test_run_send_time_is_the_latest_of_its_calls(bench: Bench) -> None:
    first = pendulum.datetime(2024, 5, 16, 9, tz="Asia/Ho_Chi_Minh")
    for moment in (first.add(hours=3), first, first.add(hours=1)):
        bench.send(bench.recipients[:1], send_at=moment)
    assert bench.books.run_about(bench.run_key)["send_at"] == "2024-05-16T05:00:00Z"
    assert Counter(bench.look().values()) == {1: 1}


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("member", "shown"),
    [("Phone", ""), ("Phone", "0901***005"), ("Phone", "84 nghe may"), ("ReferenceId", ""), ("ReferenceId", "  ")],
)
def test_unreadable_listed_row_prevents_a_not_sent_conclusion(
    sqlite_url: str, make_bench: Callable[..., Bench], member: str, shown: str
) -> None:
    """It is listed, only not so that anybody could tell whose it is: then nothing that is missing was "not sent"."""
    bench = make_bench(sqlite_url, people(12))
    bench.attempts = 1
    lose_answers(bench, bench.recipients[:1])
    [lost] = bench.gateway.state.rows
    before = getattr(lost, member)
    bench.send(bench.recipients[1:])
    bench.clock.move(13 * HOURS)
    setattr(lost, member, shown)
    result = bench.reconcile(not_sent_after_seconds=HOURS)
    setattr(lost, member, before)
    assert (result.not_sent, result.still_unknown) == (0, 1)
    assert "where 1 message has no readable phone" in result.open_because
    bench.send()
    bench.look()
    assert bench.reconcile(not_sent_after_seconds=HOURS).accepted == 1
    bench.check_complete()


def test_messages_sharing_an_id_are_reconciled_by_phone(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """As those of advertising do: each phone that is listed has its message, whatever other phone has the same id."""
    bench = make_bench(sqlite_url, people(12))
    bench.attempts = 1
    lose_answers(bench, bench.recipients[:4])
    for row in bench.gateway.state.rows:
        row.ReferenceId = "shared-by-the-call"
    bench.send(bench.recipients[4:])
    bench.clock.move(13 * HOURS)
    result = bench.reconcile(not_sent_after_seconds=HOURS)
    assert (result.accepted, result.not_sent) == (4, 0)
    bench.send()
    bench.check_complete()
