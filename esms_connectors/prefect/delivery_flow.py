"""A flow that reports the outcome of a run's messages."""

from collections.abc import Mapping
from typing import Any, cast

from prefect import flow

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.prefect.artifacts import artifact_key, show_table
from esms_connectors.prefect.days import named_by_day, with_day
from esms_connectors.prefect.delivery import wait_for_delivery
from esms_connectors.prefect.pool import borrow_ledger
from esms_connectors.prefect.results import DeliveryResult
from esms_connectors.prefect.retry import errors_in_one_line


@flow(
    name="delivery-report",
    flow_run_name=named_by_day("delivery-report", "run_key"),
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
) -> DeliveryResult:
    """
    Wait until the messages of a run are final, and show their outcomes.

    Args:
        run_key: That of a campaign; `{day}` is the day in Vietnam that the run was scheduled for.
        credentials: Name of an `EsmsCredentials` block.
        ledger: Name of an `EsmsLedger` block; None is a file on this machine.
        delivered_share: Fail unless this share is delivered; None accepts any outcome.
        timeout_seconds: After this time, report what is known.
        poll_seconds: Seconds between polls.

    Returns:
        Counts by state, without phones.

    Raises:
        DeliveryShareError: Fewer than `delivered_share` were delivered.
    """
    run_key = with_day(run_key)
    told: Any = wait_for_delivery(
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
        show_table(
            artifact_key("esms-delivery-steps", run_key),
            [_step_line(step) for step in steps],
            f"Steps of run `{redact(run_key)}`; late: delivered after the next step was sent",
        )
    else:
        table += [{"state": f"refused with code {code}", "messages": n} for code, n in run.rejected_by_code.items()]
    show_table(
        artifact_key("esms-delivery-result", run_key),
        table,
        f"{told['final']} of {_expected(told['expected'], steps)} of run `{redact(run_key)}` final",
    )
    if delivered_share is not None and not told["reached"]:
        raise DeliveryShareError(
            f"Run {run_key}: {told['delivered']} of {counted(told['expected'], 'message')} arrived, fewer than "
            f"{delivered_share:g} of them; {told['expected'] - told['final']} not final yet."
        )
    return cast("DeliveryResult", told)


def _expected(number: int, steps: object) -> str:
    return counted(number, "person", "people") if steps else counted(number, "message")


def _step_line(step: Mapping[str, Any]) -> dict[str, Any]:
    why = ", ".join(f"{count} {reason}" for reason, count in step["reasons"].items())
    names = ("step", "channel", "handed_on", "accepted", "rejected", "delivered", "late")
    return {**{name.replace("handed_on", "people"): step[name] for name in names}, "because": why}


class DeliveryShareError(EsmsError):
    """Fewer messages were delivered than the report requires."""
