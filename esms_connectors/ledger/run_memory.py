"""Which runs have claimed rows, remembered outside of the ledger, such as in an orchestrator's state of a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from esms_connectors.gateway.errors import ConfigurationError


class RunMemory(Protocol):
    """Remembers run keys for longer than a process lives, in another place than the ledger; threads may share it."""

    def has_begun(self, run_key: str) -> bool:
        """Whether rows of the run may have been claimed before."""
        ...

    def record(self, run_key: str) -> None:
        """Remember the run, before its rows are claimed; called again for a run that is known."""
        ...

    def further_run(self) -> str | None:
        """If there were too many runs to remember each: one that the ledger has unless it was lost. Otherwise None."""
        ...

    def key_prefix(self, run_key: str) -> str:
        """What the run keys of all tasks of one orchestrator run begin with; empty if the user gave this key."""
        ...

    def is_removed(self, run_key: str) -> bool:
        """Whether the task with such a run key no longer exists."""
        ...


class UnrememberedRunError(Exception):
    """Rows could be claimed, but the run is not remembered yet: call `Ledger.remember`, then claim again."""


class ForgottenRunError(ConfigurationError):
    """Rows of a run were claimed in another ledger, or in one that was lost; this call sent nothing."""


def check_remembered(run_memory: RunMemory | None, run_key: str, ledger: str, has_run: Callable[[str], bool]) -> None:
    """
    Check a run that is not in the ledger `ledger`.

    Args:
        has_run: whether the ledger has another run.

    Raises:
        ForgottenRunError: rows of it were claimed before, so its messages may have been sent.
    """
    if run_memory is None:
        return
    lost = run_key if run_memory.has_begun(run_key) else run_memory.further_run()
    if lost is not None and (lost == run_key or not has_run(lost)):
        raise ForgottenRunError(
            f"An earlier try sent messages of run {lost!r}, which the ledger {ledger} does not have: it is another "
            "ledger, or it was lost. Use the earlier ledger, or restore it. With a new run key, or in a new run, "
            "everybody gets the message again; this call sent nothing."
        )


def renamed_task_error(run_key: str, earlier: str) -> ForgottenRunError:
    """For a run that a sender of another name may have sent before."""
    return ForgottenRunError(
        f"Run {run_key!r} may be run {earlier!r}, which has sent messages of this kind, and whose task no longer "
        "exists: was it renamed? Give the earlier run key to send to the remaining recipients only, or any other one "
        "to send to all of them. This call sent nothing."
    )
