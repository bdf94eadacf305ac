"""`esms status`, `esms wait`: how many messages of a run have arrived."""

from __future__ import annotations

import click

from esms_connectors.cli.numbers import SECONDS_BETWEEN, SHARE, Number
from esms_connectors.cli.output import json_option, print_json
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.cli.terminal import say
from esms_connectors.delivery.chains import poller_of_run
from esms_connectors.delivery.polling import DeliveryGoal, PollBackoff, wait_for_delivery
from esms_connectors.gateway import machine_clock


@click.command()
@click.argument("run_key")
@ledger_option
@connection_options
@json_option
def status(run_key: str, ledger_url: str | None, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    How many messages of a run have arrived by now; for a campaign with `--else`, how many people were reached, each
    counted once, and the result of each step.

    \b
    Example:
      esms status march-campaign
    """
    with open_ledger(ledger_url) as ledger, open_client(base_url, sandbox) as client:
        counts = poller_of_run(ledger, run_key).poll(client, now=machine_clock.now())
    if as_json:
        print_json(counts.as_dict())
    else:
        say(counts)


@click.command()
@click.argument("run_key")
@click.option("--delivered", type=SHARE, help="Share that must have arrived; default: any outcome.")
@click.option(
    "--final",
    "final_share",
    type=SHARE,
    default=1.0,
    show_default=True,
    help="Share that must be final.",
)
@click.option("--minutes", type=Number(0, 525_600), default=60.0, show_default=True, help="Maximum time to wait.")
@click.option("--poll-seconds", type=SECONDS_BETWEEN, default=30.0, show_default=True, help="Time between two checks.")
@ledger_option
@connection_options
@json_option
def wait(
    run_key: str,
    delivered: float | None,
    final_share: float,
    minutes: float,
    poll_seconds: float,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Wait until the messages of a run are final, or enough have arrived; fails when the time is over, or when enough can
    no longer arrive. For a campaign with `--else`, people are counted, each once, whichever step reaches them.

    \b
    Example:
      esms wait march-campaign --delivered 0.9 --minutes 120
    """
    goal = DeliveryGoal(final_share=final_share, delivered_share=delivered)
    with open_ledger(ledger_url) as ledger, open_client(base_url, sandbox) as client:
        counts = wait_for_delivery(
            client,
            poller_of_run(ledger, run_key),
            goal,
            deadline=machine_clock.now().add(seconds=round(minutes * 60)),
            backoff=PollBackoff(poll_seconds=poll_seconds),
            progress=None if as_json else lambda now: say(now, err=True),
            now=machine_clock.now,
        )
    if as_json:
        print_json(counts.as_dict())
    else:
        say(counts)
