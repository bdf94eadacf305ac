"""`esms send-zns`: check every row, plan, send, resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from esms_connectors.cli.channel_options import template_file_option
from esms_connectors.cli.console import Console
from esms_connectors.cli.guard_options import GUARD_NAMES, guard_of, guard_options
from esms_connectors.cli.language import tr
from esms_connectors.cli.numbers import SHARE
from esms_connectors.cli.output import NOT_GOOD, as_options, json_option, print_json, print_table
from esms_connectors.cli.settings import (
    complete_files,
    connection_options,
    ledger_option,
    open_client,
    open_ledger,
    options_of,
    source_options,
)
from esms_connectors.cli.steps import (
    CampaignCommand,
    check_source,
    else_option,
    journey_of,
    source_or_undelivered,
    undelivered_options,
)
from esms_connectors.cli.terminal import say
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.times import read_time
from esms_connectors.gateway.wire import vnd
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.recipients import Columns, ReadReport, Recipient, RejectsFile, SqlQuery
from esms_connectors.recipients.queries import is_database_address
from esms_connectors.sending.bulk import Counters
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import Channel, ZnsChannel
from esms_connectors.sending.plan import Plan
from esms_connectors.sending.policy import DEFAULT_AT_LEAST, read_price
from esms_connectors.sending.steps import JourneyResult

# Options of every campaign.
campaign_options = options_of(
    click.option(
        "--run-key", required=True, help="Names this campaign. The same key resumes it and never sends twice."
    ),
    click.option("--phone-column", default="phone", show_default=True, help="The column with the phones."),
    click.option("--key-column", help="Identifies a row, such as an order number; default: the phone."),
    click.option("--query", help="SELECT … when SOURCE is a database URL."),
    click.option(
        "--duplicates",
        type=click.Choice(["merge", "keep"]),
        help="Rows with the same phone; default: merge, or keep with a key.",
    ),
    source_options,
    undelivered_options,
    click.option(
        "--rejects", "rejects_path", metavar="FILE", help="CSV for the rows that cannot be sent; a path or URL."
    ),
    click.option(
        "--plan", "plan_only", is_flag=True, help="Show what would be sent and what it would cost. Sends nothing."
    ),
    click.option(
        "--save-plan",
        metavar="FILE",
        type=click.Path(dir_okay=False, writable=True),
        help="With --plan: save it as JSON, for approval.",
    ),
    click.option(
        "--plan-file",
        metavar="FILE",
        type=click.File(encoding="utf-8-sig"),
        help="Send only what this plan contains; refuse if the rows, the template or the key column have changed "
        "since.",
    ),
    click.option("--price", metavar="VND", help="Price of one message, of a segment for SMS."),
    click.option(
        "--at-least",
        type=SHARE,
        default=DEFAULT_AT_LEAST,
        show_default=True,
        help="Share of all rows that must be accepted, including those that cannot be sent; if it is out of reach, "
        "nothing is sent.",
    ),
    click.option(
        "--conflicts",
        type=click.Choice(["refuse", "skip"]),
        default="refuse",
        show_default=True,
        help="Rows that were sent in this run with another content or phone: send nothing, or all but those.",
    ),
    click.option(
        "--on-empty",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="A source without rows is an error, or nothing to do, as in a schedule.",
    ),
    guard_options,
    else_option,
    click.option("--campaign", help="Text that is returned in the sent data."),
    click.option(
        "--at", "send_at", metavar="TIME", help="When to send: '2026-11-21 08:30', 'tomorrow 08:30', +2h, in Vietnam."
    ),
    click.option("--callback-url", metavar="URL", help="URL that receives the delivery reports."),
    click.option(
        "--reconcile-before-repeat",
        is_flag=True,
        help="Look up every row in doubt before it is repeated, and never send one twice to test request ids.",
    ),
    click.option(
        "--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Number of concurrent calls."
    ),
    click.option("--requests-per-second", type=float, help="Maximum number of calls per second."),
    ledger_option,
    connection_options,
    json_option,
)


@click.command("send-zns", cls=CampaignCommand)
@click.argument("source", required=False, shell_complete=complete_files)
@click.option("--template", "template_id", required=True, help="Id of the ZNS template.")
@click.option("--oa", "oa_id", required=True, help="Id of the Zalo Official Account.")
@click.option("--params", required=True, help="Columns in the order of the template: name,service or name=column,…")
@template_file_option
@click.option("--chunk-size", type=click.IntRange(1, 500), default=500, show_default=True, help="Messages per call.")
@campaign_options
def send_zns(
    source: str | None,
    template_id: str,
    oa_id: str,
    params: str,
    template_file: str | None,
    chunk_size: int,
    **options: Any,
) -> None:
    """
    Send a ZNS to each row of SOURCE, once: a CSV, Excel, JSONL or Parquet file, or a database URL with --query.

    Every row is checked before the first message. Run the same command again to resume, also after Ctrl-C or a crash:
    it skips what is settled and repeats nothing that might arrive twice. With ESMS_LEDGER_SECRET set, the ledger stores
    no phone in plain text.

    \b
    Examples:
      esms send-zns customers.csv --template 267247 --oa 4097311281936189049 \\
          --params customer_name,service,code,date --run-key march-campaign --plan
      esms send-zns postgresql://db/crm --query "select phone, name from vip order by id" ...
    """
    columns = Columns.parse(params, phone=options["phone_column"], key_column=options["key_column"])

    def channel(client: EsmsClient, **more: Any) -> Channel:
        return ZnsChannel(client, template_id, oa_id, template_file=template_file, chunk_size=chunk_size, **more)

    run_campaign(source, columns, channel, **options)


def run_campaign(
    source: str | None,
    columns: Columns,
    channel_with: Callable[..., Channel],
    *,
    plan_only: bool,
    save_plan: str | None,
    plan_file: TextIO | None,
    as_json: bool,
    rejects_path: str | None,
    **options: Any,
) -> None:
    """The common part of all channel commands; `channel_with` creates the channel from client, send_at and callback."""
    if save_plan is not None and not plan_only:
        raise InvalidRequestError("--save-plan goes with --plan; --plan-file sends a saved plan.", field="plan")
    approved = None if plan_file is None else _read_plan(plan_file)
    console = Console(stderr=True)
    with _opened_campaign(source, columns, channel_with, **options) as campaign, ExitStack() as files:
        rejects = None if rejects_path is None else files.enter_context(RejectsFile(rejects_path))
        watch = files.enter_context(_checking(console))
        journey = journey_of(campaign)
        if plan_only:
            what: dict[str, Any] = {"watch": watch, "approved": approved}
            planned = campaign.plan(rejects, **what) if journey is None else journey.plan(rejects, **what)
            plan, *later = (planned,) if isinstance(planned, Plan) else planned
            _show_plan(plan, save_plan, later, as_json=as_json)
            if not plan.good:
                raise SystemExit(NOT_GOOD)
            return
        bar = files.enter_context(_Bar(console))

        def tell(plan: Plan) -> None:
            _print_rejects(console, plan.report, rejects_path)
            bar.start(plan.recipients)

        how: dict[str, Any] = {"rejects": rejects, "watch": watch, "on_plan": tell, "progress": bar.show}
        with _flags_named():
            if journey is not None:
                print_chain(journey.run(approved, told=_ChainProgress(bar), **how), as_json=as_json)
                return
            result = campaign.send(approved, **how)
    if as_json:
        print_json(result.as_dict())
    else:
        say(result, fg="green")
        say(f"  campaign  {result.campaign}\n  took      {result.seconds:.1f} s")


@contextmanager
def _opened_campaign(
    source: str | None,
    columns: Columns,
    channel_with: Callable[..., Channel],
    *,
    run_key: str,
    query: str | None,
    price: str | None,
    send_at: str | None,
    callback_url: str | None,
    threads: int,
    requests_per_second: float | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    phone_column: str,
    key_column: str | None,
    from_undelivered: str | None,
    undelivered_after: str | None,
    **policies: Any,
) -> Iterator[Campaign]:
    """`phone_column` and `key_column` are already in `columns`; the policies are passed on unchanged."""
    run_key = check_run_key(run_key)
    rules = guard_of(**{name: policies.pop(name) for name in GUARD_NAMES})
    check_source(source, from_undelivered, undelivered_after)
    if query is None and source is not None and is_database_address(source):
        raise InvalidRequestError("A database needs --query with a SELECT.", field="query")
    when = None if send_at is None else read_time(send_at, "--at", whole_days=False)
    with ExitStack() as stack:
        client = stack.enter_context(
            open_client(base_url, sandbox, throttle=requests_per_second, max_connections=threads)
        )
        channel = channel_with(client, send_at=when, callback_url=callback_url)
        ledger = stack.enter_context(open_ledger(ledger_url, create=True))
        if from_undelivered is not None and key_column is None:
            columns = replace(columns, key_column="row_key")
        people = source_or_undelivered(source, from_undelivered, undelivered_after, client, ledger)
        yield Campaign(
            channel,
            SqlQuery(str(people), query) if query is not None else people,
            columns,
            ledger=ledger,
            run_key=run_key,
            threads=threads,
            send_at_text=send_at,
            price_vnd=read_price(price, "--price"),
            guard=rules,
            **policies,
        )


@contextmanager
def _flags_named() -> Iterator[None]:
    """In the error about a past sending time, name the command-line option."""
    try:
        yield
    except InvalidRequestError as error:
        if error.field == "send_at" and error.args:
            error.args = (str(error.args[0]).replace("send_at ", "--at ", 1), *error.args[1:])
        raise


def _read_plan(file: TextIO) -> Mapping[str, Any]:
    try:
        plan = json.load(file)
    except (ValueError, OSError):
        plan = None
    if not isinstance(plan, dict):
        raise InvalidRequestError(f"--plan-file {file.name} is not a plan: --save-plan writes one.", field="plan_file")
    return plan


class _ChainProgress:
    """Prints the progress of a chain whenever it has changed."""

    def __init__(self, bar: _Bar) -> None:
        self._bar, self._last = bar, ""

    def __call__(self, result: JourneyResult) -> None:
        self._bar.stop()
        if (words := str(result)) != self._last:
            self._last = words
            say(words, err=True)


def print_chain(result: JourneyResult, *, as_json: bool) -> None:
    if as_json:
        print_json(result.as_dict())
        return
    say(result.people_words, fg="green")
    for step in result.steps:
        say(f"  {step}")


def _show_plan(plan: Plan, save_plan: str | None, later: Sequence[Plan], *, as_json: bool) -> None:
    chain = {"steps": [one.as_dict() for one in later]} if later else {}
    if save_plan is not None:
        text = json.dumps({**plan.as_dict(), **chain}, ensure_ascii=False, indent=2)
        try:
            Path(save_plan).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            problem = f"The plan cannot be written to {save_plan}: {error.strerror}."
            raise InvalidRequestError(problem, field="save_plan") from None
    if as_json:
        print_json({**plan.as_dict(), **chain})
        return
    for number, one in enumerate(later, 2):
        cost = "unknown" if one.cost_vnd is None else vnd(one.cost_vnd)
        say(f"step {number}  {one.channel} to at most {counted(one.recipients, 'person', 'people')}, {cost}")
        for problem in one.problems:
            say(f"! step {number}: {problem}")
    _print_plan(Console(soft_wrap=True), plan)


@contextmanager
def _checking(console: Console) -> Iterator[Callable[[Iterable[Recipient]], Iterable[Recipient]]]:
    """On a terminal, show the number of rows checked so far: a long list is checked before anything is sent."""
    columns = (TextColumn(tr("Checking")), TextColumn(f"{{task.completed:,.0f}} {tr('rows')}"), TimeElapsedColumn())
    bars = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)

    def watch(recipients: Iterable[Recipient]) -> Iterator[Recipient]:
        task = bars.add_task("check", total=None)
        bars.start()
        try:
            for number, recipient in enumerate(recipients, 1):
                if number % 1_000 == 0:
                    bars.update(task, completed=number)
                yield recipient
        finally:
            bars.stop()

    try:
        yield watch
    finally:
        bars.stop()


class _Bar:
    """A progress bar on a terminal; silent elsewhere, where the log has the counts."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn(tr("Sending")),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("send", total=None, more="")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stop(self) -> None:
        self._bars.stop()

    def start(self, total: int) -> None:
        self._bars.update(self._task, total=total)
        self._bars.start()

    def show(self, counters: Counters) -> None:
        more = ", ".join(
            tr(f"{count} {name}")
            for name, count in (("rejected", counters.rejected), ("unknown", counters.unknown), ("held", counters.held))
            if count
        )
        self._bars.update(self._task, completed=counters.done, more=more)


