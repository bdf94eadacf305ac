"""`esms alert`: alerts people on call, one after the other."""

from __future__ import annotations

import click

from esms_connectors.cli.guard_options import guard_of
from esms_connectors.cli.numbers import SECONDS_BETWEEN
from esms_connectors.cli.output import json_option
from esms_connectors.cli.sending import print_chain
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.sending.steps import alert_ladder


@click.command()
@click.option("--ladder", required=True, metavar="PHONES", help="In the order in which they are alerted: 0901…,0902…")
@click.option("--text", required=True, help="The text. Braces are not placeholders.")
@click.option("--brandname", required=True, help="The registered sender ID.")
@click.option("--run-key", required=True, help="Names the alert: nobody is alerted twice under the same key.")
@click.option("--after", default="5m", show_default=True, metavar="SPAN", help="Time for each delivery: 5m, 90s.")
@click.option("--poll-seconds", type=SECONDS_BETWEEN, default=10.0, show_default=True, help="Time between two checks.")
@ledger_option
@connection_options
@json_option
def alert(
    ladder: str,
    text: str,
    brandname: str,
    run_key: str,
    after: str,
    poll_seconds: float,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Alert the first phone by SMS, wait for its delivery, and alert the next one if it is not delivered in time.

    The rules of the settings file apply, see `esms guard show`.

    \b
    Example:
      esms alert --ladder 0901888484,0912345678 --brandname MyBrand --after 5m \\
          --text "Nightly load failed" --run-key nightly-2026-11-21
    """
    with open_client(base_url, sandbox) as client, open_ledger(ledger_url, create=True) as ledger:
        journey = alert_ladder(
            client,
            ledger,
            ladder,
            text,
            brandname,
            run_key=check_run_key(run_key),
            after=after,
            poll_seconds=poll_seconds,
            guard=guard_of(),
        )
        print_chain(journey.run(), as_json=as_json)
