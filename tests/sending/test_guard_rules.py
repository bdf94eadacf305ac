"""Rules that hold a run back: hours by the gateway's clock at their edges, pace, canary, balance, overrides."""

from __future__ import annotations

import types
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from bulk_bench import Bench, people
from sender_child import Trap

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME
from esms_connectors.gateway.endpoints import SEND_ADVERTISING_SMS, SEND_CUSTOMER_CARE_SMS, SEND_ZNS_BULK
from esms_connectors.sending.guard import GuardRefusalError, GuardSettings, GuardStopError, run_guard
from esms_connectors.sending.guard import canary as canary_module
from esms_connectors.sending.one_sms import send_sms
from esms_connectors.sending.sms_message import SmsMessage

ADVERTISING, ZNS, CARE = SEND_ADVERTISING_SMS.name, SEND_ZNS_BULK.name, SEND_CUSTOMER_CARE_SMS.name
VIETNAM = "Asia/Ho_Chi_Minh"


def at(hour: int, minute: int = 0, second: int = 0, day: int = 15) -> pendulum.DateTime:
    return pendulum.datetime(2024, 5, day, hour, minute, second, tz=VIETNAM)


def hold(bench: Bench, moment: pendulum.DateTime, *, machine_hours: float = 0.0) -> None:
    """The gateway's clock stands at that moment; this machine's may be another one."""
    stand_still(bench, machine_hours)
    bench.gateway.advance((moment - bench.gateway.clock.now).total_seconds())


def stand_still(bench: Bench, machine_hours: float = 0.0) -> None:
    bench.now = lambda: bench.gateway.clock.now.add(seconds=round(3600 * machine_hours))


CHANNELS: dict[str, Callable[..., Any]] = {
    "advertising": lambda bench, **settings: bench.send_sms(advertising=True, threads=1, **settings),
    "care": lambda bench, **settings: bench.send_sms(threads=1, **settings),
    "zns": lambda bench, **settings: bench.send(threads=1, **settings),
}
EDGES = (
    (at(6, 59, 59, day=16), False, at(7, day=16)),
    (at(7, 0, 0, day=16), True, None),
    (at(21, 59, 59), True, None),
    (at(22, 0, 0), False, at(7, day=16)),
    (at(23, 59, 59), False, at(7, day=16)),
    (at(0, 0, 0, day=16), False, at(7, day=16)),
)


