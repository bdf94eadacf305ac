"""Running it again: what is settled stays, what is in doubt is looked after, what cannot be is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from bulk_bench import Bench, new_ledger, people, phone_of
from postgres_server import PostgresServer
from sender_child import NOON

from esms_connectors import Credentials, EsmsClient
from esms_connectors.delivery.polling import target_of_run
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Quirks,
)
from esms_connectors.emulator.faults import Fault, code, drop_after, drop_before, http_status
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import LedgerRow, Settlement
from esms_connectors.recipients import Columns, Recipient, SqlQuery, read_recipients
from esms_connectors.sending.bulk import BulkIncompleteError, send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.reconcile import reconcile

ZNS, CARE, ADVERTISING = "send_zns_bulk", "send_customer_care_sms", "send_advertising_sms"


def test_a_settled_run_sends_nothing_again(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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


def test_a_changed_row_is_an_error_and_its_chunk_is_not_sent(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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


def test_a_changed_row_that_was_not_sent_yet_is_an_error_too(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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
def test_a_run_key_names_one_campaign(
    ledger_url: str, make_bench: Callable[..., Bench], changed: dict[str, Any]
) -> None:
    """Another template or OA under a used run key is an error, and nothing is sent."""
    bench = make_bench(ledger_url, people(100))
    bench.send(bench.recipients[:10])
    with pytest.raises(InvalidRequestError, match="used before with another"):
        bench.send(**changed)
    assert bench.gateway.message_count == 10


def test_a_run_key_names_one_kind_of_message(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """An SMS run cannot go on under the key of a ZNS run."""
    bench = make_bench(sqlite_url, people(20))
    bench.send()
    with pytest.raises(InvalidRequestError):
        bench.send_sms()
    assert bench.gateway.message_count == 20


# --- in doubt for too long ---------------------------------------------------------------------------------------


def _in_doubt(bench: Bench, *, taken: bool) -> None:
    """Every call of one run is lost, after the gateway took the messages or before."""
    bench.gateway.faults.add(ZNS, drop_after() if taken else drop_before())
    bench.send(threads=4)
    bench.gateway.faults.clear()
    # Minutes before midnight they are held at once.
    assert set(bench.states().values()) <= {"unknown", "held"}


@pytest.mark.parametrize("window", ["rolling_24h", "calendar_day"])
@pytest.mark.parametrize("hours", [13, 25])
def test_held_rows_are_never_resent_and_reconcile_settles_them(
    ledger_url: str, make_bench: Callable[..., Bench], window: Any, hours: int
) -> None:
    """After midnight in Vietnam rows in doubt are held: no run sends them, the sent data settles them."""
    bench = make_bench(ledger_url, people(300), EmulatorConfig(duplicate_window=window))
    _in_doubt(bench, taken=True)
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


@pytest.mark.parametrize("window", ["rolling_24h", "calendar_day"])
def test_what_the_gateway_does_not_have_goes_out_once(
    ledger_url: str, make_bench: Callable[..., Bench], window: Any
) -> None:
    """
    Held rows that the sent data lacks after the settling time, while it has others of the campaign, count as not sent,
    and the next run sends them.
    """
    bench = make_bench(ledger_url, people(300), EmulatorConfig(duplicate_window=window))
    _in_doubt(bench, taken=False)
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


@pytest.mark.parametrize("minutes_to_midnight", [6, 4])
def test_the_last_minutes_of_the_day(
    ledger_url: str, make_bench: Callable[..., Bench], minutes_to_midnight: int
) -> None:
    """A gateway that forgets its request ids at midnight gets no repeat that might arrive after it."""
    bench = make_bench(ledger_url, people(200), EmulatorConfig(duplicate_window="calendar_day"))
    bench.clock.move_to(NOON.end_of("day").subtract(minutes=minutes_to_midnight))
    _in_doubt(bench, taken=True)
    bench.clock.move(minutes_to_midnight * 60 - 200)
    bench.send()
    bench.clock.move(600)
    bench.send()
    bench.look()
    bench.reconcile()
    bench.check_complete()


def test_rows_in_doubt_are_not_repeated_when_midnight_comes_during_a_chunk(
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


@pytest.mark.parametrize("threads", [1, 8])
def test_money_ends_half_way_at_a_gateway_that_burns_refused_ids(
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


def test_a_124_that_follows_a_refusal_proves_nothing(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """In doubt, then refused and burnt, then 124: nobody got it, and only the sent data can say so."""
    bench = make_bench(ledger_url, people(50), EmulatorConfig(refused_burns_request_id=True))
    _in_doubt(bench, taken=False)
    bench.gateway.set_balance(300 * 20)
    bench.send(threads=1, chunk_size=50)
    bench.gateway.set_balance(10**9)
    bench.send()
    bench.check_agreement()
    bench.reconcile(not_sent_after_seconds=0)
    bench.send()
    bench.check_complete()


@pytest.mark.parametrize("refusal", ["799", "789", "110", "124", "199", "103", "160", "555"])
@pytest.mark.parametrize("channel", [ZNS, ADVERTISING])
def test_a_refusal_that_follows_a_lost_answer_settles_nothing(
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


@pytest.mark.parametrize("refusal", ["799", "790", "102", "160", "99", "555"])
def test_a_row_refused_after_a_lost_answer_is_not_sent_anew(
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


def test_rejected_rows_stay_rejected(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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


def test_a_row_that_breaks_the_template_does_not_stop_the_others(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """790 for one row among accepted ones is about that row: the run goes on, and every row ends up settled."""
    bench = make_bench(sqlite_url, people(300))
    bench.recipients[10] = replace(bench.recipients[10], template_params=("x" * 40, "B", "C", "15/05/2024"))
    for _ in range(2):
        summary = bench.send(at_least=None)
    assert (summary.run.accepted, summary.run.rejected_by_code) == (299, {"790": 1})


@pytest.mark.parametrize(
    ("refusal", "name"), [("101", "AuthenticationError"), ("140", "AddressNotAllowedError"), ("103", "BalanceError")]
)
def test_a_refused_account_is_not_hammered(
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


def test_a_gateway_that_is_down_stops_the_run(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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


def test_a_gateway_that_answers_nothing_stops_the_run(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
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


# --- the same phone twice ----------------------------------------------------------------------------------------


def _doubled(count: int) -> list[Recipient]:
    rows = people(count)
    again = [
        Recipient(one.phone, ("Lần hai", *one.template_params[1:]), f"{one.phone}#2", 1000 + one.line)
        for one in rows[::3]
    ]
    return sorted([*rows, *again], key=lambda one: (one.phone, one.row_key))


@pytest.mark.parametrize("taken", [True, False])
def test_a_phone_that_is_kept_twice(ledger_url: str, make_bench: Callable[..., Bench], taken: bool) -> None:
    """Two rows for one phone make two messages, never two in one call, also after a loss."""
    bench = make_bench(ledger_url, _doubled(300))
    bench.chunk_size = 40
    in_one_call: list[int] = []

    def count(call: Any) -> None:
        phones = Counter(call.request.body.split(b'"Phone"'))
        in_one_call.append(max(Counter(part[:16] for part in phones if b"RequestId" in part).values()))

    bench.gateway.on_call(ZNS, count)
    bench.gateway.faults.add(ZNS, drop_after() if taken else drop_before(), probability=0.6)
    bench.send()
    bench.gateway.faults.clear()
    bench.send()
    bench.check_complete()
    assert set(in_one_call) == {1}
    assert bench.look()[phone_of(0)] == 2


def test_reconcile_gives_a_message_to_the_row_that_has_it(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """Of two rows of a phone one is known to be taken: the one message found is its own, not that of the other."""
    bench = make_bench(sqlite_url, _doubled(30))
    first = [one for one in bench.recipients if "#" not in one.row_key]
    second = [one for one in bench.recipients if "#" in one.row_key]
    bench.gateway.quirks.bulk_detail = "without_smsid"
    # The second row of each phone is taken; the first is in doubt and was not.
    bench.send(second)
    bench.gateway.faults.add(ZNS, drop_before())
    bench.send([one for one in first if one.line % 3 == 0])
    bench.gateway.faults.clear()
    bench.clock.move(13 * 3600)
    bench.reconcile(not_sent_after_seconds=3600)
    bench.check_agreement()
    bench.send()
    bench.check_complete()


def test_reconcile_does_not_guess_between_two_rows_of_a_phone(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Two rows of a phone in doubt and one message: whose it is nobody can tell, so neither is sent again."""
    bench = make_bench(sqlite_url, _doubled(30))
    taken = [one for one in bench.recipients if "#" in one.row_key]
    lost = [one for one in bench.recipients if "#" not in one.row_key and one.line % 3 == 0]
    bench.gateway.faults.add(ZNS, drop_after())
    bench.send(taken)
    bench.gateway.faults.clear()
    bench.gateway.faults.add(ZNS, drop_before())
    bench.send(lost)
    bench.gateway.faults.clear()
    bench.clock.move(13 * 3600)
    bench.reconcile(not_sent_after_seconds=3600)
    bench.send([*taken, *lost])
    contents = Counter(message.content for message in bench.gateway.messages())
    assert max(contents.values()) == 1
    bench.check_agreement()


