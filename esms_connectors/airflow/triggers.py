"""Triggers: they only read, so a triggerer that restarts, or two that run the same, do no harm."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.gateway.errors import EsmsError

# A task that resumes sooner than its worker has reported the deferral is taken for failed by the scheduler of
# Airflow 3.2 and 3.3.
FIRST_WAIT_SECONDS = 5.0


class DeliveryStatusTrigger(BaseTrigger):
    """
    Wait for messages on behalf of `DeliveryStatusSensor`.

    Args:
        awaited: `esms_connectors.waiting.Awaited.as_dict()`.
        deadline: absolute, ISO; a restart does not begin the wait anew.
        The rest as in the sensor.

    Fires once, with `status` (reached, missed, overdue or error) and `counts` or `message`.
    """

    def __init__(
        self,
        awaited: Mapping[str, Any],
        deadline: str,
        esms_conn_id: str = DEFAULT_CONN_ID,
        final_share: float = 1.0,
        delivered_share: float | None = None,
        poll_seconds: float = 60.0,
        max_failures: int = 10,
    ) -> None:
        super().__init__()
        self.awaited = dict(awaited)
        self.deadline = deadline
        self.esms_conn_id = esms_conn_id
        self.final_share = final_share
        self.delivered_share = delivered_share
        self.poll_seconds = poll_seconds
        self.max_failures = max_failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "esms_connectors.airflow.triggers.DeliveryStatusTrigger",
            {
                "awaited": self.awaited,
                "deadline": self.deadline,
                "esms_conn_id": self.esms_conn_id,
                "final_share": self.final_share,
                "delivered_share": self.delivered_share,
                "poll_seconds": self.poll_seconds,
                "max_failures": self.max_failures,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(FIRST_WAIT_SECONDS)
        try:
            yield TriggerEvent(await self._wait())
        except EsmsError as error:
            yield TriggerEvent({"status": "error", "message": str(error), "retryable": error.retryable})

    async def _wait(self) -> dict[str, Any]:
        import pendulum

        from esms_connectors.waiting import Goal, Patience, Verdict, Watch, awaited_from_dict

        goal = Goal(self.final_share, self.delivered_share)
        patience = Patience(max(self.poll_seconds, FIRST_WAIT_SECONDS), self.max_failures)
        watch = Watch(awaited_from_dict(self.awaited))
        deadline = pendulum.parse(self.deadline)
        client = await EsmsHook(self.esms_conn_id).aget_conn()
        try:
            while True:
                try:
                    # In a thread: the client blocks, and one blocked trigger stalls every other one.
                    counts = await asyncio.to_thread(watch.look, client)
                    wait = patience.after_answer()
                except EsmsError as error:
                    wait = patience.after_failure(error, chance=random.random())
                    self.log.warning("no answer (%d of %d): %s", patience.failures, self.max_failures, error)
                    counts = watch.counts()
                now = pendulum.now("UTC")
                verdict = goal.judge(counts, now=now, deadline=deadline)  # type: ignore[arg-type]
                if verdict is not Verdict.WAIT:
                    return {"status": verdict.value, "counts": counts.as_dict()}
                self.log.info("%s", counts)
                await asyncio.sleep(max(0.0, min(wait, (deadline - now).total_seconds())))  # type: ignore[operator]
        finally:
            client.close()
