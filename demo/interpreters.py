"""Checks that a program is the Python of an environment with Airflow or Prefect."""

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
    Return the absolute path of an interpreter after checking it.

    Args:
        option: the command-line option that named it.
        package: the package that its environment must have, in addition to this one.

    Raises:
        ConfigurationError: not a Python interpreter, or one of the packages is missing.
    """
    # Do not resolve links: an interpreter finds its environment by its own path.
    python = str(Path(program).absolute())
    missing: object = None
    try:
        # -P excludes the working folder, which may contain a package that is not installed.
        asked = subprocess.run(
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
