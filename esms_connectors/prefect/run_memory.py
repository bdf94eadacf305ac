"""
Which runs of a ledger a flow run has claimed rows of, in the labels of the outermost flow run. The server keeps these
across tries, workers and machines, so that a try that finds another ledger, or an empty one, is refused.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.prefect.runs import ask_server, root_run

_PREFIX = "esms.sent."
# Each takes two calls, and a server on SQLite often refuses the second one for some seconds ("database is locked").
_MOST = 1
_MOST_WITH_DIGESTS = 20  # a ledger can be asked for a run key, and not for its digest
# The server reads all labels and writes them back: of two updates at once the second would undo the first.
_RECORDING = threading.Lock()

T = TypeVar("T")


class FlowRunMemory:
    """
    The runs of one ledger that a flow run remembers; see `RunMemory`. Used by the ledger from any thread.

    Run keys that may contain a phone are only stored as a digest.

    Args:
        ledger: identifies the ledger among those of the flow run; must contain no secret.
    """

    def __init__(self, flow_run_id: UUID, ledger: str) -> None:
        self._flow_run_id, self._ledger = flow_run_id, make_request_id("ledger", ledger)[:12]
        self._more = f"{_PREFIX}more.{self._ledger}"
        # The settings of the run are context variables, and ledgers are used from other threads.
        self._context = contextvars.copy_context()
        self._known: dict[str, str] | None = None

    def has_begun(self, run_key: str) -> bool:
        return _label(run_key) in self._labels()

    def record(self, run_key: str) -> None:
        label = _label(run_key)
        if self._has(label):
            return
        with _RECORDING:
            self._known = None  # other tasks may have recorded theirs
            if self._has(label):
                return
            mine = self._run_keys()
            shown = run_key if redact(run_key) == run_key else ""
            is_enough = sum(map(bool, mine)) >= _MOST or len(mine) >= _MOST_WITH_DIGESTS
            new = (self._more, "") if is_enough else (label, f"{self._ledger} {shown}")
            self._ask(lambda api: api.update_flow_run_labels(self._flow_run_id, dict([new])))
            self._labels()[new[0]] = new[1]

    def further_run(self) -> str | None:
        return next(filter(None, self._run_keys()), None) if self._more in self._labels() else None

    def _run_keys(self) -> list[str]:
        """Those of this ledger; empty where only a digest is stored."""
        runs = (text.partition(" ") for text in self._labels().values())
        return [run_key for ledger, _, run_key in runs if ledger == self._ledger]

    def key_prefix(self, run_key: str) -> str:
        # Run keys derive from ids and never from names, so nothing can be renamed.
        return ""

    def is_removed(self, run_key: str) -> bool:
        return False

    def _has(self, label: str) -> bool:
        known = self._labels()
        return label in known or self._more in known

    def _labels(self) -> dict[str, str]:
        if self._known is None:
            labels = self._ask(lambda api: api.read_flow_run(self._flow_run_id)).labels
            self._known = {name: str(text) for name, text in labels.items() if name.startswith(_PREFIX)}
        return self._known

    def _ask(self, question: Callable[[SyncPrefectClient], T]) -> T:
        return self._context.copy().run(ask_server, question)


def memory_of_this_run(ledger: str) -> FlowRunMemory | None:
    """
    For a ledger opened in a flow; None outside of one, where nothing is started again by Prefect.

    Raises:
        RunNotReadError: the server could not be asked.
    """
    kind, _, flow_run_id = (root_run() or "").partition(" ")
    return FlowRunMemory(UUID(flow_run_id), ledger) if kind == "flow" else None


def _label(run_key: str) -> str:
    return f"{_PREFIX}{make_request_id('run', run_key)[:24]}"
