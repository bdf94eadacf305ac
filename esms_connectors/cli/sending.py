"""`esms send-zns`: check every row, plan, send, resume."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from esms_connectors.cli.output import json_option, print_json, vnd
from esms_connectors.cli.settings import (
    connection_options,
    ledger_option,
    open_client,
    open_ledger,
    read_send_time,
    source_options,
)
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import check_run_key
from esms_connectors.recipients import Columns, ReadReport, RejectsFile, SqlQuery
from esms_connectors.recipients.queries import is_database_address
from esms_connectors.sending.bulk import BulkSummary, Counters
from esms_connectors.sending.campaign import ZnsCampaign
from esms_connectors.sending.plan import Plan


@click.command("send-zns")
@click.argument("source")
@click.option("--template", "template_id", required=True, help="Id of the ZNS template.")
@click.option("--oa", "oa_id", required=True, help="Id of the Zalo Official Account.")
@click.option("--params", required=True, help="Columns in the order of the template: name,service or name=column,…")
@click.option("--run-key", required=True, help="Names this campaign. The same key resumes it and never sends twice.")
@click.option("--phone-column", default="phone", show_default=True)
@click.option("--key-column", help="Tells rows apart, such as an order number; default: the phone.")
@click.option("--query", help="SELECT … when SOURCE is a database URL.")
@click.option(
    "--duplicates", type=click.Choice(["merge", "keep"]), help="Rows with one phone; default: merge, keep with a key."
)
@source_options
@click.option("--rejects", "rejects_path", metavar="FILE", help="CSV for the rows that cannot be sent; a path or URL.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be sent and what it would cost. Sends nothing.")
@click.option("--price", metavar="VND", help="Price of one message, for the plan.")
@click.option(
    "--at-least",
    type=click.FloatRange(0, 1),
    help="Share of all rows to be accepted, those that cannot be sent included; default: every row that can be sent.",
)
@click.option(
    "--conflicts",
    type=click.Choice(["refuse", "skip"]),
    default="refuse",
    show_default=True,
    help="Rows that were sent in this run with another content or phone: send nothing, or all but those.",
)
@click.option(
    "--on-empty",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="A source without rows is an error, or nothing to do, as in a schedule.",
)
@click.option("--campaign", help="Words that come back in the sent data.")
@click.option(
    "--at", "send_at", metavar="TIME", help="When to send: '2026-11-21 08:30', 'tomorrow 08:30', +2h, in Vietnam."
)
@click.option("--callback-url", metavar="URL", help="Gets the delivery reports.")
@click.option(
    "--reconcile-before-repeat",
    is_flag=True,
    help="Look every row in doubt up before it is repeated, and never send one twice to test request ids.",
)
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--chunk-size", type=click.IntRange(1, 500), default=500, show_default=True, help="Messages a call.")
@click.option("--requests-per-second", type=float, help="At most so many calls a second.")
@ledger_option
@connection_options
@json_option
def send_zns(
    source: str,
    template_id: str,
    oa_id: str,
    params: str,
    run_key: str,
    phone_column: str,
    key_column: str | None,
    query: str | None,
    duplicates: Any,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    header_row: int | None,
    hidden_rows: Any,
    two_phones: Any,
    as_is: bool,
    rejects_path: str | None,
    plan_only: bool,
    price: str | None,
    at_least: float | None,
    conflicts: Any,
    on_empty: Any,
    campaign: str | None,
    send_at: str | None,
    callback_url: str | None,
    reconcile_before_repeat: bool,
    threads: int,
    chunk_size: int,
    requests_per_second: float | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Send a ZNS to each row of SOURCE, once: a CSV, Excel, JSONL or Parquet file, or a database URL with --query.

    Every row is checked before the first message. Running the same command again is the resume, after Ctrl-C or a crash
    too: it skips what is settled and repeats nothing that might arrive twice. With ESMS_LEDGER_SECRET set the ledger
    holds no phone in clear.

    \b
    Examples:
      esms send-zns customers.csv --template 267247 --oa 4097311281936189049 \\
          --params customer_name,service,code,date --run-key march-campaign --plan
      esms send-zns postgresql://db/crm --query "select phone, name from vip order by id" ...
    """
    run_key = check_run_key(run_key)
    rows = SqlQuery(source, query) if query is not None else source
    if query is None and is_database_address(source):
        raise InvalidRequestError("A database needs --query with a SELECT.", field="query")
    columns = Columns.parse(params, phone=phone_column, key_column=key_column)
    when = None if send_at is None else read_send_time(send_at)
    console = Console(stderr=True)
    with ExitStack() as stack:
        run = ZnsCampaign(
            client=stack.enter_context(
                open_client(base_url, sandbox, throttle=requests_per_second, max_connections=threads)
            ),
            source=rows,
            columns=columns,
            template_id=template_id,
            oa_id=oa_id,
            ledger=stack.enter_context(open_ledger(ledger_url)),
            run_key=run_key,
            duplicates=duplicates,
            encoding=encoding,
            delimiter=delimiter,
            sheet=sheet,
            header_row=header_row,
            hidden_rows=hidden_rows,
            two_phones=two_phones,
            as_is=as_is,
            campaign=campaign,
            send_at=when,
            callback_url=callback_url,
            chunk_size=chunk_size,
            reconcile_before_repeat=reconcile_before_repeat,
            threads=threads,
            at_least=1.0 if at_least is None else at_least,
            at_least_of="sendable" if at_least is None else "all",
            # Who types the command reads which rows were left out, and repairs them for the next one.
            out_of_reach="send",
            on_empty=on_empty,
            conflicts=conflicts,
            price_vnd=_price(price),
        )
        with ExitStack() as files:
            plan = run.plan(None if rejects_path is None else files.enter_context(RejectsFile(rejects_path)))
        if plan_only:
            print_json(plan.as_dict()) if as_json else _print_plan(Console(), plan)
            return
        _print_rejects(console, plan.report, rejects_path)
        with _bar(console, plan.recipients) as tell:
            summary = run.send(plan, progress=tell)
    if as_json:
        print_json(_summary_dict(summary, plan.report))
    else:
        click.secho(str(summary), fg="green")
        click.echo(f"  campaign  {summary.campaign}\n  took      {summary.seconds:.1f} s")


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    # Beyond that it is a slip of the finger, and arithmetic with it ends in an error.
    if not price.is_finite() or not 0 <= price <= 10**9:
        raise InvalidRequestError(f"--price {text!r} is no amount of VND.", field="price")
    return price


