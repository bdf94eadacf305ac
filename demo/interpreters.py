"""Is a program the Python of an environment with Airflow or Prefect?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from esms_connectors.gateway.errors import ConfigurationError

_PATIENCE_SECONDS = 30.0
_LOOK = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))
"""


def check_interpreter(option: str, program: str, package: str) -> str:
    """
    Its path, absolute.

    Args:
        option: of the command line that named it.
        package: that its environment must have, besides this one.

    Raises:
        ConfigurationError: it is no Python, or lacks one of them.
    """
    # A link is not followed: an interpreter knows its environment by its own path.
    python = str(Path(program).absolute())
    missing: object = None
    try:
        # Without the folder that this runs in, where a package may lie that is not installed.
        asked = subprocess.run(  # noqa: S603 - the program that the user names
            [python, "-P", "-c", _LOOK, package, "esms_connectors"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        if asked.returncode == 0:
            missing = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        pass
    if missing == []:
        return python
    problem = f"lacks {' and '.join(map(str, missing))}" if isinstance(missing, list) else "is no Python 3.11 or newer"
    raise ConfigurationError(
        f"{option} {program} {problem}: give the Python of an environment with {package} and esms_connectors, "
        f"such as .venvs/{package}/bin/python."
    )
