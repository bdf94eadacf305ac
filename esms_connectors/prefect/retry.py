"""How tasks and flows fail: which errors Prefect sees, and whether a task is retried."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import Flow
from prefect.blocks.abstract import NotificationError
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.exceptions import PrefectException

from esms_connectors.gateway.errors import EsmsError, unexpected
from esms_connectors.gateway.redaction import get_logger


class ServerNotReachedError(EsmsError):
    """The Prefect server did not answer what a task or flow needs from it; a retry may succeed."""

    retryable = True


def as_ours(error: Exception) -> EsmsError:
    """What to raise instead of an error of another library; raise it outside the `except` block."""
    # Inside our tasks only Prefect's client uses httpx, for its server.
    if isinstance(error, httpx.HTTPError | ConcurrencySlotAcquisitionError):
        return ServerNotReachedError(
            f"The Prefect server did not answer ({type(error).__name__}). What was sent is recorded, and the same run "
            "started again continues."
        )
    return unexpected(error)


PASSED_ON = (EsmsError, PrefectException, NotificationError)
"""The errors that leave the function of a task or flow."""

P = ParamSpec("P")
R = TypeVar("R")


def errors_in_one_line(function: Callable[P, R]) -> Callable[P, R]:
    """
    Wraps the function of each task and flow. Prefect writes tracebacks into logs, states and events, so an error of
    another library is replaced by one line without its message. Our errors and Prefect's are passed on.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except EsmsError as error:
            # Keep the original exception out of the traceback.
            error.__cause__, error.__suppress_context__ = None, True
            raise
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001 - other libraries may raise anything
            failure = as_ours(error)
        raise failure

    return guarded


def is_retryable(task: Any, task_run: Any, state: Any) -> bool:
    """
    For `retry_condition_fn`: whether a retry of the task may help. It can never do harm, because of the ledger.

    Our errors have the attribute `retryable`. Of the others only those of the machine and the network are temporary.
    """
    error = state.data if isinstance(state.data, BaseException) else None
    if isinstance(error, EsmsError):
        return error.retryable
    return isinstance(error, OSError)


TASK_OPTIONS: dict[str, Any] = {
    "tags": {"esms"},
    "cache_policy": NO_CACHE,
    "result_serializer": "json",
    "retry_condition_fn": is_retryable,
}
"""Options of tasks whose results are never reused: the ledger, or the warehouse, knows what was done."""

_REFUSED = re.compile(r"Parameter validation failed for flow '([^']*)'")


class _WithoutParameters(logging.Filter):
    """Applies to the named flows; for others keys and phones are masked as everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        found = _REFUSED.match(record.getMessage())
        if found and found[1] in self.names:
            record.msg, record.args = f"{found[0]}; the given value is not shown.", None
        return True


_without_parameters = _WithoutParameters()


def hide_refused_parameters(*flows: Flow[..., Any]) -> None:
    """
    Prefect logs all parameters of a flow, including rows, phones and texts, if one of them is refused. The next log
    line names the parameter and the error without the value.
    """
    _without_parameters.names.update(flow.name for flow in flows)
    get_logger("prefect.flows").addFilter(_without_parameters)
