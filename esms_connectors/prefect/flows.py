"""Flows that are ready to be deployed."""

import os
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import FlowPauseTimeout
from prefect.filesystems import LocalFileSystem
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.prefect.artifacts import ProgressArtifact, artifact_key, show_plan, show_run
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.blocks import load_block
from esms_connectors.prefect.campaigns import ZnsCampaign
from esms_connectors.prefect.days import with_day
from esms_connectors.prefect.delivery import wait_for_delivery
from esms_connectors.prefect.dispatch import Dispatch
from esms_connectors.prefect.export import daily_sent_messages_export as daily_sent_messages_export
from esms_connectors.prefect.hours import wait_for_hours
from esms_connectors.prefect.notification import EsmsNotification
from esms_connectors.prefect.pool import borrow_account, borrow_ledger, runs_here
from esms_connectors.prefect.retry import errors_in_one_line, is_retryable
from esms_connectors.prefect.sending import APPROVED_PLANS, guard_of, plan_zns_bulk
from esms_connectors.recipients import ReadReport
from esms_connectors.sending.alerts import AlertFailedError
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, finish_run
from esms_connectors.sending.guard.account import look_at_account
from esms_connectors.sending.policy import campaign_of, sandbox_run_key

DEFAULT_WORKERS = 8
_ASK_EVERY_SECONDS = 3


class ApprovalTimeoutError(EsmsError):
    """Nobody answered. Nothing was sent; another run asks again."""


def _campaign_run_name() -> str:
    """`zns-campaign evening-2026-12-24`: with the day that stands as `{day}` in the parameters."""
    context = FlowRunContext.get()
    campaign = None if context is None else (context.parameters or {}).get("campaign")
    return f"zns-campaign {with_day(campaign.run_key)}" if isinstance(campaign, ZnsCampaign) else "zns-campaign"


class Approval(RunInput):
    """What the flow asks a person before the first message."""

    approve: bool = Field(default=False, description="Send to all recipients of the plan.")


