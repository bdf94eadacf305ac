"""
Messages and calls without a key of their own: an orchestrator's run makes each of them once, however often it is tried.

They are told apart by their content. A retry that asks for other content than the try before may ask for another
message, or for the same one with a text that changed, such as one with the time in it. It is another message only if
the earlier ones were asked for again in this try; otherwise it is refused, because it might be sent twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.runs import RunKeyTakenError
from esms_connectors.sending.result import BulkIncompleteError

T = TypeVar("T")

_RUNS_REMEMBERED = 16
# How long a message that may be an earlier one waits for that one to be asked for by another thread of this try.
_PATIENCE_SECONDS = 5.0


class OtherContentError(InvalidRequestError):
    """Under this key another message was sent, or another call made, before; this one was not."""


@dataclass(frozen=True, slots=True)
class Try:
    """
    One try of an orchestrator's run.

    Attributes:
        run: identifies the run; the same for all of its tries.
        numbers: the number of the try by run, for this run and those within it that led here.
        superseded: asks the orchestrator whether a later try was started while this one still runs, as after a lost
            heartbeat; it may raise what a retry settles.
    """

    run: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    superseded: Callable[[], bool] = field(default=lambda: False, compare=False)

    @property
    def again(self) -> bool:
        """Whether there was an earlier try."""
        return any(number > 1 for number in self.numbers.values())

    def replaces(self, earlier: Try) -> bool:
        """Whether this try repeats what `earlier` did."""
        return any(earlier.numbers.get(run, number) != number for run, number in self.numbers.items())


@dataclass(frozen=True, slots=True)
class _Asked:
    content: str
    by: Try


class _Memory:
    """What runs have asked for in this process, by run, recipient and place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._runs: OrderedDict[str, dict[str, dict[int, _Asked]]] = OrderedDict()

    def of(self, run: str, to: str) -> dict[int, _Asked]:
        with self._lock:
            known = self._runs.setdefault(run, defaultdict(dict))
            self._runs.move_to_end(run)
            while len(self._runs) > _RUNS_REMEMBERED:
                self._runs.popitem(last=False)
            return known[to]

    def note(self, asked: dict[int, _Asked], place: int, content: str, by: Try) -> None:
        with self._changed:
            asked[place] = _Asked(content, by)
            self._changed.notify_all()

    def wait_for_others(self, asked: dict[int, _Asked], seen: dict[int, _Asked]) -> bool:
        """Whether another thread has asked for something in the same run and for the same recipient meanwhile."""
        with self._changed:
            return self._changed.wait_for(lambda: asked != seen, _PATIENCE_SECONDS)


_memory = _Memory()


def once_per_run(
    this: Try,
    what: str,
    to: str,
    content: str,
    send: Callable[[str], T],
    *,
    ledger: Ledger,
    refusal: Callable[[], OtherContentError],
) -> T:
    """
    Send a message, or make a call, at most once in a run.

    Args:
        what: the kind, which begins its run keys.
        to: the recipient; empty if there is no single one.
        content: everything that makes it another message.
        send: sends under a run key, and raises `OtherContentError` if the key belongs to other content.
        ledger: where `send` records it.
        refusal: the error for a message that might be an earlier one with a changed text.

    Raises:
        OtherContentError: an earlier try sent other content to the recipient, which this try has not asked for.
        The rest as `send`.
    """
    wanted = _Wanted(this, what, to, make_request_id("content", content), ledger)
    memory, asked = _memory, _memory.of(this.run, f"{what} {to}")
    while True:
        seen = dict(asked)
        try:
            return _once(wanted, send, memory, asked)
        except _DoubtfulError:
            # Messages of one try may be asked for in any order, by threads.
            if not memory.wait_for_others(asked, seen):
                break
    raise refusal()


class _DoubtfulError(Exception):
    """It might be an earlier message with a changed text."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A message or call, as in `once_per_run`; `content` is a digest."""

    this: Try
    what: str
    to: str
    content: str
    ledger: Ledger


def _once(wanted: _Wanted, send: Callable[[str], T], memory: _Memory, asked: dict[int, _Asked]) -> T:
    this, ledger, content = wanted.this, wanted.ledger, wanted.content
    doubtful = False
    # It belongs to the first place that is free or has this content. The claim in the ledger decides, so processes that
    # search at the same time find the same place.
    for place in count():
        run_key = f"{wanted.what}/{make_request_id('in-run', this.run, wanted.what, wanted.to, str(place))}"
        known = asked.get(place)
        if known is None or known.content == content:
            if doubtful and _is_free(ledger, run_key):
                break
            try:
                result = send(run_key)
            except (OtherContentError, RunKeyTakenError):
                pass
            except BulkIncompleteError:
                memory.note(asked, place, content, this)
                raise
            else:
                memory.note(asked, place, content, this)
                return result
        known = asked.get(place)
        # Without a record here, another process asked for it: an earlier try, this one, or the try that replaced it.
        replaced = (this.again or this.superseded()) if known is None else this.replaces(known.by)
        doubtful = doubtful or (replaced and _may_have_left(ledger, run_key))
    raise _DoubtfulError


def _may_have_left(ledger: Ledger, run_key: str) -> bool:
    run = ledger.summary(run_key)
    return run.accepted + run.unknown + run.held + run.claimed > 0


def _is_free(ledger: Ledger, run_key: str) -> bool:
    """Whether any content may be sent under the key: nothing was, or it was refused for good."""
    run = ledger.summary(run_key)
    return run.unsettled + run.accepted == 0
