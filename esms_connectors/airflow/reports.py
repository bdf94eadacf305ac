"""Operators for reports: a period as files for readers, and a month compared with its invoice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from esms_connectors.airflow.arguments import path, text
from esms_connectors.airflow.base import EsmsTask
from esms_connectors.airflow.hooks import DEFAULT_CONN_ID, EsmsHook
from esms_connectors.airflow.links import EsmsReportLink
from esms_connectors.airflow.mailing import addresses, mail_report
from esms_connectors.airflow.warehouse import (
    WAREHOUSE,
    due,
    opened_warehouse,
    span,
    store_connection,
    warehouse_address,
)
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from airflow.sdk.definitions.context import Context


class SentMessagesReportOperator(EsmsTask):
    """
    Write a report on the messages of the data interval, from a warehouse that was loaded before.

    It does not call the gateway. Data missing from the warehouse is listed in the report and logged as a warning.

    Args:
        targets: a path or URL, or several, that end in .html, .xlsx, .md, .json, .csv or .parquet; URLs as in fsspec
            (`s3://connection@bucket/reports/{{ ds }}.html` uses that connection). An existing file is replaced. None
            with `mail_to` writes no file.
        mail_to: one or more e-mail addresses to which the report is sent with its files attached, through the SMTP
            connection `smtp_conn_id`, which also sets the sender. A retry may send the e-mail again.
        warehouse: `duckdb:///file` or `postgresql://…`. Templated and never shown: it may hold a password.
        warehouse_conn_id: a connection instead: `postgres` or `mysql`; `duckdb`, `generic` or `fs` with the file as
            host, schema or `path` of the extra.
        start, end: the period by sending time, with a zone or as words such as `-7d`, `yesterday` and `today` (days in
            Vietnam, relative to when the run was due); the data interval if None.
        with_ledger: read planned and refused messages from the ledger of the eSMS connection, or of `ledger_conn_id`.
        language: `en` or `vi`.
        budget_vnd: budget for the period; the headline then has `budget_used`. With a ledger, costs are also compared
            with the monthly and run budgets in the guard of the eSMS connection.
        report_url: URL at which readers open the file; target of the task's link "eSMS report".

    Returns (XCom):
        Files, period, whether it is complete, the warnings, and the figures of the headline. None contains a phone.
    """

    template_fields: Sequence[str] = (
        "targets",
        "mail_to",
        "smtp_conn_id",
        "start",
        "end",
        "language",
        "budget_vnd",
        "report_url",
        "warehouse_conn_id",
        "ledger_conn_id",
        "esms_conn_id",
    )
    hidden_arguments: ClassVar[Sequence[str]] = ("warehouse",)
    one_of_these: ClassVar[tuple[Sequence[str], str]] = WAREHOUSE
    template_fields_renderers: ClassVar[dict[str, str]] = {"targets": "json"}
    operator_extra_links = (EsmsReportLink(),)
    ui_color = "#e9f3e6"

    def __init__(
        self,
        *,
        targets: str | Sequence[str] | None = None,
        mail_to: str | Sequence[str] | None = None,
        smtp_conn_id: str = "smtp_default",
        warehouse: str | None = None,
        warehouse_conn_id: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        with_ledger: bool = False,
        ledger_conn_id: str | None = None,
        language: str = "en",
        budget_vnd: Decimal | float | str | None = None,
        report_url: str | None = None,
        esms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.targets = targets
        self.mail_to = mail_to
        self.smtp_conn_id = smtp_conn_id
        self.warehouse_conn_id = warehouse_conn_id
        self.start = start
        self.end = end
        self.with_ledger = with_ledger
        self.ledger_conn_id = ledger_conn_id
        self.language = language
        self.budget_vnd = budget_vnd
        self.report_url = report_url
        self.esms_conn_id = esms_conn_id
        self.hide_arguments(warehouse=warehouse)
        self.check_given()
        if targets is None and mail_to is None:
            _several(None)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._report(context)

    def _report(self, context: Context) -> dict[str, Any]:
        from esms_connectors.airflow.sources import placed
        from esms_connectors.reports import make_report, write_report
        from esms_connectors.reports.summary import summary_of
        from esms_connectors.reports.writing import check_target

        mail_to = addresses(self.mail_to)
        targets = [] if self.targets is None and mail_to else _several(self.targets)
        for target in targets:
            check_target(target)
        start, end = span(context, self.start, self.end)
        address = warehouse_address(
            text(self.warehouse_conn_id, "warehouse_conn_id"),
            text(self.rendered("warehouse", context), "warehouse"),
        )
        with ExitStack() as opened:
            ledger, guard = None, None
            if self.with_ledger or self.ledger_conn_id:
                hook = EsmsHook(self.esms_conn_id)
                ledger = opened.enter_context(hook.open_ledger(self.ledger_conn_id or None, create=False))
                guard = hook.guard()
            report = make_report(
                opened.enter_context(opened_warehouse(address)),
                start,
                end,
                ledger=ledger,
                budget_vnd=self.budget_vnd,
                guard=guard,
            )
        files: list[str] = []
        for target in targets:
            if store_connection(target)[1] is None:
                files += write_report(report, target, language=self.language)
                continue
            with placed(target, "targets") as place:
                written = write_report(report, place, language=self.language)
            # The files are now in the store, not in the temporary folder.
            files += [f"{target.rpartition('/')[0]}/{PurePath(file).name}" for file in written]
        if mail_to:
            mail_report(
                report,
                mail_to,
                targets=targets,
                files=files,
                conn_id=text(self.smtp_conn_id, "smtp_conn_id") or "smtp_default",
                language=self.language,
            )
        summary = summary_of(report, self.language)
        for warning in summary["warnings"]:
            self.log.warning("%s", warning)
        self.log.info("report from %s to %s: %s", start, end, ", ".join(files))
        return {"files": files, "start": start.isoformat(), "end": end.isoformat(), **summary}


class MonthStatementOperator(EsmsTask):
    """
    Compare a month in the warehouse with the gateway's invoice, by message type, as `esms statement` does.

    Args:
        month: such as `2026-11`; None takes the last month that had ended in Vietnam when the run was due.
        invoice: a CSV of what was invoiced, with the columns sms_type (a number, or a name such as zns), messages and
            amount_vnd: a path, or a URL such as `s3://connection@bucket/invoices/2026-11.csv`. It is stored in the
            warehouse and replaces an earlier one. None uses the stored one, if any.
        warehouse, warehouse_conn_id: as in `SentMessagesReportOperator`.
        fail: the task fails if the two differ or days of the month were not loaded. False only reports it.

    Returns (XCom):
        What `esms statement --json` prints: month, lines by message type, gaps, doubts, and `good`, which is true if
        nothing differs, is missing or in doubt.
    """

    template_fields: Sequence[str] = ("month", "invoice", "warehouse_conn_id")
    hidden_arguments: ClassVar[Sequence[str]] = ("warehouse",)
    one_of_these: ClassVar[tuple[Sequence[str], str]] = WAREHOUSE
    ui_color = "#e9f3e6"

    def __init__(
        self,
        *,
        month: str | None = None,
        invoice: str | None = None,
        warehouse: str | None = None,
        warehouse_conn_id: str | None = None,
        fail: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.month = month
        self.invoice = invoice
        self.warehouse_conn_id = warehouse_conn_id
        self.fail = fail
        self.hide_arguments(warehouse=warehouse)
        self.check_given()

    def execute(self, context: Context) -> dict[str, Any]:
        with self.working():
            return self._compare(context)

    def _compare(self, context: Context) -> dict[str, Any]:
        from esms_connectors.airflow.sources import copied
        from esms_connectors.gateway.times import read_month
        from esms_connectors.warehouse.statement import last_month, make_statement, read_invoice

        month = text(self.month, "month") or last_month(due(context))
        read_month(month)
        file, invoice = path(self.invoice, "invoice"), None
        if file is not None and "://" in file:
            with copied(file, "invoice") as copy:
                invoice = read_invoice(copy)
        elif file is not None:
            invoice = read_invoice(file)
        address = warehouse_address(
            text(self.warehouse_conn_id, "warehouse_conn_id"),
            text(self.rendered("warehouse", context), "warehouse"),
        )
        with opened_warehouse(address) as warehouse:
            statement = make_statement(warehouse, month, invoice)
        told = statement.as_dict()
        for line in told["lines"]:
            self.log.info("%s: %s", month, line)
        for problem in statement.problems:
            self.log.warning("%s: %s", month, problem)
        if self.fail:
            statement.check()
        return told


def _several(targets: Any) -> list[str]:
    """
    One target or several, as a list.

    Raises:
        InvalidRequestError: none, because a report without a target is not a success; anything else; or a folder named
            None, from a template with a missing value.
    """
    many = [targets] if isinstance(targets, str | PurePath) else targets
    if not isinstance(many, list | tuple) or not many or not all(isinstance(one, str | PurePath) for one in many):
        raise InvalidRequestError("targets takes a path or URL, or a list of them with one at least.", field="targets")
    found = [str(one) for one in many]
    if any("None" in one.split("/") for one in found):
        raise InvalidRequestError(
            "targets has a folder named None: its template used a missing value.", field="targets"
        )
    return found
