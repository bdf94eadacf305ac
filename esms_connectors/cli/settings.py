"""Shared options: connection, ledger, source and sending time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from esms_connectors.cli.numbers import Number
from esms_connectors.databases.extras import need as need
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.times import read_time

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger

Command = Callable[..., Any]


def options_of(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds several options, in the order in which the help shows them."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def complete_files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion with files, for an argument that may be a file."""
    return [CompletionItem(incomplete, type="file")]


# Options for reading a file of recipients.
source_options = options_of(
    click.option(
        "--encoding",
        help="Of a text file that is neither UTF-8 nor UTF-16, such as windows-1258; or tcvn3, vni.",
    ),
    click.option("--delimiter", metavar="CHAR", help="Of a CSV; default: found by its header."),
    click.option("--sheet", metavar="NAME", help="Of a workbook; default: the one that has the columns."),
    click.option(
        "--header-row",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Row with the column names, from 1; default: detected.",
    ),
    click.option(
        "--hidden-rows",
        type=click.Choice(["refuse", "read"]),
        default="refuse",
        show_default=True,
        help="Rows of a workbook that a filter hides: refuse them, or read them like the others.",
    ),
    click.option(
        "--two-phones",
        type=click.Choice(["refuse", "first", "both"]),
        default="refuse",
        show_default=True,
        help="A cell with several numbers: refuse the row, or send to the first or to each of them.",
    ),
    click.option("--as-is", is_flag=True, help="Send damaged texts unchanged; the plan counts them."),
)


def _client_option(name: str, argument: str, metavar: str, help_text: str, variable: str) -> Any:
    """An option that commands need not pass on: `open_client` reads it from the context."""

    def remember(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            context.find_root().meta[f"client.{argument}"] = value

    return click.option(
        name,
        type=Number(0, 86_400, above=True) if argument == "timeout" else str,
        metavar=metavar,
        envvar=variable,
        help=help_text,
        callback=remember,
        expose_value=False,
    )


connection_options = options_of(
    click.option("--sandbox/--live", default=None, help="Check only, or send for real. Default: ESMS_SANDBOX."),
    click.option("--base-url", envvar="ESMS_BASE_URL", help="Scheme and host of the gateway.", metavar="URL"),
    _client_option(
        "--timeout", "timeout", "SECONDS", "Of one attempt, from connection to answer; 120.", "ESMS_TIMEOUT"
    ),
    _client_option("--proxy", "proxy", "URL", "An HTTP proxy; default: HTTPS_PROXY.", "ESMS_PROXY"),
    _client_option("--ca-bundle", "ca_bundle", "FILE", "Certificates (PEM) of your own CA.", "ESMS_CA_BUNDLE"),
)


def _client_settings() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    told = {} if context is None else context.find_root().meta
    settings = {name: told[f"client.{name}"] for name in ("ca_bundle", "proxy") if f"client.{name}" in told}
    if (seconds := told.get("client.timeout")) is not None:
        from esms_connectors.gateway.transport import Timeouts

        usual = Timeouts()
        settings["timeouts"] = Timeouts(min(usual.connect_seconds, seconds), min(usual.read_seconds, seconds), seconds)
    return settings


def open_client(base_url: str | None, sandbox: bool | None, **more: Any) -> EsmsClient:
    from esms_connectors.gateway.client import EsmsClient  # saves `esms sql` a third of a second

    more = {**_client_settings(), **more}
    given = {name: value for name, value in (("base_url", base_url), ("sandbox", sandbox)) if value is not None}
    return EsmsClient.from_env(**given, **more)


ledger_option = click.option(
    "--ledger",
    "ledger_url",
    envvar="ESMS_LEDGER",
    metavar="URL",
    help="sqlite:///file, a path, or postgresql://…; default: a file in your data folder.",
)


def open_ledger(url: str | None, *, create: bool = False) -> Ledger:
    """
    Args:
        create: where something may begin. A slip in an address is not answered by an empty ledger that knows nobody.
    """
    from esms_connectors.ledger import Ledger

    return Ledger.from_env(url, create=create)


def read_send_time(text: str) -> datetime:
    """The sending time."""
    from esms_connectors.sending.policy import SEND_AT_TOLERANCE

    moment = read_time(text, "--at", whole_days=False)
    if moment < machine_clock.now() - SEND_AT_TOLERANCE:
        raise InvalidRequestError(f"--at {text!r} lies in the past. Leave it out to send now.", field="at")
    return moment
