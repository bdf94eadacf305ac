"""
Kill -9 x database x threads x gateway fault -> messages per recipient, from actual runs.

    python tests/sending/crash_matrix.py        # writes docs/crash-matrix.md anew

`test_bulk_crash_matrix.py` plays the same combinations, and fails when one of them does not give its line of the page.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulk_bench import DATABASES, POSTGRESQL, SQLITE, Bench, SenderFactory, new_ledger, open_bench, people
from postgres_server import PostgresServer
from sender_child import AFTER_CLAIM, BEFORE_CLAIM, BEFORE_SETTLE

from esms_connectors.emulator.faults import (
    cut_body,
    drop_after,
    drop_before,
    html,
    http_status,
    rate_limit,
    refuse_taken,
    slow,
)

PAGE = Path(__file__).parents[2] / "docs" / "crash-matrix.md"

AFTER_ACCEPTANCE = "accepted, answer not yet read"
KILLS = (BEFORE_CLAIM, AFTER_CLAIM, AFTER_ACCEPTANCE, BEFORE_SETTLE)
NEVER = "none"
# The chunk that a sender is killed at.
KILLED_AT = 4
THREADS = (1, 8)
FUNCTIONS = {
    "zns": "send_zns_bulk",
    "customer care": "send_customer_care_sms",
    "advertising": "send_advertising_sms",
}
# Ten calls, six, nine; and five.
ROWS = {"zns": 200, "customer care": 120, "advertising": 650}
FEWER_ROWS = 100
BLOCKED_EVERY = 97
# Of the first attempts; what is lost, is lost twice as often as not before the call gives up.
SHARE = 0.45


def _fault(fault: object) -> Callable[[Bench, str], None]:
    return lambda bench, function: bench.gateway.faults.add(function, fault, probability=SHARE)


def _slow(bench: Bench, function: str) -> None:
    bench.read_seconds = 0.25
    bench.gateway.faults.add(function, slow(0.5), probability=0.25)


def _slow_before(bench: Bench, function: str) -> None:
    bench.read_seconds = 0.25
    bench.gateway.faults.add(function, slow(0.5, "before"), probability=0.25)


def _duplicate_with_id(bench: Bench, function: str) -> None:
    bench.gateway.quirks.duplicate_with_smsid = True
    _fault(drop_after())(bench, function)


def _detail(kind: str) -> Callable[[Bench, str], None]:
    def set_up(bench: Bench, _function: str) -> None:
        bench.gateway.quirks.bulk_detail = kind

    return set_up


def _poor(bench: Bench, _function: str) -> None:
    # 300 a ZNS: half of the run.
    bench.gateway.set_balance(300 * len(bench.recipients) // 2 + 100)


def _ids_ignored(fault: object) -> Callable[[Bench, str], None]:
    def set_up(bench: Bench, function: str) -> None:
        bench.gateway.quirks.bulk_request_id_ignored = True
        bench.forget_request_ids()
        _fault(fault)(bench, function)

    return set_up


FAULTS: dict[str, Callable[[Bench, str], None]] = {
    "dropped, not processed": _fault(drop_before()),
    "dropped, processed (repeat answered 124, no SMSID)": _fault(drop_after()),
    "dropped, processed (repeat answered 124 with SMSID)": _duplicate_with_id,
    "HTTP 503, not processed": _fault(http_status(503)),
    "HTTP 500, processed": _fault(http_status(500, "after")),
    "slower than the timeout, processed": _slow,
    "slower than the timeout, processed late": _slow_before,
    "web page, not processed": _fault(html()),
    "web page, processed": _fault(html(processed=True)),
    "body cut off, processed": _fault(cut_body()),
    "rejects left out of `detail`": _detail("without_rejected"),
    "`detail` shuffled": _detail("shuffled"),
    "random rows missing from `detail`": _detail("random_rows_missing"),
    "`detail` without SMSID": _detail("without_smsid"),
    "balance used up half-way (103)": _poor,
    "dropped, processed, request ids ignored and never tested": _ids_ignored(drop_after()),
    "refused (99) after half was taken, request ids ignored and never tested": _ids_ignored(refuse_taken("99")),
}


def _account_refused(bench: Bench, function: str) -> None:
    # From the fourth call on: earlier, the run might be over before the moment of the kill has come.
    first = bench.gateway.call_count(function) + KILLED_AT
    bench.gateway.faults.add(function, refuse_taken("103"), probability=SHARE, calls=range(first, first + 1000))


def _repeats_refused(bench: Bench, function: str) -> None:
    bench.gateway.quirks.repeat_refused_with = "146"
    _fault(drop_after())(bench, function)


def _without_date(bench: Bench, function: str) -> None:
    bench.gateway.quirks.date_header = "missing"
    _fault(drop_after())(bench, function)


def _listing(**quirks: Any) -> Callable[[Bench, str], None]:
    """Ids ignored as well, so that only the sent data keeps anybody from a second message."""

    def set_up(bench: Bench, function: str) -> None:
        for name, value in quirks.items():
            setattr(bench.gateway.quirks, name, value)
        _ids_ignored(drop_after())(bench, function)

    return set_up


# Each with one database and one moment of a kill, in turn.
MORE_FAULTS: dict[str, Callable[[Bench, str], None]] = {
    "refused (103) after half was taken": _account_refused,
    "refused (110) after half was taken, `detail` names those": _fault(refuse_taken("110", detail="taken")),
    "refused (99) after half was taken, wrong TotalSuccess": _fault(refuse_taken("99", total_success="wrong")),
    "HTTP 429 from something in front, processed": _fault(rate_limit("http_429", retry_after=0, when="after")),
    "dropped, processed, the repeat refused with 146": _repeats_refused,
    "dropped, processed, answers without Date": _without_date,
    "dropped, processed, request ids ignored, campaigns in capitals": _listing(campaign_echo="upper"),
    "dropped, processed, request ids ignored, windows by the day only": _listing(sent_data_span="days"),
    "dropped, processed, request ids ignored, no CountTotal": _listing(count_total="missing"),
}
ALL_FAULTS = FAULTS | MORE_FAULTS
NO_FAULT = "none"


@dataclass(frozen=True)
class Combination:
    """One line of the page."""

    channel: str
    kill: str
    database: str
    threads: int
    fault: str

    @property
    def rows(self) -> int:
        return ROWS[self.channel] if self.fault not in MORE_FAULTS else FEWER_ROWS

    def __str__(self) -> str:
        return f"{self.channel}, kill: {self.kill}, {self.database}, {self.threads} threads, fault: {self.fault}"


def combinations() -> list[Combination]:
    """Each kill with each database and number of threads; each fault with each database; and a choice of both."""
    chosen = [
        Combination("zns", kill, database, threads, NO_FAULT)
        for kill in KILLS
        for database in DATABASES
        for threads in THREADS
    ]
    chosen += [
        Combination(channel, kill, database, 8, NO_FAULT)
        for channel in ("customer care", "advertising")
        for kill in KILLS
        for database in DATABASES
    ]
    for place, fault in enumerate(FAULTS):
        chosen += [
            Combination("zns", NEVER, database, THREADS[(place + other) % 2], fault)
            for other, database in enumerate(DATABASES)
        ]
        # Each fault with two of the moments and both databases, each moment with half of the faults.
        chosen += [
            Combination("zns", KILLS[(place + 2 * other) % 4], DATABASES[(place // 4 + other) % 2],
                        THREADS[(place // 2 + other + 1) % 2], fault)
            for other in (0, 1)
        ]  # fmt: skip
    for place, fault in enumerate(MORE_FAULTS):
        chosen += [
            Combination("zns", NEVER, DATABASES[place % 2], 8, fault),
            Combination("zns", KILLS[place % 4], DATABASES[(place + 1) % 2], 8, fault),
        ]
    return chosen


def play(bench: Bench, combination: Combination) -> str:
    """Run it: until it is killed, then again and again until everybody is accounted for. Gives its line of the page."""
    channel, function = combination.channel, FUNCTIONS[combination.channel]
    bench.recipients = people(combination.rows)
    bench.lease_seconds = 0.5
    bench.threads, bench.chunk_size = combination.threads, 80 if channel == "advertising" else 20
    if channel != "advertising":
        # One bad number makes the gateway refuse a whole batch of advertising.
        bench.block(BLOCKED_EVERY)
    if combination.fault != NO_FAULT:
        ALL_FAULTS[combination.fault](bench, function)
    if combination.kill == NEVER:
        again(bench, channel)
    else:
        _kill(bench, combination, function)
    after_kill = max(bench.look().values(), default=0)
    assert after_kill <= 1
    # Those that no answer ever accounts for stay open however often it is sent.
    states: dict[str, str] = {}
    for attempt in itertools.count():
        if attempt == 1 and combination.fault.startswith("rejects"):
            break
        # A busy machine gets few rows through before their lease ends, so it goes on for as long as something changes.
        if attempt >= 6 and states == bench.states():
            break
        states = bench.states()
        if combination.fault.startswith("balance"):
            bench.gateway.set_balance(10**9)
        if attempt == 3:
            bench.gateway.faults.clear()
            bench.gateway.quirks.bulk_detail = "complete"
        if again(bench, channel):
            break
        if channel != "advertising":
            # What was late has been processed by then.
            time.sleep(0.6 if combination.fault.startswith("slower") else 0)
            bench.reconcile(not_sent_after_seconds=0)
    bench.check_agreement()
    delivered, states = bench.look(), bench.states()
    valid = [one.row_key for one in bench.recipients if one.phone not in bench.blocked]
    invalid = [one.row_key for one in bench.recipients if one.phone in bench.blocked]
    total = bench.books.summary(bench.run_key).total
    return (
        f"| {channel} | {combination.kill} | {combination.database} | {combination.threads} | {combination.fault} "
        f"| {bench.most} | {sum(delivered[key] == 1 and states[key] == 'accepted' for key in valid)} of {len(valid)} "
        f"| {sum(delivered[key] for key in invalid)} of {len(invalid)} | {told(states, invalid)} | {total} |"
    )


def told(states: dict[str, str], keys: list[str]) -> str:
    """What the ledger says of some rows; two words for two states would be two answers to one question."""
    return " / ".join(sorted({states[key] for key in keys})).replace("_", " ") or "-"


def again(bench: Bench, channel: str) -> bool:
    """The same call once more; whether it left nothing open."""
    if channel == "zns":
        return bench.send().complete
    bench.send_sms(advertising=channel == "advertising")
    return bench.books.summary(bench.run_key).unsettled == 0 and len(bench.states()) == len(bench.recipients)


def _kill(bench: Bench, combination: Combination, function: str) -> None:
    known, accepted, lock = threading.Event(), [0], threading.Lock()
    pids: list[int] = []

    def strike(call: object) -> None:
        if not call.accepted:
            return
        with lock:
            accepted[0] += 1
            if accepted[0] != KILLED_AT:
                return
        known.wait(240)
        os.kill(pids[0], signal.SIGKILL)

    job = {"channel": combination.channel.replace(" ", "_")}
    if combination.kill == AFTER_ACCEPTANCE:
        bench.gateway.on_call(function, strike, when="after")
    else:
        job |= {"moment": combination.kill, "nth": KILLED_AT}
    # On a busy machine the leases of its own claims end before it sends, and it may stop with rows open.
    for _ in range(10):
        sender = bench.start(**job)
        pids[:] = [sender.pid]
        known.set()
        if sender.wait() == -signal.SIGKILL:
            break
    else:
        raise AssertionError("it was not killed")
    # What the gateway had received by then, it goes on to process.
    bench.server.refuse_connections()
    bench.server.accept_connections()


HEAD = """# Outcomes of crashes