@flow(
    name="zns-campaign",
    flow_run_name=_campaign_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=DEFAULT_WORKERS),  # type: ignore[arg-type]
    persist_result=True,
    result_serializer="json",
)
@errors_in_one_line
def zns_campaign(
    campaign: ZnsCampaign,
    approval: Literal["none", "pause", "suspend"] = "none",
    approval_timeout_seconds: int = 3600,
    chunks_per_shard: int | None = None,
    shards_at_a_time: int = 2 * DEFAULT_WORKERS,
    plan: dict[str, Any] | None = None,
) -> Any:
    """
    Send a ZNS to each recipient, once: check every row, show the plan, ask if asked to, send, report.

    Retrying the flow, running it again, and running it twice at once are all safe: nobody gets a second message under
    one run key. For many machines give it another task runner: `zns_campaign.with_options(task_runner=…)`.

    Args:
        campaign: What to send to whom; names of blocks, no secrets.
        approval: Ask a person to approve the plan first. pause: the process waits; suspend: it ends, and a deployment
            starts it again.
        approval_timeout_seconds: Without an answer until then the run fails, and nothing was sent.
        chunks_per_shard: Calls of one task; None takes 1, and from 100 000 recipients on a few.
        shards_at_a_time: Tasks handed out at a time; about twice the workers of the task runner.
        plan: One that was approved, `plan_zns_bulk(campaign)["plan"]`: other rows, another message or another run key
            are refused before the first message.

    Returns:
        What became of these recipients, `sent_by_this_try` of them now; `run`: of all rows under the run key.

    With `hours="defer"` a run of a deployment ends outside the hours of its messages, in the state AwaitingHours, and
    is started again when they begin; any other run fails then, and the same run later goes on.

    Raises:
        BulkIncompleteError: Fewer were accepted than `at_least`, or rows are not settled.
        ApprovalTimeoutError: Nobody answered.
    """
    for name, value in (("approval_timeout_seconds", approval_timeout_seconds), ("shards_at_a_time", shards_at_a_time)):
        if value < 1:
            raise InvalidRequestError(f"{name} is at least 1.", field=name)
    logger = get_run_logger()
    runs_here()
    campaign = campaign.of_this_run().as_approved(plan)
    _warn_of_local_storage(campaign.ledger)
    started = time.monotonic()
    # One that was approved must be the one that is sent, also after a suspension or a retry.
    options: dict[str, Any] = (
        {"cache_policy": NO_CACHE} if approval == "none" else {"cache_policy": APPROVED_PLANS, "persist_result": True}
    )
    made = plan_zns_bulk.with_options(**options)(
        campaign, chunks_per_shard=chunks_per_shard, approved=plan, for_sending=True
    )
    checked = made["plan"]
    if made["sandbox"]:
        # Receipts and ledger must not be those of the real run.
        campaign = campaign.model_copy(update={"run_key": sandbox_run_key(campaign.run_key)})
    text = _tell_of_plan(checked, campaign.run_key)
    if (
        approval != "none"
        and checked["to_send"]
        and not _approved(approval, text, approval_timeout_seconds, make_request_id("approval", *made["shards"])[:20])
    ):
        return Cancelled(message="The plan was not approved; nothing was sent.")
    recipients = checked["recipients"]
    with (
        borrow_account(campaign.credentials, campaign.rate_limit) as account,
        borrow_ledger(campaign.ledger) as ledger,
        ProgressArtifact(artifact_key("esms-progress", campaign.run_key), "Recipients settled", recipients) as bar,
    ):
        look_at_account(ledger, account.client, campaign.run_key)
        dispatch = Dispatch(campaign, made, ledger, window=shards_at_a_time, progress=bar.tell, stop=account.stop)
        came_to_its_end = False
        try:
            dispatch.send_canary(account, guard_of(campaign, account.block))
            dispatch.run()
            came_to_its_end = True
        finally:
            summary = RunResult(
                run=ledger.summary(campaign.run_key),
                counters=dispatch.counters(recipients),
                campaign=campaign_of(campaign.run_key, campaign.campaign),
                stopped_by=dispatch.stopped_by,
                seconds=time.monotonic() - started,
                channel=checked["channel"],
                report=ReadReport.from_dict(checked["rows"]),
                at_least=campaign.at_least,
                price_vnd=None if checked["price_vnd"] is None else Decimal(str(checked["price_vnd"])),
                ledger=ledger.name,
                rejects=checked["rejects"],
                sandbox=made["sandbox"],
            )
            run = summary.run
            show_run(run, made["account"], complete=came_to_its_end and summary.complete and not summary.elsewhere)
    lost = max(0, recipients - run.total - run.skipped - summary.counters.not_tried)
    if lost:
        problem = (
            f"Run {campaign.run_key}: {lost} recipients have receipts, but are not in the ledger: it is another one, "
            "or was lost. They were not sent again."
        )
        if campaign.at_least is not None:
            raise BulkIncompleteError(problem, summary=summary)
        logger.warning("%s", problem)
    wait_for_hours(getattr(dispatch.stopped_by, "until", None))
    finish_run(summary)
    return {
        **summary.as_dict(),
        "account": made["account"],
        "unsettled": summary.counters.left,
        "not_in_ledger": lost,
        "shards": len(made["shards"]),
        "shards_passed_over": dispatch.passed_over,
    }


def _tell_of_plan(plan: Mapping[str, Any], run_key: str) -> str:
    logger = get_run_logger()
    for problem in (*plan["rows"]["notes"], *plan["problems"]):
        logger.warning("%s", problem)
    if not plan["rows"]["rows"]:
        logger.info("The source has no row: there is nobody to send to.")
    return show_plan(plan, run_key)


def _approved(approval: str, text: str, timeout_seconds: int, plan_name: str) -> bool:
    question = Approval.with_initial_data(description=text, approve=False)
    # The key makes it one question a plan, however often the run begins anew; another plan is another question.
    key = f"esms-approval-{plan_name}"
    if approval == "suspend":
        return bool(suspend_flow_run(wait_for_input=question, timeout=timeout_seconds, key=key).approve)
    try:
        answer = pause_flow_run(
            wait_for_input=question,
            timeout=timeout_seconds,
            poll_interval=min(_ASK_EVERY_SECONDS, timeout_seconds),
            key=key,
        )
    except FlowPauseTimeout:
        answer = None
    if answer is None:
        raise ApprovalTimeoutError(f"Nobody approved the plan within {timeout_seconds} s; nothing was sent.")
    return bool(answer.approve)


