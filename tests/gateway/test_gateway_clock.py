"""The duplicate window goes by the gateway's clock, whatever this machine's says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import PHONE, get_balance, send_customer_care_sms

from esms_connectors import EsmsClient, OutcomeUnknownError
from esms_connectors.emulator import Emulator, EmulatorConfig, VirtualClock
from esms_connectors.emulator.faults import drop_after, http_status, rate_limit
from esms_connectors.gateway import clock
from esms_connectors.gateway.clock import GatewayClock, Moment

VIETNAM = "Asia/Ho_Chi_Minh"
SMS = "send_customer_care_sms"
HOUR = 3600.0
MakeClient = Callable[..., EsmsClient]
# Of this machine's clock, in seconds: right, ten minutes and a time zone off in both directions, a year behind.
OFFSETS = (0.0, 600.0, -600.0, 7 * HOUR, -7 * HOUR, -365 * 24 * HOUR)


def at(text: str) -> pendulum.DateTime:
    return pendulum.from_format(text, "YYYY-MM-DD HH:mm:ss", tz=VIETNAM)


@dataclass
class World:
    """A gateway that forgets request ids at midnight, and a client on a machine whose clock is off."""

    make_client: MakeClient
    offset_seconds: float = 0.0
    gateway: Emulator = field(init=False)

    def begin(self, time: str) -> None:
        self.gateway = Emulator(EmulatorConfig(duplicate_window="calendar_day"), VirtualClock(at(time)))

    def local(self) -> pendulum.DateTime:
        return pendulum.from_timestamp(self.gateway.clock.now_ms() / 1000 + self.offset_seconds)

    def lose_the_first(self, *, then_pass: float = 0.0) -> None:
        """The answer of the first send is lost, and the repeat comes so many seconds later."""
        self.gateway.faults.add(SMS, drop_after(), calls=[1])
        first = [True]

        def pass_time(_call: object) -> None:
            if first.pop() if first else False:
                self.gateway.advance(then_pass)

        self.gateway.on_call(SMS, pass_time, when="after")

    def send(self, client: EsmsClient | None = None) -> None:
        with self.gateway.serve() as server:
            made = client or self.make_client(server.base_url, now=self.local)
            send_customer_care_sms(made)


@pytest.fixture
def world(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(make_client)
    # The clock of this machine that nobody can set.
    monkeypatch.setattr(clock, "elapsed_seconds", lambda: made.gateway.clock.now_ms() / 1000)
    return made


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("offset_seconds", OFFSETS)
@pytest.mark.parametrize(
    ("first", "later_seconds", "calls"),
    [
        ("2024-05-15 12:00:00", 0, 2),
        ("2024-05-15 00:01:00", 0, 2),
        ("2024-05-15 23:54:00", 0, 2),
        ("2024-05-15 23:55:01", 0, 1),
        ("2024-05-15 23:59:59", 0, 1),
        ("2024-05-15 12:00:00", 11 * HOUR, 2),
        ("2024-05-15 23:50:00", 360, 1),
        ("2024-05-15 23:50:00", 1200, 1),
        ("2024-05-15 12:00:00", 24 * HOUR + 600, 1),
    ],
)
def test_lost_answer_is_repeated_only_inside_the_duplicate_window(
    world: World, first: str, later_seconds: float, calls: int, offset_seconds: float
) -> None:
    """Near midnight in Vietnam, or a day later, the request id may no longer hold a repeat back."""
    world.offset_seconds = offset_seconds
    world.begin(first)
    world.lose_the_first(then_pass=later_seconds)

    if calls == 2:
        world.send()
    else:
        with pytest.raises(OutcomeUnknownError):
            world.send()

    assert world.gateway.call_count(SMS) == calls
    assert world.gateway.deliveries_by_phone() == {PHONE: 1}


@pytest.mark.parametrize("stepped_by", [-7 * HOUR, -600.0, 24 * HOUR])
def test_clock_step_during_a_call_does_not_reopen_the_duplicate_window(world: World, stepped_by: float) -> None:
    """Back over midnight or a day ahead: the gateway's day has ended, or has not."""
    world.begin("2024-05-15 23:50:00")
    world.lose_the_first(then_pass=1200)
    world.gateway.on_call(SMS, lambda _: setattr(world, "offset_seconds", stepped_by), when="after")
    with pytest.raises(OutcomeUnknownError):
        world.send()
    assert world.gateway.deliveries_by_phone() == {PHONE: 1}


