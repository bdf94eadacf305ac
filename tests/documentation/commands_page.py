"""
Writes docs/reference/commands.md from what the commands say of themselves.

    python tests/documentation/commands_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from esms_connectors.cli.commands import esms

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
_HEAD = """# Commands

Written by `python tests/documentation/commands_page.py` from `--help`; a test compares.
"""

_NOWHERE = click.Context(esms)


def page() -> str:
    parts = [_HEAD]
    for names, command in commands(esms, ["esms"]):
        help_text = command.get_help(_context(names))
        parts.append(f"## `{' '.join(names)}`\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)


def commands(command: click.Command, names: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    yield names, command
    if isinstance(command, click.Group):
        # The operations of `esms call` have a page of their own.
        for name in esms.list_commands(_NOWHERE) if command is esms else sorted(command.commands):
            yield from commands(_inner(command, name), [*names, name])


def _inner(group: click.Group, name: str) -> click.Command:
    found = group.get_command(_NOWHERE, name)
    assert found is not None
    return found


def _context(names: list[str]) -> click.Context:
    """As wide as a terminal of 80 columns, wherever this runs."""
    context: click.Context | None = None
    command: click.Command = esms
    for number, name in enumerate(names):
        if isinstance(command, click.Group) and number:
            command = _inner(command, name)
        settings = {**command.context_settings, "terminal_width": 80, "max_content_width": 80}
        context = click.Context(command, context, info_name=name, **settings)
    assert context is not None
    return context


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
