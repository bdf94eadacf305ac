"""Many threads: the rate is kept, a refused account is left in peace, sockets are shared, nothing is doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from raw_server import RawServer
from samples import VALUES, get_balance, get_sms_sent_data, send_customer_care_sms

from esms_connectors import (
    AuthenticationError,
    BalanceError,
    ConfigurationError,
    EsmsClient,
    EsmsError,
    GatewayError,
    NotSentError,
    PyrateThrottle,
    RateLimitedError,
    RetryPolicy,
    Throttle,
    Timeouts,
    ZnsRecipient,
)
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    EmulatorServer,
)
from esms_connectors.emulator.faults import code, drop_after
from esms_connectors.gateway.throttle import as_throttle

MakeClient = Callable[..., EsmsClient]
MILLISECOND = 0.001  # what the throttle's clock counts in


def in_threads(count: int, call: Callable[[int], Any], calls: int) -> list[Any]:
    """The results, errors of ours included, of `calls` calls made by `count` threads."""

    def one(number: int) -> Any:
        try:
            return call(number)
        except EsmsError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(calls)))


def send_number(client: EsmsClient, number: int) -> Any:
    return client.send_customer_care_sms(f"0901{number:06}", "Xin chao", DEMO_BRANDNAME, request_id=f"sms-{number}")


def arrivals(gateway: Emulator, function: str) -> list[float]:
    """Fills up with the moments at which calls arrive."""
    moments: list[float] = []
    gateway.on_call(function, lambda call: moments.append(time.monotonic()))
    return moments


# --- the throttle ----------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_threads_together_respect_the_rate_limit(gateway: Emulator, make_client: MakeClient) -> None:
    """No second has more requests than allowed, however many threads want to."""
    client, moments = make_client(throttle=20), arrivals(gateway, "send_customer_care_sms")
    started = time.monotonic()

    in_threads(8, lambda number: send_number(client, number), 50)

    assert len(moments) == 50
    # A slow machine makes them late, never early: the 21st comes in the second second, the 41st in the third.
    for place, moment in enumerate(sorted(moments)):
        assert moment - started >= place // 20 - MILLISECOND


def test_clients_with_a_shared_throttle_respect_one_limit(gateway: Emulator, make_client: MakeClient) -> None:
    """Two clients, one limit."""
    shared = PyrateThrottle.per_second(20)
    clients = [make_client(throttle=shared), make_client(throttle=shared)]
    started = time.monotonic()

    in_threads(8, lambda number: send_number(clients[number % 2], number), 41)
    shared.close()

    assert time.monotonic() - started >= 2 - MILLISECOND
    assert gateway.message_count == 41


def test_documented_rate_limit_of_a_function_is_respected_by_default(client: EsmsClient, gateway: Emulator) -> None:
    """get_callback_data takes 20 a second, and is asked for 200 ids at a time."""
    moments = arrivals(gateway, "get_callback_data")
    started = time.monotonic()
    missing = client.get_callback_data([f"id-{number}" for number in range(25 * 200)], DEMO_OA_ID).missing
    assert (len(missing), len(moments)) == (5000, 25)
    assert max(moments) - started >= 1 - MILLISECOND


def test_every_attempt_acquires_the_throttle(gateway: Emulator, make_client: MakeClient) -> None:
    """Repeats count too, and the call that asks for the gateway's time before them."""

    class Counting:
        leaves = 0

        def acquire(self, timeout_seconds: float) -> bool:
            assert timeout_seconds >= 0
            self.leaves += 1
            return True

    counting = Counting()
    gateway.faults.add("send_customer_care_sms", drop_after())
    with pytest.raises(EsmsError):
        send_customer_care_sms(make_client(throttle=counting))
    assert (counting.leaves, isinstance(counting, Throttle)) == (4, True)
    assert (gateway.call_count("send_customer_care_sms"), gateway.call_count("get_balance")) == (3, 1)


def test_unavailable_shared_throttle_means_not_sent(gateway: Emulator, make_client: MakeClient) -> None:
    """It is asked again as often as the gateway would be, and its error is not shown: it may quote a password."""

    class Shared:
        failures = 2

        def acquire(self, timeout_seconds: float) -> bool:
            self.failures -= 1
            if self.failures >= 0:
                raise RuntimeError("no answer from redis://:password@limits")
            return True

    shared = Shared()
    send_customer_care_sms(make_client(throttle=shared))
    shared.failures = 100
    with pytest.raises(NotSentError, match=r"limit of requests per second is unavailable \(RuntimeError\)") as caught:
        send_customer_care_sms(make_client(throttle=shared))
    assert "password" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert gateway.message_count == 1


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), True, "20", object(), 1e-9])
def test_invalid_rate_is_rejected(rate: Any) -> None:
    """One line when the client is made."""
    with pytest.raises(ConfigurationError):
        as_throttle(rate)


