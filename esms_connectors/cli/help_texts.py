"""`--help` in the chosen language. What it lacks stays English, as does what stands behind the first paragraph."""

from __future__ import annotations

import copy
import re
from typing import TypeVar

import click

from esms_connectors.cli.language import in_vietnamese

_Command = TypeVar("_Command", bound=click.Command)
_SENTENCES = re.compile(r"(?<=[.]) (?=[A-Z`-])")


def in_language(command: _Command) -> _Command:
    """The command as it is, or a copy whose help is in Vietnamese: the same object is another language's too."""
    if not in_vietnamese():
        return command
    from esms_connectors.cli.vietnamese.help_options import HELP_OF_OPTIONS

    translated = copy.copy(command)
    translated.help = first_paragraph(command.help or "")
    translated.params = [copy.copy(one) for one in command.params]
    for one in translated.params:
        if isinstance(one, click.Option) and one.help:
            one.help = HELP_OF_OPTIONS.get(one.help, one.help)
    if isinstance(translated, click.Group):
        translated.commands = {name: in_language(one) for name, one in translated.commands.items()}
    return translated


def first_paragraph(text: str) -> str:
    """With its first paragraph in Vietnamese, if each sentence of it is known."""
    from esms_connectors.cli.vietnamese.help_commands import HELP_OF_COMMANDS

    paragraph, blank, rest = text.partition("\n\n")
    sentences = _SENTENCES.split(" ".join(paragraph.split()))
    known = [HELP_OF_COMMANDS[one] for one in sentences if one in HELP_OF_COMMANDS]
    return " ".join(known) + blank + rest if len(known) == len(sentences) else text
