"""What commands share: exit codes, errors on one line, output for people and for machines."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, NoReturn

import click

from esms_connectors.bulk import BulkIncompleteError
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect
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
  3  the gateway refused (see `esms explain CODE`), or a row did, after others were sent
  4  not sent, not read or not loaded (no connection, no answer, does not add up); repeat later
  5  outcome unknown: it may have been sent; repeat with the same --request-id only
"""


def exit_code_of(error: EsmsError) -> int:
    match error:
        case BulkIncompleteError():
            run = error.summary.run
            return 5 if run.unknown + run.held + run.claimed else (4 if error.retryable else 3)
        case InvalidRequestError() if error.others_sent:
            return 3
        case ConfigurationError() | InvalidRequestError():
            return 2
        case OutcomeUnknownError():
            reading = error.endpoint in ENDPOINTS and ENDPOINTS[error.endpoint].effect is Effect.READ
            return 4 if reading else 5
        case NotSentError() | RateLimitedError():
            return 4
        case GatewayError():
            return 3
    return 4 if error.retryable else 1


class EsmsGroup(click.Group):
    """Turns errors into one line (or one JSON object) and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().main(*arguments, **{**settings, "standalone_mode": False})
        except click.exceptions.Abort:
            code = _interrupted()
        except RuntimeError as error:
            # What DuckDB makes of Ctrl-C while it is at work.
            if str(error) != "Query interrupted":
                raise
            code = _interrupted()
        except click.ClickException as error:
            if "--json" in sys.argv:
                print_json({"error": type(error).__name__, "message": error.format_message()})
            else:
                error.show()
            code = error.exit_code
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EsmsError as error:
            failure = error
        # Outside the handler: nothing of the error's origin stays attached.
        return _fail(failure)


def _interrupted() -> int:
    click.echo("\nesms: interrupted. What was done stays done; the same command resumes.", err=True)
    return 130


def _fail(error: EsmsError) -> NoReturn:
    context = click.get_current_context(silent=True)
    if context is not None and context.find_root().meta.get("as_json"):
        about: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
        about |= {
            name: value
            for name in ("code", "request_id", "endpoint", "field", "row")
            if (value := getattr(error, name, None)) is not None
        }
        if isinstance(error, BulkIncompleteError):
            about["run"] = asdict(error.summary.run)
        elif hasattr(error, "summary"):
            about["loaded"] = error.summary.as_dict()
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
