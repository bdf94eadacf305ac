"""`esms`, the command line."""

from __future__ import annotations

import importlib
import os
import sys


def main() -> None:
    """The console script; one line instead of a traceback if its libraries are missing."""
    try:
        for library in ("click", "rich"):
            importlib.import_module(library)
    except ImportError:
        sys.exit("esms needs the extra [cli]: pip install 'esms-connectors[cli]'")
    # Arrow's own allocator keeps what was freed, 20 to 30 MB of a load; pyarrow reads this when it is first imported.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from esms_connectors.cli.commands import esms

    esms(prog_name="esms")
