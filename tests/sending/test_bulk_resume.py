"""Running it again: what is settled stays, what is in doubt is looked after, what cannot be is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bulk_bench import ADVERTISING, CARE, ZNS, Bench, people
from sender_child import NOON

from esms_connectors.emulator import (
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    EmulatorConfig,
)
from esms_connectors.emulator.faults import code, drop_after, http_status
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.sending.bulk import BulkIncompleteError, send_bulk
from esms_connectors.sending.channels import ZnsChannel


def test_rerun_of_a_settled_run_makes_no_calls(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """The same call after the end makes no call to the gateway, and tells the same totals."""
    bench = make_bench(ledger_url, people(500))
    bench.block(97)
    first = bench.send()
    calls = bench.gateway.call_count(ZNS)
    again = bench.send()
    assert bench.gateway.call_count(ZNS) == calls
    assert again.run == first.run
    assert again.counters.settled_before == again.counters.read == 500
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_changed_row_is_rejected_and_its_chunk_is_not_sent(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Other params under the same run key: InvalidRequestError with the line, and nothing of that chunk goes out."""
    bench = make_bench(ledger_url, people(300))
    bench.send(bench.recipients[:50])
    before, calls = bench.look(), bench.gateway.call_count(ZNS)
    changed = list(bench.recipients)
    changed[7] = replace(changed[7], template_params=("Khác", "Cắt tóc", "M7", "15/05/2024"))
    with pytest.raises(InvalidRequestError, match="line 7 ") as raised:
        bench.send(changed, threads=1, chunk_size=100)
    assert raised.value.row == 7
    sent = bench.look() - before
    assert not {one.phone for one in bench.recipients[:100]} & set(sent)
    # The reader is two chunks ahead at most.
    assert bench.gateway.call_count(ZNS) - calls <= 2
    bench.send()
    bench.check_complete()


