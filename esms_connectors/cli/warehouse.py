"""`esms marts`, `statement`, `coverage` and `snapshot`: views, monthly statements, completeness, account snapshots."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from esms_connectors.cli.numbers import DAYS
from esms_connectors.cli.output import csv_option, json_option, print_json, print_separated, print_table
from esms_connectors.cli.pulling import (
    QUERIED,
    into_option,
    need_columns,
    phone_privacy,
    phones_option,
    read_types,
    types_option,
)
from esms_connectors.cli.settings import connection_options, open_client
from esms_connectors.cli.terminal import echo, say
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.times import in_vietnam

if TYPE_CHECKING:
    from esms_connectors.warehouse.coverage import Compared, TypeCoverage, WindowDifference

_NOT_COMPLETE = 4
_MOST_SHOWN = 20


@click.command("marts")
@click.option("--into", "address", **QUERIED)
@click.option("--copy-dbt", metavar="FOLDER", help="Instead, copy the same models as a dbt package into a new folder.")
@json_option
def marts(address: str | None, copy_dbt: str | None, as_json: bool) -> None:
    """
    Create views for analysts on loaded data: daily delivery, costs by month, times, failures, a month's statement.

    A view always shows the data of the last pull. Run the same command after an upgrade to update the views.

    \b
    Examples:
      esms marts --into duckdb:///esms.duckdb
      esms marts --copy-dbt ./dbt_esms
    """
    need_columns(address)
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.marts import copy_dbt_package, create_marts

    if copy_dbt is not None:
        copied = str(copy_dbt_package(copy_dbt))
        print_json({"copied_to": copied}) if as_json else echo(f"The dbt package esms is in {copied}")
        return
    if not address:
        raise InvalidRequestError("Give --into, the warehouse of the pulls, or set ESMS_WAREHOUSE.", field="into")
    with open_warehouse(address) as warehouse:
        names, place = create_marts(warehouse), warehouse.name
    if as_json:
        print_json({"views": names, "into": place})
        return
    echo("\n".join([f"Views in {place}:", *(f"  {name}" for name in names)]))


@click.command("statement")
@click.argument("month")
@click.option("--into", "address", required=True, **QUERIED)
@click.option(
    "--invoice",
    "path",
    metavar="FILE",
    help="CSV of the invoice: sms_type, messages, amount_vnd. It is stored (esms_invoices) and replaces an earlier "
    "one.",
)
@csv_option
@json_option
def statement(month: str, address: str, path: str | None, as_csv: bool, as_json: bool) -> None:
    """
    A month in the warehouse, by message type, compared with the gateway's invoice; differences are invoice less
    statement. Messages of the statement are those with a price. MONTH such as 2026-11.

    Exits with 4 if they differ, or if the warehouse lacks days of that month, or has days that the gateway may have
    dropped and no invoice agrees with. Creates the views of `esms marts`.

    \b
    Examples:
      esms statement 2026-11 --into duckdb:///esms.duckdb
      esms statement 2026-11 --into postgresql://etl@db/warehouse --invoice invoice.csv
    """
    need_columns(address)
    from esms_connectors.gateway.times import read_month
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.statement import (
        STATEMENT_COLUMNS,
        make_statement,
        read_invoice,
    )

    read_month(month)
    invoice = None if path is None else read_invoice(path)
    with open_warehouse(address) as warehouse:
        made = make_statement(warehouse, month, invoice)
    if as_json:
        print_json(made.as_dict())
    else:
        rows = [[line[name] for name in STATEMENT_COLUMNS] for line in made.lines]
        if as_csv or not sys.stdout.isatty():
            print_separated(STATEMENT_COLUMNS, rows, csv=as_csv)
        else:
            table = Table(*STATEMENT_COLUMNS, box=None, pad_edge=False)
            for row in rows:
                table.add_row(*("" if value is None else str(value) for value in row))
            print_table(table)
        for gap in (*made.gaps, *made.doubts):
            say(gap, fg="yellow", err=True)
    if made.problems:
        sys.exit(_NOT_COMPLETE)


@click.command("coverage")
@into_option
@types_option
@click.option("--compare", is_flag=True, help="Also count at the gateway what it lists today: one call per window.")
@click.option(
    "--days",
    type=DAYS,
    default=31,
    show_default=True,
    help="How far back windows are compared; it is a failure if fewer rows are listed than stored.",
)
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Number of concurrent calls.")
@phones_option
@connection_options
@json_option
def coverage(
    address: str,
    types: str | None,
    compare: bool,
    days: int,
    threads: int,
    phones: str,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Which windows are loaded, pending, or were never loaded, and which listed fewer rows at the last reading than the
    warehouse stores; with --compare, where the gateway lists different rows today.

    Exits with 4 if something is missing, removed, stored twice or differs, or nothing was ever loaded, so that a
    schedule can watch it. Days for which the gateway may no longer keep rows are shown as not available, and are not a
    failure.

    \b
    Examples:
      esms coverage --into duckdb:///esms.duckdb
      esms coverage --into postgresql://etl@db/warehouse --compare --days 7
    """
    sms_types = read_types(types)
    need_columns(address)
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.coverage import compare_windows, coverage_by_type, recent_windows

    compared: list[Compared] | None = None
    with open_warehouse(address) as warehouse:
        found, place = coverage_by_type(warehouse, sms_types=sms_types), warehouse.name
        if compare:
            windows = recent_windows(warehouse, days, sms_types=sms_types)
            with open_client(base_url, sandbox, max_connections=threads + 1) as client:
                privacy = phone_privacy(phones)
                compared = [*compare_windows(client, warehouse, windows, privacy=privacy, threads=threads)]
    if as_json:
        print_json(_as_json(found, compared, place))
    else:
        _show(found, compared)
    since = machine_clock.now().subtract(days=days)
    shrunk = any(window.window.end >= since for one in found for window in one.shrunk)
    # Without --types, those that the pulls do not ask for are only named; without any load there is nothing to watch.
    expected = [one for one in found if one.first is not None] if types is None else found
    if not expected or shrunk or _differing(compared) or not all(one.complete for one in expected):
        sys.exit(_NOT_COMPLETE)


