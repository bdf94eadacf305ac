"""`esms report`: outcomes and cost of the messages of a period, as a report."""

from __future__ import annotations

import contextlib
import json
from typing import Literal

import click

from esms_connectors.cli.console import Console
from esms_connectors.cli.output import json_option, print_json
from esms_connectors.cli.pulling import QUERIED
from esms_connectors.cli.settings import need, open_ledger
from esms_connectors.cli.terminal import echo
from esms_connectors.databases.extras import extra_of
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.times import read_time


@click.command("report")
@click.option(
    "--from",
    "start_text",
    metavar="TIME",
    default="yesterday",
    show_default=True,
    help="Sent from: today, -7d, -36h, 2026-11-21 or '2026-11-21 08:30', in Vietnam.",
)
@click.option(
    "--to", "end_text", metavar="TIME", help="Sent before, likewise; a day is its midnight. Default: a day later."
)
@click.option("--into", "address", required=True, **QUERIED)
@click.option(
    "--ledger",
    "ledger_url",
    envvar="ESMS_LEDGER",
    metavar="URL",
    help="Adds what was planned to the report: sqlite:///file, a path, or postgresql://…",
)
@click.option(
    "--out",
    "targets",
    multiple=True,
    metavar="FILE",
    help="A path or URL that ends in .html, .xlsx, .md, .json, .csv or .parquet; repeatable. Default: the terminal.",
)
@click.option(
    "--language",
    type=click.Choice(["en", "vi"]),
    default="en",
    show_default=True,
    envvar="ESMS_LANGUAGE",
    help="Language of the report.",
)
@click.option("--budget", metavar="VND", help="Budget of the period: the report shows how much of it is used.")
@click.option("--with-phones", is_flag=True, help="List who did not get their message, by phone.")
@json_option
def report(
    start_text: str,
    end_text: str | None,
    address: str,
    ledger_url: str | None,
    targets: tuple[str, ...],
    language: Literal["en", "vi"],
    budget: str | None,
    with_phones: bool,
    as_json: bool,
) -> None:
    """
    Report on the messages of a period: how many arrived, which did not and why, what they cost.

    It is made from a warehouse loaded by `esms pull`, and says which data is missing. It contains no phones unless you
    ask for them. With a ledger, costs are compared with the budgets of months and runs in your settings (`esms guard
    show`).

    \b
    Examples:
      esms report --into duckdb:///esms.duckdb
      esms report --from -30d --to today --into duckdb:///esms.duckdb --out last-month.xlsx --language vi
      esms report --from today --to now --into postgresql://etl@db/warehouse --ledger postgresql://etl@db/ledger \\
        --out s3://bucket/reports/today.html
    """
    now = machine_clock.now()
    start = read_time(start_text, "--from", now=now, language=language)
    end = start.add(days=1) if end_text is None else read_time(end_text, "--to", now=now, language=language)
    for module in ("pyarrow", "msgspec"):
        need(module, extra_of(address))
    need("babel", "reports")
    from esms_connectors.reports import make_report, render_report, write_report
    from esms_connectors.reports.language import get_language
    from esms_connectors.reports.text import print_report
    from esms_connectors.reports.writing import check_target
    from esms_connectors.sending.guard import load_guard
    from esms_connectors.warehouse import open_warehouse

    for target in targets:
        check_target(target)
    with contextlib.ExitStack() as opened:
        ledger = None
        if ledger_url:
            # A report only reads: a typo in the address must not create a ledger.
            ledger = opened.enter_context(open_ledger(ledger_url))
        warehouse = opened.enter_context(open_warehouse(address))
        made = make_report(
            warehouse,
            start,
            end,
            ledger=ledger,
            with_phones=with_phones,
            budget_vnd=budget,
            guard=None if ledger is None else load_guard().settings,
        )
    written = [name for target in targets for name in write_report(made, target, language=language)]
    if as_json:
        print_json({**json.loads(render_report(made, ".json", language=language)[""]), "files": written})
        return
    words = get_language(language)
    if not targets:
        print_report(made, words, Console())
        return
    for note in made.notes:
        if note.warning:
            echo(words.note(note), fg="yellow", err=True)
    for name in written:
        echo(name)
