"""A memory outside of the ledger of the runs whose rows it has claimed, such as an orchestrator's state of a task."""

from __future__ import annotations

from typing import Protocol

from esms_connectors.gateway.errors import ConfigurationError


class Witness(Protocol):
    """Remembers run keys for longer than a process lives, in another place than the ledger; threads may share it."""

    def knows(self, run_key: str) -> bool:
        """Whether rows of the run were claimed before."""
        ...

    def note(self, run_key: str) -> None:
        """Remember the run; called again for a run that is known."""
        ...

    def family(self, run_key: str) -> str:
        """What the run keys of all senders of an orchestrator's run begin with; empty if this key was given."""
        ...

    def is_gone(self, run_key: str) -> bool:
        """Whether the sender of such a key no longer exists."""
        ...


class ForgottenRunError(ConfigurationError):
    """Rows of a run were claimed in another ledger, or in one that was lost; this call sent nothing."""


def check_remembered(witness: Witness | None, run_key: str, ledger: str) -> None:
    """
    Check a run that is not in the ledger `ledger`.

    Raises:
        ForgottenRunError: the witness knows it, so its messages may have been sent.
    """
    if witness is not None and witness.knows(run_key):
        raise ForgottenRunError(
            f"An earlier try sent messages of run {run_key!r}, which the ledger {ledger} does not have: it is another "
            "ledger, or it was lost. Use the earlier ledger, or restore it. With a new run key everybody gets the "
            "message again; this call sent nothing."
        )


def renamed(run_key: str, earlier: str) -> ForgottenRunError:
    """For a run that a sender of another name may have sent before."""
    return ForgottenRunError(
        f"Run {run_key!r} may be run {earlier!r}, which has sent messages of this kind, and whose task no longer "
        "exists: was it renamed? Give the earlier run key to send to the remaining recipients only, or any other one "
        "to send to all of them. This call sent nothing."
    )
