"""A row whose fate is not proven keeps its request id and its doubt; only evidence about that row settles it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bulk_bench import Bench, people, phone_of

from esms_connectors.emulator.faults import code, drop_after, http_status, rate_limit, refuse_taken
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import SendState

ZNS, CARE, ADVERTISING = "send_zns_bulk", "send_customer_care_sms", "send_advertising_sms"


@pytest.mark.in_turn
@pytest.mark.parametrize("state", ["accepted", "in doubt", "not sent", "rejected"])
def test_changed_phone_under_the_same_key_is_rejected(
    ledger_url: str, make_bench: Callable[..., Bench], state: str
) -> None:
    """The same key with another phone: an error with line and field, and neither number gets anything by that call."""
    rows = [replace(one, row_key=f"order-{one.line}") for one in people(60)]
    bench = make_bench(ledger_url, rows)
    if state == "in doubt":
        bench.gateway.faults.add(ZNS, drop_after())
    elif state == "not sent":
        bench.gateway.set_balance(0)
    elif state == "rejected":
        bench.gateway.block_phone(rows[7].phone)
    bench.send(key_column="order")
    bench.gateway.faults.clear()
    bench.gateway.set_balance(10**9)
    before = bench.look()
    corrected = list(rows)
    corrected[7] = replace(rows[7], phone=phone_of(999))
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"line 7 .* another phone") as raised:
            bench.send(corrected, key_column="order", threads=1)
        assert (raised.value.field, raised.value.row) == ("phone", 7)
        assert bench.gateway.deliveries_by_phone() == before
        bench.reconcile()
    assert phone_of(999) not in bench.gateway.deliveries_by_phone()


def test_erased_phone_does_not_conflict_on_rerun(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Whose phone was taken out of the ledger is still the same row: settled, and sent again only when released."""
    bench = make_bench(ledger_url, [replace(one, row_key=f"order-{one.line}") for one in people(20)])
    bench.send(key_column="order")
    bench.books.erase(phone_of(3))
    assert bench.send(key_column="order").complete
    assert bench.gateway.message_count == 20
    bench.books.release(bench.run_key, [bench.books.request_id(bench.run_key, "order-3")], "asked for")
    bench.recipients += [replace(bench.recipients[3], row_key="again")]
    assert bench.send(bench.recipients[:20], key_column="order").complete
    assert bench.look()[phone_of(3)] == 2


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["99", "108", "790", "103", "102"])
@pytest.mark.parametrize("channel", [ZNS, CARE])
def test_row_in_doubt_stays_in_doubt_after_later_refusal(
    ledger_url: str, make_bench: Callable[..., Bench], channel: str, refusal: str
) -> None:
    """Taken, answer lost, refused by a later call: in doubt, never "rejected", so nobody sends the rejects again."""
    bench = make_bench(ledger_url, people(5))
    bench.attempts = 1
    send = bench.send if channel == ZNS else bench.send_sms
    bench.gateway.faults.add(channel, drop_after())
    for one in bench.recipients:
        send([one], threads=1)
    bench.gateway.faults.clear()
    if channel == CARE:
        bench.gateway.faults.add(channel, code(refusal))
    else:
        rows = ",".join(f'{{"CodeResult":"{refusal}","Phone":"{one.phone}"}}' for one in bench.recipients)
        bench.gateway.faults.add(channel, http_status(200, body=f'{{"CodeResult":"100","detail":[{rows}]}}'))
    for one in bench.recipients:
        # A refusal of the account stops a client.
        send([one], threads=1)
    assert Counter(bench.states().values()) == {"unknown": 5}
    assert list(bench.books.rows(bench.run_key, SendState.REJECTED)) == []
    bench.gateway.faults.clear()
    send()
    bench.look()
    bench.reconcile()
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["103", "99", "110", "789"])
@pytest.mark.parametrize("detail", ["none", "taken", "all"])
def test_partly_accepted_refused_call_causes_no_duplicates(
    ledger_url: str, make_bench: Callable[..., Bench], refusal: str, detail: Any
) -> None:
    """What the answer accounts for is settled with its message ids, the rest keeps its old request id."""
    bench = make_bench(ledger_url, people(50))
    bench.gateway.faults.add(ZNS, refuse_taken(refusal, detail=detail, total_success="wrong"), next_calls=1)
    bench.send(threads=1, at_least=None)
    states = Counter(bench.states().values())
    if detail == "none":
        # Whoever was not taken got it by the repeat under the old id; a 124 after the refusal is no proof, but those
        # rows are listed. 103 stops the run before that.
        assert states == ({"unknown": 50} if refusal in ("103", "789") else {"accepted": 50})
    else:
        accepted = [row for row in bench.books.rows(bench.run_key, SendState.ACCEPTED) if row["code"] == "100"]
        assert all(row["message_id"] for row in accepted)
        assert len(accepted) >= 25
    for _ in range(2):
        bench.send(threads=1, at_least=None)
        bench.reconcile()
    assert set(bench.look().values()) == {1}
    if detail == "all" and refusal != "103":
        assert Counter(bench.states().values()) == {"accepted": 25, "rejected": 25}
    else:
        bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["103", "99", "108", "160"])
