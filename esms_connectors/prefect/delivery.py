"""Tasks that wait for delivery. They only read, so they can be restarted at no cost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

import pendulum
from prefect import task
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from esms_connectors.delivery.chains import poller_of_run
from esms_connectors.delivery.polling import (
    DeliveryCounts,
    DeliveryGoal,
    DeliveryPoller,
    DeliveryTimeoutError,
    PollBackoff,
    Poller,
    TooFewDeliveredError,
    target_of_ids,
)
from esms_connectors.delivery.polling import wait_for_delivery as wait
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.prefect.artifacts import ProgressArtifact, artifact_key
from esms_connectors.prefect.async_twins import async_twin
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger
from esms_connectors.prefect.days import named_by_run, with_day
from esms_connectors.prefect.pool import borrow_account, borrow_ledger
from esms_connectors.prefect.results import DeliveryResult
from esms_connectors.prefect.retry import TASK_OPTIONS, errors_in_one_line
from esms_connectors.prefect.runs import time_or_now
from esms_connectors.prefect.uncached import never_cached

_OPTIONS: dict[str, Any] = {
    "name": "wait-for-delivery",
    "task_run_name": named_by_run("wait-for-delivery", "run_key"),
    **TASK_OPTIONS,
}


@never_cached
@task(**_OPTIONS)
@errors_in_one_line
def wait_for_delivery(
    run_key: str | None = None,
    *,
    message_ids: Sequence[str] | None = None,
    credentials: str | EsmsCredentials = "default",
    ledger: str | EsmsLedger | None = None,
    final_share: float = 1.0,
    delivered_share: float | None = None,
    timeout_seconds: float = 3600,
    poll_seconds: float = 60,
    fail: bool = True,
    rate_limit: str | None = None,
) -> DeliveryResult:
    """
    Wait until the messages of a run are final, or enough have been delivered. For a campaign with a fallback, people
    are counted, each once, whichever step reaches them.

    Args:
        run_key: That of a campaign or of `send_sms`; `{day}` is the day that the run was scheduled for.
        message_ids: Instead of the run key: the gateway's ids, at most 5000.
        credentials: Name of an `EsmsCredentials` block, or the block.
        ledger: Name of an `EsmsLedger` block, or the block; None is a file on this machine.
        final_share: Share of the messages that must be final.
        delivered_share: Share that must be delivered; None accepts any outcome.
        timeout_seconds: Counted from the first start of the task, so that a retry does not restart the wait.
        poll_seconds: Seconds between polls.
        fail: False returns the counts also if the goal was missed or the time is over.
        rate_limit: A global concurrency limit with slot decay, shared by all workers: one slot per request.

    Returns:
        Counts by state, `reached`, and the ids of the first hundred that failed; no phones. With a fallback also
        `people` and `steps`: how many reached each step and why, were delivered to, or were late.

    Raises:
        TooFewDeliveredError, DeliveryTimeoutError: The goal was not reached.
        InvalidRequestError: There is nothing to wait for.
        GatewayError, NotSentError, OutcomeUnknownError: The gateway could not be read repeatedly.
    """
    if (run_key is None) == (message_ids is None):
        raise InvalidRequestError("Give either run_key or message_ids.", field="run_key")
    run_key = None if run_key is None else with_day(run_key)
    goal = DeliveryGoal(final_share=final_share, delivered_share=delivered_share)
    with ExitStack() as stack:
        account = stack.enter_context(borrow_account(credentials, rate_limit))
        if run_key is not None:
            looks: Poller = poller_of_run(stack.enter_context(borrow_ledger(ledger, create=False)), run_key)
        else:
            looks = DeliveryPoller(target_of_ids(message_ids or ()))
        name = artifact_key("esms-delivery", run_key or "messages")
        bar = stack.enter_context(ProgressArtifact(name, "Messages that are final", looks.counts().expected))
        logger = get_run_logger()

        def tell(counts: DeliveryCounts) -> None:
            bar.update(counts.final)
            logger.info("%s", counts)

        try:
            counts = wait(
                account.client,
                looks,
                goal,
                deadline=_started().add(seconds=timeout_seconds),
                backoff=PollBackoff(poll_seconds=poll_seconds),
                progress=tell,
                sleep=account.sleep,
            )
        except (DeliveryTimeoutError, TooFewDeliveredError) as error:
            if fail:
                raise
            return cast("DeliveryResult", {**error.counts.as_dict(), "reached": False})
    return cast("DeliveryResult", {**counts.as_dict(), "reached": True})


await_for_delivery = never_cached(task(**_OPTIONS)(async_twin(wait_for_delivery.fn)))


def _started() -> pendulum.DateTime:
    """When this task run first started."""
    context = TaskRunContext.get()
    began = context.task_run.start_time if context is not None else None
    return time_or_now(began)