@click.command("snapshot")
@into_option
@click.option(
    "--tables", metavar="LIST", default="balances,oa_quota,templates,ratings", show_default=True, help="What to write."
)
@click.option("--no-content", is_flag=True, help="Do not store the comments of customers' ratings.")
@connection_options
@json_option
def snapshot(
    address: str, tables: str, no_content: bool, base_url: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """
    Record the current state of the account: balance, quota and quality of Zalo accounts, templates, and the
    ratings since the last ones, each in its own table (esms_balances, ...), for alarms and trends.

    \b
    Examples:
      esms snapshot --into duckdb:///esms.duckdb
      esms snapshot --into postgresql://etl@db/warehouse --tables balances,oa_quota
    """
    need_columns(address)
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.snapshots import check_tables, take_snapshot

    asked = check_tables(filter(None, (one.strip() for one in tables.split(","))))
    with open_client(base_url, sandbox) as client, open_warehouse(address) as warehouse:
        written, place = take_snapshot(client, warehouse, tables=asked, content=not no_content), warehouse.name
    if as_json:
        print_json({"rows": written, "into": place})
        return
    for table, rows in written.items():
        number, noun = counted(rows, "row").split()
        echo(f"{table:<16}{number:>8} {noun}")
    say(f"into {place}")


def _differing(compared: list[Compared] | None) -> list[WindowDifference]:
    return [difference for one in compared or () if (difference := one.difference)]


def _by_number(compared: list[Compared]) -> int:
    """Windows of which only the number of rows was compared, and did not differ."""
    return sum(one.by_number and one.is_same for one in compared)


def _as_json(found: list[TypeCoverage], compared: list[Compared] | None, place: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "into": place,
        "types": [
            {
                "sms_type": one.sms_type,
                "first": one.first,
                "windows": one.windows,
                "rows": one.rows,
                "owed": one.owed,
                "not_closed": one.not_closed,
                "open_windows": one.open_windows,
                "missing": [{"from": start, "to": end} for start, end in one.missing],
                "not_available": one.not_available,
                "shrunk": [_as_difference(window) for window in one.shrunk],
                "repeated": one.repeated,
                "emptied": one.emptied,
                "complete": one.complete,
            }
            for one in found
        ],
    }
    if compared is not None:
        told["compared"] = len(compared)
        told["compared_by_number"] = _by_number(compared)
        told["differing"] = [_as_difference(one) for one in _differing(compared)]
    return told


def _as_difference(one: WindowDifference) -> dict[str, Any]:
    return {
        "sms_type": int(one.window.sms_type),
        "from": one.window.start,
        "to": one.window.end,
        "loaded": one.loaded,
        "listed": one.listed,
    }


def _show(found: list[TypeCoverage], compared: list[Compared] | None) -> None:
    names = ("type", "since", "windows", "rows", "pending", "not closed", "with open rows", "missing")
    never = [one.sms_type for one in found if one.first is None]
    rows = [
        (
            *(int(one.sms_type), in_vietnam(one.first)),
            *(one.windows, one.rows, one.owed, one.not_closed, one.open_windows, len(one.missing)),
        )
        for one in found
        if one.first is not None
    ]
    if sys.stdout.isatty():
        table = Table(*names, box=None)
        for kind, since, *counts in rows:
            table.add_row(str(kind), since, *(f"{count:,}" for count in counts))
        print_table(table)
    else:
        print_separated(names, rows, csv=False)
    if never:
        say(f"never loaded: type {', '.join(map(str, never))}")
    gaps = [(one.sms_type, *span) for one in found for span in one.missing]
    lines = [
        f"missing: type {sms_type}, {in_vietnam(start)} to {in_vietnam(end)} in Vietnam"
        for sms_type, start, end in gaps
    ]
    differing = _differing(compared)
    lines += [f"differs: {one_window}" for one_window in differing]
    lines += [f"fewer: {_fewer(window)}" for one in found for window in one.shrunk]
    lines += [
        f"not available: type {one.sms_type}, {counted(one.not_available, 'window')} older than any with rows; the "
        "gateway may no longer have them"
        for one in found
        if one.not_available
    ]
    lines += [
        f"stored twice: type {one.sms_type}, {counted(one.repeated, 'window')} with exactly the rows of another type; "
        "the gateway seems to ignore the type"
        for one in found
        if one.repeated
    ]
    lines += [
        f"removed: type {one.sms_type}, {counted(one.emptied, 'window')} of which no row is stored any more; load them "
        "again by their dates"
        for one in found
        if one.emptied
    ]
    for line in lines[:_MOST_SHOWN]:
        say(line, fg="yellow")
    if len(lines) > _MOST_SHOWN:
        say(f"and {len(lines) - _MOST_SHOWN:,} more; --json shows all")
    if compared is not None:
        say(f"{counted(len(compared), 'window')} counted at the gateway, {len(differing):,} of them differ")
        if by_number := _by_number(compared):
            say(f"{counted(by_number, 'window')} with more rows than one answer holds: only their number was compared")


def _fewer(one: WindowDifference) -> str:
    return (
        f"{one.window}: {counted(one.loaded, 'row')} held, {one.listed:,} listed at the last reading; the others are "
        "kept"
    )
