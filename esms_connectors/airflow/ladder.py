"""An alert for people on call: the first phone gets an SMS, and the next one if that is not delivered in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from esms_connectors.airflow.arguments import seconds
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.sending import SendingOperator

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow.sdk.definitions.context import Context


class AlertLadderOperator(SendingOperator):
    """
    Send an SMS to one phone after the other until a message is delivered, each once however often the task is retried.

    Args:
        phones: in the order in which they are alerted. Templated and never shown.
        text: the text to send. Templated and never shown.
        after: how long to wait for each before alerting the next: `5m`, `90s`.
        brandname: the sender; defaults to that of the connection.
        poll_seconds: time between polls.
        esms_conn_id, ledger_conn_id, ledger_url, run_key, resend_on_clear, callback_url, hours, max_cost_vnd, canary,
            per_hour, guard, overrides, override_reason: as in `SendSmsOperator`.

    Returns (XCom):
        The outcome of each step, without phones.
    """

    template_fields: Sequence[str] = (
        "after",
        "brandname",
        "run_key",
        "esms_conn_id",
        "ledger_conn_id",
        "sends_with",
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("phones", "text", "callback_url", "ledger_url")
    template_fields_renderers: ClassVar[dict[str, str]] = {"sends_with": "json"}

    def __init__(
        self,
        *,
        phones: str | Sequence[str],
        text: str,
        after: str = "5m",
        brandname: str | None = None,
        poll_seconds: float = 10.0,
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
        super().__init__(
            esms_conn_id=esms_conn_id,
            ledger_conn_id=ledger_conn_id,
            ledger_url=ledger_url,
            run_key=run_key,
            resend_on_clear=resend_on_clear,
            callback_url=callback_url,
            hours=hours,
            max_cost_vnd=max_cost_vnd,
            canary=canary,
            per_hour=per_hour,
            guard=guard,
            overrides=overrides,
            override_reason=override_reason,
            **kwargs,
        )
        self.after = after
        self.brandname = brandname
        self.poll_seconds = seconds(poll_seconds, "poll_seconds")
        self.hide_arguments(phones=phones, text=text)
        self.check_given()

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._send(context)

    def _send(self, context: Context) -> dict[str, Any]:
        from contextlib import ExitStack

        from esms_connectors.airflow.arguments import checked_text
        from esms_connectors.airflow.identity import generation_of, note_done, run_key_of
        from esms_connectors.sending.steps import alert_ladder

        hook = EsmsHook(self.esms_conn_id)
        settings = hook.settings()
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        with ExitStack() as stack:
            client = stack.enter_context(hook.get_conn())
            ledger = stack.enter_context(self._open_ledger(hook, context))
            journey = alert_ladder(
                client,
                ledger,
                self.rendered("phones", context),
                checked_text(self.rendered("text", context)),
                self.brandname or settings.brandname,
                run_key=run_key_of(context, self.run_key, generation),
                after=self.after,
                poll_seconds=self.poll_seconds,
                guard=self._guard(hook, context),
                callback_url=self._callback_to_use(settings, context),
            )
            self._log_destination(client, ledger, journey.first.channel)
            with self._waiting_for_hours():
                told = journey.run().as_dict()
        note_done(self, context, generation, resend_on_clear=self.resend_on_clear)
        return told
