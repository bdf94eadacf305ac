"""`esms`, the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script; one line instead of a traceback if its libraries are missing."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError:
        sys.exit("esms needs the extra [cli]: pip install 'esms-connectors[cli]'")
    from esms_connectors.cli.commands import esms

    esms(prog_name="esms")
