"""Shared output code: exit codes, one-line errors, output for humans and for machines."""

from __future__ import annotations

import difflib
import errno
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from csv import writer as csv_writer
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import click

from esms_connectors.cli.help_texts import in_language
from esms_connectors.cli.language import error_kind, language_first, tr
from esms_connectors.cli.signals import Stop
from esms_connectors.cli.streams import patient_streams, until_closed
from esms_connectors.cli.terminal import echo, printable, say
from esms_connectors.gateway.errors import (
    EsmsError,
    OutcomeUnknownError,
    unexpected,
)
from esms_connectors.gateway.redaction import redact

if TYPE_CHECKING:
    from rich.table import Table

EXIT_CODES = """
\b
Exit codes, for scripts:
  0  done
  1  something on this machine failed
  2  wrong usage, keys or input, or a plan that is not good; nothing was sent
  3  the gateway refused (see `esms explain CODE`), all or some rows; or too few messages can still arrive
  4  not sent, not read or not loaded (no connection, no answer, row counts that do not match); repeat later
  5  outcome unknown: it may have been sent; repeat with the same --request-id only
  6  done (sent, loaded, …), but the output could not be written: a full disk, a closed pipe
  7  stopped by a rule of the guard (a stop mark, hours, a budget); the same command continues once it may
  8  the rest of the run waits for its hours (policy defer); the same command continues from the time shown
"""
_OUTPUT_LOST = 6
NOT_GOOD = 2
_EXACT = 1e15  # below this, floats represent integers exactly
# `encoding=windows-1258` or `at_least` in messages of the core; each is an option of all commands that send.
_ARGUMENT = re.compile(r"(?<![\w-])(encoding|conflicts|at_least)(=)|(?<![\w-])(at_least|phone_column|price_vnd)\b")
_FIRST_CLAUSE = re.compile(r"[:;] (?![^()]*\))|[.]$")
_TSV = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


class ListingGroup(click.Group):
    """Lists its commands with the first clause of each."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """On as many lines as they need: click would cut most of them off in the middle."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, _FIRST_CLAUSE.split(one.get_short_help_str(1000), maxsplit=1)[0]) for name, one in found if one]
            )


class EsmsGroup(ListingGroup):
    """Turns errors into one line (or one JSON object) and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        with patient_streams() as output:
            stop = Stop()
            try:
                with stop.handled():
                    code = self._exit_code(stop, *arguments, **settings)
            except KeyboardInterrupt:
                code = _interrupted(stop)
            sys.stdout.flush()
            if output.failure is not None:
                # A reader that closed the pipe has read enough; this is not reported.
                if output.failure.errno != errno.EPIPE:
                    _report_lost_output(output.failure, done=not code)
                code = code or _OUTPUT_LOST
        sys.exit(code)

    def _exit_code(self, stop: Stop, *arguments: Any, **settings: Any) -> int | str | None:
        try:
            ended: int | None = super().main(*arguments, **{**settings, "standalone_mode": False})
            return ended
        except SystemExit as end:
            return end.code
        except click.exceptions.Abort:
            return _interrupted(stop)
        except RuntimeError as error:
            # What DuckDB raises on Ctrl-C during a query.
            if str(error) != "Query interrupted":
                raise
            return _interrupted(stop)
        except click.ClickException as error:
            if "--json" in sys.argv:
                print_json({"error": type(error).__name__, "message": redact(error.format_message())})
            else:
                _show_usage(error)
            return error.exit_code

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, language_first(self, ctx, args))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self.find_command(ctx, cmd_name)
        return None if found is None else in_language(found)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        ListingGroup.format_help(in_language(self), ctx, formatter)

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As it was written, in English."""
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a similar command: click cannot for lazily imported commands, and not at all before 8.4."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            if not near or getattr(error, "possibilities", None):
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EsmsError as error:
            failure = error
        except (click.ClickException, click.exceptions.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if str(error) == "Query interrupted" or os.environ.get("ESMS_TRACEBACK"):
                raise
            failure = _unexpected(error)
        # Outside the handler, so that the original exception is not attached.
        return _fail(failure)


def _show_usage(error: click.ClickException) -> None:
    """
    Redacted: the message quotes the arguments, which may contain a phone, and may end up in a cron log. The help of a
    group without a command quotes none, and its examples are copied.
    """
    shown = io.StringIO()
    error.show(shown)
    text = shown.getvalue().rstrip("\n")
    # click has this class since 8.2; before, it shows the help of such a group by itself.
    is_help = isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ()))
    say(text if is_help else redact(text), err=True)


