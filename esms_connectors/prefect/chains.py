"""A campaign on any channel, with fallback steps for people whom it does not reach."""

from contextlib import ExitStack
from typing import Any, Self

from prefect import flow, task
from prefect.logging import get_run_logger
from pydantic import Field, field_validator

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.prefect.artifacts import show_run
from esms_connectors.prefect.async_twins import async_twin
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger
from esms_connectors.prefect.campaigns import CampaignForm, ZnsCampaign
from esms_connectors.prefect.days import named_by_day, named_by_run
from esms_connectors.prefect.descriptions import described
from esms_connectors.prefect.hours import wait_for_hours
from esms_connectors.prefect.pool import borrow_account, borrow_ledger
from esms_connectors.prefect.retry import TASK_OPTIONS, errors_in_one_line
from esms_connectors.prefect.runs import run_key_or_try
from esms_connectors.prefect.sending import guard_of
from esms_connectors.prefect.uncached import never_cached
from esms_connectors.prefect.validation import value_errors
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.channels.factory import has_option, make_channel, read_channel
from esms_connectors.sending.plan import Plan
from esms_connectors.sending.steps import Journey, alert_ladder
from esms_connectors.sending.steps.parsing import check_step, read_step


class ChannelCampaign(CampaignForm):
    """
    A campaign on any channel, as plain data without secrets.

    Attributes:
        channel: a name of `esms_connectors.sending.channels.CHANNELS`, such as `sms` or `zns`.
        options: options of the channel: `text`, `template_id`, `brandname`, `plain`, …; `brandname` and `oa_id` default
            to those of the credentials.
        fallback: steps for people whom the campaign does not reach, each sent once and in order: `[{"channel": "sms",
            "text": "…", "after": "15m"}]`, with the options of each channel, `params` and `phone_column`.
        poll_seconds: seconds between polls while waiting for a fallback.
        The rest as in `ZnsCampaign`.
    """

    channel: str
    options: dict[str, Any] = Field(default_factory=dict)
    fallback: list[dict[str, Any]] = Field(default_factory=list)
    poll_seconds: float = Field(default=60.0, gt=0)

    @field_validator("channel")
    @classmethod
    def _channel_is_one(cls, value: str) -> str:
        with value_errors():
            return read_channel(value).kind

    @field_validator("fallback")
    @classmethod
    def _steps_are_some(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with value_errors():
            for step in value:
                check_step(step)
        return value

    def channel_with(self, client: EsmsClient, oa_id: str | None) -> Channel:
        given = {"send_at": self.time_of_sending(), "callback_url": self.callback_url, **self.options}
        if has_option(self.channel, "oa_id"):
            given.setdefault("oa_id", oa_id)
        return make_channel(self.channel, client, given)

    def with_defaults(self, block: EsmsCredentials) -> Self:
        """The campaign with the credentials' sender if the channel needs one."""
        if has_option(self.channel, "brandname") and not self.options.get("brandname"):
            named: Self = self.model_copy(update={"options": {**self.options, "brandname": block.brandname}})
            return named
        return self


described(ChannelCampaign, rest=ZnsCampaign)
_SEND_OPTIONS = {"name": "send-campaign", "task_run_name": named_by_run("send-campaign", "campaign"), **TASK_OPTIONS}


@never_cached
@task(**_SEND_OPTIONS)
@errors_in_one_line
def send_campaign(campaign: ChannelCampaign, *, plan: dict[str, Any] | None = None) -> dict[str, Any]:
    """
    Send a message to each row on any channel, once, and its fallback steps. Retries, reruns and concurrent runs are
    safe.

    Args:
        campaign: Message, recipients and settings.
        plan: An approved plan; a different one is refused before the first message.

    Returns:
        Outcomes of these recipients; with a fallback, also of each step and person.

    Raises:
        BulkIncompleteError: Fewer were accepted than `at_least`, or rows are not settled.
        JourneyIncompleteError: For some people it is unknown whether a step reached them.
        InvalidRequestError: Source, columns and channel do not match; nothing was sent.
        ConfigurationError: A block cannot be used.
    """
    campaign = campaign.of_this_run()
    logger = get_run_logger()

    def tell(checked: Plan) -> None:
        for problem in checked.problems:
            logger.warning("%s", problem)

    with ExitStack() as stack:
        account = stack.enter_context(borrow_account(campaign.credentials, campaign.rate_limit))
        ledger = stack.enter_context(borrow_ledger(campaign.ledger))
        block = account.block
        oa_id = campaign.oa_id or block.oa_id
        rules = guard_of(campaign, block)
        opened = stack.enter_context(campaign.with_defaults(block).opened(account.client, ledger, oa_id, rules))
        rejects = campaign.rejects_file()
        if rejects is not None:
            stack.enter_context(rejects)
        try:
            return _run(
                campaign, opened, {"brandname": block.brandname, "oa_id": oa_id}, plan, rejects, tell, account.sleep
            )
        finally:
            run = ledger.summary(campaign.run_key)
            if run.total or run.skipped:
                show_run(run, block.account, complete=run.unsettled == 0)


def _run(
    campaign: ChannelCampaign,
    opened: Campaign,
    defaults: dict[str, str | None],
    plan: dict[str, Any] | None,
    rejects: Any,
    tell: Any,
    sleep: Any,
) -> dict[str, Any]:
    if not campaign.fallback:
        return opened.send(plan, rejects=rejects, on_plan=tell).as_dict()
    steps = [read_step(one, opened, defaults) for one in campaign.fallback]
    journey = Journey(opened, steps, poll_seconds=campaign.poll_seconds)
    return journey.run(plan, rejects=rejects, on_plan=tell, sleep=sleep).as_dict()


asend_campaign = never_cached(task(**_SEND_OPTIONS)(async_twin(send_campaign.fn)))


@flow(
    name="campaign", flow_run_name=named_by_day("campaign", "campaign"), persist_result=True, result_serializer="json"
)
@errors_in_one_line
def campaign(campaign: ChannelCampaign, plan: dict[str, Any] | None = None) -> Any:
    """
    Send a message to each row on any channel, once, and the fallback steps to people whom it does not reach.

    Args:
        campaign: Message, recipients and settings; it names blocks and holds no secrets.
        plan: An approved plan; different rows or a different message are refused before the first message.

    Returns:
        As `send_campaign`. With `hours="defer"` a run of a deployment waits for the permitted hours, as in
        `zns_campaign`.
    """
    try:
        return send_campaign(campaign, plan=plan)
    except BulkIncompleteError as error:
        wait_for_hours(getattr(error.summary.stopped_by, "until", None))
        raise


@never_cached
@task(name="tell-by-ladder", **TASK_OPTIONS)
@errors_in_one_line
def tell_by_ladder(
    phones: list[str],
    text: str,
    *,
    after: str = "5m",
    brandname: str | None = None,
    alert_key: str | None = None,
    credentials: str | EsmsCredentials = "default",
    ledger: str | EsmsLedger | None = None,
    poll_seconds: float = 10,
) -> dict[str, Any]:
    """
    An alert for people on call: the first phone gets an SMS, and the next one if that is not delivered in time.

    Args:
        phones: In the order in which they are alerted.
        text: The text to send.
        after: How long to wait for each: `5m`, `90s`.
        brandname: Sender; defaults to that of the credentials.
        alert_key: Identifies the alert: nobody is alerted twice under the same key. Without it this holds within a flow
            run.
        credentials, ledger: Block names, or blocks.
        poll_seconds: Seconds between polls.

    Returns:
        The outcome of each step.

    Raises:
        JourneyIncompleteError: It is unknown whether a message was sent, and no further phone was alerted; or nobody
            could be alerted, because every phone refused it or was skipped by a rule.
    """
    named = run_key_or_try(alert_key, "alert_key", "alert")
    with borrow_account(credentials) as account, borrow_ledger(ledger) as opened:
        journey = alert_ladder(
            account.client,
            opened,
            phones,
            text,
            brandname or account.block.brandname,
            run_key=named if isinstance(named, str) else f"alert/{named.run}",
            after=after,
            poll_seconds=poll_seconds,
            guard=account.block.guard_in_force(),
        )
        return journey.run(sleep=account.sleep).as_dict()
