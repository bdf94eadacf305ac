"""
Text output; `console.py` is for tables and progress. Stored or foreign text must not move the cursor or set the colours
or title of a terminal.
"""

from __future__ import annotations

from typing import Any

import click

from esms_connectors.cli.language import tr


def printable(text: str) -> str:
    """Escape control characters, as in `\\x1b`; line ends and tabs are kept."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    number = ord(one)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def echo(text: object = "", *, err: bool = False, **style: Any) -> None:
    """Print a text and a line end; `style` as in `click.style`."""
    click.secho(printable(str(text)), err=err, **style)


def say(text: object, *, err: bool = False, **style: Any) -> None:
    """Print a translated message for humans; `echo` is for machine-readable output."""
    echo(tr(str(text)), err=err, **style)
