"""Operators that send a message to every row of a list. Retries, crashes and Clear never send a message twice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from esms_connectors.airflow.arguments import point_in_time, price, read_plan, seconds, share, whole_number
from esms_connectors.airflow.channel_options import columns_of, with_defaults
from esms_connectors.airflow.framework import AirflowSkipException, conf
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.literals import CHANNELS, check_channel, check_channel_options
from esms_connectors.airflow.sending import SendingOperator
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.definitions.context import Context

    from esms_connectors.airflow.connections import Settings
    from esms_connectors.airflow.lineage import DataTransfer
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.sending.campaign import Campaign
    from esms_connectors.sending.channels import Channel
    from esms_connectors.sending.plan import Plan


class CampaignOperator(SendingOperator):
    """
    Send a message to every row of a file, query or list, each once; a retry continues where the last try stopped.

    Every row is checked before the first message. Each call is claimed in the ledger before it is made and settled
    after it, so a killed worker leaves at most the calls in flight in doubt, and those are resent under the same
    request ids. The ledger is `ledger_conn_id` or `ledger_url`, given here, in the eSMS connection or as `[esms]
    ledger_url`. Clear after a failure continues; Clear after success sends nothing unless `resend_on_clear` is set.

    Args:
        channel: `zns`, `zns-name`, `zns-journey`; `sms`, a customer-care SMS with a text for each row; `advertising`,
            one text for all; `fixed-number`, `viber`, `multi-channel`, `zalo-text`, `zalo-transaction`, `voice-otp`,
            `call`. For Zalo messages `phone_column` holds the Zalo user id.
        source: path or URL of a CSV, Excel, JSONL or Parquet file (`s3://connection@bucket/key` uses that connection's
            credentials, as does an `ObjectStoragePath`), or a small list of rows, also from XCom. Rows are never shown.
        sql, sql_conn_id, sql_parameters: a SELECT instead; give it an ORDER BY and a fixed upper bound.
        template_id, oa_id: for a ZNS or a call; default to those of the connection.
        template_params: for a ZNS: columns in the order of the template, variable -> column, or one text such as
            `name,code=ma_khach`. For texts: placeholder -> column, where the names differ.
        text: `{customer_name}` is replaced by the value of that column; the text of an SMS must match a registered
            template of the brandname. Templated and never shown.
        brandname: the sender; defaults to that of the connection.
        channel_options: other options of the channel, such as `{"plain": True}` or `{"voice": "female"}`: the
            attributes of its class in `esms_connectors.sending.channels`.
        phone_column, key_column: the column of the phone, and one that distinguishes rows with the same phone, such as
            an order number.
        at_least: share of all rows, including those that cannot be sent, that must be accepted; the task fails
            otherwise. None never fails it because of rows.
        on_empty: what to do if the source has no rows: `skip` the task or `fail` it, regardless of `at_least`. None
            skips it in scheduled runs, where a day without rows is normal, and fails it in manual runs.
        conflicts: rows that were already sent in this run with a different content or phone: `refuse` to send any row,
            or `skip` these. The plan counts them; the rejects file lists them.
        reconcile_before_repeat: before resending a message in doubt, look for it in the sent data.
        dry_run: only check and count; the result is the plan.
        fallback: steps for people whom the campaign does not reach (refused, failed, or not delivered in time), each
            sent once and in order: `[{"channel": "sms", "text": "…", "after": "15m"}]`, with the options of each
            channel, `params` and `phone_column`. A person whose message is in doubt gets no further step. Templated and
            never shown.
        poll_seconds: time between polls while waiting for a fallback.
        deferrable: wait for the fallback without a worker slot.
        plan: an approved plan, such as `plan.output` of a task with `dry_run`: only what it contains is sent; different
            rows, a different message or a different run key fail the task before the first message.
        rejects: CSV file for the rows that cannot be sent, to be corrected and sent; a path or a URL, as for `source`.
        run_key: identifies the campaign; if None, that of `plan`, or derived from dag, run and task. Mapped tasks share
            one. Tasks with the same run key never send to anybody twice; if they run at the same time, their recipients
            should not overlap.
        report_url: target of the task's link "eSMS report"; the account at eSMS.vn if None.
        template_file: for a ZNS: the template as saved by `esms template ID --save FILE`; it is used where the gateway
            does not return the template. The task fails if the template has changed since.
        sheet, header_row: the sheet of a workbook, and the line of the header, counted from 1, of a file with lines
            above it; detected if None.
        delimiter, encoding: of a CSV; detected if None. The encodings `tcvn3` and `vni` convert texts of legacy fonts.
        hidden_rows: what to do with rows of a workbook that a filter hides: `refuse` the file, or `read` them.
        two_phones: what to do with a cell with several numbers: `refuse` the row, or send to the `first` or to `both`.
        as_is: send damaged texts unchanged.
        campaign, send_at, sending_mode, duplicates, threads, chunk_size, price_vnd: as in
            `esms_connectors.sending.campaign.Campaign` and its channels.
        esms_conn_id, ledger_conn_id, ledger_url, resend_on_clear, callback_url, hours, max_cost_vnd, canary, per_hour,
            guard, overrides, override_reason: as in `SendSmsOperator`.

    Returns (XCom):
        Of this task's rows: `rows`, `accepted`, `rejected`, `unknown`, `held` and other counts, `cost_vnd`, `run_key`,
        `campaign`, `sent_until` (the end of a load that follows); `run` has the totals. With `dry_run` the plan.

    Raises:
        ConfigurationError, InvalidRequestError: a connection, an argument or the list cannot be used; nothing was sent.
        BulkIncompleteError: fewer rows were accepted than `at_least` requires, or rows are in doubt.
        AirflowFailException, EsmsTaskError: the same before Airflow 3.3, where a retry cannot help and where it may.
    """

    template_fields: Sequence[str] = (
        "source",
        "sql",
        "sql_conn_id",
        "sql_parameters",
        "template_id",
        "oa_id",
        "template_params",
        "brandname",
        "channel_options",
        "phone_column",
        "key_column",
        "send_at",
        "campaign",
        "plan",
        "rejects",
        "report_url",
        "sheet",
        "template_file",
        "run_key",
        "esms_conn_id",
        "ledger_conn_id",
        "sends_with",
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("text", "callback_url", "ledger_url", "fallback")
    one_of_these: ClassVar[tuple[Sequence[str], str]] = (
        ("source", "sql"),
        "Give source (a path, URL or list), or sql with sql_conn_id.",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "template_params": "json",
        "channel_options": "json",
        "sql_parameters": "json",
        "plan": "json",
        "sends_with": "json",
    }
    of_channel: ClassVar[str | None] = None
    _transfer: DataTransfer | None = None
    _unreachable = ""

    def __init__(
        self,
        *,
        channel: str | None = None,
        source: str | os.PathLike[str] | ObjectStoragePath | Sequence[Mapping[str, object]] | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        sql_parameters: Mapping[str, object] | None = None,
        template_id: str | None = None,
        oa_id: str | None = None,
        template_params: str | Sequence[str] | Mapping[str, str] = (),
        text: str | None = None,
        brandname: str | None = None,
        channel_options: Mapping[str, Any] | None = None,
        phone_column: str = "phone",
        key_column: str | None = None,
        duplicates: Literal["merge", "keep"] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
        hidden_rows: Literal["refuse", "read"] = "refuse",
        two_phones: Literal["refuse", "first", "both"] = "refuse",
        as_is: bool = False,
        template_file: str | os.PathLike[str] | None = None,
        campaign: str | None = None,
        send_at: datetime | str | None = None,
        sending_mode: int | None = None,
        at_least: float | None = 1.0,
        on_empty: Literal["skip", "fail"] | None = None,
        threads: int = 8,
        chunk_size: int | None = None,
        conflicts: Literal["refuse", "skip"] = "refuse",
        reconcile_before_repeat: bool = False,
        price_vnd: Decimal | float | None = None,
        dry_run: bool = False,
        fallback: Sequence[Mapping[str, Any]] | None = None,
        poll_seconds: float = 60.0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        plan: Mapping[str, Any] | None = None,
        rejects: str | os.PathLike[str] | ObjectStoragePath | None = None,
        report_url: str | None = None,
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
        from esms_connectors.airflow.sources import hide_rows

        self.channel: str = self._channel_name(channel)
        # A list in the DAG file is hidden here; one that a task pushes is hidden when it is rendered.
        self.source: Any = hide_rows(source) if isinstance(source, list | tuple) else source
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.sql_parameters = sql_parameters
        self.template_id = template_id
        self.oa_id = oa_id
        self.template_params = template_params
        self.brandname = brandname
        self.channel_options = channel_options
        self.phone_column = phone_column
        self.key_column = key_column
        self.duplicates = duplicates
        self.encoding = encoding
        self.delimiter = delimiter
        self.sheet = sheet
        self.header_row = None if header_row is None else whole_number(header_row, "header_row")
        self.hidden_rows = hidden_rows
        self.two_phones = two_phones
        self.as_is = as_is
        self.template_file = template_file
        self.campaign = campaign
        self.send_at = send_at
        self.sending_mode = sending_mode
        self.at_least = None if at_least is None else share(at_least, "at_least")
        self.on_empty = on_empty
        self.conflicts = conflicts
        self.reconcile_before_repeat = reconcile_before_repeat
        self.threads = whole_number(threads, "threads")
        self.chunk_size = None if chunk_size is None else whole_number(chunk_size, "chunk_size")
        self.price_vnd = price(price_vnd)
        self.plan_only = dry_run  # `dry_run` is a method of every operator
        self.plan = plan
        self.rejects = rejects
        self.report_url = report_url
        self.poll_seconds = seconds(poll_seconds, "poll_seconds")
        self.deferrable = deferrable
        self.hide_arguments(text=text, fallback=fallback)
        self.check_given()

    @classmethod
    def _channel_name(cls, given: str | None) -> str:
        found = cls.of_channel or given
        if found is None or given not in (None, found):
            raise InvalidRequestError(f"channel is {cls.of_channel or ' or '.join(CHANNELS)}.", field="channel")
        return found

    @classmethod
    def check_arguments(cls, given: Mapping[str, Any]) -> None:
        """Also check the options of the channel."""
        super().check_arguments(given)
        channel, options = cls.of_channel or given.get("channel"), given.get("channel_options")
        if isinstance(options, Mapping):
            check_channel_options(channel if channel in CHANNELS else None, options)

    def check_given(self) -> None:
        """Also check that the arguments fit together."""
        super().check_given()
        if isinstance(options := self.channel_options or {}, Mapping):
            names = ("text", "template_id", "oa_id", "brandname", "sending_mode", "template_file")
            given = {**{name: self._given(name) for name in names}, **options}
            check_channel(self.channel, given, has_next=bool(self._fallback))
        if self.sql and self.source is None and not self.sql_conn_id:
            raise InvalidRequestError("sql needs sql_conn_id, the connection of the database.", field="sql_conn_id")

    def after_rendering(self) -> None:
        from esms_connectors.airflow.sources import hide_rows

        self.source = hide_rows(self.source)
        super().after_rendering()

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            result, pause = self._send(context)
        if pause is not None:
            self._defer_for(pause)
        return result

    def execute_again(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Resume after a deferral and send to those who are due; if nobody is, the source is not read again."""
        pause, unreachable = None, (event or {}).get("unreachable")
        if unreachable is not None:
            with self.working():
                pause = self._quiet_seconds(context, unreachable)
        if pause is not None:
            self._defer_for(pause)
        return self.execute(context)

    def _quiet_seconds(self, context: Context, unreachable: str) -> float | None:
        from esms_connectors.sending.steps.people import quiet_seconds

        hook = EsmsHook(self.esms_conn_id)
        with hook.get_conn() as client, self._open_ledger(hook, context) as ledger:
            self._unreachable, poll = unreachable, float(self.poll_seconds)
            return quiet_seconds(client, ledger, self._run_key_now(context), poll_seconds=poll, unreachable=unreachable)

    def _run_key_now(self, context: Context) -> str:
        from esms_connectors.airflow.identity import generation_of, run_key_of

        # A plan comes from another task, so this task's own key would identify another campaign.
        approved = read_plan(self.plan)
        run_key = self.run_key if approved is None or self.run_key is not None else approved.get("run_key")
        return run_key_of(context, run_key, generation_of(context, resend_on_clear=self.resend_on_clear))

    def _defer_for(self, seconds: float) -> None:
        from esms_connectors.gateway import machine_clock

        moment = machine_clock.now().add(seconds=round(seconds))
        self.log.info("deferred until %s", moment)
        self.defer_until(moment.isoformat(), "execute_again", {"unreachable": self._unreachable})

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage from the file to the sent data; see `esms_connectors.airflow.lineage`."""
        from esms_connectors.airflow.lineage import operator_lineage

        return operator_lineage(self._transfer)

    def _send(self, context: Context) -> tuple[dict[str, Any], float | None]:
        """The result, and the seconds to defer for if a fallback is still to come."""
        from contextlib import ExitStack

        from esms_connectors.airflow.arguments import path
        from esms_connectors.airflow.identity import generation_of, note_done
        from esms_connectors.airflow.lineage import SENT_DATA, DataTransfer, file_dataset
        from esms_connectors.airflow.metrics import count_messages
        from esms_connectors.airflow.sources import opened_source, rejects_file

        hook = EsmsHook(self.esms_conn_id)
        rejects_path = path(self.rejects, "rejects")
        approved = read_plan(self.plan)
        generation = generation_of(context, resend_on_clear=self.resend_on_clear)
        with ExitStack() as stack:
            source = stack.enter_context(opened_source(self.source, self.sql, self.sql_conn_id, self.sql_parameters))
            campaign = self._campaign_of(context, hook, stack, source, self._run_key_now(context))
            self._log_destination(campaign.channel.client, campaign.ledger, campaign.channel)
            rejects = None
            if rejects_path is not None:
                rejects = stack.enter_context(rejects_file(rejects_path, self.source))

            def tell(plan: Plan) -> None:
                self.log.info(
                    "%s: %d to send, %d settled before, %d cannot be sent",
                    counted(plan.report.rows, "row"), plan.to_send, plan.already_settled, plan.report.rejected,
                )  # fmt: skip
                for problem in (*plan.report.notes, *plan.problems):
                    self.log.warning("%s", problem)
                if plan.empty and campaign.on_empty == "skip":
                    raise AirflowSkipException("The source is empty: there is nobody to send to.")

            if self.plan_only:
                plan = campaign.plan(rejects)
                tell(plan)
                return plan.as_dict(), None
            journey = self._journey_of(context, campaign, hook.settings())
            with self._waiting_for_hours():
                if journey is None:
                    sent = campaign.send(approved, rejects=rejects, on_plan=tell)
                    count_messages(sent)
                    self._wait_for_hours(sent.stopped_by)
                    result = sent.as_dict()
                elif self.deferrable:
                    count_messages(journey.start(approved, rejects=rejects, on_plan=tell))
                    found, pause = journey.advance()
                    if pause is not None:
                        self._unreachable = journey.unreachable
                        return {}, pause
                    result = journey.finish(found).as_dict()
                else:
                    chain = journey.run(approved, rejects=rejects, on_plan=tell)
                    count_messages(chain.first)
                    result = chain.as_dict()
        self._transfer = DataTransfer(file_dataset(self.source), SENT_DATA, result["accepted"])
        note_done(self, context, generation, resend_on_clear=self.resend_on_clear)
        return result, None

    def _journey_of(self, context: Context, campaign: Campaign, settings: Settings) -> Any:
        from esms_connectors.sending.steps import Journey
        from esms_connectors.sending.steps.parsing import read_step

        if not (given := self.rendered("fallback", context)):
            return None
        defaults = {"brandname": settings.brandname, "oa_id": settings.oa_id}
        steps = [read_step(one, campaign, defaults) for one in given]
        return Journey(campaign, steps, poll_seconds=float(self.poll_seconds))

    def _campaign_of(self, context: Context, hook: EsmsHook, stack: Any, source: Any, run_key: str) -> Campaign:
        from esms_connectors.airflow.arguments import text
        from esms_connectors.sending.campaign import Campaign
        from esms_connectors.sending.policy import on_empty_of

        settings = hook.settings()
        client: EsmsClient = stack.enter_context(hook.get_conn(max_connections=max(16, self.threads)))
        more: dict[str, Any] = {
            "send_at": point_in_time(self.send_at, "send_at", context, whole_days=False),
            "callback_url": self._callback_to_use(settings, context),
        }
        if self.chunk_size is not None:
            more["chunk_size"] = self.chunk_size
        run_type = getattr(context.get("dag_run"), "run_type", None)
        channel = self._channel_of(client, settings, context, more)
        return Campaign(
            channel,
            source,
            columns_of(self.template_params, self.phone_column, self.key_column, by_name=not channel.by_position),
            ledger=stack.enter_context(self._open_ledger(hook, context)),
            run_key=run_key,
            duplicates=self.duplicates,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=text(self.sheet, "sheet"),
            header_row=self.header_row,
            hidden_rows=self.hidden_rows,
            two_phones=self.two_phones,
            as_is=self.as_is,
            campaign=text(self.campaign, "campaign") or f"{context['ti'].dag_id}.{context['ti'].task_id}",
            threads=self.threads,
            at_least=self.at_least,
            on_empty=on_empty_of(
                self.on_empty,
                scheduled=getattr(run_type, "value", run_type) not in (None, "manual"),
            ),
            conflicts="skip" if self.conflicts == "skip" else "refuse",
            reconcile_before_repeat=self.reconcile_before_repeat,
            send_at_text=self.send_at if isinstance(self.send_at, str) else None,
            price_vnd=self.price_vnd,
            guard=self._guard(hook, context),
        )

    def _channel_of(self, client: EsmsClient, settings: Settings, context: Context, more: dict[str, Any]) -> Channel:
        from esms_connectors.airflow.arguments import checked_text, path, text
        from esms_connectors.sending.channels.factory import make_channel

        given = {
            "template_id": text(self.template_id, "template_id"),
            "oa_id": text(self.oa_id, "oa_id"),
            "brandname": text(self.brandname, "brandname"),
            "sending_mode": self.sending_mode,
            "template_file": path(self.template_file, "template_file"),
            **(self.channel_options or {}),
            **more,
        }
        if self._text is not None:
            given["text"] = checked_text(self.rendered("text", context))
        return make_channel(self.channel, client, with_defaults(self.channel, given, settings))


class ZnsBulkOperator(CampaignOperator):
    """
    Send a ZNS to every row of a file, query or list, each once; a retry continues where the last try stopped.

    Args:
        As in `CampaignOperator`, with `template_id`, `oa_id` and `template_params`. `channel` is `zns`.
    """

    of_channel: ClassVar[str | None] = "zns"


class SmsBulkOperator(CampaignOperator):
    """
    Send a customer-care SMS to every row of a file, query or list, each once, with values of the row in the text.

    Args:
        As in `CampaignOperator`, with `text` and `brandname`. `channel` is `sms`.
    """

    of_channel: ClassVar[str | None] = "sms"
