"""The ladder of an alert: the first phone is alerted, and the next one if that is not delivered in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.alerts import MAX_SEGMENTS, alert_text, check_alert
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import CareSmsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.steps.journey import Journey, Step

logger = get_logger(__name__)

_ALERT = "alert"
_COLUMNS = Columns(key_column="key")


def alert_ladder(
    client: EsmsClient,
    ledger: Ledger,
    phones: object,
    text: object,
    brandname: str | None,
    *,
    run_key: str,
    after: str | timedelta | float = "5m",
    poll_seconds: float = 10.0,
    max_segments: int = MAX_SEGMENTS,
    plain_text: bool = True,
    guard: GuardSettings | None = None,
    callback_url: str | None = None,
) -> Journey:
    """
    An alert that goes from one phone to the next until a message is delivered: `.run()` sends it, and the same call
    again resumes it. Invalid numbers are skipped, and a text that cannot be used is replaced, as in `send_alert`.

    Args:
        phones: in the order in which they are alerted, in any spelling of `read_phone_list`.
        run_key: identifies the alert; under the same key no phone is alerted twice.
        after: how much time each message has before the next phone is alerted.
        guard: the rules in force; None for the defaults. There is no canary, since each step has one recipient.

    Returns:
        The chain.

    Raises:
        InvalidRequestError: no phone is given, or none is valid.
        ConfigurationError: no brandname is given.
    """
    listed = check_alert(phones, brandname)
    message = alert_text(text, f"Alert {run_key}", max_segments=max_segments, plain_text=plain_text)
    # Braces are not placeholders here.
    text_of_all = message.replace("{", "{{").replace("}", "}}")
    channel = CareSmsChannel(client, text_of_all, brandname or "", callback_url=callback_url)
    sources = [[{"phone": phone, "key": _ALERT}] for phone in listed.numbers]
    if not sources:
        raise InvalidRequestError(f"Nobody can be alerted: {'; '.join(listed.problems)}.", field="phones")
    for problem in listed.problems:
        logger.warning("alert %s: %s", run_key, problem)
    rules = replace(guard or GuardSettings(), canary=None)
    first = Campaign(channel, sources[0], _COLUMNS, ledger=ledger, run_key=run_key, threads=1, guard=rules)
    steps = [Step(channel, after, _COLUMNS, source) for source in sources[1:]]
    return Journey(first, steps, poll_seconds=poll_seconds)
