"""`esms outcomes RUN_KEY`: the outcome of each row by the caller's key."""

from __future__ import annotations

import csv
from dataclasses import astuple
from datetime import datetime

import click

from esms_connectors.cli.output import json_option, print_json, print_separated
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.cli.streams import until_closed
from esms_connectors.cli.terminal import say
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.redaction import mask_phones
from esms_connectors.recipients.columns import PHONE_KEY
from esms_connectors.recipients.output_files import OutputFile
from esms_connectors.sending.steps.outcomes import OUTCOME_COLUMNS, Outcome, outcomes_of


@click.command()
@click.argument("run_key")
@click.option("--out", "path", metavar="FILE", help="CSV file, a path or URL.")
@click.option(
    "--into", "warehouse", metavar="WAREHOUSE", help="The table esms_outcomes of a warehouse, as in `esms pull`."
)
@ledger_option
@connection_options
@json_option
def outcomes(
    run_key: str,
    path: str | None,
    warehouse: str | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    The outcome of each row of a run and of its further steps: which step, why, when, its state and price, by your own
    key, so that a campaign can be joined with the customers. Without --out and --into it is printed, phones masked.

    \b
    Examples:
      esms outcomes march-campaign
      esms outcomes march-campaign --out results.csv
      esms outcomes march-campaign --into duckdb:///esms.duckdb
    """
    with open_ledger(ledger_url) as ledger, open_client(base_url, sandbox) as client:
        about = ledger.run_about(run_key)
        if warehouse is not None and about.get("key_column") == PHONE_KEY:
            raise InvalidRequestError(
                f"The rows of run {run_key!r} are identified by phone, which is not written to a table by default. "
                "Give the campaign a key column, or write a CSV with --out.",
                field="into",
            )
        found = list(outcomes_of(client, ledger, run_key))
    if path is None and warehouse is None:
        _list(found, as_json)
        return
    if path is not None:
        _write(path, found)
    if warehouse is not None:
        from esms_connectors.warehouse import open_warehouse
        from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE

        with open_warehouse(warehouse) as opened:
            opened.put_group(OUTCOMES_TABLE, run_key, [astuple(one) for one in found])
    accepted = sum(one.accepted for one in found)
    if as_json:
        print_json({"rows": len(found), "accepted": accepted})
    else:
        say(f"{counted(len(found), 'row')}, {accepted:,} accepted")


def _list(found: list[Outcome], as_json: bool) -> None:
    """List the outcomes, with the steps of a person together."""
    names = [name for name in OUTCOME_COLUMNS if name not in ("journey", "message_id")]
    # Sorting is stable, so the order of the steps is kept.
    first = {one.row_key: place for place, one in reversed(list(enumerate(found)))}
    rows = (
        {name: _plain(getattr(one, name)) for name in names} | {"row_key": mask_phones(one.row_key)}
        for one in sorted(found, key=lambda one: first[one.row_key])
    )
    if as_json:
        for row in until_closed(rows):
            print_json(row)
        return
    print_separated(names, (list(row.values()) for row in rows), csv=False)


def _write(path: str, found: list[Outcome]) -> None:
    with OutputFile(path, "out").opened() as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(OUTCOME_COLUMNS)
        for one in found:
            writer.writerow([_plain(value) for value in astuple(one)])


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else value
