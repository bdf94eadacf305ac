"""
Decides which failures are retried: the only place that maps errors of the core to Airflow's retry decisions.

Airflow 3.3 uses a retry policy; before 3.3, and for tasks without one, errors that waiting does not resolve are raised
as `AirflowFailException`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from esms_connectors.airflow.framework import AirflowException, AirflowFailException
from esms_connectors.gateway.errors import EsmsError, RateLimitedError, unexpected

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, RetryDecision, RetryPolicy

RATE_LIMIT_DELAY = timedelta(seconds=60)
# Upper limit, whatever delay the gateway asks for.
_LONGEST_DELAY_SECONDS = 24 * 3600.0


class EsmsTaskError(AirflowException):
    """A failure that a retry may resolve; its text is that of the core's error, without keys or phones."""


def is_permanent(error: EsmsError) -> bool:
    """Whether it needs manual action: keys, balance, template, a wrong argument, messages in doubt."""
    return not error.retryable


@contextmanager
def airflow_errors(task: BaseOperator | None = None) -> Iterator[None]:
    """
    Translate errors of the core into Airflow's, and those of other libraries into one line.

    If the task has a retry policy, the core's error is raised unchanged, because the policy decides by its class.
    """
    failure: Exception
    try:
        yield
        return
    except EsmsError as error:
        if getattr(task, "retry_policy", None) is not None:
            raise
        failure = AirflowFailException(str(error)) if is_permanent(error) else EsmsTaskError(str(error))
    except AirflowException:
        raise
    except Exception as error:  # noqa: BLE001 - other libraries may raise anything
        failure = EsmsTaskError(str(unexpected(error)))
    raise failure from None


def _policy() -> RetryPolicy | None:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy
    except ImportError:  # Airflow before 3.3
        return None

    class EsmsRetryPolicy(RetryPolicy):
        """
        Fail at once if waiting does not help, wait for a rate limit, and leave the rest to the task's own retries.
        """

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> RetryDecision:
            if not isinstance(exception, EsmsError):
                return RetryDecision.default()
            if isinstance(exception, RateLimitedError) and exception.retryable:
                asked = timedelta(seconds=min(exception.retry_after_seconds or 0, _LONGEST_DELAY_SECONDS))
                return RetryDecision.retry(max(asked, RATE_LIMIT_DELAY), "eSMS: too many requests per second")
            if is_permanent(exception):
                return RetryDecision.fail(f"eSMS: {type(exception).__name__} does not go away by itself")
            return RetryDecision.default()

        def serialize(self) -> dict[str, Any]:
            return {"__type": "EsmsRetryPolicy"}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> RetryPolicy:
            return cls()

    return EsmsRetryPolicy()


ESMS_RETRY_POLICY = _policy()
"""
For `retry_policy=` of any task that uses the hook; None before Airflow 3.3, where operators translate errors instead.
"""