def _unexpected(error: Exception) -> EsmsError:
    return EsmsError(f"{unexpected(error)} ESMS_TRACEBACK=1 shows it; please report it.")


def _interrupted(by: Stop) -> int:
    say(f"\nesms: {by.words}. Completed work is kept; the same command resumes.", err=True)
    return by.exit_code


def _report_lost_output(failure: OSError, *, done: bool) -> None:
    about = f"the output could not be written: {failure.strerror}"
    say(f"esms: {'done, but ' if done else ''}{about}.", fg="red", err=True)


def _fail(error: EsmsError) -> NoReturn:
    # Imported here because only failures need the sending modules.
    from esms_connectors.cli.exit_codes import exit_code_of
    from esms_connectors.sending.bulk import BulkIncompleteError

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
        kind = error_kind(error)
        echo(f"esms: {f'{kind}: ' if kind else ''}{as_options(tr(str(error)))}", fg="red", err=True)
        request_id = getattr(error, "request_id", None)
        if isinstance(error, OutcomeUnknownError) and request_id:
            say(f"Request id: {request_id}", err=True)
    raise SystemExit(exit_code_of(error))


def as_options(text: str) -> str:
    """A message of the core with its Python argument names replaced by command-line options."""

    def option(match: re.Match[str]) -> str:
        name = (match[1] or match[3]).removesuffix("_vnd").replace("_", "-")
        return f"--{name}{' ' if match[2] else ''}"

    return _ARGUMENT.sub(option, text)


def print_json(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, default=_as_json)
    if not text.isprintable():
        # JSON leaves some terminal control characters unescaped (U+009B); they can only occur inside strings.
        text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    echo(text)


def _as_json(value: object) -> Any:
    """A decimal as a number if that preserves its value; everything else as text."""
    if isinstance(value, Decimal):
        from esms_connectors.gateway.plain_values import plain_number

        return plain_number(value)
    return str(value)


def remember_json(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    context.find_root().meta["as_json"] = value
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=remember_json, help="One JSON object for machines."
)


csv_option = click.option("--csv", "as_csv", is_flag=True, help="CSV with a header line, for spreadsheets.")


def print_separated(names: Sequence[str], rows: Iterable[Sequence[Any]], *, csv: bool) -> None:
    """
    Print complete values with a header line, as CSV or tab-separated, with tabs, line ends and backslashes in values
    written as `\\t`, `\\n`, `\\\\`.
    """
    if not names:
        return
    lines = ([_in_one_form(value) for value in row] for row in until_closed(rows))
    if csv:
        writer = csv_writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(lines)
        return
    for row in (names, *lines):
        echo("\t".join("" if value is None else printable(str(value).translate(_TSV)) for value in row))


def _in_one_form(value: Any) -> Any:
    """Numbers without trailing zeros, whatever their type; nested values as JSON."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, Decimal) and value.is_finite():
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def print_table(table: Table) -> None:
    """Print a table; in a pipe nothing is cropped or wrapped, and lines have no trailing spaces."""
    from esms_connectors.cli.console import Console

    console = Console()
    if console.is_terminal:
        console.print(table, crop=False, no_wrap=True, overflow="ignore")
        return
    # Rich ignores a width passed to `print` that exceeds the console's own.
    console = Console(width=100_000)
    with console.capture() as printed:
        console.print(table, crop=False, no_wrap=True, overflow="ignore")
    for line in printed.get().splitlines():
        echo(line.rstrip())
