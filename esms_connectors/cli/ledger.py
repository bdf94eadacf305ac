"""`esms ledger …`, `esms reconcile`, `esms resend`: the outcome of each row, and actions for rows in doubt."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO, Any

import click
import pendulum
from rich.markup import escape
from rich.table import Table

from esms_connectors.cli.language import tr
from esms_connectors.cli.numbers import Number
from esms_connectors.cli.output import ListingGroup, csv_option, json_option, print_json, print_separated, print_table
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.cli.streams import until_closed
from esms_connectors.cli.terminal import echo, say
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import mask_phone, mask_phones
from esms_connectors.gateway.times import in_vietnam
from esms_connectors.ledger import SendState
from esms_connectors.recipients.output_files import OutputFile
from esms_connectors.sending.reconcile import reconcile
from esms_connectors.sending.resend import RowChoice, release_rows
from esms_connectors.sending.result import run_words

_RUNS = ("run_key", "began", "journey", "step")


@click.group("ledger", cls=ListingGroup)
def ledger_commands() -> None:
    """
    What was sent, row by row.

    \b
    Examples:
      esms ledger runs
      esms ledger show march-campaign
    """


@ledger_commands.command("runs")
@ledger_option
@csv_option
@json_option
def ledger_runs(ledger_url: str | None, as_csv: bool, as_json: bool) -> None:
    """
    All runs, newest first; for further steps of a campaign with `--else`, which step it is.

    \b
    Example:
      esms ledger runs
    """
    with open_ledger(ledger_url) as ledger:
        runs = ledger.runs()
        steps = ledger.journeys.later_steps()
    rows = [(key, began, *steps.get(key, (None, None))) for key, began in runs]
    if as_json:
        print_json([dict(zip(_RUNS, (key, began.isoformat(), *step), strict=True)) for key, began, *step in rows])
        return
    if as_csv:
        print_separated(_RUNS, [(key, began.isoformat(), *step) for key, began, *step in rows], csv=True)
        return
    for key, began, journey, step in rows:
        of = "" if journey is None else f"  step {step} of {journey}"
        echo(f"{in_vietnam(began)}  {key}{of}")


@ledger_commands.command("show")
@click.argument("run_key")
@ledger_option
@json_option
def ledger_show(run_key: str, ledger_url: str | None, as_json: bool) -> None:
    """
    A run by state and code.

    \b
    Example:
      esms ledger show march-campaign
    """
    with open_ledger(ledger_url) as ledger:
        about = ledger.run_about(run_key)
        summary = ledger.summary(run_key)
        steps = [(link, ledger.summary(link.run_key)) for link in ledger.journeys.steps_of(run_key)]
        why = [Counter(ledger.journeys.reasons(link.run_key).values()) for link, _ in steps]
    if as_json:
        chain = [
            {"step": link.step, "channel": link.channel, **asdict(run), "handed_on": dict(reasons)}
            for (link, run), reasons in zip(steps, why, strict=True)
        ]
        print_json({"about": about, **asdict(summary), **({"steps": chain} if chain else {})})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, count in asdict(summary).items():
        if count and not isinstance(count, str):
            by_code = ", ".join(f"{key}: {n}" for key, n in count.items()) if isinstance(count, dict) else ""
            table.add_row(tr(name.replace("_", " ")), escape(by_code) or f"{count:,}")
    print_table(table)
    say(f"campaign  {about['campaign']}")
    for (link, run), reasons in zip(steps, why, strict=True):
        because = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        say(f"step {link.step}  {link.channel}, {link.run_key}: {run_words(run)}{f' ({because})' if because else ''}")


_LISTED = ("line", "row_key", "phone", "state", "code", "reason")


def _masked(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "phone": mask_phone(row["phone"]), "row_key": mask_phones(row["row_key"])}


def _listing(name: str, states: tuple[SendState, ...], about: str) -> click.Command:
    @ledger_commands.command(name, help=f"{about}\n\n\b\nExample:\n  esms ledger {name} march-campaign")
    @click.argument("run_key")
    @ledger_option
    @csv_option
    @json_option
    def listing(run_key: str, ledger_url: str | None, as_csv: bool, as_json: bool) -> None:
        with open_ledger(ledger_url) as ledger:
            ledger.run_about(run_key)
            masked = (_masked(row) for row in ledger.rows(run_key, *states))
            if as_csv:
                print_separated(_LISTED, ([row[name] for name in _LISTED] for row in masked), csv=True)
                return
            listed = False
            for row in until_closed(masked):
                listed = True
                if as_json:
                    print_json(row)
                else:
                    echo(
                        f"line {row['line']}  {row['phone']}  {row['state']}  {row['code'] or '-'}  "
                        f"{row['reason'] or ''}"
                    )
            if not listed:
                say("0 rows", err=True)

    return listing


_listing("rejects", (SendState.REJECTED,), "Rows that the gateway finally refused, phones masked.")
_listing(
    "unknown", (SendState.UNKNOWN, SendState.HELD, SendState.CLAIMED, SendState.NOT_SENT), "Rows that are not settled."
)


@ledger_commands.command("export")
@click.argument("run_key")
@click.option("--output", "path", metavar="FILE", help="CSV file, a path or URL; default: standard output.")
@ledger_option
def ledger_export(run_key: str, path: str | None, ledger_url: str | None) -> None:
    """
    All rows of a run as CSV, phones as the ledger stores them.

    \b
    Example:
      esms ledger export march-campaign --output march.csv
    """
    with open_ledger(ledger_url) as ledger:
        ledger.run_about(run_key)
        if path is None:
            _write_rows(until_closed(ledger.rows(run_key)), sys.stdout)
            return
        with OutputFile(path, "output").opened() as file:
            written = _write_rows(ledger.rows(run_key), file)
    say(counted(written, "row"))


def _write_rows(rows: Iterable[dict[str, Any]], file: IO[str]) -> int:
    """Write a header and the rows, and return their number."""
    writer: csv.DictWriter[str] | None = None
    written = 0
    for row in rows:
        for name in ("first_attempt_ms", "updated_ms"):
            row[name.replace("_ms", "_at")] = pendulum.from_timestamp(row.pop(name) / 1000).isoformat()
        row.pop("lease_until_ms")
        if writer is None:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
        written += 1
    return written


@click.command("reconcile")
@click.argument("run_key")
@click.option(
    "--not-sent-after",
    "hours",
    type=Number(0, 8_784),
    metavar="HOURS",
    help="Rows that the gateway still does not list this long after their last attempt, and after --at, count as "
    "not sent "
    "if it lists others of this campaign.",
)
@ledger_option
@connection_options
@json_option
def reconcile_run(
    run_key: str,
    hours: float | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Look up rows in doubt at the gateway, by campaign and phone. Sends nothing; safe to run at any time.

    \b
    Example:
      esms reconcile march-campaign --not-sent-after 2
    """
    with open_client(base_url, sandbox) as client, open_ledger(ledger_url) as ledger:
        result = reconcile(client, ledger, run_key, not_sent_after_seconds=None if hours is None else hours * 3600)
    if as_json:
        print_json({**asdict(result), "run": asdict(result.run)})
        return
    say(
        f"{result.looked_for} looked for: {result.accepted} had been accepted, {result.identified} got their "
        f"message id, {result.not_sent} were not sent, {result.still_unknown} are still unknown"
    )
    if result.not_sent:
        say("Run the same send command again to send those.")
    if result.open_because:
        say(result.open_because)