def test_gateway_rate_limit_is_retried_until_all_are_sent_once(make_client: MakeClient) -> None:
    """The emulator refuses the sixth call of a second with 160; patience brings all of them through, once."""
    gateway = Emulator(EmulatorConfig(max_requests_per_second=5))
    retries = RetryPolicy(attempts=20, first_wait_seconds=0.3, max_wait_seconds=0.6, budget_seconds=20)
    with gateway.serve() as server:
        client = make_client(server.base_url, retries=retries)
        results = in_threads(4, lambda number: send_number(client, number), 12)

    assert not [one for one in results if isinstance(one, EsmsError)]
    assert not [one for one in results if one.duplicate]
    assert sorted(gateway.deliveries_by_phone().values()) == [1] * 12


def test_persistent_rate_limit_raises_a_retryable_error(gateway: Emulator, client: EsmsClient) -> None:
    """Retryable, and nothing was sent."""
    gateway.faults.add("send_customer_care_sms", code("160"))
    with pytest.raises(RateLimitedError) as caught:
        send_customer_care_sms(client)
    assert (caught.value.retryable, gateway.message_count) == (True, 0)


# --- the run-wide stop -----------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("refusal", ["101", "103", "140"])
def test_account_refusal_stops_all_threads(gateway: Emulator, client: EsmsClient, refusal: str) -> None:
    """After the first refusal at most the calls that were under way arrive; everyone else is told why."""
    gateway.faults.add("send_customer_care_sms", code(refusal), predicate=lambda call: call.number > 20)

    results = in_threads(16, lambda number: send_number(client, number), 300)

    refused = [one for one in results if isinstance(one, GatewayError)]
    assert gateway.call_count("send_customer_care_sms") <= 20 + 16
    assert gateway.message_count == 20
    assert len(refused) == 280
    assert {one.code for one in refused} == {refusal}
    assert sum(one.attempts == 0 for one in refused) >= 280 - 16


def test_account_refusal_stops_threads_waiting_for_the_throttle(gateway: Emulator, make_client: MakeClient) -> None:
    """The stop is looked at after the wait."""
    client = make_client(throttle=10)
    gateway.faults.add("send_customer_care_sms", code("101"))
    in_threads(8, lambda number: send_number(client, number), 14)
    assert gateway.call_count("send_customer_care_sms") <= 10


def test_resume_allows_calls_after_a_balance_refusal(gateway: Emulator, client: EsmsClient) -> None:
    """Topped up, the same client goes on."""
    gateway.set_balance(0)
    for _ in range(3):
        with pytest.raises(BalanceError):
            send_customer_care_sms(client)
    gateway.set_balance(10_000)
    with pytest.raises(BalanceError, match="was not tried"):
        send_customer_care_sms(client)

    client.resume()
    send_customer_care_sms(client)

    assert (gateway.call_count("send_customer_care_sms"), gateway.message_count) == (2, 1)


def test_reads_continue_after_a_balance_refusal(gateway: Emulator, client: EsmsClient) -> None:
    """103 stops sends; balance and sent data are still read."""
    gateway.set_balance(0)
    with pytest.raises(BalanceError):
        send_customer_care_sms(client)
    assert get_balance(client).balance_vnd == 0
    assert get_sms_sent_data(client) == []


@pytest.mark.parametrize("refusal", ["101", "140"])
def test_reads_stop_after_a_key_or_address_refusal(gateway: Emulator, client: EsmsClient, refusal: str) -> None:
    """They would be refused too."""
    gateway.faults.add("get_balance", code(refusal))
    for _ in range(3):
        with pytest.raises(GatewayError):
            get_balance(client)
    with pytest.raises(GatewayError, match="was not tried"):
        get_sms_sent_data(client)
    assert (gateway.call_count("get_balance"), gateway.call_count("get_sms_sent_data")) == (1, 0)


