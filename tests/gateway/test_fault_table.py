"""Fault x function -> outcome: what must come out, how often the gateway may be called, and what may be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fault_table import API_KEY, FUNCTIONS, MODES, PAGE, SECRET_KEY, FaultBench, page_head, rows, table_line
from leaks import leaks_in
from samples import ADVERTISING_PHONES, ANOTHER_PHONE, KEYED_SENDS, PHONE, SENDS

# (outcome, calls, was it sent) for a send with a request id, the XML send, and a read.
UNKNOWN, NOT_SENT = "OutcomeUnknownError", "NotSentError"
REPEATED, GIVEN_UP = ("accepted", 2, True), (UNKNOWN, 3, False)
WON_EARLIER, WON_IN_VAIN = ("accepted (duplicate)", 2, True), (UNKNOWN, 3, True)
XML_LOST, XML_TAKEN = (UNKNOWN, 1, False), (UNKNOWN, 1, True)
READ_AGAIN, READ_IN_VAIN = ("read", 2, False), (UNKNOWN, 3, False)

LOST_BEFORE = {"once": (REPEATED, XML_LOST, READ_AGAIN), "always": (GIVEN_UP, XML_LOST, READ_IN_VAIN)}
LOST_AFTER = {"once": (WON_EARLIER, XML_TAKEN, READ_AGAIN), "always": (WON_IN_VAIN, XML_TAKEN, READ_IN_VAIN)}


def both_modes(*outcome: Any) -> dict[str, tuple[Any, Any, Any]]:
    return dict.fromkeys(MODES, (outcome, outcome, outcome))


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
    "code 103 (balance)": both_modes("BalanceError", 1, False),
    "code 140 (address)": both_modes("AddressNotAllowedError", 1, False),
    "code 160 (rate)": {
        "once": (("accepted", 2, True), ("accepted", 2, True), READ_AGAIN),
        "always": (("RateLimitedError", 3, False),) * 3,
    },
    "code 555 (in no table)": dict.fromkeys(
        MODES,
        (("UnlistedSendCodeError", 1, False), ("UnlistedSendCodeError", 1, False), ("UnlistedCodeError", 1, False)),
    ),
    "HTTP 429 with Retry-After: 0": {
        "once": (("accepted", 2, True), ("accepted", 2, True), READ_AGAIN),
        "always": (("RateLimitedError", 3, False),) * 3,
    },
}
MESSAGES = {"send_advertising_sms": 30, "send_customer_care_sms_xml": 2, "send_zns_bulk": 2}


@pytest.fixture(scope="module")
def bench() -> Iterator[FaultBench]:
    with FaultBench() as running:
        yield running


@pytest.mark.parametrize(("fault", "mode"), rows(), ids=[f"{fault}-{mode}" for fault, mode in rows()])
def test_a_fault_comes_to_the_same_every_time(bench: FaultBench, fault: str, mode: str) -> None:
    """Each function meets each fault with the outcome of its kind; no phone gets two messages; nothing leaks."""
    cells = {function: bench.run(fault, mode, function) for function in FUNCTIONS}

    for function, cell in cells.items():
        kind = 0 if function in KEYED_SENDS else 1 if function in SENDS else 2
        outcome, calls, sent = EXPECTED[fault][mode][kind]
        assert (cell.outcome, cell.calls) == (outcome, calls), function
        assert cell.accepted == (MESSAGES.get(function, 1) if sent else 0), function
        assert cell.per_phone <= 1, function
        if cell.outcome not in ("read", NOT_SENT) and fault != "connection refused (port closed)":
            assert cell.attempts == cell.calls, function
        text = "\n".join(cell.shown)
        phones = (PHONE, ANOTHER_PHONE, ADVERTISING_PHONES[0], ADVERTISING_PHONES[-1])
        assert leaks_in(text, (API_KEY, SECRET_KEY), phones) == [], function
    assert table_line(fault, mode, cells) in PAGE.read_text(encoding="utf-8").splitlines(), (
        "docs/fault-table.md is out of date: run python tests/gateway/fault_table.py"
    )


def test_the_page_has_these_faults_and_no_others() -> None:
    """docs/fault-table.md has its head and one line a fault and mode, in order."""
    page = PAGE.read_text(encoding="utf-8")
    lines = page.removeprefix(page_head()).splitlines()

    assert page.startswith(page_head())
    assert [tuple(line.split(" | ")[:2]) for line in lines] == [(f"| {fault}", mode) for fault, mode in rows()]
