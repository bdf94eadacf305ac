"""Approval of a campaign's plan by a person before the first message."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout, ObjectNotFound, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput, delete_flow_run_input, keyset_from_base_key, read_flow_run_input
from pydantic import Field

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.redaction import redact
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.campaigns import ZnsCampaign
from esms_connectors.prefect.pool import borrow_account, borrow_ledger
from esms_connectors.prefect.sending import oa_id_of

_ASK_EVERY_SECONDS = 3
_LONGEST_VALUE = 200


class ApprovalTimeoutError(EsmsError):
    """There was no answer. Nothing was sent; another run asks again."""


class Approval(RunInput):
    """The input that the flow requests before the first message."""

    approve: bool = Field(default=False, description="Send to all recipients of the plan.")


def check_starts_again() -> None:
    """
    Check that this run will be restarted after a suspension.

    Raises:
        InvalidRequestError: it is a subflow or does not belong to a deployment, so it would not be restarted.
    """
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if run is None or (run.deployment_id is not None and run.parent_task_run_id is None):
        return
    what = "a subflow" if run.parent_task_run_id is not None else "not a run of a deployment"
    raise InvalidRequestError(
        f"approval='suspend' ends the run and needs a deployment that starts it again; this one is {what}. Nothing was "
        "read or sent: take approval='pause', or deploy zns_campaign itself.",
        field="approval",
    )


def first_message(campaign: ZnsCampaign) -> str:
    """The template and the values of the first message, as markdown for the approver, without phones."""
    with (
        borrow_account(campaign.credentials, campaign.rate_limit) as account,
        borrow_ledger(campaign.ledger) as ledger,
    ):
        oa_id = oa_id_of(campaign, account.block)
        with campaign.opened(account.client, ledger, oa_id) as opened:
            channel = opened.channel
            template = channel.row_rules()
            first = next(iter(opened.recipients()), None)
        lines = ["### Template", "", f"- id: {_shown(campaign.template_id)}", f"- OA: {_shown(oa_id)}"]
        if template is not None:
            about = {"name": template.name, "status": template.status, "tag": template.tag, "quality": template.quality}
            lines += [f"- {name}: {_shown(value)}" for name, value in about.items() if value]
            if template.preview_url:
                lines.append(f"- [how it looks]({template.preview_url})")
        if first is not None:
            values = _by_name(first.template_params, template)
            lines += ["", "### First message", "", *(f"- {_shown(name)}: {_shown(one)}" for name, one in values)]
    return redact("\n".join(lines))


def _by_name(params: tuple[str, ...] | Mapping[str, str], template: ZnsTemplate | None) -> Iterable[tuple[str, str]]:
    if isinstance(params, Mapping):
        return params.items()
    names = [param.name for param in template.params] if template is not None else []
    return [(names[at] if at < len(names) else str(at + 1), value) for at, value in enumerate(params)]


def _shown(value: object) -> str:
    """A value as inline code on one line, so that values from rows are not rendered as markdown."""
    text = " ".join(str(value).replace("`", "'").split())
    return f"`{text[:_LONGEST_VALUE]}{'…' if len(text) > _LONGEST_VALUE else ''}`"


def approved(text: str, *, suspend: bool, timeout_seconds: int, plan_name: str) -> bool:
    """
    Ask for approval and wait for the answer, in this process or by suspending it. A plan that was approved in this run
    stays approved when the run is retried.

    Args:
        plan_name: makes one question per plan, however often the run restarts; a different plan asks again.

    Raises:
        ApprovalTimeoutError: there was no answer.
    """
    key = f"esms-approval-{plan_name}"
    inputs = keyset_from_base_key(f"{'suspended' if suspend else 'paused'}-{key}")
    answer: Approval | None = None
    if (given := in_sync(read_flow_run_input)(inputs["response"])) is not None:
        answer = Approval(**given)
    else:
        # Prefect forgets the question when a run is retried, and then cannot ask it again because its input is there.
        _forget(inputs)
        answer = _ask(Approval.with_initial_data(description=text, approve=False), suspend, timeout_seconds, key)
    if answer is None:
        raise ApprovalTimeoutError(f"The plan was not approved within {timeout_seconds} s; nothing was sent.")
    if not answer.approve:
        _forget(inputs)
    return bool(answer.approve)


def _ask(question: type[Approval], suspend: bool, timeout_seconds: int, key: str) -> Approval | None:
    if suspend:
        return suspend_flow_run(wait_for_input=question, timeout=timeout_seconds, key=key)
    try:
        return pause_flow_run(
            wait_for_input=question,
            timeout=timeout_seconds,
            poll_interval=min(_ASK_EVERY_SECONDS, timeout_seconds),
            key=key,
        )
    except FlowPauseTimeout:
        return None


def _forget(inputs: Mapping[Any, str]) -> None:
    for name in inputs.values():
        with suppress(PrefectHTTPStatusError, ObjectNotFound):
            in_sync(delete_flow_run_input)(name)