@click.command()
@click.argument("run_key")
@click.option("--phone", "phones", multiple=True, metavar="PHONE", help="Phone of the row; repeatable.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Key of the row; repeatable.")
@click.option("--rows", help="Lines (12,15-20), request ids of `ledger export`, or: held, unknown, rejected.")
@click.option("--code", help="With --rows rejected: only those that the gateway refused with this code.")
@click.option("--even-accepted", is_flag=True, help="Also rows that were accepted: these people get it twice.")
@click.option("--reason", required=True, help="Reason; recorded in the ledger.")
@ledger_option
@json_option
def resend(
    run_key: str,
    phones: tuple[str, ...],
    keys: tuple[str, ...],
    rows: str | None,
    code: str | None,
    even_accepted: bool,
    reason: str,
    ledger_url: str | None,
    as_json: bool,
) -> None:
    """
    Release rows to be sent AGAIN, although they may have arrived. The next send command of the run sends them.

    Lines are refused once the run has read more than one list, such as a repaired rejects file: line 2 of
    one is not line 2 of the other.

    \b
    Examples:
      esms resend march-campaign --phone 0901888484 --reason "she says that nothing came"
      esms resend march-campaign --rows held --reason "the portal shows none of them"
      esms resend march-campaign --rows rejected --code 146 --reason "the text is registered now"
    """
    if not (phones or keys or rows):
        raise InvalidRequestError("Say which rows: --phone, --key or --rows.", field="rows")
    if code is not None and rows != SendState.REJECTED.value:
        raise InvalidRequestError("--code goes with --rows rejected.", field="code")
    choice = _choice(rows or "", phones, keys, code)
    with open_ledger(ledger_url) as ledger:
        done = release_rows(ledger, run_key, choice, reason=reason, even_accepted=even_accepted)
    if as_json:
        print_json({"released": done.released, "of_these_accepted": done.accepted})
        return
    say(
        f"{counted(done.released, 'row')} will be sent again by the next send command of this run, "
        f"{done.accepted} of them were accepted before"
    )
    for shown in done.rows:
        echo(f"  {shown}")
    if done.released > len(done.rows):
        say(f"  and {done.released - len(done.rows):,} more")


def _choice(rows: str, phones: tuple[str, ...], keys: tuple[str, ...], code: str | None) -> RowChoice:
    if rows in (SendState.HELD.value, SendState.UNKNOWN.value, SendState.REJECTED.value):
        return RowChoice(phones, keys, states=(SendState(rows),), code=code)
    spans: list[range] = []
    ids: list[str] = []
    for part in filter(None, (part.strip() for part in rows.split(","))):
        if re.fullmatch("[0-9a-f]{40}", part):
            ids.append(part)
            continue
        first, _, last = part.partition("-")
        if not re.fullmatch("[0-9]{1,9}", first) or (last and not re.fullmatch("[0-9]{1,9}", last)):
            raise InvalidRequestError(f"--rows {part!r} is not a line, span (15-20) or state.", field="rows")
        spans.append(range(int(first), int(last or first) + 1))
    return RowChoice(phones, keys, ids, spans)
