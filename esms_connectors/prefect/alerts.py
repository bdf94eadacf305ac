"""SMS alerts: a hook for flows and tasks, and a flow for automations."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.loggers import flow_run_logger, task_run_logger

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.prefect.blocks.base import load_block
from esms_connectors.prefect.blocks.notification import EsmsNotification
from esms_connectors.prefect.days import named_by_day
from esms_connectors.prefect.retry import errors_in_one_line, is_retryable
from esms_connectors.sending.alerts import AlertEvent, AlertFailedError


def alert_hook(notification: str = "default", text: str | None = None) -> Callable[..., Any]:
    """
    A hook that reports the state of a run by SMS: `@flow(on_failure=[alert_hook()], on_crashed=[alert_hook()])`.

    It works for sync and async flows and tasks, and in the serving process or worker, which calls the hooks of a run
    that was cancelled or whose process died. A run causes one message per state, however many of its tasks fail; a run
    that is restarted and fails again causes another. Errors of the hook are logged.

    Args:
        notification: Name of an `EsmsNotification` block; its phones, sender and quiet hours.
        text: With `{flow}`, `{run}`, `{state}` and `{attempt}`; None uses a default text. The message of the state is
            not available because it may contain anything.

    Example:
        ```python
        from prefect import flow

        from esms_connectors.prefect import alert_hook


        @flow(on_failure=[alert_hook()], on_crashed=[alert_hook()])
        def nightly_books() -> None: ...
        ```
    """

    def tell_by_sms(flow: Any, flow_run: Any, state: Any) -> Any:
        def tell() -> None:
            _alert_about_run(notification, text, flow, flow_run, state)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return tell()
        return asyncio.to_thread(tell)

    return tell_by_sms


def _alert_about_run(notification: str, text: str | None, flow: Any, run: Any, state: Any) -> None:
    of_task = hasattr(run, "flow_run_id")
    logger = task_run_logger(run) if of_task else flow_run_logger(run)
    flow_run_id = (run.flow_run_id if of_task else None) or run.id
    attempt = max(1, (run.flow_run_run_count if of_task else 0) or run.run_count)
    what = str(state.name).lower()
    plain = f"{flow.name} {what}, run {run.name}"
    values = {"{flow}": flow.name, "{run}": run.name, "{state}": what, "{attempt}": str(attempt)}
    body = plain if text is None else re.sub(r"\{(flow|run|state|attempt)\}", lambda match: values[match[0]], text)
    try:
        block = load_block(EsmsNotification, notification)
        event = AlertEvent(("prefect", block.credentials.account, "run", str(flow_run_id)), what, attempt)
        failure = block.attempt(body, "Prefect", event=event)
    except EsmsError as error:
        failure = AlertFailedError(f"SMS alert: {error}")
    if failure is not None:
        logger.error("%s", failure)


@flow(name="notify-by-sms", flow_run_name=named_by_day("notify-by-sms"), persist_result=False)
@errors_in_one_line
def notify_by_sms(body: str, subject: str | None = None, notification: str = "default") -> None:
    """
    Send a notification by SMS. Automations on servers without this package can run it as a deployment.

    Alerts are sent when systems fail, so a server or gateway that does not answer is retried for some minutes.

    Args:
        body: The body of the notification.
        subject: The subject of the notification.
        notification: Name of an `EsmsNotification` block.

    Raises:
        ConfigurationError: The block cannot be used.
        AlertFailedError: At least one phone was not sent to.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    moment = machine_clock.now().timestamp() if run is None or run.created is None else run.created.timestamp()
    # A flow that is run again, for example by a retry in the UI, creates a new task, which has no record of earlier
    # attempts.
    _notify(body, subject, notification, moment, again=run is not None and run.run_count > 1)


@task(
    name="notify-by-sms",
    tags={"esms"},
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=[5, 30, 180],
    retry_condition_fn=is_retryable,
)
@errors_in_one_line
def _notify(body: str, subject: str | None, notification: str, moment: float, *, again: bool) -> None:
    context = TaskRunContext.get()
    again = again or (context is not None and context.task_run.run_count > 1)
    if again and not EsmsNotification.may_repeat(moment):
        raise AlertFailedError("SMS alert: not tried again, because the gateway's day has ended in the meantime.")
    failure = load_block(EsmsNotification, notification).attempt(body, subject, moment=moment)
    if failure is not None:
        raise failure
