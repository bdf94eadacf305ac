"""`--help` of every command is complete."""

from __future__ import annotations

from collections.abc import Iterator

import click

from esms_connectors.cli.commands import esms


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        if name != "call" and isinstance(command, click.Group):  # operations are described by the catalogue
            yield from commands(command, below)
        else:
            yield below.command_path, command.get_help(below), command


def test_each_command_has_an_example_and_a_word_on_each_option() -> None:
    found = list(commands(esms, click.Context(esms, info_name="esms", **esms.context_settings)))
    assert len(found) > 50
    assert [path for path, text, _ in found if "Example" not in text] == []
    silent = [
        (path, one.opts)
        for path, _, command in found
        for one in command.params
        if isinstance(one, click.Option) and not one.help
    ]
    assert silent == []
