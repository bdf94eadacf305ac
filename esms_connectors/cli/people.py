"""`esms find`, `esms person`, `esms erase`, `esms forget`: show and remove personal data."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click
from pendulum import DateTime
from rich.table import Table
from rich.text import Text

from esms_connectors.cli.guard_options import ledger_there
from esms_connectors.cli.language import tr
from esms_connectors.cli.output import csv_option, json_option, print_json, print_separated, print_table
from esms_connectors.cli.pulling import need_columns, phone_privacy, phones_option
from esms_connectors.cli.settings import ledger_option, open_ledger
from esms_connectors.cli.terminal import echo, printable, say
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.arguments import person_name
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.paths import kind_at
from esms_connectors.gateway.redaction import mask_phone, mask_phones
from esms_connectors.recipients.rejects import REJECT_COLUMNS

if TYPE_CHECKING:
    from esms_connectors.ledger import Ledger

# Younger rows are still needed for caps, for reports and for looking up rows in doubt.
_LEAST_DAYS = 30
_REPORT_SUFFIXES = frozenset((".html", ".xlsx", ".md", ".json", ".csv", ".parquet"))

_addresses = click.option(
    "--into", "addresses", multiple=True, metavar="URL", help="Warehouse; repeatable. Default: ESMS_WAREHOUSE."
)
_zalo_user = click.option(
    "--zalo-user-id", metavar="ID", help="A person identified by Zalo user id instead of a phone."
)


def _given(addresses: tuple[str, ...]) -> tuple[str, ...]:
    # Not read by click, which would split an address at spaces.
    return addresses or tuple(filter(None, [os.environ.get("ESMS_WAREHOUSE", "").strip()]))


def _typed(phone: str | None) -> str | None:
    return sys.stdin.readline() if phone == "-" else phone


@contextlib.contextmanager
def _warehouses(addresses: tuple[str, ...]) -> Iterator[list[Any]]:
    with contextlib.ExitStack() as opened:
        if addresses:
            need_columns(*addresses)
        from esms_connectors.warehouse import open_warehouse

        yield [opened.enter_context(open_warehouse(address)) for address in addresses]


def _confirm(question: str) -> None:
    try:
        confirmed = click.confirm(tr(question), err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        confirmed = False
    if not confirmed:
        raise InvalidRequestError("Not confirmed: nothing was removed. With --yes it is not asked.", field="yes")


@click.command("person")
@click.argument("phone", required=False)
@_zalo_user
@_addresses
@phones_option
@ledger_option
@click.option("--out", "targets", multiple=True, metavar="FILE", help="A file that ends in .json or .html; repeatable.")
@json_option
def person(
    phone: str | None,
    zalo_user_id: str | None,
    addresses: tuple[str, ...],
    phones: str,
    ledger_url: str | None,
    targets: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    All data about PHONE in the ledger, its suppression list and the warehouses; - reads it from standard
    input. For people who ask what is stored about them.

    \b
    Examples:
      esms person 0901888484 --into duckdb:///esms.duckdb
      esms person 0901888484 --into duckdb:///esms.duckdb --out 0901888484.html
    """
    need_columns(*addresses)
    from esms_connectors.reports.person import gather_person, render_person
    from esms_connectors.reports.writing import put_file

    phone = _typed(phone)
    name = person_name(phone, zalo_user_id)
    suffixes = [PurePosixPath(target).suffix.lower() for target in targets]
    if any(suffix not in (".json", ".html") for suffix in suffixes):
        raise InvalidRequestError("--out takes files that end in .json or .html.", field="out")
    with open_ledger(ledger_url) as ledger, _warehouses(_given(addresses)) as warehouses:
        record = gather_person(ledger, warehouses, phone, phone_privacy(phones), zalo_user_id=zalo_user_id)
    for place in record.not_asked:
        echo(
            f"{place} was not searched: only DuckDB files and PostgreSQL can be. It may contain more: look for the "
            "phone in its table esms_sent_messages with its own tools, or load the same days into a DuckDB file.",
            err=True,
            fg="yellow",
        )
    written = [
        put_file(target, render_person(record, suffix).encode())
        for target, suffix in zip(targets, suffixes, strict=True)
    ]
    if as_json:
        print_json(record.as_dict())
        return
    if targets:
        say(f"{counted(record.rows, 'row')} about {mask_phone(name)}")
        for one in written:
            echo(one)
        return
    _print_record(record.as_dict())


