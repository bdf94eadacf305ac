"""Flows that are ready to be deployed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.filesystems import LocalFileSystem
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from esms_connectors.bulk import BulkIncompleteError, BulkSummary, Counters, campaign_of
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.prefect.blocks import load_block
from esms_connectors.prefect.campaign import ZnsCampaign
from esms_connectors.prefect.dispatch import Dispatch
from esms_connectors.prefect.notification import EsmsNotification
from esms_connectors.prefect.reporting import ProgressArtifact, artifact_key, show_plan, show_run
from esms_connectors.prefect.sending import APPROVED_PLANS, plan_zns_bulk
from esms_connectors.prefect.sharing import borrow_ledger

DEFAULT_WORKERS = 8
_ASK_EVERY_SECONDS = 3


class Approval(RunInput):
    """What the flow asks a person before the first message."""

    approve: bool = Field(default=False, description="Send to all recipients of the plan.")


@flow(
    name="zns-campaign",
    flow_run_name="zns-campaign {campaign.run_key}",
    task_runner=ThreadPoolTaskRunner(max_workers=DEFAULT_WORKERS),  # type: ignore[arg-type]
    persist_result=True,
    result_serializer="json",
)
def zns_campaign(
    campaign: ZnsCampaign,
    approval: Literal["none", "pause", "suspend"] = "none",
    approval_timeout_seconds: int = 3600,
    chunks_per_shard: int | None = None,
    shards_at_a_time: int = 2 * DEFAULT_WORKERS,
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
        chunks_per_shard: Calls of one task; None takes 1, and more for campaigns beyond 500 000 recipients.
        shards_at_a_time: Tasks handed out at a time; about twice the workers of the task runner.

    Returns:
        Counts of the run, all runs of it together.

    Raises:
        BulkIncompleteError: Fewer were accepted than `at_least`, or rows are not settled.
    """
    logger = get_run_logger()
    _warn_of_local_storage(campaign.ledger)
    started = time.monotonic()
    # One that was approved must be the one that is sent, also after a suspension or a retry.
    options: dict[str, Any] = (
        {"cache_policy": NO_CACHE} if approval == "none" else {"cache_policy": APPROVED_PLANS, "persist_result": True}
    )
    plan = plan_zns_bulk.with_options(**options)(campaign, chunks_per_shard=chunks_per_shard)
    text = show_plan(plan["plan"], campaign.run_key)
    for problem in plan["plan"]["problems"]:
        logger.warning("%s", problem)
    if approval != "none" and plan["plan"]["to_send"] and not _approved(approval, text, approval_timeout_seconds):
        return Cancelled(message="The plan was not approved; nothing was sent.")
    recipients = plan["plan"]["recipients"]
    with (
        borrow_ledger(campaign.ledger) as ledger,
        ProgressArtifact(artifact_key("esms-progress", campaign.run_key), "Recipients settled", recipients) as bar,
    ):
        dispatch = Dispatch(campaign, plan, ledger, window=shards_at_a_time, progress=bar.tell)
        try:
            dispatch.run()
        finally:
            run = ledger.summary(campaign.run_key)
            show_run(run, plan["account"])
    summary = BulkSummary(
        run=run,
        counters=Counters(read=recipients, not_tried=dispatch.not_tried),
        campaign=campaign_of(campaign.run_key, campaign.campaign),
        stopped_by=dispatch.stopped_by,
        seconds=time.monotonic() - started,
    )
    logger.info("run %s: %s", campaign.run_key, summary)
    at_least = campaign.at_least
    lost = max(0, recipients - run.total - dispatch.not_tried)
    if lost:
        problem = (
            f"Run {campaign.run_key}: {lost} recipients have receipts, but are not in the ledger: it is another one, or "
            "was lost. They were not sent again."
        )
        if at_least is not None:
            raise BulkIncompleteError(problem, summary=summary)
        logger.warning("%s", problem)
    if at_least is not None and (not summary.complete or summary.accepted_share < at_least):
        because = f" Stopped: {summary.stopped_by}" if summary.stopped_by else ""
        raise BulkIncompleteError(f"Run {campaign.run_key}: {summary}.{because}", summary=summary)
    return {
        "run_key": campaign.run_key,
        "account": plan["account"],
        "campaign": summary.campaign,
        "recipients": recipients,
        "accepted": run.accepted,
        "duplicates": run.duplicates,
        "rejected": run.rejected,
        "unsettled": run.unsettled,
        "not_in_ledger": lost,
        "complete": summary.complete,
        "shards": len(plan["shards"]),
        "shards_passed_over": dispatch.passed_over,
    }


def _approved(approval: str, text: str, timeout_seconds: int) -> bool:
    question = Approval.with_initial_data(description=text, approve=False)
    # The key makes it one question a run, however often the run begins anew.
    if approval == "pause":
        answer = pause_flow_run(
            wait_for_input=question, timeout=timeout_seconds, poll_interval=_ASK_EVERY_SECONDS, key="esms-approval"
        )
    else:
        answer = suspend_flow_run(wait_for_input=question, timeout=timeout_seconds, key="esms-approval")
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
def notify_by_sms(body: str, subject: str | None = None, notification: str = "default") -> None:
    """
    Send a notification by SMS, for automations on servers without this package: let them run this deployment.

    Args:
        body: The body of the notification.
        subject: The subject of the notification.
        notification: Name of an `EsmsNotification` block.

    Raises:
        ConfigurationError: The message was not accepted.
    """
    block = load_block(EsmsNotification, notification)
    failure = block.failure_of(body, subject)
    if failure is not None:
        raise ConfigurationError(failure)
