"""
`esms stop`, `esms resume`, `esms suppress …`, `esms guard show`: what holds messages back, and on whose authority.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
import pendulum
from rich.table import Table
from rich.text import Text

from esms_connectors.cli.guard_options import user_or
from esms_connectors.cli.output import ListingGroup, json_option, print_json, print_table
from esms_connectors.cli.pulling import need_columns
from esms_connectors.cli.settings import complete_files, ledger_option, open_ledger
from esms_connectors.cli.streams import until_closed
from esms_connectors.cli.terminal import echo, printable, say
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import mask_phone
from esms_connectors.gateway.times import read_time
from esms_connectors.recipients import Columns, SqlQuery, read_recipients
from esms_connectors.sending.guard import load_guard
from esms_connectors.sending.guard.rules import RULES

# After this time a number may have been reassigned.
_DEAD_DAYS = 180
who_option = click.option("--who", help="Your name, for the record; default: the user of this machine.")


def _one_run_or_all(run_key: str | None, every: bool) -> None:
    if (run_key is None) != every:
        raise InvalidRequestError("Give a run key, or --all.", field="run_key")


@click.command()
@click.argument("run_key", required=False)
@click.option("--all", "every", is_flag=True, help="Every run of this ledger.")
@click.option("--reason", required=True, help="Reason; recorded in the ledger.")
@who_option
@ledger_option
@json_option
def stop(run_key: str | None, every: bool, reason: str, who: str | None, ledger_url: str | None, as_json: bool) -> None:
    """
    Stop a run on all its workers: each stops before its next call. `esms resume` continues it.

    \b
    Examples:
      esms stop march-campaign --reason "the price in the text is wrong"
      esms stop --all --reason "the brandname is suspended"
    """
    _one_run_or_all(run_key, every)
    # The default file cannot be mistyped.
    with open_ledger(ledger_url, create=not ledger_url) as ledger:
        stops = ledger.guard.stops
        if run_key is None:
            new = stops.mark_all(reason=reason, who=user_or(who))
        else:
            new = stops.mark_run(run_key, reason=reason, who=user_or(who))
        known = run_key is None or run_key in dict(ledger.runs())
    if as_json:
        print_json({"stopped": run_key if run_key is not None else "all", "new": new})
    else:
        say("stopped: workers stop before their next call" if new else "it was stopped already")
    if not known:
        say("No run with this key has started here: `esms ledger runs` lists those that have.", err=True, fg="yellow")


@click.command()
@click.argument("run_key", required=False)
@click.option("--all", "every", is_flag=True, help="Undo `esms stop --all`; runs stopped by name stay stopped.")
@who_option
@ledger_option
@json_option
def resume(run_key: str | None, every: bool, who: str | None, ledger_url: str | None, as_json: bool) -> None:
    """
    Undo a stop. The same send command then continues the run.

    \b
    Example:
      esms resume march-campaign
    """
    _one_run_or_all(run_key, every)
    with open_ledger(ledger_url) as ledger:
        stops = ledger.guard.stops
        lifted = stops.lift_all(who=user_or(who)) if run_key is None else stops.lift_run(run_key, who=user_or(who))
        left = [mark for mark in stops.marks() if mark.scope != "run" or mark.key == run_key]
    if as_json:
        print_json({"lifted": lifted, "still_stopped_by": [mark.reason for mark in left]})
        return
    say("it may continue: run the same send command again" if lifted else "it was not stopped")
    for mark in left:
        say(f"  still stopped: {mark.reason} ({mark.who})")


@click.group("suppress", cls=ListingGroup)
def suppress() -> None:
    """
    Phones that get no advertising: people who refused, the Do-Not-Call list.

    \b
    Examples:
      esms suppress add 0901888484 --reason "refused by SMS"
      esms suppress import refused.csv --reason "refused by SMS"
    """


_expires = click.option("--expires", metavar="TIME", help="Until when, such as 2027-01-31; default: forever.")


@suppress.command("add")
@click.argument("phones", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, such as: refused by SMS.")
@_expires
@ledger_option
@json_option
def suppress_add(
    phones: tuple[str, ...], reason: str, expires: str | None, ledger_url: str | None, as_json: bool
) -> None:
    """
    Put PHONES on the list.

    \b
    Example:
      esms suppress add 0901888484 --reason "refused by SMS"
    """
    until = None if expires is None else read_time(expires, "--expires")
    with open_ledger(ledger_url, create=True) as ledger:
        added = ledger.guard.suppression.add(phones, reason=reason, expires=until)
    print_json({"added": added}) if as_json else say(f"{added} added, {len(phones) - added} were on it")


@suppress.command("import")
@click.argument("source", shell_complete=complete_files)
@click.option("--phone-column", default="phone", show_default=True, help="The column with the phones.")
@click.option("--query", help="SELECT … when SOURCE is a database URL.")
@click.option(
    "--dead",
    type=click.IntRange(2, 10**6),
    metavar="RUNS",
    help="SOURCE is a warehouse: phones to which the SMS of this many runs failed, with none delivered since.",
)
@click.option("--reason", help="Why, such as: Do-Not-Call list of November. Required without --dead.")
@_expires
@ledger_option
@json_option
def suppress_import(
    source: str,
    phone_column: str,
    query: str | None,
    dead: int | None,
    reason: str | None,
    expires: str | None,
    ledger_url: str | None,
    as_json: bool,
) -> None:
    """
    Put the phones of a file or a query on the list: the Do-Not-Call file, people who opted out, dead numbers.

    Dead numbers are removed after 180 days, unless --expires says otherwise: numbers are reassigned.

    \b
    Examples:
      esms suppress import dnc.csv --reason "Do-Not-Call list"
      esms suppress import duckdb:///esms.duckdb --dead 3
    """
    until = None if expires is None else read_time(expires, "--expires")
    if dead is not None:
        _import_dead(source, dead, reason, until, ledger_url, as_json=as_json)
        return
    if reason is None:
        raise InvalidRequestError("Give a reason: --reason.", field="reason")
    rows = read_recipients(
        SqlQuery(source, query) if query is not None else source, Columns(phone_column, ()), duplicates="merge"
    )
    counts = {"read": 0}

    def phones() -> Iterator[str]:
        for recipient in rows:
            counts["read"] += 1
            yield recipient.phone

    with open_ledger(ledger_url, create=True) as ledger:
        added = ledger.guard.suppression.add(phones(), reason=reason, source=f"import: {phone_column}", expires=until)
    refused = 0 if rows.report is None else rows.report.rejected
    if as_json:
        print_json({"added": added, "phones": counts["read"], "rows_that_are_no_phone": refused})
        return
    say(
        f"{added} added, {counts['read'] - added} were on it, {counted(refused, 'row has', 'rows have')} no valid phone"
    )


def _import_dead(
    address: str, runs: int, reason: str | None, until: datetime | None, ledger_url: str | None, *, as_json: bool
) -> None:
    need_columns(address)
    from esms_connectors.warehouse import open_warehouse
    from esms_connectors.warehouse.dead_numbers import dead_phones

    with open_warehouse(address) as warehouse, open_ledger(ledger_url, create=True) as ledger:
        phones = dead_phones(warehouse, runs)
        added = ledger.guard.suppression.add(
            phones,
            reason=reason or f"the SMS of {counted(runs, 'run')} failed",
            source="sent data",
            expires=until or ledger.now().add(days=_DEAD_DAYS),
        )
    if as_json:
        print_json({"added": added, "phones": len(phones)})
        return
    say(f"{added} added, {len(phones) - added} were on it")


@suppress.command("list")
@ledger_option
@json_option
def suppress_list(ledger_url: str | None, as_json: bool) -> None:
    """
    All entries, phones masked (with ESMS_LEDGER_SECRET: the stored hashes).

    \b
    Example:
      esms suppress list
    """
    with open_ledger(ledger_url) as ledger:
        is_empty = True
        for entry in until_closed(ledger.guard.suppression.entries()):
            is_empty = False
            shown = {
                "phone": mask_phone(entry["phone"]),
                "reason": entry["reason"],
                "source": entry["source"],
                "added_at": pendulum.from_timestamp(entry["added_ms"] / 1000).isoformat(),
                "expires_at": None
                if entry["expires_ms"] is None
                else pendulum.from_timestamp(entry["expires_ms"] / 1000).isoformat(),
            }
            print_json(shown) if as_json else echo(f"{shown['phone']}  {shown['reason']}")
    if is_empty and not as_json:
        say("the list is empty", err=True)


@suppress.command("remove")
@click.argument("phones", nargs=-1, required=True)
@ledger_option
@json_option
def suppress_remove(phones: tuple[str, ...], ledger_url: str | None, as_json: bool) -> None:
    """
    Remove PHONES from the list. Rows of a run that were skipped stay skipped: a new run reaches them.

    \b
    Example:
      esms suppress remove 0901888484
    """
    with open_ledger(ledger_url) as ledger:
        removed = ledger.guard.suppression.remove(phones)
    print_json({"removed": removed}) if as_json else say(f"{removed} removed")


@click.group("guard", cls=ListingGroup)
def guard() -> None:
    """
    The rules that hold messages back.

    \b
    Example:
      esms guard show
    """


@guard.command("show")
@click.option("--settings", "path", metavar="FILE", help="A settings file; default: ESMS_SETTINGS, or your own.")
@json_option
def guard_show(path: str | None, as_json: bool) -> None:
    """
    What is in force and where it comes from: the defaults, or the table [guard] of a settings file.

    \b
    Example:
      esms guard show
    """
    in_force = load_guard(path)
    settings = in_force.settings.as_dict()
    if as_json:
        print_json(
            {
                "settings": settings,
                "from": dict(in_force.origins),
                "rules": {rule.name.value: rule.source for rule in RULES.values()},
            }
        )
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in settings.items():
        shown = ", ".join(value) if isinstance(value, list) else "any" if value is None else str(value)
        # Plain text, so that a word such as [QC] is not read as markup.
        table.add_row(name, Text(printable(shown)), Text(printable(in_force.origins[name])))
    print_table(table)
    for rule in RULES.values():
        echo(f"{rule.name.value}: {rule.english} ({rule.source})")
