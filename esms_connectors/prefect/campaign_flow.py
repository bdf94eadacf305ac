"""The flow `zns_campaign`: plan, approval, sending in shards, result."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, cast

from prefect import flow
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.filesystems import LocalFileSystem
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.prefect.approval import approved, check_starts_again, first_message
from esms_connectors.prefect.artifacts import ProgressArtifact, artifact_key, show_plan, show_run
from esms_connectors.prefect.campaigns import ZnsCampaign
from esms_connectors.prefect.days import named_by_day
from esms_connectors.prefect.dispatch import Dispatch
from esms_connectors.prefect.hours import wait_for_hours
from esms_connectors.prefect.local_files import in_container
from esms_connectors.prefect.pool import borrow_account, borrow_ledger, runs_here
from esms_connectors.prefect.results import CampaignResult
from esms_connectors.prefect.retry import errors_in_one_line
from esms_connectors.prefect.sending import APPROVED_PLANS, guard_of, oa_id_of, plan_zns_bulk
from esms_connectors.recipients import ReadReport
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, finish_run
from esms_connectors.sending.guard.account import look_at_account
from esms_connectors.sending.plan import check_message
from esms_connectors.sending.policy import campaign_of, sandbox_run_key

DEFAULT_WORKERS = 8


@flow(
    name="zns-campaign",
    flow_run_name=named_by_day("zns-campaign", "campaign"),
    task_runner=ThreadPoolTaskRunner(max_workers=DEFAULT_WORKERS),  # type: ignore[arg-type] # invariant in its futures
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
) -> CampaignResult:
    """
    Send a ZNS to each recipient, once: check every row, show the plan, ask for approval if requested, send, report.

    Retries, reruns and concurrent runs of the flow are safe: nobody gets a second message under the same run key. To
    use several machines, pass another task runner: `zns_campaign.with_options(task_runner=…)`.

    Args:
        campaign: Message, recipients and settings; it names blocks and holds no secrets.
        approval: Ask a person to approve the plan first. pause: the process waits; suspend: the process ends and its
            deployment restarts it.
        approval_timeout_seconds: The run fails if there is no answer in this time; nothing is sent.
        chunks_per_shard: Calls per task; None uses 1, and a few from 100 000 recipients on.
        shards_at_a_time: Tasks submitted at a time; about twice the workers of the task runner.
        plan: An approved plan, `plan_zns_bulk(campaign)["plan"]`: different rows, a different message or a different
            run key are refused before the first message.

    Returns:
        Outcomes of these recipients, `sent_by_this_try` of this run; `run`: outcomes of all rows under the run key.

    With `hours="defer"`, outside the permitted hours a run of a deployment ends in the state AwaitingHours and is
    restarted when they begin; any other run fails, and running it again later continues it.

    Raises:
        BulkIncompleteError: Fewer than `at_least` were accepted, or rows are not settled.
        ApprovalTimeoutError: There was no answer.
    """
    for name, value in (("approval_timeout_seconds", approval_timeout_seconds), ("shards_at_a_time", shards_at_a_time)):
        if value < 1:
            raise InvalidRequestError(f"{name} is at least 1.", field=name)
    if approval == "suspend":
        check_starts_again()
    logger = get_run_logger()
    runs_here()
    campaign = campaign.of_this_run().as_approved(plan)
    _warn_of_local_results()
    started = time.monotonic()
    # The approved plan must be the one that is sent, also after a suspension or a retry.
    options: dict[str, Any] = (
        {"cache_policy": NO_CACHE} if approval == "none" else {"cache_policy": APPROVED_PLANS, "persist_result": True}
    )
    made = plan_zns_bulk.with_options(**options)(
        campaign, chunks_per_shard=chunks_per_shard, approved=plan, for_sending=True
    )
    checked, planned_key = made["plan"], campaign.run_key
    if made["sandbox"]:
        # A sandbox run must not share receipts and ledger entries with the real run.
        campaign = campaign.model_copy(update={"run_key": sandbox_run_key(campaign.run_key)})
    text = _report_plan(checked, campaign.run_key)
    if (
        approval != "none"
        and checked["to_send"]
        and not approved(
            f"{text}\n{first_message(campaign)}",
            suspend=approval == "suspend",
            timeout_seconds=approval_timeout_seconds,
            plan_name=make_request_id("approval", *made["shards"])[:20],
        )
    ):
        return cast("CampaignResult", Cancelled(message="The plan was not approved; nothing was sent."))
    recipients = checked["recipients"]
    with (
        borrow_account(campaign.credentials, campaign.rate_limit) as account,
        borrow_ledger(campaign.ledger) as ledger,
        ProgressArtifact(artifact_key("esms-progress", campaign.run_key), "Recipients settled", recipients) as bar,
    ):
        # A block may have been changed while a person looked at the plan.
        check_message(checked, campaign.channel_with(account.client, oa_id_of(campaign, account.block)), planned_key)
        look_at_account(ledger, account.client, campaign.run_key)
        dispatch = Dispatch(campaign, made, ledger, window=shards_at_a_time, progress=bar.update, stop=account.stop)
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
            f"Run {campaign.run_key}: the ledger lacks {counted(lost, 'recipient')} with receipts: it is another "
            "ledger, or it was lost. They were not sent again."
        )
        if campaign.at_least is not None:
            raise BulkIncompleteError(problem, summary=summary)
        logger.warning("%s", problem)
    wait_for_hours(getattr(dispatch.stopped_by, "until", None))
    finish_run(summary)
    result = {
        **summary.as_dict(),
        "account": made["account"],
        "unsettled": summary.counters.left,
        "not_in_ledger": lost,
        "shards": len(made["shards"]),
        "shards_passed_over": dispatch.passed_over,
    }
    return cast("CampaignResult", result)


def _report_plan(plan: Mapping[str, Any], run_key: str) -> str:
    logger = get_run_logger()
    for problem in (*plan["rows"]["notes"], *plan["problems"]):
        logger.warning("%s", problem)
    if not plan["rows"]["rows"]:
        logger.info("The source is empty: there is nobody to send to.")
    return show_plan(plan, run_key)


def _warn_of_local_results() -> None:
    """Warn if results are files in a container, which are lost when it is removed."""
    context = FlowRunContext.get()
    storage = context.result_store.result_storage if context is not None else None
    if in_container() and isinstance(storage, LocalFileSystem):
        get_run_logger().warning(
            "Results are kept in this container and will be lost with it. A rerun then asks the ledger for every row, "
            "which is safe, only slower."
        )
