"""`esms pull` and `esms sql`: load status rows into a warehouse, and query them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import pendulum
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from esms_connectors.cli.console import Console
from esms_connectors.cli.language import tr
from esms_connectors.cli.numbers import DAYS
from esms_connectors.cli.output import csv_option, json_option, print_json, print_separated, print_table
from esms_connectors.cli.settings import (
    connection_options,
    need,
    open_client,
)
from esms_connectors.cli.terminal import echo, printable, say
from esms_connectors.databases.extras import extra_of
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.times import read_time
from esms_connectors.sent_data.windows import ALL_SMS_TYPES

if TYPE_CHECKING:
    from esms_connectors.warehouse import LoadSummary, Privacy
    from esms_connectors.warehouse.load_summary import LoadProgress

INTO: dict[str, Any] = {
    "envvar": "ESMS_WAREHOUSE",
    "metavar": "URL",
    "help": "duckdb:///file.duckdb, postgresql://…, mysql://…, a folder, s3://bucket/prefix?format=parquet, dlt://…",
}
into_option = click.option("--into", "address", required=True, **INTO)
# For what needs a database that can be queried.
QUERIED: dict[str, Any] = {**INTO, "help": "The warehouse: duckdb:///file.duckdb or postgresql://…"}
types_option = click.option(
    "--types", metavar="LIST", help="Message types such as 2,25 or zns,customer_care; default: all."
)
phones_option = click.option(
    "--phones",
    type=click.Choice(["plain", "hashed", "masked", "omitted"]),
    default="plain",
    show_default=True,
    help="How phones are stored; all but plain need ESMS_PHONE_SECRET.",
)


@click.command("pull")
@click.option(
    "--from",
    "start_text",
    metavar="TIME",
    help="Created from: yesterday, -7d, -36h, 2026-11-21 or '2026-11-21 08:30', in Vietnam. Default: where earlier "
    "pulls "
    "ended, including missed days.",
)
@click.option(
    "--to",
    "end_text",
    metavar="TIME",
    help="Created until, likewise; a day is its midnight. Default: now, or without --from the last midnight.",
)
@into_option
@types_option
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Number of concurrent calls.")
@click.option(
    "--most-days",
    type=DAYS,
    default=31,
    show_default=True,
    help="Without --from: how far back missed days are loaded.",
)
@click.option(
    "--follow-up/--no-follow-up",
    default=None,
    help="Read windows again whose rows were not final or not complete. Default: without --from.",
)
@click.option(
    "--max-age",
    type=DAYS,
    default=14,
    show_default=True,
    help="How many days a window is followed up.",
)
@click.option("--again", is_flag=True, help="Do not resume an interrupted pull: read everything.")
@click.option("--same-account", is_flag=True, help="The keys are new keys of the account that was loaded before.")
@phones_option
@click.option("--no-content", is_flag=True, help="Do not store the texts.")
@connection_options
@json_option
def pull(
    start_text: str | None,
    end_text: str | None,
    address: str,
    types: str | None,
    threads: int,
    most_days: int,
    follow_up: bool | None,
    max_age: int,
    again: bool,
    same_account: bool,
    phones: str,
    no_content: bool,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Load the status rows of a span of time into a warehouse: every row, once, proven complete.

    Loading a span again changes only what has changed at the gateway. After Ctrl-C or a crash the same command
    continues where it stopped.

    \b
    Examples:
      esms pull --into postgresql://etl@db/warehouse
      esms pull --from -7d --to today --into duckdb:///esms.duckdb
      esms pull --from -36h --into s3://bucket/esms?format=parquet --types zns --phones hashed
    """
    now = machine_clock.now()
    start = None if start_text is None else read_time(start_text, "--from", now=now)
    end = None if end_text is None else read_time(end_text, "--to", now=now)
    if start is not None and start >= (end or now):
        raise InvalidRequestError(f"--from {start_text!r} is not earlier than --to: the span is empty.", field="from")
    sms_types = read_types(types)
    need_columns(address)
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.loading import load_planned
    from esms_connectors.warehouse.planning import plan_load

    privacy = phone_privacy(phones, content=not no_content)
    console = Console(stderr=True)
    with (
        open_client(base_url, sandbox, max_connections=threads + 1) as client,
        open_warehouse(address) as warehouse,
    ):
        plan = plan_load(
            warehouse,
            start=start,
            end=end,
            sms_types=sms_types,
            most_days=most_days,
            follow_up=start is None if follow_up is None else follow_up,
            max_age=timedelta(days=max_age),
        )
        if not as_json:
            for note in plan.notes:
                say(note)
        with _Bar(console) as tell:
            summary = load_planned(
                client,
                warehouse,
                plan,
                privacy=privacy,
                threads=threads,
                resume=not again,
                same_account=same_account,
                progress=tell,
            )
        name = warehouse.name
    if as_json:
        print_json({**summary.as_dict(), "notes": plan.notes, "into": name})
        return
    _print_summary(summary, name)


