"""Metrics of what a task has sent, if metrics are enabled in Airflow (`[metrics]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.gateway.errors import unexpected
from esms_connectors.gateway.redaction import get_logger

if TYPE_CHECKING:
    from esms_connectors.sending.result import RunResult

logger = get_logger(__name__)


def count_messages(result: RunResult) -> None:
    """
    Emit the counters `esms.accepted`, `esms.rejected` and `esms.unknown` of this try; `esms.found` for messages whose
    answer was lost and that it found in the sent data; `esms.cost_vnd` for accepted and found messages if a price is
    known; and the timer `esms.sending`. Each has the tag `channel`. For a chain only the first step is counted, for a
    sandbox nothing.
    """
    if result.sandbox:
        return
    try:
        _count(result)
    except Exception as error:  # noqa: BLE001 - a failing metrics backend must not put sent messages in doubt
        logger.warning("metrics: %s", unexpected(error))


def _count(result: RunResult) -> None:
    from esms_connectors.airflow.framework import Stats

    counters, tags = result.counters, {"channel": result.channel}
    counts = {name: getattr(counters, name) for name in ("accepted", "rejected", "unknown", "found")}
    if result.price_vnd is not None:
        counts["cost_vnd"] = round(result.price_vnd * (counters.accepted + counters.found))
    for name, count in counts.items():
        if count:
            Stats.incr(f"esms.{name}", count, tags=tags)
    Stats.timing("esms.sending", result.seconds * 1000, tags=tags)
