"""
Which failures are worth another try: the one place where errors of the core become Airflow's decisions.

Airflow 3.3 asks a retry policy; before it, and for tasks without one, what cannot be cured by waiting is raised as
`AirflowFailException`.
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
# Whatever the gateway asks for: a task that waits for a century is not a task any more.
_LONGEST_DELAY_SECONDS = 24 * 3600.0


class EsmsTaskError(AirflowException):
    """A failure that another try may cure; its text is that of the core's error, without keys or phones."""


def will_not_go_away(error: EsmsError) -> bool:
    """Whether only a person can cure it: keys, balance, template, a wrong argument, messages held as doubtful."""
    return not error.retryable


@contextmanager
def airflow_errors(task: BaseOperator | None = None) -> Iterator[None]:
    """
    Errors of the core as Airflow's, and those of other libraries as one line.

    With a retry policy on the task the core's own error is raised, because the policy decides by its class.
    """
    failure: Exception
    try:
        yield
        return
    except EsmsError as error:
        if getattr(task, "retry_policy", None) is not None:
            raise
        failure = AirflowFailException(str(error)) if will_not_go_away(error) else EsmsTaskError(str(error))
    except AirflowException:
        raise
    except Exception as error:  # noqa: BLE001 - whatever another library raises
        failure = EsmsTaskError(str(unexpected(error)))
    raise failure from None


def _policy() -> RetryPolicy | None:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy
    except ImportError:  # Airflow before 3.3
        return None

    class EsmsRetryPolicy(RetryPolicy):
        """Fail at once what waiting does not cure; wait for a rate limit; leave the rest to the task's own retries."""

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> RetryDecision:
            if not isinstance(exception, EsmsError):
                return RetryDecision.default()
            if isinstance(exception, RateLimitedError) and exception.retryable:
                asked = timedelta(seconds=min(exception.retry_after_seconds or 0, _LONGEST_DELAY_SECONDS))
                return RetryDecision.retry(max(asked, RATE_LIMIT_DELAY), "eSMS: too many requests per second")
            if will_not_go_away(exception):
                return RetryDecision.fail(f"eSMS: {type(exception).__name__} does not go away by itself")
            return RetryDecision.default()

        def serialize(self) -> dict[str, Any]:
            return {"__type": "EsmsRetryPolicy"}

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> RetryPolicy:
            return cls()

    return EsmsRetryPolicy()


ESMS_RETRY_POLICY = _policy()
"""For `retry_policy=` of any task that uses the hook; None before Airflow 3.3, where operators translate instead."""