def _warn_of_local_storage(ledger: str | None) -> None:
    """A container takes its files along when it goes: the ledger must not be among them."""
    if not (os.environ.get("KUBERNETES_SERVICE_HOST") or any(map(Path.exists, map(Path, _CONTAINER_MARKS)))):
        return
    logger = get_run_logger()
    if ledger is None and not os.environ.get("ESMS_LEDGER"):
        logger.warning(
            "The ledger is a file in this container and will be lost with it. Save an EsmsLedger block for a "
            "PostgreSQL, and name it in the campaign: then no rerun can send twice."
        )
    context = FlowRunContext.get()
    storage = context.result_store.result_storage if context is not None else None
    if isinstance(storage, LocalFileSystem):
        logger.warning(
            "Results are kept in this container and will be lost with it. A rerun then asks the ledger for every row: "
            "safe, only slower."
        )


_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


@flow(name="notify-by-sms", persist_result=False)
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


@flow(
    name="delivery-report",
    flow_run_name="delivery-report {run_key}",
    persist_result=True,
    result_serializer="json",
)
@errors_in_one_line
def delivery_report(
    run_key: str,
    credentials: str = "default",
    ledger: str | None = None,
    delivered_share: float | None = None,
    timeout_seconds: float = 3600,
    poll_seconds: float = 60,
) -> dict[str, Any]:
    """
    Wait until the messages of a run are final, and show what became of them.

    Args:
        run_key: Of a campaign; `{day}` is the day in Vietnam that the run was scheduled for.
        credentials: Name of an `EsmsCredentials` block.
        ledger: Name of an `EsmsLedger` block; None is a file on this machine.
        delivered_share: Fail unless so many arrive; None takes any outcome.
        timeout_seconds: Report what is known then.
        poll_seconds: Between two looks.

    Returns:
        Counts by state; nobody's number.

    Raises:
        DeliveryShareError: Fewer arrived than `delivered_share`.
    """
    run_key = with_day(run_key)
    told: dict[str, Any] = wait_for_delivery(
        run_key,
        credentials=credentials,
        ledger=ledger,
        delivered_share=delivered_share,
        timeout_seconds=timeout_seconds,
        poll_seconds=poll_seconds,
        fail=False,
    )
    with borrow_ledger(ledger, create=False) as opened:
        run = opened.summary(run_key)
    counts = {name: told[name] for name in (*(state.value for state in DeliveryState), "unseen")}
    table = [{"state": name, "messages": count} for name, count in counts.items() if count]
    if steps := told.get("steps"):
        table = [{"people": name.replace("_", " "), "count": count} for name, count in told["people"].items() if count]
        in_sync(create_table_artifact)(
            table=[_step_line(step) for step in steps],
            key=artifact_key("esms-delivery-steps", run_key),
            description=f"Steps of run `{redact(run_key)}`; late: delivered after the next step was sent",
        )
    else:
        table += [{"state": f"refused with code {code}", "messages": n} for code, n in run.rejected_by_code.items()]
    in_sync(create_table_artifact)(
        table=table,
        key=artifact_key("esms-delivery-result", run_key),
        description=f"{told['final']} of {told['expected']} {'people' if steps else 'messages'} of run "
        f"`{redact(run_key)}` are final",
    )
    if delivered_share is not None and not told["reached"]:
        raise DeliveryShareError(
            f"Run {run_key}: {told['delivered']} of {told['expected']} messages arrived, fewer than "
            f"{delivered_share:g} of them; {told['expected'] - told['final']} are not final yet."
        )
    return told


def _step_line(step: Mapping[str, Any]) -> dict[str, Any]:
    why = ", ".join(f"{count} {reason}" for reason, count in step["reasons"].items())
    names = ("step", "channel", "handed_on", "accepted", "rejected", "delivered", "late")
    return {**{name.replace("handed_on", "people"): step[name] for name in names}, "because": why}


class DeliveryShareError(EsmsError):
    """Fewer messages arrived than the report asked for."""
