"""
Operators that send: one SMS to a few phones (here) and campaigns. Retries, crashes and Clear never send a message
twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from esms_connectors.airflow.arguments import checked_text, one_of, point_in_time
from esms_connectors.airflow.campaigns import CampaignOperator as CampaignOperator
from esms_connectors.airflow.campaigns import SmsBulkOperator as SmsBulkOperator
from esms_connectors.airflow.campaigns import ZnsBulkOperator as ZnsBulkOperator
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.sending import SendingOperator

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from airflow.sdk.definitions.context import Context


class SendSmsOperator(SendingOperator):
    """
    Send one SMS to one or more phones, once per phone however often the task is retried or cleared.

    Within a run of the task a message is identified by its recipient: a second text to the same person is refused
    unless `message_key` marks it as a different message. Mapped tasks share one run, so a list whose order changes
    before the run is cleared causes no second SMS. The ledger keeps this state (see `CampaignOperator`); if none is
    configured and Airflow's executor is local, it is a file in Airflow's home. Phones and text are templated and never
    shown.

    Args:
        phones: one number or a list, in any format.
        text: must match a registered template of the brandname (customer care).
        brandname: the sender; defaults to that of the connection.
        message_key: distinguishes several messages to one person, such as an order number.
        sms_type: `customer_care`, or `advertising` for 30 numbers and more.
        send_at: aware time, ISO text with a zone, or words such as `tomorrow 08:30` or `+2h` (Vietnam time, relative to
            when the run was due); None sends now.
        campaign: a label that the gateway returns in the sent data.
        esms_conn_id: the eSMS connection.
        ledger_conn_id, ledger_url: the ledger; defaults to that of the connection, then to `[esms] ledger_url`. The URL
            is templated and never shown.
        callback_url: receives the delivery reports; defaults to that of the connection. Templated and never shown.
        run_key: identifies the run in the ledger; derived from dag, run and task if None.
        resend_on_clear: clearing the task after a success sends again.
        hours: what to do outside the permitted hours of this kind of message: refuse, reschedule, defer the task, or
            allow.
        max_cost_vnd: upper limit for the cost of the run.
        canary: number of rows to send first; the rest follow when enough of these have been delivered.
        per_hour: maximum number of messages per hour.
        guard: other guard settings by name, such as `{"advertising_cap": 2}`; see `GuardSettings`.
        overrides, override_reason: guard rules to override, and why; the ledger records both.

    Returns (XCom):
        message_ids, accepted (this task's phones, over all tries), sent_by_this_try, duplicates, run_key, sandbox, and
        the counts of the whole `run`.

    Raises:
        ConfigurationError, InvalidRequestError: a connection or an argument cannot be used; nothing was sent.
        GatewayError: the gateway refused. NotSentError, OutcomeUnknownError: no answer; a retry continues.
        AirflowFailException, EsmsTaskError: the same before Airflow 3.3, where a retry cannot help and where it may.
    """

    template_fields: Sequence[str] = (
        "brandname",
        "message_key",
        "sms_type",
        "send_at",
        "campaign",
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
        brandname: str | None = None,
        message_key: str | None = None,
        sms_type: Literal["customer_care", "advertising"] = "customer_care",
        send_at: datetime | str | None = None,
        campaign: str | None = None,
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
        self.brandname = brandname
        self.message_key = message_key
        self.sms_type = sms_type
        self.send_at = send_at
        self.campaign = campaign
        self.hide_arguments(phones=phones, text=text)
        self.check_given()

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._send(context)

    def _send(self, context: Context) -> dict[str, Any]:
        from contextlib import ExitStack

        from esms_connectors.airflow.arguments import text
        from esms_connectors.airflow.identity import generation_of, note_done, run_key_of
        from esms_connectors.airflow.metrics import count_messages
        from esms_connectors.gateway.errors import ConfigurationError
        from esms_connectors.sending.one_sms import send_sms
        from esms_connectors.sending.sms_message import SmsMessage

        hook = EsmsHook(self.esms_conn_id)
        settings = hook.settings()
        brandname = text(self.brandname, "brandname") or settings.brandname
        if not brandname:
            raise ConfigurationError("Give brandname, here or in the eSMS connection: an SMS needs its sender.")
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        message = SmsMessage(
            phones=self.rendered("phones", context),
            text=checked_text(self.rendered("text", context)),
            brandname=brandname,
            key=text(self.message_key, "message_key"),
            advertising=one_of(self.sms_type, "sms_type", ("customer_care", "advertising")) == "advertising",
            send_at=point_in_time(self.send_at, "send_at", context, whole_days=False),
            campaign=text(self.campaign, "campaign") or f"{context['ti'].dag_id}.{context['ti'].task_id}",
            callback_url=self._callback_to_use(settings, context),
        )
        message.numbers()  # refused before the ledger is opened
        run_key = run_key_of(context, self.run_key, generation)
        with ExitStack() as stack:
            client = stack.enter_context(hook.get_conn())
            ledger = None if client.sandbox else stack.enter_context(self._open_ledger(hook, context))
            self._log_destination(client, ledger, message)
            with self._waiting_for_hours():
                result = send_sms(client, message, ledger=ledger, run_key=run_key, guard=self._guard(hook, context))
        note_done(self, context, generation, resend_on_clear=self.resend_on_clear)
        count_messages(result.result)
        self.log.info("%s", result)
        return result.as_dict()