def _print_rejects(console: Console, report: ReadReport, path: str | None) -> None:
    if report.duplicates:
        console.print(f"{counted(report.duplicates, 'row repeats', 'rows repeat')} a phone", highlight=False)
    if report.migrated:
        console.print(f"{counted(report.migrated, 'number')} with a prefix from before 2018, updated", highlight=False)
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    if report.conflicts:
        console.print(
            f"{counted(report.conflicts, 'row was', 'rows were')} sent as something else in this run"
            f"{f', see {path}' if path else ''}",
            highlight=False,
            markup=False,
        )
    if not report.rejected:
        return
    console.print(
        f"{counted(report.rejected, 'row')} cannot be sent{f', see {path}' if path else ''}:",
        highlight=False,
        markup=False,
    )
    for (column, reason), count in report.rejected_by.most_common(10):
        console.print(f"  {count:,}  {_reason_line(report, column, reason)}", highlight=False, markup=False)


def _reason_line(report: ReadReport, column: str, reason: str) -> str:
    """A reason for humans, with a sample word and the encoding that would convert it."""
    told = next((one.text for one in report.first_rejects if one.text.startswith(f"{reason}; encoding=")), reason)
    sample = report.samples.get((column, reason))
    example = f", {tr('such as')} “{sample}”" if sample else ""
    return f"{column or tr('row')}: {as_options(tr(told))}{example}"


