"""A row whose fate is not proven keeps its request id and its doubt; only evidence about that row settles it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from bulk_bench import Bench, people, phone_of

from esms_connectors.emulator import code, drop_after, http_status
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import SendState

ZNS, CARE = "send_zns_bulk", "send_customer_care_sms"


@pytest.mark.parametrize("state", ["accepted", "in doubt", "not sent", "rejected"])
def test_a_corrected_phone_is_another_row(ledger_url: str, make_bench: Callable[..., Bench], state: str) -> None:
    """The same key with another phone: an error with line and field, and neither number gets anything by that call."""
    rows = [replace(one, row_key=f"order-{one.line}") for one in people(60)]
    bench = make_bench(ledger_url, rows)
    if state == "in doubt":
        bench.gateway.faults.add(ZNS, drop_after())
    elif state == "not sent":
        bench.gateway.set_balance(0)
    elif state == "rejected":
        bench.gateway.block_phone(rows[7].phone)
    bench.send(row_key="order")
    bench.gateway.faults.clear()
    bench.gateway.set_balance(10**9)
    before = bench.look()
    corrected = list(rows)
    corrected[7] = replace(rows[7], phone=phone_of(999))
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"line 7 .* another phone") as raised:
            bench.send(corrected, row_key="order", threads=1)
        assert (raised.value.field, raised.value.row) == ("phone", 7)
        assert bench.gateway.deliveries_by_phone() == before
        bench.reconcile()
    assert phone_of(999) not in bench.gateway.deliveries_by_phone()


def test_an_erased_person_is_no_conflict(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Whose phone was taken out of the ledger is still the same row: settled, and sent again only when released."""
    bench = make_bench(ledger_url, [replace(one, row_key=f"order-{one.line}") for one in people(20)])
    bench.send(row_key="order")
    bench.books.erase(phone_of(3))
    assert bench.send(row_key="order").complete
    assert bench.gateway.message_count == 20
    bench.books.release(bench.run_key, [bench.books.request_id(bench.run_key, "order-3")], "asked for")
    bench.recipients += [replace(bench.recipients[3], row_key="again")]
    assert bench.send(bench.recipients[:20], row_key="order").complete
    assert bench.look()[phone_of(3)] == 2


@pytest.mark.parametrize("refusal", ["99", "108", "790", "103", "102"])
@pytest.mark.parametrize("channel", [ZNS, CARE])
def test_a_row_in_doubt_that_is_refused_later_stays_in_doubt(
    ledger_url: str, make_bench: Callable[..., Bench], channel: str, refusal: str
) -> None:
    """Taken, answer lost, refused by a later call: in doubt, never "rejected", so nobody sends the rejects again."""
    bench = make_bench(ledger_url, people(20))
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
    assert Counter(bench.states().values()) == {"unknown": 20}
    assert list(bench.books.rows(bench.run_key, SendState.REJECTED)) == []
    bench.gateway.faults.clear()
    send()
    bench.look()
    bench.reconcile()
    bench.check_complete()
