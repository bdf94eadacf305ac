"""
A call that was refused as a whole says nothing of its rows. What the sent data shows not to have been taken goes out
again by the same command, without a person; everything else keeps its doubt.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bulk_bench import TEXT, Bench, people

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.emulator.faults import code, drop_after, drop_before, refuse_taken
from esms_connectors.ledger import SendState
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, send_bulk
from esms_connectors.sending.channels import AdvertisingChannel, ZnsChannel
from esms_connectors.sending.resend import RowChoice, release_rows

ZNS = "send_zns_bulk"
HOUR = 3600.0
RICH = 10**9


@pytest.fixture
def bench(ledger_url: str, make_bench: Callable[..., Bench]) -> Bench:
    """An account that was never tested, and one call's worth of people."""
    return make_bench(ledger_url, people(100), proven=False)


def refuse(bench: Bench, refusal: str = "103", *, share: float = 0.0) -> None:
    """The first call, of which this share was taken."""
    bench.gateway.faults.add(ZNS, refuse_taken(refusal, share) if share else code(refusal))
    bench.send(threads=1)
    assert bench.states() == {one.row_key: "unknown" for one in bench.recipients}
    bench.gateway.faults.clear()


def words_of(bench: Bench) -> str:
    """What the same command says once more."""
    channel = ZnsChannel(bench.client(), DEMO_TEMPLATE_ID, DEMO_OA_ID)
    with pytest.raises(BulkIncompleteError) as raised:
        send_bulk(channel, bench.recipients, ledger=bench.ledger(), run_key=bench.run_key, threads=1)
    bench.look()
    return str(raised.value)


@pytest.mark.in_turn
@pytest.mark.parametrize(("refusal", "hours"), [("103", 1.1), ("103", 14), ("99", 10), ("110", 30)])
def test_rerun_completes_after_whole_call_refusal(bench: Bench, refusal: str, hours: float) -> None:
    """Nothing was taken, nothing of the run is listed: one row goes out, is listed, and the others follow at once."""
    refuse(bench, refusal)
    bench.clock.move(hours * HOUR)
    assert bench.send(threads=1).complete
    bench.check_complete()
    # Where the refusal does not stop the run, it tries one row itself.
    assert bench.gateway.call_count(ZNS) == (3 if refusal == "103" else 4)


@pytest.mark.in_turn
def test_rerun_within_an_hour_sends_one_probe_and_reports_the_resume_time(bench: Bench) -> None:
    refuse(bench)
    said = words_of(bench)
    assert "99 rows were refused with the whole call" in said
    assert "the same command sends them again from 13:0" in said
    assert bench.look().total() == 1
    bench.clock.move(0.5 * HOUR)
    assert "the same command sends them again from 13:0" in words_of(bench)
    assert bench.look().total() == 1
    bench.clock.move(0.6 * HOUR)
    assert bench.send(threads=1).complete
    bench.check_complete()


def test_run_completes_after_balance_ran_out_midway(bench: Bench) -> None:
    """Rows that were accepted are listed, so no other evidence is needed."""
    bench.gateway.set_balance(300 * 40)
    bench.send(threads=1, chunk_size=20)
    bench.gateway.set_balance(RICH)
    bench.clock.move(1.1 * HOUR)
    assert bench.send(threads=1, chunk_size=20).complete
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("hours", [0, 1.1, 14])
def test_rerun_after_refusal_completes_with_proven_request_ids(
    ledger_url: str, make_bench: Callable[..., Bench], hours: float
) -> None:
    """On the same day under the same ids at once, behind midnight by the sent data."""
    bench = make_bench(ledger_url, people(100))
    refuse(bench)
    bench.clock.move(hours * HOUR)
    assert bench.send(threads=1).complete
    bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("ids_ignored", [False, True])
@pytest.mark.parametrize("listed_late", [0.0, 600.0])
@pytest.mark.parametrize("hours", [0, 1.1, 14])
def test_accepted_half_of_a_refused_call_is_not_resent(
    sqlite_url: str, make_bench: Callable[..., Bench], hours: float, listed_late: float, ids_ignored: bool
) -> None:
    """Whenever it is sent again: those who have it are found in the sent data, the others get it once."""
    bench = make_bench(sqlite_url, people(100), proven=False)
    bench.gateway.quirks.bulk_request_id_ignored = ids_ignored
    bench.gateway.quirks.listed_late_share, bench.gateway.quirks.listed_late_seconds = 0.5, listed_late
    refuse(bench, share=0.5)
    bench.clock.move(hours * HOUR)
    if hours or not listed_late or not ids_ignored:
        bench.send(threads=1)
        bench.clock.move(1.1 * HOUR)
        assert bench.send(threads=1).complete
        bench.check_complete()


