"""One page of the documentation has request ids inside a bulk ZNS, another does not: seen first, then relied upon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from bulk_bench import Bench, people, phone_of

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.emulator.faults import code, drop_after, drop_before, http_status, refuse_taken
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.sending.id_probe import probe_sms_ids, probe_zns_bulk_ids

ZNS, CARE, SENT_DATA = "send_zns_bulk", "send_customer_care_sms", "get_sms_sent_data"
VALUES = ("Khách", "Cắt tóc", "M", "15/05/2024")


def test_rows_listed_in_sent_data_are_not_resent(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Ids ignored, answers lost, rows listed promptly: found with their message ids, and nobody gets a second one."""
    bench = make_bench(ledger_url, people(200), proven=False)
    bench.gateway.quirks.bulk_request_id_ignored = True
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1, 2])
    bench.send(threads=1)
    for _ in range(2):
        bench.send(threads=1)
    assert bench.gateway.call_count(ZNS) == 2
    assert all(row["message_id"] for row in bench.books.rows(bench.run_key))
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("careful", [False, True])
def test_at_most_one_row_is_resent_as_a_probe(ledger_url: str, make_bench: Callable[..., Bench], careful: bool) -> None:
    """Ids ignored and nothing listed: one person twice at most, however often it is sent again, or none if careful."""
    bench = make_bench(ledger_url, people(200), proven=False)
    bench.gateway.quirks.bulk_request_id_ignored = True
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1, 2])
    # A campaign that is not given back cannot be looked up.
    bench.gateway.quirks.missing_members = ("Campaign",)
    bench.recipients += people(1)
    for _ in range(3):
        summary = bench.send(bench.recipients[:200], threads=1, reconcile_before_repeat=careful)
    delivered = bench.gateway.deliveries_by_phone()
    assert Counter(delivered.values()) == ({1: 200} if careful else {1: 199, 2: 1})
    assert summary.run.unknown == (200 if careful else 199)


