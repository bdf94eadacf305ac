"""What commands share: exit codes, errors on one line, output for people and for machines."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import click

from esms_connectors.bulk import BulkIncompleteError
from esms_connectors.gateway.errors import (
    ConfigurationError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
)

EXIT_CODES = """
\b
Exit codes, for scripts:
  0  done
  1  something on this machine failed
  2  wrong usage, keys or input; nothing was sent
  3  the gateway refused, see `esms explain CODE`
  4  not sent (no connection, or too many requests); repeat later
  5  outcome unknown: it may have been sent; repeat with the same --request-id only
"""


def exit_code_of(error: EsmsError) -> int:
    match error:
        case BulkIncompleteError():
            run = error.summary.run
            return 5 if run.unknown + run.held + run.claimed else (4 if error.retryable else 3)
        case ConfigurationError() | InvalidRequestError():
            return 2
        case OutcomeUnknownError():
            return 5
        case NotSentError() | RateLimitedError():
            return 4
        case GatewayError():
            return 3
    return 1


class EsmsGroup(click.Group):
    """Turns our errors into one line (or one JSON object) and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EsmsError as error:
            failure = error
        # Outside the handler: nothing of the error's origin stays attached.
        return _fail(failure)


def _fail(error: EsmsError) -> NoReturn:
    context = click.get_current_context(silent=True)
    if context is not None and context.find_root().meta.get("as_json"):
        about = {"error": type(error).__name__, "message": str(error)}
        about |= {
            name: value
            for name in ("code", "request_id", "endpoint", "field", "row")
            if (value := getattr(error, name, None)) is not None
        }
        print_json(about)
    else:
        click.secho(f"esms: {error}", fg="red", err=True)
        request_id = getattr(error, "request_id", None)
        if isinstance(error, OutcomeUnknownError) and request_id:
            click.echo(f"Request id: {request_id}", err=True)
    raise SystemExit(exit_code_of(error))


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def remember_json(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    context.find_root().meta["as_json"] = value
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=remember_json, help="One JSON object for machines."
)


def vnd(amount: Any) -> str:
    """Money as people in Vietnam write it: 1.234.567 đ."""
    return f"{amount:,.0f}".replace(",", ".") + " đ"
