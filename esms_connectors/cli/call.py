"""`esms call OPERATION name=value …`: calls any gateway function; help and completion come from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from esms_connectors.cli.output import EXIT_CODES, json_option, print_json
from esms_connectors.cli.settings import connection_options, open_client
from esms_connectors.cli.terminal import echo, say
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.endpoints import Effect
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.operations import (
    Operation,
    call_operation,
    describe_operation,
    operation_names,
    read_arguments,
)
from esms_connectors.gateway.request_ids import random_request_id

_EFFECTS = {
    Effect.READ: "reads only",
    Effect.SEND: "sends",
    Effect.CHARGE: "costs money or has a lasting effect: needs --yes",
}


class OperationGroup(click.Group):
    """A command for each gateway function."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(operation_names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # During shell completion an incomplete name is not an error.
        return None if ctx.resilient_parsing and cmd_name not in operation_names() else _command(cmd_name)


@click.group("call", cls=OperationGroup, epilog=EXIT_CODES, subcommand_metavar="OPERATION [NAME=VALUE]...")
def call() -> None:
    """
    Call any function of the gateway by its name.

    \b
    Examples:
      esms call --help                      the functions
      esms call send_viber --help           the arguments of one
      esms call get_oa_quota oa_id=4097311281936189049 --json
      esms call send_viber phones=0901888484 brandname=MyBrand content="Xin chao"
    """


def _command(name: str) -> click.Command:
    operation = describe_operation(name)

    @connection_options
    @json_option
    def run(
        pairs: tuple[str, ...],
        yes: bool,
        show_phones: bool,
        base_url: str | None,
        sandbox: bool | None,
        as_json: bool,
    ) -> None:
        arguments = _arguments(pairs)
        # Report an invalid argument before a missing API key.
        read_arguments(operation.name, arguments)
        if operation.endpoint.effect is Effect.CHARGE and not yes:
            raise InvalidRequestError(
                f"{operation.name} costs money or has a lasting effect and cannot be undone: add --yes.", field="yes"
            )
        if operation.takes_request_id:
            # Created here so that it can be reported even if the answer is lost.
            arguments.setdefault("request_id", random_request_id())
        with open_client(base_url, sandbox) as client:
            answer = call_operation(client, operation.name, arguments, show_phones=show_phones)
        show_answer(answer, as_json=as_json)

    short = operation.summary.partition(". ")[0].rstrip(".")
    command = click.command(operation.name, help=_help(operation), short_help=short)(run)
    command.params[:0] = [
        click.Argument(["pairs"], nargs=-1, metavar="[NAME=VALUE]...", shell_complete=_completion(operation)),
        click.Option(["--yes"], is_flag=True, help="Confirm a call that costs money or has a lasting effect."),
        click.Option(["--show-phones"], is_flag=True, help="Show the phones of the answer in full."),
    ]
    return command


def _arguments(pairs: Sequence[str]) -> dict[str, Any]:
    """
    `name=value`, repeated for a list; `name.key=value` for one value of an object; `name=@file` for the content of a
    file.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            raise InvalidRequestError(f"Arguments are written name=value: {path[:30]!r} has no =.", field="arguments")
        name, dot, key = path.partition(".")
        value = _file_text(name, text[1:]) if text.startswith("@") else text
        if dot:
            member = found.setdefault(name, {})
            if not isinstance(member, dict):
                raise InvalidRequestError(f"{name} is given both as a whole and in parts.", field=name)
            member[key] = value
        elif name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _file_text(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problem = f"{name}: the file {path} cannot be read ({why})."
    raise InvalidRequestError(problem, field=name)


def _help(operation: Operation) -> str:
    about, _, _ = operation.description.partition("\nRaises:")
    words, _, explained = about.partition("\nArgs:")
    lines = [_paragraphs(words), "\b", "Arguments:"]
    width = max((len(one.name) for one in operation.arguments), default=0)
    lines += [
        f"  {one.name:<{width}}  {one.takes}{'' if one.required else ' (optional)'}" for one in operation.arguments
    ] or ["  none"]
    if explained.strip():
        lines += ["", "\b", *(line.rstrip() for line in explained.strip("\n").splitlines())]
    endpoint = operation.endpoint
    lines += ["", "\b", f"{_EFFECTS[endpoint.effect].capitalize()}; repeated after a lost answer: "]
    lines[-1] += operation.repeated_when + "."
    sandbox = "checked only with --sandbox" if endpoint.sandbox_field else "none; refused with --sandbox"
    lines += [] if operation.reads_only else [f"Sandbox: {sandbox}."]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n")) + "\n"


def _completion(operation: Operation) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [f"{one.name}=" for one in operation.arguments if f"{one.name}=".startswith(incomplete)]

    return complete


def show_answer(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print an answer of the gateway as JSON, or for humans."""
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: Mapping[str, Any]) -> None:
    """One line per field, one block per row."""
    rows = answer.get("rows")
    if set(answer) == {"rows", "count"} and isinstance(rows, list):
        for number, row in enumerate(rows):
            if number:
                echo()
            _show(row if isinstance(row, Mapping) else {"": row})
        say(counted(len(rows), "row"))
        return
    width = max(map(len, answer), default=0)
    for name, value in answer.items():
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        echo(f"{name:<{width}}  {'-' if shown is None else shown}")