def test_rate_limited_send_is_repeated_after_midnight(world: World) -> None:
    """A request that was refused for its rate was not taken, so midnight does not matter."""
    world.begin("2024-05-15 23:59:59")
    world.gateway.faults.add(SMS, rate_limit(), calls=[1])
    world.gateway.on_call(SMS, lambda _: world.gateway.advance(31))
    world.send()
    assert world.gateway.deliveries_by_phone() == {PHONE: 1}


def test_read_is_repeated_after_midnight(world: World) -> None:
    """Reads do no harm at any hour."""
    world.begin("2024-05-15 23:59:59")
    world.gateway.faults.add("get_balance", drop_after(), calls=[1])
    world.gateway.on_call("get_balance", lambda _: world.gateway.advance(31))
    with world.gateway.serve() as server:
        get_balance(world.make_client(server.base_url, now=world.local))
    assert world.gateway.call_count("get_balance") == 2


# --- how the time is learnt ------------------------------------------------------------------------------------------


def test_gateway_time_is_requested_at_most_once_and_only_in_doubt(world: World) -> None:
    """A send that works asks nothing; a repeat asks once, and only while no answer has told the time."""
    world.begin("2024-05-15 12:00:00")
    with world.gateway.serve() as server:
        client = world.make_client(server.base_url, now=world.local)
        world.gateway.faults.add(SMS, http_status(503, "after"), calls=[1, 3])
        send_customer_care_sms(client)
        assert world.gateway.call_count("get_balance") == 1
        send_customer_care_sms(client)
        assert world.gateway.call_count("get_balance") == 1
        fresh = world.make_client(server.base_url, now=world.local)
        send_customer_care_sms(fresh)
        assert (world.gateway.call_count(SMS), world.gateway.call_count("get_balance")) == (5, 1)


def test_send_in_doubt_is_not_repeated_without_gateway_time(world: World) -> None:
    """The call that asks for it brings nothing either: the outcome stays unknown."""
    world.begin("2024-05-15 12:00:00")
    world.lose_the_first()
    world.gateway.faults.add("get_balance", http_status(502))
    with pytest.raises(OutcomeUnknownError):
        world.send()
    assert world.gateway.call_count(SMS) == 1


@pytest.mark.parametrize("date_header", ["missing", "nonsense"])
@pytest.mark.parametrize(
    ("first", "calls"),
    [
        ("2024-05-15 12:00:00", 2),
        ("2024-05-15 22:50:00", 2),
        ("2024-05-15 22:56:00", 1),
        ("2024-05-15 01:01:00", 2),
        # The clock of this machine may be an hour ahead, and then it is still yesterday.
        ("2024-05-15 00:59:00", 1),
    ],
)
def test_unusable_date_header_falls_back_to_local_clock_with_an_hour_of_margin(
    world: World, date_header: str, first: str, calls: int
) -> None:
    """This machine's clock is believed to an hour, and nobody is asked again and again."""
    world.begin(first)
    world.gateway.quirks.date_header = date_header
    world.lose_the_first()
    if calls == 2:
        world.send()
    else:
        with pytest.raises(OutcomeUnknownError):
            world.send()
    assert (world.gateway.call_count(SMS), world.gateway.call_count("get_balance")) == (calls, 1)