def test_reconcile_concludes_nothing_about_a_row_that_went_out_meanwhile(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """While the sent data is read, a run sends the rows and loses the answers: they must not become "not sent"."""
    bench = make_bench(sqlite_url, people(50))
    _in_doubt(bench, taken=False)

    def send_meanwhile(call: Any) -> None:
        if call.number == 2:
            bench.gateway.faults.add(ZNS, drop_after())
            bench.send(threads=1)

    bench.gateway.on_call("get_sms_sent_data", send_meanwhile, when="after")
    result = bench.reconcile(not_sent_after_seconds=0)
    assert bench.gateway.message_count == 50
    assert result.run.not_sent == 0
    bench.check_agreement()


# --- advertising, customer care ----------------------------------------------------------------------------------


def _batches(bench: Bench) -> Callable[[], list[tuple[str, int]]]:
    """(request id, numbers) of each call."""
    import json

    seen: list[tuple[str, int]] = []
    bench.gateway.on_call(
        ADVERTISING,
        lambda call: seen.append(
            (json.loads(call.request.body)["RequestId"], len(json.loads(call.request.body)["Phones"]))
        ),
    )
    return lambda: seen


@pytest.mark.parametrize("seed", range(4))
def test_advertising_repeats_a_batch_whole(ledger_url: str, make_bench: Callable[..., Bench], seed: int) -> None:
    """Lost batches go out again with the same numbers under the same id, the evened-out last two among them."""
    bench = make_bench(ledger_url, people(650), EmulatorConfig(seed=seed))
    bench.chunk_size = 80
    batches = _batches(bench)
    bench.gateway.faults.add(ADVERTISING, drop_after(), probability=0.8)
    bench.send_sms(advertising=True, threads=4)
    bench.gateway.faults.clear()
    ids = set(batches())
    assert sorted(size for _, size in ids) == [45, 45, *[80] * 7]
    bench.send_sms(advertising=True, threads=4)
    assert set(batches()) == ids
    bench.check_complete()


def test_advertising_with_a_changed_source_resends_nothing_in_doubt(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Rows added and taken out would make other batches of the rows in doubt: those are left alone."""
    bench = make_bench(ledger_url, people(320))
    bench.chunk_size, bench.lease_seconds = 80, 0.4
    bench.gateway.faults.add(ADVERTISING, drop_after())
    bench.send_sms(bench.recipients, advertising=True, threads=2)
    bench.gateway.faults.clear()
    known = bench.look()
    assert len(known) == 320
    everybody = [*people(3, first=5000), *bench.recipients[1:], *people(60, first=6000)]
    bench.recipients = [*bench.recipients, *people(3, first=5000), *people(60, first=6000)]
    for _ in range(2):
        summary = bench.send_sms(everybody, advertising=True)
        bench.look()
    assert summary.run.unknown == 320
    bench.check_agreement()
    # The old source makes the old batches, and they settle.
    bench.send_sms(people(320), advertising=True)
    bench.look()
    assert bench.books.summary(bench.run_key).unknown == 0


def test_reconcile_does_not_look_for_advertising(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """Advertising carries no campaign: an error says so, and no row changes."""
    bench = make_bench(sqlite_url, people(60))
    bench.gateway.faults.add(ADVERTISING, drop_after())
    bench.send_sms(advertising=True)
    with pytest.raises(InvalidRequestError, match="advertising"):
        bench.reconcile(not_sent_after_seconds=0)
    assert Counter(bench.states().values()) == {"unknown": 60}


def test_customer_care_goes_one_by_one(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Each row is a request of its own, with its own text; lost ones are repeated under their own id."""
    bench = make_bench(
        ledger_url,
        [replace(one, template_params={"ten": f"Khach {one.line}"}) for one in people(150)],
    )
    bench.block(40)
    bench.gateway.faults.add(CARE, drop_after(), probability=0.3)
    for _ in range(3):
        bench.send_sms(text="Chao {ten}, {{cam on}}")
    bench.gateway.faults.clear()
    bench.send_sms(text="Chao {ten}, {{cam on}}")
    # A blocked number whose first answer was lost is refused when it is repeated, which says nothing of the first.
    bench.reconcile(not_sent_after_seconds=0)
    bench.send_sms(text="Chao {ten}, {{cam on}}")
    bench.check_complete()
    contents = {message.phone: message.content for message in bench.gateway.messages()}
    assert contents[phone_of(3)] == "Chao Khach 3, {cam on}"


# --- the ledger itself -------------------------------------------------------------------------------------------


def test_hashed_phones_leave_no_plain_one_in_the_file(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """With a secret no phone, nor row key made of one, stands in any byte of the ledger; resume and reconcile work."""
    bench = make_bench(sqlite_url, people(300))
    bench.phone_secret = "a secret"
    bench.block(97)
    bench.gateway.faults.add(ZNS, drop_after(), probability=0.6)
    bench.send()
    bench.gateway.faults.clear()
    bench.clock.move(13 * 3600)
    bench.send()
    bench.reconcile(not_sent_after_seconds=3600)
    bench.send()
    bench.check_complete()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))
    assert len(content) > 50_000
    for one in bench.recipients:
        assert one.phone[1:].encode() not in content


def test_another_secret_under_the_same_run_key_is_an_error(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """Phones hashed otherwise would be other rows, and everybody would get a second message."""
    bench = make_bench(sqlite_url, people(50))
    bench.phone_secret = "one secret"
    bench.send()
    for other in ("another secret", None):
        bench.phone_secret = other
        with pytest.raises(InvalidRequestError):
            bench.send()
    assert bench.gateway.message_count == 50


def test_a_newer_ledger_is_one_clear_error(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A ledger made by a later version is not touched, and the error says what to do."""
    bench = make_bench(ledger_url, people(10))
    ledger = bench.ledger()
    with ledger._engine.begin() as connection:
        connection.execute(sa.text("UPDATE esms_ledger_version SET version = version + 1"))
    with pytest.raises(ConfigurationError, match="Upgrade"):
        bench.send()
    assert bench.gateway.message_count == 0


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////proc/nowhere/ledger.sqlite",
        "mysql://localhost/x",
        "nonsense://x",
        "://",
        "postgresql://user:S3cretWord@127.0.0.1:1/none?connect_timeout=1",
    ],
)
def test_an_unusable_ledger_is_one_clear_error(url: str) -> None:
    """What cannot be a ledger is a ConfigurationError of one line without the password."""
    with pytest.raises(ConfigurationError) as raised:
        Ledger.open(url)
    assert "\n" not in str(raised.value)
    assert "S3cretWord" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else is an error and stays as it is."""
    (tmp_path / "ledger.sqlite").write_text("not a database at all, " * 100, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        Ledger.open(tmp_path / "ledger.sqlite")
    assert (tmp_path / "ledger.sqlite").read_text(encoding="utf-8").startswith("not a database")


@pytest.mark.parametrize("said", ["a\x00b", "dài " * 200, "\ud83d\ude00 emoji", 'quote " \\ \n line'])
def test_whatever_the_gateway_says_can_be_written_down(
    ledger_url: str, make_bench: Callable[..., Bench], said: str
) -> None:
    """Odd and long words of the gateway's never keep a row from being settled."""
    bench = make_bench(ledger_url, people(20))
    words = said.encode("utf-16", "surrogatepass").decode("utf-16")
    bench.gateway.faults.add(CARE, code("146", words))
    bench.send_sms(threads=2, at_least=None)
    assert Counter(bench.states().values()) == {"rejected": 20}


@pytest.mark.parametrize("odd", ["code", "id"])
def test_long_codes_and_ids_can_be_written_down(ledger_url: str, make_bench: Callable[..., Bench], odd: str) -> None:
    """A code or a message id of any length settles its row in both databases."""
    bench = make_bench(ledger_url, people(5))
    if odd == "code":
        bench.gateway.faults.add(CARE, code("9" * 60))
    else:
        bench.gateway.faults.add(
            CARE,
            Fault(
                "long id",
                "after",
                lambda reply: replace(reply, body=b'{"CodeResult":"100","SMSID":"%s"}' % (b"x" * 90)),
            ),
        )
    bench.send_sms(threads=1, at_least=None)
    assert set(bench.states().values()) <= {"accepted", "unknown", "not_sent"}
    assert "claimed" not in bench.states().values()


def test_settling_is_for_the_one_who_claims(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A worker that lost its claim may only bring proof of acceptance; everything else of it is too late."""
    from esms_connectors.ledger.rows import LedgerRow

    bench = make_bench(ledger_url)
    ledger = bench.ledger()
    ledger.begin_run("r", "zns", {"campaign": "c"})
    row = LedgerRow("k", "0901000000", "p", 1)
    (first,) = ledger.claim("r", [row], worker="first", chunk="1").claims
    assert ledger.claim("r", [row], worker="second", chunk="1").busy == 1
    bench.clock.move(LEASE_AND_MORE)
    (second,) = ledger.claim("r", [row], worker="second", chunk="1").claims
    assert second.in_doubt
    assert second.wire_id == first.wire_id
    for state in (SendState.NOT_SENT, SendState.REJECTED, SendState.UNKNOWN):
        ledger.settle([Settlement(first.request_id, state, "103")], worker="first")
        assert ledger.summary("r").claimed == 1
    # Refused for the account's sake: says nothing of what the first may have sent.
    ledger.settle([Settlement(second.request_id, SendState.NOT_SENT, "103")], worker="second")
    assert ledger.summary("r").unknown == 1
    ledger.settle([Settlement(first.request_id, SendState.ACCEPTED, "100", "id-1")], worker="first")
    assert ledger.summary("r").accepted == 1
    ledger.settle([Settlement(second.request_id, SendState.UNKNOWN)], worker="second")
    assert ledger.summary("r").accepted == 1


LEASE_AND_MORE = 2.0
assert pendulum
assert Quirks


def test_a_sandbox_client_runs_apart(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """The ledger has it marked, under a key of its own, so that the real run skips nobody; nothing waits for it."""
    bench = make_bench(sqlite_url, people(40))
    checked = bench.send(client=bench.client(sandbox=True))
    assert (checked.sandbox, checked.accepted, bench.gateway.message_count) == (True, 40, 0)
    about = bench.books.run_about(f"sandbox/{bench.run_key}")
    assert about["sandbox"] == "yes"
    for look in (lambda: target_of_run(bench.books, checked.run.run_key), lambda: bench.reconcile()):
        bench.run_key, real = checked.run.run_key, bench.run_key
        with pytest.raises(InvalidRequestError, match="is of a sandbox"):
            look()
        bench.run_key = real
    assert bench.send().complete
    bench.check_complete()


def test_recipients_stream_from_postgresql(postgres: PostgresServer) -> None:
    """A query in a real PostgreSQL is a source like a file, parameters and Vietnamese text included."""
    url = new_ledger(postgres)[0].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE vip (id serial, phone text, name text)"))
        connection.execute(
            sa.text(
                "INSERT INTO vip (phone, name) "
                "SELECT '0901' || lpad(n::text, 6, '0'), 'Chị Hương' FROM generate_series(1, 2500) n"
            )
        )
    engine.dispose()
    query = SqlQuery(url, "SELECT phone, name FROM vip WHERE id > :least ORDER BY id", {"least": 500})
    rows = list(read_recipients(query, Columns(params=["name"])))
    assert (len(rows), rows[0].phone, rows[0].template_params) == (2000, "0901000501", ("Chị Hương",))


def test_reconcile_with_the_wrong_phone_secret_concludes_nothing(tmp_path: Path) -> None:
    """No phone would be found, and everything in doubt would look unsent: refused, and the rows stay in doubt."""
    url = str(tmp_path / "ledger.sqlite")
    with Ledger.open(url, phone_secret="the right one") as ledger:
        ledger.begin_run("r", "zns", {"campaign": "c"})
    gateway = Emulator()
    with gateway.serve() as server, EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url) as client:
        for secret in (None, "another"):
            with (
                Ledger.open(url, phone_secret=secret) as ledger,
                pytest.raises(InvalidRequestError, match="another secret"),
            ):
                reconcile(client, ledger, "r", not_sent_after_seconds=0)


def test_reconcile_at_another_gateway_concludes_nothing(tmp_path: Path) -> None:
    """Where not even the accepted rows are to be found, missing rows prove nothing."""
    moments = [pendulum.now("Asia/Ho_Chi_Minh").at(12)]
    with Ledger.open(tmp_path / "ledger.sqlite", now=lambda: moments[0]) as ledger:
        ledger.begin_run("r", "zns", {"campaign": "c"})
        rows = [LedgerRow(f"090100000{number}", f"090100000{number}", "x", number) for number in range(2)]
        first, second = ledger.claim("r", rows, worker="w", chunk="0").claims
        ledger.settle(
            [
                Settlement(first.request_id, SendState.ACCEPTED, "100", "an-id"),
                Settlement(second.request_id, SendState.UNKNOWN),
            ],
            worker="w",
        )
        moments[0] = moments[0].add(hours=2)
        other = Emulator()
        with other.serve() as server, EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url) as client:
            result = reconcile(client, ledger, "r", not_sent_after_seconds=3600)
        assert (result.not_sent, result.run.unknown, result.run.accepted) == (0, 1, 1)