def test_partly_accepted_refused_batch_stays_in_doubt(
    ledger_url: str, make_bench: Callable[..., Bench], refusal: str
) -> None:
    """Advertising: in doubt, under the batch's old id; what the gateway did not take may go again, the rest not."""
    bench = make_bench(ledger_url, people(60))
    bench.gateway.faults.add(ADVERTISING, refuse_taken(refusal))
    bench.send_sms(advertising=True)
    bench.gateway.faults.clear()
    for _ in range(3):
        bench.send_sms(advertising=True)
    assert max(bench.look().values()) == 1
    assert Counter(bench.states().values()) == {"unknown": 60}


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["103", "99", "160"])
def test_message_refused_with_a_message_id_is_found_by_lookup(
    ledger_url: str, make_bench: Callable[..., Bench], refusal: str
) -> None:
    """The id beside the code is evidence: in doubt, and found by it."""
    bench = make_bench(ledger_url, people(20))
    bench.gateway.faults.add(CARE, refuse_taken(refusal, with_id=True))
    for one in bench.recipients:
        bench.send_sms([one], threads=1)
    bench.gateway.faults.clear()
    for _ in range(2):
        bench.send_sms()
        bench.look()
    bench.check_complete()
    assert {row["reason"] for row in bench.books.rows(bench.run_key)} <= {"found by id", "found in the sent data"}


@pytest.mark.in_turn
@pytest.mark.parametrize("channel", [ZNS, CARE, ADVERTISING])
def test_http_429_after_processing_is_a_lost_response(
    ledger_url: str, make_bench: Callable[..., Bench], channel: str
) -> None:
    """HTTP 429 after the call was passed on: a lost answer, not "not sent"."""
    bench = make_bench(ledger_url, people(60))
    bench.gateway.faults.add(channel, rate_limit("http_429", retry_after=0, when="after"))
    send = bench.send if channel == ZNS else lambda: bench.send_sms(advertising=channel == ADVERTISING)
    send()
    assert set(bench.states().values()) <= {"unknown", "not_sent"}
    bench.gateway.faults.clear()
    for _ in range(3):
        send()
    bench.check_complete()


def test_authentication_refusals_keep_the_request_ids(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """101 and 140: nothing was taken, so all may go again; under the old ids, and a 124 would be a doubt."""
    bench = make_bench(ledger_url, people(20))
    for refusal in ("101", "140"):
        bench.gateway.faults.add(ZNS, code(refusal), next_calls=1)
        bench.send(threads=1)
        rows = list(bench.books.rows(bench.run_key))
        assert {(row["state"], row["code"]) for row in rows} == {("not_sent", refusal)}
    assert bench.send().complete
    assert {row["generation"] for row in bench.books.rows(bench.run_key)} == {0}
    bench.check_complete()


def test_not_sent_rows_are_counted_once_across_rereads(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """One row in doubt makes the call read again; the others are refused for their pace in each reading."""
    bench = make_bench(sqlite_url, people(4))
    lost = range(1, bench.attempts + 1)
    bench.gateway.faults.add(CARE, drop_after(), calls=[*lost])
    bench.gateway.faults.add(CARE, code("160"), calls=[*range(lost.stop, 1000)])
    summary = bench.send_sms(threads=1)
    assert (summary.run.unknown, summary.run.not_sent) == (1, 3)
    assert (summary.counters.unknown, summary.counters.not_sent) == (1, 3)


def test_throttle_failure_within_a_chunk_leaves_no_row_in_doubt(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """What was accepted before it is recorded, the rest certainly did not leave; the next run sends that."""
    bench = make_bench(sqlite_url, people(20), proven=False)
    bench.attempts = 1

    class Shared:
        calls = 0

        def acquire(self, timeout_seconds: float) -> bool:
            self.calls += 1
            if self.calls > 1:
                raise ConnectionError("the server of the limit is down")
            return True

    bench.send_sms(client=bench.client(throttle=Shared()), threads=1, at_least=None)
    states = Counter(bench.states().values())
    assert states["accepted"] == bench.gateway.message_count > 0
    assert set(states) <= {"accepted", "not_sent"}
    assert bench.send_sms().complete
    bench.check_complete()