def _print_summary(summary: LoadSummary, name: str) -> None:
    say(summary, fg="green")
    for state, rows in summary.states.most_common():
        echo(f"  {tr(state):<13}{rows:>12,}")
    say(f"  into         {name}\n  took         {summary.seconds:.1f} s")


def need_columns(*addresses: str | None) -> None:
    """Check for the libraries that every warehouse needs; the error names the extra of the given one."""
    for module in ("pyarrow", "msgspec"):
        for address in addresses or (None,):
            need(module, extra_of(address))


def phone_privacy(phones: str, *, content: bool = True) -> Privacy:
    from esms_connectors.warehouse import Privacy

    return Privacy.from_env(phones, content=content)


def read_types(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ALL_SMS_TYPES
    by_name = {one.name.casefold(): one.value for one in SmsType if one.value in ALL_SMS_TYPES}
    types = []
    for word in filter(None, (part.strip().casefold() for part in text.split(","))):
        number = int(word) if word.isdecimal() else by_name.get(word)
        if number not in ALL_SMS_TYPES:
            choice = ", ".join(f"{value} {name}" for name, value in by_name.items())
            raise InvalidRequestError(f"--types {word!r} is not a message type. Known: {choice}.", field="types")
        types.append(number)
    if not types:
        raise InvalidRequestError("--types names no message type.", field="types")
    return tuple(types)


class _Bar:
    """
    A progress bar with rows per second and the time left on a terminal; silent elsewhere, where the log has counts.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("Pulling"),
            BarColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("pull", total=None, counts="", left="")
        self._began = time.monotonic()

    def __enter__(self) -> Callable[[LoadProgress], None]:
        self._bars.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def _show(self, at: LoadProgress) -> None:
        seconds = max(time.monotonic() - self._began, 1e-6)
        share = at.share_done
        left = f"about {pendulum.duration(seconds=int(seconds / share - seconds)).in_words()} left" if share else ""
        self._bars.update(
            self._task,
            total=1.0,
            completed=share,
            counts=f"{counted(at.rows, 'row')}, {at.rows / seconds:,.0f}/s, window {at.windows_done} of {at.windows}",
            left=left if share < 1 else "",
        )


@click.command("sql")
@click.argument("query")
@click.option(
    "--into",
    "address",
    required=True,
    **{**INTO, "help": "duckdb:///file.duckdb, postgresql://…, a folder or s3://bucket/prefix?format=parquet"},
)
@click.option(
    "--limit", type=click.IntRange(1, 10**9), default=1000, show_default=True, help="Maximum number of rows shown."
)
@csv_option
@json_option
def sql(query: str, address: str, limit: int, as_csv: bool, as_json: bool) -> None:
    """
    Run a query on loaded data: a DuckDB file, PostgreSQL, a folder of files. It cannot change anything.

    On a terminal the rows are a table; in a pipe, tab-separated and complete.

    \b
    Examples:
      esms sql "select state, count(*) from esms_sent_messages group by all" --into duckdb:///esms.duckdb
      esms sql "select * from esms_sent_messages" --into "./sent-data?format=csv" --csv > messages.csv
    """
    need_columns(address)
    from esms_connectors.warehouse.querying import query_warehouse

    names, rows = query_warehouse(address, query, limit)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if as_csv or not sys.stdout.isatty():
        print_separated(names, rows, csv=as_csv)
        return
    # Escaped, so that a text such as "[OTP] 1234" is not read as markup.
    table = Table(*(escape(printable(name)) for name in names), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    print_table(table)
