"""
Fault x function -> outcome, from actual calls over a real socket.

    python tests/gateway/fault_table.py        # writes docs/fault-table.md anew

`test_fault_table.py` says what must come out; the page shows what does.
"""

from __future__ import annotations

import io
import logging
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pendulum
from more_samples import MORE_SENDS, SEEN_AS, prepared
from samples import READS, SENDS, call_sample

from esms_connectors import (
    BulkSubmission,
    Credentials,
    EsmsClient,
    EsmsError,
    GatewayError,
    RetryPolicy,
    Submission,
    Timeouts,
)
from esms_connectors.emulator import Emulator, EmulatorConfig, EmulatorServer, VirtualClock, default_account
from esms_connectors.emulator.faults import (
    Fault,
    code,
    cut_body,
    drop_after,
    drop_before,
    empty_body,
    html,
    http_status,
    not_utf8,
    rate_limit,
    redirect,
    refuse_before,
    refuse_taken,
    slow,
)
from esms_connectors.gateway.endpoints import ENDPOINTS, SEND_ZNS_BULK, RequestIds
from esms_connectors.gateway.request_ids import IdFact

PAGE = Path(__file__).parents[2] / "docs" / "fault-table.md"
NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
ATTEMPTS = 3
# Short for the slow answers only: a busy machine may take a while for the others.
READ_TIMEOUT_SECONDS, SLOW_SECONDS = 0.4, 1.0

# Canaries: characters that URLs, JSON and XML escape, and letters in both cases.
API_KEY = "CanaryApi+Key/1&2=\"3'4%5\\6"
SECRET_KEY = "CanarySecret?Key;1&2#3'4%5\\\"6"

# The same call by a client that has not seen whether request ids are honoured.
IDS_NOT_SEEN = "send_zns_bulk (ids not seen to be honoured)"
FUNCTIONS = [*SENDS, IDS_NOT_SEEN, "get_sms_sent_data", "get_send_status"]

# None: the port itself is closed.
FAULTS: dict[str, Callable[[], Fault] | None] = {
    "connection refused (port closed)": None,
    "connection reset, nothing processed": refuse_before,
    "connection dropped, nothing processed": drop_before,
    "connection dropped, processed": drop_after,
    "HTTP 503, nothing processed": lambda: http_status(503),
    "HTTP 503 with Retry-After: 0": lambda: http_status(503, retry_after=0),
    "HTTP 500, processed": lambda: http_status(500, "after"),
    "no answer in time, processed late": lambda: slow(SLOW_SECONDS, "before"),
    "no answer in time, processed": lambda: slow(SLOW_SECONDS, "after"),
    "web page with HTTP 200, nothing processed": html,
    "web page with HTTP 200, processed": lambda: html(processed=True),
    "empty body, processed": empty_body,
    "body cut off, processed": cut_body,
    "body not UTF-8, processed": not_utf8,
    "redirect (307)": lambda: redirect("/elsewhere"),
    "web page with HTTP 404": lambda: http_status(404),
    "code 101 (keys)": lambda: code("101"),
    "code 103 (balance)": lambda: code("103"),
    "code 140 (address)": lambda: code("140"),
    "code 160 (rate)": lambda: code("160"),
    "code 555 (in no table)": lambda: code("555"),
    "code 103 with a message id, half taken": lambda: refuse_taken("103", with_id=True),
    "code 99 with a message id, half taken, `detail` tells which": lambda: refuse_taken(
        "99", detail="taken", with_id=True
    ),
    "HTTP 429 with Retry-After: 0, nothing processed": lambda: rate_limit("http_429", retry_after=0),
    "HTTP 429 with Retry-After: 0, processed": lambda: rate_limit("http_429", retry_after=0, when="after"),
}
MODES = ("once", "always")
# What the functions differ in: what was lost before and after it was taken, and what was refused.
MORE_FAULTS = (
    ("connection refused (port closed)", "always"),
    ("connection dropped, nothing processed", "once"),
    ("connection dropped, processed", "once"),
    ("connection dropped, processed", "always"),
    ("code 103 (balance)", "once"),
    ("code 160 (rate)", "once"),
)
# Said of a refusal that does not prove that nothing was taken.
IN_DOUBT = ", in doubt"


