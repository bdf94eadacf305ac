"""An SMS when something happens to a DAG: one per event, not one per retry and not one per mapped task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseNotifier

from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.gateway.client import EsmsClient

# An SMS of plain letters; a longer one costs twice.
_ONE_SEGMENT = 160


class EsmsNotifier(BaseNotifier):
    """
    Send an SMS as `on_failure_callback`, deadline alert or the like.

    The request id is made of what the event is - dag, run, what happened, and with `once_per="task"` the task - never
    of the try, the map index or the text. So a hundred mapped tasks that fail in one run, or three retries, are one
    message: the gateway holds the others back (code 124) until the day ends.

    Args:
        phones: a number or a list; that of the connection's extra (`alert_phones`, with commas) if None.
        text: templated; one made of dag, task and run if None. Without diacritics it costs half.
        brandname: that of the connection if None.
        once_per: `run`, or `task` for one message a task of a run.
        quiet_hours: hours in Vietnam, such as (22, 7): what happens then is sent when they end. None is never quiet.
        event: names what happened, where the callback cannot tell, such as "late".
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
            len(quiet_hours) == 2 and all(isinstance(hour, int) and 0 <= hour <= 23 for hour in quiet_hours)
        ):
            raise InvalidRequestError("quiet_hours takes two hours, such as (22, 7).", field="quiet_hours")
        self.phones = phones
        self.text = text
        self.brandname = brandname
        self.once_per = once_per
        self.quiet_hours = None if quiet_hours is None else tuple(quiet_hours)
        self.event = event
        self.esms_conn_id = esms_conn_id

    def notify(self, context: Context) -> None:
        hook = EsmsHook(self.esms_conn_id)
        settings = hook.settings()
        with hook.get_conn() as client:
            self._send(client, settings, context)

    async def async_notify(self, context: Context) -> None:
        hook = EsmsHook(self.esms_conn_id)
        settings = await hook.asettings()
        client = await hook.aget_conn()
        try:
            # In a thread: the client blocks, and this runs on the triggerer's event loop.
            await asyncio.to_thread(self._send, client, settings, context)
        finally:
            client.close()

    def _send(self, client: EsmsClient, settings: Settings, context: Context) -> None:
        from esms_connectors.airflow.identity import namespace
        from esms_connectors.airflow.sms_sending import phone_list
        from esms_connectors.gateway.request_ids import make_request_id

        brandname = self.brandname or settings.brandname
        phones = self.phones or [one for one in (settings.alert_phones or "").replace(",", " ").split() if one]
        if not brandname or not phones:
            raise ConfigurationError("EsmsNotifier needs phones and brandname, here or in the eSMS connection.")
        about = event_of(context, self.event)
        text = self.text or about.text
        key = (about.dag_id, about.run_id, about.what, about.task_id if self.once_per == "task" else None)
        failures: list[EsmsError] = []
        for phone in phone_list(phones):
            try:
                sent = client.send_customer_care_sms(
                    phone,
                    text,
                    brandname,
                    send_at=end_of_quiet(self.quiet_hours),
                    campaign=f"alert {about.dag_id}"[:200],
                    request_id=make_request_id("alert", namespace(), *key, phone),
                )
            except EsmsError as error:
                failures.append(error)
            else:
                self.log.info("alert of %s: %s", about.dag_id, "told before" if sent.duplicate else "sent")
        if failures:
            raise failures[0]


class Event:
    """What happened to whom, as far as the callback's context says."""

    def __init__(self, dag_id: str, run_id: str, what: str, task_id: str | None) -> None:
        self.dag_id, self.run_id, self.what, self.task_id = dag_id, run_id, what, task_id

    @property
    def text(self) -> str:
        where = f" ({self.task_id})" if self.task_id else ""
        return f"Airflow: {self.dag_id} {self.what}{where}, run {self.run_id}"[:_ONE_SEGMENT]


def event_of(context: Mapping[str, Any] | Context, named: str | None = None) -> Event:
    """
    The event of a callback: of a task, of a DAG run, or of a deadline, whose context has the run as plain values.

    Raises:
        ConfigurationError: it holds neither a task instance nor a run.
    """
    values: Mapping[str, Any] = context  # type: ignore[assignment]
    instance = values.get("ti") or values.get("task_instance")
    run = values.get("dag_run")
    deadline = "deadline" in values
    dag_id, run_id = (_of(instance, name) or _of(run, name) for name in ("dag_id", "run_id"))
    run_id = run_id or _of(run, "dag_run_id")
    if not dag_id or not run_id:
        raise ConfigurationError(
            "EsmsNotifier is for callbacks of tasks, DAG runs and deadlines: no run is known here."
        )
    state = _of(instance, "state") or _of(run, "state")
    what = named or ("missed its deadline" if deadline else None)
    # A callback of a failing task may run before the task is marked so.
    what = what or ("failed" if state in (None, "running", "failed", "up_for_retry") else str(state))
    return Event(str(dag_id), str(run_id), what, None if deadline else _of(instance, "task_id"))


def end_of_quiet(quiet_hours: Sequence[int] | None) -> datetime | None:
    """When what happens now may be told; None for now."""
    if quiet_hours is None:
        return None
    import pendulum

    from esms_connectors.gateway.wire import VIETNAM

    first, last = quiet_hours
    now = pendulum.now(VIETNAM)
    quiet = first <= now.hour < last if first <= last else now.hour >= first or now.hour < last
    if not quiet:
        return None
    end = now.start_of("day").add(hours=last)
    return end if end > now else end.add(days=1)


def _of(thing: Any, name: str) -> Any:
    value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    return getattr(value, "value", value)