@pytest.mark.in_turn
@pytest.mark.parametrize(("moment", "is_open", "opens"), EDGES, ids=[edge[0].format("HH:mm:ss") for edge in EDGES])
@pytest.mark.parametrize("policy", ["refuse", "reschedule", "defer", "allow"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_hours_policy_at_the_edges_uses_the_gateway_clock(
    make_bench: Callable[..., Bench],
    sqlite_url: str,
    channel: str,
    policy: str,
    moment: pendulum.DateTime,
    is_open: bool,
    opens: pendulum.DateTime | None,
) -> None:
    """Every policy on every kind of channel, to the second, by the gateway's clock: this machine's is hours off."""
    bench = make_bench(sqlite_url, people(30))
    hold(bench, moment, machine_hours=-7.0)
    rules = GuardSettings().changed({"hours": policy, "transaction_open": "07:00-22:00"})
    send, gateway = CHANNELS[channel], bench.gateway
    if policy == "refuse" and not is_open:
        with pytest.raises(GuardRefusalError, match="07:00-22:00"):
            send(bench, guard=rules)
        assert gateway.deliveries_by_phone() == {}
        return
    result = send(bench, guard=rules)
    if policy == "defer" and not is_open:
        assert isinstance(result.stopped_by, GuardStopError)
        assert pendulum.parse(result.stopped_by.until or "") == opens
        assert f"the same command continues from {opens.format('YYYY-MM-DD HH:mm')}" in str(result.stopped_by)
        assert (gateway.deliveries_by_phone(), result.counters.not_tried) == ({}, 30)
        hold(bench, opens or moment)
        result = send(bench, guard=rules)
    assert result.accepted == 30
    assert set(gateway.deliveries_by_phone().values()) == {1}
    times = {one.send_at_ms for one in gateway.state.submission_of if one.send_at_ms}
    if policy == "reschedule" and not is_open:
        assert opens is not None
        assert all(0 <= one / 1000 - opens.timestamp() < 3600 for one in times)
        assert len(times) == 1 if channel == "advertising" else times
    else:
        assert not times


@pytest.mark.in_turn
def test_rescheduled_calls_of_partial_runs_are_spread(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """Spread over the hour, the parts of a run too, each of which counts its calls from nothing; and the same again."""
    bench = make_bench(sqlite_url, people(120))
    bench.run_key = "evening"  # minutes are drawn by it
    hold(bench, at(23))
    rules = GuardSettings().changed({"hours": "reschedule"})
    for first in range(0, 120, 30):
        bench.send_sms(bench.recipients[first : first + 30], threads=1, guard=rules)
    minutes = [one.send_at_ms // 60_000 for one in bench.gateway.state.submission_of]
    assert len(set(minutes)) >= 6
    assert max(minutes.count(minute) for minute in set(minutes)) <= 40


def test_missing_date_header_requires_an_hour_of_margin(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """This machine's clock is not relied upon any further."""
    bench = make_bench(sqlite_url, people(30))
    bench.gateway.quirks.date_header = "missing"
    hold(bench, at(21, 30, day=15))
    with pytest.raises(GuardRefusalError, match="trusted only to within an hour"):
        bench.send_sms(advertising=True, threads=1)
    hold(bench, at(20, 30, day=16))
    assert bench.send_sms(advertising=True, threads=1).accepted == 30


# --- pace ------------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_pace_limit_is_shared_by_all_calls_of_a_run(
    make_bench: Callable[..., Bench], ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls, one after the other and as parts: no minute has more than its share, and nobody is left out."""
    bench = make_bench(ledger_url, people(40))
    stand_still(bench)
    began = bench.now()
    slept = types.SimpleNamespace(monotonic=run_guard.time.monotonic, sleep=bench.gateway.advance)
    monkeypatch.setattr(run_guard, "time", slept)
    rules = GuardSettings().changed({"per_hour": 240})
    bench.send(bench.recipients[:15], threads=1, guard=rules)
    bench.send(threads=1, guard=rules)
    assert set(bench.gateway.deliveries_by_phone().values()) == {1}
    assert len(bench.gateway.deliveries_by_phone()) == 40
    # The last four leave when those before them have had their time: 36 at 15 seconds each.
    # The gateway tells whole seconds.
    assert 36 * 15 - 2 <= (bench.now() - began).total_seconds() <= 41 * 15


def test_stop_mark_is_noticed_while_waiting_for_the_pace(
    make_bench: Callable[..., Bench], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours may pass until then."""
    bench = make_bench(sqlite_url, people(20))
    monkeypatch.setattr(run_guard, "_LOOK_SECONDS", 0.0)
    stops = bench.books.guard.stops
    bench.gateway.on_call(ZNS, lambda _: stops.mark_run(bench.run_key, reason="wrong text", who="Lan"), when="after")
    result = bench.send(threads=1, guard=GuardSettings().changed({"per_hour": 1}))
    assert (result.accepted, result.counters.not_tried) == (1, 19)
    assert "wrong text" in str(result.stopped_by)


# --- canary ----------------------------------------------------------------------------------------------------------


CAUTIOUS = GuardSettings().changed({"canary": 10, "canary_share": 0.8, "canary_poll_seconds": 60})


def _time_flies(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting takes no time of ours."""
    wait = canary_module.wait_for_delivery
    monkeypatch.setattr(
        canary_module, "wait_for_delivery", lambda *given, **more: wait(*given, **{**more, "sleep": bench.clock.move})
    )


@pytest.mark.in_turn
@pytest.mark.parametrize("channel", CHANNELS)
def test_passed_canary_releases_the_remaining_rows(
    make_bench: Callable[..., Bench], ledger_url: str, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is sent after the states of the first are final, and what was passed is asked once."""
    bench = make_bench(ledger_url, people(90))
    bench.chunk_size = 30
    _time_flies(bench, monkeypatch)
    result = CHANNELS[channel](bench, guard=CAUTIOUS)
    assert (result.accepted, result.counters.read, result.complete) == (90, 90, True)
    assert set(bench.gateway.deliveries_by_phone().values()) == {1}
    assert bench.books.guard.canaries.passed(bench.run_key)
    monkeypatch.setattr(canary_module.Canary, "wait", lambda *_: pytest.fail("asked again"))
    assert CHANNELS[channel](bench, guard=CAUTIOUS).accepted == 90


def test_failed_canary_stops_the_run_until_overridden(
    make_bench: Callable[..., Bench], ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said with the numbers; again looks again and sends no more, and an override on record lets the rest go."""
    bench = make_bench(ledger_url, people(90))
    _time_flies(bench, monkeypatch)
    for one in bench.recipients[:3]:
        bench.blocked.add(one.phone)
        bench.gateway.block_phone(one.phone)
    for _ in range(2):
        result = bench.send(threads=1, guard=CAUTIOUS)
        assert isinstance(result.stopped_by, GuardStopError)
        assert (result.accepted, result.rejected, result.counters.not_tried) == (7, 3, 80)
        assert result.counters.read == 90
    allowed = CAUTIOUS.overriding(["canary"], who="Lan", reason="known numbers")
    assert bench.send(guard=allowed).accepted == 87
    bench.check_complete()
    [one] = bench.books.guard.overrides.of_run(bench.run_key)
    assert (one["rule"], one["who"], one["reason"]) == ("canary", "Lan", "known numbers")


def test_canary_wait_is_resumed_after_the_worker_is_killed(
    make_bench: Callable[..., Bench], ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one waits for the same messages, and sends them to nobody again."""
    bench = make_bench(ledger_url, people(60))

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(canary_module, "wait_for_delivery", die)
        with pytest.raises(KilledError):
            bench.send(threads=1, guard=CAUTIOUS)
    assert len(bench.gateway.deliveries_by_phone()) == 10
    _time_flies(bench, monkeypatch)
    assert bench.send(threads=1, guard=CAUTIOUS).accepted == 60
    bench.check_complete()


# --- balance, overrides, single messages -----------------------------------------------------------------------------


def test_overrides_require_a_known_rule_and_a_reason() -> None:
    """A stop is none of them: whoever may lift it resumes."""
    rules = GuardSettings()
    for given, reason, said in (
        (["hours"], None, "go together"),
        ([], "because", "go together"),
        (["stop"], "because", "resume"),
        (["ours"], "because", "no rule 'ours'"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            rules.overriding(given, who="Lan", reason=reason)
    assert not rules.overriding(["suppression"], who="Lan", reason="x").suppression


def test_single_message_is_subject_to_the_guard_rules(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """A text without a label, one that is too long, and an hour that is not open: nothing is sent."""
    bench = make_bench(sqlite_url, people(30))
    phones = [one.phone for one in bench.recipients]

    def send(text: str, *, advertising: bool = True, **rules: Any) -> Any:
        message = SmsMessage(phones, text, DEMO_BRANDNAME, advertising=advertising)
        return send_sms(
            bench.client(), message, ledger=bench.books, run_key="one", guard=GuardSettings().changed(rules)
        )

    good = "[QC] Giam gia. Tu choi: soan TC gui 1234"
    with pytest.raises(GuardRefusalError, match="no label"):
        send("Giam gia")
    with pytest.raises(GuardRefusalError, match="segments"):
        send("a" * 200, advertising=False, max_segments=1)
    hold(bench, at(22, 0, 1))
    with pytest.raises(GuardRefusalError, match="its hours"):
        send(good)
    assert bench.gateway.deliveries_by_phone() == {}
    hold(bench, at(12, day=16))
    assert send(good).result.accepted == 30


def test_monthly_budget_is_shared_by_all_runs(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """The second run stops where the first has left nothing; the next month has its own."""
    bench = make_bench(ledger_url, people(60))
    rules = GuardSettings().changed({"max_cost_month_vnd": 300 * 40})
    price = Decimal(300)
    first = bench.send(bench.recipients[:30], threads=1, chunk_size=10, guard=rules, price_vnd=price)
    second = bench.send(bench.recipients[30:], run_key="other", threads=1, chunk_size=10, guard=rules, price_vnd=price)
    assert (first.accepted, second.accepted, second.counters.not_tried) == (30, 10, 20)
    assert "month" in str(second.stopped_by)
    bench.clock.move(30 * 86_400)
    assert bench.send(bench.recipients[30:], run_key="other", guard=rules, price_vnd=price).accepted == 30


@pytest.mark.in_turn(every=3)
def test_account_stop_mark_does_not_affect_another_account(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """A mark is of the account that was refused; a look that finds it right again lifts it."""
    bench = make_bench(sqlite_url, people(20))
    bench.gateway.set_balance(0)
    assert isinstance(bench.send(threads=1).stopped_by, Exception)
    stops, account = bench.books.guard.stops, bench.client().account
    assert stops.in_force("any other run", account) is not None
    assert stops.in_force("any other run", "another account") is None
    calls = bench.gateway.call_count(ZNS)
    for _ in range(3):
        assert isinstance(bench.send(threads=1, run_key="retry").stopped_by, GuardStopError)
    assert bench.gateway.call_count(ZNS) == calls
    bench.gateway.set_balance(10**9)
    bench.clock.move(61)
    assert bench.send(threads=1).accepted == 20


def test_run_killed_between_skip_and_settle_resumes_without_duplicates(
    make_bench: Callable[..., Bench], ledger_url: str
) -> None:
    """Of one call: some rows are left out and settled so, the others were sent, and no answer was kept."""
    bench = make_bench(ledger_url, people(40))
    out = [one.phone for one in bench.recipients[:4]]
    bench.books.guard.suppression.add(out, reason="refused")
    rules = GuardSettings().changed({"suppress_care": True, "transaction_cap": 1, "max_cost_vnd": 300 * 36})

    class KilledError(BaseException):
        pass

    def die() -> None:
        raise KilledError

    ledger = bench.trapped_ledger("between answer and settle", 1, die)
    with pytest.raises(KilledError):
        bench.send(ledger=ledger, threads=1, guard=rules, price_vnd=Decimal(300))
    ledger.trap = Trap("", 0, lambda: None)
    bench.clock.move(120)
    result = bench.send(guard=rules, price_vnd=Decimal(300))
    assert (result.accepted, result.skipped) == (36, 4)
    assert bench.books.guard.spend.of_run(bench.run_key) == 300 * 36
    assert not {*out} & {*bench.gateway.deliveries_by_phone()}
    assert set(bench.gateway.deliveries_by_phone().values()) == {1}