Written by `python tests/sending/crash_matrix.py` from actual runs; `tests/sending/test_bulk_crash_matrix.py` repeats
every line and fails when the result differs. The sender is a separate process and really killed (`SIGKILL`), the
gateway is the emulator behind a socket in another process, PostgreSQL is a real server.

- **killed**: the point at which the sender is killed, at its 4th chunk. *accepted, answer not yet read*: the gateway
  kills it after it has accepted the messages and before it answers.
- **fault**: the gateway's fault during the run, in 45 % of the calls (25 % for slow ones), seeded; or in every answer.
- Then the same call is repeated until nothing is open, with a top-up after 103; in between, rows still in doubt are
  reconciled with a settling time of 0. From the fourth time on the gateway has no faults. `detail` without the rejects
  leaves those in doubt permanently, because no answer reports them.

These combinations run: every point x database x threads without a fault, and for the other two kinds of message every
point x database with 8 threads; every fault x database without a kill; every fault with two of the four points and
both databases, threads alternating; and some more faults, each once without a kill and once with one, on the two
databases. This is not the full product, which would have {product} lines.

*most*: the most messages that any recipient got, checked after the kill and after every run. *sent once*: valid
recipients with exactly one message whose row says accepted. *blocked, sent*: messages to numbers that the gateway
refuses, and their state in the ledger. *rows*: in the summary at the end.

| message | killed | database | threads | fault | most | sent once | blocked, sent | blocked rows are | rows |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page_head() -> str:
    product = len(FUNCTIONS) * (len(KILLS) + 1) * len(DATABASES) * len(THREADS) * (len(ALL_FAULTS) + 1)
    return HEAD.replace("{product}", str(product))


def main() -> None:
    lines = []
    factory, postgres = SenderFactory(), PostgresServer()
    try:
        for combination in combinations():
            with tempfile.TemporaryDirectory() as folder:
                url = f"sqlite:///{folder}/ledger.sqlite" if combination.database == SQLITE else new_ledger(postgres)[0]
                with open_bench(url, factory, Path(folder)) as bench:
                    lines.append(play(bench, combination))
                    sys.stderr.write(lines[-1] + "\n")
    finally:
        factory.close()
        postgres.close()
    PAGE.write_text(page_head() + "\n".join(lines) + "\n", encoding="utf-8")


assert DATABASES == (SQLITE, POSTGRESQL)

if __name__ == "__main__":
    main()
