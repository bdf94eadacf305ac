"""May a task be run again: what the core has decided, in Prefect's terms."""

from __future__ import annotations

from typing import Any

from esms_connectors.gateway.errors import EsmsError


def is_retryable(task: Any, task_run: Any, state: Any) -> bool:
    """
    For `retry_condition_fn`: whether running the task again may do good. It can do no harm, the ledger sees to that.

    Errors of ours know it themselves. Of the others only those of the machine and the network may go away.
    """
    error = state.data if isinstance(state.data, BaseException) else None
    if isinstance(error, EsmsError):
        return error.retryable
    return isinstance(error, OSError)
