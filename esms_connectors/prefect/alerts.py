"""An SMS when something happened: the flow for automations."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext

from esms_connectors.gateway import machine_clock
from esms_connectors.prefect.blocks.base import load_block
from esms_connectors.prefect.blocks.notification import EsmsNotification
from esms_connectors.prefect.days import named_by_day
from esms_connectors.prefect.retry import errors_in_one_line, is_retryable
from esms_connectors.sending.alerts import AlertFailedError


@flow(name="notify-by-sms", flow_run_name=named_by_day("notify-by-sms"), persist_result=False)
@errors_in_one_line
def notify_by_sms(body: str, subject: str | None = None, notification: str = "default") -> None:
    """
    Send a notification by SMS, for automations on servers without this package: let them run this deployment.

    An alarm comes when things go wrong, so a server or gateway that does not answer is tried again for some minutes.

    Args:
        body: The body of the notification.
        subject: The subject of the notification.
        notification: Name of an `EsmsNotification` block.

    Raises:
        ConfigurationError: The block cannot be used.
        AlertFailedError: Not every phone was sent to.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    moment = machine_clock.now().timestamp() if run is None or run.created is None else run.created.timestamp()
    # A flow that runs again, retried in the UI for one, makes a new task, which knows of no attempt before it.
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
        raise AlertFailedError("SMS alert: not tried again, because the gateway's day has ended since.")
    failure = load_block(EsmsNotification, notification).attempt(body, subject, moment=moment)
    if failure is not None:
        raise failure