def test_changed_row_is_rejected_even_if_not_sent_yet(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A row claimed once belongs to its content, whatever state it is in."""
    bench = make_bench(ledger_url, people(60))
    bench.gateway.set_balance(0)
    bench.send()
    changed = [replace(one, template_params=("A", "B", "C", "15/05/2024")) for one in bench.recipients]
    bench.gateway.set_balance(10**9)
    with pytest.raises(InvalidRequestError):
        bench.send(changed)
    assert bench.gateway.message_count == 0


@pytest.mark.parametrize("changed", [{"template_id": "205644"}, {"oa_id": "4097311281936189050"}])
def test_run_key_is_rejected_for_another_template_or_oa(
    ledger_url: str, make_bench: Callable[..., Bench], changed: dict[str, Any]
) -> None:
    """Another template or OA under a used run key is an error, and nothing is sent."""
    bench = make_bench(ledger_url, people(100))
    bench.send(bench.recipients[:10])
    with pytest.raises(InvalidRequestError, match="used before with another"):
        bench.send(**changed)
    assert bench.gateway.message_count == 10


def test_run_key_is_rejected_for_another_message_kind(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """An SMS run cannot go on under the key of a ZNS run."""
    bench = make_bench(sqlite_url, people(20))
    bench.send()
    with pytest.raises(InvalidRequestError, match=r"used before with another kind \(zns, now sms;"):
        bench.send_sms()
    assert bench.gateway.message_count == 20


# --- in doubt for too long ---------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("window", ["rolling_24h", "calendar_day"])
@pytest.mark.parametrize("hours", [13, 25])
def test_held_rows_are_never_resent_and_reconcile_settles_them(
    ledger_url: str, make_bench: Callable[..., Bench], window: Any, hours: int
) -> None:
    """After midnight in Vietnam rows in doubt are held: no run sends them, the sent data settles them."""
    bench = make_bench(ledger_url, people(300), EmulatorConfig(duplicate_window=window))
    bench.lose_every_call(taken=True)
    bench.clock.move(hours * 3600)
    calls = bench.gateway.call_count(ZNS)
    summary = bench.send()
    assert summary.run.held == 300
    assert bench.send().run.held == 300
    assert bench.gateway.call_count(ZNS) == calls
    result = bench.reconcile()
    assert (result.accepted, result.still_unknown) == (300, 0)
    bench.check_complete()
    assert bench.send().complete
    assert bench.gateway.call_count(ZNS) == calls


@pytest.mark.in_turn
@pytest.mark.parametrize("window", ["rolling_24h", "calendar_day"])
def test_held_rows_missing_from_sent_data_are_sent_once_after_reconcile(
    ledger_url: str, make_bench: Callable[..., Bench], window: Any
) -> None:
    """
    Held rows that the sent data lacks after the settling time, while it has others of the campaign, count as not sent,
    and the next run sends them.
    """
    bench = make_bench(ledger_url, people(300), EmulatorConfig(duplicate_window=window))
    bench.lose_every_call(taken=False)
    bench.clock.move(13 * 3600)
    assert bench.send().run.held == 300
    assert bench.reconcile(not_sent_after_seconds=3600).not_sent == 0
    bench.recipients += people(1, first=300)
    assert bench.send().run.accepted == 1
    assert bench.reconcile().not_sent == 0
    assert bench.reconcile(not_sent_after_seconds=14 * 3600).not_sent == 0
    assert bench.reconcile(not_sent_after_seconds=3600).not_sent == 300
    assert bench.send().complete
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("minutes_to_midnight", [6, 4])
def test_lost_rows_are_not_duplicated_around_midnight(
    ledger_url: str, make_bench: Callable[..., Bench], minutes_to_midnight: int
) -> None:
    """A gateway that forgets its request ids at midnight gets no repeat that might arrive after it."""
    bench = make_bench(ledger_url, people(200), EmulatorConfig(duplicate_window="calendar_day"))
    bench.clock.move_to(NOON.end_of("day").subtract(minutes=minutes_to_midnight))
    bench.lose_every_call(taken=True)
    bench.clock.move(minutes_to_midnight * 60 - 200)
    bench.send()
    bench.clock.move(600)
    bench.send()
    bench.look()
    bench.reconcile()
    bench.check_complete()


@pytest.mark.in_turn
def test_rows_in_doubt_are_not_repeated_when_midnight_passes_within_a_chunk(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Customer care goes one by one: midnight may pass between two rows of a chunk; the rest then stays in doubt."""
    bench = make_bench(sqlite_url, people(20), EmulatorConfig(duplicate_window="calendar_day"))
    bench.clock.move_to(NOON.end_of("day").subtract(minutes=8))
    bench.gateway.faults.add(CARE, drop_after())
    for one in bench.recipients:
        # A chunk ends at its first lost answer.
        bench.send_sms([one], threads=1)
    bench.gateway.faults.clear()
    assert Counter(bench.states().values()) == {"unknown": 20}
    bench.gateway.on_call(CARE, lambda _call: bench.clock.move(120), when="before")
    bench.send_sms(threads=1)
    bench.look()
    bench.reconcile()
    bench.check_complete()


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("threads", [1, 8])
def test_top_up_completes_run_at_gateway_that_burns_refused_ids(
    ledger_url: str, make_bench: Callable[..., Bench], threads: int
) -> None:
    """103 for a part of the rows, whose ids the gateway then remembers: after a top-up they go out under new ones."""
    bench = make_bench(ledger_url, people(600), EmulatorConfig(refused_burns_request_id=True))
    bench.gateway.set_balance(300 * 275)
    for balance in (300 * 99, 300 * 101, 10**9):
        summary = bench.send(threads=threads)
        assert type(summary.stopped_by).__name__ == "BalanceError"
        bench.check_agreement()
        bench.gateway.set_balance(balance)
    if threads > 1:
        # A call that met an empty account was refused as a whole: in doubt, and then its ids are used up one by one.
        bench.send()
        assert set(bench.states().values()) <= {"accepted", "unknown"}
        bench.reconcile(not_sent_after_seconds=0)
    assert bench.send().complete
    bench.check_complete()


@pytest.mark.in_turn
def test_code_124_after_a_refusal_does_not_prove_acceptance(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """In doubt, then refused and burnt, then 124: nobody got it, and only the sent data can say so."""
    bench = make_bench(ledger_url, people(50), EmulatorConfig(refused_burns_request_id=True))
    bench.lose_every_call(taken=False)
    bench.gateway.set_balance(300 * 20)
    bench.send(threads=1, chunk_size=50)
    bench.gateway.set_balance(10**9)
    bench.send()
    bench.check_agreement()
    bench.reconcile(not_sent_after_seconds=0)
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["799", "789", "110", "124", "199", "103", "160", "555"])
@pytest.mark.parametrize("channel", [ZNS, ADVERTISING])
def test_refusal_after_lost_response_does_not_settle_rows(
    sqlite_url: str, make_bench: Callable[..., Bench], refusal: str, channel: str
) -> None:
    """The first attempt was taken and its answer lost, the repeat is refused as a whole: no row may go out anew."""
    bench = make_bench(sqlite_url, people(60))
    send = bench.send if channel == ZNS else lambda: bench.send_sms(advertising=True)
    bench.gateway.faults.add(channel, drop_after(), calls=[1])
    bench.gateway.faults.add(channel, code(refusal), predicate=lambda call: call.number > 1)
    send()
    assert bench.gateway.message_count == 60
    bench.gateway.faults.clear()
    for _ in range(2):
        send()
        bench.look()
    if channel == ZNS:
        bench.reconcile()
        bench.check_complete()
    else:
        # The 124 of the last call may be that of a burnt id, and there is nothing to look advertising up by.
        assert set(bench.states().values()) <= {"accepted", "unknown"}


@pytest.mark.in_turn
@pytest.mark.parametrize("refusal", ["799", "790", "102", "160", "99", "555"])
def test_row_refused_after_lost_response_is_not_resent(
    sqlite_url: str, make_bench: Callable[..., Bench], refusal: str
) -> None:
    """The first attempt was taken, and the repeat refuses its rows one by one: they must not get a second message."""
    bench = make_bench(sqlite_url, people(60))
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1])
    rows = ",".join(f'{{"CodeResult":"{refusal}","Phone":"{one.phone}"}}' for one in bench.recipients)
    answer = f'{{"CodeResult":"100","detail":[{rows}]}}'
    bench.gateway.faults.add(ZNS, http_status(200, body=answer), calls=[2])
    bench.send()
    assert bench.gateway.message_count == 60
    bench.gateway.faults.clear()
    for _ in range(2):
        bench.send()
        bench.look()


