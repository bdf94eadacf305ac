"""The guard: hours, stop marks, suppressed phones, caps and budgets, while runs go, in both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from bulk_bench import Bench, people
from sender_child import AFTER_CLAIM, BEFORE_CLAIM

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.endpoints import SEND_ADVERTISING_SMS, SEND_ZNS_BULK
from esms_connectors.ledger import Ledger
from esms_connectors.sending.channels import AdvertisingChannel
from esms_connectors.sending.channels.base import MessageClass
from esms_connectors.sending.guard import GuardRefusalError, GuardSettings, GuardStopError, HoursPolicy, load_guard
from esms_connectors.sending.guard.preflight import refusals

ADVERTISING, ZNS = SEND_ADVERTISING_SMS.name, SEND_ZNS_BULK.name
VIETNAM = "Asia/Ho_Chi_Minh"
EVERYTHING = GuardSettings().changed({"suppress_care": True, "transaction_cap": 3, "max_cost_vnd": 10**9})


def at(hour: int, minute: int = 0, second: int = 0, day: int = 15) -> pendulum.DateTime:
    return pendulum.datetime(2024, 5, day, hour, minute, second, tz=VIETNAM)


# --- hours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_open", "next_open"),
    [
        (at(6, 59, 59), False, at(7)),
        (at(7), True, at(7)),
        (at(21, 59, 59), True, at(21, 59, 59)),
        (at(22), False, at(7, day=16)),
        (at(0), False, at(7)),
    ],
)
def test_advertising_hours_are_evaluated_in_vietnam_time(
    moment: pendulum.DateTime, is_open: bool, next_open: pendulum.DateTime
) -> None:
    """From the first second of 7 to the last before 22, in Vietnam, wherever the time comes from."""
    hours = GuardSettings().open_hours(MessageClass.ADVERTISING)
    for told in (moment, moment.in_timezone("UTC"), moment.in_timezone("America/New_York")):
        assert (hours.contain(told), hours.next_open(told)) == (is_open, next_open)


def test_rescheduled_calls_are_spread_over_the_first_hour() -> None:
    """Not all at seven: a minute each, and no later than the hours go."""
    hours = GuardSettings().open_hours(MessageClass.ADVERTISING)
    times = [hours.spread(at(23), number, 60) for number in range(61)]
    assert (times[0], times[59], times[60]) == (at(7, day=16), at(7, 59, day=16), at(7, day=16))


def _advertise(bench: Bench, moment: pendulum.DateTime, **rules: Any) -> Any:
    bench.clock.move_to(moment)
    return bench.send_sms(advertising=True, threads=1, guard=GuardSettings().changed(rules))


@pytest.mark.parametrize("moment", [at(7, 0, 5, day=16), at(21, 59, 40)])
def test_advertising_is_sent_at_the_edges_of_its_hours(
    make_bench: Callable[..., Bench], sqlite_url: str, moment: pendulum.DateTime
) -> None:
    """The edges belong to it."""
    bench = make_bench(sqlite_url, people(30))
    assert _advertise(bench, moment).accepted == 30


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", [at(22, 0, 1), at(23, 59, 50), at(6, 30, day=16)])
@pytest.mark.parametrize("policy", list(HoursPolicy))
def test_advertising_outside_its_hours_follows_the_policy(
    make_bench: Callable[..., Bench], sqlite_url: str, moment: pendulum.DateTime, policy: HoursPolicy
) -> None:
    """Refused, sent for the next opening, put off, or sent, as the policy says."""
    bench = make_bench(sqlite_url, people(30))
    if policy is HoursPolicy.REFUSE:
        with pytest.raises(GuardRefusalError, match=r"its hours are 07:00-22:00.*91/2020.*khung giờ"):
            _advertise(bench, moment, advertising_hours=policy)
        assert bench.gateway.call_count(ADVERTISING) == 0
        return
    result = _advertise(bench, moment, advertising_hours=policy)
    if policy is HoursPolicy.DEFER:
        assert isinstance(result.stopped_by, GuardStopError)
        assert pendulum.parse(result.stopped_by.until or "") == at(7, day=16)
        assert (bench.gateway.call_count(ADVERTISING), result.counters.not_tried) == (0, 30)
        assert _advertise(bench, at(7, 1, day=16), advertising_hours=policy).accepted == 30
        return
    assert result.accepted == 30
    times = {one.send_at_ms for one in bench.gateway.state.submission_of}
    if policy is HoursPolicy.ALLOW:
        assert times <= {None, 0}
    else:
        [one] = times
        assert at(7, day=16).int_timestamp * 1000 <= one < at(8, day=16).int_timestamp * 1000


def test_run_crossing_the_end_of_hours_resumes_next_morning(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """The rest waits for the morning, also what was claimed already; then everybody gets it, once."""
    bench = make_bench(ledger_url, people(90))
    bench.chunk_size = 30
    late = at(22, 0, 5)
    bench.gateway.on_call(
        ADVERTISING, lambda _call: bench.clock.move_to(late) if bench.now() < late else None, when="after"
    )
    result = _advertise(bench, at(21, 59, 30))
    assert result.accepted == 30
    assert isinstance(result.stopped_by, GuardStopError)
    assert bench.gateway.call_count(ADVERTISING) == 1
    assert _advertise(bench, at(7, 0, 30, day=16)).accepted == 90
    bench.check_complete()


# --- stop marks ------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("every", [False, True])
def test_stop_mark_takes_effect_at_the_next_chunk(
    make_bench: Callable[..., Bench], ledger_url: str, every: bool
) -> None:
    """Whoever sets it, wherever: what is under way is settled, nothing more is claimed, and a resume completes."""
    bench = make_bench(ledger_url, people(500))
    bench.chunk_size, bench.threads = 50, 1
    stops = bench.books.guard.stops

    stopping = [True]

    def stop(_call: Any) -> None:
        if not stopping:
            return
        if every:
            stops.mark_all(reason="wrong price", who="Lan")
        else:
            stops.mark_run(bench.run_key, reason="wrong price", who="Lan")

    bench.gateway.on_call(ZNS, stop, when="before")
    result = bench.send()
    assert isinstance(result.stopped_by, GuardStopError)
    assert "Lan" in str(result.stopped_by)
    assert "wrong price" in str(result.stopped_by)
    assert (result.accepted, result.counters.not_tried, bench.gateway.call_count(ZNS)) == (50, 450, 1)
    assert bench.send().run.accepted == 50
    assert bench.gateway.call_count(ZNS) == 1
    stopping.clear()
    assert stops.lift_all(who="Lan") if every else stops.lift_run(bench.run_key, who="Lan")
    assert stops.marks() == []
    assert bench.send().accepted == 500
    bench.check_complete()


def test_stop_mark_affects_only_its_run_and_requires_a_reason(
    make_bench: Callable[..., Bench], sqlite_url: str
) -> None:
    """By its key alone; a reason is asked for."""
    bench = make_bench(sqlite_url, people(40))
    bench.books.guard.stops.mark_run("another-run", reason="x", who="Lan")
    assert bench.send().accepted == 40
    with pytest.raises(InvalidRequestError, match="Give a reason"):
        bench.books.guard.stops.mark_run("another-run", reason=" ", who="Lan")


# --- suppressed phones -----------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("secret", [None, "a secret of this ledger"])
def test_phone_suppressed_during_a_run_is_skipped(
    make_bench: Callable[..., Bench], ledger_url: str, secret: str | None
) -> None:
    """Its row is skipped, by the next chunk; the run is complete, and says why."""
    bench = make_bench(ledger_url, people(300))
    bench.phone_secret, bench.chunk_size = secret, 50
    late = bench.recipients[299].phone
    ledger = bench.ledger()
    bench.gateway.on_call(
        ZNS, lambda _call: ledger.guard.suppression.add([late], reason="refused by SMS"), when="before"
    )
    result = bench.send(ledger=ledger, threads=1, guard=EVERYTHING, price_vnd=Decimal(300))
    assert (result.accepted, result.skipped, result.complete, result.enough) == (299, 1, True, True)
    assert result.as_dict()["skipped_by_rule"] == {"suppression": 1}
    assert late not in bench.gateway.deliveries_by_phone()
    ledger.guard.suppression.remove([late])
    again = bench.send(ledger=ledger, guard=EVERYTHING, price_vnd=Decimal(300))
    assert (again.accepted, again.skipped, again.counters.accepted) == (299, 1, 0)
    [row] = ledger.rows_of(bench.run_key, [late])
    assert (row["state"], row["code"]) == ("rejected", "rule:suppression")


def test_advertising_excludes_suppressed_phones(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Calls are made of those who are left; a lost answer is repeated with the same rows, and nobody gets it twice."""
    bench = make_bench(ledger_url, people(65))
    bench.chunk_size = 30
    out = [one.phone for one in bench.recipients[5:10]]
    bench.books.guard.suppression.add(out, reason="Do-Not-Call list")
    result = bench.send_sms(advertising=True, threads=1)
    assert (result.accepted, result.skipped, result.complete) == (60, 5, True)
    assert not {*out} & {*bench.gateway.deliveries_by_phone()}


