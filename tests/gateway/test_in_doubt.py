"""A send that may have been taken stays in doubt until the gateway itself settles it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import ANOTHER_PHONE, KEYED_SENDS, PHONE, get_balance, send_customer_care_sms, send_zns_bulk

from esms_connectors import (
    EsmsClient,
    EsmsError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    Submission,
)
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.emulator.faults import (
    code,
    drop_after,
    drop_before,
    http_status,
    rate_limit,
    redirect,
    refuse_before,
)
from esms_connectors.gateway.endpoints import Effect
from esms_connectors.gateway.retry import NO_RETRIES, Failure, inside_duplicate_window, may_repeat, wait_seconds

VIETNAM = "Asia/Ho_Chi_Minh"
MakeClient = Callable[..., EsmsClient]


def at(text: str) -> pendulum.DateTime:
    moment = pendulum.parse(text, tz=VIETNAM)
    assert isinstance(moment, pendulum.DateTime)
    return moment


@pytest.mark.parametrize("name", KEYED_SENDS)
def test_refused_connection_does_not_settle_a_lost_answer(
    gateway: Emulator, server: EmulatorServer, make_client: MakeClient, name: str
) -> None:
    """First an answer is lost, then nobody listens: the message may be out, so the outcome is unknown."""
    gateway.on_call(name, lambda _: server.refuse_connections(), when="after")
    gateway.faults.add(name, drop_after(), calls=[1])

    with pytest.raises(OutcomeUnknownError) as caught:
        KEYED_SENDS[name](make_client())

    # Nobody could tell the gateway's time, so no repeat was even tried.
    assert caught.value.attempts == 1
    assert not caught.value.retryable
    assert gateway.call_count(name) == 1
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", KEYED_SENDS)
@pytest.mark.parametrize("refusal", ["101", "103", "140", "160"])
def test_account_refusal_of_a_repeat_does_not_settle_a_lost_answer(
    gateway: Emulator, make_client: MakeClient, name: str, refusal: str
) -> None:
    """The gateway may look at the account before the request id: the repeat's refusal proves nothing."""
    gateway.faults.add(name, drop_after(), calls=[1])
    gateway.faults.add(name, code(refusal), calls=[2, 3])

    with pytest.raises(OutcomeUnknownError) as caught:
        KEYED_SENDS[name](make_client())

    assert type(caught.value) is OutcomeUnknownError
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.parametrize("refusal", ["101", "103", "140"])
def test_account_refusal_of_a_repeat_stops_the_run(gateway: Emulator, make_client: MakeClient, refusal: str) -> None:
    """The call in doubt ends unknown, and the next send is not even tried."""
    client = make_client()
    gateway.faults.add("send_customer_care_sms", drop_before(), calls=[1])
    gateway.faults.add("send_customer_care_sms", code(refusal), calls=[2])
    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(client)

    with pytest.raises(EsmsError) as caught:
        send_customer_care_sms(client)

    assert getattr(caught.value, "code", None) == refusal
    assert gateway.call_count("send_customer_care_sms") == 2


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("refusal", ["99", "104", "108", "110", "146", "177", "799"])
@pytest.mark.parametrize("lost", [drop_before(), drop_after()])
def test_refused_repeat_does_not_settle_a_lost_answer(
    gateway: Emulator, make_client: MakeClient, lost: Any, refusal: str
) -> None:
    """Nobody documents what the gateway looks at first, so the first attempt may have been taken all the same."""
    gateway.faults.add("send_customer_care_sms", lost, calls=[1])
    gateway.faults.add("send_customer_care_sms", code(refusal), calls=[2])

    with pytest.raises(OutcomeUnknownError, match=refusal) as caught:
        send_customer_care_sms(make_client())

    assert caught.value.attempts == 2
    assert gateway.message_count <= 1