@pytest.mark.in_turn(every=3)
def test_rejected_rows_stay_rejected_on_rerun(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """99 and 108 are about the row: settled for good, told by code, and never tried again."""
    bench = make_bench(ledger_url, people(60))
    bench.gateway.faults.add(
        CARE, code("108"), predicate=lambda call: bench.recipients[5].phone.encode() in call.request.body
    )
    bench.gateway.block_phone(bench.recipients[30].phone)
    summary = bench.send_sms(at_least=None)
    assert summary.run.rejected_by_code == {"108": 1, "99": 1}
    bench.gateway.faults.clear()
    calls = bench.gateway.call_count(CARE)
    assert bench.send_sms(at_least=None).run == summary.run
    assert bench.gateway.call_count(CARE) == calls == 60


@pytest.mark.in_turn(every=3)
def test_template_violation_rejects_only_its_own_row(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """790 for one row among accepted ones is about that row: the run goes on, and every row ends up settled."""
    bench = make_bench(sqlite_url, people(300))
    bench.recipients[10] = replace(bench.recipients[10], template_params=("x" * 40, "B", "C", "15/05/2024"))
    for _ in range(2):
        summary = bench.send(at_least=None)
    assert (summary.run.accepted, summary.run.rejected_by_code) == (299, {"790": 1})


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("refusal", "name"), [("101", "AuthenticationError"), ("140", "AddressNotAllowedError"), ("103", "BalanceError")]
)
def test_account_refusal_stops_all_threads_and_rerun_completes(
    ledger_url: str, make_bench: Callable[..., Bench], refusal: str, name: str
) -> None:
    """Eight threads stop at the first refusal of the account; once it is repaired, the same call completes."""
    bench = make_bench(ledger_url, people(800))
    bench.chunk_size = 20
    bench.gateway.faults.add(ZNS, code(refusal))
    summary = bench.send()
    assert type(summary.stopped_by).__name__ == name
    assert bench.gateway.call_count(ZNS) <= 8
    assert summary.run.total + summary.counters.not_tried == 800
    assert summary.run.accepted == 0
    bench.gateway.faults.clear()
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn
def test_unreachable_gateway_stops_the_run_with_no_rows_in_doubt(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Nobody listens: a few chunks are tried and none is in doubt; when it is back, the same call completes."""
    bench = make_bench(ledger_url, people(1000))
    bench.chunk_size, bench.attempts = 20, 1
    bench.server.refuse_connections()
    with pytest.raises(BulkIncompleteError, match="seems to be down") as raised:
        _raw(bench, threads=4)
    assert raised.value.summary.run.unknown == 0
    assert raised.value.summary.counters.not_sent <= 20 * 12
    bench.server.accept_connections()
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn
def test_lost_responses_stop_the_run_after_a_few_chunks(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Every answer is lost: only a few chunks are put in doubt."""
    bench = make_bench(ledger_url, people(1000))
    bench.chunk_size = 20
    bench.gateway.faults.add(ZNS, drop_after())
    summary = bench.send(threads=4)
    assert summary.stopped_by is not None
    assert summary.run.unknown <= 20 * 12
    bench.gateway.faults.clear()
    bench.send()
    bench.check_complete()


def _raw(bench: Bench, **settings: Any) -> Any:
    channel = ZnsChannel(bench.client(), DEMO_TEMPLATE_ID, DEMO_OA_ID, chunk_size=bench.chunk_size)
    return send_bulk(channel, bench.recipients, ledger=bench.ledger(), run_key=bench.run_key, **settings)
