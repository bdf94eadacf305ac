"""Rows of one phone, and channels whose rows go together: nobody gets a message twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bulk_bench import ADVERTISING, CARE, ZNS, Bench, people, phone_of

from esms_connectors.emulator import (
    EmulatorConfig,
)
from esms_connectors.emulator.faults import drop_after, drop_before
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Recipient

# --- the same phone twice ----------------------------------------------------------------------------------------


def _doubled(count: int) -> list[Recipient]:
    rows = people(count)
    again = [
        Recipient(one.phone, ("Lần hai", *one.template_params[1:]), f"{one.phone}#2", 1000 + one.line)
        for one in rows[::3]
    ]
    return sorted([*rows, *again], key=lambda one: (one.phone, one.row_key))


@pytest.mark.in_turn
@pytest.mark.parametrize("taken", [True, False])
def test_two_rows_of_one_phone_get_two_messages_in_separate_calls(
    ledger_url: str, make_bench: Callable[..., Bench], taken: bool
) -> None:
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


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("echo", ["exact", "upper"])
def test_accepted_message_does_not_settle_another_row_of_the_phone(
    sqlite_url: str, make_bench: Callable[..., Bench], echo: str
) -> None:
    """The first row of each phone was taken, the second never arrived; ids may be listed in capitals."""
    bench = make_bench(sqlite_url, _doubled(30))
    bench.gateway.quirks.id_echo = echo
    bench.send([one for one in bench.recipients if "#" not in one.row_key])
    bench.gateway.faults.add(ZNS, drop_before())
    bench.send()
    bench.gateway.faults.clear()
    bench.clock.move(2 * 3600.0)
    found = bench.reconcile(not_sent_after_seconds=3600)
    assert (found.looked_for, found.accepted, found.not_sent) == (10, 0, 10)
    bench.send()
    bench.check_complete()


@pytest.mark.in_turn(every=3)
def test_reconcile_matches_a_message_to_the_accepted_row(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
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


@pytest.mark.in_turn(every=3)
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


@pytest.mark.in_turn(every=3)
def test_reconcile_ignores_rows_sent_while_it_reads(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """While the sent data is read, a run sends the rows and loses the answers: they must not become "not sent"."""
    bench = make_bench(sqlite_url, people(50))
    bench.lose_every_call(taken=False)

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


@pytest.mark.in_turn
@pytest.mark.parametrize("seed", range(4))
def test_lost_advertising_batches_are_repeated_unchanged(
    ledger_url: str, make_bench: Callable[..., Bench], seed: int
) -> None:
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


@pytest.mark.in_turn
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


def test_reconcile_of_advertising_is_rejected(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """Advertising carries no campaign: an error says so, and no row changes."""
    bench = make_bench(sqlite_url, people(60))
    bench.gateway.faults.add(ADVERTISING, drop_after())
    bench.send_sms(advertising=True)
    with pytest.raises(InvalidRequestError, match="advertising"):
        bench.reconcile(not_sent_after_seconds=0)
    assert Counter(bench.states().values()) == {"unknown": 60}


@pytest.mark.in_turn
def test_customer_care_rows_are_sent_one_by_one_with_their_own_text(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
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