@click.command("find")
@click.argument("text", metavar="PHONE|MESSAGE_ID|KEY")
@_addresses
@phones_option
@ledger_option
@csv_option
@json_option
def find(
    text: str, addresses: tuple[str, ...], phones: str, ledger_url: str | None, as_csv: bool, as_json: bool
) -> None:
    """
    All that is known about one person's messages, or about one message: what the ledger sent, what the warehouses list,
    how states changed, outcomes, the suppression list. - reads it from standard input.

    PHONE in any spelling, also where phones are kept hashed; MESSAGE_ID the gateway's, or a request id; KEY the key of
    the row, as in the list that was sent. On a terminal phones are masked; in a pipe and with --json they are not.

    \b
    Examples:
      esms find 0901888484 --into duckdb:///esms.duckdb
      esms find order-1234 --into postgresql://etl@db/warehouse --phones hashed
    """
    need_columns(*addresses)
    from esms_connectors.reports.finding import FOUND_COLUMNS, find_messages

    given = _given(addresses)
    with contextlib.ExitStack() as opened:
        ledger = _ledger_beside(opened, ledger_url, given)
        warehouses = opened.enter_context(_warehouses(given))
        found = find_messages(_typed(text) or "", ledger=ledger, warehouses=warehouses, privacy=phone_privacy(phones))
    for place in found.incomplete:
        say(f"{place} lacks days, and may lack messages: `esms coverage` lists them.", fg="yellow", err=True)
    if as_json:
        print_json(found.as_dict())
        return
    lines = [[line[name] for name in FOUND_COLUMNS] for line in found.lines()]
    if not lines:
        say(f"Nothing of it is known in {', '.join(found.places)}.", err=True)
        return
    if as_csv or not sys.stdout.isatty():
        print_separated(FOUND_COLUMNS, lines, csv=as_csv)
        return
    table = Table(*FOUND_COLUMNS, box=None, pad_edge=False)
    for line in lines:
        table.add_row(*(Text("" if one is None else printable(mask_phones(str(one)))) for one in line))
    print_table(table)


def _print_record(told: dict[str, Any]) -> None:
    """Print one line per row."""
    for place, tables in told["places"].items():
        echo(place)
        for table, rows in tables.items():
            echo(f"  {table.replace('_', ' ')}: {len(rows)}")
            for row in rows:
                shown = (f"{name} {value}" for name, value in row.items() if value not in (None, "", []))
                echo("    " + ", ".join(shown))