@pytest.mark.in_turn
@pytest.mark.parametrize("echo", ["empty", "left out"])
def test_rows_stay_in_doubt_when_sent_data_omits_the_campaign(bench: Bench, echo: str) -> None:
    """One row is sent, nothing proves anything, and the rest stays in doubt with a line that says what to do."""
    bench.gateway.quirks.bulk_request_id_ignored = True
    if echo == "empty":
        bench.gateway.quirks.campaign_echo = "empty"
    else:
        bench.gateway.quirks.missing_members = ("Campaign",)
    refuse(bench, share=0.5)
    for _ in range(3):
        bench.clock.move(2 * HOUR)
        said = words_of(bench)
    assert "proves nothing" in said
    assert "`esms resend`" in said
    assert bench.look().total() == 51


@pytest.mark.in_turn(every=3)
def test_rows_listed_without_campaign_are_not_resent_as_probes(bench: Bench) -> None:
    """All were taken, and the campaign does not come back: nobody gets a second one, not even one row."""
    bench.gateway.quirks.bulk_request_id_ignored = True
    bench.gateway.quirks.campaign_echo = "empty"
    bench.gateway.faults.add(ZNS, refuse_taken("103", 1.0))
    bench.send(threads=1)
    bench.gateway.faults.clear()
    # The account is known to ignore ids, so no row is a probe of these either.
    for _ in range(3):
        bench.clock.move(2 * HOUR)
        summary = bench.send(threads=1, reconcile_before_repeat=True)
    assert summary.run.unknown == 100
    assert bench.look().total() == 100


def test_reconcile_before_repeat_sends_no_probe_row(bench: Bench) -> None:
    refuse(bench)
    bench.clock.move(2 * HOUR)
    assert bench.send(threads=1, reconcile_before_repeat=True).run.unknown == 100
    assert bench.gateway.message_count == 0


def unknown_after(bench: Bench) -> RunResult:
    """Two runs hours later, with rows of the campaign in the sent data."""
    bench.recipients += people(10, first=500)
    bench.send(bench.recipients[100:], threads=1)
    for _ in range(2):
        bench.clock.move(3 * HOUR)
        summary = bench.send(threads=1)
    bench.look()
    return summary


def test_lost_response_is_not_treated_as_a_refusal(bench: Bench) -> None:
    """The gateway may have said anything, so only a person's settling time concludes that nothing was taken."""
    bench.gateway.faults.add(ZNS, drop_before(), calls=[1])
    bench.send(threads=1)
    # One row of these is the probe.
    assert unknown_after(bench).run.unknown == 99


def test_refused_repeat_of_a_lost_call_stays_held(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """The repeat was refused as a whole, the first answer was lost: in doubt beyond any hour."""
    bench = make_bench(ledger_url, people(100))
    bench.gateway.faults.add(ZNS, drop_after(), calls=[1])
    bench.gateway.faults.add(ZNS, code("99"), calls=[2])
    bench.gateway.quirks.campaign_echo = "empty"
    bench.send(threads=1)
    bench.clock.move(14 * HOUR)
    for _ in range(2):
        assert bench.send(threads=1).run.held == 100
    assert bench.look().total() == 100


@pytest.mark.in_turn(every=3)
def test_undocumented_code_is_not_treated_as_a_refusal(bench: Bench) -> None:
    bench.gateway.faults.add(ZNS, code("555"), calls=[1])
    bench.send(threads=1)
    assert unknown_after(bench).run.unknown == 99


def test_refused_then_changed_advertising_batch_requires_resend(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """
    One number of the batch is refused, and with it the batch, of which a part may have been taken. As it was, it is
    repeated under its id; without that number it is another batch. Nothing lists which of them has the message, so the
    run says what to do, and does it after `resend`.
    """
    bench = make_bench(ledger_url, people(80))
    bench.chunk_size = 80
    bench.block(80)
    bench.send_sms(advertising=True)
    assert set(bench.states().values()) == {"unknown"}
    repaired = [one for one in bench.recipients if one.phone not in bench.blocked]
    channel = AdvertisingChannel(bench.client(), TEXT, DEMO_BRANDNAME, chunk_size=80)
    with pytest.raises(BulkIncompleteError, match=f"esms resend {bench.run_key} --rows unknown"):
        send_bulk(channel, repaired, ledger=bench.ledger(), run_key=bench.run_key)
    assert bench.gateway.message_count == 0

    choice = RowChoice(states=(SendState.UNKNOWN,))
    release_rows(bench.ledger(), bench.run_key, choice, reason="the portal shows none of them")
    assert bench.send_sms(repaired, advertising=True).run.accepted == 79
    assert len(bench.look()) == 79