@dataclass
class Cell:
    """
    What one call came to.

    Attributes:
        outcome: "accepted", "accepted (duplicate)", "rows", or the name of the error.
        attempts: requests that the client says it made; calls: requests that the gateway saw.
        per_phone: most messages accepted for one phone.
        shown: everything a person or a log collector could read of it.
    """

    outcome: str
    attempts: int
    calls: int
    accepted: int
    per_phone: int
    shown: list[str] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}"
        return f"{self.outcome} · {calls} · {self.accepted} sent"


class _OpensThePort:
    """Gives leave to everything; the second request finds a gateway that is there again."""

    def __init__(self, server: EmulatorServer) -> None:
        self._server, self._asked = server, 0

    def acquire(self, timeout_seconds: float) -> bool:
        self._asked += 1
        if self._asked == 2:
            self._server.accept_connections()
        return True


class FaultBench:
    """One served emulator, and one call after the other against it, each in a fresh world."""

    def __init__(self) -> None:
        account = default_account()
        canary = replace(account, api_key=API_KEY, secret_key=SECRET_KEY)
        self.gateway = Emulator(EmulatorConfig(accounts=(canary,)), VirtualClock(NOON))
        self.server: EmulatorServer = EmulatorServer(self.gateway)

    def __enter__(self) -> FaultBench:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def run(self, fault: str, mode: str, function: str) -> Cell:
        """Make the sample call of `function` while `fault` strikes its first call, or all of them."""
        self.gateway.reset()
        ids_seen, function = function != IDS_NOT_SEEN, function.partition(" ")[0]
        arguments = self._prepared(function)
        make_fault, seen = FAULTS[fault], SEEN_AS.get(function, function)
        before_calls = self.gateway.call_count(seen)
        if make_fault is not None:
            self.gateway.faults.add(seen, make_fault(), next_calls=1 if mode == "once" else None)
        if function in READS and function != "get_sms_sent_data":
            self._store_known_message()
        before = self.gateway.message_count
        with everything_logged() as log, self._new_client(fault, mode) as client:
            if ids_seen:
                client.request_ids.learn(SEND_ZNS_BULK, IdFact(True, NOON))
            if make_fault is None:
                self.server.refuse_connections()
            try:
                cell = self._call(client, function, arguments, log)
            finally:
                self.server.accept_connections()
        self._wait_for_late_calls(seen)
        phones = self.gateway.deliveries_by_phone()
        cell.calls = self.gateway.call_count(seen) - before_calls
        cell.accepted = self.gateway.message_count - before
        cell.per_phone = max(phones.values(), default=0) if function in SENDS or function.startswith("send_") else 0
        return cell

    def _prepared(self, function: str) -> dict[str, Any] | None:
        """The arguments of a further function, with what must be there before."""
        if function not in MORE_SENDS:
            return None
        with EsmsClient(Credentials(API_KEY, SECRET_KEY), self.server.base_url, now=lambda: NOON) as client:
            return prepared(function, client, self.gateway)

    def _store_known_message(self) -> None:
        self.gateway.insert_message(self.gateway.clock.now_ms(), "0901888484", campaign="known", api_key=API_KEY)

    def _new_client(self, fault: str, mode: str) -> EsmsClient:
        return EsmsClient(
            Credentials(API_KEY, SECRET_KEY),
            self.server.base_url,
            retries=RetryPolicy(attempts=ATTEMPTS, first_wait_seconds=0.001, max_wait_seconds=0.002),
            timeouts=Timeouts(read_seconds=READ_TIMEOUT_SECONDS if "in time" in fault else 10),
            throttle=_OpensThePort(self.server) if FAULTS[fault] is None and mode == "once" else None,
            now=lambda: NOON,
        )

    def _call(self, client: EsmsClient, function: str, arguments: dict[str, Any] | None, log: io.StringIO) -> Cell:
        try:
            if arguments is None:
                result = call_sample(function, client, self.gateway)
            else:
                result = getattr(client, function)(**arguments)
        except EsmsError as error:
            shown = [*readings_of(error), log.getvalue(), repr(client)]
            doubt = isinstance(error, GatewayError) and function not in READS and not error.nothing_taken
            outcome = type(error).__name__ + (IN_DOUBT if doubt else "")
            return Cell(outcome, getattr(error, "attempts", 0), 0, 0, 0, shown)
        if isinstance(result, Submission):
            outcome = "accepted (duplicate)" if result.duplicate else "accepted"
        elif isinstance(result, BulkSubmission):
            outcome = "accepted (duplicate)" if result.duplicates == len(result.rows) else "accepted"
            counts = (result.accepted, result.rejected, result.unknown)
            outcome = outcome if result.all_accepted else "{} accepted, {} rejected, {} unknown".format(*counts)
        else:
            outcome = "read" if function in READS else "accepted"
        attempts = getattr(result, "attempts", 0)
        return Cell(outcome, attempts, 0, 0, 0, [repr(result), log.getvalue(), repr(client)])

    def _wait_for_late_calls(self, function: str) -> None:
        """A call that the client gave up on may still be processed."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if [one.function for one in self.gateway.calls].count(function) >= self.gateway.call_count(function):
                return
            time.sleep(0.005)


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What a root handler at DEBUG writes, the HTTP library's records included."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def readings_of(error: BaseException) -> list[str]:
    """Every text that an error and all it is chained to can give, a pickled copy included."""
    texts, waiting, seen = [], [error, pickle.loads(pickle.dumps(error))], set()
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        texts += traceback.format_exception(link)
        waiting += [link.__cause__, link.__context__, *(arg for arg in link.args if isinstance(arg, BaseException))]
    return texts


def rows() -> list[tuple[str, str]]:
    """(fault, mode) of every line of the table."""
    return [(fault, mode) for fault in FAULTS for mode in MODES]


def table_line(fault: str, mode: str, cells: dict[str, Any]) -> str:
    """One line of the page."""
    return f"| {fault} | {mode} | {' | '.join(str(cells[function]) for function in FUNCTIONS)} |"


def more_line(function: str, cells: list[Cell]) -> str:
    """One line of the second table."""
    endpoint = ENDPOINTS[function]
    ids = {RequestIds.NONE: "", RequestIds.UNCERTAIN: "not sure", RequestIds.DOCUMENTED: "yes"}[endpoint.request_ids]
    return f"| `{function}` | {endpoint.effect.value} | {ids} | {' | '.join(map(str, cells))} |"


def more_head() -> str:
    """What stands above the second table."""
    names = " | ".join(f"{fault}, {mode}" for fault, mode in MORE_FAULTS)
    return (
        "\n## Every other function that sends or charges\n\n"
        "*Request ids*: whether the documentation says that a second request is suppressed. A call that charges is "
        "never repeated when it may have been accepted.\n\n"
        f"| function | effect | request ids | {names} |\n|{' --- |' * (len(MORE_FAULTS) + 3)}\n"
    )


def page_head() -> str:
    """What stands above the lines."""
    names = " | ".join(f"`{function}`" for function in FUNCTIONS)
    return (
        "# Outcomes of faults\n\n"
        "Written by `python tests/gateway/fault_table.py` from actual calls over a socket to the emulator; "
        "`tests/gateway/test_fault_table.py` fails when it is out of date. Each call may be attempted "
        f"{ATTEMPTS} times. *once*: the fault affects the first attempt; *always*: every attempt.\n\n"
        "A cell has the outcome, the requests that the gateway received, and the messages that it accepted: never "
        "more than one per phone (the XML sample has 2 phones, the bulk sample 2, the advertising sample 30). "
        "*in doubt*: the refusal does not prove that nothing was accepted.\n\n"
        f"| fault | | {names} |\n|{' --- |' * (len(FUNCTIONS) + 2)}\n"
    )


def main() -> None:
    with FaultBench() as bench:
        lines = [
            table_line(fault, mode, {function: bench.run(fault, mode, function) for function in FUNCTIONS})
            for fault, mode in rows()
        ]
        more = [more_line(name, [bench.run(fault, mode, name) for fault, mode in MORE_FAULTS]) for name in MORE_SENDS]
    PAGE.parent.mkdir(exist_ok=True)
    text = page_head() + "\n".join(lines) + "\n" + more_head() + "\n".join(more) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE} ({len(lines)} faults, {len(FUNCTIONS)} functions)")


if __name__ == "__main__":
    main()
