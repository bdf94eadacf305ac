"""The account at the gateway, and what its codes mean."""

from __future__ import annotations

import click

from esms_connectors.cli.output import json_option, print_json
from esms_connectors.cli.settings import connection_options, open_client
from esms_connectors.cli.terminal import echo, say
from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.wire import vnd


@click.command()
@click.argument("code")
@json_option
def explain(code: str, as_json: bool) -> None:
    """
    What a result CODE of the gateway means, in English and Vietnamese.

    \b
    Example:
      esms explain 124
    """
    if not code.strip():
        raise InvalidRequestError("Give a result code, such as 124.", field="code")
    known = CODES.get(code.strip())
    if known is None:
        raise InvalidRequestError(
            f"{code} is not a documented code. Known: {', '.join(sorted(CODES, key=int))}.", field="code"
        )
    if as_json:
        print_json(
            {
                "code": known.code,
                "english": known.english,
                "vietnamese": known.vietnamese,
                "applies_to": known.applies_to,
                "recovery": known.recovery.value,
                "listed_by": known.listed_by or None,
                "error": known.error.__name__ if known.error else None,
            }
        )
        return
    echo(f"{known.code}  {known.english}", bold=True)
    echo(f"     {known.vietnamese}")
    say(f"  applies to   {known.applies_to}")
    say(f"  what to do   {known.recovery.value}")
    if known.advice:
        say(f"               {known.advice}")
    say(f"  raised as    {known.error.__name__ if known.error else 'nothing: this is success'}")


@click.command()
@connection_options
@json_option
def balance(base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The money left on the account.

    \b
    Example:
      esms balance --json
    """
    with open_client(base_url, sandbox) as client:
        account = client.get_balance()
    if as_json:
        print_json({"balance_vnd": account.balance_vnd, "user_id": account.user_id})
    else:
        echo(vnd(account.balance_vnd))