def test_key_refusal_stops_reads_after_an_earlier_balance_refusal(gateway: Emulator, client: EsmsClient) -> None:
    """The stop for 103 does not hide the stricter one."""
    gateway.set_balance(0)
    with pytest.raises(BalanceError):
        send_customer_care_sms(client)
    gateway.faults.add("get_balance", code("101"))

    for _ in range(3):
        with pytest.raises(AuthenticationError):
            get_balance(client)

    assert gateway.call_count("get_balance") == 1


def test_account_refusal_does_not_stop_another_client(gateway: Emulator, make_client: MakeClient) -> None:
    """The stop belongs to one client, not to the process."""
    gateway.faults.add("send_customer_care_sms", code("101"), next_calls=1)
    with pytest.raises(AuthenticationError):
        send_customer_care_sms(make_client())
    send_customer_care_sms(make_client())
    assert gateway.message_count == 1


def test_refused_recipient_does_not_stop_other_sends(gateway: Emulator, client: EsmsClient) -> None:
    """99 is about one number."""
    gateway.block_phone("0901000000")
    results = in_threads(4, lambda number: send_number(client, number), 20)
    assert sum(isinstance(one, EsmsError) for one in results) == 1
    assert gateway.message_count == 19


# --- one client, many threads ----------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_thirty_two_threads_send_500_messages_once_despite_lost_answers(
    gateway: Emulator, make_client: MakeClient
) -> None:
    """With every seventh answer lost."""
    client = make_client(max_connections=32)
    gateway.faults.add("send_customer_care_sms", drop_after(), every=7)

    results = in_threads(32, lambda number: send_number(client, number), 500)

    # Three lost answers in a row happen; such a call is unknown, and still sent once.
    assert {type(one).__name__ for one in results} <= {"Submission", "OutcomeUnknownError"}
    assert len(gateway.deliveries_by_phone()) == 500
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_threads_with_the_same_request_id_send_one_message(gateway: Emulator, client: EsmsClient) -> None:
    """One request id, sixteen threads: one message, everyone is told that it is out."""
    results = in_threads(
        16, lambda _: client.send_customer_care_sms("0901888484", "x", DEMO_BRANDNAME, request_id="a"), 64
    )
    assert sum(not one.duplicate for one in results) == 1
    assert gateway.deliveries_by_phone() == {"0901888484": 1}


def test_max_connections_limits_the_open_sockets(make_client: MakeClient) -> None:
    """Sixteen threads, three sockets, all calls get through."""
    body = b'{"CodeResult":"100","SMSID":"id"}'
    keep_alive = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with RawServer(keep_alive) as server:
        client = make_client(server.base_url, max_connections=3)
        results = in_threads(16, lambda number: send_number(client, number), 120)
        assert not [one for one in results if isinstance(one, EsmsError)]
        assert (server.connections <= 3, len(server.requests)) == (True, 120)


def test_answer_is_kept_after_a_long_wait_for_a_connection(
    gateway: Emulator, server: EmulatorServer, make_client: MakeClient
) -> None:
    """Waiting for a free socket uses up the seconds of an attempt, but no answer that arrived is thrown away."""
    server.latency_seconds = 0.3
    client = make_client(max_connections=1, timeouts=Timeouts(5, 5, total_seconds=0.75))
    results = in_threads(6, lambda number: send_number(client, number), 6)
    assert [getattr(one, "attempts", None) for one in results] == [1] * 6
    assert not [one for one in results if isinstance(one, EsmsError) or one.duplicate]


def test_concurrent_bulk_calls_return_their_own_rows(gateway: Emulator, client: EsmsClient) -> None:
    """Each gets the outcomes of its own recipients."""

    def send(number: int) -> list[str]:
        to = [ZnsRecipient(f"09{number:02}{row:06}", VALUES, f"bulk-{number}-{row}") for row in range(50)]
        outcome = client.send_zns_bulk(to, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        assert [one.phone for one in outcome.rows] == [one.phone for one in to]
        return [gateway.message(one.message_id or "").phone for one in outcome.rows]

    phones = [phone for one in in_threads(8, lambda number: send(number + 10), 8) for phone in one]
    assert len(set(phones)) == len(phones) == gateway.message_count == 400


def test_closed_client_can_send_again(gateway: Emulator, client: EsmsClient) -> None:
    """Closing gives sockets back, no more."""
    client.close()
    send_customer_care_sms(client)
    assert gateway.message_count == 1