@pytest.mark.parametrize("name", [name for name in KEYED_SENDS if name != "send_zns_bulk"])
def test_code_124_after_a_lost_answer_is_success(gateway: Emulator, make_client: MakeClient, name: str) -> None:
    """The earlier attempt won: a submission without a message id, marked as a duplicate, and one message a phone."""
    gateway.faults.add(name, drop_after(), calls=[1])

    submission = KEYED_SENDS[name](make_client(), request_id="once-only")

    assert submission == Submission(name, "once-only", None, duplicate=True, attempts=2)
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.parametrize("after_the_loss", [refuse_before(), http_status(503), http_status(404), redirect()])
def test_lost_answer_stays_in_doubt_after_any_later_failure(
    gateway: Emulator, make_client: MakeClient, after_the_loss: Any
) -> None:
    """Whatever goes wrong on the repeats, a message that was taken is never reported as not sent."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    gateway.faults.add("send_customer_care_sms", after_the_loss, calls=[2, 3])

    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(make_client())

    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_throttled_repeat_does_not_settle_a_lost_answer(gateway: Emulator, make_client: MakeClient) -> None:
    """No leave to repeat in time: the repeat was not sent, the first attempt perhaps was."""

    class OnceOnly:
        leaves: Iterator[bool] = iter([True])

        def acquire(self, timeout_seconds: float) -> bool:
            return next(self.leaves, False)

    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    retries = RetryPolicy(attempts=3, first_wait_seconds=0.001, budget_seconds=0.2)

    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(make_client(throttle=OnceOnly(), retries=retries))

    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_throttle_timeout_before_the_first_attempt_means_not_sent(gateway: Emulator, make_client: MakeClient) -> None:
    """Without leave nothing leaves."""

    class Closed:
        def acquire(self, timeout_seconds: float) -> bool:
            return False

    retries = RetryPolicy(attempts=3, first_wait_seconds=0.001, budget_seconds=0.05)
    with pytest.raises(NotSentError, match="limit of requests per second"):
        send_customer_care_sms(make_client(throttle=Closed(), retries=retries))

    assert gateway.call_count("send_customer_care_sms") == 0


def test_bulk_rows_in_doubt_stay_unknown_after_an_account_refusal_of_the_repeat(
    gateway: Emulator, make_client: MakeClient
) -> None:
    """The rows of a lost bulk call that the repeat refuses with 103 may be out, and are not called rejected."""
    gateway.faults.add("send_zns_bulk", drop_before(), calls=[1])
    # Enough for one row: the other is refused with 103 inside `detail`.
    gateway.set_balance(300)

    outcome = send_zns_bulk(make_client())

    assert [row.outcome for row in outcome.rows] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert outcome.rows[1].code == "103"
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_bulk_rows_refused_on_the_first_attempt_are_rejected(gateway: Emulator, make_client: MakeClient) -> None:
    """The same 103 on a first attempt is a plain rejection."""
    gateway.set_balance(300)

    outcome = send_zns_bulk(make_client())

    assert [row.outcome for row in outcome.rows] == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert ANOTHER_PHONE not in gateway.deliveries_by_phone()


# --- the decision, without a network ---------------------------------------------------------------------------------

moments_of_day = st.integers(0, 3 * 86_400).map(lambda second: at("2024-05-15 00:00:00").add(seconds=second))


@pytest.mark.in_turn(every=3)
@given(first=moments_of_day, now=moments_of_day)
def test_duplicate_window_ends_with_the_calendar_day_or_after_24_hours(
    first: pendulum.DateTime, now: pendulum.DateTime
) -> None:
    """Inside means: the same Vietnamese day, and less than 24 hours, both with a margin."""
    if inside_duplicate_window(first, now):
        later = now.add(minutes=4)
        assert later.date() == first.date()
        assert later < first.add(hours=24)


@given(failure=st.sampled_from(Failure), in_doubt=st.booleans(), idempotent=st.booleans(), window_open=st.booleans())
def test_repeat_is_allowed_only_without_risk_of_a_second_message(
    failure: Failure, in_doubt: bool, idempotent: bool, window_open: bool
) -> None:
    """In doubt, only a request id inside its window allows a repeat; what charges money is never repeated."""

    def allowed(effect: Effect) -> bool:
        return may_repeat(effect, failure, in_doubt=in_doubt, idempotent=idempotent, window_open=window_open)

    assert not allowed(Effect.CHARGE)
    if in_doubt and not (idempotent and window_open):
        assert not allowed(Effect.SEND)
    if failure in (Failure.REFUSED, Failure.MISDIRECTED, Failure.HELD_BACK):
        assert not any(map(allowed, Effect))


@pytest.mark.in_turn(every=3)
@example(attempt=0, elapsed=300.0, chance=4e-27, asked=None)
@given(
    attempt=st.integers(0, 10_000), elapsed=st.floats(0, 1000), chance=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e9),
)  # fmt: skip
def test_waits_stay_inside_the_budget_and_respect_retry_after(
    attempt: int, elapsed: float, chance: float, asked: float | None
) -> None:
    """No attempt begins beyond the budget, none comes before the gateway said, and no number of attempts overflows."""
    policy = RetryPolicy(attempts=9_000, budget_seconds=300)

    wait = wait_seconds(policy, attempt, elapsed_seconds=elapsed, retry_after_seconds=asked, chance=chance)

    if attempt >= policy.attempts or elapsed > policy.budget_seconds:
        assert wait is None
    if wait is not None:
        assert (asked or 0) <= wait <= policy.budget_seconds - elapsed
        assert wait <= policy.max_wait_seconds + (asked or 0)


def test_no_retries_policy_makes_one_attempt(gateway: Emulator, make_client: MakeClient) -> None:
    """NO_RETRIES leaves everything to the caller."""
    gateway.faults.add("send_customer_care_sms", drop_before())

    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(make_client(retries=NO_RETRIES))

    assert gateway.call_count("send_customer_care_sms") == 1


def test_retry_after_delays_the_next_attempt(gateway: Emulator, make_client: MakeClient) -> None:
    """The second call comes no sooner than the gateway asked."""
    gateway.faults.add("send_customer_care_sms", rate_limit("http_429", retry_after=1), calls=[1])
    started = pendulum.now()

    send_customer_care_sms(make_client())

    assert (pendulum.now() - started).total_seconds() >= 1
    assert gateway.call_count("send_customer_care_sms") == 2


def test_retry_after_beyond_the_budget_ends_the_call(gateway: Emulator, make_client: MakeClient) -> None:
    """Nobody waits an hour inside a task: the caller is told how long."""
    gateway.faults.add("get_balance", rate_limit("http_429", retry_after=3600))

    with pytest.raises(EsmsError) as caught:
        get_balance(make_client())

    assert getattr(caught.value, "retry_after_seconds", None) == 3600
    assert gateway.call_count("get_balance") == 1