def _add_row(table: Table, *cells: str) -> None:
    table.add_row(*map(tr, cells))


def _plan_rows(report: ReadReport) -> Table:
    """The counts of the source's rows."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    _add_row(table, "rows", f"{report.rows:,}", "")
    _add_row(table, "rejected", f"{report.rejected:,}", "")
    for (column, reason), count in report.rejected_by.most_common(10):
        _add_row(table, "", f"{count:,}", escape(_reason_line(report, column, reason)))
    for (column, reason), count in report.sent_damaged.most_common(10):
        _add_row(table, "sent as it is", f"{count:,}", escape(_reason_line(report, column, reason)))
    _add_row(table, "duplicates", f"{report.duplicates:,}", "")
    if report.further_phones:
        _add_row(table, "further phones", f"{report.further_phones:,}", "of cells with several")
    if report.conflicts:
        _add_row(table, "conflicts", f"{report.conflicts:,}", "sent as something else in this run")
    return table


def _print_plan(console: Console, plan: Plan) -> None:
    table = _plan_rows(plan.report)
    _add_row(table, "recipients", f"{plan.recipients:,}", "")
    if plan.already_settled:
        _add_row(table, "already settled", f"{plan.already_settled:,}", "skipped")
    for rule, count in sorted(plan.skipped_by_rule.items()):
        _add_row(table, "left out", f"{count:,}", f"by the rule {rule}")
    _add_row(table, "to send", f"{plan.to_send:,}", f"in {counted(plan.chunks, 'call')}")
    if plan.segments:
        _add_row(table, "segments", f"{plan.segments:,}", f"the longest message has {plan.longest_segments}")
    if plan.unicode_messages:
        forced = " ".join(sorted(plan.forced_by, key=lambda one: -plan.forced_by[one])[:20])
        _add_row(table, "as Unicode", f"{plan.unicode_messages:,}", escape(f"for {forced}; --plain sends without"))
    price = "unknown" if plan.price_vnd is None else vnd(plan.price_vnd)
    _add_row(table, "price of one", price, as_options(plan.price_from))
    _add_row(table, "cost", "unknown" if plan.cost_vnd is None else vnd(plan.cost_vnd), "estimate")
    _add_row(table, "balance", "" if plan.balance_vnd is None else vnd(plan.balance_vnd), "")
    _add_row(table, "left", "unknown" if plan.left_vnd is None else vnd(plan.left_vnd), "")
    print_table(table)
    for note in plan.report.notes:
        console.print(note, highlight=False, markup=False)
    for preview in plan.previews:
        head = f"{preview.what}, line {preview.line}, {counted(preview.segments, 'segment')}: "
        console.print(head + preview.text, highlight=False, markup=False, soft_wrap=True)
    for problem in plan.problems:
        console.print(f"[yellow]![/] {escape(as_options(tr(problem)))}", highlight=False)
    if not plan.good:
        console.print(f"[red]{tr('This plan is not good.')}[/]", highlight=False)
    console.print("Nothing was sent." + (" The account is a sandbox." if plan.sandbox else ""), highlight=False)
