"""What all sending operators share: the connection, the ledger and the identity of the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.framework import TaskDeferralTimeout
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.links import EsmsReportLink
from esms_connectors.gateway.errors import unexpected

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger
    from esms_connectors.sending.guard import GuardSettings
    from esms_connectors.sending.guard.choice import GuardChoice


_TRIGGERER_LATE = timedelta(minutes=15)
_OF_GUARD = ("hours", "max_cost_vnd", "canary", "per_hour", "guard", "overrides", "override_reason")


class SendingOperator(EsmsTask):
    """
    Args:
        esms_conn_id: the eSMS connection.
        ledger_conn_id, ledger_url: the ledger; defaults to that of the connection, then to `[esms] ledger_url`. The URL
            is templated and never shown.
        run_key: identifies the run in the ledger; derived from dag, run and task if None.
        resend_on_clear: clearing the task after a success sends again.
        callback_url: receives the delivery reports; defaults to that of the connection. Templated and never shown.
        hours: what to do outside the permitted hours of this kind of message: refuse, reschedule, defer the task, or
            allow.
        max_cost_vnd: upper limit for the cost of the run.
        canary: number of rows to send first; the rest follow when enough of these have been delivered.
        per_hour: maximum number of messages per hour.
        guard: other guard settings by name, such as `{"advertising_cap": 2}`; see `GuardSettings`.
        overrides, override_reason: guard rules to override, and why; the ledger records both.
    """

    ui_color = "#dff3e4"
    operator_extra_links = (EsmsReportLink(),)

    def __init__(
        self,
        *,
        esms_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        run_key: str | None = None,
        resend_on_clear: bool = False,
        callback_url: str | None = None,
        hours: Literal["refuse", "reschedule", "defer", "allow"] | None = None,
        max_cost_vnd: Decimal | float | None = None,
        canary: int | None = None,
        per_hour: int | None = None,
        guard: Mapping[str, object] | None = None,
        overrides: Sequence[str] = (),
        override_reason: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hours = hours
        self.max_cost_vnd = max_cost_vnd
        self.canary = canary
        self.per_hour = per_hour
        self.guard = guard
        self.overrides = overrides
        self.override_reason = override_reason
        self.esms_conn_id = esms_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.run_key = run_key
        self.resend_on_clear = resend_on_clear
        self.sends_with: dict[str, Any] | None = None
        self.hide_arguments(ledger_url=ledger_url, callback_url=callback_url)

    def after_rendering(self) -> None:
        """Add what the task takes from its connection to the rendered fields that Airflow shows."""
        self.sends_with = None
        try:
            self.sends_with = self._sends_with(EsmsHook(self.esms_conn_id).settings())
        except Exception as error:  # noqa: BLE001 - the task itself reports the error
            self.log.debug("the connection cannot be shown: %s", unexpected(error))

    def _sends_with(self, settings: Settings) -> dict[str, Any]:
        from esms_connectors.airflow.hooks import configured

        channel = str(getattr(self, "channel", "sms"))
        of_zalo = channel.startswith(("zns", "zalo", "multi"))
        wanted = (*("template_id", "oa_id") * of_zalo, *("brandname",) * (not of_zalo or channel == "multi-channel"))
        sender = {name: getattr(self, name, None) or getattr(settings, name) for name in wanted}
        own = self.ledger_conn_id or ("by ledger_url of the task" if self._ledger_url else None)
        ledger = own or settings.ledger_conn_id or _place(settings.ledger_url)
        configured_one = "by [esms] ledger_url" if configured("ledger_url") else "the file in Airflow's home"
        return {
            "gateway": settings.base_url or "https://rest.esms.vn",
            "sandbox": settings.sandbox,
            **{name: str(value) for name, value in sender.items() if value},
            "ledger": ledger or configured_one,
        }

    @classmethod
    def check_arguments(cls, given: Mapping[str, Any]) -> None:
        """Also check the guard settings; applies to mapped tasks too."""
        super().check_arguments(given)
        if any(given.get(name) not in (None, ()) for name in _OF_GUARD):
            _choice(given)

    def _guard(self, hook: EsmsHook, context: Context) -> GuardSettings:
        choice = _choice({name: getattr(self, name) for name in _OF_GUARD})
        return hook.guard(choice, who=f"airflow: {context['ti'].dag_id}.{context['ti'].task_id}")

    def _wait_for_hours(self, stopped_by: object) -> None:
        """Defer the task, which frees its worker slot, if the rest of the run must wait for permitted hours."""
        from esms_connectors.sending.guard import GuardStopError

        if isinstance(stopped_by, GuardStopError) and stopped_by.until is not None:
            self.log.info("%s", stopped_by)
            self.defer_until(stopped_by.until, "resume")

    def defer_until(self, moment: str, method: str, carried: Mapping[str, Any] | None = None) -> None:
        """Defer to `method`. If no triggerer is alive then, the task continues by itself a quarter of an hour later."""
        from esms_connectors.airflow.triggers import LookAgainTrigger
        from esms_connectors.gateway import machine_clock
        from esms_connectors.gateway.times import parse_iso

        left = (parse_iso(moment) - machine_clock.now()).total_seconds()
        timeout = timedelta(seconds=max(0.0, left)) + _TRIGGERER_LATE
        self.defer(trigger=LookAgainTrigger(moment, carried), method_name=method, timeout=timeout)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with suppress(TaskDeferralTimeout):
            return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning("the triggerer did not resume this task in time; it continues without it")
        return self.execute(context)

    @contextmanager
    def _waiting_for_hours(self) -> Iterator[None]:
        from esms_connectors.airflow.metrics import count_messages
        from esms_connectors.sending.bulk import BulkIncompleteError

        try:
            yield
        except BulkIncompleteError as error:
            count_messages(error.summary)
            self._wait_for_hours(error.summary.stopped_by)
            raise

    def resume(self, context: Context, event: Any = None) -> Any:
        """The permitted hours have begun; the ledger knows what was sent before."""
        return self.execute(context)

    def _open_ledger(self, hook: EsmsHook, context: Context) -> Ledger:
        from esms_connectors.airflow.arguments import text
        from esms_connectors.airflow.identity import run_memory_of

        return hook.open_ledger(
            self.ledger_conn_id or None,
            text(self.rendered("ledger_url", context), "ledger_url"),
            or_local_file=True,
            run_memory=run_memory_of(self, context),
        )

    def _log_destination(self, client: EsmsClient, ledger: Ledger | None, sender: object) -> None:
        """
        Log the sender and the destination before the first message; `sender` has a template, an OA or a brandname.
        """
        names = [
            f"{name.removesuffix('_id')} {value}"
            for name in ("template_id", "oa_id", "brandname")
            if (value := getattr(sender, name, None))
        ]
        where = f"{client.base_url} (sandbox: nothing is sent)" if client.sandbox else client.base_url
        self.log.info("%s to %s; ledger %s", ", ".join(names), where, "none" if ledger is None else ledger.name)

    def _callback_to_use(self, settings: Settings, context: Context) -> str | None:
        from esms_connectors.airflow.arguments import text

        return text(self.rendered("callback_url", context), "callback_url") or settings.callback_url


def _place(ledger_url: str | None) -> str | None:
    """Where a ledger is, in the form of its `name`; the address itself is masked because it may hold a password."""
    if ledger_url is None:
        return None
    if "://" not in ledger_url:
        return f"…/{ledger_url.rpartition('/')[2]}"
    parts = urlsplit(ledger_url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path.removeprefix("/")


def _choice(given: Mapping[str, Any]) -> GuardChoice:
    """
    Raises:
        InvalidRequestError: a name or value that the guard does not know; raised when the DAG is parsed.
    """
    from esms_connectors.sending.guard import GuardSettings
    from esms_connectors.sending.guard.choice import GuardChoice

    choice = GuardChoice(**{name: given[name] for name in _OF_GUARD if name in given})
    choice.over(GuardSettings(), who="")
    return choice