def test_frozen_date_header_is_not_used_as_a_clock(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Something in front writes the same date again and again: it does not keep the window open over midnight."""
    world.begin("2024-05-15 20:00:00")
    world.gateway.quirks.date_header = "frozen"
    with world.gateway.serve() as server:
        client = world.make_client(server.base_url, now=world.local)
        get_balance(client)
        world.gateway.advance(3 * HOUR)
        get_balance(client)
        world.lose_the_first(then_pass=1.5 * HOUR)
        with pytest.raises(OutcomeUnknownError):
            send_customer_care_sms(client)
    assert world.gateway.deliveries_by_phone() == {PHONE: 1}
    assert "not a steady clock" in caplog.text


@pytest.mark.parametrize(
    ("offset_seconds", "words"),
    [(0.0, None), (50.0, None), (90.0, "ahead of the gateway's"), (-90.0, "behind the gateway's")],
)
def test_clock_skew_over_a_minute_is_warned_about_once(
    world: World, caplog: pytest.LogCaptureFixture, offset_seconds: float, words: str | None
) -> None:
    """Beyond a minute, in one line, not with each answer."""
    world.begin("2024-05-15 12:00:00")
    world.offset_seconds = offset_seconds
    with world.gateway.serve() as server:
        client = world.make_client(server.base_url, now=world.local)
        for _ in range(3):
            get_balance(client)
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == (0 if words is None else 1)
    assert words is None or words in warnings[0]


def test_date_of_a_cached_answer_is_ignored() -> None:
    """An answer with an `Age` comes from a store in between, dated when it was put there."""
    import requests

    from esms_connectors.gateway.answers import date_of

    answer = requests.Response()
    answer.headers["Date"] = "Wed, 15 May 2024 05:00:00 GMT"
    assert date_of(answer) == at("2024-05-15 12:00:00")
    answer.headers["Age"] = "3600"
    assert date_of(answer) is None


# --- between two answers ---------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """True time, and what the two clocks of a machine make of it."""

    true: float = 1_715_749_200.0
    offset: float = 0.0
    elapsed: float = 100.0

    def now(self) -> pendulum.DateTime:
        return pendulum.from_timestamp(self.true + self.offset)

    def act(self, what: str, seconds: float) -> None:
        match what:
            case "runs":
                self.true, self.elapsed = self.true + seconds, self.elapsed + seconds
            case "sleeps":  # the counting clock stands still, the other one goes on
                self.true += seconds
            case "is set":
                self.offset += seconds - 43_200


acts = st.tuples(st.sampled_from(["runs", "sleeps", "runs", "is set"]), st.floats(0, 86_400))


@pytest.mark.in_turn(every=3)
@given(before=st.lists(acts, max_size=3), between=st.lists(acts, max_size=3), after=st.lists(acts, max_size=3))
def test_time_bounds_hold_while_one_clock_is_right(
    before: list[tuple[str, float]], between: list[tuple[str, float]], after: list[tuple[str, float]]
) -> None:
    """A machine that sleeps, or whose clock is set, between attempt, answer and question; not both at once."""
    machine = Machine()
    judged = GatewayClock(machine.now, lambda: machine.elapsed)
    known: list[tuple[Moment, float]] = []
    for span in (before, between, after):
        if {"sleeps", "is set"} <= {what for what, _ in span}:
            return
        for act in span:
            machine.act(*act)
        known.append((judged.mark(), machine.true))
        if span is between:
            judged.learn(pendulum.from_timestamp(int(machine.true)), judged.mark())
    # From the answer one span back and one span on; further back both clocks may be wrong, each in a span of its own.
    for moment, true in known[1:]:
        assert judged.earliest(moment).timestamp() <= true + 1e-3
        assert judged.latest(moment).timestamp() >= true - 1e-3
    moment, true = known[0]
    assert judged.earliest(moment).timestamp() <= true + 1e-3
    assert judged.seconds_since(known[1][0]) >= known[2][1] - known[1][1] - 1e-3
