"""Flows for reports: some days as an artifact in the UI and as files, and a month compared with its invoice."""

import asyncio
import inspect
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.logging import get_run_logger

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, foreign_errors
from esms_connectors.prefect.artifacts import artifact_key, show_table
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.blocks.base import load_block
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.warehouse import EsmsWarehouse
from esms_connectors.prefect.days import first_day, named_by_day
from esms_connectors.prefect.local_files import check_lasts, local_file
from esms_connectors.prefect.pool import borrow_ledger
from esms_connectors.prefect.retry import errors_in_one_line
from esms_connectors.prefect.runs import scheduled_time
from esms_connectors.sending.guard import load_guard


@flow(
    name="sent-messages-report",
    flow_run_name=named_by_day("sent-messages-report", "day"),
    persist_result=True,
    result_serializer="json",
)
@errors_in_one_line
def sent_messages_report(
    day: date | str | None = None,
    days: int = 1,
    targets: list[str] | None = None,
    warehouse: str = "default",
    ledger: str | None = None,
    language: Literal["en", "vi"] = "en",
    budget_vnd: Decimal | None = None,
    credentials: str | None = None,
    notify: str | None = None,
) -> dict[str, Any]:
    """
    Report on the messages of some days, from a warehouse that was loaded before; the gateway is not called.

    Data missing from the warehouse is listed in the report and logged as a warning. The report contains no phones.

    Args:
        day: First day, in Vietnam, also as `yesterday` or `-7d`; None takes the last day that has ended.
        days: How many days.
        targets: Paths or URLs that end in .html, .xlsx, .md, .json, .csv or .parquet; None creates only the artifact.
        warehouse: Name of an `EsmsWarehouse` block.
        ledger: Name of an `EsmsLedger` block; it adds planned and refused messages to the report.
        language: Language of the report.
        budget_vnd: Budget for the days; the headline then has `budget_used`.
        credentials: Name of an `EsmsCredentials` block: with a ledger, costs are also compared with the monthly and run
            budgets of its guard. None uses the settings of the machine.
        notify: A notification block as `type/name`, such as `sendgrid-email/reports` or `slack-webhook/team`, that gets
            a summary of the report and the location of its files. A retry of the flow may send it again.

    Returns:
        Files, period, whether it is complete, the warnings, and the figures of the headline.

    Raises:
        InvalidRequestError: A period in the future, or an unknown kind of target.
        ConfigurationError: Nothing was loaded for the period, or an extra is missing.
    """
    from esms_connectors.reports import make_report, render_report, write_report
    from esms_connectors.reports.summary import message_of, summary_of
    from esms_connectors.reports.writing import check_target

    notifying = None if notify is None else _notification_block(notify)
    for target in targets or ():
        check_target(target)
        check_lasts(local_file(target), "The report")
    start = first_day(day, days)
    end = start.add(days=days)
    with load_block(EsmsWarehouse, warehouse).open() as opened:
        if ledger is None:
            report = make_report(opened, start, end, budget_vnd=budget_vnd)
        else:
            guard = load_guard().settings
            if credentials is not None:
                guard = load_block(EsmsCredentials, credentials).guard_in_force()
            with borrow_ledger(ledger, create=False) as of_campaigns:
                report = make_report(opened, start, end, ledger=of_campaigns, budget_vnd=budget_vnd, guard=guard)
    files = [file for target in targets or () for file in write_report(report, target, language=language)]
    in_sync(create_markdown_artifact)(
        markdown=render_report(report, ".md", language=language)[""].decode(),
        key=artifact_key("esms-report", warehouse),
        description=f"{days} day(s) from {start.to_date_string()} in Vietnam",
    )
    if notifying is not None:
        subject, lines = message_of(report, files, language)
        _notify(notifying, "\n".join(lines), subject)
    summary = summary_of(report, language)
    for warning in summary["warnings"]:
        get_run_logger().warning("%s", warning)
    return {"files": files, "start": start.isoformat(), "end": end.isoformat(), **summary}


@flow(
    name="month-statement",
    flow_run_name=named_by_day("month-statement", "month"),
    persist_result=True,
    result_serializer="json",
)
@errors_in_one_line
def month_statement(
    month: str | None = None,
    invoice: str | None = None,
    warehouse: str = "default",
    fail: bool = True,
) -> dict[str, Any]:
    """
    Compare a month in the warehouse with the gateway's invoice, by message type, as `esms statement` does.

    Args:
        month: Such as 2026-11; None takes the last month that had ended in Vietnam when the run was scheduled.
        invoice: A CSV of what was invoiced, with the columns sms_type (a number, or a name such as zns), messages and
            amount_vnd: a path or a URL. It is stored in the warehouse and replaces an earlier one. None uses the stored
            one, if any.
        warehouse: Name of an `EsmsWarehouse` block.
        fail: Fail if the two differ or days of the month were not loaded. False only reports it.

    Returns:
        What `esms statement --json` prints: month, lines by message type, gaps, doubts, and `good`, which is true if
        nothing differs, is missing or in doubt.

    Raises:
        StatementDiffersError: The two differ, or days are missing; the artifact has the lines.
        InvalidRequestError: An invalid month, or an invoice that cannot be read.
        ConfigurationError: Nothing was loaded, or the warehouse is not a database.
    """
    from esms_connectors.gateway.times import read_month
    from esms_connectors.warehouse.statement import last_month, make_statement, read_invoice

    month = month or last_month(scheduled_time())
    read_month(month)
    lines = None if invoice is None else read_invoice(invoice)
    with load_block(EsmsWarehouse, warehouse).open() as opened:
        statement = make_statement(opened, month, lines)
    told = statement.as_dict()
    show_table(
        artifact_key("esms-statement", warehouse),
        told["lines"],
        f"{month} compared with its invoice. " + (" · ".join(statement.problems) or "Nothing differs."),
    )
    for problem in statement.problems:
        get_run_logger().warning("%s: %s", month, problem)
    if fail:
        statement.check()
    return told


def _notification_block(name: str) -> NotificationBlock:
    """
    Raises:
        InvalidRequestError: the name is not `type/name`. ConfigurationError: there is no such notification block.
    """
    kind, slash, of_kind = name.partition("/")
    if not (kind and slash and of_kind):
        raise InvalidRequestError(
            "notify takes a notification block as type/name, such as slack-webhook/team.", field="notify"
        )

    def missing(problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"notify: there is no notification block {name} ({problem}). Save one, or name another."
        )

    with foreign_errors(lambda error: missing(f"it cannot be loaded: {type(error).__name__}")):
        block = in_sync(Block.load)(name)
    if not isinstance(block, NotificationBlock):
        raise missing("it is not a notification block")
    return block


def _notify(block: NotificationBlock, body: str, subject: str) -> None:
    """Prefect's blocks have a sync form of `notify`; in third-party blocks it may be a coroutine."""
    notify: Any = block.notify
    told = in_sync(notify)(body, subject) if hasattr(notify, "aio") else notify(body, subject)
    if inspect.iscoroutine(told):
        asyncio.run(told)