@pytest.mark.in_turn(every=3)
def test_code_124_for_the_probe_proves_request_ids_and_run_completes(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Ids honoured, nothing listed yet: the probe is answered 124, the ledger remembers, later runs repeat at once."""
    bench = make_bench(ledger_url, people(200), proven=False)
    bench.gateway.quirks.missing_members = ("Campaign",)
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1, 2])
    assert bench.send(threads=1).complete
    bench.check_complete()
    # Two that were lost, the probe, and the two once more.
    assert bench.gateway.call_count(ZNS) == 5
    known = bench.books.facts.known(bench.client().account, ZNS)
    assert known is not None
    assert known.honoured
    bench.run_key += "-2"
    bench.recipients += people(100, first=500)
    bench.gateway.faults.add(ZNS, drop_after(), calls=[6])
    looked = bench.gateway.call_count(SENT_DATA)
    assert bench.send(bench.recipients[200:]).complete
    assert bench.gateway.call_count(SENT_DATA) == looked


@pytest.mark.in_turn
@pytest.mark.parametrize("lost", [drop_before(), http_status(503)])
def test_accepted_probe_leaves_other_rows_in_doubt(
    ledger_url: str, make_bench: Callable[..., Bench], lost: object
) -> None:
    """The lost calls were not taken: one row goes out, the others stay in doubt until they are reconciled."""
    bench = make_bench(ledger_url, people(100), proven=False)
    bench.gateway.faults.add(ZNS, lost, calls=[1])
    for _ in range(3):
        summary = bench.send(threads=1)
        assert (summary.run.accepted, summary.run.unknown) == (1, 99)
        # What this call counted says the same: the probe is not in doubt any more.
        assert summary.counters.unknown == 99
    bench.reconcile(not_sent_after_seconds=0)
    assert bench.send(threads=1).complete
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_refused_probe_is_repeated_by_the_next_run(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """
    The gateway said no to that very row: nothing was learned or risked, so the next call of the run asks again. For
    that row the 124 is no proof, because the refusal may have used up its id.
    """
    bench = make_bench(sqlite_url, people(100), proven=False)
    bench.gateway.quirks.missing_members = ("Campaign",)
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1])
    bench.gateway.faults.add(ZNS, code("103"), calls=[2])
    assert bench.send(threads=1).run.unknown == 100
    summary = bench.send(threads=1)
    assert (summary.run.accepted, summary.run.unknown) == (99, 1)
    assert bench.look().total() == 100


def test_failed_lookup_prevents_the_probe(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """Without a look-up there is no probe; the next call looks again."""
    bench = make_bench(sqlite_url, people(100), proven=False)
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1])
    bench.gateway.faults.add(SENT_DATA, http_status(503))
    assert bench.send(threads=1).run.unknown == 100
    assert bench.gateway.call_count(ZNS) == 1
    bench.gateway.faults.clear()
    assert bench.send(threads=1).complete
    assert bench.gateway.call_count(ZNS) == 1


@pytest.mark.in_turn
def test_partly_accepted_refused_call_is_reconciled_without_duplicates(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Half of the rows were taken before the refusal: found, and the rest not sent anew."""
    bench = make_bench(ledger_url, people(100), proven=False)
    bench.gateway.quirks.bulk_request_id_ignored = True
    bench.gateway.faults.add(ZNS, refuse_taken("99"), calls=[1])
    for _ in range(3):
        bench.send(threads=1)
    bench.reconcile(not_sent_after_seconds=0)
    bench.send(threads=1)
    bench.check_complete()


def test_successful_run_makes_no_extra_gateway_calls(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """The happy path asks the gateway for nothing."""
    bench = make_bench(sqlite_url, people(500), proven=False)
    assert bench.send().complete
    assert {call.function for call in bench.gateway.calls} == {ZNS}
    assert bench.gateway.call_count(ZNS) == 5


def test_account_probe_records_whether_request_ids_are_honoured(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """One message, two requests: honoured, ignored, and what the ledger keeps of it, by function."""
    bench = make_bench(ledger_url, proven=False)
    client, ledger, phone = bench.client(), bench.ledger(), phone_of(7)
    assert probe_zns_bulk_ids(client, ledger, phone, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES).honoured
    assert client.request_ids.honoured(SEND_ZNS_BULK)
    assert bench.gateway.message_count == 1
    bench.gateway.quirks.request_ids_ignored = (ZNS, CARE)
    bench.clock.move(60)
    assert probe_zns_bulk_ids(client, ledger, phone, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES).honoured is False
    assert probe_sms_ids(client, ledger, phone, "Xin chao", DEMO_BRANDNAME).honoured is False
    for function in (ZNS, CARE):
        known = bench.books.facts.known(client.account, function)
        assert known is not None
        assert not known.honoured
    sandbox = bench.client(sandbox=True)
    assert probe_zns_bulk_ids(sandbox, None, phone, DEMO_TEMPLATE_ID, DEMO_OA_ID, VALUES).honoured is None


@pytest.mark.in_turn(every=3)
def test_lost_sms_is_not_resent_if_request_ids_are_known_to_be_ignored(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Also where the documentation has request ids: a lost customer-care SMS is looked up, not repeated."""
    bench = make_bench(ledger_url, people(20), proven=False)
    bench.gateway.quirks.request_ids_ignored = (CARE,)
    probe_sms_ids(bench.client(), bench.ledger(), phone_of(7), "Xin chao", DEMO_BRANDNAME)
    before = bench.gateway.deliveries_by_phone()
    # The number of the probe is nobody's of the run.
    bench.recipients = [*people(20, first=20), *[people(8)[7]] * 2]
    run = bench.recipients[:20]
    bench.gateway.faults.add(CARE, drop_after(), calls=[3, 4])
    for _ in range(3):
        bench.send_sms(run, threads=1)
    assert set((bench.gateway.deliveries_by_phone() - before).values()) == {1}
    assert len(bench.gateway.deliveries_by_phone() - before) == 20
