"""Tasks that send. The ledger prevents repeated messages; Prefect's stored results only save time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_run_logger

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.prefect.async_twins import async_twin
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger
from esms_connectors.prefect.campaigns import (
    CampaignForm,
    Cutter,
    ZnsCampaign,
    ZnsShard,
    cut_shards,
    in_template_order,
    key_part,
    receipt_key,
    shard_names,
    usual_chunks_per_shard,
)
from esms_connectors.prefect.days import named_by_run, point_in_time
from esms_connectors.prefect.pool import Account, borrow_account, borrow_ledger
from esms_connectors.prefect.results import PlanResult, ShardCounts, SmsResult
from esms_connectors.prefect.retry import TASK_OPTIONS, errors_in_one_line, is_retryable
from esms_connectors.prefect.runs import run_key_or_try
from esms_connectors.prefect.uncached import never_cached
from esms_connectors.recipients import Columns, Recipients
from esms_connectors.sending import bulk, one_sms, sms_message
from esms_connectors.sending.bulk import Counters, ShardResult
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.plan import price_for_budget
from esms_connectors.sending.policy import sandbox_run_key, time_to_send


class ShardIncompleteError(EsmsError):
    """
    Rows of a shard are not settled. The ledger has each of them, and rerunning the task continues with them.

    Attributes:
        counters: what this try did, by name.
        stops_run: every further shard would be refused likewise.
        answered: whether the gateway answered at all.
        until: when the permitted hours of its messages begin, if the rest of the run waits for them.
    """

    def __init__(self, message: str, *, summary: ShardResult) -> None:
        super().__init__(message)
        counted = summary.counters
        self.counters: dict[str, int] = asdict(counted)
        self.stops_run = summary.stopped_by is not None
        self.until: str | None = getattr(summary.stopped_by, "until", None)
        self.answered = bool(counted.done + counted.held + counted.busy)
        self.retryable = summary.stopped_by is None and bool(
            counted.unknown + counted.not_sent + counted.busy + counted.not_tried
        )


def _receipt(_context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    key: str = parameters["shard"].key
    return key


def _plan_of_this_run(_context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    flow = FlowRunContext.get()
    if flow is None or flow.flow_run is None:
        return None
    return f"esms/plans/{key_part(parameters['campaign'].run_key)}/{flow.flow_run.id}"


# Built-in policies hash the pickled arguments, in which secrets are masked and which differ between versions of
# Prefect.
RECEIPTS = CacheKeyFnPolicy(cache_key_fn=_receipt)
APPROVED_PLANS = CacheKeyFnPolicy(cache_key_fn=_plan_of_this_run)


def _shard_name(parameters: dict[str, Any]) -> str:
    shard: ZnsShard = parameters["shard"]
    return f"{named_by_run('send-zns-bulk', 'campaign')(parameters)}: {shard.number + 1} of {shard.total}"


_SHARD_OPTIONS: dict[str, Any] = {
    "tags": {"esms"},
    "task_run_name": _shard_name,
    "cache_policy": RECEIPTS,
    "persist_result": True,
    "result_serializer": "json",
    "cache_result_in_memory": False,
    "retry_condition_fn": is_retryable,
}

# --- one SMS ---------------------------------------------------------------------------------------------------------


@never_cached
@task(name="send-sms", **TASK_OPTIONS)
@errors_in_one_line
def send_sms(
    phone: str,
    text: str,
    *,
    credentials: str | EsmsCredentials = "default",
    brandname: str | None = None,
    message_key: str | None = None,
    ledger: str | EsmsLedger | None = None,
    campaign: str | None = None,
    send_at: datetime | str | None = None,
    callback_url: str | None = None,
    rate_limit: str | None = None,
) -> SmsResult:
    """
    Send one customer-care SMS, once: however often the task or its flow is retried.

    Args:
        phone: A Vietnamese mobile number in any format.
        text: Must fit a text registered for the brandname.
        credentials: Name of an `EsmsCredentials` block, or the block.
        brandname: Sender; defaults to that of the credentials.
        message_key: Identifies this message, such as an order number: it is then sent only once, ever. Without it the
            message is sent once per flow run, and two messages of a flow run with the same phone, text and sender are
            the same message. A text that differs between tries, such as one containing the time, needs a key: without
            one the second text is refused.
        ledger: Name of an `EsmsLedger` block, or the block; None is a file on this machine. Give one if retries may run
            on another machine.
        campaign: A label that the gateway returns in the sent data.
        send_at: Aware time of sending, or words such as `tomorrow 08:30` and `+2h` (Vietnam time, relative to the run's
            scheduled time). None sends now.
        callback_url: Receives the delivery report.
        rate_limit: A global concurrency limit with slot decay.

    Returns:
        The counts of every sending result, and for the message: `state` (accepted, or checked in the sandbox, which
        sends nothing), `sent_by_this_try` (0 if an earlier run or try sent it), `message_id` (None after a lost
        answer), `duplicate`, `sandbox`, and `run_key` to wait for it.

    Raises:
        BulkIncompleteError: It was rejected or its outcome is unknown; `retryable` tells whether a retry may settle it.
        InvalidRequestError: It cannot be sent as given, or was sent before under this key with a different text.
        ConfigurationError: A block cannot be used.

    Example:
        ```python
        from esms_connectors.prefect import send_sms

        send_sms("0901234567", "Don hang 17 da giao", message_key="order-17-delivered")
        ```
    """
    with borrow_account(credentials, rate_limit) as account, ExitStack() as stack:
        sender = brandname or account.block.brandname
        if not sender:
            raise InvalidRequestError("No brandname: give one, or set it in the credentials block.", field="brandname")
        message = sms_message.SmsMessage(
            phone,
            text,
            sender,
            row_key="sms",
            send_at=None if send_at is None else point_in_time(send_at, "send_at", whole_days=False),
            campaign=campaign,
            callback_url=callback_url,
        )
        sandbox = account.client.sandbox
        # Nothing is stored in a sandbox, so a fixed key is sufficient.
        key = "sandbox" if sandbox and message_key is None else message_key
        told = one_sms.send_sms_once(
            account.client,
            message,
            ledger=None if sandbox else stack.enter_context(borrow_ledger(ledger)),
            named=run_key_or_try(key, "message_key", f"sms/{account.block.account}"),
            guard=account.block.guard_in_force(),
        )
    if sandbox:
        get_run_logger().info("%s", told)
    result = {
        **told.as_dict(),
        "state": "checked" if sandbox else "accepted",
        "message_id": next(iter(told.message_ids), None),
        "duplicate": bool(told.duplicates),
    }
    return cast("SmsResult", result)


asend_sms = never_cached(task(name="send-sms", **TASK_OPTIONS)(async_twin(send_sms.fn)))


# --- a campaign ------------------------------------------------------------------------------------------------------


_PLAN_OPTIONS = {"name": "plan-zns-bulk", "task_run_name": named_by_run("plan-zns-bulk", "campaign"), **TASK_OPTIONS}


@task(**_PLAN_OPTIONS)
@errors_in_one_line
def plan_zns_bulk(
    campaign: ZnsCampaign,
    *,
    chunks_per_shard: int | None = None,
    approved: dict[str, Any] | None = None,
    for_sending: bool = False,
) -> PlanResult:
    """
    Check every row, fix the shards, and report what sending would do and cost. Sends nothing.

    Args:
        campaign: Message, recipients and settings.
        chunks_per_shard: Calls per task; None uses 1, and a few from 100 000 recipients on.
        approved: The approved plan; a different one is refused.
        for_sending: Raise if sending it would be refused, instead of returning the reason in `refusal`.

    Returns:
        `plan`: counts, cost, problems and reasons of rejected rows, without phones; `refusal`: why sending it would be
        refused, or None; `shards`: their names; `chunks_per_shard`; `account`; `sandbox`.

    Raises:
        PlanChangedError: What would be sent differs from what was approved.
        InvalidRequestError: Source, columns and template do not match.
        ConfigurationError: A block cannot be used, or an extra is missing.
        GatewayError, NotSentError, OutcomeUnknownError: Template, balance or price could not be read.
    """
    if chunks_per_shard is not None and chunks_per_shard < 1:
        raise InvalidRequestError("chunks_per_shard is at least 1, or None.", field="chunks_per_shard")
    campaign = campaign.of_this_run()
    with ExitStack() as stack:
        account = stack.enter_context(borrow_account(campaign.credentials, campaign.rate_limit))
        ledger = stack.enter_context(borrow_ledger(campaign.ledger))
        rules = guard_of(campaign, account.block)
        opened = stack.enter_context(campaign.opened(account.client, ledger, oa_id_of(campaign, account.block), rules))
        rejects = campaign.rejects_file()
        if rejects is not None:
            stack.enter_context(rejects)
        cutter, template = Cutter(campaign.chunk_size), opened.channel.row_rules()
        plan = opened.plan(
            rejects, watch=lambda rows: cutter.watch(in_template_order(rows, template)), approved=approved
        )
        label, sandbox = account.block.account, account.client.sandbox
        refusal = None
        try:
            opened.check_reach(plan)
        except InvalidRequestError as error:
            if for_sending:
                raise
            refusal = str(error)
    chunks = cutter.names()
    size = chunks_per_shard or usual_chunks_per_shard(len(chunks))
    return {
        "plan": plan.as_dict(),
        "refusal": refusal,
        "shards": shard_names(chunks, size),
        "chunks_per_shard": size,
        "account": label,
        "sandbox": sandbox,
    }


aplan_zns_bulk = task(**_PLAN_OPTIONS)(async_twin(plan_zns_bulk.fn))


@never_cached
@task(name="send-zns-bulk", **_SHARD_OPTIONS)
@errors_in_one_line
def send_zns_bulk(shard: ZnsShard, campaign: ZnsCampaign) -> ShardCounts:
    """
    Send one shard of a campaign: each row at most once, even with concurrent workers.

    The result is stored as JSON under `esms/{account}/{run_key}/{shard}`, so that a rerun skips the shard. The ledger
    is authoritative: without the result the task looks up every row there.

    Args:
        shard: From `read_shards`.
        campaign: The campaign of the shard.

    Returns:
        Counts of the rows of this shard by outcome; `sent_by_this_try` counts those sent now.

    Raises:
        ShardIncompleteError: Rows are not settled; `retryable` tells whether a retry may settle them.
        InvalidRequestError: A row was sent before with different content, or cannot be sent as given.
        ConfigurationError: A block cannot be used.
    """
    campaign = campaign.of_this_run()
    with (
        borrow_account(campaign.credentials, campaign.rate_limit) as account,
        borrow_ledger(campaign.ledger) as ledger,
    ):
        if account.stop.is_set():
            untried = ShardResult(Counters(not_tried=len(shard.rows)), "", EsmsError("the run was told to stop"))
            raise ShardIncompleteError(f"Shard {shard.number + 1} was not sent.", summary=untried)
        check_shard(shard, campaign.run_key, account)
        channel = campaign.channel_with(account.client, oa_id_of(campaign, account.block))
        rules = guard_of(campaign, account.block)
        # The template determines the kind of message and with it the rules.
        channel.template = _template_of(channel)
        columns = Columns(campaign.phone_column, (), campaign.key_column)
        summary = bulk.send_shard(
            replace(channel, send_at=time_to_send(channel.send_at, ledger, campaign.run_key)),
            Recipients(shard.rows, columns.key_name, merged=columns.one_per_phone(campaign.duplicates)),
            ledger=ledger,
            run_key=campaign.run_key,
            campaign=campaign.campaign,
            reconcile_before_repeat=campaign.reconcile_before_repeat,
            guard=rules,
            price_vnd=price_for_budget(channel, rules, campaign.price_vnd),
        )
    told = _in_words(summary.counters)
    if not summary.complete:
        because = f" Stopped: {summary.stopped_by}" if summary.stopped_by else ""
        raise ShardIncompleteError(
            f"Shard {shard.number + 1} of {shard.total} of run {campaign.run_key}: {told}.{because}", summary=summary
        )
    get_run_logger().debug("shard %d of %d: %s", shard.number + 1, shard.total, told)
    counters = summary.counters
    return {
        "shard": shard.name,
        "rows": len(shard.rows),
        "accepted": counters.accepted + counters.accepted_before,
        "sent_by_this_try": counters.accepted,
        "duplicates": counters.duplicates,
        "rejected": counters.rejected + counters.rejected_before,
        "skipped": counters.skipped + counters.skipped_before,
        "settled_before": counters.settled_before,
    }


asend_zns_bulk = never_cached(task(name="send-zns-bulk", **_SHARD_OPTIONS)(async_twin(send_zns_bulk.fn)))


def _in_words(counters: Counters) -> str:
    names = {
        "accepted": "accepted",
        "rejected": "rejected",
        "skipped": "skipped by a rule",
        "settled_before": "settled before",
        "unknown": "unknown",
        "not_sent": "not sent",
        "held": "held",
        "busy": "claimed by another worker",
        "not_tried": "not tried",
    }
    counted = asdict(counters)
    return ", ".join(f"{counted[name]} {words}" for name, words in names.items() if counted[name]) or "nothing to do"


@contextmanager
def read_shards(campaign: ZnsCampaign, plan: Mapping[str, Any]) -> Iterator[Iterator[ZnsShard]]:
    """
    The shards of a plan, one after the other, read again from the source.

    Args:
        plan: The result of `plan_zns_bulk`.

    Raises:
        InvalidRequestError: Sending it is refused, see `refusal` of the plan; or the source differs from the plan,
            raised before anything of such a shard is sent.

    Example:
        ```python
        plan = plan_zns_bulk(campaign)
        with read_shards(campaign, plan) as shards:
            futures = [send_zns_bulk.submit(shard, campaign) for shard in shards]
        ```
    """
    if plan["refusal"] is not None:
        raise InvalidRequestError(plan["refusal"], field="plan")
    campaign = campaign.of_this_run()
    if plan["sandbox"]:
        campaign = campaign.model_copy(update={"run_key": sandbox_run_key(campaign.run_key)})
    with (
        borrow_account(campaign.credentials, campaign.rate_limit) as account,
        borrow_ledger(campaign.ledger) as ledger,
        campaign.opened(account.client, ledger, oa_id_of(campaign, account.block)) as opened,
    ):
        recipients = in_template_order(opened.recipients(), opened.channel.row_rules())
        yield cut_shards(recipients, plan["shards"], campaign, plan["account"], plan["chunks_per_shard"])


def check_shard(shard: ZnsShard, run_key: str, account: Account) -> None:
    """
    Raises:
        ConfigurationError: the credentials block was changed since the shard was planned, such as from a sandbox; the
            receipt of the shard would be that of another run.
    """
    run_key = sandbox_run_key(run_key) if account.client.sandbox else run_key
    if shard.key != receipt_key(account.block.account, run_key, shard.name):
        raise ConfigurationError(
            f"Shard {shard.number + 1} of run {run_key} was planned with other credentials: the block was changed "
            "since (account or sandbox). It was not sent; plan again."
        )


def guard_of(campaign: CampaignForm, block: EsmsCredentials) -> GuardSettings:
    return block.guard_in_force(campaign.guard_choice(), who=f"prefect: {block.account}")


# Templates by client, which is kept for a run: shards share the lookup.
_TEMPLATES: WeakKeyDictionary[EsmsClient, dict[tuple[str, str], ZnsTemplate | None]] = WeakKeyDictionary()


def _template_of(channel: ZnsChannel) -> ZnsTemplate | None:
    known = _TEMPLATES.setdefault(channel.client, {})
    key = channel.template_id, channel.oa_id
    if key not in known:
        known[key] = channel.row_rules()
    return known[key]


def oa_id_of(campaign: ZnsCampaign, block: EsmsCredentials) -> str:
    oa_id = campaign.oa_id or block.oa_id
    if not oa_id:
        raise InvalidRequestError("No OA: give oa_id, or set it in the credentials block.", field="oa_id")
    return oa_id
