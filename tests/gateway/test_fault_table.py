"""Fault x function -> outcome: what must come out, how often the gateway may be called, and what may be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fault_table import (
    API_KEY,
    FUNCTIONS,
    IDS_NOT_SEEN,
    IN_DOUBT,
    MODES,
    MORE_FAULTS,
    PAGE,
    SECRET_KEY,
    FaultBench,
    more_head,
    more_line,
    page_head,
    rows,
    table_line,
)
from leaks import leaks_in
from more_samples import MORE_SENDS
from samples import ADVERTISING_PHONES, ANOTHER_PHONE, KEYED_SENDS, PHONE, SENDS

from esms_connectors.gateway.endpoints import ENDPOINTS, Effect, RequestIds

pytestmark = pytest.mark.slow

# (outcome, calls, was it sent): of a send with a request id, or, where the two differ, of one for a single message and
# one for many; of the XML send; of a read.
UNKNOWN, NOT_SENT = "OutcomeUnknownError", "NotSentError"
REPEATED, GIVEN_UP = ("accepted", 2, True), (UNKNOWN, 3, False)
WON_EARLIER, WON_IN_VAIN = ("accepted (duplicate)", 2, True), (UNKNOWN, 3, True)
XML_LOST, XML_TAKEN = (UNKNOWN, 1, False), (UNKNOWN, 1, True)
READ_AGAIN, READ_IN_VAIN = ("read", 2, False), (UNKNOWN, 3, False)

LOST_BEFORE = {"once": (REPEATED, XML_LOST, READ_AGAIN), "always": (GIVEN_UP, XML_LOST, READ_IN_VAIN)}
LOST_AFTER = {"once": (WON_EARLIER, XML_TAKEN, READ_AGAIN), "always": (WON_IN_VAIN, XML_TAKEN, READ_IN_VAIN)}


# What stands in front of a gateway says it of reads and sends alike.
LIMITED_READ = {"once": READ_AGAIN, "always": ("RateLimitedError", 3, False)}
LIMITED_BEFORE = {mode: (*LOST_BEFORE[mode][:2], LIMITED_READ[mode]) for mode in MODES}
LIMITED_AFTER = {mode: (*LOST_AFTER[mode][:2], LIMITED_READ[mode]) for mode in MODES}


def both_modes(*outcome: Any) -> dict[str, tuple[Any, Any, Any]]:
    return dict.fromkeys(MODES, (outcome, outcome, outcome))


def refusal(name: str, *, single: str = IN_DOUBT, sent: bool = False) -> dict[str, tuple[Any, ...]]:
    """Of one message, of many, over the XML route, of a read. It is not repeated, so once is as always."""
    doubtful = (name + IN_DOUBT, 1, sent)
    return dict.fromkeys(MODES, ((name + single, 1, sent), doubtful, doubtful, (name, 1, False)))


EXPECTED = {
    "connection refused (port closed)": {
        "once": (("accepted", 1, True), ("accepted", 1, True), ("read", 1, False)),
        "always": ((NOT_SENT, 0, False),) * 3,
    },
    "connection reset, nothing processed": LOST_BEFORE,
    "connection dropped, nothing processed": LOST_BEFORE,
    "connection dropped, processed": LOST_AFTER,
    "HTTP 503, nothing processed": LOST_BEFORE,
    "HTTP 503 with Retry-After: 0": LOST_BEFORE,
    "HTTP 500, processed": LOST_AFTER,
    # The repeat overtakes the first attempt, and it is the first that is held back.
    "no answer in time, processed late": {
        "once": (REPEATED, XML_TAKEN, READ_AGAIN),
        "always": (WON_IN_VAIN, XML_TAKEN, READ_IN_VAIN),
    },
    "no answer in time, processed": LOST_AFTER,
    "web page with HTTP 200, nothing processed": LOST_BEFORE,
    "web page with HTTP 200, processed": LOST_AFTER,
    "empty body, processed": LOST_AFTER,
    "body cut off, processed": LOST_AFTER,
    "body not UTF-8, processed": LOST_AFTER,
    "redirect (307)": both_modes(UNKNOWN, 1, False),
    "web page with HTTP 404": both_modes(UNKNOWN, 1, False),
    "code 101 (keys)": both_modes("AuthenticationError", 1, False),
    # About one message it is settled, about many it is not.
    "code 103 (balance)": refusal("BalanceError", single=""),
    "code 140 (address)": both_modes("AddressNotAllowedError", 1, False),
    "code 160 (rate)": {
        "once": (("accepted", 2, True), ("RateLimitedError" + IN_DOUBT, 1, False), READ_AGAIN),
        "always": (
            ("RateLimitedError", 3, False),
            ("RateLimitedError" + IN_DOUBT, 3, False),
            ("RateLimitedError" + IN_DOUBT, 1, False),
            ("RateLimitedError", 3, False),
        ),
    },
    "code 555 (in no table)": dict.fromkeys(
        MODES,
        (
            ("UnlistedSendCodeError" + IN_DOUBT, 1, False),
            ("UnlistedSendCodeError" + IN_DOUBT, 1, False),
            ("UnlistedCodeError", 1, False),
        ),
    ),
    "code 103 with a message id, half taken": refusal("BalanceError", sent=True),
    "code 99 with a message id, half taken, `detail` tells which": refusal("RecipientError", sent=True),
    "HTTP 429 with Retry-After: 0, nothing processed": LIMITED_BEFORE,
    "HTTP 429 with Retry-After: 0, processed": LIMITED_AFTER,
}
# Where one function is told more than the others.
TOLD_MORE = {
    ("code 99 with a message id, half taken, `detail` tells which", name): "1 accepted, 0 rejected, 1 unknown"
    for name in ("send_zns_bulk", IDS_NOT_SEEN)
}
FOR_MANY = ("send_advertising_sms", "send_zns_bulk")
MESSAGES = {"send_advertising_sms": 30, "send_customer_care_sms_xml": 2, "send_zns_bulk": 2, IDS_NOT_SEEN: 2}


@pytest.fixture(scope="module")
def bench() -> Iterator[FaultBench]:
    with FaultBench() as running:
        yield running


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(("fault", "mode"), rows(), ids=[f"{fault}-{mode}" for fault, mode in rows()])
def test_each_function_meets_each_fault_with_the_documented_outcome(bench: FaultBench, fault: str, mode: str) -> None:
    """Each function meets each fault with the outcome of its kind; no phone gets two messages; nothing leaks."""
    cells = {function: bench.run(fault, mode, function) for function in FUNCTIONS}

    for function, cell in cells.items():
        *keyed, xml, read = EXPECTED[fault][mode]
        by_kind = keyed[-1 if function in FOR_MANY else 0]
        if function not in KEYED_SENDS:
            # What is not seen to hold back a repeat is treated as what surely does not.
            by_kind = xml if function in (*SENDS, IDS_NOT_SEEN) else read
        outcome, calls, sent = by_kind
        assert (cell.outcome, cell.calls) == (TOLD_MORE.get((fault, function), outcome), calls), function
        messages = MESSAGES.get(function, 1)
        assert cell.accepted == (((messages + 1) // 2 if "half" in fault else messages) if sent else 0), function
        assert cell.per_phone <= 1, function
        if cell.outcome not in ("read", NOT_SENT) and fault != "connection refused (port closed)":
            assert cell.attempts == cell.calls, function
        text = "\n".join(cell.shown)
        phones = (PHONE, ANOTHER_PHONE, ADVERTISING_PHONES[0], ADVERTISING_PHONES[-1])
        assert leaks_in(text, (API_KEY, SECRET_KEY), phones) == [], function
    assert table_line(fault, mode, cells) in PAGE.read_text(encoding="utf-8").splitlines(), (
        "docs/fault-table.md is out of date: run python tests/gateway/fault_table.py"
    )


# Outcome and calls for each of MORE_FAULTS: under a sure request id, without one, and of what charges.
MORE_EXPECTED = {
    "sure": (
        (NOT_SENT, 0),
        ("accepted", 2),
        ("accepted (duplicate)", 2),
        (UNKNOWN, 3),
        ("BalanceError", 1),
        ("accepted", 2),
    ),
    "unsure": ((NOT_SENT, 0), (UNKNOWN, 1), (UNKNOWN, 1), (UNKNOWN, 1), ("BalanceError", 1), ("accepted", 2)),
    "charges": ((NOT_SENT, 0), (UNKNOWN, 1), (UNKNOWN, 1), (UNKNOWN, 1), ("BalanceError", 1), ("RateLimitedError", 1)),
    # About many a refusal settles nothing.
    "many": (
        *((NOT_SENT, 0), (UNKNOWN, 1), (UNKNOWN, 1), (UNKNOWN, 1)),
        *(("BalanceError" + IN_DOUBT, 1), ("RateLimitedError" + IN_DOUBT, 1)),
    ),
}


def kind_of(name: str) -> str:
    endpoint = ENDPOINTS[name]
    if endpoint.effect is Effect.CHARGE:
        return "charges"
    if endpoint.min_items > 1:
        return "many"
    return "sure" if endpoint.request_ids is RequestIds.DOCUMENTED else "unsure"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", MORE_SENDS)
def test_every_other_sending_or_charging_function_has_the_outcome_of_its_kind(bench: FaultBench, name: str) -> None:
    """Taken once at most; the call that was lost is repeated under a sure request id alone; nothing leaks."""
    cells = [bench.run(fault, mode, name) for fault, mode in MORE_FAULTS]

    assert tuple((cell.outcome, cell.calls) for cell in cells) == MORE_EXPECTED[kind_of(name)]
    for cell in cells:
        assert cell.per_phone <= 1
        assert cell.accepted <= ENDPOINTS[name].min_items
        text = "\n".join(cell.shown)
        assert leaks_in(text, (API_KEY, SECRET_KEY), (PHONE, ADVERTISING_PHONES[0])) == []
    assert more_line(name, cells) in PAGE.read_text(encoding="utf-8").splitlines()


def test_fault_table_page_lists_exactly_the_tested_faults() -> None:
    """docs/fault-table.md has its head and one line a fault and mode, in order."""
    page = PAGE.read_text(encoding="utf-8")
    first, second = page.removeprefix(page_head()).split(more_head())
    lines = first.splitlines()

    assert page.startswith(page_head())
    assert [tuple(line.split(" | ")[:2]) for line in lines] == [(f"| {fault}", mode) for fault, mode in rows()]
    assert [line.split("`")[1] for line in second.splitlines()] == list(MORE_SENDS)