def test_suppression_list_hashed_with_another_secret_prevents_sending(
    make_bench: Callable[..., Bench], sqlite_url: str
) -> None:
    """Nobody on it would be found."""
    bench = make_bench(sqlite_url, people(30))
    bench.books.guard.suppression.add(["0901888484"], reason="x")
    with pytest.raises(ConfigurationError, match="another secret"):
        bench.send_sms(advertising=True, ledger=bench.ledger(phone_secret="another"))
    assert bench.gateway.call_count(ADVERTISING) == 0


def test_expired_suppression_entry_is_ignored_and_past_expiry_rejected(
    make_bench: Callable[..., Bench], sqlite_url: str
) -> None:
    """Expiry is a time, and an expiry in the past is a mistake."""
    bench = make_bench(sqlite_url, people(1))
    suppression = bench.books.guard.suppression
    phone = bench.recipients[0].phone
    assert suppression.add([phone, phone], reason="x", expires=bench.now().add(hours=1)) == 1
    assert suppression.found([phone]) == {0: "x"}
    with pytest.raises(InvalidRequestError, match="past"):
        suppression.add([phone], reason="x", expires=bench.now().subtract(hours=1))
    bench.clock.move(3700)
    assert suppression.found([phone]) == {}


# --- caps and budgets ------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_frequency_cap_holds_across_concurrent_runs(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Five runs at once for the same people: three messages each, and the rest are skipped."""
    bench = make_bench(ledger_url, people(60) * 3)
    rules = GuardSettings().changed({"transaction_cap": 3})
    results: list[Any] = []
    ledgers, clients = [bench.ledger() for _ in range(5)], [bench.client() for _ in range(5)]

    def send(number: int) -> None:
        results.append(
            bench.send(
                people(60), ledger=ledgers[number], client=clients[number], run_key=f"offer-{number}", guard=rules,
                threads=2, chunk_size=20,
            )
        )  # fmt: skip

    workers = [threading.Thread(target=send, args=(number,)) for number in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(bench.gateway.deliveries_by_phone().values()) == {3}
    assert sum(result.skipped for result in results) == 120
    assert all(result.complete for result in results)


@pytest.mark.in_turn(every=3)
def test_budget_is_not_exceeded_by_concurrent_workers(make_bench: Callable[..., Bench], ledger_url: str) -> None:
    """Never over, whoever is quicker; raised, the same call completes, and a resume costs nothing twice."""
    bench = make_bench(ledger_url, people(400))
    bench.block(100)
    tight = GuardSettings().changed({"max_cost_vnd": 300 * 250})
    ledgers, clients = [bench.ledger(), bench.ledger()], [bench.client(), bench.client()]
    workers = [
        threading.Thread(
            target=lambda n=n: bench.send(
                ledger=ledgers[n], client=clients[n], guard=tight, price_vnd=Decimal(300), threads=3, chunk_size=20 + n
            )
        )
        for n in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sent = sum(bench.gateway.deliveries_by_phone().values())
    assert 200 <= sent <= 250
    assert bench.books.guard.spend.of_run(bench.run_key) <= 300 * 250
    result = bench.send(guard=tight.changed({"max_cost_vnd": 300 * 400}), price_vnd=Decimal(300))
    assert result.complete
    bench.check_complete()
    assert bench.books.guard.spend.of_run(bench.run_key) == 300 * (400 - len(bench.blocked))
    assert bench.books.guard.spend.of_month(bench.now()) == 300 * (400 - len(bench.blocked))


def test_budget_without_a_price_is_rejected(make_bench: Callable[..., Bench], sqlite_url: str) -> None:
    """Nobody could say what it costs."""
    bench = make_bench(sqlite_url, people(3))
    with pytest.raises(InvalidRequestError, match="price"):
        bench.send(guard=GuardSettings().changed({"max_cost_vnd": 1000}))
    assert bench.gateway.call_count(ZNS) == 0


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("moment", [BEFORE_CLAIM, AFTER_CLAIM])
def test_skipped_rows_stay_skipped_after_the_worker_is_killed(
    make_bench: Callable[..., Bench], ledger_url: str, moment: str
) -> None:
    """Skipping is settling: the next worker finds it so, and everybody else gets one message."""
    bench = make_bench(ledger_url, people(63))
    out = [one.phone for one in bench.recipients[:3]]
    bench.books.guard.suppression.add(out, reason="refused")
    bench.chunk_size = 30
    child = bench.start(channel="advertising", chunk_size=30, moment=moment)
    child.wait()
    result = bench.send_sms(advertising=True, threads=1)
    bench.clock.move(120)
    result = bench.send_sms(advertising=True, threads=1)
    assert (result.skipped, result.accepted) == (3, 60)
    assert not {*out} & {*bench.gateway.deliveries_by_phone()}
    assert set(bench.gateway.deliveries_by_phone().values()) == {1}


def test_guard_tables_are_added_to_an_older_ledger(tmp_path: Path) -> None:
    """On the next opening, without a new version."""
    with Ledger.open(tmp_path / "ledger.sqlite") as old, old._engine.begin() as connection:
        for name in ("suppressed", "contacts", "spent", "stops", "overrides"):
            connection.execute(sa.text(f"DROP TABLE esms_{name}"))
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.guard.suppression.add(["0901888484"], reason="x") == 1
        ledger.guard.overrides.record("march", "hours", who="Lan", reason="agreed with everybody on the list")
        assert [one["rule"] for one in ledger.guard.overrides.of_run("march")] == ["hours"]


# --- texts and settings ----------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("[QC] Giam gia 20%. Tu choi: soan TC gui 1234", []),
        ("[ad] Giảm giá. Từ chối: soạn HUY gửi 1234", []),
        ("Giam gia [QC]. Tu choi: TC gui 1234", ["label"]),
        ("[QC] Giam gia 20%", ["opt_out"]),
        ("Giam gia 20%", ["label", "opt_out"]),
        ("[QC] Tu choi: TC " + "a" * 800, ["segments"]),
    ],
)
def test_advertising_text_rules_report_violations_in_two_languages(
    make_bench: Callable[..., Bench], sqlite_url: str, text: str, rules: list[str]
) -> None:
    """A label first, how to refuse, and no more segments than allowed; each said with its source, in two languages."""
    channel = AdvertisingChannel(make_bench(sqlite_url).client(), text, "Brand")
    described = channel.text_of(people(1)[0])
    found = refusals(GuardSettings(), channel, described.segments)
    assert [one.rule for one in found] == rules
    assert all(" / " in str(one) for one in found)


def test_guard_settings_file_is_loaded_and_its_errors_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is named decides, and says so; a slip in it is told with its name."""
    file = tmp_path / "esms.toml"
    file.write_text('[guard]\nadvertising_hours = "defer"\nadvertising_cap = "any"\nmax_cost_month_vnd = 5000000\n')
    monkeypatch.setenv("ESMS_SETTINGS", str(file))
    in_force = load_guard()
    assert in_force.settings.advertising_hours is HoursPolicy.DEFER
    assert in_force.settings.advertising_cap is None
    assert in_force.settings.max_cost_month_vnd == 5_000_000
    assert (in_force.origins["advertising_hours"], in_force.origins["label"]) == (str(file), "default")
    for text, said in (
        ("[guard]\nadvertising_houres = 'defer'", "no setting 'advertising_houres'"),
        ("[guard]\ncare_open = '22:00-06:00'", "such as 07:00-22:00"),
        ("[guard]\nmax_segments = true", "whole number"),
        ("guard = 7", "is a table"),
        ("[guard", "not TOML"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            load_guard()
    file.unlink()
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_guard()