class _bar:  # noqa: N801 - used as a function
    """A progress bar on a terminal; silent elsewhere, where the log has the counts."""

    def __init__(self, console: Console, total: int) -> None:
        self._bars = Progress(
            TextColumn("Sending"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("send", total=total, more="")

    def __enter__(self) -> Callable[[Counters], None]:
        self._bars.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def _show(self, counters: Counters) -> None:
        more = ", ".join(
            f"{count} {name}"
            for name, count in (("rejected", counters.rejected), ("unknown", counters.unknown), ("held", counters.held))
            if count
        )
        self._bars.update(self._task, completed=counters.done, more=more)


def _print_rejects(console: Console, report: ReadReport, path: str | None) -> None:
    if report.duplicates:
        console.print(f"{report.duplicates:,} rows repeat a phone", highlight=False)
    if report.migrated:
        console.print(
            f"{report.migrated:,} numbers had a prefix of before 2018 and were brought up to date", highlight=False
        )
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    if report.conflicts:
        console.print(
            f"{report.conflicts:,} rows were sent as something else in this run{f', see {path}' if path else ''}",
            highlight=False,
        )
    if not report.rejected:
        return
    console.print(f"{report.rejected:,} rows cannot be sent{f', see {path}' if path else ''}:", highlight=False)
    for (column, reason), count in report.rejected_by.most_common(10):
        console.print(f"  {count:,}  {_reason_line(report, column, reason)}", highlight=False, markup=False)


def _reason_line(report: ReadReport, column: str, reason: str) -> str:
    """A reason for the eye, with a word of a text that has it."""
    sample = report.samples.get((column, reason))
    return f"{column or 'row'}: {reason}{f', such as “{sample}”' if sample else ''}"


def _print_plan(console: Console, plan: Plan) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("rows", f"{plan.report.rows:,}", "")
    table.add_row("rejected", f"{plan.report.rejected:,}", "")
    for (column, reason), count in plan.report.rejected_by.most_common(10):
        table.add_row("", f"{count:,}", escape(_reason_line(plan.report, column, reason)))
    for (column, reason), count in plan.report.sent_damaged.most_common(10):
        table.add_row("sent as it is", f"{count:,}", escape(_reason_line(plan.report, column, reason)))
    table.add_row("duplicates", f"{plan.report.duplicates:,}", "")
    if plan.report.further_phones:
        table.add_row("further phones", f"{plan.report.further_phones:,}", "of cells with several")
    if plan.report.conflicts:
        table.add_row("conflicts", f"{plan.report.conflicts:,}", "sent as something else in this run")
    table.add_row("recipients", f"{plan.recipients:,}", "")
    if plan.already_settled:
        table.add_row("already settled", f"{plan.already_settled:,}", "skipped")
    table.add_row("to send", f"{plan.to_send:,}", f"in {plan.chunks:,} calls")
    price = "unknown" if plan.price_vnd is None else vnd(plan.price_vnd)
    table.add_row("price of one", price, plan.price_from)
    table.add_row("cost", "unknown" if plan.cost_vnd is None else vnd(plan.cost_vnd), "estimate")
    table.add_row("balance", "" if plan.balance_vnd is None else vnd(plan.balance_vnd), "")
    table.add_row("left", "unknown" if plan.left_vnd is None else vnd(plan.left_vnd), "")
    console.print(table)
    for note in plan.report.notes:
        console.print(note, highlight=False, markup=False)
    for problem in plan.problems:
        console.print(f"[yellow]![/] {problem}", highlight=False)
    console.print("Nothing was sent.", highlight=False)


def _summary_dict(summary: BulkSummary, report: ReadReport) -> dict[str, Any]:
    return {
        "run": asdict(summary.run),
        "this_call": asdict(summary.counters),
        "rows": report.as_dict(),
        "campaign": summary.campaign,
        "complete": summary.complete,
        "seconds": round(summary.seconds, 2),
    }
