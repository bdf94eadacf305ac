"""An SMS when something happens to a DAG: one per event, not one per retry and not one per mapped task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseNotifier

from esms_connectors.airflow.base import render
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.gateway.client import EsmsClient

# Length of one SMS without diacritics; a longer one costs twice.
_ONE_SEGMENT = 160
# The part of the time that Airflow allows for callbacks that is reserved for an orderly end.
_LEFT_OVER_SECONDS = 5.0
_LONGEST_CALL_SECONDS = 8.0


class EsmsNotifier(BaseNotifier):
    """
    Send an SMS as `on_failure_callback`, deadline alert or similar.

    The request id is derived from the event (dag, run, how often the run was cleared, what happened, and with
    `once_per="task"` the task), never from the try, the map index or the text. A hundred mapped tasks that fail in one
    run, or three retries, therefore cause one message: the gateway rejects the others (code 124) until the end of the
    day.

    An alert is sent even if parts of it fail: if a template fails to render, a plain text or the connection's value is
    used instead; an invalid phone is skipped; an unreachable gateway is retried for as long as Airflow allows a
    callback to run (`[core] task_success_overtime`, 20 seconds by default; minutes in the triggerer).

    Args:
        phones: one or more numbers, in any format; those of the connection's extra (`alert_phones`) if None.
        text: templated; built from dag, task and run if None. Sent without diacritics, in two segments at most.
        brandname: defaults to that of the connection.
        once_per: `run`, or `task` for one message per task of a run.
        quiet_hours: hours in Vietnam, such as (22, 7): an alert in this time is sent when it ends. None disables them.
        event: what happened, such as "late", if the callback cannot tell.
    """

    template_fields: Sequence[str] = ("phones", "text", "brandname", "esms_conn_id")

    def __init__(
        self,
        *,
        phones: str | Sequence[str] | None = None,
        text: str | None = None,
        brandname: str | None = None,
        once_per: Literal["run", "task"] = "run",
        quiet_hours: tuple[int, int] | None = None,
        event: str | None = None,
        esms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if once_per not in ("run", "task"):
            raise InvalidRequestError(f"once_per is run or task, not {once_per!r}.", field="once_per")
        if quiet_hours is not None and not (
            isinstance(quiet_hours, list | tuple)
            and len(quiet_hours) == 2
            and all(isinstance(hour, int) and 0 <= hour <= 23 for hour in quiet_hours)
        ):
            raise InvalidRequestError("quiet_hours takes two hours, such as (22, 7).", field="quiet_hours")
        self.phones = phones
        self.text = text
        self.brandname = brandname
        self.once_per = once_per
        self.quiet_hours = None if quiet_hours is None else tuple(quiet_hours)
        self.event = event
        self.esms_conn_id = esms_conn_id

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Do nothing: a notifier may handle several events, and a text rendered for one must not be rendered again."""

    def notify(self, context: Context) -> None:
        from esms_connectors.airflow.framework import conf

        hook = EsmsHook(self._rendered("esms_conn_id", context) or DEFAULT_CONN_ID)
        settings = hook.settings()
        overtime = conf.getfloat("core", "task_success_overtime", fallback=20.0)
        with hook.get_conn(timeouts=_timeouts()) as client:
            self._send(client, settings, context, max(0.0, overtime - _LEFT_OVER_SECONDS))

    async def async_notify(self, context: Context) -> None:
        from esms_connectors.sending.alerts import PATIENCE_SECONDS

        hook = EsmsHook(self._rendered("esms_conn_id", context) or DEFAULT_CONN_ID)
        settings = await hook.asettings()
        client = await hook.aget_conn(timeouts=_timeouts())
        try:
            # In a thread: the client blocks, and this runs on the triggerer's event loop.
            await asyncio.to_thread(self._send, client, settings, context, PATIENCE_SECONDS)
        finally:
            client.close()

    def _send(self, client: EsmsClient, settings: Settings, context: Context, patience_seconds: float) -> None:
        from esms_connectors.airflow.identity import namespace
        from esms_connectors.gateway import machine_clock
        from esms_connectors.sending.alerts import AlertEvent, end_of_quiet_hours, send_alert

        about = event_of(context, self.event)
        task_id = about.task_id if self.once_per == "task" else None
        result = send_alert(
            client,
            self._rendered("phones", context) or settings.alert_phones,
            self._rendered("text", context),
            self._rendered("brandname", context) or settings.brandname,
            event=AlertEvent((namespace(), about.dag_id, about.run_id, task_id), about.what, about.cleared),
            fallback=about.text,
            send_at=end_of_quiet_hours(self.quiet_hours, machine_clock.now()),
            campaign=f"alert {about.dag_id}"[:200],
            patience_seconds=patience_seconds,
        )
        self.log.info("alert of %s: %s", about.dag_id, result)
        if result.failure is not None:
            raise result.failure

    def _rendered(self, name: str, context: Context) -> Any:
        """An argument with its templates rendered; None if that fails, so that the alert is not lost."""
        value = getattr(self, name)
        if value is None:
            return None
        dag: Any = context.get("dag")
        failure = ""
        try:
            is_dag = hasattr(dag, "get_template_env")
            env = dag.get_template_env(force_sandboxed=True) if is_dag else self.get_template_env()
            return render(value, context, env)
        except Exception as error:  # noqa: BLE001 - a template may raise anything, and its message may quote values
            failure = type(error).__name__
        self.log.warning("The template of %s fails (%s); the alert is sent without it.", name, failure)
        return None


