"""Wait until messages have been delivered, or it is known which were not. When deferred, it takes no worker slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from esms_connectors.airflow.arguments import point_in_time, read_types, share, whole_number
from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.framework import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, conf
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.pollers import poller_of_sent, senders_of
from esms_connectors.airflow.retry import EsmsTaskError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.definitions.context import Context

    from esms_connectors.delivery.polling import (
        DeliveryCounts,
        DeliveryGoal,
        PollBackoff,
        Poller,
        Verdict,
    )

# The trigger ends by itself at the deadline; this timeout covers a triggerer that has died.
_GRACE = timedelta(minutes=15)
_FAILURES = "esms_failed_looks"


class DeliveryStatusSensor(EsmsTask, BaseSensorOperator):
    """
    Wait for messages to reach a final state.

    Give one of `sent` (the result of `SendSmsOperator` or `ZnsBulkOperator`, as `send.output`; the messages of mapped
    tasks are counted together), `run_key` of a ledger, or `message_ids`. If the sending task returned nothing because
    it was marked as success or skipped, the ledger tells what it sent; if that is nothing, this task is skipped. The
    sensor polls once in the worker; with `deferrable` it then waits in the triggerer. The set of messages is fixed at
    that moment, so run the sensor after the sending task, not in parallel. For a campaign with a `fallback` it waits
    for people, each counted once, whichever step reaches them; the triggerer then only wakes the task, which polls
    itself.

    Args:
        final_share: share of the messages that must be final.
        delivered_share: share that must be delivered, such as 0.95. The wait ends early once that many have arrived,
            and the task fails early once that many no longer can. None accepts any outcome.
        deadline: absolute time, ISO text with a zone, or words such as `+6h` or `today 18:00` (Vietnam time, relative
            to when the run was due); `timeout` seconds after the start if None.
        poke_interval: seconds between polls, at least 5 when deferred.
        max_failures: consecutive polls that may fail; when deferred, the waits between them grow. With
            `mode="reschedule"` they are counted in the task state store (Airflow 3.3), before 3.3 not at all.
        sent_after, sent_before, sms_types: for many `message_ids`: when they were sent and their types; see
            `esms_connectors.delivery.polling.target_of_ids`.
        oa_id: for many `message_ids` of ZNS with a callback URL.

    Returns (XCom):
        Counts by state, and ids of the first hundred messages that failed. With a fallback, counts of people, plus
        `people` and `steps`: how many reached each step and why, were delivered to, or were late.

    Raises:
        AirflowSensorTimeout: the deadline has passed. AirflowFailException: too few can still be delivered. With
            `soft_fail` both skip the task, at every poll. A wrong argument, refused keys and an unreachable gateway
            never do.
    """

    template_fields: Sequence[str] = (
        "sent",
        "run_key",
        "message_ids",
        "deadline",
        "sent_after",
        "sent_before",
        "oa_id",
        "esms_conn_id",
        "ledger_conn_id",
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("ledger_url",)
    one_of_these: ClassVar[tuple[Sequence[str], str]] = (
        ("sent", "run_key", "message_ids"),
        "Give one of sent, run_key and message_ids.",
    )
    may_be_missing: ClassVar[Sequence[str]] = ("sent",)
    ui_color = "#e3ecf9"

    def __init__(
        self,
        *,
        sent: Mapping[str, Any] | None = None,
        run_key: str | None = None,
        message_ids: Sequence[str] | None = None,
        final_share: float = 1.0,
        delivered_share: float | None = None,
        deadline: datetime | str | None = None,
        max_failures: int = 10,
        sent_after: datetime | str | None = None,
        sent_before: datetime | str | None = None,
        sms_types: Sequence[int] | str = (),
        oa_id: str | None = None,
        esms_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sent = sent
        self._senders = senders_of(sent)
        self.run_key = run_key
        self.message_ids = message_ids
        self.final_share = share(final_share, "final_share", may_be_zero=False)
        self.delivered_share = (
            None if delivered_share is None else share(delivered_share, "delivered_share", may_be_zero=False)
        )
        self.deadline = deadline
        self.max_failures = whole_number(max_failures, "max_failures")
        self.sent_after = sent_after
        self.sent_before = sent_before
        self.sms_types = sms_types
        self.oa_id = oa_id
        self.esms_conn_id = esms_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.hide_arguments(ledger_url=ledger_url)
        self.deferrable = deferrable
        self.check_given()
        self._polling: tuple[Poller, PollBackoff] | None = None
        self._ends: Any = None
        self._failed_looks = 0

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            # Also covers the waits between polls.
            with self.working():
                return super().execute(context)
        return self._look_or_defer(context)

    def look_again(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Resume after a deferral while waiting for a campaign with a fallback."""
        from esms_connectors.gateway.times import parse_iso

        self._ends, self._failed_looks = parse_iso(event["ends"]), event["failures"]
        return self._look_or_defer(context)

    def _look_or_defer(self, context: Context) -> dict[str, Any] | None:
        from esms_connectors.delivery.combined import CombinedPoller
        from esms_connectors.delivery.polling import DeliveryPoller

        with self.working():
            verdict, counts = self._look(context)
        if verdict is not None and verdict.value != "wait":
            try:
                return self._end(verdict, counts)
            except (AirflowSensorTimeout, AirflowFailException) as error:
                # Airflow does this after a poke and after a deferral, but not here.
                if self.soft_fail or self.never_fail:
                    raise AirflowSkipException(f"Skipped, because of soft_fail or never_fail: {error}") from None
                raise
        from esms_connectors.airflow.triggers import DeliveryStatusTrigger

        (poller, backoff), goal = self._poller_and_backoff(context), self._goal()
        self.log.info("%s; deferred until %s at the latest", counts, self._ends)
        pollers = poller.pollers if isinstance(poller, CombinedPoller) else (poller,)
        targets = [one.target.as_dict() for one in pollers if isinstance(one, DeliveryPoller)]
        if len(targets) < len(pollers):
            self._defer_chain(backoff.failures)
            return None
        self.defer(
            trigger=DeliveryStatusTrigger(
                esms_conn_id=self.esms_conn_id,
                target=targets if len(targets) > 1 else targets[0],
                deadline=self._ends.isoformat(),
                final_share=goal.final_share,
                delivered_share=goal.delivered_share,
                poll_seconds=self.poke_interval,
                max_failures=backoff.max_failures,
            ),
            method_name="execute_complete",
            # A plain timedelta: the supervisor's protocol does not support pendulum's.
            timeout=timedelta(seconds=max(0.0, (self._ends - _now()).total_seconds())) + _GRACE,
        )
        return None

    def _defer_chain(self, failures: int) -> None:
        """Defer until the next poll, which needs the ledger: its address must not be stored in a trigger."""
        from esms_connectors.airflow.triggers import LookAgainTrigger

        seconds = min(float(self.poke_interval), max(0.0, (self._ends - _now()).total_seconds()))
        self.defer(
            trigger=LookAgainTrigger(
                _now().add(seconds=seconds).isoformat(), {"ends": self._ends.isoformat(), "failures": failures}
            ),
            method_name="look_again",
            timeout=timedelta(seconds=seconds) + _GRACE,
        )

    def poke(self, context: Context) -> PokeReturnValue | bool:
        verdict, counts = self._look(context)
        if verdict is None or verdict.value == "wait":
            self.log.info("%s", counts)
            return False
        return PokeReturnValue(is_done=True, xcom_value=self._end(verdict, counts))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        event = (next_kwargs or {}).get("event")
        if isinstance(event, Mapping) and event.get("status") == "error":
            # Not an outcome of the wait: wrong keys or an unreachable gateway fail the task regardless of soft_fail, as
            # they do without a deferral.
            return self.execute_complete(context, event)
        if next_method == "look_again":
            # look_again applies soft_fail itself; Airflow would skip on every failure.
            return self.look_again(context, **(next_kwargs or {}))
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Evaluate the event of the trigger."""
        from esms_connectors.delivery.polling import Verdict, counts_from_dict

        if not isinstance(event, Mapping) or "status" not in event:
            raise EsmsTaskError("The trigger returned no result; another try checks again.")
        if event["status"] == "error":
            kind = EsmsTaskError if event.get("retryable") else AirflowFailException
            raise kind(str(event.get("message") or "The gateway could not be read."))
        return self._end(Verdict(event["status"]), counts_from_dict(event["counts"]))

    def _look(self, context: Context) -> tuple[Verdict | None, DeliveryCounts]:
        """Poll once; the verdict is None if there was no answer and another poll may get one."""
        from esms_connectors.delivery.polling import Verdict
        from esms_connectors.gateway.errors import EsmsError

        goal = self._goal()
        if self._ends is None:
            self._ends = self._deadline(context)
        poller, backoff = self._poller_and_backoff(context)
        try:
            with EsmsHook(self.esms_conn_id).get_conn() as client:
                counts = poller.poll(client, now=_now())
        except EsmsError as error:
            try:
                backoff.after_failure(error)
            finally:
                self._note_failures(context, backoff.failures)
            self.log.warning("no answer (%d of %d): %s", backoff.failures, self.max_failures, error)
            counts = poller.counts()
            overdue = goal.judge(counts, now=_now(), deadline=self._ends)
            return (overdue if overdue is Verdict.TIMED_OUT else None), counts
        if backoff.failures:
            self._note_failures(context, 0)
        backoff.after_answer()
        return goal.judge(counts, now=_now(), deadline=self._ends), counts

    def _poller_and_backoff(self, context: Context) -> tuple[Poller, PollBackoff]:
        """Made at the first poll of this process."""
        from esms_connectors.delivery.polling import PollBackoff

        if self._polling is None:
            poller = self._poller_of(EsmsHook(self.esms_conn_id), context)
            self._polling = poller, PollBackoff(self.poke_interval, self.max_failures, self._failures_before(context))
        return self._polling

    def _failures_before(self, context: Context) -> int:
        """How many polls in a row failed before this one; in `reschedule` mode each poll is a separate process."""
        if self._failed_looks:
            return self._failed_looks
        store: Any = context.get("task_state_store") if self.reschedule else None
        found = None if store is None else store.get(_FAILURES, None)
        # The store is also kept across tries.
        if isinstance(found, dict) and found.get("try") == _instance(context).try_number:
            return int(found["failures"])
        return 0

    def _note_failures(self, context: Context, failures: int) -> None:
        store: Any = context.get("task_state_store") if self.reschedule else None
        if store is not None:
            store.set(_FAILURES, {"try": _instance(context).try_number, "failures": failures})

    def _goal(self) -> DeliveryGoal:
        from esms_connectors.delivery.polling import DeliveryGoal

        return DeliveryGoal(self.final_share, self.delivered_share)

    def _deadline(self, context: Context) -> Any:
        return point_in_time(self.deadline, "deadline", context) or _now().add(seconds=int(self.timeout))

    def _poller_of(self, hook: EsmsHook, context: Context) -> Poller:
        from functools import partial

        from esms_connectors.airflow.arguments import text
        from esms_connectors.delivery.chains import poller_of_run
        from esms_connectors.delivery.polling import DeliveryPoller, target_of_ids
        from esms_connectors.gateway.errors import InvalidRequestError

        run_key, ids = text(self.run_key, "run_key"), self.message_ids
        ledger_url = text(self.rendered("ledger_url", context), "ledger_url")
        opened = partial(hook.open_ledger, self.ledger_conn_id or None, ledger_url, or_local_file=True, create=False)
        by_tasks = self.sent is not None or (self._senders and run_key is None and ids is None)
        if [self.sent, run_key, ids].count(None) != 2 and not (self.sent is None and by_tasks):
            raise InvalidRequestError(self.one_of_these[1], field="message_ids")
        if by_tasks:
            own = bool(self.ledger_conn_id or ledger_url)
            return poller_of_sent(self.sent, self._senders, opened, context, self._template_env(), own_ledger=own)
        if run_key is not None:
            with opened() as ledger:
                return poller_of_run(ledger, run_key, opened)
        if isinstance(ids, str):
            ids = (text(ids, "message_ids") or "").replace(",", " ").split()
        target = target_of_ids(
            list(ids or ()),
            sent_after=point_in_time(self.sent_after, "sent_after", context),
            sent_before=point_in_time(self.sent_before, "sent_before", context),
            sms_types=read_types(self.sms_types),
            oa_id=text(self.oa_id, "oa_id"),
        )
        return DeliveryPoller(target)

    def _end(self, verdict: Verdict, counts: DeliveryCounts) -> dict[str, Any]:
        from esms_connectors.delivery.polling import DeliveryTimeoutError, TooFewDeliveredError, check_verdict

        failure: Exception
        try:
            check_verdict(verdict, counts, self._goal())
            self.log.info("%s", counts)
            return counts.as_dict()
        except DeliveryTimeoutError as error:
            failure = AirflowSensorTimeout(str(error))
        except TooFewDeliveredError as error:
            failure = AirflowFailException(str(error))
        raise failure


def _instance(context: Context) -> Any:
    return context["ti"]


def _now() -> Any:
    import pendulum

    return pendulum.now("UTC")
