"""Triggers. They only read, so a triggerer that restarts, or two that run the same trigger, do no harm."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from esms_connectors.airflow.arguments import number, read_types, seconds, text, whole_number
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError

if TYPE_CHECKING:
    from pendulum import DateTime

    from esms_connectors.delivery.closed_windows import SpanWatch

# The scheduler of Airflow 3.2 and 3.3 marks a task failed if it resumes before it has heard that the worker ended with
# the deferral. Workers tell it up to five seconds late, and a busy scheduler takes more than ten to look.
FIRST_WAIT_SECONDS = 30.0
SHORTEST_POLL_SECONDS = 5.0
# The triggerer writes an event to Airflow's database a second or two after taking it, and does not report when.
HANDED_OVER_SECONDS = 30.0


class DeliveryStatusTrigger(BaseTrigger):
    """
    Wait for messages on behalf of `DeliveryStatusSensor`.

    Args:
        target: `esms_connectors.delivery.polling.DeliveryTarget.as_dict()`, or a list of them.
        deadline: absolute, ISO; a restart does not restart the wait.
        The rest as in the sensor.

    Fires once, with `status` (reached, missed, overdue or error) and `counts` or `message`.
    """

    def __init__(
        self,
        target: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        deadline: str,
        esms_conn_id: str = DEFAULT_CONN_ID,
        final_share: float = 1.0,
        delivered_share: float | None = None,
        poll_seconds: float = 60.0,
        max_failures: int = 10,
    ) -> None:
        super().__init__()
        self.target = dict(target) if isinstance(target, Mapping) else [dict(one) for one in target]
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
                "target": self.target,
                "deadline": self.deadline,
                "esms_conn_id": self.esms_conn_id,
                "final_share": self.final_share,
                "delivered_share": self.delivered_share,
                "poll_seconds": self.poll_seconds,
                "max_failures": self.max_failures,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Whoever polls more often wants to know sooner.
        await asyncio.sleep(min(FIRST_WAIT_SECONDS, max(self.poll_seconds, SHORTEST_POLL_SECONDS)))
        try:
            yield TriggerEvent(await self._wait())
        except EsmsError as error:
            yield TriggerEvent({"status": "error", "message": str(error), "retryable": error.retryable})

    async def _wait(self) -> dict[str, Any]:
        import pendulum

        from esms_connectors.delivery.combined import combined
        from esms_connectors.delivery.polling import DeliveryGoal, DeliveryPoller, PollBackoff, Verdict
        from esms_connectors.delivery.target import target_from_dict
        from esms_connectors.gateway.times import parse_iso

        goal = DeliveryGoal(self.final_share, self.delivered_share)
        backoff = PollBackoff(max(self.poll_seconds, SHORTEST_POLL_SECONDS), self.max_failures)
        targets = [self.target] if isinstance(self.target, dict) else self.target
        poller = combined([DeliveryPoller(target_from_dict(one)) for one in targets])
        deadline = parse_iso(self.deadline)
        client = await EsmsHook(self.esms_conn_id).aget_conn()
        try:
            while True:
                try:
                    # In a thread: the client blocks, and one blocked trigger stalls every other one.
                    counts = await asyncio.to_thread(poller.poll, client)
                    wait = backoff.after_answer()
                except EsmsError as error:
                    wait = backoff.after_failure(error, chance=random.random())
                    self.log.warning("no answer (%d of %d): %s", backoff.failures, self.max_failures, error)
                    counts = poller.counts()
                now = pendulum.now("UTC")
                verdict = goal.judge(counts, now=now, deadline=deadline)
                if verdict is not Verdict.WAIT:
                    return {"status": verdict.value, "counts": counts.as_dict()}
                self.log.info("%s", counts)
                await asyncio.sleep(max(0.0, min(wait, (deadline - now).total_seconds())))
        finally:
            client.close()


class LookAgainTrigger(BaseTrigger):
    """
    Fires when the task should look again: at a campaign with a fallback, or when its permitted hours begin.

    Args:
        moment: absolute, ISO; a restart does not restart the wait.
        carried: state that the task needs when it resumes, passed on in the event: `airflow dags test` and `airflow
            tasks test` lose the arguments of a method that is resumed by an event.
    """

    def __init__(self, moment: str, carried: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.moment = moment
        self.carried = dict(carried or {})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = "esms_connectors.airflow.triggers.LookAgainTrigger"
        return path, {"moment": self.moment, "carried": self.carried}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from esms_connectors.gateway import machine_clock
        from esms_connectors.gateway.times import parse_iso

        left = (parse_iso(self.moment) - machine_clock.now()).total_seconds()
        await asyncio.sleep(max(FIRST_WAIT_SECONDS, left))
        yield TriggerEvent({"moment": self.moment, **self.carried})


class DeliveryReportsTrigger(BaseEventTrigger):
    """
    For an `AssetWatcher`: fires for each quarter of an hour once all its messages are final.

    A quarter with messages that are not final yet (one scheduled for tomorrow, a phone that is switched off) fires
    later and does not delay the others. The cursor is saved in the asset's state store (Airflow 3.3) half a minute
    after an event was handed over, so after a crash an event may be repeated but is never lost. Before 3.3 the cursor
    starts `lookback_hours` ago whenever the triggerer starts.

    Args:
        sms_types: the types to watch; 2, 24 and 25 (customer care and ZNS) if empty.
        campaign: only messages whose campaign starts with this; None for all.
        step_minutes: length of a span.
        give_up_hours: a span that ended longer ago fires although messages are not final, such as those scheduled for
            later than that.
        lookback_hours: how far back the first cursor is.

    The payload has `start`, `end` and counts by state; no phone, no text.

    Raises:
        InvalidRequestError: an invalid value; raised when the DAG is parsed.
    """

    def __init__(
        self,
        esms_conn_id: str = DEFAULT_CONN_ID,
        sms_types: Sequence[int] = (),
        campaign: str | None = None,
        poll_seconds: float = 60.0,
        step_minutes: int = 15,
        give_up_hours: float = 24.0,
        lookback_hours: float = 24.0,
    ) -> None:
        super().__init__()
        self.esms_conn_id = esms_conn_id
        self.sms_types = read_types(sms_types) or [2, 24, 25]
        self.campaign = text(campaign, "campaign")
        self.poll_seconds = seconds(poll_seconds, "poll_seconds")
        self.step_minutes = whole_number(step_minutes, "step_minutes")
        self.give_up_hours = number(give_up_hours, "give_up_hours")
        self.lookback_hours = number(lookback_hours, "lookback_hours")
        if self.give_up_hours < 0 or self.lookback_hours < 0:
            raise InvalidRequestError("give_up_hours and lookback_hours are 0 or more.", field="give_up_hours")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "esms_connectors.airflow.triggers.DeliveryReportsTrigger",
            {
                "esms_conn_id": self.esms_conn_id,
                "sms_types": self.sms_types,
                "campaign": self.campaign,
                "poll_seconds": self.poll_seconds,
                "step_minutes": self.step_minutes,
                "give_up_hours": self.give_up_hours,
                "lookback_hours": self.lookback_hours,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import pendulum

        from esms_connectors.delivery.polling import LONGEST_WAIT_SECONDS, PollBackoff

        # The trigger runs until it is stopped, so no number of failures ends it.
        backoff = PollBackoff(max(self.poll_seconds, SHORTEST_POLL_SECONDS), max_failures=1 << 30)
        watch = await self._load()
        told = _state_of(watch)
        passed: deque[tuple[float, dict[str, Any]]] = deque()
        while True:
            try:
                client = await EsmsHook(self.esms_conn_id).aget_conn()
                try:
                    # One span at a time: a watcher that is far behind does not hold everything in memory.
                    while (settled := await asyncio.to_thread(watch.next, client, pendulum.now("UTC"))) is not None:
                        if settled.counts.total:
                            span = {"start": settled.start.isoformat(), "end": settled.end.isoformat()}
                            yield TriggerEvent({**span, **settled.counts.as_dict()})
                        passed.append((time.monotonic(), _state_of(watch)))
                        await self._keep(passed)
                finally:
                    client.close()
                if (state := _state_of(watch)) != told:
                    passed.append((time.monotonic(), state))
                    told = state
                wait = backoff.after_answer()
            except EsmsError as error:
                self.log.warning("delivery reports cannot be read: %s", error)
                wait = backoff.after_failure(error) if error.retryable else LONGEST_WAIT_SECONDS
            if passed:
                await asyncio.sleep(min(wait, HANDED_OVER_SECONDS))
                await self._keep(passed)
                wait -= min(wait, HANDED_OVER_SECONDS)
            await asyncio.sleep(wait)

    def _watch_from(self, cursor: DateTime, held: Sequence[DateTime]) -> SpanWatch:
        from datetime import timedelta

        from esms_connectors.delivery.closed_windows import SpanWatch

        return SpanWatch(
            cursor,
            held,
            sms_types=self.sms_types,
            campaign=self.campaign,
            step=timedelta(minutes=self.step_minutes),
            give_up_after=timedelta(hours=self.give_up_hours),
        )

    def _key(self) -> str:
        """Watchers of one asset that select different messages have separate cursors."""
        from esms_connectors.gateway.request_ids import make_request_id

        what = make_request_id(self.esms_conn_id, *self.sms_types, self.campaign, self.step_minutes)
        return f"esms_reports_{what[:16]}"

    async def _load(self) -> SpanWatch:
        import pendulum

        from esms_connectors.gateway.times import parse_iso

        store = getattr(self, "asset_state_store", None)
        found: Any = None
        if store is not None:
            get = store.aget if hasattr(store, "aget") else _threaded(store.get)
            found = await get(self._key(), None)
        if not isinstance(found, Mapping):
            found = {"cursor": found} if isinstance(found, str) else {}
        begin = pendulum.now("UTC").subtract(minutes=int(self.lookback_hours * 60)).isoformat()
        cursor, *held = (parse_iso(one) for one in (found.get("cursor", begin), *found.get("held", ())))
        return self._watch_from(cursor.start_of("minute"), held)

    async def _keep(self, passed: deque[tuple[float, dict[str, Any]]]) -> None:
        """Save the cursor after the last event that must have reached the database by now."""
        state = None
        while passed and passed[0][0] <= time.monotonic() - HANDED_OVER_SECONDS:
            state = passed.popleft()[1]
        store = getattr(self, "asset_state_store", None)
        if state is not None and store is not None:
            keep = store.aset if hasattr(store, "aset") else _threaded(store.set)
            await keep(self._key(), state)


def _state_of(watch: SpanWatch) -> dict[str, Any]:
    return {"cursor": watch.cursor.isoformat(), "held": [start.isoformat() for start in watch.held]}


def _threaded(call: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Run `call` in a thread: the stores of Airflow 3.3.0 and 3.3.1 have no asynchronous API."""

    async def run(*arguments: Any) -> Any:
        return await asyncio.to_thread(call, *arguments)

    return run