class Event:
    """The event, as far as the callback tells; `cleared` is how often the run was cleared, None for never."""

    def __init__(self, dag_id: str, run_id: str, what: str, task_id: str | None, cleared: int | None = None) -> None:
        self.dag_id, self.run_id, self.what, self.task_id, self.cleared = dag_id, run_id, what, task_id, cleared

    @property
    def text(self) -> str:
        where = f" ({self.task_id})" if self.task_id else ""
        return f"Airflow: {self.dag_id} {self.what}{where}, run {self.run_id}"[:_ONE_SEGMENT]


def event_of(context: Mapping[str, Any] | Context, named: str | None = None) -> Event:
    """
    The event of a callback of a task, of a DAG run (which may no longer have a task) or of a deadline (whose context
    has the run as plain values).

    Raises:
        ConfigurationError: the context names no run.
    """
    values: Mapping[str, Any] = context
    instance = values.get("ti") or values.get("task_instance")
    run, dag = values.get("dag_run"), values.get("dag")
    deadline = "deadline" in values
    dag_id = _of(instance, "dag_id") or _of(run, "dag_id") or _of(dag, "dag_id")
    run_id = _of(instance, "run_id") or _of(run, "run_id") or _of(run, "dag_run_id") or values.get("run_id")
    if not dag_id or not run_id:
        raise ConfigurationError(
            "EsmsNotifier is for callbacks of tasks, DAG runs and deadlines: there is no run here."
        )
    what = named or ("missed its deadline" if deadline else None)
    if what is None and "reason" in values:
        # A DAG run; the task instance in the context is only its last one, in any state.
        what = "success" if values["reason"] == "success" else "failed"
    state = _of(instance, "state") or _of(run, "state")
    # A callback of a failing task may run before the task is marked so.
    what = what or ("failed" if state in (None, "running", "failed", "up_for_retry") else str(state))
    cleared = _of(run, "clear_number") or None
    return Event(str(dag_id), str(run_id), what, None if deadline else _of(instance, "task_id"), cleared)


def _timeouts() -> Any:
    """Short timeouts: Airflow ends a callback that hangs, and a retry has the same request id."""
    from esms_connectors.gateway.transport import Timeouts

    return Timeouts(_LONGEST_CALL_SECONDS / 2, _LONGEST_CALL_SECONDS, 1.5 * _LONGEST_CALL_SECONDS)


def _of(thing: Any, name: str) -> Any:
    value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return getattr(value, "value", value)