@click.command("erase")
@click.option("--phone", "phone", help="The person's number; - reads it from standard input.")
@_zalo_user
@_addresses
@phones_option
@ledger_option
@click.option(
    "--keep-suppressed", is_flag=True, help="Leave the entry on the suppression list: still no advertising to them."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def erase(
    phone: str | None,
    zalo_user_id: str | None,
    addresses: tuple[str, ...],
    phones: str,
    ledger_url: str | None,
    keep_suppressed: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Remove a person from the ledger and from warehouses, and say what was removed.

    In the ledger the rows stay without the phone: they keep a campaign that is run again from sending twice. What the
    gateway knows is not touched: a later pull of the same days brings the rows back.

    \b
    Example:
      esms erase --phone 0901888484 --into duckdb:///esms.duckdb
    """
    name = person_name(_typed(phone), zalo_user_id)
    if not yes:
        _confirm(f"Remove {mask_phone(name)} for good?")
    who = {"phone": None, "zalo_user_id": name} if zalo_user_id is not None else {"phone": name, "zalo_user_id": None}
    removed: dict[str, dict[str, int]] = {}
    note = _noting(removed, as_json=as_json)
    given = _given(addresses)
    # The default file cannot be mistyped.
    with open_ledger(ledger_url, create=not ledger_url) as ledger:
        if given:
            from esms_connectors.warehouse import erase_phone

            privacy = phone_privacy(phones)
            rows = [(one["run_key"], one["row_key"]) for one in ledger.person(**who)["messages"]]
            with _warehouses(given) as warehouses:
                for warehouse in warehouses:
                    note(warehouse.name, erase_phone(warehouse, **who, privacy=privacy, rows=rows))
        note("ledger", ledger.erase(**who, keep_suppressed=keep_suppressed))
    if as_json:
        print_json(removed)
        return
    if removed["ledger"]["unsettled"]:
        say("Rows in doubt keep the phone until `esms reconcile` has settled them; then erase again.", fg="yellow")
    if removed["ledger"]["suppressed"]:
        say("It was removed from the suppression list, too: it may get advertising again.", fg="yellow")


def _ledger_beside(opened: contextlib.ExitStack, url: str | None, warehouses: Sequence[str]) -> Ledger | None:
    """A user who only pulls has no ledger, but one that was named must exist."""
    if warehouses and not url:
        return ledger_there(opened, None, needed=False)
    return opened.enter_context(open_ledger(url))


def _noting(removed: dict[str, dict[str, int]], *, as_json: bool) -> Callable[[str, dict[str, int]], None]:
    def note(place: str, counts: dict[str, int]) -> None:
        """Report immediately: the next place may fail, and what was removed must be known."""
        removed[place] = counts
        if not as_json:
            echo(f"{place}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))

    return note


@click.command("forget")
@click.option("--older-than", "age", required=True, metavar="DAYS", help="Such as 400d; 30d at least.")
@_addresses
@click.option("--rejects", "rejects", multiple=True, metavar="FOLDER", help="Folder of rejects files; repeatable.")
@click.option(
    "--reports", "reports", multiple=True, metavar="FOLDER", help="Folder with nothing but reports; repeatable."
)
@ledger_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def forget(
    age: str,
    addresses: tuple[str, ...],
    rejects: tuple[str, ...],
    reports: tuple[str, ...],
    ledger_url: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Remove all people from older data: the ledger, warehouses, folders of rejects files and of reports.

    In the ledger the rows stay, without phone, key and text: they keep a campaign that is run again from sending twice.
    Entries of the suppression list stay while they are in force. The age of a file is the time since it was last
    written.

    \b
    Example:
      esms forget --older-than 400d --into duckdb:///esms.duckdb --rejects ./rejects --reports ./reports
    """
    before = _moment(age)
    folders = [(Path(one), True) for one in rejects] + [(Path(one), False) for one in reports]
    for folder, _ in folders:
        if kind_at(folder) != "folder":
            raise InvalidRequestError(f"There is no folder {folder}.", field="rejects")
    with _warehouses(_given(addresses)) as warehouses:
        for warehouse in warehouses:
            if not warehouse.forgets_by_age:
                raise InvalidRequestError(
                    f"{warehouse.name} cannot delete data by age: DuckDB, PostgreSQL and MySQL can. Nothing was "
                    "removed anywhere: delete its old data with its own tools, and leave it out here.",
                    field="into",
                )
    if not yes:
        _confirm(f"Remove all people from data older than {before:%Y-%m-%d}?")
    removed: dict[str, dict[str, int]] = {}
    note = _noting(removed, as_json=as_json)
    with open_ledger(ledger_url) as ledger:
        with _warehouses(_given(addresses)) as warehouses:
            for warehouse in warehouses:
                note(warehouse.name, warehouse.forget(before, ledger.people.old_runs(before)))
        note("ledger", ledger.people.forget(before))
    for folder, are_rejects in folders:
        note(str(folder), {"files": _remove_files(folder, before, rejects=are_rejects)})
    if as_json:
        print_json(removed)
    elif removed["ledger"]["unsettled"]:
        say("Rows in doubt keep the phone until `esms reconcile` has settled them; then forget again.", fg="yellow")


def _moment(age: str) -> DateTime:
    found = re.fullmatch(r"(\d{1,5})d", age.strip(), re.ASCII)
    if found is None or int(found[1]) < _LEAST_DAYS:
        raise InvalidRequestError(
            f"--older-than is a number of days such as 400d, {_LEAST_DAYS}d at least: newer data is still needed.",
            field="older_than",
        )
    return machine_clock.now().subtract(days=int(found[1]))


def _remove_files(folder: Path, before: DateTime, *, rejects: bool) -> int:
    """Remove files in this folder, not in subfolders, that are ours by header or suffix; returns their number."""
    ours = _is_rejects if rejects else _is_report
    old = [
        one for one in sorted(folder.iterdir())
        if one.is_file() and not one.is_symlink() and one.stat().st_mtime < before.timestamp() and ours(one)
    ]  # fmt: skip
    for one in old:
        try:
            one.unlink()
        except OSError as error:
            raise InvalidRequestError(f"{one} cannot be removed: {error.strerror}.", field="rejects") from None
    return len(old)


def _is_rejects(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(200).removeprefix(b"\xef\xbb\xbf").startswith(",".join(REJECT_COLUMNS).encode())


def _is_report(path: Path) -> bool:
    return path.suffix.lower() in _REPORT_SUFFIXES
