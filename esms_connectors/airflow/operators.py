"""Operators that send: a few SMS, or a campaign of ZNS. Again - retry, crash, Clear - never means twice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException

from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.links import EsmsReportLink

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.airflow.lineage import DataTransfer
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger
    from esms_connectors.sending.plan import Plan


class _SendingOperator(EsmsTask):
    """What both share: the connection, the ledger, who the task is."""

    ui_color = "#dff3e4"

    def __init__(
        self,
        *,
        esms_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        run_key: str | None = None,
        resend_on_clear: bool = False,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.esms_conn_id = esms_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.run_key = run_key
        self.resend_on_clear = resend_on_clear
        self.hide_arguments(ledger_url=ledger_url, callback_url=callback_url)

    def _open_ledger(self, hook: EsmsHook, context: Context) -> Ledger:
        from esms_connectors.airflow.arguments import text

        return hook.open_ledger(
            self.ledger_conn_id or None, text(self.rendered("ledger_url", context), "ledger_url"), or_local_file=True
        )

    def _callback_to_use(self, settings: Settings, context: Context) -> str | None:
        from esms_connectors.airflow.arguments import text

        return text(self.rendered("callback_url", context), "callback_url") or settings.callback_url


class SendSmsOperator(_SendingOperator):
    """
    Send one SMS to one phone or to many, each once however often the task is tried or cleared.

    A message is who it goes to, within a run of the task: a second text to the same person is refused, unless
    `message_key` says that it is another message. Mapped tasks are one run: a list that is shifted before the run is
    cleared sends nobody a second SMS. The ledger remembers - see `ZnsBulkOperator`; where none is named and Airflow's
    executor is local, a file in Airflow's home. Phones and text are templated and never shown.

    Args:
        phones: one number or a list, in any spelling.
        text: must match a registered template of the brandname (customer care).
        brandname: the sender; that of the connection if None.
        message_key: tells messages to one person apart, such as an order number.
        sms_type: `customer_care`, or `advertising` for 30 numbers and more.
        send_at: aware time, ISO text with a zone, or words such as `tomorrow 08:30` or `+2h` (in Vietnam; from the time
            that the run was due); None for now.
        campaign: words that come back in the sent data.
        callback_url: gets the delivery reports; that of the connection if None. Templated and never shown.
        run_key: names the sends; made of dag, run and task if None.
        resend_on_clear: clearing the task after its success sends again.

    Returns (XCom):
        message_ids, accepted (of this task's phones, by all of its tries), sent_by_this_try, duplicates, run_key,
        sandbox, and the counts of the whole `run`.
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
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("phones", "text", "callback_url", "ledger_url")

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.brandname = brandname
        self.message_key = message_key
        self.sms_type = sms_type
        self.send_at = send_at
        self.campaign = campaign
        self.hide_arguments(phones=phones, text=text)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._send(context)

    def _send(self, context: Context) -> dict[str, Any]:
        from contextlib import ExitStack

        from esms_connectors.airflow.arguments import point_in_time, text
        from esms_connectors.airflow.identity import generation_of, note_done, run_key_of
        from esms_connectors.gateway.errors import ConfigurationError
        from esms_connectors.sending.one_sms import SmsMessage, send_sms

        hook = EsmsHook(self.esms_conn_id)
        settings = hook.settings()
        brandname = text(self.brandname, "brandname") or settings.brandname
        if not brandname:
            raise ConfigurationError("Give brandname, here or in the eSMS connection: an SMS needs its sender.")
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        message = SmsMessage(
            phones=self.rendered("phones", context),
            text=_checked_text(self.rendered("text", context)),
            brandname=brandname,
            key=text(self.message_key, "message_key"),
            advertising=_one_of(self.sms_type, "sms_type", ("customer_care", "advertising")) == "advertising",
            send_at=point_in_time(self.send_at, "send_at", context, whole_days=False),
            campaign=text(self.campaign, "campaign") or f"{context['ti'].dag_id}.{context['ti'].task_id}",
            callback_url=self._callback_to_use(settings, context),
        )
        message.numbers()  # refused before the ledger is opened
        run_key = run_key_of(context, self.run_key, generation)
        with ExitStack() as stack:
            client = stack.enter_context(hook.get_conn())
            ledger = None if client.sandbox else stack.enter_context(self._open_ledger(hook, context))
            result = send_sms(client, message, ledger=ledger, run_key=run_key)
        note_done(context, generation, resend_on_clear=self.resend_on_clear)
        self.log.info("%s", result)
        return result.as_dict()


class ZnsBulkOperator(_SendingOperator):
    """
    Send a ZNS to every row of a file, a query or a list, each once; a retry goes on where the last try stopped.

    Every row is checked before the first message. The ledger - `ledger_conn_id` or `ledger_url`, here, in the eSMS
    connection or as `[esms] ledger_url` - is claimed before and settled after each call, so a worker that is killed
    leaves at most the calls in flight in doubt, and those are resent under the same request ids. Clear after a failure
    continues; Clear after success sends nothing unless `resend_on_clear`.

    Args:
        recipients: path or URL of a CSV, JSONL or Parquet file (`s3://connection@bucket/key` takes that connection's
            credentials, as does an `ObjectStoragePath`), or a small list of rows, also from XCom. Rows are never shown.
        sql, sql_conn_id, sql_parameters: a SELECT instead; give it an ORDER BY and a fixed end.
        template_params: columns in the order of the template, variable -> column, or `name,code=ma_khach` as one text.
        template_id, oa_id: those of the connection if None.
        key_column: tells rows of one phone apart, such as an order number.
        at_least: share of all rows that must be accepted, those that cannot be sent included, or the task fails; None
            never fails it for rows.
        on_empty: what a source without any row means: `skip` skips the task, `fail` fails it, whatever `at_least` says.
            None skips it in scheduled runs, where a day without rows is a quiet day, and fails it in those started by
            hand.
        conflicts: rows that were sent with another content or phone in this run: `refuse` to send any row, or `skip`
            those. The plan counts them, the rejects list them.
        reconcile_before_repeat: look in the sent data for what may have left before it is sent again.
        dry_run: check and count only; the plan is the result.
        rejects_path: CSV for the rows that cannot be sent, to be repaired and sent; a path or a URL, as `recipients`.
        run_key: names the campaign; made of dag, run and task if None, so that mapped tasks are one campaign. Tasks
            that use one run key send to nobody twice; those that run at the same time should have people of their own.
        report_url: where the link "eSMS report" of the task leads; the account at eSMS.vn if None.
        campaign, send_at, callback_url, sending_mode, duplicates, encoding, threads, chunk_size, price_vnd: as in
            `esms_connectors.sending.campaign.Campaign`.

    Returns (XCom):
        Counts, cost, run key and campaign; with `dry_run` the plan.
    """

    template_fields: Sequence[str] = (
        "recipients",
        "sql",
        "sql_conn_id",
        "sql_parameters",
        "template_id",
        "oa_id",
        "template_params",
        "phone_column",
        "key_column",
        "send_at",
        "campaign",
        "rejects_path",
        "report_url",
        "run_key",
        "esms_conn_id",
        "ledger_conn_id",
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("callback_url", "ledger_url")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "template_params": "json",
        "sql_parameters": "json",
    }
    operator_extra_links = (EsmsReportLink(),)
    _transfer: DataTransfer | None = None

    def __init__(
        self,
        *,
        recipients: str | os.PathLike[str] | ObjectStoragePath | Sequence[Mapping[str, object]] | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        sql_parameters: Mapping[str, object] | None = None,
        template_id: str | None = None,
        oa_id: str | None = None,
        template_params: str | Sequence[str] | Mapping[str, str] = (),
        phone_column: str = "phone",
        key_column: str | None = None,
        duplicates: Literal["merge", "keep"] | None = None,
        encoding: str | None = None,
        campaign: str | None = None,
        send_at: datetime | str | None = None,
        sending_mode: int | None = None,
        at_least: float | None = 1.0,
        on_empty: Literal["skip", "fail"] | None = None,
        threads: int = 8,
        chunk_size: int = 500,
        conflicts: Literal["refuse", "skip"] = "refuse",
        reconcile_before_repeat: bool = False,
        price_vnd: Decimal | float | None = None,
        dry_run: bool = False,
        rejects_path: str | os.PathLike[str] | ObjectStoragePath | None = None,
        report_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        from esms_connectors.airflow.sources import hide_rows

        # A list in the DAG's own code is hidden at once; one that a task pushes, when it is rendered.
        self.recipients = hide_rows(recipients) if isinstance(recipients, list | tuple) else recipients
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.sql_parameters = sql_parameters
        self.template_id = template_id
        self.oa_id = oa_id
        self.template_params = template_params
        self.phone_column = phone_column
        self.key_column = key_column
        self.duplicates = duplicates
        self.encoding = encoding
        self.campaign = campaign
        self.send_at = send_at
        self.sending_mode = sending_mode
        self.at_least = at_least
        self.on_empty = None if on_empty is None else _one_of(on_empty, "on_empty", ("skip", "fail"))
        self.conflicts = _one_of(conflicts, "conflicts", ("refuse", "skip"))
        self.reconcile_before_repeat = reconcile_before_repeat
        self.threads = threads
        self.chunk_size = chunk_size
        self.price_vnd = price_vnd
        self.plan_only = dry_run  # `dry_run` is a method of every operator
        self.rejects_path = rejects_path
        self.report_url = report_url

    def _skips_when_empty(self, context: Context) -> bool:
        run_type = getattr(context.get("dag_run"), "run_type", None)
        by_hand = getattr(run_type, "value", run_type) in (None, "manual")
        return (self.on_empty or ("fail" if by_hand else "skip")) == "skip"

    def after_rendering(self) -> None:
        from esms_connectors.airflow.sources import hide_rows

        self.recipients = hide_rows(self.recipients)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._send(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """From the file to the sent data; see `esms_connectors.airflow.lineage`."""
        from esms_connectors.airflow.lineage import operator_lineage

        return operator_lineage(self._transfer)

    def _send(self, context: Context) -> dict[str, Any]:
        from contextlib import ExitStack

        from esms_connectors.airflow.arguments import number, path, point_in_time, text, whole_number
        from esms_connectors.airflow.identity import generation_of, note_done, run_key_of
        from esms_connectors.airflow.lineage import SENT_DATA, DataTransfer, file_dataset
        from esms_connectors.airflow.sources import opened_source, rejects_file
        from esms_connectors.gateway.errors import ConfigurationError
        from esms_connectors.sending.campaign import Campaign
        from esms_connectors.sending.channels import ZnsChannel
        from esms_connectors.sending.policy import read_price

        hook = EsmsHook(self.esms_conn_id)
        settings = hook.settings()
        template_id = text(self.template_id, "template_id") or settings.template_id
        oa_id = text(self.oa_id, "oa_id") or settings.oa_id
        if not template_id or not oa_id:
            raise ConfigurationError("Give template_id and oa_id, here or in the eSMS connection.")
        threads, chunk_size = whole_number(self.threads, "threads"), whole_number(self.chunk_size, "chunk_size")
        rejects_path = path(self.rejects_path, "rejects_path")
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        with ExitStack() as stack:
            source = stack.enter_context(
                opened_source(self.recipients, self.sql, self.sql_conn_id, self.sql_parameters)  # type: ignore[arg-type]
            )
            client: EsmsClient = stack.enter_context(hook.get_conn(max_connections=max(16, threads)))
            channel = ZnsChannel(
                client,
                template_id,
                oa_id,
                self.sending_mode,
                send_at=point_in_time(self.send_at, "send_at", context, whole_days=False),
                callback_url=self._callback_to_use(settings, context),
                chunk_size=chunk_size,
            )
            campaign = Campaign(
                channel,
                source,
                _columns(self.template_params, self.phone_column, self.key_column),
                ledger=stack.enter_context(self._open_ledger(hook, context)),
                run_key=run_key_of(context, self.run_key, generation),
                duplicates=self.duplicates,
                encoding=self.encoding,
                campaign=text(self.campaign, "campaign") or f"{context['ti'].dag_id}.{context['ti'].task_id}",
                threads=threads,
                at_least=None if self.at_least is None else number(self.at_least, "at_least"),
                on_empty="skip" if self._skips_when_empty(context) else "fail",
                conflicts="skip" if self.conflicts == "skip" else "refuse",
                reconcile_before_repeat=self.reconcile_before_repeat,
                price_vnd=read_price(self.price_vnd),
            )
            rejects = None
            if rejects_path is not None:
                rejects = stack.enter_context(rejects_file(rejects_path, self.recipients))

            def tell(plan: Plan) -> None:
                self.log.info(
                    "%d rows: %d to send, %d settled before, %d cannot be sent",
                    plan.report.rows, plan.to_send, plan.already_settled, plan.report.rejected,
                )  # fmt: skip
                for problem in plan.problems:
                    self.log.warning("%s", problem)
                if plan.empty and campaign.on_empty == "skip":
                    raise AirflowSkipException("The source has no row: there is nobody to send to.")

            if self.plan_only:
                plan = campaign.plan(rejects)
                tell(plan)
                return plan.as_dict()
            result = campaign.send(rejects=rejects, on_plan=tell).as_dict()
        self._transfer = DataTransfer(file_dataset(self.recipients), SENT_DATA, result["accepted"])
        note_done(context, generation, resend_on_clear=self.resend_on_clear)
        return result


def _columns(template_params: Any, phone: str, key: str | None) -> Any:
    from esms_connectors.airflow.arguments import column_names
    from esms_connectors.recipients import Columns

    column_names(template_params, phone_column=phone, **({} if key is None else {"key_column": key}))
    if isinstance(template_params, str):
        return Columns.parse(template_params, phone=phone, key_column=key)
    return Columns(phone, template_params, key)


def _checked_text(value: object) -> str:
    from esms_connectors.airflow.arguments import text
    from esms_connectors.gateway.errors import InvalidRequestError

    found = text(value, "text")
    if found is None or not found.strip():
        raise InvalidRequestError("text is empty.", field="text")
    return found


def _one_of(value: str, name: str, known: Sequence[str]) -> str:
    from esms_connectors.gateway.errors import InvalidRequestError

    if value not in known:
        raise InvalidRequestError(f"{name} is {' or '.join(known)}, not {value!r}.", field=name)
    return value
