"""What a task has sent, as metrics, where Airflow has metrics turned on (`[metrics]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.gateway.errors import unexpected
from esms_connectors.gateway.redaction import get_logger

if TYPE_CHECKING:
    from esms_connectors.sending.result import RunResult

logger = get_logger(__name__)


def count_messages(result: RunResult) -> None:
    """
    Counters `esms.accepted`, `esms.rejected`, `esms.unknown` of this try; `esms.found` of messages whose answer was
    lost, and that it found in the sent data; `esms.cost_vnd` of accepted and found ones where a price is known; and the
    timer `esms.sending`; each with the tag `channel`. Of a chain its first step is counted, of a sandbox nothing.
    """
    if result.sandbox:
        return
    try:
        _count(result)
    except Exception as error:  # noqa: BLE001 - what was sent is in no doubt because a counter is away
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
